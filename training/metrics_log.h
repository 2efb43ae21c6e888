/* Metrics as JSON lines. Appended as training goes; on resume, lines behind the checkpoint are cut
 * off, so that every step stands there once. */
#ifndef EL_TRAINING_METRICS_LOG_H
#define EL_TRAINING_METRICS_LOG_H

#include "core/base/error.h"

#include <stdint.h>
#include <stdio.h>

struct el_metrics_log {
    FILE *file;
    char *path;
};

/* Opens path and keeps only lines whose "step" is at most last_step and whose "stage" is not `redo`
 * (a stage that will be run again from its start; NULL: none). Other lines, and one that is cut
 * off, go. A failure leaves every line. */
int el_metrics_log_open(struct el_metrics_log *m, const char *path, int64_t last_step,
                        const char *redo, struct el_error *err);
/* Writes one line (printf-style, without the newline) and flushes it. */
int el_metrics_log_add(struct el_metrics_log *m, struct el_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts the lines on the disk, before a checkpoint that stands behind them. */
int el_metrics_log_sync(struct el_metrics_log *m, struct el_error *err);
void el_metrics_log_close(struct el_metrics_log *m);

#endif
