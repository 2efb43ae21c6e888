/* Masked multi-head attention: what the rows of a prompt take while the prompt is short
 * (DeepSeek-V3.2, inference costs: "a masked MHA mode to simulate DSA").
 *
 * The absorbed form (core/ops/attention.h) costs 2r+dr multiply-adds for each head and pair of row
 * and key. Here W_UK and W_UV bring the latent of every key up, once for all rows of a sequence,
 * and a pair costs dn+dr+dv:
 *
 *   k[h,j] = [W_UK[h] c_j | rope key of j]     dn + dr values, c_j the latent of position j
 *   v[h,j] = W_UV[h] c_j                       dv values
 *   s[h,j] = scale * q[h] . k[h,j]
 *   out[h] = sum_j softmax_j(s[h,:])[j] * v[h,j]
 *
 * Keys that a row did not select are masked, not skipped. The same function as the absorbed form,
 * in other arithmetic: bits differ from it, so it is for serving alone. Among themselves rows are
 * invariant as everywhere, as long as keys are finite: one that is not spoils the rows that are
 * worked on beside it, too.
 *
 * at, kv, kv_fp8, selected and topk as in struct el_attn; positions of a sequence ascend. */
#ifndef EL_OPS_ATTENTION_MHA_H
#define EL_OPS_ATTENTION_MHA_H

#include "core/ops/attention.h"

struct el_attn_mha {
    struct el_rows at;
    int heads, latent, rope; /* H, r, dr */
    int nope, value;         /* dn, dv */
    float scale;
    const float *q; /* (R, H, dn+dr), the rope part turned */
    const float *kv;
    const uint8_t *kv_fp8;
    const float *up;        /* (H, dn+dv, r) kv_b_proj: W_UK, and W_UV behind it, of every head */
    const float *up_packed; /* all W_UV (r, dv) as el_gemm_pack leaves them, or NULL */
    const int32_t *selected;
    int topk;
    float *out; /* (R, H, dv) */
};
EL_OP_WRAPPER(attn_mha)

#endif
