#include "core/model/estimate.h"

#include "core/model/layout.h"

#include <string.h>

static int is_routed_expert(const struct el_tensor_info *t)
{
    return strstr(t->name, ".mlp.experts.") != NULL;
}

/* An MTP layer is a layer like the last one, its own embedding and head, three norms, and the
 * projection of [embedding | hidden] to the hidden size. */
static int64_t mtp_parameters(const struct el_config *c, int64_t last_layer)
{
    int64_t C = c->hidden_size, V = c->vocab_size;
    return c->num_nextn_predict_layers * (last_layer + 2 * V * C + 3 * C + 2 * C * C);
}

static void count_tensors(struct el_estimate *e, const struct el_config *c,
                          const struct el_layout *l)
{
    int64_t routed = 0, last = 0;
    for (int i = 0; i < l->n; i++) {
        const struct el_tensor_info *t = &l->tensors[i];
        if (t->flags & EL_TENSOR_INDEXER)
            e->indexer_parameters += t->count;
        if (is_routed_expert(t))
            routed += t->count;
        if (t->layer == c->num_hidden_layers - 1)
            last += t->count;
        e->weight_bytes_bf16 += t->count * (t->flags & EL_TENSOR_F32 ? 4 : 2);
    }
    e->parameters = l->parameters;
    e->active_parameters = l->parameters;
    if (routed)
        e->active_parameters -=
            routed / c->n_routed_experts * (c->n_routed_experts - c->num_experts_per_tok);
    e->mtp_parameters = mtp_parameters(c, last);
    e->weight_bytes_f32 = l->total * 4;
}

static int check_arguments(const struct el_config *c, int context, int batch, struct el_error *err)
{
    if (context < 1 || context > c->max_position_embeddings)
        return el_error_set(err, EL_EINVAL, "context is %d, expected 1 to %d", context,
                            c->max_position_embeddings);
    if (batch < 1 || batch > 1 << 20)
        return el_error_set(err, EL_EINVAL, "batch is %d, expected 1 to %d", batch, 1 << 20);
    return 0;
}

int el_estimate_init(struct el_estimate *e, const struct el_config *c, int context, int batch,
                     struct el_error *err)
{
    struct el_layout l;
    int rc = check_arguments(c, context, batch, err);
    if (rc == 0)
        rc = el_layout_init(&l, c, err);
    if (rc < 0)
        return rc;
    int64_t L = c->num_hidden_layers, tokens = (int64_t)context * batch;
    *e = (struct el_estimate){.context = context, .batch = batch};
    count_tensors(e, c, &l);
    el_layout_release(&l);
    e->rope_bytes = (int64_t)c->max_position_embeddings * c->qk_rope_head_dim * 4;
    e->kv_floats_per_token = L * (c->kv_lora_rank + c->qk_rope_head_dim);
    e->indexer_floats_per_token = L * c->index_head_dim;
    e->dense = c->index_topk >= context;
    int64_t floats = e->kv_floats_per_token + e->indexer_floats_per_token;
    if (__builtin_mul_overflow(floats * 4, tokens, &e->cache_bytes_f32) ||
        __builtin_add_overflow(e->cache_bytes_f32, e->rope_bytes, &e->total_bytes) ||
        __builtin_add_overflow(e->total_bytes, e->weight_bytes_f32, &e->total_bytes))
        return el_error_set(err, EL_ELIMIT, "the cache of %d sequences of %d tokens is above 2^63",
                            batch, context);
    e->cache_bytes_bf16 = e->cache_bytes_f32 / 2;
    return 0;
}

const char *el_estimate_attention(const struct el_estimate *e)
{
    return e->dense ? "dense" : "DSA, absorbed MQA";
}
