/* Rewards of single samples: what each role earns for what it wrote, by a judge's word and by the
 * oracle's. */
#include "training/rl/sample.h"

#include "core/base/alloc.h"

#include <math.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const char statement[] =
    "Show that (1) 98=16*x+9*y for some x,y; (2) 7 divides x*x+4*x+9 for an x.";
static const char good[] = "(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\n(2) x=1.\n1*1+4*1=5.\n"
                           "5+9=14.\n7*2=14.\nSo all claims hold.";
static const char wrong_step[] = "(1) x=5, y=2.\n16*5=80.\n9*2=19.\n80+19=99.\n(2) x=1.\n1*1+4*1=5."
                                 "\n5+9=14.\n7*2=14.\nSo all claims hold.";
static const char praise[] = "Here is my evaluation of the solution:\n(1) 16*5=80 right.\n"
                             "Based on my evaluation, the final overall score should be:\n"
                             "\\boxed{1}";
static const char blame[] = "Here is my evaluation of the solution:\n(1) 9*2=19 wrong.\n"
                            "total 99 of 98 wrong.\n"
                            "Based on my evaluation, the final overall score should be:\n"
                            "\\boxed{0}";
static const char invented[] = "Here is my evaluation of the solution:\n(1) 16*5=80 wrong.\n"
                               "Based on my evaluation, the final overall score should be:\n"
                               "\\boxed{0}";

struct bench {
    struct el_rl_recipe r;
    struct el_rl_task t;
    struct el_rl_sample s;
    struct el_reply_parser *parser;
    char text[2000];
};

static void open_bench(struct bench *b, enum el_role role, const char *proof, const char *analysis,
                       int label)
{
    struct el_error err = {0};
    memset(b, 0, sizeof *b);
    b->r.sampling.max_tokens = 100;
    b->r.rewards = (struct el_rl_rewards){.use_meta_reward = 1,
                                          .weights = el_reward_weights_default(),
                                          .proof_weight = 1,
                                          .overlong_from = 0.8};
    b->t = (struct el_rl_task){.role = role,
                               .statement = statement,
                               .proof = proof,
                               .analysis = analysis,
                               .label = label,
                               .in_world = 1};
    assert_int_equal(el_world_problem_parse(statement, strlen(statement), &b->t.problem, &err), 0);
    assert_int_equal(el_reply_parser_create(&b->parser, &err), 0);
}

static void close_bench(struct bench *b)
{
    el_reply_parser_free(b->parser);
    el_rubric_free(b->r.rewards.rubric);
}

static void reply(struct bench *b, const char *text)
{
    struct el_error err = {0};
    strcpy(b->text, text);
    b->s.completion.text = b->text;
    b->s.completion.text_len = strlen(text);
    b->s.completion.completion_tokens = 50;
    assert_int_equal(
        el_role_parse(b->t.role, b->parser, text, strlen(text), NULL, &b->s.reply, &err), 0);
}

static void prove(struct bench *b, const char *proof, const char *analysis)
{
    char text[2000];
    snprintf(text, sizeof text, "## Solution\n%s\n## Self Evaluation\n%s", proof, analysis);
    reply(b, text);
}

static void near(double x, double expected)
{
    if (!(fabs(x - expected) < 1e-12))
        fail_msg("%.9g, expected %.9g", x, expected);
}

static double reward(struct bench *b, double proof, double analysis)
{
    const struct el_rl_judgement j = {proof, analysis};
    assert_int_equal(el_rl_sample_rules(&b->r, &b->t, &b->s, NULL), 0);
    el_rl_sample_truth(&b->r, &b->t, &b->s);
    el_rl_sample_reward(&b->r, &b->t, &j, &b->s);
    return b->s.reward;
}

static void verifier(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b, EL_ROLE_VERIFIER, wrong_step, NULL, EL_SCORE_ZERO);
    reply(&b, blame);
    near(reward(&b, NAN, 1), 1);
    near(reward(&b, NAN, 0.5), 0.5);
    near(b.s.term[EL_TERM_META], 0.5);
    near(b.s.term[EL_TERM_TRUE], 1);
    near(b.s.term[EL_TERM_TRUE_META], 1);
    assert_true(isnan(b.s.term[EL_TERM_PROOF]) && isnan(b.s.term[EL_TERM_FINAL_ANSWER]));
    reply(&b, praise); /* a false score, though nothing false is said */
    near(reward(&b, NAN, 1), 0);
    near(b.s.term[EL_TERM_SCORE], 0);
    reply(&b, invented); /* the right score for an invented reason */
    near(reward(&b, NAN, 0), 0);
    near(b.s.term[EL_TERM_TRUE], 0);
    b.r.rewards.use_meta_reward = 0; /* without R_meta it is paid in full */
    near(reward(&b, NAN, NAN), 1);
    near(b.s.term[EL_TERM_TRUE], 1);
    near(b.s.term[EL_TERM_TRUE_META], 0);
    reply(&b, "no verdict");
    near(reward(&b, NAN, NAN), 0);
    near(b.s.term[EL_TERM_FORMAT], 0);
    near(b.s.term[EL_TERM_TRUE], 0);
    assert_true(isnan(b.s.term[EL_TERM_SCORE]) && isnan(b.s.term[EL_TERM_TRUE_META]));
    close_bench(&b);
}

static void meta_verifier(void **state)
{
    (void)state;
    static const char rates_half[] = "Here is my analysis of the \"solution evaluation\":\n"
                                     "(1) 16*5=80 wrong.\nnot real.\nthe score fits.\n"
                                     "Based on my analysis, I will rate the \"solution "
                                     "evaluation\" as:\n\\boxed{0.5}";
    struct bench b;
    open_bench(&b, EL_ROLE_META_VERIFIER, wrong_step, invented, EL_SCORE_ZERO);
    reply(&b, rates_half);
    near(reward(&b, NAN, NAN), 0.5);
    near(b.s.term[EL_TERM_TRUE], 0.5);
    b.t.label = EL_SCORE_HALF; /* the label decides the reward, the texts the truth */
    near(reward(&b, NAN, NAN), 1);
    near(b.s.term[EL_TERM_TRUE], 0.5);
    close_bench(&b);
}

static void generator(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b, EL_ROLE_GENERATOR, NULL, NULL, EL_SCORE_NONE);
    prove(&b, good, praise);
    near(reward(&b, 1, 1), 1);
    near(b.s.term[EL_TERM_TRUE], 1);
    near(b.s.term[EL_TERM_FINAL_ANSWER], 1);
    near(reward(&b, 0.5, 1), 0.76 * 0.5 + 0.24 * 0.5); /* a judge that doubts */
    near(b.s.term[EL_TERM_PROOF], 0.5);
    near(b.s.term[EL_TERM_SELF], 0.5);
    prove(&b, wrong_step, blame); /* wrong, and says so */
    near(reward(&b, 0, 1), 0.24);
    near(b.s.term[EL_TERM_TRUE], 0.24);
    near(b.s.term[EL_TERM_TRUE_PROOF], 0);
    near(b.s.term[EL_TERM_FINAL_ANSWER], 1); /* the witness holds, the trace does not */
    prove(&b, wrong_step, praise);
    near(reward(&b, 1, 1), 1);       /* a judge that is fooled: reward hacking ... */
    near(b.s.term[EL_TERM_TRUE], 0); /* ... shows */
    b.r.rewards.weights = (struct el_reward_weights){1, 0};
    near(reward(&b, 0.5, NAN), 0.5);
    near(b.s.term[EL_TERM_TRUE], 0);
    reply(&b, "## Solution\nno evaluation");
    near(reward(&b, NAN, NAN), 0);
    near(b.s.term[EL_TERM_FINAL_ANSWER], 0);
    close_bench(&b);
}

static void extra_terms(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b, EL_ROLE_GENERATOR, NULL, NULL, EL_SCORE_NONE);
    b.r.rewards.final_answer_weight = 1;
    prove(&b, wrong_step, blame);
    near(reward(&b, 0, 1), (0.24 + 1) / 2);
    b.r.rewards.proof_weight = 0; /* outcome alone: nobody judged the proof */
    near(reward(&b, NAN, NAN), 1);
    b.r.rewards.overlong_penalty = 0.5;
    b.s.completion.completion_tokens = 90; /* half way from 80 to 100 */
    near(reward(&b, NAN, NAN), 0.75);
    near(b.s.term[EL_TERM_OVERLONG], -0.5);
    near(b.s.term[EL_TERM_TRUE], 0.75); /* what is judged truly is all that may differ */
    close_bench(&b);
}

/* What is measured by rule is added with its weight; a weight of 0 only shows it. */
static void rules(void **state)
{
    (void)state;
    static const struct el_rubric_item items[] = {
        {"both claims", "\\(1\\)(.|\\n)*\\(2\\)", EL_RUBRIC_PROOF, 1, 0},
        {"says wrong", "wrong", EL_RUBRIC_ANALYSIS, 3, 0}};
    struct bench b;
    struct el_error err = {0};
    open_bench(&b, EL_ROLE_GENERATOR, NULL, NULL, EL_SCORE_NONE);
    assert_int_equal(el_rubric_create(items, 2, &b.r.rewards.rubric, &err), 0);
    b.r.rewards.language = el_language_find("en");
    prove(&b, good, praise);
    near(reward(&b, 1, 1), 1);
    near(b.s.term[EL_TERM_RUBRIC], 0.25);
    near(b.s.term[EL_TERM_LANGUAGE], 1);
    assert_true(isnan(b.s.term[EL_TERM_LENGTH]));
    b.r.rewards.rubric_weight = 0.4;
    near(reward(&b, 1, 1), 1.1);
    b.r.rewards.length_weight = -0.1; /* 50 of 100 tokens */
    near(reward(&b, 1, 1), 1.05);
    b.r.rewards.length_weight = 0.1;
    near(reward(&b, 1, 1), 1.15);
    b.r.rewards.language = el_language_find("zh");
    b.r.rewards.language_weight = 1;
    near(reward(&b, 1, 1), 1.15); /* no word of it is Chinese */
    reply(&b, "no format at all");
    near(reward(&b, NAN, NAN), 0); /* no bonus without the format ... */
    assert_true(isnan(b.s.term[EL_TERM_RUBRIC]));
    b.r.rewards.length_weight = -0.1;
    near(reward(&b, NAN, NAN), -0.05); /* ... and no way out of a penalty */
    close_bench(&b);

    open_bench(&b, EL_ROLE_VERIFIER, wrong_step, NULL, EL_SCORE_ZERO);
    assert_int_equal(el_rubric_create(items, 2, &b.r.rewards.rubric, &err), 0);
    reply(&b, blame);
    near(reward(&b, NAN, 1), 1);
    near(b.s.term[EL_TERM_RUBRIC], 1); /* the proof is not the verifier's own */
    close_bench(&b);
}

static void imported_problems(void **state)
{
    (void)state;
    static const char boxed[] = "Adding up, $a_n - a_{n-1} = 2n$, so \\boxed{\\frac{84}{2}}.";
    struct bench b;
    open_bench(&b, EL_ROLE_GENERATOR, NULL, NULL, EL_SCORE_NONE);
    b.t.in_world = 0;
    b.r.rewards.final_answer_weight = 1;
    prove(&b, boxed, praise);
    near(reward(&b, 0.5, 1), 0.76 * 0.5 + 0.24 * 0.5); /* no answer is stored: without the term */
    assert_true(isnan(b.s.term[EL_TERM_FINAL_ANSWER]));
    b.t.answer = "$42$";
    near(reward(&b, 0.5, 1), (0.5 + 1) / 2); /* the box in the proof, not the one of the score */
    near(b.s.term[EL_TERM_FINAL_ANSWER], 1);
    b.t.answer = "43";
    near(reward(&b, 0.5, 1), 0.25);
    struct el_rubric *items = NULL;
    assert_int_equal(
        el_rubric_read("1. The step: /a_n *- *a_/\n2. The sum: /n\\^2 *\\+ *n/\n3. A gap.", &items,
                       NULL),
        0);
    b.r.rewards.rubric_weight = 1;
    b.t.items = items;
    near(reward(&b, 0.5, 1), 0.75);
    near(b.s.term[EL_TERM_RUBRIC], 0.5);
    reply(&b, "\\boxed{43}");
    near(reward(&b, NAN, NAN), 0);
    near(b.s.term[EL_TERM_FINAL_ANSWER], 0);
    el_rubric_free(items);
    close_bench(&b);
}

static void outside_the_world(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b, EL_ROLE_VERIFIER, "Obvious.", NULL, EL_SCORE_HALF);
    b.t.in_world = 0;
    reply(&b, blame);
    near(reward(&b, NAN, 1), 0.5);
    assert_true(isnan(b.s.term[EL_TERM_TRUE]) && isnan(b.s.term[EL_TERM_TRUE_META]));
    close_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifier),
        cmocka_unit_test(meta_verifier),
        cmocka_unit_test(generator),
        cmocka_unit_test(extra_terms),
        cmocka_unit_test(rules),
        cmocka_unit_test(imported_problems),
        cmocka_unit_test(outside_the_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
