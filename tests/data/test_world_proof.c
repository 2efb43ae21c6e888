/* The oracle for proofs, against written cases and against the programmed flaws. */
#include "core/base/alloc.h"
#include "data/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char statement[] = "Show that (1) 98=16*x+9*y for some x,y; (2) 7 divides "
                                "x*x+4*x+9 for an x; (3) some of 3,8,19,30 add up to 57.";

#define ONE    "(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\n"
#define TWO    "(2) x=1.\n1*1+4*1=5.\n5+9=14.\n7*2=14.\n"
#define THREE  "(3) take 8,19,30.\n8+19=27.\n27+30=57.\n"
#define CLOSED "So all claims hold."
#define MISS   "(1) x=4, y=3.\n16*4=64.\n9*3=27.\n64+27=91.\n"
#define AGAIN  "total 91 of 98 wrong.\n"

/* A proof, its score, and its defects as "claim:kind" with the claim 1-based, 0 for the closing. */
static const struct {
    const char *proof;
    double score;
    const char *defects;
} cases[] = {
    {ONE TWO THREE CLOSED, 1, ""},
    /* order, blanks, swapped factors and summands, another true witness */
    {THREE "\n\n" ONE TWO CLOSED "\n\n", 1, ""},
    {" ( 1 ) x = 5 , y = 2\r\n5 * 16 = 80\r\n2*9=18\r\n 18+80 = 98 .\r\n" TWO THREE CLOSED, 1, ""},
    {ONE "(2) x=2.\n2*2+4*2=12.\n12+9=21.\n3*7=21.\n" THREE CLOSED, 1, ""},
    {ONE TWO "(3) take 30,8,19.\n30+8=38.\n38+19=57.\n" CLOSED, 1, ""},
    /* minor defects */
    {ONE TWO THREE, 0.5, "0:no closing line "},
    {"(1) x=5, y=2.\n16*5=80.\n80+18=98.\n" TWO THREE CLOSED, 0.5, "1:omitted step "},
    {"(1) x=5, y=2.\n" TWO THREE CLOSED, 0, "1:omitted step 1:omitted step 1:omitted step "},
    {"(1) x=5, y=2.\n16*5=80.\n" TWO THREE CLOSED, 0.5, "1:omitted step 1:omitted step "},
    {"(1) x=5, y=2.\n16*5=80.\n16*5=80.\n9*2=18.\n80+18=98.\n" TWO THREE CLOSED, 0.5,
     "1:repeated step "},
    {ONE "(2) x=1.\n1*1+4*1=5.\n5+9=14.\n" THREE CLOSED, 0.5, "2:omitted step "},
    {"(1) x=5, y=2.\n16*5=80.\n80+18=98.\n(2) x=1.\n5+9=14.\n7*2=14.\n"
     "(3) take 8,19,30.\n27+30=57.\n" CLOSED,
     0, "1:omitted step 2:omitted step 3:omitted step "},
    /* a slip: later lines follow from it and are right, the total misses */
    {"(1) x=5, y=2.\n16*5=81.\n9*2=18.\n81+18=99.\n" TWO THREE CLOSED, 0,
     "1:wrong step 1:wrong total "},
    {"(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=97.\n" TWO THREE CLOSED, 0,
     "1:wrong step 1:wrong total "},
    /* honest steps of a wrong witness, and a bent one */
    {"(1) x=4, y=3.\n16*4=64.\n9*3=27.\n64+27=91.\n" TWO THREE CLOSED, 0, "1:wrong total "},
    {"(1) x=4, y=3.\n16*4=64.\n9*3=27.\n64+27=98.\n" TWO THREE CLOSED, 0, "1:wrong step "},
    {ONE "(2) x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=28.\n" THREE CLOSED, 0, "2:wrong total "},
    {ONE "(2) x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=30.\n" THREE CLOSED, 0, "2:wrong step "},
    {ONE "(2) x=3.\n3*3+4*3=21.\n21+9=30.\n" THREE CLOSED, 0, "2:omitted step 2:wrong total "},
    /* true arithmetic that is not what the claim needs */
    {"(1) x=5, y=2.\n15*5=75.\n9*2=18.\n75+18=93.\n" TWO THREE CLOSED, 0,
     "1:wrong step 1:wrong total "},
    {"(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\n1+1=2.\n" TWO THREE CLOSED, 0, "1:wrong step "},
    {"(1) x=5, y=2.\n16*5=80.\n9*2=18.\n82+16=98.\n" TWO THREE CLOSED, 0, "1:wrong step "},
    /* the whole claim */
    {ONE THREE CLOSED, 0, "2:not addressed "},
    {"", 0, "1:not addressed 2:not addressed 3:not addressed 0:no closing line "},
    {CLOSED, 0, "1:not addressed 2:not addressed 3:not addressed "},
    {"(1) x=0, y=2.\n16*0=0.\n9*2=18.\n0+18=18.\n" TWO THREE CLOSED, 0, "1:bad witness "},
    {"(1) x=150, y=2.\n16*150=199.\n" TWO THREE CLOSED, 0, "1:bad witness "},
    {ONE TWO "(3) take 19,19,19.\n19+19=38.\n38+19=57.\n" CLOSED, 0, "3:bad witness "},
    {ONE TWO "(3) take 27,30.\n27+30=57.\n" CLOSED, 0, "3:bad witness "},
    {ONE ONE TWO THREE CLOSED, 0, "1:malformed "},
    {ONE TWO THREE CLOSED "\nMore.", 0, "3:malformed "},
    {"Proof.\n" ONE TWO THREE CLOSED, 0, "1:malformed "},
    {ONE "(2) x=one.\n1*1+4*1=5.\n5+9=14.\n7*2=14.\n" THREE CLOSED, 0, "2:malformed "},
    {ONE "(2) take 1.\n" THREE CLOSED, 0, "2:malformed "},
    {ONE TWO "(3) take 8,19,30.\n8+19=\n" CLOSED, 0, "3:malformed "},
    {ONE TWO "(3) take 8,19,30.\n8+19=2727+30=57.\n" CLOSED, 0, "3:malformed "},
    {ONE TWO "(3) take 8,19,30.\n8+19=27. 27+30=57.\n" CLOSED, 0, "3:malformed "},
    {ONE TWO "(3) take 8,19,30.\n8+19=027.\n27+30=57.\n" CLOSED, 0, "3:malformed "},
    {ONE TWO THREE "(4) x=1.\n" CLOSED, 0, "3:malformed "},
    {ONE TWO THREE "1*2*3*4*5=120.\n" CLOSED, 0, "3:malformed "},
    /* abandoned and begun afresh: only the last attempt is judged */
    {MISS AGAIN ONE TWO THREE CLOSED, 1, ""},
    {MISS AGAIN MISS " total 91 of 98 wrong\r\n\n" ONE TWO THREE CLOSED, 1, ""},
    {"(1) x=0, y=3.\n16*4=65.\ntotal 7 of 9 wrong.\n" ONE TWO THREE CLOSED, 1, ""},
    {ONE AGAIN MISS TWO THREE CLOSED, 0, "1:wrong total "},
    {ONE TWO "(3) take 3,8.\n" AGAIN THREE, 0.5, "0:no closing line "},
    /* abandoned for nothing, by half, or not readably */
    {MISS AGAIN TWO THREE CLOSED, 0, "1:malformed "},
    {ONE TWO THREE AGAIN CLOSED, 0, "3:malformed "},
    {MISS AGAIN "16*5=80.\n" ONE TWO THREE CLOSED, 0, "1:malformed "},
    {MISS AGAIN AGAIN ONE TWO THREE CLOSED, 0, "1:malformed "},
    {MISS AGAIN TWO ONE THREE CLOSED, 0, "1:malformed "},
    {MISS "so 1+1\n" AGAIN ONE TWO THREE CLOSED, 0, "1:malformed "},
    {"Try.\n" MISS AGAIN ONE TWO THREE CLOSED, 0, "1:malformed "},
    {MISS "total 91 of 98 right.\n" ONE TWO THREE CLOSED, 0, "1:malformed "},
    /* remarks are not judged, the total is */
    {ONE "total 98 of 98 right.\n" TWO "total 1 of 2 right\n" THREE CLOSED, 1, ""},
    {MISS "total 98 of 98 right.\n" TWO THREE CLOSED, 0, "1:wrong total "},
    {"(1) x=5, y=2.\n16*5=80.\ntotal 80 of 98 right.\n9*2=18.\n80+18=98.\n" TWO THREE CLOSED, 1,
     ""},
    {ONE "total 98 of 98 good.\n" TWO THREE CLOSED, 0, "1:malformed "},
    {ONE "total 98 of 200 right.\n" TWO THREE CLOSED, 0, "1:malformed "},
    {"total 98 of 98 right.\n" ONE TWO THREE CLOSED, 0, "1:malformed "},
    {AGAIN ONE TWO THREE CLOSED, 0, "1:malformed "},
};

static void judge(const char *proof, struct el_world_report *r)
{
    struct el_world_problem p;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    el_world_judge_proof(&p, proof, strlen(proof), r);
}

static void written_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct el_world_report r;
        struct el_buf b;
        judge(cases[i].proof, &r);
        el_buf_init(&b);
        for (int k = 0; k < r.n_defects; k++)
            el_buf_printf(&b, "%d:%s ", r.defect[k].claim + 1,
                          el_world_kind_name(r.defect[k].kind));
        if (r.score != cases[i].score || strcmp(b.data, cases[i].defects) != 0)
            fail_msg("score %g, defects '%s', expected %g, '%s' for\n%s", r.score, b.data,
                     cases[i].score, cases[i].defects, cases[i].proof);
        el_buf_release(&b);
    }
}

static void a_single_number_of_the_list_needs_no_step(void **state)
{
    (void)state;
    const char *s = "Show that (1) some of 3,8,57 add up to 57.";
    const char *proof = "(1) take 57.\nSo all claims hold.";
    struct el_world_problem p;
    struct el_world_report r;
    assert_int_equal(el_world_problem_parse(s, strlen(s), &p, NULL), 0);
    el_world_judge_proof(&p, proof, strlen(proof), &r);
    assert_true(r.score == 1);
}

static void more_lines_than_are_read_are_malformed(void **state)
{
    (void)state;
    struct el_world_report r;
    struct el_buf b;
    el_buf_init(&b);
    el_buf_puts(&b, "(1) x=5, y=2.\n");
    for (int i = 0; i <= EL_WORLD_LINES; i++)
        el_buf_puts(&b, "16*5=80.\n");
    judge(b.data, &r);
    assert_int_equal(r.claim[0].state, EL_KIND_MALFORMED);
    el_buf_release(&b);
}

/* Each attempt has its own count of lines, and the claim's text is that of the last. */
static void attempts_are_told_apart(void **state)
{
    (void)state;
    struct el_world_report r;
    struct el_buf b;
    el_buf_init(&b);
    for (int k = 0; k < 20; k++) {
        el_buf_puts(&b, "(1) x=5, y=2.\n");
        for (int i = 0; i < EL_WORLD_LINES; i++)
            el_buf_puts(&b, "16*5=80.\n");
        el_buf_puts(&b, AGAIN);
    }
    el_buf_puts(&b, ONE TWO);
    judge(b.data, &r);
    assert_int_equal(r.claim[0].state, EL_KIND_RIGHT);
    assert_int_equal(r.claim[0].abandoned, 20);
    assert_int_equal(r.claim[1].abandoned, 0);
    assert_int_equal(r.claim[0].untrue, 20); /* the total is not that of the last line */
    assert_true(el_world_claim_is_right(&r, 0));
    assert_int_equal(r.claim[0].end - r.claim[0].begin, strlen(ONE) - 1);
    assert_memory_equal(b.data + r.claim[0].begin, ONE, strlen(ONE) - 1);
    el_buf_release(&b);
}

static void good_proofs_score_1(void **state)
{
    (void)state;
    struct el_rng rng;
    struct el_buf b;
    el_rng_init(&rng, 1);
    el_buf_init(&b);
    for (uint64_t i = 0; i < 2000; i++) {
        struct el_world_problem p;
        struct el_world_report r;
        el_world_problem((enum el_world_split)(i % EL_WORLD_SPLITS), i, &p);
        el_buf_clear(&b);
        assert_int_equal(el_world_proof_good(&p, &rng, &b, NULL), 0);
        el_world_judge_proof(&p, b.data, b.len, &r);
        assert_true(r.score == 1);
        assert_int_equal(r.n_defects, 0);
    }
    el_buf_release(&b);
}

static double stated_score(int flaw)
{
    return flaw == EL_FLAW_NONE ? 1 : flaw >= EL_FLAW_OMITTED ? 0.5 : 0;
}

/* What of a flawed proof is the answer: -1 where it depends on the claim. */
static int answer_with(int flaw)
{
    switch (flaw) {
    case EL_FLAW_UNADDRESSED:
    case EL_FLAW_BAD_WITNESS:
        return 0;
    case EL_FLAW_UNLISTED:
    case EL_FLAW_REUSED:
    case EL_FLAW_WITNESS: /* these become slips where a claim cannot have them */
    case EL_FLAW_BENT:
    case EL_FLAW_SWAPPED:
    case EL_FLAW_MALFORMED:
        return -1;
    default:
        return 1;
    }
}

static void every_flaw_has_its_score(void **state)
{
    (void)state;
    struct el_rng rng;
    struct el_buf b;
    int missed[EL_FLAWS] = {0};
    el_rng_init(&rng, 2);
    el_buf_init(&b);
    for (int f = 0; f < EL_FLAWS; f++)
        for (uint64_t i = 0; i < 400; i++) {
            struct el_world_problem p;
            struct el_world_report r;
            enum el_world_flaw flaw[EL_WORLD_CLAIMS] = {EL_FLAW_NONE};
            el_world_problem((enum el_world_split)(i % EL_WORLD_SPLITS), i, &p);
            int at = (int)(i % (uint64_t)p.n_claims);
            flaw[at] = (enum el_world_flaw)f;
            el_buf_clear(&b);
            assert_int_equal(el_world_proof_flawed(&p, flaw, &rng, &b, NULL), 0);
            el_world_judge_proof(&p, b.data, b.len, &r);
            if (r.score != stated_score(f))
                fail_msg("%s scores %g:\n%s", el_world_flaw_name(f), r.score, b.data);
            int holds = el_world_answer_holds(&p, &r);
            if (answer_with(f) >= 0 && holds != answer_with(f))
                fail_msg("%s: the answer %s:\n%s", el_world_flaw_name(f),
                         holds ? "holds" : "does not hold", b.data);
            missed[f] += !holds;
            for (int k = 0; k < p.n_claims; k++)
                assert_int_equal(el_world_claim_is_right(&r, k),
                                 k != at || f == EL_FLAW_NONE || f == EL_FLAW_UNCLOSED);
        }
    assert_true(missed[EL_FLAW_WITNESS] > 200 && missed[EL_FLAW_BENT] > 200);
    el_buf_release(&b);
}

/* The numbers add up, and are not all in the list; a claim of another family has a witness that
 * misses. */
static void unlisted_numbers_add_up(void **state)
{
    (void)state;
    struct el_rng rng;
    struct el_buf b;
    int lists = 0, others = 0;
    el_rng_init(&rng, 3);
    el_buf_init(&b);
    for (uint64_t i = 0; i < 400; i++) {
        struct el_world_problem p;
        struct el_world_report r;
        enum el_world_flaw flaw[EL_WORLD_CLAIMS] = {EL_FLAW_NONE};
        el_world_problem(EL_WORLD_TRAIN, i, &p);
        int at = p.n_claims - 1, sum = 0;
        const struct el_world_claim_report *c = &r.claim[at];
        flaw[at] = EL_FLAW_UNLISTED;
        el_buf_clear(&b);
        assert_int_equal(el_world_proof_flawed(&p, flaw, &rng, &b, NULL), 0);
        el_world_judge_proof(&p, b.data, b.len, &r);
        assert_true(r.score == 0);
        if (p.claim[at].family != EL_WORLD_SUB) {
            others += c->total != c->target;
            continue;
        }
        assert_int_equal(c->state, EL_KIND_BAD_WITNESS);
        for (int k = 0; k < c->witness.n; k++) {
            sum += c->witness.v[k];
            assert_true(k == 0 || c->witness.v[k] >= c->witness.v[k - 1]);
        }
        assert_int_equal(sum, p.claim[at].total);
        lists++;
    }
    assert_true(lists > 150 && others > 100);
    el_buf_release(&b);
}

/* How often w takes v, less how often the list has it. */
static int taken_too_often(const struct el_world_claim *c, const struct el_world_witness *w, int v)
{
    int n = 0;
    for (int i = 0; i < w->n; i++)
        n += w->v[i] == v;
    for (int i = 0; i < c->n; i++)
        n -= c->v[i] == v;
    return n;
}

static int list_has(const struct el_world_claim *c, int v)
{
    for (int i = 0; i < c->n; i++)
        if (c->v[i] == v)
            return 1;
    return 0;
}

/* The numbers come from the list, one of them once too often; they add up, or nearly. */
static void reused_numbers_add_up(void **state)
{
    (void)state;
    struct el_rng rng;
    struct el_buf b;
    int lists = 0, fit = 0, far = 0;
    el_rng_init(&rng, 4);
    el_buf_init(&b);
    for (uint64_t i = 0; i < 1000; i++) {
        struct el_world_problem p;
        struct el_world_report r;
        enum el_world_flaw flaw[EL_WORLD_CLAIMS] = {EL_FLAW_NONE};
        el_world_problem(EL_WORLD_TRAIN, i, &p);
        int at = p.n_claims - 1, sum = 0, too_often = 0;
        const struct el_world_claim *c = &p.claim[at];
        const struct el_world_witness *w = &r.claim[at].witness;
        if (c->family != EL_WORLD_SUB)
            continue;
        flaw[at] = EL_FLAW_REUSED;
        el_buf_clear(&b);
        assert_int_equal(el_world_proof_flawed(&p, flaw, &rng, &b, NULL), 0);
        el_world_judge_proof(&p, b.data, b.len, &r);
        assert_true(r.score == 0);
        assert_int_equal(r.claim[at].state, EL_KIND_BAD_WITNESS);
        for (int k = 0; k < w->n; k++) {
            assert_true(k == 0 || w->v[k] >= w->v[k - 1]);
            sum += w->v[k];
            assert_true(list_has(c, w->v[k]));
            too_often += (k == 0 || w->v[k] != w->v[k - 1]) && taken_too_often(c, w, w->v[k]) == 1;
        }
        assert_int_equal(too_often, 1);
        lists++;
        fit += sum == c->total;
        far += abs(sum - c->total) > 10;
    }
    print_message("%d lists reuse a number, %d of them add up, %d are far off\n", lists, fit, far);
    assert_true(lists > 500 && fit > lists / 5 && far < lists / 5);
    el_buf_release(&b);
}

/* What was abandoned is no answer, even where it was right. */
static void an_abandoned_answer_is_none(void **state)
{
    (void)state;
    static const char asked[] = "Show that (1) 98=16*x+9*y for some x,y.";
    static const char right[] = "(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\n";
    static const struct {
        const char *end;
        int holds;
    } ends[] = {{"", 1},
                {"total 98 of 98 right.\n", 1},
                {"total 97 of 98 wrong.\n", 0},
                {"total 98 of 98 wrong.\n(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\n", 1},
                {"total 98 of 98 wrong.\n(1) x=5, y=1.\n16*5=80.\n9*1=9.\n80+9=89.\n", 0}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct el_world_problem p;
        struct el_world_report r;
        char proof[300];
        snprintf(proof, sizeof proof, "%s%sSo all claims hold.", right, ends[i].end);
        assert_int_equal(el_world_problem_parse(asked, strlen(asked), &p, NULL), 0);
        el_world_judge_proof(&p, proof, strlen(proof), &r);
        if (el_world_answer_holds(&p, &r) != ends[i].holds)
            fail_msg("expected %d:\n%s", ends[i].holds, proof);
    }
}

static void a_mended_proof_keeps_what_was_right(void **state)
{
    (void)state;
    struct el_rng rng;
    struct el_buf b, mended;
    el_rng_init(&rng, 3);
    el_buf_init(&b);
    el_buf_init(&mended);
    for (uint64_t i = 0; i < 500; i++) {
        struct el_world_problem p;
        struct el_world_report r, next;
        enum el_world_flaw flaw[EL_WORLD_CLAIMS] = {EL_FLAW_NONE};
        el_world_problem(EL_WORLD_TRAIN, i, &p);
        int at = (int)(i % (uint64_t)p.n_claims);
        flaw[at] = (enum el_world_flaw)(1 + i % (EL_FLAWS - 1));
        el_buf_clear(&b);
        el_buf_clear(&mended);
        assert_int_equal(el_world_proof_flawed(&p, flaw, &rng, &b, NULL), 0);
        el_world_judge_proof(&p, b.data, b.len, &r);
        assert_int_equal(el_world_proof_mended(&p, b.data, b.len, &r, &rng, &mended, NULL), 0);
        el_world_judge_proof(&p, mended.data, mended.len, &next);
        assert_true(next.score == 1);
        for (int k = 0; k < p.n_claims; k++) {
            const struct el_world_claim_report *old = &r.claim[k];
            if (k != at)
                assert_non_null(
                    memmem(mended.data, mended.len, b.data + old->begin, old->end - old->begin));
        }
    }
    el_buf_release(&b);
    el_buf_release(&mended);
}

static void a_false_claim_has_no_proof(void **state)
{
    (void)state;
    const char *s = "Show that (1) 13=2*x+4*y for some x,y.";
    struct el_world_problem p;
    struct el_rng rng;
    struct el_buf b;
    el_rng_init(&rng, 4);
    el_buf_init(&b);
    assert_int_equal(el_world_problem_parse(s, strlen(s), &p, NULL), 0);
    assert_int_equal(el_world_proof_good(&p, &rng, &b, NULL), EL_EREFUSED);
    el_buf_release(&b);
}

static void nonsense_is_judged(void **state)
{
    (void)state;
    static const char alphabet[] = "(123) x=5,y2\n.*+=take 80So all claims hold.\0\xff\r\t";
    struct el_world_problem p;
    struct el_world_report r;
    struct el_rng rng;
    size_t n = 1 << 20;
    char *text = malloc(n);
    el_rng_init(&rng, 5);
    for (size_t i = 0; i < n; i++)
        text[i] = alphabet[el_rng_below(&rng, sizeof alphabet)];
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    el_world_judge_proof(&p, text, n, &r);
    assert_true(r.score == 0);
    memset(text, '1', n);
    el_world_judge_proof(&p, text, n, &r);
    assert_true(r.score == 0);
    memset(text, '\n', n);
    el_world_judge_proof(&p, text, n, &r);
    assert_int_equal(r.claim[0].state, EL_KIND_UNADDRESSED);
    free(text);
    /* Every prefix of a good proof but the last ones (a full stop is free) scores less than 1. */
    const char *good = ONE TWO THREE CLOSED;
    for (size_t i = 0; i + 1 < strlen(good); i++) {
        el_world_judge_proof(&p, good, i, &r);
        assert_true(r.score < 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_cases),
        cmocka_unit_test(a_single_number_of_the_list_needs_no_step),
        cmocka_unit_test(more_lines_than_are_read_are_malformed),
        cmocka_unit_test(attempts_are_told_apart),
        cmocka_unit_test(good_proofs_score_1),
        cmocka_unit_test(every_flaw_has_its_score),
        cmocka_unit_test(unlisted_numbers_add_up),
        cmocka_unit_test(reused_numbers_add_up),
        cmocka_unit_test(an_abandoned_answer_is_none),
        cmocka_unit_test(a_mended_proof_keeps_what_was_right),
        cmocka_unit_test(a_false_claim_has_no_proof),
        cmocka_unit_test(nonsense_is_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
