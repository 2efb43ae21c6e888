#include "core/ops/moe.h"
#include "core/ops/ref/ref.h"

void el_ref_moe_combine(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_moe_combine *a = args;
    for (int64_t i = 0; i < a->rows; i++) {
        const int32_t *place = a->place + i * a->topk;
        const float *weight = a->weight + i * a->topk;
        for (int j = 0; j < a->width; j++) {
            float sum = 0;
            for (int k = 0; k < a->topk; k++)
                sum += weight[k] * a->y[(int64_t)place[k] * a->width + j];
            a->out[i * a->width + j] += sum;
        }
    }
}

void el_ref_moe_combine_bwd(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_moe_combine_bwd *a = args;
    for (int64_t i = 0; i < (int64_t)a->rows * a->topk; i++) {
        const float *dout = a->dout + i / a->topk * a->width;
        int64_t at = (int64_t)a->place[i] * a->width;
        a->dweight[i] = (float)el_ref_dot(dout, a->y + at, a->width);
        for (int j = 0; j < a->width; j++)
            a->dy[at + j] = a->weight[i] * dout[j];
    }
}
