/* FP8 weights: matrices of e4m3 codes with one scale, an fp32 value, for every block of the matrix.
 *
 *     x[r][c] = e4m3(code[r][c]) * scale[r / block_rows][c / block_columns]
 *
 * The scale is a multiplier (checkpoints call the tensor weight_scale_inv). Where the block size
 * does not divide a side of the matrix, the last blocks are smaller, and the grid of scales is
 * (ceil(rows / block_rows), ceil(columns / block_columns)).
 *
 * e4m3 is the variant "fn" of the OCP 8-bit floating point specification: sign, 4 bits of exponent
 * with bias 7, 3 bits of mantissa; no infinity; 0x7F and 0xFF are NaN, 448 is the largest value and
 * 2^-9 the smallest. */
#ifndef EL_TENSOR_FP8_H
#define EL_TENSOR_FP8_H

#include <stddef.h>
#include <stdint.h>

#define EL_E4M3_MAX 448.0f

/* Exact. */
float el_e4m3_widen(uint8_t code);
/* To the nearest value, ties to the even code; beyond +-448 the largest value of that sign. A NaN
 * stays a NaN. */
uint8_t el_e4m3_round(float x);

struct el_fp8_format {
    int block_rows, block_columns; /* at least 1; 128 x 128 in published checkpoints */
    int ue8m0; /* scales are powers of two (an 8-bit exponent could hold them) */
};

/* Blocks along a side of n values. */
static inline int64_t el_fp8_blocks(int64_t n, int block)
{
    return n / block + (n % block != 0);
}

/* n values of one row, the first of them in column `column`; scales[0] belongs to that column. Each
 * is one fp32 product. */
void el_fp8_widen(const struct el_fp8_format *f, const uint8_t *codes, size_t n, int64_t column,
                  const float *scales, float *out);

/* One row of blocks: `rows` (1..block_rows) rows of `columns` finite values become codes, and
 * ceil(columns / block_columns) scales. A block's scale is (largest magnitude) / 448, with ue8m0
 * the smallest power of two that is not below it; 2^-126 at least, and 1 for a block of zeros. So a
 * value x of a block with the scale s comes back within max(|x| / 16, s / 1024), apart from the
 * rounding of that one product. (The scale of values near the end of fp32's range may give products
 * beyond it.) */
void el_fp8_quantize(const struct el_fp8_format *f, const float *values, int64_t rows,
                     int64_t columns, uint8_t *codes, float *scales);

#endif
