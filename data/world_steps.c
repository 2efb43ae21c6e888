#include "data/world_parts.h"

#include <stdlib.h>
#include <string.h>

int el_world_operands(enum el_world_shape shape)
{
    static const int count[] = {
        [EL_SHAPE_SUM] = 2, [EL_SHAPE_PRODUCT] = 2, [EL_SHAPE_SQUARE] = 3, [EL_SHAPE_QUAD] = 4};
    return count[shape];
}

int el_world_eval(const struct el_world_step *s)
{
    switch (s->shape) {
    case EL_SHAPE_SUM:
        return s->v[0] + s->v[1];
    case EL_SHAPE_PRODUCT:
        return s->v[0] * s->v[1];
    case EL_SHAPE_SQUARE:
        return s->v[0] * s->v[1] * s->v[2];
    case EL_SHAPE_QUAD:
        break;
    }
    return s->v[0] * s->v[1] + s->v[2] * s->v[3];
}

int el_world_same_left(const struct el_world_step *a, const struct el_world_step *b)
{
    return a->shape == b->shape &&
           memcmp(a->v, b->v, (size_t)el_world_operands(a->shape) * sizeof a->v[0]) == 0;
}

int el_world_same_step(const struct el_world_step *a, const struct el_world_step *b)
{
    return el_world_same_left(a, b) && a->result == b->result;
}

int el_world_steps(const struct el_world_claim *c, const struct el_world_witness *w)
{
    return c->family == EL_WORLD_SUB ? w->n - 1 : 3;
}

static void fill(struct el_world_step *s, enum el_world_shape shape, int a, int b, int c, int d)
{
    *s = (struct el_world_step){shape, {a, b, c, d}, 0};
    s->result = el_world_eval(s);
}

void el_world_expected(const struct el_world_claim *c, const struct el_world_witness *w, int i,
                       const int *r, struct el_world_step *out)
{
    const int *v = c->v, *x = w->v;
    if (c->family == EL_WORLD_SUB)
        fill(out, EL_SHAPE_SUM, i ? r[i - 1] : x[0], x[i + 1], 0, 0);
    else if (c->family == EL_WORLD_MOD && i == 0)
        fill(out, EL_SHAPE_QUAD, x[0], x[0], v[1], x[0]);
    else if (c->family == EL_WORLD_MOD && i == 1)
        fill(out, EL_SHAPE_SUM, r[0], v[2], 0, 0);
    else if (c->family == EL_WORLD_MOD)
        fill(out, EL_SHAPE_PRODUCT, v[0], r[1] / v[0], 0, 0);
    else if (i == 2)
        fill(out, EL_SHAPE_SUM, r[0], r[1], 0, 0);
    else if (c->family == EL_WORLD_LIN)
        fill(out, EL_SHAPE_PRODUCT, v[i], x[i], 0, 0);
    else
        fill(out, EL_SHAPE_SQUARE, v[i], x[i], x[i], 0);
}

static int same_pair(const int *a, const int *b)
{
    return (a[0] == b[0] && a[1] == b[1]) || (a[0] == b[1] && a[1] == b[0]);
}

int el_world_matches(const struct el_world_claim *c, int i, const struct el_world_step *e,
                     const struct el_world_step *s)
{
    if (e->shape != s->shape)
        return 0;
    /* The multiple of the modulus is the prover's choice. */
    if (c->family == EL_WORLD_MOD && i == 2)
        return s->v[0] == c->v[0] || s->v[1] == c->v[0];
    switch (e->shape) {
    case EL_SHAPE_SUM:
    case EL_SHAPE_PRODUCT:
        return same_pair(e->v, s->v);
    case EL_SHAPE_SQUARE: /* a*x*x or x*x*a */
        return el_world_same_left(e, s) ||
               (s->v[0] == e->v[1] && s->v[1] == e->v[1] && s->v[2] == e->v[0]);
    case EL_SHAPE_QUAD:
        break;
    }
    return same_pair(e->v, s->v) && same_pair(e->v + 2, s->v + 2);
}

void el_world_totals(const struct el_world_claim *c, const struct el_world_witness *w, const int *r,
                     int *total, int *target)
{
    int n = el_world_steps(c, w);
    *total = n > 0 ? r[n - 1] : w->v[0];
    *target = c->family == EL_WORLD_MOD ? r[1] : c->total;
}

/* The numbers are entries of the list, each entry used once. */
static int in_list(const struct el_world_claim *c, const struct el_world_witness *w)
{
    int used[EL_WORLD_LIST] = {0};
    for (int i = 0; i < w->n; i++) {
        int at = 0;
        while (at < c->n && (used[at] || c->v[at] != w->v[i]))
            at++;
        if (at == c->n)
            return 0;
        used[at] = 1;
    }
    return w->n > 0;
}

int el_world_honest(const struct el_world_claim *c, const struct el_world_witness *w,
                    struct el_world_step *steps, int *total, int *target)
{
    if (c->family == EL_WORLD_SUB && !in_list(c, w))
        return -1;
    int r[EL_WORLD_LIST] = {0}, n = el_world_steps(c, w);
    for (int i = 0; i < w->n; i++)
        if (w->v[i] < 1)
            return -1;
    for (int i = 0; i < n; i++) {
        el_world_expected(c, w, i, r, &steps[i]);
        r[i] = steps[i].result;
        if (r[i] > EL_WORLD_MAX)
            return -1;
    }
    el_world_totals(c, w, r, total, target);
    return n;
}

void el_world_look_up(const struct el_world_claim *c, const struct el_world_witness *w,
                      int listed[EL_WORLD_LIST])
{
    int used[EL_WORLD_LIST] = {0};
    for (int i = 0; i < EL_WORLD_LIST; i++) {
        int best = -1;
        for (int k = 0; k < c->n && i < w->n; k++)
            if (!used[k] &&
                (best < 0 || abs(c->v[k] - w->v[i]) < abs(c->v[best] - w->v[i]) ||
                 (abs(c->v[k] - w->v[i]) == abs(c->v[best] - w->v[i]) && c->v[k] < c->v[best])))
                best = k;
        listed[i] = best < 0 ? 0 : c->v[best];
        if (best >= 0 && c->v[best] == w->v[i])
            used[best] = 1;
    }
}

int el_world_same_witness(const struct el_world_witness *a, const struct el_world_witness *b)
{
    return a->n == b->n && memcmp(a->v, b->v, (size_t)a->n * sizeof *a->v) == 0;
}

int el_world_witness_fits(const struct el_world_claim *c, const struct el_world_witness *w)
{
    struct el_world_step steps[EL_WORLD_LINES];
    int total, target;
    return el_world_honest(c, w, steps, &total, &target) >= 0;
}

int el_world_witness_holds(const struct el_world_claim *c, const struct el_world_witness *w)
{
    struct el_world_step steps[EL_WORLD_LINES];
    int total, target;
    return w->n > 0 && el_world_honest(c, w, steps, &total, &target) >= 0 && total == target;
}
