#include "core/tensor/dtype.h"

#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored tensors are little-endian");

static const struct {
    const char *name;
    size_t size;
} dtypes[EL_DTYPES] = {
    [EL_F32] = {"F32", 4}, [EL_BF16] = {"BF16", 2},       [EL_F16] = {"F16", 2},
    [EL_F64] = {"F64", 8}, [EL_I32] = {"I32", 4},         [EL_I64] = {"I64", 8},
    [EL_U8] = {"U8", 1},   [EL_F8_E4M3] = {"F8_E4M3", 1},
};

size_t el_dtype_size(enum el_dtype t)
{
    return dtypes[t].size;
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

int el_dtype_widen(enum el_dtype t, const void *src, size_t n, float *dst)
{
    const unsigned char *p = src;
    uint16_t bits;
    if (t == EL_F32) {
        memcpy(dst, src, n * sizeof *dst);
        return 0;
    }
    if (t != EL_BF16 && t != EL_F16)
        return EL_EREFUSED;
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, p + 2 * i, sizeof bits);
        dst[i] = t == EL_BF16 ? el_bf16_widen(bits) : el_f16_widen(bits);
    }
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
