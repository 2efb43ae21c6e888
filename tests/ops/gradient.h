/* Helpers of the reference op tests: random inputs, a stream on the host device, and backward ops
 * checked against differences of their forward ops.
 *
 * The scalar that is differentiated is sum_i dy[i] * y[i] with random dy, whose gradient is what
 * the backward op returns for that dy. */
#ifndef EL_TESTS_OPS_GRADIENT_H
#define EL_TESTS_OPS_GRADIENT_H

#include "core/base/rng.h"
#include "core/ops/ops.h"

#include <math.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

static inline struct el_stream reference_stream(void)
{
    struct el_stream s;
    el_stream_init(&s, el_device_host(), el_ops_ref(), 1);
    return s;
}

static inline void fill_normal(float *x, int n, uint64_t key)
{
    struct el_rng r;
    el_rng_init(&r, key);
    for (int i = 0; i < n; i++)
        x[i] = (float)el_rng_normal(&r);
}

static inline double weighted_sum(const float *y, const float *dy, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)y[i] * (double)dy[i];
    return sum;
}

static inline void assert_close(const float *x, const float *expected, int n, double tolerance)
{
    for (int i = 0; i < n; i++)
        if (!(fabs((double)x[i] - (double)expected[i]) <= tolerance))
            fail_msg("element %d is %.9g, expected %.9g", i, (double)x[i], (double)expected[i]);
}

static inline double slope(double (*loss)(void *ctx), void *ctx, float *x, float h)
{
    float old = *x;
    *x = old + h;
    float up = *x;
    double loss_up = loss(ctx);
    *x = old - h;
    double width = (double)up - (double)*x;
    double result = (loss_up - loss(ctx)) / width;
    *x = old;
    return result;
}

/* Asserts that dx is base plus the gradient of loss with respect to x (base NULL: zeros). Central
 * differences at two steps, extrapolated (Richardson), leave an error of order h^4. */
static inline void check_gradient(double (*loss)(void *ctx), void *ctx, float *x, const float *dx,
                                  const float *base, int n, double tolerance)
{
    const float h = 1.0f / 32;
    for (int i = 0; i < n; i++) {
        double coarse = slope(loss, ctx, x + i, h), fine = slope(loss, ctx, x + i, h / 2);
        double expected = (4 * fine - coarse) / 3 + (base ? (double)base[i] : 0);
        if (!(fabs((double)dx[i] - expected) <= tolerance * (1 + fabs(expected))))
            fail_msg("gradient %d is %.9g, expected %.9g", i, (double)dx[i], expected);
    }
}

#endif
