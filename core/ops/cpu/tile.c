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
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"

#if defined(__AVX512F__)
#define MR 12
#elif defined(__AVX2__)
#define MR 6
#else
#define MR 4
#endif

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* `last` lanes of the last vector are in use (VL when `part` is 0). rows, nv and part are
 * compile-time constants at every call. */
VEC void tile(const int rows, const int nv, const int part, const struct el_panel *t, int last,
              const float *a, float *c)
{
    const int64_t ar = t->a_row, ac = t->a_col, br = t->b_row, cr = t->c_row;
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
                   const float *a, float *c)
{
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        tile(n, nv, part, t, last, a, c);                                                          \
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

void EL_CPU(panel)(const struct el_panel *t)
{
    if (t->m <= 0 || t->cols <= 0)
        return;
    int nv = (t->cols + VL - 1) / VL, last = t->cols - (nv - 1) * VL;
    int tiles = (t->m + MR - 1) / MR, row = 0;
    for (int i = 0; i < tiles; i++) { /* tiles of nearly equal height keep the pipes full */
        int rows = t->m / tiles + (i < t->m % tiles);
        const float *a = t->a + row * t->a_row;
        float *c = t->c + row * t->c_row;
        if (nv == 2 && last == VL)
            tile_rows(rows, 2, 0, t, last, a, c);
        else if (nv == 2)
            tile_rows(rows, 2, 1, t, last, a, c);
        else if (last == VL)
            tile_rows(rows, 1, 0, t, last, a, c);
        else
            tile_rows(rows, 1, 1, t, last, a, c);
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

/* The lower and the upper halves of a and b, lane by lane in turn. */
VEC vf zip_low(vf a, vf b)
{
#if VL == 16
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
#elif VL == 8
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#else
    return __builtin_shufflevector(a, b, 0, 4, 1, 5);
#endif
}

VEC vf zip_high(vf a, vf b)
{
#if VL == 16
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                   31);
#elif VL == 8
    return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
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

VEC void transpose(vf x[VL])
{
    vf y[VL];
    zip_rows(y, x);
    zip_rows(x, y);
#if VL == 16
    zip_rows(y, x);
    zip_rows(x, y);
#elif VL == 8
    zip_rows(y, x);
    for (int i = 0; i < VL; i++)
        x[i] = y[i];
#endif
}

static void pack_square(float *dst, const float *src, int64_t src_row)
{
    vf x[VL];
    UNROLL
    for (int j = 0; j < VL; j++)
        x[j] = vload(src + j * src_row);
    transpose(x);
    UNROLL
    for (int p = 0; p < VL; p++)
        vstore(dst + p * EL_PANEL, x[p]);
}

static void pack_part(float *dst, const float *src, int64_t src_row, int cols, int k)
{
    vf x[VL];
    for (int j = 0; j < VL; j++)
        x[j] = j < cols ? vload_part(src + j * src_row, k) : (vf){0};
    transpose(x);
    for (int p = 0; p < k; p++)
        vstore(dst + p * EL_PANEL, x[p]);
}

void EL_CPU(pack_transposed)(float *dst, const float *src, int64_t src_row, int cols, int k)
{
    for (int j = 0; j < EL_PANEL; j += VL) {
        int nj = cols - j < VL ? (cols - j > 0 ? cols - j : 0) : VL;
        for (int p = 0; p < k; p += VL) {
            int np = k - p < VL ? k - p : VL;
            const float *from = nj > 0 ? src + j * src_row + p : src;
            if (nj == VL && np == VL)
                pack_square(dst + p * EL_PANEL + j, from, src_row);
            else
                pack_part(dst + p * EL_PANEL + j, from, src_row, nj, np);
        }
    }
}
