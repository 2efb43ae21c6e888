/* What a model needs, from its configuration alone: nothing is loaded or allocated but the list
 * of tensors. All sizes are exact sums, in bytes. */
#ifndef EL_MODEL_ESTIMATE_H
#define EL_MODEL_ESTIMATE_H

#include "core/base/error.h"
#include "core/model/config.h"

#include <stdint.h>

struct el_estimate {
    int64_t parameters;          /* of the model that runs, indexers included */
    int64_t indexer_parameters;  /* of these, in the indexers */
    int64_t active_parameters;   /* of these, what one token reads: k of the E routed experts; the
                                    whole embedding table and head are counted */
    int64_t mtp_parameters;      /* MTP layers with their copies of embedding and head: in the
                                    checkpoint, not in `parameters`, never loaded */
    int64_t weight_bytes_f32;    /* in memory, padding included */
    int64_t weight_bytes_bf16;   /* in a BF16 checkpoint */
    int64_t rope_bytes;          /* cos and sin tables, fp32 */
    int64_t kv_floats_per_token; /* L (r + dr): latents and rope keys */
    int64_t indexer_floats_per_token; /* L D_I: indexer keys */
    int context, batch;
    int64_t cache_bytes_f32, cache_bytes_bf16; /* both kinds of keys, context * batch tokens */
    int64_t total_bytes;                       /* fp32 weights, RoPE tables and fp32 cache */
    int dense; /* attention at this context: 1 dense (index_topk >= context), 0 DSA */
};

/* context 1..max_position_embeddings, batch 1..2^20. EL_ELIMIT when a sum leaves int64. */
int el_estimate_init(struct el_estimate *e, const struct el_config *c, int context, int batch,
                     struct el_error *err);

/* "dense" or "DSA, absorbed MQA". */
const char *el_estimate_attention(const struct el_estimate *e);

#endif
