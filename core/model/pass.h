/* One pass of rows through the model: what the blocks of a layer need to know. */
#ifndef EL_MODEL_PASS_H
#define EL_MODEL_PASS_H

#include "core/model/acts.h"
#include "core/model/cache.h"
#include "core/model/packed.h"
#include "core/model/weights.h"
#include "core/ops/attention.h"
#include "core/ops/ops.h"

enum el_attention {
    EL_ATTENTION_DENSE, /* every visible key; the indexer does not run */
    EL_ATTENTION_MQA,   /* DSA: the indexer's top-k keys, absorbed MQA over the latent */
    EL_ATTENTION_MHA,   /* for who serves or looks at logits: DSA, prompts as masked MHA while that
                           pays. A pass is in MQA mode then, and names its rows of masked MHA */
};

/* "dense", "mqa", "mha"; and back (EL_EINVAL naming the choices). */
const char *el_attention_name(enum el_attention mode);
int el_attention_parse(const char *name, enum el_attention *mode, struct el_error *err);

/* Whether a pass with `fp8` is possible: EL_EREFUSED naming the field when not. */
int el_pass_check_fp8(const struct el_config *c, struct el_error *err);

struct el_pass {
    const struct el_weights *w;
    const struct el_packed *packed; /* of w, or NULL: forward products pack what they read */
    struct el_stream *s;
    enum el_attention mode; /* dense or MQA */
    int fp8; /* round indexer queries and keys, latents and RoPE keys to FP8: another arithmetic for
                other uses than training and rollouts (core/ops/fp8_round.h). A cache is packed then
                (core/model/cache.h) and holds the same values. */
    /* The first sequences' rows are attended as masked MHA (core/ops/attention_mha.h), in either
     * mode: prompts, while that is cheaper. Serving alone; rows 0: none. */
    struct el_mha_part {
        int rows, max_pos;
    } mha;
    int with_indexer;     /* dense warm-up: compute the indexer's q, k, w though nobody selects */
    struct el_rows at;    /* device pointers */
    const int32_t *token; /* (R) device */
    const int32_t *slot;  /* (R) device, cache row of each new row; NULL in training */
    const struct el_layer_cache *cache; /* (L) packed with fp8; NULL in training */
    const int32_t *routing; /* (MoE layers, R, k) device: routing replay, or NULL: live */
    /* (L, R, index_topk) device: keys to read instead of those that the indexer selects, which
     * stand in the activations all the same; or NULL. MQA mode. */
    const int32_t *selected;
    const float *times; /* (R) device, how many sequences a row belongs to: its weight in the
                           indexer's loss (core/model/pack.h); NULL: one each */
};

/* The keys that the rows of a layer read; NULL: every visible one. */
static inline const int32_t *el_pass_selected(const struct el_pass *p,
                                              const struct el_layer_acts *a, int layer)
{
    int64_t size = (int64_t)p->at.rows * p->w->config.index_topk;
    if (p->mode != EL_ATTENTION_MQA)
        return NULL;
    return p->selected ? p->selected + layer * size : a->selected;
}

/* Where a layer's keys lie: in training they are the pass's own rows, in serving in the layer's
 * cache, into which the new rows are put at `slot` before anyone reads them. */
static inline struct el_layer_cache el_pass_keys(const struct el_pass *p,
                                                 const struct el_layer_acts *a, int layer)
{
    return p->cache ? p->cache[layer] : (struct el_layer_cache){.kv = a->kv, .ki = a->ki};
}

#endif
