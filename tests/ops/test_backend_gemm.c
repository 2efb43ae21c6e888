#include "core/ops/gemm.h"
#include "tests/ops/groups.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CASES = 30 };

enum { FORMS = 5, COLUMNS_OF_A = 1 };

static struct el_gemm product_in(struct bench *b, int form, int m, int n, int k)
{
    struct el_gemm g = {.m = m, .n = n, .k = k, .accumulate = bench_below(b, 2)};
    int64_t a_pad = bench_below(b, 4), b_pad = bench_below(b, 4);
    g.a_row = form == COLUMNS_OF_A ? 1 : g.k + a_pad;
    g.a_col = form == COLUMNS_OF_A ? g.m + a_pad : 1;
    g.b_row = form == 2 ? 1 : g.n + b_pad;
    g.b_col = form == 2 ? g.k + b_pad : 1;
    if (form == 3) { /* no stride is 1 */
        g.a_row = 2 * g.k + 1, g.a_col = 2;
        g.b_row = 3, g.b_col = 3 * g.k + 1;
    }
    g.c_row = g.n + bench_below(b, 3);
    g.a = bench_normal(b, (g.m - 1) * g.a_row + (g.k - 1) * g.a_col + 1);
    g.b = bench_normal(b, (g.k - 1) * g.b_row + (g.n - 1) * g.b_col + 1);
    g.c = bench_output(b, (g.m - 1) * g.c_row + g.n);
    return g;
}

static struct el_gemm product_of(struct bench *b, int m, int n, int k)
{
    return product_in(b, bench_below(b, FORMS), m, n, k);
}

static struct el_gemm random_product(struct bench *b)
{
    int m = bench_size(b, 1, 90), n = bench_size(b, 1, 200);
    return product_of(b, m, n, bench_size(b, 1, 600));
}

static int64_t c_size(const struct el_gemm *g)
{
    return (g->m - 1) * g->c_row + g->n;
}

/* Relative to a sum of k terms of size about 1. */
static double tolerance(const struct el_gemm *g)
{
    return 3e-7 * sqrt(g->k) * 4;
}

static void check_product_of(struct bench *b, struct el_gemm g)
{
    struct el_gemm expected = g;
    float *start = bench_twin(b, g.c, c_size(&g));
    expected.c = bench_twin(b, g.c, c_size(&g));
    bench_run(b, el_ops_ref(), 1, EL_OP_gemm, &expected);
    bench_run(b, b->ops, 1, EL_OP_gemm, &g);
    close_to(g.c, expected.c, c_size(&g), tolerance(&g), "gemm");
    for (int threads = 2; threads <= MAX_THREADS; threads++) {
        struct el_gemm again = g;
        again.c = bench_twin(b, start, c_size(&g));
        bench_run(b, b->ops, threads, EL_OP_gemm, &again);
        same_bits(again.c, g.c, c_size(&g), "gemm with other threads");
    }
    for (int round = 0; round < 4; round++) { /* some of the rows, some of the columns */
        struct el_gemm part = g;
        int row = bench_below(b, g.m), col = bench_below(b, g.n);
        part.m = round < 2 ? 1 : 1 + bench_below(b, g.m - row);
        part.n = 1 + bench_below(b, g.n - col);
        part.a += row * g.a_row;
        part.b += col * g.b_col;
        part.c = bench_twin(b, start + row * g.c_row + col, c_size(&part));
        bench_run(b, b->ops, 1, EL_OP_gemm, &part);
        for (int64_t i = 0; i < part.m; i++)
            same_bits(part.c + i * g.c_row, g.c + (row + i) * g.c_row + col, part.n,
                      "gemm of some rows");
    }
}

static void check_product(struct bench *b)
{
    check_product_of(b, random_product(b));
}

static void a_row_does_not_depend_on_the_batch(void **state)
{
    (void)state;
    for_every_backend(check_product, CASES);
}

/* Several blocks of rows and so many panels that both sides are packed. */
static void check_large(struct bench *b)
{
    int m = 380 + bench_below(b, 500), n = 100 + bench_below(b, 250);
    check_product_of(b, product_of(b, m, n, bench_size(b, 1, 300)));
}

static void a_row_does_not_depend_on_a_large_batch(void **state)
{
    (void)state;
    for_every_backend(check_large, 6);
}

/* Gradients of weights: long sums over rows, of which A and B are packed a stretch at a time. */
static void check_long(struct bench *b)
{
    int m = bench_size(b, 1, 300), n = 40 + bench_below(b, 200);
    check_product_of(b, product_in(b, COLUMNS_OF_A, m, n, 500 + bench_below(b, 4000)));
}

static void a_long_sum_is_one_chain(void **state)
{
    (void)state;
    for_every_backend(check_long, 6);
}

/* What products of a batch or of groups give must be what each gives alone. */
enum { BATCH = 3 };

static void check_batch_of(struct bench *b, struct el_gemm g)
{
    int64_t c_size = (int64_t)BATCH * g.m * g.n;
    g.batch = BATCH;
    g.accumulate = bench_below(b, 2);
    g.a = bench_normal(b, (int64_t)BATCH * g.m * g.k);
    g.b = bench_normal(b, (int64_t)BATCH * g.n * g.k);
    g.c = bench_output(b, c_size);
    struct el_gemm alone = g;
    float *c = alone.c = bench_twin(b, g.c, c_size);
    bench_run(b, b->ops, 2, EL_OP_gemm, &g);
    alone.batch = 1;
    for (int i = 0; i < BATCH; i++) {
        bench_run(b, b->ops, 1, EL_OP_gemm, &alone);
        alone.a += g.a_batch, alone.b += g.b_batch, alone.c += g.c_batch;
    }
    same_bits(g.c, c, c_size, "gemm of a batch");
}

static void check_batch(struct bench *b)
{
    struct el_gemm g = {
        .m = bench_size(b, 1, 70), .n = bench_size(b, 1, 70), .k = bench_size(b, 1, 50)};
    g.a_row = g.k, g.a_col = 1, g.b_row = 1, g.b_col = g.k, g.c_row = g.n;
    g.a_batch = (int64_t)g.m * g.k, g.b_batch = (int64_t)g.n * g.k;
    g.c_batch = (int64_t)g.m * g.n;
    check_batch_of(b, g);
}

/* Heads: a row holds the parts of all products. */
static void check_side_by_side(struct bench *b)
{
    struct el_gemm g = {
        .m = bench_size(b, 1, 400), .n = bench_size(b, 1, 70), .k = bench_size(b, 1, 50)};
    g.a_row = BATCH * g.k, g.a_col = 1, g.a_batch = g.k;
    g.b_row = g.n, g.b_col = 1, g.b_batch = (int64_t)g.n * g.k;
    g.c_row = BATCH * g.n, g.c_batch = g.n;
    check_batch_of(b, g);
}

/* The gradients of their weights. */
static void check_long_side_by_side(struct bench *b)
{
    struct el_gemm g = {.m = 60 + bench_below(b, 90),
                        .n = 40 + bench_below(b, 120),
                        .k = 500 + bench_below(b, 3000)};
    g.a_row = 1, g.a_col = BATCH * g.m, g.a_batch = g.m;
    g.b_row = BATCH * g.n, g.b_col = 1, g.b_batch = g.n;
    g.c_row = g.n, g.c_batch = (int64_t)g.m * g.n;
    check_batch_of(b, g);
}

static void a_batch_is_its_products(void **state)
{
    (void)state;
    for_every_backend(check_batch, CASES);
    for_every_backend(check_side_by_side, CASES);
    for_every_backend(check_long_side_by_side, 6);
}

static void check_groups(struct bench *b, enum el_group group)
{
    int sums = group == EL_GROUP_K, large = !bench_below(b, sums ? 3 : 8);
    int rows = !large ? bench_size(b, 1, 300) : sums ? 6000 : 2500;
    struct el_gemm g = {.n = bench_size(b, 1, bench_below(b, 4) ? 70 : 400),
                        .batch = GROUPS,
                        .group = group,
                        .offsets = random_offsets(b, rows),
                        .accumulate = bench_below(b, 2)};
    int64_t c_size;
    if (group == EL_GROUP_ROWS) {
        g.m = rows, g.k = bench_size(b, 1, 60);
        g.a_row = g.k, g.a_col = 1, g.b_row = 1, g.b_col = g.k;
        c_size = (int64_t)rows * g.n;
    } else {
        g.k = rows, g.m = bench_size(b, 1, large ? 150 : 60);
        g.a_row = 1, g.a_col = g.m, g.b_row = g.n, g.b_col = 1;
        c_size = (int64_t)GROUPS * g.m * g.n;
    }
    g.c_row = g.n, g.c_batch = (int64_t)g.m * g.n, g.b_batch = (int64_t)g.n * g.k;
    g.a = bench_normal(b, (int64_t)g.m * g.k);
    g.b = bench_normal(b, group == EL_GROUP_ROWS ? GROUPS * g.b_batch : (int64_t)rows * g.n);
    g.c = bench_output(b, c_size);
    float *alone = bench_twin(b, g.c, c_size), *again = bench_twin(b, g.c, c_size);
    bench_run(b, b->ops, 1, EL_OP_gemm, &g);
    for (int i = 0; i < GROUPS; i++) {
        struct el_gemm one = g;
        int64_t from = g.offsets[i], n = g.offsets[i + 1] - from;
        one.group = EL_GROUP_NONE, one.batch = 1, one.offsets = NULL;
        one.a += group == EL_GROUP_ROWS ? from * g.a_row : from * g.a_col;
        one.b += group == EL_GROUP_ROWS ? i * g.b_batch : from * g.b_row;
        one.c = alone + (group == EL_GROUP_ROWS ? from * g.c_row : i * g.c_batch);
        *(group == EL_GROUP_ROWS ? &one.m : &one.k) = (int)n;
        bench_run(b, b->ops, 1, EL_OP_gemm, &one);
    }
    same_bits(g.c, alone, c_size, "gemm of groups");
    g.c = again;
    bench_run(b, b->ops, 3, EL_OP_gemm, &g);
    same_bits(again, alone, c_size, "gemm of groups with other threads");
}

static void check_row_groups(struct bench *b)
{
    check_groups(b, EL_GROUP_ROWS);
}

static void check_sum_groups(struct bench *b)
{
    check_groups(b, EL_GROUP_K);
}

static void groups_are_their_products(void **state)
{
    (void)state;
    for_every_backend(check_row_groups, CASES);
    for_every_backend(check_sum_groups, CASES);
}

/* B packed ahead, by the same table. */
static void pack(struct bench *b, struct el_gemm *g, int threads)
{
    int64_t n = (g->batch > 1 ? g->batch : 1) * el_gemm_packed_floats(g->n, g->k);
    struct el_gemm_pack p = {.n = g->n,
                             .k = g->k,
                             .b = g->b,
                             .b_row = g->b_row,
                             .b_col = g->b_col,
                             .batch = g->batch,
                             .b_batch = g->b_batch,
                             .packed = bench_output(b, n)};
    bench_run(b, b->ops, threads, EL_OP_gemm_pack, &p);
    g->packed = p.packed;
}

static void check_packed(struct bench *b)
{
    struct el_gemm g = random_product(b), ahead = g;
    ahead.c = bench_twin(b, g.c, c_size(&g));
    pack(b, &ahead, 1 + bench_below(b, MAX_THREADS));
    bench_run(b, b->ops, 2, EL_OP_gemm, &g);
    bench_run(b, b->ops, 1, EL_OP_gemm, &ahead);
    same_bits(ahead.c, g.c, c_size(&g), "gemm packed ahead");
}

/* Three products of their own, or groups of rows. */
static void check_packed_batch(struct bench *b)
{
    int rows = bench_size(b, 1, 90), grouped = bench_below(b, 2), batch = grouped ? GROUPS : 3;
    struct el_gemm g = {.m = rows,
                        .n = bench_size(b, 1, 70),
                        .k = bench_size(b, 1, 300),
                        .batch = batch,
                        .group = grouped ? EL_GROUP_ROWS : EL_GROUP_NONE,
                        .offsets = grouped ? random_offsets(b, rows) : NULL};
    int transposed = bench_below(b, 2);
    int64_t c_size = (int64_t)(grouped ? 1 : batch) * rows * g.n;
    g.a_row = g.k, g.a_col = 1, g.c_row = g.n;
    g.b_row = transposed ? 1 : g.n, g.b_col = transposed ? g.k : 1;
    g.a_batch = (int64_t)rows * g.k, g.c_batch = (int64_t)rows * g.n;
    g.b_batch = (int64_t)g.n * g.k + bench_below(b, 3);
    g.a = bench_normal(b, (grouped ? 1 : batch) * g.a_batch);
    g.b = bench_normal(b, batch * g.b_batch);
    g.c = bench_output(b, c_size);
    struct el_gemm ahead = g;
    ahead.c = bench_twin(b, g.c, c_size);
    pack(b, &ahead, 2);
    bench_run(b, b->ops, 1, EL_OP_gemm, &g);
    bench_run(b, b->ops, 3, EL_OP_gemm, &ahead);
    same_bits(ahead.c, g.c, c_size, "gemm of a batch packed ahead");
}

static void packed_ahead_gives_the_same_bits(void **state)
{
    (void)state;
    for_every_backend(check_packed, CASES);
    for_every_backend(check_packed_batch, CASES);
}

/* A NaN or Inf in one row of A stays in that row of C. */
static void check_poison(struct bench *b)
{
    struct el_gemm g = random_product(b), clean = g;
    clean.c = bench_twin(b, g.c, c_size(&g));
    bench_run(b, b->ops, 1, EL_OP_gemm, &clean);
    int row = bench_below(b, g.m);
    ((float *)(uintptr_t)g.a)[row * g.a_row + bench_below(b, g.k) * g.a_col] = NAN;
    bench_run(b, b->ops, 2, EL_OP_gemm, &g);
    for (int i = 0; i < g.m; i++)
        for (int j = 0; j < g.n; j++) {
            if (i == row)
                assert_true(isnan(g.c[i * g.c_row + j]));
            else
                same_bits(g.c + i * g.c_row + j, clean.c + i * g.c_row + j, 1, "gemm beside NaN");
        }
}

static void nan_stays_in_its_row(void **state)
{
    (void)state;
    for_every_backend(check_poison, CASES);
}

#ifdef __SANITIZE_ADDRESS__
/* Runs a product of which one operand (0: A, 1: B, 2: C) is one float too short. */
static void run_short(const struct el_ops *ops, int m, int n, int k, int operand)
{
    int sizes[] = {m * k, k * n, m * n};
    float *x[3];
    for (int i = 0; i < 3; i++)
        x[i] = calloc((size_t)(sizes[i] - (i == operand)), sizeof *x[i]);
    struct el_gemm g = {.m = m, .n = n, .k = k, .a = x[0], .b = x[1], .c = x[2]};
    g.a_row = k, g.a_col = 1;
    g.b_row = n, g.b_col = 1;
    g.c_row = n;
    struct bench b = {.device = el_device_host()};
    bench_run(&b, ops, 1, EL_OP_gemm, &g);
}

static int is_reported(const struct el_ops *ops, int m, int n, int k, int operand)
{
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        run_short(ops, m, n, k, operand);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status != 0;
}

/* The kernel of tiles is compiled without AddressSanitizer (core/ops/cpu/panel.c). */
static void operands_are_checked(void **state)
{
    (void)state;
    const int shapes[][3] = {{1, 16, 8}, {7, 21, 5}, {60, 300, 40}};
    for (int i = 0; i < 3; i++)
        for (int operand = -1; operand < 3; operand++) { /* -1: all are long enough */
            const int *s = shapes[i];
            assert_int_equal(is_reported(el_ops_cpu(), s[0], s[1], s[2], operand), operand >= 0);
        }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef __SANITIZE_ADDRESS__
        cmocka_unit_test(operands_are_checked),
#endif
        cmocka_unit_test(a_row_does_not_depend_on_the_batch),
        cmocka_unit_test(a_row_does_not_depend_on_a_large_batch),
        cmocka_unit_test(a_long_sum_is_one_chain),
        cmocka_unit_test(a_batch_is_its_products),
        cmocka_unit_test(groups_are_their_products),
        cmocka_unit_test(packed_ahead_gives_the_same_bits),
        cmocka_unit_test(nan_stays_in_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
