/* A grid of rules for people and as JSON. */
#include "refine/label_grid.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { rows_shown = 20 };

static const double wanted_right = 0.95, wanted_covered = 0.6;

static int reaches(const struct el_label_grid_row *r)
{
    return el_label_worst(&r->figures) >= wanted_right &&
           el_label_least_covered(&r->figures) >= wanted_covered;
}

/* "64/66 [.92,1.0]" */
static void cell(const struct el_figure *f, int64_t num, int64_t den, char out[40])
{
    if (isnan(f->value))
        snprintf(out, 40, "%-21s", "-");
    else
        snprintf(out, 40, "%3lld/%-3lld [%.3f,%.3f]", (long long)num, (long long)den, f->lo, f->hi);
}

static int put_row(const struct el_label_grid_row *r, struct el_buf *out)
{
    const struct el_label_figures *f = &r->figures;
    int rc =
        el_buf_printf(out, "%c %3d %3d %3d %-5s %-3s", reaches(r) ? '*' : ' ', r->rule.n, r->rule.m,
                      r->rule.k, el_lowest_name(r->rule.lowest), el_score_text(r->rule.confirm));
    for (int c = 0; rc == 0 && c < 3; c++) {
        int64_t labelled = f->count[c][0] + f->count[c][1] + f->count[c][2];
        char text[40];
        cell(&f->right[c], f->count[c][c], labelled, text);
        rc = el_buf_printf(out, "  %s", text);
    }
    for (int c = 0; rc == 0 && c < 3; c++)
        rc = isnan(f->precise[c].value)
                 ? el_buf_printf(out, " %s%5s", c ? "" : " ", "-") /* it gives no such label */
                 : el_buf_printf(out, " %s%.3f", c ? "" : " ", f->precise[c].value);
    for (int c = 0; rc == 0 && c < 3; c++)
        rc = el_buf_printf(out, " %s%.3f", c ? "" : " ", f->covered[c].value);
    return rc == 0 ? el_buf_printf(out, "  %7.1f\n", r->replies) : rc;
}

static int put_head(const struct el_label_grid *g, struct el_buf *out)
{
    return el_buf_printf(
        out,
        "%d rules out of one run with n %d and m %d: %d problems, %lld proofs (score 0: %lld, 0.5: "
        "%lld, 1: %lld), %d distinct texts\n\n"
        "                          right, by true score: labelled so of the labelled      precise "
        "           covered            replies\n"
        "    n   m   k lowest con-  0                      0.5                    1              "
        "        0     0.5   1      0     0.5   1     per text\n",
        g->n, g->largest.n, g->largest.m, g->problems,
        (long long)(g->proofs[0] + g->proofs[1] + g->proofs[2]), (long long)g->proofs[0],
        (long long)g->proofs[1], (long long)g->proofs[2], g->texts);
}

static int put_best(const struct el_label_grid *g, struct el_buf *out)
{
    const struct el_label_grid_row *best = &g->rows[0];
    int reached = 0;
    for (int i = 0; i < g->n; i++)
        reached += reaches(&g->rows[i]);
    int rc = el_buf_printf(
        out,
        "\n*: in each class at least %.0f%% right and precise, and at least %.0f%% covered: %d of "
        "%d rules\nBest: ",
        100 * wanted_right, 100 * wanted_covered, reached, g->n);
    if (rc == 0)
        rc = el_label_rule_put(&best->rule, out);
    if (rc == 0)
        rc = el_buf_putc(out, '\n');
    return rc == 0 ? el_label_figures_text(&best->figures, out) : rc;
}

/* The same counts for the same cost. */
static int is_same(const struct el_label_grid_row *a, const struct el_label_grid_row *b)
{
    return memcmp(a->figures.count, b->figures.count, sizeof a->figures.count) == 0 &&
           !(a->replies < b->replies) && !(a->replies > b->replies);
}

int el_label_grid_text(const struct el_label_grid *g, struct el_buf *out)
{
    int rc = put_head(g, out), shown = 0;
    for (int i = 0; rc == 0 && i < g->n && shown < rows_shown; i++) {
        if (i > 0 && is_same(&g->rows[i - 1], &g->rows[i]))
            continue;
        rc = put_row(&g->rows[i], out);
        shown++;
    }
    if (rc == 0 && g->n > shown)
        rc = el_buf_printf(out, "  (rules that end as the one above, and those below these, are "
                                "left out; --json prints all)\n");
    if (rc == 0)
        rc = put_best(g, out);
    return rc == 0
               ? el_buf_printf(
                     out,
                     "  Order: rules that cover at least %.0f%% of each class first, then by the "
                     "least of right and\n  precise. The best of many is flattered by being chosen "
                     "on these proofs: confirm it on others.\n  [..]: 95%% bootstrap over "
                     "problems, %d resamples. replies: asked step by step, without retries.\n",
                     100 * wanted_covered, g->resamples)
               : rc;
}

int el_label_grid_json(const struct el_label_grid *g, struct el_buf *out)
{
    struct el_json_out j = {.buf = out, .first = 1};
    el_json_open(&j, NULL, '{');
    el_json_count(&j, "problems", g->problems);
    el_json_count(&j, "texts", g->texts);
    el_json_open(&j, "proofs", '[');
    for (int c = 0; c < 3; c++)
        el_json_count(&j, NULL, g->proofs[c]);
    el_json_close(&j, ']');
    el_json_count(&j, "resamples", g->resamples);
    el_json_open(&j, "rules", '[');
    for (int i = 0; i < g->n; i++) {
        const struct el_label_grid_row *r = &g->rows[i];
        el_json_open(&j, NULL, '{');
        el_json_count(&j, "n", r->rule.n);
        el_json_count(&j, "m", r->rule.m);
        el_json_count(&j, "k", r->rule.k);
        el_json_text(&j, "lowest", el_lowest_name(r->rule.lowest));
        el_json_number(&j, "confirm", el_score_value(r->rule.confirm));
        el_json_number(&j, "replies_per_text", r->replies);
        el_json_count(&j, "reaches_goal", reaches(r));
        el_label_figures_json(&r->figures, &j);
        el_json_close(&j, '}');
    }
    el_json_close(&j, ']');
    el_json_close(&j, '}');
    return j.failed ? j.failed : el_buf_putc(out, '\n');
}
