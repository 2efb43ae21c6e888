/* Extra reward terms beside those of the paper, each off unless a recipe gives it a weight. Pure.
 * DeepSeek-V3.2 (section 3.1) trains with a rule-based outcome reward, a length penalty and a
 * language consistency reward, and with rubrics of their own for prompts without a rule; the terms
 * here are those. Further ones: rewards/answer.h, language.h, rubric.h.
 *
 * A reward is what the paper's formulas give plus weight * term for each of them
 * (el_reward_add). */
#ifndef EL_REWARDS_TERMS_H
#define EL_REWARDS_TERMS_H

/* reward + weight * term. A term that does not apply (NaN) adds nothing. What would raise the
 * reward is paid to replies with the format alone; what lowers it is charged to all, so that
 * breaking the format is no way out of a penalty. */
double el_reward_add(double reward, int format, double weight, double term);

/* Length as a share of the limit: tokens / limit, at most 1. With a positive weight a bonus, with a
 * negative one a penalty. tokens >= 0, limit >= 1; NaN for anything else. */
double el_reward_length(int tokens, int limit);

/* Soft penalty for what is nearly too long: 0 up to `from` * limit tokens, then falling in a
 * straight line to -1 at the limit. tokens >= 0, limit >= 1, from < 1; NaN for anything else. */
double el_reward_overlong(int tokens, int limit, double from);

/* A generator's reward with an extra term for its final answer (1 right, 0 wrong):
 *     (proof_weight * R + answer_weight * answer) / (proof_weight + answer_weight)
 * so that the sum stays in [0, 1]. proof_weight 0 is a reward for outcomes alone. A reply without
 * the format earns nothing from either. */
double el_reward_with_answer(int format, double reward, double answer, double proof_weight,
                             double answer_weight);

#endif
