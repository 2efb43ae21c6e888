/* The reward formulas; rewards.h gives them with the paper's equation numbers. */
#include "rewards/rewards.h"

#include <math.h>

struct el_reward_weights el_reward_weights_default(void)
{
    return (struct el_reward_weights){.alpha = 0.76, .beta = 0.24};
}

int el_reward_weights_check(const struct el_reward_weights *w, struct el_error *err)
{
    if (!isfinite(w->alpha) || w->alpha < 0)
        return el_error_set(err, EL_EINVAL, "reward weight alpha: expected a number >= 0, got %g",
                            w->alpha);
    if (!isfinite(w->beta) || w->beta < 0)
        return el_error_set(err, EL_EINVAL, "reward weight beta: expected a number >= 0, got %g",
                            w->beta);
    if (fabs(w->alpha + w->beta - 1) > 1e-9)
        return el_error_set(err, EL_EINVAL, "reward weights: expected alpha + beta = 1, got %g",
                            w->alpha + w->beta);
    return 0;
}

/* x where it is a reward or a score, NaN where it is not. */
static double unit(double x)
{
    return x >= 0 && x <= 1 ? x : NAN;
}

double el_reward_score(double s_pred, double s_true)
{
    return 1 - fabs(unit(s_pred) - unit(s_true));
}

double el_reward_verifier(int format, double r_score, double meta)
{
    return format ? unit(r_score) * unit(meta) : 0;
}

double el_reward_meta_verifier(int format, double r_score)
{
    return format ? unit(r_score) : 0;
}

double el_reward_self_evaluation(double r_score, double meta)
{
    return unit(r_score) * unit(meta);
}

double el_reward_generator(int format, double r_y, double r_z, const struct el_reward_weights *w)
{
    const struct el_reward_weights weights = w ? *w : el_reward_weights_default();

    return format ? weights.alpha * unit(r_y) + weights.beta * unit(r_z) : 0;
}
