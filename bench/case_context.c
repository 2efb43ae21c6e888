/* What one more token costs at a growing context: sparse attention with its indexer against dense
 * attention, over the same cache in blocks of 16 keys.
 *
 *   decode    one query at the last position
 *   prefill   a block of queries that ends there */
#include "bench/cases.h"
#include "core/ops/indexer.h"

#include <stdio.h>
#include <string.h>

enum { SHIFT = 4 };

struct context {
    struct el_bench *b;
    const struct el_bench_attention *h;
    int32_t *seq, *pos, *tables, *selected;
    float *q, *kv, *out, *qi, *wi, *ki;
    struct el_attn dense, sparse;
    struct el_index_select select;
};

/* Arrays for the longest context; shorter ones use their first rows. */
static int make_arrays(struct context *c, const struct el_bench_context *o, struct el_error *err)
{
    struct el_bench *b = c->b;
    size_t n = (size_t)o->to, rows = (size_t)o->queries, heads = rows * (size_t)c->h->heads;
    size_t latent = (size_t)c->h->latent, width = latent + (size_t)c->h->rope;
    size_t index_heads = rows * (size_t)c->h->index_heads, dim = (size_t)c->h->index_dim;
    size_t blocks = (n >> SHIFT) + 1, cache = blocks << SHIFT;
    c->seq = el_bench_ints(b, rows);
    c->pos = el_bench_ints(b, rows);
    c->tables = el_bench_ints(b, blocks);
    c->selected = el_bench_ints(b, rows * (size_t)c->h->topk);
    c->q = el_bench_noise(b, heads * width);
    c->kv = el_bench_noise(b, cache * width);
    c->out = el_bench_noise(b, heads * latent);
    c->qi = el_bench_noise(b, index_heads * dim);
    c->wi = el_bench_noise(b, index_heads);
    c->ki = el_bench_noise(b, cache * dim);
    if (b->failed)
        return el_bench_drop(b, err);
    memset(c->seq, 0, rows * sizeof *c->seq);
    for (size_t i = 0; i < blocks; i++)
        c->tables[i] = (int32_t)i << SHIFT;
    return 0;
}

/* The ops for `rows` queries that end a context of n tokens. */
static void make_ops(struct context *c, int n, int rows)
{
    const struct el_bench_attention *h = c->h;
    struct el_rows at = {.rows = rows,
                         .sequences = 1,
                         .seq = c->seq,
                         .pos = c->pos,
                         .tables = c->tables,
                         .table_stride = (n >> SHIFT) + 1,
                         .block_shift = SHIFT,
                         .max_pos = n - 1};
    for (int i = 0; i < rows; i++)
        c->pos[i] = n - rows + i;
    c->dense = (struct el_attn){.at = at,
                                .heads = h->heads,
                                .latent = h->latent,
                                .rope = h->rope,
                                .scale = 0.1f,
                                .q = c->q,
                                .kv = c->kv,
                                .topk = h->topk,
                                .out = c->out};
    c->sparse = c->dense;
    c->sparse.selected = c->selected;
    c->select = (struct el_index_select){.at = at,
                                         .heads = h->index_heads,
                                         .dim = h->index_dim,
                                         .q = c->qi,
                                         .w = c->wi,
                                         .k = c->ki,
                                         .topk = h->topk,
                                         .selected = c->selected};
}

/* The fastest of as many runs as the session's slice has room for, at least one. */
static int time_ops(struct context *c, int indexer, const struct el_attn *attn, double *seconds,
                    struct el_error *err)
{
    struct el_stream *s = c->b->s;
    double end = el_bench_now(s->threads) + c->b->slice, now;
    *seconds = 1e300;
    do {
        double start = el_bench_now(s->threads);
        if (indexer)
            el_index_select(s, &c->select);
        if (attn)
            el_attn(s, attn);
        now = el_bench_now(s->threads);
        *seconds = now - start < *seconds ? now - start : *seconds;
    } while (now < end && !s->failed);
    return el_stream_check(s, err);
}

static int run_dense(void *user, double *seconds, struct el_error *err)
{
    struct context *c = user;
    return time_ops(c, 0, &c->dense, seconds, err);
}

static int run_sparse(void *user, double *seconds, struct el_error *err)
{
    struct context *c = user;
    return time_ops(c, 1, &c->sparse, seconds, err);
}

static int run_indexer(void *user, double *seconds, struct el_error *err)
{
    struct context *c = user;
    return time_ops(c, 1, NULL, seconds, err);
}

/* Adds an op's work to a figure, and sees that its memory holds the op's workspace. */
static void count(const struct context *c, enum el_op op, const void *args,
                  struct el_bench_figure *f)
{
    const struct el_stream *s = c->b->s;
    struct el_bench_work w = el_bench_work_of(op, args);
    double workspace = s->ops->workspace[op] ? (double)s->ops->workspace[op](s, args) : 0;
    f->work.flop += w.flop;
    f->work.bytes += w.bytes;
    f->memory = workspace > f->memory ? workspace : f->memory;
}

/* Memory of a figure: the largest workspace, the caches that are read, queries and outputs. */
static void count_all(const struct context *c, int n, int indexer, const struct el_attn *attn,
                      struct el_bench_figure *f)
{
    const struct el_bench_attention *h = c->h;
    double rows = c->select.at.rows, values = 0;
    f->context = n;
    f->items = rows;
    f->unit = "tokens";
    if (indexer) {
        count(c, EL_OP_index_select, &c->select, f);
        values += (double)n * h->index_dim + rows * (h->index_heads * (h->index_dim + 1.0));
        values += rows * h->topk;
    }
    if (attn) {
        count(c, EL_OP_attn, attn, f);
        values += (double)n * (h->latent + h->rope);
        values += rows * h->heads * (2.0 * h->latent + h->rope);
    }
    f->memory += 4 * values;
}

/* Dense, sparse and the indexer alone in turn, and the ratio of the first two. */
static int compare(struct context *c, const char *what, int n, int rows, struct el_error *err)
{
    static const char *const names[] = {"dense", "DSA", "DSA, indexer alone"};
    const struct el_bench_job jobs[] = {{run_dense, c}, {run_sparse, c}, {run_indexer, c}};
    struct el_bench_times times[3];
    make_ops(c, n, rows);
    el_index_select(c->b->s, &c->select); /* sets for the bytes that are counted */
    int rc = el_bench_repeat(jobs, 3, c->b->repeats, times, err);
    for (int i = 0; i < 3 && rc == 0; i++) {
        struct el_bench_figure f = {.times = times[i]};
        const struct el_attn *attn = i == 0 ? &c->dense : i == 1 ? &c->sparse : NULL;
        snprintf(f.name, sizeof f.name, "%s at %d, %s", what, n, names[i]);
        count_all(c, n, i > 0, attn, &f);
        rc = el_bench_add(c->b, &f, err);
    }
    if (rc < 0)
        return rc;
    struct el_bench_figure ratio = {.ratio = times[0].median / times[1].median, .context = n};
    snprintf(ratio.name, sizeof ratio.name, "%s at %d, dense / DSA", what, n);
    return el_bench_add(c->b, &ratio, err);
}

int el_bench_context(struct el_bench *b, const struct el_bench_attention *shape,
                     const struct el_bench_context *o, struct el_error *err)
{
    struct context c = {.b = b, .h = shape};
    char block[32];
    if (o->queries < 1 || o->from < o->queries || o->to < o->from)
        return el_error_set(err, EL_EINVAL,
                            "%d queries at contexts of %d to %d tokens: expected "
                            "1 <= queries <= from <= to",
                            o->queries, o->from, o->to);
    int rc = make_arrays(&c, o, err);
    if (rc < 0)
        return rc;
    snprintf(block, sizeof block, "prefill of %d", o->queries);
    for (int64_t n = o->from; n <= o->to && rc == 0; n *= 2) {
        rc = compare(&c, "decode", (int)n, 1, err);
        if (rc == 0)
            rc = compare(&c, block, (int)n, o->queries, err);
    }
    int dropped = el_bench_drop(b, NULL);
    return rc < 0 ? rc : dropped;
}
