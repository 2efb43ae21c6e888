/* Inside the report. Not for other rooms. */
#ifndef EL_REFINE_REPORT_PARTS_H
#define EL_REFINE_REPORT_PARTS_H

#include "refine/figures.h"

/* Exact truth of every text, and the judges' figures: reads proofs and analyses. */
int el_report_judge(struct el_report *r, struct el_store *s, struct el_figures *f,
                    struct el_error *err);
/* Final answers and traces by round (report_answer.c): after el_report_judge. */
int el_report_answers(struct el_report *r, struct el_figures *f, struct el_error *err);
/* Votes, values per problem, rounds, pass@k. */
int el_report_score(struct el_report *r, struct el_figures *f, struct el_error *err);
/* Failures, drops, usage, attention. */
int el_report_count(struct el_report *r, struct el_store *s, struct el_error *err);

/* Out of what is stored: SOLVED, SPENT, REFUSED; NEW: under way. */
enum el_thread_state el_report_thread_state(const struct el_competition *c, int thread);

double *el_report_cell(const struct el_report *r, int truth, int measure, int kind, int round);

/* The score of a text by one truth, 0, 0.5, 1; NaN unknown (not: missing). */
double el_report_text_score(const struct el_report *r, int truth, int text);

/* Tokens of prompt and completion that attempt `round` of a thread cost, with the verifier's
 * analyses that it was given. */
void el_report_attempt_tokens(const struct el_competition *c, int thread, int round, double *prompt,
                              double *completion);

/* What a thread of the n problems (NULL: the first n) has cost on average up to each round: tokens,
 * and those of them that were written; (rounds) each. */
void el_report_tokens(const struct el_competition *c, const int *problems, int n, double *tokens,
                      double *written);

#endif
