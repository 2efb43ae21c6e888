/* Drawing a token from logits.
 *
 * Order of truncations, fixed: temperature, then top-k, then top-p. Ties in top-k and top-p go to
 * the lowest id. One uniform number decides, by inverting the cumulative distribution over the kept
 * ids in ascending order, so a draw is a pure function of (logits, parameters, u). */
#ifndef EL_RUN_SAMPLER_H
#define EL_RUN_SAMPLER_H

#include "core/run/completion.h"

#include <stdint.h>

struct el_sampler {
    int vocab;
    float *p;       /* (vocab) scratch */
    int32_t *order; /* (vocab) scratch */
    int32_t *kept;  /* (vocab) the kept ids of the last draw, ascending */
    int n_kept;     /* 0: the whole vocabulary was kept */
};

int el_sampler_init(struct el_sampler *s, int vocab, struct el_error *err);
void el_sampler_release(struct el_sampler *s);

/* EL_EINVAL naming what is out of range: temperature 0 or 0.001..1000, top_k at least 0, top_p in
 * (0,1], max_tokens at least 1. */
int el_sampling_check(const struct el_sampling *how, struct el_error *err);

/* temperature 0: the largest logit (lowest id among equals), nothing is drawn. u in [0,1).
 * Returns the token, or EL_ENUMERIC when a logit is plus infinity or none is finite (NaN counts as
 * minus infinity). */
int el_sampler_draw(struct el_sampler *s, const float *logits, const struct el_sampling *how,
                    double u);

#endif
