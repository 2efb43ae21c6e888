/* The page: what stands above the histories. refine/report_threads.c writes those. */
#include "refine/report_page.h"

#include "core/base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char style[] =
    ":root{--bg:#fff;--fg:#1d2129;--soft:#5b6472;--line:#d8dde4;--box:#f5f7fa;--mark:#ffe0de;"
    "--s0:#1f6feb;--s1:#d1570c;--s2:#1a7f47;--s3:#8250df;--good:#1a7f47;--bad:#b3261e;"
    "--half:#9a6700}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171c;--fg:#e3e6ea;--soft:#9aa4b2;"
    "--line:#343b45;--box:#1d2228;--mark:#5a2422;--s0:#6cb0ff;--s1:#ff9d5c;--s2:#5fd08c;"
    "--s3:#c6a3ff;--good:#5fd08c;--bad:#ff8a80;--half:#e3b341}}\n"
    "*{box-sizing:border-box}body{margin:0 "
    "auto;padding:1.5rem;max-width:72rem;background:var(--bg);"
    "color:var(--fg);font:16px/1.5 system-ui,sans-serif}h1{font-size:1.5rem;margin:0}"
    "h2{font-size:1.15rem;margin:2rem 0 .5rem}p{margin:.4rem 0}.soft{color:var(--soft)}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:.25rem .7rem;text-align:right;border-bottom:1px solid var(--line);"
    "white-space:nowrap}th{font-weight:600}th:first-child,td:first-child{text-align:left}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem}"
    "svg{width:100%;height:auto}svg text{fill:var(--soft);font:12px system-ui,sans-serif}"
    ".grid{stroke:var(--line)}.line{fill:none;stroke-width:2.2}.band{opacity:.13;stroke:none}\n"
    ".line.s0{stroke:var(--s0)}.line.s1{stroke:var(--s1)}.line.s2{stroke:var(--s2)}"
    ".line.s3{stroke:var(--s3)}.dot.s0,.band.s0{fill:var(--s0)}.dot.s1,.band.s1{fill:var(--s1)}"
    ".dot.s2,.band.s2{fill:var(--s2)}.dot.s3,.band.s3{fill:var(--s3)}\n"
    "details{border:1px solid var(--line);border-radius:6px;margin:.35rem 0;padding:0 .7rem;"
    "content-visibility:auto;contain-intrinsic-size:auto 2.4rem}"
    "summary{cursor:pointer;padding:.4rem 0}details[open]{padding-bottom:.6rem}\n"
    "summary:focus-visible{outline:2px solid var(--s0);outline-offset:2px}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--box);padding:.6rem;"
    "border-radius:4px;margin:.3rem 0;font:14px/1.45 ui-monospace,monospace}"
    "mark{background:var(--mark);color:inherit}.pair{display:grid;gap:.6rem;"
    "grid-template-columns:repeat(auto-fit,minmax(18rem,1fr))}h4{margin:.7rem 0 .1rem;"
    "font-size:.95rem}h5{margin:.3rem 0 0;font-size:.85rem;color:var(--soft);font-weight:600}\n"
    ".v0{color:var(--bad)}.v1{color:var(--half)}.v2{color:var(--good)}"
    "ul{margin:.2rem 0;padding-left:1.2rem}@media print{details{border:0}}\n";

static int put_head(const struct el_report *r, struct el_buf *out)
{
    const struct el_settings *s = &r->state.set;
    int rc = el_buf_puts(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                              "<meta name=\"viewport\" content=\"width=device-width, "
                              "initial-scale=1\"><meta name=\"color-scheme\" content=\"light "
                              "dark\"><title>");
    if (rc == 0)
        rc = el_page_text(out, s->name);
    if (rc == 0)
        rc = el_buf_printf(out, " - Elenchus</title><style>\n%s</style></head><body>\n<h1>Run ",
                           style);
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
    return rc == 0 ? el_buf_puts(out, ")</p>\n") : rc;
}

/* ------------------------------------------------------------------------------------- curves */

static const int curve_measures[] = {EL_MEASURE_PASS, EL_MEASURE_BEST, EL_MEASURE_ORACLE,
                                     EL_MEASURE_VERIFIER};
static const char *const curve_names[] = {"Pass@1", "Best@k", "best of k", "by votes"};

/* One series per measure: (rounds) of x, y, lo, hi each. */
static int put_chart(const struct el_report *r, int truth, double *block, struct el_buf *out)
{
    struct el_svg_series series[4];
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
        if (!isnan(y[n - 1]))
            series[shown++] = (struct el_svg_series){
                .name = curve_names[i], .x = x, .y = y, .lo = lo, .hi = hi, .n = n};
    }
    const struct el_svg_chart chart = {.title = truth == EL_TRUTH_EXACT
                                                    ? "Share scoring 1 by rounds, exact truth"
                                                    : "Share scoring 1 by rounds, by votes",
                                       .x_label = "rounds T",
                                       .series = series,
                                       .n_series = shown,
                                       .y_max = 1,
                                       .x_whole = 1};
    int rc = el_buf_printf(out, "<figure><figcaption>%s</figcaption>", chart.title);
    if (rc == 0)
        rc = el_svg_lines(&chart, out);
    return rc == 0 ? el_buf_puts(out, "</figure>\n") : rc;
}

static int put_charts(const struct el_report *r, struct el_buf *out)
{
    double *block = el_alloc_array((size_t)r->state.set.rounds * 16, sizeof *block);
    if (!block)
        return EL_ENOMEM;
    int rc = el_buf_puts(out, "<div class=\"charts\">");
    if (rc == 0 && r->exact)
        rc = put_chart(r, EL_TRUTH_EXACT, block, out);
    if (rc == 0 && r->has_votes)
        rc = put_chart(r, EL_TRUTH_VOTES, block, out);
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
    if (isnan(x->figure[truth][EL_MEASURE_PASS][EL_KIND_MEAN].value))
        return 0;
    int rc = el_buf_printf(out, "<tr><td>%d</td>", round);
    for (int k = 0; rc == 0 && k < 6; k++) {
        const struct el_figure *f = &x->figure[truth][cells[k][0]][cells[k][1]];
        if (k == 0 || k == 1 || isnan(f->value))
            rc = put_figure(f, out);
        else
            rc = el_buf_printf(out, "<td>%.3f</td>", f->value);
    }
    return rc == 0 ? el_buf_printf(out, "<td>%.1f%%</td><td>%.0f</td></tr>\n", 100 * x->finished,
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

int el_report_html(const struct el_report *r, struct el_store *s, size_t max_bytes,
                   struct el_buf *out, struct el_error *err)
{
    int rc = put_head(r, out);
    if (rc == 0)
        rc = put_charts(r, out);
    if (rc == 0 && r->exact)
        rc = put_table(r, EL_TRUTH_EXACT, out);
    if (rc == 0 && r->has_votes)
        rc = put_table(r, EL_TRUTH_VOTES, out);
    if (rc == 0 && r->exact)
        rc = put_judges(r, out);
    if (rc == 0)
        rc = put_full_text(r, out);
    if (rc < 0)
        return el_error_set(err, rc, "out of memory for the page");
    rc = el_page_problems(r, s, max_bytes ? max_bytes : (size_t)64 << 20, out, err);
    if (rc == 0 && el_buf_puts(out, "</body></html>\n") < 0)
        rc = el_error_set(err, EL_ENOMEM, "out of memory for the page");
    return rc;
}
