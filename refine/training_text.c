/* The metrics of trainings for a terminal and for programs. */
#include "refine/training_report.h"

#include "refine/json_out.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ a table */

static int width_of(const char *name, int least)
{
    int n = (int)strlen(name);
    return n > least ? n : least;
}

static int put_number(double value, struct el_buf *out)
{
    return isnan(value) ? el_buf_puts(out, "           -") : el_buf_printf(out, "%12.5g", value);
}

static int put_figures(const struct el_training_figures *f, struct el_buf *out)
{
    int rc = put_number(f->first, out);
    if (rc == 0)
        rc = put_number(f->last, out);
    if (rc == 0)
        rc = put_number(f->best, out);
    if (rc == 0)
        rc = f->better ? el_buf_printf(out, "%9lld", (long long)f->best_step)
                       : el_buf_puts(out, "         ");
    if (rc == 0)
        rc = put_number(f->tail, out);
    if (rc == 0 && !isnan(f->tail_lo))
        rc = el_buf_printf(out, "  [%.5g, %.5g]", f->tail_lo, f->tail_hi);
    return rc == 0 ? el_buf_putc(out, '\n') : rc;
}

struct widths {
    int metric, run; /* run 0: there is one run, its name stands above */
};

static int put_metric(const struct el_training_runs *runs, const char *name, struct widths w,
                      struct el_buf *out)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < runs->n; i++) {
        struct el_training_figures f;
        const struct el_training_metric *m = el_training_log_metric(&runs->run[i], name);
        if (!m)
            continue;
        el_training_figures(&runs->run[i], m, &f);
        rc = el_buf_printf(out, "  %-*s", w.metric, name);
        if (rc == 0 && w.run)
            rc = el_buf_printf(out, "  %-*s", w.run, runs->run[i].name);
        if (rc == 0)
            rc = put_figures(&f, out);
    }
    return rc;
}

static int put_run(const struct el_training_log *log, struct el_buf *out)
{
    int rc = el_buf_printf(out, "%s: ", log->name);
    if (rc == 0 && log->seeds)
        rc = el_buf_printf(out, "mean of %d runs, ", log->seeds);
    if (rc == 0)
        rc = el_buf_printf(out, "%s, %d step%s up to %lld", log->path, log->rows,
                           log->rows == 1 ? "" : "s", (long long)log->step[log->rows - 1]);
    if (rc == 0 && log->n_malformed)
        rc = el_buf_printf(out, "; %d malformed line%s left out", log->n_malformed,
                           log->n_malformed == 1 ? "" : "s");
    if (rc == 0 && log->last_of) {
        rc = el_buf_putc(out, '\n');
        if (rc == 0)
            rc = el_training_log_scope(log, out);
    }
    return rc == 0 ? el_buf_putc(out, '\n') : rc;
}

static int has_arms(const struct el_training_runs *runs)
{
    for (int i = 0; i < runs->n; i++)
        if (runs->run[i].seeds)
            return 1;
    return 0;
}

static int put_table(const struct el_training_runs *runs, const struct el_training_plan *plan,
                     struct widths w, struct el_buf *out)
{
    const char *group = "";
    int rc = el_buf_printf(out, "\n  %-*s", w.metric, "metric");
    if (rc == 0 && w.run)
        rc = el_buf_printf(out, "  %-*s", w.run, "run");
    if (rc == 0)
        rc = el_buf_printf(out, "%12s%12s%12s%9s%12s\n", "first", "last", "best", "at step",
                           "last tenth");
    for (int i = 0; rc == 0 && i < plan->n; i++) {
        const struct el_training_chart *c = &plan->chart[i];
        if (strcmp(group, c->group) != 0)
            rc = el_buf_printf(out, "%s\n", group = c->group);
        for (int k = 0; rc == 0 && k < c->n; k++)
            rc = put_metric(runs, c->metric[k], w, out);
    }
    if (rc == 0)
        rc = el_buf_puts(out,
                         "\nlast tenth: mean of the last tenth of the steps that have the metric. "
                         "best: - where neither\nhigh nor low is better.\n");
    return rc == 0 && has_arms(runs)
               ? el_buf_puts(out,
                             "[..]: 95% interval of the mean over the runs of an arm, Student's "
                             "t; first, last and best are\nof the mean curve.\n")
               : rc;
}

int el_training_text(const struct el_training_runs *runs, struct el_buf *out, struct el_error *err)
{
    struct el_training_plan plan;
    int rc = el_training_plan_make(&plan, runs, err);
    if (rc < 0)
        return rc;
    struct widths w = {6, 0};
    for (int i = 0; rc == 0 && i < runs->n; i++) {
        rc = put_run(&runs->run[i], out);
        if (runs->n > 1)
            w.run = width_of(runs->run[i].name, w.run > 3 ? w.run : 3);
    }
    for (int i = 0; i < plan.n; i++)
        for (int k = 0; k < plan.chart[i].n; k++)
            w.metric = width_of(plan.chart[i].metric[k], w.metric);
    if (rc == 0)
        rc = put_table(runs, &plan, w, out);
    el_training_plan_release(&plan);
    return rc < 0 ? el_error_set(err, rc, "out of memory for the table") : 0;
}

/* --------------------------------------------------------------------------------------- JSON */

static void put_metric_json(struct el_json_out *j, const struct el_training_log *log,
                            const struct el_training_metric *m)
{
    struct el_training_figures f;
    el_training_figures(log, m, &f);
    el_json_open(j, m->name, '{');
    el_json_count(j, "steps", f.n);
    el_json_number(j, "first", f.first);
    el_json_number(j, "last", f.last);
    if (f.better) {
        el_json_number(j, "best", f.best);
        el_json_count(j, "best_step", f.best_step);
    }
    el_json_number(j, "last_tenth", f.tail);
    if (m->n_tail) {
        el_json_number(j, "last_tenth_lo", f.tail_lo);
        el_json_number(j, "last_tenth_hi", f.tail_hi);
        el_json_open(j, "last_tenth_of_runs", '[');
        for (int i = 0; i < m->n_tail; i++)
            el_json_number(j, NULL, m->tail[i]);
        el_json_close(j, ']');
    }
    el_json_close(j, '}');
}

static void put_run_json(struct el_json_out *j, const struct el_training_log *log)
{
    el_json_open(j, NULL, '{');
    el_json_text(j, "name", log->name);
    el_json_text(j, log->seeds ? "runs" : "path", log->path);
    if (log->seeds)
        el_json_count(j, "seeds", log->seeds);
    el_json_count(j, "steps", log->rows);
    el_json_count(j, "last_step", log->step[log->rows - 1]);
    if (log->last_of) {
        el_json_text(j, "last_phase_of", log->last_of);
        el_json_text(j, "started_from", log->start);
    }
    el_json_count(j, "malformed", log->n_malformed);
    el_json_open(j, "malformed_lines", '[');
    for (int i = 0; i < log->n_malformed && i < EL_TRAINING_NAMED; i++) {
        el_json_open(j, NULL, '{');
        el_json_count(j, "line", log->malformed[i].line);
        el_json_text(j, "why", log->malformed[i].why);
        el_json_close(j, '}');
    }
    el_json_close(j, ']');
    el_json_open(j, "metrics", '{');
    for (int i = 0; i < log->n_metrics; i++)
        put_metric_json(j, log, &log->metric[i]);
    el_json_close(j, '}');
    el_json_close(j, '}');
}

int el_training_json(const struct el_training_runs *runs, struct el_buf *out, struct el_error *err)
{
    struct el_json_out j = {.buf = out, .first = 1};
    el_json_open(&j, NULL, '{');
    el_json_open(&j, "runs", '[');
    for (int i = 0; i < runs->n; i++)
        put_run_json(&j, &runs->run[i]);
    el_json_close(&j, ']');
    el_json_close(&j, '}');
    int rc = j.failed ? j.failed : el_buf_putc(out, '\n');
    return rc < 0 ? el_error_set(err, rc, "out of memory for the numbers") : 0;
}
