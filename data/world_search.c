/* Proofs that search: every claim ends with a check of its total, and attempts that miss are
 * abandoned before one that holds. */
#include "data/world_parts.h"

#include <math.h>
#include <string.h>

enum {
    most_starts = 8, /* false starts of a claim */
    few_starts = 3,  /* the same where retry is 0 */
    another = 25,    /* percent of false starts that another one follows where retry is 0 */
    careless = 50,   /* percent of totals that miss and are called right */
    most_tried = 32  /* witnesses of a claim that are remembered */
};

void el_world_style_draw(double checked, double false_start, double retry, struct el_rng *rng,
                         struct el_world_style *s)
{
    *s = (struct el_world_style){.retry = retry};
    s->checked = checked > 0 && el_rng_uniform(rng) < checked;
    s->false_start = s->checked ? false_start : 0;
}

/* A witness that misses and is none of the n in tried. 0 when none is found. */
static int fresh_miss(const struct el_world_claim *c, const struct el_world_witness *tried, int n,
                      struct el_rng *rng, struct el_world_witness *out)
{
    for (int i = 0; i < 8; i++) {
        int at = 0;
        if (!el_world_wrong_witness(c, rng, out))
            return 0;
        while (at < n && !el_world_same_witness(&tried[at], out))
            at++;
        if (at == n)
            return 1;
    }
    return 0;
}

static int put_miss(struct el_buf *out, int claim, const struct el_world_claim *c,
                    const struct el_world_witness *w)
{
    struct el_world_draft_claim d = {.present = 1, .family = c->family, .witness = *w};
    int total, target;
    d.n = el_world_honest(c, w, d.step, &total, &target);
    int rc = el_world_put_draft(out, claim, &d);
    return rc < 0 ? rc : el_world_put_remark(out, total, target, 0);
}

static int put_false_starts(struct el_buf *out, int claim, const struct el_world_claim *c,
                            const struct el_world_style *s, const struct el_world_witness *refuted,
                            struct el_rng *rng)
{
    struct el_world_witness tried[1 + most_starts];
    int rc = 0, n = 0, most = s->retry > 0 ? most_starts : few_starts;
    uint32_t percent = s->retry > 0 ? (uint32_t)lround(100 * s->retry) : another;
    if (s->false_start <= 0 || el_rng_uniform(rng) >= s->false_start)
        return 0;
    if (refuted)
        tried[n++] = *refuted;
    for (int i = 0; rc >= 0 && i < most; i++, n++) {
        if ((i && el_rng_below(rng, 100) >= percent) || !fresh_miss(c, tried, n, rng, &tried[n]))
            break;
        rc = put_miss(out, claim, c, &tried[n]);
    }
    return rc;
}

/* A total that misses is called right, or passed over in silence. */
static int put_check(struct el_buf *out, const struct el_world_claim *c,
                     const struct el_world_draft_claim *d, struct el_rng *rng)
{
    struct el_world_report r;
    int rc = el_world_judge_draft(c, d, &r);
    if (rc < 0)
        return rc;
    const struct el_world_claim_report *q = &r.claim[0];
    if (q->state != EL_KIND_RIGHT)
        return 0;
    if (q->total != q->target && el_rng_below(rng, 100) >= careless)
        return 0;
    return el_world_put_remark(out, q->total, q->target, 1);
}

int el_world_put_searched(struct el_buf *out, int claim, const struct el_world_claim *c,
                          const struct el_world_draft_claim *d, const struct el_world_style *s,
                          const struct el_world_witness *refuted, struct el_rng *rng)
{
    int rc = 0, checked = s && s->checked && d->present;
    if (checked)
        rc = put_false_starts(out, claim, c, s, refuted, rng);
    if (rc >= 0)
        rc = el_world_put_draft(out, claim, d);
    return rc >= 0 && checked ? put_check(out, c, d, rng) : rc;
}

/* ---- What is not to be learned ---- */

int el_world_says_nothing_untrue(const struct el_world_report *r)
{
    int untrue = 0;
    for (int i = 0; i < r->n_claims; i++)
        untrue += r->claim[i].untrue;
    return untrue == 0;
}

/* Cuts bytes begin..end out of the last span, when it begins in front of them. */
static void cut_loss(struct el_example *e, size_t begin, size_t end)
{
    size_t last = e->n_loss - 1;
    if (begin <= e->loss[last].begin || e->n_loss == EL_EXAMPLE_SPANS)
        return;
    e->loss[last + 1].begin = end;
    e->loss[last + 1].end = e->loss[last].end;
    e->loss[last].end = begin;
    e->n_loss++;
}

/* The witnesses that a claim has abandoned so far. */
struct tried {
    int claim, n;
    struct el_world_scan witness[most_tried];
};

static int was_tried(const struct tried *t, struct el_world_scan w)
{
    size_t n = (size_t)(w.end - w.p);
    for (int i = 0; i < t->n; i++)
        if ((size_t)(t->witness[i].end - t->witness[i].p) == n &&
            memcmp(t->witness[i].p, w.p, n) == 0)
            return 1;
    return 0;
}

/* Remembers a witness. 1 when it is one to learn: not the first of its claim, and new. */
static int try_witness(struct tried *t, int claim, const struct el_world_scan *refuted,
                       struct el_world_scan w)
{
    if (claim != t->claim) {
        *t = (struct tried){.claim = claim};
        if (refuted && claim >= 1 && claim <= EL_WORLD_CLAIMS && refuted[claim - 1].p)
            t->witness[t->n++] = refuted[claim - 1];
    }
    int learn = t->n > 0 && t->n < most_tried && !was_tried(t, w);
    if (t->n < most_tried)
        t->witness[t->n++] = w;
    return learn;
}

/* 1 when the line is a heading; its claim as written and the text of its witness. */
static int read_heading(struct el_world_scan line, int *claim, struct el_world_scan *witness)
{
    if (!el_world_scan_claim_mark(&line, claim))
        return 0;
    el_world_blanks(&line);
    *witness = line;
    return 1;
}

const struct el_world_witness *el_world_refuted(const struct el_world_problem *p,
                                                const struct el_world_report *r, int i)
{
    const struct el_world_witness *w = &r->claim[i].witness;
    return w->n > 0 && !el_world_witness_holds(&p->claim[i], w) ? w : NULL;
}

void el_world_refutations(const struct el_world_problem *p, const char *proof,
                          const struct el_world_report *r,
                          struct el_world_scan out[EL_WORLD_CLAIMS])
{
    for (int i = 0; i < EL_WORLD_CLAIMS; i++) {
        struct el_world_scan s, line;
        int claim;
        out[i] = (struct el_world_scan){0};
        if (i >= p->n_claims || !el_world_refuted(p, r, i))
            continue;
        s = (struct el_world_scan){proof + r->claim[i].begin, proof + r->claim[i].end};
        if (el_world_scan_line(&s, &line))
            read_heading(line, &claim, &out[i]);
    }
}

void el_world_unlearn(const char *proof, size_t n, size_t shift, int learn_retries,
                      const struct el_world_scan *refuted, struct el_example *e)
{
    struct el_world_scan all = {proof, proof + n}, line, witness = {0};
    struct tried tried = {.claim = -1};
    size_t end = 0; /* of the heading, its newline included */
    int claim;
    while (el_world_scan_line(&all, &line)) {
        struct el_world_remark remark;
        if (read_heading(line, &claim, &witness)) {
            end = (size_t)(all.p - proof);
        } else if (witness.p && el_world_scan_remark(&line, &remark) && !remark.right) {
            if (!try_witness(&tried, claim, refuted, witness) || !learn_retries)
                cut_loss(e, (size_t)(witness.p - proof) + shift, end + shift);
            witness.p = NULL;
        }
    }
}

/* ---- Carrying an attempt on ---- */

/* Every line is right, and the total misses. */
static int only_misses(const struct el_world_report *r, int claim)
{
    const struct el_world_claim_report *c = &r->claim[claim];
    int n = 0;
    for (int i = 0; i < r->n_defects; i++)
        n += r->defect[i].claim == claim;
    return c->state == EL_KIND_RIGHT && c->total != c->target && n == 1;
}

/* The lines of the judged attempt but for its remarks, and then what its total comes to. */
static int put_checked(struct el_buf *out, const char *proof, const struct el_world_claim_report *c)
{
    struct el_world_scan all = {proof + c->begin, proof + c->end}, line;
    int rc = 0;
    while (rc >= 0 && el_world_scan_line(&all, &line)) {
        struct el_world_scan s = line;
        struct el_world_remark remark;
        if (line.p == line.end || el_world_scan_remark(&s, &remark))
            continue;
        rc = el_buf_add(out, line.p, (size_t)(line.end - line.p));
        if (rc >= 0)
            rc = el_buf_putc(out, '\n');
    }
    return rc < 0 ? rc : el_world_put_remark(out, c->total, c->target, c->total == c->target);
}

static int carry_on(const struct el_world_problem *p, int i, const char *proof,
                    const struct el_world_report *r, struct el_rng *rng, struct el_buf *out,
                    struct el_error *err)
{
    static const struct el_world_style checked = {.checked = 1};
    const struct el_world_claim_report *c = &r->claim[i];
    struct el_world_draft_claim d;
    int rc = 0, right = el_world_claim_is_right(r, i);
    int missed = only_misses(r, i) && !el_world_witness_holds(&p->claim[i], &c->witness);
    if (right || missed)
        rc = put_checked(out, proof, c);
    if (rc < 0 || right)
        return rc;
    if (!el_world_draft_mended(&p->claim[i], c, rng, &d))
        return el_world_claim_is_false(i, err);
    return el_world_put_searched(out, i, &p->claim[i], &d, &checked, NULL, rng);
}

int el_world_proof_carried_on(const struct el_world_problem *p, const char *proof,
                              const struct el_world_report *r, struct el_rng *rng,
                              struct el_buf *out, struct el_error *err)
{
    for (int i = 0; i < p->n_claims; i++) {
        int rc = carry_on(p, i, proof, r, rng, out, err);
        if (rc < 0)
            return rc == EL_EREFUSED ? rc : el_world_no_memory(err);
    }
    return el_buf_puts(out, EL_WORLD_CLOSING) < 0 ? el_world_no_memory(err) : 0;
}
