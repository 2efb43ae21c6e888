/* Matrix product with BF16 operands and fp32 sums.
 *
 *     C(i,j) = [C(i,j) +] sum over p of bf16(A(i,p)) * bf16(B(p,j))      i < m, j < n, p < k
 *
 * A(i,p) = a[i*a_row + p] is fp32 and rounded here, to nearest, ties to even; B was rounded when it
 * was packed, to half the bytes of fp32. Made for serving; training and rollouts never use it.
 *
 * Arithmetic (that of AMX's TDPBF16PS, which the other kernels follow bit for bit): for each 32
 * values of p, zeros behind k, two chains of fused multiply-adds that begin at 0, one over the even
 * and one over the odd p, each in order; then C += even + odd. Denormal operands and results count
 * as zero. One kernel differs: "avx512bf16", for processors that have VDPBF16PS and no AMX, takes
 * one chain from C on, p = 1, 0, 3, 2, ... So which kernel ran is part of what identifies a result
 * (el_ops_bf16_name).
 *
 * Row invariance as in gemm.h: a row's bits do not depend on m, the tiling or the threads.
 *
 * Batches: batch products with operands a_batch, c_batch elements apart, B one behind the other.
 * Groups: EL_GROUP_ROWS as in gemm.h; EL_GROUP_K is not available. */
#ifndef EL_OPS_GEMM_BF16_H
#define EL_OPS_GEMM_BF16_H

#include "core/ops/gemm.h"

struct el_gemm_bf16 {
    int m, n, k;
    const float *a;
    int64_t a_row;
    const uint16_t *packed; /* B, or its batch, as el_gemm_bf16_pack left it */
    float *c;
    int64_t c_row;
    int accumulate;
    int batch; /* 0 and 1 mean a single product */
    int64_t a_batch, c_batch;
    enum el_group group;
    const int32_t *offsets;
};

EL_OP_WRAPPER(gemm_bf16)

/* B(p,j) = b[p*b_row + j*b_col]      p < k, j < n; batch operands b_batch elements apart.
 *
 * packed: el_gemm_bf16_packed(n, k) elements for each operand, 64-byte aligned, the same for every
 * table: panels of 32 columns; in a panel steps of 32 values of p; in a step two halves of 16
 * columns; in a half 16 lines, one for each pair (p, p+1), of 16 columns times that pair: what one
 * tile register of AMX holds. Zeros behind n and k. */
struct el_gemm_bf16_pack {
    int n, k;
    const float *b;
    int64_t b_row, b_col;
    int batch;
    int64_t b_batch;
    uint16_t *packed;
};

EL_OP_WRAPPER(gemm_bf16_pack)

enum { EL_BF16_PANEL = 32, EL_BF16_STEP = 32 };

/* Steps that k takes, the last one filled up with zeros. */
static inline int el_bf16_steps(int k)
{
    return (k + EL_BF16_STEP - 1) / EL_BF16_STEP;
}

static inline int64_t el_gemm_bf16_packed(int n, int k)
{
    int64_t panels = ((int64_t)n + EL_BF16_PANEL - 1) / EL_BF16_PANEL;
    return panels * el_bf16_steps(k) * EL_BF16_PANEL * EL_BF16_STEP;
}

/* Where B(p,j) stands in it. */
static inline int64_t el_gemm_bf16_index(int k, int p, int j)
{
    int64_t step = (int64_t)(j / EL_BF16_PANEL) * el_bf16_steps(k) + p / EL_BF16_STEP;
    int half = j % EL_BF16_PANEL / 16, pair = p % EL_BF16_STEP / 2;
    return ((step * 2 + half) * 16 + pair) * 32 + j % 16 * 2 + p % 2;
}

#endif
