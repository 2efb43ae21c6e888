/* The truthful meta-analysis: what an analysis claims, what stands in the proof, the verdict. */
#include "data/world_parts.h"

#include <string.h>

/* ---- What stands in the proof at the place of an issue ---- */

static int put_line(struct el_buf *out, const struct el_world_line *line)
{
    int rc;
    if (line->kind == EL_KIND_WRONG || line->kind == EL_KIND_RIGHT)
        rc = el_world_put_step(out, &line->step);
    else
        rc = el_buf_puts(out, line->kind == EL_KIND_AGAIN ? "2" : "0");
    if (rc >= 0)
        rc = el_buf_puts(out, " of ");
    if (rc >= 0)
        rc =
            line->expected.result ? el_world_put_step(out, &line->expected) : el_buf_puts(out, "0");
    return rc < 0 ? rc : el_buf_puts(out, ".\n");
}

/* The line that the issue is about: the defect it is mapped to, or else the one it quotes, or one
 * with that left side. NULL: there is none. */
static const struct el_world_line *find_line(const struct el_world_report *r,
                                             const struct el_world_issue *issue,
                                             const struct el_world_claimed *c)
{
    const struct el_world_claim_report *q = &r->claim[issue->claim];
    if (issue->defect >= 0 && r->defect[issue->defect].line >= 0)
        return &q->line[r->defect[issue->defect].line];
    for (int i = 0; i < q->n_lines; i++)
        if (el_world_same_step(&q->line[i].step, &c->step))
            return &q->line[i];
    for (int i = 0; i < q->n_lines; i++)
        if (el_world_same_left(&q->line[i].step, &c->step))
            return &q->line[i];
    return NULL;
}

/* The number that the issue says is taken, or else the first one that is not in the list. */
static int put_number(struct el_buf *out, const struct el_world_claim_report *q, int taken)
{
    int at = -1;
    for (int i = q->witness.n - 1; i >= 0; i--)
        if (q->witness.v[i] != q->listed[i])
            at = i;
    for (int i = q->witness.n - 1; i >= 0; i--)
        if (q->witness.v[i] == taken)
            at = i;
    return at < 0 ? el_buf_puts(out, "0.\n")
                  : el_buf_printf(out, "%d of %d.\n", q->witness.v[at], q->listed[at]);
}

static int put_heading(struct el_buf *out, int claim, const struct el_world_claim_report *q)
{
    const struct el_world_witness *w = &q->witness;
    if (w->n)
        return el_world_put_heading(out, claim,
                                    q->is_list  ? EL_WORLD_SUB
                                    : w->n == 1 ? EL_WORLD_MOD
                                                : EL_WORLD_LIN,
                                    w);
    return q->state == EL_KIND_MALFORMED ? el_buf_printf(out, "%s\n", q->unread)
                                         : el_buf_puts(out, "0.\n");
}

/* Of issues about a whole claim. */
static int put_claim(struct el_buf *out, enum el_world_kind kind, int claim,
                     const struct el_world_claim_report *q)
{
    if (kind != EL_KIND_MALFORMED)
        return put_heading(out, claim, q);
    return q->unread[0] ? el_buf_printf(out, "%s\n", q->unread) : el_buf_puts(out, "0.\n");
}

/* What the proof has at the place of an issue. */
static int put_fact(struct el_buf *out, const struct el_world_report *r,
                    const struct el_world_issue *issue, const struct el_world_claimed *c)
{
    const struct el_world_claim_report *q = issue->claim < 0 ? NULL : &r->claim[issue->claim];
    const struct el_world_line *line;
    if (!q && c->kind != EL_KIND_UNCLOSED && c->kind != EL_KIND_UNREADABLE)
        return el_buf_puts(out, "0.\n");
    switch (c->kind) {
    case EL_KIND_TOTAL:
        return q->state == EL_KIND_RIGHT ? el_buf_printf(out, "%d of %d.\n", q->total, q->target)
                                         : el_buf_puts(out, "0.\n");
    case EL_KIND_BAD_WITNESS:
        if (!c->looked_up)
            return put_claim(out, c->kind, issue->claim, q);
        return q->is_list ? put_number(out, q, c->taken) : el_buf_puts(out, "0.\n");
    case EL_KIND_UNADDRESSED:
    case EL_KIND_MALFORMED:
        return put_claim(out, c->kind, issue->claim, q);
    case EL_KIND_WRONG:
    case EL_KIND_AGAIN:
    case EL_KIND_OMITTED:
        line = find_line(r, issue, c);
        return line ? put_line(out, line) : el_buf_puts(out, "0.\n");
    default:
        return 0;
    }
}

/* ---- The whole meta-analysis ---- */

static int put_issue(struct el_buf *out, const struct el_world_report *r,
                     const struct el_world_issue *issue, const char *text)
{
    static const char *const verdicts[] = {[EL_ISSUE_REAL] = "real.\n",
                                           [EL_ISSUE_INVENTED] = "not real.\n",
                                           [EL_ISSUE_MISSTATED] = "misstated.\n"};
    int rc = issue->claim >= 0 ? el_buf_printf(out, "(%d) ", issue->claim + 1) : 0;
    if (rc >= 0)
        rc = el_buf_add(out, text + issue->begin, issue->end - issue->begin);
    if (rc >= 0)
        rc = el_buf_putc(out, '\n');
    if (rc >= 0 && r->look_up > 1) {
        struct el_world_claimed c = {.claim = issue->claim};
        el_world_read_claimed((struct el_world_scan){text + issue->begin, text + issue->end}, &c);
        rc = put_fact(out, r, issue, &c);
    }
    return rc < 0 ? rc : el_buf_puts(out, verdicts[issue->verdict]);
}

static int check_quotable(const struct el_world_review *v, struct el_error *err)
{
    if (!v->format_ok)
        return el_error_set(err, EL_EREFUSED, "the analysis lacks a key phrase or a legal score");
    if (v->claimed > v->n_issues)
        return el_error_set(err, EL_EREFUSED, "the analysis claims %d issues, at most %d are kept",
                            v->claimed, EL_WORLD_ISSUES);
    for (int i = 0; i < v->n_issues; i++)
        if (v->issue[i].end - v->issue[i].begin > 120)
            return el_error_set(err, EL_EREFUSED, "an issue of %zu bytes cannot be quoted",
                                v->issue[i].end - v->issue[i].begin);
    return 0;
}

int el_world_meta_true(const struct el_world_report *r, const struct el_world_review *v,
                       const char *text, size_t n, struct el_buf *out, struct el_error *err)
{
    (void)n;
    int rc = check_quotable(v, err);
    if (rc < 0)
        return rc;
    rc = el_buf_puts(out, EL_WORLD_META "\n");
    if (rc >= 0 && v->n_issues == 0)
        rc = el_buf_puts(out, "no issue claimed.\n");
    for (int i = 0; i < v->n_issues && rc >= 0; i++)
        rc = put_issue(out, r, &v->issue[i], text);
    if (rc >= 0)
        rc = el_buf_puts(out, v->score_fits ? "the score fits.\n" : "the score does not fit.\n");
    if (rc >= 0)
        rc = el_buf_printf(out, EL_WORLD_META_SCORE "\n\\boxed{%s}", el_world_score_text(v->ms));
    return rc < 0 ? el_error_set(err, EL_ENOMEM, "out of memory for a meta-analysis") : 0;
}
