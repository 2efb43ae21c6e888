/* The model's own attempts at train-split problems, as training material.
 *
 * A pool is a JSONL file: {"problem": index, "proof": text, "analysis": text or ""}. It is made by
 * a stage of a recipe, as a pure function of (weights, recipe seed, stage), and written when it is
 * complete. */
#ifndef EL_TRAINING_ATTEMPTS_H
#define EL_TRAINING_ATTEMPTS_H

#include "core/base/progress.h"
#include "core/run/completion.h"
#include "roles/reply.h"
#include "training/recipe.h"

struct el_attempt {
    uint64_t problem; /* index in the train split */
    char *proof, *analysis;
};

struct el_attempts {
    struct el_attempt *item;
    size_t n, room;
};

void el_attempts_init(struct el_attempts *a);
void el_attempts_release(struct el_attempts *a);

/* What an attempts stage saw, by the oracle: how good the model of the moment is. */
struct el_attempts_report {
    int64_t completions;                /* first attempts and refinements */
    int64_t unparsed, refined_unparsed; /* first attempts, and refinements, that do not parse */
    int64_t right, half;                /* proofs of score 1 and 0.5 */
    int64_t claims, claims_right;
    int64_t self_right;               /* self-scores that equal the true score */
    int64_t said_one, said_one_wrong; /* self-score 1, and of these true score below 1 */
    int64_t refined, refined_right;   /* refinements of first attempts, and of these score 1 */
    int64_t tokens;
};

/* Lets the backend prove problems `first`... of the train split and adds what parses to the pool.
 * EL_EINTR leaves the pool as far as it got. */
int el_attempts_sample(struct el_backend *b, const struct el_recipe *r,
                       const struct el_recipe_stage *s, uint64_t first, uint64_t seed,
                       struct el_attempts *pool, struct el_attempts_report *report,
                       struct el_progress *progress, struct el_error *err);

int el_attempts_save(const struct el_attempts *a, const char *path, struct el_error *err);
int el_attempts_load(struct el_attempts *a, const char *path, struct el_error *err);

#endif
