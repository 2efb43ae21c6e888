/* The metrics after a resume: every step once, nothing that a checkpoint does not cover. */
#include "tests/training/fixture.h"

#include "core/base/alloc.h"
#include "training/metrics_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static const char lines[] = "{\"step\":1,\"stage\":\"a\"}\n"
                            "{\"step\":2,\"stage\":\"a\"}\n"
                            "{\"step\":2,\"stage\":\"try\",\"attempts\":5}\n"
                            "{\"step\":3,\"stage\":\"b\"}\n"
                            "{\"step\":4,\"stage\":\"b\"}\n";

static void opens_to(const char *before, int64_t last_step, const char *redo, const char *after)
{
    struct el_metrics_log m;
    write_text(at("m.jsonl"), before);
    must(el_metrics_log_open(&m, at("m.jsonl"), last_step, redo, &err));
    el_metrics_log_close(&m);
    struct el_buf text = read_text(at("m.jsonl"));
    assert_string_equal(text.data, after);
    el_buf_release(&text);
}

static void lines_behind_the_checkpoint_go(void **state)
{
    (void)state;
    opens_to(lines, 9, NULL, lines);
    opens_to(lines, 4, NULL, lines);
    opens_to(lines, 0, NULL, "");
    opens_to(lines, 1, NULL, "{\"step\":1,\"stage\":\"a\"}\n");
    opens_to(lines, 2, "other",
             "{\"step\":1,\"stage\":\"a\"}\n{\"step\":2,\"stage\":\"a\"}\n"
             "{\"step\":2,\"stage\":\"try\",\"attempts\":5}\n");
    opens_to(lines, 2, "try", "{\"step\":1,\"stage\":\"a\"}\n{\"step\":2,\"stage\":\"a\"}\n");
}

static void what_is_no_line_goes(void **state)
{
    (void)state;
    opens_to("{\"step\":1}\n{\"step\":2,\"st", 9, NULL, "{\"step\":1}\n");
    opens_to("{\"step\":1}\n{\"step\":2}", 9, NULL, "{\"step\":1}\n");
    opens_to("\n\n{\"stage\":\"a\"}\nnonsense\n{\"step\":\"1\"}\n[1]\n{\"step\":3}\n", 9, NULL,
             "{\"step\":3}\n");
    opens_to("", 9, NULL, "");
}

static void lines_are_appended(void **state)
{
    (void)state;
    struct el_metrics_log m;
    must(el_metrics_log_open(&m, at("new.jsonl"), 0, NULL, &err));
    must(el_metrics_log_add(&m, &err, "{\"step\":%d}", 1));
    struct el_buf text = read_text(at("new.jsonl")); /* there before it is closed */
    assert_string_equal(text.data, "{\"step\":1}\n");
    el_buf_release(&text);
    el_metrics_log_close(&m);
    must(el_metrics_log_open(&m, at("new.jsonl"), 1, NULL, &err));
    must(el_metrics_log_add(&m, &err, "{\"step\":%d}", 2));
    el_metrics_log_close(&m);
    text = read_text(at("new.jsonl"));
    assert_string_equal(text.data, "{\"step\":1}\n{\"step\":2}\n");
    el_buf_release(&text);
}

/* A line that there is no memory to read is not one to leave out. One allocation alone fails, so
 * that the next one does not hide what became of the line. */
static void no_line_is_lost_without_memory(void **state)
{
    (void)state;
    static const char kept[] = "{\"step\":1,\"stage\":\"a\"}\n{\"step\":2,\"stage\":\"a\"}\n";
    long n = 0, asked;
    do {
        struct el_metrics_log m;
        struct el_error why = {0};
        write_text(at("m.jsonl"), lines);
        el_alloc_fail_after(-++n);
        int rc = el_metrics_log_open(&m, at("m.jsonl"), 2, "try", &why);
        asked = el_alloc_count();
        el_alloc_fail_after(0);
        el_metrics_log_close(&m);
        assert_true(rc == 0 || (rc == EL_ENOMEM && why.msg[0]));
        struct el_buf text = read_text(at("m.jsonl"));
        assert_true(strcmp(text.data, kept) == 0 || (rc < 0 && strcmp(text.data, lines) == 0));
        el_buf_release(&text);
        assert_in_range(n, 1, 1000);
    } while (asked >= n);
}

static void refusals_name_the_file(void **state)
{
    (void)state;
    struct el_metrics_log m;
    struct el_error why = {0};
    assert_int_equal(el_metrics_log_open(&m, at("no/m.jsonl"), 0, NULL, &why), EL_EIO);
    assert_non_null(strstr(why.msg, "no/m.jsonl"));
    el_metrics_log_close(&m);
    must(el_metrics_log_open(&m, at("m.jsonl"), 0, NULL, &err));
    FILE *real = m.file;
    m.file = fopen("/dev/full", "w");
    if (!m.file) {
        m.file = real;
        el_metrics_log_close(&m);
        skip();
    }
    assert_int_equal(el_metrics_log_add(&m, &why, "{}"), EL_EIO);
    assert_non_null(strstr(why.msg, at("m.jsonl")));
    fclose(real);
    el_metrics_log_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_behind_the_checkpoint_go),
        cmocka_unit_test(what_is_no_line_goes),
        cmocka_unit_test(lines_are_appended),
        cmocka_unit_test(no_line_is_lost_without_memory),
        cmocka_unit_test(refusals_name_the_file),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
