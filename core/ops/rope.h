/* Rotary position embedding of `heads` slices of `dim` values per row.
 *
 * Head h of row i starts at x + i*x_row + h*x_head. Pair f (f < dim/2) is (x[2f], x[2f+1]) when
 * interleaved and (x[f], x[f+dim/2]) when half-split; it turns by the angle whose cosine and sine
 * are cos[pos[i]*dim/2 + f], sin[...]. `inverse` turns back: the backward pass, since a rotation's
 * transpose is its inverse (scaled tables keep their scale). y may be x. */
#ifndef EL_OPS_ROPE_H
#define EL_OPS_ROPE_H

#include "core/ops/ops.h"

struct el_rope {
    int rows, heads, dim;
    const float *x;
    int64_t x_row, x_head;
    float *y;
    int64_t y_row, y_head;
    const int32_t *pos;     /* (rows) */
    const float *cos, *sin; /* (positions, dim/2) */
    int interleaved, inverse;
};
EL_OP_WRAPPER(rope)

#endif
