/* Runs by their name. The config of a run is its identity: canonical JSON with a field "name". */
#ifndef EL_REFINE_NAMED_RUN_H
#define EL_REFINE_NAMED_RUN_H

#include "core/base/json.h"
#include "data/store.h"
#include "roles/prompt.h"

/* A run as it is stored. */
struct el_named_run {
    int64_t id;
    char key[EL_DIGEST_HEX], model[EL_DIGEST_HEX], prompts[EL_DIGEST_HEX];
    char mode[128];
    int done;     /* it came to its end, whatever is added to it since */
    char *config; /* the identity */
    cJSON *json;  /* the same, parsed */
};

/* Finds the run `name` of a kind: 0, or EL_ENOTFOUND with the names that there are. Release it. */
int el_named_run_find(struct el_store *s, enum el_run_kind kind, const char *name,
                      struct el_named_run *out, struct el_error *err);
void el_named_run_release(struct el_named_run *r);

/* Finds the run or begins it as `want` says. EL_EREFUSED when the run of this name has another
 * config, model or prompts (the message says which). *warning (at least 256 bytes) becomes "" or a
 * sentence for the user: the run was begun in another attention mode. */
int el_named_run_claim(struct el_store *s, const char *name, const struct el_run *want, int64_t *id,
                       char *warning, struct el_error *err);

/* The digest of a prompt set, as runs keep it. */
void el_named_run_prompts(const struct el_prompt_set *prompts, char out[EL_DIGEST_HEX]);

#endif
