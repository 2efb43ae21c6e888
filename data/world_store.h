/* The small world as rows of a store: problems with proofs of every score. */
#ifndef EL_DATA_WORLD_STORE_H
#define EL_DATA_WORLD_STORE_H

#include "data/store.h"
#include "data/world.h"

/* Adds problems first, first + 1, ... of a split, and to each a proof of score 0, one of 0.5 and
 * one of 1, whose flaws the seed decides; with `scores` also the oracle's scores (rater kind
 * oracle, rater "world"), which makes them a D_v. A pure function of its arguments; what is there
 * already stays. All or nothing. Returns the number of proofs that were added. */
int64_t el_world_store(struct el_store *s, enum el_world_split split, uint64_t first, int count,
                       uint64_t seed, int scores, struct el_error *err);

#endif
