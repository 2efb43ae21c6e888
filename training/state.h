/* Where a run stands, and its checkpoint: one safetensors file, put in place atomically, with the
 * weights, the optimiser's moments, this position and a digest of it all. A run that is killed and
 * started again goes on from it and ends with the same bytes. training/rotation.h keeps the last
 * few of them. */
#ifndef EL_TRAINING_STATE_H
#define EL_TRAINING_STATE_H

#include "core/train/trainer.h"

struct el_run_state {
    int stage;            /* stage of the recipe that is under way; n_stages: finished */
    int64_t stage_step;   /* updates done in it */
    int64_t step;         /* updates done in all */
    int64_t tokens;       /* rows trained on */
    uint64_t next;        /* data position */
    uint64_t fingerprint; /* of the data so far */
};

/* Whose checkpoint it is. */
struct el_state_owner {
    const char *digest; /* of the recipe and of everything else that decides the run */
    int n_stages;
};

/* A file that is at path already gets the name `keep`, once the new one is whole and on the disk;
 * NULL: it is replaced. EL_ENUMERIC naming the tensor when a value is NaN or Inf. Whatever fails,
 * an older file stays. */
int el_state_save(const struct el_run_state *s, const struct el_trainer *t,
                  const struct el_state_owner *o, const char *path, const char *keep,
                  struct el_error *err);
/* EL_EREFUSED when the file belongs to another recipe, EL_EFORMAT when it is damaged. On failure s
 * and t are as they were. */
int el_state_load(struct el_run_state *s, struct el_trainer *t, const struct el_state_owner *o,
                  const char *path, struct el_error *err);

#endif
