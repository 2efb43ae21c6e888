/* What a run of automatic labelling amounts to, and why it decided as it did: pure functions of the
 * store, without clocks, ids or order of arrival. */
#ifndef EL_REFINE_LABEL_REPORT_H
#define EL_REFINE_LABEL_REPORT_H

#include "refine/label_measure.h"
#include "refine/tally.h"

struct el_label_report_options {
    int resamples; /* 0: 10,000 */
    uint64_t seed; /* of the bootstrap */
};

struct el_label_report {
    struct el_label_record record;
    int problems;
    int64_t proofs, undecided;
    int64_t labels[3], outcome[3];           /* by label; by enum el_decided */
    int64_t reasons[EL_LABEL_REASONS];       /* of the decided ones */
    struct el_label_rule rule;               /* of the first decision */
    int64_t other_rules;                     /* decisions by another rule */
    struct el_tally_lengths analyses, metas; /* by length of the proof */
    struct el_tally tally;
    int exact; /* the problems are of the small world */
    struct el_label_figures figures;
    int resamples;
};

/* Reads run `name`. options may be NULL. Release it. */
int el_label_report_make(struct el_label_report *r, struct el_store *s, const char *name,
                         const struct el_label_report_options *options, struct el_error *err);
void el_label_report_release(struct el_label_report *r);

int el_label_report_text(const struct el_label_report *r, struct el_buf *out);
int el_label_report_json(const struct el_label_report *r, struct el_buf *out);

/* Appends why each run (name NULL), or one, decided about a proof as it did: the rule, every
 * analysis with its score, verdict and text, every meta-assessment, and what follows. As JSON an
 * array with an object for each run, meta-assessments with their texts. EL_ENOTFOUND when nothing
 * was decided. */
int el_label_explain(struct el_store *s, int64_t proof, const char *name, int json,
                     struct el_buf *out, struct el_error *err);

#endif
