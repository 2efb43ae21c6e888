/* The state machine alone, without a store: random histories in random order, every invariant after
 * every event, and the same state when the history is loaded instead of lived through. */
#include "refine/competition.h"

#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "rewards/score.h"
#include "roles/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { problems = 3, threads = 5 };

static struct el_settings settings(int control, int feedback)
{
    struct el_settings s;
    el_settings_init(&s);
    strcpy(s.name, "run");
    s.threads = threads;
    s.rounds = 4;
    s.analyses = 3;
    s.control = control;
    s.feedback = feedback;
    s.feedback_analyses = 2;
    return s;
}

/* What reply a job gets is a function of the job, never of when it comes. */
static struct el_rng fate(int kind, int a, int b, int salt)
{
    struct el_rng rng;
    el_rng_init(&rng, ((uint64_t)kind << 48) ^ ((uint64_t)a << 32) ^ ((uint64_t)b << 16) ^
                          (uint64_t)salt);
    return rng;
}

/* Few different texts, so that threads of a problem share some. */
static void text_of(int thread, int round, char text[32])
{
    struct el_rng rng = fate(2, thread, round, 3);
    snprintf(text, 32, "proof %.*s", 1 + (int)el_rng_below(&rng, 6), "abcdef");
}

static struct el_attempt make_attempt(struct el_competition *c, int thread, int round)
{
    struct el_rng rng = fate(0, thread, round, 1);
    struct el_attempt a = {.job = 1, .text = -1, .failure = EL_REPLY_OK, .halves = EL_SCORE_NONE};
    a.refined = el_competition_source(c, thread, round) != NULL;
    uint32_t kind = el_rng_below(&rng, 8);
    char text[32];
    text_of(thread, round, text);
    if (kind == 0) {
        a.failure = EL_REPLY_TRUNCATED;
        return a;
    }
    a.proof = 1000 + thread * 16 + round;
    a.self = a.proof;
    a.text = el_competition_text(c, thread / threads, text, strlen(text), a.proof, NULL);
    assert_true(a.text >= 0);
    if (kind == 1)
        a.failure = EL_REPLY_NO_BOXED_SCORE;
    else
        a.halves = (signed char)(el_rng_below(&rng, 8) ? el_rng_below(&rng, 2) : 2);
    return a;
}

static struct el_vote_record make_vote(const struct el_competition *c, int text, int sample)
{
    const struct el_text *t = &c->texts[text];
    struct el_rng rng = fate(1, t->problem * 64 + (int)(t->bytes), sample, 2);
    int dropped = el_rng_below(&rng, 4) == 0;
    return (struct el_vote_record){
        .job = 1,
        .analysis = 1 + sample,
        .attempts = 1,
        .state = dropped ? EL_VOTE_DROPPED : EL_VOTE_DONE,
        .halves = (signed char)(dropped ? EL_SCORE_NONE : (int)el_rng_below(&rng, 3))};
}

/* Some prompts do not fit: every other refinement of thread 1 with all its analyses. */
static int is_refused(const struct el_competition *c, int thread, int round, int dropped)
{
    int64_t ids[65];
    int n = el_competition_feedback(c, thread, round, dropped, ids);
    return thread % threads == 1 && round % 2 == 0 && n > (thread < threads ? 0 : 1);
}

static int answer(struct el_competition *c, const struct el_task *t, struct el_error *err)
{
    if (t->kind == EL_TASK_ANALYSIS) {
        struct el_vote_record v = make_vote(c, t->text, t->sample);
        return el_competition_analysis(c, t->text, t->sample, &v, err);
    }
    int round = c->threads[t->thread].round + 1;
    int dropped = el_competition_at(c, t->thread, round)->dropped;
    if (is_refused(c, t->thread, round, dropped))
        return el_competition_refused(c, t->thread, round, dropped, err);
    struct el_attempt a = make_attempt(c, t->thread, round);
    return el_competition_attempt(c, t->thread, round, &a, err);
}

static void check(const struct el_competition *c)
{
    const char *wrong = el_competition_check(c);
    if (wrong)
        fail_msg("invariant %s", wrong);
}

/* Lives through everything, answering jobs in a random order; *steps limits how many, -1: all. */
static void live(struct el_competition *c, uint64_t order, int steps)
{
    struct el_rng rng;
    struct el_task flying[64];
    struct el_error err = {0};
    int n = 0;
    el_rng_init(&rng, order);
    for (;;) {
        for (int kind = 0; kind < 2; kind++)
            while (n < 7 && el_competition_take(c, (enum el_task_kind)kind, &flying[n]))
                n++;
        check(c);
        if (n == 0 || steps-- == 0)
            return;
        int i = (int)el_rng_below(&rng, (uint32_t)n);
        struct el_task task = flying[i];
        flying[i] = flying[--n];
        int64_t bound = el_competition_bound(c);
        assert_int_equal(answer(c, &task, &err), 0);
        if (c->set.feedback == EL_FEEDBACK_SELF)
            assert_true(el_competition_bound(c) <= bound);
        check(c);
    }
}

static void begin(struct el_competition *c, const struct el_settings *s)
{
    struct el_error err = {0};
    assert_int_equal(el_competition_init(c, s, problems, &err), 0);
}

/* The outcome without anything that depends on the order of arrival. */
static void describe(const struct el_competition *c, char *out, size_t size)
{
    size_t at = 0;
    for (int t = 0; t < el_competition_threads(c); t++) {
        at += (size_t)snprintf(out + at, size - at, "%d:%d", (int)c->threads[t].state,
                               c->threads[t].round);
        for (int r = 1; r <= c->threads[t].round; r++) {
            const struct el_attempt *a = el_competition_at(c, t, r);
            const struct el_attempt *source = el_competition_source(c, t, r);
            at += (size_t)snprintf(out + at, size - at, " %lld,%d,%d,%lld", (long long)a->proof,
                                   a->halves, a->dropped, source ? (long long)source->proof : 0LL);
        }
        at += (size_t)snprintf(out + at, size - at, "\n");
        assert_true(at < size);
    }
}

/* Feeds the attempts and votes of `from` into a fresh competition, as loading does. */
static void reload(struct el_competition *to, const struct el_competition *from)
{
    struct el_error err = {0};
    begin(to, &from->set);
    for (int t = 0; t < el_competition_threads(from); t++)
        for (int r = 1; r <= from->set.rounds; r++) {
            const struct el_attempt *a = el_competition_at(from, t, r);
            if (a->dropped)
                assert_int_equal(el_competition_refused(to, t, r, a->dropped - 1, &err), 0);
            if (!a->stored)
                break;
            struct el_attempt again = *a;
            if (a->text >= 0) {
                char text[32];
                text_of(t, r, text);
                again.text =
                    el_competition_text(to, t / threads, text, strlen(text), a->proof, &err);
            }
            assert_int_equal(el_competition_attempt(to, t, r, &again, &err), 0);
        }
    for (int x = 0; x < from->n_texts; x++)
        for (int i = 0; i < from->texts[x].cap; i++) {
            int text = el_map_get(&to->by_proof, (uint64_t)from->texts[x].proof);
            if (from->texts[x].votes[i].state != EL_VOTE_NONE)
                assert_int_equal(
                    el_competition_analysis(to, text, i, &from->texts[x].votes[i], &err), 0);
        }
    assert_int_equal(el_competition_start(to, &err), 0);
}

static void test_any_order(void **state)
{
    (void)state;
    static char first[8192], other[8192];
    for (int control = 0; control < EL_CONTROLS; control++)
        for (int feedback = 0; feedback < EL_FEEDBACKS; feedback++)
            for (uint64_t order = 0; order < 12; order++) {
                struct el_settings s = settings(control, feedback);
                s.analyse_all = order % 2 == 1;
                struct el_competition c;
                struct el_error err = {0};
                begin(&c, &s);
                assert_int_equal(el_competition_start(&c, &err), 0);
                live(&c, order, -1);
                assert_int_equal(c.unfinished, 0);
                assert_int_equal(c.rounds_left, 0);
                assert_int_equal(c.outstanding_analyses, 0);
                describe(&c, order ? other : first, sizeof first);
                if (order)
                    assert_string_equal(first, other);
                el_competition_release(&c);
            }
}

static void test_resumed_anywhere(void **state)
{
    (void)state;
    static char whole[8192], resumed[8192];
    for (int control = 0; control < EL_CONTROLS; control++)
        for (int steps = 0; steps < 120; steps += 7) {
            struct el_settings s = settings(control, EL_FEEDBACK_BOTH);
            struct el_competition c, again;
            struct el_error err = {0};
            begin(&c, &s);
            assert_int_equal(el_competition_start(&c, &err), 0);
            live(&c, 3, steps);
            reload(&again, &c);
            check(&again);
            live(&again, 4, -1);
            describe(&again, resumed, sizeof resumed);
            el_competition_release(&again);
            el_competition_release(&c);
            begin(&c, &s);
            assert_int_equal(el_competition_start(&c, &err), 0);
            live(&c, 1, -1);
            describe(&c, whole, sizeof whole);
            el_competition_release(&c);
            assert_string_equal(whole, resumed);
        }
}

static void test_shuffle_gives_other_proofs(void **state)
{
    (void)state;
    struct el_settings s = settings(EL_CONTROL_SHUFFLE, EL_FEEDBACK_SELF);
    struct el_competition c;
    struct el_error err = {0};
    int refined = 0, own_problem = 0;
    begin(&c, &s);
    assert_int_equal(el_competition_start(&c, &err), 0);
    live(&c, 2, -1);
    for (int t = 0; t < el_competition_threads(&c); t++)
        for (int r = 2; r <= c.threads[t].round; r++) {
            const struct el_attempt *base = el_competition_base(&c, t, r);
            const struct el_attempt *source = el_competition_source(&c, t, r);
            if (!source)
                continue;
            refined++;
            assert_int_not_equal(source->text, base->text);
            assert_int_not_equal(source->halves, EL_SCORE_ONE);
            own_problem += c.texts[source->text].problem == t / threads;
        }
    assert_true(refined > 10);
    assert_true(own_problem > refined / 2);
    el_competition_release(&c);
}

static void test_refuses_what_cannot_be(void **state)
{
    (void)state;
    struct el_settings s = settings(EL_CONTROL_NONE, EL_FEEDBACK_SELF);
    struct el_competition c;
    struct el_error err = {0};
    const struct el_attempt failed = {.text = -1, .failure = EL_REPLY_EMPTY, .halves = -1};
    const struct el_vote_record vote = {.state = EL_VOTE_DONE};
    begin(&c, &s);
    assert_int_equal(el_competition_attempt(&c, 0, 2, &failed, &err), EL_EFORMAT);
    assert_int_equal(el_competition_refused(&c, 0, 3, 0, &err), EL_EFORMAT);
    int text = el_competition_text(&c, 0, "x", 1, 7, &err);
    assert_int_equal(el_competition_analysis(&c, text, -1, &vote, &err), EL_EFORMAT);
    assert_int_equal(el_competition_analysis(&c, text, EL_MAX_ANALYSES, &vote, &err), EL_EFORMAT);
    const struct el_attempt solved = {.text = text, .halves = EL_SCORE_ONE, .proof = 7, .self = 1};
    assert_int_equal(el_competition_attempt(&c, 0, 1, &solved, &err), 0);
    assert_int_equal(el_competition_attempt(&c, 0, 2, &failed, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "out of turn"));
    el_competition_release(&c);
    assert_int_equal(el_competition_init(&c, &s, 0, &err), EL_EINVAL);
}

/* The same text of a problem is one text; of another problem, another. */
static void test_equal_texts_share_analyses(void **state)
{
    (void)state;
    struct el_settings s = settings(EL_CONTROL_NONE, EL_FEEDBACK_SELF);
    struct el_competition c;
    begin(&c, &s);
    int a = el_competition_text(&c, 0, "same", 4, 1, NULL);
    assert_int_equal(el_competition_text(&c, 0, "same", 4, 2, NULL), a);
    assert_int_not_equal(el_competition_text(&c, 1, "same", 4, 3, NULL), a);
    assert_int_equal(el_map_get(&c.by_proof, 2), a);
    el_competition_release(&c);
}

static void test_memory_faults(void **state)
{
    (void)state;
    struct el_settings s = settings(EL_CONTROL_SHUFFLE, EL_FEEDBACK_BOTH);
    int failures = 0;
    for (long n = 1;; n++) {
        struct el_competition c;
        struct el_error err = {0};
        el_alloc_fail_after(n);
        int rc = el_competition_init(&c, &s, problems, &err);
        if (rc == 0)
            rc = el_competition_start(&c, &err);
        struct el_task task;
        while (rc == 0 && (el_competition_take(&c, EL_TASK_ATTEMPT, &task) ||
                           el_competition_take(&c, EL_TASK_ANALYSIS, &task))) {
            if (task.kind == EL_TASK_ANALYSIS || is_refused(&c, task.thread, 1, 0)) {
                rc = answer(&c, &task, &err);
                continue;
            }
            int round = c.threads[task.thread].round + 1;
            char text[16];
            snprintf(text, sizeof text, "%d", task.thread + 16 * round);
            struct el_attempt a = {.proof = task.thread + 64 * round, .self = 1, .halves = 1};
            a.text = rc =
                el_competition_text(&c, task.thread / threads, text, strlen(text), a.proof, &err);
            if (rc >= 0)
                rc = el_competition_attempt(&c, task.thread, round, &a, &err);
        }
        el_alloc_fail_after(0);
        el_competition_release(&c);
        if (rc == 0)
            break;
        assert_int_equal(rc, EL_ENOMEM);
        assert_non_null(strstr(err.msg, "out of memory"));
        failures++;
    }
    assert_true(failures > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order),
        cmocka_unit_test(test_resumed_anywhere),
        cmocka_unit_test(test_shuffle_gives_other_proofs),
        cmocka_unit_test(test_refuses_what_cannot_be),
        cmocka_unit_test(test_equal_texts_share_analyses),
        cmocka_unit_test(test_memory_faults),
    };
    return cmocka_run_group_tests_name("competition", tests, NULL, NULL);
}
