/* Extra reward terms beside those of the paper, each off unless a recipe gives it a weight. Pure.
 */
#ifndef EL_REWARDS_TERMS_H
#define EL_REWARDS_TERMS_H

/* Soft penalty for length: 0 up to `from` * limit tokens, then falling in a straight line to -1 at
 * the limit. tokens >= 0, limit >= 1, from < 1; NaN for anything else. */
double el_reward_overlong(int tokens, int limit, double from);

/* A generator's reward with an extra term for its final answer (1 right, 0 wrong):
 *     (proof_weight * R + answer_weight * answer) / (proof_weight + answer_weight)
 * so that the sum stays in [0, 1]. proof_weight 0 is a reward for outcomes alone. A reply without
 * the format earns nothing from either. */
double el_reward_with_answer(int format, double reward, double answer, double proof_weight,
                             double answer_weight);

#endif
