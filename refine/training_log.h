/* What trainings report, read for people: RUN_DIR/metrics.jsonl, one JSON object a line with a
 * "step" and numbers under any names.
 *
 * Strings ("stage") and null are passed over, and so is a loss_lm or loss_kl of exactly 0: that
 * stage has no such loss. Lines of one step are put together. A line counts as
 * malformed when it is no such object, has another kind of value or a number that is not finite,
 * goes back to an earlier step, or gives a number of its step again: it is left out as a whole,
 * counted and named, and the rest is read (a training that was killed leaves half a line). */
#ifndef EL_REFINE_TRAINING_LOG_H
#define EL_REFINE_TRAINING_LOG_H

#include "core/base/buf.h"
#include "core/base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { EL_TRAINING_METRICS = 512, EL_TRAINING_NAMED = 20, EL_TRAINING_RUNS = 60 };

struct el_training_metric {
    char *name;
    double *value; /* (rows), NaN where the step has none; at least one is a number */
    /* of an arm (refine/training_arms.h), else NULL */
    double *lo, *hi; /* (rows) interval of the mean */
    double *tail;    /* (n_tail) of each of its runs that has the metric */
    int n_tail;
};

struct el_training_log {
    char *path, *name;
    char *recipe, *arm; /* of run.json beside the metrics (training/run_note.h); NULL without it */
    /* Of training.json beside the metrics, as a model folder has it, else NULL: the recipe, of
     * which the log is the last phase, and the digest of the weights that began it ("" where it
     * began with new ones). */
    char *last_of, *start;
    uint64_t seed;
    int seeds;     /* 0: a run; else an arm of so many */
    int64_t *step; /* (rows), rising */
    int rows, capacity;
    struct el_training_metric metric[EL_TRAINING_METRICS]; /* in the order they appear */
    int n_metrics;
    struct {
        int line; /* from 1 */
        char why[160];
    } malformed[EL_TRAINING_NAMED]; /* the first ones */
    int n_malformed;                /* all of them */
};

struct el_training_runs {
    struct el_training_log *run; /* (n) */
    int n;
};

/* Reads text[0..n) into an empty log; path is for messages. EL_EFORMAT when no line is readable. */
int el_training_log_parse(struct el_training_log *log, const char *path, const char *text, size_t n,
                          struct el_error *err);
void el_training_log_release(struct el_training_log *log);
/* A metric by name, and its values (rows); or NULL. */
const struct el_training_metric *el_training_log_metric(const struct el_training_log *log,
                                                        const char *name);
const double *el_training_log_values(const struct el_training_log *log, const char *name);
/* Appends, for a log with last_of, what is not in it, as one sentence without a newline. 0 or
 * EL_ENOMEM. */
int el_training_log_scope(const struct el_training_log *log, struct el_buf *out);

/* Reads the metrics.jsonl, with run.json and training.json where there are any, of n folders
 * (1..EL_TRAINING_RUNS). A run is called by as many of the last parts of its path as tell the runs
 * apart. EL_EINVAL when a folder is given twice, or for too many. Release it after success. */
int el_training_runs_load(struct el_training_runs *runs, const char *const *dirs, int n,
                          struct el_error *err);
void el_training_runs_release(struct el_training_runs *runs);

#endif
