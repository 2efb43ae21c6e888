/* The kernel of gemm_bf16 for AMX: 32 rows x 32 columns in four tile registers, two tiles of A and
 * two of B for each step of 32 values of p.
 *
 *              B half 0   B half 1
 *   A tile 0      C0         C1            4 loads of 1 KiB for 4 products of 16 x 16 x 32
 *   A tile 1      C2         C3
 *
 * A load takes half as long as a product, so the products are never short of operands that lie in
 * the second-level cache. The panel of B that comes next is fetched there meanwhile. */
#include "core/ops/bf16_kernel.h"
#include "core/ops/x86/amx_tiles.h"

#include <string.h>

/* Tile registers; the compilers want literals. */
#define C0 0
#define C1 1
#define C2 2
#define C3 3
#define A0 4
#define A1 5
#define B0 6
#define B1 7

enum { TILE_BYTES = 1024, LINE_BYTES = 64 };

/* Where a tile of C is read and written: in place, or in a copy when it is not whole. */
struct corner {
    float *c;
    int64_t row;
    int rows, cols;
    float *in_use;
    size_t line;
    float copy[16][16];
};

static void corner_begin(struct corner *k, const struct el_bf16_panel *t, int row, int col)
{
    k->c = t->c + row * t->c_row + col;
    k->row = t->c_row;
    k->rows = t->rows - row < 16 ? t->rows - row : 16;
    k->cols = t->cols - col < 16 ? t->cols - col : 16;
    k->in_use = k->c;
    k->line = (size_t)t->c_row * sizeof *k->c;
    if (k->rows == 16 && k->cols == 16)
        return;
    k->in_use = k->copy[0];
    k->line = sizeof k->copy[0];
    memset(k->copy, 0, sizeof k->copy);
    for (int i = 0; t->accumulate && i < k->rows; i++)
        memcpy(k->copy[i], k->c + i * k->row, (size_t)k->cols * sizeof *k->c);
}

static void corner_end(const struct corner *k)
{
    for (int i = 0; k->in_use == k->copy[0] && i < k->rows; i++)
        memcpy(k->c + i * k->row, k->copy[i], (size_t)k->cols * sizeof *k->c);
}

/* What is fetched of the next panel: `lines` cache lines a step. */
struct fetch {
    const char *at, *end;
    int lines;
};

static inline void fetch(struct fetch *f)
{
    for (int i = 0; i < f->lines && f->at < f->end; i++, f->at += LINE_BYTES)
        __builtin_prefetch(f->at, 0, 2);
}

/* The products of one block; two_rows and two_cols are constants at every call. */
static inline __attribute__((always_inline)) void multiply(const int two_rows, const int two_cols,
                                                           const struct el_bf16_panel *t,
                                                           const char *a, struct fetch *f)
{
    const char *b = (const char *)t->b;
    for (int s = 0; s < t->steps; s++, a += TILE_BYTES, b += 2 * TILE_BYTES) {
        el_tile_load(A0, a, LINE_BYTES);
        el_tile_load(B0, b, LINE_BYTES);
        el_tile_multiply(C0, A0, B0);
        if (two_cols) {
            el_tile_load(B1, b + TILE_BYTES, LINE_BYTES);
            el_tile_multiply(C1, A0, B1);
        }
        if (two_rows) {
            el_tile_load(A1, a + t->a_tile, LINE_BYTES);
            el_tile_multiply(C2, A1, B0);
        }
        if (two_rows && two_cols)
            el_tile_multiply(C3, A1, B1);
        fetch(f);
    }
}

static void load_corners(const struct el_bf16_panel *t, const struct corner *k, int two_rows,
                         int two_cols)
{
    el_tile_fence();
    el_tile_zero(C0);
    el_tile_zero(C1);
    el_tile_zero(C2);
    el_tile_zero(C3);
    if (!t->accumulate)
        return;
    el_tile_load(C0, k[0].in_use, k[0].line);
    if (two_cols)
        el_tile_load(C1, k[1].in_use, k[1].line);
    if (two_rows)
        el_tile_load(C2, k[2].in_use, k[2].line);
    if (two_rows && two_cols)
        el_tile_load(C3, k[3].in_use, k[3].line);
}

static void store_corners(const struct corner *k, int two_rows, int two_cols)
{
    el_tile_store(C0, k[0].in_use, k[0].line);
    if (two_cols)
        el_tile_store(C1, k[1].in_use, k[1].line);
    if (two_rows)
        el_tile_store(C2, k[2].in_use, k[2].line);
    if (two_rows && two_cols)
        el_tile_store(C3, k[3].in_use, k[3].line);
    for (int i = 0; i < 4; i++)
        if ((i < 2 || two_rows) && (i % 2 == 0 || two_cols))
            corner_end(&k[i]);
}

/* Up to 32 rows from `row` on. */
static void block(const struct el_bf16_panel *t, int row, struct fetch *f)
{
    int two_rows = t->rows - row > 16, two_cols = t->cols > 16;
    const char *a = t->a + (size_t)(row / EL_BF16_TILE) * t->a_tile;
    struct corner k[4];
    for (int i = 0; i < 4; i++)
        if ((i < 2 || two_rows) && (i % 2 == 0 || two_cols))
            corner_begin(&k[i], t, row + i / 2 * 16, i % 2 * 16);
    load_corners(t, k, two_rows, two_cols);
    if (two_rows && two_cols)
        multiply(1, 1, t, a, f);
    else if (two_rows)
        multiply(1, 0, t, a, f);
    else if (two_cols)
        multiply(0, 1, t, a, f);
    else
        multiply(0, 0, t, a, f);
    store_corners(k, two_rows, two_cols);
}

static void panel(const struct el_bf16_panel *t)
{
    enum { STEP_LINES = 2 * TILE_BYTES / LINE_BYTES };
    int blocks = (t->rows + 31) / 32;
    struct fetch f = {0};
    if (t->ahead) {
        f.at = (const char *)t->ahead;
        f.end = f.at + (size_t)t->steps * 2 * TILE_BYTES;
        f.lines = (STEP_LINES + blocks - 1) / blocks;
    }
    for (int row = 0; row < t->rows; row += 32)
        block(t, row, &f);
}

const struct el_bf16_kernel el_bf16_amx = {.name = "amx",
                                           .row_block = 24,
                                           .step_block = 64,
                                           .begin = el_tile_begin,
                                           .end = el_tile_end,
                                           .panel = panel};
