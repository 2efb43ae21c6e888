/* Growable strings and the memory under them, with every allocation failing in turn. */
#include "core/base/alloc.h"
#include "core/base/buf.h"
#include "core/base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void an_empty_buffer_is_a_string(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    assert_string_equal(b.data, "");
    el_buf_clear(&b);
    el_buf_release(&b);
    el_buf_release(&b);
    assert_string_equal(b.data, "");
    assert_int_equal(el_buf_add(&b, NULL, 0), 0);
    assert_string_equal(b.data, "");
    el_buf_release(&b);
}

static void appends_add_up(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    for (int i = 0; i < 3000; i++) {
        assert_int_equal(el_buf_putc(&b, (char)('a' + i % 26)), 0);
        assert_int_equal(b.data[b.len], 0);
    }
    assert_int_equal(b.len, 3000);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    el_buf_clear(&b);
    assert_string_equal(b.data, "");
    assert_true(b.cap > 3000);
    assert_int_equal(el_buf_puts(&b, "x="), 0);
    assert_int_equal(el_buf_printf(&b, "%d%%", 42), 0);
    assert_string_equal(b.data, "x=42%");
    assert_int_equal(el_buf_add(&b, "\0z", 2), 0);
    assert_int_equal(b.len, 7);
    assert_memory_equal(b.data, "x=42%\0z", 8);
    el_buf_release(&b);
}

static void printf_of_any_length(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    for (int width = 1; width < 400; width++) {
        el_buf_clear(&b);
        assert_int_equal(el_buf_printf(&b, "%*d|", width, 7), 0);
        assert_int_equal(b.len, width + 1);
        assert_int_equal(strlen(b.data), width + 1);
        assert_memory_equal(b.data + width - 1, "7|", 2);
    }
    el_buf_release(&b);
}

static void detach_hands_over(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    char *empty = el_buf_detach(&b);
    assert_string_equal(empty, "");
    el_free(empty);
    assert_int_equal(el_buf_puts(&b, "mine"), 0);
    char *text = el_buf_detach(&b);
    assert_string_equal(text, "mine");
    assert_int_equal(b.len + b.cap, 0);
    assert_string_equal(b.data, "");
    el_free(text);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(el_buf_puts(&b, "ab"), 0);
    for (size_t d = 0; d < 3; d++) { /* with the NUL and the two bytes there: past the end */
        assert_int_equal(el_buf_reserve(&b, SIZE_MAX - d), EL_ENOMEM);
        assert_string_equal(b.data, "ab");
    }
    assert_null(el_alloc_array(SIZE_MAX / 2, 3));
    assert_null(el_alloc_array(3, SIZE_MAX / 2));
    el_buf_release(&b);
}

static void a_failed_append_changes_nothing(void **state)
{
    (void)state;
    struct el_buf b;
    char big[500];
    memset(big, 'y', sizeof big);
    el_buf_init(&b);
    el_alloc_fail_after(1);
    assert_int_equal(el_buf_putc(&b, 'x'), EL_ENOMEM);
    assert_int_equal(el_buf_printf(&b, "%d", 1), EL_ENOMEM);
    assert_null(el_buf_detach(&b));
    assert_string_equal(b.data, "");
    el_alloc_fail_after(0);
    assert_int_equal(el_buf_puts(&b, "kept"), 0);
    el_alloc_fail_after(1);
    assert_int_equal(el_buf_add(&b, big, sizeof big), EL_ENOMEM);
    assert_int_equal(el_buf_printf(&b, "%500d", 1), EL_ENOMEM);
    assert_string_equal(b.data, "kept");
    assert_int_equal(el_buf_puts(&b, " room"), 0); /* it fits what is there */
    el_alloc_fail_after(0);
    assert_string_equal(b.data, "kept room");
    el_buf_release(&b);
}

static void faults_come_at_the_count_and_stay(void **state)
{
    (void)state;
    el_alloc_fail_after(3);
    void *a = el_alloc(1), *b = el_alloc_array(2, 8), *c = el_alloc(1), *d = el_strdup("x");
    assert_non_null(a);
    assert_non_null(b);
    assert_null(c);
    assert_null(d);
    assert_null(el_realloc(a, 100)); /* the old block stays */
    assert_int_equal(el_alloc_count(), 5);
    el_alloc_fail_after(0);
    assert_int_equal(el_alloc_count(), 0);
    a = el_realloc(a, 100);
    assert_non_null(a);
    assert_memory_equal(b, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_int_equal(el_alloc_count(), 1);
    el_free(a);
    el_free(b);
    el_free(NULL);
}

static void a_fault_may_come_alone(void **state)
{
    (void)state;
    el_alloc_fail_after(-2);
    void *a = el_alloc(1), *b = el_alloc(1), *c = el_alloc(1);
    assert_int_equal(el_alloc_count(), 3);
    el_alloc_fail_after(0);
    assert_non_null(a);
    assert_null(b);
    assert_non_null(c);
    el_free(a);
    el_free(c);
}

static void nothing_is_a_block_too(void **state)
{
    (void)state;
    void *a = el_alloc(0), *b = el_alloc_array(0, 8), *c = el_realloc(NULL, 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    el_free(a);
    el_free(b);
    el_free(c);
    char *s = el_strndup("abcdef", 3);
    assert_string_equal(s, "abc");
    el_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_a_string),
        cmocka_unit_test(appends_add_up),
        cmocka_unit_test(printf_of_any_length),
        cmocka_unit_test(detach_hands_over),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_failed_append_changes_nothing),
        cmocka_unit_test(faults_come_at_the_count_and_stay),
        cmocka_unit_test(a_fault_may_come_alone),
        cmocka_unit_test(nothing_is_a_block_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
