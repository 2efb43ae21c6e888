/* OUT/run.json: which recipe a training follows, so that runs that differ in their seed alone can
 * be recognised (elenchus eval --training).
 *
 *   {"recipe": FILE, "arm": DIGEST, "seed": N}
 *
 * "arm" is a digest of all that decides the run but the seed. */
#ifndef EL_TRAINING_RUN_NOTE_H
#define EL_TRAINING_RUN_NOTE_H

#include "core/base/digest.h"
#include "core/base/error.h"

/* Feeds the recipe at `path` without its "seed" into d. */
int el_run_note_recipe(struct el_digest *d, const char *path, struct el_error *err);

/* Writes the file, atomically; finishes d. */
int el_run_note_write(const char *out, const char *recipe, struct el_digest *d, uint64_t seed,
                      struct el_error *err);

#endif
