#include "core/ops/pointwise.h"
#include "core/ops/ref/ref.h"

void el_ref_fill(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_fill *a = args;
    for (int64_t i = 0; i < a->n; i++)
        a->x[i] = a->value;
}
