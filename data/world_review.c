#include "data/world_parts.h"

#include <string.h>

/* ---- Finding the parts ---- */

static const char *find(const char *text, const char *end, const char *phrase)
{
    return memmem(text, (size_t)(end - text), phrase, strlen(phrase));
}

/* The last place of the score phrase, in either of its spellings; *after is its end. */
static const char *find_score(const char *text, const char *end, const char **after)
{
    static const char *const spelt[] = {
        EL_WORLD_SCORE, "Based on my evaluation, the final overal score should be:"};
    const char *last = NULL;
    for (int i = 0; i < 2; i++) {
        const char *at = text;
        while ((at = find(at, end, spelt[i]))) {
            if (!last || at > last) {
                last = at;
                *after = at + strlen(spelt[i]);
            }
            at++;
        }
    }
    return last;
}

static double read_box(const char *text, const char *end)
{
    static const struct {
        const char *text;
        double score;
    } legal[] = {{"0.5", 0.5}, {"0.0", 0}, {"1.0", 1}, {"0", 0}, {"1", 1}};
    const char *at = find(text, end, "\\boxed");
    if (!at)
        return -1;
    struct el_world_scan s = {at + strlen("\\boxed"), end};
    if (!el_world_scan_words(&s, "{"))
        return -1;
    for (size_t i = 0; i < sizeof legal / sizeof legal[0]; i++) {
        struct el_world_scan t = s;
        if (el_world_scan_words(&t, legal[i].text) && el_world_scan_words(&t, "}"))
            return legal[i].score;
    }
    return -1;
}

/* ---- Reading one line ---- */

struct claimed {
    int claim;
    enum el_world_kind kind;
    struct el_world_step step;
    int looked_up; /* it is about this number, and that one of the list */
    int taken, listed;
    int total, target;
};

static int scan_whole(const struct el_world_scan *line, struct claimed *out)
{
    static const struct {
        const char *words;
        enum el_world_kind kind;
    } table[] = {{"bad witness", EL_KIND_BAD_WITNESS},
                 {"not addressed", EL_KIND_UNADDRESSED},
                 {"malformed", EL_KIND_MALFORMED},
                 {"no closing", EL_KIND_UNCLOSED}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct el_world_scan s = *line;
        if (el_world_scan_words(&s, table[i].words) && el_world_scan_stop(&s)) {
            out->kind = table[i].kind;
            return 1;
        }
    }
    return 0;
}

static int scan_judgement(struct el_world_scan s, struct claimed *out)
{
    struct el_world_scan r = s, w = s, a = s;
    if (el_world_scan_words(&r, "right") && el_world_scan_stop(&r))
        out->kind = EL_KIND_RIGHT;
    else if (el_world_scan_words(&w, "wrong") && el_world_scan_stop(&w))
        out->kind = EL_KIND_WRONG;
    else if (el_world_scan_words(&a, "again") && el_world_scan_stop(&a))
        out->kind = EL_KIND_AGAIN;
    else
        return 0;
    return 1;
}

/* "take 8 of 8 right." */
static int scan_taken(struct el_world_scan s, struct claimed *out)
{
    out->looked_up = el_world_scan_taken(&s, &out->taken, &out->listed) && scan_judgement(s, out);
    if (!out->looked_up)
        return 0;
    if (out->kind == EL_KIND_WRONG)
        out->kind = EL_KIND_BAD_WITNESS;
    return out->kind == EL_KIND_RIGHT || out->kind == EL_KIND_BAD_WITNESS;
}

/* "some of 8,19,27.": claims nothing, whatever the list is; look-ups show what was misread. */
static int scan_restated(struct el_world_scan s, struct claimed *out)
{
    int number;
    if (!el_world_scan_words(&s, EL_WORLD_SOME) || !el_world_scan_number(&s, &number))
        return 0;
    while (el_world_scan_words(&s, ","))
        if (!el_world_scan_number(&s, &number))
            return 0;
    out->kind = EL_KIND_RIGHT;
    return el_world_scan_stop(&s);
}

/* Reads the line behind its claim number. */
static void read_line(struct el_world_scan s, struct claimed *out)
{
    struct el_world_scan t = s;
    struct el_world_remark total;
    if (el_world_scan_remark(&t, &total)) {
        out->kind = total.right ? EL_KIND_RIGHT : EL_KIND_TOTAL;
        out->total = total.total;
        out->target = total.target;
        return;
    }
    t = s;
    if (el_world_scan_words(&t, "missing ") && el_world_scan_step(&t, &out->step) &&
        el_world_scan_stop(&t)) {
        out->kind = EL_KIND_OMITTED;
        return;
    }
    t = s;
    if (el_world_scan_step(&t, &out->step) && scan_judgement(t, out))
        return;
    if (!scan_taken(s, out) && !scan_restated(s, out) && !scan_whole(&s, out))
        out->kind = EL_KIND_UNREADABLE;
}

/* ---- Mapping a claimed issue to the proof's defects ---- */

/* The witness has this number, its nearest of the list is that one (0: none is left), and they
 * differ. */
static int is_foreign(const struct el_world_claim_report *q, int taken, int listed)
{
    for (int i = 0; q->n_list > 0 && i < q->witness.n; i++)
        if (q->witness.v[i] == taken && q->listed[i] == listed && (listed == 0 || taken != listed))
            return 1;
    return 0;
}

static int exact(const struct el_world_report *r, const struct claimed *c,
                 const struct el_world_defect *d)
{
    if (d->kind != c->kind)
        return 0;
    if (c->kind == EL_KIND_UNCLOSED)
        return 1;
    if (d->claim != c->claim)
        return 0;
    const struct el_world_claim_report *q = &r->claim[d->claim];
    if (c->kind == EL_KIND_TOTAL)
        return q->total == c->total && q->target == c->target;
    if (c->kind == EL_KIND_BAD_WITNESS && c->looked_up)
        return is_foreign(q, c->taken, c->listed);
    return d->line < 0 || el_world_same_step(&q->line[d->line].step, &c->step);
}

/* The proof has a defect at this place, but not this one. */
static int near_miss(const struct el_world_report *r, const struct claimed *c,
                     const struct el_world_defect *d)
{
    if (d->claim < 0 || d->claim != c->claim)
        return 0;
    switch (c->kind) {
    case EL_KIND_TOTAL:
        return d->kind == EL_KIND_TOTAL;
    case EL_KIND_BAD_WITNESS:
    case EL_KIND_UNADDRESSED:
    case EL_KIND_MALFORMED:
        return 1;
    case EL_KIND_WRONG:
    case EL_KIND_AGAIN:
    case EL_KIND_OMITTED:
        return d->line >= 0 && el_world_same_left(&r->claim[d->claim].line[d->line].step, &c->step);
    default:
        return 0;
    }
}

static enum el_world_verdict map_issue(const struct el_world_report *r, const struct claimed *c,
                                       int *defect)
{
    for (int i = 0; i < r->n_defects; i++)
        if (exact(r, c, &r->defect[i])) {
            *defect = i;
            return EL_ISSUE_REAL;
        }
    for (int i = 0; i < r->n_defects; i++)
        if (near_miss(r, c, &r->defect[i])) {
            *defect = i;
            return EL_ISSUE_MISSTATED;
        }
    *defect = -1;
    return EL_ISSUE_INVENTED;
}

/* ---- The whole analysis ---- */

struct tally {
    int fatal, minor, omitted;
    unsigned char named[EL_WORLD_CLAIMS * (EL_WORLD_LINES + EL_WORLD_LIST + 1) + 1];
};

static void count_issue(const struct el_world_report *r, const struct claimed *c,
                        struct el_world_issue *issue, struct tally *t, struct el_world_review *out)
{
    issue->claim = c->kind == EL_KIND_UNCLOSED ? -1 : c->claim;
    issue->kind = c->kind;
    issue->verdict = map_issue(r, c, &issue->defect);
    if (issue->defect >= 0)
        t->named[issue->defect] = 1;
    int is_fatal = el_world_is_fatal(c->kind);
    t->fatal += is_fatal == 1;
    t->minor += is_fatal == 0;
    t->omitted += is_fatal < 0;
    out->claimed++;
    out->real += issue->verdict == EL_ISSUE_REAL;
    out->misstated += issue->verdict == EL_ISSUE_MISSTATED;
    out->invented += issue->verdict == EL_ISSUE_INVENTED;
    if (out->n_issues < EL_WORLD_ISSUES)
        out->issue[out->n_issues++] = *issue;
}

static void read_issues(const struct el_world_report *r, const char *text,
                        struct el_world_scan body, struct tally *t, struct el_world_review *out)
{
    struct el_world_scan line;
    int claim = -1;
    while (el_world_scan_line(&body, &line)) {
        int k;
        if (el_world_scan_claim_mark(&line, &k))
            claim = k >= 1 && k <= r->n_claims ? k - 1 : -1;
        el_world_blanks(&line);
        if (line.p == line.end)
            continue;
        struct claimed c = {.claim = claim};
        read_line(line, &c);
        struct el_world_issue issue = {.begin = (size_t)(line.p - text),
                                       .end = (size_t)(line.end - text)};
        if (c.kind != EL_KIND_RIGHT)
            count_issue(r, &c, &issue, t, out);
    }
}

static double rate(const struct el_world_review *v)
{
    if (!v->format_ok || (v->claimed && v->invented == v->claimed))
        return 0;
    return v->invented || v->misstated || !v->score_fits ? 0.5 : 1;
}

void el_world_judge_analysis(const struct el_world_report *r, const char *text, size_t n,
                             struct el_world_review *out)
{
    memset(out, 0, sizeof *out);
    out->score = -1;
    struct tally t = {0};
    const char *end = text + n, *after = NULL;
    const char *open = n ? find(text, end, EL_WORLD_REVIEW) : NULL;
    const char *body = open ? open + strlen(EL_WORLD_REVIEW) : NULL;
    const char *close = open ? find_score(body, end, &after) : NULL;
    if (close) {
        out->score = read_box(after, end);
        read_issues(r, text, (struct el_world_scan){body, close}, &t, out);
    }
    out->format_ok = out->score >= 0;
    out->score_fits =
        out->format_ok && out->score == el_world_score_of(t.fatal, t.minor, t.omitted);
    for (int i = 0; i < r->n_defects; i++)
        out->missed += !t.named[i];
    out->ms = rate(out);
}
