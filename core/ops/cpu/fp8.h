/* FP8 in registers, for the ops that round, pack and unpack (core/ops/fp8_round.h, fp8_row.h).
 *
 * A value beside its scale has one of two grids. From 2^-6 on it keeps three bits of mantissa: half
 * of what is cut off is added to its bits, a little less where the last kept bit is even, and the
 * rest is masked. Below, the grid is 2^-9, which adding and taking away 1.5 * 2^14 rounds to. */
#ifndef EL_OPS_CPU_FP8_H
#define EL_OPS_CPU_FP8_H

#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"
#include "core/ops/fp8_row.h"

#include <string.h>

/* VL bytes, and VL values of 16 bits. */
typedef uint8_t vbytes __attribute__((vector_size(VL)));
typedef uint16_t vshorts __attribute__((vector_size(2 * VL)));

#define VNAN 0x7fc00000 /* the bits of the one NaN that comes out */

VEC vf vmagnitude(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}

/* mask ? a : b, lane by lane; all bits of a lane of mask are equal. */
VEC vi vchoose(vi mask, vi a, vi b)
{
    return (mask & a) | (~mask & b);
}

/* How a group becomes FP8: value = code * scale, codes up to `largest`. */
struct el_fp8_group {
    float scale, largest; /* 448, or less where scale * 448 is beyond fp32 */
};

static inline struct el_fp8_group EL_CPU(fp8_group)(const float *x, int n)
{
    vf amax = vset(1e-4f);
    for (int j = 0; j < n; j += VL) {
        vf size = vmagnitude(vload_n(x + j, n - j));
        amax = vmax(vpick_greater(vset(INFINITY), size, size, (vf){0}), amax);
    }
    int e;
    float m = frexpf(vmaximum(amax), &e); /* 448 is 7/8 * 2^9 */
    float scale = ldexpf(1, e - 9 + (m > 0.875f));
    return (struct el_fp8_group){scale, fminf(EL_E4M3_MAX, 240 * 0x1p120f / scale)};
}

/* The e4m3 values nearest to x / scale, as fp32; NaN where x is not finite. */
VEC vf vround_e4m3(struct el_fp8_group g, vf x)
{
    const vf magic = vset(0x1.8p14f);
    vf y = x / vset(g.scale);
    vi bits = (vi)vmagnitude(y);
    vf coarse = (vf)((bits + 0x7ffff + ((bits >> 20) & 1)) & ~0xfffff);
    vf fine = ((vf)bits + magic) - magic;
    vf size = vmin(vpick_greater(vset(0x1p-6f), (vf)bits, fine, coarse), vset(g.largest));
    vi value = (vi)size | ((vi)y & INT32_MIN);
    return (vf)vchoose(vmagnitude(x) < vset(INFINITY), value, vset_int(VNAN));
}

/* The codes of such values. Code 8 is the first one with a leading 1; it follows the others. */
VEC vbytes vcode_e4m3(vf value)
{
    vi bits = (vi)vmagnitude(value), sign = ((vi)value >> 24) & 0x80;
    vi tiny = __builtin_convertvector((vf)bits * vset(0x1p9f), vi);
    vi code = vchoose((vf)bits < vset(0x1p-6f), tiny, (bits >> 20) - (120 << 3));
    code = vchoose(bits >= 0x7f800000, vset_int(0x7f), code | sign);
    return __builtin_convertvector(code, vbytes);
}

VEC vf vwiden_e4m3(vi code)
{
    vi size = code & 0x7f;
    vf coarse = (vf)((size + (120 << 3)) << 20);
    vf fine = (vf)((size << 20) + (121 << 23)) - vset(0x1p-6f); /* 1.m * 2^-6 less 2^-6 */
    vi value = vchoose(size < 8, (vi)fine, (vi)coarse) | ((code & 0x80) << 24);
    return (vf)vchoose(size == 0x7f, vset_int(VNAN), value);
}

/* Bits of the nearest BF16 values, in the upper half of each lane. */
VEC vi vround_bf16(vf x)
{
    vi bits = (vi)x, even = (bits + 0x7fff + ((bits >> 16) & 1)) & ~0xffff;
    return vchoose((bits & 0x7fffffff) > 0x7f800000, vset_int(VNAN), even);
}

/* Memory holds n elements at p, at least one; zeros behind them. */
VEC vi vload_codes(const uint8_t *p, int n)
{
    uint8_t part[VL] = {0};
    return vwiden_bytes(n >= VL ? p : memcpy(part, p, (size_t)n));
}

VEC vf vload_bf16(const uint8_t *p, int n)
{
    uint8_t part[2 * VL] = {0};
    return (vf)(vwiden_shorts(n >= VL ? p : memcpy(part, p, 2 * (size_t)n)) << 16);
}

VEC void vstore_bytes(uint8_t *p, vbytes v, int n)
{
    if (n >= VL)
        memcpy(p, &v, sizeof v);
    else
        memcpy(p, &v, (size_t)n);
}

VEC void vstore_bf16(uint8_t *p, vi upper, int n)
{
    vshorts v = __builtin_convertvector((upper >> 16) & 0xffff, vshorts);
    if (n >= VL)
        memcpy(p, &v, sizeof v);
    else
        memcpy(p, &v, 2 * (size_t)n);
}

/* Values from..from+n-1 of a packed row. */
void EL_CPU(fp8_unpack)(const struct el_fp8_row *f, const uint8_t *row, int from, int n,
                        float *out);

#endif
