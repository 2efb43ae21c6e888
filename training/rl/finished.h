/* Whether a training has been finished, and of what it was made. */
#ifndef EL_TRAINING_RL_FINISHED_H
#define EL_TRAINING_RL_FINISHED_H

#include "training/rl/run.h"

/* 1: OUT/model/training.json of the options' folder says that all steps of the recipe were made,
 * out of what there is now; 0: there is none, or of fewer steps (an earlier checkpoint that
 * somebody has exported). Reads no weights.
 *
 * What decides a run is compared as a run that goes on is with its checkpoint, by digests: the
 * recipe with what overrides it, the prompts, the start, the judge, and of a store that was given
 * the data as they fit the model. EL_EREFUSED names the first that has changed. The digests of
 * start and judge now are those of their own training.json; what says nothing of them (a folder
 * from elsewhere, or the run's own file by an earlier program) is not compared. Other negative
 * returns: one of these cannot be read. */
int el_rl_finished(const struct el_rl_options *o, struct el_error *err);

#endif
