#include "data/world_parts.h"

#include <string.h>

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void el_world_blanks(struct el_world_scan *s)
{
    while (s->p < s->end && is_blank(*s->p))
        s->p++;
}

int el_world_scan_number(struct el_world_scan *s, int *v)
{
    struct el_world_scan t = *s;
    el_world_blanks(&t);
    const char *first = t.p;
    int x = 0;
    while (t.p < t.end && *t.p >= '0' && *t.p <= '9' && t.p - first < 4)
        x = 10 * x + (*t.p++ - '0');
    long digits = t.p - first;
    if (digits < 1 || x > EL_WORLD_MAX || (digits > 1 && *first == '0'))
        return 0;
    *v = x;
    *s = t;
    return 1;
}

int el_world_scan_words(struct el_world_scan *s, const char *words)
{
    struct el_world_scan t = *s;
    el_world_blanks(&t);
    for (; *words; words++) {
        if (*words == ' ') {
            if (t.p == t.end || !is_blank(*t.p))
                return 0;
            el_world_blanks(&t);
        } else if (t.p == t.end || *t.p++ != *words) {
            return 0;
        }
    }
    *s = t;
    return 1;
}

int el_world_scan_claim_mark(struct el_world_scan *s, int *k)
{
    struct el_world_scan t = *s;
    if (!el_world_scan_words(&t, "(") || !el_world_scan_number(&t, k) ||
        !el_world_scan_words(&t, ")"))
        return 0;
    *s = t;
    return 1;
}

/* The signs between operands name the shape. */
static int shape_of(const char *signs, enum el_world_shape *shape)
{
    static const char *const known[] = {[EL_SHAPE_SUM] = "+",
                                        [EL_SHAPE_PRODUCT] = "*",
                                        [EL_SHAPE_SQUARE] = "**",
                                        [EL_SHAPE_QUAD] = "*+*"};
    for (int i = 0; i < 4; i++)
        if (strcmp(signs, known[i]) == 0) {
            *shape = (enum el_world_shape)i;
            return 1;
        }
    return 0;
}

int el_world_scan_step(struct el_world_scan *s, struct el_world_step *out)
{
    struct el_world_scan t = *s;
    struct el_world_step step = {0};
    char signs[4] = "";
    int n = 0;
    while (n < 4 && el_world_scan_number(&t, &step.v[n])) {
        char sign = el_world_scan_words(&t, "+") ? '+' : el_world_scan_words(&t, "*") ? '*' : 0;
        if (!sign)
            break;
        if (n == 3)
            return 0;
        signs[n++] = sign;
    }
    if (!shape_of(signs, &step.shape) || !el_world_scan_words(&t, "=") ||
        !el_world_scan_number(&t, &step.result))
        return 0;
    *out = step;
    *s = t;
    return 1;
}

int el_world_scan_taken(struct el_world_scan *s, int *taken, int *listed)
{
    struct el_world_scan t = *s;
    if (!el_world_scan_words(&t, "take ") || !el_world_scan_number(&t, taken) ||
        !el_world_scan_words(&t, "of ") || !el_world_scan_number(&t, listed))
        return 0;
    *s = t;
    return 1;
}

int el_world_scan_remark(struct el_world_scan *s, struct el_world_remark *out)
{
    struct el_world_scan t = *s;
    if (!el_world_scan_words(&t, "total ") || !el_world_scan_number(&t, &out->total) ||
        !el_world_scan_words(&t, "of ") || !el_world_scan_number(&t, &out->target))
        return 0;
    out->right = el_world_scan_words(&t, "right");
    if (!out->right && !el_world_scan_words(&t, "wrong"))
        return 0;
    if (!el_world_scan_stop(&t))
        return 0;
    *s = t;
    return 1;
}

int el_world_scan_stop(struct el_world_scan *s)
{
    el_world_scan_words(s, ".");
    return el_world_scan_end(s);
}

int el_world_scan_witness(struct el_world_scan *s, enum el_world_family f,
                          struct el_world_witness *w)
{
    w->n = 0;
    if (f == EL_WORLD_SUB) {
        if (!el_world_scan_words(s, "take"))
            return 0;
        do {
            if (w->n == EL_WORLD_LIST || !el_world_scan_number(s, &w->v[w->n]))
                return 0;
            w->n++;
        } while (el_world_scan_words(s, ","));
        return 1;
    }
    if (!el_world_scan_words(s, "x") || !el_world_scan_words(s, "=") ||
        !el_world_scan_number(s, &w->v[0]))
        return 0;
    w->n = f == EL_WORLD_MOD ? 1 : 2;
    return w->n == 1 || (el_world_scan_words(s, ",") && el_world_scan_words(s, "y") &&
                         el_world_scan_words(s, "=") && el_world_scan_number(s, &w->v[1]));
}

int el_world_scan_end(struct el_world_scan *s)
{
    el_world_blanks(s);
    return s->p == s->end;
}

void el_world_trim(const char **text, size_t *n)
{
    while (*n && is_blank(**text)) {
        (*text)++;
        (*n)--;
    }
    while (*n && is_blank((*text)[*n - 1]))
        (*n)--;
}

void el_world_cut(struct el_buf *out, size_t len)
{
    if (out->len > len)
        out->data[out->len = len] = 0;
}

int el_world_scan_line(struct el_world_scan *s, struct el_world_scan *line)
{
    if (s->p == s->end)
        return 0;
    const char *stop = memchr(s->p, '\n', (size_t)(s->end - s->p));
    const char *text = s->p;
    size_t n = (size_t)((stop ? stop : s->end) - s->p);
    s->p = stop ? stop + 1 : s->end;
    el_world_trim(&text, &n);
    line->p = text;
    line->end = text + n;
    return 1;
}

/* ---- Writing ---- */

int el_world_put_left(struct el_buf *out, const struct el_world_step *s)
{
    const int *v = s->v;
    switch (s->shape) {
    case EL_SHAPE_SUM:
        return el_buf_printf(out, "%d+%d=", v[0], v[1]);
    case EL_SHAPE_PRODUCT:
        return el_buf_printf(out, "%d*%d=", v[0], v[1]);
    case EL_SHAPE_SQUARE:
        return el_buf_printf(out, "%d*%d*%d=", v[0], v[1], v[2]);
    case EL_SHAPE_QUAD:
        break;
    }
    return el_buf_printf(out, "%d*%d+%d*%d=", v[0], v[1], v[2], v[3]);
}

int el_world_put_step(struct el_buf *out, const struct el_world_step *s)
{
    int rc = el_world_put_left(out, s);
    return rc < 0 ? rc : el_buf_printf(out, "%d", s->result);
}

int el_world_put_numbers(struct el_buf *out, const int *v, int n)
{
    int rc = 0;
    for (int i = 0; i < n && rc >= 0; i++)
        rc = el_buf_printf(out, i ? ",%d" : "%d", v[i]);
    return rc;
}

int el_world_put_heading(struct el_buf *out, int claim, enum el_world_family f,
                         const struct el_world_witness *w)
{
    int rc = el_buf_printf(out, "(%d) ", claim + 1);
    if (rc >= 0 && f == EL_WORLD_SUB) {
        rc = el_buf_puts(out, "take ");
        if (rc >= 0)
            rc = el_world_put_numbers(out, w->v, w->n);
    } else if (rc >= 0 && f == EL_WORLD_MOD) {
        rc = el_buf_printf(out, "x=%d", w->v[0]);
    } else if (rc >= 0) {
        rc = el_buf_printf(out, "x=%d, y=%d", w->v[0], w->v[1]);
    }
    return rc < 0 ? rc : el_buf_puts(out, ".\n");
}

int el_world_put_taken(struct el_buf *out, int taken, int listed)
{
    return el_buf_printf(out, EL_WORLD_TAKEN "%d", taken, listed);
}

int el_world_put_remark(struct el_buf *out, int total, int target, int right)
{
    return el_buf_printf(out, "total %d of %d %s.\n", total, target, right ? "right" : "wrong");
}

const char *el_world_score_text(double score)
{
    return score >= 0.75 ? "1" : score >= 0.25 ? "0.5" : "0";
}

static int put_claim(struct el_buf *out, const struct el_world_claim *c)
{
    const int *v = c->v;
    switch (c->family) {
    case EL_WORLD_LIN:
        return el_buf_printf(out, "%d=%d*x+%d*y for some x,y", c->total, v[0], v[1]);
    case EL_WORLD_SQ:
        return el_buf_printf(out, "%d=%d*x*x+%d*y*y for some x,y", c->total, v[0], v[1]);
    case EL_WORLD_MOD:
        return el_buf_printf(out, "%d divides x*x+%d*x+%d for an x", v[0], v[1], v[2]);
    default:
        break;
    }
    int rc = el_buf_puts(out, EL_WORLD_SOME);
    if (rc >= 0)
        rc = el_world_put_numbers(out, v, c->n);
    return rc < 0 ? rc : el_buf_printf(out, " add up to %d", c->total);
}

int el_world_problem_text(const struct el_world_problem *p, struct el_buf *out)
{
    int rc = el_buf_puts(out, "Show that ");
    for (int i = 0; i < p->n_claims && rc >= 0; i++) {
        rc = el_buf_printf(out, "%s(%d) ", i ? "; " : "", i + 1);
        if (rc >= 0)
            rc = put_claim(out, &p->claim[i]);
    }
    return rc < 0 ? rc : el_buf_putc(out, '.');
}

/* ---- Reading problems ---- */

/* Each sign with blanks around it as it likes. */
static int scan_signs(struct el_world_scan *s, const char *signs)
{
    for (; *signs; signs++) {
        char one[2] = {*signs, 0};
        if (!el_world_scan_words(s, one))
            return 0;
    }
    return 1;
}

static int scan_mod(struct el_world_scan *s, struct el_world_claim *c)
{
    c->family = EL_WORLD_MOD;
    c->n = 3;
    return el_world_scan_words(s, "divides ") && scan_signs(s, "x*x+") &&
           el_world_scan_number(s, &c->v[1]) && scan_signs(s, "*x+") &&
           el_world_scan_number(s, &c->v[2]) && el_world_scan_words(s, "for an x") && c->v[0] >= 2;
}

static int scan_pair(struct el_world_scan *s, struct el_world_claim *c)
{
    c->n = 2;
    if (!scan_signs(s, "=") || !el_world_scan_number(s, &c->v[0]) || !scan_signs(s, "*x"))
        return 0;
    struct el_world_scan t = *s;
    int square = scan_signs(&t, "*x");
    c->family = square ? EL_WORLD_SQ : EL_WORLD_LIN;
    if (square)
        *s = t;
    return scan_signs(s, "+") && el_world_scan_number(s, &c->v[1]) &&
           scan_signs(s, square ? "*y*y" : "*y") && el_world_scan_words(s, "for some ") &&
           scan_signs(s, "x,y") && c->v[0] >= 1 && c->v[1] >= 1;
}

static int scan_sub(struct el_world_scan *s, struct el_world_claim *c)
{
    c->family = EL_WORLD_SUB;
    do {
        if (c->n == EL_WORLD_LIST || !el_world_scan_number(s, &c->v[c->n]) || c->v[c->n] < 1)
            return 0;
        c->n++;
    } while (el_world_scan_words(s, ","));
    return c->n >= 2 && el_world_scan_words(s, "add up to") && el_world_scan_number(s, &c->total);
}

static int scan_claim(struct el_world_scan *s, struct el_world_claim *c)
{
    memset(c, 0, sizeof *c);
    if (el_world_scan_words(s, EL_WORLD_SOME))
        return scan_sub(s, c);
    int first;
    if (!el_world_scan_number(s, &first))
        return 0;
    struct el_world_scan t = *s;
    c->v[0] = first;
    if (scan_mod(&t, c)) {
        *s = t;
        return 1;
    }
    memset(c, 0, sizeof *c);
    c->total = first;
    return scan_pair(s, c);
}

int el_world_problem_parse(const char *text, size_t n, struct el_world_problem *out,
                           struct el_error *err)
{
    struct el_world_scan s = {text, text + n};
    struct el_world_problem p = {0};
    const char *want = "\"Show that (1) \" and a claim";
    int k, ok = el_world_scan_words(&s, "Show that ");
    while (ok) {
        want = "a numbered claim about numbers 0..199";
        ok = p.n_claims < EL_WORLD_CLAIMS && el_world_scan_claim_mark(&s, &k) &&
             k == p.n_claims + 1 && scan_claim(&s, &p.claim[p.n_claims]);
        if (!ok)
            break;
        p.n_claims++;
        if (el_world_scan_words(&s, ";"))
            continue;
        want = "the end of the sentence";
        el_world_scan_words(&s, ".");
        ok = el_world_scan_end(&s);
        if (ok) {
            *out = p;
            return 0;
        }
    }
    return el_error_set(err, EL_EREFUSED,
                        "not a problem of the small proof world: expected %s at byte %zu", want,
                        (size_t)(s.p - text));
}
