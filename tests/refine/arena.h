/* What the tests of competitions share: a folder, a store, problems, a run from start to end. */
#ifndef EL_TESTS_ARENA_H
#define EL_TESTS_ARENA_H

#include "fake_backend.h"

#include "refine/compete.h"
#include "refine/contest.h"
#include "refine/settings.h"

struct arena {
    char dir[64], path[96];
    struct el_prompt_set *prompts;
    int group; /* replies in one commit, as in el_compete_options */
    struct el_error err;
};

/* cmocka setup and teardown; *state is a struct arena. */
int arena_make(void **state);
int arena_drop(void **state);
void arena_remove_store(struct arena *a);

/* Small settings: 3 rounds, 4 threads, 2 analyses, the name "run". */
struct el_settings arena_settings(void);

/* Opens the store, runs `settings` over the problems of `source` to the end or to the first error,
 * closes everything. The return is el_compete_go's (or open's). counts may be NULL. */
int arena_run(struct arena *a, const char *source, const struct el_settings *settings,
              const struct fake_options *fake, struct fake_counts *counts);

/* The report of the run as JSON (el_free), by the same path as `elenchus eval`. */
char *arena_report(struct arena *a, const char *run);

#endif
