/* Truthful meta-analyses. */
#include "data/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char statement[] = "Show that (1) 98=16*x+9*y for some x,y; (2) 7 divides "
                                "x*x+4*x+9 for an x; (3) some of 3,8,19,30 add up to 57.";

/* Wrong: 9*2=19, its total 99 of 98; 5+9=14 omitted; claim 3 not addressed; not closed. */
static const char proof[] = "(1) x=5, y=2.\n16*5=80.\n9*2=19.\n80+19=99.\n"
                            "(2) x=1.\n1*1+4*1=5.\n7*2=14.\n";

#define OPEN     "Here is my evaluation of the solution:\n"
#define SCORE(s) "Based on my evaluation, the final overall score should be:\n\\boxed{" s "}"
#define META     "Here is my analysis of the \"solution evaluation\":\n"
#define RATE(s)  "Based on my analysis, I will rate the \"solution evaluation\" as:\n\\boxed{" s "}"

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

static void issues_are_quoted_and_looked_up(void **state)
{
    (void)state;
    static const char text[] =
        OPEN "(1) 16*5=80 wrong.\n9*2=19 wrong.\ntotal 97 of 98 wrong.\nno closing.\n" SCORE("0.5");
    struct el_world_report r;
    struct el_buf b;
    el_buf_init(&b);
    judge(proof, &r);
    assert_int_equal(meta(&r, text, &b), 0);
    assert_string_equal(b.data, META "(1) 16*5=80 wrong.\n16*5=80 of 16*5=80.\nnot real.\n"
                                     "(1) 9*2=19 wrong.\n9*2=19 of 9*2=18.\nreal.\n"
                                     "(1) total 97 of 98 wrong.\n99 of 98.\nmisstated.\n"
                                     "no closing.\nreal.\nthe score does not fit.\n" RATE("0.5"));
    for (r.look_up = 0; r.look_up < 2; r.look_up++) {
        assert_int_equal(meta(&r, text, &b), 0);
        assert_string_equal(b.data,
                            META "(1) 16*5=80 wrong.\nnot real.\n(1) 9*2=19 wrong.\nreal.\n"
                                 "(1) total 97 of 98 wrong.\nmisstated.\n"
                                 "no closing.\nreal.\nthe score does not fit.\n" RATE("0.5"));
    }
    assert_int_equal(meta(&r, OPEN SCORE("1"), &b), 0);
    assert_string_equal(b.data, META "no issue claimed.\nthe score fits.\n" RATE("1"));
    el_buf_release(&b);
}

/* What stands beneath an issue, and the verdict. */
struct fact {
    const char *issue, *fact, *verdict;
};

static void check_facts(const char *text, const struct fact *facts, size_t n)
{
    struct el_world_report r;
    struct el_buf b;
    char analysis[300], expected[300];
    el_buf_init(&b);
    judge(text, &r);
    for (size_t i = 0; i < n; i++) {
        snprintf(analysis, sizeof analysis, OPEN "%s\n" SCORE("0"), facts[i].issue);
        snprintf(expected, sizeof expected, META "%s\n%s%s.\n", facts[i].issue, facts[i].fact,
                 facts[i].verdict);
        assert_int_equal(meta(&r, analysis, &b), 0);
        if (strncmp(b.data, expected, strlen(expected)) != 0)
            fail_msg("expected\n%s\ngot\n%s", expected, b.data);
    }
    el_buf_release(&b);
}

static void facts_of_lines(void **state)
{
    (void)state;
    static const struct fact facts[] = {
        {"(1) 9*2=18 wrong.", "9*2=19 of 9*2=18.\n", "misstated"},
        {"(1) 16*5=81 wrong.", "16*5=80 of 16*5=80.\n", "not real"},
        {"(1) 7*2=14 wrong.", "0.\n", "not real"}, /* of another claim */
        {"(1) 80+19=99 again.", "80+19=99 of 80+19=99.\n", "not real"},
        {"(2) missing 5+9=14.", "0 of 5+9=14.\n", "real"},
        {"(2) missing 5+9=15.", "0 of 5+9=14.\n", "misstated"},
        {"(2) missing 7*2=14.", "7*2=14 of 7*2=14.\n", "not real"},
        {"(2) missing 4*1=4.", "0.\n", "not real"},
        {"(2) 9+9=18 wrong.", "0.\n", "not real"},
        {"(3) 8+19=27 wrong.", "0.\n", "not real"},
        {"9*2=19 wrong.", "0.\n", "not real"}, /* of no claim */
        {"no closing.", "", "real"},
        {"(1) nonsense.", "", "not real"},
        {"(3) not addressed.", "0.\n", "real"},
        {"(1) not addressed.", "(1) x=5, y=2.\n", "misstated"},
        {"(2) bad witness.", "(2) x=1.\n", "misstated"},
        {"(2) malformed.", "0.\n", "misstated"},
        {"malformed.", "0.\n", "not real"},
    };
    /* a miscopied operand, a step twice, a step of nothing, a result beyond the world's numbers */
    static const struct fact others[] = {
        {"(1) 81+18=99 wrong.", "81+18=99 of 80+18=98.\n", "real"},
        {"(2) 1*1+4*1=5 again.", "2 of 1*1+4*1=5.\n", "real"},
        {"(2) 1*1+4*1=6 again.", "2 of 1*1+4*1=5.\n", "misstated"},
        {"(2) 6+3=9 wrong.", "6+3=9 of 0.\n", "real"},
        {"(2) 5+9=15 wrong.", "5+9=15 of 5+9=14.\n", "real"},
    };
    check_facts(proof, facts, sizeof facts / sizeof *facts);
    check_facts("(1) x=5, y=2.\n16*5=80.\n9*2=18.\n81+18=99.\n"
                "(2) x=1.\n1*1+4*1=5.\n1*1+4*1=5.\n5+9=15.\n7*2=14.\n6+3=9.\n",
                others, sizeof others / sizeof *others);
}

static void facts_of_totals_and_lists(void **state)
{
    (void)state;
    static const struct fact facts[] = {
        {"(1) total 99 of 98 wrong.", "99 of 98.\n", "real"},
        {"(1) total 99 of 97 wrong.", "99 of 98.\n", "misstated"},
        {"(2) total 14 of 15 wrong.", "14 of 14.\n", "not real"},
        {"(3) total 14 of 14 wrong.", "0.\n", "not real"}, /* it has no total */
        {"total 99 of 98 wrong.", "0.\n", "not real"},
        {"(3) take 20 of 19 wrong.", "20 of 19.\n", "real"},
        {"(3) take 20 of 30 wrong.", "20 of 19.\n", "misstated"},
        {"(3) take 21 of 19 wrong.", "20 of 19.\n", "misstated"}, /* the first foreign one */
        {"(3) take 8 of 8 wrong.", "8 of 8.\n", "misstated"},
        {"(1) take 5 of 8 wrong.", "0.\n", "misstated"}, /* it has no list */
        {"(3) bad witness.", "(3) take 8,20,29.\n", "real"},
    };
    static const struct fact right[] = {
        {"(3) take 19 of 8 wrong.", "19 of 19.\n", "not real"},
        {"(3) take 20 of 19 wrong.", "0.\n", "not real"},
        {"(3) total 58 of 57 wrong.", "57 of 57.\n", "not real"},
    };
    check_facts("(1) x=5, y=2.\n16*5=80.\n9*2=19.\n80+19=99.\n(2) x=1.\n1*1+4*1=5.\n5+9=14.\n"
                "7*2=14.\n(3) take 8,20,29.\n8+20=28.\n28+29=57.\nSo all claims hold.",
                facts, sizeof facts / sizeof *facts);
    check_facts("(3) take 8,19,30.\n8+19=27.\n27+30=57.\n", right, sizeof right / sizeof *right);
}

static void facts_of_unreadable_claims(void **state)
{
    (void)state;
    static const struct fact facts[] = {
        {"(1) malformed.", "total 89 of 98 wrong.\n", "real"},
        {"(1) bad witness.", "(1) x=5, y=1.\n", "misstated"},
        {"(2) malformed.", "7*2=\n", "real"},
        {"(3) malformed.", "(3) take eight.\n", "real"},
        {"(3) not addressed.", "(3) take eight.\n", "misstated"},
    };
    /* a claim begun twice; the beginning of a long line, up to a whole character */
    static const struct fact others[] = {
        {"(1) malformed.", "(1) x=5, y=2.\n", "real"},
        {"(2) malformed.", "éééééééééééééééééééééé 9\n", "real"},
        {"(3) malformed.", "more\n", "real"},
    };
    check_facts("(1) x=5, y=1.\n16*5=80.\n9*1=9.\n80+9=89.\ntotal 89 of 98 wrong.\n"
                "(2) x=1.\n1*1+4*1=5.\n7*2=\n8*2=\n(3) take eight.\n",
                facts, sizeof facts / sizeof *facts);
    check_facts("(1) x=5, y=2.\n16*5=80.\n(2) x=1.\néééééééééééééééééééééé 9é\n(1) x=5, y=2.\n"
                "So all claims hold.\nmore\n",
                others, sizeof others / sizeof *others);
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
    el_buf_release(&b);
    el_buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(issues_are_quoted_and_looked_up),
        cmocka_unit_test(facts_of_lines),
        cmocka_unit_test(facts_of_totals_and_lists),
        cmocka_unit_test(facts_of_unreadable_claims),
        cmocka_unit_test(analyses_that_cannot_be_quoted_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
