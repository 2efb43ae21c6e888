/* FP8 rounding a slice at a time, in registers: codes never exist. */
#include "core/ops/fp8_round.h"
#include "core/ops/cpu/fp8.h"

static void butterflies(float *x, int n, int apart)
{
    for (int i = 0; i < n; i += 2 * apart)
        for (int j = i; j < i + apart; j += VL) {
            int left = i + apart - j;
            vf a = vload_n(x + j, left), b = vload_n(x + j + apart, left);
            vstore_n(x + j, a + b, left);
            vstore_n(x + j + apart, a - b, left);
        }
}

static void rotate(float *x, int n)
{
    for (int apart = 1; apart < n; apart *= 2)
        butterflies(x, n, apart);
    vf scale = vset((float)(1 / sqrt(n)));
    for (int j = 0; j < n; j += VL)
        vstore_n(x + j, vload_n(x + j, n - j) * scale, n - j);
}

static void round_group(float *x, int n)
{
    struct el_fp8_group g = EL_CPU(fp8_group)(x, n);
    for (int j = 0; j < n; j += VL)
        vstore_n(x + j, vround_e4m3(g, vload_n(x + j, n - j)) * vset(g.scale), n - j);
}

static void round_tail(float *x, int n)
{
    for (int j = 0; j < n; j += VL)
        vstore_n(x + j, (vf)vround_bf16(vload_n(x + j, n - j)), n - j);
}

static void round_slice(const struct el_fp8_round *a, float *x)
{
    if (a->rotate)
        rotate(x, a->width);
    for (int j = 0; j < a->width; j += a->group)
        round_group(x + j, a->width - j < a->group ? a->width - j : a->group);
    round_tail(x + a->width, a->tail);
}

static void fp8_round(struct el_stream *s, const void *args)
{
    const struct el_fp8_round *a = args;
    int64_t n = (int64_t)a->rows * a->slices;
    int threads = el_cpu_threads(s, (double)n * (a->width + a->tail) * 8);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < n; i++)
        round_slice(a, a->x + i / a->slices * a->x_row + i % a->slices * a->x_slice);
}

void EL_CPU(init_fp8_round)(struct el_ops *t)
{
    t->run[EL_OP_fp8_round] = fp8_round;
}
