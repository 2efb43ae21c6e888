/* Elementwise ops, row copies and the embedding table. */
#ifndef EL_OPS_POINTWISE_H
#define EL_OPS_POINTWISE_H

#include "core/ops/ops.h"

/* y = silu(gate) * up, silu(g) = g / (1 + exp(-g)). Dense (rows, width). */
struct el_swiglu {
    int rows, width;
    const float *gate, *up;
    float *y; /* may be gate or up */
};
EL_OP_WRAPPER(swiglu)

struct el_swiglu_bwd {
    int rows, width;
    const float *gate, *up, *dy;
    float *dgate, *dup; /* overwritten; either may be dy */
};
EL_OP_WRAPPER(swiglu_bwd)

/* x[i] = table[token[i]]. Tokens must be inside the table (the model checks them on the host). */
struct el_embed {
    int rows, width;
    const int32_t *token; /* (rows) */
    const float *table;   /* (vocab, width) */
    float *x;             /* (rows, width) */
};
EL_OP_WRAPPER(embed)

/* dtable[token[i]] += dx[i], rows in ascending order. */
struct el_embed_bwd {
    int rows, width, vocab;
    const int32_t *token;
    const float *dx;
    float *dtable;
};
EL_OP_WRAPPER(embed_bwd)

/* dst row to[i] = src row from[i]; a NULL list means i itself. Also strided slices: `width` values
 * of each row. */
struct el_copy_rows {
    int rows, width;
    const float *src;
    int64_t src_row;
    const int32_t *from; /* (rows) or NULL */
    float *dst;
    int64_t dst_row;
    const int32_t *to; /* (rows) or NULL; no row twice */
    int accumulate;    /* dst += src */
};
EL_OP_WRAPPER(copy_rows)

/* Row to[i] of dst = row from[i] of src, whatever their bytes mean. A NULL list means i itself. */
struct el_copy_bytes {
    int rows;
    int64_t bytes; /* of a row */
    const uint8_t *src;
    const int32_t *from; /* (rows) or NULL */
    uint8_t *dst;        /* may be src when no row is in both lists */
    const int32_t *to;   /* (rows) or NULL; no row twice */
};
EL_OP_WRAPPER(copy_bytes)

/* y[i] += alpha * x[i] */
struct el_add {
    int64_t n;
    float alpha;
    const float *x;
    float *y;
};
EL_OP_WRAPPER(add)

struct el_fill {
    int64_t n;
    float value;
    float *x;
};
EL_OP_WRAPPER(fill)

#endif
