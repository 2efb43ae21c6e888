/* The keys of several rows of one sequence at a time. Neighbouring rows see nearly the same keys:
 * taken together, their queries make one tall product with the union of their sets, and each key is
 * fetched and transposed once. What a row does not see is masked, so that its sums, which run over
 * ascending positions, only gain terms of zero: of finite values no bit changes but the sign of a
 * sum that is zero. */
#ifndef EL_OPS_CPU_KEY_UNION_H
#define EL_OPS_CPU_KEY_UNION_H

#include "core/ops/cpu/keys.h"

struct el_key_union {
    /* Set once. */
    const struct el_rows *at;
    const int32_t *selected;
    int topk;
    int most_rows; /* rows taken at a time */
    int stride;    /* keys of a union at most, whole panels */
    uint64_t *seen;
    int32_t *rank; /* of a position in the list */
    /* What was taken. */
    int rows, n;
    int32_t *list;   /* (n) ascending positions; not with dense sets */
    int32_t *member; /* (rows, stride) -1: row i sees key j, 0: it does not */
};

/* Rows that are taken at a time for `heads` queries each, and keys of a union at most. */
int EL_CPU(union_rows)(const struct el_rows *at, const int32_t *selected, int topk, int heads);
int EL_CPU(union_stride)(const struct el_rows *at, const int32_t *selected, int topk);

/* Scratch of one thread for `rows` at a time. */
size_t EL_CPU(union_bytes)(const struct el_rows *at, const int32_t *selected, int topk, int rows);
void EL_CPU(union_init)(struct el_key_union *u, const struct el_rows *at, const int32_t *selected,
                        int topk, int rows, void *scratch);

/* Takes rows from `row` on, before `end`, of one sequence: one at least, more while their union
 * fits. k's current set is the union then. Returns how many. */
int EL_CPU(union_take)(struct el_key_union *u, struct el_keys *k, int row, int end);

#endif
