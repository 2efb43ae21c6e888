#include "data/import_csv.h"

#include "core/base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

/* All rows as "a|b/c|d/", an error as "!<message>" after them. */
static void read_all(const char *text, size_t n, struct el_buf *out)
{
    struct el_csv c;
    struct el_error err;
    int rc;
    el_csv_init(&c, "f.csv", text, n);
    while ((rc = el_csv_next(&c, &err)) == 1) {
        for (int i = 0; i < c.n_fields; i++)
            el_buf_printf(out, "%s%s", i ? "|" : "", el_csv_field(&c, i));
        el_buf_putc(out, '/');
    }
    if (rc < 0)
        el_buf_printf(out, "!%s", err.msg);
    el_csv_release(&c);
}

static void expect(const char *text, const char *rows)
{
    struct el_buf b;
    el_buf_init(&b);
    read_all(text, strlen(text), &b);
    assert_string_equal(b.data, rows);
    el_buf_release(&b);
}

static void rows_and_quotes(void **state)
{
    (void)state;
    expect("", "");
    expect("a,b\nc,d\n", "a|b/c|d/");
    expect("a,b\r\nc,d", "a|b/c|d/");
    expect("\xEF\xBB\xBF"
           "a\n",
           "a/");
    expect("a,,\n,\n", "a||/|/");
    expect("\n\na\n\n\nb\n\n", "a/b/");
    expect("\"x,y\",\"say \"\"no\"\"\",\"two\nlines\"\nz,,\"\"\n",
           "x,y|say \"no\"|two\nlines/z||/");
    expect("\"\"\"\"\n", "\"/");
    expect("a\rb\n", "a\rb/");
}

static void faults_name_their_line(void **state)
{
    (void)state;
    expect("a\nb\n\"c\nd\n", "a/b/!f.csv line 3: the quote that opens here is never closed");
    expect("a\nb\"c\n", "a/!f.csv line 2: a quote inside an unquoted field");
    expect("\"a\nb\"c\n", "!f.csv line 2: text after a closing quote");
    struct el_buf b;
    el_buf_init(&b);
    read_all("a\0b\n", 4, &b);
    assert_string_equal(b.data, "!f.csv line 1: a NUL byte");
    el_buf_clear(&b);
    read_all("\"a\0b\"\n", 6, &b);
    assert_string_equal(b.data, "!f.csv line 1: a NUL byte");
    el_buf_release(&b);
}

static void reading_goes_on_behind_a_fault(void **state)
{
    (void)state;
    const char *text = "a\nb\"c\n\"d\nd\",e\n";
    struct el_csv c;
    struct el_error err;
    el_csv_init(&c, "f", text, strlen(text));
    assert_int_equal(el_csv_next(&c, &err), 1);
    assert_int_equal(el_csv_next(&c, &err), EL_EFORMAT);
    assert_int_equal(el_csv_next(&c, &err), 1);
    assert_int_equal(c.row_line, 3);
    assert_int_equal(c.line, 5);
    assert_int_equal(c.n_fields, 2);
    assert_true(c.quoted[0] && !c.quoted[1]);
    assert_int_equal(el_csv_next(&c, &err), 0);
    el_csv_release(&c);
}

static void too_many_fields_are_refused(void **state)
{
    (void)state;
    char text[2000];
    memset(text, ',', sizeof text);
    struct el_csv c;
    struct el_error err;
    el_csv_init(&c, "f", text, sizeof text);
    assert_int_equal(el_csv_next(&c, &err), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "more than 1024 fields"));
    el_csv_release(&c);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    const char *text = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,\"b\"\n";
    for (long n = 1;; n++) {
        struct el_csv c;
        struct el_error err;
        el_csv_init(&c, "f", text, strlen(text));
        el_alloc_fail_after(n);
        int rc = el_csv_next(&c, &err);
        el_alloc_fail_after(0);
        el_csv_release(&c);
        if (rc == 1)
            break;
        assert_int_equal(rc, EL_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_quotes),
        cmocka_unit_test(faults_name_their_line),
        cmocka_unit_test(reading_goes_on_behind_a_fault),
        cmocka_unit_test(too_many_fields_are_refused),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
