/* elenchus eval STORE --roles MODEL: how well a model judges the proofs and analyses of a store. */
#ifndef EL_CLI_EVAL_ROLES_H
#define EL_CLI_EVAL_ROLES_H

#include "data/store.h"

struct cli_eval_roles {
    const char *model, *prompts, *author; /* prompts, author: NULL for the default, for everybody */
    int samples, limit, resamples, threads, json;
    uint64_t seed;
};

/* Prints the report to the standard output. */
int cli_eval_roles(struct el_store *s, const struct cli_eval_roles *o, struct el_error *err);

#endif
