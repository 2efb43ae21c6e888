#include "core/ops/pointwise.h"
#include "core/ops/ref/ref.h"

#include <string.h>

void el_ref_embed(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_embed *a = args;
    for (int64_t i = 0; i < a->rows; i++)
        memcpy(a->x + i * a->width, a->table + (int64_t)a->token[i] * a->width,
               (size_t)a->width * sizeof(float));
}

void el_ref_embed_bwd(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_embed_bwd *a = args;
    for (int64_t i = 0; i < a->rows; i++) {
        float *row = a->dtable + (int64_t)a->token[i] * a->width;
        for (int j = 0; j < a->width; j++)
            row[j] += a->dx[i * a->width + j];
    }
}
