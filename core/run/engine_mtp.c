#include "core/run/engine_mtp.h"

#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "core/model/mtp.h"
#include "core/ops/pointwise.h"
#include "core/tensor/carve.h"

#include <string.h>

struct arrays {
    int32_t *token, *pos, *seq, *slot, *from; /* (max_rows); from: row of the model's pass */
    int32_t *tables;                          /* (max_sequences, table_stride) */
    int32_t *pick;                            /* (max_sequences) */
};

struct el_engine_mtp {
    struct el_mtp_acts acts;
    struct el_layer_cache cache;
    void *block;                     /* device: cache and what follows */
    float *hidden, *picked, *logits; /* device (max_rows, C), (max_sequences, C), (.., V) */
    int32_t *host, *dev;             /* struct arrays */
    float *host_logits;
    struct el_sequence **of_pick;        /* (max_sequences) */
    int rows, sequences, picks, max_pos; /* noted */
};

static size_t array_ints(const struct el_engine *e)
{
    size_t s = (size_t)e->o.max_sequences;
    return 5 * (size_t)e->o.max_rows + s * (size_t)e->table_stride + s;
}

static struct arrays arrays_at(const struct el_engine *e, int32_t *base)
{
    size_t r = (size_t)e->o.max_rows;
    int32_t *tables = base + 5 * r;
    return (struct arrays){.token = base,
                           .pos = base + r,
                           .seq = base + 2 * r,
                           .slot = base + 3 * r,
                           .from = base + 4 * r,
                           .tables = tables,
                           .pick = tables + (size_t)e->o.max_sequences * (size_t)e->table_stride};
}

static void place(struct el_carve *v, const struct el_engine *e, struct el_engine_mtp *m)
{
    const struct el_config *c = &e->w->config;
    int rows = e->pool.n_blocks * e->pool.block_size;
    el_layer_cache_place(&m->cache, v, c, rows, e->o.fp8, e->o.attention == EL_ATTENTION_MQA);
    m->hidden = el_carve_floats(v, e->o.max_rows, c->hidden_size);
    m->picked = el_carve_floats(v, e->o.max_sequences, c->hidden_size);
    m->logits = el_carve_floats(v, e->o.max_sequences, c->vocab_size);
    m->dev = el_carve(v, array_ints(e), sizeof(int32_t));
}

static int make_device_parts(struct el_engine *e, struct el_engine_mtp *m)
{
    struct el_carve v = {0};
    place(&v, e, m);
    m->block = el_device_alloc(e->w->device, v.used);
    v = (struct el_carve){.base = m->block};
    if (m->block)
        place(&v, e, m);
    return m->block != NULL;
}

static int make_host_parts(struct el_engine *e, struct el_engine_mtp *m)
{
    size_t s = (size_t)e->o.max_sequences;
    m->host = el_alloc_array(array_ints(e), sizeof *m->host);
    m->host_logits = el_alloc_array(s * (size_t)e->w->config.vocab_size, sizeof(float));
    m->of_pick = el_alloc_array(s, sizeof *m->of_pick);
    return m->host && m->host_logits && m->of_pick;
}

/* What the two must share to work on the same rows. */
static int check_shape(const struct el_engine *e, struct el_error *err)
{
    const struct el_config *a = &e->w->config, *b = &e->o.mtp->config;
    if (b->num_hidden_layers == 1 && e->o.mtp->view.eh_proj && a->hidden_size == b->hidden_size &&
        a->vocab_size == b->vocab_size && a->kv_lora_rank == b->kv_lora_rank &&
        a->qk_rope_head_dim == b->qk_rope_head_dim && a->index_head_dim == b->index_head_dim &&
        e->o.mtp->rope_positions >= e->o.context && e->w->device == e->o.mtp->device)
        return 0;
    return el_error_set(err, EL_EINVAL, "the MTP layer is not of this model");
}

int el_engine_mtp_init(struct el_engine *e, struct el_error *err)
{
    int rc = check_shape(e, err);
    if (rc < 0)
        return rc;
    struct el_engine_mtp *m = e->mtp = el_alloc_array(1, sizeof *m);
    if (!m)
        return el_error_set(err, EL_ENOMEM, "out of memory for an MTP layer");
    rc = el_mtp_acts_init(&m->acts, e->o.mtp, e->o.max_rows, err);
    if (rc == 0 && (!make_device_parts(e, m) || !make_host_parts(e, m)))
        rc = el_error_set(err, EL_ENOMEM, "out of memory for the cache of an MTP layer");
    return rc;
}

void el_engine_mtp_release(struct el_engine *e)
{
    struct el_engine_mtp *m = e->mtp;
    if (!m)
        return;
    el_mtp_acts_release(&m->acts);
    if (m->block)
        el_device_release(e->w->device, m->block);
    el_free(m->host);
    el_free(m->host_logits);
    el_free(m->of_pick);
    el_free(m);
    e->mtp = NULL;
}

/* ---- Noting ---- */

static void note_sequence(const struct el_engine *e, struct el_engine_mtp *m,
                          const struct el_sequence *q)
{
    int32_t *table = arrays_at(e, m->host).tables + (int64_t)m->sequences++ * e->table_stride;
    for (int b = 0; b < e->table_stride; b++)
        table[b] = b < q->n_blocks ? q->blocks[b] << e->pool.block_shift : 0;
}

static void note_row(const struct el_engine *e, struct el_engine_mtp *m,
                     const struct el_sequence *q, int pos, int from)
{
    int shift = e->pool.block_shift, mask = e->pool.block_size - 1, row = m->rows++;
    struct arrays a = arrays_at(e, m->host);
    a.token[row] = q->tokens[pos + 1];
    a.pos[row] = pos;
    a.seq[row] = m->sequences - 1;
    a.slot[row] = (q->blocks[pos >> shift] << shift) + (pos & mask);
    a.from[row] = from;
    m->max_pos = pos > m->max_pos ? pos : m->max_pos;
}

/* Only a sequence that waits for the token behind its last one can use a draft, and only while two
 * more tokens fit. */
static int wants_draft(const struct el_sequence *q, int pos)
{
    return pos == q->computed - 1 && q->n == q->computed + 1 && q->n + 1 < q->capacity;
}

void el_engine_mtp_note(struct el_engine *e, const struct el_pass_arrays *a, int rows)
{
    struct el_engine_mtp *m = e->mtp;
    const struct el_sequence *last = NULL;
    m->rows = m->sequences = m->picks = m->max_pos = 0;
    for (int row = 0; row < rows; row++) {
        struct el_sequence *q = e->row_of[row];
        if (q->state == EL_SEQ_DONE || a->pos[row] >= q->computed) /* a draft that was wrong */
            continue;
        if (q != last)
            note_sequence(e, m, q);
        last = q;
        note_row(e, m, q, a->pos[row], row);
        if (!wants_draft(q, a->pos[row]))
            continue;
        arrays_at(e, m->host).pick[m->picks] = m->rows - 1;
        m->of_pick[m->picks++] = q;
    }
}

/* ---- Drafting ---- */

static struct el_pass upload_rows(const struct el_engine *e, struct el_engine_mtp *m)
{
    struct arrays host = arrays_at(e, m->host), dev = arrays_at(e, m->dev);
    el_engine_upload(e, dev.token, host.token, (size_t)m->rows);
    el_engine_upload(e, dev.pos, host.pos, (size_t)m->rows);
    el_engine_upload(e, dev.seq, host.seq, (size_t)m->rows);
    el_engine_upload(e, dev.slot, host.slot, (size_t)m->rows);
    el_engine_upload(e, dev.from, host.from, (size_t)m->rows);
    el_engine_upload(e, dev.tables, host.tables, (size_t)m->sequences * (size_t)e->table_stride);
    el_engine_upload(e, dev.pick, host.pick, (size_t)m->picks);
    return (struct el_pass){.w = e->o.mtp,
                            .s = e->s,
                            .mode = e->o.attention,
                            .fp8 = e->o.fp8,
                            .token = dev.token,
                            .slot = dev.slot,
                            .cache = &m->cache,
                            .at = {.rows = m->rows,
                                   .sequences = m->sequences,
                                   .seq = dev.seq,
                                   .pos = dev.pos,
                                   .tables = dev.tables,
                                   .table_stride = e->table_stride,
                                   .block_shift = e->pool.block_shift,
                                   .max_pos = m->max_pos}};
}

static void gather(const struct el_engine *e, int rows, const float *src, const int32_t *from,
                   float *dst)
{
    int width = e->w->config.hidden_size;
    el_copy_rows(e->s, &(struct el_copy_rows){.rows = rows,
                                              .width = width,
                                              .src = src,
                                              .src_row = width,
                                              .from = from,
                                              .dst = dst,
                                              .dst_row = width});
}

static void run_layer(const struct el_engine *e, struct el_engine_mtp *m)
{
    struct el_device *d = e->w->device;
    struct arrays dev = arrays_at(e, m->dev);
    struct el_pass pass = upload_rows(e, m);
    gather(e, m->rows, e->o.mtp_before_norm ? e->acts.x_out : e->acts.final, dev.from, m->hidden);
    el_mtp_forward(&pass, m->hidden, &m->acts);
    if (!m->picks)
        return;
    gather(e, m->picks, m->acts.acts.final, dev.pick, m->picked);
    el_transformer_logits(&pass, m->picks, m->picked, m->logits);
    d->copy_out(d, m->host_logits, m->logits,
                (size_t)m->picks * (size_t)e->w->config.vocab_size * sizeof(float));
}

/* Logits that are no numbers give no draft. */
static void draw_drafts(struct el_engine *e, struct el_engine_mtp *m)
{
    for (int i = 0; i < m->picks; i++) {
        struct el_sequence *q = m->of_pick[i];
        struct el_rng r = {.key = q->key, .counter = 4 * (uint64_t)(q->n - q->n_prompt)};
        int token =
            el_sampler_draw(e->sampler, m->host_logits + (int64_t)i * e->w->config.vocab_size,
                            &q->sampling, el_rng_uniform(&r));
        q->draft = token < 0 ? -1 : token;
    }
}

int el_engine_mtp_draft(struct el_engine *e, struct el_error *err)
{
    struct el_engine_mtp *m = e->mtp;
    if (!m->rows)
        return 0;
    run_layer(e, m);
    int rc = el_stream_check(e->s, err);
    if (rc < 0)
        return rc;
    draw_drafts(e, m);
    m->rows = 0;
    return 0;
}
