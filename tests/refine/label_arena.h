/* What the tests of automatic labelling share: a store with the small world's proofs, and a run
 * from start to end. */
#ifndef EL_TESTS_LABEL_ARENA_H
#define EL_TESTS_LABEL_ARENA_H

#include "arena.h"

#include "refine/label.h"

/* Small settings: n 4, m 3, k 2, the name "label". */
struct el_label_settings label_settings(void);

/* Adds `problems` problems with a proof of each score, as far as they are not there. */
int label_fill(struct arena *a, int problems);

/* Opens the store, labels its proofs without a label to the end or to the first error, closes
 * everything. limit 0: none. counts may be NULL. */
int label_run(struct arena *a, const struct el_label_settings *settings, int limit,
              const struct fake_options *fake, struct fake_counts *counts);

/* The report of the run as JSON (el_free). */
char *label_report(struct arena *a, const char *run);
/* Everything a run decided and why: the explanations of all proofs as JSON (el_free). */
char *label_explanations(struct arena *a, const char *run);

#endif
