/* One step of the engine: build a pass, run it, draw tokens, book blocks.
 *
 * A sequence's total (n) grows by drawn tokens, `computed` follows behind it: the difference is
 * what the next pass must push through the model. A decoding sequence is one token behind, a new
 * one its whole prompt. */
#include "core/run/engine_mtp.h"

#include "core/base/alloc.h"
#include "core/model/selection.h"
#include "core/ops/pointwise.h"

#include <math.h>
#include <string.h>

struct plan {
    int rows, sequences, max_pos, picks;
    struct el_mha_part mha;
    int prefill; /* rows of prompts */
    int drafts;  /* rows of drafts */
};

/* Gives a sequence the blocks for its next n positions; reservation makes this always possible. */
static void take_blocks(struct el_engine *e, struct el_sequence *q, int n)
{
    int need = (q->computed + n + e->pool.block_size - 1) / e->pool.block_size;
    while (q->n_blocks < need)
        q->blocks[q->n_blocks++] = el_kv_pool_take(&e->pool);
}

/* Rows for positions from..to-1 of a sequence, whose blocks it has. */
static void add_rows(struct el_engine *e, struct el_pass_arrays *a, struct plan *plan,
                     struct el_sequence *q, int from, int to)
{
    int shift = e->pool.block_shift, mask = e->pool.block_size - 1;
    for (int pos = from; pos < to; pos++) {
        int row = plan->rows++;
        a->token[row] = pos < q->n ? q->tokens[pos] : q->draft;
        a->pos[row] = pos;
        a->seq[row] = plan->sequences;
        a->slot[row] = (q->blocks[pos >> shift] << shift) + (pos & mask);
        e->row_of[row] = q;
    }
    int32_t *table = a->tables + (int64_t)plan->sequences * e->table_stride;
    for (int b = 0; b < e->table_stride; b++)
        table[b] = b < q->n_blocks ? q->blocks[b] << shift : 0;
    plan->max_pos = to - 1 > plan->max_pos ? to - 1 : plan->max_pos;
    plan->sequences++;
}

/* How many rows each sequence gets: one if it decodes, and as much of the others' prompts, and as
 * many drafts, as still fit. */
static void deal_rows(struct el_engine *e, struct plan *plan)
{
    int spare = e->o.max_rows - e->n_running;
    for (int i = 0; i < e->n_running; i++) {
        struct el_sequence *q = e->running[i];
        int pending = q->n - q->computed;
        int n = pending - 1 < spare ? pending : spare + 1;
        spare -= n - 1;
        q->drafted = n == pending && q->draft >= 0 && spare > 0;
        spare -= q->drafted;
        q->pending = n + q->drafted;
        take_blocks(e, q, q->pending);
        plan->drafts += q->drafted;
        plan->prefill += q->n == q->n_prompt ? n : 0;
    }
}

/* Where the part of a sequence's rows that is attended as masked MHA ends. */
static int mha_end(const struct el_engine *e, const struct el_sequence *q)
{
    int end = q->computed + q->pending, most = q->mha_blocks * e->pool.block_size;
    return most < q->computed ? q->computed : most < end ? most : end;
}

/* Rows of all running sequences, in batch order; those of masked MHA first. The row of a draft is
 * picked behind the one that decides about it. */
static struct plan fill_plan(struct el_engine *e, struct el_pass_arrays *a)
{
    struct plan plan = {0};
    deal_rows(e, &plan);
    for (int i = 0; i < e->n_running; i++) {
        struct el_sequence *q = e->running[i];
        if (mha_end(e, q) > q->computed)
            add_rows(e, a, &plan, q, q->computed, mha_end(e, q));
    }
    plan.mha = (struct el_mha_part){plan.rows, plan.max_pos};
    for (int i = 0; i < e->n_running; i++) {
        struct el_sequence *q = e->running[i];
        int from = mha_end(e, q), to = q->computed + q->pending;
        if (from == to)
            continue;
        add_rows(e, a, &plan, q, from, to);
        if (to - q->drafted == q->n)
            a->pick[plan.picks++] = plan.rows - 1 - q->drafted;
        if (q->drafted)
            a->pick[plan.picks++] = plan.rows - 1;
    }
    return plan;
}

static struct el_pass upload_plan(struct el_engine *e, const struct el_pass_arrays *host,
                                  const struct el_pass_arrays *dev, const struct plan *plan)
{
    size_t rows = (size_t)plan->rows;
    el_engine_upload(e, dev->token, host->token, rows);
    el_engine_upload(e, dev->pos, host->pos, rows);
    el_engine_upload(e, dev->seq, host->seq, rows);
    el_engine_upload(e, dev->slot, host->slot, rows);
    el_engine_upload(e, dev->tables, host->tables,
                     (size_t)plan->sequences * (size_t)e->table_stride);
    el_engine_upload(e, dev->pick, host->pick, (size_t)plan->picks);
    return (struct el_pass){
        .w = e->w,
        .packed = &e->packed,
        .s = e->s,
        .mode = e->o.attention,
        .mha = plan->mha,
        .fp8 = e->o.fp8,
        .token = dev->token,
        .slot = dev->slot,
        .cache = e->cache,
        .at = {.rows = plan->rows,
               .sequences = plan->sequences,
               .seq = dev->seq,
               .pos = dev->pos,
               .tables = dev->tables,
               .table_stride = e->table_stride,
               .block_shift = e->pool.block_shift,
               .max_pos = plan->max_pos},
    };
}

/* Routed experts of every row go to the host array by cache row, where sharers find them too. */
static int save_routing(struct el_engine *e, const struct el_pass_arrays *a,
                        const struct plan *plan, struct el_error *err)
{
    const struct el_config *c = &e->w->config;
    int k = c->num_experts_per_tok, layers = el_engine_moe_layers(e);
    size_t n = (size_t)plan->rows * (size_t)k;
    int32_t *chosen = el_alloc_array(n, sizeof *chosen);
    if (!chosen)
        return el_error_set(err, EL_ENOMEM, "out of memory for a routing trace");
    for (int l = 0; l < layers; l++) {
        e->w->device->copy_out(e->w->device, chosen,
                               e->acts.layer[c->first_k_dense_replace + l].chosen,
                               n * sizeof *chosen);
        for (int r = 0; r < plan->rows; r++)
            memcpy(e->routed + ((int64_t)a->slot[r] * layers + l) * k, chosen + (int64_t)r * k,
                   (size_t)k * sizeof *chosen);
    }
    el_free(chosen);
    return 0;
}

/* The keys that every row selected, likewise. */
static int save_selection(struct el_engine *e, const struct el_pass_arrays *a,
                          const struct plan *plan, struct el_error *err)
{
    int topk = e->w->config.index_topk, layers = e->w->config.num_hidden_layers;
    int64_t words = el_selection_words(e->o.context);
    size_t n = (size_t)plan->rows * (size_t)topk;
    int32_t *selected = el_alloc_array(n, sizeof *selected);
    if (!selected)
        return el_error_set(err, EL_ENOMEM, "out of memory for a trace of selected keys");
    for (int l = 0; l < layers; l++) {
        e->w->device->copy_out(e->w->device, selected, e->acts.layer[l].selected,
                               n * sizeof *selected);
        for (int r = 0; r < plan->rows; r++)
            el_selection_pack(selected + (int64_t)r * topk, topk,
                              e->selected + ((int64_t)a->slot[r] * layers + l) * words, (int)words);
    }
    el_free(selected);
    return 0;
}

static void pick_logits(struct el_engine *e, const struct el_pass *pass,
                        const struct el_pass_arrays *dev, int picks)
{
    const struct el_config *c = &e->w->config;
    struct el_device *d = e->w->device;
    el_copy_rows(e->s, &(struct el_copy_rows){.rows = picks,
                                              .width = c->hidden_size,
                                              .src = e->acts.final,
                                              .src_row = c->hidden_size,
                                              .from = dev->pick,
                                              .dst = e->hidden,
                                              .dst_row = c->hidden_size});
    el_transformer_logits(pass, picks, e->hidden, e->logits);
    d->copy_out(d, e->host_logits, e->logits,
                (size_t)picks * (size_t)c->vocab_size * sizeof(float));
}

/* Room for the kept sets of this pass, before anything is booked. */
static int reserve_kept(struct el_engine *e, const struct el_pass_arrays *a, int picks,
                        struct el_error *err)
{
    for (int i = 0; i < picks; i++) {
        struct el_sequence *q = e->row_of[a->pick[i]];
        int first = i - el_engine_is_draft(e, a, i);
        size_t need = q->n_kept + (size_t)(a->kept_start[i + 1] - a->kept_start[first]);
        if (!q->trace || need <= q->kept_room)
            continue;
        if (need > INT32_MAX) /* places are 32 bits */
            return el_error_set(err, EL_ELIMIT,
                                "the kept sampling sets of a sequence have more than %d tokens",
                                INT32_MAX);
        int32_t *more = el_realloc(q->kept, 2 * need * sizeof *more);
        if (!more)
            return el_error_set(err, EL_ENOMEM, "out of memory for kept sampling sets");
        q->kept = more;
        q->kept_room = 2 * need;
    }
    return 0;
}

static void keep_set(struct el_sequence *q, const int32_t *kept, int n)
{
    if (n)
        memcpy(q->kept + q->n_kept, kept, (size_t)n * sizeof *kept);
    q->n_kept += (size_t)n;
    q->kept_start[q->n - q->n_prompt + 1] = (int32_t)q->n_kept;
}

/* Blocks that this pass has filled get their names. Those behind masked MHA's have none: other
 * prompts with such a beginning attend it in the absorbed form, or as masked MHA to the end. */
static void publish_blocks(struct el_engine *e, struct el_sequence *q)
{
    int size = e->pool.block_size, most = q->mha_blocks ? q->mha_blocks * size : q->computed;
    while ((q->n_published + 1) * size <= q->computed && (q->n_published + 1) * size <= most) {
        int b = q->n_published++;
        int parent = b ? q->blocks[b - 1] : el_engine_root(q);
        q->blocks[b] =
            el_kv_pool_publish(&e->pool, q->blocks[b], parent, q->tokens + (int64_t)b * size);
    }
}

/* The last token was drawn but never pushed through the model: it has no routing, -1. */
static void copy_routing(const struct el_engine *e, struct el_sequence *q)
{
    int shift = e->pool.block_shift, mask = e->pool.block_size - 1;
    int64_t per_token = (int64_t)el_engine_moe_layers(e) * e->w->config.num_experts_per_tok;
    for (int pos = 0; pos < q->computed; pos++) {
        int64_t slot = ((int64_t)q->blocks[pos >> shift] << shift) + (pos & mask);
        memcpy(q->routed + pos * per_token, e->routed + slot * per_token,
               (size_t)per_token * sizeof *q->routed);
    }
    for (int64_t i = q->computed * per_token; i < q->n * per_token; i++)
        q->routed[i] = -1;
}

/* Bits beyond the sequence's own words are 0: they stand for positions it does not have. */
static void copy_selection(const struct el_engine *e, struct el_sequence *q)
{
    int shift = e->pool.block_shift, mask = e->pool.block_size - 1;
    int64_t layers = e->w->config.num_hidden_layers, words = el_selection_words(e->o.context);
    for (int64_t pos = 0; pos < q->computed; pos++) {
        int64_t slot = ((int64_t)q->blocks[pos >> shift] << shift) + (pos & mask);
        for (int64_t l = 0; l < layers; l++)
            memcpy(q->selected + (pos * layers + l) * q->selected_words,
                   e->selected + (slot * layers + l) * words,
                   (size_t)q->selected_words * sizeof *q->selected);
    }
}

/* Appends a drawn token; says whether and how the sequence ends. */
static int append(struct el_engine *e, struct el_sequence *q, int32_t token, float logp)
{
    if (token < 0 || isnan(logp)) /* a logit that is NaN is in the sum of all */
        return EL_FINISH_ERROR;
    q->logps[q->n - q->n_prompt] = logp;
    q->logp += logp;
    q->tokens[q->n++] = token;
    if (token == e->eos)
        return EL_FINISH_STOP;
    if (e->on_token && e->on_token(e->on_token_user, q, token))
        return EL_FINISH_STOP;
    return q->n == q->capacity ? EL_FINISH_LENGTH : -1;
}

static void keep_logits(const struct el_engine *e, struct el_sequence *q, int pick)
{
    size_t v = (size_t)e->w->config.vocab_size;
    memcpy(q->logits + (size_t)(q->n - q->n_prompt) * v, e->host_logits + (size_t)pick * v,
           v * sizeof(float));
}

/* Whether the draft in front of pick i is the token that was drawn; then its row counts. */
static int accept_draft(struct el_engine *e, const struct el_pass_arrays *a, int i)
{
    struct el_sequence *q = e->row_of[a->pick[i]];
    int right = a->drawn[i - 1] == q->draft;
    e->stats.drafted++;
    e->stats.accepted += right;
    q->draft = -1;
    if (!right || q->state == EL_SEQ_DONE)
        return 0;
    q->computed++;
    e->stats.decode_tokens++;
    return 1;
}

static void book_tokens(struct el_engine *e, const struct el_pass_arrays *a, int picks)
{
    for (int i = 0; i < picks; i++) {
        struct el_sequence *q = e->row_of[a->pick[i]];
        if (el_engine_is_draft(e, a, i) && !accept_draft(e, a, i))
            continue;
        if (i + 1 == picks || !el_engine_is_draft(e, a, i + 1))
            q->draft = -1; /* of the token that comes now */
        if (q->trace)
            keep_set(q, a->kept + a->kept_start[i], a->kept_start[i + 1] - a->kept_start[i]);
        if (q->logits)
            keep_logits(e, q, i);
        int finish = append(e, q, a->drawn[i], e->host_logp[i]);
        if (finish >= 0) {
            q->finish = (enum el_finish)finish;
            q->state = EL_SEQ_DONE;
        }
    }
}

static void sweep_done(struct el_engine *e)
{
    for (int i = e->n_running - 1; i >= 0; i--) {
        struct el_sequence *q = e->running[i];
        if (q->state != EL_SEQ_DONE)
            continue;
        if (q->trace && q->routed)
            copy_routing(e, q);
        if (q->trace && q->selected)
            copy_selection(e, q);
        el_engine_finish(e, i, q->finish);
    }
}

static void count(struct el_engine *e, const struct el_pass_arrays *a, const struct plan *plan)
{
    int topk = e->o.attention == EL_ATTENTION_MQA ? e->w->config.index_topk : e->o.context;
    for (int row = 0; row < plan->rows; row++) {
        int visible = a->pos[row] + 1;
        e->stats.keys_visible += visible;
        e->stats.keys_read += visible < topk ? visible : topk;
    }
    e->stats.prefill_tokens += plan->prefill;
    e->stats.decode_tokens += plan->rows - plan->prefill - plan->drafts;
    e->stats.passes++;
}

/* Runs the pass and draws its tokens; books nothing, so that a failure leaves the engine as it
 * was. */
static int run_pass(struct el_engine *e, struct el_pass_arrays *host, struct plan *plan,
                    struct el_error *err)
{
    struct el_pass_arrays dev = el_pass_arrays_at(e, e->dev);
    *plan = fill_plan(e, host);
    struct el_pass pass = upload_plan(e, host, &dev, plan);
    if (!e->packed_is_current)
        el_packed_fill(&e->packed, e->s);
    el_engine_copy_shared(e, host, &dev);
    el_transformer_forward(&pass, &e->acts);
    if (plan->picks)
        pick_logits(e, &pass, &dev, plan->picks);
    int rc = el_stream_check(e->s, err);
    e->packed_is_current |= rc == 0;
    if (rc == 0 && e->routed)
        rc = save_routing(e, host, plan, err);
    if (rc == 0 && e->selected)
        rc = save_selection(e, host, plan, err);
    if (rc < 0 || !plan->picks)
        return rc;
    el_engine_draw(e, host, plan->picks);
    rc = el_engine_score(e, host, &dev, plan->picks, err);
    return rc < 0 ? rc : reserve_kept(e, host, plan->picks, err);
}

static int unfinished(const struct el_engine *e)
{
    int n = e->n_running;
    for (const struct el_sequence *q = e->waiting; q; q = q->next)
        n++;
    return n;
}

int el_engine_step(struct el_engine *e, struct el_error *err)
{
    struct el_pass_arrays host = el_pass_arrays_at(e, e->host);
    struct plan plan;
    int rc = e->mtp ? el_engine_mtp_draft(e, err) : 0;
    if (rc < 0)
        return rc;
    el_engine_admit(e);
    if (!e->n_running)
        return 0;
    rc = run_pass(e, &host, &plan, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < e->n_running; i++)
        e->running[i]->copied = 0;
    for (int row = 0; row < plan.rows; row++)
        e->row_of[row]->computed += host.pos[row] < e->row_of[row]->n;
    for (int i = 0; i < e->n_running && !e->mtp; i++)
        publish_blocks(e, e->running[i]);
    book_tokens(e, &host, plan.picks);
    if (e->mtp)
        el_engine_mtp_note(e, &host, plan.rows);
    sweep_done(e);
    count(e, &host, &plan);
    return unfinished(e);
}
