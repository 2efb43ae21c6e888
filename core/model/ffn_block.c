/* The feed-forward half of a layer: out = x_mid + FFN(post_attention_layernorm(x_mid)).
 *
 * Dense layers have one SwiGLU FFN. MoE layers add to the shared experts' FFN the chosen experts'
 * outputs times their gate weights; rows are sorted by expert so that each expert is one product.
 */
#include "core/model/blocks.h"

#include "core/model/linear.h"
#include "core/ops/moe.h"
#include "core/ops/norm.h"
#include "core/ops/pointwise.h"

/* Width of the dense FFN, or of the shared experts together; 0: there is none. */
static int plain_width(const struct el_config *c, int layer)
{
    return el_config_layer_is_moe(c, layer) ? c->n_shared_experts * c->moe_intermediate_size
                                            : c->intermediate_size;
}

static int moe_before(const struct el_config *c, int layer)
{
    return layer - c->first_k_dense_replace;
}

static void plain_forward(const struct el_pass *p, struct el_layer_acts *a,
                          const struct el_layer_view *w, int width, float *out)
{
    int rows = p->at.rows, hidden = p->w->config.hidden_size;
    el_linear(p, rows, width, hidden, a->h2, w->gate, a->gate, 0);
    el_linear(p, rows, width, hidden, a->h2, w->up, a->up, 0);
    el_swiglu(p->s, &(struct el_swiglu){
                        .rows = rows, .width = width, .gate = a->gate, .up = a->up, .y = a->act});
    el_linear(p, rows, hidden, width, a->act, w->down, out, 1);
}

static void route(const struct el_pass *p, struct el_layer_acts *a, const struct el_layer_view *w,
                  int layer)
{
    const struct el_config *c = &p->w->config;
    int rows = p->at.rows;
    const int32_t *forced = NULL;
    if (p->routing)
        forced = p->routing + (int64_t)moe_before(c, layer) * rows * c->num_experts_per_tok;
    el_linear(p, rows, c->n_routed_experts, c->hidden_size, a->h2, w->router, a->router, 0);
    el_moe_route(p->s, &(struct el_moe_route){.rows = rows,
                                              .experts = c->n_routed_experts,
                                              .topk = c->num_experts_per_tok,
                                              .n_group = c->n_group,
                                              .topk_group = c->topk_group,
                                              .normalise = c->norm_topk_prob,
                                              .scale = (float)c->routed_scaling_factor,
                                              .logits = a->router,
                                              .bias = w->router_bias,
                                              .forced = forced,
                                              .chosen = a->chosen,
                                              .weight = a->weight});
    el_moe_plan(p->s, &(struct el_moe_plan){.rows = rows,
                                            .experts = c->n_routed_experts,
                                            .topk = c->num_experts_per_tok,
                                            .chosen = a->chosen,
                                            .offsets = a->offsets,
                                            .place = a->place,
                                            .source = a->source});
}

static void experts_forward(const struct el_pass *p, struct el_layer_acts *a,
                            const struct el_layer_view *w, float *out)
{
    const struct el_config *c = &p->w->config;
    int rows = p->at.rows, hidden = c->hidden_size, width = c->moe_intermediate_size;
    int pairs = rows * c->num_experts_per_tok;
    struct el_grouping by = {c->n_routed_experts, a->offsets};
    el_moe_gather(p->s,
                  &(struct el_moe_gather){
                      .n = pairs, .width = hidden, .x = a->h2, .source = a->source, .y = a->ex_x});
    el_linear_grouped(p, by, pairs, width, hidden, a->ex_x, w->ex_gate, a->ex_gate);
    el_linear_grouped(p, by, pairs, width, hidden, a->ex_x, w->ex_up, a->ex_up);
    el_swiglu(
        p->s,
        &(struct el_swiglu){
            .rows = pairs, .width = width, .gate = a->ex_gate, .up = a->ex_up, .y = a->ex_act});
    el_linear_grouped(p, by, pairs, hidden, width, a->ex_act, w->ex_down, a->ex_y);
    el_moe_combine(p->s, &(struct el_moe_combine){.rows = rows,
                                                  .width = hidden,
                                                  .topk = c->num_experts_per_tok,
                                                  .y = a->ex_y,
                                                  .place = a->place,
                                                  .weight = a->weight,
                                                  .out = out});
}

void el_ffn_forward(const struct el_pass *p, const struct el_acts *acts, int layer, float *out)
{
    const struct el_config *c = &p->w->config;
    struct el_layer_acts *a = &acts->layer[layer];
    const struct el_layer_view *w = &p->w->view.layers[layer];
    int rows = p->at.rows, hidden = c->hidden_size, width = plain_width(c, layer);
    el_rmsnorm(p->s, &(struct el_rmsnorm){.rows = rows,
                                          .width = hidden,
                                          .eps = (float)c->rms_norm_eps,
                                          .x = a->x_mid,
                                          .x_row = hidden,
                                          .w = w->post_norm,
                                          .y = a->h2,
                                          .y_row = hidden,
                                          .rstd = a->h2_rstd});
    el_copy_rows(p->s, &(struct el_copy_rows){.rows = rows,
                                              .width = hidden,
                                              .src = a->x_mid,
                                              .src_row = hidden,
                                              .dst = out,
                                              .dst_row = hidden});
    if (width)
        plain_forward(p, a, w, width, out);
    if (!el_config_layer_is_moe(c, layer))
        return;
    route(p, a, w, layer);
    experts_forward(p, a, w, out);
}

/* dx (at out) -> dh, overwritten. */
static void plain_backward(const struct el_pass *p, const struct el_layer_acts *a,
                           struct el_back *b, const struct el_layer_view *w,
                           const struct el_layer_view *g, int width)
{
    int rows = p->at.rows, hidden = p->w->config.hidden_size;
    el_linear_dx(p->s, rows, hidden, width, b->dx, w->down, b->dact, 0);
    el_linear_dw(p->s, rows, hidden, width, b->dx, a->act, g->down);
    el_swiglu_bwd(p->s, &(struct el_swiglu_bwd){.rows = rows,
                                                .width = width,
                                                .gate = a->gate,
                                                .up = a->up,
                                                .dy = b->dact,
                                                .dgate = b->dgate,
                                                .dup = b->dup});
    el_linear_dx(p->s, rows, width, hidden, b->dgate, w->gate, b->dh, 0);
    el_linear_dx(p->s, rows, width, hidden, b->dup, w->up, b->dh, 1);
    el_linear_dw(p->s, rows, width, hidden, b->dgate, a->h2, g->gate);
    el_linear_dw(p->s, rows, width, hidden, b->dup, a->h2, g->up);
}

/* dx (at out) -> the experts' inputs (added to dh) and the gate weights' gradient. */
static void experts_backward(const struct el_pass *p, const struct el_layer_acts *a,
                             struct el_back *b, const struct el_layer_view *w,
                             const struct el_layer_view *g)
{
    const struct el_config *c = &p->w->config;
    int rows = p->at.rows, hidden = c->hidden_size, width = c->moe_intermediate_size;
    int topk = c->num_experts_per_tok, pairs = rows * topk;
    struct el_grouping by = {c->n_routed_experts, a->offsets};
    el_moe_combine_bwd(p->s, &(struct el_moe_combine_bwd){.rows = rows,
                                                          .width = hidden,
                                                          .topk = topk,
                                                          .y = a->ex_y,
                                                          .place = a->place,
                                                          .weight = a->weight,
                                                          .dout = b->dx,
                                                          .dy = b->dex_y,
                                                          .dweight = b->dweight});
    el_linear_grouped_dx(p->s, by, pairs, hidden, width, b->dex_y, w->ex_down, b->dex_act, 0);
    el_linear_grouped_dw(p->s, by, pairs, hidden, width, b->dex_y, a->ex_act, g->ex_down);
    el_swiglu_bwd(p->s, &(struct el_swiglu_bwd){.rows = pairs,
                                                .width = width,
                                                .gate = a->ex_gate,
                                                .up = a->ex_up,
                                                .dy = b->dex_act,
                                                .dgate = b->dex_gate,
                                                .dup = b->dex_up});
    el_linear_grouped_dx(p->s, by, pairs, width, hidden, b->dex_gate, w->ex_gate, b->dex_x, 0);
    el_linear_grouped_dx(p->s, by, pairs, width, hidden, b->dex_up, w->ex_up, b->dex_x, 1);
    el_linear_grouped_dw(p->s, by, pairs, width, hidden, b->dex_gate, a->ex_x, g->ex_gate);
    el_linear_grouped_dw(p->s, by, pairs, width, hidden, b->dex_up, a->ex_x, g->ex_up);
    el_moe_gather_bwd(p->s, &(struct el_moe_gather_bwd){.rows = rows,
                                                        .width = hidden,
                                                        .topk = topk,
                                                        .dy = b->dex_x,
                                                        .place = a->place,
                                                        .dx = b->dh});
}

static void router_backward(const struct el_pass *p, const struct el_layer_acts *a,
                            struct el_back *b, const struct el_layer_view *w,
                            const struct el_layer_view *g)
{
    const struct el_config *c = &p->w->config;
    int rows = p->at.rows, hidden = c->hidden_size;
    el_moe_route_bwd(p->s, &(struct el_moe_route_bwd){.rows = rows,
                                                      .experts = c->n_routed_experts,
                                                      .topk = c->num_experts_per_tok,
                                                      .normalise = c->norm_topk_prob,
                                                      .scale = (float)c->routed_scaling_factor,
                                                      .logits = a->router,
                                                      .chosen = a->chosen,
                                                      .dweight = b->dweight,
                                                      .dlogits = b->drouter});
    el_linear_dx(p->s, rows, c->n_routed_experts, hidden, b->drouter, w->router, b->dh, 1);
    el_linear_dw(p->s, rows, c->n_routed_experts, hidden, b->drouter, a->h2, g->router);
}

void el_ffn_backward(const struct el_pass *p, const struct el_acts *acts, int layer,
                     struct el_back *b, const struct el_layer_view *g)
{
    const struct el_config *c = &p->w->config;
    const struct el_layer_acts *a = &acts->layer[layer];
    const struct el_layer_view *w = &p->w->view.layers[layer];
    int rows = p->at.rows, hidden = c->hidden_size, width = plain_width(c, layer);
    if (width)
        plain_backward(p, a, b, w, g, width);
    else
        el_fill(p->s, &(struct el_fill){.n = (int64_t)rows * hidden, .x = b->dh});
    if (el_config_layer_is_moe(c, layer)) {
        experts_backward(p, a, b, w, g);
        router_backward(p, a, b, w, g);
    }
    el_rmsnorm_bwd(p->s, &(struct el_rmsnorm_bwd){.rows = rows,
                                                  .width = hidden,
                                                  .x = a->x_mid,
                                                  .x_row = hidden,
                                                  .w = w->post_norm,
                                                  .rstd = a->h2_rstd,
                                                  .dy = b->dh,
                                                  .dy_row = hidden,
                                                  .dx = b->dx,
                                                  .dx_row = hidden,
                                                  .accumulate = 1,
                                                  .dw = g->post_norm});
}
