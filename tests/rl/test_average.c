/* The mean of two models' weights, in memory and as folders. */
#include "tests/model/config_fixture.h"
#include "tests/rl/runs.h"
#include "training/rl/average.h"

#include "core/base/alloc.h"

static struct el_weights *create(const char *key, const char *value, uint64_t seed)
{
    struct el_config c;
    struct el_weights *w = NULL;
    struct el_error err = {0};
    assert_int_equal(parse_with(small_json, key, value, &c, &err), 0);
    c.num_nextn_predict_layers = 0;
    if (el_weights_create(&c, el_device_host(), seed, &w, &err) < 0)
        fail_msg("%s", err.msg);
    return w;
}

static struct el_weights *load(const char *dir)
{
    struct el_weights *w = NULL;
    struct el_error err = {0};
    if (el_weights_load(dir, el_device_host(), &w, NULL, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    return w;
}

static void mean_of_folders(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_weights *a = create("torch_dtype", "\"float32\"", 1);
    struct el_weights *b = create("torch_dtype", "\"float32\"", 2);
    assert_int_equal(el_weights_save(a, at("a"), &err), 0);
    assert_int_equal(el_weights_save(b, at("b"), &err), 0);
    assert_int_equal(el_file_write(at("a/tokenizer.json"), "of a", 4, &err), 0);
    assert_int_equal(el_file_write(at("b/tokenizer.json"), "of b", 4, &err), 0);
    if (el_rl_average_folders(at("a"), at("b"), 0.25, "plan.json", at("mean"), NULL, &err) < 0)
        fail_msg("%s", err.msg);
    struct el_weights *mean = load(at("mean"));
    int different = 0;
    for (int64_t i = 0; i < mean->layout.total; i++) {
        double expected = 0.75 * (double)a->data[i] + 0.25 * (double)b->data[i];
        assert_true(mean->data[i] == (float)expected);
        different += a->data[i] != b->data[i];
    }
    assert_true(different > 1000);
    struct el_buf said = read_file(at("mean"), "training.json"),
                  tokenizer = read_file(at("mean"), "tokenizer.json");
    cJSON *o = cJSON_Parse(said.data);
    static const char *const names[] = {"recipe", "trained_digest", "start_digest",
                                        "weights_digest"};
    const char *const expected[] = {"plan.json", a->digest, b->digest, mean->digest};
    for (int i = 0; i < 4; i++)
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(o, names[i])), expected[i]);
    assert_true(cJSON_GetObjectItem(o, "start_share")->valuedouble == 0.25);
    assert_string_equal(tokenizer.data, "of a");
    cJSON_Delete(o);
    el_buf_release(&said);
    el_buf_release(&tokenizer);
    el_weights_free(a);
    el_weights_free(b);
    el_weights_free(mean);
}

/* What is in memory is what a checkpoint would hold. */
static void rounded(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_weights *a = create("torch_dtype", "\"bfloat16\"", 1);
    struct el_weights *b = create("torch_dtype", "\"bfloat16\"", 2);
    assert_int_equal(el_rl_average(a, b, 0.5, &err), 0);
    assert_int_equal(el_weights_save(a, at("half"), &err), 0);
    struct el_weights *read = load(at("half"));
    assert_string_equal(read->digest, a->digest);
    assert_memory_equal(read->data, a->data, (size_t)a->layout.total * sizeof *a->data);
    el_weights_free(a);
    el_weights_free(b);
    el_weights_free(read);
}

static void other_shapes_are_refused(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_weights *a = create("hidden_size", "14", 1), *b = create("hidden_size", "16", 1);
    assert_int_equal(el_rl_average(a, b, 0.5, &err), EL_EREFUSED);
    assert_non_null(strstr(err.msg, "no mean of weights"));
    el_weights_free(a);
    el_weights_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_of_folders),
        cmocka_unit_test(rounded),
        cmocka_unit_test(other_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
