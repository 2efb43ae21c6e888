/* Internal to training/rl: the fields of a recipe about extra reward terms that have parts. */
#ifndef EL_TRAINING_RL_RECIPE_TERMS_H
#define EL_TRAINING_RL_RECIPE_TERMS_H

#include "core/base/json.h"
#include "training/rl/recipe.h"

/* "language" with its weight, "rubric". */
int el_rl_read_terms(const cJSON *root, const char *path, struct el_rl_recipe *r,
                     struct el_error *err);

#endif
