/* The kernel of gemm_bf16 for processors that multiply fp32 alone: BF16 values are the upper halves
 * of fp32 ones and their products are exact, so that this gives the bits of AMX.
 *
 * A line of B holds VL pairs (p, p+1), one pair in 32 bits: shifted up it is the values at p, with
 * the lower half masked those at p+1. Two chains run for each row, even and odd, for one vector of
 * columns:
 *
 *      B line:      [ even | odd ]                 1 load, a shift, a mask
 *   A(0,p) A(0,p+1)  x even, x odd                 2 broadcasts, 2 fused multiply-adds for each row
 */
#include "core/ops/bf16_kernel.h"
#include "core/ops/cpu/cpu.h"
#include "core/ops/cpu/vec.h"
#include "core/ops/flush.h"

#if defined(__AVX512F__)
#define MR 8
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

enum { LINE = 32, STEP = 32 * 32 }; /* elements of B: 16 columns of a pair; 32 columns of 32 p */

/* `rows` rows of a tile and VL columns, `cols` of them in use; rows is a constant at every call. */
VEC void block(const int rows, const struct el_bf16_panel *t, const float *a, const uint16_t *b,
               float *c, int cols)
{
    vf sum[MR];
    UNROLL
    for (int i = 0; i < rows; i++)
        sum[i] = t->accumulate ? vload_part(c + i * t->c_row, cols) : (vf){0};
    for (int s = 0; s < t->steps; s++, a += EL_BF16_TILE * 32, b += STEP) {
        vf even[MR], odd[MR];
        UNROLL
        for (int i = 0; i < rows; i++)
            even[i] = odd[i] = (vf){0};
        for (int p = 0; p < 16; p++) {
            vi pair = vload_int((const int32_t *)(const void *)(b + p * LINE));
            vf low = (vf)(pair << 16), high = (vf)(pair & vset_int((int32_t)0xffff0000));
            UNROLL
            for (int i = 0; i < rows; i++) {
                even[i] = vfma(vset(a[i * 32 + 2 * p]), low, even[i]);
                odd[i] = vfma(vset(a[i * 32 + 2 * p + 1]), high, odd[i]);
            }
        }
        UNROLL
        for (int i = 0; i < rows; i++)
            sum[i] += even[i] + odd[i];
    }
    UNROLL
    for (int i = 0; i < rows; i++)
        vstore_part(c + i * t->c_row, sum[i], cols);
}

/* Picks the constant row count. */
VEC void block_rows(int rows, const struct el_bf16_panel *t, const float *a, const uint16_t *b,
                    float *c, int cols)
{
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        block(n, t, a, b, c, cols);                                                                \
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
#endif
    }
#undef ROWS
}

static void columns(const struct el_bf16_panel *t, int col)
{
    const uint16_t *b = t->b + col / 16 * (STEP / 2) + col % 16 * 2;
    int cols = t->cols - col < VL ? t->cols - col : VL;
    for (int row = 0; row < t->rows;) {
        int in_tile = row % EL_BF16_TILE, rows = EL_BF16_TILE - in_tile;
        rows = rows < t->rows - row ? rows : t->rows - row;
        rows = rows < MR ? rows : MR;
        const char *tile = t->a + (size_t)(row / EL_BF16_TILE) * t->a_tile;
        block_rows(rows, t, (const float *)(const void *)tile + in_tile * 32, b,
                   t->c + row * t->c_row + col, cols);
        row += rows;
    }
}

static void panel(const struct el_bf16_panel *t)
{
    uint64_t mode = el_flush_begin();
    for (int col = 0; col < t->cols; col += VL)
        columns(t, col);
    el_flush_end(mode);
}

const struct el_bf16_kernel EL_CPU(bf16_kernel) = {
    .name = EL_CPU_STRING(EL_ISA), .wide = 1, .row_block = 12, .step_block = 16, .panel = panel};
