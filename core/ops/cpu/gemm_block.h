/* Products of one gemm call, and what one thread does with a block of rows of one. */
#ifndef EL_OPS_CPU_GEMM_BLOCK_H
#define EL_OPS_CPU_GEMM_BLOCK_H

#include "core/ops/cpu/cpu.h"
#include "core/ops/gemm.h"

enum {
    EL_K_BLOCK = 256,   /* a packed panel of 256 x 32 floats is 32 KiB */
    EL_ROW_BLOCK = 384, /* a block of A of 384 x 256 floats is 384 KiB */
    EL_TALLEST = 12,    /* rows of a tile at most */
};
_Static_assert(EL_ROW_BLOCK % EL_TALLEST == 0, "a block of rows is no whole number of tiles");

/* One product of a batch or group. */
struct el_gemm_product {
    int m, k;
    const float *a, *b;
    const float *packed; /* B as el_gemm_pack leaves it; NULL: it is not packed */
    const float *strips; /* A as el_cpu_gemm_strips leaves it; NULL: it is not packed */
    int rows_at_once;    /* of a block but the last, for strips */
    float *c;
};

/* A block of rows and the columns that it meets. */
struct el_gemm_block {
    int row, rows, col, cols;
};

/* A thread's own. */
enum {
    EL_PANEL_FLOATS = EL_K_BLOCK * EL_PANEL,
    EL_STRIPS_FLOATS = EL_K_BLOCK * EL_ROW_BLOCK + EL_STRIPS_SLACK,
};
struct el_gemm_scratch {
    float *panel, *strips;
};

static inline int el_ceil_div(int a, int b)
{
    return (a + b - 1) / b;
}

int EL_CPU(gemm_products)(const struct el_gemm *g);
struct el_gemm_product EL_CPU(gemm_product)(const struct el_gemm *g, int i);
/* C's block: for each block of k the sums go on. */
void EL_CPU(gemm_block)(const struct el_gemm *g, const struct el_gemm_product *p,
                        const struct el_gemm_block *it, const struct el_gemm_scratch *s);

/* All of A as strips, which every block of rows then finds: floats of it, and the packing of one of
 * its el_ceil_div(m, rows_at_once) * el_ceil_div(k, EL_K_BLOCK) pieces, in any order and by any
 * thread. */
int64_t EL_CPU(gemm_strips_floats)(int m, int k, int rows_at_once);
void EL_CPU(gemm_strips)(const struct el_gemm *g, const struct el_gemm_product *p, int piece,
                         float *strips);

#endif
