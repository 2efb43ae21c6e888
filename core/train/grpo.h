/* Group Relative Policy Optimisation with the stabilisers of DeepSeek-V3.2 (section 3.1), as pure
 * functions on host arrays. Replaying routing and sampling masks is the business of
 * core/train/policy.h; here stand the advantage, the clipped objective, the off-policy sequence
 * mask and the KL estimate.
 *
 * Of a group of completions o_1 .. o_G of one prompt with rewards R_i:
 *
 *   A_i = R_i - mean(R)
 *   J   = 1/G sum_i 1/|o_i| sum_t [ min(r A_i, clip(r, 1 - epsilon, 1 + epsilon_high) A_i) M_i
 *                                   - beta D ]
 *   r   = pi_theta / pi_old                                            per token
 *   M_i = 0 iff A_i < 0 and 1/|o_i| sum_t log(pi_old / pi_theta) > delta   (9): per sequence, and
 * on the min term alone   (8) D   = r (pi_ref/pi_theta - log(pi_ref/pi_theta) - 1) (7), r
 * differentiated: dD / dlog pi_theta = r (log pi_theta - log pi_ref), the gradient of the true
 * reverse KL
 *
 * pi_old is what the sampler reported. All three log-probabilities of a token are over the same
 * kept sampling set and at the same temperature. */
#ifndef EL_TRAIN_GRPO_H
#define EL_TRAIN_GRPO_H

#include "core/base/error.h"

#include <stdint.h>

struct el_grpo_config {
    double epsilon, epsilon_high;     /* clip range below and above 1 */
    double beta;                      /* weight of the KL to the reference; 0: no reference */
    int use_bias_correction_kl;       /* 1: D as above; 0: the plain estimate, without r */
    double off_policy_mask_threshold; /* delta, in nats per token; INFINITY: no mask */
    int scale_rewards;                /* divide advantages by the group's standard deviation */
};

/* epsilon 0.2, epsilon_high 0.28, beta 0.005, both corrections on with delta 0.5, no scaling. */
struct el_grpo_config el_grpo_config_default(void);
/* EL_EINVAL naming the field that is out of range. */
int el_grpo_config_check(const struct el_grpo_config *c, struct el_error *err);

struct el_grpo_group {
    int valid;        /* members that count */
    double mean, std; /* of their rewards; std with the divisor `valid` */
    int flat;         /* all rewards equal: nothing to learn */
};

/* advantage[i] of n completions of one prompt. valid (n) or NULL: all are. A member that is not
 * valid (its judge failed) takes no part in the mean and has advantage 0. */
struct el_grpo_group el_grpo_advantages(const double *reward, const unsigned char *valid, int n,
                                        int scale_rewards, double *advantage);

/* M of one sequence of n tokens, 1 or 0. */
int el_grpo_sequence_mask(double advantage, const float *logp, const float *old_logp, int n,
                          double threshold);

/* One completion's tokens. */
struct el_grpo_tokens {
    int n;
    const float *logp, *old_logp; /* (n) log pi_theta, log pi_old */
    const float *ref_logp;        /* (n) log pi_ref; NULL when beta is 0 */
    double advantage;
};

/* Sums over sequences and tokens; start with zeroes. */
struct el_grpo_sums {
    double objective, kl; /* sum of weight * J's parts; kl without beta */
    int64_t sequences, tokens;
    int64_t masked;                    /* sequences with M = 0 */
    int64_t clipped_low, clipped_high; /* tokens whose gradient the clip took away */
    double ratio, ratio_min, ratio_max;
    double difference, difference_max; /* |log pi_theta - log pi_old|, sum and largest */
};

/* Adds one sequence to the sums and writes coef (n): the derivative of -weight * (its part of J)
 * by log pi_theta of every token. `weight` is 1/(sequences of the update). */
void el_grpo_sequence(const struct el_grpo_config *c, const struct el_grpo_tokens *t, double weight,
                      float *coef, struct el_grpo_sums *sums);

#endif
