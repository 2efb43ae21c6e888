/* The last checkpoints of a run: the newest under a fixed name, older ones beside it under the
 * steps that they had done.
 *
 *   OUT/state.safetensors        the newest
 *   OUT/state.STEP.safetensors   those before it
 *
 * A new one is whole and on the disk before the one in its place gets its number, and only then the
 * oldest goes: whenever the process is killed, there is a whole one. A run goes on from the newest
 * that is whole. Since what follows is a pure function of it, it ends with the same bytes from any
 * of them. */
#ifndef EL_TRAINING_ROTATION_H
#define EL_TRAINING_ROTATION_H

#include "core/base/buf.h"
#include "training/state.h"

struct el_rotation {
    char *path;     /* OUT/state.safetensors */
    int limit;      /* checkpoints that stay, at least 1 */
    int64_t newest; /* step of the whole one at path; -1: there is none that is known to be whole */
    char *good;     /* the last that was saved or loaded; NULL: none */
};

int el_rotation_init(struct el_rotation *r, const char *out, int limit, struct el_error *err);
void el_rotation_release(struct el_rotation *r);

/* 1 when the run in folder `out` has a checkpoint, whole or not, 0 when it has none or there is no
 * such folder; EL_ENOMEM. */
int el_rotation_has(const char *out, struct el_error *err);

/* Loads the newest checkpoint that is whole: 1, or 0 when there is none at all. Damaged ones are
 * passed over, with a line for each in `notice` (initialised by the caller); when no other is left,
 * the newest one's damage is the error. EL_EREFUSED as el_state_load. Changes no file. */
int el_rotation_load(struct el_rotation *r, struct el_run_state *s, struct el_trainer *t,
                     const struct el_state_owner *o, struct el_buf *notice, struct el_error *err);

/* Saves, keeps what was there before, and prunes. One of the same step is replaced instead of kept.
 * Whatever fails, the checkpoints that were there stay. */
int el_rotation_save(struct el_rotation *r, const struct el_run_state *s,
                     const struct el_trainer *t, const struct el_state_owner *o,
                     struct el_error *err);

/* Removes what killed writers left behind, and older checkpoints than the limit allows. Only for
 * somebody who knows that nobody else is writing, behind el_rotation_load. */
void el_rotation_prune(const struct el_rotation *r);

#endif
