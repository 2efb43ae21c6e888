/* Final answers against traces (Uesato et al. 2022): how many final proofs reach a wrong
 * answer, and how many of those with a right one do not get there rightly. */
#include "refine/report_parts.h"

#include "core/base/alloc.h"

/* Sums by problem after one round, (problems) each. */
struct sums {
    double *wrong, *right; /* the answer is wrong, or there is no proof; it is right */
    double *astray;        /* right answers of proofs that score below 1 */
};

static void count(const struct el_report *r, int round, struct sums *s)
{
    int n = r->state.set.threads;
    for (int p = 0; p < r->contest.n; p++) {
        s->wrong[p] = s->right[p] = s->astray[p] = 0;
        for (int i = 0; i < n; i++) {
            const struct el_attempt *a = el_competition_final(&r->state, p * n + i, round);
            int holds = a && r->answer_holds[a->text];
            s->wrong[p] += (double)!holds / n;
            s->right[p] += holds;
            s->astray[p] += holds && r->truth[a->text] != EL_SCORE_ONE;
        }
    }
}

int el_report_answers(struct el_report *r, struct el_figures *f, struct el_error *err)
{
    if (!r->exact)
        return 0;
    size_t n = (size_t)r->contest.n;
    double *block = el_alloc_array(3 * n, sizeof *block);
    struct sums s = {block, block + n, block + 2 * n};
    int rc = block ? 0 : EL_ENOMEM;
    for (int round = 1; rc == 0 && round <= r->state.set.rounds; round++) {
        struct el_report_round *x = &r->rounds[round - 1];
        count(r, round, &s);
        rc = el_figures_add(f, s.wrong, NULL, &x->answer_error);
        if (rc == 0)
            rc = el_figures_add(f, s.astray, s.right, &x->trace_error);
    }
    el_free(block);
    return rc < 0 ? el_error_set(err, EL_ENOMEM, "out of memory for a report") : 0;
}
