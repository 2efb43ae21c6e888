/* Internal to refine: what is drawn of one metric of one run. */
#ifndef EL_REFINE_TRAINING_CURVE_H
#define EL_REFINE_TRAINING_CURVE_H

#include "refine/training_log.h"

enum { EL_CURVE_POINTS = 800 };

/* raw: the measurements in steps; beyond EL_CURVE_POINTS of them, the lowest and the highest of
 * every stretch, so that no spike is lost. smooth: means over a twentieth of the measurements
 * (5 at least) around each point, cut at the ends; none (n_smooth 0) where there are fewer than 10
 * measurements or the metric is exact. */
struct el_curve {
    double *raw_x, *raw_y, *smooth_x, *smooth_y;
    int n_raw, n_smooth;
    double *lo_y, *hi_y; /* of an arm: the interval, at the points of smooth or, without, of raw */
    int band;            /* 1: there is one */
    double min, max;     /* of all measurements */
    double lo, hi; /* of smooth and, from 50 measurements on, of all raw but 1% at either end */
};

/* m is one of log's. 0 or EL_ENOMEM. */
int el_curve_make(struct el_curve *c, const struct el_training_log *log,
                  const struct el_training_metric *m, int exact);
void el_curve_release(struct el_curve *c);

#endif
