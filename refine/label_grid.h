/* Many rules out of one run of automatic labelling, each against exact truth.
 *
 * A rule with fewer analyses or meta-assessments looks at the first ones of the run, and a complete
 * run (settings.complete) has examined every analysis that reports issues. So each row is, decision
 * by decision, what a run with that rule would have ended with. */
#ifndef EL_REFINE_LABEL_GRID_H
#define EL_REFINE_LABEL_GRID_H

#include "refine/label_measure.h"

struct el_label_grid_options {
    int resamples; /* of the bootstrap; 0: 10,000 */
    uint64_t seed;
};

struct el_label_grid_row {
    struct el_label_rule rule;
    struct el_label_figures figures;
    double replies; /* mean per proof text that the rule asks for, retries not counted */
};

struct el_label_grid {
    struct el_label_grid_row *rows; /* (n) best first, see below */
    int n;
    struct el_label_rule largest; /* n and m of the run */
    int problems, texts;
    int64_t proofs[3]; /* by truth */
    int resamples;
};

/* n and m over the powers of two up to those of `largest`, and these; k over 1, 2, 3, 4, 6, 8, 12,
 * ... up to n; both kinds of `lowest`; `confirm` 0.5 and 1. Best first: rules that label at least
 * 60% of each class come before others, then the higher el_label_worst, then the higher coverage,
 * then the fewer replies. EL_ENOTFOUND when the run has not examined enough (the message says what
 * to run). s is loaded, and need not be started. Release it. */
int el_label_grid_make(struct el_label_grid *g, struct el_labelling *s, struct el_store *store,
                       const struct el_label_proofs *p, const struct el_label_rule *largest,
                       const struct el_label_grid_options *o, struct el_error *err);
void el_label_grid_release(struct el_label_grid *g);

/* The best rows as a table with the rules of its numbers (JSON: all rows). */
int el_label_grid_text(const struct el_label_grid *g, struct el_buf *out);
int el_label_grid_json(const struct el_label_grid *g, struct el_buf *out);

#endif
