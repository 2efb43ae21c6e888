/* The page: what stands above the histories. refine/report_threads.c writes those. */
#include "refine/report_page.h"

#include "core/base/alloc.h"
#include "refine/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int put_head(const struct el_report *r, struct el_buf *out)
{
    const struct el_settings *s = &r->state.set;
    int rc = el_page_begin(out, s->name);
    if (rc == 0)
        rc = el_buf_puts(out, "<h1>Run ");
    if (rc == 0)
        rc = el_page_text(out, s->name);
    if (rc == 0)
        rc = el_buf_printf(out,
                           "</h1>\n<p>%d problems, %d threads each, up to %d rounds; feedback %s, "
                           "control %s, temperature %g, seed %llu.</p>\n<p class=\"soft\">Model ",
                           r->contest.n, s->threads, s->rounds, el_feedback_name(s->feedback),
                           el_control_name(s->control), s->generator.temperature,
                           (unsigned long long)s->seed);
    if (rc == 0)
        rc = el_page_text(out, r->record.run.model);
    if (rc == 0)
        rc = el_buf_puts(out, " (");
    if (rc == 0)
        rc = el_page_text(out, r->record.run.mode);
    if (rc == 0)
        rc = el_buf_puts(out, ")</p>\n");
    int64_t open = r->threads_by_state[EL_THREAD_NEW];
    if (rc < 0 || r->finished || !r->attempts)
        return rc;
    return open ? el_buf_printf(out,
                                "<p class=\"v0\">Unfinished: %lld threads have not ended.</p>\n",
                                (long long)open)
                : el_buf_puts(out, "<p class=\"v0\">Unfinished: analyses are missing.</p>\n");
}

/* ------------------------------------------------------------------------------------- curves */

static const int curve_measures[] = {EL_MEASURE_PASS, EL_MEASURE_BEST, EL_MEASURE_ORACLE,
                                     EL_MEASURE_VERIFIER};

/* The words of the table's head, with the number of threads. */
static void name_curves(const struct el_report *r, char names[4][24])
{
    int k = r->state.set.threads;
    snprintf(names[0], sizeof names[0], "Pass@1");
    snprintf(names[1], sizeof names[1], "Best@%d", k);
    snprintf(names[2], sizeof names[2], "best of %d", k);
    snprintf(names[3], sizeof names[3], "by votes");
}

static int has_scores(const struct el_report *r, int truth, int round)
{
    return !isnan(r->rounds[round - 1].figure[truth][EL_MEASURE_PASS][EL_KIND_MEAN].value);
}

static int rounds_with_scores(const struct el_report *r, int truth)
{
    int n = 0;
    for (int round = 1; round <= r->state.set.rounds; round++)
        n += has_scores(r, truth, round);
    return n;
}

/* One series per measure: (rounds) of x, y, lo, hi each. */
static int put_chart(const struct el_report *r, int truth, double *block, struct el_buf *out)
{
    struct el_svg_series series[4];
    char names[4][24];
    name_curves(r, names);
    int n = r->state.set.rounds, shown = 0;
    for (int i = 0; i < 4; i++) {
        double *x = block + 4 * n * i, *y = x + n, *lo = y + n, *hi = lo + n;
        for (int k = 0; k < n; k++) {
            const struct el_figure *f =
                &r->rounds[k].figure[truth][curve_measures[i]][EL_KIND_SHARE];
            x[k] = k + 1;
            y[k] = f->value;
            lo[k] = f->lo;
            hi[k] = f->hi;
        }
        if (isnan(y[n - 1]))
            continue;
        series[shown] = (struct el_svg_series){.name = names[i],
                                               .x = x,
                                               .y = y,
                                               .lo = lo,
                                               .hi = hi,
                                               .n = n,
                                               .colour = shown,
                                               .dots = 1};
        shown++;
    }
    const struct el_svg_chart chart = {.title = truth == EL_TRUTH_EXACT
                                                    ? "Share scoring 1 by rounds, exact truth"
                                                    : "Share scoring 1 by rounds, by votes",
                                       .x_label = "rounds T",
                                       .y_label = "share scoring 1",
                                       .series = series,
                                       .n_series = shown,
                                       .y_max = 1,
                                       .x_whole = 1};
    int rc = el_buf_printf(out, "<figure><figcaption>%s</figcaption>", chart.title);
    if (rc == 0)
        rc = el_svg_lines(&chart, out);
    return rc == 0 ? el_buf_puts(out, "</figure>\n") : rc;
}

/* A curve has two points; one alone is a row of the table. */
static int put_curves(const struct el_report *r, int truth, double *block, struct el_buf *out)
{
    return rounds_with_scores(r, truth) > 1 ? put_chart(r, truth, block, out) : 0;
}

static int put_charts(const struct el_report *r, struct el_buf *out)
{
    double *block = el_alloc_array((size_t)r->state.set.rounds * 16, sizeof *block);
    if (!block)
        return EL_ENOMEM;
    int rc = el_buf_puts(out, "<div class=\"charts\">");
    if (rc == 0 && r->exact)
        rc = put_curves(r, EL_TRUTH_EXACT, block, out);
    if (rc == 0 && r->has_votes)
        rc = put_curves(r, EL_TRUTH_VOTES, block, out);
    if (rc == 0)
        rc = el_buf_puts(out, "</div>\n");
    el_free(block);
    return rc;
}

/* ------------------------------------------------------------------------------------- tables */

static int put_figure(const struct el_figure *f, struct el_buf *out)
{
    if (isnan(f->value))
        return el_buf_puts(out, "<td>-</td>");
    return el_buf_printf(out, "<td>%.3f <span class=\"soft\">[%.3f, %.3f]</span></td>", f->value,
                         f->lo, f->hi);
}

/* Rounds without scores are left out. */
static int put_round(const struct el_report *r, int truth, int round, struct el_buf *out)
{
    static const int cells[][2] = {
        {EL_MEASURE_PASS, EL_KIND_SHARE},   {EL_MEASURE_BEST, EL_KIND_SHARE},
        {EL_MEASURE_ORACLE, EL_KIND_SHARE}, {EL_MEASURE_VERIFIER, EL_KIND_SHARE},
        {EL_MEASURE_PASS, EL_KIND_MEAN},    {EL_MEASURE_BEST, EL_KIND_MEAN}};
    const struct el_report_round *x = &r->rounds[round - 1];
    if (!has_scores(r, truth, round))
        return 0;
    int rc = el_buf_printf(out, "<tr><td>%d</td>", round);
    for (int k = 0; rc == 0 && k < 6; k++) {
        const struct el_figure *f = &x->figure[truth][cells[k][0]][cells[k][1]];
        if (k == 0 || k == 1 || isnan(f->value))
            rc = put_figure(f, out);
        else
            rc = el_buf_printf(out, "<td>%.3f</td>", f->value);
    }
    return rc == 0 ? el_buf_printf(out, "<td>%.1f%%</td><td>%.0f</td></tr>\n", 100 * x->stopped,
                                   x->tokens)
                   : rc;
}

static int put_table(const struct el_report *r, int truth, struct el_buf *out)
{
    int rc = el_buf_printf(
        out,
        "<h2>Scored by %s, n = %d problems</h2><div class=\"wide\"><table><thead>"
        "<tr><th>T</th><th>Pass@1, share 1</th><th>Best@%d, share 1</th>"
        "<th>best of %d</th><th>by votes</th><th>Pass@1, mean</th>"
        "<th>Best@%d, mean</th><th>stopped</th><th>tokens</th></tr></thead>"
        "<tbody>\n",
        truth == EL_TRUTH_EXACT ? "exact truth" : "the verifier's votes", r->contest.n,
        r->state.set.threads, r->state.set.threads, r->state.set.threads);
    for (int i = 1; rc == 0 && i <= r->state.set.rounds; i++)
        rc = put_round(r, truth, i, out);
    if (rc == 0)
        rc = el_buf_puts(out, "</tbody></table></div>\n");
    return rc == 0 && rounds_with_scores(r, truth) < r->state.set.rounds
               ? el_buf_puts(out, "<p class=\"soft\">The other rounds have final proofs without "
                                  "analyses; compete --analyse-all adds them.</p>\n")
               : rc;
}

static int put_answers(const struct el_report *r, struct el_buf *out)
{
    int rc = el_buf_puts(out, "<h2>Final answers (all witnesses hold) and traces, by exact "
                              "truth</h2><div class=\"wide\"><table><thead>"
                              "<tr><th>T</th><th>wrong answer</th><th>wrong trace, of those with a "
                              "right answer</th></tr></thead><tbody>\n");
    for (int i = 0; rc == 0 && i < r->state.set.rounds; i++) {
        rc = el_buf_printf(out, "<tr><td>%d</td>", i + 1);
        if (rc == 0)
            rc = put_figure(&r->rounds[i].answer_error, out);
        if (rc == 0)
            rc = put_figure(&r->rounds[i].trace_error, out);
        if (rc == 0)
            rc = el_buf_puts(out, "</tr>\n");
    }
    return rc == 0 ? el_buf_puts(out, "</tbody></table></div>\n") : rc;
}

static int put_judge_row(const char *label, const struct el_figure *a, const struct el_figure *b,
                         struct el_buf *out)
{
    int rc = el_buf_printf(out, "<tr><td>%s</td>", label);
    if (rc == 0)
        rc = put_figure(a, out);
    if (rc == 0)
        rc = put_figure(b, out);
    return rc == 0 ? el_buf_puts(out, "</tr>\n") : rc;
}

static int put_judges(const struct el_report *r, struct el_buf *out)
{
    const struct el_judge_report *v = &r->verifier, *s = &r->self;
    const struct el_figure none = {NAN, NAN, NAN};
    const struct {
        const char *label;
        const struct el_figure *verifier, *self;
    } rows[] = {{"accuracy", &v->accuracy, &s->accuracy},
                {"balanced accuracy", &v->balanced, &s->balanced},
                {"of proofs that score 0", &v->recall[0], &s->recall[0]},
                {"of proofs that score 0.5", &v->recall[1], &s->recall[1]},
                {"of proofs that score 1", &v->recall[2], &s->recall[2]},
                {"with an invented issue", &v->invented, &s->invented},
                {"defects that are named", &v->defect_recall, &s->defect_recall},
                {"quality (mean ms)", &v->quality, &s->quality},
                {"P(self-score 1 | wrong)", &none, &r->over_claim}};
    int rc = el_buf_printf(out,
                           "<h2>Judges against exact truth</h2><div class=\"wide\"><table><thead>"
                           "<tr><th></th><th>verifier (%lld)</th><th>self-evaluation (%lld)</th>"
                           "</tr></thead><tbody>\n",
                           (long long)v->analyses, (long long)s->analyses);
    for (size_t i = 0; rc == 0 && i < sizeof rows / sizeof *rows; i++)
        rc = put_judge_row(rows[i].label, rows[i].verifier, rows[i].self, out);
    return rc == 0 ? el_buf_puts(out, "</tbody></table></div>\n") : rc;
}

/* Everything else in the words of the terminal's report. */
static int put_full_text(const struct el_report *r, struct el_buf *out)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_report_text(r, &text);
    if (rc == 0)
        rc = el_buf_puts(out, "<details><summary>The whole report as text, with the rules"
                              "</summary><pre>");
    if (rc == 0)
        rc = el_html_escape(out, text.data, text.len);
    el_buf_release(&text);
    return rc == 0 ? el_buf_puts(out, "</pre></details>\n") : rc;
}

int el_report_html(const struct el_report *r, const struct el_compare *against, struct el_store *s,
                   size_t max_bytes, struct el_buf *out, struct el_error *err)
{
    int rc = put_head(r, out);
    if (rc == 0)
        rc = put_charts(r, out);
    if (rc == 0 && r->exact)
        rc = put_table(r, EL_TRUTH_EXACT, out);
    if (rc == 0 && r->has_votes)
        rc = put_table(r, EL_TRUTH_VOTES, out);
    if (rc == 0 && against)
        rc = el_compare_html(against, out);
    if (rc == 0 && r->exact)
        rc = put_answers(r, out);
    if (rc == 0 && r->exact)
        rc = put_judges(r, out);
    if (rc == 0)
        rc = put_full_text(r, out);
    if (rc < 0)
        return el_error_set(err, rc, "out of memory for the page");
    rc = el_page_problems(r, s, max_bytes ? max_bytes : (size_t)64 << 20, out, err);
    if (rc == 0 && el_page_end(out) < 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for the page");
    return rc;
}
