#include "core/ops/pointwise.h"
#include "core/ops/ref/ref.h"

void el_ref_add(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_add *a = args;
    for (int64_t i = 0; i < a->n; i++)
        a->y[i] += a->alpha * a->x[i];
}
