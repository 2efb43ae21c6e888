/* Shared by the two halves of the engine: admission (engine.c) and passes (engine_pass.c). */
#ifndef EL_RUN_ENGINE_INTERNAL_H
#define EL_RUN_ENGINE_INTERNAL_H

#include "core/run/engine.h"

/* Pieces of e->host / e->dev, in int32 units. */
struct el_pass_arrays {
    int32_t *token, *pos, *seq, *slot; /* (max_rows) */
    int32_t *tables;                   /* (max_sequences, table_stride) */
    int32_t *pick, *drawn;             /* (max_sequences) rows to sample from, tokens drawn */
    int32_t *kept_start;               /* (max_sequences + 1) */
    int32_t *kept;                     /* (max_sequences * V) */
};

static inline size_t el_pass_ints(const struct el_engine *e)
{
    size_t s = (size_t)e->o.max_sequences;
    return 4 * (size_t)e->o.max_rows + s * (size_t)e->table_stride + 3 * s + 1 +
           s * (size_t)e->w->config.vocab_size;
}

static inline struct el_pass_arrays el_pass_arrays_at(const struct el_engine *e, int32_t *base)
{
    size_t r = (size_t)e->o.max_rows, s = (size_t)e->o.max_sequences;
    struct el_pass_arrays a;
    a.token = base;
    a.pos = a.token + r;
    a.seq = a.pos + r;
    a.slot = a.seq + r;
    a.tables = a.slot + r;
    a.pick = a.tables + s * (size_t)e->table_stride;
    a.drawn = a.pick + s;
    a.kept_start = a.drawn + s;
    a.kept = a.kept_start + s + 1;
    return a;
}

static inline int el_engine_moe_layers(const struct el_engine *e)
{
    return e->w->config.num_hidden_layers - e->w->config.first_k_dense_replace;
}

/* Moves waiting sequences into the batch in the order of arrival. One for which the cache has no
 * room yet holds back those behind it: smaller ones must not take for ever what it waits for. */
void el_engine_admit(struct el_engine *e);
/* Takes running sequence i out of the batch, gives its blocks back, puts it on the finished list.
 */
void el_engine_finish(struct el_engine *e, int i, enum el_finish finish);

#endif
