/* Offsets of groups of rows, as in core/ops/gemm.h: ascending, some groups empty. */
#ifndef EL_TESTS_OPS_GROUPS_H
#define EL_TESTS_OPS_GROUPS_H

#include "tests/ops/backend.h"

enum { GROUPS = 5 };

static inline int32_t *random_offsets(struct bench *b, int total)
{
    int32_t *offsets = bench_input(b, GROUPS + 1, sizeof *offsets);
    offsets[0] = 0;
    for (int i = 1; i < GROUPS; i++) {
        int left = total - offsets[i - 1];
        offsets[i] = offsets[i - 1] + (bench_below(b, 3) ? bench_below(b, left + 1) : 0);
    }
    offsets[GROUPS] = total;
    return offsets;
}

#endif
