/* Several runs of one arm as one: what is left of a comparison when chance is taken out of it.
 *
 * Runs are of one arm when their recipes differ in the seed alone, as their run.json says, or when
 * the caller says so. An arm is a log like a run's: values are means over its runs, at every step
 * over those that have the metric there. The interval of a step is that of the mean of smoothed
 * values (over the same stretch as the curves of a page, none below 10 measurements), by Student's
 * t over the runs. */
#ifndef EL_REFINE_TRAINING_ARMS_H
#define EL_REFINE_TRAINING_ARMS_H

#include "refine/training_log.h"

/* runs numbered first..first+n-1 are arm `name`. */
struct el_training_named {
    const char *name;
    int first, n;
};

/* Puts arms into the place of their runs: those that are named, then, of the others, those of equal
 * recipes with different seeds (unless `apart`), called by what their names have in common. An arm
 * stands where its first run stood. EL_EINVAL when the runs of a named arm are known to have a seed
 * in common, or two arms a name. */
int el_training_arms_make(struct el_training_runs *runs, const struct el_training_named *named,
                          int n, int apart, struct el_error *err);

/* n >= 2 runs as one log. Release it. */
int el_training_arm_merge(const struct el_training_log *const *run, int n, const char *name,
                          struct el_training_log *out, struct el_error *err);

#endif
