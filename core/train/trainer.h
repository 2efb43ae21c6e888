/* One training step on weights: forward, losses, backward, update.
 *
 * A step is any number of el_trainer_accumulate calls (micro-batches) and one el_trainer_update.
 * Losses are divided by totals over the whole step, which the caller knows beforehand, so that
 * micro-batches add up to exactly the gradient of the one big batch. */
#ifndef EL_TRAIN_TRAINER_H
#define EL_TRAIN_TRAINER_H

#include "core/model/pack.h"
#include "core/train/lm_head.h"
#include "core/train/optimizer.h"
#include "core/train/replay.h"
#include "core/train/selection.h"

/* Which stage of DSA training a step belongs to (DeepSeek-V3.2 section 2.1.1). */
enum el_stage {
    EL_STAGE_DENSE,  /* LM loss, dense attention, the indexer frozen */
    EL_STAGE_WARMUP, /* indexer alone: KL to the dense attention, everything else frozen */
    EL_STAGE_SPARSE, /* LM loss for the model, KL on the selected set for the indexer, whose inputs
                        are detached */
};
const char *el_stage_name(enum el_stage stage);
int el_stage_parse(const char *name, enum el_stage *stage, struct el_error *err);

struct el_trainer {
    struct el_weights *w; /* borrowed, changed in place */
    struct el_stream *s;  /* borrowed */
    struct el_pack pack;
    struct el_acts acts;
    struct el_back back;
    struct el_lm_head head;
    struct el_optimizer opt;
    struct el_view grad; /* view of opt.grad */
    int32_t *row, *token;
    float *coef, *logp, *kl;              /* host (max_rows), kl (L * max_rows) */
    int64_t *load;                        /* host (L, E): rows per expert since the last update, a
                                             row that several sequences share once for each */
    int32_t *offsets;                     /* host (E+1) */
    int32_t *chosen;                      /* host (max_rows, k) */
    struct el_replay replay;              /* made when a policy is trained */
    struct el_selection_replay selection; /* made when its rollouts have selected sets */
};

struct el_trainer_options {
    int max_rows, max_sequences, head_chunk;
    struct el_adamw_config adamw;
};

int el_trainer_init(struct el_trainer *t, struct el_weights *w, struct el_stream *s,
                    const struct el_trainer_options *o, struct el_error *err);
void el_trainer_release(struct el_trainer *t);

/* Sums over what accumulate saw; the caller zeroes it at the start of a step. */
struct el_step_stats {
    double lm_loss; /* sum of weight * -logp / denominator */
    double kl_loss; /* sum over layers and rows of KL / rows of the step */
    double targets; /* number of scored tokens */
    int64_t tokens; /* rows */
};

struct el_micro_batch {
    enum el_stage stage;
    double lm_denominator; /* of the step: usually the sum of weights over its targets */
    double kl_denominator; /* of the step: its rows */
    double kl_weight;
};

/* Adds the gradients of what is in t->pack. */
int el_trainer_accumulate(struct el_trainer *t, const struct el_micro_batch *b,
                          struct el_step_stats *stats, struct el_error *err);

/* Forward pass alone over t->pack; log-probabilities of its targets to t->logp in row order (the
 * rows are t->row[0..n-1]); returns n or an error. For evaluation, and for comparing with what a
 * sampler reported. */
int el_trainer_logprobs(struct el_trainer *t, enum el_attention mode, double inv_temperature,
                        struct el_error *err);

struct el_update {
    enum el_stage stage;
    double lr;
    double bias_update_speed; /* gamma of the router bias; 0: off */
};

/* Clips, applies AdamW, moves the router biases by sign(mean load - load) * gamma, clears the
 * gradients. *grad_norm is the norm before clipping; *imbalance (may be NULL) the largest of
 * max/mean expert load over the layers. EL_ENUMERIC leaves the weights as they were and names the
 * weight that is not finite, or else the gradient. */
int el_trainer_update(struct el_trainer *t, const struct el_update *u, double *grad_norm,
                      double *imbalance, struct el_error *err);

#endif
