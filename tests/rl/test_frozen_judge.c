/* A judge that is a model stays what it was while the policy, which began with the same weights,
 * learns: its weights, its replies and their log-probabilities, bit for bit. */
#include "training/rl/ask.h"

#include "tests/rl/runs.h"

#define SMALL EL_SOURCE_DIR "/models/small"

/* The greedy reply to a fixed prompt, and its log-probability. */
static struct el_completion reply_of(struct el_backend *b)
{
    static const char prompt[] = "Prove:\nShow that 98=16*x+9*y for some x,y.";
    struct el_error err = {0};
    struct el_rl_ask ask = {.prompt = prompt, .sampling = {.top_p = 1, .max_tokens = 60}, .key = 1};
    if (el_rl_ask_all(b, &ask, 1, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(ask.out.completion_tokens > 10 && ask.out.logp < 0);
    return ask.out;
}

static int same_reply(const struct el_completion *a, const struct el_completion *b)
{
    return strcmp(a->text, b->text) == 0 && memcmp(&a->logp, &b->logp, sizeof a->logp) == 0;
}

static int same_weights(const struct el_weights *a, const struct el_weights *b)
{
    return strcmp(a->digest, b->digest) == 0 &&
           memcmp(a->data, b->data, (size_t)a->layout.total * sizeof *a->data) == 0;
}

static void train_and_compare(struct el_rl_run *t, const struct el_weights *start)
{
    struct el_error err = {0};
    struct el_completion judge[2] = {reply_of(t->judge_backend)},
                         policy[2] = {reply_of(t->sampler)};
    assert_true(same_weights(t->policy, start) && same_reply(&judge[0], &policy[0]));
    while (t->state.step < t->recipe.schedule.steps)
        if (el_rl_step(t, &err) < 0)
            fail_msg("%s", err.msg);
    judge[1] = reply_of(t->judge_backend);
    policy[1] = reply_of(t->sampler);
    /* the policy has moved so far that these would tell */
    assert_false(same_weights(t->policy, start));
    assert_false(same_reply(&policy[0], &policy[1]));
    assert_true(same_weights(t->judge, start));
    assert_true(same_reply(&judge[0], &judge[1]));
    for (int i = 0; i < 2; i++) {
        el_completion_release(&judge[i]);
        el_completion_release(&policy[i]);
    }
}

static void compare(const char *name, const char *judge)
{
    char changes[500];
    struct el_rl_run t;
    struct el_weights *start = NULL;
    struct el_error err = {0};
    snprintf(changes, sizeof changes,
             "%s\"roles\":{\"generator\":1,\"verifier\":1},\"prompts_per_step\":8,"
             "\"max_completion_length\":240,\"learning_rate\":1e-3,\"data\":{\"world\":24}",
             judge);
    const struct el_rl_options o = {
        .recipe = recipe("r.json", changes), .out = at(name), .threads = 1, .over = {.seed = -1}};
    if (el_rl_run_open(&t, &o, &err) < 0 ||
        el_weights_load(SMALL, el_device_host(), &start, NULL, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    train_and_compare(&t, start);
    el_weights_free(start);
    el_rl_run_close(&t);
}

static void the_start_judges(void **state)
{
    (void)state;
    compare("start", "");
}

static void a_judge_of_the_same_folder(void **state)
{
    (void)state;
    compare("folder", "\"judge\":\"" SMALL "\",");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_start_judges),
        cmocka_unit_test(a_judge_of_the_same_folder),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
