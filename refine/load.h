/* A competition's state out of the store. */
#ifndef EL_REFINE_LOAD_H
#define EL_REFINE_LOAD_H

#include "data/store.h"
#include "refine/competition.h"
#include "refine/contest.h"
#include "refine/named_run.h"

/* A stored competition, found by its name. */
struct el_run_record {
    struct el_named_run run;
    struct el_settings settings;
    char verifier_model[64];
    const char **keys; /* (n_problems), into run.json */
    int n_problems;
};

/* Finds the competition `name`: 0, or EL_ENOTFOUND with the names that there are. Release it. */
int el_run_find(struct el_store *s, const char *name, struct el_run_record *out,
                struct el_error *err);
void el_run_record_release(struct el_run_record *r);

/* Feeds everything that run `run` has stored into c (initialised, not started). Each of c's
 * problems is the contest's. EL_EFORMAT when the rows cannot have come from this competition. */
int el_competition_load(struct el_competition *c, struct el_store *s, int64_t run,
                        const struct el_contest *contest, struct el_error *err);
/* The same for a run that goes on, where the context may be another one: what was refused counts as
 * not asked yet, except where it was asked, and answered, with fewer analyses. The store stays as
 * it is: what is not wanted any more, as an analysis of a text that is no longer a final one, stays
 * refused and counted as left out. */
int el_competition_load_anew(struct el_competition *c, struct el_store *s, int64_t run,
                             const struct el_contest *contest, struct el_error *err);

/* What a job that is done, by a reply that could be read, lacks: a message, or NULL. `made` is the
 * row that it should have left, 0: none. No run of ours lacks anything; stores may be damaged, or
 * come from strangers. */
const char *el_job_lacks(const struct el_job *j, int64_t made);

#endif
