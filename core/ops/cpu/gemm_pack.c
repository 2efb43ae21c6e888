/* Operands packed ahead: the panels that gemm.c would make for each block of rows, one behind the
 * other, each over the whole of k. */
#include "core/ops/gemm_pack.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

#include <string.h>

/* Whole rows of a panel that lie apart: too far for the processor to see what comes next. */
static void copy_panel(float *panel, const float *b, int64_t b_row, int k)
{
    enum { AHEAD = 16 };
    for (int p = 0; p < k; p++, panel += EL_PANEL, b += b_row) {
        if (p + AHEAD < k) {
            __builtin_prefetch(b + AHEAD * b_row);
            __builtin_prefetch(b + AHEAD * b_row + EL_PANEL - 1);
        }
        for (int j = 0; j < EL_PANEL; j += VL)
            vstore(panel + j, vload(b + j));
    }
}

void EL_CPU(pack_panel)(float *panel, const float *b, int64_t b_row, int64_t b_col, int cols, int k)
{
    if (b_row == 1) {
        EL_CPU(pack_transposed)(panel, b, b_col, cols, k);
        return;
    }
    if (b_col == 1 && cols == EL_PANEL) {
        copy_panel(panel, b, b_row, k);
        return;
    }
    for (int p = 0; p < k; p++, panel += EL_PANEL) {
        if (b_col == 1)
            memcpy(panel, b + p * b_row, (size_t)cols * sizeof *b);
        else
            for (int j = 0; j < cols; j++)
                panel[j] = b[p * b_row + j * b_col];
        for (int j = cols; j < EL_PANEL; j++)
            panel[j] = 0;
    }
}

void EL_CPU(gemm_pack)(struct el_stream *s, const void *args)
{
    const struct el_gemm_pack *g = args;
    int panels = (g->n + EL_PANEL - 1) / EL_PANEL, batch = g->batch > 1 ? g->batch : 1;
    int threads = el_cpu_threads(s, (double)g->n * g->k * batch);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t i = 0; i < (int64_t)panels * batch; i++) {
        int64_t product = i / panels, panel = i % panels, col = panel * EL_PANEL;
        int cols = g->n - col < EL_PANEL ? (int)(g->n - col) : EL_PANEL;
        EL_CPU(pack_panel)
        (g->packed + product * el_gemm_packed_floats(g->n, g->k) + panel * EL_PANEL * g->k,
         g->b + product * g->b_batch + col * g->b_col, g->b_row, g->b_col, cols, g->k);
    }
}

void EL_CPU(init_gemm_pack)(struct el_ops *t)
{
    t->run[EL_OP_gemm_pack] = EL_CPU(gemm_pack);
}
