/* Attention and the indexer: training over packed sequences, and batched decode of one row per
 * sequence over blocks of 16 keys. */
#include "bench/cases.h"
#include "core/ops/indexer.h"

#include <stdio.h>

struct batch {
    struct el_rows at;
    int32_t *seq, *pos, *tables, *selected;
    int topk, cache_rows;
    const char *name;
};

struct el_bench_attention el_bench_attention_of(const struct el_config *c)
{
    int train = c->max_position_embeddings < 512 ? c->max_position_embeddings : 512;
    int decode = c->max_position_embeddings < 1000 ? c->max_position_embeddings : 1000;
    return (struct el_bench_attention){.heads = c->num_attention_heads,
                                       .latent = c->kv_lora_rank,
                                       .rope = c->qk_rope_head_dim,
                                       .index_heads = c->index_n_heads,
                                       .index_dim = c->index_head_dim,
                                       .topk = c->index_topk,
                                       .train_sequences = 8,
                                       .train_length = train,
                                       .decode_sequences = 64,
                                       .decode_length = decode};
}

/* Keys of a row spread over what it sees, ascending. */
static void select_keys(struct batch *b, int row)
{
    int visible = b->pos[row] + 1, kept = visible < b->topk ? visible : b->topk;
    for (int j = 0; j < b->topk; j++)
        b->selected[(int64_t)row * b->topk + j] =
            j < kept ? (int32_t)((int64_t)j * visible / kept) : -1;
}

/* `rows` rows at the end of each of `sequences` sequences of `length` keys. */
static struct batch make_batch(struct el_bench *bench, const char *name, int sequences, int length,
                               int rows, int shift, int topk)
{
    struct batch b = {.topk = topk, .name = name};
    int block = shift < 30 ? 1 << shift : length, stride = (length + block - 1) / block;
    int n = sequences * rows;
    b.seq = el_bench_ints(bench, (size_t)n);
    b.pos = el_bench_ints(bench, (size_t)n);
    b.tables = el_bench_ints(bench, (size_t)(sequences * stride));
    b.selected = el_bench_ints(bench, (size_t)n * (size_t)topk);
    b.cache_rows = sequences * stride * block;
    if (bench->failed)
        return b;
    for (int i = 0; i < n; i++) {
        b.seq[i] = i / rows;
        b.pos[i] = length - rows + i % rows;
        select_keys(&b, i);
    }
    for (int i = 0; i < sequences * stride; i++)
        b.tables[i] = i * block;
    b.at = (struct el_rows){.rows = n,
                            .sequences = sequences,
                            .seq = b.seq,
                            .pos = b.pos,
                            .tables = b.tables,
                            .table_stride = stride,
                            .block_shift = shift,
                            .max_pos = length - 1};
    return b;
}

static const char *label(char *to, size_t n, const struct batch *b, int sparse, int packed)
{
    char keys[32] = "dense";
    if (sparse)
        snprintf(keys, sizeof keys, "top %d", b->topk);
    snprintf(to, n, "%s %d rows of %d, %s%s", b->name, b->at.rows, b->at.max_pos + 1, keys,
             packed ? ", FP8" : "");
    return to;
}

/* The rows of a cache, packed; NULL when memory runs out. */
static const uint8_t *pack(struct el_bench *bench, const float *x, size_t rows, int width, int tail)
{
    const struct el_fp8_row form = {width, tail};
    size_t bytes = rows * (size_t)el_fp8_row_bytes(&form);
    uint8_t *packed = (uint8_t *)el_bench_noise(bench, (bytes + sizeof(float) - 1) / sizeof(float));
    if (x && packed)
        el_fp8_pack(
            bench->s,
            &(struct el_fp8_pack){
                .rows = (int)rows, .form = form, .x = x, .x_row = width + tail, .packed = packed});
    return packed;
}

static void attention(struct el_bench *bench, const struct el_bench_attention *h,
                      const struct batch *b, int sparse, int backward)
{
    char what[64];
    size_t rows = (size_t)b->at.rows * (size_t)h->heads, cache = (size_t)b->cache_rows;
    size_t latent = (size_t)h->latent, width = (size_t)(h->latent + h->rope);
    struct el_attn a = {.at = b->at,
                        .heads = h->heads,
                        .latent = h->latent,
                        .rope = h->rope,
                        .scale = 0.1f,
                        .q = el_bench_noise(bench, rows * width),
                        .kv = el_bench_noise(bench, cache * width),
                        .selected = sparse ? b->selected : NULL,
                        .topk = b->topk,
                        .out = el_bench_noise(bench, rows * latent),
                        .lse = el_bench_noise(bench, rows)};
    el_bench_op(bench, EL_OP_attn, &a, label(what, sizeof what, b, sparse, 0));
    if (!backward) {
        a.kv_fp8 = pack(bench, a.kv, cache, h->latent, h->rope);
        a.kv = NULL;
        el_bench_op(bench, EL_OP_attn, &a, label(what, sizeof what, b, sparse, 1));
        return;
    }
    struct el_attn_bwd d = {.at = b->at,
                            .heads = h->heads,
                            .latent = h->latent,
                            .rope = h->rope,
                            .scale = 0.1f,
                            .q = a.q,
                            .kv = a.kv,
                            .selected = a.selected,
                            .topk = b->topk,
                            .out = a.out,
                            .lse = a.lse,
                            .dout = el_bench_noise(bench, rows * latent),
                            .dq = el_bench_noise(bench, rows * width),
                            .dkv = el_bench_noise(bench, cache * width)};
    el_bench_op(bench, EL_OP_attn_bwd, &d, label(what, sizeof what, b, sparse, 0));
}

static void indexer(struct el_bench *bench, const struct el_bench_attention *h,
                    const struct batch *b, int backward)
{
    char what[64];
    size_t rows = (size_t)b->at.rows, cache = (size_t)b->cache_rows, dim = (size_t)h->index_dim;
    size_t heads = (size_t)h->heads, index = (size_t)h->index_heads;
    size_t width = (size_t)(h->latent + h->rope);
    struct el_index_loss a = {.at = b->at,
                              .heads = h->heads,
                              .latent = h->latent,
                              .rope = h->rope,
                              .scale = 0.1f,
                              .topk = b->topk,
                              .index_heads = h->index_heads,
                              .index_dim = h->index_dim,
                              .qi = el_bench_noise(bench, rows * index * dim),
                              .w = el_bench_noise(bench, rows * index),
                              .k = el_bench_noise(bench, cache * dim),
                              .coef = 1e-3f};
    struct el_index_select select = {.at = b->at,
                                     .heads = h->index_heads,
                                     .dim = h->index_dim,
                                     .q = a.qi,
                                     .w = a.w,
                                     .k = a.k,
                                     .topk = b->topk,
                                     .selected = el_bench_ints(bench, rows * (size_t)b->topk)};
    el_bench_op(bench, EL_OP_index_select, &select, label(what, sizeof what, b, 1, 0));
    if (!backward) {
        select.k_fp8 = pack(bench, select.k, cache, h->index_dim, 0);
        select.k = NULL;
        el_bench_op(bench, EL_OP_index_select, &select, label(what, sizeof what, b, 1, 1));
        return;
    }
    a.q = el_bench_noise(bench, rows * heads * width);
    a.kv = el_bench_noise(bench, cache * width);
    a.lse = el_bench_noise(bench, rows * heads);
    a.loss = el_bench_noise(bench, rows);
    a.dqi = el_bench_noise(bench, rows * index * dim);
    a.dw = el_bench_noise(bench, rows * index);
    a.dk = el_bench_noise(bench, cache * dim);
    for (int sparse = 0; sparse <= 1; sparse++) {
        a.selected = sparse ? b->selected : NULL;
        a.mass = sparse ? el_bench_noise(bench, rows * (size_t)b->topk) : NULL;
        el_bench_op(bench, EL_OP_index_loss, &a, label(what, sizeof what, b, sparse, 0));
    }
}

int el_bench_attention(struct el_bench *bench, const struct el_bench_attention *h,
                       struct el_error *err)
{
    for (int backward = 1; backward >= 0; backward--) {
        struct batch b = backward ? make_batch(bench, "train", h->train_sequences, h->train_length,
                                               h->train_length, 30, h->topk)
                                  : make_batch(bench, "decode", h->decode_sequences,
                                               h->decode_length, 1, 4, h->topk);
        for (int sparse = 0; sparse <= 1; sparse++)
            attention(bench, h, &b, sparse, backward);
        indexer(bench, h, &b, backward);
        int rc = el_bench_drop(bench, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}
