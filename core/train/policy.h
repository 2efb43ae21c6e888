/* A policy's completions in the trainer: their log-probabilities and their GRPO gradient, under the
 * conditions they were sampled in (DeepSeek-V3.2 section 3.1, "keep routing" and "keep sampling
 * mask").
 *
 * Keep routing: the experts that the sampler chose, for prompt and completion, are forced; only the
 * indices are replayed, the gate weights come from live logits, so the router still learns. Keep
 * sampling mask: log-probabilities are over the set that top-k and top-p kept. The temperature is
 * the sampler's. With all of it and unchanged weights, what is computed here equals what the
 * sampler reported to the last bit.
 *
 * Selected sets: in MQA mode the keys that a row reads are those that the indexer selects with the
 * weights as they are (live), or those it selected at sampling (keep_selection). Either way
 * el_policy_accumulate counts how far the two differ, for rollouts that have them.
 *
 * Rollouts that follow each other with the same prompt (a group of GRPO) share its rows
 * (core/model/pack.h), forward and backward: a prompt goes through the model once for as many of
 * its completions as fit into a pass. Its last token is not shared, since it predicts each
 * completion's own first one; and nothing is where the routes or selected sets to replay differ in
 * the prompt, which those of one sampler do not. Log-probabilities are the same bits as without
 * sharing; gradients are the same sums, added in another order. What is counted or weighed by rows
 * (the indexer's KL, the experts' loads, selected sets, routes) counts a shared row for every
 * rollout.
 */
#ifndef EL_TRAIN_POLICY_H
#define EL_TRAIN_POLICY_H

#include "core/train/grpo.h"
#include "core/train/trainer.h"

/* One sampled completion, as a trace of core/run/completion.h gives it. Arrays are borrowed. */
struct el_rollout {
    const int32_t *ids;               /* (n) the prompt, then the completion with its end token */
    int n, prompt;                    /* 1 <= prompt < n */
    const float *old_logp, *ref_logp; /* (n - prompt); ref_logp NULL: no KL */
    const int32_t *kept_start, *kept; /* (n - prompt + 1) and the sets, or NULL: all tokens kept */
    const int32_t *routed;            /* (n, MoE layers, k), the last token's not read; or NULL */
    const uint32_t *selected; /* (n, L, selected_words) bits as in core/model/selection.h, the
                                 last token's not read; or NULL */
    int selected_words;
    double advantage;
    int no_loss; /* takes no part in the loss (a truncated completion that is masked) */
};

struct el_policy_options {
    enum el_attention mode;
    double temperature;     /* of the sampler, > 0 */
    int keep_routing;       /* replay rollouts' routes where they have them */
    int keep_sampling_mask; /* replay rollouts' kept sets where they have them */
    int keep_selection;     /* replay rollouts' selected sets where they have them, in MQA mode */
    double kl_weight;       /* of the indexer's loss in MQA mode; 0: the indexer is frozen */
    int max_rows; /* of a pass, but for a rollout that is longer; 0: as many as the trainer takes */
};

/* Log-probabilities of all completions under weights w (NULL: the trainer's; w must have its shape)
 * to logp, one completion behind the other, and entropies likewise unless NULL. EL_ELIMIT when one
 * rollout exceeds the trainer's rows. */
int el_policy_logprobs(struct el_trainer *t, const struct el_weights *w, const struct el_rollout *r,
                       int n, const struct el_policy_options *o, float *logp, float *entropy,
                       struct el_error *err);

struct el_policy_sums {
    struct el_grpo_sums grpo;
    double entropy;    /* sum over completion tokens */
    double indexer_kl; /* as el_step_stats.kl_loss */
    int64_t tokens;    /* tokens that predict, prompts and completions of all rollouts */
    int64_t rows; /* rows that went through the model for them: less where prompts are shared */
    int64_t passes;
    struct el_selection_sums selection; /* of rollouts with selected sets */
    struct el_routing_sums routing;     /* of rollouts with routes that are not replayed */
};

/* Adds the gradient of -J over the rollouts (one mini-batch: each sequence weighs 1/`sequences`,
 * the number of rollouts of the whole update that take part in the loss), in as few passes as the
 * trainer's room allows, and that of the indexer's KL when kl_weight > 0. Follow with
 * el_trainer_update: stage sparse, or dense where the indexer is frozen. */
int el_policy_accumulate(struct el_trainer *t, const struct el_rollout *r, int n, int sequences,
                         const struct el_grpo_config *c, const struct el_policy_options *o,
                         struct el_policy_sums *sums, struct el_error *err);

#endif
