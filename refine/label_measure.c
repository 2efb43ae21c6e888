#include "refine/label_measure.h"

#include "core/base/alloc.h"
#include "data/world.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- figures */

/* A row of sums by problem: of the cases that `of` names, those that `are` so. */
struct row {
    double *num, *den;
};

static int add_row(struct el_figures *f, const struct row *r, struct el_figure *out,
                   struct el_error *err)
{
    int rc = el_figures_add(f, r->num, r->den, out);
    size_t bytes = (size_t)f->n_problems * sizeof(double);
    memset(r->num, 0, bytes);
    memset(r->den, 0, bytes);
    return rc < 0 ? el_error_set(err, rc, "out of memory for figures") : 0;
}

static void tally(const struct row *r, const struct el_label_case *x, int of, int are)
{
    r->num[x->problem] += of && are ? x->copies : 0;
    r->den[x->problem] += of ? x->copies : 0;
}

static int add_class(const struct el_label_case *x, int n, int c, struct el_figures *f,
                     const struct row *r, struct el_label_figures *out, struct el_error *err)
{
    for (int i = 0; i < n; i++)
        tally(r, &x[i], x[i].truth == c && x[i].label != EL_SCORE_NONE, x[i].label == c);
    int rc = add_row(f, r, &out->right[c], err);
    for (int i = 0; i < n; i++)
        tally(r, &x[i], x[i].label == c, x[i].truth == c);
    if (rc == 0)
        rc = add_row(f, r, &out->precise[c], err);
    for (int i = 0; i < n; i++)
        tally(r, &x[i], x[i].truth == c, x[i].label != EL_SCORE_NONE);
    return rc == 0 ? add_row(f, r, &out->covered[c], err) : rc;
}

static int add_rows(const struct el_label_case *x, int n, struct el_figures *f, const struct row *r,
                    struct el_label_figures *out, struct el_error *err)
{
    int rc = 0;
    for (int c = 0; rc == 0 && c < 3; c++)
        rc = add_class(x, n, c, f, r, out, err);
    for (int i = 0; i < n; i++)
        tally(r, &x[i], x[i].label != EL_SCORE_NONE, x[i].truth == x[i].label);
    if (rc == 0)
        rc = add_row(f, r, &out->right_all, err);
    for (int i = 0; i < n; i++)
        tally(r, &x[i], 1, x[i].label != EL_SCORE_NONE);
    return rc == 0 ? add_row(f, r, &out->covered_all, err) : rc;
}

int el_label_measure(const struct el_label_case *x, int n, struct el_figures *f,
                     struct el_label_figures *out, struct el_error *err)
{
    struct row r = {.num = el_alloc_array(2 * (size_t)f->n_problems, sizeof *r.num)};
    if (!r.num)
        return el_error_set(err, EL_ENOMEM, "out of memory for figures");
    r.den = r.num + f->n_problems;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < n; i++)
        out->count[x[i].truth][x[i].label == EL_SCORE_NONE ? EL_LABEL_NONE : x[i].label] +=
            x[i].copies;
    int rc = add_rows(x, n, f, &r, out, err);
    el_free(r.num);
    return rc;
}

static double at_least(double least, double x)
{
    double known = isnan(x) ? 0 : x;
    return known < least ? known : least;
}

double el_label_worst(const struct el_label_figures *x)
{
    double least = 1;
    for (int c = 0; c < 3; c++)
        least = at_least(at_least(least, x->right[c].value), x->precise[c].value);
    return least;
}

double el_label_least_covered(const struct el_label_figures *x)
{
    double least = 1;
    for (int c = 0; c < 3; c++)
        least = at_least(least, x->covered[c].value);
    return least;
}

/* --------------------------------------------------------------------------------------- truth */

static int judge(const struct el_label_item *x, struct el_store *store,
                 const struct el_label_proofs *p, struct el_world_report *report,
                 signed char *truth, struct el_error *err)
{
    struct el_world_problem problem;
    struct el_proof proof;
    const char *statement = p->contest.problems[x->problem].statement;
    int rc = el_world_problem_parse(statement, strlen(statement), &problem, err);
    if (rc == 0)
        rc = el_store_proof_get(store, x->proof, &proof, err);
    if (rc < 0)
        return rc;
    el_world_judge_proof(&problem, proof.text, strlen(proof.text), report);
    el_proof_release(&proof);
    *truth = (signed char)el_score_from_value(report->score);
    return 0;
}

int el_label_truth(const struct el_labelling *s, struct el_store *store,
                   const struct el_label_proofs *p, signed char *truth, struct el_error *err)
{
    struct el_world_report *report = el_alloc(sizeof *report);
    int rc = report ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for a judgement");
    for (int i = 0; rc == 0 && i < s->n_items; i++)
        rc = judge(&s->items[i], store, p, report, &truth[i], err);
    el_free(report);
    return rc;
}

/* -------------------------------------------------------------------------------------- output */

static void share_text(const struct el_figure *f, char out[32])
{
    if (isnan(f->value))
        snprintf(out, 32, "%-19s", "-");
    else
        snprintf(out, 32, "%.3f [%.3f,%.3f]", f->value, f->lo, f->hi);
}

int el_label_figures_text(const struct el_label_figures *x, struct el_buf *out)
{
    int rc = el_buf_puts(out, "  true score  labelled 0   0.5     1  none  right                "
                              "precise              covered\n");
    for (int c = 0; rc == 0 && c < 3; c++) {
        char right[32], precise[32], covered[32];
        share_text(&x->right[c], right);
        share_text(&x->precise[c], precise);
        share_text(&x->covered[c], covered);
        rc = el_buf_printf(out, "  %-10s  %10lld %5lld %5lld %5lld  %s  %s  %s\n", el_score_text(c),
                           (long long)x->count[c][0], (long long)x->count[c][1],
                           (long long)x->count[c][2], (long long)x->count[c][3], right, precise,
                           covered);
    }
    char right[32], covered[32];
    share_text(&x->right_all, right);
    share_text(&x->covered_all, covered);
    if (rc == 0)
        rc = el_buf_printf(out, "  %-10s  %28s  %s  %-19s  %s\n", "all", "", right, "", covered);
    return rc == 0 ? el_buf_puts(out, "  right: of the labelled proofs with that true score, the "
                                      "share labelled so. precise: of the\n  labels with that "
                                      "score, the share that is true. covered: the share that has "
                                      "a label.\n")
                   : rc;
}

static void put_figures(struct el_json_out *j, const char *key, const struct el_figure f[3])
{
    el_json_open(j, key, '[');
    for (int c = 0; c < 3; c++)
        el_json_figure(j, NULL, &f[c]);
    el_json_close(j, ']');
}

void el_label_figures_json(const struct el_label_figures *x, struct el_json_out *j)
{
    el_json_open(j, "confusion", '['); /* by truth; labelled 0, 0.5, 1, none */
    for (int c = 0; c < 3; c++) {
        el_json_open(j, NULL, '[');
        for (int l = 0; l < 4; l++)
            el_json_count(j, NULL, x->count[c][l]);
        el_json_close(j, ']');
    }
    el_json_close(j, ']');
    put_figures(j, "right", x->right);
    put_figures(j, "precise", x->precise);
    put_figures(j, "covered", x->covered);
    el_json_figure(j, "right_all", &x->right_all);
    el_json_figure(j, "covered_all", &x->covered_all);
}
