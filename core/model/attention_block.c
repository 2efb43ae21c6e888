/* Multi-head latent attention in its absorbed form, and for the first p->mha.rows rows as masked
 * MHA.
 *
 *   h  = input_layernorm(x)                       (R, C)
 *   qn = q_a_layernorm(h Wqa^T)                   (R, rq)
 *   q  = qn Wqb^T, per head [nope dn | rope dr]   (R, H, dn+dr)
 *   kv = [kv_a_layernorm(latent) | rope key] of h Wkva^T       (R, r+dr)
 *
 * kv_b_proj holds per head W_UK (dn, r) and W_UV (dv, r). Plain MLA would up-project every key
 * with them; absorbed, the query goes down instead (q_nope . W_UK c = (q_nope W_UK) . c), so that
 * all heads share one key of r+dr values:
 *
 *   ql = [q_nope W_UK | rope(q_rope)]             (R, H, r+dr)
 *   ol = attention(ql, kv)                        (R, H, r)
 *   o  = ol W_UV^T                                (R, H, dv)
 *
 * Masked MHA is plain MLA: o = attention([q_nope | rope(q_rope)], [W_UK c | rope key], W_UV c).
 *
 *   x_mid = x + o Wo^T */
#include "core/model/blocks.h"

#include "core/model/linear.h"
#include "core/ops/attention_mha.h"
#include "core/ops/fp8_round.h"
#include "core/ops/fp8_row.h"
#include "core/ops/gemm.h"
#include "core/ops/norm.h"
#include "core/ops/pointwise.h"
#include "core/ops/rope.h"

struct shape {
    int rows, hidden, heads, rq, latent, rope, nope, value;
    int mha;   /* the first rows: masked MHA; the others: absorbed */
    int qk;    /* dn + dr */
    int key;   /* r + dr */
    int kv_up; /* dn + dv: rows of kv_b per head */
};

static struct shape shape_of(const struct el_pass *p)
{
    const struct el_config *c = &p->w->config;
    return (struct shape){
        .rows = p->at.rows,
        .mha = p->mha.rows,
        .hidden = c->hidden_size,
        .heads = c->num_attention_heads,
        .rq = c->q_lora_rank,
        .latent = c->kv_lora_rank,
        .rope = c->qk_rope_head_dim,
        .nope = c->qk_nope_head_dim,
        .value = c->v_head_dim,
        .qk = c->qk_nope_head_dim + c->qk_rope_head_dim,
        .key = c->kv_lora_rank + c->qk_rope_head_dim,
        .kv_up = c->qk_nope_head_dim + c->v_head_dim,
    };
}

static struct el_rope rope_of(const struct el_pass *p, int heads, const float *x, int64_t x_row,
                              int64_t x_head, float *y, int64_t y_row, int64_t y_head, int inverse)
{
    return (struct el_rope){.rows = p->at.rows,
                            .heads = heads,
                            .dim = p->w->config.qk_rope_head_dim,
                            .x = x,
                            .x_row = x_row,
                            .x_head = x_head,
                            .y = y,
                            .y_row = y_row,
                            .y_head = y_head,
                            .pos = p->at.pos,
                            .cos = p->w->rope_cos,
                            .sin = p->w->rope_sin,
                            .interleaved = p->w->config.rope_interleave,
                            .inverse = inverse};
}

static void copy_slice(const struct el_pass *p, int width, const float *src, int64_t src_row,
                       const int32_t *to, float *dst, int64_t dst_row)
{
    el_copy_rows(p->s, &(struct el_copy_rows){.rows = p->at.rows,
                                              .width = width,
                                              .src = src,
                                              .src_row = src_row,
                                              .dst = dst,
                                              .dst_row = dst_row,
                                              .to = to});
}

static void queries(const struct el_pass *p, struct el_layer_acts *a, const struct el_layer_view *w,
                    struct shape d)
{
    const struct el_config *c = &p->w->config;
    el_linear(p, d.rows, d.rq, d.hidden, a->h, w->q_a, a->qa, 0);
    el_rmsnorm(p->s, &(struct el_rmsnorm){.rows = d.rows,
                                          .width = d.rq,
                                          .eps = (float)c->q_a_norm_eps,
                                          .x = a->qa,
                                          .x_row = d.rq,
                                          .w = w->q_a_norm,
                                          .y = a->qn,
                                          .y_row = d.rq,
                                          .rstd = a->qa_rstd});
    el_linear(p, d.rows, d.heads * d.qk, d.rq, a->qn, w->q_b, a->q, 0);
}

/* The rows that are attended in the absorbed form. */
static struct el_rows absorbed(const struct el_pass *p)
{
    struct el_rows at = p->at;
    at.rows -= p->mha.rows;
    at.seq += p->mha.rows;
    at.pos += p->mha.rows;
    return at;
}

static void absorb(const struct el_pass *p, struct el_layer_acts *a, const struct el_layer_view *w,
                   struct shape d)
{
    int64_t q_row = (int64_t)d.heads * d.qk, ql_row = (int64_t)d.heads * d.key;
    float *q = a->q + d.mha * q_row, *ql = a->ql + d.mha * ql_row;
    struct el_rows at = absorbed(p);
    el_packed_multiply(p->packed, p->s,
                       &(struct el_gemm){.m = at.rows,
                                         .n = d.latent,
                                         .k = d.nope,
                                         .a = q,
                                         .a_row = q_row,
                                         .a_col = 1,
                                         .b = w->kv_b,
                                         .b_row = d.latent,
                                         .b_col = 1,
                                         .c = ql,
                                         .c_row = ql_row,
                                         .batch = d.heads,
                                         .a_batch = d.qk,
                                         .b_batch = (int64_t)d.kv_up * d.latent,
                                         .c_batch = d.key});
    struct el_rope turn =
        rope_of(p, d.heads, q + d.nope, q_row, d.qk, ql + d.latent, ql_row, d.key, 0);
    turn.rows = at.rows;
    turn.pos = at.pos;
    el_rope(p->s, &turn);
}

static void keys(const struct el_pass *p, struct el_layer_acts *a, const struct el_layer_view *w,
                 struct shape d, int layer)
{
    const struct el_config *c = &p->w->config;
    el_linear(p, d.rows, d.key, d.hidden, a->h, w->kv_a, a->kva, 0);
    el_rmsnorm(p->s, &(struct el_rmsnorm){.rows = d.rows,
                                          .width = d.latent,
                                          .eps = (float)c->kv_a_norm_eps,
                                          .x = a->kva,
                                          .x_row = d.key,
                                          .w = w->kv_a_norm,
                                          .y = a->kv,
                                          .y_row = d.key,
                                          .rstd = a->kv_rstd});
    struct el_rope turn = rope_of(p, 1, a->kva + d.latent, d.key, 0, a->kv + d.latent, d.key, 0, 0);
    el_rope(p->s, &turn);
    if (p->fp8)
        el_fp8_round(p->s, &(struct el_fp8_round){.rows = d.rows,
                                                  .slices = 1,
                                                  .width = d.latent,
                                                  .group = EL_FP8_GROUP,
                                                  .tail = d.rope,
                                                  .x = a->kv,
                                                  .x_row = d.key});
    if (p->cache)
        el_layer_cache_put_kv(&p->cache[layer], p->s, c, d.rows, p->slot, a->kv);
}

static void values_up(const struct el_pass *p, struct el_layer_acts *a,
                      const struct el_layer_view *w, struct shape d)
{
    const float *up = w->kv_b + (int64_t)d.nope * d.latent;
    int64_t ol_row = (int64_t)d.heads * d.latent, o_row = (int64_t)d.heads * d.value;
    el_packed_multiply(p->packed, p->s,
                       &(struct el_gemm){.m = d.rows - d.mha,
                                         .n = d.value,
                                         .k = d.latent,
                                         .a = a->ol + d.mha * ol_row,
                                         .a_row = ol_row,
                                         .a_col = 1,
                                         .b = up,
                                         .b_row = 1,
                                         .b_col = d.latent,
                                         .c = a->o + d.mha * o_row,
                                         .c_row = o_row,
                                         .batch = d.heads,
                                         .a_batch = d.latent,
                                         .b_batch = (int64_t)d.kv_up * d.latent,
                                         .c_batch = d.value});
}

/* q -> o by way of latents. */
static void attend_absorbed(const struct el_pass *p, struct el_layer_acts *a,
                            const struct el_layer_view *w, struct shape d, int layer)
{
    struct el_layer_cache k = el_pass_keys(p, a, layer);
    const int32_t *selected = el_pass_selected(p, a, layer);
    int topk = p->w->config.index_topk;
    absorb(p, a, w, d);
    el_attn(p->s, &(struct el_attn){.at = absorbed(p),
                                    .heads = d.heads,
                                    .latent = d.latent,
                                    .rope = d.rope,
                                    .scale = p->w->softmax_scale,
                                    .q = a->ql + (int64_t)d.mha * d.heads * d.key,
                                    .kv = k.kv,
                                    .kv_fp8 = k.kv_fp8,
                                    .selected = selected ? selected + (int64_t)d.mha * topk : NULL,
                                    .topk = topk,
                                    .out = a->ol + (int64_t)d.mha * d.heads * d.latent,
                                    .lse = a->lse + (int64_t)d.mha * d.heads,
                                    .mass = selected && !d.mha ? a->mass : NULL});
    values_up(p, a, w, d);
}

/* q -> o with keys and values of every head; turns q's rope part in place. */
static void attend_mha(const struct el_pass *p, struct el_layer_acts *a,
                       const struct el_layer_view *w, struct shape d, int layer)
{
    struct el_layer_cache k = el_pass_keys(p, a, layer);
    struct el_rows at = p->at;
    at.rows = p->mha.rows;
    at.max_pos = p->mha.max_pos;
    int64_t q_row = (int64_t)d.heads * d.qk;
    struct el_rope turn =
        rope_of(p, d.heads, a->q + d.nope, q_row, d.qk, a->q + d.nope, q_row, d.qk, 0);
    turn.rows = at.rows;
    el_rope(p->s, &turn);
    const float *values = w->kv_b + (int64_t)d.nope * d.latent;
    el_attn_mha(p->s, &(struct el_attn_mha){.at = at,
                                            .heads = d.heads,
                                            .latent = d.latent,
                                            .rope = d.rope,
                                            .nope = d.nope,
                                            .value = d.value,
                                            .scale = p->w->softmax_scale,
                                            .q = a->q,
                                            .kv = k.kv,
                                            .kv_fp8 = k.kv_fp8,
                                            .up = w->kv_b,
                                            .up_packed = el_packed_find(p->packed, values),
                                            .selected = el_pass_selected(p, a, layer),
                                            .topk = p->w->config.index_topk,
                                            .out = a->o});
}

void el_attention_forward(const struct el_pass *p, const struct el_acts *acts, int layer)
{
    struct el_layer_acts *a = &acts->layer[layer];
    const struct el_layer_view *w = &p->w->view.layers[layer];
    struct shape d = shape_of(p);
    el_rmsnorm(p->s, &(struct el_rmsnorm){.rows = d.rows,
                                          .width = d.hidden,
                                          .eps = (float)p->w->config.rms_norm_eps,
                                          .x = a->x,
                                          .x_row = d.hidden,
                                          .w = w->input_norm,
                                          .y = a->h,
                                          .y_row = d.hidden,
                                          .rstd = a->h_rstd});
    queries(p, a, w, d);
    keys(p, a, w, d, layer);
    if (p->mode == EL_ATTENTION_MQA || p->with_indexer)
        el_indexer_forward(p, acts, layer);
    if (d.mha > 0)
        attend_mha(p, a, w, d, layer);
    if (d.mha < d.rows)
        attend_absorbed(p, a, w, d, layer);
    copy_slice(p, d.hidden, a->x, d.hidden, NULL, a->x_mid, d.hidden);
    el_linear(p, d.rows, d.hidden, d.heads * d.value, a->o, w->o, a->x_mid, 1);
}

/* o -> ol: each head goes back through its W_UV. */
static void values_up_back(const struct el_pass *p, const struct el_layer_acts *a,
                           struct el_back *b, const struct el_layer_view *w,
                           const struct el_layer_view *g, struct shape d)
{
    int64_t value_rows = (int64_t)d.nope * d.latent, head = (int64_t)d.kv_up * d.latent;
    el_gemm(p->s, &(struct el_gemm){.m = d.rows,
                                    .n = d.latent,
                                    .k = d.value,
                                    .a = b->d_o,
                                    .a_row = (int64_t)d.heads * d.value,
                                    .a_col = 1,
                                    .b = w->kv_b + value_rows,
                                    .b_row = d.latent,
                                    .b_col = 1,
                                    .c = b->dol,
                                    .c_row = (int64_t)d.heads * d.latent,
                                    .batch = d.heads,
                                    .a_batch = d.value,
                                    .b_batch = head,
                                    .c_batch = d.latent});
    el_gemm(p->s, &(struct el_gemm){.m = d.value,
                                    .n = d.latent,
                                    .k = d.rows,
                                    .a = b->d_o,
                                    .a_row = 1,
                                    .a_col = (int64_t)d.heads * d.value,
                                    .b = a->ol,
                                    .b_row = (int64_t)d.heads * d.latent,
                                    .b_col = 1,
                                    .c = g->kv_b + value_rows,
                                    .c_row = d.latent,
                                    .accumulate = 1,
                                    .batch = d.heads,
                                    .a_batch = d.value,
                                    .b_batch = d.latent,
                                    .c_batch = head});
}

/* ql -> q: the latent part through W_UK, the rope part turned back. */
static void queries_down_back(const struct el_pass *p, const struct el_layer_acts *a,
                              struct el_back *b, const struct el_layer_view *w,
                              const struct el_layer_view *g, struct shape d)
{
    int64_t head = (int64_t)d.kv_up * d.latent;
    el_gemm(p->s, &(struct el_gemm){.m = d.rows,
                                    .n = d.nope,
                                    .k = d.latent,
                                    .a = b->dql,
                                    .a_row = (int64_t)d.heads * d.key,
                                    .a_col = 1,
                                    .b = w->kv_b,
                                    .b_row = 1,
                                    .b_col = d.latent,
                                    .c = b->dq,
                                    .c_row = (int64_t)d.heads * d.qk,
                                    .batch = d.heads,
                                    .a_batch = d.key,
                                    .b_batch = head,
                                    .c_batch = d.qk});
    el_gemm(p->s, &(struct el_gemm){.m = d.nope,
                                    .n = d.latent,
                                    .k = d.rows,
                                    .a = a->q,
                                    .a_row = 1,
                                    .a_col = (int64_t)d.heads * d.qk,
                                    .b = b->dql,
                                    .b_row = (int64_t)d.heads * d.key,
                                    .b_col = 1,
                                    .c = g->kv_b,
                                    .c_row = d.latent,
                                    .accumulate = 1,
                                    .batch = d.heads,
                                    .a_batch = d.qk,
                                    .b_batch = d.key,
                                    .c_batch = head});
    struct el_rope turn = rope_of(p, d.heads, b->dql + d.latent, (int64_t)d.heads * d.key, d.key,
                                  b->dq + d.nope, (int64_t)d.heads * d.qk, d.qk, 1);
    el_rope(p->s, &turn);
}

/* q -> h, overwriting dh. */
static void queries_back(const struct el_pass *p, const struct el_layer_acts *a, struct el_back *b,
                         const struct el_layer_view *w, const struct el_layer_view *g,
                         struct shape d)
{
    int q_width = d.heads * d.qk;
    el_linear_dx(p->s, d.rows, q_width, d.rq, b->dq, w->q_b, b->dqn, 0);
    el_linear_dw(p->s, d.rows, q_width, d.rq, b->dq, a->qn, g->q_b);
    el_rmsnorm_bwd(p->s, &(struct el_rmsnorm_bwd){.rows = d.rows,
                                                  .width = d.rq,
                                                  .x = a->qa,
                                                  .x_row = d.rq,
                                                  .w = w->q_a_norm,
                                                  .rstd = a->qa_rstd,
                                                  .dy = b->dqn,
                                                  .dy_row = d.rq,
                                                  .dx = b->dqa,
                                                  .dx_row = d.rq,
                                                  .dw = g->q_a_norm});
    el_linear_dx(p->s, d.rows, d.rq, d.hidden, b->dqa, w->q_a, b->dh, 0);
    el_linear_dw(p->s, d.rows, d.rq, d.hidden, b->dqa, a->h, g->q_a);
}

/* kv -> h, added to dh. */
static void keys_back(const struct el_pass *p, const struct el_layer_acts *a, struct el_back *b,
                      const struct el_layer_view *w, const struct el_layer_view *g, struct shape d)
{
    struct el_rope turn =
        rope_of(p, 1, b->dkv + d.latent, d.key, 0, b->dkva + d.latent, d.key, 0, 1);
    el_rope(p->s, &turn);
    el_rmsnorm_bwd(p->s, &(struct el_rmsnorm_bwd){.rows = d.rows,
                                                  .width = d.latent,
                                                  .x = a->kva,
                                                  .x_row = d.key,
                                                  .w = w->kv_a_norm,
                                                  .rstd = a->kv_rstd,
                                                  .dy = b->dkv,
                                                  .dy_row = d.key,
                                                  .dx = b->dkva,
                                                  .dx_row = d.key,
                                                  .dw = g->kv_a_norm});
    el_linear_dx(p->s, d.rows, d.key, d.hidden, b->dkva, w->kv_a, b->dh, 1);
    el_linear_dw(p->s, d.rows, d.key, d.hidden, b->dkva, a->h, g->kv_a);
}

void el_attention_backward(const struct el_pass *p, const struct el_acts *acts, int layer,
                           struct el_back *b, const struct el_layer_view *g)
{
    const struct el_layer_acts *a = &acts->layer[layer];
    const struct el_layer_view *w = &p->w->view.layers[layer];
    struct shape d = shape_of(p);
    int o_width = d.heads * d.value;
    el_linear_dx(p->s, d.rows, d.hidden, o_width, b->dx, w->o, b->d_o, 0);
    el_linear_dw(p->s, d.rows, d.hidden, o_width, b->dx, a->o, g->o);
    values_up_back(p, a, b, w, g, d);
    el_fill(p->s, &(struct el_fill){.n = (int64_t)d.rows * d.key, .x = b->dkv});
    el_attn_bwd(p->s, &(struct el_attn_bwd){.at = p->at,
                                            .heads = d.heads,
                                            .latent = d.latent,
                                            .rope = d.rope,
                                            .scale = p->w->softmax_scale,
                                            .q = a->ql,
                                            .kv = a->kv,
                                            .selected = el_pass_selected(p, a, layer),
                                            .topk = p->w->config.index_topk,
                                            .out = a->ol,
                                            .lse = a->lse,
                                            .dout = b->dol,
                                            .dq = b->dql,
                                            .dkv = b->dkv});
    queries_down_back(p, a, b, w, g, d);
    queries_back(p, a, b, w, g, d);
    keys_back(p, a, b, w, g, d);
    el_rmsnorm_bwd(p->s, &(struct el_rmsnorm_bwd){.rows = d.rows,
                                                  .width = d.hidden,
                                                  .x = a->x,
                                                  .x_row = d.hidden,
                                                  .w = w->input_norm,
                                                  .rstd = a->h_rstd,
                                                  .dy = b->dh,
                                                  .dy_row = d.hidden,
                                                  .dx = b->dx,
                                                  .dx_row = d.hidden,
                                                  .accumulate = 1,
                                                  .dw = g->input_norm});
}
