/* Rubric items by rule: patterns over parts of a reply, items in rubrics of problems. */
#include "rewards/rubric.h"

#include "core/base/alloc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct el_rubric_item items[] = {
    {"names both claims", "^\\(1\\)(.|\\n)*^\\(2\\)", EL_RUBRIC_PROOF, 2, 0},
    {"no hand-waving", "(?i)\\b(clearly|obviously)\\b", EL_RUBRIC_PROOF, 1, 1},
    {"gives a verdict", "\\\\boxed", EL_RUBRIC_ANALYSIS, 1, 0},
};

static struct el_rubric_points check(const char *reply, const char *proof, const char *analysis)
{
    struct el_rubric *r = NULL;
    struct el_error err = {0};
    struct el_rubric_points points = {0};
    const struct el_rubric_text part[EL_RUBRIC_PARTS] = {
        {reply, reply ? strlen(reply) : 0},
        {proof, proof ? strlen(proof) : 0},
        {analysis, analysis ? strlen(analysis) : 0}};
    if (el_rubric_create(items, 3, &r, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(el_rubric_check(r, part, &points, &err), 0);
    el_rubric_free(r);
    return points;
}

static void is(struct el_rubric_points p, double earned, double of)
{
    if (p.earned != earned || p.of != of)
        fail_msg("%g of %g, expected %g of %g", p.earned, p.of, earned, of);
}

static void patterns(void **state)
{
    (void)state;
    is(check("", "(1) x.\n(2) y.", "\\boxed{1}"), 4, 4);
    is(check("", "(1) x. Clearly,\n(2) y.", "\\boxed{1}"), 3, 4);
    is(check("", "(2) y.\n(1) x.", "none"), 1, 4);
    is(check("", NULL, "\\boxed{0}"), 1, 1); /* a verifier writes no proof */
    is(check("x", NULL, NULL), 0, 0);
    is(check("", "\xff\n(1)\n(2)", NULL), 3, 3); /* bytes that are no text stop nobody */
    struct el_rubric_points none = {0};
    assert_true(isnan(el_rubric_share(&none)));
    none = (struct el_rubric_points){1, 4};
    assert_true(el_rubric_share(&none) == 0.25);
}

/* A pattern that gives up earns nothing: neither as found nor as absent. */
static void limits(void **state)
{
    (void)state;
    static const struct el_rubric_item slow[] = {{"there", "^(a+)+$", EL_RUBRIC_REPLY, 1, 0},
                                                 {"not", "^(a+)+$", EL_RUBRIC_REPLY, 1, 1}};
    char text[64];
    struct el_rubric *r = NULL;
    struct el_error err = {0};
    struct el_rubric_points points = {0};
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '!';
    const struct el_rubric_text part[EL_RUBRIC_PARTS] = {{text, sizeof text}};
    assert_int_equal(el_rubric_create(slow, 2, &r, &err), 0);
    assert_int_equal(el_rubric_check(r, part, &points, &err), 0);
    is(points, 0, 2);
    el_rubric_free(r);
}

static void wrong_items(void **state)
{
    (void)state;
    struct el_rubric *r = NULL;
    struct el_error err = {0};
    const struct el_rubric_item open = {"open", "(a", EL_RUBRIC_REPLY, 1, 0};
    const struct el_rubric_item free_of_charge = {"worthless", "a", EL_RUBRIC_REPLY, 0, 0};
    assert_int_equal(el_rubric_create(&open, 1, &r, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "open"));
    assert_int_equal(el_rubric_create(&free_of_charge, 1, &r, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "worthless"));
    assert_int_equal(el_rubric_part_find("proof"), EL_RUBRIC_PROOF);
    assert_int_equal(el_rubric_part_find("prose"), -1);
}

static void allocation_failures(void **state)
{
    (void)state;
    const struct el_rubric_text part[EL_RUBRIC_PARTS] = {{"abc", 3}, {"abc", 3}, {"abc", 3}};
    int failed = 0;
    for (long n = 1;; n++) {
        struct el_rubric *r = NULL;
        struct el_error err = {0};
        struct el_rubric_points points = {0};
        el_alloc_fail_after(n);
        int rc = el_rubric_create(items, 3, &r, &err);
        if (rc == 0)
            rc = el_rubric_check(r, part, &points, &err);
        el_alloc_fail_after(0);
        el_rubric_free(r);
        if (rc == 0)
            break;
        assert_int_equal(rc, EL_ENOMEM);
        failed++;
    }
    assert_true(failed > 5);
}

static struct el_rubric_points of_problem(const char *rubric, const char *proof)
{
    struct el_rubric *r = NULL;
    struct el_error err = {0};
    struct el_rubric_points points = {0};
    const struct el_rubric_text part[EL_RUBRIC_PARTS] = {
        [EL_RUBRIC_PROOF] = {proof, strlen(proof)}};
    if (el_rubric_read(rubric, &r, &err) < 0)
        fail_msg("%s", err.msg);
    if (r)
        assert_int_equal(el_rubric_check(r, part, &points, &err), 0);
    el_rubric_free(r);
    return points;
}

static void rubrics_of_problems(void **state)
{
    (void)state;
    static const char rubric[] = "(Partial)\n"
                                 " 1. Guessed the solution correctly\n"
                                 " 2. [2] The recursion: /a_n *= *2/  \r\n"
                                 "- [0.5] No hand-waving: !/(?i)clearly/\n"
                                 "ends in a/b: /x\\/y/\n"
                                 "Compare 1/2 and 3/4.";
    is(of_problem(rubric, "a_n = 2, x/y"), 3.5, 3.5);
    is(of_problem(rubric, "Clearly a_n=2"), 2, 3.5);
    is(of_problem(rubric, ""), 0.5, 3.5);
    /* what is no item */
    static const char *const none[] = {"",          "/",         "a //",   "x/y/", "http://a.b/c/",
                                       "1. [2] n/", "a / b / c", "!/abc/", "/abc/"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        is(of_problem(none[i], "abc"), 0, 0);
    is(of_problem("name /a b/", "a b"), 1, 1);
    is(of_problem("[x] name /a/", "a"), 1, 1); /* no points: part of the name */
    struct el_rubric *r = NULL;
    struct el_error err = {0};
    assert_int_equal(el_rubric_read("1. [0] worthless: /a/", &r, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "worthless"));
    assert_int_equal(el_rubric_read("2. open: /(/", &r, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "open"));
    char many[65 * 8 + 1] = "";
    for (int i = 0; i < 64; i++)
        strcat(many, "n: /a/\n");
    assert_int_equal(el_rubric_read(many, &r, &err), 0); /* lines that are no items do not count */
    el_rubric_free(r);
    r = NULL;
    strcat(many, "n: /a/");
    assert_int_equal(el_rubric_read(many, &r, &err), EL_ELIMIT);
    assert_non_null(strstr(err.msg, "more than 64 items"));
    assert_null(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns),
        cmocka_unit_test(limits),
        cmocka_unit_test(wrong_items),
        cmocka_unit_test(allocation_failures),
        cmocka_unit_test(rubrics_of_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
