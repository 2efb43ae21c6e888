/* Normalisation over the last dimension. Rows may lie x_row / y_row elements apart. */
#ifndef EL_OPS_NORM_H
#define EL_OPS_NORM_H

#include "core/ops/ops.h"

/* y = x * rstd * w, rstd = (mean(x^2) + eps)^-1/2. */
struct el_rmsnorm {
    int rows, width;
    float eps;
    const float *x; /* (rows, width) */
    int64_t x_row;
    const float *w; /* (width) */
    float *y;       /* (rows, width), may be x */
    int64_t y_row;
    float *rstd; /* (rows) or NULL */
};
EL_OP_WRAPPER(rmsnorm)

/* dx [+]= gradient of x; dw += gradient of w (NULL: not wanted). */
struct el_rmsnorm_bwd {
    int rows, width;
    const float *x; /* the forward input */
    int64_t x_row;
    const float *w;
    const float *rstd; /* (rows) from the forward pass */
    const float *dy;
    int64_t dy_row;
    float *dx; /* (rows, width), may be dy when x_row strides agree and accumulate is 0 */
    int64_t dx_row;
    int accumulate;
    float *dw; /* (width) or NULL */
};
EL_OP_WRAPPER(rmsnorm_bwd)

/* y = (x - mean) * rstd * w + b (the indexer's k_norm). Dense rows. */
struct el_layernorm {
    int rows, width;
    float eps;
    const float *x, *w, *b; /* (rows, width), (width), (width) */
    float *y;               /* (rows, width), may be x */
    float *mean, *rstd;     /* (rows) or NULL */
};
EL_OP_WRAPPER(layernorm)

struct el_layernorm_bwd {
    int rows, width;
    const float *x, *w, *mean, *rstd;
    const float *dy;
    float *dx;      /* (rows, width), overwritten; may be dy */
    float *dw, *db; /* (width), added to; or NULL */
};
EL_OP_WRAPPER(layernorm_bwd)

#endif
