/* Where every tensor of a model lies in one block of floats.
 *
 * Weights, gradients and the optimiser's moments are blocks of the same layout, so a tensor is an
 * offset and el_view_init gives typed pointers into any of them. The routed experts of a layer are
 * stacked, (E, I, C), and each expert's Hugging Face tensor is a contiguous slice of the stack. */
#ifndef EL_MODEL_LAYOUT_H
#define EL_MODEL_LAYOUT_H

#include "core/base/error.h"
#include "core/model/config.h"

#include <stdint.h>

enum el_tensor_flags {
    EL_TENSOR_INDEXER = 1, /* belongs to the lightning indexer */
    EL_TENSOR_NO_GRAD = 2, /* e_score_correction_bias: moved by the balancing rule alone */
    EL_TENSOR_DECAY = 4,   /* two or more dimensions: weight decay applies */
    EL_TENSOR_F32 = 8,     /* always stored as F32 */
    EL_TENSOR_ONES = 16,   /* norm weights start at 1 */
    EL_TENSOR_ZEROS = 32,  /* biases start at 0 */
    EL_TENSOR_OUT = 64,    /* writes into the residual stream: initial deviation / sqrt(2L) */
};

struct el_tensor_info {
    char name[120]; /* the Hugging Face name, e.g. model.layers.3.mlp.experts.7.up_proj.weight */
    int dims;       /* 1 or 2 */
    int64_t shape[2];
    int64_t offset, count; /* in floats */
    int flags;
    int layer; /* -1 outside the layers */
};

struct el_layout {
    struct el_tensor_info *tensors; /* ascending offsets, no gaps but padding to 16 floats */
    int n;
    int64_t total;      /* floats in a block, padding included */
    int64_t parameters; /* sum of counts */
};

int el_layout_init(struct el_layout *l, const struct el_config *c, struct el_error *err);
/* The same for MTP layer `index` (0..num_nextn_predict_layers-1), layer num_hidden_layers + index
 * in names: its own embedding, norms and projection of its two inputs, a layer like those before
 * it, norm and head. All tensors have `layer` 0. */
int el_layout_init_mtp(struct el_layout *l, const struct el_config *c, int index,
                       struct el_error *err);
void el_layout_release(struct el_layout *l);
/* Index of a tensor by its Hugging Face name, or EL_ENOTFOUND. */
int el_layout_find(const struct el_layout *l, const char *name);

/* Typed pointers into a block. (rows, columns) as in the checkpoint: y = x W^T. */
struct el_layer_view {
    float *input_norm, *post_norm;    /* (C) */
    float *q_a;                       /* (rq, C) */
    float *q_a_norm;                  /* (rq) */
    float *q_b;                       /* (H*(dn+dr), rq) */
    float *kv_a;                      /* (r+dr, C) */
    float *kv_a_norm;                 /* (r) */
    float *kv_b;                      /* (H*(dn+dv), r): per head dn k_nope rows, then dv v rows */
    float *o;                         /* (C, H*dv) */
    float *ix_q;                      /* (H_I*D_I, rq)  indexer.wq_b */
    float *ix_k;                      /* (D_I, C)       indexer.wk */
    float *ix_k_norm_w, *ix_k_norm_b; /* (D_I) */
    float *ix_w;                      /* (H_I, C)       indexer.weights_proj */
    /* dense layers: gate, up (I, C), down (C, I); MoE layers: the shared experts' FFN of width
     * n_shared*I_moe, or NULL when there is none */
    float *gate, *up, *down;
    /* MoE layers only */
    float *router, *router_bias;      /* (E, C), (E) */
    float *ex_gate, *ex_up, *ex_down; /* (E, I_moe, C), (E, I_moe, C), (E, C, I_moe) */
};

struct el_view {
    float *embed, *norm, *lm_head; /* (V, C), (C), (V, C); lm_head is embed when tied */
    struct el_layer_view *layers;  /* L */
    /* MTP layers only, else NULL; there embed is the layer's own embedding, norm and lm_head are
     * shared_head.norm and shared_head.head */
    float *enorm, *hnorm, *eh_proj; /* (C), (C), (C, 2C): columns [embedding | hidden] */
};

/* Resolves every pointer of a block of l->total floats at base (a device pointer; nothing is
 * dereferenced). Free with el_view_release. */
int el_view_init(struct el_view *v, const struct el_layout *l, const struct el_config *c,
                 float *base, struct el_error *err);
void el_view_release(struct el_view *v);

#endif
