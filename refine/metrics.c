#include "refine/metrics.h"

#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "rewards/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void el_vote(const signed char *halves, int n, struct el_vote_result *out)
{
    *out = (struct el_vote_result){.halves = EL_SCORE_NONE, .mean = NAN};
    int sum = 0;
    for (int i = 0; i < n; i++) {
        if (!el_score_is_legal(halves[i])) {
            out->unparsed++;
            continue;
        }
        out->count[halves[i]]++;
        sum += halves[i];
    }
    int parsed = n - out->unparsed;
    if (parsed > 0)
        out->mean = sum / (2.0 * parsed);
    if (parsed == 0 || 2 * out->unparsed > n)
        return;
    out->halves = 0;
    for (int s = 1; s < 3; s++)
        if (out->count[s] > out->count[out->halves])
            out->halves = s;
}

static double or_zero(double score)
{
    return isnan(score) ? 0 : score;
}

double el_pass_at_1(const double *score, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += or_zero(score[i]);
    return sum / n;
}

double el_selected_score(const double *score, const double *rank, int n)
{
    double best = -INFINITY, sum = 0;
    int tied = 0;
    for (int i = 0; i < n; i++) {
        double r = isnan(rank[i]) ? -INFINITY : rank[i];
        if (r > best) {
            best = r;
            sum = 0;
            tied = 0;
        }
        if (r == best) {
            sum += or_zero(score[i]);
            tied++;
        }
    }
    return sum / tied;
}

double el_oracle_score(const double *score, int n)
{
    double best = 0;
    for (int i = 0; i < n; i++)
        best = fmax(best, or_zero(score[i]));
    return best;
}

double el_pass_at_k(int n, int c, int k)
{
    if (c < 0 || c > n || k < 1 || k > n)
        return NAN;
    if (n - c < k)
        return 1;
    double none = 1; /* C(n-c,k) / C(n,k) = product of (n-c-i) / (n-i) */
    for (int i = 0; i < k; i++)
        none *= (double)(n - c - i) / (n - i);
    return 1 - none;
}

/* The statistic of one row on one resample; times[p] says how often problem p was drawn. */
static double resampled(const double *num, const double *den, const int *times, int n)
{
    double a = 0, b = 0;
    for (int p = 0; p < n; p++) {
        a += times[p] * num[p];
        b += times[p] * den[p];
    }
    return b > 0 ? a / b : NAN;
}

int el_bootstrap(const double *num, const double *den, int n_rows, int n, int resamples,
                 uint64_t seed, double *rep, struct el_error *err)
{
    if (n < 1)
        return el_error_set(err, EL_EINVAL, "a bootstrap over %d problems", n);
    int *times = el_alloc_array((size_t)n, sizeof *times);
    if (!times)
        return el_error_set(err, EL_ENOMEM, "out of memory for a bootstrap over %d problems", n);
    struct el_rng rng;
    el_rng_init(&rng, seed);
    for (int b = 0; b < resamples; b++) {
        memset(times, 0, (size_t)n * sizeof *times);
        for (int i = 0; i < n; i++)
            times[el_rng_below(&rng, (uint32_t)n)]++;
        for (int m = 0; m < n_rows; m++) {
            size_t row = (size_t)m * (size_t)n;
            rep[(size_t)m * (size_t)resamples + (size_t)b] =
                resampled(num + row, den + row, times, n);
        }
    }
    el_free(times);
    return 0;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int n, double q)
{
    double at = q * (n - 1);
    int i = (int)floor(at);
    if (i >= n - 1)
        return sorted[n - 1];
    return sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]);
}

void el_percentile_interval(double *rep, int n, double level, double *lo, double *hi)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(rep[i]))
            rep[kept++] = rep[i];
    *lo = *hi = NAN;
    if (kept == 0)
        return;
    qsort(rep, (size_t)kept, sizeof *rep, ascending);
    *lo = quantile(rep, kept, (1 - level) / 2);
    *hi = quantile(rep, kept, 1 - (1 - level) / 2);
}

/* The 97.5% quantile of Student's t. */
static double student(int df)
{
    static const double t[] = {12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060,
                               2.2622,  2.2281, 2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199,
                               2.1098,  2.1009, 2.0930, 2.0860, 2.0796, 2.0739, 2.0687, 2.0639,
                               2.0595,  2.0555, 2.0518, 2.0484, 2.0452, 2.0423};
    const int n = sizeof t / sizeof *t;
    if (df <= n)
        return t[df - 1];
    /* Its expansion in 1/df around the normal quantile: right to 4 digits from here on. */
    double z = 1.959964, z3 = z * z * z;
    return z + (z3 + z) / (4.0 * df) + (5 * z3 * z * z + 16 * z3 + 3 * z) / (96.0 * df * df);
}

void el_mean_interval(const double *x, int n, double *mean, double *lo, double *hi)
{
    double sum = 0, squares = 0;
    for (int i = 1; i < n; i++)
        sum += x[i] - x[0]; /* so that the mean of equal values is that value */
    *mean = x[0] + sum / n;
    *lo = *hi = NAN;
    if (n < 2)
        return;
    for (int i = 0; i < n; i++)
        squares += (x[i] - *mean) * (x[i] - *mean);
    double half = student(n - 1) * sqrt(squares / (n - 1) / n);
    *lo = *mean - half;
    *hi = *mean + half;
}

double el_interpolate(const double *xs, const double *ys, int n, double x)
{
    if (!(x >= xs[0] && x <= xs[n - 1]))
        return NAN;
    int i = 0; /* the last point at or before x */
    while (i + 1 < n && xs[i + 1] <= x)
        i++;
    if (xs[i] == x)
        return ys[i];
    return ys[i] + (x - xs[i]) / (xs[i + 1] - xs[i]) * (ys[i + 1] - ys[i]);
}
