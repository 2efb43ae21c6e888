/* What the imported ratings say: how many marks people gave, and how well automatic ratings agree
 * with them.
 *
 * Of several human scores of one proof the latest counts; of one automatic rater, too. Intervals
 * are 95% percentile bootstraps over PROBLEMS (all proofs of a drawn problem come together). */
#ifndef EL_DATA_RATINGS_H
#define EL_DATA_RATINGS_H

#include "data/store.h"

struct el_interval {
    double lo, hi; /* NaN where no resample had a value */
};

/* Human marks of one set. */
struct el_ratings_set {
    char *name;
    int problems, proofs;
    double points, max; /* sums: 93 of 126 */
    struct el_interval share;
};

/* One automatic rater ("average_automatic_rating", "llm_judgment") against people, over the proofs
 * that both rated. "Full" is the maximum of the scale. */
struct el_ratings_rater {
    char *name;
    int problems, proofs;
    int accepted;      /* proofs with the full automatic rating */
    int accepted_full; /* of those, with full human marks */
    int agree;         /* proofs that are full for both or for neither */
    double precision;  /* accepted_full / accepted; NaN when nothing was accepted */
    double agreement;  /* agree / proofs */
    double pearson;    /* of automatic share and human share; NaN when one of them is constant */
    struct el_interval precision_interval, agreement_interval, pearson_interval;
};

struct el_ratings {
    struct el_ratings_set *sets; /* by name */
    int n_sets;
    struct el_ratings_rater *raters; /* by name */
    int n_raters;
    int resamples;
    uint64_t seed;
};

/* resamples: 10,000 by custom; 0 leaves the intervals NaN. The intervals are a function of the
 * ratings, resamples and seed. EL_ENOTFOUND when the store has no human score of a proof. */
int el_ratings_compute(struct el_store *s, int resamples, uint64_t seed, struct el_ratings *out,
                       struct el_error *err);
void el_ratings_release(struct el_ratings *r);

/* NULL when there is none of that name. */
const struct el_ratings_set *el_ratings_find_set(const struct el_ratings *r, const char *name);
const struct el_ratings_rater *el_ratings_find_rater(const struct el_ratings *r, const char *name);

#endif
