#include "refine/competition.h"

#include "core/base/alloc.h"
#include "core/base/digest.h"
#include "rewards/score.h"
#include "roles/reply.h"

#include <string.h>

static int settle(struct el_competition *c, int thread, struct el_error *err);

static int no_memory(struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "out of memory for the state of the competition");
}

int el_competition_init(struct el_competition *c, const struct el_settings *s, int n_problems,
                        struct el_error *err)
{
    memset(c, 0, sizeof *c);
    c->set = *s;
    c->n_problems = n_problems;
    int64_t n = (int64_t)n_problems * s->threads;
    if (n_problems < 1 || n > 100000000)
        return el_error_set(err, EL_EINVAL, "%d problems with %d threads each", n_problems,
                            s->threads);
    el_map_init(&c->by_digest);
    el_map_init(&c->by_proof);
    c->threads = el_alloc_array((size_t)n, sizeof *c->threads);
    c->attempts = el_alloc_array((size_t)(n * s->rounds), sizeof *c->attempts);
    c->past = el_alloc_array((size_t)n_problems * (size_t)s->rounds, sizeof *c->past);
    if (!c->threads || !c->attempts || !c->past) {
        el_competition_release(c);
        return no_memory(err);
    }
    c->unfinished = (int)n;
    c->rounds_left = n * s->rounds;
    return 0;
}

void el_competition_release(struct el_competition *c)
{
    for (int i = 0; i < c->n_texts; i++)
        el_free(c->texts[i].votes);
    el_free(c->texts);
    el_free(c->threads);
    el_free(c->attempts);
    el_free(c->past);
    el_map_release(&c->by_digest);
    el_map_release(&c->by_proof);
    el_free(c->queue[0].items);
    el_free(c->queue[1].items);
    memset(c, 0, sizeof *c);
}

int el_thread_is_finished(enum el_thread_state state)
{
    return state >= EL_THREAD_SOLVED;
}

int el_attempt_is_whole(const struct el_attempt *a)
{
    return a->stored && a->failure == EL_REPLY_OK && a->text >= 0;
}

static int is_solved(const struct el_attempt *a)
{
    return el_attempt_is_whole(a) && a->halves == EL_SCORE_ONE;
}

/* ------------------------------------------------------------------------------------ texts */

static int add_text(struct el_competition *c, int problem, size_t n, int64_t proof)
{
    if (c->n_texts == c->cap_texts) {
        int cap = c->cap_texts ? 2 * c->cap_texts : 64;
        struct el_text *grown = el_realloc(c->texts, (size_t)cap * sizeof *grown);
        if (!grown)
            return EL_ENOMEM;
        c->texts = grown;
        c->cap_texts = cap;
    }
    c->texts[c->n_texts] =
        (struct el_text){.problem = problem, .proof = proof, .bytes = n, .waiter = -1};
    return c->n_texts++;
}

int el_competition_text(struct el_competition *c, int problem, const char *text, size_t n,
                        int64_t proof, struct el_error *err)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_u64(&d, (uint64_t)problem);
    el_digest_bytes(&d, text, n);
    uint64_t key = el_digest_key(&d);
    int i = el_map_get(&c->by_digest, key);
    if (i < 0) {
        i = add_text(c, problem, n, proof);
        if (i < 0 || el_map_put(&c->by_digest, key, i) < 0)
            return no_memory(err);
    }
    return el_map_put(&c->by_proof, (uint64_t)proof, i) < 0 ? no_memory(err) : i;
}

static int reserve_votes(struct el_text *t, int n)
{
    if (n <= t->cap)
        return 0;
    struct el_vote_record *grown = el_realloc(t->votes, (size_t)n * sizeof *grown);
    if (!grown)
        return EL_ENOMEM;
    memset(grown + t->cap, 0, (size_t)(n - t->cap) * sizeof *grown);
    t->votes = grown;
    t->cap = n;
    return 0;
}

/* ------------------------------------------------------------------------------------ queues */

static int push(struct el_competition *c, struct el_task task, struct el_error *err)
{
    struct el_task_queue *q = &c->queue[task.kind];
    if (q->count == q->cap) {
        size_t cap = q->cap ? 2 * q->cap : 64;
        struct el_task *grown = el_alloc_array(cap, sizeof *grown);
        if (!grown)
            return no_memory(err);
        for (size_t i = 0; i < q->count; i++)
            grown[i] = q->items[(q->head + i) % q->cap];
        el_free(q->items);
        *q = (struct el_task_queue){grown, 0, q->count, cap};
    }
    q->items[(q->head + q->count++) % q->cap] = task;
    return 0;
}

int el_competition_take(struct el_competition *c, enum el_task_kind kind, struct el_task *out)
{
    struct el_task_queue *q = &c->queue[kind];
    if (q->count == 0)
        return 0;
    *out = q->items[q->head];
    q->head = (q->head + 1) % q->cap;
    q->count--;
    if (kind == EL_TASK_ATTEMPT) {
        c->threads[out->thread].state = EL_THREAD_IN_FLIGHT;
        c->threads[out->thread].queued = 0;
    }
    return 1;
}

/* Asks for the first n analyses of a text, as far as they are neither there nor asked for. */
static int want(struct el_competition *c, int text, int n, struct el_error *err)
{
    struct el_text *t = &c->texts[text];
    if (reserve_votes(t, n) < 0)
        return no_memory(err);
    for (; t->wanted < n; t->wanted++) {
        if (t->votes[t->wanted].state != EL_VOTE_NONE)
            continue;
        struct el_task task = {.kind = EL_TASK_ANALYSIS, .text = text, .sample = t->wanted};
        int rc = push(c, task, err);
        if (rc < 0)
            return rc;
        c->outstanding_analyses++;
    }
    return 0;
}

/* ----------------------------------------------------------------------------------- threads */

static int uses_verifier(const struct el_settings *s)
{
    return s->feedback != EL_FEEDBACK_SELF;
}

/* The first n analyses of a text are stored or dropped for good. */
static int analysed(const struct el_text *t, int n)
{
    for (int i = 0; i < n; i++)
        if (i >= t->cap || t->votes[i].state == EL_VOTE_NONE)
            return 0;
    return 1;
}

static int wake_round(struct el_competition *c, int problem, struct el_error *err)
{
    int first = problem * c->set.threads, rc = 0;
    for (int t = first; rc == 0 && t < first + c->set.threads; t++)
        if (c->threads[t].state == EL_THREAD_AWAIT_ROUND)
            rc = settle(c, t, err);
    return rc;
}

/* The thread is beyond the rounds from..to: those who wait for that go on. */
static int pass_rounds(struct el_competition *c, int thread, int from, int to, struct el_error *err)
{
    int problem = thread / c->set.threads, rc = 0;
    int64_t all = el_competition_threads(c);
    for (int r = from; r <= to; r++) {
        int n = ++c->past[(size_t)problem * (size_t)c->set.rounds + (size_t)(r - 1)];
        int opened = r == 1 && ++c->first_rounds == all;
        if (!c->started || c->set.control != EL_CONTROL_SHUFFLE)
            continue;
        for (int p = 0; opened && rc == 0 && p < c->n_problems; p++)
            rc = wake_round(c, p, err);
        if (!opened && n == c->set.threads && rc == 0)
            rc = wake_round(c, problem, err);
    }
    return rc;
}

int el_competition_round_complete(const struct el_competition *c, int problem, int round)
{
    if (c->first_rounds < el_competition_threads(c))
        return 0;
    return c->past[(size_t)problem * (size_t)c->set.rounds + (size_t)(round - 1)] == c->set.threads;
}

static int finish(struct el_competition *c, int thread, enum el_thread_state state,
                  struct el_error *err)
{
    struct el_thread *t = &c->threads[thread];
    t->state = state;
    c->unfinished--;
    c->rounds_left -= c->set.rounds - t->round;
    const struct el_attempt *last = el_competition_final(c, thread, c->set.rounds);
    int rc = 0;
    if (last && c->set.analyses > 0)
        rc = want(c, last->text, c->set.analyses, err);
    return rc < 0 ? rc : pass_rounds(c, thread, t->round + 1, c->set.rounds, err);
}

static int make_ready(struct el_competition *c, int thread, struct el_error *err)
{
    struct el_thread *t = &c->threads[thread];
    int dropped = el_competition_at(c, thread, t->round + 1)->dropped;
    int64_t ids[65];
    int n = el_competition_feedback(c, thread, t->round + 1, 0, ids);
    if (dropped >= (n > 1 ? n : 1))
        return finish(c, thread, EL_THREAD_REFUSED, err);
    t->state = EL_THREAD_READY;
    t->queued = 1;
    return push(c, (struct el_task){.kind = EL_TASK_ATTEMPT, .thread = thread}, err);
}

static int await_analyses(struct el_competition *c, int thread, int text)
{
    c->threads[thread].state = EL_THREAD_AWAIT_ANALYSES;
    c->threads[thread].next_waiter = c->texts[text].waiter;
    c->texts[text].waiter = thread;
    return 0;
}

/* Decides what comes after what is stored. */
static int settle(struct el_competition *c, int thread, struct el_error *err)
{
    struct el_thread *t = &c->threads[thread];
    if (t->round > 0 && is_solved(el_competition_at(c, thread, t->round)))
        return finish(c, thread, EL_THREAD_SOLVED, err);
    if (t->round == c->set.rounds)
        return finish(c, thread, EL_THREAD_SPENT, err);
    if (!el_competition_base(c, thread, t->round + 1))
        return make_ready(c, thread, err);
    if (c->set.control == EL_CONTROL_SHUFFLE &&
        !el_competition_round_complete(c, thread / c->set.threads, t->round)) {
        t->state = EL_THREAD_AWAIT_ROUND;
        return 0;
    }
    const struct el_attempt *source = el_competition_source(c, thread, t->round + 1);
    if (source && uses_verifier(&c->set)) {
        int rc = want(c, source->text, c->set.feedback_analyses, err);
        if (rc < 0)
            return rc;
        if (!analysed(&c->texts[source->text], c->set.feedback_analyses))
            return await_analyses(c, thread, source->text);
    }
    return make_ready(c, thread, err);
}

/* What a stored attempt means besides the thread's next step. */
static int after_attempt(struct el_competition *c, const struct el_attempt *a, struct el_error *err)
{
    if (a->text < 0 || !c->set.analyse_all || c->set.analyses == 0)
        return 0;
    return want(c, a->text, c->set.analyses, err);
}

int el_competition_attempt(struct el_competition *c, int thread, int round,
                           const struct el_attempt *a, struct el_error *err)
{
    struct el_thread *t = &c->threads[thread];
    if (round != t->round + 1 || round > c->set.rounds ||
        (t->round > 0 && is_solved(el_competition_at(c, thread, t->round))))
        return el_error_set(err, EL_EFORMAT,
                            "problem %d, thread %d: attempt %d follows attempt %d, out of turn",
                            thread / c->set.threads, thread % c->set.threads, round, t->round);
    struct el_attempt *place = el_competition_at(c, thread, round);
    int dropped = place->dropped;
    *place = *a;
    place->stored = 1;
    place->dropped = dropped;
    t->round = round;
    c->stored_attempts++;
    c->rounds_left--;
    int rc = pass_rounds(c, thread, round, round, err);
    if (rc < 0 || !c->started)
        return rc;
    rc = after_attempt(c, place, err);
    return rc < 0 ? rc : settle(c, thread, err);
}

static int wake_waiters(struct el_competition *c, int text, struct el_error *err)
{
    int t = c->texts[text].waiter, rc = 0;
    c->texts[text].waiter = -1;
    while (t >= 0 && rc == 0) {
        int next = c->threads[t].next_waiter;
        rc = make_ready(c, t, err);
        t = next;
    }
    return rc;
}

int el_competition_analysis(struct el_competition *c, int text, int sample,
                            const struct el_vote_record *v, struct el_error *err)
{
    struct el_text *t = &c->texts[text];
    if (sample < 0 || sample >= EL_MAX_ANALYSES)
        return el_error_set(err, EL_EFORMAT, "analysis %d of a proof, expected 0 to %d", sample,
                            EL_MAX_ANALYSES - 1);
    if (reserve_votes(t, sample + 1) < 0)
        return no_memory(err);
    int settled = t->votes[sample].state == EL_VOTE_NONE && v->state != EL_VOTE_NONE;
    t->votes[sample] = *v;
    if (!settled)
        return 0;
    c->stored_analyses++;
    if (sample < t->wanted)
        c->outstanding_analyses--;
    if (t->waiter >= 0 && analysed(t, c->set.feedback_analyses))
        return wake_waiters(c, text, err);
    return 0;
}

int el_competition_refused(struct el_competition *c, int thread, int round, int dropped,
                           struct el_error *err)
{
    if (round != c->threads[thread].round + 1 || round > c->set.rounds)
        return el_error_set(err, EL_EFORMAT,
                            "problem %d, thread %d: attempt %d refused, out of turn",
                            thread / c->set.threads, thread % c->set.threads, round);
    struct el_attempt *next = el_competition_at(c, thread, round);
    if (dropped + 1 > next->dropped)
        next->dropped = dropped + 1;
    return c->started ? make_ready(c, thread, err) : 0;
}

int el_competition_start(struct el_competition *c, struct el_error *err)
{
    c->started = 1;
    int rc = 0, n = el_competition_threads(c);
    for (int t = 0; rc == 0 && t < n; t++) {
        for (int r = 1; rc == 0 && r <= c->threads[t].round; r++)
            rc = after_attempt(c, el_competition_at(c, t, r), err);
        if (rc == 0 && c->threads[t].state == EL_THREAD_NEW)
            rc = settle(c, t, err);
    }
    return rc;
}

int64_t el_competition_bound(const struct el_competition *c)
{
    const struct el_settings *s = &c->set;
    int64_t per_round = 1 + (s->analyse_all ? s->analyses : 0);
    if (uses_verifier(s) && s->control != EL_CONTROL_RESAMPLE && !s->analyse_all)
        per_round += s->feedback_analyses;
    int64_t last = s->analyse_all ? 0 : (int64_t)c->unfinished * s->analyses;
    return c->stored_attempts + c->stored_analyses + c->outstanding_analyses +
           c->rounds_left * per_round + last;
}
