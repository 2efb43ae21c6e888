/* Number formats of stored tensors: all that safetensors files know, so that the size of any tensor
 * can be told; only some can be read as numbers (el_dtype_widen). Computing happens in fp32:
 * widening is exact, narrowing to BF16 rounds to nearest, ties to even. Stored values are
 * little-endian, as in the file format, and so is every machine this builds for. */
#ifndef EL_TENSOR_DTYPE_H
#define EL_TENSOR_DTYPE_H

#include "core/base/error.h"

#include <stddef.h>
#include <stdint.h>

enum el_dtype {
    EL_F32,
    EL_BF16,
    EL_F16,
    EL_F64,
    EL_C64, /* complex: two F32 */
    EL_I8,
    EL_I16,
    EL_I32,
    EL_I64,
    EL_U8,
    EL_U16,
    EL_U32,
    EL_U64,
    EL_BOOL,
    EL_F8_E4M3,
    EL_F8_E5M2,
    EL_F8_E8M0, /* powers of two: scales (ue8m0) */
    EL_F8_E4M3FNUZ,
    EL_F8_E5M2FNUZ,
    EL_F6_E2M3,
    EL_F6_E3M2,
    EL_F4,
    EL_DTYPES,
};

int el_dtype_bits(enum el_dtype t);         /* of one value: 4, 6, or whole bytes */
size_t el_dtype_size(enum el_dtype t);      /* bytes of one value; 0 for those of 4 and 6 bits */
const char *el_dtype_name(enum el_dtype t); /* as safetensors writes it: "F32", "F8_E4M3" */
/* 0, or EL_ENOTFOUND for a name that is none of the above. */
int el_dtype_parse(const char *name, enum el_dtype *out);

float el_bf16_widen(uint16_t bits);
uint16_t el_bf16_round(float x); /* a NaN stays a NaN; beyond the range becomes infinity */
float el_f16_widen(uint16_t bits);
float el_e8m0_widen(uint8_t code); /* 2^(code - 127); 255 is NaN */

/* n values at src (any alignment) of type F32, BF16, F16 or F8_E8M0 into fp32; EL_EREFUSED for
 * others (the codes of F8_E4M3 mean nothing without their scales: core/tensor/fp8.h).
 * src and dst must not overlap. */
int el_dtype_widen(enum el_dtype t, const void *src, size_t n, float *dst);
/* n fp32 values into F32 or BF16 at dst (any alignment); EL_EREFUSED for other types. */
int el_dtype_narrow(enum el_dtype t, const float *src, size_t n, void *dst);

#endif
