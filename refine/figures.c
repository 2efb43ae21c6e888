#include "refine/figures.h"

#include "core/base/alloc.h"

#include <math.h>
#include <string.h>

enum { rows_at_a_time = 32 };

void el_figures_release(struct el_figures *f)
{
    el_free(f->num);
    el_free(f->den);
    el_free(f->out);
    f->num = f->den = NULL;
    f->out = NULL;
    f->n = f->cap = 0;
}

static int grow(struct el_figures *f)
{
    int cap = f->cap ? 2 * f->cap : 32;
    size_t row = (size_t)f->n_problems * sizeof(double);
    double *num = el_realloc(f->num, (size_t)cap * row);
    if (!num)
        return EL_ENOMEM;
    f->num = num;
    double *den = el_realloc(f->den, (size_t)cap * row);
    if (!den)
        return EL_ENOMEM;
    f->den = den;
    struct el_figure **out = el_realloc(f->out, (size_t)cap * sizeof *out);
    if (!out)
        return EL_ENOMEM;
    f->out = out;
    f->cap = cap;
    return 0;
}

int el_figures_add(struct el_figures *f, const double *num, const double *den,
                   struct el_figure *out)
{
    *out = (struct el_figure){NAN, NAN, NAN};
    for (int p = 0; p < f->n_problems; p++)
        if (isnan(num[p]))
            return 0;
    if (f->n == f->cap && grow(f) < 0)
        return EL_ENOMEM;
    size_t at = (size_t)f->n * (size_t)f->n_problems;
    for (int p = 0; p < f->n_problems; p++) {
        f->num[at + (size_t)p] = num[p];
        f->den[at + (size_t)p] = den ? den[p] : 1;
    }
    f->out[f->n++] = out;
    return 0;
}

static double ratio(const double *num, const double *den, int n)
{
    double a = 0, b = 0;
    for (int p = 0; p < n; p++) {
        a += num[p];
        b += den[p];
    }
    return b > 0 ? a / b : NAN;
}

int el_figures_compute(struct el_figures *f, struct el_error *err)
{
    size_t n = (size_t)f->n_problems, b = (size_t)f->resamples;
    double *rep = el_alloc_array(rows_at_a_time * b, sizeof *rep);
    int rc = rep ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for a bootstrap");
    for (int i = 0; rc == 0 && i < f->n; i += rows_at_a_time) {
        int rows = f->n - i < rows_at_a_time ? f->n - i : rows_at_a_time;
        size_t at = (size_t)i * n;
        rc = el_bootstrap(f->num + at, f->den + at, rows, f->n_problems, f->resamples, f->seed, rep,
                          err);
        for (int m = 0; rc == 0 && m < rows; m++) {
            struct el_figure *out = f->out[i + m];
            out->value =
                ratio(f->num + at + (size_t)m * n, f->den + at + (size_t)m * n, f->n_problems);
            el_percentile_interval(rep + (size_t)m * b, f->resamples, 0.95, &out->lo, &out->hi);
        }
    }
    el_free(rep);
    el_figures_release(f);
    return rc;
}

/* The mean of the numbers among x[0], x[stride], ...; NaN when there is none. */
static double mean_of(const double *x, int n, size_t stride)
{
    double sum = 0;
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (isnan(x[(size_t)i * stride]))
            continue;
        sum += x[(size_t)i * stride];
        count++;
    }
    return count ? sum / count : NAN;
}

int el_figures_mean_of(const struct el_figures *f, const double *num, const double *den, int n,
                       struct el_figure *out, struct el_error *err)
{
    size_t b = (size_t)f->resamples;
    double *rep = el_alloc_array((size_t)n * b + (size_t)n, sizeof *rep);
    if (!rep)
        return el_error_set(err, EL_ENOMEM, "out of memory for a bootstrap");
    double *whole = rep + (size_t)n * b;
    for (int i = 0; i < n; i++)
        whole[i] = ratio(num + i * f->n_problems, den + i * f->n_problems, f->n_problems);
    out->value = mean_of(whole, n, 1);
    int rc = el_bootstrap(num, den, n, f->n_problems, f->resamples, f->seed, rep, err);
    for (size_t i = 0; rc == 0 && i < b; i++)
        rep[i] = mean_of(rep + i, n, b);
    if (rc == 0)
        el_percentile_interval(rep, f->resamples, 0.95, &out->lo, &out->hi);
    el_free(rep);
    return rc;
}
