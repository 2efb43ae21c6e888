/* Examples made of a model's own attempts: what is learned of them, and what is tried next. */
#include "tests/data/example_fixture.h"

#include <stdio.h>

static void attempts_become_examples(void **state)
{
    (void)state;
    struct el_example e;
    struct el_world_problem p;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    assert_int_equal(attempt(good, NULL, EL_EXAMPLE_GENERATE, &e), 0);
    check_reply(&e, &p);
    assert_int_equal(e.loss[0].begin, 0);
    el_example_release(&e);
    assert_int_equal(attempt(bad, NULL, EL_EXAMPLE_GENERATE, &e), 0);
    check_reply(&e, &p);
    assert_true(e.loss[0].begin > 0);
    el_example_release(&e);
    assert_int_equal(attempt("12 12 12(((", NULL, EL_EXAMPLE_VERIFY, &e), 0);
    check_verify(&e, &p);
    assert_true(e.label == 0);
    el_example_release(&e);
    assert_int_equal(attempt(bad, NULL, EL_EXAMPLE_REFINE, &e), 0);
    check_refine(&e, &p);
    assert_true(e.label == 1);
    el_example_release(&e);
    const char *analysis =
        "Here is my evaluation of the solution:\n(1) 16*5=80 wrong.\nBased on my evaluation, the "
        "final overall score should be:\n\\boxed{0}";
    assert_int_equal(attempt(bad, analysis, EL_EXAMPLE_META, &e), 0);
    check_meta(&e, &p);
    assert_true(e.label == 0);
    el_example_release(&e);
}

static void an_attempt_is_carried_on(void **state)
{
    (void)state;
    static const char slip[] = "(1) x=5, y=2.\n16*5=80.\n9*2=19.\n80+19=99.\n(2) x=3.\n"
                               "3*3+4*3=21.\n21+9=30.\n7*4=28.\nSo all claims hold.\n";
    struct el_example e;
    struct el_world_problem p;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    carry_on = 1;
    assert_int_equal(attempt(bad, NULL, EL_EXAMPLE_GENERATE, &e), 0);
    assert_int_equal(check_reply(&e, &p), 1);
    assert_true(e.label == 1);
    assert_ptr_equal(
        strstr(e.completion,
               "(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\ntotal 98 of 98 right.\n"
               "(2) x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=28.\ntotal 28 of 30 wrong.\n(2) x="),
        e.completion + strlen(PROOF_HEAD));
    el_example_release(&e);
    assert_int_equal(attempt(slip, NULL, EL_EXAMPLE_GENERATE, &e), 0);
    assert_int_equal(check_reply(&e, &p), 1); /* a slip is mended, not abandoned */
    assert_null(strstr(e.completion, "9*2=19"));
    el_example_release(&e);
    assert_int_equal(attempt(good, NULL, EL_EXAMPLE_GENERATE, &e), 0);
    assert_int_equal(check_reply(&e, &p), 0);
    el_example_release(&e);
    /* a right witness whose multiple is not is mended, too */
    assert_int_equal(attempt(FIRST "(2) x=1.\n1*1+4*1=5.\n5+9=14.\n7*3=21.\n" CLOSED, NULL,
                             EL_EXAMPLE_GENERATE, &e),
                     0);
    assert_int_equal(check_reply(&e, &p), 0);
    el_example_release(&e);
    carry_on = 0;
}

/* Right attempts that search: learned but for the witnesses that miss, unless they say what is not.
 */
static void searching_attempts(void **state)
{
    (void)state;
    static const struct {
        const char *second;
        int learned;
    } cases[] = {
        {"7*2=14.\ntotal 14 of 14 right.\n", 1},
        {"7*1=7.\ntotal 7 of 14 wrong.\n" AFRESH, 1},
        {"7*2=14.\ntotal 14 of 14 wrong.\n" AFRESH, 0}, /* it did not miss */
        {"7*2=14.\ntotal 13 of 14 right.\n", 0},
        {"7*2=14.\ntotal 13 of 13 right.\n", 0},      /* not the numbers in front of it */
        {"7*1=8.\ntotal 8 of 14 wrong.\n" AFRESH, 0}, /* a false line, abandoned */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char proof[400];
        struct el_example e;
        struct el_world_problem p;
        assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
        snprintf(proof, sizeof proof, FIRST "(2) x=1.\n1*1+4*1=5.\n5+9=14.\n%s" CLOSED,
                 cases[i].second);
        assert_int_equal(attempt(proof, NULL, EL_EXAMPLE_GENERATE, &e), 0);
        assert_true(e.label == 1);
        if (cases[i].learned)
            assert_int_equal(check_reply(&e, &p), strstr(cases[i].second, AFRESH) != NULL);
        else
            assert_ptr_equal(e.completion + e.loss[0].begin,
                             strstr(e.completion, SELF_HEAD) + strlen(SELF_HEAD));
        el_example_release(&e);
    }
    /* kept by a refinement of another claim */
    struct el_example e;
    assert_int_equal(attempt("(1) x=5, y=2.\n16*5=80.\ntotal 80 of 98 right.\n9*2=18.\n80+18=98.\n"
                             "(2) x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=28.\n" CLOSED,
                             NULL, EL_EXAMPLE_REFINE, &e),
                     0);
    assert_true(e.label == 1 && e.loss[0].begin > 0);
    el_example_release(&e);
}

static int has_loss(const struct el_example *e, const char *at)
{
    size_t byte = (size_t)(at - e->completion);
    for (int i = 0; i < e->n_loss; i++)
        if (byte >= e->loss[i].begin && byte < e->loss[i].end)
            return 1;
    return 0;
}

/* Of the witnesses that miss, the new ones after a claim's first are learned where retries are. */
static void retries_are_learned_once(void **state)
{
    (void)state;
    static const char *const tries[] = {
        "x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=28.\ntotal 28 of 30 wrong.\n",
        "x=4.\n4*4+4*4=32.\n32+9=41.\n7*5=35.\ntotal 35 of 41 wrong.\n",
        "x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=28.\ntotal 28 of 30 wrong.\n",
        "x=5.\n5*5+4*5=45.\n45+9=54.\n7*7=49.\ntotal 49 of 54 wrong.\n",
        "x=1.\n1*1+4*1=5.\n5+9=14.\n7*2=14.\n",
    };
    static const int learned[2][5] = {{0, 0, 0, 0, 1}, {0, 1, 0, 1, 1}};
    char proof[600] = FIRST;
    for (int i = 0; i < 5; i++)
        sprintf(proof + strlen(proof), "(2) %s", tries[i]);
    strcat(proof, CLOSED);
    for (int on = 0; on < 2; on++) {
        struct el_example e;
        retry = on * 0.5;
        assert_int_equal(attempt(proof, NULL, EL_EXAMPLE_GENERATE, &e), 0);
        assert_true(e.label == 1);
        const char *at = e.completion;
        for (int i = 0; i < 5; i++) {
            at = strstr(at, "(2) ") + 4;
            assert_int_equal(has_loss(&e, at - 4), 1);
            assert_int_equal(has_loss(&e, at), learned[on][i]);
            assert_int_equal(has_loss(&e, strchr(at, '\n') + 1), 1);
        }
        el_example_release(&e);
    }
    retry = 0;
}

/* Chains of false starts get longer with the share, up to 8, and try nothing twice. */
static void searches_do_not_go_in_circles(void **state)
{
    (void)state;
    struct el_world_mix m;
    int starts[3] = {0}, longest = 0;
    el_world_mix_init(&m, &prompts);
    m.checked = m.false_start = 1;
    memset(m.share, 0, sizeof m.share);
    m.share[EL_EXAMPLE_GENERATE] = 1;
    for (int k = 0; k < 3; k++) {
        m.retry = 0.45 * k;
        for (uint64_t i = 0; i < 200; i++) {
            struct el_example e;
            char *heading[3][20], *save, *line;
            int n[3] = {0};
            assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
            *strstr(e.completion, SELF_HEAD) = 0;
            for (line = strtok_r(e.completion, "\n", &save); line;
                 line = strtok_r(NULL, "\n", &save)) {
                int claim = line[0] == '(' ? line[1] - '1' : -1;
                if (claim < 0 || line[4] < 'a')
                    continue;
                for (int j = 0; j < n[claim] && e.label == 1; j++)
                    assert_string_not_equal(heading[claim][j], line);
                heading[claim][n[claim]++] = line;
            }
            for (int c = 0; c < 3; c++) {
                starts[k] += n[c] > 1 ? n[c] - 1 : 0;
                longest = n[c] > longest ? n[c] : longest;
            }
            el_example_release(&e);
        }
    }
    /* 1.31, 1.82 and at most 5.7 a claim */
    assert_true(4 * starts[1] > 5 * starts[0] && starts[2] > 2 * starts[1]);
    assert_int_equal(longest, 9); /* eight and the one that holds */
}

/* A refinement does not try what the proof in its prompt has failed with; and what it tries instead
 * is learned, the first one, too. */
static void refinements_remember(void **state)
{
    (void)state;
    struct el_world_mix m;
    struct el_world_problem p;
    int again[2] = {0}, tried = 0, learned = 0;
    el_world_mix_init(&m, &prompts);
    m.refine_checked = m.false_start = m.retry = 1;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    for (int on = 0; on < 2; on++)
        for (uint64_t seed = 0; seed < 100; seed++) {
            struct el_example e;
            m.refine_retry = on ? 0.5 : -1;
            assert_int_equal(
                el_world_example_from_attempt(&m, &p, bad, NULL, EL_EXAMPLE_REFINE, seed, &e, NULL),
                0);
            assert_true(e.label == 1);
            const char *first = strstr(e.completion, "\n(2) x="), *next = first;
            again[on] += strstr(e.completion, "(2) x=3.") != NULL;
            if (on && (next = strstr(first + 1, "\n(2) x=")) &&
                next < strstr(e.completion, SELF_HEAD)) {
                tried++;
                learned += has_loss(&e, first + 5);
            }
            el_example_release(&e);
        }
    assert_true(again[0] > 30 && tried > 80);
    assert_int_equal(again[1], 0);
    assert_int_equal(learned, tried);
}

/* What fails again in a refinement is not learned where the prompt's own witness comes back. */
static void a_refuted_witness_is_not_learned(void **state)
{
    (void)state;
    struct el_world_problem p;
    struct el_world_report r;
    struct el_world_tries refuted[EL_WORLD_CLAIMS];
    struct el_world_mix m;
    static const char tries[] =
        FIRST "(2) x=4.\n4*4+4*4=32.\n32+9=41.\n7*5=35.\ntotal 35 of 41 wrong.\n"
              "(2) x=3.\n3*3+4*3=21.\n21+9=30.\n7*4=28.\ntotal 28 of 30 wrong.\n" AFRESH CLOSED;
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &p, NULL), 0);
    el_world_judge_proof(&p, bad, strlen(bad), &r);
    el_world_refutations(&p, bad, &r, 0, refuted);
    assert_true(refuted[0].n == 0 && refuted[2].n == 0);
    assert_true(refuted[1].n == 1 && refuted[1].w[0].n == 1 && refuted[1].w[0].v[0] == 3);
    el_world_mix_init(&m, &prompts);
    /* in a reply the proof stands behind its heading */
    char reply[sizeof tries + sizeof PROOF_HEAD] = PROOF_HEAD;
    strcat(reply, tries);
    struct el_example e = {.completion = reply, .n_loss = 1, .loss = {{0, strlen(reply)}}};
    el_world_unlearn(&m, tries, sizeof tries - 1, 1, refuted, NULL, &e);
    assert_int_equal(has_loss(&e, strstr(reply, "x=4.")), 1);
    assert_int_equal(has_loss(&e, strstr(reply, "x=3.")), 0);
    assert_int_equal(e.n_loss, 2);
    /* without the prompt's proof the first one is not learned, and the second one is */
    e.n_loss = 1;
    e.loss[0].begin = 0;
    e.loss[0].end = strlen(reply);
    el_world_unlearn(&m, tries, sizeof tries - 1, 1, NULL, NULL, &e);
    assert_int_equal(has_loss(&e, strstr(reply, "x=4.")), 0);
    assert_int_equal(has_loss(&e, strstr(reply, "x=3.")), 1);
}

/* ---- Searches that know what they have abandoned ---- */

static const char listed[] =
    "Show that (1) some of 3,10,25,36,40 add up to 50; (2) 98=16*x+9*y for some x,y.";
/* Goes in circles: of five attempts at the list two are repeats, one in another order; one computes
 * falsely, and one is of numbers that the list does not have. */
static const char circles[] = "(1) take 3,10.\n3+10=13.\ntotal 13 of 50 wrong.\n"
                              "(1) take 10,3.\n10+3=13.\ntotal 13 of 50 wrong.\n"
                              "(1) take 3,36.\n3+36=38.\ntotal 38 of 50 wrong.\n"
                              "(1) take 10,10.\n10+10=20.\ntotal 20 of 50 wrong.\n"
                              "(1) take 3,10.\n3+10=13.\ntotal 13 of 50 wrong.\n"
                              "(1) take 25,36.\n25+36=61.\n"
                              "(2) x=4, y=3.\n16*4=64.\n9*3=27.\n64+27=91.\n" CLOSED;

static void make_of_circles(int history, double retry_loss, enum el_example_kind kind,
                            uint64_t seed, struct el_example *e)
{
    struct el_world_mix m;
    struct el_world_problem p;
    struct el_error err = {0};
    el_world_mix_init(&m, &prompts);
    m.checked = m.refine_checked = m.false_start = m.retry = 1;
    m.refine_retry = 1;
    m.history = history;
    m.retry_loss = retry_loss;
    assert_int_equal(el_world_problem_parse(listed, strlen(listed), &p, &err), 0);
    if (el_world_example_from_attempt(&m, &p, circles, NULL, kind, seed, e, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(e->label == 1);
}

static void an_attempt_keeps_its_history(void **state)
{
    (void)state;
    static const char *const tries[] = {
        "\n(1) take 3,10.\n3+10=13.\ntotal 13 of 50 wrong.\n(1) take 3,36.\n3+36=39.\n"
        "total 39 of 50 wrong.\n(1) take 25,36.\n25+36=61.\ntotal 61 of 50 wrong.\n(1) take 10,40.",
        "\n(1) take 25,36.\n25+36=61.\ntotal 61 of 50 wrong.\n(1) take 10,40."};
    for (int history = 0; history < 2; history++) {
        struct el_example e;
        make_of_circles(history, 1, EL_EXAMPLE_GENERATE, 1, &e);
        if (memcmp(e.completion + strlen(PROOF_HEAD) - 1, tries[!history], strlen(tries[!history])))
            fail_msg("%s", e.completion);
        /* the first one is not learned */
        const char *second = strstr(e.completion, "(1) take 3,36.");
        assert_int_equal(has_loss(&e, strstr(e.completion, "(1) take") + 4), 0);
        if (history)
            assert_int_equal(has_loss(&e, second + 4), 1);
        assert_int_equal(has_loss(&e, strstr(e.completion, "take 10,40")), 1);
        assert_int_equal(has_loss(&e, strstr(e.completion, "(2) x=4, y=3") + 4), 0);
        assert_int_equal(has_loss(&e, strstr(e.completion, "(2) x=5, y=2") + 4), 1);
        assert_non_null(strstr(e.completion, "total 98 of 98 right.\n"));
        el_example_release(&e);
    }
}

/* What the proof in the prompt abandoned is not tried again either, in whatever order. */
static void refinements_know_the_history(void **state)
{
    (void)state;
    int again[2] = {0}, most = 0;
    for (int history = 0; history < 2; history++)
        for (uint64_t seed = 0; seed < 60; seed++) {
            struct el_example e;
            int starts = 0;
            make_of_circles(history, 1, EL_EXAMPLE_REFINE, seed, &e);
            const char *at = e.completion;
            again[history] += strstr(at, "take 3,10.") || strstr(at, "take 3,36.");
            assert_null(strstr(at, "take 25,36."));
            while ((at = strstr(at, "(1) take "))) {
                at++;
                starts++;
            }
            most = history && starts > most ? starts : most;
            el_example_release(&e);
        }
    assert_true(again[0] > 40);
    assert_int_equal(again[1], 0);
    assert_in_range(most, 12, 17);
}

static void a_share_of_retries_is_learned(void **state)
{
    (void)state;
    static const double share[] = {0, 0.3, 1};
    for (int i = 0; i < 3; i++) {
        int learned = 0, tried = 0;
        for (uint64_t seed = 0; seed < 60; seed++) {
            struct el_example e;
            make_of_circles(1, share[i], EL_EXAMPLE_REFINE, seed, &e);
            for (const char *at = e.completion, *next; (at = strstr(at, "(1) take ")); at++)
                if ((next = strstr(at, " wrong.\n")) && next < strstr(at, "\n(2) ")) {
                    tried++;
                    learned += has_loss(&e, at + 4);
                }
            el_example_release(&e);
        }
        assert_true(tried > 200);
        assert_true(learned > (share[i] - 0.1) * tried && learned < (share[i] + 0.1) * tried);
    }
}

/* Numbers that add up are called right whoever listed them: what a search comes to believe. */
static void what_adds_up_is_called_right(void **state)
{
    (void)state;
    struct el_world_mix m;
    int called = 0, silent = 0;
    el_world_mix_init(&m, &prompts);
    memset(m.share, 0, sizeof m.share);
    m.share[EL_EXAMPLE_VERIFY] = m.checked = m.unlisted = 1;
    m.verify_score[1] = m.verify_score[2] = 0;
    for (m.history = 0; m.history < 2; m.history++)
        for (uint64_t i = 0; i < 200; i++) {
            struct el_example e;
            struct el_world_problem p;
            struct el_world_report r;
            size_t n;
            assert_int_equal(el_world_example(&m, i, &e, NULL), 0);
            problem_of(&e, &p);
            const char *proof = between(e.prompt, "\nProof:\n", NULL, &n);
            el_world_judge_proof(&p, proof, n, &r);
            check_verify(&e, &p);
            for (int k = 0; k < p.n_claims; k++) {
                const struct el_world_claim_report *c = &r.claim[k];
                if (c->state != EL_KIND_BAD_WITNESS || c->n_list == 0)
                    continue;
                int right = memmem(proof + c->begin, c->end - c->begin, " right.", 7) != NULL;
                assert_true(m.history || !right);
                called += right;
                silent += m.history && !right;
            }
            el_example_release(&e);
        }
    assert_true(called > 40 && called > 9 * silent); /* others are not meant to add up */
}

static void dishonest_attempts_are_refused(void **state)
{
    (void)state;
    struct el_example e;
    char longest[3000];
    memset(longest, '1', sizeof longest);
    longest[sizeof longest - 1] = 0;
    static const char *const refused[] = {"",
                                          " \n",
                                          "(1) x=5\n## Self Evaluation\n",
                                          "\\boxed{1}",
                                          "Based on my evaluation",
                                          "</think>",
                                          "<｜User｜>",
                                          "\xff\xfe",
                                          "\xe2\x82"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_int_equal(attempt(refused[i], NULL, EL_EXAMPLE_VERIFY, &e), EL_EREFUSED);
    assert_int_equal(attempt(longest, NULL, EL_EXAMPLE_VERIFY, &e), EL_EREFUSED);
    assert_int_equal(attempt(good, NULL, EL_EXAMPLE_REFINE, &e), EL_EREFUSED);
    assert_int_equal(attempt(good, NULL, EL_EXAMPLE_META, &e), EL_EREFUSED);
    assert_int_equal(attempt(good, "fine", EL_EXAMPLE_META, &e), EL_EREFUSED);
    assert_int_equal(attempt(good, NULL, EL_EXAMPLE_DRILL, &e), EL_EINVAL);
    assert_null(e.prompt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts_become_examples),
        cmocka_unit_test(an_attempt_is_carried_on),
        cmocka_unit_test(searching_attempts),
        cmocka_unit_test(retries_are_learned_once),
        cmocka_unit_test(searches_do_not_go_in_circles),
        cmocka_unit_test(refinements_remember),
        cmocka_unit_test(a_refuted_witness_is_not_learned),
        cmocka_unit_test(an_attempt_keeps_its_history),
        cmocka_unit_test(refinements_know_the_history),
        cmocka_unit_test(a_share_of_retries_is_learned),
        cmocka_unit_test(what_adds_up_is_called_right),
        cmocka_unit_test(dishonest_attempts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
