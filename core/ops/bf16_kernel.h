/* What multiplies BF16 tiles: the part of the op gemm_bf16 that depends on the processor. The op
 * (core/ops/cpu/gemm_bf16.c) rounds A into tiles and walks over panels, a kernel does one panel.
 *
 * Private to core/ops. */
#ifndef EL_OPS_BF16_KERNEL_H
#define EL_OPS_BF16_KERNEL_H

#include <stddef.h>
#include <stdint.h>

enum { EL_BF16_TILE = 16 }; /* rows of A that lie together: [step][row][32 values of p] */

/* C (rows, cols) = [C +] A B over `steps` steps of 32 values of p; cols <= 32. */
struct el_bf16_panel {
    int rows, cols, steps;
    const char *a; /* tiles; rows behind the last one of C are zeros */
    size_t a_tile; /* bytes from tile to tile */
    const uint16_t *b;
    const uint16_t *ahead; /* as much as at b that is wanted next, or NULL */
    float *c;
    int64_t c_row;
    int accumulate;
};

struct el_bf16_kernel {
    const char *name;
    int wide;       /* A's rounded values are kept as fp32 (1) or as BF16 (0) */
    int row_block;  /* rows that meet a panel of B before the next panel's turn, tiles of 16 */
    int step_block; /* steps at a time, so that a panel of B stays in the cache */
    /* Around the panels of one thread, for what the processor has to be told; either may be NULL.
     */
    void (*begin)(void);
    void (*end)(void);
    void (*panel)(const struct el_bf16_panel *p);
};

/* Bytes of one value of A in tiles. */
static inline size_t el_bf16_value(const struct el_bf16_kernel *k)
{
    return k->wide ? sizeof(float) : sizeof(uint16_t);
}

#if defined(__x86_64__)
extern const struct el_bf16_kernel el_bf16_amx, el_bf16_avx512bf16;
#endif

#endif
