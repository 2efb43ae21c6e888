/* Products of small integers are exact in float, so every expected value here is exact. */
#include "core/ops/gemm.h"
#include "tests/ops/gradient.h"

#include <string.h>

enum { M = 5, N = 4, K = 7, PAD = 3, BATCH = 3, SPACE = 1000 };

struct operands {
    float a[SPACE], b[SPACE], c[SPACE], expected[SPACE];
};

static void fill_small(float *x, int n, uint64_t key)
{
    struct el_rng r;
    el_rng_init(&r, key);
    for (int i = 0; i < n; i++)
        x[i] = (float)el_rng_range(&r, -3, 3);
}

static void setup(struct operands *o)
{
    fill_small(o->a, SPACE, 1);
    fill_small(o->b, SPACE, 2);
    fill_small(o->c, SPACE, 3);
    memcpy(o->expected, o->c, sizeof o->c);
}

static void expect(float *c, int accumulate, double sum)
{
    *c = (float)((accumulate ? (double)*c : 0) + sum);
}

static double sum_of(const struct el_gemm *g, const float *a, const float *b, int i, int j,
                     int from, int to)
{
    double sum = 0;
    for (int p = from; p < to; p++)
        sum += (double)a[i * g->a_row + p * g->a_col] * (double)b[p * g->b_row + j * g->b_col];
    return sum;
}

static struct el_gemm plain(struct operands *o, int a_turned, int b_turned)
{
    struct el_gemm g = {.m = M, .n = N, .k = K, .a = o->a, .b = o->b, .c = o->c, .c_row = N + PAD};
    g.a_row = a_turned ? 1 : K + PAD;
    g.a_col = a_turned ? M + PAD : 1;
    g.b_row = b_turned ? 1 : N + PAD;
    g.b_col = b_turned ? K + PAD : 1;
    return g;
}

/* Every layout of A and B, with and without old values, padded rows, one product and several. */
static void strides_and_batches(void **state)
{
    (void)state;
    static struct operands o;
    struct el_stream s = reference_stream();
    for (int variant = 0; variant < 16; variant++) {
        setup(&o);
        struct el_gemm g = plain(&o, variant & 1, variant >> 1 & 1);
        g.accumulate = variant >> 2 & 1;
        g.batch = variant >> 3 ? BATCH : 0;
        g.a_batch = 101;
        g.b_batch = 103;
        g.c_batch = 53;
        for (int t = 0; t < (g.batch ? BATCH : 1); t++)
            for (int i = 0; i < M; i++)
                for (int j = 0; j < N; j++)
                    expect(o.expected + t * g.c_batch + i * g.c_row + j, g.accumulate,
                           sum_of(&g, o.a + t * g.a_batch, o.b + t * g.b_batch, i, j, 0, K));
        el_gemm(&s, &g);
        assert_memory_equal(o.c, o.expected, sizeof o.c);
    }
    el_stream_release(&s);
}

static const int32_t offsets[BATCH + 1] = {0, 2, 2, 5};

static void row_groups(void **state)
{
    (void)state;
    static struct operands o;
    struct el_stream s = reference_stream();
    for (int variant = 0; variant < 8; variant++) {
        setup(&o);
        struct el_gemm g = plain(&o, variant & 1, variant >> 1 & 1);
        g.accumulate = variant >> 2;
        g.batch = BATCH;
        g.b_batch = 103;
        g.a_batch = g.c_batch = 999999; /* must not be used */
        g.group = EL_GROUP_ROWS;
        g.offsets = offsets;
        for (int t = 0; t < BATCH; t++)
            for (int i = offsets[t]; i < offsets[t + 1]; i++)
                for (int j = 0; j < N; j++)
                    expect(o.expected + i * g.c_row + j, g.accumulate,
                           sum_of(&g, o.a, o.b + t * g.b_batch, i, j, 0, K));
        el_gemm(&s, &g);
        assert_memory_equal(o.c, o.expected, sizeof o.c);
    }
    el_stream_release(&s);
}

static void sum_groups(void **state)
{
    (void)state;
    static struct operands o;
    struct el_stream s = reference_stream();
    for (int variant = 0; variant < 8; variant++) {
        setup(&o);
        struct el_gemm g = plain(&o, variant & 1, variant >> 1 & 1);
        g.k = 5;
        g.accumulate = variant >> 2;
        g.batch = BATCH;
        g.c_batch = 53;
        g.a_batch = g.b_batch = 999999; /* must not be used */
        g.group = EL_GROUP_K;
        g.offsets = offsets;
        for (int t = 0; t < BATCH; t++) /* group 1 is empty: zeros, or the old values */
            for (int i = 0; i < M; i++)
                for (int j = 0; j < N; j++)
                    expect(o.expected + t * g.c_batch + i * g.c_row + j, g.accumulate,
                           sum_of(&g, o.a, o.b, i, j, offsets[t], offsets[t + 1]));
        el_gemm(&s, &g);
        assert_memory_equal(o.c, o.expected, sizeof o.c);
    }
    el_stream_release(&s);
}

/* (1 + 1e8) - 1e8 is 0 in float, 1 + (1e8 - 1e8) is 1. */
static void sums_start_from_the_old_value(void **state)
{
    (void)state;
    struct el_stream s = reference_stream();
    float a[3] = {1e8f, -1e8f, 1}, b[3] = {1, 1, 1}, c = 1;
    struct el_gemm g = {.m = 1,
                        .n = 1,
                        .k = 2,
                        .a = a,
                        .a_row = 3,
                        .a_col = 1,
                        .b = b,
                        .b_row = 1,
                        .b_col = 3,
                        .c = &c,
                        .c_row = 1,
                        .accumulate = 1};
    el_gemm(&s, &g);
    assert_true(c == 0);
    g.k = 3;
    g.accumulate = 0;
    el_gemm(&s, &g);
    assert_true(c == 1);
    el_stream_release(&s);
}

static void empty_shapes(void **state)
{
    (void)state;
    static struct operands o;
    struct el_stream s = reference_stream();
    setup(&o);
    struct el_gemm g = plain(&o, 0, 0);
    g.m = 0;
    el_gemm(&s, &g);
    assert_memory_equal(o.c, o.expected, sizeof o.c);
    g.m = 1;
    g.k = 0;
    g.accumulate = 1;
    el_gemm(&s, &g);
    assert_memory_equal(o.c, o.expected, sizeof o.c);
    g.accumulate = 0;
    memset(o.expected, 0, N * sizeof(float));
    el_gemm(&s, &g);
    assert_memory_equal(o.c, o.expected, sizeof o.c);
    el_stream_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strides_and_batches), cmocka_unit_test(row_groups),
        cmocka_unit_test(sum_groups),          cmocka_unit_test(sums_start_from_the_old_value),
        cmocka_unit_test(empty_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
