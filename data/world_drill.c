/* Drills: arithmetic lines judged on the spot, bare witnesses, and numbers looked up in a list.
 *
 * An arithmetic drill is a sequence of lines as analyses have them, `57+28=75 wrong.`. On a right
 * line the result and the judgement carry loss, on a wrong one the judgement alone: nobody should
 * learn to write wrong results. Three more lines practise the end of a mod proof: a value, the
 * multiple of the modulus at or below it, the comparison.
 *
 * A witness drill is a problem answered by the headings of its proof: the hard part of a proof at
 * a fraction of its tokens.
 *
 * A list drill is a problem with a list, and lines that look numbers up in it, as analyses have
 * them, `take 20 of 19 wrong.`: the nearest number of the list and the judgement carry loss. */
#include "data/world_parts.h"

#include <string.h>

struct drill {
    struct el_rng *rng;
    struct el_buf text;
    struct el_example *out;
    int lines;
};

/* Loss from `begin` to the end of the text. */
static void mark(struct drill *d, size_t begin)
{
    struct el_example *e = d->out;
    e->loss[e->n_loss].begin = begin;
    e->loss[e->n_loss].end = d->text.len;
    e->n_loss++;
}

static int chance(struct drill *d, uint32_t percent)
{
    return el_rng_below(d->rng, 100) < percent;
}

/* Sums up to 199, most of them within the totals of the training problems. */
static void draw_sum(struct drill *d, struct el_world_step *s)
{
    int most =
        chance(d, 70) ? el_world_range(EL_WORLD_TRAIN, EL_WORLD_LIN)->total_hi : EL_WORLD_MAX;
    int total = el_rng_range(d->rng, 2, most);
    s->shape = EL_SHAPE_SUM;
    s->v[0] = el_rng_range(d->rng, 1, total - 1);
    s->v[1] = total - s->v[0];
}

/* Any left side that claims of the world lead to. */
static void draw_left(struct drill *d, struct el_world_step *s)
{
    struct el_rng *g = d->rng;
    enum el_world_split split = chance(d, 75) ? EL_WORLD_TRAIN : EL_WORLD_LARGE;
    uint32_t u = el_rng_below(g, 100);
    const struct el_world_range *lin = el_world_range(split, EL_WORLD_LIN);
    const struct el_world_range *sq = el_world_range(split, EL_WORLD_SQ);
    const struct el_world_range *mod = el_world_range(split, EL_WORLD_MOD);
    *s = (struct el_world_step){.shape = EL_SHAPE_QUAD};
    int x = el_rng_range(g, 1, mod->a_hi);
    if (u < 60) {
        draw_sum(d, s);
    } else if (u < 74) {
        s->shape = EL_SHAPE_PRODUCT;
        s->v[0] = el_rng_range(g, lin->a_lo, lin->a_hi);
        s->v[1] = el_rng_range(g, 1, lin->w_hi);
    } else if (u < 88) {
        s->shape = EL_SHAPE_SQUARE;
        s->v[0] = el_rng_range(g, sq->a_lo, sq->a_hi);
        s->v[1] = s->v[2] = el_rng_range(g, 1, sq->w_hi);
    } else {
        s->v[0] = s->v[1] = s->v[3] = x;
        s->v[2] = el_rng_range(g, mod->b_lo, mod->b_hi);
    }
}

static int put_judged(struct drill *d, const struct el_world_step *s, int wrong)
{
    struct el_world_step t = *s;
    t.result = wrong ? el_world_near(s->result, d->rng) : s->result;
    if (el_world_put_left(&d->text, &t) < 0)
        return -1;
    size_t result = d->text.len;
    if (el_buf_printf(&d->text, "%d", t.result) < 0)
        return -1;
    size_t judgement = d->text.len;
    if (el_buf_puts(&d->text, wrong ? " wrong.\n" : " right.\n") < 0)
        return -1;
    mark(d, wrong ? judgement : result);
    d->lines++;
    return 0;
}

static int put_total(struct drill *d, int total, int target)
{
    if (el_buf_printf(&d->text, "total %d of %d", total, target) < 0)
        return -1;
    size_t begin = d->text.len;
    if (el_buf_puts(&d->text, total == target ? " right.\n" : " wrong.\n") < 0)
        return -1;
    mark(d, begin);
    d->lines++;
    return 0;
}

static int put_line(struct drill *d)
{
    struct el_world_step s;
    if (chance(d, 12)) {
        int target = el_rng_range(d->rng, 2, EL_WORLD_MAX);
        return put_total(d, chance(d, 50) ? target : el_world_near(target, d->rng), target);
    }
    do {
        draw_left(d, &s);
        s.result = el_world_eval(&s);
    } while (s.result > EL_WORLD_MAX);
    return put_judged(d, &s, chance(d, 50));
}

/* The last lines of a mod proof: 21+9=30, 7*4=28, total 28 of 30. The factor carries loss too. */
static int put_division(struct drill *d)
{
    const struct el_world_range *g = el_world_range(EL_WORLD_TRAIN, EL_WORLD_MOD);
    struct el_world_step s = {.shape = EL_SHAPE_SUM}, p = {.shape = EL_SHAPE_PRODUCT};
    int m = el_rng_range(d->rng, g->a_lo, g->a_hi);
    do {
        draw_sum(d, &s);
        s.result = el_world_eval(&s);
    } while (s.result < m || (s.result % m && chance(d, 50)));
    p.v[0] = m;
    p.v[1] = s.result / m;
    p.result = el_world_eval(&p);
    if (put_judged(d, &s, 0) < 0 || el_buf_printf(&d->text, "%d*", m) < 0)
        return -1;
    size_t begin = d->text.len;
    if (el_buf_printf(&d->text, "%d=%d right.\n", p.v[1], p.result) < 0)
        return -1;
    mark(d, begin);
    d->lines++;
    return put_total(d, p.result, s.result);
}

static int arithmetic(const struct el_world_mix *m, struct drill *d, struct el_buf *prompt)
{
    if (el_buf_puts(prompt, EL_WORLD_DRILL) < 0)
        return -1;
    while (d->lines < m->drill_lines) {
        int rc = m->drill_lines - d->lines >= 3 && chance(d, 6) ? put_division(d) : put_line(d);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int witnesses(struct drill *d, struct el_buf *prompt)
{
    struct el_world_problem p;
    el_world_problem_draw(EL_WORLD_TRAIN, d->rng, &p);
    if (el_buf_puts(prompt, EL_WORLD_FIND) < 0 || el_world_problem_text(&p, prompt) < 0)
        return -1;
    for (int i = 0; i < p.n_claims; i++) {
        struct el_world_witness w;
        el_world_right_witness(&p.claim[i], d->rng, &w);
        if (el_world_put_heading(&d->text, i, p.claim[i].family, &w) < 0)
            return -1;
    }
    mark(d, 0);
    return 0;
}

/* A number of the list, or one that is near one of them, or any that may be taken. */
static int draw_taken(struct drill *d, const struct el_world_claim *c)
{
    int v = c->v[el_rng_below(d->rng, (uint32_t)c->n)];
    if (chance(d, 50))
        return v;
    return chance(d, 70) ? el_world_near(v, d->rng) : el_rng_range(d->rng, 1, c->total - 1);
}

static int list_of(const struct el_world_problem *p)
{
    for (int i = 0; i < p->n_claims; i++)
        if (p->claim[i].family == EL_WORLD_SUB)
            return i;
    return -1;
}

static int lists(const struct el_world_mix *m, struct drill *d, struct el_buf *prompt)
{
    struct el_world_problem p;
    int at;
    do
        el_world_problem_draw(EL_WORLD_TRAIN, d->rng, &p);
    while ((at = list_of(&p)) < 0);
    if (el_buf_puts(prompt, EL_WORLD_LOOK_UP) < 0 || el_world_problem_text(&p, prompt) < 0)
        return -1;
    for (; d->lines < m->drill_lines; d->lines++) {
        struct el_world_witness w = {1, {draw_taken(d, &p.claim[at])}};
        int listed[EL_WORLD_LIST];
        el_world_look_up(&p.claim[at], &w, listed);
        if (el_buf_printf(&d->text, EL_WORLD_TAKEN, w.v[0]) < 0)
            return -1;
        size_t begin = d->text.len;
        if (el_buf_printf(&d->text, "%d %s.\n", listed[0],
                          w.v[0] == listed[0] ? "right" : "wrong") < 0)
            return -1;
        mark(d, begin);
    }
    return 0;
}

int el_world_drill(const struct el_world_mix *m, struct el_rng *rng, struct el_example *out,
                   struct el_error *err)
{
    struct drill d = {.rng = rng, .out = out};
    struct el_buf prompt;
    el_buf_init(&d.text);
    el_buf_init(&prompt);
    int find = el_rng_uniform(rng) < m->drill_witness;
    int look_up = !find && m->drill_list > 0 && el_rng_uniform(rng) < m->drill_list;
    int rc = find      ? witnesses(&d, &prompt)
             : look_up ? lists(m, &d, &prompt)
                       : arithmetic(m, &d, &prompt);
    if (rc == 0) {
        out->kind = EL_EXAMPLE_DRILL;
        out->label = -1;
        out->prompt = el_buf_detach(&prompt);
        out->completion = el_buf_detach(&d.text);
    }
    el_buf_release(&prompt);
    el_buf_release(&d.text);
    if (rc < 0 || !out->prompt || !out->completion) {
        el_example_release(out);
        return el_world_no_memory(err);
    }
    return 0;
}
