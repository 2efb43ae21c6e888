/* Moving rows to their experts and back; a row's sums run over its slots in ascending order.
 * Routing stands in route.c. */
#include "core/ops/moe.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

#include <string.h>

static void moe_gather(struct el_stream *s, const void *args)
{
    const struct el_moe_gather *a = args;
    int threads = el_cpu_threads(s, (double)a->n * a->width);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t p = 0; p < a->n; p++)
        memcpy(a->y + p * a->width, a->x + (int64_t)a->source[p] * a->width,
               (size_t)a->width * sizeof *a->y);
}

/* to += sum over slots of weight[slot] * rows[place[slot]]; weight NULL: ones. */
static void add_slots(float *to, const float *rows, const int32_t *place, const float *weight,
                      int topk, int width)
{
    for (int j = 0; j < width; j += VL) {
        vf sum = {0};
        for (int k = 0; k < topk; k++) {
            vf v = vload_n(rows + (int64_t)place[k] * width + j, width - j);
            sum = weight ? vfma(vset(weight[k]), v, sum) : sum + v;
        }
        vstore_n(to + j, vload_n(to + j, width - j) + sum, width - j);
    }
}

static void moe_gather_bwd(struct el_stream *s, const void *args)
{
    const struct el_moe_gather_bwd *a = args;
    int threads = el_cpu_threads(s, (double)a->rows * a->topk * a->width);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < a->rows; i++)
        add_slots(a->dx + i * a->width, a->dy, a->place + i * a->topk, NULL, a->topk, a->width);
}

static void moe_combine(struct el_stream *s, const void *args)
{
    const struct el_moe_combine *a = args;
    int threads = el_cpu_threads(s, (double)a->rows * a->topk * a->width);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < a->rows; i++)
        add_slots(a->out + i * a->width, a->y, a->place + i * a->topk, a->weight + i * a->topk,
                  a->topk, a->width);
}

/* dy = weight * dout of one pair; returns dout . y. */
static float pair_bwd(const float *dout, const float *y, float weight, float *dy, int width)
{
    struct vacc dot = {0};
    for (int j = 0; j < width; j += VL) {
        vf d = vload_n(dout + j, width - j);
        vacc_fma(&dot, d, vload_n(y + j, width - j));
        vstore_n(dy + j, vset(weight) * d, width - j);
    }
    return vacc_sum(dot);
}

static void moe_combine_bwd(struct el_stream *s, const void *args)
{
    const struct el_moe_combine_bwd *a = args;
    int threads = el_cpu_threads(s, (double)a->rows * a->topk * a->width);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < a->rows; i++)
        for (int64_t pair = i * a->topk; pair < (i + 1) * a->topk; pair++) {
            int64_t at = (int64_t)a->place[pair] * a->width;
            a->dweight[pair] =
                pair_bwd(a->dout + i * a->width, a->y + at, a->weight[pair], a->dy + at, a->width);
        }
}

void EL_CPU(init_moe)(struct el_ops *t)
{
    t->run[EL_OP_moe_gather] = moe_gather;
    t->run[EL_OP_moe_gather_bwd] = moe_gather_bwd;
    t->run[EL_OP_moe_combine] = moe_combine;
    t->run[EL_OP_moe_combine_bwd] = moe_combine_bwd;
}
