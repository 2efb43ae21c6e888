/* Extra terms: identities, and who is paid and who is charged. */
#include "rewards/terms.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void added_terms(void **state)
{
    (void)state;
    assert_true(el_reward_add(0.5, 1, 0.25, 1) == 0.75);
    assert_true(el_reward_add(0.5, 1, -0.25, 1) == 0.25);
    assert_true(el_reward_add(0, 0, 0.25, 1) == 0); /* no bonus without the format */
    assert_true(el_reward_add(0, 0, -0.25, 1) == -0.25);
    assert_true(el_reward_add(0, 0, 0.25, -1) == -0.25);
    assert_true(el_reward_add(0.5, 1, 0, 1) == 0.5);
    assert_true(el_reward_add(0.5, 1, 0.25, NAN) == 0.5);
    assert_true(el_reward_add(0.5, 1, 0, NAN) == 0.5);
}

static void length(void **state)
{
    (void)state;
    assert_true(el_reward_length(0, 100) == 0);
    assert_true(el_reward_length(25, 100) == 0.25);
    assert_true(el_reward_length(100, 100) == 1);
    assert_true(el_reward_length(101, 100) == 1);
    for (int n = 1; n < 100; n++)
        assert_true(el_reward_length(n, 100) > el_reward_length(n - 1, 100));
    assert_true(isnan(el_reward_length(-1, 100)) && isnan(el_reward_length(1, 0)));
}

static void overlong(void **state)
{
    (void)state;
    assert_true(el_reward_overlong(80, 100, 0.8) == 0);
    assert_true(fabs(el_reward_overlong(90, 100, 0.8) + 0.5) < 1e-12);
    assert_true(el_reward_overlong(100, 100, 0.8) == -1);
    assert_true(el_reward_overlong(500, 100, 0.8) == -1);
    assert_true(isnan(el_reward_overlong(1, 100, 1)) && isnan(el_reward_overlong(-1, 100, 0)));
}

static void with_answer(void **state)
{
    (void)state;
    assert_true(el_reward_with_answer(1, 0.5, 1, 1, 0) == 0.5);
    assert_true(el_reward_with_answer(1, 0.5, 1, 1, 1) == 0.75);
    assert_true(el_reward_with_answer(1, NAN, 1, 0, 2) == 1); /* outcome alone */
    assert_true(el_reward_with_answer(0, 0.5, 1, 1, 1) == 0);
    assert_true(isnan(el_reward_with_answer(1, 0.5, 1, 0, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(added_terms),
        cmocka_unit_test(length),
        cmocka_unit_test(overlong),
        cmocka_unit_test(with_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
