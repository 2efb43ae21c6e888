/* Plans of an iteration: what is wrong with one is named before anything runs. (What a plan does is
 * tested with the program: scripts/kill9 iterate.) */
#include "training/rl/iterate.h"

#include "core/base/io.h"
#include "core/base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char path[64], out[80];

static int enter(void **state)
{
    (void)state;
    strcpy(path, "/tmp/el-iterate-XXXXXX");
    int fd = mkstemp(path);
    snprintf(out, sizeof out, "%s.out", path);
    return fd < 0 ? -1 : close(fd);
}

static int leave(void **state)
{
    (void)state;
    char plan[100];
    snprintf(plan, sizeof plan, "%s/plan", out);
    unlink(plan);
    rmdir(out);
    return unlink(path);
}

static int run(const char *text, const char *model, struct el_error *err)
{
    struct el_error io = {0};
    const struct el_rl_options o = {
        .recipe = path, .out = out, .root = EL_SOURCE_DIR, .over = {.model = model, .seed = -1}};
    assert_int_equal(el_file_write(path, text, strlen(text), &io), 0);
    return el_rl_iterate(&o, err);
}

static void wrong_plans(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } list[] = {
        {"{\"iterations\":1,\"phases\":[]}", "model"},
        {"{\"model\":\"m\",\"phases\":[]}", "phases"},
        {"{\"model\":\"m\",\"iterations\":0,\"phases\":[{\"name\":\"a\",\"recipe\":\"r\"}]}",
         "iterations"},
        {"{\"model\":\"m\",\"seed\":-1,\"phases\":[{\"name\":\"a\",\"recipe\":\"r\"}]}",
         "'seed' is -1"},
        {"{\"model\":\"m\",\"start_share\":1,\"phases\":[{\"name\":\"a\",\"recipe\":\"r\"}]}",
         "'start_share' is 1"},
        {"{\"model\":\"m\",\"start_share\":-0.1,\"phases\":[{\"name\":\"a\",\"recipe\":\"r\"}]}",
         "'start_share' is -0.1"},
        {"{\"model\":\"m\",\"phases\":[{\"recipe\":\"r\"}]}", "phases[0]: missing field 'name'"},
        {"{\"model\":\"m\",\"phases\":[{\"name\":\"a\"}]}", "recipe"},
        {"{\"model\":\"m\",\"phases\":[{\"name\":\"a/b\",\"recipe\":\"r\"}]}", "name"},
        {"{\"model\":\"m\",\"phases\":[{\"name\":\"start\",\"recipe\":\"r\"}]}", "name"},
        {"{\"model\":\"m\",\"phases\":[{\"name\":\"a\",\"recipe\":\"r\"},{\"name\":\"a\","
         "\"recipe\":"
         "\"r\"}]}",
         "phases[1]"},
        {"{\"model\":\"m\",\"phases\":[{\"name\":\"a\",\"recipe\":\"r\",\"model\":\"b\"}]}", "'b'"},
        {"{\"model\":\"m\",\"phases\":[{\"name\":\"a\",\"recipe\":\"r\",\"judge\":\"a\"}]}", "'a'"},
        {"{\"model\":\"m\",\"phases\":[{\"name\":\"a\",\"recipe\":\"r\",\"sources\":{\"verifier\":"
         "\"z"
         "\"}}]}",
         "'z'"},
        {"{\"model\":\"m\",\"phases\":[{\"name\":\"a\",\"recipe\":\"r\",\"sources\":{\"poet\":"
         "\"a\"}}"
         "]}",
         "poet"},
        {"{\"model\":\"m\",\"phases\":[3]}", "object"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct el_error err = {0};
        if (run(list[i].text, NULL, &err) >= 0)
            fail_msg("%s was accepted", list[i].text);
        if (!strstr(err.msg, list[i].word) || !strstr(err.msg, path))
            fail_msg("\"%s\" names neither %s nor %s", err.msg, list[i].word, path);
        assert_false(el_path_exists(out));
    }
}

/* What is wrong with a phase or the start is said before the folder belongs to the plan; another
 * plan may not go on in it then. */
static void phases(void **state)
{
    (void)state;
#define SMALL  "\"model\":\"" EL_SOURCE_DIR "/models/small\""
#define RECIPE EL_SOURCE_DIR "/configs/train/tiny-rl.json"
#define TINY   "\"phases\":[{\"name\":\"first\",\"recipe\":\"" RECIPE "\"}]"
    struct el_error err = {0};
    char file[300];
    assert_true(run("{" SMALL ",\"phases\":[{\"name\":\"first\",\"recipe\":\"/nowhere.json\"}]}",
                    NULL, &err) < 0);
    assert_non_null(strstr(err.msg, "iteration 1, phase first"));
    assert_non_null(strstr(err.msg, "/nowhere.json"));
    assert_int_equal(run("{\"model\":\"m\"," TINY "}", NULL, &err), EL_ENOTFOUND);
    assert_non_null(strstr(err.msg, "m: no model to start from"));
    assert_false(el_path_exists(out));
    assert_int_equal(mkdir(out, 0777), 0);
    snprintf(file, sizeof file, "%s/plan", out);
    assert_int_equal(el_file_write(file, "of another", 10, &err), 0);
    assert_int_equal(run("{" SMALL "," TINY "}", NULL, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "another plan"));
#undef SMALL
#undef RECIPE
#undef TINY
}

static void put(const char *dir, const char *name, const char *text)
{
    char file[300];
    struct el_error err = {0};
    snprintf(file, sizeof file, "%s/%s/%s", out, dir, name);
    assert_int_equal(el_file_write(file, text, strlen(text), &err), 0);
}

static int has(const char *name)
{
    char file[300];
    snprintf(file, sizeof file, "%s/model/%s", out, name);
    return el_path_exists(file);
}

/* Whoever reads the model of the end while it is replaced finds no config.json, rather than the new
 * one beside the old weights; nothing of the old one stays. */
static void the_end_is_whole_or_none(void **state)
{
    (void)state;
    static const char plan[] =
        "{\"model\":\"" EL_SOURCE_DIR "/models/small\",\"phases\":[{\"name\":\"first\","
        "\"recipe\":\"" EL_SOURCE_DIR "/configs/train/tiny-rl.json\"}]}";
    char file[300];
    struct el_error err = {0};
    strcat(out, ".end");
    snprintf(file, sizeof file, "%s/1.first/model", out);
    assert_int_equal(el_dir_make(file, &err), 0);
    put("1.first/model", "training.json", "{\"steps\":1000}"); /* all that a finished one says */
    put("1.first/model", "config.json", "new");
    put("1.first/model", "tokenizer.json", "new");
    put("1.first/model", "model.safetensors", "new");
    snprintf(file, sizeof file, "%s/model/model.safetensors", out); /* cannot be replaced */
    assert_int_equal(el_dir_make(file, &err), 0);
    put("model", "config.json", "old");
    put("model", "domain.json", "old");
    assert_int_equal(run(plan, NULL, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "model/model.safetensors"));
    assert_false(has("config.json"));
    assert_int_equal(rmdir(file), 0);
    if (run(plan, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    assert_true(has("config.json") && has("training.json") && has("tokenizer.json"));
    assert_false(has("domain.json"));
    snprintf(file, sizeof file, "rm -r %s", out);
    assert_int_equal(system(file), 0);
}

/* A plan of configs/train is read, which a folder that cannot be made shows, and so are the recipes
 * of its phases. */
static void check_shipped(const char *name)
{
    char file[200];
    struct el_error err = {0};
    cJSON *tree = NULL, *phase;
    snprintf(file, sizeof file, EL_SOURCE_DIR "/configs/train/%s", name);
    const struct el_rl_options o = {
        .recipe = file, .out = "/dev/null/out", .root = EL_SOURCE_DIR, .over = {.seed = -1}};
    assert_int_equal(el_rl_iterate(&o, &err), EL_EIO);
    if (!strstr(err.msg, "/dev/null"))
        fail_msg("%s: %s", name, err.msg);
    assert_int_equal(el_json_load(file, &tree, &err), 0);
    cJSON_ArrayForEach(phase, cJSON_GetObjectItemCaseSensitive(tree, "phases"))
    {
        char recipe[300];
        struct el_rl_recipe r;
        const struct el_rl_overrides none = {.seed = -1};
        snprintf(recipe, sizeof recipe, EL_SOURCE_DIR "/%s",
                 cJSON_GetObjectItemCaseSensitive(phase, "recipe")->valuestring);
        if (el_rl_recipe_load(recipe, &none, &r, &err) < 0)
            fail_msg("%s", err.msg);
        el_rl_recipe_release(&r);
    }
    cJSON_Delete(tree);
}

static void shipped(void **state)
{
    (void)state;
    check_shipped("iterate.json");
    check_shipped("iterate-exact.json");
    check_shipped("tiny-iterate.json");
}

static void kinds(void **state)
{
    (void)state;
    assert_int_equal(el_rl_iterate_is(EL_SOURCE_DIR "/configs/train/iterate.json", NULL), 1);
    assert_int_equal(el_rl_iterate_is(EL_SOURCE_DIR "/configs/train/verifier.json", NULL), 0);
    assert_true(el_rl_iterate_is("/nowhere.json", NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wrong_plans), cmocka_unit_test(phases),
                                       cmocka_unit_test(shipped), cmocka_unit_test(kinds),
                                       cmocka_unit_test(the_end_is_whole_or_none)};
    return cmocka_run_group_tests(tests, enter, leave);
}
