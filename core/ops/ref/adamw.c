#include "core/ops/optim.h"
#include "core/ops/ref/ref.h"

#include <math.h>

void el_ref_adamw(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_adamw *a = args;
    /* In double: 1 - beta^step loses its digits in float when beta is close to 1. */
    float correct1 = (float)(1.0 / (1.0 - pow((double)a->beta1, (double)a->step)));
    float correct2 = (float)(1.0 / (1.0 - pow((double)a->beta2, (double)a->step)));
    for (int64_t i = 0; i < a->n; i++) {
        float g = a->grad[i] * a->grad_scale;
        a->m[i] = a->beta1 * a->m[i] + (1.0f - a->beta1) * g;
        a->v[i] = a->beta2 * a->v[i] + (1.0f - a->beta2) * g * g;
        float step = a->m[i] * correct1 / (sqrtf(a->v[i] * correct2) + a->eps);
        a->x[i] -= a->lr * (step + a->decay * a->x[i]);
    }
}
