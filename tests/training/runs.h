/* Whole runs of the tiny recipe, stopped and compared. */
#ifndef EL_TESTS_TRAINING_RUNS_H
#define EL_TESTS_TRAINING_RUNS_H

#include "tests/training/fixture.h"

#include "core/base/progress.h"
#include "training/run.h"

#include <sys/resource.h>

struct watch {
    struct el_progress progress;
    int64_t stop_at;   /* request a stop after this step; 0: after every step; -1: never */
    int64_t choke_at;  /* allow no file above 30000 bytes from this step on; -1: never */
    int64_t last_step; /* seen */
    char said[2000];   /* the run's news, one line each */
};

/* Trains in folder `out` as `w` says. */
int train_until(const char *recipe, const char *out, struct watch *w, struct el_error *err);
int train(const char *recipe, const char *out, int64_t stop_at, struct el_error *err);

void limit_files(rlim_t bytes);
/* A file of a run's folder. */
const char *in(const char *out, const char *name);
/* Checkpoint, attempts, model and metrics (but for what a clock says) are equal. */
void same_run(const char *a, const char *b);

#endif
