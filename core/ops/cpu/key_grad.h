/* Gradients of keys, to which many rows add. Sequences are worked on side by side, each by one
 * thread, rows ascending. What a sequence adds to keys that it may share (struct el_rows) goes to
 * sums of its own; when all are done these are added to the keys, in the order of the sequences. So
 * an element's sum has one order at any number of threads. */
#ifndef EL_OPS_CPU_KEY_GRAD_H
#define EL_OPS_CPU_KEY_GRAD_H

#include "core/ops/cpu/keys.h"

struct el_key_grad {
    const struct el_rows *at;
    int width;
    float *rows;    /* (cache rows, width) is added to */
    float *sums;    /* (shared keys, width) */
    int64_t *start; /* (S) the first of a sequence's sums */
};

/* Scratch of all threads together. */
size_t EL_CPU(key_grad_bytes)(const struct el_rows *at, int width);
/* By one thread, before the others begin. */
void EL_CPU(key_grad_init)(struct el_key_grad *g, const struct el_rows *at, float *rows, int width,
                           void *scratch);

/* Rows of the current set's keys from..from+count-1 to add to: in place, or a copy in `chunk` that
 * key_grad_close puts back. */
float *EL_CPU(key_grad_open)(const struct el_key_grad *g, const struct el_keys *k, int from,
                             int count, float *chunk);
void EL_CPU(key_grad_close)(const struct el_key_grad *g, const struct el_keys *k, int from,
                            int count, const float *rows);

/* Adds the sums to the rows: by all threads of a parallel region, behind the last close. */
void EL_CPU(key_grad_add)(const struct el_key_grad *g);

#endif
