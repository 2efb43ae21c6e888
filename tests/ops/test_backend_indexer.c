#include "core/ops/indexer.h"
#include "tests/ops/paged.h"
#include "tests/ops/tree.h"

enum { CASES = 16 };

/* Small whole numbers: sums are exact in any order, so sets must agree to the last key, and equal
 * scores (the plateau at 0 above all) are frequent. */
static float *whole_numbers(struct bench *b, int64_t n, int size)
{
    float *x = bench_input(b, n, sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = (float)(bench_below(b, 2 * size + 1) - size);
    return x;
}

static int32_t *ints(struct bench *b, int64_t n)
{
    return (int32_t *)(void *)bench_output(b, n);
}

static void same_sets(const int32_t *x, const int32_t *y, int64_t n, const char *what)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != y[i])
            fail_msg("%s: entry %lld is %d and %d", what, (long long)i, x[i], y[i]);
}

static struct el_index_select random_select(struct bench *b, const struct paged *p)
{
    struct el_index_select a = {.at = p->at,
                                .heads = bench_size(b, 1, 9),
                                .dim = bench_size(b, 1, 70),
                                .topk = bench_size(b, 1, 150)};
    int64_t pairs = (int64_t)a.at.rows * a.heads;
    a.q = whole_numbers(b, pairs * a.dim, 1);
    a.w = whole_numbers(b, pairs, 2);
    a.k = whole_numbers(b, (int64_t)p->cache_rows * a.dim, 1);
    a.selected = ints(b, (int64_t)a.at.rows * a.topk);
    return a;
}

static void check_select(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_index_select a = random_select(b, &p), expected = a, again = a;
    int64_t n = (int64_t)a.at.rows * a.topk;
    expected.selected = ints(b, n);
    bench_run(b, el_ops_ref(), 1, EL_OP_index_select, &expected);
    bench_run(b, b->ops, 1, EL_OP_index_select, &a);
    same_sets(a.selected, expected.selected, n, "selection");
    for (int threads = 2; threads <= MAX_THREADS; threads++) {
        again.selected = ints(b, n);
        bench_run(b, b->ops, threads, EL_OP_index_select, &again);
        same_sets(again.selected, a.selected, n, "selection with other threads");
    }
    again.at = p.plain;
    again.k = plain_cache(b, &p, a.k, a.dim);
    bench_run(b, b->ops, 1, EL_OP_index_select, &again);
    same_sets(again.selected, a.selected, n, "selection over a plain cache");
}

static void sets_are_exact_and_ties_go_to_the_lowest(void **state)
{
    (void)state;
    for_every_backend(check_select, CASES);
}

/* Scores that round: a row alone must still choose what it chooses in the batch. */
static void check_select_alone(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_index_select a = random_select(b, &p);
    int64_t pairs = (int64_t)a.at.rows * a.heads;
    a.q = bench_normal(b, pairs * a.dim);
    a.w = bench_normal(b, pairs);
    a.k = bench_normal(b, (int64_t)p.cache_rows * a.dim);
    bench_run(b, b->ops, 2, EL_OP_index_select, &a);
    for (int i = 0; i < 5; i++) {
        int row = bench_below(b, a.at.rows);
        struct el_index_select one = a;
        one.at = some_rows(i % 2 ? a.at : p.plain, row, 1);
        one.k = i % 2 ? a.k : plain_cache(b, &p, a.k, a.dim);
        one.q += (int64_t)row * a.heads * a.dim;
        one.w += (int64_t)row * a.heads;
        one.selected = ints(b, a.topk);
        bench_run(b, b->ops, 1, EL_OP_index_select, &one);
        same_sets(one.selected, a.selected + (int64_t)row * a.topk, a.topk, "selection alone");
    }
}

static void a_row_selects_alone_as_in_a_batch(void **state)
{
    (void)state;
    for_every_backend(check_select_alone, CASES);
}

/* Two heads whose weights differ in sign make Inf - Inf = NaN of an infinite key: the worst score.
 * A NaN key is not greater than 0, so that relu leaves 0 of it. */
static void check_select_special(struct bench *b)
{
    enum { N = 40, TOPK = 5 };
    int32_t *seq = bench_input(b, 1, sizeof *seq), *pos = bench_input(b, 1, sizeof *pos);
    int32_t *table = bench_input(b, 1, sizeof *table), *selected = ints(b, TOPK);
    float *q = bench_input(b, 2, sizeof *q), *w = bench_input(b, 2, sizeof *w);
    float *k = bench_input(b, N, sizeof *k);
    *seq = 0, *pos = N - 1, *table = 0;
    q[0] = 1, q[1] = 1e-30f, w[0] = 1, w[1] = -1;
    for (int i = 0; i < N; i++)
        k[i] = i % 2 && i < 20 ? 0.25f * (float)(i % 4) : -1.0f;
    k[7] = k[31] = INFINITY, k[10] = NAN, k[35] = 3;
    struct el_index_select a = {.at = {1, 1, seq, pos, table, 1, 30, N - 1},
                                .heads = 2,
                                .dim = 1,
                                .q = q,
                                .w = w,
                                .k = k,
                                .topk = TOPK,
                                .selected = selected};
    bench_run(b, b->ops, 1, EL_OP_index_select, &a);
    same_sets(selected, (const int32_t[]){3, 11, 15, 19, 35}, TOPK, "selection with NaN and Inf");
}

static void nan_scores_come_last(void **state)
{
    (void)state;
    for_every_backend(check_select_special, 1);
}

struct loss_case {
    struct paged p;
    struct el_index_loss a;
    struct el_attn forward;
    int64_t dqi, dw, dk;
};

static void fresh_outputs(struct bench *b, const struct loss_case *c, const float *dk,
                          struct el_index_loss *a)
{
    a->loss = bench_output(b, a->at.rows);
    a->dqi = bench_output(b, c->dqi);
    a->dw = bench_output(b, c->dw);
    a->dk = bench_twin(b, dk, c->dk);
}

static struct loss_case random_loss(struct bench *b, struct paged p)
{
    struct loss_case c = {.p = p};
    struct el_index_loss a = {.at = c.p.at,
                              .heads = bench_size(b, 1, 9),
                              .latent = bench_size(b, 1, 40),
                              .rope = bench_below(b, 9),
                              .scale = 0.2f,
                              .index_heads = bench_size(b, 1, 7),
                              .index_dim = bench_size(b, 1, 40),
                              .coef = 0.7f};
    int64_t rows = a.at.rows, width = a.latent + a.rope, pairs = rows * a.heads;
    a.q = bench_normal(b, pairs * width);
    a.kv = bench_normal(b, c.p.cache_rows * width);
    if (bench_below(b, 2)) {
        a.topk = c.p.at.max_pos + 1;
        int32_t *selected = random_selection(b, &a.at, a.topk, 0);
        for (int64_t i = 0; i < rows; i++) /* no empty set: its loss is not defined */
            selected[i * a.topk] = selected[i * a.topk] < 0 ? 0 : selected[i * a.topk];
        a.selected = selected;
    }
    float *lse = bench_output(b, pairs);
    a.lse = lse;
    struct el_attn forward = {.at = a.at,
                              .heads = a.heads,
                              .latent = a.latent,
                              .rope = a.rope,
                              .scale = a.scale,
                              .q = a.q,
                              .kv = a.kv,
                              .selected = a.selected,
                              .topk = a.topk,
                              .out = bench_output(b, pairs * a.latent),
                              .lse = lse};
    if (a.selected)
        forward.mass = bench_output(b, rows * a.topk);
    c.forward = forward;
    bench_run(b, el_ops_ref(), 1, EL_OP_attn, &forward);
    c.dw = rows * a.index_heads, c.dqi = c.dw * a.index_dim;
    c.dk = (int64_t)c.p.cache_rows * a.index_dim;
    a.qi = bench_normal(b, c.dqi);
    float *w = bench_normal(b, c.dw);
    for (int64_t i = 0; i < c.dw; i++)
        w[i] *= 0.1f;
    a.w = w;
    a.k = bench_normal(b, c.dk);
    c.a = a;
    fresh_outputs(b, &c, bench_normal(b, c.dk), &c.a);
    return c;
}

/* The target as the attention kept it: the same loss without its queries and keys. A backend that
 * computes both itself has the same bits. */
static void check_kept_mass(struct bench *b, const struct loss_case *c,
                            const struct el_index_loss *expected, const float *dk)
{
    struct el_index_loss a = c->a, again = c->a;
    bench_run(b, b->ops, 1, EL_OP_attn, &c->forward); /* lse, too */
    fresh_outputs(b, c, dk, &again);
    bench_run(b, b->ops, 1, EL_OP_index_loss, &again);
    a.mass = c->forward.mass;
    a.q = a.kv = a.lse = NULL;
    fresh_outputs(b, c, dk, &a);
    bench_run(b, b->ops, 2, EL_OP_index_loss, &a);
    if (b->ops != el_ops_ref()) {
        same_bits(a.loss, again.loss, a.at.rows, "indexer loss of kept weights");
        same_bits(a.dk, again.dk, c->dk, "indexer dk of kept weights");
    }
    close_to(a.loss, expected->loss, a.at.rows, 1e-5, "indexer loss of kept weights");
    close_to(a.dqi, expected->dqi, c->dqi, 3e-5, "indexer dq of kept weights");
    close_to(a.dw, expected->dw, c->dw, 5e-5, "indexer dw of kept weights");
    close_to(a.dk, expected->dk, c->dk, 5e-5, "indexer dk of kept weights");
}

static void check_loss(struct bench *b)
{
    struct loss_case c = random_loss(b, random_batch(b));
    struct el_index_loss a = c.a, expected = a, again = a;
    float *dk = bench_twin(b, a.dk, c.dk);
    fresh_outputs(b, &c, dk, &expected);
    bench_run(b, el_ops_ref(), 1, EL_OP_index_loss, &expected);
    bench_run(b, b->ops, 1, EL_OP_index_loss, &a);
    close_to(a.loss, expected.loss, a.at.rows, 1e-5, "indexer loss");
    close_to(a.dqi, expected.dqi, c.dqi, 3e-5, "indexer dq");
    close_to(a.dw, expected.dw, c.dw, 5e-5, "indexer dw");
    close_to(a.dk, expected.dk, c.dk, 5e-5, "indexer dk");
    for (int threads = 2; threads <= MAX_THREADS; threads++) {
        fresh_outputs(b, &c, dk, &again);
        bench_run(b, b->ops, threads, EL_OP_index_loss, &again);
        same_bits(again.loss, a.loss, a.at.rows, "indexer loss with other threads");
        same_bits(again.dqi, a.dqi, c.dqi, "indexer dq with other threads");
        same_bits(again.dw, a.dw, c.dw, "indexer dw with other threads");
        same_bits(again.dk, a.dk, c.dk, "indexer dk with other threads");
    }
    again.loss = bench_output(b, a.at.rows);
    again.dqi = again.dw = again.dk = NULL;
    bench_run(b, b->ops, 1, EL_OP_index_loss, &again);
    same_bits(again.loss, a.loss, a.at.rows, "indexer loss without gradients");
    if (c.forward.mass)
        check_kept_mass(b, &c, &expected, dk);
}

static void loss_agrees_and_is_ordered(void **state)
{
    (void)state;
    for_every_backend(check_loss, CASES);
}

/* ---- Sequences that share the rows of their beginnings ---- */

static void check_select_tree(struct bench *b)
{
    struct tree t = random_tree(b);
    const struct paged p = {.at = t.at, .cache_rows = t.at.rows};
    struct el_index_select a = random_select(b, &p), apart = a;
    a.topk = apart.topk = bench_size(b, 1, 40);
    a.q = bench_normal(b, (int64_t)a.at.rows * a.heads * a.dim);
    a.k = bench_normal(b, (int64_t)a.at.rows * a.dim);
    a.selected = ints(b, (int64_t)a.at.rows * a.topk);
    apart.at = t.apart;
    apart.q = tree_apart(b, &t, a.q, a.heads * a.dim, 0);
    apart.w = tree_apart(b, &t, a.w, a.heads, 0);
    apart.k = tree_apart(b, &t, a.k, a.dim, 0);
    apart.selected = ints(b, (int64_t)t.apart.rows * a.topk);
    bench_run(b, b->ops, 2, EL_OP_index_select, &a);
    bench_run(b, b->ops, 2, EL_OP_index_select, &apart);
    same_sets(apart.selected, tree_apart_ints(b, &t, a.selected, a.topk),
              (int64_t)t.apart.rows * a.topk, "selection among shared rows");
}

static void shared_rows_are_selected_alike(void **state)
{
    (void)state;
    for_every_backend(check_select_tree, CASES);
}

static struct el_index_loss loss_apart(struct bench *b, const struct tree *t,
                                       const struct loss_case *c)
{
    struct el_index_loss a = c->a;
    int width = a.latent + a.rope;
    a.at = t->apart;
    a.q = tree_apart(b, t, a.q, a.heads * width, 0);
    a.kv = tree_apart(b, t, a.kv, width, 0);
    a.lse = tree_apart(b, t, a.lse, a.heads, 0);
    a.selected = a.selected ? tree_apart_ints(b, t, a.selected, a.topk) : NULL;
    a.qi = tree_apart(b, t, a.qi, a.index_heads * a.index_dim, 0);
    a.w = tree_apart(b, t, a.w, a.index_heads, 0);
    a.k = tree_apart(b, t, a.k, a.index_dim, 0);
    a.loss = bench_output(b, t->apart.rows);
    a.dqi = bench_output(b, (int64_t)t->apart.rows * a.index_heads * a.index_dim);
    a.dw = bench_output(b, (int64_t)t->apart.rows * a.index_heads);
    a.dk = bench_output(b, (int64_t)t->apart.rows * a.index_dim);
    memset(a.dk, 0, (size_t)t->apart.rows * (size_t)a.index_dim * sizeof *a.dk);
    return a;
}

/* A shared row weighs as much as its copies together. */
static void check_loss_tree(struct bench *b)
{
    struct tree t = random_tree(b);
    struct loss_case c = random_loss(b, (struct paged){.at = t.at, .cache_rows = t.at.rows});
    struct el_index_loss a = c.a, apart = loss_apart(b, &t, &c), again;
    int queries = a.index_heads * a.index_dim;
    a.row_weight = t.times;
    memset(a.dk, 0, (size_t)c.dk * sizeof *a.dk);
    again = a;
    bench_run(b, b->ops, 1, EL_OP_index_loss, &a);
    bench_run(b, b->ops, 1, EL_OP_index_loss, &apart);
    same_bits(apart.loss, tree_apart(b, &t, a.loss, 1, 0), t.apart.rows, "loss of shared rows");
    close_to(a.dqi, tree_joined(b, &t, apart.dqi, queries, 0), c.dqi, 1e-5, "dq of shared rows");
    close_to(a.dw, tree_joined(b, &t, apart.dw, a.index_heads, 0), c.dw, 1e-5, "dw of shared rows");
    close_to(a.dk, tree_joined(b, &t, apart.dk, a.index_dim, 0), c.dk, 5e-5, "dk of shared rows");
    for (int threads = 2; threads <= MAX_THREADS; threads++) {
        fresh_outputs(b, &c, a.dk, &again);
        memset(again.dk, 0, (size_t)c.dk * sizeof *again.dk);
        bench_run(b, b->ops, threads, EL_OP_index_loss, &again);
        same_bits(again.dqi, a.dqi, c.dqi, "dq of shared rows with other threads");
        same_bits(again.dk, a.dk, c.dk, "dk of shared rows with other threads");
    }
}

static void shared_rows_weigh_as_their_copies(void **state)
{
    (void)state;
    for_every_backend(check_loss_tree, CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_exact_and_ties_go_to_the_lowest),
        cmocka_unit_test(a_row_selects_alone_as_in_a_batch),
        cmocka_unit_test(nan_scores_come_last),
        cmocka_unit_test(loss_agrees_and_is_ordered),
        cmocka_unit_test(shared_rows_are_selected_alike),
        cmocka_unit_test(shared_rows_weigh_as_their_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
