/* Jobs for the serving engine: prompts that share beginnings, all kinds of sampling, and what
 * became of them. */
#ifndef EL_TESTS_RUN_ENGINE_FIXTURE_H
#define EL_TESTS_RUN_ENGINE_FIXTURE_H

#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "core/run/engine.h"
#include "tests/model/golden_case.h"

enum { MAX_JOBS = 96, MAX_PROMPT = 100, MAX_TOKENS = 256 };

struct job {
    int32_t prompt[MAX_PROMPT];
    int n;
    struct el_sampling sampling;
    uint64_t key;
};

struct outcome {
    int done, n, cached;
    enum el_finish finish;
    int32_t tokens[MAX_TOKENS]; /* prompt and completion */
    float logps[MAX_TOKENS];    /* of the completion */
    double logp;
};

static inline struct el_engine_options engine_options(enum el_attention mode, int sequences,
                                                      int rows)
{
    return (struct el_engine_options){.attention = mode,
                                      .mha_limit = mode == EL_ATTENTION_MHA ? 40 : 0,
                                      .max_sequences = sequences,
                                      .max_rows = rows,
                                      .context = 128,
                                      .cache_tokens = 4096};
}

static inline struct el_sampling job_sampling(int kind)
{
    static const struct el_sampling kinds[] = {
        {.temperature = 1, .top_p = 1},    {.temperature = 0, .top_p = 1},
        {.temperature = 0.7, .top_p = 1},  {.temperature = 1, .top_k = 5, .top_p = 1},
        {.temperature = 1, .top_p = 0.6},  {.temperature = 1.4, .top_k = 20, .top_p = 0.9},
        {.temperature = 0.7, .top_p = 0.8}};
    return kinds[kind % 7];
}

/* Prompts are the beginnings of four texts, some with an end of their own; some are equal. */
static inline void make_jobs(struct job *jobs, int n, int vocab, int longest, uint64_t seed)
{
    struct el_rng r;
    int32_t text[4][MAX_PROMPT];
    el_rng_init(&r, seed);
    for (int i = 0; i < 4 * MAX_PROMPT; i++)
        text[i / MAX_PROMPT][i % MAX_PROMPT] = (int32_t)el_rng_below(&r, (uint32_t)vocab);
    for (int i = 0; i < n; i++) {
        struct job *j = &jobs[i];
        *j = (struct job){.n = el_rng_range(&r, 1, longest), .key = el_rng_u64(&r)};
        memcpy(j->prompt, text[el_rng_below(&r, 4)], sizeof j->prompt);
        int own = (int)el_rng_below(&r, 2) * el_rng_range(&r, 0, 20);
        for (int k = j->n - own > 0 ? j->n - own : 0; k < j->n; k++)
            j->prompt[k] = (int32_t)el_rng_below(&r, (uint32_t)vocab);
        j->sampling = job_sampling(i);
        j->sampling.max_tokens = el_rng_range(&r, 1, 40);
    }
}

static inline void record(struct outcome *out, const struct el_sequence *q)
{
    assert_false(out->done);
    assert_in_range(q->n, q->n_prompt, MAX_TOKENS);
    *out = (struct outcome){
        .done = 1, .n = q->n, .cached = q->cached, .finish = q->finish, .logp = q->logp};
    memcpy(out->tokens, q->tokens, (size_t)q->n * sizeof *q->tokens);
    memcpy(out->logps, q->logps, (size_t)(q->n - q->n_prompt) * sizeof *q->logps);
}

/* Runs all jobs on e, at most `ahead` of them added at a time; outcomes in the order of jobs. */
static inline void run_jobs(struct el_engine *e, const struct job *jobs, int n, int ahead,
                            struct outcome *out)
{
    int added = 0, taken = 0;
    memset(out, 0, (size_t)n * sizeof *out);
    while (taken < n) {
        for (; added < n && added - taken < ahead; added++)
            golden_must(el_engine_add(e, jobs[added].prompt, jobs[added].n, &jobs[added].sampling,
                                      jobs[added].key, 0, &out[added], NULL, &err));
        golden_must(el_engine_step(e, &err));
        for (struct el_sequence *q; (q = el_engine_take(e)); taken++) {
            record(q->user, q);
            el_sequence_free(q);
        }
    }
    assert_int_equal(el_engine_in_flight(e), 0);
}

static inline void same_outcomes(const struct outcome *a, const struct outcome *b, int n,
                                 const char *what)
{
    for (int i = 0; i < n; i++) {
        if (a[i].n != b[i].n || a[i].finish != b[i].finish ||
            memcmp(a[i].tokens, b[i].tokens, (size_t)a[i].n * sizeof(int32_t)) != 0)
            fail_msg("%s: job %d has other tokens", what, i);
        if (memcmp(a[i].logps, b[i].logps, sizeof a[i].logps) != 0 || a[i].logp != b[i].logp)
            fail_msg("%s: job %d has other log-probabilities", what, i);
    }
}

/* Out of memory, and a message; from here on allocations succeed. */
static inline void note_failure(int rc, const struct el_error *e, int *failures)
{
    el_alloc_fail_after(0);
    assert_int_equal(rc, EL_ENOMEM);
    assert_int_equal(e->code, EL_ENOMEM);
    assert_true(e->msg[0] != 0);
    ++*failures;
}

/* A run of all jobs in which some allocation fails, as el_alloc_fail_after was told; what failed is
 * tried again, but for making the engine. Returns the number of failures. */
static inline int run_with_failure(const struct el_weights *w, struct el_stream *s,
                                   const struct el_engine_options *o, const struct job *jobs, int n,
                                   struct outcome *out)
{
    struct el_engine e;
    struct el_error err = {0};
    int failures = 0, rc = el_engine_init(&e, w, s, o, &err);
    memset(out, 0, (size_t)n * sizeof *out);
    if (rc < 0) {
        note_failure(rc, &err, &failures);
        return failures;
    }
    for (int i = 0; i < n; i += rc == 0) {
        rc = el_engine_add(&e, jobs[i].prompt, jobs[i].n, &jobs[i].sampling, jobs[i].key,
                           o->trace != 0, &out[i], NULL, &err);
        if (rc < 0)
            note_failure(rc, &err, &failures);
    }
    for (int left = n; left > 0;) {
        rc = el_engine_step(&e, &err);
        if (rc < 0)
            note_failure(rc, &err, &failures);
        for (struct el_sequence *q; (q = el_engine_take(&e)); left--) {
            record(q->user, q);
            el_sequence_free(q);
        }
    }
    el_alloc_fail_after(0);
    el_engine_release(&e);
    return failures;
}

/* Fails each allocation of such a run once, and those behind it. Whatever failed, all jobs end as
 * they did in `right`, or there was no engine. Returns how many runs failed. */
static inline int fail_each_of_run(const struct el_weights *w, struct el_stream *s,
                                   const struct el_engine_options *o, const struct job *jobs, int n,
                                   const struct outcome *right, const char *what)
{
    static struct outcome out[MAX_JOBS];
    for (int at = 1;; at++) {
        el_stream_release(s);
        el_alloc_fail_after(at);
        int failures = run_with_failure(w, s, o, jobs, n, out);
        if (out[0].done)
            same_outcomes(right, out, n, what);
        if (!failures)
            return at - 1;
        assert_int_equal(failures, 1);
        assert_in_range(at, 1, 1000);
    }
}

#endif
