/* The kernel of gemm_bf16 for processors that multiply fp32 alone: BF16 values are the upper halves
 * of fp32 ones and their products are exact, so that this gives the bits of AMX.
 *
 * A line of B holds pairs (p, p+1), one in 32 bits: shifted up it is the values at p, with the
 * lower half masked those at p+1. Two chains run for each row, even and odd, over two vectors of
 * columns:
 *
 *      B line, shifted:  [ p   | p   ]            2 loads, 2 shifts
 *   A(0,p)   x           [even0|even0]            1 broadcast, 2 fused multiply-adds per row
 *      B line, masked:   [ p+1 | p+1 ]
 *   A(0,p+1) x           [odd0 | odd0] */
#include "core/base/unroll.h"
#include "core/ops/bf16_kernel.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"
#include "core/ops/flush.h"

#if defined(__AVX512F__)
#define MR 6
#else
#define MR 3
#endif

enum { LINE = 32, STEP = 32 * 32 }; /* elements of B: 16 columns of a pair; 32 columns of 32 p */

/* Where the lines of a vector of columns begin. */
static inline int64_t line_of(int col)
{
    return col / 16 * (STEP / 2) + col % 16 * 2;
}

VEC vi pairs(const uint16_t *b)
{
    return vload_int((const int32_t *)(const void *)b);
}

/* One step: 16 pairs for `rows` rows and nv vectors. */
VEC void step(const int rows, const int nv, const float *a, const uint16_t *const *b,
              vf even[MR][2], vf odd[MR][2])
{
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
    for (int v = 0; v < nv; v++)
        even[i][v] = odd[i][v] = (vf){0};
    for (int p = 0; p < 16; p++) {
        vf x[2];
        UNROLL
        for (int v = 0; v < nv; v++)
            x[v] = (vf)(pairs(b[v] + p * LINE) << 16);
        UNROLL
        for (int i = 0; i < rows; i++)
            UNROLL
        for (int v = 0; v < nv; v++)
            even[i][v] = vfma(vset(a[i * 32 + 2 * p]), x[v], even[i][v]);
        UNROLL
        for (int v = 0; v < nv; v++)
            x[v] = (vf)(pairs(b[v] + p * LINE) & vset_int((int32_t)0xffff0000));
        UNROLL
        for (int i = 0; i < rows; i++)
            UNROLL
        for (int v = 0; v < nv; v++)
            odd[i][v] = vfma(vset(a[i * 32 + 2 * p + 1]), x[v], odd[i][v]);
    }
}

/* `rows` rows of a tile and the columns of nv vectors; both are constants at every call. */
VEC void block(const int rows, const int nv, const struct el_bf16_panel *t, const float *a, int col,
               float *c)
{
    const uint16_t *b[2] = {t->b + line_of(col), t->b + line_of(col + (nv - 1) * VL)};
    int last = t->cols - col - (nv - 1) * VL; /* columns of the last vector */
    last = last < VL ? last : VL;
    vf sum[MR][2], even[MR][2], odd[MR][2];
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
    for (int v = 0; v < nv; v++)
        sum[i][v] = !t->accumulate ? (vf){0}
                    : v == nv - 1  ? vload_part(c + i * t->c_row + v * VL, last)
                                   : vload(c + i * t->c_row + v * VL);
    for (int s = 0; s < t->steps; s++, a += EL_BF16_TILE * 32, b[0] += STEP, b[1] += STEP) {
        step(rows, nv, a, b, even, odd);
        UNROLL
        for (int i = 0; i < rows; i++)
            UNROLL
        for (int v = 0; v < nv; v++)
            sum[i][v] += even[i][v] + odd[i][v];
    }
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
    for (int v = 0; v < nv; v++) {
        if (v == nv - 1)
            vstore_part(c + i * t->c_row + v * VL, sum[i][v], last);
        else
            vstore(c + i * t->c_row + v * VL, sum[i][v]);
    }
}

/* Picks the constant row count. */
VEC void block_rows(int rows, const int nv, const struct el_bf16_panel *t, const float *a, int col,
                    float *c)
{
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        block(n, nv, t, a, col, c);                                                                \
        break
    switch (rows) {
        ROWS(1);
        ROWS(2);
        ROWS(3);
#if MR > 3
        ROWS(4);
        ROWS(5);
        ROWS(6);
#endif
    }
#undef ROWS
}

/* One tile of A, in blocks of nearly equal height. */
static void tile(const struct el_bf16_panel *t, const float *a, int rows, int col, float *c)
{
    int blocks = (rows + MR - 1) / MR;
    for (int i = 0, row = 0; i < blocks; i++) {
        int n = rows / blocks + (i < rows % blocks);
        if (t->cols - col > VL)
            block_rows(n, 2, t, a + row * 32, col, c + row * t->c_row);
        else
            block_rows(n, 1, t, a + row * 32, col, c + row * t->c_row);
        row += n;
    }
}

static void panel(const struct el_bf16_panel *t)
{
    uint64_t mode = el_flush_begin();
    for (int col = 0; col < t->cols; col += 2 * VL)
        for (int row = 0; row < t->rows; row += EL_BF16_TILE) {
            const char *a = t->a + (size_t)(row / EL_BF16_TILE) * t->a_tile;
            int rows = t->rows - row < EL_BF16_TILE ? t->rows - row : EL_BF16_TILE;
            tile(t, (const float *)(const void *)a, rows, col, t->c + row * t->c_row + col);
        }
    el_flush_end(mode);
}

const struct el_bf16_kernel EL_CPU(bf16_kernel) = {
    .name = EL_CPU_STRING(EL_ISA), .wide = 1, .row_block = 12, .step_block = 16, .panel = panel};
