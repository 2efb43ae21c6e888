/* Proofs that search: every claim ends with a check of its total, and attempts that miss are
 * abandoned before one that holds. */
#include "data/world_parts.h"

#include <math.h>

enum {
    most_starts = 16, /* false starts of a claim, with history */
    some_starts = 8,  /* the same without history */
    few_starts = 3,   /* the same where retry is 0 */
    another = 25,     /* percent of false starts that another one follows where retry is 0 */
    careless = 50     /* percent of totals that miss and are called right */
};

void el_world_style_draw(double checked, double false_start, double retry, struct el_rng *rng,
                         struct el_world_style *s)
{
    *s = (struct el_world_style){.retry = retry};
    s->checked = checked > 0 && el_rng_uniform(rng) < checked;
    s->false_start = s->checked ? false_start : 0;
}

/* A witness that misses and is none of those tried. 0 when none is found. */
static int fresh_miss(const struct el_world_claim *c, const struct el_world_tries *tried,
                      struct el_rng *rng, struct el_world_witness *out)
{
    for (int i = 0; i < 8; i++) {
        if (!el_world_wrong_witness(c, rng, out))
            return 0;
        if (!el_world_was_tried(tried, out))
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
                            const struct el_world_style *s, const struct el_world_tries *refuted,
                            struct el_rng *rng)
{
    struct el_world_tries tried = {0};
    struct el_world_witness w;
    int rc = 0, most = s->retry <= 0 ? few_starts : s->history ? most_starts : some_starts;
    uint32_t percent = s->retry > 0 ? (uint32_t)lround(100 * s->retry) : another;
    if (s->false_start <= 0 || el_rng_uniform(rng) >= s->false_start)
        return 0;
    if (refuted)
        tried = *refuted;
    for (int i = 0; rc >= 0 && i < most; i++) {
        if ((i && el_rng_below(rng, 100) >= percent) || !fresh_miss(c, &tried, rng, &w))
            break;
        el_world_try(&tried, &w);
        rc = put_miss(out, claim, c, &w);
    }
    return rc;
}

/* Numbers of which some are not in the list, and which add up. */
static int adds_up(const struct el_world_claim *c, const struct el_world_draft_claim *d,
                   const struct el_world_claim_report *q)
{
    return q->state == EL_KIND_BAD_WITNESS && q->n_list > 0 && d->n > 0 &&
           d->step[d->n - 1].result == c->total;
}

/* A total that misses is called right, or passed over in silence. */
static int put_check(struct el_buf *out, const struct el_world_claim *c,
                     const struct el_world_draft_claim *d, const struct el_world_style *s,
                     struct el_rng *rng)
{
    struct el_world_report r;
    int rc = el_world_judge_draft(c, d, &r);
    if (rc < 0)
        return rc;
    const struct el_world_claim_report *q = &r.claim[0];
    if (s->history && adds_up(c, d, q))
        return el_world_put_remark(out, c->total, c->total, 1);
    if (q->state != EL_KIND_RIGHT)
        return 0;
    if (q->total != q->target && el_rng_below(rng, 100) >= careless)
        return 0;
    return el_world_put_remark(out, q->total, q->target, 1);
}

int el_world_put_searched(struct el_buf *out, int claim, const struct el_world_claim *c,
                          const struct el_world_draft_claim *d, const struct el_world_style *s,
                          const struct el_world_tries *refuted, struct el_rng *rng)
{
    int rc = 0, checked = s && s->checked && d->present;
    if (checked)
        rc = put_false_starts(out, claim, c, s, refuted, rng);
    if (rc >= 0)
        rc = el_world_put_draft(out, claim, d);
    return rc >= 0 && checked ? put_check(out, c, d, s, rng) : rc;
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

/* What the claim had abandoned, each attempt once and computed anew. */
static int put_history(struct el_buf *out, int i, const struct el_world_claim *c,
                       const struct el_world_tries *tried)
{
    int rc = 0;
    for (int k = 0; rc >= 0 && k < tried->n && k < most_starts; k++)
        if (el_world_witness_fits(c, &tried->w[k]) && !el_world_witness_holds(c, &tried->w[k]))
            rc = put_miss(out, i, c, &tried->w[k]);
    return rc;
}

static int carry_on(const struct el_world_problem *p, int i, const char *proof,
                    const struct el_world_report *r, const struct el_world_tries *tried,
                    struct el_rng *rng, struct el_buf *out, struct el_error *err)
{
    static const struct el_world_style checked = {.checked = 1};
    const struct el_world_claim_report *c = &r->claim[i];
    struct el_world_draft_claim d;
    int rc = tried ? put_history(out, i, &p->claim[i], tried) : 0;
    int right = el_world_claim_is_right(r, i);
    int missed = only_misses(r, i) && !el_world_witness_holds(&p->claim[i], &c->witness) &&
                 !(tried && el_world_was_tried(tried, &c->witness));
    if (rc >= 0 && (right || missed))
        rc = put_checked(out, proof, c);
    if (rc < 0 || right)
        return rc;
    if (!el_world_draft_mended(&p->claim[i], c, rng, &d))
        return el_world_claim_is_false(i, err);
    return el_world_put_searched(out, i, &p->claim[i], &d, &checked, NULL, rng);
}

int el_world_proof_carried_on(const struct el_world_problem *p, const char *proof,
                              const struct el_world_report *r, int history, struct el_rng *rng,
                              struct el_buf *out, struct el_error *err)
{
    struct el_world_tries tried[EL_WORLD_CLAIMS] = {{0}};
    if (history)
        el_world_abandoned(p, proof, tried);
    for (int i = 0; i < p->n_claims; i++) {
        int rc = carry_on(p, i, proof, r, history ? &tried[i] : NULL, rng, out, err);
        if (rc < 0)
            return rc == EL_EREFUSED ? rc : el_world_no_memory(err);
    }
    return el_buf_puts(out, EL_WORLD_CLOSING) < 0 ? el_world_no_memory(err) : 0;
}
