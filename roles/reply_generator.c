/* The generator's reply: where the proof Y ends and the self-analysis Z begins (rule 5 of
 * reply.h). */
#include "roles/reply_scan.h"

/* The heading that splits [from, n): the last one that has the key phrases and a legal score after
 * it, else the last one. 1 and *heading, 0 when there is no heading, EL_ENOMEM.
 *
 * Only the last verdict of the text counts, so a heading has a legal verdict after it exactly when
 * that verdict is legal and the last first key phrase before it is behind the heading. That takes
 * three passes over the text, however many headings a hostile proof carries. */
static int find_split(const struct el_scan *s, size_t from, struct el_span *heading)
{
    struct el_span verdict, opening, judged;
    int halves, rc;

    rc = el_scan_last(s, EL_PATTERN_SELF_EVALUATION, from, s->n, heading);
    if (rc <= 0)
        return rc;
    rc = el_scan_last(s, EL_PATTERN_VERDICT, from, s->n, &verdict);
    if (rc > 0)
        rc = el_scan_last(s, EL_PATTERN_EVALUATION, from, verdict.off, &opening);
    if (rc <= 0)
        return rc < 0 ? rc : 1;
    rc = el_scan_box(s, verdict.off + verdict.len, &halves);
    if (rc != EL_REPLY_OK)
        return rc < 0 ? rc : 1;
    rc = el_scan_last(s, EL_PATTERN_SELF_EVALUATION, from, opening.off, &judged);
    if (rc > 0)
        *heading = judged;
    return rc < 0 ? rc : 1;
}

int el_scan_generator(const struct el_scan *s, size_t from, struct el_reply *reply)
{
    struct el_span solution, split;
    size_t begin;
    int rc = el_scan_first(s, EL_PATTERN_SOLUTION, from, s->n, &solution);

    reply->text_failure = EL_REPLY_MISSING_SOLUTION_HEADER;
    if (rc <= 0)
        return rc;
    begin = solution.off + solution.len;
    reply->proof = el_scan_trim(s, begin, s->n);
    reply->text_failure = EL_REPLY_MISSING_SELF_EVALUATION_HEADER;
    rc = find_split(s, begin, &split);
    if (rc <= 0)
        return rc;
    reply->proof = el_scan_trim(s, begin, split.off);
    rc = el_scan_analysis(s, EL_PATTERN_EVALUATION, EL_PATTERN_VERDICT, split.off + split.len,
                          reply);
    if (rc == 0 && reply->proof.len == 0) {
        reply->text_failure = EL_REPLY_EMPTY;
        reply->halves = EL_SCORE_NONE;
    }
    return rc;
}
