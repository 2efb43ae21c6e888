/* Truthful and flawed analyses, the oracle for analyses. */
#include "core/base/alloc.h"
#include "data/world_parts.h"
#include "tests/data/analysis_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void judge(struct el_world_report *r)
{
    struct el_world_problem p;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    el_world_judge_proof(&p, proof, strlen(proof), r);
}

static void the_truthful_analysis(void **state)
{
    (void)state;
    struct el_world_report r;
    struct el_buf b;
    judge(&r);
    el_buf_init(&b);
    assert_true(el_world_analysis_true(&r, &b) >= 0);
    assert_string_equal(b.data,
                        OPEN "(1) 16*5=80 right.\n9*2=19 wrong.\n80+19=99 right.\n"
                             "total 99 of 98 wrong.\n"
                             "(2) 1*1+4*1=5 right.\nmissing 5+9=14.\n7*2=14 right.\n"
                             "total 14 of 14 right.\n(3) not addressed.\nno closing.\n" SCORE("0"));
    el_buf_release(&b);
}

/* An analysis of `proof`: real, misstated, invented, missed, and ms. */
static const struct {
    const char *text;
    int real, misstated, invented, missed;
    double ms;
} cases[] = {
    {OPEN "(1) 16*5=80 right.\n9*2=19 wrong.\n80+19=99 right.\ntotal 99 of 98 wrong.\n"
          "(2) missing 5+9=14.\n(3) not addressed.\nno closing.\n" SCORE("0"),
     5, 0, 0, 0, 1},
    {OPEN SCORE("1"), 0, 0, 0, 5, 1}, /* nothing claimed: reasonable by definition */
    {OPEN SCORE("0"), 0, 0, 0, 5, 0.5},
    {OPEN "(1) 9*2=19 wrong.\n" SCORE("0"), 1, 0, 0, 4, 1},
    {OPEN "(1) 9*2=19 wrong.\n9*2=19 wrong\n" SCORE("0"), 2, 0, 0, 4, 1},
    {OPEN "(1) 9*2=19 wrong.\n" SCORE("0.5"), 1, 0, 0, 4, 0.5},
    {OPEN "(2) missing 5+9=14.\n" SCORE("0.5"), 1, 0, 0, 4, 1},
    {OPEN "(2) missing 5+9=14.\nno closing.\n" SCORE("0.5"), 2, 0, 0, 3, 1},
    {OPEN "(2) missing 5+9=14.\n" SCORE("0"), 1, 0, 0, 4, 0.5},
    /* misstated */
    {OPEN "(1) 9*2=17 wrong.\n" SCORE("0"), 0, 1, 0, 4, 0.5},
    {OPEN "(1) missing 9*2=18.\n" SCORE("0.5"), 0, 1, 0, 4, 0.5},
    {OPEN "(1) 9*2=19 again.\n" SCORE("0.5"), 0, 1, 0, 4, 0.5},
    {OPEN "(1) total 97 of 98 wrong.\n" SCORE("0"), 0, 1, 0, 4, 0.5},
    {OPEN "(3) bad witness.\n" SCORE("0"), 0, 1, 0, 4, 0.5},
    {OPEN "(1) not addressed.\n" SCORE("0"), 0, 1, 0, 4, 0.5},
    /* invented */
    {OPEN "(1) 16*5=80 wrong.\n" SCORE("0"), 0, 0, 1, 5, 0},
    {OPEN "(2) 9*2=19 wrong.\n" SCORE("0"), 0, 0, 1, 5, 0},
    {OPEN "9*2=19 wrong.\n" SCORE("0"), 0, 0, 1, 5, 0}, /* names no claim */
    {OPEN "(7) 9*2=19 wrong.\n" SCORE("0"), 0, 0, 1, 5, 0},
    {OPEN "(2) total 14 of 14 wrong.\n" SCORE("0"), 0, 0, 1, 5, 0},
    {OPEN "(1) 16*5=80 wrong.\n9*2=19 wrong.\n" SCORE("0"), 1, 0, 1, 4, 0.5},
    {OPEN "The proof is poor.\n" SCORE("0"), 0, 0, 1, 5, 0},
    {OPEN "(1) 9*2=19 wrong because 9*2=18.\n" SCORE("0"), 0, 0, 1, 5, 0},
    /* format */
    {"", 0, 0, 0, 5, 0},
    {OPEN, 0, 0, 0, 5, 0},
    {SCORE("1"), 0, 0, 0, 5, 0},
    {OPEN SCORE("2"), 0, 0, 0, 5, 0},
    {OPEN SCORE("0.51"), 0, 0, 0, 5, 0},
    {OPEN "Based on my evaluation, the final overall score should be:\n", 0, 0, 0, 5, 0},
    {"\\boxed{1} " OPEN "Based on my evaluation, the final overall score should be:\n1", 0, 0, 0, 5,
     0},
    /* tolerated spellings; the last key phrase counts */
    {OPEN "Based on my evaluation, the final overal score should be:\n\\boxed{ 1.0 }", 0, 0, 0, 5,
     1},
    {OPEN "  ( 1 )  9 * 2 = 19  wrong \r\n\n" SCORE("0"), 1, 0, 0, 4, 1},
};

static void written_cases(void **state)
{
    (void)state;
    struct el_world_report r;
    judge(&r);
    assert_int_equal(r.n_defects, 5);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct el_world_review v;
        el_world_judge_analysis(&r, cases[i].text, strlen(cases[i].text), &v);
        if (v.real != cases[i].real || v.misstated != cases[i].misstated ||
            v.invented != cases[i].invented || v.missed != cases[i].missed || v.ms != cases[i].ms)
            fail_msg("real %d misstated %d invented %d missed %d ms %g for\n%s", v.real,
                     v.misstated, v.invented, v.missed, v.ms, cases[i].text);
    }
}

#define BOTH "(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\n(2) x=1.\n1*1+4*1=5.\n5+9=14.\n7*2=14.\n"
#define BOTH_RIGHT                                                                                 \
    "(1) 16*5=80 right.\n9*2=18 right.\n80+18=98 right.\ntotal 98 of 98 right.\n"                  \
    "(2) 1*1+4*1=5 right.\n5+9=14 right.\n7*2=14 right.\ntotal 14 of 14 right.\n"

/* The numbers taken from the list are looked up in front of the steps, and where one of them is not
 * there the claim is over. */
static void lists_are_looked_up(void **state)
{
    (void)state;
    static const struct {
        const char *third, *with, *without;
    } proofs[] = {
        {"(3) take 8,19,30.\n8+19=27.\n27+30=57.\n",
         "(3) take 8 of 8 right.\ntake 19 of 19 right.\ntake 30 of 30 right.\n8+19=27 right.\n"
         "27+30=57 right.\ntotal 57 of 57 right.\n" SCORE("1"),
         "(3) 8+19=27 right.\n27+30=57 right.\ntotal 57 of 57 right.\n" SCORE("1")},
        {"(3) take 27,30.\n27+30=57.\n", "(3) take 27 of 30 wrong.\n" SCORE("0"),
         "(3) bad witness.\n" SCORE("0")},
        /* one entry twice: the nearest of those that are left */
        {"(3) take 19,19.\n19+19=38.\n",
         "(3) take 19 of 19 right.\ntake 19 of 8 wrong.\n" SCORE("0"),
         "(3) bad witness.\n" SCORE("0")},
        {"(3) take 8,0.\n8+0=8.\n", "(3) take 8 of 8 right.\ntake 0 of 3 wrong.\n" SCORE("0"),
         "(3) bad witness.\n" SCORE("0")},
        {"(3) take 8,19,30.\n8+19=\n", "(3) malformed.\n" SCORE("0"),
         "(3) malformed.\n" SCORE("0")},
    };
    struct el_world_problem p;
    struct el_world_report r;
    struct el_buf b;
    char text[600];
    el_buf_init(&b);
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    for (size_t i = 0; i < sizeof proofs / sizeof *proofs; i++)
        for (int on = 0; on <= 3; on++) {
            snprintf(text, sizeof text, BOTH "%sSo all claims hold.", proofs[i].third);
            el_world_judge_proof(&p, text, strlen(text), &r);
            assert_int_equal(r.look_up, 2);
            r.look_up = on;
            el_buf_clear(&b);
            assert_true(el_world_analysis_true(&r, &b) >= 0);
            const char *want = on ? proofs[i].with : proofs[i].without;
            int restated = on == 3 && strncmp(want, "(3) take", 8) == 0;
            snprintf(text, sizeof text, OPEN BOTH_RIGHT "%s%s",
                     restated ? "(3) some of 3,8,19,30.\n" : "", want + (restated ? 4 : 0));
            assert_string_equal(b.data, text);
            struct el_world_review v;
            el_world_judge_analysis(&r, b.data, b.len, &v);
            assert_true(v.ms == 1 && v.claimed == r.n_defects && v.missed == 0);
        }
    el_buf_release(&b);
}

/* Numbers of the list that lead beyond 199 are a bad witness that no look-up shows. */
static void a_listed_witness_may_be_bad(void **state)
{
    (void)state;
    static const char far[] = "Show that (1) some of 99,100,101 add up to 199.";
    static const char text[] = "(1) take 99,101.\n99+101=199.\nSo all claims hold.";
    struct el_world_problem p;
    struct el_world_report r;
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(el_world_problem_parse(far, strlen(far), &p, NULL), 0);
    el_world_judge_proof(&p, text, strlen(text), &r);
    assert_int_equal(r.claim[0].state, EL_KIND_BAD_WITNESS);
    assert_true(el_world_analysis_true(&r, &b) >= 0);
    assert_string_equal(b.data, OPEN "(1) bad witness.\n" SCORE("0"));
    el_buf_release(&b);
}

/* More numbers than the list has, one of them 0; and a claim that has no list. */
static void nothing_is_left_to_look_up(void **state)
{
    (void)state;
    static const char both[] =
        "Show that (1) some of 3,5 add up to 8; (2) 7 divides x*x+4*x+9 for an x.";
    static const char text[] = "(1) take 3,5,0.\n3+5=8.\n8+0=8.\n(2) x=0.\nSo all claims hold.";
    static const char issue[] = OPEN "(2) take 0 of 0 wrong.\n" SCORE("0");
    struct el_world_problem p;
    struct el_world_report r;
    struct el_world_review v;
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(el_world_problem_parse(both, strlen(both), &p, NULL), 0);
    el_world_judge_proof(&p, text, strlen(text), &r);
    assert_true(el_world_analysis_true(&r, &b) >= 0);
    assert_string_equal(b.data, OPEN "(1) take 3 of 3 right.\ntake 5 of 5 right.\ntake 0 of 0 "
                                     "wrong.\n(2) bad witness.\n" SCORE("0"));
    el_world_judge_analysis(&r, b.data, b.len, &v);
    assert_true(v.ms == 1 && v.claimed == 2 && v.real == 2 && v.missed == 0);
    el_world_judge_analysis(&r, issue, strlen(issue), &v);
    assert_int_equal(v.misstated, 1);
    el_buf_release(&b);
}

/* Issues with such a line, of a proof that takes 27,30. */
static void looked_up_issues(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int real, misstated, invented;
    } lines[] = {
        {"(3) take 27 of 30 wrong.\n", 1, 0, 0},
        {"(3)  take  27 of  30  wrong\n", 1, 0, 0},
        {"(3) bad witness.\n", 1, 0, 0},
        {"(3) take 27 of 27 right.\n", 0, 0, 0}, /* passed over */
        {"(3) take 27 of 19 wrong.\n", 0, 1, 0},
        {"(3) take 28 of 30 wrong.\n", 0, 1, 0},
        {"(3) take 30 of 30 wrong.\n", 0, 1, 0},
        {"(3) take 0 of 3 wrong.\n", 0, 1, 0},
        {"(2) take 27 of 30 wrong.\n", 0, 0, 1},
        {"(3) take 27 of 30 again.\n", 0, 0, 1}, /* unreadable, as are all below */
        {"(3) take 27 of 30 bad witness.\n", 0, 0, 1},
        {"(3) take 27 of 200 wrong.\n", 0, 0, 1},
        {"(3) take of 30 wrong.\n", 0, 0, 1},
        {"(3) take 27,30 wrong.\n", 0, 0, 1},
    };
    static const char text[] = BOTH "(3) take 27,30.\n27+30=57.\nSo all claims hold.";
    struct el_world_problem p;
    struct el_world_report r;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    el_world_judge_proof(&p, text, strlen(text), &r);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char analysis[300];
        struct el_world_review v;
        snprintf(analysis, sizeof analysis, OPEN "%s" SCORE("0"), lines[i].line);
        el_world_judge_analysis(&r, analysis, strlen(analysis), &v);
        if (v.real != lines[i].real || v.misstated != lines[i].misstated ||
            v.invented != lines[i].invented)
            fail_msg("real %d misstated %d invented %d for\n%s", v.real, v.misstated, v.invented,
                     lines[i].line);
    }
}

struct fixture {
    struct el_world_problem p;
    struct el_world_report r;
    struct el_rng rng;
    struct el_buf proof, text;
};

static void setup(struct fixture *f, uint64_t seed)
{
    el_rng_init(&f->rng, seed);
    el_buf_init(&f->proof);
    el_buf_init(&f->text);
}

static void teardown(struct fixture *f)
{
    el_buf_release(&f->proof);
    el_buf_release(&f->text);
}

/* Problem i with random flaws. */
static void draw(struct fixture *f, uint64_t i)
{
    enum el_world_flaw flaw[EL_WORLD_CLAIMS];
    el_world_problem((enum el_world_split)(i % EL_WORLD_SPLITS), i, &f->p);
    for (int k = 0; k < EL_WORLD_CLAIMS; k++)
        flaw[k] = (enum el_world_flaw)el_rng_below(&f->rng, EL_FLAWS);
    el_buf_clear(&f->proof);
    el_buf_clear(&f->text);
    assert_int_equal(el_world_proof_flawed(&f->p, flaw, &f->rng, &f->proof, NULL), 0);
    el_world_judge_proof(&f->p, f->proof.data, f->proof.len, &f->r);
}

static void truthful_analyses_find_exactly_the_defects(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 1);
    for (uint64_t i = 0; i < 4000; i++) {
        struct el_world_review v;
        draw(&f, i);
        assert_true(el_world_analysis_true(&f.r, &f.text) >= 0);
        el_world_judge_analysis(&f.r, f.text.data, f.text.len, &v);
        if (v.claimed != f.r.n_defects || v.real != v.claimed || v.missed != 0 || v.ms != 1 ||
            v.score != f.r.score)
            fail_msg("claimed %d real %d missed %d ms %g, defects %d for\n%s\n%s", v.claimed,
                     v.real, v.missed, v.ms, f.r.n_defects, f.proof.data, f.text.data);
    }
    teardown(&f);
}

static void check_flawed(const struct fixture *f, int flaw, const struct el_world_review *v)
{
    double ms = 1;
    if (flaw == EL_REVIEW_INVENTED)
        ms = v->real ? 0.5 : 0;
    else if (flaw == EL_REVIEW_MISSTATED || flaw == EL_REVIEW_SCORE)
        ms = 0.5;
    if (v->ms != ms || v->invented != (flaw == EL_REVIEW_INVENTED) ||
        v->misstated != (flaw == EL_REVIEW_MISSTATED))
        fail_msg("%s: ms %g, expected %g\n%s\n%s", el_world_review_flaw_name(flaw), v->ms, ms,
                 f->proof.data, f->text.data);
    if (flaw == EL_REVIEW_MISSED || flaw == EL_REVIEW_DROPPED)
        assert_int_equal(v->missed, 1);
}

static void flawed_analyses_have_their_quality(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 2);
    for (int flaw = 0; flaw < EL_REVIEW_FLAWS; flaw++) {
        int made = 0;
        for (uint64_t i = 0; i < 600; i++) {
            struct el_world_review v;
            draw(&f, i);
            int rc = el_world_analysis_flawed(&f.r, (enum el_world_review_flaw)flaw, &f.rng,
                                              &f.text, NULL);
            if (rc == EL_ENOTFOUND) {
                assert_int_equal(f.text.len, 0);
                continue;
            }
            assert_int_equal(rc, 0);
            made++;
            el_world_judge_analysis(&f.r, f.text.data, f.text.len, &v);
            check_flawed(&f, flaw, &v);
        }
        assert_in_range(made, 300, 600);
    }
    teardown(&f);
}

/* A whole claim is said to be unreadable or the like; a line is called wrong that does not stand
 * in the proof. */
static int is_wide(const struct el_world_report *r, const struct el_world_issue *issue,
                   const char *text)
{
    struct el_world_scan s = {text + issue->begin, text + issue->end};
    struct el_world_step step;
    int whole = issue->kind == EL_KIND_MALFORMED || issue->kind == EL_KIND_UNADDRESSED;
    if (whole || issue->kind != EL_KIND_WRONG)
        return whole;
    assert_true(el_world_scan_step(&s, &step));
    const struct el_world_claim_report *q = &r->claim[issue->claim];
    for (int i = 0; i < q->n_lines; i++)
        if (el_world_same_left(&q->line[i].step, &step))
            return 0;
    return 2;
}

/* Where meta-analyses verify anew, judges shall meet what the proof does not have. */
static void inventions_are_wide_with_look_up(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 4);
    for (int on = 0; on <= 3; on++) {
        int count[3] = {0};
        for (uint64_t i = 0; i < 2000; i++) {
            struct el_world_review v;
            draw(&f, i);
            f.r.look_up = on;
            if (el_world_analysis_flawed(&f.r, EL_REVIEW_INVENTED, &f.rng, &f.text, NULL) < 0)
                continue;
            el_world_judge_analysis(&f.r, f.text.data, f.text.len, &v);
            for (int k = 0; k < v.n_issues; k++)
                if (v.issue[k].verdict == EL_ISSUE_INVENTED)
                    count[is_wide(&f.r, &v.issue[k], f.text.data)]++;
        }
        assert_in_range(count[0], 1000, 2000);
        assert_true(on < 2 ? count[1] == 0 && count[2] == 0 : count[1] > 20 && count[2] > 100);
    }
    teardown(&f);
}

static void a_right_proof_leaves_nothing_to_miss(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 3);
    el_world_problem(EL_WORLD_TEST, 0, &f.p);
    assert_int_equal(el_world_proof_good(&f.p, &f.rng, &f.proof, NULL), 0);
    el_world_judge_proof(&f.p, f.proof.data, f.proof.len, &f.r);
    static const enum el_world_review_flaw impossible[] = {EL_REVIEW_MISSED, EL_REVIEW_DROPPED,
                                                           EL_REVIEW_MISSTATED};
    for (int i = 0; i < 3; i++)
        assert_int_equal(el_world_analysis_flawed(&f.r, impossible[i], &f.rng, &f.text, NULL),
                         EL_ENOTFOUND);
    teardown(&f);
}

static void nonsense_is_judged(void **state)
{
    (void)state;
    static const char alphabet[] = "(123) *+=9 right.\nwrong missing total of\\boxed{}\0\xff";
    struct el_world_report r;
    struct el_world_review v;
    struct el_rng rng;
    size_t n = 1 << 20, open = strlen(OPEN), score = strlen(SCORE("1"));
    char *text = malloc(n);
    judge(&r);
    el_rng_init(&rng, 6);
    for (size_t i = 0; i < n; i++)
        text[i] = alphabet[el_rng_below(&rng, sizeof alphabet)];
    el_world_judge_analysis(&r, text, n, &v);
    assert_false(v.format_ok);
    memcpy(text, OPEN, open);
    memcpy(text + n - score, SCORE("1"), score);
    el_world_judge_analysis(&r, text, n, &v);
    assert_true(v.format_ok);
    assert_true(v.claimed > EL_WORLD_ISSUES);
    assert_true(v.ms == 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_truthful_analysis),
        cmocka_unit_test(written_cases),
        cmocka_unit_test(lists_are_looked_up),
        cmocka_unit_test(a_listed_witness_may_be_bad),
        cmocka_unit_test(nothing_is_left_to_look_up),
        cmocka_unit_test(looked_up_issues),
        cmocka_unit_test(truthful_analyses_find_exactly_the_defects),
        cmocka_unit_test(flawed_analyses_have_their_quality),
        cmocka_unit_test(inventions_are_wide_with_look_up),
        cmocka_unit_test(a_right_proof_leaves_nothing_to_miss),
        cmocka_unit_test(nonsense_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
