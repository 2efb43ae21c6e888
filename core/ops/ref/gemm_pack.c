#include "core/ops/gemm_pack.h"
#include "core/ops/ref/ref.h"

/* Row-major, (k, n). */
void el_ref_gemm_pack(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_gemm_pack *g = args;
    for (int64_t t = 0; t < (g->batch > 1 ? g->batch : 1); t++) {
        float *to = g->packed + t * el_gemm_packed_floats(g->n, g->k);
        for (int64_t p = 0; p < g->k; p++)
            for (int64_t j = 0; j < g->n; j++)
                to[p * g->n + j] = g->b[t * g->b_batch + p * g->b_row + j * g->b_col];
    }
}
