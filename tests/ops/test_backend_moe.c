/* Experts, the embedding table, row copies and RoPE. */
#include "core/ops/moe.h"
#include "core/ops/pointwise.h"
#include "core/ops/rope.h"
#include "tests/ops/backend.h"

enum { CASES = 16 };

static int32_t *ints(struct bench *b, int64_t n)
{
    return (int32_t *)(void *)bench_output(b, n);
}

static struct el_moe_route random_router(struct bench *b)
{
    struct el_moe_route a = {.rows = bench_size(b, 1, 400),
                             .n_group = 1 + bench_below(b, 4),
                             .normalise = bench_below(b, 2),
                             .scale = 2.5f};
    int size = 2 + bench_below(b, 12), open;
    a.experts = a.n_group * size;
    a.topk_group = 1 + bench_below(b, a.n_group);
    open = a.n_group > 1 ? a.topk_group * size : a.experts;
    a.topk = 1 + bench_below(b, open < 8 ? open : 8);
    int64_t n = (int64_t)a.rows * a.experts, pairs = (int64_t)a.rows * a.topk;
    float *logits = bench_normal(b, n), *bias = bench_normal(b, a.experts);
    for (int64_t i = 0; i < n; i++) /* multiples of 1/4: ties exact, the rest far apart */
        logits[i] = roundf(4 * logits[i]) / 4;
    for (int i = 0; i < a.experts; i++)
        bias[i] = bench_below(b, 3) ? 0.0f : roundf(8 * bias[i]) / 8;
    a.logits = logits;
    a.bias = bias;
    a.chosen = ints(b, pairs);
    a.weight = bench_output(b, pairs);
    return a;
}

static void check_route(struct bench *b)
{
    struct el_moe_route a = random_router(b), expected = a, one = a;
    int64_t pairs = (int64_t)a.rows * a.topk;
    expected.chosen = ints(b, pairs);
    expected.weight = bench_output(b, pairs);
    bench_run(b, el_ops_ref(), 1, EL_OP_moe_route, &expected);
    bench_run(b, b->ops, 3, EL_OP_moe_route, &a);
    assert_memory_equal(a.chosen, expected.chosen, (size_t)pairs * sizeof *a.chosen);
    close_to(a.weight, expected.weight, pairs, 2e-6, "gate weights");
    int64_t row = bench_below(b, a.rows);
    one.rows = 1, one.logits += row * a.experts;
    one.chosen = ints(b, a.topk);
    one.weight = bench_output(b, a.topk);
    bench_run(b, b->ops, 1, EL_OP_moe_route, &one);
    assert_memory_equal(one.chosen, a.chosen + row * a.topk, (size_t)a.topk * sizeof *a.chosen);
    same_bits(one.weight, a.weight + row * a.topk, a.topk, "gate weights of one row");
    a.forced = expected.chosen, a.chosen = ints(b, pairs), a.weight = bench_output(b, pairs);
    bench_run(b, b->ops, 2, EL_OP_moe_route, &a);
    assert_memory_equal(a.chosen, a.forced, (size_t)pairs * sizeof *a.chosen);
    close_to(a.weight, expected.weight, pairs, 2e-6, "gate weights of a forced choice");

    struct el_moe_route_bwd d = {.rows = a.rows,
                                 .experts = a.experts,
                                 .topk = a.topk,
                                 .normalise = a.normalise,
                                 .scale = a.scale,
                                 .logits = a.logits,
                                 .chosen = a.chosen,
                                 .dweight = bench_normal(b, pairs)};
    struct el_moe_route_bwd exact = d;
    int64_t n = (int64_t)a.rows * a.experts;
    d.dlogits = bench_output(b, n);
    exact.dlogits = bench_output(b, n);
    bench_run(b, el_ops_ref(), 1, EL_OP_moe_route_bwd, &exact);
    bench_run(b, b->ops, 3, EL_OP_moe_route_bwd, &d);
    close_to(d.dlogits, exact.dlogits, n, 5e-6, "router dlogits");
}

static void router(void **state)
{
    (void)state;
    for_every_backend(check_route, CASES);
}

/* A random choice of experts and its plan. */
struct plan {
    int rows, experts, topk, width;
    int64_t pairs;
    int32_t *offsets, *place, *source;
};

static struct plan random_plan(struct bench *b)
{
    struct plan p = {.rows = bench_size(b, 1, 500),
                     .experts = 8,
                     .topk = 1 + bench_below(b, 4),
                     .width = bench_size(b, 1, 130)};
    p.pairs = (int64_t)p.rows * p.topk;
    int32_t *chosen = bench_input(b, p.pairs, sizeof *chosen);
    for (int i = 0; i < p.rows; i++) {
        int first = bench_below(b, 5);
        for (int k = 0; k < p.topk; k++)
            chosen[(int64_t)i * p.topk + k] = first + k;
    }
    p.offsets = ints(b, p.experts + 1);
    p.place = ints(b, p.pairs);
    p.source = ints(b, p.pairs);
    struct el_moe_plan a = {p.rows, p.experts, p.topk, chosen, p.offsets, p.place, p.source};
    bench_run(b, b->ops, 2, EL_OP_moe_plan, &a);
    for (int64_t i = 0; i < p.pairs; i++) {
        assert_int_equal(p.source[p.place[i]], i / p.topk);
        assert_in_range(p.place[i], p.offsets[chosen[i]], p.offsets[chosen[i] + 1] - 1);
    }
    return p;
}

static void check_gather(struct bench *b)
{
    struct plan p = random_plan(b);
    int64_t n = (int64_t)p.rows * p.width, wide = p.pairs * p.width;
    struct el_moe_gather a = {(int)p.pairs, p.width, bench_normal(b, n), p.source,
                              bench_output(b, wide)};
    bench_run(b, b->ops, 3, EL_OP_moe_gather, &a);
    for (int64_t i = 0; i < p.pairs; i++)
        same_bits(a.y + i * p.width, a.x + (int64_t)p.source[i] * p.width, p.width, "gather");
    struct el_moe_gather_bwd d = {p.rows, p.width, p.topk, a.y, p.place, bench_output(b, n)};
    struct el_moe_gather_bwd expected = d, again = d;
    expected.dx = bench_twin(b, d.dx, n);
    again.dx = bench_twin(b, d.dx, n);
    bench_run(b, el_ops_ref(), 1, EL_OP_moe_gather_bwd, &expected);
    bench_run(b, b->ops, 1, EL_OP_moe_gather_bwd, &d);
    bench_run(b, b->ops, 3, EL_OP_moe_gather_bwd, &again);
    close_to(d.dx, expected.dx, n, 1e-6, "gather dx");
    same_bits(again.dx, d.dx, n, "gather dx with other threads");
}

static void gather(void **state)
{
    (void)state;
    for_every_backend(check_gather, CASES);
}

static void check_combine(struct bench *b)
{
    struct plan p = random_plan(b);
    int64_t n = (int64_t)p.rows * p.width, wide = p.pairs * p.width;
    struct el_moe_combine a = {p.rows,
                               p.width,
                               p.topk,
                               bench_normal(b, wide),
                               p.place,
                               bench_normal(b, p.pairs),
                               bench_output(b, n)};
    struct el_moe_combine expected = a, one = a;
    int64_t row = bench_below(b, p.rows);
    expected.out = bench_twin(b, a.out, n);
    one.rows = 1, one.place += row * p.topk, one.weight += row * p.topk;
    one.out = bench_twin(b, a.out + row * p.width, p.width);
    bench_run(b, el_ops_ref(), 1, EL_OP_moe_combine, &expected);
    bench_run(b, b->ops, 3, EL_OP_moe_combine, &a);
    bench_run(b, b->ops, 1, EL_OP_moe_combine, &one);
    close_to(a.out, expected.out, n, 2e-6, "combine");
    same_bits(one.out, a.out + row * p.width, p.width, "combine of one row");
    struct el_moe_combine_bwd d = {p.rows,
                                   p.width,
                                   p.topk,
                                   a.y,
                                   p.place,
                                   a.weight,
                                   bench_normal(b, n),
                                   bench_output(b, wide),
                                   bench_output(b, p.pairs)};
    struct el_moe_combine_bwd exact = d;
    exact.dy = bench_output(b, wide);
    exact.dweight = bench_output(b, p.pairs);
    bench_run(b, el_ops_ref(), 1, EL_OP_moe_combine_bwd, &exact);
    bench_run(b, b->ops, 3, EL_OP_moe_combine_bwd, &d);
    close_to(d.dy, exact.dy, wide, 1e-6, "combine dy");
    close_to(d.dweight, exact.dweight, p.pairs, 2e-5, "combine dweight");
}

static void combine(void **state)
{
    (void)state;
    for_every_backend(check_combine, CASES);
}

static void check_embedding(struct bench *b)
{
    int rows = bench_size(b, 1, 700), width = bench_size(b, 1, 130), vocab = bench_size(b, 1, 40);
    int64_t n = (int64_t)rows * width, size = (int64_t)vocab * width;
    int32_t *token = bench_input(b, rows, sizeof *token);
    for (int i = 0; i < rows; i++)
        token[i] = bench_below(b, vocab);
    struct el_embed a = {rows, width, token, bench_normal(b, size), bench_output(b, n)};
    bench_run(b, b->ops, 3, EL_OP_embed, &a);
    for (int64_t i = 0; i < rows; i++)
        same_bits(a.x + i * width, a.table + (int64_t)token[i] * width, width, "embed");
    struct el_embed_bwd d = {rows, width, vocab, token, a.x, bench_output(b, size)};
    float *start = bench_twin(b, d.dtable, size);
    bench_run(b, el_ops_ref(), 1, EL_OP_embed_bwd, &d);
    for (int threads = 1; threads <= MAX_THREADS; threads++) {
        struct el_embed_bwd again = d; /* only sums in row order: the reference's bits */
        again.dtable = bench_twin(b, start, size);
        bench_run(b, b->ops, threads, EL_OP_embed_bwd, &again);
        same_bits(again.dtable, d.dtable, size, "embedding gradient");
    }
}

static void embedding(void **state)
{
    (void)state;
    for_every_backend(check_embedding, CASES);
}

static void check_copy(struct bench *b)
{
    struct el_copy_rows a = {.rows = bench_size(b, 1, 500),
                             .width = bench_size(b, 1, 90),
                             .accumulate = bench_below(b, 2)};
    a.src_row = a.width + bench_below(b, 9), a.dst_row = a.width + bench_below(b, 9);
    int64_t n = a.rows * a.dst_row;
    int32_t *from = bench_input(b, a.rows, sizeof *from), *to = bench_input(b, a.rows, sizeof *to);
    for (int i = 0; i < a.rows; i++)
        from[i] = bench_below(b, a.rows), to[i] = a.rows - 1 - i;
    a.from = bench_below(b, 2) ? from : NULL;
    a.to = bench_below(b, 2) ? to : NULL;
    a.src = bench_normal(b, (a.rows - 1) * a.src_row + a.width);
    a.dst = bench_output(b, n);
    struct el_copy_rows expected = a;
    expected.dst = bench_twin(b, a.dst, n);
    bench_run(b, el_ops_ref(), 1, EL_OP_copy_rows, &expected);
    bench_run(b, b->ops, 3, EL_OP_copy_rows, &a);
    same_bits(a.dst, expected.dst, n, "copy_rows");
}

static void copy_rows(void **state)
{
    (void)state;
    for_every_backend(check_copy, CASES);
}

static void check_rope(struct bench *b)
{
    enum { POSITIONS = 50 };
    struct el_rope a = {.rows = bench_size(b, 1, 300),
                        .heads = bench_size(b, 1, 8),
                        .dim = 2 * bench_size(b, 1, 40),
                        .interleaved = bench_below(b, 2),
                        .inverse = bench_below(b, 2)};
    a.x_head = a.dim + bench_below(b, 20), a.y_head = a.dim + bench_below(b, 20);
    a.x_row = a.heads * a.x_head, a.y_row = a.heads * a.y_head + 1;
    int32_t *pos = bench_input(b, a.rows, sizeof *pos);
    for (int i = 0; i < a.rows; i++)
        pos[i] = bench_below(b, POSITIONS);
    int64_t size = (a.rows - 1) * a.x_row + (a.heads - 1) * a.x_head + a.dim;
    int64_t y_size = (a.rows - 1) * a.y_row + (a.heads - 1) * a.y_head + a.dim;
    a.pos = pos;
    a.x = bench_normal(b, size);
    a.cos = bench_normal(b, POSITIONS * (a.dim / 2));
    a.sin = bench_normal(b, POSITIONS * (a.dim / 2));
    a.y = bench_output(b, y_size);
    struct el_rope expected = a, inplace = a, one = a;
    expected.y = bench_twin(b, a.y, y_size);
    bench_run(b, el_ops_ref(), 1, EL_OP_rope, &expected);
    bench_run(b, b->ops, 3, EL_OP_rope, &a);
    close_to(a.y, expected.y, y_size, 1e-6, "rope"); /* what lies between the slices, too */
    int row = bench_below(b, a.rows);
    one.rows = 1, one.pos += row, one.x += row * a.x_row;
    one.y = bench_output(b, (a.heads - 1) * a.y_head + a.dim);
    bench_run(b, b->ops, 1, EL_OP_rope, &one);
    inplace.y = bench_twin(b, a.x, size);
    inplace.x = inplace.y, inplace.y_row = a.x_row, inplace.y_head = a.x_head;
    bench_run(b, b->ops, 2, EL_OP_rope, &inplace);
    for (int64_t h = 0; h < a.heads; h++)
        same_bits(one.y + h * a.y_head, a.y + row * a.y_row + h * a.y_head, a.dim, "rope alone");
    for (int64_t i = 0; i < a.rows; i++)
        for (int64_t h = 0; h < a.heads; h++)
            same_bits(inplace.y + i * a.x_row + h * a.x_head, a.y + i * a.y_row + h * a.y_head,
                      a.dim, "rope in place");
}

static void rope(void **state)
{
    (void)state;
    for_every_backend(check_rope, CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(router),    cmocka_unit_test(gather),    cmocka_unit_test(combine),
        cmocka_unit_test(embedding), cmocka_unit_test(copy_rows), cmocka_unit_test(rope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
