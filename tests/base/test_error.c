#include "core/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void set_stores_code_and_message(void **state)
{
    (void)state;
    struct el_error err = {0};
    assert_int_equal(el_error_set(&err, EL_EFORMAT, "%s: line %d", "a.json", 7), EL_EFORMAT);
    assert_int_equal(err.code, EL_EFORMAT);
    assert_string_equal(err.msg, "a.json: line 7");
}

static void nobody_needs_to_listen(void **state)
{
    (void)state;
    assert_int_equal(el_error_set(NULL, EL_EIO, "%s", "lost"), EL_EIO);
    assert_int_equal(el_error_prefix(NULL, "%s", "lost"), EL_EINVAL);
}

static void a_message_may_quote_itself(void **state)
{
    (void)state;
    struct el_error err = {0};
    el_error_set(&err, EL_EIO, "disk full");
    assert_int_equal(el_error_set(&err, EL_ENOMEM, "[%s]", err.msg), EL_ENOMEM);
    assert_string_equal(err.msg, "[disk full]");
    assert_int_equal(el_error_prefix(&err, "%s, step %d", "sft", 3), EL_ENOMEM);
    assert_string_equal(err.msg, "sft, step 3: [disk full]");
    assert_int_equal(el_error_prefix(&err, "%s", err.msg), EL_ENOMEM);
    assert_string_equal(err.msg, "sft, step 3: [disk full]: sft, step 3: [disk full]");
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    struct el_error err = {0};
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    el_error_set(&err, EL_EIO, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    el_error_prefix(&err, "file");
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    assert_memory_equal(err.msg, "file: xxx", 9);
    el_error_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.msg), sizeof err.msg - 1);
    assert_int_equal(err.msg[0], 'x');
}

static void every_code_has_its_name(void **state)
{
    (void)state;
    for (int code = EL_EREFUSED; code <= EL_OK; code++) {
        assert_memory_equal(el_error_name(code), code ? "EL_E" : "EL_OK", 4);
        for (int other = EL_EREFUSED; other < code; other++)
            assert_string_not_equal(el_error_name(code), el_error_name(other));
    }
    assert_string_equal(el_error_name(EL_EINTR), "EL_EINTR");
    assert_string_equal(el_error_name(1), "EL_UNKNOWN");
    assert_string_equal(el_error_name(EL_EREFUSED - 1), "EL_UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_stores_code_and_message), cmocka_unit_test(nobody_needs_to_listen),
        cmocka_unit_test(a_message_may_quote_itself),  cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(every_code_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
