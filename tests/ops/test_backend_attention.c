#include "core/ops/attention.h"
#include "tests/ops/paged.h"
#include "tests/ops/tree.h"

enum { CASES = 10 };

static struct el_attn random_attention(struct bench *b, const struct paged *p)
{
    struct el_attn a = {.at = p->at,
                        .heads = bench_below(b, 20) ? bench_size(b, 1, 16) : 70,
                        .latent = bench_size(b, 1, 70),
                        .rope = bench_below(b, 20),
                        .scale = 0.3f};
    int width = a.latent + a.rope;
    int64_t pairs = (int64_t)p->at.rows * a.heads;
    a.q = bench_normal(b, pairs * width);
    a.kv = bench_normal(b, (int64_t)p->cache_rows * width);
    a.out = bench_output(b, pairs * a.latent);
    a.lse = bench_output(b, pairs);
    return a;
}

static struct el_attn other_output(struct bench *b, struct el_attn a)
{
    int64_t pairs = (int64_t)a.at.rows * a.heads;
    a.out = bench_output(b, pairs * a.latent);
    a.lse = bench_output(b, pairs);
    return a;
}

static void same_attention(const struct el_attn *x, const struct el_attn *y, int row, int rows,
                           const char *what)
{
    int64_t at = (int64_t)row * y->heads, n = (int64_t)rows * y->heads;
    same_bits(x->out, y->out + at * y->latent, n * y->latent, what);
    same_bits(x->lse, y->lse + at, n, what);
}

static struct el_attn rows_alone(struct bench *b, const struct el_attn *a, int row, int rows)
{
    struct el_attn one = *a;
    one.at = some_rows(a->at, row, rows);
    one.q += (int64_t)row * a->heads * (a->latent + a->rope);
    one.selected = a->selected ? a->selected + (int64_t)row * a->topk : NULL;
    return other_output(b, one);
}

/* Prefill against decode: the same rows one by one, over the paged cache and over a plain one. */
static void check_invariance(struct bench *b, const struct paged *p, const struct el_attn *a)
{
    struct el_attn plain = other_output(b, *a);
    plain.at = p->plain;
    plain.kv = plain_cache(b, p, a->kv, a->latent + a->rope);
    bench_run(b, b->ops, 2, EL_OP_attn, &plain);
    same_attention(&plain, a, 0, a->at.rows, "attention over a plain cache");
    for (int threads = 2; threads <= MAX_THREADS; threads++) {
        struct el_attn again = other_output(b, *a);
        bench_run(b, b->ops, threads, EL_OP_attn, &again);
        same_attention(&again, a, 0, a->at.rows, "attention with other threads");
    }
    for (int i = 0; i < 4; i++) {
        int row = bench_below(b, a->at.rows),
            rows = i % 2 ? 1 : 1 + bench_below(b, a->at.rows - row);
        struct el_attn part = rows_alone(b, i < 2 ? a : &plain, row, rows);
        bench_run(b, b->ops, 1, EL_OP_attn, &part);
        same_attention(&part, a, row, rows, "attention of some rows");
    }
}

static void check_attention(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_attn a = random_attention(b, &p);
    int select = bench_below(b, 2);
    if (select) {
        a.topk = bench_size(b, 1, 300);
        a.selected = random_selection(b, &a.at, a.topk, 0);
    }
    struct el_attn expected = other_output(b, a);
    bench_run(b, el_ops_ref(), 1, EL_OP_attn, &expected);
    bench_run(b, b->ops, 1, EL_OP_attn, &a);
    int64_t pairs = (int64_t)a.at.rows * a.heads;
    close_to(a.out, expected.out, pairs * a.latent, 3e-5, "attention");
    close_to(a.lse, expected.lse, pairs, 1e-5, "attention lse");
    check_invariance(b, &p, &a);
}

/* Each selected key's weight summed over heads; nothing behind the last one is written. */
static void check_mass(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_attn a = random_attention(b, &p);
    a.topk = bench_size(b, 1, 300);
    a.selected = random_selection(b, &a.at, a.topk, 0);
    struct el_attn expected = other_output(b, a), plain = other_output(b, a);
    int64_t n = (int64_t)a.at.rows * a.topk;
    a.mass = bench_output(b, n);
    expected.mass = bench_twin(b, a.mass, n);
    bench_run(b, el_ops_ref(), 1, EL_OP_attn, &expected);
    bench_run(b, b->ops, 2, EL_OP_attn, &a);
    bench_run(b, b->ops, 2, EL_OP_attn, &plain);
    close_to(a.mass, expected.mass, n, 2e-5, "weights of keys");
    same_attention(&a, &plain, 0, a.at.rows, "attention that keeps its weights");
}

static void weights_of_keys_are_summed_over_heads(void **state)
{
    (void)state;
    for_every_backend(check_mass, CASES);
}

static void a_row_attends_alone_as_in_a_batch(void **state)
{
    (void)state;
    for_every_backend(check_attention, CASES);
}

static void check_everything_selected(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_attn dense = random_attention(b, &p), sparse = other_output(b, dense);
    sparse.topk = p.at.max_pos + 1 + bench_below(b, 3);
    sparse.selected = random_selection(b, &p.at, sparse.topk, 1);
    bench_run(b, b->ops, 1, EL_OP_attn, &dense);
    bench_run(b, b->ops, 1, EL_OP_attn, &sparse);
    same_attention(&sparse, &dense, 0, dense.at.rows, "all keys selected");
}

static void selecting_everything_is_dense(void **state)
{
    (void)state;
    for_every_backend(check_everything_selected, CASES);
}

/* Later positions may hold anything. */
static void check_future(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_attn a = random_attention(b, &p);
    bench_run(b, b->ops, 1, EL_OP_attn, &a);
    spoil_later_keys(&p, a.at.seq[0], a.at.pos[0], a.kv, a.latent + a.rope, NAN);
    struct el_attn again = other_output(b, a);
    bench_run(b, b->ops, 1, EL_OP_attn, &again);
    int64_t n = a.heads;
    same_bits(again.out, a.out, n * a.latent, "attention before NaN keys");
    same_bits(again.lse, a.lse, n, "attention before NaN keys");
}

static void no_row_sees_a_later_key(void **state)
{
    (void)state;
    for_every_backend(check_future, CASES);
}

static struct el_attn_bwd backward_of(struct bench *b, const struct paged *p,
                                      const struct el_attn *a)
{
    int64_t pairs = (int64_t)a->at.rows * a->heads, width = a->latent + a->rope;
    return (struct el_attn_bwd){.at = a->at,
                                .heads = a->heads,
                                .latent = a->latent,
                                .rope = a->rope,
                                .scale = a->scale,
                                .q = a->q,
                                .kv = a->kv,
                                .selected = a->selected,
                                .topk = a->topk,
                                .out = a->out,
                                .lse = a->lse,
                                .dout = bench_normal(b, pairs * a->latent),
                                .dq = bench_output(b, pairs * width),
                                .dkv = bench_output(b, p->cache_rows * width)};
}

static void check_backward(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_attn a = random_attention(b, &p);
    if (bench_below(b, 2)) {
        a.topk = bench_size(b, 1, 300);
        a.selected = random_selection(b, &a.at, a.topk, 0);
    }
    bench_run(b, el_ops_ref(), 1, EL_OP_attn, &a);
    struct el_attn_bwd d = backward_of(b, &p, &a), expected = d;
    int64_t width = a.latent + a.rope, dq = (int64_t)a.at.rows * a.heads * width;
    int64_t dkv = p.cache_rows * width;
    float *start = bench_twin(b, d.dkv, dkv);
    expected.dq = bench_output(b, dq);
    expected.dkv = bench_twin(b, start, dkv);
    bench_run(b, el_ops_ref(), 1, EL_OP_attn_bwd, &expected);
    bench_run(b, b->ops, 1, EL_OP_attn_bwd, &d);
    close_to(d.dq, expected.dq, dq, 2e-4, "attention dq");
    close_to(d.dkv, expected.dkv, dkv, 2e-4, "attention dkv");
    for (int threads = 2; threads <= MAX_THREADS; threads++) {
        struct el_attn_bwd again = d;
        again.dq = bench_output(b, dq);
        again.dkv = bench_twin(b, start, dkv);
        bench_run(b, b->ops, threads, EL_OP_attn_bwd, &again);
        same_bits(again.dq, d.dq, dq, "attention dq with other threads");
        same_bits(again.dkv, d.dkv, dkv, "attention dkv with other threads");
    }
    /* The plain layout adds the same numbers in the same order. */
    struct el_attn_bwd plain = d;
    plain.at = p.plain;
    plain.kv = plain_cache(b, &p, a.kv, (int)width);
    plain.dq = bench_output(b, dq);
    plain.dkv = bench_output(b, p.keys * width);
    memcpy(plain.dkv, plain_cache(b, &p, start, (int)width),
           (size_t)(p.keys * width) * sizeof(float));
    bench_run(b, b->ops, 2, EL_OP_attn_bwd, &plain);
    same_bits(plain.dq, d.dq, dq, "attention dq over a plain cache");
    same_bits(plain.dkv, plain_cache(b, &p, d.dkv, (int)width), p.keys * width,
              "attention dkv over a plain cache");
}

/* The selection of each row with one key changed: what neighbours of a trained model are like. */
static void make_alike(struct bench *b, const struct el_rows *at, int32_t *selected, int topk)
{
    for (int i = 1; i < at->rows; i++) {
        int32_t *row = selected + (int64_t)i * topk, *before = row - topk;
        int n = 0;
        while (n < topk && before[n] >= 0)
            n++;
        if (at->seq[i] != at->seq[i - 1] || at->pos[i] <= at->pos[i - 1] || n == 0)
            continue;
        memcpy(row, before, (size_t)topk * sizeof *row);
        if (n < topk && bench_below(b, 2))
            row[n++] = at->pos[i];
        else
            row[n - 1] = at->pos[i];
    }
}

/* Rows are worked on a few at a time: none may notice. With more than one chunk of keys, too. */
static void check_alone_of(struct bench *b, struct paged p, int most_topk)
{
    struct el_attn a = random_attention(b, &p);
    if (bench_below(b, 4)) {
        a.topk = bench_size(b, 1, most_topk);
        int32_t *selected = random_selection(b, &a.at, a.topk, 0);
        if (bench_below(b, 4))
            make_alike(b, &a.at, selected, a.topk);
        a.selected = selected;
    }
    bench_run(b, b->ops, 1, EL_OP_attn, &a);
    struct el_attn_bwd d = backward_of(b, &p, &a), alone = d;
    int64_t width = a.latent + a.rope, dq = (int64_t)a.at.rows * a.heads * width;
    alone.dq = bench_output(b, dq);
    alone.dkv = bench_twin(b, d.dkv, p.cache_rows * width);
    bench_run(b, b->ops, 2, EL_OP_attn_bwd, &d);
    for (int i = 0; i < a.at.rows; i++) {
        struct el_attn_bwd one = alone;
        int64_t first = (int64_t)i * a.heads;
        one.at = some_rows(a.at, i, 1);
        one.q += first * width, one.dq += first * width;
        one.out += first * a.latent, one.dout += first * a.latent, one.lse += first;
        one.selected = a.selected ? a.selected + (int64_t)i * a.topk : NULL;
        bench_run(b, b->ops, 1, EL_OP_attn_bwd, &one);
    }
    same_bits(d.dq, alone.dq, dq, "attention dq of rows one by one");
    same_bits(d.dkv, alone.dkv, p.cache_rows * width, "attention dkv of rows one by one");
}

static void check_alone(struct bench *b)
{
    check_alone_of(b, random_batch(b), 100);
}

static void check_alone_long(struct bench *b)
{
    check_alone_of(b, batch_of(b, 600), 400);
}

static void backward_of_a_row_does_not_depend_on_its_neighbours(void **state)
{
    (void)state;
    for_every_backend(check_alone, CASES);
    for_every_backend(check_alone_long, 3);
}

static void backward_agrees_and_is_ordered(void **state)
{
    (void)state;
    for_every_backend(check_backward, CASES);
}

/* ---- Sequences that share the rows of their beginnings ---- */

static struct el_attn attention_on(struct bench *b, const struct tree *t)
{
    const struct paged p = {.at = t->at, .cache_rows = t->at.rows};
    struct el_attn a = random_attention(b, &p);
    if (bench_below(b, 2)) {
        a.topk = bench_size(b, 1, 100);
        a.selected = random_selection(b, &a.at, a.topk, 0);
    }
    return a;
}

static struct el_attn attention_apart(struct bench *b, const struct tree *t, struct el_attn a)
{
    int width = a.latent + a.rope;
    a.at = t->apart;
    a.q = tree_apart(b, t, a.q, a.heads * width, 0);
    a.kv = tree_apart(b, t, a.kv, width, 0);
    a.selected = a.selected ? tree_apart_ints(b, t, a.selected, a.topk) : NULL;
    return other_output(b, a);
}

/* Rows attend as if each sequence had all its rows; into a shared key go the sums over those who
 * share it, rows ascending at any number of threads. */
static void check_tree(struct bench *b)
{
    struct tree t = random_tree(b);
    struct paged p = {.at = t.at, .cache_rows = t.at.rows};
    struct el_attn a = attention_on(b, &t), apart = attention_apart(b, &t, a);
    int key = a.latent + a.rope, out = a.heads * a.latent;
    bench_run(b, b->ops, 2, EL_OP_attn, &a);
    bench_run(b, b->ops, 2, EL_OP_attn, &apart);
    same_bits(a.out, tree_joined(b, &t, apart.out, out, 1), (int64_t)a.at.rows * out,
              "attention over shared rows");
    same_bits(apart.out, tree_apart(b, &t, a.out, out, 0), (int64_t)apart.at.rows * out,
              "attention of every copy");
    struct el_attn_bwd d = backward_of(b, &p, &a), each = d;
    int64_t dq = (int64_t)a.at.rows * a.heads * key, dkv = (int64_t)a.at.rows * key;
    int64_t each_dkv = (int64_t)t.apart.rows * key;
    memset(d.dkv, 0, (size_t)dkv * sizeof *d.dkv);
    each.at = apart.at, each.q = apart.q, each.kv = apart.kv, each.selected = apart.selected;
    each.out = apart.out, each.lse = apart.lse;
    each.dout = tree_apart(b, &t, d.dout, out, 1);
    each.dq = bench_output(b, (int64_t)t.apart.rows * a.heads * key);
    each.dkv = bench_output(b, each_dkv);
    memset(each.dkv, 0, (size_t)each_dkv * sizeof *each.dkv);
    bench_run(b, b->ops, 1, EL_OP_attn_bwd, &d);
    bench_run(b, b->ops, 1, EL_OP_attn_bwd, &each);
    same_bits(d.dq, tree_joined(b, &t, each.dq, a.heads * key, 1), dq, "dq over shared rows");
    close_to(d.dkv, tree_joined(b, &t, each.dkv, key, 0), dkv, 2e-4, "dkv of shared rows");
    for (int threads = 2; threads <= MAX_THREADS; threads++) {
        struct el_attn_bwd again = d;
        again.dq = bench_output(b, dq);
        again.dkv = bench_output(b, dkv);
        memset(again.dkv, 0, (size_t)dkv * sizeof *again.dkv);
        bench_run(b, b->ops, threads, EL_OP_attn_bwd, &again);
        same_bits(again.dq, d.dq, dq, "dq over shared rows with other threads");
        same_bits(again.dkv, d.dkv, dkv, "dkv of shared rows with other threads");
    }
}

static void shared_rows_gather_their_sequences(void **state)
{
    (void)state;
    for_every_backend(check_tree, CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_attends_alone_as_in_a_batch),
        cmocka_unit_test(weights_of_keys_are_summed_over_heads),
        cmocka_unit_test(selecting_everything_is_dense),
        cmocka_unit_test(no_row_sees_a_later_key),
        cmocka_unit_test(backward_agrees_and_is_ordered),
        cmocka_unit_test(backward_of_a_row_does_not_depend_on_its_neighbours),
        cmocka_unit_test(shared_rows_gather_their_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
