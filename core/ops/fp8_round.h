/* What an FP8 cache leaves of activations (DeepSeek-V3.2's indexer and latents): the values that
 * its codes and scales stand for (core/ops/fp8_row.h), as fp32, in place.
 *
 * Slice h of row i starts at x + i*x_row + h*x_slice. Of each slice:
 *
 *   rotate   the first `width` values, a power of two, become y = width^-1/2 H x, H the Hadamard
 *            matrix H(a,b) = (-1)^popcount(a & b): orthogonal, so products of two rotated slices
 *            are those of the slices, and no value stands out any more. Sums and differences of
 *            pairs 1, 2, 4 .. apart in this order, then one product.
 *   groups   of `group` of these values (the last may be shorter): with amax the largest finite
 *            magnitude, at least 1e-4, scale = 2^ceil(log2(amax / 448)) (ue8m0),
 *            y = e4m3(x / scale) * scale, ties to even. A product beyond fp32 is the largest within
 *            it, 240 * 2^120. e4m3 has no infinity: Infinities and NaN become NaN.
 *   tail     the `tail` values behind them become BF16, ties to even; Infinities stay.
 *
 * A NaN is the NaN of <math.h> afterwards, whatever it was. Without `rotate`, doing it twice is
 * doing it once. */
#ifndef EL_OPS_FP8_ROUND_H
#define EL_OPS_FP8_ROUND_H

#include "core/ops/ops.h"

struct el_fp8_round {
    int rows, slices;
    int width, group; /* group >= 1 */
    int tail;
    int rotate;
    float *x;
    int64_t x_row, x_slice;
};
EL_OP_WRAPPER(fp8_round)

#endif
