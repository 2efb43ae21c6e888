/* The softmax of a row of scores, shared by the attention ops. */
#ifndef EL_OPS_CPU_SOFTMAX_H
#define EL_OPS_CPU_SOFTMAX_H

#include "core/ops/cpu/vec.h"

/* score[0..n-1] -> exp(scale*score - max), zeros up to a whole vector; returns max and *sum. */
static inline float softmax_weigh(float *score, int n, float scale, float *sum)
{
    vf z = vset(scale), max = vset(-INFINITY);
    struct vacc total = {0};
    for (int j = n; j % VL; j++)
        score[j] = 0;
    for (int j = 0; j < n; j += VL) {
        vf v = vload(score + j) * z;
        if (n - j < VL)
            v = vkeep(v, n - j, -INFINITY);
        vstore(score + j, v);
        max = vmax(v, max);
    }
    float top = vmaximum(max);
    for (int j = 0; j < n; j += VL) {
        vf e = vexp(vload(score + j) - vset(top));
        vstore(score + j, e);
        vacc_add(&total, e);
    }
    *sum = vacc_sum(total);
    return top;
}

/* x[0..n-1] *= f */
static inline void softmax_divide(float *x, int n, float f)
{
    int j = 0;
    for (; j + VL <= n; j += VL)
        vstore(x + j, vload(x + j) * vset(f));
    if (j < n)
        vstore_part(x + j, vload_part(x + j, n - j) * vset(f), n - j);
}

#endif
