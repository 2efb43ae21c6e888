#include "core/tensor/fp8.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Codes in ascending order: eight with one exponent, whose lowest bit of mantissa is worth u. */
#define FROM(k, u) (k) * (u), ((k) + 1) * (u), ((k) + 2) * (u), ((k) + 3) * (u)
#define TINY(u)    FROM(0, u), FROM(4, u)
#define FULL(u)    FROM(8, u), FROM(12, u)
#define LAST(u)    FROM(8, u), 12 * (u), 13 * (u), 14 * (u), NAN
#define HALF(sign)                                                                                 \
    TINY(sign 0x1p-9f), FULL(sign 0x1p-9f), FULL(sign 0x1p-8f), FULL(sign 0x1p-7f),                \
        FULL(sign 0x1p-6f), FULL(sign 0x1p-5f), FULL(sign 0x1p-4f), FULL(sign 0x1p-3f),            \
        FULL(sign 0x1p-2f), FULL(sign 0x1p-1f), FULL(sign 0x1p0f), FULL(sign 0x1p1f),              \
        FULL(sign 0x1p2f), FULL(sign 0x1p3f), FULL(sign 0x1p4f), LAST(sign 0x1p5f)

static const float values_of[256] = {HALF(+), HALF(-)};

float el_e4m3_widen(uint8_t code)
{
    return values_of[code];
}

uint8_t el_e4m3_round(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint8_t sign = (uint8_t)(bits >> 24 & 0x80);
    float size = fabsf(x);
    if (isnan(x))
        return sign | 0x7F;
    if (size >= EL_E4M3_MAX)
        return sign | 0x7E;
    if (size < 0x1p-6f) /* code 8, the smallest with a leading 1, follows the subnormal ones */
        return sign | (uint8_t)lrintf(size * 0x1p9f);
    bits &= 0x7FFFFFFF;
    bits += 0x7FFFF + (bits >> 20 & 1);
    return sign | (uint8_t)((bits >> 20) - ((127 - 7) << 3));
}

void el_fp8_widen(const struct el_fp8_format *f, const uint8_t *codes, size_t n, int64_t column,
                  const float *scales, float *out)
{
    size_t at = 0, left = (size_t)(f->block_columns - column % f->block_columns);
    while (at < n) {
        size_t end = n - at < left ? n : at + left;
        float scale = *scales++;
        for (; at < end; at++)
            out[at] = values_of[codes[at]] * scale;
        left = (size_t)f->block_columns;
    }
}

/* 448 is 7/8 * 2^9, so amax/448 = m/(7/8) * 2^(e-9) with m in [1/2, 1): above 2^(e-9) exactly when
 * m > 7/8, and above 2^(e-10) always. */
static float scale_of(const struct el_fp8_format *f, float amax)
{
    int e;
    if (amax == 0)
        return 1;
    if (!f->ue8m0)
        return fmaxf(amax / EL_E4M3_MAX, FLT_MIN);
    float m = frexpf(amax, &e);
    return fmaxf(ldexpf(1, e - 9 + (m > 0.875f)), FLT_MIN);
}

static void quantize_block(const struct el_fp8_format *f, const float *values, int64_t rows,
                           int64_t columns, int64_t stride, uint8_t *codes, float *scale)
{
    float amax = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            amax = fmaxf(amax, fabsf(values[r * stride + c]));
    *scale = scale_of(f, amax);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            codes[r * stride + c] = el_e4m3_round(values[r * stride + c] / *scale);
}

void el_fp8_quantize(const struct el_fp8_format *f, const float *values, int64_t rows,
                     int64_t columns, uint8_t *codes, float *scales)
{
    for (int64_t c = 0; c < columns; c += f->block_columns) {
        int64_t width = columns - c < f->block_columns ? columns - c : f->block_columns;
        quantize_block(f, values + c, rows, width, columns, codes + c, scales++);
    }
}
