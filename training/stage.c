/* Training stages: draw examples, take steps, log, save. */
#include "training/run.h"

#include "core/base/alloc.h"
#include "core/base/clock.h"

#include <inttypes.h>
#include <stdio.h>

static struct el_encoded *next_slot(struct el_train_run *t)
{
    if (t->n_examples == t->room_examples) {
        size_t room = t->room_examples ? 2 * t->room_examples : 64;
        struct el_encoded *more = el_realloc(t->examples, room * sizeof *more);
        if (!more)
            return NULL;
        for (size_t i = t->room_examples; i < room; i++)
            el_encoded_init(&more[i]);
        t->examples = more;
        t->room_examples = room;
    }
    return &t->examples[t->n_examples];
}

/* Draws examples for a whole step: micro_batches times batch_tokens rows, less what the last
 * example that did not fit left over. That one is drawn again by the next step, so a step depends
 * only on the data position at its start. */
static int draw_examples(struct el_train_run *t, struct el_error *err)
{
    int room = t->recipe.batch_tokens, micro = 1;
    t->n_examples = 0;
    for (;;) {
        struct el_encoded *e = next_slot(t);
        if (!e)
            return el_error_set(err, EL_ENOMEM, "out of memory for a batch");
        uint64_t next = t->source.next, fingerprint = t->source.fingerprint;
        int rc = el_source_next(&t->source, e, err);
        if (rc < 0)
            return rc;
        if ((int)e->tokens.len > room && micro++ < t->recipe.micro_batches)
            room = t->recipe.batch_tokens;
        if ((int)e->tokens.len > room) {
            t->source.next = next;
            t->source.fingerprint = fingerprint;
            return 0;
        }
        room -= (int)e->tokens.len;
        t->n_examples++;
    }
}

static void totals(const struct el_train_run *t, struct el_micro_batch *b)
{
    for (size_t i = 0; i < t->n_examples; i++) {
        const struct el_encoded *e = &t->examples[i];
        b->kl_denominator += (double)e->tokens.len;
        for (size_t k = 1; k < e->tokens.len; k++)
            b->lm_denominator += e->weight[k];
    }
    if (b->lm_denominator == 0)
        b->lm_denominator = 1;
}

int el_train_step_gradients(struct el_train_run *t, const struct el_recipe_stage *s,
                            struct el_step_stats *stats, struct el_error *err)
{
    struct el_micro_batch b = {.stage = s->stage, .kl_weight = s->kl_weight};
    int rc = draw_examples(t, err);
    if (rc < 0)
        return rc;
    totals(t, &b);
    struct el_pack *pack = &t->trainer.pack;
    for (size_t i = 0; i < t->n_examples;) {
        el_pack_clear(pack);
        for (; i < t->n_examples; i++) {
            const struct el_encoded *e = &t->examples[i];
            if ((int)e->tokens.len > pack->max_rows - pack->rows)
                break;
            rc = el_pack_add(pack, e->tokens.ids, e->weight, (int)e->tokens.len,
                             t->w->config.vocab_size, err);
            if (rc < 0)
                return rc;
        }
        rc = el_trainer_accumulate(&t->trainer, &b, stats, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Says where a run came to numbers that are not finite, and what it can go back to. */
static int stopped_at(const struct el_train_run *t, const struct el_recipe_stage *s, int64_t step,
                      struct el_error *err)
{
    const char *good = t->checkpoints.good ? t->checkpoints.good : "none yet";
    el_error_prefix(err, "stage %s, step %" PRId64 " (last good checkpoint: %s)", s->name, step,
                    good);
    return EL_ENUMERIC;
}

static int one_step(struct el_train_run *t, const struct el_recipe_stage *s, struct el_error *err)
{
    struct el_step_stats stats = {0};
    double begin = el_clock_seconds(), norm = 0, imbalance = 0;
    double lr = el_schedule_lr(&s->schedule, t->state.stage_step);
    /* without a loss of its own the indexer is left as it is, decay and momentum included */
    int frozen = s->stage == EL_STAGE_SPARSE && s->kl_weight == 0;
    struct el_update u = {frozen ? EL_STAGE_DENSE : s->stage, lr, s->bias_update_speed};
    int rc = el_train_step_gradients(t, s, &stats, err);
    if (rc == 0)
        rc = el_trainer_update(&t->trainer, &u, &norm, &imbalance, err);
    if (rc == EL_ENUMERIC)
        return stopped_at(t, s, t->state.step + 1, err);
    if (rc < 0)
        return rc;
    t->state.stage_step++;
    t->state.step++;
    t->state.tokens += stats.tokens;
    t->state.next = t->source.next;
    t->state.fingerprint = t->source.fingerprint;
    double took = el_clock_seconds() - begin;
    char note[100];
    snprintf(note, sizeof note, "%s loss %.4f kl %.4f, %.0f tokens/s", s->name, stats.lm_loss,
             stats.kl_loss, (double)stats.tokens / took);
    el_progress_update(t->o->progress, t->state.step, el_recipe_steps(&t->recipe), note);
    if (t->state.step % t->recipe.log_every)
        return 0;
    return el_metrics_log_add(
        &t->log, err,
        "{\"step\":%" PRId64
        ",\"stage\":\"%s\",\"loss_lm\":%.6g,\"loss_kl\":%.6g,\"grad_norm\":%.6g,"
        "\"lr\":%.6g,\"expert_load_max\":%.4g,\"targets\":%.0f,\"num_tokens\":%" PRId64
        ",\"step_time\":%.4g}",
        t->state.step, s->name, stats.lm_loss, stats.kl_loss, norm, lr, imbalance, stats.targets,
        t->state.tokens, took);
}

int el_train_stage(struct el_train_run *t, const struct el_recipe_stage *s, struct el_error *err)
{
    el_source_enter(&t->source, s);
    t->source.attempts = &t->attempts;
    while (t->state.stage_step < s->schedule.steps) {
        int rc = one_step(t, s, err);
        if (rc < 0)
            return rc;
        int due = t->state.stage_step % t->recipe.checkpoint_every == 0;
        if (!due && !el_stop_requested)
            continue;
        rc = el_train_save(t, err);
        if (rc == EL_ENUMERIC)
            return stopped_at(t, s, t->state.step, err);
        if (rc < 0)
            return rc;
        if (el_stop_requested)
            return el_error_set(err, EL_EINTR, "interrupted at step %" PRId64 ", saved in %s",
                                t->state.step, t->checkpoints.path);
    }
    return 0;
}
