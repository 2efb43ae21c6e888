/* Role-training recipes: defaults, every kind of wrong field named, what the command line replaces.
 */
#include "training/rl/recipe.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "data/store.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char path[64];

static int enter(void **state)
{
    (void)state;
    strcpy(path, "/tmp/el-rl-recipe-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int leave(void **state)
{
    (void)state;
    return unlink(path);
}

#define BASE                                                                                       \
    "\"model\":\"m\",\"prompts\":\"p\",\"roles\":{\"verifier\":1},\"data\":{\"store\":\"s.db\"}"

static int load_with(const char *text, const struct el_rl_overrides *over, struct el_rl_recipe *r,
                     struct el_error *err)
{
    struct el_error io = {0};
    if (el_file_write(path, text, strlen(text), &io) < 0)
        fail_msg("%s", io.msg);
    return el_rl_recipe_load(path, over, r, err);
}

static int load(const char *text, struct el_rl_recipe *r, struct el_error *err)
{
    const struct el_rl_overrides none = {.seed = -1};
    return load_with(text, &none, r, err);
}

static void defaults(void **state)
{
    (void)state;
    struct el_rl_recipe r;
    struct el_error err = {0};
    assert_int_equal(load("{" BASE "}", &r, &err), 0);
    assert_true(r.rewards.length_weight == 0 && !r.rewards.language && !r.rewards.rubric);
    assert_int_equal(r.selected_sets, EL_RL_SELECTED_LIVE);
    assert_true(!r.rewards.problem_rubrics && !r.show_rubric && !r.show_reference);
    assert_true(r.grpo.epsilon == 0.2 && r.grpo.epsilon_high == 0.28);
    assert_true(r.grpo.use_bias_correction_kl && r.keep_routing && r.keep_sampling_mask);
    assert_true(r.rewards.weights.alpha == 0.76 && r.rewards.weights.beta == 0.24);
    assert_true(r.schedule.final_lr == r.schedule.lr && r.judge == NULL && !r.oracle);
    assert_string_equal(r.store, "s.db");
    el_rl_recipe_release(&r);
}

static void fields(void **state)
{
    (void)state;
    struct el_rl_recipe r;
    struct el_error err = {0};
    assert_int_equal(load("{" BASE ",\"off_policy_mask_threshold\":null,\"judge\":\"oracle\","
                          "\"scale_rewards\":true,\"label_balance\":[1,0,3],\"top_k\":7,"
                          "\"lr_scheduler_type\":\"cosine\",\"learning_rate\":2e-4,"
                          "\"final_learning_rate\":1e-5,\"max_steps\":9}",
                          &r, &err),
                     0);
    assert_true(isinf(r.grpo.off_policy_mask_threshold) && r.oracle && r.judge == NULL);
    assert_true(r.grpo.scale_rewards && r.label_balance[2] == 3 && r.sampling.top_k == 7);
    assert_true(r.schedule.decay == EL_DECAY_COSINE && r.schedule.final_lr == 1e-5);
    assert_int_equal(r.schedule.steps, 9);
    el_rl_recipe_release(&r);
    assert_int_equal(load("{" BASE ",\"language\":\"ja\",\"language_consistency_weight\":0.1,"
                          "\"length_weight\":-0.2,\"show_rubric\":true,\"selected_sets\":"
                          "\"replay\",\"rubric\":{\"weight\":0.3,"
                          "\"of_problems\":true,\"items\":[{\"name\":\"n\",\"pattern\":\"x\","
                          "\"part\":\"analysis\",\"points\":2,\"absent\":true}]}}",
                          &r, &err),
                     0);
    assert_ptr_equal(r.rewards.language, el_language_find("ja"));
    assert_true(r.rewards.language_weight == 0.1 && r.rewards.length_weight == -0.2);
    assert_true(r.rewards.rubric && r.rewards.problem_rubrics && r.rewards.rubric_weight == 0.3);
    assert_true(r.show_rubric && !r.show_reference);
    assert_int_equal(r.selected_sets, EL_RL_SELECTED_REPLAY);
    el_rl_recipe_release(&r);
    assert_int_equal(load("{\"model\":\"m\",\"prompts\":\"p\",\"roles\":{\"refiner\":2},\"data\":{"
                          "\"world\":3,\"raters\":\"human,oracle\"}}",
                          &r, &err),
                     0);
    assert_true(r.share[EL_ROLE_REFINER] == 2 && r.world == 3 && r.store == NULL);
    assert_int_equal(r.raters, (1u << EL_RATER_HUMAN) | (1u << EL_RATER_ORACLE));
    el_rl_recipe_release(&r);
}

static void min_reward(void **state)
{
    (void)state;
    struct el_rl_recipe r;
    struct el_error err = {0};
    assert_int_equal(load("{" BASE ",\"rejection\":{\"steps\":2,\"min_reward\":0.5}}", &r, &err),
                     0);
    for (int i = 0; i < EL_ROLES; i++)
        assert_true(r.rejection.min_reward[i] == 0.5);
    el_rl_recipe_release(&r);
    assert_int_equal(
        load("{" BASE ",\"rejection\":{\"steps\":2,\"min_reward\":{\"generator\":0.2}}}", &r, &err),
        0);
    assert_true(r.rejection.min_reward[EL_ROLE_GENERATOR] == 0.2);
    assert_true(r.rejection.min_reward[EL_ROLE_VERIFIER] == 1);
    el_rl_recipe_release(&r);
}

static void refuses(const char *text, const char *word)
{
    struct el_rl_recipe r;
    struct el_error err = {0};
    int rc = load(text, &r, &err);
    if (rc >= 0)
        fail_msg("%s was accepted", text);
    if (!strstr(err.msg, word) || !strstr(err.msg, path))
        fail_msg("\"%s\" names neither %s nor %s", err.msg, word, path);
}

static void wrong_fields(void **state)
{
    (void)state;
    static const struct {
        const char *field, *word;
    } list[] = {
        {"\"epsilonn\":0.2", "epsilonn"},
        {"\"epsilon\":2", "epsilon"},
        {"\"beta\":-1", "beta"},
        {"\"temperature\":0", "temperature"},
        {"\"temperature\":\"hot\"", "temperature"},
        {"\"judge_temperature\":-1", "judge_temperature"},
        {"\"judge_temperature\":0,\"verifications\":2", "verifications"},
        {"\"judge_temperature\":\"cold\"", "judge_temperature"},
        {"\"top_p\":0", "top_p"},
        {"\"num_generations\":1", "num_generations"},
        {"\"num_generations\":100000", "num_generations"},
        {"\"mini_batches\":0", "mini_batches"},
        {"\"max_steps\":0", "max_steps"},
        {"\"save_total_limit\":0", "save_total_limit"},
        {"\"alpha\":0.5", "alpha"},
        {"\"keep_routing\":1", "keep_routing"},
        {"\"label_balance\":[1,1]", "label_balance"},
        {"\"label_balance\":[0,0,0]", "label_balance"},
        {"\"lr_scheduler_type\":\"steps\"", "lr_scheduler_type"},
        {"\"learning_rate\":-1", "learning_rate"},
        {"\"overlong_from\":1", "overlong_from"},
        {"\"adam_epsilon\":1e-50", "eps > 0"},
        {"\"adam_beta1\":1", "beta1"},
        {"\"adam_beta2\":-0.1", "beta2"},
        {"\"weight_decay\":-1", "weight_decay"},
        {"\"max_grad_norm\":-1", "max_grad_norm"},
        {"\"proof_weight\":0", "proof_weight"},
        {"\"off_policy_mask_threshold\":0", "off_policy_mask_threshold"},
        {"\"selected_sets\":\"dead\"", "selected_sets"},
        {"\"length_weight\":\"long\"", "length_weight"},
        {"\"language\":\"klingon\"", "klingon"},
        {"\"language_consistency_weight\":0.1", "language"},
        {"\"language\":\"en\",\"language_consistency_weight\":-1", "language_consistency_weight"},
        {"\"rubric\":{\"weight\":1}", "rubric"},
        {"\"rubric\":{\"weight\":-1,\"of_problems\":true}", "rubric"},
        {"\"rubric\":{\"items\":7}", "rubric.items"},
        {"\"rubric\":{\"items\":[7]}", "rubric.items"},
        {"\"rubric\":{\"items\":[{\"name\":\"n\"}]}", "pattern"},
        {"\"rubric\":{\"items\":[{\"name\":\"n\",\"pattern\":\"(\"}]}", "'n'"},
        {"\"rubric\":{\"items\":[{\"name\":\"n\",\"pattern\":\"x\",\"part\":\"end\"}]}", "end"},
        {"\"rubric\":{\"items\":[{\"name\":\"n\",\"pattern\":\"x\",\"points\":0}]}", "points"},
        {"\"show_rubric\":1", "show_rubric"},
        {"\"rejection\":{}", "steps"},
        {"\"rejection\":{\"steps\":0}", "rejection"},
        {"\"rejection\":{\"steps\":2,\"min_reward\":0}", "min_reward"},
        {"\"rejection\":{\"steps\":2,\"min_reward\":\"all\"}", "min_reward"},
        {"\"rejection\":{\"steps\":2,\"min_reward\":{\"verifier\":-1}}", "min_reward"},
        {"\"rejection\":{\"steps\":2,\"min_reward\":{\"poet\":1}}", "poet"},
        {"\"rejection\":{\"steps\":2,\"sources\":{\"poet\":\"x\"}}", "poet"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char text[500];
        snprintf(text, sizeof text, "{" BASE ",%s}", list[i].field);
        refuses(text, list[i].word);
    }
    refuses("[]", "object");
    refuses("{\"prompts\":\"p\",\"roles\":{\"verifier\":1},\"data\":{\"world\":1}}", "model");
    refuses("{\"model\":\"m\",\"roles\":{\"verifier\":1},\"data\":{\"world\":1}}", "prompts");
    refuses("{\"model\":\"m\",\"prompts\":\"p\",\"data\":{\"world\":1}}", "roles");
    refuses("{\"model\":\"m\",\"prompts\":\"p\",\"roles\":{\"judge\":1},\"data\":{\"world\":1}}",
            "judge");
    refuses("{\"model\":\"m\",\"prompts\":\"p\",\"roles\":{\"verifier\":1}}", "data");
    refuses("{\"model\":\"m\",\"prompts\":\"p\",\"roles\":{\"verifier\":1},\"data\":{\"world\":1,"
            "\"false_start\":-1}}",
            "false_start");
    refuses("{\"model\":\"m\",\"prompts\":\"p\",\"roles\":{\"verifier\":1},\"data\":{\"world\":1,"
            "\"false_start\":0.5}}",
            "checked");
    refuses("{\"model\":\"m\",\"prompts\":\"p\",\"roles\":{\"verifier\":1},\"data\":{\"world\":1,"
            "\"unlisted\":1.5}}",
            "'unlisted' is 1.5");
    refuses("{\"model\":\"m\",\"prompts\":\"p\",\"roles\":{\"verifier\":1},\"data\":{\"world\":1,"
            "\"reused\":0.5}}",
            "'reused' goes with 'unlisted'");
    refuses("{\"model\":\"m\",\"prompts\":\"p\",\"roles\":{\"verifier\":1},\"data\":{\"world\":1,"
            "\"split\":\"test\"}}",
            "split");
    refuses(
        "{\"model\":\"m\",\"prompts\":\"p\",\"roles\":{\"verifier\":1},\"data\":{\"store\":\"s\","
        "\"raters\":\"model\"}}",
        "raters");
}

/* The command line goes before the recipe, and enters the digest where it decides what happens. */
static void overrides(void **state)
{
    (void)state;
    struct el_rl_recipe a, b;
    struct el_error err = {0};
    const struct el_rl_overrides over = {
        .model = "other", .judge = "oracle", .store = "mine.db", .seed = 42};
    assert_int_equal(load("{" BASE ",\"seed\":7}", &a, &err), 0);
    assert_int_equal(load_with("{" BASE ",\"seed\":7}", &over, &b, &err), 0);
    assert_string_equal(b.model, "other");
    assert_string_equal(b.store, "mine.db");
    assert_true(b.oracle && b.seed == 42 && a.seed == 7);
    assert_string_not_equal(a.digest, b.digest);
    el_rl_recipe_release(&a);
    el_rl_recipe_release(&b);
    /* a store that is given replaces what the recipe would make */
    static const char own[] = "{\"model\":\"m\",\"prompts\":\"p\",\"roles\":{\"verifier\":1},"
                              "\"data\":{\"world\":30,\"attempts\":20}}";
    assert_int_equal(load(own, &a, &err), 0);
    assert_int_equal(load_with(own, &over, &b, &err), 0);
    assert_true(a.world == 30 && a.attempts == 20 && b.world == 0 && b.attempts == 0);
    el_rl_recipe_release(&a);
    el_rl_recipe_release(&b);
}

/* Nothing that decides what a recipe does is left to a default. Rejection fine-tuning has no use
 * for the fields of GRPO. */
static void spells_out(const char *name, const cJSON *tree)
{
    static const char *const fields[] = {"model",
                                         "judge",
                                         "prompts",
                                         "roles",
                                         "data",
                                         "label_balance",
                                         "prompts_per_step",
                                         "num_generations",
                                         "temperature",
                                         "top_p",
                                         "top_k",
                                         "max_completion_length",
                                         "use_meta_reward",
                                         "alpha",
                                         "beta_self",
                                         "verifications",
                                         "meta_verifications",
                                         "judge_temperature",
                                         "judge_retries",
                                         "show_reference",
                                         "show_rubric",
                                         "final_answer_weight",
                                         "proof_weight",
                                         "length_weight",
                                         "overlong_penalty",
                                         "overlong_from",
                                         "language",
                                         "language_consistency_weight",
                                         "rubric",
                                         "indexer_kl_weight",
                                         "bias_update_speed",
                                         "learning_rate",
                                         "final_learning_rate",
                                         "warmup_steps",
                                         "lr_scheduler_type",
                                         "adam_beta1",
                                         "adam_beta2",
                                         "adam_epsilon",
                                         "weight_decay",
                                         "max_grad_norm",
                                         "batch_rows",
                                         "seed",
                                         "max_steps",
                                         "save_steps",
                                         "save_total_limit"};
    static const char *const grpo[] = {"epsilon",
                                       "epsilon_high",
                                       "beta",
                                       "use_bias_correction_kl",
                                       "off_policy_mask_threshold",
                                       "scale_rewards",
                                       "mask_truncated_completions",
                                       "mini_batches",
                                       "num_iterations",
                                       "keep_routing",
                                       "keep_sampling_mask",
                                       "selected_sets"};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!cJSON_GetObjectItemCaseSensitive(tree, fields[i]))
            fail_msg("%s leaves '%s' to its default", name, fields[i]);
    for (size_t i = 0; i < sizeof grpo / sizeof *grpo; i++)
        if (!cJSON_HasObjectItem(tree, "rejection") &&
            !cJSON_GetObjectItemCaseSensitive(tree, grpo[i]))
            fail_msg("%s leaves '%s' to its default", name, grpo[i]);
}

/* 1 when the file is a recipe of this kind, which can be read then. */
static int check_shipped(const char *name)
{
    char file[300];
    struct el_rl_recipe r;
    struct el_error err = {0};
    cJSON *tree = NULL;
    const struct el_rl_overrides none = {.seed = -1};
    snprintf(file, sizeof file, EL_SOURCE_DIR "/configs/train/%s", name);
    int is = el_rl_recipe_is(file, &err);
    if (is == 0)
        return 0;
    if (is < 0 || el_rl_recipe_load(file, &none, &r, &err) < 0 ||
        el_json_load(file, &tree, &err) < 0)
        fail_msg("%s", err.msg);
    spells_out(name, tree);
    cJSON_Delete(tree);
    el_rl_recipe_release(&r);
    return 1;
}

static void shipped(void **state)
{
    (void)state;
    int n = 0;
    DIR *d = opendir(EL_SOURCE_DIR "/configs/train");
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        const char *end = strrchr(e->d_name, '.');
        if (end && strcmp(end, ".json") == 0)
            n += check_shipped(e->d_name);
    }
    closedir(d);
    assert_true(n >= 12);
    assert_int_equal(el_rl_recipe_is(EL_SOURCE_DIR "/configs/train/tiny.json", NULL), 0);
    assert_true(el_rl_recipe_is("/nowhere.json", NULL) < 0);
}

/* A recipe of configs/train but for the NULL-terminated fields. */
static cJSON *recipe_without(const char *name, const char *const *fields)
{
    char file[300];
    cJSON *tree = NULL;
    struct el_error err = {0};
    snprintf(file, sizeof file, EL_SOURCE_DIR "/configs/train/%s.json", name);
    if (el_json_load(file, &tree, &err) < 0)
        fail_msg("%s", err.msg);
    for (; *fields; fields++)
        cJSON_DeleteItemFromObjectCaseSensitive(tree, *fields);
    return tree;
}

static void differ_only_in(const char *a, const char *b, const char *const *fields)
{
    cJSON *x = recipe_without(a, fields), *y = recipe_without(b, fields);
    if (!cJSON_Compare(x, y, 1))
        fail_msg("%s and %s differ in more than what they are to compare", a, b);
    cJSON_Delete(x);
    cJSON_Delete(y);
}

/* Arms of a comparison differ in the reward that is compared, and in nothing else. */
static void arms(void **state)
{
    (void)state;
    static const char *const generator[] = {"alpha", "beta_self", "proof_weight",
                                            "final_answer_weight", NULL};
    static const char *const meta[] = {"use_meta_reward", NULL};
    differ_only_in("generator", "generator-no-self", generator);
    differ_only_in("generator", "generator-outcome", generator);
    differ_only_in("verifier-exact", "verifier-exact-score", meta);
}

static void out_of_memory(void **state)
{
    (void)state;
    int rc = -1;
    for (long n = 1; rc < 0 && n < 500; n++) {
        struct el_rl_recipe r;
        struct el_error err = {0};
        struct el_error io = {0};
        const struct el_rl_overrides none = {.seed = -1};
        assert_int_equal(el_file_write(path, "{" BASE "}", strlen("{" BASE "}"), &io), 0);
        el_alloc_fail_after(n);
        rc = el_rl_recipe_load(path, &none, &r, &err);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || (rc == EL_ENOMEM && err.msg[0]));
        if (rc == 0)
            el_rl_recipe_release(&r);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),   cmocka_unit_test(fields),
        cmocka_unit_test(min_reward), cmocka_unit_test(wrong_fields),
        cmocka_unit_test(overrides),  cmocka_unit_test(shipped),
        cmocka_unit_test(arms),       cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
