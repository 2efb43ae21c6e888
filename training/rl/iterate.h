/* The paper's iteration (DeepSeekMath-V2, section 2.3): phases of role training one after the
 * other, again and again, each time from the model that the time before ended with.
 *
 *   { "model": "models/small",          the start of the first iteration
 *     "iterations": 2,
 *     "seed": 1,                        0 or more; iteration i of phase p is trained with a seed
 *                                       of its own
 *     "start_share": 0,                 of the plan's start in the model at the end: the mean of
 *                                       its weights and the last phase's (training/rl/average.h)
 *     "phases": [
 *       { "name": "verifier", "recipe": "configs/train/verifier.json" },
 *       { "name": "meta", "recipe": "configs/train/meta-verifier.json", "model": "verifier" },
 *       { "name": "generator", "recipe": "...", "model": "meta", "judge": "meta" },
 *       { "name": "all", "recipe": "configs/train/rft.json", "judge": "meta",
 *         "sources": { "generator": "generator", "verifier": "meta" } } ] }
 *
 * "model", "judge" and the sources name an earlier phase of the same iteration, or "start": what
 * the iteration began with, which is also the default of "model"; "oracle" is a judge, too. The
 * last phase's model is what the next iteration starts from.
 *
 *   OUT/<iteration>.<phase>/   the run of a phase (training/rl/run.h), iterations counted from 1
 *   OUT/model/                 a copy of the last phase's model, or that mean, at the end
 *
 * A phase that is finished is known by its model folder's training.json and passed over, so a run
 * that was killed goes on in the phase that it was in. One that was made of something else than
 * there is now is refused (training/rl/finished.h). */
#ifndef EL_TRAINING_RL_ITERATE_H
#define EL_TRAINING_RL_ITERATE_H

#include "training/rl/run.h"

/* 0 when all iterations are done; EL_EINTR as el_rl_train. Of the options `over` only model and
 * seed are used. */
int el_rl_iterate(const struct el_rl_options *o, struct el_error *err);

/* 1 when the JSON file at `path` has "phases", 0 when not; negative when it cannot be read. */
int el_rl_iterate_is(const char *path, struct el_error *err);

#endif
