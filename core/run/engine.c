#include "core/run/engine_mtp.h"

#include "core/base/alloc.h"
#include "core/model/selection.h"
#include "core/tensor/carve.h"

#include <string.h>

enum {
    block_size = 16,
    max_cache_tokens = 1 << 30, /* cache rows are counted in int */
    packed_bytes = 1 << 30,     /* weights that take more are read as they are: a second copy of
                                   them costs more memory than it is worth */
};

static void place_cache(struct el_carve *v, struct el_engine *e)
{
    const struct el_config *c = &e->w->config;
    int rows = e->pool.n_blocks * block_size;
    for (int l = 0; l < c->num_hidden_layers; l++)
        el_layer_cache_place(&e->cache[l], v, c, rows, e->o.fp8,
                             e->o.attention == EL_ATTENTION_MQA);
    e->hidden = el_carve_floats(v, el_engine_picks(e), c->hidden_size);
    e->logits = el_carve_floats(v, el_engine_picks(e), c->vocab_size);
    e->logp = el_carve_floats(v, el_engine_picks(e), 1);
    e->dev = el_carve(v, el_pass_ints(e), sizeof(int32_t));
}

static int device_parts(struct el_engine *e, struct el_error *err)
{
    struct el_carve v = {0};
    place_cache(&v, e);
    e->cache_block = el_device_alloc(e->w->device, v.used);
    if (!e->cache_block)
        return el_error_set(err, EL_ENOMEM, "out of memory for a cache of %d tokens (%zu bytes)",
                            e->o.cache_tokens, v.used);
    v = (struct el_carve){.base = e->cache_block};
    place_cache(&v, e);
    return 0;
}

static int host_parts(struct el_engine *e)
{
    size_t sequences = (size_t)e->o.max_sequences, picks = (size_t)el_engine_picks(e);
    e->host = el_alloc_array(el_pass_ints(e), sizeof *e->host);
    e->running = el_alloc_array(sequences, sizeof *e->running);
    e->row_of = el_alloc_array((size_t)e->o.max_rows, sizeof *e->row_of);
    e->host_logits = el_alloc_array(picks * (size_t)e->w->config.vocab_size, sizeof(float));
    e->host_logp = el_alloc_array(picks, sizeof(float));
    size_t rows = (size_t)e->pool.n_blocks * block_size;
    if (e->o.trace & EL_TRACE_ROUTED) {
        size_t per_row = (size_t)el_engine_moe_layers(e) * (size_t)e->w->config.num_experts_per_tok;
        e->routed = el_alloc_array(rows * per_row, sizeof *e->routed);
    }
    if (e->o.trace & EL_TRACE_SELECTED)
        e->selected = el_alloc_array(rows * (size_t)e->w->config.num_hidden_layers *
                                         (size_t)el_selection_words(e->o.context),
                                     sizeof *e->selected);
    return e->host && e->running && e->row_of && e->host_logits && e->host_logp &&
           (e->routed || !(e->o.trace & EL_TRACE_ROUTED)) &&
           (e->selected || !(e->o.trace & EL_TRACE_SELECTED));
}

static int make_samplers(struct el_engine *e, struct el_error *err)
{
    e->sampler = el_alloc_array((size_t)e->s->threads, sizeof *e->sampler);
    if (!e->sampler)
        return el_error_set(err, EL_ENOMEM, "out of memory for the engine");
    for (; e->n_samplers < e->s->threads; e->n_samplers++) {
        int rc = el_sampler_init(&e->sampler[e->n_samplers], e->w->config.vocab_size, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int el_engine_check(const struct el_config *c, const struct el_engine_options *o, int mtp,
                    struct el_error *err)
{
    if (o->max_sequences < 1 || o->max_rows < o->max_sequences)
        return el_error_set(err, EL_EINVAL,
                            "batch of %d sequences in passes of %d rows: expected "
                            "1 <= sequences <= rows",
                            o->max_sequences, o->max_rows);
    if (o->context < 2 || o->context > c->max_position_embeddings)
        return el_error_set(err, EL_EINVAL, "context of %d tokens: this model allows 2..%d",
                            o->context, c->max_position_embeddings);
    if (o->cache_tokens < o->context)
        return el_error_set(err, EL_EINVAL, "a cache of %d tokens cannot hold one context of %d",
                            o->cache_tokens, o->context);
    if ((o->trace & EL_TRACE_SELECTED) && o->attention == EL_ATTENTION_DENSE)
        return el_error_set(err, EL_EINVAL, "dense attention selects no keys to trace");
    if (o->mha_limit < EL_MHA_MEASURE)
        return el_error_set(err, EL_EINVAL,
                            "masked MHA for prompts of up to %d tokens: expected 0 or more",
                            o->mha_limit);
    if ((o->mha_limit || o->attention == EL_ATTENTION_MHA) && mtp)
        return el_error_set(err, EL_EINVAL,
                            "masked MHA beside an MTP layer that drafts: expected one of them");
    if (o->fp8 && el_pass_check_fp8(c, err) < 0)
        return EL_EREFUSED;
    if (o->cache_tokens > max_cache_tokens)
        return el_error_set(err, EL_EINVAL, "a cache of %d tokens: expected at most %d",
                            o->cache_tokens, max_cache_tokens);
    return 0;
}

int el_engine_init(struct el_engine *e, const struct el_weights *w, struct el_stream *s,
                   const struct el_engine_options *o, struct el_error *err)
{
    *e = (struct el_engine){.w = w, .s = s, .o = *o, .eos = w->config.eos_token_id};
    if (o->attention == EL_ATTENTION_MHA) {
        e->o.attention = EL_ATTENTION_MQA;
        e->o.mha_limit = o->mha_limit ? o->mha_limit : EL_MHA_MEASURE;
    }
    o = &e->o;
    int rc = el_engine_check(&w->config, o, o->mtp != NULL, err);
    if (rc < 0)
        return rc;
    e->table_stride = (o->context + block_size - 1) / block_size;
    e->cache = el_alloc_array((size_t)w->config.num_hidden_layers, sizeof *e->cache);
    if (!e->cache)
        return el_error_set(err, EL_ENOMEM, "out of memory for the engine");
    rc =
        el_kv_pool_init(&e->pool, (o->cache_tokens + block_size - 1) / block_size, block_size, err);
    if (rc == 0)
        rc = el_acts_init(&e->acts, &w->config, w->device, o->max_rows,
                          o->trace & EL_TRACE_SELECTED ? EL_ACTS_SHARE_SELECT : EL_ACTS_SHARE, err);
    if (rc == 0)
        rc = make_samplers(e, err);
    if (rc == 0)
        rc = device_parts(e, err);
    if (rc == 0 && !host_parts(e))
        rc = el_error_set(err, EL_ENOMEM, "out of memory for the engine");
    if (rc == 0)
        rc = o->compute == EL_COMPUTE_BF16 ? el_packed_init_bf16(&e->packed, w, err)
                                           : el_packed_init(&e->packed, w, packed_bytes, err);
    if (rc == 0 && o->mtp)
        rc = el_engine_mtp_init(e, err);
    if (rc == 0 && o->mha_limit == EL_MHA_MEASURE)
        rc = el_engine_measure_mha(e, err);
    if (rc < 0)
        el_engine_release(e);
    return rc;
}

static void free_list(struct el_sequence *q)
{
    while (q) {
        struct el_sequence *next = q->next;
        el_sequence_free(q);
        q = next;
    }
}

void el_engine_release(struct el_engine *e)
{
    for (int i = 0; i < e->n_running; i++)
        el_sequence_free(e->running[i]);
    free_list(e->waiting);
    free_list(e->finished);
    el_engine_mtp_release(e);
    el_kv_pool_release(&e->pool);
    el_packed_release(&e->packed);
    el_acts_release(&e->acts);
    for (int i = 0; i < e->n_samplers; i++)
        el_sampler_release(&e->sampler[i]);
    el_free(e->sampler);
    if (e->cache_block)
        el_device_release(e->w->device, e->cache_block);
    el_free(e->cache);
    el_free(e->host);
    el_free(e->running);
    el_free(e->row_of);
    el_free(e->host_logits);
    el_free(e->host_logp);
    el_free(e->routed);
    el_free(e->selected);
    memset(e, 0, sizeof *e);
}

void el_sequence_free(struct el_sequence *q)
{
    if (!q)
        return;
    el_free(q->tokens);
    el_free(q->logps);
    el_free(q->blocks);
    el_free(q->kept_start);
    el_free(q->kept);
    el_free(q->routed);
    el_free(q->selected);
    el_free(q->logits);
    el_free(q);
}

static int trace_arrays(const struct el_engine *e, struct el_sequence *q)
{
    const struct el_config *c = &e->w->config;
    size_t n = (size_t)q->capacity;
    q->kept_start = el_alloc_array(n - (size_t)q->n_prompt + 1, sizeof *q->kept_start);
    if (e->routed)
        q->routed =
            el_alloc_array(n * (size_t)el_engine_moe_layers(e) * (size_t)c->num_experts_per_tok,
                           sizeof *q->routed);
    q->selected_words = e->selected ? el_selection_words(q->capacity) : 0;
    if (e->selected)
        q->selected = el_alloc_array(n * (size_t)c->num_hidden_layers * (size_t)q->selected_words,
                                     sizeof *q->selected);
    return q->kept_start && (q->routed || !e->routed) && (q->selected || !e->selected);
}

static int sequence_arrays(const struct el_engine *e, struct el_sequence *q)
{
    size_t room = (size_t)(q->capacity - q->n_prompt);
    q->tokens = el_alloc_array((size_t)q->capacity, sizeof *q->tokens);
    q->logps = el_alloc_array(room, sizeof *q->logps);
    q->blocks = el_alloc_array((size_t)e->table_stride, sizeof *q->blocks);
    if (e->o.logits)
        q->logits = el_alloc_array(room * (size_t)e->w->config.vocab_size, sizeof *q->logits);
    return q->tokens && q->logps && q->blocks && (q->logits || !e->o.logits) &&
           (!q->trace || trace_arrays(e, q));
}

static int check_prompt(const struct el_engine *e, const int32_t *tokens, int n, int trace,
                        const struct el_sampling *sampling, struct el_error *err)
{
    int rc = el_sampling_check(sampling, err);
    if (rc < 0)
        return rc;
    if (n < 1)
        return el_error_set(err, EL_EINVAL, "a prompt of %d tokens: expected at least one", n);
    if (n >= e->o.context)
        return el_error_set(err, EL_ELIMIT,
                            "a prompt of %d tokens does not fit into the context of "
                            "%d",
                            n, e->o.context);
    if (trace && !e->o.trace)
        return el_error_set(err, EL_EINVAL, "a trace is wanted from an engine without traces");
    for (int i = 0; i < n; i++)
        if (tokens[i] < 0 || tokens[i] >= e->w->config.vocab_size)
            return el_error_set(err, EL_EINVAL, "token %d at position %d: expected 0..%d",
                                tokens[i], i, e->w->config.vocab_size - 1);
    return 0;
}

int el_engine_add(struct el_engine *e, const int32_t *tokens, int n,
                  const struct el_sampling *sampling, uint64_t key, int trace, void *user,
                  struct el_sequence **out, struct el_error *err)
{
    int rc = check_prompt(e, tokens, n, trace, sampling, err);
    if (rc < 0)
        return rc;
    struct el_sequence *q = el_alloc_array(1, sizeof *q);
    if (!q)
        return el_error_set(err, EL_ENOMEM, "out of memory for a sequence");
    int room = e->o.context - n < sampling->max_tokens ? e->o.context - n : sampling->max_tokens;
    *q = (struct el_sequence){.n_prompt = n,
                              .n = n,
                              .capacity = n + room,
                              .sampling = *sampling,
                              .key = key,
                              .draft = -1,
                              .mha_blocks = n <= e->o.mha_limit ? (n - 1) / block_size : 0,
                              .trace = trace,
                              .user = user};
    if (!sequence_arrays(e, q)) {
        el_sequence_free(q);
        return el_error_set(err, EL_ENOMEM, "out of memory for a sequence of %d tokens", n + room);
    }
    memcpy(q->tokens, tokens, (size_t)n * sizeof *tokens);
    if (e->waiting)
        e->waiting_tail->next = q;
    else
        e->waiting = q;
    e->waiting_tail = q;
    if (out)
        *out = q;
    return 0;
}

void el_engine_finish(struct el_engine *e, int i, enum el_finish finish)
{
    struct el_sequence *q = e->running[i];
    int total = (q->capacity + block_size - 1) / block_size;
    el_kv_pool_unreserve(&e->pool, total - q->n_blocks);
    for (int b = q->n_blocks - 1; b >= 0; b--)
        el_kv_pool_drop(&e->pool, q->blocks[b]);
    e->running[i] = e->running[--e->n_running];
    q->n_blocks = 0;
    q->state = EL_SEQ_DONE;
    q->finish = finish;
    if (e->finished)
        e->finished_tail->next = q;
    else
        e->finished = q;
    e->finished_tail = q;
}

struct el_sequence *el_engine_take(struct el_engine *e)
{
    struct el_sequence *q = e->finished;
    if (q) {
        e->finished = q->next;
        q->next = NULL;
    }
    return q;
}

int el_engine_forget(struct el_engine *e, struct el_error *err)
{
    if (e->n_running)
        return el_error_set(err, EL_EBUSY,
                            "the weights changed while %d sequences were running on them",
                            e->n_running);
    el_kv_pool_forget(&e->pool);
    e->packed_is_current = 0;
    return 0;
}

int el_engine_in_flight(const struct el_engine *e)
{
    int n = e->n_running;
    for (const struct el_sequence *q = e->waiting; q; q = q->next)
        n++;
    for (const struct el_sequence *q = e->finished; q; q = q->next)
        n++;
    return n;
}
