/* Two runs side by side, over the problems that both have: paired differences at equal rounds and
 * at equal tokens.
 *
 * At equal tokens: the position of a run after round T is the mean number of tokens that a thread
 * of these problems has cost up to then (prompts and replies, feedback analyses included). The
 * other run's value at that position is interpolated linearly between its rounds, problem by
 * problem; beyond its last round there is no value. The positions count as given: the interval is
 * that of the values. */
#ifndef EL_REFINE_COMPARE_H
#define EL_REFINE_COMPARE_H

#include "refine/report.h"

struct el_compare_row {
    int round;                             /* of run a */
    double tokens;                         /* of run a */
    double completion;                     /* completion tokens of run a */
    struct el_figure a;                    /* share or mean of run a */
    struct el_figure b_rounds, d_rounds;   /* run b after as many rounds; a - b */
    struct el_figure b_tokens, d_tokens;   /* run b at as many tokens */
    struct el_figure b_written, d_written; /* run b at as many completion tokens */
};

struct el_compare {
    enum el_truth truth;
    int n_problems;                                              /* in both */
    int rounds;                                                  /* of run a */
    struct el_compare_row *rows[EL_MEASURES][EL_KINDS_OF_SCORE]; /* (rounds) each */
    const struct el_report *a, *b;
};

/* EL_EINVAL when they share no problem or no kind of truth. The reports must outlive the result. */
int el_compare_make(struct el_compare *c, const struct el_report *a, const struct el_report *b,
                    struct el_error *err);
void el_compare_release(struct el_compare *c);

/* Appends the comparison: as tables for a terminal, as JSON, as a part of the first run's page (the
 * terminal's tables; el_report_html puts it there). 0 or EL_ENOMEM. */
int el_compare_text(const struct el_compare *c, struct el_buf *out);
int el_compare_json(const struct el_compare *c, struct el_buf *out);
int el_compare_html(const struct el_compare *c, struct el_buf *out);

#endif
