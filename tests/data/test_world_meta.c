/* Truthful meta-analyses. */
#include "data/world.h"
#include "tests/data/analysis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define META    "Here is my analysis of the \"solution evaluation\":\n"
#define RATE(s) "Based on my analysis, I will rate the \"solution evaluation\" as:\n\\boxed{" s "}"

static void judge(const char *text, struct el_world_report *r)
{
    struct el_world_problem p;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    el_world_judge_proof(&p, text, strlen(text), r);
}

/* The meta-analysis of `analysis` into b, which is cleared. */
static int meta(const struct el_world_report *r, const char *analysis, struct el_buf *b)
{
    struct el_world_review v;
    el_world_judge_analysis(r, analysis, strlen(analysis), &v);
    el_buf_clear(b);
    return el_world_meta_true(r, &v, analysis, strlen(analysis), b, NULL);
}

static void issues_are_quoted_and_judged(void **state)
{
    (void)state;
    static const char text[] = OPEN "(1) 16*5=80 wrong.\n9*2=19 wrong.\ntotal 97 of 98 wrong.\n"
                                    "(3) malformed.\nno closing.\n" SCORE("0.5");
    struct el_world_report r;
    struct el_buf b;
    el_buf_init(&b);
    judge(proof, &r);
    for (r.look_up = 0; r.look_up < 2; r.look_up++) {
        assert_int_equal(meta(&r, text, &b), 0);
        assert_string_equal(b.data, META
                            "(1) 16*5=80 wrong.\nnot real.\n(1) 9*2=19 wrong.\nreal.\n"
                            "(1) total 97 of 98 wrong.\nmisstated.\n(3) malformed.\nmisstated.\n"
                            "no closing.\nreal.\nthe score does not fit.\n" RATE("0.5"));
    }
    assert_int_equal(meta(&r, OPEN SCORE("1"), &b), 0);
    assert_string_equal(b.data, META "no issue claimed.\nthe score fits.\n" RATE("1"));
    el_buf_release(&b);
}

/* In front of a claim's first issue; claims without one are left out. */
static void claims_at_issue_are_verified_anew(void **state)
{
    (void)state;
    static const char text[] =
        OPEN "(2) missing 5+9=15.\n(1) 9*2=19 wrong.\n(2) 7*2=14 again.\n9+9=18 wrong.\n"
             "no closing.\n" SCORE("0");
    static const char list[] = OPEN "(3) take 20 of 30 wrong.\n(9) malformed.\n" SCORE("0");
    struct el_world_report r;
    struct el_buf b;
    el_buf_init(&b);
    judge(proof, &r);
    assert_int_equal(r.look_up, 2);
    assert_int_equal(meta(&r, text, &b), 0);
    assert_string_equal(
        b.data, META "(2) 1*1+4*1=5 right.\nmissing 5+9=14.\n7*2=14 right.\ntotal 14 of 14 right.\n"
                     "(2) missing 5+9=15.\nmisstated.\n"
                     "(1) 16*5=80 right.\n9*2=19 wrong.\n80+19=99 right.\ntotal 99 of 98 wrong.\n"
                     "(1) 9*2=19 wrong.\nreal.\n"
                     "(2) 7*2=14 again.\nnot real.\n(2) 9+9=18 wrong.\nnot real.\n"
                     "no closing.\nreal.\nthe score fits.\n" RATE("0.5"));
    judge("(3) take 8,20,29.\n8+20=28.\n28+29=57.\n", &r);
    assert_int_equal(meta(&r, list, &b), 0);
    assert_string_equal(b.data, META "(3) take 8 of 8 right.\ntake 20 of 19 wrong.\n"
                                     "(3) take 20 of 30 wrong.\nmisstated.\nmalformed.\nnot real.\n"
                                     "the score fits.\n" RATE("0.5"));
    el_buf_release(&b);
}

static void analyses_that_cannot_be_quoted_are_refused(void **state)
{
    (void)state;
    struct el_world_report r;
    struct el_world_review v;
    struct el_buf b, text;
    el_buf_init(&b);
    el_buf_init(&text);
    judge(proof, &r);
    el_world_judge_analysis(&r, "x", 1, &v);
    assert_int_equal(el_world_meta_true(&r, &v, "x", 1, &b, NULL), EL_EREFUSED);
    el_buf_puts(&text, OPEN "(1) ");
    for (int i = 0; i < EL_WORLD_ISSUES + 1; i++)
        el_buf_puts(&text, "9*2=19 wrong.\n");
    el_buf_puts(&text, SCORE("0"));
    el_world_judge_analysis(&r, text.data, text.len, &v);
    assert_int_equal(v.claimed, EL_WORLD_ISSUES + 1);
    assert_int_equal(v.n_issues, EL_WORLD_ISSUES);
    assert_int_equal(el_world_meta_true(&r, &v, text.data, text.len, &b, NULL), EL_EREFUSED);
    assert_int_equal(b.len, 0);
    for (int n = 120; n <= 121; n++) {
        char line[512];
        snprintf(line, sizeof line, OPEN "(1) %0*d\n" SCORE("0"), n, 0);
        assert_int_equal(meta(&r, line, &b), n == 120 ? 0 : EL_EREFUSED);
    }
    el_buf_release(&b);
    el_buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(issues_are_quoted_and_judged),
        cmocka_unit_test(claims_at_issue_are_verified_anew),
        cmocka_unit_test(analyses_that_cannot_be_quoted_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
