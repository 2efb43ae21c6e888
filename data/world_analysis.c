#include "data/world_parts.h"

#include <string.h>

/* An analysis as a list of lines, so that flaws can be made in it. */
struct entry {
    int claim; /* -1: the line on the closing line */
    int is_total;
    int is_taken; /* the line on a number that is taken from a list */
    int taken, listed;
    const struct el_world_claim_report *restated; /* the line that is this claim's list */
    enum el_world_kind kind;
    struct el_world_step step;
    int total, target;
};

enum { MOST = EL_WORLD_CLAIMS * (EL_WORLD_LINES + 2 * EL_WORLD_LIST + 2) + 1 };

struct list {
    int n;
    struct entry entry[MOST];
};

const char *el_world_review_flaw_name(int flaw)
{
    static const char *const names[EL_REVIEW_FLAWS] = {"none",   "invented", "misstated",
                                                       "missed", "dropped",  "score"};
    return flaw >= 0 && flaw < EL_REVIEW_FLAWS ? names[flaw] : NULL;
}

static int is_found(const struct el_world_claim_report *c, int i)
{
    return c->listed[i] > 0 && c->witness.v[i] == c->listed[i];
}

/* 1 when look-ups say all there is to say of the witness: that it only leads beyond 199 they cannot
 * show. */
static int is_looked_up(const struct el_world_report *r, const struct el_world_claim_report *c)
{
    int foreign = 0;
    for (int i = 0; i < c->witness.n; i++)
        foreign += !is_found(c, i);
    return r->look_up && c->n_list > 0 &&
           (c->state == EL_KIND_RIGHT || (c->state == EL_KIND_BAD_WITNESS && foreign > 0));
}

/* The list, where it is restated; the numbers taken up to the first that is not in it. */
static void add_taken(struct list *l, int claim, const struct el_world_claim_report *c, int restate)
{
    int found = 1;
    if (restate)
        l->entry[l->n++] = (struct entry){.claim = claim, .restated = c, .kind = EL_KIND_RIGHT};
    for (int i = 0; i < c->witness.n && found; i++) {
        found = is_found(c, i);
        l->entry[l->n++] = (struct entry){.claim = claim,
                                          .is_taken = 1,
                                          .taken = c->witness.v[i],
                                          .listed = c->listed[i],
                                          .kind = found ? EL_KIND_RIGHT : EL_KIND_BAD_WITNESS};
    }
}

static void add_claim(struct list *l, int claim, const struct el_world_report *r)
{
    const struct el_world_claim_report *c = &r->claim[claim];
    if (is_looked_up(r, c))
        add_taken(l, claim, c, r->look_up > 2);
    else if (c->state != EL_KIND_RIGHT)
        l->entry[l->n++] = (struct entry){.claim = claim, .kind = c->state};
    if (c->state != EL_KIND_RIGHT)
        return;
    for (int i = 0; i < c->n_lines; i++)
        l->entry[l->n++] =
            (struct entry){.claim = claim, .kind = c->line[i].kind, .step = c->line[i].step};
    l->entry[l->n++] = (struct entry){.claim = claim,
                                      .is_total = 1,
                                      .kind = c->total == c->target ? EL_KIND_RIGHT : EL_KIND_TOTAL,
                                      .total = c->total,
                                      .target = c->target};
}

static void list_true(const struct el_world_report *r, struct list *l)
{
    l->n = 0;
    for (int i = 0; i < r->n_claims; i++)
        add_claim(l, i, r);
    if (!r->closed)
        l->entry[l->n++] = (struct entry){.claim = -1, .kind = EL_KIND_UNCLOSED};
}

static double implied_score(const struct list *l)
{
    int fatal = 0, minor = 0, omitted = 0;
    for (int i = 0; i < l->n; i++) {
        int is_fatal = el_world_is_fatal(l->entry[i].kind);
        fatal += is_fatal == 1;
        minor += is_fatal == 0;
        omitted += l->entry[i].kind == EL_KIND_OMITTED;
    }
    return el_world_score_of(fatal, minor, omitted);
}

static int put_taken(struct el_buf *out, const struct entry *e)
{
    int rc = el_world_put_taken(out, e->taken, e->listed);
    return rc < 0 ? rc : el_buf_puts(out, e->kind == EL_KIND_RIGHT ? " right.\n" : " wrong.\n");
}

static int put_restated(struct el_buf *out, const struct el_world_claim_report *c)
{
    int rc = el_buf_puts(out, EL_WORLD_SOME);
    if (rc >= 0)
        rc = el_world_put_numbers(out, c->list, c->n_list);
    return rc < 0 ? rc : el_buf_puts(out, ".\n");
}

static int put_entry(struct el_buf *out, const struct entry *e)
{
    if (e->restated)
        return put_restated(out, e->restated);
    if (e->is_total)
        return el_world_put_remark(out, e->total, e->target, e->kind == EL_KIND_RIGHT);
    if (e->is_taken)
        return put_taken(out, e);
    switch (e->kind) {
    case EL_KIND_BAD_WITNESS:
    case EL_KIND_UNADDRESSED:
    case EL_KIND_MALFORMED:
        return el_buf_printf(out, "%s.\n", el_world_kind_name(e->kind));
    case EL_KIND_UNCLOSED:
        return el_buf_puts(out, "no closing.\n");
    default:
        break;
    }
    int rc = e->kind == EL_KIND_OMITTED ? el_buf_puts(out, "missing ") : 0;
    if (rc >= 0)
        rc = el_world_put_step(out, &e->step);
    if (rc < 0)
        return rc;
    return el_buf_puts(out, e->kind == EL_KIND_RIGHT   ? " right.\n"
                            : e->kind == EL_KIND_WRONG ? " wrong.\n"
                            : e->kind == EL_KIND_AGAIN ? " again.\n"
                                                       : ".\n");
}

static int put_entries(struct el_buf *out, const struct list *l)
{
    int rc = 0, claim = -1;
    for (int i = 0; i < l->n && rc >= 0; i++) {
        const struct entry *e = &l->entry[i];
        if (e->claim >= 0 && e->claim != claim)
            rc = el_buf_printf(out, "(%d) ", e->claim + 1);
        claim = e->claim;
        if (rc >= 0)
            rc = put_entry(out, e);
    }
    return rc;
}

static int put_list(struct el_buf *out, const struct list *l, double score)
{
    int rc = el_buf_puts(out, EL_WORLD_REVIEW "\n");
    if (rc >= 0)
        rc = put_entries(out, l);
    if (rc < 0)
        return rc;
    return el_buf_printf(out, EL_WORLD_SCORE "\n\\boxed{%s}", el_world_score_text(score));
}

int el_world_put_claim_analysis(struct el_buf *out, const struct el_world_report *r, int claim)
{
    struct list l = {0};
    add_claim(&l, claim, r);
    return put_entries(out, &l);
}

int el_world_analysis_true(const struct el_world_report *r, struct el_buf *out)
{
    struct list l;
    list_true(r, &l);
    return put_list(out, &l, r->score);
}

/* ---- Flaws ---- */

/* A random entry that `fits`, -1 when there is none. */
static int pick(const struct list *l, int (*fits)(const struct entry *), struct el_rng *rng)
{
    int index[MOST], n = 0;
    for (int i = 0; i < l->n; i++)
        if (fits(&l->entry[i]))
            index[n++] = i;
    return n ? index[el_rng_below(rng, (uint32_t)n)] : -1;
}

static int is_right(const struct entry *e)
{
    return e->kind == EL_KIND_RIGHT && !e->restated;
}

static int is_issue(const struct entry *e)
{
    return e->kind != EL_KIND_RIGHT;
}

static int has_numbers(const struct entry *e)
{
    return e->kind == EL_KIND_WRONG || e->kind == EL_KIND_OMITTED || e->kind == EL_KIND_TOTAL ||
           (e->kind == EL_KIND_BAD_WITNESS && e->is_taken);
}

static int has_line(const struct entry *e)
{
    return e->kind == EL_KIND_WRONG || e->kind == EL_KIND_AGAIN || e->kind == EL_KIND_TOTAL;
}

static void drop(struct list *l, int i)
{
    l->n--;
    memmove(&l->entry[i], &l->entry[i + 1], (size_t)(l->n - i) * sizeof l->entry[0]);
}

/* A total cannot be left out: it is called right. */
static void drop_issue(struct list *l, int i)
{
    if (l->entry[i].is_total)
        l->entry[i].kind = EL_KIND_RIGHT;
    else
        drop(l, i);
}

/* All there is to say of the claim of entry i is that it cannot be read, or the like. */
static void give_up(struct list *l, int i, struct el_rng *rng)
{
    int claim = l->entry[i].claim;
    uint32_t u = el_rng_below(rng, 100);
    while (i > 0 && l->entry[i - 1].claim == claim)
        i--;
    while (i + 1 < l->n && l->entry[i + 1].claim == claim)
        drop(l, i + 1);
    l->entry[i] = (struct entry){.claim = claim,
                                 .kind = u < 60   ? EL_KIND_MALFORMED
                                         : u < 85 ? EL_KIND_UNADDRESSED
                                                  : EL_KIND_BAD_WITNESS};
}

/* One of the numbers on the left is misread, and the result follows where it can. */
static void misread(struct el_world_step *s, struct el_rng *rng)
{
    int *v = &s->v[el_rng_below(rng, (uint32_t)el_world_operands(s->shape))];
    *v = el_world_near(*v, rng);
    if (el_world_eval(s) <= EL_WORLD_MAX)
        s->result = el_world_eval(s);
}

/* A right line is called wrong, as it stands or with another result; a written step is called
 * missing. wide: so are steps with another left side, and whole claims are given up. */
static int invent(struct list *l, int wide, struct el_rng *rng)
{
    int i = pick(l, is_right, rng);
    if (i < 0)
        return 0;
    struct entry *e = &l->entry[i];
    uint32_t u = wide ? el_rng_below(rng, 100) : 100;
    if (u < 12) {
        give_up(l, i, rng);
        return 1;
    }
    if (u < 24 && !e->is_total && !e->is_taken)
        misread(&e->step, rng);
    u = el_rng_below(rng, 100);
    if (e->is_total) {
        e->kind = EL_KIND_TOTAL;
        if (u < 60)
            e->total = el_world_near(e->total, rng);
    } else if (e->is_taken) {
        e->kind = EL_KIND_BAD_WITNESS;
        if (u < 60)
            e->listed = el_world_near(e->listed, rng);
        while (i + 1 < l->n && l->entry[i + 1].claim == e->claim)
            drop(l, i + 1); /* nobody goes on with a claim whose witness is bad */
    } else {
        e->kind = u < 12 ? EL_KIND_OMITTED : u < 18 ? EL_KIND_AGAIN : EL_KIND_WRONG;
        if (u >= 75)
            e->step.result = el_world_near(e->step.result, rng);
    }
    return 1;
}

static int misstate(struct list *l, struct el_rng *rng)
{
    int i = pick(l, has_numbers, rng);
    if (i < 0)
        return 0;
    struct entry *e = &l->entry[i];
    int *number = e->is_total ? &e->total : e->is_taken ? &e->taken : &e->step.result;
    *number = el_world_near(*number, rng);
    return 1;
}

static int miss(struct list *l, struct el_rng *rng)
{
    int i = pick(l, has_line, rng);
    if (i >= 0)
        l->entry[i].kind = EL_KIND_RIGHT;
    return i >= 0;
}

static int drop_one(struct list *l, struct el_rng *rng)
{
    int i = pick(l, is_issue, rng);
    if (i >= 0)
        drop_issue(l, i);
    return i >= 0;
}

static void pass_over_all(struct list *l)
{
    for (int i = l->n - 1; i >= 0; i--)
        if (has_line(&l->entry[i]))
            l->entry[i].kind = EL_KIND_RIGHT;
        else if (is_issue(&l->entry[i]))
            drop(l, i);
}

static double other_score(double score, struct el_rng *rng)
{
    static const double scores[] = {0, 0.5, 1};
    double s = score;
    while (s == score)
        s = scores[el_rng_below(rng, 3)];
    return s;
}

static int bend(struct list *l, enum el_world_review_flaw flaw, int wide, struct el_rng *rng)
{
    switch (flaw) {
    case EL_REVIEW_INVENTED:
        return invent(l, wide, rng);
    case EL_REVIEW_MISSTATED:
        return misstate(l, rng);
    case EL_REVIEW_MISSED:
        return miss(l, rng);
    case EL_REVIEW_DROPPED:
        return drop_one(l, rng);
    default:
        return 1;
    }
}

/* The flaw has come out as meant: a misread number may by chance name another defect. */
static int came_out(const struct el_world_report *r, enum el_world_review_flaw flaw,
                    const char *text, size_t n)
{
    struct el_world_review v;
    el_world_judge_analysis(r, text, n, &v);
    return v.format_ok && v.invented == (flaw == EL_REVIEW_INVENTED) &&
           v.misstated == (flaw == EL_REVIEW_MISSTATED) &&
           v.score_fits == (flaw != EL_REVIEW_SCORE);
}

int el_world_analysis_bent(const struct el_world_report *r, enum el_world_review_flaw flaw,
                           int blind, struct el_rng *rng, struct el_buf *out, struct el_error *err)
{
    size_t start = out->len;
    for (int i = 0; i < 10; i++) {
        struct list l;
        list_true(r, &l);
        if (blind)
            pass_over_all(&l);
        if (!bend(&l, flaw, r->look_up > 1, rng))
            break;
        double score = implied_score(&l);
        if (flaw == EL_REVIEW_SCORE)
            score = other_score(score, rng);
        if (put_list(out, &l, score) < 0)
            return el_error_set(err, EL_ENOMEM, "out of memory for an analysis");
        if (came_out(r, flaw, out->data + start, out->len - start))
            return 0;
        el_world_cut(out, start);
    }
    return el_error_set(err, EL_ENOTFOUND, "the proof leaves no room for the flaw '%s'",
                        el_world_review_flaw_name(flaw));
}

int el_world_analysis_crowded(const struct el_world_report *r, struct el_rng *rng,
                              struct el_buf *out, struct el_error *err)
{
    struct list l;
    list_true(r, &l);
    for (int n = 3 + (int)el_rng_below(rng, 4); n > 0; n--)
        if (el_rng_below(rng, 3) > 0 || !misstate(&l, rng))
            invent(&l, r->look_up > 1, rng);
    return put_list(out, &l, implied_score(&l)) < 0
               ? el_error_set(err, EL_ENOMEM, "out of memory for an analysis")
               : 0;
}

int el_world_analysis_flawed(const struct el_world_report *r, enum el_world_review_flaw flaw,
                             struct el_rng *rng, struct el_buf *out, struct el_error *err)
{
    return el_world_analysis_bent(r, flaw, 0, rng, out, err);
}

/* ---- Random analyses ---- */

int el_world_analysis_draw(const struct el_world_report *r, double ms, struct el_rng *rng,
                           struct el_buf *out, struct el_error *err)
{
    uint32_t u = el_rng_below(rng, 100);
    enum el_world_review_flaw flaw;
    int blind = 0;
    if (ms == 1) {
        flaw = u < 65 ? EL_REVIEW_NONE : u < 85 ? EL_REVIEW_MISSED : EL_REVIEW_DROPPED;
    } else if (ms == 0) {
        flaw = EL_REVIEW_INVENTED;
        blind = 1;
    } else {
        flaw = u < 35 ? EL_REVIEW_SCORE : u < 65 ? EL_REVIEW_MISSTATED : EL_REVIEW_INVENTED;
        blind = flaw == EL_REVIEW_SCORE && u < 8;
    }
    return el_world_analysis_bent(r, flaw, blind, rng, out, err);
}

int el_world_analysis_with_ms(const struct el_world_report *r, double ms, struct el_rng *rng,
                              struct el_buf *out, struct el_error *err)
{
    size_t start = out->len;
    for (int i = 0; i < 64; i++) {
        struct el_world_review v;
        struct el_error impossible = {0};
        el_world_cut(out, start);
        int rc = el_world_analysis_draw(r, ms, rng, out, &impossible);
        if (rc == EL_ENOMEM)
            return el_error_set(err, rc, "%s", impossible.msg);
        if (rc < 0)
            continue;
        el_world_judge_analysis(r, out->data + start, out->len - start, &v);
        if (v.ms == ms)
            return 0;
    }
    el_world_cut(out, start);
    return el_world_analysis_true(r, out) < 0
               ? el_error_set(err, EL_ENOMEM, "out of memory for an analysis")
               : 0;
}
