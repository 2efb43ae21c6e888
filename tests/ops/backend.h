/* Frame of the backend tests. A `bench` gives an op its inputs and outputs on a guard device (an
 * access past the end faults), runs it on any table with any number of threads, and compares:
 *
 *   same_bits   row invariance: alone or in a batch, at any thread count, the same bits
 *   close_to    a backend against the reference: within a tolerance, NaN where it is NaN, Inf
 *               where it is Inf
 *
 * Outputs stand between sentinels that must survive. Each test function is called once for every
 * table that this processor has, the reference among them. */
#ifndef EL_TESTS_OPS_BACKEND_H
#define EL_TESTS_OPS_BACKEND_H

#include "core/base/rng.h"
#include "core/ops/ops.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

enum { BENCH_OUTPUTS = 64, SENTINELS = 16, MAX_THREADS = 3 };

struct bench {
    struct el_device *device;
    const struct el_ops *ops; /* the table under test */
    struct el_rng rng;
    struct {
        float *base;
        int64_t n;
    } outputs[BENCH_OUTPUTS];
    int output_count;
};

static inline int bench_below(struct bench *b, int n)
{
    return (int)el_rng_below(&b->rng, (uint32_t)n);
}

/* Between lo and hi, small values more often. */
static inline int bench_size(struct bench *b, int lo, int hi)
{
    int span = hi - lo + 1;
    return lo + (bench_below(b, 2) ? bench_below(b, span) : bench_below(b, span < 20 ? span : 20));
}

/* n values whose end touches the closed page. */
static inline void *bench_input(struct bench *b, int64_t n, size_t size)
{
    size_t bytes = (size_t)(n > 0 ? n : 1) * size, block = (bytes + 63) / 64 * 64;
    char *p = el_device_alloc(b->device, block);
    assert_non_null(p);
    return p + (block - bytes);
}

static inline float *bench_normal(struct bench *b, int64_t n)
{
    float *x = bench_input(b, n, sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)el_rng_normal(&b->rng);
    return x;
}

static const uint32_t sentinel = 0x7fa5a5a5; /* a NaN that no op computes */

/* n floats between sentinels, filled with noise: an op may add to them. */
static inline float *bench_output(struct bench *b, int64_t n)
{
    float *x = bench_input(b, n + 2 * SENTINELS, sizeof *x);
    for (int64_t i = 0; i < n + 2 * SENTINELS; i++)
        memcpy(x + i, &sentinel, sizeof sentinel);
    for (int64_t i = 0; i < n; i++)
        x[SENTINELS + i] = (float)el_rng_normal(&b->rng);
    assert_in_range(b->output_count, 0, BENCH_OUTPUTS - 1);
    b->outputs[b->output_count].base = x;
    b->outputs[b->output_count++].n = n;
    return x + SENTINELS;
}

/* Another output that starts with the same values. */
static inline float *bench_twin(struct bench *b, const float *x, int64_t n)
{
    float *y = bench_output(b, n);
    memcpy(y, x, (size_t)n * sizeof *y);
    return y;
}

static inline void bench_check_sentinels(const struct bench *b)
{
    for (int i = 0; i < b->output_count; i++)
        for (int j = 0; j < SENTINELS; j++) {
            const float *x = b->outputs[i].base;
            assert_memory_equal(x + j, &sentinel, sizeof sentinel);
            assert_memory_equal(x + SENTINELS + b->outputs[i].n + j, &sentinel, sizeof sentinel);
        }
}

static inline void bench_run(struct bench *b, const struct el_ops *ops, int threads, enum el_op op,
                             const void *args)
{
    struct el_error err = {0};
    struct el_stream s;
    el_stream_init(&s, b->device, ops, threads);
    el_op_run(&s, op, args);
    assert_int_equal(el_stream_check(&s, &err), 0);
    el_stream_release(&s);
    bench_check_sentinels(b);
}

static inline void same_bits(const float *x, const float *y, int64_t n, const char *what)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(x + i, y + i, sizeof *x) != 0)
            fail_msg("%s: element %lld is %.9g and %.9g", what, (long long)i, (double)x[i],
                     (double)y[i]);
}

/* |x - y| <= tolerance * (1 + |y|); NaN only beside NaN, Inf only beside the same Inf. */
static inline void close_to(const float *x, const float *y, int64_t n, double tolerance,
                            const char *what)
{
    for (int64_t i = 0; i < n; i++) {
        int same = isnan(y[i]) ? isnan(x[i])
                   : isinf(y[i])
                       ? x[i] == y[i]
                       : fabs((double)x[i] - (double)y[i]) <= tolerance * (1 + fabs((double)y[i]));
        if (!same)
            fail_msg("%s: element %lld is %.9g, the reference gives %.9g", what, (long long)i,
                     (double)x[i], (double)y[i]);
    }
}

/* Calls test(bench) `cases` times for every table, with inputs that depend on the case only. */
static inline void for_every_backend(void (*test)(struct bench *b), int cases)
{
    static const char *const names[] = {"ref", "generic", "avx2", "avx512"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct el_ops *ops = el_ops_find(names[i]);
        for (int c = 0; ops && c < cases; c++) {
            struct bench b = {.device = el_device_guard_create(), .ops = ops};
            assert_non_null(b.device);
            b.device->enter(b.device); /* the test looks at the memory between ops */
            el_rng_init(&b.rng, 1000 + (uint64_t)c);
            test(&b);
            b.device->leave(b.device);
            el_device_free(b.device);
        }
    }
}

#endif
