/* An arm's log out of its runs'. */
#include "refine/training_arms.h"

#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "refine/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct merge {
    const struct el_training_log *const *run;
    int n;
    struct el_training_log *out;
};

/* ------------------------------------------------------------------------------------ steps */

/* The lowest step behind `last` that a run has; 0 when there is none. */
static int next_step(const struct merge *m, int *at, int64_t *step)
{
    int found = 0;
    for (int r = 0; r < m->n; r++)
        if (at[r] < m->run[r]->rows && (!found || m->run[r]->step[at[r]] < *step)) {
            *step = m->run[r]->step[at[r]];
            found = 1;
        }
    for (int r = 0; found && r < m->n; r++)
        at[r] += at[r] < m->run[r]->rows && m->run[r]->step[at[r]] == *step;
    return found;
}

static int merge_steps(struct merge *m)
{
    int64_t most = 0, step = 0;
    int at[EL_TRAINING_RUNS] = {0};
    for (int r = 0; r < m->n; r++)
        most += m->run[r]->rows;
    m->out->step = el_alloc_array((size_t)most, sizeof *m->out->step);
    if (!m->out->step)
        return EL_ENOMEM;
    while (next_step(m, at, &step))
        m->out->step[m->out->rows++] = step;
    m->out->capacity = m->out->rows;
    return 0;
}

/* ----------------------------------------------------------------------------------- values */

/* A run's measurements of a metric at the arm's rows: where, and how much. */
struct series {
    int *row;
    double *y; /* as measured */
    int n;
};

static int gather(const struct merge *m, int r, const double *values, struct series *s)
{
    const struct el_training_log *log = m->run[r];
    s->n = 0;
    for (int i = 0, row = 0; i < log->rows; i++) {
        if (isnan(values[i]))
            continue;
        while (m->out->step[row] < log->step[i])
            row++;
        s->row[s->n] = row;
        s->y[s->n++] = values[i];
    }
    return s->n;
}

static double smoothed(const struct series *s, int i)
{
    int half = s->n < 10 ? 0 : s->n / 40 > 2 ? s->n / 40 : 2;
    int from = i > half ? i - half : 0, to = i + half < s->n ? i + half : s->n - 1;
    double mean = 0;
    for (int k = from; k <= to; k++)
        mean += s->y[k] / (to - from + 1);
    return mean;
}

static double tail_of(const struct series *s)
{
    int last = (s->n + 9) / 10;
    double mean = 0;
    for (int i = s->n - last; i < s->n; i++)
        mean += s->y[i] / last;
    return mean;
}

/* Space for one metric: measured and smoothed values of every run at every row, NaN without. */
struct table {
    double *raw, *smooth; /* (rows, runs) */
    struct series s;
};

static void fill(struct table *t, const struct merge *m, int r, struct el_training_metric *out)
{
    for (int i = 0; i < t->s.n; i++) {
        t->raw[t->s.row[i] * m->n + r] = t->s.y[i];
        t->smooth[t->s.row[i] * m->n + r] = smoothed(&t->s, i);
    }
    out->tail[out->n_tail++] = tail_of(&t->s);
}

static int present(const double *from, int n, double *to)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(from[i]))
            to[kept++] = from[i];
    return kept;
}

static void reduce(const struct table *t, const struct merge *m, struct el_training_metric *out)
{
    double x[EL_TRAINING_RUNS], mean, lo, hi;
    for (int row = 0; row < m->out->rows; row++) {
        int n = present(t->raw + (int64_t)row * m->n, m->n, x);
        out->value[row] = out->lo[row] = out->hi[row] = NAN;
        if (n == 0)
            continue;
        el_mean_interval(x, n, &out->value[row], &lo, &hi);
        n = present(t->smooth + (int64_t)row * m->n, m->n, x);
        el_mean_interval(x, n, &mean, &out->lo[row], &out->hi[row]);
    }
}

static int merge_metric(const struct merge *m, const char *name, struct table *t)
{
    struct el_training_metric *out = &m->out->metric[m->out->n_metrics++];
    size_t rows = (size_t)m->out->rows;
    *out = (struct el_training_metric){.name = el_strdup(name),
                                       .value = el_alloc_array(rows, sizeof(double)),
                                       .lo = el_alloc_array(rows, sizeof(double)),
                                       .hi = el_alloc_array(rows, sizeof(double)),
                                       .tail = el_alloc_array((size_t)m->n, sizeof(double))};
    if (!out->name || !out->value || !out->lo || !out->hi || !out->tail)
        return EL_ENOMEM;
    for (size_t i = 0; i < rows * (size_t)m->n; i++)
        t->raw[i] = t->smooth[i] = NAN;
    for (int r = 0; r < m->n; r++) {
        const double *values = el_training_log_values(m->run[r], name);
        if (values && gather(m, r, values, &t->s))
            fill(t, m, r, out);
    }
    reduce(t, m, out);
    return 0;
}

/* Metrics in the order in which they appear; those beyond the limit are left out. */
static int merge_metrics(const struct merge *m, struct table *t)
{
    int rc = 0;
    for (int r = 0; r < m->n; r++)
        for (int i = 0; i < m->run[r]->n_metrics && rc == 0; i++) {
            const char *name = m->run[r]->metric[i].name;
            if (!el_training_log_values(m->out, name) && m->out->n_metrics < EL_TRAINING_METRICS)
                rc = merge_metric(m, name, t);
        }
    return rc;
}

/* --------------------------------------------------------------------------------- the rest */

static void merge_malformed(const struct merge *m)
{
    struct el_training_log *out = m->out;
    for (int r = 0; r < m->n; r++) {
        const struct el_training_log *log = m->run[r];
        for (int i = 0; i < log->n_malformed; i++, out->n_malformed++) {
            if (i >= EL_TRAINING_NAMED || out->n_malformed >= EL_TRAINING_NAMED)
                continue;
            out->malformed[out->n_malformed].line = log->malformed[i].line;
            snprintf(out->malformed[out->n_malformed].why, sizeof out->malformed[0].why,
                     "%.40s: %.110s", log->name, log->malformed[i].why);
        }
    }
}

static int merge_texts(const struct merge *m, const char *name)
{
    struct el_buf paths;
    el_buf_init(&paths);
    int rc = 0;
    for (int r = 0; r < m->n && rc == 0; r++) {
        const struct el_training_log *log = m->run[r];
        rc = el_buf_printf(&paths, "%s%s", r ? ", " : "", log->name);
        if (rc == 0 && log->step[log->rows - 1] != m->out->step[m->out->rows - 1])
            rc = el_buf_printf(&paths, " (ends at %lld)", (long long)log->step[log->rows - 1]);
    }
    if (rc == 0) {
        m->out->path = el_buf_detach(&paths);
        m->out->name = el_strdup(name);
    }
    el_buf_release(&paths);
    return m->out->path && m->out->name ? 0 : EL_ENOMEM;
}

static int merge_all(struct merge *m, const char *name)
{
    struct table t = {0};
    int rc = merge_steps(m);
    if (rc == 0)
        rc = merge_texts(m, name);
    size_t rows = (size_t)m->out->rows, cells = rows * (size_t)m->n;
    if (rc == 0) {
        t.raw = el_alloc_array(cells, sizeof *t.raw);
        t.smooth = el_alloc_array(cells, sizeof *t.smooth);
        t.s.row = el_alloc_array(rows, sizeof *t.s.row);
        t.s.y = el_alloc_array(rows, sizeof *t.s.y);
        rc = t.raw && t.smooth && t.s.row && t.s.y ? merge_metrics(m, &t) : EL_ENOMEM;
    }
    if (rc == 0)
        merge_malformed(m);
    el_free(t.raw);
    el_free(t.smooth);
    el_free(t.s.row);
    el_free(t.s.y);
    return rc;
}

int el_training_arm_merge(const struct el_training_log *const *run, int n, const char *name,
                          struct el_training_log *out, struct el_error *err)
{
    struct merge m = {run, n, out};
    memset(out, 0, sizeof *out);
    out->seeds = n;
    if (merge_all(&m, name) == 0)
        return 0;
    el_training_log_release(out);
    return el_error_set(err, EL_ENOMEM, "out of memory for the arm %s", name);
}
