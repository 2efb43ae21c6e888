/* The metrics of trainings, and of arms of several of them (refine/training_arms.h), as a table, as
 * JSON and as a page of curves. Functions of the logs alone: equal logs give equal bytes. */
#ifndef EL_REFINE_TRAINING_REPORT_H
#define EL_REFINE_TRAINING_REPORT_H

#include "core/base/buf.h"
#include "refine/training_log.h"

/* One metric of one run, over the steps that have it. */
struct el_training_figures {
    int n;                    /* steps */
    double first, last, tail; /* tail: mean of the last tenth, rounded up */
    int better;               /* 1: higher is better, -1: lower, 0: neither, then best is NaN */
    double best;              /* the first of equal ones */
    int64_t best_step;
    /* of an arm: all of the above are of the mean over its runs, but for tail, which is the mean of
     * theirs with its interval; else NaN */
    double tail_lo, tail_hi;
};
void el_training_figures(const struct el_training_log *log, const struct el_training_metric *m,
                         struct el_training_figures *out);

/* Charts: metrics that are drawn into one frame, in the order of the page and of the table. Known
 * names have their places; every other one gets a chart of its own at the end. */
struct el_training_chart {
    const char *group;
    char title[128];
    char axis[64]; /* what the y axis measures, with its unit where there is one */
    const char *metric[3], *label[3]; /* (n) */
    int n;
    int share; /* 1: the axis is 0..1 where the values allow it */
    int exact; /* 1: not a noisy measurement, so nothing to smooth */
};
struct el_training_plan {
    struct el_training_chart *chart; /* (n); names belong to the runs */
    int n;
};
int el_training_plan_make(struct el_training_plan *plan, const struct el_training_runs *runs,
                          struct el_error *err);
void el_training_plan_release(struct el_training_plan *plan);

/* Each appends to out: 0, or EL_ENOMEM with its message. */
int el_training_text(const struct el_training_runs *runs, struct el_buf *out, struct el_error *err);
int el_training_json(const struct el_training_runs *runs, struct el_buf *out, struct el_error *err);
/* A self-contained page: every metric raw and smoothed, the runs over each other, an arm with the
 * interval of its mean as a band. At most EL_SVG_COLOURS of them (EL_EINVAL), since each has a
 * colour. */
int el_training_html(const struct el_training_runs *runs, struct el_buf *out, struct el_error *err);

#endif
