/* Rows of numerators and denominators by problem, turned into figures with intervals together. */
#ifndef EL_REFINE_FIGURES_H
#define EL_REFINE_FIGURES_H

#include "refine/report.h"

struct el_figures {
    int n_problems, resamples;
    uint64_t seed;
    double *num, *den; /* (n, n_problems) */
    struct el_figure **out;
    int n, cap;
};

/* A row whose figure goes to *out: 0 or EL_ENOMEM. num, den (n_problems) are copied; den NULL means
 * 1 everywhere. A row with a NaN in num gives a figure of NaNs. */
int el_figures_add(struct el_figures *f, const double *num, const double *den,
                   struct el_figure *out);
/* Fills all figures and forgets the rows. */
int el_figures_compute(struct el_figures *f, struct el_error *err);
/* The mean over those of the n rows that have a denominator, as in balanced accuracy. */
int el_figures_mean_of(const struct el_figures *f, const double *num, const double *den, int n,
                       struct el_figure *out, struct el_error *err);
void el_figures_release(struct el_figures *f);

#endif
