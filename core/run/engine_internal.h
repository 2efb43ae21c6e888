/* Shared by the parts of the engine: sequences (engine.c), admission (engine_admit.c) and passes
 * (engine_pass.c). */
#ifndef EL_RUN_ENGINE_INTERNAL_H
#define EL_RUN_ENGINE_INTERNAL_H

#include "core/run/engine.h"

/* Pieces of e->host / e->dev, in int32 units. */
struct el_pass_arrays {
    int32_t *token, *pos, *seq, *slot; /* (max_rows) */
    int32_t *tables;                   /* (parts, table_stride) */
    int32_t *pick, *drawn;             /* (picks) rows to sample from, tokens drawn */
    int32_t *kept_start;               /* (picks + 1) */
    int32_t *kept;                     /* (picks * V) */
    int32_t *copy_from, *copy_to;      /* (max_sequences * block size) cache rows */
};

/* Rows of a pass that tokens may be drawn from: with an MTP layer the draft's as well. */
static inline int el_engine_picks(const struct el_engine *e)
{
    return e->o.mtp ? 2 * e->o.max_sequences : e->o.max_sequences;
}

/* Parts of sequences in a pass: one each or, with masked MHA, two. */
static inline size_t el_engine_parts(const struct el_engine *e)
{
    return (size_t)e->o.max_sequences * (e->o.mha_limit ? 2 : 1);
}

static inline size_t el_pass_ints(const struct el_engine *e)
{
    size_t s = (size_t)e->o.max_sequences, picks = (size_t)el_engine_picks(e);
    return 4 * (size_t)e->o.max_rows + el_engine_parts(e) * (size_t)e->table_stride + 3 * picks +
           1 + picks * (size_t)e->w->config.vocab_size + 2 * s * (size_t)e->pool.block_size;
}

static inline struct el_pass_arrays el_pass_arrays_at(const struct el_engine *e, int32_t *base)
{
    size_t r = (size_t)e->o.max_rows, s = (size_t)e->o.max_sequences;
    size_t picks = (size_t)el_engine_picks(e);
    struct el_pass_arrays a;
    a.token = base;
    a.pos = a.token + r;
    a.seq = a.pos + r;
    a.slot = a.seq + r;
    a.tables = a.slot + r;
    a.pick = a.tables + el_engine_parts(e) * (size_t)e->table_stride;
    a.drawn = a.pick + picks;
    a.kept_start = a.drawn + picks;
    a.kept = a.kept_start + picks + 1;
    a.copy_from = a.kept + picks * (size_t)e->w->config.vocab_size;
    a.copy_to = a.copy_from + s * (size_t)e->pool.block_size;
    return a;
}

/* The tree of the prompts that are computed as q's. */
static inline int el_engine_root(const struct el_sequence *q)
{
    return q->mha_blocks ? EL_KV_ROOT_MHA : EL_KV_ROOT;
}

static inline int el_engine_moe_layers(const struct el_engine *e)
{
    return e->w->config.num_hidden_layers - e->w->config.first_k_dense_replace;
}

/* Moves waiting sequences into the batch in the order of arrival. One for which the cache has no
 * room yet holds back those behind it: smaller ones must not take for ever what it waits for. */
void el_engine_admit(struct el_engine *e);
/* Fills the first block of one's own of every sequence that was admitted with `copied` rows: cache
 * rows and traces. May be done again. */
void el_engine_copy_shared(struct el_engine *e, const struct el_pass_arrays *host,
                           const struct el_pass_arrays *dev);
/* Times a layer's attention at growing lengths of a prompt, as masked MHA and absorbed, and sets
 * o.mha_limit to the last one at which the first was faster (core/run/mha_limit.h). Engine without
 * sequences; what the cache and the activations hold is lost. */
int el_engine_measure_mha(struct el_engine *e, struct el_error *err);
/* Takes running sequence i out of the batch, gives its blocks back, puts it on the finished list.
 */
void el_engine_finish(struct el_engine *e, int i, enum el_finish finish);

static inline void el_engine_upload(const struct el_engine *e, int32_t *dev, const int32_t *host,
                                    size_t n)
{
    e->w->device->copy_in(e->w->device, dev, host, n * sizeof *host);
}

/* Whether pick i is the row of a draft: the second one of its sequence. */
static inline int el_engine_is_draft(const struct el_engine *e, const struct el_pass_arrays *a,
                                     int i)
{
    return i > 0 && e->row_of[a->pick[i]] == e->row_of[a->pick[i - 1]];
}

/* Draws a token for every pick; the kept sets of those that truncate are laid out one behind the
 * other in a->kept. A draw that finds no finite logit is marked -1. */
void el_engine_draw(struct el_engine *e, struct el_pass_arrays *a, int picks);

/* Log-probabilities of the drawn tokens, by the same op that the trainer uses, to e->host_logp. One
 * call covers neighbouring picks of equal temperature and kind of kept set. EL_ENOMEM. */
int el_engine_score(struct el_engine *e, const struct el_pass_arrays *a,
                    const struct el_pass_arrays *dev, int picks, struct el_error *err);

#endif
