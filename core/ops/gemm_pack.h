/* The right operand of a product in the order in which the backend's kernel reads it.
 *
 * A product with few rows spends as much time on bringing B into that order as on multiplying. For
 * weights that many products read it is done once: packed is passed beside b in struct el_gemm, and
 * gives the same bits. It is a copy: due again when the values at b change.
 *
 *     B(p,j) = b[p*b_row + j*b_col]      p < k, j < n; batch operands b_batch elements apart
 *
 * packed holds el_gemm_packed_floats(n, k) floats for each of the operands, 64-byte aligned. Their
 * order is known only to the table that made them: whoever changes tables packs again. */
#ifndef EL_OPS_GEMM_PACK_H
#define EL_OPS_GEMM_PACK_H

#include "core/ops/ops.h"

struct el_gemm_pack {
    int n, k;
    const float *b;
    int64_t b_row, b_col;
    int batch; /* 0 and 1 mean a single operand */
    int64_t b_batch;
    float *packed;
};

EL_OP_WRAPPER(gemm_pack)

/* Whole panels of the widest backend. */
static inline int64_t el_gemm_packed_floats(int n, int k)
{
    enum { WIDEST = 32 };
    return ((int64_t)n + WIDEST - 1) / WIDEST * WIDEST * k;
}

#endif
