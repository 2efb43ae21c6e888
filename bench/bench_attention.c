/* Attention and the indexer: training over packed sequences, and batched decode of one row per
 * sequence over blocks of 16 keys. FLOPs count the visible (or selected) keys only. */
#include "bench/bench.h"
#include "core/base/alloc.h"
#include "core/ops/indexer.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEADS = 8, LATENT = 64, ROPE = 16, WIDTH = LATENT + ROPE, INDEX_HEADS = 4, INDEX_DIM = 32 };

struct batch {
    struct el_rows at;
    int32_t *seq, *pos, *tables, *selected;
    int topk, cache_rows;
    double pairs, kept; /* visible and selected keys over all rows */
    const char *name;
};

static int32_t *ints(size_t n)
{
    int32_t *x = el_alloc_array(n, sizeof *x);
    if (!x)
        exit(1);
    return x;
}

/* `rows` rows at the end of each of `sequences` sequences of `length` keys. */
static struct batch make_batch(const char *name, int sequences, int length, int rows, int shift,
                               int topk)
{
    struct batch b = {.topk = topk, .name = name};
    int block = shift < 30 ? 1 << shift : length, stride = (length + block - 1) / block;
    int n = sequences * rows;
    b.seq = ints((size_t)n);
    b.pos = ints((size_t)n);
    b.tables = ints((size_t)(sequences * stride));
    b.selected = ints((size_t)n * (size_t)topk);
    b.cache_rows = sequences * stride * block;
    for (int i = 0; i < n; i++) {
        b.seq[i] = i / rows;
        b.pos[i] = length - rows + i % rows;
        int visible = b.pos[i] + 1, kept = visible < topk ? visible : topk;
        for (int j = 0; j < topk; j++)
            b.selected[i * topk + j] = j < kept ? (int)((int64_t)j * visible / kept) : -1;
        b.pairs += visible;
        b.kept += kept;
    }
    for (int i = 0; i < sequences * stride; i++)
        b.tables[i] = i * block;
    b.at = (struct el_rows){n, sequences, b.seq, b.pos, b.tables, stride, shift, length - 1};
    return b;
}

static void drop_batch(const struct batch *b)
{
    el_free(b->seq);
    el_free(b->pos);
    el_free(b->tables);
    el_free(b->selected);
}

static const char *label(char *to, size_t n, const struct batch *b, int sparse)
{
    char keys[32] = "dense";
    if (sparse)
        snprintf(keys, sizeof keys, "top %d", b->topk);
    snprintf(to, n, "%s %d rows of %d, %s", b->name, b->at.rows, b->at.max_pos + 1, keys);
    return to;
}

static void attention(struct el_stream *s, const struct batch *b, int sparse, int backward)
{
    char what[80];
    size_t rows = (size_t)b->at.rows, cache = (size_t)b->cache_rows;
    double keys = (sparse ? b->kept : b->pairs) * HEADS;
    struct el_attn a = {.at = b->at,
                        .heads = HEADS,
                        .latent = LATENT,
                        .rope = ROPE,
                        .scale = 0.1f,
                        .q = bench_noise(rows * HEADS * WIDTH),
                        .kv = bench_noise(cache * WIDTH),
                        .selected = sparse ? b->selected : NULL,
                        .topk = b->topk,
                        .out = bench_noise(rows * HEADS * LATENT),
                        .lse = bench_noise(rows * HEADS)};
    bench_report(s, EL_OP_attn, &a, label(what, sizeof what, b, sparse),
                 2.0 * keys * (WIDTH + LATENT), 0);
    struct el_attn_bwd d = {.at = b->at,
                            .heads = HEADS,
                            .latent = LATENT,
                            .rope = ROPE,
                            .scale = 0.1f,
                            .q = a.q,
                            .kv = a.kv,
                            .selected = a.selected,
                            .topk = b->topk,
                            .out = a.out,
                            .lse = a.lse,
                            .dout = bench_noise(rows * HEADS * LATENT),
                            .dq = bench_noise(rows * HEADS * WIDTH),
                            .dkv = bench_noise(cache * WIDTH)};
    if (backward)
        bench_report(s, EL_OP_attn_bwd, &d, label(what, sizeof what, b, sparse),
                     2.0 * keys * (3 * WIDTH + 2 * LATENT), 0);
    bench_drop(a.q);
    bench_drop(a.kv);
    bench_drop(a.out);
    bench_drop(a.lse);
    bench_drop(d.dout);
    bench_drop(d.dq);
    bench_drop(d.dkv);
}

static void indexer(struct el_stream *s, const struct batch *b, int backward)
{
    char what[80];
    size_t rows = (size_t)b->at.rows, cache = (size_t)b->cache_rows;
    struct el_index_loss a = {.at = b->at,
                              .heads = HEADS,
                              .latent = LATENT,
                              .rope = ROPE,
                              .scale = 0.1f,
                              .q = bench_noise(rows * HEADS * WIDTH),
                              .kv = bench_noise(cache * WIDTH),
                              .lse = bench_noise(rows * HEADS),
                              .topk = b->topk,
                              .index_heads = INDEX_HEADS,
                              .index_dim = INDEX_DIM,
                              .qi = bench_noise(rows * INDEX_HEADS * INDEX_DIM),
                              .w = bench_noise(rows * INDEX_HEADS),
                              .k = bench_noise(cache * INDEX_DIM),
                              .coef = 1e-3f,
                              .loss = bench_noise(rows),
                              .dqi = bench_noise(rows * INDEX_HEADS * INDEX_DIM),
                              .dw = bench_noise(rows * INDEX_HEADS),
                              .dk = bench_noise(cache * INDEX_DIM)};
    struct el_index_select select = {.at = b->at,
                                     .heads = INDEX_HEADS,
                                     .dim = INDEX_DIM,
                                     .q = a.qi,
                                     .w = a.w,
                                     .k = a.k,
                                     .topk = b->topk,
                                     .selected = ints(rows * (size_t)b->topk)};
    bench_report(s, EL_OP_index_select, &select, label(what, sizeof what, b, 1),
                 2.0 * b->pairs * INDEX_HEADS * INDEX_DIM, 0);
    for (int sparse = 0; sparse <= backward; sparse++) {
        double pairs = sparse ? b->kept : b->pairs;
        a.selected = sparse ? b->selected : NULL;
        if (backward)
            bench_report(s, EL_OP_index_loss, &a, label(what, sizeof what, b, sparse),
                         2.0 * pairs * (HEADS * WIDTH + 3 * INDEX_HEADS * INDEX_DIM), 0);
    }
    const float *all[] = {a.q, a.kv, a.lse, a.qi, a.w, a.k, a.loss, a.dqi, a.dw, a.dk};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bench_drop(all[i]);
    el_free(select.selected);
}

void bench_attention(struct el_stream *s)
{
    struct batch train = make_batch("train", 24, 320, 320, 30, 64);
    struct batch decode = make_batch("decode", 64, 320, 1, 4, 64);
    for (int sparse = 0; sparse <= 1; sparse++) {
        attention(s, &train, sparse, 1);
        attention(s, &decode, sparse, 0);
    }
    indexer(s, &train, 1);
    indexer(s, &decode, 0);
    drop_batch(&train);
    drop_batch(&decode);
}
