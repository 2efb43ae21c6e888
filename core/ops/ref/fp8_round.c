#include "core/ops/fp8_round.h"

#include "core/ops/ref/ref.h"
#include "core/tensor/dtype.h"
#include "core/tensor/fp8.h"

#include <float.h>
#include <math.h>

static void rotate(float *x, int n)
{
    for (int apart = 1; apart < n; apart *= 2)
        for (int i = 0; i < n; i++)
            if (!(i & apart)) {
                float a = x[i], b = x[i + apart];
                x[i] = a + b;
                x[i + apart] = a - b;
            }
    float scale = (float)(1 / sqrt(n));
    for (int i = 0; i < n; i++)
        x[i] *= scale;
}

/* The smallest power of two that is at least amax / 448. */
struct el_ref_fp8 el_ref_fp8_of(const float *x, int n)
{
    float amax = 1e-4f;
    for (int i = 0; i < n; i++)
        if (isfinite(x[i]))
            amax = fmaxf(amax, fabsf(x[i]));
    int e;
    float m = frexpf(amax, &e); /* 448 is 7/8 * 2^9 */
    float scale = ldexpf(1, e - 9 + (m > 0.875f));
    return (struct el_ref_fp8){scale, fminf(EL_E4M3_MAX, 240 * 0x1p120f / scale)};
}

uint8_t el_ref_fp8_code(struct el_ref_fp8 g, float x)
{
    if (!isfinite(x))
        return 0x7F;
    return el_e4m3_round(fmaxf(-g.largest, fminf(x / g.scale, g.largest)));
}

uint16_t el_ref_bf16(float x)
{
    return isnan(x) ? 0x7FC0 : el_bf16_round(x);
}

static void round_group(float *x, int n)
{
    struct el_ref_fp8 g = el_ref_fp8_of(x, n);
    for (int i = 0; i < n; i++)
        x[i] = el_e4m3_widen(el_ref_fp8_code(g, x[i])) * g.scale;
}

static void round_slice(const struct el_fp8_round *a, float *x)
{
    if (a->rotate)
        rotate(x, a->width);
    for (int j = 0; j < a->width; j += a->group)
        round_group(x + j, a->width - j < a->group ? a->width - j : a->group);
    for (int j = a->width; j < a->width + a->tail; j++)
        x[j] = el_bf16_widen(el_ref_bf16(x[j]));
}

void el_ref_fp8_round(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_fp8_round *a = args;
    for (int64_t i = 0; i < a->rows; i++)
        for (int64_t h = 0; h < a->slices; h++)
            round_slice(a, a->x + i * a->x_row + h * a->x_slice);
}
