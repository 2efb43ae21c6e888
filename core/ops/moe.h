/* Mixture of experts: routing, and moving rows to their experts and back. The experts' products
 * are grouped gemm calls. */
#ifndef EL_OPS_MOE_H
#define EL_OPS_MOE_H

#include "core/ops/ops.h"

/* Router (noaux_tc). g = sigmoid(logits). Selection works on g + bias: the score of a group is the
 * sum of its two best, the topk_group best groups stay and the others are out of the race (-inf),
 * then the topk best experts; ties go to the lowest index everywhere. n_group 1: no group step.
 * Gate weights are the UNBIASED g of the chosen, divided by their sum (+1e-20) when `normalise`,
 * times `scale`.
 * forced != NULL (routing replay): the choice is given, weights come from the live logits. */
struct el_moe_route {
    int rows, experts, topk, n_group, topk_group;
    int normalise;
    float scale;
    const float *logits;   /* (rows, experts) */
    const float *bias;     /* (experts) */
    const int32_t *forced; /* (rows, topk) or NULL */
    int32_t *chosen;       /* (rows, topk) ascending expert numbers */
    float *weight;         /* (rows, topk) gate weights, in the order of chosen */
};
EL_OP_WRAPPER(moe_route)

/* dlogits is overwritten (zero for experts not chosen). */
struct el_moe_route_bwd {
    int rows, experts, topk;
    int normalise;
    float scale;
    const float *logits;
    const int32_t *chosen;
    const float *dweight; /* (rows, topk) */
    float *dlogits;       /* (rows, experts) */
};
EL_OP_WRAPPER(moe_route_bwd)

/* Sorts the rows*topk (row, slot) pairs by expert, rows ascending within an expert.
 *   offsets[e]..offsets[e+1]-1 are the places of expert e
 *   place[row*topk + slot] = the pair's place;  source[place] = its row */
struct el_moe_plan {
    int rows, experts, topk;
    const int32_t *chosen;
    int32_t *offsets; /* (experts+1) */
    int32_t *place;   /* (rows, topk) */
    int32_t *source;  /* (rows*topk) */
};
EL_OP_WRAPPER(moe_plan)

/* y[p] = x[source[p]], p < n. */
struct el_moe_gather {
    int n, width;
    const float *x;
    const int32_t *source;
    float *y; /* (n, width) */
};
EL_OP_WRAPPER(moe_gather)

/* dx[row] += sum over slots, ascending, of dy[place[row,slot]]. */
struct el_moe_gather_bwd {
    int rows, width, topk;
    const float *dy; /* (rows*topk, width) */
    const int32_t *place;
    float *dx; /* (rows, width) */
};
EL_OP_WRAPPER(moe_gather_bwd)

/* out[row] += sum over slots, ascending, of weight[row,slot] * y[place[row,slot]]. */
struct el_moe_combine {
    int rows, width, topk;
    const float *y; /* (rows*topk, width) in expert order */
    const int32_t *place;
    const float *weight;
    float *out; /* (rows, width), added to */
};
EL_OP_WRAPPER(moe_combine)

/* dy[place] = weight * dout[row]; dweight[row,slot] = dout[row] . y[place]. */
struct el_moe_combine_bwd {
    int rows, width, topk;
    const float *y;
    const int32_t *place;
    const float *weight;
    const float *dout; /* (rows, width) */
    float *dy;         /* (rows*topk, width) */
    float *dweight;    /* (rows, topk) */
};
EL_OP_WRAPPER(moe_combine_bwd)

#endif
