/* Long rows: selections whose lists are searched by way of a sample, rows that share packed keys,
 * and the memory that attention over long sequences takes. */
#include "core/ops/indexer.h"
#include "tests/ops/paged.h"

enum { CASES = 12, BLOCK_SHIFT = 4, TOPK_MOST = 3000 };

/* Rows at the ends of sequences of up to `longest` keys; the second of them shares its first blocks
 * with the first one. */
static struct el_rows long_rows(struct bench *b, int longest, int rows, int *cache_rows)
{
    enum { SEQUENCES = 3 };
    struct el_rows at = {.sequences = SEQUENCES, .block_shift = BLOCK_SHIFT};
    int stride = (longest >> BLOCK_SHIFT) + 1, blocks = 0;
    int32_t *seq = bench_input(b, rows, sizeof *seq), *pos = bench_input(b, rows, sizeof *pos);
    int32_t *tables = bench_input(b, SEQUENCES * stride, sizeof *tables);
    for (int s = 0; s < SEQUENCES; s++)
        for (int i = 0; i < stride; i++)
            tables[s * stride + i] = s == 1 && i < stride / 2 ? tables[i] : blocks++ << BLOCK_SHIFT;
    for (int i = 0; i < rows; i++) {
        int length = i % SEQUENCES == 2 ? 1 + bench_below(b, longest) : longest;
        seq[i] = i * SEQUENCES / rows;
        pos[i] = length - 1 - bench_below(b, length < 40 ? length : 40);
        at.max_pos = pos[i] > at.max_pos ? pos[i] : at.max_pos;
    }
    at.rows = rows;
    at.seq = seq;
    at.pos = pos;
    at.tables = tables;
    at.table_stride = stride;
    *cache_rows = blocks << BLOCK_SHIFT;
    return at;
}

/* Keys that make scores of different kinds: a plateau at 0, all equal, ascending, descending, few
 * values, or small whole numbers. All sums are exact. */
static float key_value(struct bench *b, int kind, int i, int n)
{
    switch (kind) {
    case 0:
        return bench_below(b, 20) ? -1.0f : (float)(1 + bench_below(b, 3));
    case 1:
        return 1.0f;
    case 2:
        return (float)i;
    case 3:
        return (float)(n - i);
    case 4:
        return (float)bench_below(b, 3);
    default:
        return (float)(bench_below(b, 4001) - 2000);
    }
}

static struct el_index_select long_select(struct bench *b, int longest, int rows)
{
    static const int topks[] = {1, 7, 100, 2048, TOPK_MOST};
    int cache_rows, kind = bench_below(b, 6);
    struct el_index_select a = {.at = long_rows(b, longest, rows, &cache_rows),
                                .heads = 1 + bench_below(b, 3),
                                .dim = 1 + bench_below(b, 3),
                                .topk = topks[bench_below(b, 5)]};
    int64_t q = (int64_t)rows * a.heads * a.dim, n = (int64_t)cache_rows * a.dim;
    float *values = bench_input(b, q, sizeof *values), *k = bench_input(b, n, sizeof *k);
    float *w = bench_input(b, (int64_t)rows * a.heads, sizeof *w);
    for (int64_t i = 0; i < q; i++)
        values[i] = (float)(bench_below(b, 4) - 1);
    for (int64_t i = 0; i < (int64_t)rows * a.heads; i++)
        w[i] = (float)(bench_below(b, 4) - 1);
    for (int64_t i = 0; i < n; i++)
        k[i] = key_value(b, kind, (int)(i / a.dim), cache_rows);
    a.q = values;
    a.w = w;
    a.k = k;
    return a;
}

static int32_t *selection(struct bench *b, const struct el_index_select *a)
{
    return (int32_t *)(void *)bench_output(b, (int64_t)a->at.rows * a->topk);
}

static void same_sets(const int32_t *x, const int32_t *y, int64_t n, const char *what)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != y[i])
            fail_msg("%s: entry %lld is %d and %d", what, (long long)i, x[i], y[i]);
}

static void check_long(struct bench *b)
{
    int rows = 1 + bench_below(b, 21), longest = 8000 + bench_below(b, 3000);
    struct el_index_select a = long_select(b, longest, rows), expected = a, again = a;
    expected.selected = selection(b, &a);
    a.selected = selection(b, &a);
    bench_run(b, el_ops_ref(), 1, EL_OP_index_select, &expected);
    bench_run(b, b->ops, 1, EL_OP_index_select, &a);
    int64_t n = (int64_t)rows * a.topk;
    same_sets(a.selected, expected.selected, n, "selection from long rows");
    again.selected = selection(b, &a);
    bench_run(b, b->ops, MAX_THREADS, EL_OP_index_select, &again);
    same_sets(again.selected, a.selected, n, "selection from long rows with other threads");
}

static void long_rows_select_what_the_reference_selects(void **state)
{
    (void)state;
    for_every_backend(check_long, CASES);
}

/* One row of one head whose scores are given, 0 and above. */
static struct el_index_select scored_row(struct bench *b, const float *scores, int n, int topk)
{
    int32_t *ints = bench_input(b, 3, sizeof *ints);
    float *one = bench_input(b, 1, sizeof *one);
    ints[0] = 0, ints[1] = n - 1, ints[2] = 0, *one = 1;
    return (struct el_index_select){.at = {.rows = 1,
                                           .sequences = 1,
                                           .seq = ints,
                                           .pos = ints + 1,
                                           .tables = ints + 2,
                                           .table_stride = 1,
                                           .block_shift = 30,
                                           .max_pos = n - 1},
                                    .heads = 1,
                                    .dim = 1,
                                    .q = one,
                                    .w = one,
                                    .k = scores,
                                    .topk = topk};
}

/* Every 16th of 16,384 scores is what an evenly spread sample of 1,024 sees. `seen` of these are
 * high and `unseen` of the others, so the sample's guess is right to the last score, too high or
 * too low. */
static void check_misled(struct bench *b)
{
    enum { N = 16384, TOPK = 2048, STEP = 16 };
    static const struct {
        int seen, unseen;
    } cases[] = {{177, TOPK - 177}, {1024, 0}, {0, N - 1024}, {177, TOPK - 178}, {79, TOPK - 79},
                 {80, 1000},        {1024, 1}, {128, 1920},   {176, 3000}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        float *scores = bench_input(b, N, sizeof *scores);
        int seen = cases[c].seen, unseen = cases[c].unseen;
        for (int i = N - 1; i >= 0; i--)
            scores[i] = (float)(i % STEP ? unseen-- > 0 : seen-- > 0);
        struct el_index_select a = scored_row(b, scores, N, TOPK), expected = a;
        a.selected = selection(b, &a);
        expected.selected = selection(b, &a);
        bench_run(b, el_ops_ref(), 1, EL_OP_index_select, &expected);
        bench_run(b, b->ops, 1, EL_OP_index_select, &a);
        same_sets(a.selected, expected.selected, TOPK, "selection with a misleading sample");
    }
}

static void a_sample_decides_about_time_alone(void **state)
{
    (void)state;
    for_every_backend(check_misled, 1);
}

/* A block of a prompt, row by row as decoding would take it: scores that round. */
static void check_prefill(struct bench *b)
{
    enum { ROWS = 19 };
    struct el_index_select a = long_select(b, 3000 + bench_below(b, 100), ROWS);
    int64_t cache = (int64_t)(a.at.tables[a.at.sequences * a.at.table_stride - 1] + 16) * a.dim;
    a.q = bench_normal(b, (int64_t)ROWS * a.heads * a.dim);
    a.w = bench_normal(b, (int64_t)ROWS * a.heads);
    a.k = bench_normal(b, cache);
    a.selected = selection(b, &a);
    bench_run(b, b->ops, 2, EL_OP_index_select, &a);
    for (int row = 0; row < ROWS; row++) {
        struct el_index_select one = a;
        one.at = some_rows(a.at, row, 1);
        one.q += (int64_t)row * a.heads * a.dim;
        one.w += (int64_t)row * a.heads;
        one.selected = selection(b, &one);
        bench_run(b, b->ops, 1 + row % MAX_THREADS, EL_OP_index_select, &one);
        same_sets(one.selected, a.selected + (int64_t)row * a.topk, a.topk, "a row alone");
    }
}

static void prefill_selects_what_decode_selects(void **state)
{
    (void)state;
    for_every_backend(check_prefill, 3);
}

/* Products that underflow below 0 make sums of -0, which equal the 0 of keys that relu cut off. */
static void check_negative_zero(struct bench *b)
{
    enum { N = 70, TOPK = 9 };
    int32_t *seq = bench_input(b, 1, sizeof *seq), *pos = bench_input(b, 1, sizeof *pos);
    int32_t *table = bench_input(b, 1, sizeof *table);
    float *q = bench_input(b, 1, sizeof *q), *w = bench_input(b, 1, sizeof *w);
    float *k = bench_input(b, N, sizeof *k);
    *seq = 0, *pos = N - 1, *table = 0, *q = 1e-30f, *w = -1e-30f;
    for (int i = 0; i < N; i++)
        k[i] = i % 3 ? 1.0f : -1.0f;
    struct el_index_select a = {.at = {1, 1, seq, pos, table, 1, 30, N - 1},
                                .heads = 1,
                                .dim = 1,
                                .q = q,
                                .w = w,
                                .k = k,
                                .topk = TOPK};
    a.selected = selection(b, &a);
    bench_run(b, b->ops, 1, EL_OP_index_select, &a);
    for (int i = 0; i < TOPK; i++)
        assert_int_equal(a.selected[i], i);
}

static void negative_zero_equals_zero(void **state)
{
    (void)state;
    for_every_backend(check_negative_zero, 1);
}

/* Few rows that all threads work on together give what a thread alone gives, row by row. */
static void check_attention(struct bench *b)
{
    enum { HEADS = 16, LATENT = 101, ROPE = 31, WIDTH = LATENT + ROPE, KEYS = 2600 };
    int rows = 1 + bench_below(b, 3), cache_rows, select = bench_below(b, 2);
    struct el_attn a = {.at = long_rows(b, KEYS, rows, &cache_rows),
                        .heads = HEADS,
                        .latent = LATENT,
                        .rope = ROPE,
                        .scale = 0.1f,
                        .topk = KEYS};
    int64_t pairs = (int64_t)rows * HEADS;
    a.q = bench_normal(b, pairs * WIDTH);
    a.kv = bench_normal(b, (int64_t)cache_rows * WIDTH);
    if (select) {
        int32_t *selected = random_selection(b, &a.at, a.topk, 0);
        if (bench_below(b, 2))
            selected[(int64_t)bench_below(b, rows) * a.topk] = -1; /* a row without keys */
        a.selected = selected;
    }
    struct el_attn expected = a, again = a;
    expected.out = bench_output(b, pairs * LATENT), expected.lse = bench_output(b, pairs);
    a.out = bench_output(b, pairs * LATENT), a.lse = bench_output(b, pairs);
    again.out = bench_output(b, pairs * LATENT), again.lse = bench_output(b, pairs);
    bench_run(b, el_ops_ref(), 1, EL_OP_attn, &expected);
    bench_run(b, b->ops, 1, EL_OP_attn, &a);
    close_to(a.out, expected.out, pairs * LATENT, 3e-5, "attention over long rows");
    close_to(a.lse, expected.lse, pairs, 1e-5, "lse of long rows");
    for (int threads = 2; threads <= 2 * MAX_THREADS; threads += 2) {
        bench_run(b, b->ops, threads, EL_OP_attn, &again);
        same_bits(again.out, a.out, pairs * LATENT, "attention with other threads");
        same_bits(again.lse, a.lse, pairs, "lse with other threads");
    }
}

static void threads_together_attend_as_one_alone(void **state)
{
    (void)state;
    for_every_backend(check_attention, 8);
}

/* Workspace of an op for a whole prompt of n tokens in the 671B shape. */
static size_t prompt_workspace(const struct el_stream *s, enum el_op op, int n, int sparse,
                               const uint8_t *packed)
{
    static const int32_t any = 0;
    struct el_rows at = {.rows = n, .sequences = 1, .table_stride = 1, .block_shift = 30};
    at.max_pos = n - 1;
    struct el_index_select select = {.at = at, .heads = 64, .dim = 128, .topk = 2048};
    struct el_attn attn = {.at = at, .heads = 128, .latent = 512, .rope = 64, .topk = 2048};
    attn.selected = sparse ? &any : NULL;
    attn.kv_fp8 = select.k_fp8 = packed;
    const void *args = op == EL_OP_attn ? (void *)&attn : (void *)&select;
    return s->ops->workspace[op] ? s->ops->workspace[op](s, args) : 0;
}

/* Twice the tokens take at most twice the memory, and 128K of them a small part of 1 GiB. */
static void check_memory(struct bench *b)
{
    static const uint8_t any = 0;
    static const struct {
        enum el_op op;
        int sparse;
        const uint8_t *packed;
    } ops[] = {{EL_OP_index_select, 1, NULL}, {EL_OP_attn, 1, NULL}, {EL_OP_attn, 0, NULL},
               {EL_OP_index_select, 1, &any}, {EL_OP_attn, 1, &any}, {EL_OP_attn, 0, &any}};
    for (int threads = 1; threads <= 8; threads *= 2)
        for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
            struct el_stream s;
            el_stream_init(&s, b->device, b->ops, threads);
            for (int n = 4096; n <= 65536; n *= 2) {
                size_t half = prompt_workspace(&s, ops[i].op, n, ops[i].sparse, ops[i].packed);
                size_t whole = prompt_workspace(&s, ops[i].op, 2 * n, ops[i].sparse, ops[i].packed);
                if (whole > 2 * half + 4096)
                    fail_msg("%s, %d threads: %zu bytes for %d tokens, %zu for twice as many",
                             el_op_name(ops[i].op), threads, half, n, whole);
            }
            size_t most = (size_t)threads * ((size_t)96 << 20);
            assert_true(prompt_workspace(&s, ops[i].op, 131072, ops[i].sparse, ops[i].packed) <=
                        most);
            el_stream_release(&s);
        }
}

static void memory_is_linear_in_the_context(void **state)
{
    (void)state;
    for_every_backend(check_memory, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_rows_select_what_the_reference_selects),
        cmocka_unit_test(a_sample_decides_about_time_alone),
        cmocka_unit_test(prefill_selects_what_decode_selects),
        cmocka_unit_test(negative_zero_equals_zero),
        cmocka_unit_test(threads_together_attend_as_one_alone),
        cmocka_unit_test(memory_is_linear_in_the_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
