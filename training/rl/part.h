/* Progress inside of a step, which may take hours: the count stays that of the steps, and the note
 * says behind that of the last step what is going on ("sampling: 120 of 320"). */
#ifndef EL_TRAINING_RL_PART_H
#define EL_TRAINING_RL_PART_H

#include "training/rl/run.h"

struct el_rl_part {
    struct el_progress base; /* first: hand out its address; counts the part's own units */
    const struct el_rl_run *run;
    const char *what; /* borrowed */
};

void el_rl_part_init(struct el_rl_part *p, const struct el_rl_run *run, const char *what);

#endif
