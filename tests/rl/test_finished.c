/* A finished training is known by what it was made of, and refused where that has changed, as one
 * that is not finished is. */
#include "training/rl/finished.h"

#include "data/store.h"

#include "tests/rl/runs.h"

#define SMALL EL_SOURCE_DIR "/models/small"

/* A proof with a person's score. */
static void add_proof(const char *text, int right)
{
    struct el_store *s = NULL;
    struct el_error err = {0};
    int64_t problem = 0, proof = 0;
    const struct el_problem p = {
        .set = "a", .external_id = "1", .statement = "Show that 4 is even."};
    assert_int_equal(el_store_open(at("data.db"), EL_STORE_CREATE, &s, &err), 0);
    assert_true(el_store_problem_add(s, &p, &problem, NULL, &err) >= 0);
    const struct el_proof y = {.problem = problem, .text = text, .author = {0, "somebody", ""}};
    assert_true(el_store_proof_add(s, &y, &proof, &err) >= 0);
    const struct el_score c = {.proof = proof,
                               .rater_kind = EL_RATER_HUMAN,
                               .rater = "me",
                               .raw = right,
                               .scale_max = 1,
                               .halves = 2 * right,
                               .blind = EL_BLIND_UNKNOWN,
                               .origin = ""};
    assert_true(el_store_score_add(s, &c, NULL, &err) >= 0);
    el_store_close(s);
}

static void copy_files(const char *from, const char *to, const char *const *names)
{
    struct el_error err = {0};
    for (int i = 0; names[i]; i++)
        if (el_file_copy(from, to, names[i], &err) != 1)
            fail_msg("%s/%s: %s", from, names[i], err.msg);
}

static int finished(const char *path, struct el_error *err)
{
    const struct el_rl_options o = {.recipe = path, .out = at("out"), .over = {.seed = -1}};
    return el_rl_finished(&o, err);
}

/* Refused, finished or not, and the finished one says why. */
static void refused(const char *path, const char *kind, const char *name)
{
    struct el_error err = {0};
    char says[300];
    assert_int_equal(finished(path, &err), EL_EREFUSED);
    snprintf(says, sizeof says, "finished with something else than %s%s is now", kind, name);
    if (!strstr(err.msg, says))
        fail_msg("'%s' does not say '%s'", err.msg, says);
    assert_int_equal(train(path, at("out"), 1, -1, &err), EL_EREFUSED);
    if (!strstr(err.msg, "its prompts, data or judge"))
        fail_msg("%s", err.msg);
}

/* As a program wrote it that knew less. */
static void forget(const char *field)
{
    struct el_error err = {0};
    cJSON *o = NULL;
    const char *path = at("out/model/training.json");
    assert_int_equal(el_json_load(path, &o, &err), 0);
    assert_non_null(cJSON_GetObjectItemCaseSensitive(o, field));
    cJSON_DeleteItemFromObjectCaseSensitive(o, field);
    char *text = cJSON_Print(o);
    assert_int_equal(el_file_write(path, text, strlen(text), &err), 0);
    cJSON_free(text);
    cJSON_Delete(o);
}

/* Other weights under the judge's name. */
static void change_judge(void)
{
    struct el_weights *w = NULL;
    struct el_error err = {0};
    char text[100];
    assert_int_equal(el_weights_load(at("judge"), el_device_host(), &w, NULL, NULL, &err), 0);
    w->data[0] += 1;
    assert_int_equal(el_weights_digest(w, &err), 0);
    assert_int_equal(el_weights_save(w, at("judge"), &err), 0);
    snprintf(text, sizeof text, "{\"weights_digest\": \"%s\"}", w->digest);
    assert_int_equal(el_file_write(at("judge/training.json"), text, strlen(text), &err), 0);
    el_weights_free(w);
}

static const char *train_once(void)
{
    char changes[800];
    struct el_error err = {0};
    add_proof("Clear.", 0);
    add_proof("It is even.", 1);
    snprintf(changes, sizeof changes,
             "\"data\":{\"store\":\"%s\"},\"judge\":\"%s\",\"roles\":{\"verifier\":1},"
             "\"prompts_per_step\":2,\"max_steps\":1",
             at("data.db"), at("judge"));
    const char *path = recipe("r.json", changes);
    assert_int_equal(finished(path, &err), 0);
    must_train(path, at("out"));
    return path;
}

static void judge_and_data(void **state)
{
    (void)state;
    static const char *const folder_files[] = {"config.json", "model.safetensors", "tokenizer.json",
                                               "training.json", NULL};
    struct el_error err = {0};
    assert_int_equal(el_dir_make(at("judge"), &err), 0);
    copy_files(SMALL, at("judge"), folder_files);
    const char *path = train_once();
    assert_int_equal(finished(path, &err), 1);
    change_judge();
    refused(path, "the judge ", at("judge"));
    assert_int_equal(unlink(at("judge/training.json")), 0); /* says nothing of its weights */
    assert_int_equal(finished(path, &err), 1);
    copy_files(SMALL, at("judge"), folder_files);
    must_train(path, at("out"));
    assert_int_equal(finished(path, &err), 1);
    add_proof("Obvious.", 0);
    refused(path, "the data in ", at("data.db"));
    /* runs of before these were written down */
    forget("data_fingerprint");
    assert_int_equal(finished(path, &err), 1);
    forget("judge_digest");
    change_judge();
    assert_int_equal(finished(path, &err), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(judge_and_data)};
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
