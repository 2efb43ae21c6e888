/* The work that benchmarks count, against numbers worked out by hand. */
#include "bench/work.h"
#include "core/ops/gemm.h"
#include "core/ops/indexer.h"
#include "core/ops/pointwise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check(enum el_op op, const void *args, double flop, double bytes)
{
    struct el_bench_work w = el_bench_work_of(op, args);
    assert_float_equal(w.flop, flop, 0);
    assert_float_equal(w.bytes, bytes, 0);
}

static void products_count_two_flops_a_term(void **state)
{
    (void)state;
    struct el_gemm g = {.m = 3, .n = 5, .k = 7};
    check(EL_OP_gemm, &g, 210, 4.0 * (21 + 35 + 15));
    g.accumulate = 1; /* C is read as well */
    check(EL_OP_gemm, &g, 210, 4.0 * (21 + 35 + 30));
    g.batch = 2;
    check(EL_OP_gemm, &g, 420, 8.0 * (21 + 35 + 30));
}

static void groups_share_the_rows(void **state)
{
    (void)state;
    const int32_t offsets[] = {0, 1, 4};
    struct el_gemm g = {
        .m = 4, .n = 5, .k = 7, .batch = 2, .group = EL_GROUP_ROWS, .offsets = offsets};
    check(EL_OP_gemm, &g, 280, 4.0 * (28 + 2 * 35 + 20));
    g = (struct el_gemm){
        .m = 5, .n = 7, .k = 4, .batch = 2, .group = EL_GROUP_K, .offsets = offsets};
    check(EL_OP_gemm, &g, 280, 4.0 * (20 + 28 + 2 * 35));
}

/* Two sequences: rows at 1 and 2 of the first, at 4 of the second: 2 + 3 + 5 pairs. The first one's
 * keys are read once, 3 of them. */
static const int32_t seq[] = {0, 0, 1}, pos[] = {1, 2, 4};
static const struct el_rows rows = {.rows = 3, .sequences = 2, .seq = seq, .pos = pos};

static void attention_counts_what_a_row_sees(void **state)
{
    (void)state;
    struct el_attn a = {.at = rows, .heads = 2, .latent = 4, .rope = 2, .topk = 3};
    check(EL_OP_attn, &a, 2.0 * 10 * 2 * (6 + 4), 4.0 * (3 * 2 * 10 + 8 * 6));
    int32_t selected[9] = {0};
    a.selected = selected; /* at most three keys a row */
    check(EL_OP_attn, &a, 2.0 * 8 * 2 * (6 + 4), 4.0 * (3 * 2 * 10 + 6 * 6));
    uint8_t fp8 = 0; /* 4 codes, a scale, 2 BF16 values */
    a.kv_fp8 = &fp8;
    check(EL_OP_attn, &a, 2.0 * 8 * 2 * (6 + 4), 4.0 * (3 * 2 * 10) + 6 * (4 + 4 + 4));
}

/* Only the last row sees more keys than it may select. */
static void the_indexer_scores_what_it_must_choose_from(void **state)
{
    (void)state;
    struct el_index_select a = {.at = rows, .heads = 2, .dim = 8, .topk = 3};
    check(EL_OP_index_select, &a, 2.0 * 5 * 16, 4.0 * (16 + 2 + 3 * 3 + 5 * 8));
    a.topk = 1; /* all three: 10 pairs, 8 keys */
    check(EL_OP_index_select, &a, 2.0 * 10 * 16, 4.0 * (3 * (16 + 2 + 1) + 8 * 8));
    uint8_t fp8 = 0;
    a.k_fp8 = &fp8;
    check(EL_OP_index_select, &a, 2.0 * 10 * 16, 4.0 * (3 * (16 + 2 + 1)) + 8 * (8 + 4));
}

static void a_tally_adds_up_what_a_stream_runs(void **state)
{
    (void)state;
    struct el_stream s;
    struct el_bench_tally t;
    float x[100];
    struct el_fill fill = {.n = 100, .x = x};
    float one[1] = {1}, c[1];
    struct el_gemm g = {.m = 1, .n = 1, .k = 1, .a = one, .b = one, .c = c, .a_col = 1, .b_col = 1};
    el_stream_init(&s, el_device_host(), el_ops_ref(), 1);
    el_fill(&s, &fill);
    el_bench_tally_start(&t, &s);
    el_fill(&s, &fill);
    el_fill(&s, &fill);
    el_gemm(&s, &g);
    el_bench_tally_stop(&s);
    el_fill(&s, &fill);
    assert_int_equal(t.runs[EL_OP_fill], 2);
    assert_float_equal(t.work[EL_OP_fill].bytes, 800, 0);
    assert_true(t.seconds[EL_OP_fill] > 0);
    assert_float_equal(el_bench_tally_sum(&t).flop, 2, 0);
    assert_float_equal(el_bench_tally_sum(&t).bytes, 812, 0);
    el_stream_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_count_two_flops_a_term),
        cmocka_unit_test(groups_share_the_rows),
        cmocka_unit_test(attention_counts_what_a_row_sees),
        cmocka_unit_test(the_indexer_scores_what_it_must_choose_from),
        cmocka_unit_test(a_tally_adds_up_what_a_stream_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
