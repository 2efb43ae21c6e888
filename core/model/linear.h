/* y = x W^T and its gradients, written as gemm calls. Rows may be strided (slices of wider rows);
 * W is (out, in) as in the checkpoint. */
#ifndef EL_MODEL_LINEAR_H
#define EL_MODEL_LINEAR_H

#include "core/model/pass.h"
#include "core/ops/gemm.h"

/* y (rows, out) = x (rows, in) W^T [+ y] */
void el_linear(const struct el_pass *p, int rows, int out, int in, const float *x, const float *w,
               float *y, int accumulate);
/* dx (rows, in) = dy (rows, out) W [+ dx] */
void el_linear_dx(struct el_stream *s, int rows, int out, int in, const float *dy, const float *w,
                  float *dx, int accumulate);
/* dw (out, in) += dy^T x */
void el_linear_dw(struct el_stream *s, int rows, int out, int in, const float *dy, const float *x,
                  float *dw);

/* The same for experts: rows sorted by expert, offsets (experts+1) on the device, weights
 * (experts, out, in). */
struct el_grouping {
    int experts;
    const int32_t *offsets;
};
void el_linear_grouped(const struct el_pass *p, struct el_grouping g, int rows, int out, int in,
                       const float *x, const float *w, float *y);
void el_linear_grouped_dx(struct el_stream *s, struct el_grouping g, int rows, int out, int in,
                          const float *dy, const float *w, float *dx, int accumulate);
void el_linear_grouped_dw(struct el_stream *s, struct el_grouping g, int rows, int out, int in,
                          const float *dy, const float *x, float *dw);

#endif
