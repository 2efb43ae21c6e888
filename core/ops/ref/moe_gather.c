#include "core/ops/moe.h"
#include "core/ops/ref/ref.h"

#include <string.h>

void el_ref_moe_gather(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_moe_gather *a = args;
    for (int64_t p = 0; p < a->n; p++)
        memcpy(a->y + p * a->width, a->x + (int64_t)a->source[p] * a->width,
               (size_t)a->width * sizeof(float));
}

void el_ref_moe_gather_bwd(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_moe_gather_bwd *a = args;
    for (int64_t i = 0; i < a->rows; i++) {
        const int32_t *place = a->place + i * a->topk;
        for (int j = 0; j < a->width; j++) {
            float sum = 0;
            for (int k = 0; k < a->topk; k++)
                sum += a->dy[(int64_t)place[k] * a->width + j];
            a->dx[i * a->width + j] += sum;
        }
    }
}
