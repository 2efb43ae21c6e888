/* Learning-rate schedules: linear warm-up, then constant, cosine or linear decay. */
#ifndef EL_TRAIN_SCHEDULE_H
#define EL_TRAIN_SCHEDULE_H

#include "core/base/error.h"

#include <stdint.h>

enum el_decay { EL_DECAY_CONSTANT, EL_DECAY_COSINE, EL_DECAY_LINEAR };

struct el_schedule {
    double lr;       /* the peak */
    double final_lr; /* reached at the last step (cosine, linear) */
    int64_t warmup;  /* steps from lr/warmup up to lr */
    int64_t steps;   /* of the whole stage */
    enum el_decay decay;
};

int el_decay_parse(const char *name, enum el_decay *decay, struct el_error *err);
/* The rate of step 0..steps-1. */
double el_schedule_lr(const struct el_schedule *s, int64_t step);

#endif
