#include "core/ops/rope.h"
#include "core/ops/ref/ref.h"

static void turn(const struct el_rope *a, const float *x, float *y, const float *cos,
                 const float *sin)
{
    int half = a->dim / 2;
    for (int f = 0; f < half; f++) {
        int first = a->interleaved ? 2 * f : f;
        int second = a->interleaved ? 2 * f + 1 : f + half;
        float c = cos[f], s = a->inverse ? -sin[f] : sin[f];
        float u = x[first], v = x[second];
        y[first] = u * c - v * s;
        y[second] = u * s + v * c;
    }
}

void el_ref_rope(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_rope *a = args;
    for (int64_t i = 0; i < a->rows; i++) {
        int64_t angle = (int64_t)a->pos[i] * (a->dim / 2);
        for (int64_t h = 0; h < a->heads; h++)
            turn(a, a->x + i * a->x_row + h * a->x_head, a->y + i * a->y_row + h * a->y_head,
                 a->cos + angle, a->sin + angle);
    }
}
