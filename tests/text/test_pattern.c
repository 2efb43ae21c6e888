/* Patterns as they go from one regular expression engine to the other. What they find stands in
 * test_golden.c. */
#include "core/base/alloc.h"
#include "core/text/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SPACE                                                                                      \
    "\\x{85}\\x{A0}\\x{1680}\\x{202F}\\x{205F}\\x{3000} \\x{2028}\\x{2029}\\t-\\r"                 \
    "\\x{2000}-\\x{200A}"

static void expect(const char *from, const char *to)
{
    struct el_buf out;
    struct el_error err = {0};
    el_buf_init(&out);
    if (el_pattern_translate(from, &out, &err) < 0)
        fail_msg("%s", err.msg);
    assert_string_equal(out.data, to);
    el_buf_release(&out);
}

static void what_means_the_same_stays(void **state)
{
    (void)state;
    static const char *const same[] = {
        "a.b|^c$",
        "(?i:'s|'t)",
        "(a)(?:b)(?=c)(?!d)(?<=e)(?<!f)(?>g)",
        "a*b+c?d*?e+?f??g*+h++i?+j{2}k{2,}l{2,3}",
        "[a-z][^\\r\\n\\p{L}\\p{N}][一-龥]",
        "\\d\\D\\t\\n\\r\\f\\a\\e\\A\\z\\.\\[\\\\\\-",
        "\\p{L}\\P{Lu}\\p{^N}\\p{Zs}",
        "[-a][a-]}",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        expect(same[i], same[i]);
}

static void what_can_be_said_is_translated(void **state)
{
    (void)state;
    expect("\\s?x\\S", "[" SPACE "]?x[^" SPACE "]");
    expect("[^\\s\\p{L}]+", "[^" SPACE "\\p{L}]+");
    expect("[\\s-a]", "[" SPACE "-a]");
    expect("\\v\\u3042\\x41\\x{1F600}", "\\x{0B}\\x{3042}\\x{41}\\x{1F600}");
}

static void refuse(const char *pattern, const char *part)
{
    struct el_buf out;
    struct el_error err = {0};
    el_buf_init(&out);
    int rc = el_pattern_translate(pattern, &out, &err);
    if (rc != EL_EREFUSED || !strstr(err.msg, part))
        fail_msg("'%s': expected EL_EREFUSED with %s, found %s with '%s'", pattern, part,
                 el_error_name(rc), err.msg);
    el_buf_release(&out);
}

static void the_rest_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *part;
    } list[] = {
        {"a\\w", "'\\w' at byte 1"},
        {"\\b", "'\\b' at byte 0"},
        {"\\h", "'\\h'"},
        {"\\R", "'\\R'"},
        {"\\X", "'\\X'"},
        {"\\G", "'\\G'"},
        {"\\K", "'\\K'"},
        {"\\C", "'\\C'"},
        {"\\Z", "'\\Z'"},
        {"\\Q.\\E", "'\\Q'"},
        {"(a)\\1", "'\\1' at byte 3"},
        {"\\k<n>", "'\\k'"},
        {"\\012", "'\\0'"},
        {"\\p{Han}", "'\\p{Han}'"},
        {"\\p{Lx}", "'\\p{Lx}'"},
        {"\\pL", "'\\pL'"},
        {"\\xE9", "'\\xE9'"},
        {"\\u12", "'\\u12'"},
        {"\\x{110000000}", "'\\x{11000'"},
        {"[\\S]", "'\\S' at byte 1"},
        {"[a-\\s]", "'\\s' at byte 3"},
        {"[a&&b]", "'&&' at byte 2"},
        {"[[:alpha:]]", "'[:' at byte 1"},
        {"[a[^b]]", "'[^' at byte 2"},
        {"[]a]", "'[]'"},
        {"[^]a]", "'[^]'"},
        {"[a-[b]]", "'[b' at byte 3"},
        {"(?i)a", "'(?i)'"},
        {"(?<n>a)", "'(?<n'"},
        {"(?#x)", "'(?#x'"},
        {"(?(1)a|b)", "'(?(1'"},
        {"(*ACCEPT)", "'(*AC'"},
        {"a{,3}", "'{,3}' at byte 1"},
        {"a{2}+", "'{2}+' at byte 1"},
        {"a{2,3}?", "'{2,3}?' at byte 1"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        refuse(list[i].pattern, list[i].part);
}

static void classes_inside_classes_are_one(void **state)
{
    (void)state;
    expect("[a[bc]d]", "[abcd]");
    expect(" ?[^(\\s|[.,!?…])]+", " ?[^(" SPACE "|.,!?…)]+");
}

static void braces_that_repeat_nothing(void **state)
{
    (void)state;
    expect("{|a{b}", "\\{|a\\{b}");
}

static void the_end_of_the_pattern(void **state)
{
    (void)state;
    expect("", "");
    expect("a\\", "a\\"); /* PCRE2 complains */
    expect("[a", "[a");
    expect("(?:a", "(?:a");
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    int rc = EL_ENOMEM;
    long n;
    for (n = 1; rc < 0; n++) {
        struct el_buf out;
        struct el_error err = {0};
        el_buf_init(&out);
        el_alloc_fail_after(n);
        rc = el_pattern_translate("\\s\\s\\s\\s\\s\\s\\s\\s{|[a[b]]", &out, &err);
        el_alloc_fail_after(0);
        assert_true(rc == 0 || (rc == EL_ENOMEM && err.code == rc));
        el_buf_release(&out);
    }
    assert_true(n > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_means_the_same_stays),
        cmocka_unit_test(what_can_be_said_is_translated),
        cmocka_unit_test(the_rest_is_refused_by_name),
        cmocka_unit_test(classes_inside_classes_are_one),
        cmocka_unit_test(braces_that_repeat_nothing),
        cmocka_unit_test(the_end_of_the_pattern),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
