#include "core/ops/pointwise.h"
#include "core/ops/ref/ref.h"

void el_ref_copy_rows(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_copy_rows *a = args;
    for (int64_t i = 0; i < a->rows; i++) {
        const float *src = a->src + (a->from ? a->from[i] : i) * a->src_row;
        float *dst = a->dst + (a->to ? a->to[i] : i) * a->dst_row;
        for (int j = 0; j < a->width; j++)
            dst[j] = a->accumulate ? dst[j] + src[j] : src[j];
    }
}
