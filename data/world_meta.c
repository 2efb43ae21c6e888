/* The truthful meta-analysis: the claims at issue verified anew, what the analysis says of them,
 * the verdict. */
#include "data/world_parts.h"

static int put_issue(struct el_buf *out, const struct el_world_issue *issue, const char *text)
{
    static const char *const verdicts[] = {[EL_ISSUE_REAL] = "real.\n",
                                           [EL_ISSUE_INVENTED] = "not real.\n",
                                           [EL_ISSUE_MISSTATED] = "misstated.\n"};
    int rc = issue->claim >= 0 ? el_buf_printf(out, "(%d) ", issue->claim + 1) : 0;
    if (rc >= 0)
        rc = el_buf_add(out, text + issue->begin, issue->end - issue->begin);
    if (rc >= 0)
        rc = el_buf_putc(out, '\n');
    return rc < 0 ? rc : el_buf_puts(out, verdicts[issue->verdict]);
}

static int put_issues(struct el_buf *out, const struct el_world_report *r,
                      const struct el_world_review *v, const char *text)
{
    int rc = 0, verified[EL_WORLD_CLAIMS] = {0};
    for (int i = 0; i < v->n_issues && rc >= 0; i++) {
        int claim = v->issue[i].claim;
        if (r->look_up > 1 && claim >= 0 && !verified[claim]++)
            rc = el_world_put_claim_analysis(out, r, claim);
        if (rc >= 0)
            rc = put_issue(out, &v->issue[i], text);
    }
    return rc;
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
    if (rc >= 0)
        rc = put_issues(out, r, v, text);
    if (rc >= 0)
        rc = el_buf_puts(out, v->score_fits ? "the score fits.\n" : "the score does not fit.\n");
    if (rc >= 0)
        rc = el_buf_printf(out, EL_WORLD_META_SCORE "\n\\boxed{%s}", el_world_score_text(v->ms));
    return rc < 0 ? el_error_set(err, EL_ENOMEM, "out of memory for a meta-analysis") : 0;
}
