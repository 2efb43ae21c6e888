#include "core/ops/gemm.h"
#include "core/ops/ref/ref.h"

/* One product of m rows and k terms; strides and flags come from g. */
static void product(const struct el_gemm *g, int m, int k, const float *a, const float *b, float *c)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < g->n; j++) {
            const float *left = a + i * g->a_row, *right = b + j * g->b_col;
            float sum = g->accumulate ? c[i * g->c_row + j] : 0.0f;
            for (int64_t p = 0; p < k; p++)
                sum += left[p * g->a_col] * right[p * g->b_row];
            c[i * g->c_row + j] = sum;
        }
    }
}

void el_ref_gemm(struct el_stream *s, const void *args)
{
    (void)s;
    const struct el_gemm *g = args;
    struct el_gemm unpacked;
    if (g->packed) {
        unpacked = *g;
        unpacked.b = g->packed;
        unpacked.b_row = g->n, unpacked.b_col = 1;
        unpacked.b_batch = el_gemm_packed_floats(g->n, g->k);
        g = &unpacked;
    }
    int64_t count = g->batch > 1 ? g->batch : 1;
    for (int64_t t = 0; t < count; t++) {
        int64_t first = 0, n = 0;
        if (g->offsets) {
            first = g->offsets[t];
            n = g->offsets[t + 1] - first;
        }
        if (!g->offsets || g->group == EL_GROUP_NONE)
            product(g, g->m, g->k, g->a + t * g->a_batch, g->b + t * g->b_batch,
                    g->c + t * g->c_batch);
        else if (g->group == EL_GROUP_ROWS)
            product(g, (int)n, g->k, g->a + first * g->a_row, g->b + t * g->b_batch,
                    g->c + first * g->c_row);
        else
            product(g, g->m, (int)n, g->a + first * g->a_col, g->b + first * g->b_row,
                    g->c + t * g->c_batch);
    }
}
