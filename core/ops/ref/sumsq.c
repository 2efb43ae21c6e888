#include "core/ops/optim.h"
#include "core/ops/ref/ref.h"

void el_ref_sumsq(struct el_stream *s, const void *args)
{
    (void)s;
    enum { PART = 4096 };
    const struct el_sumsq *a = args;
    double total = 0;
    for (int64_t i = 0; i < a->n; i += PART) {
        int n = a->n - i < PART ? (int)(a->n - i) : PART;
        total += el_ref_dot(a->x + i, a->x + i, n);
    }
    a->out[0] = total;
}
