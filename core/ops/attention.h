/* Absorbed multi-query attention over the latent cache (DeepSeek-V3.2 section 2.1; DSA in MQA
 * mode). Every head reads the same key row: the latent (r values, which are also the value) and
 * the rope key (dr values).
 *
 *   s[h,j] = scale * q[h] . kv[j]        over r + dr values, j in the row's key set
 *   out[h] = sum_j softmax_j(s[h,:])[j] * kv[j][0:r]
 *
 * The key set of row i: positions 0..pos[i] of its sequence (dense, selected == NULL), or the
 * positions in selected[i] (DSA). Both run the same code, so index_topk >= T equals dense.
 *
 * Where keys lie: position j of sequence s is cache row
 *     tables[s*table_stride + (j >> block_shift)] + (j & ((1 << block_shift) - 1))
 * The cache may be packed as FP8 for attn; results are then, bit for bit, those over the fp32
 * values that its rows hold.
 *
 * Training uses one block per sequence (block_shift 30, the table holds the first row). Sequences
 * that begin alike may share the cache rows of their beginning, in serving block by block, in
 * training row by row (core/model/pack.h). */
#ifndef EL_OPS_ATTENTION_H
#define EL_OPS_ATTENTION_H

#include "core/ops/fp8_row.h"

/* The rows of a batch and where their keys lie; shared by attention and indexer ops. */
struct el_rows {
    int rows;              /* R query rows */
    int sequences;         /* S */
    const int32_t *seq;    /* (R) sequence number of each row, ascending */
    const int32_t *pos;    /* (R) position in its sequence; visible keys are 0..pos */
    const int32_t *tables; /* (S, table_stride) first cache row of each block */
    int table_stride, block_shift;
    int max_pos; /* the largest pos in the batch: bounds scratch memory */
    /* For ops that add to cache rows: positions 0..shared[s]-1 of sequence s may be cache rows of
     * sequences before it, all others are its own. NULL: nothing is shared. */
    const int32_t *shared; /* (S) */
    int64_t shared_keys;   /* their sum: bounds scratch memory */
};

struct el_attn {
    struct el_rows at;
    int heads, latent, rope; /* H, r, dr */
    float scale;
    const float *q;          /* (R, H, r+dr) */
    const float *kv;         /* (cache rows, r+dr), or NULL */
    const uint8_t *kv_fp8;   /* instead: rows of r values and a tail of dr (core/ops/fp8_row.h) */
    const int32_t *selected; /* (R, topk) ascending positions, -1 behind the last; NULL: dense */
    int topk;
    float *out; /* (R, H, r) */
    float *lse; /* (R, H) log of the softmax denominator incl. maximum; NULL: not wanted */
    /* (R, topk) with selected and lse: the weight of each key summed over heads, what the indexer
     * learns from (core/ops/indexer.h); nothing is written behind a row's last key. NULL: not
     * wanted */
    float *mass;
};
EL_OP_WRAPPER(attn)

/* dq is overwritten, dkv is added to. Rows of one sequence are summed in ascending order, into dkv
 * or, for keys that it may share, into sums of its own, which are added to dkv afterwards in the
 * order of the sequences: one order at any number of threads. */
struct el_attn_bwd {
    struct el_rows at;
    int heads, latent, rope;
    float scale;
    const float *q, *kv;
    const int32_t *selected;
    int topk;
    const float *out, *lse; /* from the forward pass */
    const float *dout;      /* (R, H, r) */
    float *dq;              /* (R, H, r+dr) */
    float *dkv;             /* (cache rows, r+dr) */
};
EL_OP_WRAPPER(attn_bwd)

#endif
