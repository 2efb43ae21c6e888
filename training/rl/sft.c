/* Supervised steps on the completions that rejection sampling kept, with sparse attention and the
 * indexer's own loss, as in the sparse stage. Examples come in an order that is drawn anew for
 * every time through them; the position in it is part of the checkpoint. */
#include "training/rl/run.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"

#include <inttypes.h>
#include <stdio.h>

/* The order of time number `pass` through n examples. */
static void shuffle(const struct el_rl_run *t, uint64_t pass, uint32_t *order)
{
    struct el_digest d;
    struct el_rng rng;
    el_digest_init(&d);
    el_digest_str(&d, "order");
    el_digest_u64(&d, t->recipe.seed);
    el_digest_u64(&d, pass);
    el_rng_init(&rng, el_digest_key(&d));
    for (size_t i = 0; i < t->kept.n; i++)
        order[i] = (uint32_t)i;
    for (size_t i = t->kept.n; i > 1; i--) {
        uint32_t k = el_rng_below(&rng, (uint32_t)i), swap = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swap;
    }
}

static int add(struct el_rl_run *t, const struct el_rl_example *x, struct el_error *err)
{
    float *weight = el_alloc_array((size_t)x->n, sizeof *weight);
    if (!weight)
        return el_error_set(err, EL_ENOMEM, "out of memory for a batch");
    for (int i = x->prompt; i < x->n; i++)
        weight[i] = 1;
    int rc = el_pack_add(&t->trainer.pack, x->ids, weight, x->n, t->policy->config.vocab_size, err);
    el_free(weight);
    return rc;
}

/* Examples from state.next on, as many as batch_rows holds. */
static int fill(struct el_rl_run *t, struct el_micro_batch *b, uint32_t *order,
                struct el_error *err)
{
    uint64_t n = t->kept.n, pass = t->state.next / n;
    int rows = 0, rc = 0;
    el_pack_clear(&t->trainer.pack);
    shuffle(t, pass, order);
    while (rc == 0) {
        const struct el_rl_example *x = &t->kept.item[order[t->state.next % n]];
        if (rows && (rows + x->n > t->recipe.batch_rows ||
                     t->trainer.pack.sequences == t->trainer.pack.max_sequences))
            break;
        rc = add(t, x, err);
        rows += x->n;
        b->lm_denominator += x->n - x->prompt;
        if (++t->state.next / n != pass)
            shuffle(t, ++pass, order);
    }
    b->kl_denominator = rows;
    return rc;
}

static int one_step(struct el_rl_run *t, uint32_t *order, struct el_step_stats *stats, double *norm,
                    double *load, struct el_error *err)
{
    const struct el_rl_recipe *r = &t->recipe;
    int sparse = r->indexer_kl_weight > 0;
    struct el_micro_batch b = {.stage = EL_STAGE_SPARSE, .kl_weight = r->indexer_kl_weight};
    struct el_update u = {sparse ? EL_STAGE_SPARSE : EL_STAGE_DENSE,
                          el_schedule_lr(&r->schedule, t->state.step), r->bias_update_speed};
    int rc = fill(t, &b, order, err);
    if (rc == 0)
        rc = el_trainer_accumulate(&t->trainer, &b, stats, err);
    return rc == 0 ? el_trainer_update(&t->trainer, &u, norm, load, err) : rc;
}

int el_rl_sft_step(struct el_rl_run *t, struct el_error *err)
{
    struct el_step_stats stats = {0};
    uint64_t next = t->state.next;
    double begin = el_clock_seconds(), norm = 0, load = 0;
    double lr = el_schedule_lr(&t->recipe.schedule, t->state.step);
    uint32_t *order = el_alloc_array(t->kept.n, sizeof *order);
    if (!order)
        return el_error_set(err, EL_ENOMEM, "out of memory for a batch");
    int rc = one_step(t, order, &stats, &norm, &load, err);
    el_free(order);
    if (rc < 0) {
        t->state.next = next;
        return rc;
    }
    t->state.step++;
    t->state.stage_step++;
    t->state.tokens += stats.tokens;
    double took = el_clock_seconds() - begin;
    char note[100];
    snprintf(note, sizeof note, "loss %.4f kl %.4f, %.0f tokens/s", stats.lm_loss, stats.kl_loss,
             (double)stats.tokens / took);
    el_progress_update(t->o->progress, t->state.step, t->recipe.schedule.steps, note);
    return el_metrics_log_add(
        &t->log, err,
        "{\"step\":%" PRId64 ",\"num_tokens\":%" PRId64
        ",\"loss_lm\":%.6g,\"loss_kl\":%.6g,\"grad_norm\":%.6g,\"learning_rate\":%.6g,"
        "\"expert_load_max\":%.4g,\"targets\":%.0f,\"step_time\":%.4g%s}",
        t->state.step, t->state.tokens, stats.lm_loss, stats.kl_loss, norm, lr, load, stats.targets,
        took, t->state.step == 1 && t->kept.drops ? t->kept.drops : "");
}
