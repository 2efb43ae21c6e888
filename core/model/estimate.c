#include "core/model/estimate.h"

#include "core/model/cache.h"
#include "core/model/layout.h"

#include <string.h>

static int is_routed_expert(const struct el_tensor_info *t)
{
    return strstr(t->name, ".mlp.experts.") != NULL;
}

static const struct el_fp8_format *fp8_format(const struct el_config *c)
{
    static const struct el_fp8_format published = {128, 128, 1};
    return c->fp8 ? &c->fp8_format : &published;
}

static void count_bytes(struct el_estimate *e, const struct el_config *c,
                        const struct el_tensor_info *t)
{
    for (int form = 0; form < EL_FORMS; form++) {
        int64_t bytes = el_form_bytes((enum el_form)form, fp8_format(c), t->name, t->dims,
                                      t->shape[0], t->shape[1]);
        e->weight_bytes[form] += bytes;
        if (t->layer == c->num_hidden_layers - 1)
            e->mtp_bytes[form] += bytes;
    }
}

/* An MTP layer is a layer like the last one, its own embedding and head, three norms, and the
 * projection of [embedding | hidden] to the hidden size; none of these is FP8. */
static int count_mtp(struct el_estimate *e, const struct el_config *c, int64_t last_layer,
                     struct el_error *err)
{
    int64_t C = c->hidden_size, V = c->vocab_size, n = c->num_nextn_predict_layers;
    int64_t own = 2 * V * C + 3 * C + 2 * C * C;
    int over = __builtin_mul_overflow(n, last_layer + own, &e->mtp_parameters);
    for (int form = 0; form < EL_FORMS; form++) {
        int64_t each = e->mtp_bytes[form] + own * (form == EL_FORM_F32 ? 4 : 2);
        over |= __builtin_mul_overflow(n, each, &e->mtp_bytes[form]);
    }
    return over ? el_error_set(err, EL_ELIMIT, "the size of %d MTP layers is above 2^63",
                               c->num_nextn_predict_layers)
                : 0;
}

static int count_tensors(struct el_estimate *e, const struct el_config *c,
                         const struct el_layout *l, struct el_error *err)
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
        count_bytes(e, c, t);
    }
    e->parameters = l->parameters;
    e->active_parameters = l->parameters;
    if (routed)
        e->active_parameters -=
            routed / c->n_routed_experts * (c->n_routed_experts - c->num_experts_per_tok);
    e->weight_bytes[EL_FORM_F32] = l->total * 4;
    return count_mtp(e, c, last, err);
}

static void count_cache(struct el_estimate *e, const struct el_config *c)
{
    for (int form = 0; form < EL_FORMS; form++) {
        e->kv_bytes[form] = el_cache_kv_bytes(c, (enum el_form)form);
        e->index_bytes[form] = el_cache_index_bytes(c, (enum el_form)form);
    }
    e->layers = c->num_hidden_layers;
    e->rope_bytes = (int64_t)c->max_position_embeddings * c->qk_rope_head_dim * 4;
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

static int sum_up(struct el_estimate *e, enum el_form form, struct el_error *err)
{
    int64_t tokens = (int64_t)e->context * e->batch, *total = &e->total_bytes[form];
    e->token_bytes[form] = e->layers * (e->kv_bytes[form] + e->index_bytes[form]);
    if (__builtin_mul_overflow(e->token_bytes[form], tokens, &e->cache_bytes[form]) ||
        __builtin_add_overflow(e->cache_bytes[form], e->rope_bytes, total) ||
        __builtin_add_overflow(*total, e->weight_bytes[form], total))
        return el_error_set(err, EL_ELIMIT, "the cache of %d sequences of %d tokens is above 2^63",
                            e->batch, e->context);
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
    *e = (struct el_estimate){.context = context, .batch = batch};
    rc = count_tensors(e, c, &l, err);
    el_layout_release(&l);
    count_cache(e, c);
    e->dense = c->index_topk >= context;
    for (int form = 0; form < EL_FORMS && rc == 0; form++)
        rc = sum_up(e, (enum el_form)form, err);
    return rc;
}

const char *el_estimate_attention(const struct el_estimate *e)
{
    return e->dense ? "dense" : "DSA, absorbed MQA";
}
