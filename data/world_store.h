/* The small world as rows of a store, without any model: problems, proofs of every score, analyses
 * of every quality; with the oracle's scores they are a D_v and a D_mv. */
#ifndef EL_DATA_WORLD_STORE_H
#define EL_DATA_WORLD_STORE_H

#include "data/oracle.h"
#include "data/world.h"

#define EL_WORLD_STORE_ANALYSES 16 /* the most of one proof */

struct el_world_store_plan {
    enum el_world_split split;
    uint64_t first; /* problems first, first + 1, ... */
    int problems;   /* how many; each gets a proof of score 0, one of 0.5 and one of 1 */
    int claims;     /* at most so many claims a problem (the first ones); 0: as they are drawn */
    int analyses;   /* of each proof: 0..EL_WORLD_STORE_ANALYSES, meant for ms 0, 0.5 and 1 in turn,
                       so that over three problems every score meets every ms equally often; drawn
                       as with look_up 2 in el_world_mix */
    int scores;     /* 1: with the oracle's scores */
    double checked, false_start, unlisted, reused; /* as in el_world_mix; other fatal flaws are
                                                      drawn evenly out of their kinds */
    uint64_t seed;                                 /* of flaws and witnesses */
};

/* Rows added, by what the oracle says of them in halves, and scores added. */
struct el_world_stored {
    int64_t proofs[3], analyses[3], scores;
};

/* Adds what the plan says, as far as it is not there: a pure function of the plan. Problems go
 * under set "world-<split>" and are named by their index (with claims left out: "7.1" for the first
 * claim of problem 7), as in a competition over world:<split>. Adds to *added. Works in
 * transactions of some problems each, whole problems at a time; what is written stays when a later
 * one fails or the program is asked to stop (EL_EINTR). EL_EINVAL names what is out of range.
 * Progress is in problems. */
int el_world_store(struct el_store *s, const struct el_world_store_plan *plan,
                   struct el_world_stored *added, struct el_progress *progress,
                   struct el_error *err);

#endif
