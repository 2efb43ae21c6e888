/* The keys of one query row at a time, in the two layouts the tile kernel wants: as rows one after
 * another, and transposed into panels of EL_PANEL keys. Used by the attention and indexer ops; each
 * thread owns one. What a row sees depends on its own key list only:
 *
 *   - rows are used in place where the block table keeps them together, else copied to scratch;
 *     packed ones are unpacked there;
 *   - the panels of a dense sequence are kept while the thread stays with that sequence. */
#ifndef EL_OPS_CPU_KEYS_H
#define EL_OPS_CPU_KEYS_H

#include "core/ops/attention.h"
#include "core/ops/cpu/fp8.h"

enum { EL_KEY_CHUNK = 256 }; /* keys per step; a multiple of EL_PANEL */

/* Cache rows of `width` values: fp32, or packed. */
struct el_key_cache {
    int width;
    const float *data;      /* (cache rows, width) */
    const uint8_t *fp8;     /* NULL, or instead (cache rows, bytes) */
    struct el_fp8_row form; /* of packed rows */
    int64_t bytes;          /* of a row, packed or not */
};

struct el_keys {
    /* Set once. */
    const struct el_rows *at;
    struct el_key_cache cache;
    int width;               /* of the cache */
    const int32_t *selected; /* (R, topk) or NULL: dense */
    int topk;
    float *rows, *panels, *spare; /* scratch: a chunk of rows, kept panels, one panel */
    int panel_keys;               /* keys that fit into `panels` */
    /* The current row. */
    int row_seq; /* its sequence */
    int n;       /* keys of its set */
    const int32_t *list, *table;
    /* The dense sequence whose panels are kept. */
    int seq, seq_keys, kept;
    /* Which of the current set's keys `rows` holds. */
    int from, count;
};

/* Scratch of one thread; the longest possible key set. */
size_t EL_CPU(keys_bytes)(const struct el_rows *at, int width, const int32_t *selected);
int EL_CPU(keys_longest)(const struct el_rows *at, const int32_t *selected, int topk);

/* One of data and fp8 is NULL. The last `tail` of the width values are a packed row's tail. */
struct el_key_cache EL_CPU(key_cache)(const float *data, const uint8_t *fp8, int width, int tail);
void EL_CPU(keys_init)(struct el_keys *k, const struct el_rows *at, struct el_key_cache cache,
                       const int32_t *selected, int topk, void *scratch);
void EL_CPU(keys_row)(struct el_keys *k, int row);
/* Instead: the n ascending positions at `list` of the row's sequence. */
void EL_CPU(keys_list)(struct el_keys *k, int row, const int32_t *list, int n);
/* The cache row of key i. */
int64_t EL_CPU(keys_place)(const struct el_keys *k, int i);
/* Where keys from..from+count-1 lie one after another in the cache, as a cache row; -1 when they
 * do not. */
int64_t EL_CPU(keys_together)(const struct el_keys *k, int from, int count);
/* Keys from..from+count-1 (at most a chunk) as rows of `width`; valid until the next call. */
const float *EL_CPU(keys_rows)(struct el_keys *k, int from, int count);
/* Keys j..j+EL_PANEL-1, transposed: [width][EL_PANEL]. j is a multiple of EL_PANEL and ascends
 * within a row; lanes behind the last key may hold anything. Valid until the next call. */
const float *EL_CPU(keys_panel)(struct el_keys *k, int j);

/* Where keys from..from+count-1 of a row of sequence seq lie, `width` values each: positions
 * from.. of the sequence, or list[from].. */
static inline void EL_CPU(key_rows)(const struct el_rows *at, int seq, const int32_t *list,
                                    int from, int count, const float *data, int width,
                                    const float **rows)
{
    const int32_t *table = at->tables + (int64_t)seq * at->table_stride;
    int shift = at->block_shift, mask = (1 << shift) - 1;
    for (int i = 0; i < count; i++) {
        int position = list ? list[from + i] : from + i;
        rows[i] = data + ((int64_t)table[position >> shift] + (position & mask)) * width;
    }
}

/* Keys from..from+count-1 of a row, at most a chunk: positions from.. of its sequence, or
 * list[from].. */
struct el_key_range {
    const int32_t *table; /* of the sequence's blocks */
    int block_shift;
    const int32_t *list; /* NULL: none */
    int from, count;
};
static inline struct el_key_range EL_CPU(keys_range)(const struct el_keys *k, int from, int count)
{
    return (struct el_key_range){k->table, k->at->block_shift, k->list, from, count};
}
/* Their values first..first+columns-1, copied or unpacked: (count, columns). */
void EL_CPU(key_columns)(struct el_key_range r, const struct el_key_cache *c, int first,
                         int columns, float *to);

/* Rows that a thread takes at a time: neighbours share panels, but threads must end together. */
int EL_CPU(row_chunk)(int rows, int threads);
/* The first row whose sequence is at least s: rows of s are first_row(s)..first_row(s + 1)-1. */
int EL_CPU(first_row)(const struct el_rows *at, int s);

#endif
