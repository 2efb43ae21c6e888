/* Attention and the indexer over packed FP8 caches: on every backend what they give, bit for bit,
 * over the fp32 values that the packed rows hold. */
#include "core/ops/fp8_round.h"
#include "core/ops/indexer.h"
#include "tests/ops/paged.h"

enum { CASES = 12 };

/* One cache in both forms. */
struct cache {
    struct el_fp8_row form;
    float *rounded;
    uint8_t *packed;
};

static float *noise(struct bench *b, int64_t n)
{
    float *x = bench_normal(b, n);
    for (int64_t i = 0; i < n; i++)
        x[i] = ldexpf(x[i], -bench_below(b, 12)); /* subnormal codes, too */
    return x;
}

static struct cache random_cache(struct bench *b, int rows, int width, int tail)
{
    struct cache c = {.form = {width, tail}};
    int64_t values = width + tail;
    float *x = noise(b, rows * values);
    c.packed = bench_input(b, rows * el_fp8_row_bytes(&c.form), 1);
    struct el_fp8_pack pack = {
        .rows = rows, .form = c.form, .x = x, .x_row = values, .packed = c.packed};
    bench_run(b, el_ops_ref(), 1, EL_OP_fp8_pack, &pack);
    c.rounded = x;
    struct el_fp8_round round = {.rows = rows,
                                 .slices = 1,
                                 .width = width,
                                 .group = EL_FP8_GROUP,
                                 .tail = tail,
                                 .x = x,
                                 .x_row = values};
    bench_run(b, el_ops_ref(), 1, EL_OP_fp8_round, &round);
    return c;
}

/* ---- Attention ---- */

static struct el_attn other_output(struct bench *b, struct el_attn a)
{
    int64_t pairs = (int64_t)a.at.rows * a.heads;
    a.out = bench_output(b, pairs * a.latent);
    a.lse = bench_output(b, pairs);
    return a;
}

static struct el_attn attention_over(struct bench *b, const struct el_rows *at,
                                     const struct cache *c, int heads)
{
    struct el_attn a = {.at = *at,
                        .heads = heads,
                        .latent = c->form.width,
                        .rope = c->form.tail,
                        .scale = 0.3f,
                        .kv = c->rounded};
    a.q = bench_normal(b, (int64_t)at->rows * heads * (a.latent + a.rope));
    if (bench_below(b, 2)) {
        a.topk = bench_size(b, 1, 300);
        a.selected = random_selection(b, at, a.topk, 0);
    }
    return other_output(b, a);
}

/* The same over the packed cache. */
static struct el_attn packed_twin(struct bench *b, const struct cache *c, const struct el_attn *a)
{
    struct el_attn twin = other_output(b, *a);
    twin.kv = NULL;
    twin.kv_fp8 = c->packed;
    return twin;
}

static void same_attention(const struct el_attn *x, const struct el_attn *y, int row, int rows,
                           const char *what)
{
    int64_t at = (int64_t)row * y->heads, n = (int64_t)rows * y->heads;
    same_bits(x->out, y->out + at * y->latent, n * y->latent, what);
    same_bits(x->lse, y->lse + at, n, what);
}

static void check_twins(struct bench *b, struct el_attn *a, const struct cache *c, int threads)
{
    struct el_attn packed = packed_twin(b, c, a);
    bench_run(b, b->ops, 1, EL_OP_attn, a);
    bench_run(b, b->ops, 1, EL_OP_attn, &packed);
    same_attention(&packed, a, 0, a->at.rows, "attention over packed rows");
    for (int t = 2; t <= threads; t++) {
        bench_run(b, b->ops, t, EL_OP_attn, &packed);
        same_attention(&packed, a, 0, a->at.rows, "attention over packed rows, other threads");
    }
}

static void check_attention(struct bench *b)
{
    struct paged p = random_batch(b);
    struct cache c = random_cache(b, p.cache_rows, bench_size(b, 1, 300), bench_below(b, 20));
    struct el_attn a = attention_over(b, &p.at, &c, bench_size(b, 1, 16));
    struct el_attn expected = packed_twin(b, &c, &a);
    check_twins(b, &a, &c, MAX_THREADS);
    bench_run(b, el_ops_ref(), 1, EL_OP_attn, &expected);
    close_to(a.out, expected.out, (int64_t)a.at.rows * a.heads * a.latent, 3e-5, "attention");
    close_to(a.lse, expected.lse, (int64_t)a.at.rows * a.heads, 1e-5, "attention lse");
    int row = bench_below(b, a.at.rows);
    struct el_attn one = a;
    one.at = some_rows(a.at, row, 1);
    one.q += (int64_t)row * a.heads * (a.latent + a.rope);
    one.selected = a.selected ? a.selected + (int64_t)row * a.topk : NULL;
    one = packed_twin(b, &c, &one);
    bench_run(b, b->ops, 1, EL_OP_attn, &one);
    same_attention(&one, &a, row, 1, "a row alone over packed rows");
}

static void packed_rows_are_attended_to_as_their_values(void **state)
{
    (void)state;
    for_every_backend(check_attention, CASES);
}

/* Few rows over many keys: all threads work on one row, and its output is cut into columns. */
static void check_together(struct bench *b)
{
    enum { KEYS = 3000, ROWS = 3 };
    int32_t *seq = bench_input(b, ROWS, sizeof *seq), *pos = bench_input(b, ROWS, sizeof *pos);
    int32_t *table = bench_input(b, 1, sizeof *table);
    *table = 0;
    for (int i = 0; i < ROWS; i++)
        seq[i] = 0, pos[i] = KEYS - ROWS + i;
    struct el_rows at = {.rows = ROWS,
                         .sequences = 1,
                         .seq = seq,
                         .pos = pos,
                         .tables = table,
                         .table_stride = 1,
                         .block_shift = 30,
                         .max_pos = KEYS - 1};
    struct cache c = random_cache(b, KEYS, 170, 30);
    struct el_attn a = attention_over(b, &at, &c, 12);
    check_twins(b, &a, &c, 2 * MAX_THREADS);
}

static void threads_share_packed_rows(void **state)
{
    (void)state;
    for_every_backend(check_together, 3);
}

/* One key: its weight is 1, so the output is its latent, and with a query of one 1 the score is a
 * value of its tail. Every code that is a number comes by, and one that is none makes NaN. */
static void check_lone_key(struct bench *b)
{
    enum { LATENT = 300, ROPE = 8, WIDTH = LATENT + ROPE };
    static const struct el_fp8_row form = {LATENT, ROPE};
    static const float scales[3] = {0x1p-22f, 0x1p30f, 1};
    static const uint16_t tail[ROPE] = {0, 0x8000, 0x3F80, 0xC049, 0x0001, 0x7F7F, 0x8080, 0x4000};
    int32_t *zero = bench_input(b, 1, sizeof *zero);
    float *q = bench_input(b, ROPE * WIDTH, sizeof *q);
    uint8_t *row = bench_input(b, el_fp8_row_bytes(&form), 1);
    *zero = 0;
    for (int i = 0; i < LATENT; i++)
        row[i] = (uint8_t)((i & 0x7f) == 0x7f ? 0 : i);
    memcpy(row + el_fp8_row_scales(&form), scales, sizeof scales);
    memcpy(row + el_fp8_row_tail(&form), tail, sizeof tail);
    for (int i = 0; i < ROPE * WIDTH; i++)
        q[i] = i % WIDTH == LATENT + i / WIDTH ? 1 : 0;
    struct el_attn a = {.at = {1, 1, zero, zero, zero, 1, 30, 0},
                        .heads = ROPE,
                        .latent = LATENT,
                        .rope = ROPE,
                        .scale = 1,
                        .q = q,
                        .kv_fp8 = row};
    a = other_output(b, a);
    bench_run(b, b->ops, 1, EL_OP_attn, &a);
    for (int h = 0; h < a.heads; h++) {
        float value = el_fp8_row_value(&form, row, LATENT + h);
        assert_true(a.lse[h] == value);
        for (int i = 0; i < LATENT; i++) /* a sum that begins with 0 has no -0 */
            assert_true(a.out[h * LATENT + i] == el_fp8_row_value(&form, row, i));
    }
    for (int code = 0x7F; code <= 0xFF; code += 0x80) {
        row[200] = (uint8_t)code;
        bench_run(b, b->ops, 1, EL_OP_attn, &a);
        assert_true(isnan(a.out[200]) && isnan(a.lse[0]));
    }
}

static void a_lone_key_shows_its_values(void **state)
{
    (void)state;
    for_every_backend(check_lone_key, 1);
}

/* ---- The indexer ---- */

static int32_t *selection(struct bench *b, const struct el_index_select *a)
{
    return (int32_t *)(void *)bench_output(b, (int64_t)a->at.rows * a->topk);
}

static void check_select(struct bench *b)
{
    struct paged p = random_batch(b);
    struct cache c = random_cache(b, p.cache_rows, bench_size(b, 1, 300), 0);
    struct el_index_select a = {.at = p.at,
                                .heads = bench_size(b, 1, 9),
                                .dim = c.form.width,
                                .topk = bench_size(b, 1, 60),
                                .k = c.rounded};
    int64_t pairs = (int64_t)a.at.rows * a.heads, n = (int64_t)a.at.rows * a.topk;
    a.q = noise(b, pairs * a.dim);
    a.w = bench_normal(b, pairs);
    struct el_index_select packed = a;
    packed.k = NULL;
    packed.k_fp8 = c.packed;
    a.selected = selection(b, &a);
    packed.selected = selection(b, &a);
    bench_run(b, b->ops, 1, EL_OP_index_select, &a);
    for (int threads = 1; threads <= MAX_THREADS; threads++) {
        bench_run(b, b->ops, threads, EL_OP_index_select, &packed);
        assert_memory_equal(packed.selected, a.selected, (size_t)n * sizeof *a.selected);
    }
    int row = bench_below(b, a.at.rows);
    struct el_index_select one = packed;
    one.at = some_rows(a.at, row, 1);
    one.q += (int64_t)row * a.heads * a.dim;
    one.w += (int64_t)row * a.heads;
    one.selected = selection(b, &one);
    bench_run(b, b->ops, 2, EL_OP_index_select, &one);
    assert_memory_equal(one.selected, a.selected + (int64_t)row * a.topk,
                        (size_t)a.topk * sizeof *a.selected);
}

static void packed_keys_are_selected_as_their_values(void **state)
{
    (void)state;
    for_every_backend(check_select, 2 * CASES);
}

/* Keys and queries of small whole numbers: every backend selects what the reference selects. */
static void check_exact_select(struct bench *b)
{
    struct paged p = random_batch(b);
    struct el_index_select a = {.at = p.at,
                                .heads = bench_size(b, 1, 5),
                                .dim = bench_size(b, 1, 200),
                                .topk = bench_size(b, 1, 60)};
    const struct el_fp8_row form = {a.dim, 0};
    int64_t pairs = (int64_t)a.at.rows * a.heads, bytes = el_fp8_row_bytes(&form);
    float *q = bench_input(b, pairs * a.dim, sizeof *q), *w = bench_input(b, pairs, sizeof *w);
    uint8_t *rows = bench_input(b, p.cache_rows * bytes, 1);
    for (int64_t i = 0; i < pairs * a.dim; i++)
        q[i] = (float)(bench_below(b, 3) - 1);
    for (int64_t i = 0; i < pairs; i++)
        w[i] = (float)(bench_below(b, 5) - 2);
    for (int64_t i = 0; i < p.cache_rows; i++) {
        static const uint8_t codes[] = {0x00, 0x38, 0xB8, 0x40, 0xC0}; /* 0, 1, -1, 2, -2 */
        static const float scales[2] = {1, 2};
        for (int j = 0; j < a.dim; j++)
            rows[i * bytes + j] = codes[bench_below(b, 5)];
        memcpy(rows + i * bytes + a.dim, scales, (size_t)(bytes - a.dim));
    }
    a.q = q, a.w = w, a.k_fp8 = rows;
    struct el_index_select expected = a;
    a.selected = selection(b, &a), expected.selected = selection(b, &a);
    bench_run(b, el_ops_ref(), 1, EL_OP_index_select, &expected);
    bench_run(b, b->ops, 2, EL_OP_index_select, &a);
    assert_memory_equal(a.selected, expected.selected,
                        (size_t)a.at.rows * (size_t)a.topk * sizeof *a.selected);
}

static void the_reference_selects_the_same_packed_keys(void **state)
{
    (void)state;
    for_every_backend(check_exact_select, CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_rows_are_attended_to_as_their_values),
        cmocka_unit_test(threads_share_packed_rows),
        cmocka_unit_test(a_lone_key_shows_its_values),
        cmocka_unit_test(packed_keys_are_selected_as_their_values),
        cmocka_unit_test(the_reference_selects_the_same_packed_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
