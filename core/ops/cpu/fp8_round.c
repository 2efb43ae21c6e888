/* FP8 rounding a slice at a time, in registers: codes never exist. A value beside its scale has one
 * of two grids. From 2^-6 on it keeps three bits of mantissa: half of what is cut off is added to
 * its bits, a little less where the last kept bit is even, and the rest is masked. Below, the grid
 * is 2^-9, which adding and taking away 1.5 * 2^14 rounds to. */
#include "core/ops/fp8_round.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

#include <float.h>

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

VEC vf magnitude(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}

/* x where it is finite, else y. */
VEC vf where_finite(vf x, vf value, vf y)
{
    return vpick_greater(vset(INFINITY), magnitude(x), value, y);
}

static float scale_of(const float *x, int n)
{
    vf amax = vset(1e-4f);
    for (int j = 0; j < n; j += VL) {
        vf v = vload_n(x + j, n - j);
        amax = vmax(where_finite(v, magnitude(v), (vf){0}), amax);
    }
    int e;
    float m = frexpf(vmaximum(amax), &e); /* 448 is 7/8 * 2^9 */
    return ldexpf(1, e - 9 + (m > 0.875f));
}

VEC vf round_e4m3(vf x)
{
    const vf magic = vset(0x1.8p14f);
    vi bits = (vi)magnitude(x);
    vf coarse = (vf)((bits + 0x7ffff + ((bits >> 20) & 1)) & ~0xfffff);
    vf fine = ((vf)bits + magic) - magic;
    vf size = vmin(vpick_greater(vset(0x1p-6f), (vf)bits, fine, coarse), vset(448.0f));
    return (vf)((vi)size | ((vi)x & INT32_MIN));
}

static void round_group(float *x, int n)
{
    float scale = scale_of(x, n);
    for (int j = 0; j < n; j += VL) {
        vf v = vload_n(x + j, n - j), y = round_e4m3(v / vset(scale)) * vset(scale);
        vstore_n(x + j, where_finite(v, y, v), n - j);
    }
}

static void round_tail(float *x, int n)
{
    for (int j = 0; j < n; j += VL) {
        vf v = vload_n(x + j, n - j);
        vi bits = (vi)v;
        vf y = (vf)((bits + 0x7fff + ((bits >> 16) & 1)) & ~0xffff);
        vstore_n(x + j, where_finite(v, y, v), n - j);
    }
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
