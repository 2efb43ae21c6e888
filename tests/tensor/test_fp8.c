#include "core/tensor/dtype.h"
#include "core/tensor/fp8.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* The definition, bit field by bit field. */
static double value_of(int code)
{
    int exponent = code >> 3 & 15, mantissa = code & 7;
    double x = exponent ? ldexp(1 + mantissa / 8.0, exponent - 7) : ldexp(mantissa / 8.0, 1 - 7);
    if (exponent == 15 && mantissa == 7)
        return NAN;
    return code & 0x80 ? -x : x;
}

static void every_code_has_its_value(void **state)
{
    (void)state;
    for (int code = 0; code < 256; code++) {
        double want = value_of(code);
        float have = el_e4m3_widen((uint8_t)code);
        if (isnan(want))
            assert_true(isnan(have) && (code & 0x7F) == 0x7F);
        else
            assert_true((double)have == want && !signbit(have) == !(code & 0x80));
    }
    assert_true(el_e4m3_widen(0x7E) == EL_E4M3_MAX && el_e4m3_widen(0x01) == 0x1p-9f);
}

static void every_code_survives(void **state)
{
    (void)state;
    for (int code = 0; code < 256; code++) {
        float x = el_e4m3_widen((uint8_t)code);
        if (isnan(x))
            assert_true(isnan(el_e4m3_widen(el_e4m3_round(x))));
        else
            assert_int_equal(el_e4m3_round(x), code);
    }
}

/* Between two neighbours: the nearer one, and in the middle the even code. */
static void rounding_is_to_nearest_even(void **state)
{
    (void)state;
    for (int code = 0; code < 0x7E; code++) {
        float low = el_e4m3_widen((uint8_t)code), high = el_e4m3_widen((uint8_t)(code + 1));
        float middle = (low + high) / 2; /* exact */
        int even = code & 1 ? code + 1 : code;
        assert_int_equal(el_e4m3_round(middle), even);
        assert_int_equal(el_e4m3_round(-middle), even | 0x80);
        assert_int_equal(el_e4m3_round(nextafterf(middle, 0)), code);
        assert_int_equal(el_e4m3_round(nextafterf(middle, 500)), code + 1);
    }
}

static void beyond_the_range_is_the_largest_value(void **state)
{
    (void)state;
    assert_int_equal(el_e4m3_round(449), 0x7E);
    assert_int_equal(el_e4m3_round(464), 0x7E);
    assert_int_equal(el_e4m3_round(1e30f), 0x7E);
    assert_int_equal(el_e4m3_round(-INFINITY), 0xFE);
    assert_int_equal(el_e4m3_round(1e-30f), 0);
    assert_int_equal(el_e4m3_round(-1e-30f), 0x80);
    assert_true(isnan(el_e4m3_widen(el_e4m3_round(NAN))));
}

static void blocks_are_counted_upwards(void **state)
{
    (void)state;
    assert_int_equal(el_fp8_blocks(576, 128), 5);
    assert_int_equal(el_fp8_blocks(7168, 128), 56);
    assert_int_equal(el_fp8_blocks(1, 128), 1);
    assert_int_equal(el_fp8_blocks(0, 128), 0);
    assert_int_equal(el_fp8_blocks(129, 128), 2);
    assert_int_equal(el_fp8_blocks(5, 1), 5);
}

/* Any piece of a row gives what the whole row gives. */
static void pieces_of_a_row_agree(void **state)
{
    (void)state;
    static const struct el_fp8_format f = {.block_rows = 2, .block_columns = 5};
    static const float scales[4] = {0.5f, 3, 1e-3f, 7.7f};
    uint8_t codes[17];
    for (int i = 0; i < 17; i++)
        codes[i] = (uint8_t)(i * 13 + 1);
    for (int from = 0; from < 17; from++) {
        for (int to = from; to <= 17; to++) {
            float out[18];
            out[to - from] = 12345;
            el_fp8_widen(&f, codes + from, (size_t)(to - from), from, scales + from / 5, out);
            for (int i = from; i < to; i++)
                assert_true(out[i - from] == el_e4m3_widen(codes[i]) * scales[i / 5]);
            assert_true(out[to - from] == 12345);
        }
    }
}

enum { rows = 7, columns = 33 };

/* A row of blocks with very different sizes of values, zeros among them. */
static void fill(float *v, unsigned seed)
{
    for (int i = 0; i < rows * columns; i++) {
        seed = seed * 1664525u + 1013904223u;
        double unit = (double)(seed >> 8) / (1 << 23) - 1;
        v[i] = (float)ldexp(unit, (int)(seed % 60) - 30 - (i % columns) / 2);
    }
}

static void the_error_is_bounded_in_every_block(void **state)
{
    (void)state;
    for (unsigned seed = 0; seed < 200; seed++) {
        struct el_fp8_format f = {
            .block_rows = rows, .block_columns = 1 + (int)seed % 40, .ue8m0 = seed & 1};
        float v[rows * columns], s[columns], back[columns];
        uint8_t codes[rows * columns];
        fill(v, seed);
        el_fp8_quantize(&f, v, rows, columns, codes, s);
        for (int r = 0; r < rows; r++) {
            el_fp8_widen(&f, codes + r * columns, columns, 0, s, back);
            for (int c = 0; c < columns; c++) {
                double x = (double)v[r * columns + c], scale = (double)s[c / f.block_columns];
                double bound = fmax(fabs(x) / 16, scale / 1024) * (1 + 1e-6);
                assert_true(fabs((double)back[c] - x) <= bound);
            }
        }
    }
}

static float scale_of_largest(float amax, int ue8m0)
{
    struct el_fp8_format f = {.block_rows = 1, .block_columns = 4, .ue8m0 = ue8m0};
    float v[4] = {amax / 3, -amax, 0, amax / 7}, s;
    uint8_t codes[4];
    el_fp8_quantize(&f, v, 1, 4, codes, &s);
    return s;
}

static void scales_fit_the_largest_value(void **state)
{
    (void)state;
    assert_true(scale_of_largest(0, 0) == 1 && scale_of_largest(0, 1) == 1);
    assert_true(scale_of_largest(448, 1) == 1 && scale_of_largest(448, 0) == 1);
    assert_true(scale_of_largest(nextafterf(448, 500), 1) == 2);
    assert_true(scale_of_largest(224, 1) == 0.5f);
    assert_true(scale_of_largest(nextafterf(224, 0), 1) == 0.5f);
    assert_true(scale_of_largest(nextafterf(224, 300), 1) == 1);
    assert_true(scale_of_largest(300, 0) == 300 / 448.0f);
    assert_true(scale_of_largest(1e-44f, 0) == FLT_MIN && scale_of_largest(1e-44f, 1) == FLT_MIN);
    for (int e = -110; e < 120; e++) { /* the smallest power of two that is large enough */
        float amax = ldexpf(1.7f, e), s = scale_of_largest(amax, 1);
        assert_true(frexpf(s, &(int){0}) == 0.5f);
        assert_true((double)s * 448 >= (double)amax && (double)s * 224 < (double)amax);
    }
}

/* Values that come from codes and a power of two are kept bit by bit, whatever scale is chosen. */
static void quantised_values_are_kept(void **state)
{
    (void)state;
    struct el_fp8_format f = {.block_rows = 1, .block_columns = 254, .ue8m0 = 1};
    for (int top = 1; top < 0x7F; top++) { /* the largest code that occurs */
        uint8_t codes[254], again[254];
        float v[254], back[254], scale = 0x1p-11f, s;
        int n = 0;
        for (int code = 0; code <= top; code++) {
            codes[n++] = (uint8_t)code;
            codes[n++] = (uint8_t)(code | 0x80);
        }
        el_fp8_widen(&f, codes, (size_t)n, 0, &scale, v);
        el_fp8_quantize(&f, v, 1, n, again, &s);
        el_fp8_widen(&f, again, (size_t)n, 0, &s, back);
        assert_memory_equal(v, back, (size_t)n * sizeof *v);
        if (el_e4m3_widen((uint8_t)top) > 224) {
            assert_true(s == scale);
            assert_memory_equal(codes, again, (size_t)n);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_value),
        cmocka_unit_test(every_code_survives),
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(beyond_the_range_is_the_largest_value),
        cmocka_unit_test(blocks_are_counted_upwards),
        cmocka_unit_test(pieces_of_a_row_agree),
        cmocka_unit_test(the_error_is_bounded_in_every_block),
        cmocka_unit_test(scales_fit_the_largest_value),
        cmocka_unit_test(quantised_values_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
