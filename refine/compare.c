#include "refine/compare.h"

#include "core/base/alloc.h"
#include "refine/figures.h"
#include "refine/json_out.h"
#include "refine/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Problems in both runs, by their places. */
struct pairs {
    int *a, *b, n;
};

static int find_pairs(const struct el_report *a, const struct el_report *b, struct pairs *p)
{
    p->n = 0;
    p->a = el_alloc_array((size_t)a->contest.n, sizeof *p->a);
    p->b = el_alloc_array((size_t)a->contest.n, sizeof *p->b);
    if (!p->a || !p->b)
        return EL_ENOMEM;
    for (int i = 0; i < a->contest.n; i++)
        for (int k = 0; k < b->contest.n; k++)
            if (strcmp(a->contest.keys[i], b->contest.keys[k]) == 0) {
                p->a[p->n] = i;
                p->b[p->n++] = k;
                break;
            }
    return 0;
}

static int known(const struct el_report *r, int truth)
{
    return truth == EL_TRUTH_EXACT ? r->exact : r->has_votes;
}

/* What is being compared: one measure, over the pairs. */
struct cell {
    struct el_compare *c;
    const struct pairs *p;
    int measure, kind;
    double *rounds[3];      /* where run b's rounds stand: by number, tokens, tokens written */
    double *ys, *a, *b, *d; /* scratch */
};

/* Values of run b of every pair at position `at`, its rounds standing at xs. */
static void at_position(struct cell *cell, const double *xs, double at, double *out)
{
    const struct el_report *b = cell->c->b;
    for (int i = 0; i < cell->p->n; i++) {
        for (int r = 1; r <= b->state.set.rounds; r++)
            cell->ys[r - 1] = el_report_value(b, cell->c->truth, (enum el_measure)cell->measure,
                                              (enum el_kind)cell->kind, r, cell->p->b[i]);
        out[i] = el_interpolate(xs, cell->ys, b->state.set.rounds, at);
    }
}

static int add_pair(struct cell *cell, struct el_figures *f, struct el_figure *b,
                    struct el_figure *d)
{
    for (int i = 0; i < cell->p->n; i++)
        cell->d[i] = cell->a[i] - cell->b[i];
    int rc = el_figures_add(f, cell->b, NULL, b);
    return rc < 0 ? rc : el_figures_add(f, cell->d, NULL, d);
}

static int add_row(struct cell *cell, struct el_figures *f, struct el_compare_row *row)
{
    const struct el_report *a = cell->c->a;
    for (int i = 0; i < cell->p->n; i++)
        cell->a[i] = el_report_value(a, cell->c->truth, (enum el_measure)cell->measure,
                                     (enum el_kind)cell->kind, row->round, cell->p->a[i]);
    int rc = el_figures_add(f, cell->a, NULL, &row->a);
    at_position(cell, cell->rounds[0], row->round, cell->b);
    if (rc == 0)
        rc = add_pair(cell, f, &row->b_rounds, &row->d_rounds);
    at_position(cell, cell->rounds[1], row->tokens, cell->b);
    if (rc == 0)
        rc = add_pair(cell, f, &row->b_tokens, &row->d_tokens);
    at_position(cell, cell->rounds[2], row->completion, cell->b);
    return rc == 0 ? add_pair(cell, f, &row->b_written, &row->d_written) : rc;
}

/* Positions are those of the pairs: other problems of a run cost more or less. */
static int add_rows(struct el_compare *c, const struct pairs *p, struct el_figures *f)
{
    size_t n = (size_t)p->n, t = (size_t)c->b->state.set.rounds, own = (size_t)c->rounds;
    double *block = el_alloc_array(3 * n + 4 * t + 2 * own, sizeof *block), *mine;
    if (!block)
        return EL_ENOMEM;
    struct cell cell = {
        .c = c,
        .p = p,
        .a = block,
        .b = block + n,
        .d = block + 2 * n,
        .ys = block + 3 * n,
        .rounds = {block + 3 * n + t, block + 3 * n + 2 * t, block + 3 * n + 3 * t}};
    int rc = 0;
    mine = block + 3 * n + 4 * t;
    el_report_tokens(&c->a->state, p->a, p->n, mine, mine + own);
    el_report_tokens(&c->b->state, p->b, p->n, cell.rounds[1], cell.rounds[2]);
    for (size_t r = 0; r < t; r++)
        cell.rounds[0][r] = (double)r + 1;
    for (cell.measure = 0; cell.measure < EL_MEASURES; cell.measure++)
        for (cell.kind = 0; cell.kind < EL_KINDS_OF_SCORE; cell.kind++)
            for (int r = 0; rc == 0 && r < c->rounds; r++) {
                struct el_compare_row *row = &c->rows[cell.measure][cell.kind][r];
                row->round = r + 1;
                row->tokens = mine[r];
                row->completion = mine[own + (size_t)r];
                rc = add_row(&cell, f, row);
            }
    el_free(block);
    return rc;
}

static int make(struct el_compare *c, const struct pairs *p, struct el_error *err)
{
    struct el_figures f = {
        .n_problems = p->n, .resamples = c->a->resamples, .seed = c->a->bootstrap_seed};
    for (int m = 0; m < EL_MEASURES; m++)
        for (int k = 0; k < EL_KINDS_OF_SCORE; k++) {
            c->rows[m][k] = el_alloc_array((size_t)c->rounds, sizeof *c->rows[m][k]);
            if (!c->rows[m][k])
                return el_error_set(err, EL_ENOMEM, "out of memory for a comparison");
        }
    int rc = add_rows(c, p, &f);
    if (rc < 0)
        el_error_set(err, rc, "out of memory for a comparison");
    else
        rc = el_figures_compute(&f, err);
    el_figures_release(&f);
    return rc;
}

int el_compare_make(struct el_compare *c, const struct el_report *a, const struct el_report *b,
                    struct el_error *err)
{
    struct pairs p = {0};
    memset(c, 0, sizeof *c);
    c->a = a;
    c->b = b;
    c->rounds = a->state.set.rounds;
    c->truth =
        known(a, EL_TRUTH_EXACT) && known(b, EL_TRUTH_EXACT) ? EL_TRUTH_EXACT : EL_TRUTH_VOTES;
    int rc = find_pairs(a, b, &p);
    c->n_problems = p.n;
    if (rc < 0)
        el_error_set(err, rc, "out of memory for a comparison");
    else if (!known(a, (int)c->truth) || !known(b, (int)c->truth))
        rc = el_error_set(err, EL_EINVAL, "runs '%s' and '%s': one of them has no scores",
                          a->state.set.name, b->state.set.name);
    else if (p.n == 0)
        rc = el_error_set(err, EL_EINVAL, "runs '%s' and '%s' have no problem in common",
                          a->state.set.name, b->state.set.name);
    else
        rc = make(c, &p, err);
    el_free(p.a);
    el_free(p.b);
    if (rc < 0)
        el_compare_release(c);
    return rc;
}

void el_compare_release(struct el_compare *c)
{
    for (int m = 0; m < EL_MEASURES; m++)
        for (int k = 0; k < EL_KINDS_OF_SCORE; k++)
            el_free(c->rows[m][k]);
    memset(c, 0, sizeof *c);
}

/* ------------------------------------------------------------------------------------- output */

static void value_text(const struct el_figure *f, char out[16])
{
    if (isnan(f->value))
        snprintf(out, 16, "%-5s", "-");
    else
        snprintf(out, 16, "%.3f", f->value);
}

static void difference_text(const struct el_figure *f, char out[32])
{
    if (isnan(f->value))
        snprintf(out, 32, "%-22s", "-");
    else
        snprintf(out, 32, "%+.3f [%+.3f,%+.3f]", f->value, f->lo, f->hi);
}

static int put_rows(const struct el_compare *c, int measure, const char *title, struct el_buf *out)
{
    int rc =
        el_buf_printf(out,
                      "\n%s, share that scores 1\n  T   tokens  %-8.8s at equal rounds           "
                      "      at equal tokens                at equal written tokens\n",
                      title, c->a->state.set.name);
    for (int i = 0; rc == 0 && i < c->rounds; i++) {
        const struct el_compare_row *row = &c->rows[measure][EL_KIND_SHARE][i];
        char a[16], b[3][16], d[3][32];
        value_text(&row->a, a);
        value_text(&row->b_rounds, b[0]);
        value_text(&row->b_tokens, b[1]);
        value_text(&row->b_written, b[2]);
        difference_text(&row->d_rounds, d[0]);
        difference_text(&row->d_tokens, d[1]);
        difference_text(&row->d_written, d[2]);
        rc = el_buf_printf(out, "%3d %8.0f  %s    %s %s  %s %s  %s %s\n", row->round, row->tokens,
                           a, b[0], d[0], b[1], d[1], b[2], d[2]);
    }
    return rc;
}

int el_compare_text(const struct el_compare *c, struct el_buf *out)
{
    char best[24];
    snprintf(best, sizeof best, "Best@%d", c->a->state.set.threads);
    int rc = el_buf_printf(out,
                           "\n%s (control %s) against %s (control %s), scored by %s, n = %d "
                           "problems in both\n",
                           c->a->state.set.name, el_control_name(c->a->state.set.control),
                           c->b->state.set.name, el_control_name(c->b->state.set.control),
                           c->truth == EL_TRUTH_EXACT ? "exact truth" : "votes", c->n_problems);
    if (rc == 0)
        rc = put_rows(c, EL_MEASURE_PASS, "Pass@1", out);
    if (rc == 0)
        rc = put_rows(c, EL_MEASURE_BEST, best, out);
    if (rc == 0)
        rc = el_buf_printf(out,
                           "\nEach column: %s's value, then the difference with its 95%% interval "
                           "(paired bootstrap over problems,\n%d resamples). At equal tokens: %s "
                           "interpolated linearly between its rounds to the mean tokens per "
                           "thread\n(prompts and replies; written: replies alone); '-' beyond its "
                           "last round.\n",
                           c->b->state.set.name, c->a->resamples, c->b->state.set.name);
    return rc;
}

static void put_row(const struct el_compare_row *row, struct el_json_out *j)
{
    el_json_open(j, NULL, '{');
    el_json_count(j, "T", row->round);
    el_json_number(j, "tokens", row->tokens);
    el_json_number(j, "completion_tokens", row->completion);
    el_json_figure(j, "value", &row->a);
    el_json_figure(j, "other_at_equal_rounds", &row->b_rounds);
    el_json_figure(j, "difference_at_equal_rounds", &row->d_rounds);
    el_json_figure(j, "other_at_equal_tokens", &row->b_tokens);
    el_json_figure(j, "difference_at_equal_tokens", &row->d_tokens);
    el_json_figure(j, "other_at_equal_completion_tokens", &row->b_written);
    el_json_figure(j, "difference_at_equal_completion_tokens", &row->d_written);
    el_json_close(j, '}');
}

int el_compare_json(const struct el_compare *c, struct el_buf *out)
{
    static const char *const kinds[] = {"share", "mean"};
    struct el_json_out j = {.buf = out, .first = 1};
    el_json_open(&j, NULL, '{');
    el_json_text(&j, "run", c->a->state.set.name);
    el_json_text(&j, "against", c->b->state.set.name);
    el_json_text(&j, "scored_by", el_truth_key((int)c->truth));
    el_json_count(&j, "problems", c->n_problems);
    for (int m = 0; m < EL_MEASURES; m++) {
        el_json_open(&j, el_measure_key(m), '{');
        for (int k = 0; k < EL_KINDS_OF_SCORE; k++) {
            el_json_open(&j, kinds[k], '[');
            for (int i = 0; i < c->rounds; i++)
                put_row(&c->rows[m][k][i], &j);
            el_json_close(&j, ']');
        }
        el_json_close(&j, '}');
    }
    el_json_close(&j, '}');
    if (j.failed == 0)
        j.failed = el_buf_putc(out, '\n');
    return j.failed;
}
