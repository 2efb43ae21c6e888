/* The tile kernel under every product of this backend.
 *
 * A tile is EL_TILE_ROWS rows x 2 vectors, kept in registers while p runs over k:
 *
 *      B row p:   [ b0 | b1 ]             2 loads
 *   A(0,p) x      [acc0|acc0]             1 broadcast, 2 fused multiply-adds per row
 *   A(1,p) x      [acc1|acc1]
 *      ...
 *
 * An element's sum is one chain over p whatever tile it falls into, so a row's bits do not depend
 * on how many rows there are. */
#include "core/base/unroll.h"
#include "core/ops/cpu/tile.h"

/* Steps of p to a jump. A short step's jump costs: with 4, tiles of AVX2 run up to 20% faster on
 * Zen 3 (operands in the caches). AVX-512's step is of 24 multiply-adds. */
#if defined(__AVX512F__)
#define STEPS 1
#else
#define STEPS 4
#endif

/* `last` lanes of the last vector are in use (VL when `part` is 0). rows, nv and part are
 * compile-time constants at every call. */
VEC void tile(const int rows, const int nv, const int part, const struct el_panel *t, int last,
              const float *a, int64_t ar, int64_t ac, float *c)
{
    const int64_t br = t->b_row, cr = t->c_row;
    const float *b = t->b;
    vf acc[EL_TILE_ROWS][2];
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
    for (int v = 0; v < nv; v++) {
        acc[i][v] = (vf){0};
        if (t->accumulate)
            acc[i][v] = part && v == nv - 1 ? vload_part(c + i * cr + v * VL, last)
                                            : vload(c + i * cr + v * VL);
    }
    /* Three rows share a pointer: base, base + stride, base + 2 strides are one address form. */
    const float *base[4] = {a, a + 3 * ar, a + 6 * ar, a + 9 * ar};
    UNROLL_BY(STEPS)
    for (int p = 0; p < t->k; p++) {
        vf bv[2];
        UNROLL
        for (int v = 0; v < nv; v++)
            bv[v] = part && v == nv - 1 ? vload_part(b + v * VL, last) : vload(b + v * VL);
        UNROLL
        for (int i = 0; i < rows; i++) {
            vf x = vset(base[i / 3][i % 3 * ar]);
            UNROLL
            for (int v = 0; v < nv; v++)
                acc[i][v] = vfma(x, bv[v], acc[i][v]);
        }
        UNROLL
        for (int i = 0; i < (rows + 2) / 3; i++)
            base[i] += ac;
        b += br;
    }
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
    for (int v = 0; v < nv; v++) {
        if (part && v == nv - 1)
            vstore_part(c + i * cr + v * VL, acc[i][v], last);
        else
            vstore(c + i * cr + v * VL, acc[i][v]);
    }
}

/* Picks the constant row count. */
VEC void tile_rows(int rows, const int nv, const int part, const struct el_panel *t, int last,
                   const float *a, int64_t ar, int64_t ac, float *c)
{
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        tile(n, nv, part, t, last, a, ar, ac, c);                                                  \
        break
    switch (rows) {
        ROWS(1);
        ROWS(2);
        ROWS(3);
        ROWS(4);
#if EL_TILE_ROWS > 4
        ROWS(5);
        ROWS(6);
#endif
#if EL_TILE_ROWS > 6
        ROWS(7);
        ROWS(8);
        ROWS(9);
        ROWS(10);
        ROWS(11);
        ROWS(12);
#endif
    }
#undef ROWS
}

/* Part i of n of the cache lines of all rows. */
static void fetch(const struct el_ahead *next, int i, int n)
{
    enum { LINE = 16 };
    int lines = (next->width + LINE - 1) / LINE, all = next->count * lines;
    int from = all * i / n, to = all * (i + 1) / n;
    for (int row = lines ? from / lines : 0, line = from - row * lines; from < to; from++) {
        __builtin_prefetch(next->rows[row] + line * LINE);
        if (++line == lines)
            line = 0, row++;
    }
}

/* The lines of C that a tile continues, which lie a row apart. */
static void fetch_c(const float *c, int64_t c_row, int rows, int cols)
{
    for (int i = 0; i < rows; i++, c += c_row) {
        __builtin_prefetch(c, 1);
        __builtin_prefetch(c + cols - 1, 1);
    }
}

void EL_CPU(tiles)(const struct el_panel *t)
{
    if (t->m <= 0 || t->cols <= 0)
        return;
    int nv = (t->cols + VL - 1) / VL, last = t->cols - (nv - 1) * VL;
    int tiles = tiles_of(t->m), row = 0;
    for (int i = 0; i < tiles; i++) {
        if (t->ahead)
            fetch(t->ahead, i, tiles);
        int rows = tile_height(t->m, i);
        int64_t ar = t->strips ? 1 : t->a_row, ac = t->strips ? rows : t->a_col;
        const float *a = t->a + row * (t->strips ? (int64_t)t->k : ar);
        float *c = t->c + row * t->c_row;
        if (t->strips && i + 1 < tiles)
            fetch_c(c + rows * t->c_row, t->c_row, tile_height(t->m, i + 1), t->cols);
        if (nv == 2 && last == VL)
            tile_rows(rows, 2, 0, t, last, a, ar, ac, c);
        else if (nv == 2)
            tile_rows(rows, 2, 1, t, last, a, ar, ac, c);
        else if (last == VL)
            tile_rows(rows, 1, 0, t, last, a, ar, ac, c);
        else
            tile_rows(rows, 1, 1, t, last, a, ar, ac, c);
        row += rows;
    }
}
