/* FP8 rounding of activations: golden values from exact fractions on every backend, and every
 * backend against the reference, bit for bit. */
#include "core/base/json.h"
#include "core/ops/fp8_round.h"
#include "core/tensor/fp8.h"
#include "tests/ops/backend.h"

enum { CASES = 20 };

static cJSON *golden;

static float number(const cJSON *array, int i)
{
    return (float)cJSON_GetArrayItem(array, i)->valuedouble;
}

static int field(const cJSON *c, const char *name)
{
    return cJSON_GetObjectItem(c, name)->valueint;
}

static void check_golden(struct bench *b)
{
    const cJSON *c;
    assert_true(cJSON_GetArraySize(golden) >= 8);
    cJSON_ArrayForEach(c, golden)
    {
        struct el_fp8_round a = {.rows = 1,
                                 .slices = 1,
                                 .width = field(c, "width"),
                                 .group = field(c, "group"),
                                 .tail = field(c, "tail"),
                                 .rotate = field(c, "rotate")};
        const cJSON *x = cJSON_GetObjectItem(c, "x"), *y = cJSON_GetObjectItem(c, "y");
        int n = a.width + a.tail;
        assert_int_equal(cJSON_GetArraySize(x), n);
        a.x = bench_output(b, n);
        for (int i = 0; i < n; i++)
            a.x[i] = number(x, i);
        bench_run(b, b->ops, 1, EL_OP_fp8_round, &a);
        for (int i = 0; i < n; i++)
            if (a.x[i] != number(y, i))
                fail_msg("width %d: %.9g became %.9g instead of %.9g", a.width,
                         (double)number(x, i), (double)a.x[i], (double)number(y, i));
    }
}

static void golden_values_come_out(void **state)
{
    (void)state;
    for_every_backend(check_golden, 1);
}

/* Values of all sizes, some infinite or NaN. */
static void fill(struct bench *b, float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        x[i] = ldexpf((float)el_rng_normal(&b->rng), bench_below(b, 40) - 30);
        if (bench_below(b, 200) == 0)
            x[i] = bench_below(b, 2) ? NAN : -INFINITY;
    }
}

static struct el_fp8_round random_round(struct bench *b)
{
    struct el_fp8_round a = {.rows = 1 + bench_below(b, 40),
                             .slices = 1 + bench_below(b, 5),
                             .group = bench_size(b, 1, 140),
                             .tail = bench_below(b, 70),
                             .rotate = bench_below(b, 2)};
    a.width = a.rotate ? 1 << bench_below(b, 9) : bench_size(b, 1, 300);
    a.x_slice = a.width + a.tail + bench_below(b, 3);
    a.x_row = a.x_slice * a.slices + bench_below(b, 3);
    return a;
}

static void check_agreement(struct bench *b)
{
    struct el_fp8_round a = random_round(b), expected = a, again = a;
    int64_t n = a.rows * a.x_row;
    float *start = bench_output(b, n);
    fill(b, start, n);
    expected.x = bench_twin(b, start, n);
    a.x = bench_twin(b, start, n);
    bench_run(b, el_ops_ref(), 1, EL_OP_fp8_round, &expected);
    bench_run(b, b->ops, 1, EL_OP_fp8_round, &a);
    for (int i = 0; i < a.rows; i++) /* every NaN is the same; between the slices nothing happens */
        same_bits(a.x + i * a.x_row, expected.x + i * a.x_row, a.x_row, "FP8 rounding");
    for (int threads = 2; threads <= MAX_THREADS; threads++) {
        again.x = bench_twin(b, start, n);
        bench_run(b, b->ops, threads, EL_OP_fp8_round, &again);
        same_bits(again.x, a.x, n, "FP8 rounding with other threads");
    }
    int row = bench_below(b, a.rows);
    again.rows = 1;
    again.x = bench_twin(b, start + row * a.x_row, a.x_row);
    bench_run(b, b->ops, 1, EL_OP_fp8_round, &again);
    same_bits(again.x, a.x + row * a.x_row, a.x_row, "FP8 rounding of a row alone");
    a.rotate = 0;
    again = a;
    again.x = bench_twin(b, a.x, n);
    bench_run(b, b->ops, 1, EL_OP_fp8_round, &again);
    same_bits(again.x, a.x, n, "FP8 rounding of what is rounded");
}

static void backends_agree_and_rows_stand_alone(void **state)
{
    (void)state;
    for_every_backend(check_agreement, CASES);
}

/* Every size of fp32, what is no number in all its forms. */
static void check_specials(struct bench *b)
{
    enum { N = 8 };
    static const float big[N] = {0x1.fffffep127f, -0x1.fp127f, 1,    INFINITY,
                                 -INFINITY,       NAN,         -NAN, 0};
    static const float y[N] = {0x1.ep127f, -0x1.ep127f, 0, NAN, NAN, NAN, NAN, 0};
    static const float tail[N] = {INFINITY, -0x1.fp127f, 1, INFINITY, -INFINITY, NAN, NAN, 0};
    struct el_fp8_round a = {.rows = 1, .slices = 1, .width = N, .group = N, .tail = N};
    a.x = bench_output(b, 2 * N);
    memcpy(a.x, big, sizeof big);
    memcpy(a.x + N, big, sizeof big);
    for (int times = 0; times < 2; times++) {
        bench_run(b, b->ops, 1, EL_OP_fp8_round, &a);
        same_bits(a.x, y, N, "values at the end of fp32");
        same_bits(a.x + N, tail, N, "a tail at the end of fp32");
    }
}

static void the_ends_of_fp32_are_kept_apart(void **state)
{
    (void)state;
    for_every_backend(check_specials, 1);
}

/* What a group becomes is what e4m3 codes and one power of two can hold, and near what it was. */
static void check_codes(struct bench *b)
{
    enum { WIDTH = 128 };
    static const struct el_fp8_format format = {1, WIDTH, 1};
    uint8_t codes[WIDTH];
    float scale, values[WIDTH];
    struct el_fp8_round a = {.rows = 1, .slices = 1, .width = WIDTH, .group = WIDTH};
    a.x = bench_output(b, WIDTH);
    for (int i = 0; i < WIDTH; i++)
        values[i] = a.x[i];
    bench_run(b, b->ops, 1, EL_OP_fp8_round, &a);
    el_fp8_quantize(&format, values, 1, WIDTH, codes, &scale);
    for (int i = 0; i < WIDTH; i++) {
        float expected = el_e4m3_widen(codes[i]) * scale;
        same_bits(a.x + i, &expected, 1, "codes and a scale");
        assert_true(fabsf(a.x[i] - values[i]) <= fmaxf(fabsf(values[i]) / 16, scale / 1024));
    }
}

static void codes_and_scales_hold_the_values(void **state)
{
    (void)state;
    for_every_backend(check_codes, 4);
}

/* The rotation keeps products. */
static void check_rotation(struct bench *b)
{
    enum { WIDTH = 128, ROWS = 16 };
    float *q = bench_normal(b, WIDTH), *k = bench_normal(b, ROWS * WIDTH);
    struct el_fp8_round a = {
        .rows = 1, .slices = 1, .width = WIDTH, .group = WIDTH, .rotate = 1, .x_row = WIDTH};
    double error = 0, size = 0;
    struct el_fp8_round keys = a;
    a.x = bench_twin(b, q, WIDTH);
    keys.rows = ROWS;
    keys.x = bench_twin(b, k, ROWS * WIDTH);
    bench_run(b, b->ops, 1, EL_OP_fp8_round, &a);
    bench_run(b, b->ops, 1, EL_OP_fp8_round, &keys);
    for (int i = 0; i < ROWS; i++) {
        double x = 0, y = 0;
        for (int j = 0; j < WIDTH; j++) {
            x += (double)q[j] * (double)k[i * WIDTH + j];
            y += (double)a.x[j] * (double)keys.x[i * WIDTH + j];
        }
        error += (x - y) * (x - y);
        size += x * x;
    }
    assert_true(error < size * 0.01);
}

static void rotated_slices_have_their_products(void **state)
{
    (void)state;
    for_every_backend(check_rotation, 4);
}

static int load(void **state)
{
    struct el_error err;
    (void)state;
    return el_json_load(EL_SOURCE_DIR "/tests/golden/fp8_round.json", &golden, &err);
}

static int unload(void **state)
{
    (void)state;
    cJSON_Delete(golden);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_values_come_out),
        cmocka_unit_test(backends_agree_and_rows_stand_alone),
        cmocka_unit_test(the_ends_of_fp32_are_kept_apart),
        cmocka_unit_test(codes_and_scales_hold_the_values),
        cmocka_unit_test(rotated_slices_have_their_products),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
