#include "refine/training_curve.h"

#include "core/base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct points {
    double *x, *y; /* (n) */
    int *row;      /* (n) of the log */
    int n;
};

static int gather(struct points *p, const struct el_training_log *log, const double *values)
{
    p->x = el_alloc_array((size_t)log->rows, sizeof *p->x);
    p->y = el_alloc_array((size_t)log->rows, sizeof *p->y);
    p->row = el_alloc_array((size_t)log->rows, sizeof *p->row);
    if (!p->x || !p->y || !p->row)
        return EL_ENOMEM;
    for (int i = 0; i < log->rows; i++)
        if (!isnan(values[i])) {
            p->x[p->n] = (double)log->step[i];
            p->row[p->n] = i;
            p->y[p->n++] = values[i];
        }
    return 0;
}

static void put(struct el_curve *c, const struct points *p, int i)
{
    c->raw_x[c->n_raw] = p->x[i];
    c->raw_y[c->n_raw++] = p->y[i];
}

static void thin(struct el_curve *c, const struct points *p)
{
    if (p->n <= EL_CURVE_POINTS) {
        for (int i = 0; i < p->n; i++)
            put(c, p, i);
        return;
    }
    int stretches = EL_CURVE_POINTS / 2;
    for (int k = 0; k < stretches; k++) {
        int from = (int)((int64_t)p->n * k / stretches);
        int to = (int)((int64_t)p->n * (k + 1) / stretches), low = from, high = from;
        for (int i = from; i < to; i++) {
            low = p->y[i] < p->y[low] ? i : low;
            high = p->y[i] > p->y[high] ? i : high;
        }
        put(c, p, low < high ? low : high);
        if (low != high)
            put(c, p, low < high ? high : low);
    }
}

static double mean_around(const struct points *p, int i, int half)
{
    int from = i > half ? i - half : 0, to = i + half < p->n ? i + half : p->n - 1;
    double mean = 0;
    for (int k = from; k <= to; k++)
        mean += p->y[k] / (to - from + 1);
    return mean;
}

static void smooth(struct el_curve *c, const struct points *p)
{
    int half = p->n / 40 > 2 ? p->n / 40 : 2;
    c->n_smooth = p->n < EL_CURVE_POINTS ? p->n : EL_CURVE_POINTS;
    for (int k = 0; k < c->n_smooth; k++) {
        int i = (int)((int64_t)(p->n - 1) * k / (c->n_smooth - 1));
        c->smooth_x[k] = p->x[i];
        c->smooth_y[k] = mean_around(p, i, half);
    }
}

/* The band at point i, as number k; where there is one run alone it has no width. */
static void put_band(struct el_curve *c, const struct el_training_metric *m, const struct points *p,
                     int i, int k)
{
    double lo = m->lo[p->row[i]], hi = m->hi[p->row[i]];
    double at = c->n_smooth ? c->smooth_y[k] : p->y[i];
    c->lo_y[k] = isnan(lo) ? at : lo;
    c->hi_y[k] = isnan(hi) ? at : hi;
    c->band |= hi > lo;
}

static void make_band(struct el_curve *c, const struct el_training_metric *m,
                      const struct points *p)
{
    for (int k = 0; k < c->n_smooth; k++)
        put_band(c, m, p, (int)((int64_t)(p->n - 1) * k / (c->n_smooth - 1)), k);
    for (int k = 0; c->n_smooth == 0 && p->n == c->n_raw && k < p->n; k++)
        put_band(c, m, p, k, k);
}

/* A band of few runs may be many times as wide as the curve: half the curve's height is shown of
 * it, on either side. */
static void widen_range(struct el_curve *c)
{
    int n = c->n_smooth ? c->n_smooth : c->n_raw;
    double room = 0.5 * (c->hi - c->lo), lo = c->lo, hi = c->hi;
    for (int k = 0; c->band && k < n; k++) {
        lo = fmin(lo, c->lo_y[k]);
        hi = fmax(hi, c->hi_y[k]);
    }
    if (!isfinite(room))
        return;
    c->lo = fmax(lo, c->min >= 0 ? fmax(c->lo - room, 0) : c->lo - room);
    c->hi = fmin(hi, c->hi + room);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts p->y, which is not needed afterwards. */
static void find_range(struct el_curve *c, struct points *p)
{
    qsort(p->y, (size_t)p->n, sizeof *p->y, by_value);
    int left_out = c->n_smooth && p->n >= 50 ? p->n / 100 > 1 ? p->n / 100 : 1 : 0;
    c->min = p->y[0];
    c->max = p->y[p->n - 1];
    c->lo = p->y[left_out];
    c->hi = p->y[p->n - 1 - left_out];
    for (int i = 0; i < c->n_smooth; i++) {
        c->lo = fmin(c->lo, c->smooth_y[i]);
        c->hi = fmax(c->hi, c->smooth_y[i]);
    }
}

int el_curve_make(struct el_curve *c, const struct el_training_log *log,
                  const struct el_training_metric *m, int exact)
{
    struct points p = {0};
    *c = (struct el_curve){0};
    int rc = gather(&p, log, m->value);
    double *block = rc == 0 ? el_alloc_array(6 * EL_CURVE_POINTS, sizeof *block) : NULL;
    if (block) {
        c->raw_x = block;
        c->raw_y = block + EL_CURVE_POINTS;
        c->smooth_x = block + 2 * EL_CURVE_POINTS;
        c->smooth_y = block + 3 * EL_CURVE_POINTS;
        c->lo_y = block + 4 * EL_CURVE_POINTS;
        c->hi_y = block + 5 * EL_CURVE_POINTS;
        thin(c, &p);
        if (!exact && p.n >= 10)
            smooth(c, &p);
        if (m->lo)
            make_band(c, m, &p);
        find_range(c, &p);
        widen_range(c);
    }
    el_free(p.x);
    el_free(p.y);
    el_free(p.row);
    return block ? 0 : EL_ENOMEM;
}

void el_curve_release(struct el_curve *c)
{
    el_free(c->raw_x);
    *c = (struct el_curve){0};
}
