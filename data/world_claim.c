#include "data/world_parts.h"

#include "core/base/digest.h"

#include <stdlib.h>
#include <string.h>

/* Ranges of the drawn claims. Small training totals keep the additions few; `large` repeats the
 * same work on numbers that only drills have shown. */
static const struct el_world_range usual[EL_WORLD_FAMILIES] = {
    [EL_WORLD_LIN] = {.a_lo = 2, .a_hi = 15, .w_hi = 5, .total_lo = 5, .total_hi = 119},
    [EL_WORLD_SQ] = {.a_lo = 2, .a_hi = 12, .w_hi = 5, .total_lo = 5, .total_hi = 119},
    [EL_WORLD_MOD] = {.a_lo = 3,
                      .a_hi = 8,
                      .b_lo = 1,
                      .b_hi = 9,
                      .c_lo = 1,
                      .c_hi = 60,
                      .total_lo = 3,
                      .total_hi = 119},
    [EL_WORLD_SUB] = {.a_lo = 2, .a_hi = 40, .n_lo = 4, .n_hi = 5, .total_lo = 5, .total_hi = 119},
};

static const struct el_world_range large[EL_WORLD_FAMILIES] = {
    [EL_WORLD_LIN] = {.a_lo = 10, .a_hi = 19, .w_hi = 6, .total_lo = 120, .total_hi = 199},
    [EL_WORLD_SQ] = {.a_lo = 3, .a_hi = 9, .w_hi = 6, .total_lo = 120, .total_hi = 199},
    [EL_WORLD_MOD] = {.a_lo = 3,
                      .a_hi = 8,
                      .b_lo = 1,
                      .b_hi = 6,
                      .c_lo = 118,
                      .c_hi = 150,
                      .total_lo = 120,
                      .total_hi = 199},
    [EL_WORLD_SUB] =
        {.a_lo = 30, .a_hi = 90, .n_lo = 4, .n_hi = 5, .total_lo = 120, .total_hi = 199},
};

/* Of 100 claims, these many train and validate; the rest test. */
enum { TRAIN_SHARE = 75, VALID_SHARE = 5 };

static const char *const split_names[EL_WORLD_SPLITS] = {"train", "valid", "test", "large"};

const struct el_world_range *el_world_range(enum el_world_split split, enum el_world_family f)
{
    return split == EL_WORLD_LARGE ? &large[f] : &usual[f];
}

const char *el_world_split_name(int split)
{
    return split >= 0 && split < EL_WORLD_SPLITS ? split_names[split] : NULL;
}

int el_world_split_from_name(const char *name)
{
    for (int i = 0; i < EL_WORLD_SPLITS; i++)
        if (strcmp(name, split_names[i]) == 0)
            return i;
    return -1;
}

static int ascending(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

uint64_t el_world_claim_key(const struct el_world_claim *c)
{
    struct el_world_claim n = *c;
    if (n.family != EL_WORLD_MOD)
        qsort(n.v, (size_t)n.n, sizeof n.v[0], ascending);
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "el-world-claim");
    el_digest_u64(&d, (uint64_t)n.family);
    for (int i = 0; i < n.n; i++)
        el_digest_u64(&d, (uint64_t)n.v[i]);
    el_digest_u64(&d, (uint64_t)n.total);
    return el_digest_key(&d);
}

enum el_world_split el_world_claim_split(const struct el_world_claim *c)
{
    uint64_t share = el_world_claim_key(c) % 100;
    if (share < TRAIN_SHARE)
        return EL_WORLD_TRAIN;
    return share < TRAIN_SHARE + VALID_SHARE ? EL_WORLD_VALID : EL_WORLD_TEST;
}

uint64_t el_world_problem_key(const struct el_world_problem *p)
{
    uint64_t key[EL_WORLD_CLAIMS];
    for (int i = 0; i < p->n_claims; i++) {
        uint64_t k = el_world_claim_key(&p->claim[i]);
        int at = i;
        for (; at > 0 && key[at - 1] > k; at--)
            key[at] = key[at - 1];
        key[at] = k;
    }
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "el-world-problem");
    for (int i = 0; i < p->n_claims; i++)
        el_digest_u64(&d, key[i]);
    return el_digest_key(&d);
}

/* lin and sq: two different coefficients, ascending. */
static void draw_pair(const struct el_world_range *g, struct el_rng *rng, struct el_world_claim *c,
                      struct el_world_witness *w)
{
    c->n = 2;
    c->v[0] = el_rng_range(rng, g->a_lo, g->a_hi - 1);
    c->v[1] = el_rng_range(rng, g->a_lo, g->a_hi - 1);
    if (c->v[1] >= c->v[0])
        c->v[1]++;
    qsort(c->v, 2, sizeof c->v[0], ascending);
    w->n = 2;
    for (int i = 0; i < 2; i++)
        w->v[i] = el_rng_range(rng, 1, g->w_hi);
    int power = c->family == EL_WORLD_SQ;
    c->total = 0;
    for (int i = 0; i < 2; i++)
        c->total += c->v[i] * w->v[i] * (power ? w->v[i] : 1);
}

static void draw_mod(const struct el_world_range *g, struct el_rng *rng, struct el_world_claim *c,
                     struct el_world_witness *w)
{
    c->n = 3;
    c->v[0] = el_rng_range(rng, g->a_lo, g->a_hi);
    c->v[1] = el_rng_range(rng, g->b_lo, g->b_hi);
    c->v[2] = el_rng_range(rng, g->c_lo, g->c_hi);
    c->total = 0;
    w->n = 1;
    w->v[0] = el_rng_range(rng, 1, c->v[0]);
}

/* A sorted list of different numbers, two or three of which make the total. */
static void draw_sub(const struct el_world_range *g, struct el_rng *rng, struct el_world_claim *c,
                     struct el_world_witness *w)
{
    c->n = el_rng_range(rng, g->n_lo, g->n_hi);
    for (int i = 0; i < c->n;) {
        c->v[i] = el_rng_range(rng, g->a_lo, g->a_hi);
        int fresh = 1;
        for (int j = 0; j < i; j++)
            fresh &= c->v[j] != c->v[i];
        i += fresh;
    }
    qsort(c->v, (size_t)c->n, sizeof c->v[0], ascending);
    int want = el_rng_range(rng, 2, 3);
    w->n = 0;
    c->total = 0;
    for (int i = 0; i < c->n; i++) {
        if ((int)el_rng_below(rng, (uint32_t)(c->n - i)) >= want - w->n)
            continue;
        w->v[w->n++] = c->v[i];
        c->total += c->v[i];
    }
}

/* The witness holds, the total is in range, and no list entry is the total by itself. */
static int acceptable(const struct el_world_range *g, const struct el_world_claim *c,
                      const struct el_world_witness *w)
{
    struct el_world_step steps[EL_WORLD_LINES];
    int total, target;
    if (el_world_honest(c, w, steps, &total, &target) < 0 || total != target)
        return 0;
    if (target < g->total_lo || target > g->total_hi)
        return 0;
    for (int i = 0; c->family == EL_WORLD_SUB && i < c->n; i++)
        if (c->v[i] == c->total)
            return 0;
    return 1;
}

static void draw_claim(enum el_world_split split, enum el_world_family family, struct el_rng *rng,
                       struct el_world_claim *c)
{
    static void (*const draw[EL_WORLD_FAMILIES])(
        const struct el_world_range *, struct el_rng *, struct el_world_claim *,
        struct el_world_witness *) = {draw_pair, draw_pair, draw_mod, draw_sub};
    const struct el_world_range *g = el_world_range(split, family);
    enum el_world_split side = split == EL_WORLD_LARGE ? EL_WORLD_TEST : split;
    struct el_world_witness w;
    do {
        memset(c, 0, sizeof *c);
        c->family = family;
        draw[family](g, rng, c, &w);
    } while (!acceptable(g, c, &w) || el_world_claim_split(c) != side);
}

void el_world_problem_draw(enum el_world_split split, struct el_rng *rng,
                           struct el_world_problem *out)
{
    memset(out, 0, sizeof *out);
    int want = el_rng_range(rng, 2, EL_WORLD_CLAIMS);
    for (int f = 0; f < EL_WORLD_FAMILIES; f++) {
        uint32_t left = (uint32_t)(EL_WORLD_FAMILIES - f);
        if ((int)el_rng_below(rng, left) < want - out->n_claims)
            draw_claim(split, (enum el_world_family)f, rng, &out->claim[out->n_claims++]);
    }
}

void el_world_problem(enum el_world_split split, uint64_t index, struct el_world_problem *out)
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "el-world-index");
    el_digest_u64(&d, (uint64_t)split);
    el_digest_u64(&d, index);
    struct el_rng rng;
    el_rng_init(&rng, el_digest_key(&d));
    el_world_problem_draw(split, &rng, out);
}

static int keep(const struct el_world_claim *c, const struct el_world_witness *w,
                struct el_world_witness *out, int cap, int n)
{
    if (!el_world_witness_holds(c, w))
        return n;
    if (n < cap)
        out[n] = *w;
    return n + 1;
}

static int solve_pairs(const struct el_world_claim *c, int hi, struct el_world_witness *out,
                       int cap)
{
    int n = 0;
    for (int x = 1; x <= hi; x++)
        for (int y = 1; y <= hi; y++) {
            struct el_world_witness w = {2, {x, y}};
            n = keep(c, &w, out, cap, n);
        }
    return n;
}

static int solve_list(const struct el_world_claim *c, int least, int most,
                      struct el_world_witness *out, int cap)
{
    int n = 0;
    for (unsigned mask = 1; mask < 1u << c->n; mask++) {
        struct el_world_witness w = {0};
        for (int i = 0; i < c->n; i++)
            if (mask >> i & 1)
                w.v[w.n++] = c->v[i];
        if (w.n >= least && w.n <= most)
            n = keep(c, &w, out, cap, n);
    }
    return n;
}

int el_world_solve(const struct el_world_claim *c, struct el_world_witness *out, int cap)
{
    int n = 0;
    if (c->family == EL_WORLD_SUB) {
        n = solve_list(c, 2, 3, out, cap);
        return n ? n : solve_list(c, 1, c->n, out, cap);
    }
    if (c->family == EL_WORLD_MOD) {
        for (int x = 1; x <= c->v[0]; x++) {
            struct el_world_witness w = {1, {x}};
            n = keep(c, &w, out, cap, n);
        }
        return n;
    }
    n = solve_pairs(c, el_world_range(EL_WORLD_TRAIN, c->family)->w_hi, out, cap);
    return n ? n : solve_pairs(c, EL_WORLD_MAX, out, cap);
}
