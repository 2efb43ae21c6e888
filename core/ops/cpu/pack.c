/* Operands laid out as the tile kernel reads them: B's rows transposed into panels, A's into
 * strips. */
#include "core/base/unroll.h"
#include "core/ops/cpu/tile.h"

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
        int rows = tile_height(t->m, i);
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
        int rows = tile_height(m, i);
        for (int p = 0; p < k; p++, dst += rows)
            vstore(dst, vload(columns[p] + row));
        row += rows;
    }
}
