#include "refine/label_grid.h"

#include "core/base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "out of memory for a grid of rules");
}

/* ---------------------------------------------------------------------------------- the rules */

static int next_power(int x, int most)
{
    return x == most ? most + 1 : 2 * x < most ? 2 * x : most;
}

/* 1, 2, 3, 4, 6, 8, 12, 16, ... */
static int next_k(int k)
{
    int half_again = k + k / 2;
    return k < 3 ? k + 1 : (k & (k - 1)) == 0 ? half_again : k + k / 3;
}

/* Writes the rules to out (NULL: only counts them). */
static int list_rules(const struct el_label_rule *most, struct el_label_grid_row *out)
{
    int count = 0;
    for (int n = 1; n <= most->n; n = next_power(n, most->n))
        for (int m = 1; m <= most->m; m = next_power(m, most->m))
            for (int k = 1; k <= n; k = next_k(k))
                for (int i = 0; i < 2 * EL_LOWESTS; i++, count++)
                    if (out)
                        out[count].rule = (struct el_label_rule){
                            n, m, k, i % 2 ? EL_SCORE_ONE : EL_SCORE_HALF, i / 2};
    return count;
}

/* -------------------------------------------------------------------------------------- a rule */

struct work {
    struct el_labelling *s;
    struct el_label_case *cases; /* (items) */
    struct el_figures figures;
};

/* The distinct texts among those that are to be examined, which become examined. */
static int examine(struct el_labelling *s, int item, const struct el_label_rule *r,
                   const struct el_label_view *whole, struct el_label_view *views)
{
    const struct el_label_item *x = &s->items[item];
    int texts = 0;
    for (int i = 0; i < r->n; i++) {
        if (!s->examine[i])
            continue;
        texts += views[i].verdict == EL_VERDICT_NONE;
        for (int j = i; j < r->n; j++)
            if (x->texts[j] == x->texts[i])
                views[j].verdict = whole[j].verdict;
    }
    return texts;
}

/* How many replies the rule takes for an item when it asks step by step; s->views hold everything
 * that it may look at. */
static int count_replies(struct el_labelling *s, int item, const struct el_label_rule *r)
{
    struct el_label_view views[EL_MAX_ANALYSES];
    struct el_label_result x;
    int replies = r->n;
    memcpy(views, s->views, (size_t)r->n * sizeof *views);
    for (int i = 0; i < r->n; i++)
        views[i].verdict = EL_VERDICT_NONE;
    while (!el_label_decide(r, views, &x, s->examine))
        replies += r->m * examine(s, item, r, s->views, views);
    return replies;
}

static int missing(const struct el_labelling *s, int item, struct el_error *err)
{
    return el_error_set(err, EL_ENOTFOUND,
                        "run '%s': not every analysis of proof %lld that reports issues was "
                        "examined; run label with --model and --grid first",
                        s->set.name, (long long)s->items[item].proof);
}

static int measure_rule(struct work *w, struct el_label_grid_row *row, struct el_error *err)
{
    struct el_labelling *s = w->s;
    double replies = 0;
    for (int i = 0; i < s->n_items; i++) {
        struct el_label_result x;
        if (!el_labelling_decide(s, i, &row->rule, &x))
            return missing(s, i, err);
        w->cases[i].label = (signed char)x.halves;
        replies += count_replies(s, i, &row->rule);
    }
    row->replies = replies / s->n_items;
    return el_label_measure(w->cases, s->n_items, &w->figures, &row->figures, err);
}

static int prepare(struct work *w, struct el_label_grid *g, struct el_store *store,
                   const struct el_label_proofs *p, struct el_error *err)
{
    struct el_labelling *s = w->s;
    signed char *truth = el_alloc_array((size_t)s->n_items + 1, 1);
    if (!truth)
        return no_memory(err);
    int rc = el_label_truth(s, store, p, truth, err);
    for (int i = 0; rc == 0 && i < s->n_items; i++) {
        int copies = 0;
        for (int c = s->items[i].first_copy; c >= 0; c = s->copies[c].next)
            copies++;
        w->cases[i] = (struct el_label_case){
            .problem = s->items[i].problem, .copies = copies, .truth = truth[i]};
        g->proofs[truth[i]] += copies;
    }
    el_free(truth);
    return rc;
}

/* ---------------------------------------------------------------------------------- the order */

static int covers(const struct el_label_grid_row *r)
{
    return el_label_least_covered(&r->figures) >= 0.6;
}

static int compare(double a, double b)
{
    return (a > b) - (a < b);
}

static int by_merit(const void *a, const void *b)
{
    const struct el_label_grid_row *x = a, *y = b;
    int c = covers(y) - covers(x);
    if (c == 0)
        c = compare(el_label_worst(&y->figures), el_label_worst(&x->figures));
    if (c == 0)
        c = compare(y->figures.covered_all.value, x->figures.covered_all.value);
    if (c == 0)
        c = compare(x->replies, y->replies);
    return c ? c : memcmp(&x->rule, &y->rule, sizeof x->rule);
}

static int make(struct el_label_grid *g, struct work *w, struct el_store *store,
                const struct el_label_proofs *p, struct el_error *err)
{
    int rc = prepare(w, g, store, p, err);
    for (int i = 0; rc == 0 && i < g->n; i++)
        rc = measure_rule(w, &g->rows[i], err);
    if (rc == 0)
        rc = el_figures_compute(&w->figures, err);
    if (rc == 0)
        qsort(g->rows, (size_t)g->n, sizeof *g->rows, by_merit);
    return rc;
}

int el_label_grid_make(struct el_label_grid *g, struct el_labelling *s, struct el_store *store,
                       const struct el_label_proofs *p, const struct el_label_rule *largest,
                       const struct el_label_grid_options *o, struct el_error *err)
{
    *g = (struct el_label_grid){.largest = *largest,
                                .n = list_rules(largest, NULL),
                                .problems = p->contest.n,
                                .texts = s->n_items,
                                .resamples = o->resamples > 0 ? o->resamples : 10000};
    struct work w = {
        .s = s,
        .cases = el_alloc_array((size_t)s->n_items + 1, sizeof *w.cases),
        .figures = {.n_problems = p->contest.n, .resamples = g->resamples, .seed = o->seed}};
    g->rows = el_alloc_array((size_t)g->n, sizeof *g->rows);
    int rc = g->rows && w.cases ? 0 : no_memory(err);
    if (rc == 0) {
        list_rules(largest, g->rows);
        rc = make(g, &w, store, p, err);
    }
    el_figures_release(&w.figures);
    el_free(w.cases);
    if (rc < 0)
        el_label_grid_release(g);
    return rc;
}

void el_label_grid_release(struct el_label_grid *g)
{
    el_free(g->rows);
    memset(g, 0, sizeof *g);
}
