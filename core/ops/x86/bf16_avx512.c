/* The kernel of gemm_bf16 for AVX-512 with VDPBF16PS, which adds two products to a sum at once. A
 * tile is 8 rows x 2 vectors, kept in registers while p runs over k. */
#include "core/base/unroll.h"
#include "core/ops/bf16_kernel.h"

#include <immintrin.h>
#include <string.h>

enum { MR = 8, LINE = 32, HALF = 16 * LINE }; /* elements of B: 16 columns of a pair; of 32 p */

static inline __mmask16 lanes(int n)
{
    return n >= 16 ? (__mmask16)0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

/* The pair of values at p of a row, in every lane. */
static inline __m512bh pair(const char *a)
{
    int both;
    memcpy(&both, a, sizeof both);
    return (__m512bh)_mm512_set1_epi32(both);
}

static inline __m512bh line(const uint16_t *b)
{
    return (__m512bh)_mm512_loadu_si512(b);
}

/* `rows` rows from line `first` of a tile; rows is a constant at every call. */
static inline __attribute__((always_inline)) void
block(const int rows, const struct el_bf16_panel *t, const char *a, float *c)
{
    __mmask16 low = lanes(t->cols), high = lanes(t->cols - 16);
    __m512 sum[MR][2];
    UNROLL
    for (int i = 0; i < rows; i++) {
        sum[i][0] = _mm512_maskz_loadu_ps(t->accumulate ? low : 0, c + i * t->c_row);
        sum[i][1] = _mm512_maskz_loadu_ps(t->accumulate ? high : 0, c + i * t->c_row + 16);
    }
    const uint16_t *b = t->b;
    for (int s = 0; s < t->steps; s++, a += EL_BF16_TILE * 64, b += 2 * HALF)
        for (int p = 0; p < 16; p++) {
            __m512bh b0 = line(b + p * LINE), b1 = line(b + HALF + p * LINE);
            UNROLL
            for (int i = 0; i < rows; i++) {
                __m512bh x = pair(a + i * 64 + p * 4);
                sum[i][0] = _mm512_dpbf16_ps(sum[i][0], x, b0);
                sum[i][1] = _mm512_dpbf16_ps(sum[i][1], x, b1);
            }
        }
    UNROLL
    for (int i = 0; i < rows; i++) {
        _mm512_mask_storeu_ps(c + i * t->c_row, low, sum[i][0]);
        _mm512_mask_storeu_ps(c + i * t->c_row + 16, high, sum[i][1]);
    }
}

static void block_rows(int rows, const struct el_bf16_panel *t, const char *a, float *c)
{
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        block(n, t, a, c);                                                                         \
        break
    switch (rows) {
        ROWS(1);
        ROWS(2);
        ROWS(3);
        ROWS(4);
        ROWS(5);
        ROWS(6);
        ROWS(7);
        ROWS(8);
    }
#undef ROWS
}

static void panel(const struct el_bf16_panel *t)
{
    for (int row = 0; row < t->rows; row += MR) {
        const char *tile = t->a + (size_t)(row / EL_BF16_TILE) * t->a_tile;
        block_rows(t->rows - row < MR ? t->rows - row : MR, t, tile + row % EL_BF16_TILE * 64,
                   t->c + row * t->c_row);
    }
}

const struct el_bf16_kernel el_bf16_avx512bf16 = {
    .name = "avx512bf16", .row_block = 24, .step_block = 16, .panel = panel};
