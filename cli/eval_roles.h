/* elenchus eval STORE --roles MODEL...: how well models judge the proofs and analyses of a store.
 */
#ifndef EL_CLI_EVAL_ROLES_H
#define EL_CLI_EVAL_ROLES_H

#include "cli/arms.h"
#include "data/store.h"

struct cli_eval_roles {
    /* items are model folders: one without a name is reported alone, several without one are an arm
     */
    struct cli_arms models;
    const char *prompts, *author; /* NULL for the default, for everybody */
    int samples, limit, resamples, threads, json;
    double temperature, top_p; /* of the replies; top_p 1: no truncation */
    uint64_t seed;
};

/* Prints the report to the standard output. */
int cli_eval_roles(struct el_store *s, const struct cli_eval_roles *o, struct el_error *err);

#endif
