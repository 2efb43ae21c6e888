/* Rewards of DeepSeekMath-V2 (arXiv 2511.22570, sections 2.1 and 2.2) as pure functions.
 *
 * Names as in the paper: X problem, Y proof, V analysis by the verifier, Z self-analysis by the
 * generator; s true score of Y, s' predicted score, ms true score of V, all in {0, 0.5, 1}.
 *
 *   R_format in {0, 1}   both key phrases present and a legal boxed score after the second one
 *   R_score(s', s)     = 1 - |s' - s|                              equation (1)
 *   R_meta(V)          = ms, the meta-verifier's score of the analysis
 *   R_V                = R_format * R_score(s', s) * R_meta(V)     equation (3); with R_meta = 1 it
 *                                                                  is the reward inside (2)
 *   R_MV               = R_format * R_score(ms', ms)               section 2.1.2, shaped like (2)
 *   R_Y                = s, the verifier's score of the proof      equation (4)
 *   R                  = R_format(Y, Z) * (alpha R_Y + beta R_Z)   equation (5), alpha = 0.76,
 *                                                                  beta = 0.24
 *   R_Z                = R_score(s', s) * R_meta(Z)                equation (6)
 *
 * Ranges: every argument but `format` is in [0, 1]; a value outside, or NaN, gives NaN and is
 * never paid out as a number. A reply with format = 0 earns 0 whatever the other arguments are
 * (it has no score, so they may be NaN). Scores may be means of votes, not only 0, 0.5 and 1. */
#ifndef EL_REWARDS_REWARDS_H
#define EL_REWARDS_REWARDS_H

#include "core/base/error.h"

struct el_reward_weights {
    double alpha; /* weight of the proof, R_Y */
    double beta;  /* weight of the self-evaluation, R_Z */
};

/* {0.76, 0.24}. */
struct el_reward_weights el_reward_weights_default(void);

/* Both finite and >= 0, their sum 1 within 1e-9: the reward stays in [0, 1]. */
int el_reward_weights_check(const struct el_reward_weights *w, struct el_error *err);

/* R_score, equation (1). */
double el_reward_score(double s_pred, double s_true);

/* R_V, equation (3); r_score is R_score(s', s). Pass meta = 1 where no meta-verifier takes part. */
double el_reward_verifier(int format, double r_score, double meta);

/* R_MV; r_score is R_score(ms', ms). */
double el_reward_meta_verifier(int format, double r_score);

/* R_Z, equation (6); r_score is R_score(s', s), meta is R_meta(Z). */
double el_reward_self_evaluation(double r_score, double meta);

/* R, equation (5); w NULL means the default weights. */
double el_reward_generator(int format, double r_y, double r_z, const struct el_reward_weights *w);

#endif
