/* The numbers of an evaluation, as pure functions. Each says its rule; refine/report.c prints the
 * rule beside the number.
 *
 * A score is 0, 0.5 or 1; NaN stands for a missing proof, which counts 0 and stays in the
 * denominator. */
#ifndef EL_REFINE_METRICS_H
#define EL_REFINE_METRICS_H

#include "core/base/error.h"

#include <stdint.h>

/* Majority vote over analyses. halves[i] is 0, 1, 2, or EL_SCORE_NONE for an analysis without a
 * legal score. The score with most votes wins, of equally many the lower one. More than half of
 * all n unparsed (or n 0): undetermined, which counts 0. */
struct el_vote_result {
    int halves;   /* the winner, EL_SCORE_NONE when undetermined */
    int count[3]; /* by score */
    int unparsed;
    double mean; /* of the parsed scores, NaN when there is none */
};
void el_vote(const signed char *halves, int n, struct el_vote_result *out);

/* Mean of n >= 1 scores: Pass@1 of a problem over the final proofs of its threads. */
double el_pass_at_1(const double *score, int n);

/* The score of the thread with the highest rank; several such threads: the mean of their scores.
 * rank NaN (no self-score) is below every number. With rank = the self-score this is Best@n. */
double el_selected_score(const double *score, const double *rank, int n);

/* The highest score: what a perfect selection would reach. */
double el_oracle_score(const double *score, int n);

/* 1 - C(n-c, k) / C(n, k): the chance that k of n proofs, drawn without replacement, hold one of
 * the c right ones. NaN unless 0 <= c <= n and 1 <= k <= n. */
double el_pass_at_k(int n, int c, int k);

/* Bootstrap over problems. A statistic is a ratio of sums over n problems (a mean has den 1):
 * num, den (n_rows, n). Resample b draws n problems with replacement, the same ones for every row
 * and for every call with the same (n, seed), so that the replicates of two runs over the same
 * problems are paired. rep (n_rows, resamples) becomes the statistic of every resample; NaN where
 * its denominator is 0. EL_EINVAL for n < 1, EL_ENOMEM. */
int el_bootstrap(const double *num, const double *den, int n_rows, int n, int resamples,
                 uint64_t seed, double *rep, struct el_error *err);

/* Percentile interval of the replicates that are numbers: the quantiles (1 - level) / 2 and
 * 1 - (1 - level) / 2, linearly interpolated. Sorts rep. NaN when there is no number. */
void el_percentile_interval(double *rep, int n, double level, double *lo, double *hi);

/* Mean of n >= 1 independent values, e.g. of runs with different seeds, and its 95% interval by
 * Student's t with n - 1 degrees of freedom: mean +- t * s / sqrt(n). NaN bounds for n = 1. */
void el_mean_interval(const double *x, int n, double *mean, double *lo, double *hi);

/* y at position x of the polyline through (xs[i], ys[i]), xs not falling, n >= 1; of
 * several points at x the last. NaN outside. */
double el_interpolate(const double *xs, const double *ys, int n, double x);

#endif
