/* GRPO's formulas against values computed by hand and against differences. */
#include "core/train/grpo.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void near(double x, double expected, double tolerance)
{
    if (!(fabs(x - expected) <= tolerance))
        fail_msg("%.9g, expected %.9g", x, expected);
}

/* ---- Advantages ---- */

static void advantages(void **state)
{
    (void)state;
    const double r[4] = {1, 0, 0.5, 0.5};
    double a[4];
    struct el_grpo_group g = el_grpo_advantages(r, NULL, 4, 0, a);
    assert_int_equal(g.valid, 4);
    assert_int_equal(g.flat, 0);
    near(g.mean, 0.5, 0);
    near(g.std, sqrt(0.125), 1e-15);
    for (int i = 0; i < 4; i++)
        near(a[i], r[i] - 0.5, 0);
    el_grpo_advantages(r, NULL, 4, 1, a);
    near(a[0], 0.5 / (sqrt(0.125) + 1e-4), 1e-12);
}

/* A sample whose judge failed is out of the baseline, not a zero in it. */
static void failed_sample(void **state)
{
    (void)state;
    const double r[4] = {1, 1, 0, 0};
    const unsigned char valid[4] = {1, 0, 1, 1};
    double a[4];
    struct el_grpo_group g = el_grpo_advantages(r, valid, 4, 0, a);
    assert_int_equal(g.valid, 3);
    near(a[0], 2.0 / 3, 1e-15);
    near(a[1], 0, 0);
    near(a[2], -1.0 / 3, 1e-15);
    near(a[3], -1.0 / 3, 1e-15);
}

static void flat_groups(void **state)
{
    (void)state;
    const double r[3] = {0.76, 0.76, 0.1};
    const unsigned char valid[3] = {1, 1, 0}, none[3] = {0, 0, 0};
    double a[3];
    assert_true(el_grpo_advantages(r, valid, 3, 1, a).flat);
    for (int i = 0; i < 3; i++)
        near(a[i], 0, 0);
    struct el_grpo_group g = el_grpo_advantages(r, none, 3, 0, a);
    assert_true(g.flat && g.valid == 0 && g.mean == 0 && g.std == 0);
    assert_false(el_grpo_advantages(r, NULL, 3, 0, a).flat);
}

/* ---- The sequence mask ---- */

static void sequence_mask(void **state)
{
    (void)state;
    static const float old[4] = {0}, far[4] = {-2, -2, -2, -2}, close[4] = {-.5f, -.5f, -.5f, -.5f};
    assert_int_equal(el_grpo_sequence_mask(1, far, old, 4, 1), 1);
    assert_int_equal(el_grpo_sequence_mask(-1, close, old, 4, 1), 1);
    assert_int_equal(el_grpo_sequence_mask(-1, far, old, 4, 1), 0);
    assert_int_equal(el_grpo_sequence_mask(-1, far, old, 4, INFINITY), 1);
    /* the mean of the sequence decides, not single tokens; and its sign matters */
    static const float mixed[4] = {-4, 0, 0, 0}, more[4] = {-4, -0.5f, 0, 0};
    assert_int_equal(el_grpo_sequence_mask(-1, mixed, old, 4, 1), 1);
    assert_int_equal(el_grpo_sequence_mask(-1, more, old, 4, 1), 0);
    assert_int_equal(el_grpo_sequence_mask(-1, old, far, 4, 1), 1);
    assert_int_equal(el_grpo_sequence_mask(-1, far, old, 0, 1), 1);
}

/* M takes the min term away and leaves the KL. */
static void mask_leaves_kl(void **state)
{
    (void)state;
    struct el_grpo_config c = el_grpo_config_default();
    const float logp[2] = {-2, -3}, old[2] = {-1, -1}, ref[2] = {-1.5f, -2.5f};
    float masked[2], kl_only[2];
    struct el_grpo_sums s = {0}, k = {0};
    c.beta = 0.1;
    el_grpo_sequence(&c, &(struct el_grpo_tokens){2, logp, old, ref, -1}, 1, masked, &s);
    el_grpo_sequence(&c, &(struct el_grpo_tokens){2, logp, old, ref, 0}, 1, kl_only, &k);
    assert_int_equal(s.masked, 1);
    assert_int_equal(k.masked, 0);
    for (int i = 0; i < 2; i++) {
        assert_true(masked[i] != 0);
        near(masked[i], kl_only[i], 0);
    }
    near(s.objective, -0.1 * s.kl, 1e-15);
}

/* ---- KL ---- */

static double kl_value(int unbiased, float logp, float old, float ref)
{
    struct el_grpo_config c = el_grpo_config_default();
    struct el_grpo_sums s = {0};
    float coef;
    c.beta = 1;
    c.use_bias_correction_kl = unbiased;
    el_grpo_sequence(&c, &(struct el_grpo_tokens){1, &logp, &old, &ref, 0}, 1, &coef, &s);
    return s.kl;
}

static void kl_values(void **state)
{
    (void)state;
    near(kl_value(0, -1, -1, 0), exp(1) - 2, 1e-9);
    near(kl_value(0, -1, -1, -15), 13, 1e-5);
    near(kl_value(0, -1, -1, -30), 28, 1e-5);
    near(kl_value(1, -1, -1, -15), kl_value(0, -1, -1, -15), 1e-12);
    near(kl_value(1, -1, -1 - logf(2), -15), 2 * kl_value(0, -1, 0, -15), 1e-5);
    near(kl_value(1, -1, -1, -1), 0, 0);
}

/* The three usual estimates at log pi_theta = -1 and three references, the first two written out
 * here: what the code computes is the third of the same k1, and agrees with the second where they
 * are close. */
static void kl_estimates(void **state)
{
    (void)state;
    static const float ref[4] = {0, -15, -30, -1.01f};
    static const double k1[3] = {-1, 14, 29}, k2[3] = {0.5, 98, 420.5}, k3[3] = {0.7183, 13, 28};
    for (int i = 0; i < 4; i++) {
        double difference = -1 - (double)ref[i], half_square = difference * difference / 2;
        double value = kl_value(0, -1, -1, ref[i]);
        near(value, expm1(-difference) + difference, 1e-6);
        assert_true(value >= 0);
        if (i == 3) {
            near(value / half_square, 1, 0.01);
            continue;
        }
        near(difference, k1[i], 0);
        near(half_square, k2[i], 0);
        near(value, k3[i], 5e-5);
    }
}

/* The ratio is differentiated: the gradient is that of the true reverse KL. */
static void unbiased_kl_gradient(void **state)
{
    (void)state;
    struct el_grpo_config c = el_grpo_config_default();
    const float curr[2] = {-1.2f, -.7f}, gen[2] = {-1.5f, -.4f}, ref[2] = {-.9f, -1.1f};
    float coef[2];
    struct el_grpo_sums s = {0};
    c.beta = 0.3;
    el_grpo_sequence(&c, &(struct el_grpo_tokens){2, curr, gen, ref, 0}, 1, coef, &s);
    near(coef[0], -0.0607436, 2e-7);
    near(coef[1], 0.0444491, 2e-7);
}

/* At theta = ref = old neither estimate has a value, and the unbiased one has no gradient. */
static void kl_at_start(void **state)
{
    (void)state;
    struct el_grpo_config c = el_grpo_config_default();
    const float logp[3] = {-1, -0.25f, -7};
    float coef[3];
    struct el_grpo_sums s = {0};
    el_grpo_sequence(&c, &(struct el_grpo_tokens){3, logp, logp, logp, 0}, 1, coef, &s);
    for (int i = 0; i < 3; i++)
        near(coef[i], 0, 0);
    near(s.kl, 0, 0);
    near(s.ratio_min, 1, 0);
    near(s.ratio_max, 1, 0);
    near(s.difference_max, 0, 0);
}

/* ---- The objective ---- */

static double loss_of(const struct el_grpo_config *c, const float *logp, const float *old,
                      const float *ref, double advantage, int n, float *coef,
                      struct el_grpo_sums *s)
{
    *s = (struct el_grpo_sums){0};
    el_grpo_sequence(c, &(struct el_grpo_tokens){n, logp, old, ref, advantage}, 0.25, coef, s);
    return -s->objective;
}

/* coef is the derivative of the loss by every token's log-probability. */
static void gradient_by_differences(void **state)
{
    (void)state;
    enum { N = 6 };
    const float base[N] = {-1.1f, -0.2f, -2.5f, -0.9f, -3.0f, -0.4f};
    const float old[N] = {-1.0f, -0.9f, -2.4f, -0.5f, -4.0f, -0.45f};
    const float ref[N] = {-1.3f, -0.1f, -2.0f, -1.9f, -3.5f, -0.4f};
    for (int form = 0; form < 8; form++) {
        struct el_grpo_config c = el_grpo_config_default();
        struct el_grpo_sums s;
        float coef[N], unused[N];
        double advantage = form & 1 ? 0.7 : -0.7;
        c.use_bias_correction_kl = form >> 1 & 1;
        c.beta = form >> 2 ? 0.3 : 0;
        loss_of(&c, base, old, ref, advantage, N, coef, &s);
        for (int i = 0; i < N; i++) {
            float up[N], down[N];
            memcpy(up, base, sizeof up);
            memcpy(down, base, sizeof down);
            up[i] += 0x1p-8f;
            down[i] -= 0x1p-8f;
            double slope = (loss_of(&c, up, old, ref, advantage, N, unused, &s) -
                            loss_of(&c, down, old, ref, advantage, N, unused, &s)) /
                           ((double)up[i] - (double)down[i]);
            near(coef[i], slope, 2e-5);
        }
    }
}

static void clipping(void **state)
{
    (void)state;
    struct el_grpo_config c = el_grpo_config_default();
    struct el_grpo_sums s;
    float coef[4];
    const float old[4] = {-1, -1, -1, -1};
    /* ratios 1.35, 1.25, 0.7, 0.85 */
    const float logp[4] = {-1 + logf(1.35f), -1 + logf(1.25f), -1 + logf(.7f), -1 + logf(.85f)};
    c.beta = 0;
    double loss = loss_of(&c, logp, old, NULL, 1, 4, coef, &s);
    near(loss, -0.25 * (1.28 + 1.25 + .7 + .85) / 4, 1e-7);
    assert_true(s.clipped_high == 1 && s.clipped_low == 0 && s.tokens == 4);
    near(coef[0], 0, 0);
    near(coef[1], -0.25 * 1.25 / 4, 1e-7);
    c.off_policy_mask_threshold = INFINITY;
    loss = loss_of(&c, logp, old, NULL, -1, 4, coef, &s);
    near(loss, 0.25 * (1.35 + 1.25 + .8 + .85) / 4, 1e-7);
    assert_true(s.clipped_high == 0 && s.clipped_low == 1);
    near(coef[2], 0, 0);
    near(coef[0], 0.25 * 1.35 / 4, 1e-7); /* a large ratio is not clipped when A < 0 */
    near(s.ratio / 4, (1.35 + 1.25 + .7 + .85) / 4, 1e-6);
    near(s.difference_max, -log(.7), 1e-6);
}

/* Every sequence counts alike, whatever its length. */
static void length_normalised(void **state)
{
    (void)state;
    struct el_grpo_config c = el_grpo_config_default();
    struct el_grpo_sums s;
    float one[1], ten[10], logp[10] = {0};
    c.beta = 0;
    double a = loss_of(&c, logp, logp, NULL, 0.5, 1, one, &s);
    double b = loss_of(&c, logp, logp, NULL, 0.5, 10, ten, &s);
    near(a, b, 1e-15);
    near(one[0], 10 * (double)ten[0], 1e-7);
    loss_of(&c, logp, logp, NULL, 0.5, 0, one, &s); /* an empty completion divides by nothing */
    near(s.objective, 0, 0);
}

static void config_fields(void **state)
{
    (void)state;
    struct el_grpo_config good = el_grpo_config_default(), c;
    struct el_error err = {0};
    assert_int_equal(el_grpo_config_check(&good, &err), 0);
#define REFUSES(member, value)                                                                     \
    c = good;                                                                                      \
    c.member = value;                                                                              \
    assert_int_equal(el_grpo_config_check(&c, &err), EL_EINVAL);                                   \
    assert_non_null(strstr(err.msg, "'" #member "'"))
    REFUSES(epsilon, 0);
    REFUSES(epsilon, 1);
    REFUSES(epsilon_high, NAN);
    REFUSES(beta, -1);
    REFUSES(beta, INFINITY);
    REFUSES(off_policy_mask_threshold, 0);
#undef REFUSES
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advantages),     cmocka_unit_test(failed_sample),
        cmocka_unit_test(flat_groups),    cmocka_unit_test(sequence_mask),
        cmocka_unit_test(mask_leaves_kl), cmocka_unit_test(kl_values),
        cmocka_unit_test(kl_estimates),   cmocka_unit_test(unbiased_kl_gradient),
        cmocka_unit_test(kl_at_start),    cmocka_unit_test(gradient_by_differences),
        cmocka_unit_test(clipping),       cmocka_unit_test(length_normalised),
        cmocka_unit_test(config_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
