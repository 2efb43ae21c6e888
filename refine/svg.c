#include "refine/svg.h"

#include "core/base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { width = 640, height = 360, left = 48, right = 16, top = 34, bottom = 44 };

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
    double x0, x1, y1;
};

static double place_x(const struct scale *s, double x)
{
    double span = s->x1 > s->x0 ? s->x1 - s->x0 : 1;
    return left + (x - s->x0) / span * (width - left - right);
}

static double place_y(const struct scale *s, double y)
{
    return height - bottom - y / s->y1 * (height - top - bottom);
}

static struct scale scale_of(const struct el_svg_chart *c)
{
    struct scale s = {INFINITY, -INFINITY, c->y_max};
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

static int put_axes(const struct el_svg_chart *c, const struct scale *s, struct el_buf *out)
{
    int rc = 0;
    double step = tick_step(s->y1);
    for (int i = 0; rc == 0 && i * step <= s->y1 * 1.0001; i++) {
        double y = place_y(s, i * step);
        rc = el_buf_printf(out,
                           "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                           "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%g</text>",
                           left, width - right, y, y, left - 6, y + 4, i * step);
    }
    double span = s->x1 > s->x0 ? s->x1 - s->x0 : 1;
    step = tick_step(span);
    if (c->x_whole && step < 1)
        step = 1;
    for (double x = ceil(s->x0 / step) * step; rc == 0 && x <= s->x1 * 1.0001; x += step)
        rc = el_buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>",
                           place_x(s, x), height - bottom + 18, x);
    if (rc == 0)
        rc = el_buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                           (left + width - right) / 2, height - 6);
    if (rc == 0)
        rc = el_html_escape(out, c->x_label, strlen(c->x_label));
    return rc == 0 ? el_buf_puts(out, "</text>") : rc;
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

static int put_line(const struct el_svg_series *s, int index, const struct scale *scale,
                    struct el_buf *out)
{
    int rc = s->lo ? put_band(s, index, scale, out) : 0;
    if (rc == 0)
        rc = el_buf_printf(out, "<polyline class=\"line s%d\" points=\"", index);
    for (int k = 0; rc == 0 && k < s->n; k++)
        if (!isnan(s->y[k]))
            rc = el_buf_printf(out, "%.1f,%.1f ", place_x(scale, s->x[k]), place_y(scale, s->y[k]));
    if (rc == 0)
        rc = el_buf_puts(out, "\"/>");
    for (int k = 0; rc == 0 && k < s->n; k++)
        if (!isnan(s->y[k]))
            rc = el_buf_printf(out,
                               "<circle class=\"dot s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\">"
                               "<title>%g: %.3f</title></circle>",
                               index, place_x(scale, s->x[k]), place_y(scale, s->y[k]), s->x[k],
                               s->y[k]);
    return rc;
}

static int put_legend(const struct el_svg_chart *c, struct el_buf *out)
{
    int rc = 0, x = left;
    for (int i = 0; rc == 0 && i < c->n_series; i++) {
        rc = el_buf_printf(out,
                           "<line class=\"line s%d\" x1=\"%d\" x2=\"%d\" y1=\"16\" y2=\"16\"/>"
                           "<text x=\"%d\" y=\"20\">",
                           i, x, x + 22, x + 27);
        if (rc == 0)
            rc = el_html_escape(out, c->series[i].name, strlen(c->series[i].name));
        if (rc == 0)
            rc = el_buf_puts(out, "</text>");
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
        rc = put_line(&c->series[i], i, &s, out);
    if (rc == 0)
        rc = put_legend(c, out);
    return rc == 0 ? el_buf_puts(out, "</svg>\n") : rc;
}
