/* RoPE with YaRN (Peng et al. 2023, arXiv:2309.00071), in the form DeepSeek's models use it. */
#include "core/model/config.h"

#include <math.h>

static const double two_pi = 6.283185307179586;

static double mscale(double factor, double m)
{
    return factor > 1 ? 0.1 * m * log(factor) + 1 : 1;
}

double el_config_softmax_scale(const struct el_config *c)
{
    double scale = 1 / sqrt((double)c->qk_nope_head_dim + c->qk_rope_head_dim);
    if (!c->yarn.present)
        return scale;
    double m = mscale(c->yarn.factor, c->yarn.mscale_all_dim);
    return scale * m * m;
}

/* The (fractional) index of the frequency that makes `turns` full turns within the original
 * context. */
static double turning_index(const struct el_config *c, double turns)
{
    double wavelength = c->yarn.original_max_position_embeddings / (turns * two_pi);
    return c->qk_rope_head_dim * log(wavelength) / (2 * log(c->rope_theta));
}

/* Frequencies below `low` stay, those from `high` on are divided by the factor, between them a
 * linear ramp. */
static void ramp_range(const struct el_config *c, double *low, double *high)
{
    *low = fmax(floor(turning_index(c, c->yarn.beta_fast)), 0);
    *high = fmin(ceil(turning_index(c, c->yarn.beta_slow)), c->qk_rope_head_dim - 1);
    if (*low == *high)
        *high += 0.001;
}

static double frequency(const struct el_config *c, int i)
{
    double f = pow(c->rope_theta, -2.0 * i / c->qk_rope_head_dim), low, high;
    if (!c->yarn.present)
        return f;
    ramp_range(c, &low, &high);
    double ramp = fmin(fmax((i - low) / (high - low), 0), 1);
    return f / c->yarn.factor * ramp + f * (1 - ramp);
}

void el_config_rope_table(const struct el_config *c, int n, float *cos_table, float *sin_table)
{
    int half = c->qk_rope_head_dim / 2;
    double m = 1;
    if (c->yarn.present)
        m = mscale(c->yarn.factor, c->yarn.mscale) / mscale(c->yarn.factor, c->yarn.mscale_all_dim);
    for (int i = 0; i < half; i++) {
        double f = frequency(c, i);
        for (int t = 0; t < n; t++) {
            cos_table[(size_t)t * half + i] = (float)(m * cos(t * f));
            sin_table[(size_t)t * half + i] = (float)(m * sin(t * f));
        }
    }
}
