#include "core/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Known answers of Philox4x32-10 published with the Random123 library (kat_vectors). */
static void known_answers(void **state)
{
    (void)state;
    uint32_t out[4];
    el_philox(out, (uint32_t[4]){0, 0, 0, 0}, (uint32_t[2]){0, 0});
    assert_int_equal(out[0], 0x6627e8d5);
    assert_int_equal(out[1], 0xe169c58d);
    assert_int_equal(out[2], 0xbc57ac4c);
    assert_int_equal(out[3], 0x9b00dbd8);
    uint32_t f = 0xffffffff;
    el_philox(out, (uint32_t[4]){f, f, f, f}, (uint32_t[2]){f, f});
    assert_int_equal(out[0], 0x408f276d);
    assert_int_equal(out[1], 0x41c83b0e);
    assert_int_equal(out[2], 0xa20bc7c6);
    assert_int_equal(out[3], 0x6d5451fd);
}

static void a_saved_counter_resumes(void **state)
{
    (void)state;
    struct el_rng a, b;
    el_rng_init(&a, 42);
    for (int i = 0; i < 7; i++)
        el_rng_u32(&a);
    b = a;
    for (int i = 0; i < 100; i++)
        assert_true(el_rng_u64(&a) == el_rng_u64(&b));
}

static void below_is_even(void **state)
{
    (void)state;
    struct el_rng r;
    el_rng_init(&r, 7);
    int count[6] = {0};
    for (int i = 0; i < 60000; i++)
        count[el_rng_below(&r, 6)]++;
    for (int i = 0; i < 6; i++)
        assert_in_range(count[i], 9600, 10400); /* 4.4 standard deviations */
}

static void normal_has_its_moments(void **state)
{
    (void)state;
    struct el_rng r;
    el_rng_init(&r, 9);
    double sum = 0, square = 0;
    for (int i = 0; i < 100000; i++) {
        double x = el_rng_normal(&r);
        sum += x;
        square += x * x;
    }
    assert_true(sum / 1e5 > -0.015 && sum / 1e5 < 0.015);
    assert_true(square / 1e5 > 0.98 && square / 1e5 < 1.02);
}

/* The stream is the blocks 0, 1, 2, ... one after another, the counter in the low words. */
static void a_stream_is_its_blocks(void **state)
{
    (void)state;
    struct el_rng r;
    uint64_t key = 0x0123456789abcdefu;
    el_rng_init(&r, key);
    for (uint32_t block = 0; block < 3; block++) {
        uint32_t out[4];
        el_philox(out, (uint32_t[4]){block, 0, 0, 0}, (uint32_t[2]){0x89abcdef, 0x01234567});
        for (int i = 0; i < 4; i++)
            assert_int_equal(el_rng_u32(&r), out[i]);
    }
    uint32_t out[4];
    r.counter = (UINT64_C(5) << 34) + 2; /* block 5 * 2^32, third number */
    el_philox(out, (uint32_t[4]){0, 5, 0, 0}, (uint32_t[2]){0x89abcdef, 0x01234567});
    assert_int_equal(el_rng_u32(&r), out[2]);
}

static void uniform_and_range_keep_their_ends(void **state)
{
    (void)state;
    struct el_rng r;
    int seen[5] = {0};
    double low = 1, high = 0;
    el_rng_init(&r, 11);
    for (int i = 0; i < 20000; i++) {
        double u = el_rng_uniform(&r);
        low = u < low ? u : low;
        high = u > high ? u : high;
        int v = el_rng_range(&r, -2, 2);
        assert_in_range(v + 2, 0, 4);
        seen[v + 2]++;
    }
    assert_true(low >= 0 && low < 0.001 && high < 1 && high > 0.999);
    for (int i = 0; i < 5; i++)
        assert_true(seen[i] > 3700 && seen[i] < 4300);
    assert_int_equal(el_rng_below(&r, 1), 0);
    assert_int_equal(el_rng_range(&r, 9, 9), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(a_saved_counter_resumes),
        cmocka_unit_test(below_is_even),
        cmocka_unit_test(normal_has_its_moments),
        cmocka_unit_test(a_stream_is_its_blocks),
        cmocka_unit_test(uniform_and_range_keep_their_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
