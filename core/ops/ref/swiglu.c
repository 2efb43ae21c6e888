#include "core/ops/pointwise.h"
#include "core/ops/ref/ref.h"

#include <math.h>

void el_ref_swiglu(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_swiglu *a = args;
    int64_t n = (int64_t)a->rows * a->width;
    for (int64_t i = 0; i < n; i++)
        a->y[i] = a->gate[i] / (1.0f + expf(-a->gate[i])) * a->up[i];
}

/* d silu(g) / dg = t (1 + g (1 - t)), t = 1 / (1 + exp(-g)) */
void el_ref_swiglu_bwd(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_swiglu_bwd *a = args;
    int64_t n = (int64_t)a->rows * a->width;
    for (int64_t i = 0; i < n; i++) {
        float gate = a->gate[i], up = a->up[i], dy = a->dy[i];
        float t = 1.0f / (1.0f + expf(-gate));
        a->dgate[i] = dy * up * t * (1.0f + gate * (1.0f - t));
        a->dup[i] = dy * gate * t;
    }
}
