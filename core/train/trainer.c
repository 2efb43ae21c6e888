#include "core/train/trainer.h"

#include "core/base/alloc.h"
#include "core/ops/optim.h"
#include "core/train/balance.h"
#include "core/train/trainer_parts.h"

#include <math.h>
#include <string.h>

static const char *const stage_names[] = {"dense", "warmup", "sparse"};

const char *el_stage_name(enum el_stage stage)
{
    return stage_names[stage];
}

int el_stage_parse(const char *name, enum el_stage *stage, struct el_error *err)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(name, stage_names[i]) == 0) {
            *stage = (enum el_stage)i;
            return 0;
        }
    return el_error_set(err, EL_EINVAL, "stage '%s': expected dense, warmup or sparse", name);
}

static int host_arrays(struct el_trainer *t, int max_rows)
{
    const struct el_config *c = &t->w->config;
    size_t rows = (size_t)max_rows;
    t->row = el_alloc_array(rows, sizeof *t->row);
    t->token = el_alloc_array(rows, sizeof *t->token);
    t->coef = el_alloc_array(rows, sizeof *t->coef);
    t->logp = el_alloc_array(rows, sizeof *t->logp);
    t->kl = el_alloc_array(rows * (size_t)c->num_hidden_layers, sizeof *t->kl);
    t->load =
        el_alloc_array((size_t)c->num_hidden_layers * (size_t)c->n_routed_experts, sizeof *t->load);
    t->offsets = el_alloc_array((size_t)c->n_routed_experts + 1, sizeof *t->offsets);
    t->chosen = el_alloc_array(rows * (size_t)c->num_experts_per_tok, sizeof *t->chosen);
    return t->row && t->token && t->coef && t->logp && t->kl && t->load && t->offsets && t->chosen;
}

static int parts(struct el_trainer *t, const struct el_trainer_options *o, struct el_error *err)
{
    const struct el_config *c = &t->w->config;
    struct el_device *d = t->w->device;
    int rc = el_pack_init(&t->pack, d, o->max_rows, o->max_sequences, err);
    if (rc == 0)
        rc = el_acts_init(&t->acts, c, d, o->max_rows, 1, err);
    if (rc == 0)
        rc = el_back_init(&t->back, c, d, o->max_rows, err);
    if (rc == 0)
        rc = el_lm_head_init(&t->head, c, d, o->max_rows, o->head_chunk, err);
    if (rc == 0)
        rc = el_optimizer_init(&t->opt, t->w, o->adamw, err);
    if (rc == 0)
        rc = el_view_init(&t->grad, &t->w->layout, c, t->opt.grad, err);
    if (rc == 0 && !host_arrays(t, o->max_rows))
        rc = el_error_set(err, EL_ENOMEM, "out of memory for the trainer");
    return rc;
}

int el_trainer_init(struct el_trainer *t, struct el_weights *w, struct el_stream *s,
                    const struct el_trainer_options *o, struct el_error *err)
{
    *t = (struct el_trainer){.w = w, .s = s};
    int rc = parts(t, o, err);
    if (rc < 0) {
        el_trainer_release(t);
        return rc;
    }
    el_optimizer_zero_grad(&t->opt, s);
    return el_stream_check(s, err);
}

void el_trainer_release(struct el_trainer *t)
{
    el_pack_release(&t->pack);
    el_acts_release(&t->acts);
    el_back_release(&t->back);
    el_lm_head_release(&t->head);
    el_optimizer_release(&t->opt);
    el_view_release(&t->grad);
    el_free(t->row);
    el_free(t->token);
    el_free(t->coef);
    el_free(t->logp);
    el_free(t->kl);
    el_free(t->load);
    el_free(t->offsets);
    el_free(t->chosen);
    el_replay_release(&t->replay);
    el_selection_release(&t->selection);
    memset(t, 0, sizeof *t);
}

struct el_pass el_trainer_pass(struct el_trainer *t, enum el_attention mode, int with_indexer)
{
    struct el_pass p = {.w = t->w, .s = t->s, .mode = mode, .with_indexer = with_indexer};
    el_pack_upload(&t->pack, &p);
    return p;
}

struct el_targets el_trainer_targets(struct el_trainer *t)
{
    int n = 0;
    for (int i = 0; i < t->pack.rows; i++) {
        if (t->pack.target[i] < 0)
            continue;
        t->row[n] = i;
        t->token[n] = t->pack.target[i];
        t->coef[n++] = t->pack.weight[i];
    }
    return (struct el_targets){.n = n, .row = t->row, .token = t->token, .inv_temperature = 1};
}

static int lm_part(struct el_trainer *t, const struct el_pass *p, const struct el_micro_batch *b,
                   struct el_step_stats *stats, struct el_error *err)
{
    struct el_targets targets = el_trainer_targets(t);
    for (int i = 0; i < targets.n; i++)
        t->coef[i] = (float)(-t->coef[i] / b->lm_denominator);
    int rc = el_lm_head_backward(&t->head, p, &t->acts, &targets, t->coef, &t->grad, t->logp, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < targets.n; i++)
        stats->lm_loss += (double)t->coef[i] * t->logp[i];
    stats->targets += targets.n;
    return 0;
}

double el_trainer_kl(struct el_trainer *t, double denominator)
{
    struct el_device *d = t->w->device;
    size_t n = (size_t)t->pack.rows * (size_t)t->acts.layers;
    d->copy_out(d, t->kl, t->back.kl, n * sizeof(float));
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)t->pack.times[i % (size_t)t->pack.rows] * (double)t->kl[i];
    return sum / denominator;
}

/* Rows that several sequences share were routed once and count for each of them. */
static void count_shared(struct el_trainer *t, int layer, int64_t *load)
{
    struct el_device *d = t->w->device;
    const struct el_pack *p = &t->pack;
    int k = t->w->config.num_experts_per_tok;
    d->copy_out(d, t->chosen, t->acts.layer[layer].chosen,
                (size_t)p->rows * (size_t)k * sizeof *t->chosen);
    for (int64_t i = 0; i < p->rows; i++)
        for (int j = 0; j < k && p->times[i] > 1; j++)
            load[t->chosen[i * k + j]] += (int64_t)p->times[i] - 1;
}

void el_trainer_count_load(struct el_trainer *t)
{
    const struct el_config *c = &t->w->config;
    struct el_device *d = t->w->device;
    int experts = c->n_routed_experts;
    for (int l = c->first_k_dense_replace; l < c->num_hidden_layers; l++) {
        int64_t *load = t->load + (int64_t)l * experts;
        d->copy_out(d, t->offsets, t->acts.layer[l].offsets,
                    (size_t)(experts + 1) * sizeof(int32_t));
        for (int e = 0; e < experts; e++)
            load[e] += t->offsets[e + 1] - t->offsets[e];
        if (t->pack.families < t->pack.sequences)
            count_shared(t, l, load);
    }
}

int el_trainer_accumulate(struct el_trainer *t, const struct el_micro_batch *b,
                          struct el_step_stats *stats, struct el_error *err)
{
    int warmup = b->stage == EL_STAGE_WARMUP;
    enum el_attention mode = b->stage == EL_STAGE_SPARSE ? EL_ATTENTION_MQA : EL_ATTENTION_DENSE;
    struct el_pass p = el_trainer_pass(t, mode, warmup);
    el_transformer_forward(&p, &t->acts);
    int rc = el_stream_check(t->s, err);
    if (rc == 0 && !warmup)
        rc = lm_part(t, &p, b, stats, err);
    if (rc < 0)
        return rc;
    struct el_backward how = {.dfinal = warmup ? NULL : t->head.dfinal};
    if (b->stage != EL_STAGE_DENSE)
        how.kl_coef = (float)(b->kl_weight / b->kl_denominator);
    el_transformer_backward(&p, &t->acts, how, &t->back, &t->grad);
    rc = el_stream_check(t->s, err);
    if (rc < 0)
        return rc;
    if (how.kl_coef > 0)
        stats->kl_loss += el_trainer_kl(t, b->kl_denominator);
    el_trainer_count_load(t);
    stats->tokens += t->pack.rows;
    return 0;
}

int el_trainer_logprobs(struct el_trainer *t, enum el_attention mode, double inv_temperature,
                        struct el_error *err)
{
    struct el_pass p = el_trainer_pass(t, mode, 0);
    struct el_targets targets = el_trainer_targets(t);
    targets.inv_temperature = (float)inv_temperature;
    el_transformer_forward(&p, &t->acts);
    int rc = el_lm_head_logprobs(&t->head, &p, &t->acts, &targets, t->logp, NULL, err);
    return rc < 0 ? rc : targets.n;
}

static enum el_trainable trainable_in(enum el_stage stage)
{
    switch (stage) {
    case EL_STAGE_WARMUP:
        return EL_TRAIN_INDEXER;
    case EL_STAGE_DENSE:
        return EL_TRAIN_MAIN;
    default:
        return EL_TRAIN_ALL;
    }
}

/* The gradients are not finite: a weight that is not is the cause, and a better answer. */
static int name_weight(struct el_trainer *t, struct el_error *err)
{
    const struct el_layout *l = &t->w->layout;
    for (int i = 0; i < l->n; i++) {
        double sum = 0;
        el_sumsq(t->s, &(struct el_sumsq){.n = l->tensors[i].count,
                                          .x = t->w->data + l->tensors[i].offset,
                                          .out = t->opt.sums});
        t->w->device->copy_out(t->w->device, &sum, t->opt.sums, sizeof sum);
        if (!isfinite(sum))
            return el_error_set(err, EL_ENUMERIC, "the weight %s is not finite",
                                l->tensors[i].name);
    }
    return EL_ENUMERIC;
}

int el_trainer_update(struct el_trainer *t, const struct el_update *u, double *grad_norm,
                      double *imbalance, struct el_error *err)
{
    enum el_trainable what = trainable_in(u->stage);
    double norm = 0;
    int rc = el_optimizer_norm(&t->opt, t->s, what, &norm, err);
    if (rc < 0)
        return rc == EL_ENUMERIC ? name_weight(t, err) : rc;
    el_optimizer_update(&t->opt, t->s, t->w, what, u->lr, norm);
    double gamma = u->stage == EL_STAGE_WARMUP ? 0 : u->bias_update_speed;
    double worst = el_balance_update(t->w, t->load, gamma);
    el_optimizer_zero_grad(&t->opt, t->s);
    *grad_norm = norm;
    if (imbalance)
        *imbalance = worst;
    return el_stream_check(t->s, err);
}
