/* Rows of an FP8 cache, byte behind byte:
 *
 *     [ width e4m3 codes | one F32 scale for every 128 of them | tail BF16 values ]
 *
 * A latent of 512 values with a RoPE key of 64 takes 656 bytes, an indexer's key of 128 takes 132
 * (DeepSeek-V3.2). The last group may be shorter. Value i is e4m3(code i) * scale[i / 128] for
 * i < width, the tail behind it is widened; both are exact. Scales are powers of two. Nothing is
 * aligned; numbers are little-endian. */
#ifndef EL_OPS_FP8_ROW_H
#define EL_OPS_FP8_ROW_H

#include "core/ops/ops.h"
#include "core/tensor/fp8.h"

enum { EL_FP8_GROUP = 128 }; /* values that share a scale */

struct el_fp8_row {
    int width, tail;
};

/* Where scale 0 and the first value of the tail stand, and where the row ends. */
static inline int64_t el_fp8_row_scales(const struct el_fp8_row *f)
{
    return f->width;
}

static inline int64_t el_fp8_row_tail(const struct el_fp8_row *f)
{
    return f->width + 4 * el_fp8_blocks(f->width, EL_FP8_GROUP);
}

static inline int64_t el_fp8_row_bytes(const struct el_fp8_row *f)
{
    return el_fp8_row_tail(f) + 2 * (int64_t)f->tail;
}

/* Value i of a row, 0 <= i < width + tail. Codes 0x7F and 0xFF are the NaN of <math.h>. */
float el_fp8_row_value(const struct el_fp8_row *f, const uint8_t *row, int i);

/* Row i of x becomes row to[i] of `packed`. Its values are, bit for bit, those that el_fp8_round
 * makes of x with groups of 128 and without rotation, so what is rounded already is packed without
 * loss. */
struct el_fp8_pack {
    int rows;
    struct el_fp8_row form;
    const float *x; /* width + tail values a row */
    int64_t x_row;
    uint8_t *packed;   /* rows of el_fp8_row_bytes */
    const int32_t *to; /* (rows), no row twice; NULL: row i */
};
EL_OP_WRAPPER(fp8_pack)

#endif
