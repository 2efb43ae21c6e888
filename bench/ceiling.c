#include "bench/ceiling.h"

#include "bench/measure.h"
#include "core/base/alloc.h"
#include "core/base/unroll.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include "core/ops/x86/amx_tiles.h"
#endif

/* Each chain is one register; twelve of them and the two factors fit into the sixteen of AVX2, and
 * are more than any processor needs to fill its pipes. */
enum { CHAINS = 12, TRIALS = 40 };

typedef float v4 __attribute__((vector_size(16)));
typedef float v8 __attribute__((vector_size(32)));
typedef float v16 __attribute__((vector_size(64)));

/* x = x f + g tends to 1, so nothing overflows or becomes denormal. */
#define CHAINS_OF(name, vector, attributes)                                                        \
    attributes __attribute__((noinline)) static float name(int64_t rounds)                         \
    {                                                                                              \
        vector x[CHAINS], f = (vector){0} + 0.999f, g = (vector){0} + 0.001f;                      \
        UNROLL                                                                                     \
        for (int i = 0; i < CHAINS; i++)                                                           \
            x[i] = (vector){0} + (float)i;                                                         \
        for (int64_t r = 0; r < rounds; r++) {                                                     \
            UNROLL                                                                                 \
            for (int i = 0; i < CHAINS; i++)                                                       \
                x[i] = x[i] * f + g;                                                               \
        }                                                                                          \
        float sum = 0;                                                                             \
        UNROLL                                                                                     \
        for (int i = 0; i < CHAINS; i++)                                                           \
            sum += x[i][0];                                                                        \
        return sum;                                                                                \
    }

typedef float (*chains_fn)(int64_t rounds);

CHAINS_OF(chains_128, v4, )
#if defined(__x86_64__)
CHAINS_OF(chains_256, v8, __attribute__((target("avx2,fma"))))
CHAINS_OF(chains_512, v16, __attribute__((target("avx512f,fma"))))
#endif

/* The chains of an instruction set and the floats of its vectors; NULL: this processor lacks it. */
static chains_fn chains_of(const char *isa, int *lanes)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (strcmp(isa, "avx512") == 0) {
        *lanes = 16;
        return __builtin_cpu_supports("avx512f") ? chains_512 : NULL;
    }
    if (strcmp(isa, "avx2") == 0) {
        *lanes = 8;
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? chains_256 : NULL;
    }
#else
    (void)isa;
#endif
    *lanes = 4;
    return chains_128;
}

/* FLOP/s of chains of `flop` FLOP a round. */
static double best_rate(chains_fn chains, double flop, int64_t rounds, int threads)
{
    /* Some milliseconds each: long against the start of the threads, short enough that among many
     * trials one is not disturbed by whatever else runs here. The best one is the ceiling. */
    double best = 0;
    volatile float sink = 0;
    for (int i = 0; i < TRIALS; i++) {
        double start = el_bench_now(threads);
#pragma omp parallel num_threads(threads)
        {
            float x = chains(rounds);
#pragma omp critical
            sink = sink + x;
        }
        double seconds = el_bench_now(threads) - start;
        best = i == 0 || seconds < best ? seconds : best;
    }
    return flop * (double)rounds * threads / best;
}

double el_bench_flop_ceiling(const char *isa, int threads)
{
    int lanes;
    chains_fn chains = chains_of(isa, &lanes);
    return chains ? best_rate(chains, 2.0 * lanes * CHAINS, 1000000, threads) : 0;
}

#if defined(__x86_64__)
#define BF16_CHAINS 12

__attribute__((target("avx512f,avx512bf16"), noinline)) static float chains_vdp(int64_t rounds)
{
    __m512 x[BF16_CHAINS];
    __m512bh zero = (__m512bh)_mm512_setzero_si512();
    UNROLL
    for (int i = 0; i < BF16_CHAINS; i++)
        x[i] = _mm512_set1_ps((float)i);
    for (int64_t r = 0; r < rounds; r++) {
        UNROLL
        for (int i = 0; i < BF16_CHAINS; i++)
            x[i] = _mm512_dpbf16_ps(x[i], zero, zero);
    }
    float sum = 0;
    UNROLL
    for (int i = 0; i < BF16_CHAINS; i++)
        sum += x[i][0];
    return sum;
}

/* Four tiles of sums, as many as a product of tiles needs to hide its latency. */
__attribute__((target("amx-tile,amx-bf16"), noinline)) static float chains_amx(int64_t rounds)
{
    el_tile_begin();
    for (int64_t r = 0; r < rounds; r++) {
        el_tile_multiply(0, 4, 6);
        el_tile_multiply(1, 4, 7);
        el_tile_multiply(2, 5, 6);
        el_tile_multiply(3, 5, 7);
    }
    el_tile_end();
    return 0;
}
#endif

double el_bench_bf16_ceiling(const char *kernel, int threads)
{
#if defined(__x86_64__)
    if (strcmp(kernel, "amx") == 0)
        return best_rate(chains_amx, 4.0 * 2 * 16 * 16 * 32, 100000, threads);
    if (strcmp(kernel, "avx512bf16") == 0)
        return best_rate(chains_vdp, 64.0 * BF16_CHAINS, 1000000, threads);
#endif
    return el_bench_flop_ceiling(kernel, threads);
}

/* The sum of n floats, n a multiple of 64: eight chains hide the additions behind the loads. */
static float read_all(const float *x, int64_t n)
{
    v8 sum[8] = {0};
    for (int64_t i = 0; i < n; i += 64) {
        UNROLL
        for (int j = 0; j < 8; j++) {
            v8 v;
            memcpy(&v, x + i + 8 * j, sizeof v);
            sum[j] += v;
        }
    }
    float total = 0;
    for (int j = 0; j < 8; j++)
        total += sum[j][0];
    return total;
}

int el_bench_bandwidth(int threads, double *rate, struct el_error *err)
{
    const int64_t floats = 64 << 20;
    float *x = el_alloc((size_t)floats * sizeof *x);
    if (!x)
        return el_error_set(err, EL_ENOMEM, "out of memory for the bandwidth measurement");
    double best = 0;
    volatile float sink = 0;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t i = 0; i < floats; i++)
        x[i] = 1;
    for (int trial = 0; trial < 8; trial++) {
        double start = el_bench_now(threads);
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t part = 0; part < 1024; part++) {
            float sum = read_all(x + part * (floats / 1024), floats / 1024);
            if (sum < 0)
                sink = sum;
        }
        double seconds = el_bench_now(threads) - start;
        best = trial == 0 || seconds < best ? seconds : best;
    }
    el_free(x);
    (void)sink;
    *rate = (double)floats * sizeof *x / best;
    return 0;
}
