/* A proof of the small world with its defects marked. */
#include "refine/report_page.h"

#include "core/base/alloc.h"
#include "data/world.h"

#include <string.h>

/* The kind of the defect in line `line` of a claim (-1: the whole claim or its total), or RIGHT. */
static enum el_world_kind defect_at(const struct el_world_report *r, int claim, int line)
{
    for (int i = 0; i < r->n_defects; i++)
        if (r->defect[i].claim == claim && r->defect[i].line == line)
            return r->defect[i].kind;
    return EL_KIND_RIGHT;
}

/* Judged lines that stand in the text, in order; omitted ones do not. -1: there is none. */
static int written_line(const struct el_world_claim_report *c, int nth)
{
    for (int i = 0; i < c->n_lines; i++)
        if (c->line[i].kind != EL_KIND_OMITTED && nth-- == 0)
            return i;
    return -1;
}

static int put_marked(const char *text, size_t n, enum el_world_kind kind, struct el_buf *out)
{
    if (kind == EL_KIND_RIGHT)
        return el_html_escape(out, text, n);
    int rc = el_buf_printf(out, "<mark title=\"%s\">", el_world_kind_name((int)kind));
    if (rc == 0)
        rc = el_html_escape(out, text, n);
    return rc == 0 ? el_buf_puts(out, "</mark>") : rc;
}

/* Whether a line of text is judged as a step: blank ones and remarks, "total 98 of 98 right.", are
 * not. */
static int is_step(const char *line, size_t n)
{
    static const char remark[] = "total ";
    while (n && (*line == ' ' || *line == '\t' || *line == '\r'))
        line++, n--;
    return n > 0 && (n < sizeof remark - 1 || memcmp(line, remark, sizeof remark - 1) != 0);
}

/* A claim whose lines are judged: its heading, then its steps. The last line carries the claim's
 * total as well. */
static int put_claim_lines(const struct el_world_report *r, int claim, const char *text, size_t n,
                           struct el_buf *out)
{
    int rc = 0, steps = -1; /* the heading is none */
    for (size_t at = 0; rc == 0 && at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t len = end ? (size_t)(end - (text + at)) : n - at;
        int step = is_step(text + at, len);
        int line = step && steps >= 0 ? written_line(&r->claim[claim], steps) : -1;
        enum el_world_kind kind = line < 0 ? EL_KIND_RIGHT : defect_at(r, claim, line);
        if (kind == EL_KIND_RIGHT && at + len >= n)
            kind = defect_at(r, claim, -1);
        rc = put_marked(text + at, len, kind, out);
        if (rc == 0 && end)
            rc = el_buf_putc(out, '\n');
        at += len + 1;
        steps += step;
    }
    return rc;
}

static int put_claim(const struct el_world_report *r, int claim, const char *proof,
                     struct el_buf *out)
{
    const struct el_world_claim_report *c = &r->claim[claim];
    const char *text = proof + c->begin;
    size_t n = c->end - c->begin;
    if (c->state == EL_KIND_RIGHT)
        return put_claim_lines(r, claim, text, n, out);
    return put_marked(text, n, c->state, out);
}

/* Claims may stand in any order: the one that begins next at or after `at`. */
static int next_claim(const struct el_world_report *r, size_t at)
{
    int next = -1;
    for (int i = 0; i < r->n_claims; i++)
        if (r->claim[i].end > r->claim[i].begin && r->claim[i].begin >= at &&
            (next < 0 || r->claim[i].begin < r->claim[next].begin))
            next = i;
    return next;
}

static int put_text(const struct el_world_report *r, const char *proof, size_t n,
                    struct el_buf *out)
{
    size_t at = 0;
    int rc = 0;
    for (int claim; rc == 0 && (claim = next_claim(r, at)) >= 0;) {
        rc = el_html_escape(out, proof + at, r->claim[claim].begin - at);
        if (rc == 0)
            rc = put_claim(r, claim, proof, out);
        at = r->claim[claim].end;
    }
    return rc == 0 ? el_html_escape(out, proof + at, n - at) : rc;
}

static int put_defects(const struct el_world_report *r, struct el_buf *out)
{
    if (r->n_defects == 0)
        return 0;
    int rc = el_buf_puts(out, "<ul>");
    for (int i = 0; rc == 0 && i < r->n_defects; i++) {
        const struct el_world_defect *d = &r->defect[i];
        const char *kind = el_world_kind_name((int)d->kind);
        rc = d->claim < 0 ? el_buf_printf(out, "<li>%s</li>", kind)
                          : el_buf_printf(out, "<li>claim %d: %s</li>", d->claim + 1, kind);
    }
    return rc == 0 ? el_buf_puts(out, "</ul>") : rc;
}

int el_page_exact_proof(const char *statement, const char *proof, struct el_buf *out)
{
    struct el_world_problem p;
    struct el_world_report *r = el_alloc(sizeof *r);
    if (!r)
        return EL_ENOMEM;
    int rc = el_buf_puts(out, "<pre>");
    if (rc == 0 && el_world_problem_parse(statement, strlen(statement), &p, NULL) < 0) {
        rc = el_page_text(out, proof);
        r->n_defects = 0;
    } else if (rc == 0) {
        el_world_judge_proof(&p, proof, strlen(proof), r);
        rc = put_text(r, proof, strlen(proof), out);
    }
    if (rc == 0)
        rc = el_buf_puts(out, "</pre>");
    if (rc == 0)
        rc = put_defects(r, out);
    el_free(r);
    return rc;
}
