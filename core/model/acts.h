/* Activations of a forward pass.
 *
 * Training keeps every layer's (EL_ACTS_KEEP) for the backward pass; serving lets all layers share
 * one set (EL_ACTS_SHARE), but for `chosen`, which traces read after the pass, and for `selected`
 * where traces read that, too (EL_ACTS_SHARE_SELECT). Either way the buffers are made once for
 * max_rows rows and reused by every pass.
 *
 *   R rows (tokens of all sequences, one after another), C hidden, H heads, r latent, dr rope,
 *   P = R * experts per token (row, expert) pairs */
#ifndef EL_MODEL_ACTS_H
#define EL_MODEL_ACTS_H

#include "core/model/config.h"
#include "core/tensor/device.h"

#include <stdint.h>

enum { EL_ACTS_SHARE = 0, EL_ACTS_KEEP = 1, EL_ACTS_SHARE_SELECT = 2 };

struct el_layer_acts {
    float *x;             /* (R, C) the residual stream as it enters the layer */
    float *h, *h_rstd;    /* (R, C), (R) input_layernorm(x) */
    float *qa, *qa_rstd;  /* (R, rq), (R) q_a_proj(h) */
    float *qn;            /* (R, rq) q_a_layernorm(qa) */
    float *q;             /* (R, H, dn+dr) before RoPE (the rope part is turned into ql) */
    float *ql;            /* (R, H, r+dr) the absorbed query and the turned rope part */
    float *kva, *kv_rstd; /* (R, r+dr), (R) kv_a_proj_with_mqa(h) */
    float *kv;            /* (R, r+dr) normed latent and turned rope key: this pass's new rows */
    float *qi, *wi;       /* (R, H_I, D_I) after RoPE, (R, H_I) scaled */
    float *ki_raw, *ki_mean, *ki_rstd; /* (R, D_I), (R), (R) */
    float *ki;                         /* (R, D_I) */
    int32_t *selected;                 /* (R, index_topk) */
    float *mass;                       /* (R, index_topk) the attention's weights, summed over
                                          heads; NULL unless kept for a backward pass */
    float *ol, *lse;                   /* (R, H, r), (R, H) attention output in latent space */
    float *o;                          /* (R, H, dv) */
    float *x_mid;                      /* (R, C) after the attention residual */
    float *h2, *h2_rstd;               /* (R, C), (R) post_attention_layernorm(x_mid) */
    float *gate, *up, *act;            /* (R, I) dense FFN, or the shared experts' */
    float *router;                     /* (R, E) router logits */
    int32_t *chosen;                   /* (R, k) */
    float *weight;                     /* (R, k) */
    int32_t *offsets, *place, *source; /* (E+1), (R, k), (P) */
    float *ex_x;                       /* (P, C) rows in expert order */
    float *ex_gate, *ex_up, *ex_act;   /* (P, I_moe) */
    float *ex_y;                       /* (P, C) */
};

struct el_acts {
    struct el_device *device;
    int max_rows, layers, keep;
    void *block; /* one device allocation that holds everything */
    size_t bytes;
    struct el_layer_acts *layer; /* (layers) */
    float *x_out;                /* (R, C) the residual stream behind the last layer */
    float *final, *final_rstd;   /* (R, C), (R) model.norm(x_out) */
    float *scratch;              /* (R, max(H_I, 1)) */
};

/* EL_ELIMIT when the (row, expert) pairs of a pass could not be counted in an int. */
int el_acts_init(struct el_acts *a, const struct el_config *c, struct el_device *d, int max_rows,
                 int keep, struct el_error *err);
void el_acts_release(struct el_acts *a);

#endif
