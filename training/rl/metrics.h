/* What a step reports, under the names that TRL's users know. Internal to training/rl.
 *
 *   reward, reward_std (mean over groups of two samples or more), frac_reward_zero_std (of these),
 *   rewards/TERM/mean (means over the samples it applies to), roles/ROLE/reward, entropy, kl (where
 *   beta is not 0, so that there is a reference), clip_ratio/{low,high}_mean, grad_norm,
 *   completions/{mean,min,max}_length, completions/clipped_ratio,
 *   sampling/sampling_logp_difference/{mean,max}   at the first update, before any weight moved
 *   sampling/importance_sampling_ratio/{min,mean,max}   over all updates of the step
 *   sampling/selected_{rows,keys}_differ   share of rows (of all layers, where there is a choice)
 *                       whose selected keys are not all those of sampling, and of such keys, over
 *                       all updates; sampling/selected_rows_differ/first   at the first update
 *   sampling/routed_{rows,experts}_differ, sampling/routed_rows_differ/first   the same of routes,
 *                       where the recipe does not replay them
 *   off_policy_mask_fraction, top_p_kept_vocab_per_token, trajectory_staleness (updates between
 *   sampling and training, mean), drops/zero_variance and drops/alone (groups whose rewards are all
 *   equal; whose judge could read one alone), other drops/ and judge/ (drops.h), updates (of the
 *   weights in this step: at most mini_batches * num_iterations), expert_load_max, indexer_kl,
 * loss, learning_rate, num_tokens, trained/tokens   prompts and completions over all updates of the
 * step trained/rows     what went through the model for them: a group's prompt once (policy.h)
 *   step_time and its parts time/{sampling,judging,reference,training}, in seconds */
#ifndef EL_TRAINING_RL_METRICS_H
#define EL_TRAINING_RL_METRICS_H

#include "core/train/policy.h"
#include "training/metrics_log.h"
#include "training/rl/judge.h"
#include "training/state.h"

struct el_rl_step_metrics {
    int64_t groups, flat, refused, samples, cut_off; /* groups that have samples */
    int64_t compared; /* groups of two samples or more that count: others have no spread */
    int64_t alone;    /* groups with one that counts: nothing to compare it with */
    double reward, reward_std;
    double term[EL_TERMS];
    int64_t term_n[EL_TERMS];
    double role_reward[EL_ROLES];
    int64_t role_n[EL_ROLES];
    int64_t tokens, completion_tokens; /* prompts and completions; completions */
    int64_t shortest, longest;
    int64_t kept, kept_tokens; /* ids in kept sets, tokens that have one */
    int64_t updates;
    struct el_policy_sums first, all; /* of the first update; of all */
    int has_reference;                /* a KL to it was measured */
    double staleness, norm, load;
    struct el_rl_judge_counts judge;
    double lr, sample_seconds, judge_seconds, reference_seconds, training_seconds, step_seconds;
};

void el_rl_metrics_group(struct el_rl_step_metrics *m, const struct el_rl_group *group,
                         const struct el_grpo_group *stats, int g);
void el_rl_metrics_update(struct el_rl_step_metrics *m, const struct el_policy_sums *sums,
                          double norm, double load);
int el_rl_metrics_log(const struct el_rl_step_metrics *m, const struct el_run_state *state,
                      struct el_metrics_log *log, struct el_error *err);
/* For the progress line. */
void el_rl_metrics_note(const struct el_rl_step_metrics *m, char *out, size_t n);

#endif
