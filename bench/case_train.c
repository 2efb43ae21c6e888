/* Training steps on random tokens: forward, losses, backward, clipping and AdamW, as a recipe's
 * stage runs them. */
#include "bench/cases.h"
#include "core/base/alloc.h"
#include "core/base/rng.h"

#include <stdio.h>

struct school {
    struct el_bench *b;
    struct el_trainer t;
    struct el_bench_train o;
};

/* Fills the trainer's pack once; every step trains on the same rows. */
static int fill_pack(struct school *v, struct el_error *err)
{
    int length = v->o.length, vocab = v->t.w->config.vocab_size, rc = 0;
    int32_t *tokens = el_alloc_array((size_t)length, sizeof *tokens);
    float *weight = el_alloc_array((size_t)length, sizeof *weight);
    struct el_rng r;
    el_rng_init(&r, 1);
    if (!tokens || !weight)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for a sequence of %d tokens", length);
    for (int at = 0; at < v->o.tokens && rc == 0; at += length) {
        int n = v->o.tokens - at < length ? v->o.tokens - at : length;
        for (int i = 0; i < n; i++) {
            tokens[i] = (int32_t)el_rng_below(&r, (uint32_t)vocab);
            weight[i] = 1;
        }
        rc = el_pack_add(&v->t.pack, tokens, weight, n, vocab, err);
    }
    el_free(tokens);
    el_free(weight);
    return rc;
}

static int step(void *user, double *seconds, struct el_error *err)
{
    struct school *v = user;
    int sequences = v->t.pack.sequences;
    struct el_step_stats stats = {0};
    double norm, start = el_bench_now(v->b->s->threads);
    struct el_micro_batch batch = {.stage = v->o.stage,
                                   .lm_denominator = v->o.tokens - sequences,
                                   .kl_denominator = v->o.tokens,
                                   .kl_weight = 1};
    struct el_update update = {.stage = v->o.stage, .lr = 1e-4, .bias_update_speed = 1e-3};
    int rc = el_trainer_accumulate(&v->t, &batch, &stats, err);
    if (rc == 0)
        rc = el_trainer_update(&v->t, &update, &norm, NULL, err);
    *seconds = el_bench_now(v->b->s->threads) - start;
    return rc;
}

static int run(struct school *v, struct el_error *err)
{
    struct el_bench_tally tally;
    struct el_bench_job job = {step, v};
    struct el_bench_figure f = {.items = v->o.tokens, .unit = "tokens", .ops = &tally};
    double seconds;
    snprintf(f.name, sizeof f.name, "train, %s, %d tokens in sequences of %d",
             el_stage_name(v->o.stage), v->o.tokens, v->o.length);
    int rc = step(v, &seconds, err); /* warms up */
    el_bench_tally_start(&tally, v->b->s);
    if (rc == 0)
        rc = step(v, &seconds, err);
    el_bench_tally_stop(v->b->s);
    f.work = el_bench_tally_sum(&tally);
    if (rc == 0)
        rc = el_bench_beside(v->b, &job, &f, err, "train --mode %s --tokens %d --length %d",
                             el_stage_name(v->o.stage), v->o.tokens, v->o.length);
    return rc < 0 ? rc : el_bench_add(v->b, &f, err);
}

int el_bench_train(struct el_bench *b, struct el_weights *w, const struct el_bench_train *o,
                   struct el_error *err)
{
    if (o->length < 2 || o->length > w->rope_positions || o->tokens < o->length)
        return el_error_set(err, EL_EINVAL,
                            "%d tokens in sequences of %d: expected sequences of 2..%d tokens, one "
                            "at least",
                            o->tokens, o->length, w->rope_positions);
    struct school v = {.b = b, .o = *o};
    struct el_trainer_options t = {
        .max_rows = o->tokens,
        .max_sequences = (o->tokens + o->length - 1) / o->length,
        .head_chunk = 512,
        .adamw = {
            .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.05, .max_grad_norm = 1}};
    int rc = el_trainer_init(&v.t, w, b->s, &t, err);
    if (rc < 0)
        return rc;
    rc = fill_pack(&v, err);
    if (rc == 0)
        rc = run(&v, err);
    el_trainer_release(&v.t);
    return rc;
}
