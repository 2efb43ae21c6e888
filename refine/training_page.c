/* The page of trainings: curves by group, and the numbers. With one run the colours tell metrics of
 * one chart apart; with several they are the runs, and metrics differ by their dashes. */
#include "refine/training_report.h"

#include "refine/page.h"
#include "refine/svg.h"
#include "refine/training_curve.h"

#include "core/base/alloc.h"

#include <math.h>
#include <string.h>

/* Space for a chart; every curve has a raw line and may have a smooth one. */
struct drawing {
    const struct el_training_runs *runs;
    struct el_curve curve[3 * EL_SVG_COLOURS];
    int metric[3 * EL_SVG_COLOURS], run[3 * EL_SVG_COLOURS]; /* whose */
    int n;
    struct el_svg_series series[3 + 6 * EL_SVG_COLOURS];
    int n_series;
};

/* ------------------------------------------------------------------------------------- a chart */

static void forget_curves(struct drawing *d)
{
    for (int i = 0; i < d->n; i++)
        el_curve_release(&d->curve[i]);
    d->n = d->n_series = 0;
}

static int make_curves(struct drawing *d, const struct el_training_chart *c)
{
    for (int m = 0; m < c->n; m++)
        for (int r = 0; r < d->runs->n; r++) {
            const struct el_training_metric *metric =
                el_training_log_metric(&d->runs->run[r], c->metric[m]);
            if (!metric)
                continue;
            int rc = el_curve_make(&d->curve[d->n], &d->runs->run[r], metric, c->exact);
            if (rc < 0)
                return rc;
            d->metric[d->n] = m;
            d->run[d->n++] = r;
        }
    return 0;
}

/* The same value in every step of every run. */
static int is_constant(const struct drawing *d)
{
    for (int i = 0; i < d->n; i++)
        if (d->curve[i].min != d->curve[0].min || d->curve[i].max != d->curve[0].min)
            return 0;
    return 1;
}

static struct el_svg_series *next_series(struct drawing *d, int i)
{
    int several = d->runs->n > 1;
    struct el_svg_series *s = &d->series[d->n_series++];
    *s = (struct el_svg_series){.colour = several ? d->run[i] : d->metric[i],
                                .dash = several ? d->metric[i] : 0};
    return s;
}

static void put_names(struct drawing *d, const struct el_training_chart *c)
{
    for (int m = 0; c->n > 1 && m < c->n; m++) {
        int several = d->runs->n > 1;
        d->series[d->n_series++] = (struct el_svg_series){
            .name = c->label[m], .colour = several ? EL_SVG_NEUTRAL : m, .dash = several ? m : 0};
    }
}

static void put_band(struct el_svg_series *s, const struct el_curve *c)
{
    if (!c->band)
        return;
    s->lo = c->lo_y;
    s->hi = c->hi_y;
}

/* Raw lines go behind all smooth ones. */
static void make_series(struct drawing *d, const struct el_training_chart *c)
{
    put_names(d, c);
    for (int i = 0; i < d->n; i++) {
        struct el_svg_series *s = next_series(d, i);
        s->x = d->curve[i].raw_x;
        s->y = d->curve[i].raw_y;
        s->n = d->curve[i].n_raw;
        s->faint = d->curve[i].n_smooth > 0;
        s->dash = s->faint ? 0 : s->dash;
        s->dots = s->n < 10;
        if (!s->faint)
            put_band(s, &d->curve[i]);
    }
    for (int i = 0; i < d->n; i++) {
        if (d->curve[i].n_smooth == 0)
            continue;
        struct el_svg_series *s = next_series(d, i);
        s->x = d->curve[i].smooth_x;
        s->y = d->curve[i].smooth_y;
        s->n = d->curve[i].n_smooth;
        put_band(s, &d->curve[i]);
    }
}

/* A frame that nearly holds everything is made to. */
static void take_in_what_is_near(struct el_svg_chart *chart, double min, double max)
{
    double near = 0.1 * (chart->y_max - chart->y_min), pad = 0.2 * near;
    if (min < chart->y_min && min >= chart->y_min - near)
        chart->y_min = min - pad;
    if (max > chart->y_max && max <= chart->y_max + near)
        chart->y_max = max + pad;
}

static void find_axis(const struct drawing *d, const struct el_training_chart *c,
                      struct el_svg_chart *chart)
{
    double lo = INFINITY, hi = -INFINITY, min = INFINITY, max = -INFINITY;
    for (int i = 0; i < d->n; i++) {
        lo = fmin(lo, d->curve[i].lo);
        hi = fmax(hi, d->curve[i].hi);
        min = fmin(min, d->curve[i].min);
        max = fmax(max, d->curve[i].max);
    }
    lo = fmax(lo, -1e300); /* so that their difference is finite */
    hi = fmin(hi, 1e300);
    double size = fmax(fabs(lo), fabs(hi)), pad = 0.05 * fmax(hi - lo, 1e-3 * size);
    pad = pad > 0 ? pad : 0.5;
    int from_zero = lo >= 0 && lo <= 0.5 * hi;
    chart->y_min = from_zero ? 0 : lo - pad;
    chart->y_max = hi <= 0 && lo < 0 && hi > 0.5 * lo ? 0 : hi + pad;
    take_in_what_is_near(chart, min, max);
    if (c->share && min >= 0 && max <= 1)
        chart->y_min = 0, chart->y_max = 1;
}

static int outside(const struct drawing *d, const struct el_svg_chart *chart)
{
    int n = 0;
    for (int i = 0; i < d->n; i++)
        for (int k = 0; k < d->curve[i].n_raw; k++)
            n += d->curve[i].raw_y[k] < chart->y_min || d->curve[i].raw_y[k] > chart->y_max;
    return n;
}

static int put_caption(const struct drawing *d, const struct el_training_chart *c,
                       const struct el_svg_chart *chart, struct el_buf *out)
{
    int rc = el_buf_puts(out, "<figure><figcaption>"), n = outside(d, chart);
    if (rc == 0)
        rc = el_page_text(out, c->title);
    if (rc == 0 && c->n == 1 && strcmp(c->title, c->metric[0]) != 0) {
        rc = el_buf_puts(out, " <span class=\"soft\">");
        if (rc == 0)
            rc = el_page_text(out, c->metric[0]);
        if (rc == 0)
            rc = el_buf_puts(out, "</span>");
    }
    if (rc == 0 && n)
        rc = el_buf_printf(out, " <span class=\"soft\">(%d beyond the frame)</span>", n);
    return rc == 0 ? el_buf_puts(out, "</figcaption>") : rc;
}

static int put_chart(struct drawing *d, const struct el_training_chart *c, struct el_buf *out)
{
    make_series(d, c);
    struct el_svg_chart chart = {.title = c->title,
                                 .x_label = "step",
                                 .y_label = c->axis,
                                 .series = d->series,
                                 .n_series = d->n_series,
                                 .x_whole = 1};
    find_axis(d, c, &chart);
    int rc = put_caption(d, c, &chart, out);
    if (rc == 0)
        rc = el_svg_lines(&chart, out);
    return rc == 0 ? el_buf_puts(out, "</figure>\n") : rc;
}

/* -------------------------------------------------------------------------------------- groups */

static int put_constant(const struct drawing *d, const struct el_training_chart *c, int first,
                        struct el_buf *out)
{
    int rc = el_buf_puts(out, first ? "<p class=\"soft\">The same in every step: " : "; ");
    for (int k = 0; rc == 0 && k < c->n; k++) {
        rc = k ? el_buf_puts(out, ", ") : 0;
        if (rc == 0)
            rc = el_page_text(out, c->metric[k]);
    }
    return rc == 0 ? el_buf_printf(out, " %g", d->curve[0].min) : rc;
}

/* Charts from..to are one group: drawn are those that vary, named those that do not. */
static int put_group(struct drawing *d, const struct el_training_plan *plan, int from, int to,
                     struct el_buf *out)
{
    struct el_buf constant;
    el_buf_init(&constant);
    int rc =
        el_buf_printf(out, "<h2>%s</h2><div class=\"charts half\">\n", plan->chart[from].group);
    for (int i = from; rc == 0 && i < to; i++) {
        rc = make_curves(d, &plan->chart[i]);
        if (rc == 0 && is_constant(d))
            rc = put_constant(d, &plan->chart[i], constant.len == 0, &constant);
        else if (rc == 0)
            rc = put_chart(d, &plan->chart[i], out);
        forget_curves(d);
    }
    if (rc == 0)
        rc = el_buf_puts(out, "</div>\n");
    if (rc == 0 && constant.len)
        rc = el_buf_printf(out, "%s.</p>\n", constant.data);
    el_buf_release(&constant);
    return rc;
}

static int put_groups(const struct el_training_runs *runs, const struct el_training_plan *plan,
                      struct el_buf *out)
{
    struct drawing *d = el_alloc_array(1, sizeof *d);
    int rc = d ? 0 : EL_ENOMEM;
    if (d)
        d->runs = runs;
    for (int i = 0, to; rc == 0 && i < plan->n; i = to) {
        for (to = i + 1; to < plan->n && plan->chart[to].group == plan->chart[i].group;)
            to++;
        rc = put_group(d, plan, i, to, out);
    }
    el_free(d);
    return rc;
}

/* ---------------------------------------------------------------------------------------- head */

static int put_members(const struct el_training_log *log, struct el_buf *out)
{
    int rc = el_buf_printf(out, "mean of %d runs (", log->seeds);
    if (rc == 0)
        rc = el_page_text(out, log->path);
    return rc == 0 ? el_buf_puts(out, "), ") : rc;
}

static int put_run(const struct el_training_runs *runs, int i, struct el_buf *out)
{
    const struct el_training_log *log = &runs->run[i];
    int rc = el_buf_puts(out, "<li>");
    if (rc == 0 && runs->n > 1)
        rc = el_buf_printf(out,
                           "<svg class=\"key\" viewBox=\"0 0 22 8\"><line class=\"line s%d\" "
                           "x1=\"0\" x2=\"22\" y1=\"4\" y2=\"4\"/></svg> ",
                           i);
    if (rc == 0)
        rc = el_page_text(out, log->name);
    if (rc == 0)
        rc = el_buf_puts(out, " <span class=\"soft\">");
    if (rc == 0 && log->seeds)
        rc = put_members(log, out);
    return rc == 0 ? el_buf_printf(out, "%d step%s up to %lld</span></li>\n", log->rows,
                                   log->rows == 1 ? "" : "s", (long long)log->step[log->rows - 1])
                   : rc;
}

static int put_scope(const struct el_training_log *log, struct el_buf *out)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_training_log_scope(log, &text);
    if (rc == 0)
        rc = el_buf_puts(out, "<p>");
    if (rc == 0)
        rc = el_page_text(out, text.data);
    el_buf_release(&text);
    return rc == 0 ? el_buf_puts(out, ".</p>\n") : rc;
}

static int put_malformed(const struct el_training_log *log, struct el_buf *out)
{
    int rc = el_buf_puts(out, "<p class=\"v0\">");
    if (rc == 0)
        rc = el_page_text(out, log->path);
    if (rc == 0)
        rc = el_buf_printf(out, ": %d malformed line%s left out.", log->n_malformed,
                           log->n_malformed == 1 ? "" : "s");
    for (int i = 0; rc == 0 && i < log->n_malformed && i < EL_TRAINING_NAMED; i++) {
        rc = el_buf_printf(out, " Line %d: ", log->malformed[i].line);
        if (rc == 0)
            rc = el_page_text(out, log->malformed[i].why);
        if (rc == 0)
            rc = el_buf_putc(out, '.');
    }
    return rc == 0 ? el_buf_puts(out, "</p>\n") : rc;
}

static int has_arms(const struct el_training_runs *runs)
{
    for (int i = 0; i < runs->n; i++)
        if (runs->run[i].seeds)
            return 1;
    return 0;
}

static int put_head(const struct el_training_runs *runs, struct el_buf *out)
{
    const char *title = runs->n == 1 ? runs->run[0].name : "Trainings";
    int rc = el_page_begin(out, title);
    if (rc == 0)
        rc = el_buf_puts(out, runs->n == 1 ? "<h1>Training</h1>\n<ul class=\"runs\">\n"
                                           : "<h1>Trainings</h1>\n<ul class=\"runs\">\n");
    for (int i = 0; rc == 0 && i < runs->n; i++)
        rc = put_run(runs, i, out);
    if (rc == 0)
        rc = el_buf_puts(out, "</ul>\n");
    for (int i = 0; rc == 0 && i < runs->n; i++)
        if (runs->run[i].last_of)
            rc = put_scope(&runs->run[i], out);
    if (rc == 0)
        rc = el_buf_puts(out, "<p class=\"soft\">Pale lines: as measured. Strong lines: "
                              "means over a twentieth of the steps around each point.");
    if (rc == 0 && has_arms(runs))
        rc = el_buf_puts(out, " Bands: 95% intervals of the strong line over the runs of an arm "
                              "(Student's t), as far as they fit into the frame.");
    if (rc == 0)
        rc = el_buf_puts(out, "</p>\n");
    for (int i = 0; rc == 0 && i < runs->n; i++)
        if (runs->run[i].n_malformed)
            rc = put_malformed(&runs->run[i], out);
    return rc;
}

static int put_numbers(const struct el_training_runs *runs, struct el_buf *out,
                       struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_training_text(runs, &text, err);
    if (rc == 0)
        rc = el_buf_puts(out, "<h2>Numbers</h2><details><summary>First, last, best and the last "
                              "tenth of every metric</summary><div class=\"wide\"><pre "
                              "class=\"table\">");
    if (rc == 0)
        rc = el_html_escape(out, text.data, text.len);
    if (rc == 0)
        rc = el_buf_puts(out, "</pre></div></details>\n");
    el_buf_release(&text);
    return rc;
}

int el_training_html(const struct el_training_runs *runs, struct el_buf *out, struct el_error *err)
{
    struct el_training_plan plan;
    if (runs->n > EL_SVG_COLOURS)
        return el_error_set(err, EL_EINVAL, "a page of %d trainings or arms: at most %d", runs->n,
                            EL_SVG_COLOURS);
    int rc = el_training_plan_make(&plan, runs, err);
    if (rc < 0)
        return rc;
    rc = put_head(runs, out);
    if (rc == 0)
        rc = put_groups(runs, &plan, out);
    if (rc == 0)
        rc = put_numbers(runs, out, err);
    if (rc == 0)
        rc = el_page_end(out);
    el_training_plan_release(&plan);
    return rc < 0 ? el_error_set(err, rc, "out of memory for the page") : 0;
}
