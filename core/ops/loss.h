/* Log-probabilities of tokens and their gradient. The sampler and the trainer both call logprob,
 * so what a sampler reports and what a trainer recomputes are the same number.
 *
 *   z = logits * inv_temperature;   logp = z[target] - logsumexp(z over the kept set)
 *
 * The kept set is the whole vocabulary, or with kept != NULL (sampling-mask replay) the ids
 * kept[kept_start[i] .. kept_start[i+1]-1], ascending, of row i. */
#ifndef EL_OPS_LOSS_H
#define EL_OPS_LOSS_H

#include "core/ops/ops.h"

struct el_logprob {
    int rows, vocab;
    float inv_temperature;
    const float *logits;       /* (rows, vocab) */
    const int32_t *target;     /* (rows), -1: none, logp is 0 */
    const int32_t *kept_start; /* (rows+1) or NULL */
    const int32_t *kept;
    float *logp;    /* (rows) */
    float *lse;     /* (rows) logsumexp of z over the kept set, or NULL */
    float *entropy; /* (rows) -sum p log p over the kept set, or NULL */
};
EL_OP_WRAPPER(logprob)

/* dlogits = coef[i] * d logp[i] / d logits = coef * inv_temperature * (onehot - softmax), zero
 * outside the kept set and for rows without a target. May overwrite logits in place. For a
 * cross-entropy loss coef is -1/(number of targets). */
struct el_logprob_bwd {
    int rows, vocab;
    float inv_temperature;
    const float *logits;
    const int32_t *target;
    const int32_t *kept_start, *kept;
    const float *lse;  /* (rows) from the forward pass */
    const float *coef; /* (rows) */
    float *dlogits;    /* (rows, vocab) */
};
EL_OP_WRAPPER(logprob_bwd)

#endif
