#include "core/model/transformer.h"

#include "core/model/linear.h"
#include "core/ops/norm.h"
#include "core/ops/pointwise.h"

#include <string.h>

static const char *const mode_names[] = {"dense", "mqa", "mha"};

const char *el_attention_name(enum el_attention mode)
{
    return mode_names[mode];
}

int el_attention_parse(const char *name, enum el_attention *mode, struct el_error *err)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(name, mode_names[i]) == 0) {
            *mode = (enum el_attention)i;
            return 0;
        }
    return el_error_set(err, EL_EINVAL, "attention mode '%s': expected dense, mqa or mha", name);
}

int el_pass_check_fp8(const struct el_config *c, struct el_error *err)
{
    if (c->index_head_dim & (c->index_head_dim - 1))
        return el_error_set(err, EL_EREFUSED,
                            "index_head_dim is %d: FP8 rotates the indexer's heads, which takes a "
                            "power of two",
                            c->index_head_dim);
    return 0;
}

void el_transformer_forward(const struct el_pass *p, struct el_acts *acts)
{
    const struct el_weights *w = p->w;
    int rows = p->at.rows, hidden = w->config.hidden_size, layers = acts->layers;
    el_embed(p->s, &(struct el_embed){.rows = rows,
                                      .width = hidden,
                                      .token = p->token,
                                      .table = w->view.embed,
                                      .x = acts->layer[0].x});
    for (int l = 0; l < layers; l++) {
        el_attention_forward(p, acts, l);
        el_ffn_forward(p, acts, l, l + 1 < layers ? acts->layer[l + 1].x : acts->x_out);
    }
    el_rmsnorm(p->s, &(struct el_rmsnorm){.rows = rows,
                                          .width = hidden,
                                          .eps = (float)w->config.rms_norm_eps,
                                          .x = acts->x_out,
                                          .x_row = hidden,
                                          .w = w->view.norm,
                                          .y = acts->final,
                                          .y_row = hidden,
                                          .rstd = acts->final_rstd});
}

void el_transformer_logits(const struct el_pass *p, int n, const float *hidden, float *logits)
{
    const struct el_config *c = &p->w->config;
    el_linear(p, n, c->vocab_size, c->hidden_size, hidden, p->w->view.lm_head, logits, 0);
}

static void final_norm_backward(const struct el_pass *p, const struct el_acts *acts,
                                const float *dfinal, struct el_back *b, const struct el_view *g)
{
    int hidden = p->w->config.hidden_size;
    el_rmsnorm_bwd(p->s, &(struct el_rmsnorm_bwd){.rows = p->at.rows,
                                                  .width = hidden,
                                                  .x = acts->x_out,
                                                  .x_row = hidden,
                                                  .w = p->w->view.norm,
                                                  .rstd = acts->final_rstd,
                                                  .dy = dfinal,
                                                  .dy_row = hidden,
                                                  .dx = b->dx,
                                                  .dx_row = hidden,
                                                  .dw = g->norm});
}

void el_transformer_backward(const struct el_pass *p, const struct el_acts *acts,
                             struct el_backward how, struct el_back *b, const struct el_view *g)
{
    const struct el_config *c = &p->w->config;
    if (how.dfinal)
        final_norm_backward(p, acts, how.dfinal, b, g);
    for (int l = acts->layers - 1; l >= 0; l--) {
        if (how.kl_coef > 0)
            el_indexer_backward(p, acts, l, how.kl_coef, b, &g->layers[l]);
        if (!how.dfinal)
            continue;
        el_ffn_backward(p, acts, l, b, &g->layers[l]);
        el_attention_backward(p, acts, l, b, &g->layers[l]);
    }
    if (how.dfinal)
        el_embed_bwd(p->s, &(struct el_embed_bwd){.rows = p->at.rows,
                                                  .width = c->hidden_size,
                                                  .vocab = c->vocab_size,
                                                  .token = p->token,
                                                  .dx = b->dx,
                                                  .dtable = g->embed});
}
