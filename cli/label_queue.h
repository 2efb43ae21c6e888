/* elenchus label --queued: the proofs that wait for a person. */
#ifndef EL_CLI_LABEL_QUEUE_H
#define EL_CLI_LABEL_QUEUE_H

#include "data/store.h"

/* Prints one line (or JSON object) for each proof that a labelling queued and no person has scored;
 * set NULL: of all sets. 0 or a failure. */
int cli_label_queue(struct el_store *s, const char *set, int json, struct el_error *err);

#endif
