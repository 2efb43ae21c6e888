/* JSON from outside: what is accepted, and what every refusal names. */
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "core/base/utf8.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define NAMED "line 7 of x.jsonl"

static cJSON *parse(const char *text)
{
    cJSON *tree = NULL;
    struct el_error err = {0};
    if (el_json_parse(NAMED, text, strlen(text), &tree, &err) < 0)
        fail_msg("%s: %s", text, err.msg);
    return tree;
}

static void refused(const char *text, size_t n, const char *place)
{
    cJSON *tree = NULL;
    struct el_error err = {0};
    char *copy = malloc(n ? n : 1); /* exactly n bytes, so that reading on is seen */
    memcpy(copy, text, n);
    assert_int_equal(el_json_parse(NAMED, copy, n, &tree, &err), EL_EFORMAT);
    free(copy);
    assert_null(tree);
    assert_non_null(strstr(err.msg, NAMED));
    if (!strstr(err.msg, place))
        fail_msg("'%s' does not say %s", err.msg, place);
}

static void one_whole_value(void **state)
{
    (void)state;
    cJSON_Delete(parse(" \t\r\n{\"a\": [1, 2]} \t\r\n"));
    cJSON_Delete(parse("7"));
    refused("", 0, "line 1");
    refused("   ", 3, "line 1");
    refused("{\"a\":1} x", 9, "column 9");
    refused("{\"a\":1}{}", 9, "column 8");
    refused("[1,\n2,\n 3", 9, "line 3");
    refused("{\"a\":\n tru}", 11, "line 2, column 2");
    refused("1]", 2, "column 2");
}

static void nul_bytes_hide_nothing(void **state)
{
    (void)state;
    refused("{\"a\":1}\0", 8, "column 8");
    refused("{\"a\":1}\0{\"b\":2}", 15, "column 8");
    refused("{\"a\":1} \0x", 10, "column 9");
    refused("{\0\"a\":1}", 8, "column 2");
    refused("{\"a\0b\":1}", 9, "column 4");
    refused("\0", 1, "column 1");
    refused("{\"a\\u0000b\":1}", 14, "holds \\u0000");
    refused("[\"\\\\\\u0000\"]", 12, "holds \\u0000");
    cJSON_Delete(parse("[\"\\\\u0000\"]")); /* a backslash, and u0000 */
}

static void every_prefix_is_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"name\": \"a\\u00e9\\n\", \"list\": [1.5e3, -2, null, true], "
                               "\"deep\": {\"x\": {}}}";
    for (size_t n = 0; n + 1 < sizeof text; n++)
        refused(text, n, "not valid JSON");
    cJSON_Delete(parse(text));
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    static char deep[200000];
    memset(deep, '[', sizeof deep);
    refused(deep, sizeof deep, "not valid JSON");
}

static void says(const struct el_error *err, const char *key, const char *what)
{
    assert_int_equal(err->code, EL_EFORMAT);
    if (!strstr(err->msg, "here: ") || !strstr(err->msg, key) || !strstr(err->msg, what))
        fail_msg("'%s' does not say here, %s and %s", err->msg, key, what);
}

static void integers(void **state)
{
    (void)state;
    cJSON *o = parse("{\"a\": 5, \"half\": 0.5, \"s\": \"5\", \"big\": 2147483648, "
                     "\"low\": -2147483648, \"huge\": 1e300, \"inf\": 1e999, \"null\": null, "
                     "\"exact\": 9007199254740992, \"more\": 9007199254740994, \"t\": true}");
    static const char *const bad[] = {"half", "s", "huge", "inf", "more", "t"};
    int i = 1;
    int64_t v = 1;
    struct el_error err = {0};
    assert_int_equal(el_json_int(o, "here", "a", &i, &err), 0);
    assert_int_equal(i, 5);
    assert_int_equal(el_json_int(o, "here", "low", &i, &err), 0);
    assert_int_equal(i, INT_MIN);
    assert_int_equal(el_json_int(o, "here", "big", &i, &err), EL_EFORMAT);
    says(&err, "'big'", "32 bits");
    assert_int_equal(el_json_i64(o, "here", "big", &v, &err), 0);
    assert_true(v == 2147483648);
    assert_int_equal(el_json_i64(o, "here", "exact", &v, &err), 0);
    assert_true(v == INT64_C(1) << 53);
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        assert_int_equal(el_json_i64_or(o, "here", bad[k], &v, &err), EL_EFORMAT);
        says(&err, bad[k], "an integer");
        assert_int_equal(el_json_int(o, "here", bad[k], &i, &err), EL_EFORMAT);
    }
    assert_int_equal(i, INT_MIN);
    assert_int_equal(el_json_int(o, "here", "null", &i, &err), EL_EFORMAT);
    says(&err, "'null'", "missing");
    assert_int_equal(el_json_int_or(o, "here", "null", &i, &err), 0);
    assert_int_equal(el_json_int_or(o, "here", "A", &i, &err), 0);
    assert_int_equal(i, INT_MIN);
    cJSON_Delete(o);
}

static void other_types(void **state)
{
    (void)state;
    cJSON *o = parse("{\"d\": -2.5e-3, \"inf\": -1e999, \"yes\": true, \"s\": \"text\", \"n\": 1}");
    double d = 7;
    int flag = -1;
    const char *s = "default";
    struct el_error err = {0};
    assert_int_equal(el_json_double(o, "here", "d", &d, &err), 0);
    assert_true(d == -2.5e-3);
    assert_int_equal(el_json_double(o, "here", "inf", &d, &err), EL_EFORMAT);
    says(&err, "'inf'", "finite");
    assert_int_equal(el_json_double(o, "here", "s", &d, &err), EL_EFORMAT);
    assert_int_equal(el_json_double(o, "here", "none", &d, &err), EL_EFORMAT);
    says(&err, "'none'", "missing");
    assert_int_equal(el_json_double_or(o, "here", "none", &d, &err), 0);
    assert_true(d == -2.5e-3);
    assert_int_equal(el_json_bool(o, "here", "n", &flag, &err), EL_EFORMAT);
    says(&err, "'n'", "true or false");
    assert_int_equal(el_json_bool(o, "here", "none", &flag, &err), EL_EFORMAT);
    assert_int_equal(flag, -1);
    assert_int_equal(el_json_bool_or(o, "here", "yes", &flag, &err), 0);
    assert_int_equal(flag, 1);
    assert_int_equal(el_json_str(o, "here", "n", &s, &err), EL_EFORMAT);
    says(&err, "'n'", "a string");
    assert_int_equal(el_json_str(o, "here", "none", &s, &err), EL_EFORMAT);
    assert_int_equal(el_json_str_or(o, "here", "none", &s, &err), 0);
    assert_string_equal(s, "default");
    assert_int_equal(el_json_str(o, "here", "s", &s, &err), 0);
    assert_string_equal(s, "text");
    cJSON_Delete(o);
}

static void only_known_keys(void **state)
{
    (void)state;
    static const char *const keys[] = {"a", "b", NULL};
    static const char *const wrong[] = {"[1]", "5", "\"a\"", "true", "[{\"a\":1}]"};
    struct el_error err = {0};
    cJSON *good = parse("{\"b\":1}"), *bad = parse("{\"b\":1,\"A\":2}"), *null = parse("null");
    assert_int_equal(el_json_only(good, "here", keys, &err), 0);
    assert_int_equal(el_json_only(null, "here", keys, &err), 0);
    assert_int_equal(el_json_only(NULL, "here", keys, &err), 0);
    assert_int_equal(el_json_only(bad, "here", keys, &err), EL_EFORMAT);
    says(&err, "'A'", "unknown");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cJSON *o = parse(wrong[i]);
        assert_int_equal(el_json_only(o, "here", keys, &err), EL_EFORMAT);
        says(&err, "", "object");
        cJSON_Delete(o);
    }
    cJSON_Delete(good);
    cJSON_Delete(bad);
    cJSON_Delete(null);
}

static void quoted(const char *text, size_t n, const char *expected)
{
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(el_json_quote(&b, text, n), 0);
    assert_string_equal(b.data, expected);
    cJSON *back = parse(b.data);
    assert_true(cJSON_IsString(back));
    cJSON_Delete(back);
    el_buf_release(&b);
}

static void strings_are_quoted(void **state)
{
    (void)state;
    quoted("", 0, "\"\"");
    quoted("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    quoted("\n\t\r\x01\x1f\x7f", 6, "\"\\n\\t\\r\\u0001\\u001f\x7f\"");
    quoted("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9, "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
}

#define WHAT "\xEF\xBF\xBD" /* U+FFFD */

static void what_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    quoted("a\xFFz", 3, "\"a" WHAT "z\"");
    quoted("a\0b", 3, "\"a" WHAT "b\"");                 /* what is written can be read again */
    quoted("\xC0\xAF", 2, "\"" WHAT WHAT "\"");          /* overlong */
    quoted("\xE0\x80\x80", 3, "\"" WHAT WHAT WHAT "\""); /* overlong */
    quoted("\xED\xA0\x80", 3, "\"" WHAT WHAT WHAT "\""); /* a surrogate */
    quoted("\xF4\x90\x80\x80", 4, "\"" WHAT WHAT WHAT WHAT "\""); /* above U+10FFFF */
    quoted("\xE2\x82", 2, "\"" WHAT WHAT "\"");                   /* cut off */
    assert_int_equal(el_utf8_valid_prefix("ab\xC3\xA9\xE2\x82", 6), 4);
    assert_int_equal(el_utf8_valid_prefix("\x80", 1), 0);
    assert_int_equal(el_utf8_valid_prefix("", 0), 0);
}

static void quoting_without_memory(void **state)
{
    (void)state;
    int rc = -1;
    for (int n = 1; rc < 0; n++) {
        struct el_buf b;
        el_buf_init(&b);
        assert_true(n < 20);
        el_alloc_fail_after(n);
        rc = el_json_quote(&b, "0123456789\n0123456789\xFF 0123456789\"0123456789", 44);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || rc == EL_ENOMEM);
        el_buf_release(&b);
    }
}

/* A text is not called wrong for want of memory. */
static void parsing_without_memory(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1,\"two\",{\"b\":null}],\"c\":\"d\"}";
    int rc = -1, n = 1;
    for (; rc < 0; n++) {
        cJSON *tree = NULL;
        struct el_error err = {0};
        el_alloc_fail_after(n);
        rc = el_json_parse("t", text, strlen(text), &tree, &err);
        el_alloc_fail_after(0);
        if (rc < 0)
            assert_string_equal(err.msg, "t: out of memory");
        assert_true(rc == 0 || (rc == EL_ENOMEM && err.code == rc && !tree));
        cJSON_Delete(tree);
        assert_int_equal(el_json_parse("t", "[", 1, &tree, &err), EL_EFORMAT);
        assert_in_range(n, 1, 100);
    }
    assert_true(n > 10);
}

static void files(void **state)
{
    (void)state;
    char path[] = "/tmp/el-json-XXXXXX";
    cJSON *tree = NULL;
    struct el_error err = {0};
    close(mkstemp(path));
    assert_int_equal(el_file_write(path, "{\"a\":\n!}", 8, NULL), 0);
    assert_int_equal(el_json_load(path, &tree, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, path));
    assert_non_null(strstr(err.msg, "line 2, column 1"));
    assert_int_equal(el_file_write(path, "{\"a\":1}\n", 8, NULL), 0);
    assert_int_equal(el_json_load(path, &tree, &err), 0);
    cJSON_Delete(tree);
    unlink(path);
    assert_int_equal(el_json_load(path, &tree, &err), EL_EIO);
    assert_non_null(strstr(err.msg, path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_whole_value),
        cmocka_unit_test(nul_bytes_hide_nothing),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(integers),
        cmocka_unit_test(other_types),
        cmocka_unit_test(only_known_keys),
        cmocka_unit_test(strings_are_quoted),
        cmocka_unit_test(what_is_not_utf8_is_replaced),
        cmocka_unit_test(quoting_without_memory),
        cmocka_unit_test(parsing_without_memory),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
