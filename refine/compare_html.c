/* The comparison of two runs on the page of the first one: the figures of the terminal's. */
#include "refine/compare.h"
#include "refine/report_page.h"

#include <math.h>
#include <stdio.h>

static const char *name_of(const struct el_report *r)
{
    return r->state.set.name;
}

static int put_head(const struct el_compare *c, struct el_buf *out)
{
    int rc = el_buf_puts(out, "<h2>");
    if (rc == 0)
        rc = el_page_text(out, name_of(c->a));
    if (rc == 0)
        rc = el_buf_printf(out, " (control %s) against ", el_control_name(c->a->state.set.control));
    if (rc == 0)
        rc = el_page_text(out, name_of(c->b));
    return rc == 0
               ? el_buf_printf(out, " (control %s), scored by %s, n = %d problems in both</h2>\n",
                               el_control_name(c->b->state.set.control),
                               c->truth == EL_TRUTH_EXACT ? "exact truth" : "votes", c->n_problems)
               : rc;
}

static int put_value(const struct el_figure *f, struct el_buf *out)
{
    return isnan(f->value) ? el_buf_puts(out, "<td>-</td>")
                           : el_buf_printf(out, "<td>%.3f</td>", f->value);
}

static int put_difference(const struct el_figure *f, struct el_buf *out)
{
    if (isnan(f->value))
        return el_buf_puts(out, "<td>-</td>");
    return el_buf_printf(out, "<td>%+.3f <span class=\"soft\">[%+.3f, %+.3f]</span></td>", f->value,
                         f->lo, f->hi);
}

static int put_row(const struct el_compare_row *row, struct el_buf *out)
{
    const struct el_figure *pairs[][2] = {{&row->b_rounds, &row->d_rounds},
                                          {&row->b_tokens, &row->d_tokens},
                                          {&row->b_written, &row->d_written}};
    int rc = el_buf_printf(out, "<tr><td>%d</td><td>%.0f</td>", row->round, row->tokens);
    if (rc == 0)
        rc = put_value(&row->a, out);
    for (int i = 0; rc == 0 && i < 3; i++) {
        rc = put_value(pairs[i][0], out);
        if (rc == 0)
            rc = put_difference(pairs[i][1], out);
    }
    return rc == 0 ? el_buf_puts(out, "</tr>\n") : rc;
}

static int put_columns(const struct el_compare *c, struct el_buf *out)
{
    int rc = el_buf_puts(out, "<thead><tr><th>T</th><th>tokens</th><th>");
    if (rc == 0)
        rc = el_page_text(out, name_of(c->a));
    return rc == 0 ? el_buf_puts(out, "</th><th>at equal rounds</th><th>difference</th>"
                                      "<th>at equal tokens</th><th>difference</th>"
                                      "<th>at equal written tokens</th><th>difference</th>"
                                      "</tr></thead><tbody>\n")
                   : rc;
}

static int put_table(const struct el_compare *c, int measure, const char *title, struct el_buf *out)
{
    int rc =
        el_buf_printf(out, "<h4>%s, share that scores 1</h4><div class=\"wide\"><table>", title);
    if (rc == 0)
        rc = put_columns(c, out);
    for (int i = 0; rc == 0 && i < c->rounds; i++)
        rc = put_row(&c->rows[measure][EL_KIND_SHARE][i], out);
    return rc == 0 ? el_buf_puts(out, "</tbody></table></div>\n") : rc;
}

static int put_rules(const struct el_compare *c, struct el_buf *out)
{
    int rc = el_buf_puts(out, "<p class=\"soft\">Each column: the value of ");
    if (rc == 0)
        rc = el_page_text(out, name_of(c->b));
    if (rc == 0)
        rc = el_buf_printf(out,
                           ", then the difference with its 95%% interval (paired bootstrap over "
                           "problems, %d resamples). At equal tokens: ",
                           c->a->resamples);
    if (rc == 0)
        rc = el_page_text(out, name_of(c->b));
    return rc == 0 ? el_buf_puts(out, " interpolated linearly between its rounds to the mean "
                                      "tokens per thread (prompts and replies; written: replies "
                                      "alone); '-' beyond its last round.</p>\n")
                   : rc;
}

int el_compare_html(const struct el_compare *c, struct el_buf *out)
{
    char best[24];
    snprintf(best, sizeof best, "Best@%d", c->a->state.set.threads);
    int rc = put_head(c, out);
    if (rc == 0)
        rc = put_table(c, EL_MEASURE_PASS, "Pass@1", out);
    if (rc == 0)
        rc = put_table(c, EL_MEASURE_BEST, best, out);
    return rc == 0 ? put_rules(c, out) : rc;
}
