#include "data/mapping.h"
#include "rewards/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

static int halves_of(const struct el_mapping *m, double raw, double max)
{
    int halves = -9;
    return el_mapping_apply(m, raw, max, &halves, NULL) < 0 ? -9 : halves;
}

static void the_shipped_ones_say_what_they_claim(void **state)
{
    (void)state;
    struct el_mapping m;
    static const int of_seven[8] = {0, 0, 0, 0, 0, 0, 1, 2};
    assert_int_equal(el_mapping_default(7, &m, NULL), 0);
    assert_string_equal(m.name, "proofbench-7");
    for (int i = 0; i < 8; i++)
        assert_int_equal(halves_of(&m, i, 7), of_seven[i]);
    assert_int_equal(el_mapping_default(1, &m, NULL), 0);
    assert_string_equal(m.name, "correct-incorrect");
    assert_int_equal(halves_of(&m, 1, 1), 2);
    assert_int_equal(halves_of(&m, 0, 1), 0);
    assert_int_equal(el_mapping_default(21, &m, NULL), 0);
    assert_string_equal(m.name, "share-of-full");
    assert_int_equal(halves_of(&m, 21, 21), 2);
    assert_int_equal(halves_of(&m, 18, 21), 1);
    assert_int_equal(halves_of(&m, 17, 21), 0);
    assert_int_equal(halves_of(&m, 6, 7), 1);
    assert_int_equal(halves_of(&m, 0, 10), 0);
}

static void wrong_ratings_are_refused(void **state)
{
    (void)state;
    struct el_mapping m;
    struct el_error err;
    int halves = 7;
    assert_int_equal(el_mapping_default(7, &m, NULL), 0);
    assert_int_equal(el_mapping_apply(&m, 8, 7, &halves, &err), EL_EINVAL);
    assert_int_equal(el_mapping_apply(&m, -1, 7, &halves, &err), EL_EINVAL);
    assert_int_equal(el_mapping_apply(&m, NAN, 7, &halves, &err), EL_EINVAL);
    assert_int_equal(el_mapping_apply(&m, 1, 0, &halves, &err), EL_EINVAL);
    assert_int_equal(el_mapping_apply(&m, 6, 10, &halves, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "'proofbench-7' is for ratings out of 7"));
    assert_int_equal(halves, 7);
}

static void expect_error(const char *text, const char *part)
{
    struct el_mapping m;
    struct el_error err;
    assert_int_equal(el_mapping_parse("m.json", text, strlen(text), &m, &err), EL_EFORMAT);
    if (!strstr(err.msg, part) || strncmp(err.msg, "m.json", 6) != 0)
        fail_msg("'%s' does not say '%s'", err.msg, part);
}

static void malformed_files_are_refused(void **state)
{
    (void)state;
    expect_error("{", "not valid JSON");
    expect_error("[]", "expected an object");
    expect_error("{\"nam\": 1}", "unknown field 'nam'");
    expect_error("{\"unit\": \"share\", \"steps\": []}", "missing field 'name'");
    expect_error("{\"name\": \"a\", \"unit\": \"marks\"}", "expected points or share");
    expect_error("{\"name\": \"a\", \"unit\": \"points\"}", "missing field 'scale_max'");
    expect_error("{\"name\": \"a\", \"unit\": \"points\", \"scale_max\": -1}", "above 0");
    expect_error("{\"name\": \"\", \"unit\": \"share\"}", "name must have");
    expect_error("{\"name\": \"a\", \"unit\": \"share\"}", "end with at_least 0");
    expect_error("{\"name\": \"a\", \"unit\": \"share\", \"steps\": [3]}", "must be an object");
    expect_error("{\"name\": \"a\", \"unit\": \"share\", \"steps\": [{\"at_least\": 1, "
                 "\"score\": 0.7}]}",
                 "expected 0, 0.5 or 1");
    expect_error("{\"name\": \"a\", \"unit\": \"share\", \"steps\": [{\"at_least\": 0, "
                 "\"score\": 0}, {\"at_least\": 1, \"score\": 1}]}",
                 "must go down");
    struct el_mapping m;
    struct el_error err;
    assert_int_equal(el_mapping_load("/nowhere/m.json", &m, &err), EL_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_ones_say_what_they_claim),
        cmocka_unit_test(wrong_ratings_are_refused),
        cmocka_unit_test(malformed_files_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
