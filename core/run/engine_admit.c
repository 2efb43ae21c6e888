/* Admission: who joins the batch, and what it need not compute.
 *
 *      prompt of q   [ full blocks in the tree | rows of a running sequence's block | its own ... ]
 *                      shared                    copied                               computed
 *
 * The last token of a prompt is always computed: its logits are wanted. */
#include "core/run/engine_internal.h"

#include "core/model/selection.h"

#include <string.h>

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Positions below which q and r hold the same tokens, at most `most`, when r has q's `matched`
 * blocks in front and computes the next one as q does, else 0. Equal prefixes are the same blocks
 * of the tree, so the last one tells. */
static int alike(const struct el_sequence *q, const struct el_sequence *r, int matched, int size,
                 int most)
{
    int n = matched * size;
    if ((matched < q->mha_blocks) != (matched < r->mha_blocks)) /* the next block's rows differ */
        return 0;
    if (r->n_published < matched || (matched && r->blocks[matched - 1] != q->blocks[matched - 1]))
        return 0;
    most = min_int(most, r->n);
    while (n < most && q->tokens[n] == r->tokens[n])
        n++;
    return n;
}

/* What the batch can give q beyond its `matched` blocks: the running sequence that has computed
 * most of the next block, and whether it is worth waiting for one that is about to compute more.
 * That is so for a whole block, and for all that is left of the prompt; computing those twice
 * costs more than a pass of waiting. */
struct offer {
    const struct el_sequence *from; /* NULL: nobody */
    int upto;                       /* positions below are there */
    int wait;
};

static struct offer best_offer(const struct el_engine *e, const struct el_sequence *q, int matched)
{
    int size = e->pool.block_size, last = q->n_prompt - 1, have = matched * size;
    int want = min_int(last, have + size);
    struct offer best = {.upto = have};
    for (int i = 0; i < e->n_running && want > have; i++) {
        const struct el_sequence *r = e->running[i];
        int shared = alike(q, r, matched, size, want), there = min_int(shared, r->computed);
        best.wait |= shared == want && shared <= r->n_prompt && there < want;
        if (there > best.upto && !r->copied) { /* what r itself has yet to copy is not there */
            best.from = r;
            best.upto = there;
        }
    }
    best.wait &= best.upto < want;
    return best;
}

/* q gets a block of its own for the offered rows; they are copied before the next pass. */
static void accept_offer(struct el_engine *e, struct el_sequence *q, const struct offer *offer)
{
    int at = q->n_blocks;
    if (!offer->from)
        return;
    q->blocks[q->n_blocks++] = el_kv_pool_take(&e->pool);
    q->copy_block = offer->from->blocks[at];
    q->copied = offer->upto - q->computed;
    q->computed = offer->upto;
}

enum admission { ADMITTED, WAITS_FOR_PREFIX, NO_ROOM };

static enum admission try_admit(struct el_engine *e, struct el_sequence *q)
{
    int matched = e->mtp ? 0
                         : el_kv_pool_match(&e->pool, el_engine_root(q), q->tokens, q->n_prompt - 1,
                                            q->blocks);
    int total = (q->capacity + e->pool.block_size - 1) / e->pool.block_size;
    struct offer offer = {0};
    if (!e->mtp)
        offer = best_offer(e, q, matched);
    if (offer.wait || el_kv_pool_reserve(&e->pool, total - matched) < 0) {
        for (int i = matched - 1; i >= 0; i--)
            el_kv_pool_drop(&e->pool, q->blocks[i]);
        return offer.wait ? WAITS_FOR_PREFIX : NO_ROOM;
    }
    q->n_blocks = q->n_published = matched;
    q->computed = matched * e->pool.block_size;
    accept_offer(e, q, &offer);
    q->cached = q->computed;
    q->state = EL_SEQ_RUNNING;
    e->stats.cached_tokens += q->cached;
    e->running[e->n_running++] = q;
    return ADMITTED;
}

void el_engine_admit(struct el_engine *e)
{
    struct el_sequence **link = &e->waiting, *last = NULL;
    enum admission a = ADMITTED;
    while (*link && e->n_running < e->o.max_sequences && a != NO_ROOM) {
        struct el_sequence *q = *link;
        a = try_admit(e, q);
        if (a == ADMITTED) {
            *link = q->next;
            q->next = NULL;
        } else {
            last = q;
            link = &q->next;
        }
    }
    while (*link) {
        last = *link;
        link = &last->next;
    }
    e->waiting_tail = last;
}

/* What is kept of rows on the host. */
static void copy_traces(struct el_engine *e, int64_t from, int64_t to, size_t rows)
{
    size_t routed = (size_t)el_engine_moe_layers(e) * (size_t)e->w->config.num_experts_per_tok;
    size_t words =
        (size_t)e->w->config.num_hidden_layers * (size_t)el_selection_words(e->o.context);
    if (e->routed)
        memcpy(e->routed + (size_t)to * routed, e->routed + (size_t)from * routed,
               rows * routed * sizeof *e->routed);
    if (e->selected)
        memcpy(e->selected + (size_t)to * words, e->selected + (size_t)from * words,
               rows * words * sizeof *e->selected);
}

void el_engine_copy_shared(struct el_engine *e, const struct el_pass_arrays *host,
                           const struct el_pass_arrays *dev)
{
    const struct el_config *c = &e->w->config;
    int rows = 0, shift = e->pool.block_shift;
    for (int i = 0; i < e->n_running; i++) {
        const struct el_sequence *q = e->running[i];
        if (!q->copied)
            continue;
        int from = q->copy_block << shift;
        int to = q->blocks[q->n_published] << shift;
        copy_traces(e, from, to, (size_t)q->copied);
        for (int r = 0; r < q->copied; r++, rows++) {
            host->copy_from[rows] = from + r;
            host->copy_to[rows] = to + r;
        }
    }
    if (!rows)
        return;
    struct el_device *d = e->w->device;
    d->copy_in(d, dev->copy_from, host->copy_from, (size_t)rows * sizeof(int32_t));
    d->copy_in(d, dev->copy_to, host->copy_to, (size_t)rows * sizeof(int32_t));
    for (int l = 0; l < c->num_hidden_layers; l++)
        el_layer_cache_copy(&e->cache[l], e->s, c, rows, dev->copy_from, dev->copy_to);
}
