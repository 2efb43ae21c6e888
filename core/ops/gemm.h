/* Matrix product.
 *
 *     C(i,j) = [C(i,j) +] sum over p of A(i,p) * B(p,j)      i < m, j < n, p < k
 *
 * A(i,p) = a[i*a_row + p*a_col], B(p,j) = b[p*b_row + j*b_col], C(i,j) = c[i*c_row + j].
 * One of a_row/a_col and one of b_row/b_col is 1 (any strides are legal, those are fast).
 *
 * Row invariance: every element is ONE sum that runs over p = 0..k-1 in this order (a fused
 * multiply-add or a multiply and an add per term, the same in every tile of a backend), whatever
 * m, the tiling or the threads. With `accumulate` the sum starts from the old C(i,j).
 *
 * Batches: batch products with operands a_batch, b_batch, c_batch elements apart.
 * Groups (offsets != NULL, (batch+1) int32 ascending on the device; the experts of a MoE layer):
 *   EL_GROUP_ROWS: product g covers rows offsets[g]..offsets[g+1]-1 of A and C (a_batch and
 *     c_batch are not used), with B at b + g*b_batch; m is the total number of rows.
 *   EL_GROUP_K: product g sums over p = offsets[g]..offsets[g+1]-1 of A and B (a_batch and b_batch
 *     are not used), into C at c + g*c_batch; k is the total. An empty group leaves zeros (or the
 *     old C with accumulate). */
#ifndef EL_OPS_GEMM_H
#define EL_OPS_GEMM_H

#include "core/ops/gemm_pack.h"

enum el_group { EL_GROUP_NONE, EL_GROUP_ROWS, EL_GROUP_K };

struct el_gemm {
    int m, n, k;
    const float *a;
    int64_t a_row, a_col;
    const float *b;
    int64_t b_row, b_col;
    float *c;
    int64_t c_row;
    int accumulate;
    int batch; /* 0 and 1 mean a single product */
    int64_t a_batch, b_batch, c_batch;
    enum el_group group;
    const int32_t *offsets;
    const float *packed; /* B, or its batch, as el_gemm_pack left it; NULL: not packed. Not with
                            EL_GROUP_K */
};

EL_OP_WRAPPER(gemm)

#endif
