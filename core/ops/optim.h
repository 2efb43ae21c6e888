/* Optimiser steps. */
#ifndef EL_OPS_OPTIM_H
#define EL_OPS_OPTIM_H

#include "core/ops/ops.h"

/* out[0] = sum of x[i]^2 in double: partial sums of 4096 elements, added in order. NaN and Inf
 * come through, which is how the trainer notices them. */
struct el_sumsq {
    int64_t n;
    const float *x;
    double *out; /* (1) on the device */
};
EL_OP_WRAPPER(sumsq)

/* AdamW with decoupled weight decay and bias correction:
 *   g = grad * grad_scale;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
 *   x -= lr * ( (m/(1-b1^step)) / (sqrt(v/(1-b2^step)) + eps) + decay * x )  */
struct el_adamw {
    int64_t n;
    float *x;
    const float *grad;
    float *m, *v;
    float lr, beta1, beta2, eps, decay, grad_scale;
    int64_t step; /* 1 for the first */
};
EL_OP_WRAPPER(adamw)

#endif
