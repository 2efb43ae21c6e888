/* A line chart as SVG, for a page of ours: colours are CSS classes (s0, s1, ... for the series)
 * that the page's style sheet (refine/page.h) gives for a light and a dark background. */
#ifndef EL_REFINE_SVG_H
#define EL_REFINE_SVG_H

#include "core/base/buf.h"

enum { EL_SVG_COLOURS = 12, EL_SVG_NEUTRAL = 12, EL_SVG_DASHES = 3 };

struct el_svg_series {
    const char *name;              /* in the legend; NULL: not there */
    const double *x, *y, *lo, *hi; /* (n); lo NULL: no band; points with a NaN are left out */
    int n;
    int colour; /* 0..EL_SVG_COLOURS-1, EL_SVG_NEUTRAL */
    int dash;   /* 0: solid, 1, 2 */
    int dots;   /* 1: a dot with its value at every point */
    int faint;  /* 1: thin and pale, as the background of another line */
};

struct el_svg_chart {
    const char *title, *x_label, *y_label; /* y_label along the axis; NULL: none */
    const struct el_svg_series *series;
    int n_series;
    double y_min, y_max; /* the y axis; what lies outside is drawn at its ends */
    int x_whole;         /* 1: ticks at whole numbers */
};

/* Appends the chart with a text alternative. Texts are escaped. 0 or EL_ENOMEM. */
int el_svg_lines(const struct el_svg_chart *c, struct el_buf *out);

/* Appends text[0..n) for HTML and SVG: & < > " ' as entities; bytes that are not UTF-8 and control
 * characters other than line breaks and tabs as U+FFFD. */
int el_html_escape(struct el_buf *out, const char *text, size_t n);

#endif
