#include "data/world_parts.h"

#include <stdlib.h>
#include <string.h>

const char *el_world_flaw_name(int flaw)
{
    static const char *const names[EL_FLAWS] = {
        "none",        "slip",     "witness", "bent",      "swapped", "copy",     "unaddressed",
        "bad witness", "unlisted", "reused",  "malformed", "omitted", "repeated", "unclosed"};
    return flaw >= 0 && flaw < EL_FLAWS ? names[flaw] : NULL;
}

int el_world_near(int v, struct el_rng *rng)
{
    static const int delta[] = {1, 1, 2, 3, 10, 5, 4, 7, 9, 20};
    for (;;) {
        int d = delta[el_rng_below(rng, 10)];
        int near = el_rng_below(rng, 2) ? v + d : v - d;
        if (near >= 1 && near <= EL_WORLD_MAX)
            return near;
    }
}

int el_world_draft_honest(const struct el_world_claim *c, const struct el_world_witness *w,
                          struct el_world_draft_claim *d)
{
    int total, target;
    *d = (struct el_world_draft_claim){.present = 1, .family = c->family, .witness = *w};
    d->n = el_world_honest(c, w, d->step, &total, &target);
    return d->n < 0 ? -1 : 0;
}

int el_world_right_witness(const struct el_world_claim *c, struct el_rng *rng,
                           struct el_world_witness *out)
{
    struct el_world_witness all[64];
    int n = el_world_solve(c, all, 64);
    if (n > 64)
        n = 64;
    if (n)
        *out = all[el_rng_below(rng, (uint32_t)n)];
    return n > 0;
}

/* ---- Flaws of one claim ---- */

static int ascending(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

void el_world_sort_witness(struct el_world_witness *w)
{
    qsort(w->v, (size_t)w->n, sizeof *w->v, ascending);
}

static void draw_witness(const struct el_world_claim *c, struct el_rng *rng,
                         struct el_world_witness *w)
{
    *w = (struct el_world_witness){0};
    if (c->family != EL_WORLD_SUB) {
        int hi =
            c->family == EL_WORLD_MOD ? c->v[0] : el_world_range(EL_WORLD_TRAIN, c->family)->w_hi;
        w->n = c->family == EL_WORLD_MOD ? 1 : 2;
        for (int i = 0; i < w->n; i++)
            w->v[i] = el_rng_range(rng, 1, hi);
        return;
    }
    int want = el_rng_range(rng, 2, c->n < 3 ? c->n : 3);
    for (int i = 0; i < c->n; i++)
        if ((int)el_rng_below(rng, (uint32_t)(c->n - i)) < want - w->n)
            w->v[w->n++] = c->v[i];
}

int el_world_wrong_witness(const struct el_world_claim *c, struct el_rng *rng,
                           struct el_world_witness *out)
{
    int tries = 1 + (int)el_rng_below(rng, 8), best = -1;
    for (int i = 0; i < 40 && (i < tries || best < 0); i++) {
        struct el_world_witness w;
        struct el_world_step steps[EL_WORLD_LINES];
        int total, target;
        draw_witness(c, rng, &w);
        if (el_world_honest(c, &w, steps, &total, &target) < 0 || total == target)
            continue;
        if (best < 0 || abs(total - target) < best) {
            best = abs(total - target);
            *out = w;
        }
    }
    return best >= 0;
}

/* Fills the steps from `from` on honestly out of the results in front. 0 when a result leaves the
 * world's numbers. */
static int follow(const struct el_world_claim *c, struct el_world_draft_claim *d, int from)
{
    int r[EL_WORLD_LIST] = {0};
    for (int i = 0; i < d->n; i++) {
        if (i >= from)
            el_world_expected(c, &d->witness, i, r, &d->step[i]);
        r[i] = d->step[i].result;
        if (r[i] > EL_WORLD_MAX)
            return 0;
    }
    return 1;
}

static int slip(const struct el_world_claim *c, struct el_rng *rng, struct el_world_draft_claim *d)
{
    if (d->n < 1)
        return 0;
    int i = (int)el_rng_below(rng, (uint32_t)d->n);
    d->step[i].result = el_world_near(d->step[i].result, rng);
    return follow(c, d, i + 1);
}

/* One result bent so that the total fits although the witness is wrong. */
static int bend(const struct el_world_claim *c, struct el_rng *rng, struct el_world_draft_claim *d)
{
    struct el_world_witness w;
    if (!el_world_wrong_witness(c, rng, &w) || el_world_draft_honest(c, &w, d) < 0 || d->n < 1)
        return 0;
    struct el_world_step *last = &d->step[d->n - 1];
    int target = c->family == EL_WORLD_MOD ? d->step[1].result : c->total;
    int early = target - d->step[d->n - 2 < 0 ? 0 : d->n - 2].result;
    if ((c->family == EL_WORLD_LIN || c->family == EL_WORLD_SQ) && early >= 1 &&
        el_rng_below(rng, 2)) {
        d->step[0].result = early;
        return follow(c, d, 2);
    }
    last->result = target;
    return 1;
}

static int miscopy(const struct el_world_claim *c, struct el_rng *rng,
                   struct el_world_draft_claim *d)
{
    if (d->n < 1)
        return 0;
    int i = (int)el_rng_below(rng, (uint32_t)d->n);
    struct el_world_step *s = &d->step[i];
    int k = (int)el_rng_below(rng, (uint32_t)el_world_operands(s->shape));
    s->v[k] += el_rng_below(rng, 2) && s->v[k] > 1 ? -1 : 1;
    s->result = el_world_eval(s);
    return s->result <= EL_WORLD_MAX && s->v[k] <= EL_WORLD_MAX && follow(c, d, i + 1);
}

static int swap(const struct el_world_claim *c, const struct el_world_witness *right,
                struct el_rng *rng, struct el_world_draft_claim *d)
{
    struct el_world_witness w = *right;
    if (c->family == EL_WORLD_LIN || c->family == EL_WORLD_SQ) {
        w.v[0] = right->v[1];
        w.v[1] = right->v[0];
    }
    if ((el_world_witness_holds(c, &w) || !el_world_witness_fits(c, &w)) &&
        !el_world_wrong_witness(c, rng, &w))
        return 0;
    return el_world_draft_honest(c, &w, d) == 0;
}

/* 0 for a variable, or a number that the list does not have; the steps follow the witness. */
static int spoil_witness(const struct el_world_claim *c, struct el_rng *rng,
                         struct el_world_draft_claim *d)
{
    int k = (int)el_rng_below(rng, (uint32_t)d->witness.n);
    d->witness.v[k] = c->family == EL_WORLD_SUB ? el_world_near(d->witness.v[k], rng) : 0;
    return !el_world_witness_fits(c, &d->witness) && follow(c, d, 0);
}

/* Numbers that add up and are not all in the list: one makes up for what the others, some of the
 * list or right ones of which one is a little off, leave of the total. Ascending, as right
 * witnesses are. */
static int unlist(const struct el_world_claim *c, const struct el_world_witness *right,
                  struct el_rng *rng, struct el_world_draft_claim *d)
{
    struct el_world_witness *w = &d->witness;
    int drawn = el_rng_below(rng, 2) == 0;
    if (drawn)
        draw_witness(c, rng, w);
    else
        *w = *right;
    int last = (int)el_rng_below(rng, (uint32_t)w->n), off = (last + 1) % w->n, rest = c->total;
    if (!drawn && off != last)
        w->v[off] = el_world_near(w->v[off], rng);
    for (int i = 0; i < w->n; i++)
        rest -= i == last ? 0 : w->v[i];
    w->v[last] = rest;
    if (rest < 1 || el_world_witness_fits(c, w))
        return 0;
    el_world_sort_witness(w);
    d->n = el_world_steps(c, w);
    return follow(c, d, 0);
}

/* The entry `twice`, once more than the list has it, and those of the set `others`: up to four
 * numbers, as attempts take them. How far they are from the total, -1 where they are none of this.
 */
static int reused(const struct el_world_claim *c, int twice, uint32_t others,
                  struct el_world_witness *w)
{
    int sum = 2 * c->v[twice];
    *w = (struct el_world_witness){2, {c->v[twice], c->v[twice]}};
    if (others >> twice & 1)
        return -1;
    for (int i = 0; i < c->n; i++)
        if (others >> i & 1) {
            if (w->n == 4)
                return -1;
            sum += w->v[w->n++] = c->v[i];
        }
    return el_world_witness_fits(c, w) ? -1 : abs(sum - c->total);
}

/* Numbers of the list, one of them twice, that add up, or nearly where none do. */
static int reuse(const struct el_world_claim *c, struct el_rng *rng, struct el_world_draft_claim *d)
{
    int best = -1;
    uint32_t as_good = 0;
    for (int twice = 0; twice < c->n; twice++)
        for (uint32_t others = 0; others < 1u << c->n; others++) {
            struct el_world_witness w;
            int off = reused(c, twice, others, &w);
            if (off < 0 || (best >= 0 && off > best))
                continue;
            as_good = off == best ? as_good + 1 : 1;
            best = off;
            if (el_rng_below(rng, as_good) == 0)
                d->witness = w;
        }
    el_world_sort_witness(&d->witness);
    d->n = el_world_steps(c, &d->witness);
    return best >= 0 && follow(c, d, 0);
}

static int omit(struct el_rng *rng, struct el_world_draft_claim *d)
{
    if (d->n < 1)
        return 0;
    int i = (int)el_rng_below(rng, (uint32_t)d->n);
    d->n--;
    memmove(&d->step[i], &d->step[i + 1], (size_t)(d->n - i) * sizeof d->step[0]);
    return 1;
}

static int repeat(struct el_rng *rng, struct el_world_draft_claim *d)
{
    if (d->n < 1 || d->n == EL_WORLD_LINES)
        return 0;
    int i = (int)el_rng_below(rng, (uint32_t)d->n);
    memmove(&d->step[i + 1], &d->step[i], (size_t)(d->n - i) * sizeof d->step[0]);
    d->n++;
    return 1;
}

static int apply(const struct el_world_claim *c, const struct el_world_witness *right,
                 enum el_world_flaw flaw, struct el_rng *rng, struct el_world_draft_claim *d)
{
    struct el_world_witness w;
    switch (flaw) {
    case EL_FLAW_SLIP:
        return slip(c, rng, d);
    case EL_FLAW_WITNESS:
        return el_world_wrong_witness(c, rng, &w) && el_world_draft_honest(c, &w, d) == 0;
    case EL_FLAW_BENT:
        return bend(c, rng, d);
    case EL_FLAW_SWAPPED:
        return swap(c, right, rng, d);
    case EL_FLAW_COPY:
        return miscopy(c, rng, d);
    case EL_FLAW_UNADDRESSED:
        d->present = 0;
        return 1;
    case EL_FLAW_BAD_WITNESS:
        return spoil_witness(c, rng, d);
    case EL_FLAW_UNLISTED:
        return c->family == EL_WORLD_SUB ? unlist(c, right, rng, d)
                                         : apply(c, right, EL_FLAW_WITNESS, rng, d);
    case EL_FLAW_REUSED:
        return c->family == EL_WORLD_SUB ? reuse(c, rng, d)
                                         : apply(c, right, EL_FLAW_WITNESS, rng, d);
    case EL_FLAW_MALFORMED:
        d->cut = 1;
        return d->n > 0;
    case EL_FLAW_OMITTED:
        return omit(rng, d);
    case EL_FLAW_REPEATED:
        return repeat(rng, d);
    default:
        return 1;
    }
}

int el_world_judge_draft(const struct el_world_claim *c, const struct el_world_draft_claim *d,
                         struct el_world_report *out)
{
    struct el_world_problem p = {1, {*c}};
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_world_put_draft(&text, 0, d);
    if (rc >= 0)
        rc = el_buf_puts(&text, EL_WORLD_CLOSING);
    el_world_judge_proof(&p, text.data, text.len, out);
    el_buf_release(&text);
    return rc < 0 ? rc : 0;
}

/* The score that the flawed draft should have has come about: a miscopied operand may by chance
 * be another expected step, a slip may be undone by the floor of a division. */
static int as_intended(const struct el_world_claim *c, enum el_world_flaw flaw,
                       const struct el_world_draft_claim *d)
{
    struct el_world_report r;
    int rc = el_world_judge_draft(c, d, &r);
    double want = flaw == EL_FLAW_NONE || flaw == EL_FLAW_UNCLOSED ? 1
                  : flaw >= EL_FLAW_OMITTED                        ? 0.5
                                                                   : 0;
    return rc < 0 || r.score == want; /* out of memory shows at the next append */
}

void el_world_draft_flawed(const struct el_world_claim *c, const struct el_world_witness *right,
                           enum el_world_flaw flaw, struct el_rng *rng,
                           struct el_world_draft_claim *d)
{
    for (int i = 0; i < 20; i++) {
        el_world_draft_honest(c, right, d);
        if (apply(c, right, i < 10 ? flaw : EL_FLAW_SLIP, rng, d) &&
            as_intended(c, i < 10 ? flaw : EL_FLAW_SLIP, d))
            return;
    }
    el_world_draft_honest(c, right, d); /* a claim without steps: leave it out */
    d->present = flaw >= EL_FLAW_OMITTED || flaw == EL_FLAW_NONE;
}

/* ---- Text ---- */

int el_world_put_draft(struct el_buf *out, int claim, const struct el_world_draft_claim *d)
{
    if (!d->present)
        return 0;
    int rc = el_world_put_heading(out, claim, d->family, &d->witness);
    for (int i = 0; i < d->n && rc >= 0; i++) {
        int cut = d->cut && i == d->n - 1;
        rc = cut ? el_world_put_left(out, &d->step[i]) : el_world_put_step(out, &d->step[i]);
        if (rc >= 0)
            rc = el_buf_puts(out, cut ? "\n" : ".\n");
    }
    return rc;
}

/* The closing line, or nothing; the text ends without a newline either way. */
static int put_end(struct el_buf *out, size_t start, int closed)
{
    if (closed)
        return el_buf_puts(out, EL_WORLD_CLOSING);
    if (out->len > start && out->data[out->len - 1] == '\n')
        out->data[--out->len] = 0;
    return 0;
}

static int no_memory(int rc, struct el_error *err)
{
    return rc < 0 ? el_error_set(err, EL_ENOMEM, "out of memory for a proof") : 0;
}

int el_world_claim_is_false(int claim, struct el_error *err)
{
    return el_error_set(err, EL_EREFUSED, "claim (%d) is false: nothing proves it", claim + 1);
}

int el_world_proof_started(const struct el_world_problem *p, const enum el_world_flaw *flaw,
                           const struct el_world_style *s, struct el_rng *rng, struct el_buf *out,
                           struct el_error *err)
{
    size_t start = out->len;
    int closed = 1, rc = 0;
    for (int i = 0; i < p->n_claims && rc >= 0; i++) {
        struct el_world_witness w;
        struct el_world_draft_claim d;
        if (!el_world_right_witness(&p->claim[i], rng, &w))
            return el_world_claim_is_false(i, err);
        closed &= flaw[i] != EL_FLAW_UNCLOSED;
        el_world_draft_flawed(&p->claim[i], &w, flaw[i], rng, &d);
        rc = el_world_put_searched(out, i, &p->claim[i], &d, s, NULL, rng);
    }
    if (rc >= 0)
        rc = put_end(out, start, closed);
    return no_memory(rc, err);
}

int el_world_proof_flawed(const struct el_world_problem *p, const enum el_world_flaw *flaw,
                          struct el_rng *rng, struct el_buf *out, struct el_error *err)
{
    return el_world_proof_started(p, flaw, NULL, rng, out, err);
}

static const enum el_world_flaw flawless[EL_WORLD_CLAIMS] = {EL_FLAW_NONE};

int el_world_proof_good(const struct el_world_problem *p, struct el_rng *rng, struct el_buf *out,
                        struct el_error *err)
{
    return el_world_proof_started(p, flawless, NULL, rng, out, err);
}

/* ---- Random flawed proofs ---- */

/* Whether a share comes up. Draws nothing where it is 0. */
static int comes_up(double share, struct el_rng *rng)
{
    return share > 0 && el_rng_uniform(rng) < share;
}

enum el_world_flaw el_world_fatal_flaw(struct el_rng *rng)
{
    static const enum el_world_flaw all[] = {
        EL_FLAW_SLIP, EL_FLAW_WITNESS,     EL_FLAW_BENT,        EL_FLAW_SWAPPED,
        EL_FLAW_COPY, EL_FLAW_UNADDRESSED, EL_FLAW_BAD_WITNESS, EL_FLAW_MALFORMED};
    return all[el_rng_below(rng, sizeof all / sizeof *all)];
}

enum el_world_flaw el_world_list_flaw(const struct el_world_claim *c,
                                      const struct el_world_style *s, struct el_rng *rng)
{
    if (c->family != EL_WORLD_SUB || !comes_up(s->unlisted, rng))
        return EL_FLAW_NONE;
    return comes_up(s->reused, rng) ? EL_FLAW_REUSED : EL_FLAW_UNLISTED;
}

enum el_world_flaw el_world_minor_flaw(struct el_rng *rng)
{
    static const enum el_world_flaw all[] = {EL_FLAW_OMITTED, EL_FLAW_REPEATED, EL_FLAW_UNCLOSED};
    return all[el_rng_below(rng, sizeof all / sizeof *all)];
}

/* Of 100 fatally flawed claims, how many have which flaw: mostly what models do. */
static enum el_world_flaw usual_fatal(struct el_rng *rng)
{
    static const struct {
        enum el_world_flaw flaw;
        uint32_t share;
    } table[] = {{EL_FLAW_WITNESS, 58},    {EL_FLAW_SLIP, 18},    {EL_FLAW_BENT, 6},
                 {EL_FLAW_SWAPPED, 4},     {EL_FLAW_COPY, 6},     {EL_FLAW_UNADDRESSED, 2},
                 {EL_FLAW_BAD_WITNESS, 4}, {EL_FLAW_MALFORMED, 2}};
    uint32_t u = el_rng_below(rng, 100), i = 0;
    for (; u >= table[i].share; i++)
        u -= table[i].share;
    return table[i].flaw;
}

static enum el_world_flaw fatal_flaw(const struct el_world_claim *c, const struct el_world_style *s,
                                     struct el_rng *rng)
{
    enum el_world_flaw of_lists = el_world_list_flaw(c, s, rng);
    if (of_lists != EL_FLAW_NONE)
        return of_lists;
    return comes_up(s->even, rng) ? el_world_fatal_flaw(rng) : usual_fatal(rng);
}

static enum el_world_flaw minor_flaw(const struct el_world_style *s, struct el_rng *rng)
{
    if (comes_up(s->even, rng))
        return el_world_minor_flaw(rng);
    uint32_t u = el_rng_below(rng, 100);
    return u < 60 ? EL_FLAW_OMITTED : u < 78 ? EL_FLAW_REPEATED : EL_FLAW_UNCLOSED;
}

static void draw_flaws(const struct el_world_problem *p, double score,
                       const struct el_world_style *s, struct el_rng *rng, enum el_world_flaw *flaw)
{
    int sure = (int)el_rng_below(rng, (uint32_t)p->n_claims);
    for (int i = 0; i < p->n_claims; i++) {
        flaw[i] = EL_FLAW_NONE;
        if (score == 0)
            flaw[i] = i == sure || el_rng_below(rng, 100) < 40 ? fatal_flaw(&p->claim[i], s, rng)
                      : el_rng_below(rng, 100) < 6             ? minor_flaw(s, rng)
                                                               : EL_FLAW_NONE;
        else if (i == sure || el_rng_below(rng, 100) < 15)
            flaw[i] = minor_flaw(s, rng);
    }
}

int el_world_proof_with_score(const struct el_world_problem *p, double score,
                              const struct el_world_style *s, struct el_rng *rng,
                              struct el_buf *out, struct el_error *err)
{
    static const struct el_world_style plain = {0};
    if (score == 1)
        return el_world_proof_started(p, flawless, s, rng, out, err);
    size_t start = out->len;
    for (int i = 0;; i++) {
        enum el_world_flaw flaw[EL_WORLD_CLAIMS];
        struct el_world_report r;
        draw_flaws(p, score, s ? s : &plain, rng, flaw);
        el_world_cut(out, start);
        int rc = el_world_proof_started(p, flaw, s, rng, out, err);
        if (rc < 0)
            return rc;
        el_world_judge_proof(p, out->data + start, out->len - start, &r);
        if (r.score == score || i == 100)
            return 0;
    }
}

/* ---- Mending ---- */

int el_world_draft_mended(const struct el_world_claim *c, const struct el_world_claim_report *r,
                          struct el_rng *rng, struct el_world_draft_claim *d)
{
    struct el_world_witness w = r->witness;
    if ((w.n == 0 || !el_world_witness_holds(c, &w)) && !el_world_right_witness(c, rng, &w))
        return 0;
    return el_world_draft_honest(c, &w, d) == 0;
}

int el_world_proof_revised(const struct el_world_problem *p, const char *proof,
                           const struct el_world_report *r, int fail,
                           const struct el_world_style *s, struct el_rng *rng, struct el_buf *out,
                           struct el_error *err)
{
    int wrong[EL_WORLD_CLAIMS], n_wrong = 0, rc = 0;
    for (int i = 0; i < p->n_claims; i++)
        if (!el_world_claim_is_right(r, i))
            wrong[n_wrong++] = i;
    struct el_world_tries refuted[EL_WORLD_CLAIMS];
    el_world_refutations(p, proof, r, s && s->history, refuted);
    int again = fail && n_wrong ? wrong[el_rng_below(rng, (uint32_t)n_wrong)] : -1;
    for (int i = 0; i < p->n_claims && rc >= 0; i++) {
        const struct el_world_claim_report *old = &r->claim[i];
        struct el_world_draft_claim d;
        if (el_world_claim_is_right(r, i)) {
            rc = el_buf_add(out, proof + old->begin, old->end - old->begin);
            if (rc >= 0)
                rc = el_buf_putc(out, '\n');
            continue;
        }
        if (!el_world_draft_mended(&p->claim[i], old, rng, &d))
            return el_world_claim_is_false(i, err);
        if (i == again || (fail && el_rng_below(rng, 100) < 40)) {
            struct el_world_witness w = d.witness;
            enum el_world_flaw flaw = el_rng_below(rng, 100) < 85 ? EL_FLAW_WITNESS : EL_FLAW_SLIP;
            el_world_draft_flawed(&p->claim[i], &w, flaw, rng, &d);
        }
        rc = el_world_put_searched(out, i, &p->claim[i], &d, s,
                                   s && s->remember ? &refuted[i] : NULL, rng);
    }
    if (rc >= 0)
        rc = el_buf_puts(out, EL_WORLD_CLOSING);
    return no_memory(rc, err);
}

int el_world_proof_mended(const struct el_world_problem *p, const char *proof, size_t n,
                          const struct el_world_report *r, struct el_rng *rng, struct el_buf *out,
                          struct el_error *err)
{
    (void)n;
    return el_world_proof_revised(p, proof, r, 0, NULL, rng, out, err);
}
