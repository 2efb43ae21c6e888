/* The lightning indexer (DeepSeek-V3.2 section 2.1.1): which keys a query may read.
 *
 *   qi = rope(qn Wq^T)        (R, H_I, D_I)   from the query latent, [rope | nope]
 *   ki = rope(LayerNorm(h Wk^T))  (R, D_I)    from the normed hidden state
 *   wi = h Ww^T * H_I^-1/2 * D_I^-1/2         (R, H_I)
 *
 * Its RoPE is half-split where the main attention's is interleaved, unless the configuration says
 * otherwise (indexer_rope_interleave). */
#include "core/model/blocks.h"

#include "core/model/linear.h"
#include "core/ops/fp8_round.h"
#include "core/ops/fp8_row.h"
#include "core/ops/indexer.h"
#include "core/ops/norm.h"
#include "core/ops/pointwise.h"
#include "core/ops/rope.h"

#include <math.h>

static float head_scale(const struct el_config *c)
{
    return (float)(1.0 / sqrt((double)c->index_n_heads * c->index_head_dim));
}

/* Turns the first dr of D_I values of every head, in place. */
static void turn(const struct el_pass *p, int heads, float *x, int inverse)
{
    const struct el_config *c = &p->w->config;
    int64_t row = (int64_t)heads * c->index_head_dim;
    el_rope(p->s, &(struct el_rope){.rows = p->at.rows,
                                    .heads = heads,
                                    .dim = c->qk_rope_head_dim,
                                    .x = x,
                                    .x_row = row,
                                    .x_head = c->index_head_dim,
                                    .y = x,
                                    .y_row = row,
                                    .y_head = c->index_head_dim,
                                    .pos = p->at.pos,
                                    .cos = p->w->rope_cos,
                                    .sin = p->w->rope_sin,
                                    .interleaved = c->indexer_rope_interleave,
                                    .inverse = inverse});
}

/* Rotated, since what stands out costs FP8 its accuracy: the same rotation of queries and keys
 * leaves their products. */
static void round_to_fp8(const struct el_pass *p, int heads, float *x)
{
    const struct el_config *c = &p->w->config;
    if (p->fp8)
        el_fp8_round(p->s, &(struct el_fp8_round){.rows = p->at.rows,
                                                  .slices = heads,
                                                  .width = c->index_head_dim,
                                                  .group = EL_FP8_GROUP,
                                                  .rotate = 1,
                                                  .x = x,
                                                  .x_row = (int64_t)heads * c->index_head_dim,
                                                  .x_slice = c->index_head_dim});
}

static void scaled_copy(const struct el_pass *p, int64_t n, float alpha, const float *x, float *y)
{
    el_fill(p->s, &(struct el_fill){.n = n, .x = y});
    el_add(p->s, &(struct el_add){.n = n, .alpha = alpha, .x = x, .y = y});
}

static void project(const struct el_pass *p, const struct el_acts *acts, struct el_layer_acts *a,
                    const struct el_layer_view *w)
{
    const struct el_config *c = &p->w->config;
    int rows = p->at.rows, dim = c->index_head_dim, heads = c->index_n_heads;
    el_linear(p, rows, heads * dim, c->q_lora_rank, a->qn, w->ix_q, a->qi, 0);
    turn(p, heads, a->qi, 0);
    round_to_fp8(p, heads, a->qi);
    el_linear(p, rows, dim, c->hidden_size, a->h, w->ix_k, a->ki_raw, 0);
    el_layernorm(p->s, &(struct el_layernorm){.rows = rows,
                                              .width = dim,
                                              .eps = (float)c->index_k_norm_eps,
                                              .x = a->ki_raw,
                                              .w = w->ix_k_norm_w,
                                              .b = w->ix_k_norm_b,
                                              .y = a->ki,
                                              .mean = a->ki_mean,
                                              .rstd = a->ki_rstd});
    turn(p, 1, a->ki, 0);
    round_to_fp8(p, 1, a->ki);
    el_linear(p, rows, heads, c->hidden_size, a->h, w->ix_w, acts->scratch, 0);
    scaled_copy(p, (int64_t)rows * heads, head_scale(c), acts->scratch, a->wi);
}

void el_indexer_forward(const struct el_pass *p, const struct el_acts *acts, int layer)
{
    const struct el_config *c = &p->w->config;
    struct el_layer_acts *a = &acts->layer[layer];
    project(p, acts, a, &p->w->view.layers[layer]);
    if (p->cache)
        el_layer_cache_put_ki(&p->cache[layer], p->s, c, p->at.rows, p->slot, a->ki);
    if (p->mode != EL_ATTENTION_MQA)
        return;
    struct el_layer_cache k = el_pass_keys(p, a, layer);
    el_index_select(p->s, &(struct el_index_select){.at = p->at,
                                                    .heads = c->index_n_heads,
                                                    .dim = c->index_head_dim,
                                                    .q = a->qi,
                                                    .w = a->wi,
                                                    .k = k.ki,
                                                    .k_fp8 = k.ki_fp8,
                                                    .topk = c->index_topk,
                                                    .selected = a->selected});
}

static void losses(const struct el_pass *p, const struct el_layer_acts *a, int layer, float coef,
                   struct el_back *b)
{
    const struct el_config *c = &p->w->config;
    const int32_t *selected = el_pass_selected(p, a, layer);
    int rows = p->at.rows;
    el_fill(p->s, &(struct el_fill){.n = (int64_t)rows * c->index_head_dim, .x = b->dki});
    el_index_loss(p->s, &(struct el_index_loss){.at = p->at,
                                                .heads = c->num_attention_heads,
                                                .latent = c->kv_lora_rank,
                                                .rope = c->qk_rope_head_dim,
                                                .scale = p->w->softmax_scale,
                                                .q = a->ql,
                                                .kv = a->kv,
                                                .lse = a->lse,
                                                .mass = selected ? a->mass : NULL,
                                                .selected = selected,
                                                .topk = c->index_topk,
                                                .index_heads = c->index_n_heads,
                                                .index_dim = c->index_head_dim,
                                                .qi = a->qi,
                                                .w = a->wi,
                                                .k = a->ki,
                                                .coef = coef,
                                                .row_weight = p->times,
                                                .loss = b->kl + (int64_t)layer * rows,
                                                .dqi = b->dqi,
                                                .dw = b->dwi,
                                                .dk = b->dki});
}

void el_indexer_backward(const struct el_pass *p, const struct el_acts *acts, int layer, float coef,
                         struct el_back *b, const struct el_layer_view *g)
{
    const struct el_config *c = &p->w->config;
    const struct el_layer_acts *a = &acts->layer[layer];
    int rows = p->at.rows, dim = c->index_head_dim, heads = c->index_n_heads;
    losses(p, a, layer, coef, b);
    turn(p, heads, b->dqi, 1);
    el_linear_dw(p->s, rows, heads * dim, c->q_lora_rank, b->dqi, a->qn, g->ix_q);
    turn(p, 1, b->dki, 1);
    el_layernorm_bwd(p->s, &(struct el_layernorm_bwd){.rows = rows,
                                                      .width = dim,
                                                      .x = a->ki_raw,
                                                      .w = p->w->view.layers[layer].ix_k_norm_w,
                                                      .mean = a->ki_mean,
                                                      .rstd = a->ki_rstd,
                                                      .dy = b->dki,
                                                      .dx = b->dki,
                                                      .dw = g->ix_k_norm_w,
                                                      .db = g->ix_k_norm_b});
    el_linear_dw(p->s, rows, dim, c->hidden_size, b->dki, a->h, g->ix_k);
    scaled_copy(p, (int64_t)rows * heads, head_scale(c), b->dwi, b->dwi_raw);
    el_linear_dw(p->s, rows, heads, c->hidden_size, b->dwi_raw, a->h, g->ix_w);
}
