/* Vectors of the instruction set this file is compiled for: vf holds VL floats, vi VL int32.
 * Arithmetic is written with the operators of GCC's vector extension; what they lack (fused
 * multiply-add, masked memory access, selection) stands here once per instruction set.
 *
 * Everything is static: the same name compiled for two instruction sets must never be merged. */
#ifndef EL_OPS_CPU_VEC_H
#define EL_OPS_CPU_VEC_H

#include <math.h>
#include <stdint.h>

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define VL 16
#elif defined(__AVX2__)
#define VL 8
#else
#define VL 4
#endif

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef float vf_unaligned __attribute__((vector_size(4 * VL), aligned(4), may_alias));
typedef int32_t vi_unaligned __attribute__((vector_size(4 * VL), aligned(4), may_alias));

#define VEC static inline __attribute__((always_inline))

VEC vf vload(const float *p)
{
    return *(const vf_unaligned *)p;
}

VEC void vstore(float *p, vf v)
{
    *(vf_unaligned *)p = v;
}

VEC vi vload_int(const int32_t *p)
{
    return *(const vi_unaligned *)p;
}

/* x in every lane; subtracting zero keeps the sign of a zero and a NaN. */
VEC vf vset(float x)
{
    return x - (vf){0};
}

VEC vi vset_int(int32_t x)
{
    return x - (vi){0};
}

#if defined(__AVX512F__)

VEC vf vfma(vf a, vf b, vf c)
{
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

/* The first n lanes (0 <= n <= VL), zeros behind; memory behind them is not touched. */
VEC vf vload_part(const float *p, int n)
{
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

VEC void vstore_part(float *p, vf v, int n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}

/* a > b ? a : b in every lane; b when one of them is a NaN. */
VEC vf vmax(vf a, vf b)
{
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
}

VEC vf vmin(vf a, vf b)
{
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
}

/* x > y ? a : b in every lane. */
VEC vf vpick_greater(vf x, vf y, vf a, vf b)
{
    __mmask16 m = _mm512_cmp_ps_mask((__m512)x, (__m512)y, _CMP_GT_OQ);
    return (vf)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a);
}

VEC vf vsqrt(vf x)
{
    return (vf)_mm512_sqrt_ps((__m512)x);
}

/* Bit i: a[i] >= b[i]. */
VEC unsigned vreach(vi a, vi b)
{
    return _mm512_cmpge_epi32_mask((__m512i)a, (__m512i)b);
}

/* VL bytes, or little-endian numbers of 16 bits, at any address: one in each lane. */
VEC vi vwiden_bytes(const uint8_t *p)
{
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i_u *)p));
}

VEC vi vwiden_shorts(const uint8_t *p)
{
    return (vi)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i_u *)p));
}

#elif defined(__AVX2__)

VEC vf vfma(vf a, vf b, vf c)
{
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

VEC __m256i vmask(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

VEC vf vload_part(const float *p, int n)
{
    return (vf)_mm256_maskload_ps(p, vmask(n));
}

VEC void vstore_part(float *p, vf v, int n)
{
    _mm256_maskstore_ps(p, vmask(n), (__m256)v);
}

VEC vf vmax(vf a, vf b)
{
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
}

VEC vf vmin(vf a, vf b)
{
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
}

VEC vf vpick_greater(vf x, vf y, vf a, vf b)
{
    __m256 m = _mm256_cmp_ps((__m256)x, (__m256)y, _CMP_GT_OQ);
    return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, m);
}

VEC vf vsqrt(vf x)
{
    return (vf)_mm256_sqrt_ps((__m256)x);
}

VEC unsigned vreach(vi a, vi b)
{
    return (unsigned)_mm256_movemask_ps((__m256)(a >= b));
}

VEC vi vwiden_bytes(const uint8_t *p)
{
    return (vi)_mm256_cvtepu8_epi32(_mm_loadu_si64(p));
}

VEC vi vwiden_shorts(const uint8_t *p)
{
    return (vi)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i_u *)p));
}

#else

VEC vf vfma(vf a, vf b, vf c)
{
#if defined(__aarch64__)
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

VEC vf vload_part(const float *p, int n)
{
    vf v = {0};
    for (int i = 0; i < VL; i++)
        if (i < n)
            v[i] = p[i];
    return v;
}

VEC void vstore_part(float *p, vf v, int n)
{
    for (int i = 0; i < VL; i++)
        if (i < n)
            p[i] = v[i];
}

VEC vf vpick_greater(vf x, vf y, vf a, vf b)
{
    vi m = x > y;
    return (vf)((m & (vi)a) | (~m & (vi)b));
}

VEC vf vmax(vf a, vf b)
{
    return vpick_greater(a, b, a, b);
}

VEC vf vmin(vf a, vf b)
{
    return vpick_greater(b, a, a, b);
}

VEC vf vsqrt(vf x)
{
    for (int i = 0; i < VL; i++)
        x[i] = sqrtf(x[i]);
    return x;
}

VEC unsigned vreach(vi a, vi b)
{
    vi m = a >= b;
    unsigned bits = 0;
    for (int i = 0; i < VL; i++)
        bits |= (unsigned)(m[i] & 1) << i;
    return bits;
}

VEC vi vwiden_bytes(const uint8_t *p)
{
    vi v;
    for (int i = 0; i < VL; i++)
        v[i] = p[i];
    return v;
}

VEC vi vwiden_shorts(const uint8_t *p)
{
    vi v;
    for (int i = 0; i < VL; i++)
        v[i] = p[2 * i] | p[2 * i + 1] << 8;
    return v;
}

#endif

/* As many lanes as are left of n, at most all. */
VEC vf vload_n(const float *p, int64_t n)
{
    return n >= VL ? vload(p) : vload_part(p, (int)n);
}

VEC void vstore_n(float *p, vf v, int64_t n)
{
    if (n >= VL)
        vstore(p, v);
    else
        vstore_part(p, v, (int)n);
}

/* to[0..n-1] = from[0..n-1]; for rows too short to be worth a call of memcpy. */
VEC void vcopy(float *to, const float *from, int n)
{
    for (int j = 0; j < n; j += VL)
        vstore_n(to + j, vload_n(from + j, n - j), n - j);
}

/* Lanes n..VL-1 become `rest`. */
VEC vf vkeep(vf v, int n, float rest)
{
    vf lane;
    for (int i = 0; i < VL; i++)
        lane[i] = (float)i;
    return vpick_greater(vset((float)n), lane, v, vset(rest));
}

/* Lanes i and i+w folded together for i < w, w = VL/2, VL/4 ... 1: the fixed order of every sum
 * over lanes (longer sums: struct vacc). What comes into the other lanes does not matter. */
#define FOLD(v, ...) __builtin_shufflevector(v, v, __VA_ARGS__)
#if VL == 16
#define FOLD_LANES(v, op)                                                                          \
    op(FOLD(v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));                             \
    op(FOLD(v, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3));                                   \
    op(FOLD(v, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1));                                   \
    op(FOLD(v, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0))
#elif VL == 8
#define FOLD_LANES(v, op)                                                                          \
    op(FOLD(v, 4, 5, 6, 7, 0, 1, 2, 3));                                                           \
    op(FOLD(v, 2, 3, 0, 1, 2, 3, 0, 1));                                                           \
    op(FOLD(v, 1, 0, 1, 0, 1, 0, 1, 0))
#else
#define FOLD_LANES(v, op)                                                                          \
    op(FOLD(v, 2, 3, 0, 1));                                                                       \
    op(FOLD(v, 1, 0, 1, 0))
#endif

VEC float vsum(vf v)
{
#define OP(other) v = v + (other)
    FOLD_LANES(v, OP);
#undef OP
    return v[0];
}

/* A sum over any number of vectors. It has VWIDE lanes on every instruction set, element j of what
 * is added always goes into lane j % VWIDE, and the lanes are folded in the order of a vector of
 * VWIDE, so its bits do not depend on VL. Lanes behind the last element may be added as zeros, or
 * not.
 *
 * parts[0] takes the next vector and then goes to the end of the line. How far the line has moved
 * at the end does not matter: the fold pairs part i with part i + VPARTS/2, and a + b = b + a. */
#define VWIDE  16
#define VPARTS (VWIDE / VL)

struct vacc {
    vf parts[VPARTS];
};

VEC vf vacc_next(const struct vacc *s)
{
    return s->parts[0];
}

VEC void vacc_put(struct vacc *s, vf v)
{
    for (int i = 0; i + 1 < VPARTS; i++)
        s->parts[i] = s->parts[i + 1];
    s->parts[VPARTS - 1] = v;
}

VEC void vacc_add(struct vacc *s, vf v)
{
    vacc_put(s, vacc_next(s) + v);
}

/* s += a * b */
VEC void vacc_fma(struct vacc *s, vf a, vf b)
{
    vacc_put(s, vfma(a, b, vacc_next(s)));
}

VEC float vacc_sum(struct vacc s)
{
    for (int half = VPARTS / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            s.parts[i] += s.parts[i + half];
    return vsum(s.parts[0]);
}

VEC float vmaximum(vf v)
{
#define OP(other) v = vmax(v, other)
    FOLD_LANES(v, OP);
#undef OP
    return v[0];
}

/* e^x, relative error below 2e-7: x = n ln 2 + r with |r| <= ln(2)/2, the Taylor polynomial of
 * degree 7 in r (its remainder is r^8/8! < 6e-9), then 2^n in two factors so that results below
 * the normal range are rounded once. exp(-inf) = 0, above 88.7 inf, NaN stays NaN. */
VEC vf vexp(vf x)
{
    const vf magic = vset(12582912.0f); /* 1.5 * 2^23: adding it rounds to an integer */
    x = vmin(vset(89.0f), vmax(vset(-104.0f), x));
    vf t = vfma(x, vset(1.44269504f), magic);
    vf n = t - magic;
    /* ln 2 in two parts; the first has few bits, so n times it is exact. */
    vf r = vfma(n, vset(-0.693359375f), x);
    r = vfma(n, vset(2.12194440e-4f), r);
    vf p = vset(1.0f / 5040);
    p = vfma(p, r, vset(1.0f / 720));
    p = vfma(p, r, vset(1.0f / 120));
    p = vfma(p, r, vset(1.0f / 24));
    p = vfma(p, r, vset(1.0f / 6));
    p = vfma(p, r, vset(0.5f));
    p = vfma(p, r, vset(1.0f));
    p = vfma(p, r, vset(1.0f));
    vi i = (vi)t - (vi)magic;
    vi half = i >> 1;
    vf s1 = (vf)((half + 127) << 23), s2 = (vf)((i - half + 127) << 23);
    return p * s1 * s2;
}

/* Natural logarithm of a positive normal number: x = 2^n m with m in [1/sqrt 2, sqrt 2), and
 * log m = 2 artanh(s) with s = (m-1)/(m+1), |s| < 0.172, as a series in s^2. */
VEC vf vlog(vf x)
{
    vi bits = (vi)x - vset_int(0x3f3504f3); /* 1/sqrt 2 becomes the start of an octave */
    vi n = bits >> 23;
    vf m = (vf)((bits & 0x7fffff) + 0x3f3504f3);
    vf s = (m - vset(1.0f)) / (m + vset(1.0f)), t = s * s;
    vf p = vset(2.0f / 9);
    p = vfma(p, t, vset(2.0f / 7));
    p = vfma(p, t, vset(2.0f / 5));
    p = vfma(p, t, vset(2.0f / 3));
    p = vfma(p * t, s, s + s);
    vf octaves = __builtin_convertvector(n, vf);
    return vfma(octaves, vset(0.693359375f), vfma(octaves, vset(-2.12194440e-4f), p));
}

#endif
