#include "core/train/grpo.h"

#include <math.h>

struct el_grpo_config el_grpo_config_default(void)
{
    return (struct el_grpo_config){.epsilon = 0.2,
                                   .epsilon_high = 0.28,
                                   .beta = 0.005,
                                   .use_bias_correction_kl = 1,
                                   .off_policy_mask_threshold = 0.5};
}

static int field(struct el_error *err, const char *name, double value, const char *expected)
{
    return el_error_set(err, EL_EINVAL, "field '%s' is %g: expected %s", name, value, expected);
}

int el_grpo_config_check(const struct el_grpo_config *c, struct el_error *err)
{
    if (!(c->epsilon > 0 && c->epsilon < 1))
        return field(err, "epsilon", c->epsilon, "a number between 0 and 1");
    if (!(c->epsilon_high > 0 && isfinite(c->epsilon_high)))
        return field(err, "epsilon_high", c->epsilon_high, "a positive number");
    if (!(c->beta >= 0 && isfinite(c->beta)))
        return field(err, "beta", c->beta, "0 or a positive number");
    if (!(c->off_policy_mask_threshold > 0))
        return field(err, "off_policy_mask_threshold", c->off_policy_mask_threshold,
                     "a positive number of nats per token");
    return 0;
}

struct el_grpo_group el_grpo_advantages(const double *reward, const unsigned char *valid, int n,
                                        int scale_rewards, double *advantage)
{
    struct el_grpo_group g = {.flat = 1};
    double sum = 0, squares = 0, first = 0;
    for (int i = 0; i < n; i++) {
        if (valid && !valid[i])
            continue;
        first = g.valid ? first : reward[i];
        g.flat &= reward[i] == first;
        g.valid++;
        sum += reward[i];
    }
    g.mean = g.valid ? sum / g.valid : 0;
    for (int i = 0; i < n; i++) {
        int counts = !valid || valid[i];
        advantage[i] = counts && !g.flat ? reward[i] - g.mean : 0;
        squares += advantage[i] * advantage[i];
    }
    g.std = g.valid ? sqrt(squares / g.valid) : 0;
    for (int i = 0; i < n && scale_rewards; i++)
        advantage[i] /= g.std + 1e-4;
    return g;
}

int el_grpo_sequence_mask(double advantage, const float *logp, const float *old_logp, int n,
                          double threshold)
{
    double sum = 0;
    if (!(advantage < 0) || n == 0)
        return 1;
    for (int i = 0; i < n; i++)
        sum += (double)old_logp[i] - (double)logp[i];
    return !(sum / n > threshold);
}

/* What the objective takes from one token, and its derivative by log pi_theta. */
struct part {
    double value, slope;
    int low, high; /* the clip decided */
};

static struct part surrogate(const struct el_grpo_config *c, double ratio, double advantage)
{
    if (advantage > 0 && ratio > 1 + c->epsilon_high)
        return (struct part){.value = (1 + c->epsilon_high) * advantage, .high = 1};
    if (advantage < 0 && ratio < 1 - c->epsilon)
        return (struct part){.value = (1 - c->epsilon) * advantage, .low = 1};
    return (struct part){.value = ratio * advantage, .slope = ratio * advantage};
}

static struct part divergence(const struct el_grpo_config *c, double ratio, double logp, double ref)
{
    double d = ref - logp, estimate = expm1(d) - d;
    if (c->use_bias_correction_kl)
        return (struct part){.value = ratio * estimate, .slope = -ratio * d};
    return (struct part){.value = estimate, .slope = -expm1(d)};
}

static void count_token(struct el_grpo_sums *s, double ratio, double difference,
                        const struct part *p)
{
    s->ratio_min = s->tokens == 0 || ratio < s->ratio_min ? ratio : s->ratio_min;
    s->ratio_max = s->tokens == 0 || ratio > s->ratio_max ? ratio : s->ratio_max;
    s->ratio += ratio;
    s->difference += difference;
    s->difference_max = difference > s->difference_max ? difference : s->difference_max;
    s->clipped_low += p->low;
    s->clipped_high += p->high;
    s->tokens++;
}

void el_grpo_sequence(const struct el_grpo_config *c, const struct el_grpo_tokens *t, double weight,
                      float *coef, struct el_grpo_sums *sums)
{
    int mask = el_grpo_sequence_mask(t->advantage, t->logp, t->old_logp, t->n,
                                     c->off_policy_mask_threshold);
    double share = t->n ? weight / t->n : 0;
    for (int i = 0; i < t->n; i++) {
        double logp = t->logp[i], from_old = logp - (double)t->old_logp[i], ratio = exp(from_old);
        struct part p = surrogate(c, ratio, t->advantage), kl = {0};
        if (c->beta > 0)
            kl = divergence(c, ratio, logp, t->ref_logp[i]);
        coef[i] = (float)(-share * (mask * p.slope - c->beta * kl.slope));
        sums->objective += share * (mask * p.value - c->beta * kl.value);
        sums->kl += share * kl.value;
        count_token(sums, ratio, fabs(from_old), &p);
    }
    sums->sequences++;
    sums->masked += !mask;
}
