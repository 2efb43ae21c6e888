/* Analyses: key phrases and verdict, for the verifier, the meta-verifier and the generator's
 * self-evaluation (rules 3 and 4 of reply.h). */
#include "roles/reply_scan.h"

int el_scan_analysis(const struct el_scan *s, enum el_pattern first, enum el_pattern second,
                     size_t from, struct el_reply *reply)
{
    struct el_span opening, verdict;
    int rc;

    reply->analysis = el_scan_trim(s, from, s->n);
    reply->text_failure = EL_REPLY_MISSING_KEY_PHRASE;
    rc = el_scan_last(s, second, from, s->n, &verdict);
    if (rc > 0)
        rc = el_scan_first(s, first, from, verdict.off, &opening);
    if (rc <= 0)
        return rc;
    reply->analysis = el_scan_trim(s, opening.off, s->n);
    rc = el_scan_box(s, verdict.off + verdict.len, &reply->halves);
    if (rc < 0)
        return rc;
    reply->text_failure = rc;
    return 0;
}
