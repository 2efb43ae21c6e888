/* Which prompt set a command uses. */
#ifndef EL_CLI_PROMPTS_H
#define EL_CLI_PROMPTS_H

#include "roles/prompt.h"

/* The set in `dir`; with dir NULL the one that suits the model's folder: a model that carries its
 * domain (domain.json) was trained on the small prompts, any other gets the full ones. */
int cli_prompts_load(const char *dir, const char *model, struct el_prompt_set **out,
                     struct el_error *err);

#endif
