/* Times each op at the shapes of a small model and prints GFLOP/s with the share of this machine's
 * own fused multiply-add ceiling, measured in the same run. Usage: bench_ops [backend] [threads] */
#include "core/ops/gemm.h"
#include "core/ops/ops.h"
#include "core/tensor/device.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double ceiling;

/* A device array of n floats: reproducible noise in -1..1. */
static float *noise(size_t n)
{
    float *x = el_device_alloc(el_device_host(), n * sizeof *x);
    if (!x) {
        fprintf(stderr, "bench_ops: no memory for %zu floats\n", n);
        exit(1);
    }
    uint32_t r = 12345;
    for (size_t i = 0; i < n; i++) {
        r = r * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)r / 2147483648.0f;
    }
    return x;
}

static void drop(const void *p)
{
    el_device_release(el_device_host(), (void *)(uintptr_t)p);
}

/* Best of the repetitions that fit into about a quarter of a second. */
static double best_time(struct el_stream *s, enum el_op op, const void *args)
{
    double best = 1e9, end = now() + 0.25;
    el_op_run(s, op, args);
    for (int i = 0; i < 3 || now() < end; i++) {
        double t = now();
        el_op_run(s, op, args);
        t = now() - t;
        best = t < best ? t : best;
    }
    return best;
}

static double report(struct el_stream *s, enum el_op op, const void *args, const char *what,
                     double flop, double bytes)
{
    double t = best_time(s, op, args);
    printf("%-14s %-40s %9.1f us", el_op_name(op), what, t * 1e6);
    if (flop > 0)
        printf(" %8.1f GFLOP/s", flop / t * 1e-9);
    if (flop > 0 && ceiling > 0)
        printf(" %5.1f%%", 100 * flop / t / ceiling);
    if (bytes > 0)
        printf(" %7.1f GB/s", bytes / t * 1e-9);
    printf("\n");
    return flop / t;
}

enum form { PLAIN, TRANSPOSED_B, TRANSPOSED_A };

static void bench_gemm(struct el_stream *s, int m, int n, int k, enum form form, int measure)
{
    float *a = noise((size_t)m * k), *b = noise((size_t)n * k), *c = noise((size_t)m * n);
    struct el_gemm g = {.m = m,
                        .n = n,
                        .k = k,
                        .a = a,
                        .a_row = k,
                        .a_col = 1,
                        .b = b,
                        .b_row = n,
                        .b_col = 1,
                        .c = c,
                        .c_row = n};
    const char *name = "";
    if (form == TRANSPOSED_B) {
        g.b_row = 1;
        g.b_col = k;
        name = "B^T";
    } else if (form == TRANSPOSED_A) {
        g.a_row = 1;
        g.a_col = m;
        g.accumulate = 1;
        name = "A^T, C +=";
    }
    char what[64];
    snprintf(what, sizeof what, "m %d n %d k %d %s", m, n, k, name);
    double rate = report(s, EL_OP_gemm, &g, what, 2.0 * m * n * k, 0);
    if (measure)
        ceiling = rate;
    drop(a);
    drop(b);
    drop(c);
}

static void bench_experts(struct el_stream *s, int rows, int n, int k, enum el_group group)
{
    enum { EXPERTS = 8 };
    int32_t offsets[EXPERTS + 1];
    for (int i = 0; i <= EXPERTS; i++)
        offsets[i] = (int32_t)((int64_t)rows * i / EXPERTS);
    float *a = noise((size_t)rows * k), *b = noise((size_t)rows * n + (size_t)EXPERTS * n * k);
    float *c = noise((size_t)rows * n + (size_t)EXPERTS * n * k);
    struct el_gemm g = {
        .batch = EXPERTS, .group = group, .offsets = offsets, .a = a, .b = b, .c = c};
    if (group == EL_GROUP_ROWS) {
        g.m = rows, g.n = n, g.k = k;
        g.a_row = k, g.a_col = 1, g.b_row = 1, g.b_col = k, g.c_row = n;
        g.b_batch = (int64_t)n * k;
    } else {
        g.m = k, g.n = n, g.k = rows, g.accumulate = 1;
        g.a_row = 1, g.a_col = k, g.b_row = n, g.b_col = 1, g.c_row = n;
        g.c_batch = (int64_t)n * k;
    }
    char what[64];
    snprintf(what, sizeof what, "%d experts %s rows %d %d -> %d", EXPERTS,
             group == EL_GROUP_ROWS ? "forward" : "gradient", rows, k, n);
    report(s, EL_OP_gemm, &g, what, 2.0 * rows * n * k, 0);
    drop(a);
    drop(b);
    drop(c);
}

/* Independent chains of fused multiply-adds on registers, one set per thread: what the arithmetic
 * units do when nothing waits for memory. Compiled for the best instruction set at hand. */
#if defined(__x86_64__)
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif
typedef float v16 __attribute__((vector_size(64)));
__attribute__((target("avx512f,fma"), noinline)) static float fma_512(int64_t rounds)
{
    v16 x[12];
    UNROLL
    for (int i = 0; i < 12; i++)
        x[i] = (v16){0} + (float)i;
    v16 f = (v16){0} + 0.999f, g = (v16){0} + 0.001f;
    for (int64_t r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < 12; i++)
            x[i] = x[i] * f + g;
    }
    float sum = 0;
    UNROLL
    for (int i = 0; i < 12; i++)
        sum += x[i][0];
    return sum;
}

static void measure_ceiling(int threads)
{
    if (!__builtin_cpu_supports("avx512f"))
        return;
    const int64_t rounds = 10000000;
    volatile float sink = 0;
    for (int i = 0; i < 3; i++) {
        double t = now();
#pragma omp parallel num_threads(threads)
        {
            float x = fma_512(rounds);
#pragma omp critical
            sink = sink + x;
        }
        double rate = 2.0 * 16 * 12 * (double)rounds * threads / (now() - t);
        ceiling = rate > ceiling ? rate : ceiling;
    }
}
#else
static void measure_ceiling(int threads)
{
    (void)threads;
}
#endif

static void all_gemms(struct el_stream *s)
{
    static const int shapes[][3] = {{8192, 256, 96},  {8192, 96, 256}, {8192, 96, 96},
                                    {4096, 640, 256}, {8192, 512, 96}, {4096, 256, 640},
                                    {128, 256, 96},   {64, 96, 256},   {64, 640, 256},
                                    {1, 640, 256},    {8, 256, 96},    {1024, 1024, 1024}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int form = PLAIN; form <= TRANSPOSED_B; form++)
            bench_gemm(s, shapes[i][0], shapes[i][1], shapes[i][2], (enum form)form, 0);
    bench_gemm(s, 96, 256, 8192, TRANSPOSED_A, 0);
    bench_gemm(s, 256, 96, 8192, TRANSPOSED_A, 0);
    bench_gemm(s, 640, 256, 4096, TRANSPOSED_A, 0);
    bench_gemm(s, 256, 64, 8192, TRANSPOSED_A, 0);
    bench_experts(s, 8192, 96, 256, EL_GROUP_ROWS);
    bench_experts(s, 8192, 256, 96, EL_GROUP_ROWS);
    bench_experts(s, 8192, 96, 256, EL_GROUP_K);
    bench_experts(s, 8192, 256, 96, EL_GROUP_K);
    bench_experts(s, 128, 96, 256, EL_GROUP_ROWS);
}

int main(int argc, char **argv)
{
    const struct el_ops *ops = argc > 1 ? el_ops_find(argv[1]) : el_ops_cpu();
    if (!ops) {
        fprintf(stderr, "bench_ops: this processor has no backend named %s\n", argv[1]);
        return 2;
    }
    int threads = argc > 2 ? atoi(argv[2]) : omp_get_num_procs();
    measure_ceiling(threads);
    printf("backend %s, %d threads, ceiling %.1f GFLOP/s\n", ops->name, threads, ceiling * 1e-9);
    struct el_stream s;
    el_stream_init(&s, el_device_host(), ops, threads);
    all_gemms(&s);
    el_stream_release(&s);
    return 0;
}
