/* Packed FP8 rows: bytes worked out by hand, every code back, and on every backend the values that
 * rounding leaves, bit for bit. */
#include "core/ops/fp8_round.h"
#include "core/ops/fp8_row.h"
#include "core/ops/pointwise.h"
#include "tests/ops/backend.h"

enum { CASES = 30 };

static void rows_have_their_published_size(void **state)
{
    (void)state;
    static const struct {
        struct el_fp8_row form;
        int scales, tail, bytes;
    } cases[] = {
        {{512, 64}, 512, 528, 656}, {{128, 0}, 128, 132, 132}, {{129, 0}, 129, 137, 137},
        {{16, 4}, 16, 20, 28},      {{1, 1}, 1, 5, 7},         {{160, 3}, 160, 168, 174},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(el_fp8_row_scales(&cases[i].form), cases[i].scales);
        assert_int_equal(el_fp8_row_tail(&cases[i].form), cases[i].tail);
        assert_int_equal(el_fp8_row_bytes(&cases[i].form), cases[i].bytes);
    }
}

/* By the definition of e4m3: 1.mmm * 2^(e-7), or 0.mmm * 2^-6. */
static float value_of_code(int code)
{
    int e = code >> 3 & 15, m = code & 7;
    float size = e ? ldexpf((float)(8 + m), e - 10) : ldexpf((float)m, -9);
    if ((code & 0x7f) == 0x7f)
        return NAN;
    return code & 0x80 ? -size : size;
}

static void every_code_has_its_value(void **state)
{
    (void)state;
    const struct el_fp8_row form = {256, 1};
    static const float scales[] = {0x1p-22f, 1, 0x1p119f};
    for (size_t s = 0; s < sizeof scales / sizeof *scales; s++) {
        uint8_t row[256 + 8 + 2];
        const float pair[2] = {scales[s], 2};
        for (int i = 0; i < 256; i++)
            row[i] = (uint8_t)i;
        memcpy(row + 256, pair, sizeof pair);
        row[264] = 0x49, row[265] = 0xC0; /* -3.140625 */
        for (int i = 0; i < 256; i++) {
            float x = el_fp8_row_value(&form, row, i), y = value_of_code(i) * pair[i / 128];
            same_bits(&x, &y, 1, "the value of a code");
        }
        assert_float_equal(el_fp8_row_value(&form, row, 256), -3.140625f, 0);
    }
}

/* A row of bytes that sentinels follow and go before. */
static uint8_t *bytes_of(struct bench *b, int64_t n)
{
    int64_t floats = (n + 3) / 4;
    return (uint8_t *)bench_output(b, floats) + 4 * floats - n;
}

static void check_bytes(struct bench *b, struct el_fp8_row form, const float *x, float scale,
                        const uint8_t *codes, const uint16_t *tail)
{
    int64_t n = el_fp8_row_bytes(&form), values = form.width + form.tail;
    uint8_t *row = bytes_of(b, n);
    float *copy = bench_input(b, values, sizeof *copy);
    memcpy(copy, x, (size_t)values * sizeof *copy);
    struct el_fp8_pack a = {.rows = 1, .form = form, .x = copy, .packed = row};
    bench_run(b, b->ops, 1, EL_OP_fp8_pack, &a);
    assert_memory_equal(row, codes, (size_t)form.width);
    assert_memory_equal(row + el_fp8_row_scales(&form), &scale, sizeof scale);
    assert_memory_equal(row + el_fp8_row_tail(&form), tail, (size_t)form.tail * sizeof *tail);
}

/* Scale 1: the largest code, subnormal codes, ties, what is no number, and zeros with their signs;
 * BF16 ties and what is no number. */
static void check_by_hand(struct bench *b)
{
    static const float x[] = {
        448, 1,     -0x1p-9f, 0x1p-10f, 0x3p-10f, 0x7p-9f, 0x1p-6f,   INFINITY,  -INFINITY, NAN,
        0,   -0.0f, 17,       19,       1,        -2,      0x1.01p0f, 0x1.03p0f, -INFINITY, -NAN};
    static const uint8_t codes[] = {0x7E, 0x38, 0x81, 0x00, 0x02, 0x07, 0x08,
                                    0x7F, 0x7F, 0x7F, 0x00, 0x80, 0x58, 0x5A};
    static const uint16_t tail[] = {0x3F80, 0xC000, 0x3F80, 0x3F82, 0xFF80, 0x7FC0};
    check_bytes(b, (struct el_fp8_row){14, 6}, x, 1, codes, tail);
}

/* Zeros and what is below 1e-4 have that scale; the largest values stay within fp32. */
static void check_extremes(struct bench *b)
{
    static const float zeros[3] = {0, 0, -0.0f}, tiny[2] = {0x1p-31f, -0x1p-140f};
    static const float big[3] = {0x1.fffffep127f, -0x1.9p127f, 0x1p119f};
    static const float nothing[2] = {NAN, INFINITY};
    check_bytes(b, (struct el_fp8_row){3, 0}, zeros, 0x1p-22f, (const uint8_t[]){0, 0, 0x80}, NULL);
    check_bytes(b, (struct el_fp8_row){2, 0}, tiny, 0x1p-22f, (const uint8_t[]){1, 0x80}, NULL);
    check_bytes(b, (struct el_fp8_row){3, 0}, big, 0x1p120f, (const uint8_t[]){0x77, 0xF4, 0x30},
                NULL);
    check_bytes(b, (struct el_fp8_row){2, 0}, nothing, 0x1p-22f, (const uint8_t[]){0x7F, 0x7F},
                NULL);
}

static void bytes_are_those_worked_out_by_hand(void **state)
{
    (void)state;
    for_every_backend(check_by_hand, 1);
    for_every_backend(check_extremes, 1);
}

/* Values of all sizes, some infinite or NaN. */
static float *values(struct bench *b, int64_t n)
{
    float *x = bench_input(b, n, sizeof *x);
    for (int64_t i = 0; i < n; i++) {
        x[i] = ldexpf((float)el_rng_normal(&b->rng), bench_below(b, 40) - 30);
        if (bench_below(b, 200) == 0)
            x[i] = bench_below(b, 2) ? NAN : -INFINITY;
    }
    return x;
}

static struct el_fp8_pack random_pack(struct bench *b, int packed_rows)
{
    struct el_fp8_pack a = {.rows = 1 + bench_below(b, packed_rows),
                            .form = {bench_size(b, 1, 300), bench_below(b, 70)}};
    a.x_row = a.form.width + a.form.tail + bench_below(b, 3);
    a.x = values(b, a.rows * a.x_row);
    if (bench_below(b, 2)) {
        int32_t *to = bench_input(b, a.rows, sizeof *to);
        int first = bench_below(b, packed_rows);
        for (int i = 0; i < a.rows; i++)
            to[i] = (first + i) % packed_rows;
        a.to = to;
    }
    a.packed = bytes_of(b, packed_rows * el_fp8_row_bytes(&a.form));
    return a;
}

/* Rows of x as el_fp8_round leaves them. */
static float *rounded(struct bench *b, const struct el_fp8_pack *a)
{
    struct el_fp8_round r = {.rows = a->rows,
                             .slices = 1,
                             .width = a->form.width,
                             .group = EL_FP8_GROUP,
                             .tail = a->form.tail,
                             .x_row = a->x_row};
    r.x = bench_twin(b, a->x, a->rows * a->x_row);
    bench_run(b, b->ops, 1, EL_OP_fp8_round, &r);
    return r.x;
}

static void same_bytes(const uint8_t *x, const uint8_t *y, int64_t n, const char *what)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != y[i])
            fail_msg("%s: byte %lld is %02x and %02x", what, (long long)i, x[i], y[i]);
}

static void same_values(const struct el_fp8_pack *a, const float *x, const char *what)
{
    int64_t bytes = el_fp8_row_bytes(&a->form);
    for (int i = 0; i < a->rows; i++)
        for (int j = 0; j < a->form.width + a->form.tail; j++) {
            const uint8_t *row = a->packed + (a->to ? a->to[i] : i) * bytes;
            float value = el_fp8_row_value(&a->form, row, j);
            same_bits(&value, x + i * a->x_row + j, 1, what);
        }
}

/* Another output that starts with the same bytes. */
static uint8_t *twin_of(struct bench *b, const uint8_t *x, int64_t n)
{
    uint8_t *y = bytes_of(b, n);
    memcpy(y, x, (size_t)n);
    return y;
}

static void check_pack(struct bench *b)
{
    enum { ROWS = 40 };
    struct el_fp8_pack a = random_pack(b, ROWS), expected = a, again = a;
    int64_t bytes = el_fp8_row_bytes(&a.form), n = ROWS * bytes;
    const uint8_t *start = twin_of(b, a.packed, n);
    expected.packed = twin_of(b, start, n);
    bench_run(b, el_ops_ref(), 1, EL_OP_fp8_pack, &expected);
    bench_run(b, b->ops, 1, EL_OP_fp8_pack, &a);
    same_bytes(a.packed, expected.packed, n, "packing"); /* rows that are not in `to`, too */
    const float *x = rounded(b, &a);
    same_values(&a, x, "packed against rounded");
    for (int threads = 2; threads <= MAX_THREADS; threads++) {
        again.packed = twin_of(b, start, n);
        bench_run(b, b->ops, threads, EL_OP_fp8_pack, &again);
        same_bytes(again.packed, a.packed, n, "packing with other threads");
    }
    again.x = x;
    bench_run(b, b->ops, 1, EL_OP_fp8_pack, &again);
    same_values(&again, x, "packing of what is rounded");
    int row = bench_below(b, a.rows);
    again = (struct el_fp8_pack){.rows = 1, .form = a.form, .x = a.x + row * a.x_row};
    again.packed = bytes_of(b, bytes);
    bench_run(b, b->ops, 1, EL_OP_fp8_pack, &again);
    same_bytes(again.packed, a.packed + (a.to ? a.to[row] : row) * bytes, bytes,
               "packing of a row alone");
}

static void packed_rows_hold_what_rounding_leaves(void **state)
{
    (void)state;
    for_every_backend(check_pack, CASES);
}

static void check_copy(struct bench *b)
{
    enum { ROWS = 40 };
    struct el_copy_bytes a = {.rows = 1 + bench_below(b, ROWS / 2), .bytes = bench_size(b, 1, 700)};
    int32_t *from = bench_input(b, a.rows, sizeof *from), *to = bench_input(b, a.rows, sizeof *to);
    for (int i = 0; i < a.rows; i++)
        from[i] = bench_below(b, ROWS / 2), to[i] = ROWS - 1 - i;
    a.from = bench_below(b, 2) ? from : NULL;
    a.to = bench_below(b, 2) ? to : NULL;
    int64_t n = ROWS * a.bytes;
    uint8_t *rows = bytes_of(b, n), *expected = twin_of(b, rows, n);
    const uint8_t *source = twin_of(b, rows, n);
    for (int i = 0; i < a.rows; i++)
        memcpy(expected + (a.to ? to[i] : i) * a.bytes, source + (a.from ? from[i] : i) * a.bytes,
               (size_t)a.bytes);
    a.src = a.to ? rows : source; /* in place where no row is in both lists */
    a.dst = rows;
    bench_run(b, b->ops, 3, EL_OP_copy_bytes, &a);
    same_bytes(rows, expected, n, "copied rows");
}

static void rows_are_copied_byte_by_byte(void **state)
{
    (void)state;
    for_every_backend(check_copy, CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_their_published_size),
        cmocka_unit_test(every_code_has_its_value),
        cmocka_unit_test(bytes_are_those_worked_out_by_hand),
        cmocka_unit_test(packed_rows_hold_what_rounding_leaves),
        cmocka_unit_test(rows_are_copied_byte_by_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
