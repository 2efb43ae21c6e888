/* The lightning indexer (DeepSeek-V3.2 section 2.1.1).
 *
 *   I[t,j] = sum_h w[t,h] * relu(q[t,h] . k[j])          h < H_I, values of D_I
 *
 * w already holds n_heads^-1/2 * head_dim^-1/2. */
#ifndef EL_OPS_INDEXER_H
#define EL_OPS_INDEXER_H

#include "core/ops/attention.h"

/* The top-k visible positions by score: strictly greater first, equal scores by the LOWEST
 * position. -0 equals 0, a score that is NaN equals -Inf. When topk or fewer are visible, all of
 * them, never one that is not. No R x T score matrix is ever in memory: backends keep the scores
 * of a fixed number of rows for each thread, so that scratch grows with T alone. */
struct el_index_select {
    struct el_rows at;
    int heads, dim;       /* H_I, D_I */
    const float *q;       /* (R, H_I, D_I) */
    const float *w;       /* (R, H_I) */
    const float *k;       /* (cache rows, D_I), or NULL */
    const uint8_t *k_fp8; /* instead: rows of D_I values without a tail (core/ops/fp8_row.h) */
    int topk;
    int32_t *selected; /* (R, topk) ascending, -1 behind the last */
};
EL_OP_WRAPPER(index_select)

/* KL(p || softmax(I)) over the row's key set and its gradient, in one pass. p[j] is the main
 * attention's probability summed over heads and L1-normalised, a constant: mass as el_attn left it
 * or, without, recomputed from q, kv and lse. selected == NULL: the dense warm-up, key set 0..pos;
 * else the sparse stage's KL on the selected set.
 *   loss[i]  = the row's KL (natural logarithm)
 *   dqi, dw  = gradient times coef (overwritten); dk += gradient times coef, in the order of
 *              attn_bwd's dkv
 * where coef is that of the row: coef * row_weight[i]. */
struct el_index_loss {
    struct el_rows at;
    int heads, latent, rope; /* the main attention */
    float scale;
    const float *q, *kv, *lse; /* not read with mass */
    const float *mass;         /* (R, topk) with selected, or NULL */
    const int32_t *selected;
    int topk;
    int index_heads, index_dim;
    const float *qi, *w, *k; /* (R,H_I,D_I), (R,H_I), (cache rows,D_I) */
    float coef;              /* e.g. weight / number of tokens */
    const float *row_weight; /* (R), NULL: 1 */
    float *loss;             /* (R) */
    float *dqi, *dw, *dk;    /* as qi, w, k; all NULL: loss only */
};
EL_OP_WRAPPER(index_loss)

#endif
