#include "core/ops/optim.h"
#include "tests/ops/gradient.h"

static double sum_of_squares(const float *x, int64_t n)
{
    struct el_stream s = reference_stream();
    double out = -1;
    struct el_sumsq a = {.n = n, .x = x, .out = &out};
    el_sumsq(&s, &a);
    el_stream_release(&s);
    return out;
}

static void sumsq(void **state)
{
    (void)state;
    static float x[3 * 4096];
    assert_true(sum_of_squares(x, 0) == 0);
    for (int i = 0; i < COUNT(x); i++)
        x[i] = 1e30f;
    double one = (double)1e30f * (double)1e30f; /* would be Inf in float */
    assert_true(fabs(sum_of_squares(x, 10000) / (10000 * one) - 1) < 1e-12);
    x[9999] = INFINITY;
    assert_true(isinf(sum_of_squares(x, 10000)));
    x[5] = NAN;
    assert_true(isnan(sum_of_squares(x, 10000)));
}

/* 2^54 swallows every 1 that is added to it alone; a part of 4096 ones it does not swallow. */
static void sumsq_adds_parts_of_4096(void **state)
{
    (void)state;
    static float x[2 * 4096];
    for (int i = 0; i < COUNT(x); i++)
        x[i] = 1;
    x[0] = (float)(1 << 27);
    assert_true(sum_of_squares(x, COUNT(x)) == ldexp(1, 54) + 4096);
}

struct moments {
    double x, m, v;
};

/* The update of the header in double. */
static void expected_step(struct moments *e, const struct el_adamw *a, double grad)
{
    double b1 = (double)a->beta1, b2 = (double)a->beta2, g = grad * (double)a->grad_scale;
    e->m = b1 * e->m + (1 - b1) * g;
    e->v = b2 * e->v + (1 - b2) * g * g;
    double mhat = e->m / (1 - pow(b1, (double)a->step));
    double vhat = e->v / (1 - pow(b2, (double)a->step));
    double update = mhat / (sqrt(vhat) + (double)a->eps) + (double)a->decay * e->x;
    e->x -= (double)a->lr * update;
}

/* The bias corrections make the first step lr * sign(g), whatever the size of the gradient; weight
 * decay is added to it and does not go through the moments. */
static void first_adamw_step_by_hand(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    float x[3] = {1, 1, 2}, grad[3] = {5, -0.01f, 0}, m[3] = {0, 0, 0}, v[3] = {0, 0, 0};
    struct el_adamw a = {.n = 3,
                         .x = x,
                         .grad = grad,
                         .m = m,
                         .v = v,
                         .lr = 0.1f,
                         .beta1 = 0.9f,
                         .beta2 = 0.999f,
                         .eps = 1e-12f,
                         .decay = 0.5f,
                         .grad_scale = 0.1f,
                         .step = 1};
    el_adamw(&s, &a);
    assert_close(x, (float[]){1 - 0.1f - 0.05f, 1 + 0.1f - 0.05f, 2 - 0.1f}, 3, 1e-6);
    assert_close(m, (float[]){0.05f, -0.0001f, 0}, 3, 1e-7);
    assert_close(v, (float[]){(1 - 0.999f) * 0.25f, 1e-9f, 0}, 3, 1e-10);
    el_stream_release(&s);
}

static void later_adamw_steps(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    float x = 0.7f, grad, m = 0, v = 0;
    struct moments e = {.x = (double)x};
    struct el_adamw a = {.n = 1,
                         .x = &x,
                         .grad = &grad,
                         .m = &m,
                         .v = &v,
                         .lr = 0.05f,
                         .beta1 = 0.9f,
                         .beta2 = 0.95f,
                         .eps = 1e-3f,
                         .decay = 0.1f,
                         .grad_scale = 2};
    const float gradients[5] = {0.3f, -0.2f, 1.5f, 0, 0.01f};
    for (int i = 0; i < 5; i++) {
        grad = gradients[i];
        a.step = i + 1;
        el_adamw(&s, &a);
        expected_step(&e, &a, (double)grad);
        assert_close(&x, (float[]){(float)e.x}, 1, 1e-6);
        assert_close(&m, (float[]){(float)e.m}, 1, 1e-6);
        assert_close(&v, (float[]){(float)e.v}, 1, 1e-6);
    }
    el_stream_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sumsq),
        cmocka_unit_test(sumsq_adds_parts_of_4096),
        cmocka_unit_test(first_adamw_step_by_hand),
        cmocka_unit_test(later_adamw_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
