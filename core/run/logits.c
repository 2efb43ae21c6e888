#include "core/run/logits.h"

#include "core/base/alloc.h"
#include "core/model/pack.h"
#include "core/model/transformer.h"
#include "core/run/engine.h"
#include "core/tensor/safetensors.h"

#include <stdio.h>
#include <string.h>

enum { chunk = 128 /* rows of logits made at a time */, name_size = 32 };

struct run {
    const struct el_weights *w;
    struct el_stream *s;
    const struct el_token_batch *b;
    const struct el_logits_options *o;
    struct el_progress *progress;
    struct el_pack pack;
    struct el_acts acts;
    struct el_packed packed; /* with compute bf16, else empty */
    float *dev, *host;       /* (chunk, V) */
    int32_t **selected;      /* (L) of (B, T, topk), with trace in MQA mode */
    int32_t **routed;        /* (L) of (B, T, k), with trace: MoE layers */
    int32_t *generated;      /* (B, N) */
    float *generated_logits; /* (B, N, V) */
    struct el_st_tensor *tensors;
    char (*names)[name_size];
    int n_tensors;
    struct el_st_writer out;
};

static void release(struct run *r)
{
    for (int l = 0; l < r->w->config.num_hidden_layers; l++) {
        if (r->selected)
            el_free(r->selected[l]);
        if (r->routed)
            el_free(r->routed[l]);
    }
    el_pack_release(&r->pack);
    el_acts_release(&r->acts);
    el_packed_release(&r->packed);
    if (r->dev)
        el_device_release(r->w->device, r->dev);
    el_free(r->host);
    el_free(r->selected);
    el_free(r->routed);
    el_free(r->generated);
    el_free(r->generated_logits);
    el_free(r->tensors);
    el_free(r->names);
}

static int trace_arrays(struct run *r)
{
    const struct el_config *c = &r->w->config;
    size_t rows = (size_t)r->b->batch * (size_t)r->b->length;
    for (int l = 0; r->o->trace && l < c->num_hidden_layers; l++) {
        if (r->o->attention != EL_ATTENTION_DENSE &&
            !(r->selected[l] =
                  el_alloc_array(rows * (size_t)c->index_topk, sizeof *r->selected[l])))
            return 0;
        if (el_config_layer_is_moe(c, l) &&
            !(r->routed[l] =
                  el_alloc_array(rows * (size_t)c->num_experts_per_tok, sizeof *r->routed[l])))
            return 0;
    }
    return 1;
}

static int arrays(struct run *r)
{
    size_t layers = (size_t)r->w->config.num_hidden_layers, v = (size_t)r->w->config.vocab_size;
    size_t drawn = (size_t)r->b->batch * (size_t)r->o->greedy;
    r->dev = el_device_alloc(r->w->device, chunk * v * sizeof(float));
    r->host = el_alloc_array(chunk * v, sizeof(float));
    r->selected = el_alloc_array(layers, sizeof *r->selected);
    r->routed = el_alloc_array(layers, sizeof *r->routed);
    r->tensors = el_alloc_array(2 * layers + 3, sizeof *r->tensors);
    r->names = el_alloc_array(2 * layers + 3, sizeof *r->names);
    r->generated = el_alloc_array(drawn + 1, sizeof *r->generated);
    r->generated_logits = el_alloc_array(drawn * v + 1, sizeof(float));
    return r->dev && r->host && r->selected && r->routed && r->tensors && r->names &&
           r->generated && r->generated_logits && trace_arrays(r);
}

/* What a trace reads after the pass is chosen and, not dense, selected. */
static int acts_kept(const struct el_logits_options *o)
{
    return o->trace && o->attention != EL_ATTENTION_DENSE ? EL_ACTS_SHARE_SELECT : EL_ACTS_SHARE;
}

static int init(struct run *r, struct el_error *err)
{
    if (!arrays(r))
        return el_error_set(err, EL_ENOMEM, "out of memory for the logits of %d x %d tokens",
                            r->b->batch, r->b->length);
    int rc = el_pack_init(&r->pack, r->w->device, r->b->length, 1, err);
    if (rc == 0)
        rc =
            el_acts_init(&r->acts, &r->w->config, r->w->device, r->b->length, acts_kept(r->o), err);
    if (rc == 0 && r->o->compute == EL_COMPUTE_BF16)
        rc = el_packed_init_bf16(&r->packed, r->w, err);
    if (rc == 0)
        el_packed_fill(&r->packed, r->s);
    return rc;
}

static void announce(struct run *r, const char *name, int layer, enum el_dtype dtype,
                     const void *data, int middle, int width)
{
    struct el_st_tensor *t = &r->tensors[r->n_tensors];
    if (layer < 0)
        snprintf(r->names[r->n_tensors], name_size, "%s", name);
    else
        snprintf(r->names[r->n_tensors], name_size, "%s.%d", name, layer);
    *t = (struct el_st_tensor){.name = r->names[r->n_tensors],
                               .dtype = dtype,
                               .dims = width ? 3 : 2,
                               .shape = {r->b->batch, middle, width},
                               .data = data};
    t->bytes = (size_t)r->b->batch * (size_t)middle * (size_t)(width ? width : 1) * 4;
    r->n_tensors++;
}

/* `logits` comes first: it is written as it is made, all others afterwards. */
static int begin(struct run *r, const char *path, struct el_error *err)
{
    const struct el_config *c = &r->w->config;
    const struct el_st_meta meta[] = {{"attention", el_attention_name(r->o->attention)},
                                      {"ops", r->s->ops->name},
                                      {"model_digest", r->w->digest},
                                      {"compute", el_compute_name(r->o->compute)},
                                      {"bf16_kernel", el_ops_bf16_name(r->s->ops)},
                                      {"fp8", "1"}};
    announce(r, "logits", -1, EL_F32, NULL, r->b->length, c->vocab_size);
    if (r->o->greedy) {
        announce(r, "generated", -1, EL_I32, r->generated, r->o->greedy, 0);
        announce(r, "generated_logits", -1, EL_F32, r->generated_logits, r->o->greedy,
                 c->vocab_size);
    }
    for (int l = 0; l < c->num_hidden_layers; l++) {
        if (r->selected[l])
            announce(r, "selected", l, EL_I32, r->selected[l], r->b->length, c->index_topk);
        if (r->routed[l])
            announce(r, "routed", l, EL_I32, r->routed[l], r->b->length, c->num_experts_per_tok);
    }
    return el_st_writer_begin(&r->out, path, r->tensors, r->n_tensors, meta, r->o->fp8 ? 6 : 5,
                              err);
}

static void copy_trace(struct run *r, const int32_t *from, int32_t *to, int row, int width)
{
    size_t n = (size_t)r->b->length * (size_t)width;
    if (to)
        r->w->device->copy_out(r->w->device, to + (size_t)row * n, from, n * sizeof *to);
}

static int write_rows(struct run *r, const struct el_pass *pass, int at, int n,
                      struct el_error *err)
{
    const struct el_config *c = &r->w->config;
    size_t bytes = (size_t)n * (size_t)c->vocab_size * sizeof(float);
    el_transformer_logits(pass, n, r->acts.final + (int64_t)at * c->hidden_size, r->dev);
    int rc = el_stream_check(r->s, err);
    if (rc < 0)
        return rc;
    r->w->device->copy_out(r->w->device, r->host, r->dev, bytes);
    return el_st_writer_add(&r->out, r->host, bytes, err);
}

static int one_sequence(struct run *r, int row, struct el_error *err)
{
    const struct el_config *c = &r->w->config;
    int length = r->b->length;
    int mha = r->o->attention == EL_ATTENTION_MHA;
    struct el_pass pass = {.w = r->w,
                           .packed = &r->packed,
                           .s = r->s,
                           .mode = mha ? EL_ATTENTION_MQA : r->o->attention,
                           .fp8 = r->o->fp8};
    if (mha)
        pass.mha = (struct el_mha_part){length, length - 1};
    el_pack_clear(&r->pack);
    int rc = el_pack_add(&r->pack, r->b->tokens + (int64_t)row * length, NULL, length,
                         c->vocab_size, err);
    if (rc < 0)
        return rc;
    el_pack_upload(&r->pack, &pass);
    el_transformer_forward(&pass, &r->acts);
    for (int at = 0; at < length && rc == 0; at += chunk)
        rc = write_rows(r, &pass, at, length - at < chunk ? length - at : chunk, err);
    for (int l = 0; l < c->num_hidden_layers && rc == 0; l++) {
        copy_trace(r, r->acts.layer[l].selected, r->selected[l], row, c->index_topk);
        copy_trace(r, r->acts.layer[l].chosen, r->routed[l], row, c->num_experts_per_tok);
    }
    return rc;
}

static int all_sequences(struct run *r, struct el_error *err)
{
    int rc = 0;
    for (int row = 0; row < r->b->batch && rc == 0; row++) {
        if (el_stop_requested)
            return el_error_set(err, EL_EINTR, "interrupted");
        rc = one_sequence(r, row, err);
        el_progress_update(r->progress, (int64_t)(row + 1) * r->b->length,
                           (int64_t)r->b->batch * r->b->length, NULL);
    }
    return rc;
}

static void keep_generated(struct run *r, const struct el_sequence *q)
{
    size_t n = (size_t)r->o->greedy, v = (size_t)r->w->config.vocab_size;
    size_t row = *(const size_t *)q->user, drawn = (size_t)(q->n - q->n_prompt);
    memcpy(r->generated + row * n, q->tokens + q->n_prompt, drawn * sizeof *q->tokens);
    memcpy(r->generated_logits + row * n * v, q->logits, drawn * v * sizeof(float));
}

/* All rows together in one engine; `rows` is what their `user` points at. */
static int decode(struct run *r, struct el_engine *e, size_t *rows, struct el_error *err)
{
    const struct el_sampling greedy = {.top_p = 1, .max_tokens = r->o->greedy};
    int left = r->b->batch, rc = 0;
    for (int i = 0; i < r->b->batch && rc == 0; i++) {
        rows[i] = (size_t)i;
        rc = el_engine_add(e, r->b->tokens + (int64_t)i * r->b->length, r->b->length, &greedy, 0, 0,
                           &rows[i], NULL, err);
    }
    while (left > 0 && rc >= 0) {
        if (el_stop_requested)
            return el_error_set(err, EL_EINTR, "interrupted");
        rc = el_engine_step(e, err);
        for (struct el_sequence *q; rc >= 0 && (q = el_engine_take(e)); left--) {
            if (q->finish == EL_FINISH_ERROR)
                rc = el_error_set(err, EL_ENUMERIC, "the logits of row %zu are not finite",
                                  *(size_t *)q->user);
            else
                keep_generated(r, q);
            el_sequence_free(q);
        }
    }
    return rc < 0 ? rc : 0;
}

static int generate(struct run *r, struct el_error *err)
{
    struct el_engine e;
    int context = r->b->length + r->o->greedy, batch = r->b->batch < 32 ? r->b->batch : 32;
    int room = (context + 15) / 16 * 16;
    const struct el_engine_options o = {.attention = r->o->attention,
                                        .mha_limit =
                                            r->o->attention == EL_ATTENTION_MHA ? context : 0,
                                        .max_sequences = batch,
                                        .max_rows = batch + 256,
                                        .context = context,
                                        .cache_tokens = batch * room,
                                        .fp8 = r->o->fp8,
                                        .compute = r->o->compute,
                                        .logits = 1};
    size_t *rows = el_alloc_array((size_t)r->b->batch, sizeof *rows);
    if (!rows)
        return el_error_set(err, EL_ENOMEM, "out of memory for %d rows", r->b->batch);
    int rc = el_engine_init(&e, r->w, r->s, &o, err);
    if (rc == 0) {
        e.eos = -1; /* every row gets as many tokens */
        rc = decode(r, &e, rows, err);
        el_engine_release(&e);
    }
    el_free(rows);
    return rc;
}

static int write_all(struct run *r, const char *path, struct el_error *err)
{
    int rc = begin(r, path, err);
    if (rc < 0)
        return rc;
    rc = all_sequences(r, err);
    if (rc == 0 && r->o->greedy)
        rc = generate(r, err);
    for (int i = 1; i < r->n_tensors && rc == 0; i++)
        rc = el_st_writer_add(&r->out, r->tensors[i].data, r->tensors[i].bytes, err);
    if (rc == 0)
        return el_st_writer_commit(&r->out, err);
    el_st_writer_discard(&r->out);
    return rc;
}

int el_logits_write(const struct el_weights *w, struct el_stream *s, const struct el_token_batch *b,
                    const struct el_logits_options *o, const char *path,
                    struct el_progress *progress, struct el_error *err)
{
    struct run r = {.w = w, .s = s, .b = b, .o = o, .progress = progress};
    if (o->greedy < 0 || b->length > w->rope_positions - o->greedy)
        return el_error_set(err, EL_ELIMIT,
                            "%d tokens and %d more: this model's context is %d tokens", b->length,
                            o->greedy, w->rope_positions);
    int rc = o->fp8 ? el_pass_check_fp8(&w->config, err) : 0;
    if (rc == 0)
        rc = init(&r, err);
    if (rc == 0)
        rc = write_all(&r, path, err);
    release(&r);
    return rc;
}
