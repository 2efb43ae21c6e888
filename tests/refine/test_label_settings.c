/* What automatic labelling is run with: presets, identity, ranges. */
#include "refine/label_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

static int read_text(struct el_label_settings *s, const char *text, struct el_error *err)
{
    cJSON *json = NULL;
    assert_int_equal(el_json_parse("preset", text, strlen(text), &json, err), 0);
    int rc = el_label_settings_read(s, json, "preset", err);
    cJSON_Delete(json);
    return rc;
}

static void test_preset(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_label_settings s;
    el_label_settings_init(&s);
    assert_int_equal(read_text(&s,
                               "{\"name\":\"night\",\"seed\":\"18446744073709551615\",\"n\":16,"
                               "\"k\":4,\"confirm\":0.5,\"lowest\":\"valid\",\"otherwise\":"
                               "\"discard\",\"thinking\":true,\"judge_retries\":1,"
                               "\"meta_verifier\":{\"temperature\":0.25}}",
                               &err),
                     0);
    assert_string_equal(s.name, "night");
    assert_true(s.seed == UINT64_MAX && s.thinking && s.judge_retries == 1);
    assert_int_equal(s.rule.n, 16);
    assert_int_equal(s.rule.m, 8); /* absent: the default */
    assert_int_equal(s.rule.k, 4);
    assert_int_equal(s.rule.confirm, EL_SCORE_HALF);
    assert_int_equal(s.rule.lowest, EL_LOWEST_VALID);
    assert_int_equal(s.otherwise, EL_DECIDED_DISCARDED);
    assert_true(s.meta_verifier.temperature < 0.3 && s.verifier.temperature > 0.9);
    assert_int_equal(el_label_settings_check(&s, &err), 0);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"lowest\":\"all\"}", "'all' is not any or valid"},
        {"{\"confirm\":0}", "expected 0.5 or 1"},
        {"{\"otherwise\":\"keep\"}", "'keep' is not queue or discard"},
        {"{\"n\":1.5}", "n"},
        {"{\"metas\":3}", "metas"},
        {"{\"verifier\":{\"temprature\":1}}", "temprature"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct el_error err = {0};
        struct el_label_settings s;
        el_label_settings_init(&s);
        assert_int_equal(read_text(&s, cases[i].text, &err), EL_EFORMAT);
        if (!strstr(err.msg, cases[i].message))
            fail_msg("%s: %s", cases[i].text, err.msg);
    }
}

static void test_ranges(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_label_settings s;
    el_label_settings_init(&s);
    s.meta_verifier.top_p = 0;
    assert_int_equal(el_label_settings_check(&s, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "meta_verifier.top_p"));
    el_label_settings_init(&s);
    s.rule.k = 9;
    assert_int_equal(el_label_settings_check(&s, &err), EL_EINVAL);
    el_label_settings_init(&s);
    strcpy(s.name, "two words");
    assert_int_equal(el_label_settings_check(&s, &err), EL_EINVAL);
}

/* The judges are in the identity, and read back from it; the rule is not. */
static void test_identity(void **state)
{
    (void)state;
    struct el_error err = {0};
    struct el_label_settings s, back;
    struct el_buf a, b;
    el_buf_init(&a);
    el_buf_init(&b);
    el_label_settings_init(&s);
    s.seed = 7;
    s.verifier.temperature = 0.1;
    s.judge_retries = 2;
    assert_int_equal(el_label_settings_identity(&s, "other", &a), 0);
    assert_non_null(strstr(a.data, "\"meta_model\":\"other\""));
    el_label_settings_init(&back);
    assert_int_equal(read_text(&back, a.data, &err), 0);
    back.rule.n = 99;
    back.otherwise = EL_DECIDED_DISCARDED;
    back.complete = 1;
    assert_int_equal(el_label_settings_identity(&back, "other", &b), 0);
    assert_string_equal(a.data, b.data);
    el_buf_release(&a);
    el_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_preset),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_identity),
    };
    return cmocka_run_group_tests_name("label_settings", tests, NULL, NULL);
}
