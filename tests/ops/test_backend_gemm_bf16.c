#include "core/ops/gemm_bf16.h"
#include "core/ops/bf16_kernel.h"
#include "core/tensor/dtype.h"
#include "tests/ops/amx_emulator.h"
#include "tests/ops/groups.h"

enum { CASES = 30 };

static void try_variant(const struct bench *b, const struct el_ops *ops,
                        void (*test)(struct bench *b, int exact))
{
    struct bench one = *b;
    one.ops = ops;
    test(&one, strcmp(el_ops_bf16_name(ops), "avx512bf16") != 0);
}

/* Every way in which the table under test can multiply: all but one give the reference's bits. */
static void for_every_variant(struct bench *b, void (*test)(struct bench *b, int exact))
{
    const struct el_ops *variant;
    for (int i = 0; (variant = el_ops_bf16_variant(b->ops, i)); i++)
        try_variant(b, variant, test);
    struct el_ops emulated = *b->ops;
    emulated.bf16 = &emulated_amx;
    if (b->ops != el_ops_ref())
        try_variant(b, &emulated, test);
}

static struct el_gemm_bf16_pack random_operand(struct bench *b, int n, int k, int batch)
{
    struct el_gemm_bf16_pack p = {.n = n, .k = k, .batch = batch};
    int64_t pad = bench_below(b, 4);
    int transposed = bench_below(b, 2);
    p.b_row = transposed ? 1 : n + pad;
    p.b_col = transposed ? k + pad : 1;
    p.b_batch = transposed ? n * p.b_col : k * p.b_row;
    p.b = bench_normal(b, (batch > 1 ? batch : 1) * p.b_batch);
    return p;
}

/* Room that was not zero before. */
static uint16_t *pack(struct bench *b, struct el_gemm_bf16_pack *p, const struct el_ops *ops,
                      int threads)
{
    int64_t n = (p->batch > 1 ? p->batch : 1) * el_gemm_bf16_packed(p->n, p->k);
    p->packed = (uint16_t *)(void *)bench_output(b, n / 2);
    bench_run(b, ops, threads, EL_OP_gemm_bf16_pack, p);
    return p->packed;
}

static struct el_gemm_bf16 random_product(struct bench *b)
{
    struct el_gemm_bf16 g = {.m = bench_size(b, 1, 90),
                             .n = bench_size(b, 1, 100),
                             .k = bench_size(b, 1, 600),
                             .accumulate = bench_below(b, 2)};
    struct el_gemm_bf16_pack p = random_operand(b, g.n, g.k, 1);
    g.packed = pack(b, &p, el_ops_ref(), 1);
    g.a_row = g.k + bench_below(b, 4);
    g.c_row = g.n + bench_below(b, 3);
    g.a = bench_normal(b, (g.m - 1) * g.a_row + g.k);
    g.c = bench_output(b, (g.m - 1) * g.c_row + g.n);
    return g;
}

static int64_t c_size(const struct el_gemm_bf16 *g)
{
    return (g->m - 1) * g->c_row + g->n;
}

static void check_packing(struct bench *b)
{
    int batch = 1 + bench_below(b, 3), n = bench_size(b, 1, 100), k = bench_size(b, 1, 200);
    struct el_gemm_bf16_pack p = random_operand(b, n, k, batch);
    const uint16_t *expected = pack(b, &p, el_ops_ref(), 1);
    const uint16_t *packed = pack(b, &p, b->ops, 1 + bench_below(b, MAX_THREADS));
    assert_memory_equal(packed, expected,
                        (size_t)(batch * el_gemm_bf16_packed(n, k)) * sizeof *packed);
    for (int i = 0; i < 20; i++) {
        int t = bench_below(b, batch), at = bench_below(b, k), j = bench_below(b, n);
        float x = p.b[t * p.b_batch + at * p.b_row + j * p.b_col];
        assert_int_equal(packed[t * el_gemm_bf16_packed(n, k) + el_gemm_bf16_index(k, at, j)],
                         el_bf16_round(x));
    }
}

static void every_table_packs_alike(void **state)
{
    (void)state;
    for_every_backend(check_packing, CASES);
}

static void check_product(struct bench *b, int exact)
{
    struct el_gemm_bf16 g = random_product(b), expected = g;
    float *start = bench_twin(b, g.c, c_size(&g));
    expected.c = bench_twin(b, g.c, c_size(&g));
    bench_run(b, el_ops_ref(), 1, EL_OP_gemm_bf16, &expected);
    bench_run(b, b->ops, 1, EL_OP_gemm_bf16, &g);
    if (exact)
        same_bits(g.c, expected.c, c_size(&g), "gemm_bf16 of another table");
    else
        close_to(g.c, expected.c, c_size(&g), 3e-7 * sqrt(g.k) * 4, "gemm_bf16");
    for (int threads = 2; threads <= MAX_THREADS; threads++) {
        struct el_gemm_bf16 again = g;
        again.c = bench_twin(b, start, c_size(&g));
        bench_run(b, b->ops, threads, EL_OP_gemm_bf16, &again);
        same_bits(again.c, g.c, c_size(&g), "gemm_bf16 with other threads");
    }
    for (int round = 0; round < 4; round++) { /* some of the rows */
        struct el_gemm_bf16 part = g;
        int row = bench_below(b, g.m);
        part.m = round < 2 ? 1 : 1 + bench_below(b, g.m - row);
        part.a += row * g.a_row;
        part.c = bench_twin(b, start + row * g.c_row, c_size(&part));
        bench_run(b, b->ops, 1, EL_OP_gemm_bf16, &part);
        for (int64_t i = 0; i < part.m; i++)
            same_bits(part.c + i * g.c_row, g.c + (row + i) * g.c_row, part.n,
                      "gemm_bf16 of some rows");
    }
}

static void check_products(struct bench *b)
{
    for_every_variant(b, check_product);
}

static void a_row_does_not_depend_on_the_batch(void **state)
{
    (void)state;
    for_every_backend(check_products, CASES);
}

/* Long sums and many rows, for kernels that work in blocks of both. */
static void check_long(struct bench *b, int exact)
{
    struct el_gemm_bf16 g = {.m = 400 + bench_below(b, 40), .n = 70, .k = 2100, .a_row = 2100};
    struct el_gemm_bf16_pack p = random_operand(b, g.n, g.k, 1);
    g.packed = pack(b, &p, el_ops_ref(), 1);
    g.c_row = g.n;
    g.a = bench_normal(b, (int64_t)g.m * g.k);
    g.c = bench_output(b, c_size(&g));
    struct el_gemm_bf16 row = g;
    bench_run(b, b->ops, 1 + bench_below(b, MAX_THREADS), EL_OP_gemm_bf16, &g);
    for (int i = 0; i < g.m; i += 57) {
        row.m = 1;
        row.a = g.a + (int64_t)i * g.k;
        row.c = bench_output(b, g.n);
        bench_run(b, exact ? el_ops_ref() : b->ops, 1, EL_OP_gemm_bf16, &row);
        same_bits(g.c + (int64_t)i * g.n, row.c, g.n, "row of a long gemm_bf16");
    }
}

static void check_longs(struct bench *b)
{
    if (b->ops != el_ops_ref())
        for_every_variant(b, check_long);
}

static void blocks_do_not_show(void **state)
{
    (void)state;
    for_every_backend(check_longs, 1);
}

/* What products of a batch or of groups give must be what each gives alone. */
static void check_batch(struct bench *b, int exact)
{
    (void)exact;
    int grouped = bench_below(b, 2), batch = grouped ? GROUPS : 3, rows = bench_size(b, 1, 90);
    struct el_gemm_bf16 g = {.m = rows,
                             .n = bench_size(b, 1, 70),
                             .k = bench_size(b, 1, 100),
                             .batch = batch,
                             .group = grouped ? EL_GROUP_ROWS : EL_GROUP_NONE,
                             .offsets = grouped ? random_offsets(b, rows) : NULL,
                             .accumulate = bench_below(b, 2)};
    struct el_gemm_bf16_pack p = random_operand(b, g.n, g.k, batch);
    int64_t c_size = (int64_t)(grouped ? 1 : batch) * rows * g.n;
    g.packed = pack(b, &p, el_ops_ref(), 1);
    g.a_row = g.k, g.c_row = g.n;
    g.a_batch = (int64_t)rows * g.k, g.c_batch = (int64_t)rows * g.n;
    g.a = bench_normal(b, (grouped ? 1 : batch) * g.a_batch);
    g.c = bench_output(b, c_size);
    float *alone = bench_twin(b, g.c, c_size);
    bench_run(b, b->ops, 1 + bench_below(b, MAX_THREADS), EL_OP_gemm_bf16, &g);
    for (int i = 0; i < batch; i++) {
        struct el_gemm_bf16 one = g;
        int64_t from = grouped ? g.offsets[i] : 0;
        one.m = grouped ? (int)(g.offsets[i + 1] - from) : rows;
        one.group = EL_GROUP_NONE, one.batch = 1;
        one.a += grouped ? from * g.a_row : i * g.a_batch;
        one.c = alone + (grouped ? from * g.c_row : i * g.c_batch);
        one.packed += i * el_gemm_bf16_packed(g.n, g.k);
        bench_run(b, b->ops, 1, EL_OP_gemm_bf16, &one);
    }
    same_bits(g.c, alone, c_size, "gemm_bf16 of a batch");
}

static void check_batches(struct bench *b)
{
    for_every_variant(b, check_batch);
}

static void a_batch_is_its_products(void **state)
{
    (void)state;
    for_every_backend(check_batches, CASES);
}

/* Denormals count as zero, infinities and NaN stay in their row. */
static void check_special(struct bench *b, int exact)
{
    (void)exact;
    struct el_gemm_bf16 g = random_product(b), clean = g;
    g.accumulate = clean.accumulate = 0;
    clean.c = bench_twin(b, g.c, c_size(&g));
    bench_run(b, b->ops, 1, EL_OP_gemm_bf16, &clean);
    int row = bench_below(b, g.m), at = bench_below(b, g.k);
    float *x = (float *)(uintptr_t)g.a + row * g.a_row;
    x[at] = NAN;
    bench_run(b, b->ops, 2, EL_OP_gemm_bf16, &g);
    for (int i = 0; i < g.m; i++)
        for (int j = 0; j < g.n; j++) {
            if (i == row)
                assert_true(isnan(g.c[i * g.c_row + j]));
            else
                same_bits(g.c + i * g.c_row + j, clean.c + i * g.c_row + j, 1,
                          "gemm_bf16 beside NaN");
        }
    for (int p = 0; p < g.k; p++)
        x[p] = p % 2 ? 1e-39f : -3e-40f;
    bench_run(b, b->ops, 1, EL_OP_gemm_bf16, &g);
    for (int j = 0; j < g.n; j++)
        assert_true(g.c[row * g.c_row + j] == 0);
}

static void check_specials(struct bench *b)
{
    for_every_variant(b, check_special);
}

static void special_values(void **state)
{
    (void)state;
    for_every_backend(check_specials, CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_packs_alike),
        cmocka_unit_test(a_row_does_not_depend_on_the_batch),
        cmocka_unit_test(blocks_do_not_show),
        cmocka_unit_test(a_batch_is_its_products),
        cmocka_unit_test(special_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
