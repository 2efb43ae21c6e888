/* What a model needs, from its configuration alone: nothing is loaded or allocated but the list
 * of tensors. All sizes are exact sums, in bytes. */
#ifndef EL_MODEL_ESTIMATE_H
#define EL_MODEL_ESTIMATE_H

#include "core/base/error.h"
#include "core/model/config.h"
#include "core/model/form.h"

#include <stdint.h>

/* Arrays have one number for F32, BF16 and FP8 each. The F32 and FP8 caches are those that an
 * engine makes without and with `fp8` (core/model/cache.h; the FP8 one has the published sizes, 656
 * bytes for a latent of 512 and a RoPE key of 64, 132 for an indexer's key of 128). */
struct el_estimate {
    int64_t parameters;         /* of the model that runs, indexers included */
    int64_t indexer_parameters; /* of these, in the indexers */
    int64_t active_parameters;  /* of these, what one token reads: k of the E routed experts; the
                                   whole embedding table and head are counted */
    int64_t mtp_parameters;     /* MTP layers with their copies of embedding and head: in the
                                   checkpoint, not in `parameters`; loaded only to draft */
    int64_t weight_bytes[EL_FORMS]; /* F32: in memory, padding included; BF16 and FP8: stored, FP8
                                       with its scales (128 x 128 where the configuration does not
                                       say otherwise); without MTP layers */
    int64_t mtp_bytes[EL_FORMS];    /* of the MTP layers, as they are stored */
    int64_t rope_bytes;             /* cos and sin tables, fp32 */
    int64_t kv_bytes[EL_FORMS];     /* cache of one token in one layer: latent and RoPE key */
    int64_t index_bytes[EL_FORMS];  /* the same: the indexer's key */
    int layers;                     /* L */
    int context, batch;
    int64_t token_bytes[EL_FORMS]; /* L (kv_bytes + index_bytes) */
    int64_t cache_bytes[EL_FORMS]; /* of context * batch tokens */
    int64_t total_bytes[EL_FORMS]; /* weights, RoPE tables and cache */
    int dense; /* attention at this context: 1 dense (index_topk >= context), 0 DSA */
};

/* context 1..max_position_embeddings, batch 1..2^20. EL_ELIMIT when a sum leaves int64. */
int el_estimate_init(struct el_estimate *e, const struct el_config *c, int context, int batch,
                     struct el_error *err);

/* "dense" or "DSA, absorbed MQA". */
const char *el_estimate_attention(const struct el_estimate *e);

#endif
