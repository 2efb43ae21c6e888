#include "bench/bench.h"

#include "core/tensor/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double ceiling;
static const char *only;

void bench_only(const char *op)
{
    only = op;
}

double bench_ceiling(void)
{
    return ceiling;
}

/* With one thread the processor time of that thread, and the MEDIAN of the repetitions: other
 * programs on the machine disturb less, but this clock has outliers in both directions when the
 * thread is preempted (a minimum once showed 7 times the ceiling). With several threads the wall
 * time and the minimum: a wall clock never shows less than an op took. */
static clockid_t timer = CLOCK_MONOTONIC;

static double now(void)
{
    struct timespec t;
    clock_gettime(timer, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A device array of n floats: reproducible noise in -1..1. */
float *bench_noise(size_t n)
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

void bench_drop(const void *p)
{
    el_device_release(el_device_host(), (void *)(uintptr_t)p);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What n repetitions say one run takes; sorts them. */
static double summary(double *seconds, int n)
{
    qsort(seconds, (size_t)n, sizeof *seconds, compare);
    return seconds[timer == CLOCK_THREAD_CPUTIME_ID ? n / 2 : 0];
}

/* Repetitions that fit into about a quarter of a second, at least five. */
static double time_op(struct el_stream *s, enum el_op op, const void *args)
{
    enum { MOST = 20000 };
    static double seconds[MOST];
    double end = now() + 0.25;
    int n = 0;
    el_op_run(s, op, args);
    while (n < 5 || (n < MOST && now() < end)) {
        double t = now();
        el_op_run(s, op, args);
        seconds[n++] = now() - t;
    }
    return summary(seconds, n);
}

void bench_report(struct el_stream *s, enum el_op op, const void *args, const char *what,
                  double flop, double bytes)
{
    if (only && strcmp(only, el_op_name(op)) != 0)
        return;
    double t = time_op(s, op, args);
    printf("%-14s %-40s %9.1f us", el_op_name(op), what, t * 1e6);
    if (flop > 0)
        printf(" %8.1f GFLOP/s", flop / t * 1e-9);
    if (flop > 0 && ceiling > 0)
        printf(" %5.1f%%", 100 * flop / t / ceiling);
    if (bytes > 0)
        printf(" %7.1f GB/s", bytes / t * 1e-9);
    printf("\n");
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

void bench_measure_ceiling(int threads)
{
    timer = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    if (!__builtin_cpu_supports("avx512f"))
        return;
    enum { TRIALS = 100 };
    const int64_t rounds = 500000;
    volatile float sink = 0;
    double seconds[TRIALS];
    for (int i = 0; i < TRIALS; i++) {
        double t = now();
#pragma omp parallel num_threads(threads)
        {
            float x = fma_512(rounds);
#pragma omp critical
            sink = sink + x;
        }
        seconds[i] = now() - t;
    }
    ceiling = 2.0 * 16 * 12 * (double)rounds * threads / summary(seconds, TRIALS);
}
#else
void bench_measure_ceiling(int threads)
{
    timer = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
}
#endif
