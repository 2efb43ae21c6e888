#include "core/ops/gemm_bf16.h"
#include "core/ops/flush.h"
#include "core/ops/ref/ref.h"
#include "core/tensor/dtype.h"

#include <math.h>

static float value(const struct el_gemm_bf16 *g, const uint16_t *b, int p, int64_t j)
{
    return el_bf16_widen(b[el_gemm_bf16_index(g->k, p, (int)j)]);
}

/* One element: its sum over p in the order that the header gives. */
static float element(const struct el_gemm_bf16 *g, const float *a, const uint16_t *b, int64_t j,
                     float sum)
{
    for (int from = 0; from < g->k; from += EL_BF16_STEP) {
        float chain[2] = {0, 0};
        for (int p = from; p < from + EL_BF16_STEP && p < g->k; p++) {
            float x = el_bf16_widen(el_bf16_round(a[p]));
            chain[p % 2] = fmaf(x, value(g, b, p, j), chain[p % 2]);
        }
        sum += chain[0] + chain[1];
    }
    return sum;
}

static void product(const struct el_gemm_bf16 *g, int64_t m, const float *a, const uint16_t *b,
                    float *c)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < g->n; j++) {
            float *to = c + i * g->c_row + j;
            *to = element(g, a + i * g->a_row, b, j, g->accumulate ? *to : 0);
        }
}

void el_ref_gemm_bf16(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_gemm_bf16 *g = args;
    int rows = g->group == EL_GROUP_ROWS;
    uint64_t mode = el_flush_begin();
    for (int64_t t = 0; t < (g->batch > 1 || rows ? g->batch : 1); t++) {
        int64_t from = rows ? g->offsets[t] : 0, m = rows ? g->offsets[t + 1] - from : g->m;
        const float *a = rows ? g->a + from * g->a_row : g->a + t * g->a_batch;
        float *c = rows ? g->c + from * g->c_row : g->c + t * g->c_batch;
        product(g, m, a, g->packed + t * el_gemm_bf16_packed(g->n, g->k), c);
    }
    el_flush_end(mode);
}

void el_ref_gemm_bf16_pack(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_gemm_bf16_pack *g = args;
    int64_t room = el_gemm_bf16_packed(g->n, g->k);
    for (int64_t t = 0; t < (g->batch > 1 ? g->batch : 1); t++) {
        uint16_t *to = g->packed + t * room;
        for (int64_t i = 0; i < room; i++)
            to[i] = 0;
        for (int p = 0; p < g->k; p++)
            for (int j = 0; j < g->n; j++)
                to[el_gemm_bf16_index(g->k, p, j)] =
                    el_bf16_round(g->b[t * g->b_batch + p * g->b_row + j * g->b_col]);
    }
}
