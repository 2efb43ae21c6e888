/* The parts of a layer, forward and backward. Internal to core/model.
 *
 * Every backward takes dx (R, C), the gradient at the part's output residual stream, and turns it
 * in place into the gradient at its input. Weight gradients are added to g, a view of a block with
 * the weights' layout. */
#ifndef EL_MODEL_BLOCKS_H
#define EL_MODEL_BLOCKS_H

#include "core/model/pass.h"

/* Gradient buffers that the layers use in turn; shapes as the activations of the same name. */
struct el_back {
    struct el_device *device;
    void *block;
    float *dx, *dh;                     /* (R, C) */
    float *dqa, *dqn;                   /* (R, rq) */
    float *dq;                          /* (R, H, dn+dr) */
    float *dql;                         /* (R, H, r+dr) */
    float *dkva, *dkv;                  /* (R, r+dr) */
    float *dol;                         /* (R, H, r) */
    float *d_o;                         /* (R, H, dv) */
    float *dqi, *dki, *dwi;             /* (R, H_I, D_I), (R, D_I), (R, H_I) */
    float *dwi_raw;                     /* (R, H_I) */
    float *dgate, *dup, *dact;          /* (R, I) the widest of dense and shared FFN */
    float *dweight, *drouter;           /* (R, k), (R, E) */
    float *dex_y, *dex_x;               /* (P, C) */
    float *dex_gate, *dex_up, *dex_act; /* (P, I_moe) */
    float *kl;                          /* (L, R) each row's indexer loss */
};

int el_back_init(struct el_back *b, const struct el_config *c, struct el_device *d, int max_rows,
                 struct el_error *err);
void el_back_release(struct el_back *b);

/* x -> x_mid. */
void el_attention_forward(const struct el_pass *p, const struct el_acts *acts, int layer);
void el_attention_backward(const struct el_pass *p, const struct el_acts *acts, int layer,
                           struct el_back *b, const struct el_layer_view *g);

/* Queries, keys and head weights of the indexer from h and qn; fills selected in MQA mode. */
void el_indexer_forward(const struct el_pass *p, const struct el_acts *acts, int layer);
/* The KL loss of the layer with weight coef per row, p->times often for rows that several sequences
 * share; gradients go to the indexer's weights alone, its inputs are detached. Row losses to
 * b->kl + layer*rows, each once. */
void el_indexer_backward(const struct el_pass *p, const struct el_acts *acts, int layer, float coef,
                         struct el_back *b, const struct el_layer_view *g);

/* x_mid -> out (the next layer's x). */
void el_ffn_forward(const struct el_pass *p, const struct el_acts *acts, int layer, float *out);
void el_ffn_backward(const struct el_pass *p, const struct el_acts *acts, int layer,
                     struct el_back *b, const struct el_layer_view *g);

#endif
