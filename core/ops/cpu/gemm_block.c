/* A block of rows of a product. For each block of k:
 *
 *   - A's block is packed into strips where enough panels will meet it, unless that was done ahead;
 *   - for each panel: B's panel (k block x EL_PANEL) is packed into the thread's scratch, unless it
 *     was packed ahead (gemm_pack.c), and tiles over the rows continue the sums in C.
 *
 * A's block stays in the second-level cache while it meets all panels, and B's panel in the first
 * while it meets all rows; C goes through memory once for each block of k. */
#include "core/ops/cpu/gemm_block.h"

#include <string.h>

enum { FEW_ROWS = 24 /* up to here B is read in place where its rows are contiguous */ };

struct el_gemm_product EL_CPU(gemm_product)(const struct el_gemm *g, int i)
{
    struct el_gemm_product p = {
        .m = g->m, .k = g->k, .a = g->a, .b = g->b, .packed = g->packed, .c = g->c};
    if (g->packed)
        p.packed += i * el_gemm_packed_floats(g->n, g->k);
    int64_t from = g->offsets ? g->offsets[i] : 0;
    if (g->group == EL_GROUP_ROWS) {
        p.m = (int)(g->offsets[i + 1] - from);
        p.a += from * g->a_row;
        p.b += i * g->b_batch;
        p.c += from * g->c_row;
    } else if (g->group == EL_GROUP_K) {
        p.k = (int)(g->offsets[i + 1] - from);
        p.a += from * g->a_col;
        p.b += from * g->b_row;
        p.c += i * g->c_batch;
    } else {
        p.a += i * g->a_batch;
        p.b += i * g->b_batch;
        p.c += i * g->c_batch;
    }
    return p;
}

int EL_CPU(gemm_products)(const struct el_gemm *g)
{
    return g->batch > 1 || g->group != EL_GROUP_NONE ? g->batch : 1;
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Where block i of k begins: blocks are of nearly equal length. */
static int k_from(const struct el_gemm_product *p, int i)
{
    return (int)((int64_t)p->k * i / el_ceil_div(p->k, EL_K_BLOCK));
}

/* Pieces lie apart, for packing one writes a little behind it. */
static int64_t piece_floats(int rows_at_once)
{
    return (int64_t)rows_at_once * EL_K_BLOCK + EL_STRIPS_SLACK;
}

int64_t EL_CPU(gemm_strips_floats)(int m, int k, int rows_at_once)
{
    return el_ceil_div(m, rows_at_once) * piece_floats(rows_at_once) * el_ceil_div(k, EL_K_BLOCK);
}

void EL_CPU(gemm_strips)(const struct el_gemm *g, const struct el_gemm_product *p, int piece,
                         float *strips)
{
    int blocks = el_ceil_div(p->k, EL_K_BLOCK), i = piece % blocks;
    int row = piece / blocks * p->rows_at_once, k0 = k_from(p, i);
    struct el_panel t = {.m = min_int(p->rows_at_once, p->m - row),
                         .k = k_from(p, i + 1) - k0,
                         .a = p->a + row * g->a_row + k0 * g->a_col,
                         .a_row = g->a_row,
                         .a_col = g->a_col};
    EL_CPU(pack_strips)(strips + piece * piece_floats(p->rows_at_once), &t);
}

/* The panel of B from row k0 and column `col` on: as it was packed ahead, in place, or packed. */
static void prepare_b(const struct el_gemm *g, const struct el_gemm_product *p, int k0, int col,
                      struct el_panel *t, float *panel)
{
    const float *b = p->b + k0 * g->b_row + col * g->b_col;
    t->b_row = EL_PANEL;
    if (p->packed) {
        t->b = p->packed + (int64_t)col * p->k + (int64_t)k0 * EL_PANEL;
    } else if (g->b_col == 1 && t->m <= FEW_ROWS) {
        t->b = b;
        t->b_row = g->b_row;
    } else {
        EL_CPU(pack_panel)(panel, b, g->b_row, g->b_col, t->cols, t->k);
        t->b = panel;
    }
}

/* The rows of A in block i of k: as strips where enough panels will meet them, sooner where a row's
 * values are scattered, or in place. */
static void prepare_a(const struct el_gemm *g, const struct el_gemm_product *p,
                      const struct el_gemm_block *it, int i, struct el_panel *t, float *strips)
{
    t->a = p->a + it->row * g->a_row + k_from(p, i) * g->a_col;
    t->a_row = g->a_row;
    t->a_col = g->a_col;
    t->strips = p->strips || it->cols > (g->a_col != 1 ? 4 : 8) * EL_PANEL;
    if (p->strips) {
        int piece = it->row / p->rows_at_once * el_ceil_div(p->k, EL_K_BLOCK) + i;
        t->a = p->strips + piece * piece_floats(p->rows_at_once);
    } else if (t->strips) {
        EL_CPU(pack_strips)(strips, t);
        t->a = strips;
    }
}

void EL_CPU(gemm_block)(const struct el_gemm *g, const struct el_gemm_product *p,
                        const struct el_gemm_block *it, const struct el_gemm_scratch *s)
{
    float *c = p->c + it->row * g->c_row;
    int blocks = el_ceil_div(p->k, EL_K_BLOCK), end = it->col + it->cols;
    for (int i = 0; i < blocks; i++) {
        int k0 = k_from(p, i);
        struct el_panel t = {.m = it->rows,
                             .k = k_from(p, i + 1) - k0,
                             .c_row = g->c_row,
                             .accumulate = g->accumulate || i > 0};
        prepare_a(g, p, it, i, &t, s->strips);
        for (int col = it->col; col < end; col += EL_PANEL) {
            t.c = c + col;
            t.cols = min_int(EL_PANEL, end - col);
            prepare_b(g, p, k0, col, &t, s->panel);
            EL_CPU(panel)(&t);
        }
    }
    if (blocks == 0 && !g->accumulate)
        for (int i = 0; i < it->rows; i++)
            memset(c + i * g->c_row + it->col, 0, (size_t)it->cols * sizeof *c);
}
