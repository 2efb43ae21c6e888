#include "core/ops/pointwise.h"
#include "core/ops/ref/ref.h"

void el_ref_copy_bytes(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_copy_bytes *a = args;
    for (int64_t i = 0; i < a->rows; i++) {
        const uint8_t *src = a->src + (a->from ? a->from[i] : i) * a->bytes;
        uint8_t *dst = a->dst + (a->to ? a->to[i] : i) * a->bytes;
        for (int64_t j = 0; j < a->bytes; j++)
            dst[j] = src[j];
    }
}
