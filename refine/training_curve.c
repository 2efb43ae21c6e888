#include "refine/training_curve.h"

#include "core/base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct points {
    double *x, *y; /* (n) */
    int n;
};

static int gather(struct points *p, const struct el_training_log *log, const double *values)
{
    p->x = el_alloc_array((size_t)log->rows, sizeof *p->x);
    p->y = el_alloc_array((size_t)log->rows, sizeof *p->y);
    if (!p->x || !p->y)
        return EL_ENOMEM;
    for (int i = 0; i < log->rows; i++)
        if (!isnan(values[i])) {
            p->x[p->n] = (double)log->step[i];
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

int el_curve_make(struct el_curve *c, const struct el_training_log *log, const double *values,
                  int exact)
{
    struct points p = {0};
    *c = (struct el_curve){0};
    int rc = gather(&p, log, values);
    double *block = rc == 0 ? el_alloc_array(4 * EL_CURVE_POINTS, sizeof *block) : NULL;
    if (block) {
        c->raw_x = block;
        c->raw_y = block + EL_CURVE_POINTS;
        c->smooth_x = block + 2 * EL_CURVE_POINTS;
        c->smooth_y = block + 3 * EL_CURVE_POINTS;
        thin(c, &p);
        if (!exact && p.n >= 10)
            smooth(c, &p);
        find_range(c, &p);
    }
    el_free(p.x);
    el_free(p.y);
    return block ? 0 : EL_ENOMEM;
}

void el_curve_release(struct el_curve *c)
{
    el_free(c->raw_x);
    *c = (struct el_curve){0};
}
