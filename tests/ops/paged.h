/* Random batches over a paged cache, for the attention and indexer tests of the backends. */
#ifndef EL_TESTS_OPS_PAGED_H
#define EL_TESTS_OPS_PAGED_H

#include "core/ops/attention.h"
#include "tests/ops/backend.h"

enum { MAX_SEQUENCES = 4 };

/* A batch of rows over a paged cache, and the same keys laid out sequence by sequence. */
struct paged {
    struct el_rows at, plain;
    int cache_rows;     /* of the paged cache */
    int keys;           /* of the plain one */
    int32_t *plain_row; /* (cache_rows) where a cache row lies in the plain layout, or -1 */
    int length[MAX_SEQUENCES];
};

static inline int32_t *random_order(struct bench *b, int n)
{
    int32_t *order = bench_input(b, n, sizeof *order);
    for (int i = 0; i < n; i++) {
        int j = bench_below(b, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

/* Rows of sequence s end at its last position; some earlier ones are left out. */
static inline void fill_rows(struct bench *b, struct paged *p, int32_t *seq, int32_t *pos)
{
    int n = 0;
    for (int s = 0; s < p->at.sequences; s++) {
        int from = bench_below(b, p->length[s]);
        for (int t = from; t < p->length[s]; t++)
            if (t == p->length[s] - 1 || bench_below(b, 4)) {
                seq[n] = s;
                pos[n++] = t;
            }
    }
    p->at.rows = n;
}

static inline void fill_tables(struct bench *b, struct paged *p)
{
    int block = 1 << p->at.block_shift, total = 0;
    for (int s = 0; s < p->at.sequences; s++)
        total += (p->length[s] + block - 1) / block;
    p->at.table_stride = (p->at.max_pos + block) / block;
    int32_t *tables = bench_input(b, p->at.sequences * p->at.table_stride, sizeof *tables);
    int32_t *plain = bench_input(b, p->at.sequences, sizeof *plain);
    int32_t *order = random_order(b, total);
    p->cache_rows = total * block;
    p->plain_row = bench_input(b, p->cache_rows, sizeof *p->plain_row);
    memset(p->plain_row, -1, (size_t)p->cache_rows * sizeof *p->plain_row);
    int used = 0;
    for (int s = 0; s < p->at.sequences; s++) {
        plain[s] = p->keys;
        for (int t = 0; t < p->length[s]; t++) {
            int32_t *entry = tables + s * p->at.table_stride + t / block;
            if (t % block == 0)
                *entry = order[used++] * block;
            p->plain_row[*entry + t % block] = p->keys++;
        }
    }
    p->at.tables = tables;
    p->plain = p->at;
    p->plain.tables = plain;
    p->plain.table_stride = 1;
    p->plain.block_shift = 30;
}

/* Sequences of up to `longest` rows. */
static inline struct paged batch_of(struct bench *b, int longest)
{
    struct paged p = {0};
    int total = 0;
    p.at.sequences = 1 + bench_below(b, MAX_SEQUENCES);
    p.at.block_shift = bench_below(b, 6);
    for (int s = 0; s < p.at.sequences; s++) {
        p.length[s] = 1 + bench_below(b, longest);
        p.at.max_pos = p.length[s] - 1 > p.at.max_pos ? p.length[s] - 1 : p.at.max_pos;
        total += p.length[s];
    }
    int32_t *seq = bench_input(b, total, sizeof *seq), *pos = bench_input(b, total, sizeof *pos);
    p.at.seq = seq;
    p.at.pos = pos;
    fill_rows(b, &p, seq, pos);
    fill_tables(b, &p);
    return p;
}

static inline struct paged random_batch(struct bench *b)
{
    return batch_of(b, bench_below(b, 3) ? 40 : 200);
}

/* Every value of a sequence's keys behind position pos becomes x. */
static inline void spoil_later_keys(const struct paged *p, int seq, int pos, const float *cache,
                                    int width, float x)
{
    int block = 1 << p->at.block_shift;
    float *to = (float *)(uintptr_t)cache;
    for (int t = pos + 1; t < p->length[seq]; t++) {
        int64_t at = p->at.tables[seq * p->at.table_stride + t / block] + t % block;
        for (int i = 0; i < width; i++)
            to[at * width + i] = x;
    }
}

/* The paged cache in plain order. */
static inline float *plain_cache(struct bench *b, const struct paged *p, const float *cache,
                                 int width)
{
    float *x = bench_input(b, (int64_t)p->keys * width, sizeof *x);
    for (int i = 0; i < p->cache_rows; i++)
        if (p->plain_row[i] >= 0)
            memcpy(x + (int64_t)p->plain_row[i] * width, cache + (int64_t)i * width,
                   (size_t)width * sizeof *x);
    return x;
}

/* Each visible key with probability 1/2 or, with `all`, each. */
static inline int32_t *random_selection(struct bench *b, const struct el_rows *at, int topk,
                                        int all)
{
    int32_t *selected = bench_input(b, (int64_t)at->rows * topk, sizeof *selected);
    for (int i = 0; i < at->rows; i++) {
        int n = 0;
        for (int j = 0; j <= at->pos[i] && n < topk; j++)
            if (all || bench_below(b, 2))
                selected[(int64_t)i * topk + n++] = j;
        while (n < topk)
            selected[(int64_t)i * topk + n++] = -1;
    }
    return selected;
}

/* `rows` of the batch from row `row` on, as a batch of their own. */
static inline struct el_rows some_rows(struct el_rows at, int row, int rows)
{
    at.rows = rows;
    at.seq += row;
    at.pos += row;
    at.max_pos = 0;
    for (int i = 0; i < rows; i++)
        at.max_pos = at.pos[i] > at.max_pos ? at.pos[i] : at.max_pos;
    return at;
}

#endif
