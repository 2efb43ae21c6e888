/* The tile kernel under every product of this backend, and the transposition that feeds it.
 *
 * A tile is MR rows x 2 vectors, kept in registers while p runs over k:
 *
 *      B row p:   [ b0 | b1 ]             2 loads
 *   A(0,p) x      [acc0|acc0]             1 broadcast, 2 fused multiply-adds per row
 *   A(1,p) x      [acc1|acc1]
 *      ...
 *
 * An element's sum is one chain over p whatever tile it falls into, so a row's bits do not depend
 * on how many rows there are. */
#include "core/base/unroll.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

#if defined(__AVX512F__)
#define MR 12
#elif defined(__AVX2__)
#define MR 6
#else
#define MR 4
#endif

_Static_assert(MR <= VL && VL <= EL_STRIPS_SLACK, "a strip's columns are written as vectors");

/* `last` lanes of the last vector are in use (VL when `part` is 0). rows, nv and part are
 * compile-time constants at every call. */
VEC void tile(const int rows, const int nv, const int part, const struct el_panel *t, int last,
              const float *a, int64_t ar, int64_t ac, float *c)
{
    const int64_t br = t->b_row, cr = t->c_row;
    const float *b = t->b;
    vf acc[MR][2];
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
#if MR > 4
        ROWS(5);
        ROWS(6);
#endif
#if MR > 6
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

/* Tiles of nearly equal height keep the pipes full. */
static int tiles_of(int m)
{
    return (m + MR - 1) / MR;
}

static int height(int m, int tile)
{
    int tiles = tiles_of(m);
    return m / tiles + (tile < m % tiles);
}

/* The lines of C that a tile continues, which lie a row apart. */
static void fetch_c(const float *c, int64_t c_row, int rows, int cols)
{
    for (int i = 0; i < rows; i++, c += c_row) {
        __builtin_prefetch(c, 1);
        __builtin_prefetch(c + cols - 1, 1);
    }
}

void EL_CPU(panel)(const struct el_panel *t)
{
    if (t->m <= 0 || t->cols <= 0)
        return;
    int nv = (t->cols + VL - 1) / VL, last = t->cols - (nv - 1) * VL;
    int tiles = tiles_of(t->m), row = 0;
    for (int i = 0; i < tiles; i++) {
        if (t->ahead)
            fetch(t->ahead, i, tiles);
        int rows = height(t->m, i);
        int64_t ar = t->strips ? 1 : t->a_row, ac = t->strips ? rows : t->a_col;
        const float *a = t->a + row * (t->strips ? (int64_t)t->k : ar);
        float *c = t->c + row * t->c_row;
        if (t->strips && i + 1 < tiles)
            fetch_c(c + rows * t->c_row, t->c_row, height(t->m, i + 1), t->cols);
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

void EL_CPU(panels)(struct el_panel t)
{
    int n = t.cols;
    for (int j = 0; j < n; j += EL_PANEL) {
        t.cols = n - j < EL_PANEL ? n - j : EL_PANEL;
        EL_CPU(panel)(&t);
        t.b += EL_PANEL;
        t.c += EL_PANEL;
    }
}

/* out[p] = rows[0..VL-1][from + p] */
#if VL == 8
typedef float half __attribute__((vector_size(16)));
typedef float half_unaligned __attribute__((vector_size(16), aligned(4), may_alias));

#define LOW(a, b)  __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define HIGH(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)

/* Four values of a row beside four of the row four further on: the halves of vectors change places
 * while they are loaded, which costs nothing, and the rest stays inside the halves. */
VEC vf load_pair(const float *const *rows, int from)
{
    half a = *(const half_unaligned *)(rows[0] + from),
         b = *(const half_unaligned *)(rows[4] + from);
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
}

VEC void load_square(vf out[VL], const float *const *rows, int from)
{
    UNROLL
    for (int i = 0; i < VL; i += 4, from += 4) {
        vf x0 = load_pair(rows, from), x1 = load_pair(rows + 1, from);
        vf x2 = load_pair(rows + 2, from), x3 = load_pair(rows + 3, from);
        vf a = LOW(x0, x2), b = HIGH(x0, x2), c = LOW(x1, x3), d = HIGH(x1, x3);
        out[i] = LOW(a, c);
        out[i + 1] = HIGH(a, c);
        out[i + 2] = LOW(b, d);
        out[i + 3] = HIGH(b, d);
    }
}
#else
/* The lower and the upper halves of a and b, lane by lane in turn. */
VEC vf zip_low(vf a, vf b)
{
#if VL == 16
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
#else
    return __builtin_shufflevector(a, b, 0, 4, 1, 5);
#endif
}

VEC vf zip_high(vf a, vf b)
{
#if VL == 16
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                   31);
#else
    return __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
}

/* Zipping the first half of the rows with the second log2(VL) times transposes a square. */
VEC void zip_rows(vf out[VL], const vf in[VL])
{
    UNROLL
    for (int i = 0; i < VL / 2; i++) {
        out[2 * i] = zip_low(in[i], in[i + VL / 2]);
        out[2 * i + 1] = zip_high(in[i], in[i + VL / 2]);
    }
}

VEC void load_square(vf out[VL], const float *const *rows, int from)
{
    vf x[VL], y[VL];
    UNROLL
    for (int j = 0; j < VL; j++)
        x[j] = vload(rows[j] + from);
#if VL == 16
    zip_rows(y, x);
    zip_rows(x, y);
#endif
    zip_rows(y, x);
    zip_rows(out, y);
}
#endif

/* A square at the edge: `cols` rows of k values, zeros beside them. */
static void load_part(vf out[VL], const float *const *rows, int from, int cols, int k)
{
    float copy[VL][VL];
    const float *whole[VL];
    for (int j = 0; j < VL; j++) {
        vstore(copy[j], j < cols ? vload_part(rows[j] + from, k) : (vf){0});
        whole[j] = copy[j];
    }
    load_square(out, whole, 0);
}

/* VL columns of a panel: `cols` rows of k values. Addresses of whole ones stay in registers. */
VEC void pack_columns(float *dst, const float *const *rows, int cols, int k)
{
    const float *at[VL];
    int p = 0;
    vf x[VL];
    UNROLL
    for (int j = 0; j < VL; j++)
        at[j] = j < cols ? rows[j] : NULL;
    for (; cols >= VL && p + VL <= k; p += VL, dst += VL * EL_PANEL) {
        load_square(x, at, p);
        UNROLL
        for (int i = 0; i < VL; i++)
            vstore(dst + i * EL_PANEL, x[i]);
    }
    for (; p < k; p += VL, dst += VL * EL_PANEL) {
        int np = k - p < VL ? k - p : VL;
        load_part(x, at, p, cols, np);
        for (int i = 0; i < np; i++)
            vstore(dst + i * EL_PANEL, x[i]);
    }
}

void EL_CPU(pack_rows)(float *dst, const float *const *rows, int cols, int k)
{
    for (int j = 0; j < EL_PANEL; j += VL)
        pack_columns(dst + j, rows + j, cols - j, k);
}

void EL_CPU(pack_transposed)(float *dst, const float *src, int64_t src_row, int cols, int k)
{
    const float *rows[EL_PANEL] = {0};
    for (int j = 0; j < cols; j++)
        rows[j] = src + j * src_row;
    EL_CPU(pack_rows)(dst, rows, cols, k);
}

/* Strips of A. A store takes a whole vector, of which the strip's next column overwrites what is
 * behind its height. */

/* Rows are contiguous: squares of them are transposed. */
VEC void strip_of_rows(float *dst, const float *a, int64_t a_row, int rows, int k)
{
    const float *at[VL];
    vf x[VL];
    int p = 0;
    for (int i = 0; i < VL; i++)
        at[i] = a + (i < rows ? i : 0) * a_row;
    for (; p + VL <= k; p += VL) {
        load_square(x, at, p);
        UNROLL
        for (int i = 0; i < VL; i++, dst += rows)
            vstore(dst, x[i]);
    }
    for (; p < k; p++)
        for (int r = 0; r < rows; r++)
            *dst++ = at[r][p];
}

/* Columns are contiguous; `whole`: a vector of each may be read. */
VEC void strip_of_columns(const int whole, float *dst, const float *a, int64_t a_col, int rows,
                          int k)
{
    for (int p = 0; p < k; p++, a += a_col, dst += rows)
        vstore(dst, whole ? vload(a) : vload_part(a, rows));
}

void EL_CPU(pack_strips)(float *dst, const struct el_panel *t)
{
    int tiles = t->m > 0 ? tiles_of(t->m) : 0, row = 0;
    for (int i = 0; i < tiles; i++) {
        int rows = height(t->m, i);
        const float *a = t->a + row * t->a_row;
        if (t->a_col == 1)
            strip_of_rows(dst, a, t->a_row, rows, t->k);
        else if (t->a_row == 1 && row + VL <= t->m)
            strip_of_columns(1, dst, a, t->a_col, rows, t->k);
        else if (t->a_row == 1)
            strip_of_columns(0, dst, a, t->a_col, rows, t->k);
        else
            for (int p = 0; p < t->k; p++)
                for (int r = 0; r < rows; r++)
                    dst[p * rows + r] = a[r * t->a_row + p * t->a_col];
        dst += rows * t->k;
        row += rows;
    }
}

void EL_CPU(pack_strip_columns)(float *dst, const float *const *columns, int from, int m, int k)
{
    int tiles = m > 0 ? tiles_of(m) : 0, row = from;
    for (int i = 0; i < tiles; i++) {
        int rows = height(m, i);
        for (int p = 0; p < k; p++, dst += rows)
            vstore(dst, vload(columns[p] + row));
        row += rows;
    }
}
