#include "data/ratings.h"

#include "core/base/alloc.h"
#include "core/base/rng.h"
#include "data/store_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One rated proof. Rows of one group (a set, or a rater) stand together, those of one problem
 * within it, too. */
struct rating {
    int64_t problem;
    double human, human_max;         /* marks */
    double automatic, automatic_max; /* 0 of 0 in the table of sets */
};

struct group {
    char *name;
    size_t first, n;
};

struct table {
    struct rating *rows;
    size_t n, cap;
    struct group *groups;
    size_t n_groups;
};

/* ---- reading */

/* A later human score replaces an earlier one; an adjudication replaces both. */
#define HUMAN                                                                                      \
    "WITH human AS (SELECT proof, raw, scale_max, ROW_NUMBER() OVER (PARTITION BY proof "          \
    "ORDER BY rater_kind = 'adjudicated' DESC, id DESC) AS place FROM scores "                     \
    "WHERE proof IS NOT NULL AND rater_kind IN ('human', 'adjudicated')) "

static const char sets_sql[] =
    HUMAN "SELECT p.set_name, p.id, h.raw, h.scale_max, 0.0, 0.0 FROM human AS h "
          "JOIN proofs AS y ON y.id = h.proof JOIN problems AS p ON p.id = y.problem "
          "WHERE h.place = 1 ORDER BY p.set_name, p.key, y.key";

static const char raters_sql[] =
    HUMAN ", auto AS (SELECT proof, rater, raw, scale_max, ROW_NUMBER() OVER "
          "(PARTITION BY proof, rater ORDER BY id DESC) AS place FROM scores "
          "WHERE proof IS NOT NULL AND rater_kind = 'imported') "
          "SELECT a.rater, p.id, h.raw, h.scale_max, a.raw, a.scale_max FROM auto AS a "
          "JOIN human AS h ON h.proof = a.proof AND h.place = 1 "
          "JOIN proofs AS y ON y.id = a.proof JOIN problems AS p ON p.id = y.problem "
          "WHERE a.place = 1 ORDER BY a.rater, p.key, y.key";

static int grow(void **array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return 0;
    size_t want = *cap ? *cap * 2 : 64;
    void *p = el_realloc(*array, want * size);
    if (!p)
        return EL_ENOMEM;
    *array = p;
    *cap = want;
    return 0;
}

static int open_group(struct table *t, size_t *cap, const char *name)
{
    if (grow((void **)&t->groups, t->n_groups, cap, sizeof *t->groups) < 0)
        return EL_ENOMEM;
    char *copy = el_strdup(name);
    if (!copy)
        return EL_ENOMEM;
    t->groups[t->n_groups++] = (struct group){copy, t->n, 0};
    return 0;
}

static int add_row(struct table *t, size_t *groups_cap, struct el_sql *q)
{
    const char *name = el_sql_col_string(q, 0);
    if (!t->n_groups || strcmp(t->groups[t->n_groups - 1].name, name) != 0)
        if (open_group(t, groups_cap, name) < 0)
            return EL_ENOMEM;
    if (grow((void **)&t->rows, t->n, &t->cap, sizeof *t->rows) < 0)
        return EL_ENOMEM;
    t->rows[t->n++] = (struct rating){.problem = el_sql_col_int(q, 1),
                                      .human = el_sql_col_real(q, 2),
                                      .human_max = el_sql_col_real(q, 3),
                                      .automatic = el_sql_col_real(q, 4),
                                      .automatic_max = el_sql_col_real(q, 5)};
    t->groups[t->n_groups - 1].n++;
    return 0;
}

static int read_table(struct el_store *s, const char *sql, struct table *t, struct el_error *err)
{
    struct el_sql q;
    size_t groups_cap = 0;
    int rc = el_sql_open(&q, s, sql, err);
    if (rc < 0)
        return rc;
    while ((rc = el_sql_step(&q, err)) == 1) {
        rc = add_row(t, &groups_cap, &q);
        if (rc < 0) {
            el_error_set(err, rc, "%s: out of memory while reading ratings", s->path);
            break;
        }
    }
    el_sql_close(&q);
    return rc;
}

static void release_table(struct table *t)
{
    for (size_t i = 0; i < t->n_groups; i++)
        el_free(t->groups[i].name);
    el_free(t->groups);
    el_free(t->rows);
}

/* ---- statistics of some rows */

enum { STAT_SHARE, STAT_PRECISION, STAT_AGREEMENT, STAT_PEARSON, N_STATS };

/* Sums over rows, each counted `times` times. */
struct sums {
    double points, max;
    double n, accepted, accepted_full, agree;
    double x, y, xx, yy, xy; /* x: automatic share, y: human share */
};

static void add_rating(struct sums *t, const struct rating *r)
{
    t->points += r->human;
    t->max += r->human_max;
    if (!(r->automatic_max > 0))
        return;
    int full = r->human == r->human_max, accepted = r->automatic == r->automatic_max;
    double x = r->automatic / r->automatic_max, y = r->human / r->human_max;
    t->n++;
    t->accepted += accepted;
    t->accepted_full += accepted && full;
    t->agree += accepted == full;
    t->x += x;
    t->y += y;
    t->xx += x * x;
    t->yy += y * y;
    t->xy += x * y;
}

/* NaN where the statistic is not defined. A variance below rounding counts as none. */
static double statistic(const struct sums *t, int which)
{
    double vx = t->n * t->xx - t->x * t->x, vy = t->n * t->yy - t->y * t->y;
    double tiny = 1e-12 * t->n * t->n;
    switch (which) {
    case STAT_SHARE:
        return t->max > 0 ? t->points / t->max : NAN;
    case STAT_PRECISION:
        return t->accepted > 0 ? t->accepted_full / t->accepted : NAN;
    case STAT_AGREEMENT:
        return t->n > 0 ? t->agree / t->n : NAN;
    default:
        return vx > tiny && vy > tiny ? (t->n * t->xy - t->x * t->y) / sqrt(vx * vy) : NAN;
    }
}

/* ---- bootstrap over problems */

static int count_problems(const struct rating *rows, size_t n)
{
    int problems = 0;
    for (size_t i = 0; i < n; i++)
        problems += i == 0 || rows[i].problem != rows[i - 1].problem;
    return problems;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct el_interval percentiles(double *values, size_t n)
{
    if (!n)
        return (struct el_interval){NAN, NAN};
    qsort(values, n, sizeof *values, by_value);
    size_t lo = (size_t)floor(0.025 * (double)(n - 1) + 0.5);
    size_t hi = (size_t)floor(0.975 * (double)(n - 1) + 0.5);
    return (struct el_interval){values[lo], values[hi]};
}

/* first[p] is where the rows of problem p begin; first[problems] = n. */
static void find_problems(const struct rating *rows, size_t n, size_t *first)
{
    size_t p = 0;
    for (size_t i = 0; i < n; i++)
        if (i == 0 || rows[i].problem != rows[i - 1].problem)
            first[p++] = i;
    first[p] = n;
}

static struct sums resample(const struct rating *rows, const size_t *first, int problems,
                            struct el_rng *rng)
{
    struct sums t = {0};
    for (int draw = 0; draw < problems; draw++) {
        uint32_t p = el_rng_below(rng, (uint32_t)problems);
        for (size_t i = first[p]; i < first[p + 1]; i++)
            add_rating(&t, &rows[i]);
    }
    return t;
}

static uint64_t stream_key(const struct group *g, uint64_t seed)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "ratings");
    el_digest_str(&d, g->name);
    el_digest_u64(&d, seed);
    return el_digest_key(&d);
}

static int intervals(const struct table *t, const struct group *g, int resamples, uint64_t seed,
                     struct el_interval out[N_STATS])
{
    const struct rating *rows = t->rows + g->first;
    int problems = count_problems(rows, g->n);
    size_t n = (size_t)resamples, found[N_STATS] = {0};
    double *values = el_alloc_array(n, N_STATS * sizeof *values);
    size_t *first = el_alloc_array((size_t)problems + 1, sizeof *first);
    if (!values || !first) {
        el_free(values);
        el_free(first);
        return EL_ENOMEM;
    }
    find_problems(rows, g->n, first);
    struct el_rng rng;
    el_rng_init(&rng, stream_key(g, seed));
    for (size_t i = 0; i < n; i++) {
        struct sums sample = resample(rows, first, problems, &rng);
        for (size_t k = 0; k < N_STATS; k++) {
            double v = statistic(&sample, (int)k);
            if (!isnan(v))
                values[k * n + found[k]++] = v;
        }
    }
    for (size_t k = 0; k < N_STATS; k++)
        out[k] = percentiles(values + k * n, found[k]);
    el_free(values);
    el_free(first);
    return 0;
}

/* ---- results */

static struct sums sums_of(const struct table *t, const struct group *g)
{
    struct sums all = {0};
    for (size_t i = 0; i < g->n; i++)
        add_rating(&all, &t->rows[g->first + i]);
    return all;
}

static int fill_set(const struct table *t, struct group *g, const struct el_ratings *r,
                    struct el_ratings_set *out)
{
    struct sums all = sums_of(t, g);
    struct el_interval iv[N_STATS];
    if (intervals(t, g, r->resamples, r->seed, iv) < 0)
        return EL_ENOMEM;
    *out = (struct el_ratings_set){.name = g->name,
                                   .problems = count_problems(t->rows + g->first, g->n),
                                   .proofs = (int)g->n,
                                   .points = all.points,
                                   .max = all.max,
                                   .share = iv[STAT_SHARE]};
    g->name = NULL; /* it is the result's now */
    return 0;
}

static int fill_rater(const struct table *t, struct group *g, const struct el_ratings *r,
                      struct el_ratings_rater *out)
{
    struct sums all = sums_of(t, g);
    struct el_interval iv[N_STATS];
    if (intervals(t, g, r->resamples, r->seed, iv) < 0)
        return EL_ENOMEM;
    *out = (struct el_ratings_rater){.name = g->name,
                                     .problems = count_problems(t->rows + g->first, g->n),
                                     .proofs = (int)g->n,
                                     .accepted = (int)all.accepted,
                                     .accepted_full = (int)all.accepted_full,
                                     .agree = (int)all.agree,
                                     .precision = statistic(&all, STAT_PRECISION),
                                     .agreement = statistic(&all, STAT_AGREEMENT),
                                     .pearson = statistic(&all, STAT_PEARSON),
                                     .precision_interval = iv[STAT_PRECISION],
                                     .agreement_interval = iv[STAT_AGREEMENT],
                                     .pearson_interval = iv[STAT_PEARSON]};
    g->name = NULL;
    return 0;
}

static int fill_sets(struct table *t, struct el_ratings *out)
{
    out->sets = el_alloc_array(t->n_groups, sizeof *out->sets);
    for (; out->sets && out->n_sets < (int)t->n_groups; out->n_sets++)
        if (fill_set(t, &t->groups[out->n_sets], out, &out->sets[out->n_sets]) < 0)
            return EL_ENOMEM;
    return out->sets ? 0 : EL_ENOMEM;
}

static int fill_raters(struct table *t, struct el_ratings *out)
{
    out->raters = el_alloc_array(t->n_groups, sizeof *out->raters);
    for (; out->raters && out->n_raters < (int)t->n_groups; out->n_raters++)
        if (fill_rater(t, &t->groups[out->n_raters], out, &out->raters[out->n_raters]) < 0)
            return EL_ENOMEM;
    return out->raters ? 0 : EL_ENOMEM;
}

int el_ratings_compute(struct el_store *s, int resamples, uint64_t seed, struct el_ratings *out,
                       struct el_error *err)
{
    struct table sets = {0}, raters = {0};
    memset(out, 0, sizeof *out);
    out->resamples = resamples;
    out->seed = seed;
    int rc = resamples < 0 ? el_error_set(err, EL_EINVAL, "ratings: %d resamples", resamples)
                           : read_table(s, sets_sql, &sets, err);
    if (rc == 0)
        rc = read_table(s, raters_sql, &raters, err);
    if (rc == 0 && !sets.n)
        rc = el_error_set(err, EL_ENOTFOUND, "%s: no proof has a human score", s->path);
    if (rc == 0 && (fill_sets(&sets, out) < 0 || fill_raters(&raters, out) < 0))
        rc = el_error_set(err, EL_ENOMEM, "%s: out of memory over ratings", s->path);
    release_table(&sets);
    release_table(&raters);
    if (rc < 0)
        el_ratings_release(out);
    return rc;
}

void el_ratings_release(struct el_ratings *r)
{
    for (int i = 0; i < r->n_sets; i++)
        el_free(r->sets[i].name);
    for (int i = 0; i < r->n_raters; i++)
        el_free(r->raters[i].name);
    el_free(r->sets);
    el_free(r->raters);
    memset(r, 0, sizeof *r);
}

const struct el_ratings_set *el_ratings_find_set(const struct el_ratings *r, const char *name)
{
    for (int i = 0; i < r->n_sets; i++)
        if (strcmp(r->sets[i].name, name) == 0)
            return &r->sets[i];
    return NULL;
}

const struct el_ratings_rater *el_ratings_find_rater(const struct el_ratings *r, const char *name)
{
    for (int i = 0; i < r->n_raters; i++)
        if (strcmp(r->raters[i].name, name) == 0)
            return &r->raters[i];
    return NULL;
}
