/* Serving: batched decode, prefill, and what a shared prompt costs. The engine is that of
 * core/run, with nothing about it special: whole passes, sampling and log-probabilities included.
 */
#include "bench/cases.h"
#include "core/base/rng.h"
#include "core/run/engine.h"

#include <stdio.h>

/* Rows of prompts that a pass takes besides the decoding ones: what the completion backend uses. */
enum { PREFILL_ROWS = 448 };

struct server {
    struct el_bench *b;
    struct el_engine engine;
    int32_t *prompts; /* (sequences, prompt) */
    int prompt, sequences;
    int max_tokens, steps;        /* of each completion; passes that are timed */
    struct el_bench_tally *tally; /* filled by the part that counts, unless NULL */
    double start;
};

static void start(struct server *v)
{
    if (v->tally)
        el_bench_tally_start(v->tally, v->b->s);
    v->start = el_bench_now(v->b->s->threads);
}

static double stop(struct server *v)
{
    double seconds = el_bench_now(v->b->s->threads) - v->start;
    if (v->tally)
        el_bench_tally_stop(v->b->s);
    return seconds;
}

static int server_init(struct server *v, struct el_bench *b, const struct el_weights *w,
                       const struct el_engine_options *o, struct el_error *err)
{
    int rc = el_engine_init(&v->engine, w, b->s, o, err);
    if (rc < 0)
        return rc;
    v->b = b;
    v->engine.eos = -1; /* no completion ends early */
    v->prompts = el_bench_ints(b, (size_t)v->sequences * (size_t)v->prompt);
    struct el_rng r;
    el_rng_init(&r, 1);
    for (int64_t i = 0; v->prompts && i < (int64_t)v->sequences * v->prompt; i++)
        v->prompts[i] = (int32_t)el_rng_below(&r, (uint32_t)w->config.vocab_size);
    if (v->prompts)
        return 0;
    el_engine_release(&v->engine);
    return el_bench_drop(b, err);
}

static void server_release(struct server *v)
{
    el_engine_release(&v->engine);
    el_bench_drop(v->b, NULL);
}

/* `n` completions; sequence i has prompt i * step. */
static int add(struct server *v, int n, int step, struct el_error *err)
{
    const struct el_sampling greedy = {.top_p = 1, .max_tokens = v->max_tokens};
    int rc = 0;
    for (int i = 0; i < n && rc == 0; i++)
        rc = el_engine_add(&v->engine, v->prompts + (int64_t)i * step * v->prompt, v->prompt,
                           &greedy, (uint64_t)i, 0, NULL, NULL, err);
    return rc;
}

/* Sequences that have drawn a token. */
static int begun(const struct el_engine *e)
{
    int n = 0;
    for (int i = 0; i < e->n_running; i++)
        n += e->running[i]->n > e->running[i]->n_prompt;
    for (const struct el_sequence *q = e->finished; q; q = q->next)
        n++;
    return n;
}

static int until_begun(struct server *v, int n, struct el_error *err)
{
    int rc = 0;
    while (rc >= 0 && begun(&v->engine) < n)
        rc = el_engine_step(&v->engine, err);
    return rc < 0 ? rc : 0;
}

static int finish(struct server *v, struct el_error *err)
{
    int rc = 1;
    while (rc > 0)
        rc = el_engine_step(&v->engine, err);
    struct el_sequence *q;
    while ((q = el_engine_take(&v->engine)) != NULL)
        el_sequence_free(q);
    return rc;
}

/* The prompts of all sequences are in the cache but for their last block, which the first passes
 * compute; then every pass is one token for each. */
static int decode(void *user, double *seconds, struct el_error *err)
{
    struct server *v = user;
    int rc = add(v, v->sequences, 1, err);
    if (rc == 0)
        rc = until_begun(v, v->sequences, err);
    start(v);
    for (int i = 0; i < v->steps && rc >= 0; i++)
        rc = el_engine_step(&v->engine, err);
    *seconds = stop(v);
    return rc < 0 ? rc : finish(v, err);
}

static int prefill(struct server *v, int n, double *seconds, struct el_error *err)
{
    int rc = el_engine_forget(&v->engine, err);
    if (rc < 0)
        return rc;
    start(v);
    rc = add(v, n, 0, err);
    if (rc == 0)
        rc = until_begun(v, n, err);
    *seconds = stop(v);
    return rc < 0 ? rc : finish(v, err);
}

static int prefill_one(void *user, double *seconds, struct el_error *err)
{
    return prefill(user, 1, seconds, err);
}

static int prefill_shared(void *user, double *seconds, struct el_error *err)
{
    struct server *v = user;
    return prefill(v, v->sequences, seconds, err);
}

/* Runs the job once more to tally its work, after a first time that warms up. */
static int warm_and_tally(struct server *v, const struct el_bench_job *job,
                          struct el_bench_figure *f, struct el_bench_tally *t, struct el_error *err)
{
    double seconds;
    int rc = job->run(job->user, &seconds, err);
    v->tally = t;
    if (rc == 0)
        rc = job->run(job->user, &seconds, err);
    v->tally = NULL;
    f->work = el_bench_tally_sum(t);
    f->ops = t;
    return rc;
}

static const char *peer_mode(enum el_attention a)
{
    return a == EL_ATTENTION_DENSE ? "dense" : "sparse";
}

/* "mqa bf16 fp8": how a figure's passes compute. */
static void name_mode(char *out, size_t size, const char *attention, enum el_compute compute,
                      int fp8)
{
    snprintf(out, size, "%s%s%s", attention, compute == EL_COMPUTE_BF16 ? " bf16" : "",
             fp8 ? " fp8" : "");
}

static int run_decode(struct server *v, const struct el_bench_decode *o, struct el_error *err)
{
    struct el_bench_tally t;
    struct el_bench_job job = {decode, v};
    struct el_bench_figure f = {.items = (double)o->sequences * o->steps, .unit = "tokens"};
    f.bf16 = o->compute == EL_COMPUTE_BF16;
    char mode[24];
    name_mode(mode, sizeof mode, el_attention_name(o->attention), o->compute, o->fp8);
    snprintf(f.name, sizeof f.name, "decode, %s, %d sequences at %d, %d steps", mode, o->sequences,
             o->prompt, o->steps);
    int rc = warm_and_tally(v, &job, &f, &t, err);
    if (rc == 0)
        rc = el_bench_beside(v->b, &job, &f, err,
                             o->fp8 ? NULL
                                    : "decode --mode %s --sequences %d --prompt %d --steps %d",
                             peer_mode(o->attention), o->sequences, o->prompt, o->steps);
    return rc < 0 ? rc : el_bench_add(v->b, &f, err);
}

int el_bench_decode(struct el_bench *b, const struct el_weights *w, const struct el_bench_decode *o,
                    struct el_error *err)
{
    /* Sequences that begin to decode first wait for the others' prompts: a token for each pass. */
    int waits = (o->sequences * 16 + PREFILL_ROWS - 1) / PREFILL_ROWS + 1;
    /* The very first time no prompt is in the cache. */
    int first = (int)(((int64_t)o->sequences * o->prompt + PREFILL_ROWS - 1) / PREFILL_ROWS) + 1;
    int most = o->steps + (waits > first ? waits : first) + 1, context = o->prompt + most;
    struct server v = {
        .prompt = o->prompt, .sequences = o->sequences, .max_tokens = most, .steps = o->steps};
    struct el_engine_options e = {.attention = o->attention,
                                  .compute = o->compute,
                                  .fp8 = o->fp8,
                                  .max_sequences = o->sequences,
                                  .max_rows = o->sequences + PREFILL_ROWS,
                                  .context = context,
                                  .cache_tokens = o->sequences * (context + 16)};
    int rc = server_init(&v, b, w, &e, err);
    if (rc < 0)
        return rc;
    rc = run_decode(&v, o, err);
    server_release(&v);
    return rc;
}

static int run_prefill(struct server *v, const struct el_bench_prefill *o, struct el_error *err)
{
    struct el_bench_tally t[2];
    struct el_bench_job jobs[] = {{prefill_one, v}, {prefill_shared, v}};
    int bf16 = o->compute == EL_COMPUTE_BF16;
    char mode[24];
    const char *attention = o->attention == EL_ATTENTION_DENSE && o->mha_limit
                                ? "dense mha"
                                : el_attention_name(o->attention);
    name_mode(mode, sizeof mode, attention, o->compute, o->fp8);
    struct el_bench_times times[2];
    struct el_bench_figure one = {.items = o->prompt, .unit = "tokens", .bf16 = bf16};
    struct el_bench_figure shared = {.bf16 = bf16}, ratio = {0};
    snprintf(one.name, sizeof one.name, "prefill, %s, one prompt of %d", mode, o->prompt);
    snprintf(shared.name, sizeof shared.name, "prefill, %s, %d completions of one prompt of %d",
             mode, o->sequences, o->prompt);
    snprintf(ratio.name, sizeof ratio.name, "sharing, %s, %d completions / one", mode,
             o->sequences);
    int rc = warm_and_tally(v, &jobs[0], &one, &t[0], err);
    if (rc == 0)
        rc = warm_and_tally(v, &jobs[1], &shared, &t[1], err);
    if (rc == 0)
        rc = el_bench_repeat(jobs, 2, v->b->repeats, times, err);
    if (rc < 0)
        return rc;
    one.times = times[0];
    shared.times = times[1];
    ratio.ratio = times[1].median / times[0].median;
    if (!o->fp8 && v->b->peer.command) /* else it is timed beside the shared one */
        rc = el_bench_beside(v->b, &jobs[0], &one, err, "prefill --mode %s --prompt %d",
                             peer_mode(o->attention), o->prompt);
    if (rc == 0)
        rc = el_bench_add(v->b, &one, err);
    if (rc == 0)
        rc = el_bench_add(v->b, &shared, err);
    if (rc == 0)
        rc = el_bench_add(v->b, &ratio, err);
    if (rc < 0 || !v->engine.o.mha_limit)
        return rc;
    struct el_bench_figure limit = {.ratio = v->engine.o.mha_limit};
    snprintf(limit.name, sizeof limit.name, "masked MHA, %s, tokens of a prompt up to", mode);
    return el_bench_add(v->b, &limit, err);
}

int el_bench_prefill(struct el_bench *b, const struct el_weights *w,
                     const struct el_bench_prefill *o, struct el_error *err)
{
    enum { TOKENS = 4 }; /* a completion is not over before the others have begun */
    struct server v = {.prompt = o->prompt, .sequences = o->sequences, .max_tokens = TOKENS};
    struct el_engine_options e = {.attention = o->attention,
                                  .compute = o->compute,
                                  .fp8 = o->fp8,
                                  .mha_limit = o->mha_limit,
                                  .max_sequences = o->sequences,
                                  .max_rows = o->sequences + PREFILL_ROWS,
                                  .context = o->prompt + TOKENS,
                                  .cache_tokens = (o->sequences + 1) * (o->prompt + TOKENS + 16)};
    int rc = server_init(&v, b, w, &e, err);
    if (rc < 0)
        return rc;
    rc = run_prefill(&v, o, err);
    server_release(&v);
    return rc;
}
