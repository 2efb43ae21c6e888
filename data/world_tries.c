/* What a search has tried already, and so what of it is to be learned. */
#include "data/world_parts.h"

#include <string.h>

/* ---- Tries ---- */

int el_world_was_tried(const struct el_world_tries *t, const struct el_world_witness *w)
{
    for (int i = 0; i < t->n; i++)
        if (el_world_same_witness(&t->w[i], w))
            return 1;
    return 0;
}

void el_world_try(struct el_world_tries *t, const struct el_world_witness *w)
{
    if (t->n < EL_WORLD_TRIED)
        t->w[t->n++] = *w;
}

/* ---- Reading them out of a proof ---- */

/* 1 when the line is the heading of a claim, 1..EL_WORLD_CLAIMS, that shows a witness. The text
 * behind the mark goes to *text. Lists are sorted when asked. */
static int read_heading(struct el_world_scan line, int sorted, int *claim,
                        struct el_world_witness *w, struct el_world_scan *text)
{
    static const enum el_world_family form[] = {EL_WORLD_SUB, EL_WORLD_LIN, EL_WORLD_MOD};
    if (!el_world_scan_claim_mark(&line, claim) || *claim < 1 || *claim > EL_WORLD_CLAIMS)
        return 0;
    el_world_blanks(&line);
    *text = line;
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        struct el_world_scan s = line;
        *w = (struct el_world_witness){0};
        if (!el_world_scan_witness(&s, form[i], w) || !el_world_scan_stop(&s))
            continue;
        if (sorted && form[i] == EL_WORLD_SUB)
            el_world_sort_witness(w);
        return 1;
    }
    return 0;
}

void el_world_abandoned(const struct el_world_problem *p, const char *proof,
                        struct el_world_tries out[EL_WORLD_CLAIMS])
{
    struct el_world_scan all = {proof, proof + strlen(proof)}, line, text;
    struct el_world_witness w;
    int claim = 0, open = 0;
    while (el_world_scan_line(&all, &line)) {
        struct el_world_remark remark;
        struct el_world_scan s = line;
        if (read_heading(line, 1, &claim, &w, &text)) {
            open = claim <= p->n_claims;
        } else if (open && el_world_scan_remark(&s, &remark) && !remark.right) {
            if (!el_world_was_tried(&out[claim - 1], &w))
                el_world_try(&out[claim - 1], &w);
            open = 0;
        }
    }
}

void el_world_refutations(const struct el_world_problem *p, const char *proof,
                          const struct el_world_report *r, int history,
                          struct el_world_tries out[EL_WORLD_CLAIMS])
{
    memset(out, 0, EL_WORLD_CLAIMS * sizeof *out);
    if (history)
        el_world_abandoned(p, proof, out);
    for (int i = 0; i < p->n_claims; i++) {
        struct el_world_witness w = r->claim[i].witness;
        if (w.n == 0 || el_world_witness_holds(&p->claim[i], &w))
            continue;
        if (history && p->claim[i].family == EL_WORLD_SUB)
            el_world_sort_witness(&w);
        if (!el_world_was_tried(&out[i], &w))
            el_world_try(&out[i], &w);
    }
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

/* A witness that misses is one to learn when it is not the first of its claim, and new. */
static int try_and_learn(struct el_world_tries *t, const struct el_world_witness *w)
{
    int learn = t->n > 0 && t->n < EL_WORLD_TRIED && !el_world_was_tried(t, w);
    el_world_try(t, w);
    return learn;
}

void el_world_unlearn(const struct el_world_mix *m, const char *proof, size_t n, int learn_retries,
                      const struct el_world_tries *refuted, struct el_rng *rng,
                      struct el_example *e)
{
    size_t shift = strlen(EL_WORLD_SOLUTION), end = 0; /* of the heading, its newline included */
    struct el_world_scan all = {proof, proof + n}, line, text = {0};
    struct el_world_tries tried[EL_WORLD_CLAIMS] = {{0}};
    struct el_world_witness w;
    int claim, open = 0;
    if (refuted)
        memcpy(tried, refuted, sizeof tried);
    while (el_world_scan_line(&all, &line)) {
        struct el_world_remark remark;
        if (read_heading(line, m->history, &claim, &w, &text)) {
            end = (size_t)(all.p - proof);
            open = 1;
        } else if (open && el_world_scan_remark(&line, &remark) && !remark.right) {
            int learn = try_and_learn(&tried[claim - 1], &w) && learn_retries;
            if (learn && m->retry_loss < 1)
                learn = el_rng_uniform(rng) < m->retry_loss;
            if (!learn)
                cut_loss(e, (size_t)(text.p - proof) + shift, end + shift);
            open = 0;
        }
    }
}
