#include "core/tensor/dtype.h"

#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored tensors are little-endian");

static const struct {
    const char *name;
    int bits;
} dtypes[EL_DTYPES] = {
    [EL_F32] = {"F32", 32},
    [EL_BF16] = {"BF16", 16},
    [EL_F16] = {"F16", 16},
    [EL_F64] = {"F64", 64},
    [EL_C64] = {"C64", 64},
    [EL_I8] = {"I8", 8},
    [EL_I16] = {"I16", 16},
    [EL_I32] = {"I32", 32},
    [EL_I64] = {"I64", 64},
    [EL_U8] = {"U8", 8},
    [EL_U16] = {"U16", 16},
    [EL_U32] = {"U32", 32},
    [EL_U64] = {"U64", 64},
    [EL_BOOL] = {"BOOL", 8},
    [EL_F8_E4M3] = {"F8_E4M3", 8},
    [EL_F8_E5M2] = {"F8_E5M2", 8},
    [EL_F8_E8M0] = {"F8_E8M0", 8},
    [EL_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [EL_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
    [EL_F6_E2M3] = {"F6_E2M3", 6},
    [EL_F6_E3M2] = {"F6_E3M2", 6},
    [EL_F4] = {"F4", 4},
};

int el_dtype_bits(enum el_dtype t)
{
    return dtypes[t].bits;
}

size_t el_dtype_size(enum el_dtype t)
{
    return (size_t)dtypes[t].bits / 8;
}

const char *el_dtype_name(enum el_dtype t)
{
    return dtypes[t].name;
}

int el_dtype_parse(const char *name, enum el_dtype *out)
{
    for (int t = 0; t < EL_DTYPES; t++) {
        if (strcmp(dtypes[t].name, name) == 0) {
            *out = (enum el_dtype)t;
            return 0;
        }
    }
    return EL_ENOTFOUND;
}

float el_bf16_widen(uint16_t bits)
{
    uint32_t wide = (uint32_t)bits << 16;
    float x;
    memcpy(&x, &wide, sizeof x);
    return x;
}

uint16_t el_bf16_round(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x))
        return (uint16_t)(bits >> 16 | 0x40); /* rounding could carry a NaN into infinity */
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

float el_f16_widen(uint16_t bits)
{
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    float x;
    if (exponent == 0)
        x = ldexpf((float)mantissa, -24);
    else if (exponent == 31)
        x = mantissa ? NAN : INFINITY;
    else
        x = ldexpf((float)(mantissa + 1024), exponent - 25);
    return bits & 0x8000 ? -x : x;
}

float el_e8m0_widen(uint8_t code)
{
    return code == 255 ? NAN : ldexpf(1, code - 127);
}

static void widen_halves(enum el_dtype t, const unsigned char *p, size_t n, float *dst)
{
    uint16_t bits;
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, p + 2 * i, sizeof bits);
        dst[i] = t == EL_BF16 ? el_bf16_widen(bits) : el_f16_widen(bits);
    }
}

int el_dtype_widen(enum el_dtype t, const void *src, size_t n, float *dst)
{
    const unsigned char *p = src;
    if (t == EL_F32)
        memcpy(dst, src, n * sizeof *dst);
    else if (t == EL_BF16 || t == EL_F16)
        widen_halves(t, p, n, dst);
    else if (t == EL_F8_E8M0)
        for (size_t i = 0; i < n; i++)
            dst[i] = el_e8m0_widen(p[i]);
    else
        return EL_EREFUSED;
    return 0;
}

int el_dtype_narrow(enum el_dtype t, const float *src, size_t n, void *dst)
{
    unsigned char *p = dst;
    if (t == EL_F32) {
        memcpy(dst, src, n * sizeof *src);
        return 0;
    }
    if (t != EL_BF16)
        return EL_EREFUSED;
    for (size_t i = 0; i < n; i++) {
        uint16_t bits = el_bf16_round(src[i]);
        memcpy(p + 2 * i, &bits, sizeof bits);
    }
    return 0;
}
