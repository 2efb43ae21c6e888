/* Attempts at a claim that a proof abandons before it finds one that holds: how it looks when a
 * witness is searched for in the proof itself. */
#include "data/world_parts.h"

#include <string.h>

enum { another = 25 }; /* percent of false starts that another one follows */

void el_world_miss(struct el_world_starts *s, size_t begin, size_t end)
{
    s->miss[s->n].begin = begin;
    s->miss[s->n].end = end;
    s->n++;
}

int el_world_put_abandoned(struct el_buf *out, int total, int target)
{
    return el_buf_printf(out, "total %d of %d wrong.\n", total, target);
}

/* The witness in the heading that begins at byte `begin`, up to the end of its line. */
static void note_heading(struct el_world_starts *s, const char *text, size_t begin)
{
    const char *line = text + begin, *mark = strchr(line, ')'), *end = strchr(line, '\n');
    if (mark && end && mark < end)
        el_world_miss(s, (size_t)(mark + 2 - text), (size_t)(end + 1 - text));
}

static int put_one(struct el_buf *out, int claim, const struct el_world_claim *c,
                   struct el_world_starts *s, struct el_rng *rng)
{
    struct el_world_witness w;
    struct el_world_draft_claim d;
    int total, target;
    size_t begin = out->len;
    if (!el_world_wrong_witness(c, rng, &w) || el_world_draft_honest(c, &w, &d) < 0)
        return 0;
    int rc = el_world_put_draft(out, claim, &d);
    if (rc < 0)
        return rc;
    note_heading(s, out->data, begin);
    el_world_honest(c, &w, d.step, &total, &target);
    return el_world_put_abandoned(out, total, target);
}

int el_world_put_false_starts(struct el_buf *out, int claim, const struct el_world_claim *c,
                              struct el_world_starts *s, struct el_rng *rng)
{
    if (!s || s->share <= 0 || el_rng_uniform(rng) >= s->share)
        return 0;
    int rc = 0, n = 0;
    do
        rc = put_one(out, claim, c, s, rng);
    while (rc >= 0 && ++n < EL_WORLD_FALSE_STARTS && el_rng_below(rng, 100) < another);
    return rc < 0 ? rc : 0;
}

void el_world_unlearn(const struct el_world_starts *s, size_t shift, struct el_example *e)
{
    for (int i = 0; i < s->n && e->n_loss < EL_EXAMPLE_SPANS; i++) {
        size_t begin = s->miss[i].begin + shift, end = s->miss[i].end + shift;
        size_t last = e->loss[e->n_loss - 1].end;
        if (begin <= e->loss[e->n_loss - 1].begin)
            continue;
        e->loss[e->n_loss - 1].end = begin;
        e->loss[e->n_loss].begin = end;
        e->loss[e->n_loss++].end = last;
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

static int copy(const char *proof, const struct el_world_claim_report *c, struct el_buf *out)
{
    int rc = el_buf_add(out, proof + c->begin, c->end - c->begin);
    return rc < 0 ? rc : el_buf_putc(out, '\n');
}

static int carry_on(const struct el_world_problem *p, int i, const char *proof,
                    const struct el_world_report *r, struct el_world_starts *s, struct el_rng *rng,
                    struct el_buf *out, struct el_error *err)
{
    const struct el_world_claim_report *c = &r->claim[i];
    struct el_world_draft_claim d;
    size_t begin = out->len;
    int rc = 0;
    if (el_world_claim_is_right(r, i))
        return copy(proof, c, out);
    if (!el_world_draft_mended(&p->claim[i], c, rng, &d))
        return el_world_claim_is_false(i, err);
    if (only_misses(r, i)) {
        rc = copy(proof, c, out);
        if (rc >= 0)
            rc = el_world_put_abandoned(out, c->total, c->target);
        if (rc >= 0)
            note_heading(s, out->data, begin);
    }
    return rc < 0 ? rc : el_world_put_draft(out, i, &d);
}

int el_world_proof_carried_on(const struct el_world_problem *p, const char *proof,
                              const struct el_world_report *r, struct el_world_starts *s,
                              struct el_rng *rng, struct el_buf *out, struct el_error *err)
{
    for (int i = 0; i < p->n_claims; i++) {
        int rc = carry_on(p, i, proof, r, s, rng, out, err);
        if (rc < 0)
            return rc == EL_ENOMEM ? el_world_no_memory(err) : rc;
    }
    return el_buf_puts(out, EL_WORLD_CLOSING) < 0 ? el_world_no_memory(err) : 0;
}
