/* The state of automatic labelling alone, without a store: replies in random order, every invariant
 * after every one, and the same decisions when the history is loaded, or everything is examined. */
#include "refine/labelling.h"

#include "core/base/buf.h"
#include "core/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

enum { proofs = 24, items = 18 }; /* every fourth proof is a copy */

static struct el_label_settings settings(int lowest, int complete)
{
    struct el_label_settings s;
    el_label_settings_init(&s);
    s.rule.n = 5;
    s.rule.m = 3;
    s.rule.lowest = lowest;
    s.complete = complete;
    return s;
}

/* What reply a job gets is a function of the job, never of when it comes. */
static struct el_rng fate(int kind, int64_t a, int b)
{
    struct el_rng rng;
    el_rng_init(&rng, ((uint64_t)kind << 48) ^ ((uint64_t)a << 16) ^ (uint64_t)b);
    return rng;
}

static void add_proofs(struct el_labelling *s)
{
    for (int i = 0; i < proofs; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "proof %d", i % 4 == 3 ? i - 1 : i);
        assert_true(el_labelling_proof(s, i / 4, 100 + i, text, (size_t)n, NULL) >= 0);
    }
    assert_int_equal(s->n_items, items);
    assert_int_equal(s->n_copies, proofs);
}

/* One in four needs another attempt first. */
static int answer(struct el_labelling *s, int kind, const struct el_label_task *t, int attempt)
{
    int64_t about = kind == EL_LABEL_ANALYSIS ? s->items[t->subject].proof
                                              : 1000 + s->texts[t->subject].analysis;
    struct el_rng rng = fate(kind, about, t->sample);
    int again = el_rng_below(&rng, 4) == 0, dropped = el_rng_below(&rng, 6) == 0;
    int halves = (int)el_rng_below(&rng, 3);
    struct el_vote_record v = {.job = 1, .attempts = attempt + 1, .halves = EL_SCORE_NONE};
    v.state = again && attempt == 0 ? EL_VOTE_NONE : dropped ? EL_VOTE_DROPPED : EL_VOTE_DONE;
    if (v.state == EL_VOTE_DONE)
        v.halves = (signed char)halves;
    char text[32]; /* few different texts of a score, so that analyses share some */
    snprintf(text, sizeof text, "score %d, variant %u", halves, el_rng_below(&rng, 2));
    v.analysis = about * 16 + t->sample;
    struct el_error err = {0};
    int rc = kind == EL_LABEL_ANALYSIS
                 ? el_labelling_analysis(s, t->subject, t->sample, &v, text, &err)
                 : el_labelling_meta(s, t->subject, t->sample, &v, &err);
    assert_int_equal(rc, 0);
    return v.state == EL_VOTE_NONE;
}

static void check(const struct el_labelling *s)
{
    const char *wrong = el_labelling_check(s);
    if (wrong)
        fail_msg("invariant: %s", wrong);
}

/* Answers in a random order; at most `steps`, -1: to the end. Returns the replies. */
static int live(struct el_labelling *s, uint64_t order, int steps)
{
    struct {
        struct el_label_task task;
        int kind, attempt;
    } flying[8];
    struct el_rng rng;
    int n = 0, replies = 0;
    el_rng_init(&rng, order);
    for (;; replies++) {
        for (int kind = 0; kind < 2; kind++)
            while (n < 7 && el_labelling_take(s, (enum el_label_task_kind)kind, &flying[n].task)) {
                flying[n].kind = kind;
                flying[n++].attempt = 0;
            }
        check(s);
        if (n == 0 || replies == steps)
            return replies;
        int i = (int)el_rng_below(&rng, (uint32_t)n);
        if (answer(s, flying[i].kind, &flying[i].task, flying[i].attempt))
            flying[i].attempt++;
        else
            flying[i] = flying[--n];
        check(s);
    }
}

static void begin(struct el_labelling *s, const struct el_label_settings *set)
{
    struct el_error err = {0};
    assert_int_equal(el_labelling_init(s, set, &err), 0);
    add_proofs(s);
}

static void start(struct el_labelling *s)
{
    struct el_error err = {0};
    assert_int_equal(el_labelling_start(s, &err), 0);
}

/* Labels and reasons, and every decided item announced once. */
static void describe(struct el_labelling *s, struct el_buf *out)
{
    int announced = 0;
    while (el_labelling_next_decided(s) >= 0)
        announced++;
    assert_int_equal(announced, items);
    for (int i = 0; i < s->n_items; i++) {
        assert_int_equal(s->items[i].stage, EL_STAGE_DECIDED);
        el_buf_printf(out, "%d %s\n", s->items[i].result.halves,
                      el_label_reason_name(s->items[i].result.reason));
    }
}

static int lived(const struct el_label_settings *set, uint64_t order, struct el_buf *out)
{
    struct el_labelling s;
    begin(&s, set);
    start(&s);
    int replies = live(&s, order, -1);
    assert_int_equal(el_labelling_expected(&s), s.stored[0] + s.stored[1]);
    describe(&s, out);
    el_labelling_release(&s);
    return replies;
}

static void test_order_does_not_show(void **state)
{
    (void)state;
    for (int lowest = 0; lowest < EL_LOWESTS; lowest++) {
        struct el_label_settings set = settings(lowest, 0), all = settings(lowest, 1);
        struct el_buf a, b, c;
        el_buf_init(&a);
        el_buf_init(&b);
        el_buf_init(&c);
        int few = lived(&set, 1, &a);
        assert_int_equal(lived(&set, 2, &b), few);
        assert_true(lived(&all, 3, &c) > few); /* everything examined: the same, for more */
        assert_string_equal(a.data, b.data);
        assert_string_equal(a.data, c.data);
        el_buf_release(&a);
        el_buf_release(&b);
        el_buf_release(&c);
    }
}

/* Copies what is settled in `from` into a new state, as loading from a store does. */
static void load(struct el_labelling *s, const struct el_labelling *from)
{
    struct el_error err = {0};
    for (int i = 0; i < from->n_items; i++)
        for (int j = 0; j < from->items[i].cap; j++) {
            const struct el_label_item *x = &from->items[i];
            char text[32];
            struct el_rng rng = fate(EL_LABEL_ANALYSIS, x->proof, j);
            el_rng_below(&rng, 4);
            el_rng_below(&rng, 6);
            int halves = (int)el_rng_below(&rng, 3);
            snprintf(text, sizeof text, "score %d, variant %u", halves, el_rng_below(&rng, 2));
            if (x->analyses[j].job)
                assert_int_equal(el_labelling_analysis(s, i, j, &x->analyses[j], text, &err), 0);
        }
    for (int t = 0; t < from->n_texts; t++)
        for (int j = 0; j < from->texts[t].cap; j++) {
            int to = el_map_get(&s->by_analysis, (uint64_t)from->texts[t].analysis);
            if (from->texts[t].metas[j].job)
                assert_int_equal(el_labelling_meta(s, to, j, &from->texts[t].metas[j], &err), 0);
        }
}

static void test_interrupted_anywhere(void **state)
{
    (void)state;
    struct el_label_settings set = settings(EL_LOWEST_ANY, 0);
    struct el_labelling never;
    struct el_buf whole;
    el_buf_init(&whole);
    begin(&never, &set);
    start(&never);
    int replies = live(&never, 1, -1);
    describe(&never, &whole);
    for (int at = 0; at < replies; at++) {
        struct el_labelling before, after;
        struct el_buf out;
        el_buf_init(&out);
        begin(&before, &set);
        start(&before);
        live(&before, (uint64_t)at, at);
        begin(&after, &set);
        load(&after, &before);
        start(&after);
        live(&after, 9, -1);
        describe(&after, &out);
        assert_string_equal(out.data, whole.data);
        assert_int_equal(after.stored[EL_LABEL_ANALYSIS], never.stored[EL_LABEL_ANALYSIS]);
        assert_int_equal(after.stored[EL_LABEL_META], never.stored[EL_LABEL_META]);
        el_labelling_release(&before);
        el_labelling_release(&after);
        el_buf_release(&out);
    }
    el_labelling_release(&never);
    el_buf_release(&whole);
}

/* What a run of fewer samples would decide comes out of one with more. */
static void test_smaller_rules_out_of_one_run(void **state)
{
    (void)state;
    struct el_label_settings large = settings(EL_LOWEST_ANY, 1);
    struct el_labelling s;
    begin(&s, &large);
    start(&s);
    live(&s, 4, -1);
    for (int n = 1; n <= 5; n++)
        for (int m = 1; m <= 3; m += 2) {
            struct el_label_settings small = settings(EL_LOWEST_ANY, 0);
            small.rule.n = n;
            small.rule.m = m;
            small.rule.k = n > 1 ? 2 : 1;
            struct el_buf a, b;
            el_buf_init(&a);
            el_buf_init(&b);
            lived(&small, 5, &a);
            for (int i = 0; i < s.n_items; i++) {
                struct el_label_result x;
                assert_int_equal(el_labelling_decide(&s, i, &small.rule, &x), 1);
                el_buf_printf(&b, "%d %s\n", x.halves, el_label_reason_name(x.reason));
            }
            assert_string_equal(a.data, b.data);
            el_buf_release(&a);
            el_buf_release(&b);
        }
    el_labelling_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_does_not_show),
        cmocka_unit_test(test_interrupted_anywhere),
        cmocka_unit_test(test_smaller_rules_out_of_one_run),
    };
    return cmocka_run_group_tests_name("labelling", tests, NULL, NULL);
}
