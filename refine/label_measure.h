/* How right labels are, against exact truth, class by class. */
#ifndef EL_REFINE_LABEL_MEASURE_H
#define EL_REFINE_LABEL_MEASURE_H

#include "refine/figures.h"
#include "refine/json_out.h"
#include "refine/label_load.h"

/* A proof text with what is true and what was decided, both in halves. */
struct el_label_case {
    int problem;              /* index of its problem */
    int copies;               /* proofs with this text */
    signed char truth, label; /* label EL_SCORE_NONE: none */
};

enum { EL_LABEL_NONE = 3 }; /* the column of proofs without a label */

struct el_label_figures {
    int64_t count[3][4];         /* proofs by truth and label */
    struct el_figure right[3];   /* of labelled proofs that are c in truth: labelled c */
    struct el_figure precise[3]; /* of labels c: c in truth */
    struct el_figure covered[3]; /* of proofs that are c in truth: labelled */
    struct el_figure right_all, covered_all;
};

/* Counts, and adds the rows of the figures to f, which fills them in when it is computed. */
int el_label_measure(const struct el_label_case *x, int n, struct el_figures *f,
                     struct el_label_figures *out, struct el_error *err);

/* The least of right and precise over the classes (NaN counts as 0: a class without labels), and
 * the least coverage of a class. */
double el_label_worst(const struct el_label_figures *x);
double el_label_least_covered(const struct el_label_figures *x);

/* Exact truth of every item of s by the small world's oracle: truth (s->n_items). */
int el_label_truth(const struct el_labelling *s, struct el_store *store,
                   const struct el_label_proofs *p, signed char *truth, struct el_error *err);

/* The table of truth against label, and the figures beside it; the same as JSON fields. */
int el_label_figures_text(const struct el_label_figures *x, struct el_buf *out);
void el_label_figures_json(const struct el_label_figures *x, struct el_json_out *j);

#endif
