#include "refine/svg.h"

#include "core/base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    width = 640,
    height = 360,
    left = 72,
    right = 16,
    with_legend = 34,
    without = 12,
    bottom = 44,
    ticks_max = 12
};

int el_html_escape(struct el_buf *out, const char *text, size_t n)
{
    static const char *const entities[128] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n;) {
        unsigned char c = (unsigned char)text[i];
        size_t len = c < 0x80 ? 1 : el_utf8_length(text + i, n - i);
        int control = c < 0x20 ? c != '\n' && c != '\t' : c == 0x7f;
        if (len == 0 || control) {
            rc = el_buf_puts(out, "\xEF\xBF\xBD");
            len = 1;
        } else if (len == 1 && entities[c]) {
            rc = el_buf_puts(out, entities[c]);
        } else {
            rc = el_buf_add(out, text + i, len);
        }
        i += len;
    }
    return rc;
}

struct scale {
    double x0, x1, y0, y1;
    int top;
};

static double place_x(const struct scale *s, double x)
{
    double span = s->x1 > s->x0 ? s->x1 - s->x0 : 1;
    return left + (x - s->x0) / span * (width - left - right);
}

static double place_y(const struct scale *s, double y)
{
    double inside = fmin(fmax(y, s->y0), s->y1);
    return height - bottom - (inside - s->y0) / (s->y1 - s->y0) * (height - s->top - bottom);
}

static int has_legend(const struct el_svg_chart *c)
{
    for (int i = 0; i < c->n_series; i++)
        if (c->series[i].name)
            return 1;
    return 0;
}

static struct scale scale_of(const struct el_svg_chart *c)
{
    struct scale s = {INFINITY, -INFINITY, c->y_min, c->y_max,
                      has_legend(c) ? with_legend : without};
    for (int i = 0; i < c->n_series; i++)
        for (int k = 0; k < c->series[i].n; k++) {
            s.x0 = fmin(s.x0, c->series[i].x[k]);
            s.x1 = fmax(s.x1, c->series[i].x[k]);
        }
    if (!isfinite(s.x0))
        s.x0 = 0, s.x1 = 1;
    return s;
}

/* 1, 2 or 5 times a power of ten, so that about six ticks fit. */
static double tick_step(double span)
{
    double step = pow(10, floor(log10(span / 6)));
    static const double factors[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++)
        if (span / (step * factors[i]) <= 8)
            return step * factors[i];
    return step * 10;
}

/* "40M" is shorter than "4e+07". */
static int put_tick(double value, struct el_buf *out)
{
    double size = fabs(value);
    if (size >= 1e6 && size < 1e12)
        return el_buf_printf(out, "%g%c</text>", value / (size < 1e9 ? 1e6 : 1e9),
                             size < 1e9 ? 'M' : 'G');
    return el_buf_printf(out, "%g</text>", value == 0 ? 0 : value);
}

static int put_x_label(const struct el_svg_chart *c, struct el_buf *out)
{
    int rc = el_buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                           (left + width - right) / 2, height - 6);
    if (rc == 0)
        rc = el_html_escape(out, c->x_label, strlen(c->x_label));
    return rc == 0 ? el_buf_puts(out, "</text>") : rc;
}

static int put_y_label(const struct el_svg_chart *c, const struct scale *s, struct el_buf *out)
{
    if (!c->y_label)
        return 0;
    int middle = (s->top + height - bottom) / 2;
    int rc = el_buf_printf(out,
                           "<text x=\"14\" y=\"%d\" text-anchor=\"middle\" "
                           "transform=\"rotate(-90 14 %d)\">",
                           middle, middle);
    if (rc == 0)
        rc = el_html_escape(out, c->y_label, strlen(c->y_label));
    return rc == 0 ? el_buf_puts(out, "</text>") : rc;
}

static int put_axes(const struct el_svg_chart *c, const struct scale *s, struct el_buf *out)
{
    int rc = 0;
    double step = tick_step(s->y1 - s->y0);
    double first = ceil(s->y0 / step - 1e-6);
    for (int k = 0; rc == 0 && k < ticks_max && (first + k) * step <= s->y1 + 1e-4 * step; k++) {
        double i = first + k;
        double y = place_y(s, i * step);
        rc = el_buf_printf(out,
                           "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                           "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
                           left, width - right, y, y, left - 6, y + 4);
        if (rc == 0)
            rc = put_tick(i * step, out);
    }
    double span = s->x1 > s->x0 ? s->x1 - s->x0 : 1;
    step = tick_step(span);
    if (c->x_whole && step < 1)
        step = 1;
    first = ceil(s->x0 / step);
    for (int k = 0; rc == 0 && k < ticks_max && (first + k) * step <= s->x1 * 1.0001; k++) {
        rc = el_buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
                           place_x(s, (first + k) * step), height - bottom + 18);
        if (rc == 0)
            rc = put_tick((first + k) * step, out);
    }
    if (rc == 0)
        rc = put_x_label(c, out);
    return rc == 0 ? put_y_label(c, s, out) : rc;
}

static int put_band(const struct el_svg_series *s, int index, const struct scale *scale,
                    struct el_buf *out)
{
    int rc = el_buf_printf(out, "<polygon class=\"band s%d\" points=\"", index);
    for (int k = 0; rc == 0 && k < s->n; k++)
        if (!isnan(s->lo[k]))
            rc =
                el_buf_printf(out, "%.1f,%.1f ", place_x(scale, s->x[k]), place_y(scale, s->lo[k]));
    for (int k = s->n - 1; rc == 0 && k >= 0; k--)
        if (!isnan(s->hi[k]))
            rc =
                el_buf_printf(out, "%.1f,%.1f ", place_x(scale, s->x[k]), place_y(scale, s->hi[k]));
    return rc == 0 ? el_buf_puts(out, "\"/>") : rc;
}

static int put_dots(const struct el_svg_series *s, const struct scale *scale, struct el_buf *out)
{
    int rc = 0;
    for (int k = 0; rc == 0 && k < s->n; k++)
        if (!isnan(s->y[k]))
            rc = el_buf_printf(out,
                               "<circle class=\"dot s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\">"
                               "<title>%g: %.4g</title></circle>",
                               s->colour, place_x(scale, s->x[k]), place_y(scale, s->y[k]), s->x[k],
                               s->y[k]);
    return rc;
}

static int put_class(const struct el_svg_series *s, struct el_buf *out)
{
    int rc = el_buf_printf(out, "class=\"line s%d", s->colour);
    if (rc == 0 && s->dash)
        rc = el_buf_printf(out, " dash%d", s->dash);
    return rc == 0 ? el_buf_puts(out, s->faint ? " faint\"" : "\"") : rc;
}

static int put_line(const struct el_svg_series *s, const struct scale *scale, struct el_buf *out)
{
    int rc = s->lo ? put_band(s, s->colour, scale, out) : 0;
    if (s->n == 0) /* only a name in the legend */
        return rc;
    if (rc == 0)
        rc = el_buf_puts(out, "<polyline ");
    if (rc == 0)
        rc = put_class(s, out);
    if (rc == 0)
        rc = el_buf_puts(out, " points=\"");
    for (int k = 0; rc == 0 && k < s->n; k++)
        if (!isnan(s->y[k]))
            rc = el_buf_printf(out, "%.1f,%.1f ", place_x(scale, s->x[k]), place_y(scale, s->y[k]));
    if (rc == 0)
        rc = el_buf_puts(out, "\"/>");
    return rc == 0 && s->dots ? put_dots(s, scale, out) : rc;
}

static int put_name(const struct el_svg_series *s, int x, struct el_buf *out)
{
    int rc = el_buf_puts(out, "<line ");
    if (rc == 0)
        rc = put_class(s, out);
    if (rc == 0)
        rc =
            el_buf_printf(out, " x1=\"%d\" x2=\"%d\" y1=\"16\" y2=\"16\"/><text x=\"%d\" y=\"20\">",
                          x, x + 22, x + 27);
    if (rc == 0)
        rc = el_html_escape(out, s->name, strlen(s->name));
    return rc == 0 ? el_buf_puts(out, "</text>") : rc;
}

static int put_legend(const struct el_svg_chart *c, struct el_buf *out)
{
    int rc = 0, x = left;
    for (int i = 0; rc == 0 && i < c->n_series; i++) {
        if (!c->series[i].name)
            continue;
        rc = put_name(&c->series[i], x, out);
        x += 48 + 7 * (int)strlen(c->series[i].name);
    }
    return rc;
}

int el_svg_lines(const struct el_svg_chart *c, struct el_buf *out)
{
    struct scale s = scale_of(c);
    int rc = el_buf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", width, height);
    if (rc == 0)
        rc = el_html_escape(out, c->title, strlen(c->title));
    if (rc == 0)
        rc = el_buf_puts(out, "</title>");
    if (rc == 0)
        rc = put_axes(c, &s, out);
    for (int i = 0; rc == 0 && i < c->n_series; i++)
        rc = put_line(&c->series[i], &s, out);
    if (rc == 0)
        rc = put_legend(c, out);
    return rc == 0 ? el_buf_puts(out, "</svg>\n") : rc;
}
