/* Auxiliary-loss-free load balancing of the experts (DeepSeek-V3 section 2.1.2): after a step each
 * expert's selection bias moves by gamma towards its fair share. */
#ifndef EL_TRAIN_BALANCE_H
#define EL_TRAIN_BALANCE_H

#include "core/model/weights.h"

/* bias += gamma * sign(mean load - load), for one layer of n experts. Pure. */
void el_balance_step(float *bias, const int64_t *load, int n, double gamma);

/* Does so for every MoE layer of w. load (L, E), indexed by layer, is cleared. Returns the largest
 * max/mean load over the layers (1: perfectly even; 0: no MoE layer saw a row). */
double el_balance_update(struct el_weights *w, int64_t *load, double gamma);

#endif
