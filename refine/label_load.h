/* Automatic labelling out of the store: its runs, which proofs they are about, what is stored. */
#ifndef EL_REFINE_LABEL_LOAD_H
#define EL_REFINE_LABEL_LOAD_H

#include "refine/contest.h"
#include "refine/labelling.h"

/* A stored run of labelling. */
struct el_label_record {
    int64_t id;
    char key[EL_DIGEST_HEX], model[EL_DIGEST_HEX], mode[128];
    struct el_label_settings settings; /* the rule is the default one: it is no part of a run */
};
int el_label_record_get(struct el_store *s, int64_t run, struct el_label_record *out,
                        struct el_error *err);
/* By its name: 0, or EL_ENOTFOUND with the names that there are. */
int el_label_record_find(struct el_store *s, const char *name, struct el_label_record *out,
                         struct el_error *err);

/* Proofs and their problems. */
struct el_label_proofs {
    struct {
        int64_t proof, problem; /* rows */
    } * items;                  /* (n) */
    int n, cap;
    struct el_map seen;        /* row of a proof -> its place */
    struct el_map by_problem;  /* row of a problem -> index in contest */
    struct el_contest contest; /* the distinct problems, in the order of the proofs */
};
void el_label_proofs_init(struct el_label_proofs *p);
void el_label_proofs_release(struct el_label_proofs *p);

/* Those that run `run` (0: none) has stored anything about, then what the filter (NULL: nothing)
 * selects, until there are `limit` (0: no limit). Proofs of the run do not leave it when they
 * become labelled, so a resumed run has the proofs of an uninterrupted one. EL_ENOTFOUND when there
 * are none. */
int el_label_proofs_select(struct el_label_proofs *p, struct el_store *s, int64_t run,
                           const struct el_proof_filter *filter, int limit, struct el_error *err);
/* Those of the run that share the problem of `proof`, and it. */
int el_label_proofs_around(struct el_label_proofs *p, struct el_store *s, int64_t run,
                           int64_t proof, struct el_error *err);

/* Feeds the proofs and what run `run` has stored about them into s (initialised, not started).
 * EL_EFORMAT when rows cannot have come from such a run. */
int el_labelling_load(struct el_labelling *s, struct el_store *store, int64_t run,
                      const struct el_label_proofs *p, struct el_error *err);
/* The same for a run that goes on, where the context may be another one: what was refused counts as
 * not asked yet. The store stays as it is: what is not wanted any more stays refused and counted as
 * left out. */
int el_labelling_load_anew(struct el_labelling *s, struct el_store *store, int64_t run,
                           const struct el_label_proofs *p, struct el_error *err);

#endif
