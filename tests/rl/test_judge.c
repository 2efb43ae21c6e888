/* Judging: whom it asks and how often, what becomes of replies that cannot be read, and that a
 * judge's failure never turns into a score. */
#include "training/rl/drops.h"
#include "training/rl/judge.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/rl/scripted.h"

enum { G = 4 };

static const char statement[] =
    "Show that (1) 98=16*x+9*y for some x,y; (2) 7 divides x*x+4*x+9 for an x.";
static const char good[] = "(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\n(2) x=1.\n1*1+4*1=5.\n"
                           "5+9=14.\n7*2=14.\nSo all claims hold.";

#define EVALUATION "Here is my evaluation of the solution:\n"
#define SCORE      "\nBased on my evaluation, the final overall score should be:\n"
#define ANALYSIS   "Here is my analysis of the \"solution evaluation\":\n"
#define RATE       "\nBased on my analysis, I will rate the \"solution evaluation\" as:\n"

struct bench {
    struct el_rl_recipe r;
    struct el_rl_judge j;
    struct el_prompt_set *prompts;
    struct el_reply_parser *parser;
    struct el_rl_group group;
    struct el_rl_sample sample[G];
    struct el_rl_judge_counts counts;
    struct scripted script;
};

static void bench_open(struct bench *b, enum el_role role, const char *const *texts,
                       const char *(*answer)(void *, const char *, int))
{
    struct el_error err = {0};
    memset(b, 0, sizeof *b);
    scripted_open(&b->script, answer, b);
    b->r.num_generations = G;
    b->r.sampling = (struct el_sampling){.temperature = 1, .top_p = 1, .max_tokens = 100};
    b->r.rewards = (struct el_rl_rewards){.use_meta_reward = 1,
                                          .weights = el_reward_weights_default(),
                                          .verifications = 3,
                                          .meta_verifications = 2,
                                          .judge_retries = 2,
                                          .judge_temperature = NAN,
                                          .proof_weight = 1,
                                          .overlong_from = 0.8};
    assert_int_equal(el_prompt_set_load(EL_SOURCE_DIR "/configs/prompts/small", &b->prompts, &err),
                     0);
    assert_int_equal(el_reply_parser_create(&b->parser, &err), 0);
    b->j = (struct el_rl_judge){&b->r, b->prompts, b->parser, &b->script.base};
    b->group.sample = b->sample;
    b->group.task = (struct el_rl_task){
        .role = role, .statement = statement, .proof = good, .label = EL_SCORE_ONE, .in_world = 1};
    assert_int_equal(
        el_world_problem_parse(statement, strlen(statement), &b->group.task.problem, &err), 0);
    for (int i = 0; i < G; i++) {
        struct el_completion *c = &b->sample[i].completion;
        c->text = el_strdup(texts[i]);
        c->text_len = strlen(texts[i]);
        assert_int_equal(
            el_role_parse(role, b->parser, c->text, c->text_len, NULL, &b->sample[i].reply, &err),
            0);
    }
}

static void bench_close(struct bench *b)
{
    for (int i = 0; i < G; i++)
        el_completion_release(&b->sample[i].completion);
    scripted_close(&b->script);
    el_reply_parser_free(b->parser);
    el_prompt_set_free(b->prompts);
}

static int judge(struct bench *b, struct el_error *err)
{
    return el_rl_judge_all(&b->j, &b->group, 1, 3, &b->counts, NULL, err);
}

static void near(double x, double expected)
{
    if (!(fabs(x - expected) < 1e-12))
        fail_msg("%.9g, expected %.9g", x, expected);
}

static const char praise[] = EVALUATION "fine." SCORE "\\boxed{1}";
static const char doubt[] = EVALUATION "unclear." SCORE "\\boxed{0.5}";
static const char rated[] = ANALYSIS "no issue claimed." RATE "\\boxed{1}";

/* Analyses that say "unclear" are rated after one nonsense reply, others at once. */
static const char *meta_answer(void *user, const char *prompt, int again)
{
    (void)user;
    if (strstr(prompt, "unclear") && again < 2)
        return "hm";
    return strstr(prompt, "unclear") ? ANALYSIS "unreal." RATE "\\boxed{0.5}" : rated;
}

/* Each analysis with a legal format is rated meta_verifications times; unreadable ratings are asked
 * for again; one without the format is not rated and earns 0. */
static void verifier_samples(void **state)
{
    (void)state;
    static const char *const texts[G] = {praise, doubt, "nothing", praise};
    static struct bench b;
    struct el_error err = {0};
    bench_open(&b, EL_ROLE_VERIFIER, texts, meta_answer);
    assert_int_equal(judge(&b, &err), 0);
    near(b.sample[0].reward, 1);
    near(b.sample[1].reward, 0.5 * 0.5); /* R_score 0.5, R_meta 0.5 */
    near(b.sample[2].reward, 0);
    near(b.sample[3].reward, 1);
    for (int i = 0; i < G; i++)
        assert_false(b.sample[i].lost);
    assert_int_equal(b.counts.asked, 3 * 2 + 2);
    assert_int_equal(b.counts.unreadable, 2);
    assert_int_equal(b.counts.judged, 3);
    assert_int_equal(b.counts.judged_bytes, 3 * (int64_t)strlen(good));
    assert_true(b.counts.lengths.asked[0] == 3 && b.counts.lengths.dropped[0] == 0);
    bench_close(&b);
}

/* Without R_meta nobody is asked. */
static void no_meta_reward(void **state)
{
    (void)state;
    static const char *const texts[G] = {praise, doubt, "nothing", praise};
    static struct bench b;
    struct el_error err = {0};
    bench_open(&b, EL_ROLE_VERIFIER, texts, meta_answer);
    b.r.rewards.use_meta_reward = 0;
    assert_int_equal(judge(&b, &err), 0);
    assert_int_equal(b.counts.asked, 0);
    near(b.sample[1].reward, 0.5);
    bench_close(&b);
}

/* First attempts at the judge's temperature, what is asked again at that of sampling. */
static void the_judge_has_its_temperature(void **state)
{
    (void)state;
    static const char *const texts[G] = {praise, doubt, "nothing", praise};
    for (int own = 0; own < 2; own++) {
        static struct bench b;
        struct el_error err = {0};
        int greedy = 0;
        bench_open(&b, EL_ROLE_VERIFIER, texts, meta_answer);
        b.r.rewards.judge_temperature = own ? 0 : NAN;
        assert_int_equal(judge(&b, &err), 0);
        assert_int_equal(b.counts.asked, 3 * 2 + 2); /* two were unreadable at first */
        for (int i = 0; i < b.script.asked; i++)
            greedy += b.script.seen[i].temperature == 0;
        assert_int_equal(greedy, own ? 3 * 2 : 0);
        bench_close(&b);
    }
}

static const char *mute(void *user, const char *prompt, int again)
{
    (void)user, (void)prompt, (void)again;
    return "I would rather not say.";
}

/* A judge that cannot be read costs the sample its place, not its score. */
static void lost_samples(void **state)
{
    (void)state;
    static const char *const texts[G] = {praise, doubt, "nothing", praise};
    static struct bench b;
    struct el_error err = {0};
    bench_open(&b, EL_ROLE_VERIFIER, texts, mute);
    assert_int_equal(judge(&b, &err), 0);
    assert_true(b.sample[0].lost && b.sample[1].lost && b.sample[3].lost);
    assert_false(b.sample[2].lost); /* the policy's own failure stays, with reward 0 */
    near(b.sample[2].reward, 0);
    assert_int_equal(b.counts.lost, 3);
    assert_int_equal(b.counts.asked, 3 * 2 * 3); /* first try and two retries */
    assert_int_equal(b.counts.lost_bytes, 3 * (int64_t)strlen(good));
    assert_true(b.counts.lengths.asked[0] == 3 && b.counts.lengths.dropped[0] == 3);
    bench_close(&b);
}

/* Short proofs are judged and long ones lost: the rates say so. */
static void drop_rates_by_length(void **state)
{
    (void)state;
    struct el_rl_judge_counts c = {.asked = 9, .unreadable = 4, .judged = 5, .lost = 2};
    struct el_buf out;
    c.lost_bytes = 140000;
    c.judged_bytes = 141000;
    c.lengths.asked[0] = 2;
    c.lengths.asked[2] = 1;
    c.lengths.asked[EL_LENGTH_CLASSES - 1] = 2;
    c.lengths.dropped[2] = c.lengths.dropped[EL_LENGTH_CLASSES - 1] = 1;
    el_buf_init(&out);
    assert_int_equal(el_rl_drops_json(&c, 3, &out), 0);
    assert_string_equal(out.data,
                        ",\"drops/judge\":2,\"drops/judge_rate/below_256\":0,"
                        "\"drops/judge_rate/below_1024\":1,\"drops/judge_rate/from_65536\":0.5,"
                        "\"drops/judge_proof_bytes\":70000,\"drops/prompt\":3,\"judge/asked\":9,"
                        "\"judge/unreadable\":4,\"judge/proof_bytes\":28200");
    el_buf_clear(&out);
    assert_int_equal(el_rl_drops_json(&(struct el_rl_judge_counts){0}, 0, &out), 0);
    assert_string_equal(out.data, ",\"drops/judge\":0,\"drops/prompt\":0,\"judge/asked\":0,"
                                  "\"judge/unreadable\":0");
    el_buf_release(&out);
}

static const char *refusal(void *user, const char *prompt, int again)
{
    (void)user, (void)prompt, (void)again;
    return NULL;
}

/* A judgement whose prompt does not fit is not asked again and again. */
static void refused_judgements(void **state)
{
    (void)state;
    static const char *const texts[G] = {praise, doubt, "nothing", praise};
    static struct bench b;
    struct el_error err = {0};
    bench_open(&b, EL_ROLE_VERIFIER, texts, refusal);
    assert_int_equal(judge(&b, &err), 0);
    assert_int_equal(b.counts.lost, 3);
    assert_int_equal(b.counts.asked, 3 * 2);
    bench_close(&b);
}

#define REPLY(analysis)                                                                            \
    "## Solution\n(1) x=5, y=2.\n16*5=80.\n9*2=18.\n80+18=98.\n(2) x=1.\n1*1+4*1=5.\n5+9=14.\n"    \
    "7*2=14.\nSo all claims hold.\n## Self Evaluation\n" analysis

/* The verifier's votes on one proof differ by their turn: 1, 0.5, unreadable and then 0. */
static const char *both_answer(void *user, const char *prompt, int again)
{
    static const char *const votes[] = {praise, doubt, "?", EVALUATION "bad." SCORE "\\boxed{0}"};
    (void)user;
    if (strncmp(prompt, "Verify", 6) == 0)
        return votes[again % 4];
    assert_true(strncmp(prompt, "Rate", 4) == 0);
    return rated;
}

/* R_Y is the mean over the votes that could be read; Z is shown to the meta-verifier alone. */
static void generator_samples(void **state)
{
    (void)state;
    static const char *const texts[G] = {REPLY(EVALUATION "fine." SCORE "\\boxed{1}"), "x", "y",
                                         "z"};
    static struct bench b;
    struct el_error err = {0};
    bench_open(&b, EL_ROLE_GENERATOR, texts, both_answer);
    assert_int_equal(judge(&b, &err), 0);
    near(b.sample[0].term[EL_TERM_PROOF], 0.5);
    near(b.sample[0].term[EL_TERM_SCORE], 0.5);
    near(b.sample[0].reward, 0.76 * 0.5 + 0.24 * 0.5);
    near(b.sample[0].term[EL_TERM_TRUE_PROOF], 1);
    assert_int_equal(b.counts.asked, 3 + 1 + 2);
    for (int i = 0; i < b.script.asked; i++)
        if (strncmp(b.script.seen[i].prompt, "Verify", 6) == 0)
            assert_null(strstr(b.script.seen[i].prompt, "Self Evaluation"));
    bench_close(&b);
}

/* proof_weight is about who writes proofs: without it nobody judges them, and analyses are rated as
 * before. */
static void outcomes_of_proofs_alone(void **state)
{
    (void)state;
    static const char *const proof[G] = {REPLY(EVALUATION "fine." SCORE "\\boxed{0}"), "x", "y",
                                         "z"};
    static const char *const analysis[G] = {praise, doubt, "nothing", praise};
    for (int k = 0; k < 2; k++) {
        static struct bench b;
        struct el_error err = {0};
        bench_open(&b, k ? EL_ROLE_VERIFIER : EL_ROLE_GENERATOR, k ? analysis : proof, meta_answer);
        b.r.rewards.proof_weight = 0;
        b.r.rewards.final_answer_weight = 1;
        assert_int_equal(judge(&b, &err), 0);
        assert_int_equal(b.counts.asked, k ? 3 * 2 + 2 : 0);
        near(b.sample[0].reward, 1);
        near(b.sample[1].reward, k ? 0.5 * 0.5 : 0); /* R_score 0.5, R_meta 0.5 */
        bench_close(&b);
    }
}

static void oracle(void **state)
{
    (void)state;
    static const char *const texts[G] = {REPLY(EVALUATION "(1) 16*5=80 right." SCORE "\\boxed{1}"),
                                         REPLY(EVALUATION "(1) 16*5=80 wrong." SCORE "\\boxed{0}"),
                                         "y", "z"};
    static struct bench b;
    struct el_error err = {0};
    bench_open(&b, EL_ROLE_GENERATOR, texts, mute);
    b.j.backend = NULL;
    assert_int_equal(judge(&b, &err), 0);
    near(b.sample[0].reward, 1);
    near(b.sample[1].reward, 0.76);
    for (int i = 0; i < G; i++)
        near(b.sample[i].reward, b.sample[i].term[EL_TERM_TRUE]);
    assert_int_equal(b.script.asked, 0);
    b.group.task.in_world = 0;
    assert_int_equal(judge(&b, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "name a judge"));
    bench_close(&b);
}

static void outage(void **state)
{
    (void)state;
    static const char *const texts[G] = {praise, doubt, "nothing", praise};
    static struct bench b;
    struct el_error err = {0};
    bench_open(&b, EL_ROLE_VERIFIER, texts, meta_answer);
    b.script.outage = 1;
    assert_int_equal(judge(&b, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "down"));
    bench_close(&b);
}

static void out_of_memory(void **state)
{
    (void)state;
    static const char *const texts[G] = {praise, doubt, "nothing", praise};
    int rc = -1;
    for (long n = 1; rc < 0 && n < 2000; n++) {
        static struct bench b;
        struct el_error err = {0};
        bench_open(&b, EL_ROLE_VERIFIER, texts, refusal);
        el_alloc_fail_after(n);
        rc = judge(&b, &err);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || (rc == EL_ENOMEM && err.msg[0]));
        bench_close(&b);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifier_samples),
        cmocka_unit_test(no_meta_reward),
        cmocka_unit_test(the_judge_has_its_temperature),
        cmocka_unit_test(lost_samples),
        cmocka_unit_test(drop_rates_by_length),
        cmocka_unit_test(refused_judgements),
        cmocka_unit_test(generator_samples),
        cmocka_unit_test(outcomes_of_proofs_alone),
        cmocka_unit_test(oracle),
        cmocka_unit_test(outage),
        cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
