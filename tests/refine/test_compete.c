/* A whole competition with a scripted backend: what is stored, how failures are counted, and that
 * neither the order of replies nor interruptions show in the report. */
#include "arena.h"

#include "core/base/alloc.h"
#include "core/base/progress.h"
#include "refine/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char contest[] = "world:test:5";

static void must(struct arena *a, int rc)
{
    if (rc < 0)
        fail_msg("%d, %s", rc, a->err.msg);
}

/* Options with every kind of failure in them. */
static struct fake_options troubled(void)
{
    return (struct fake_options){.malformed = 0.08,
                                 .truncated = 0.08,
                                 .unscored = 0.08,
                                 .judge_malformed = 0.4,
                                 .error_every = 7};
}

static char *report_of(struct arena *a, const struct el_settings *s, const struct fake_options *o)
{
    must(a, arena_run(a, contest, s, o, NULL));
    char *text = arena_report(a, s->name);
    if (!text)
        fail_msg("%s", a->err.msg);
    return text;
}

static void test_runs_and_repeats_nothing(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    struct fake_options o = {0};
    struct fake_counts first, second;
    must(a, arena_run(a, contest, &s, &o, &first));
    assert_true(first.attempts >= 20 && first.attempts <= 60);
    char *before = arena_report(a, "run");
    must(a, arena_run(a, contest, &s, &o, &second));
    assert_int_equal(second.submitted, 0);
    char *after = arena_report(a, "run");
    assert_string_equal(before, after);
    el_free(before);
    el_free(after);
}

static void test_order_does_not_show(void **state)
{
    struct arena *a = *state;
    for (int control = 0; control < EL_CONTROLS; control++)
        for (int feedback = 0; feedback < EL_FEEDBACKS; feedback++) {
            struct el_settings s = arena_settings();
            s.control = control;
            s.feedback = feedback;
            s.feedback_analyses = 2;
            struct fake_options o = troubled();
            char *first = report_of(a, &s, &o);
            arena_remove_store(a);
            o.order_seed = 5;
            o.room = 3;
            o.error_every = 5;
            char *second = report_of(a, &s, &o);
            arena_remove_store(a);
            assert_string_equal(first, second);
            el_free(first);
            el_free(second);
        }
}

/* Runs in a child that kills itself at the n-th poll; 1 when it died of that. */
static int run_and_die(struct arena *a, const struct el_settings *s, int at)
{
    pid_t child = fork();
    if (child == 0) {
        struct fake_options o = troubled();
        o.order_seed = (uint64_t)at;
        o.die_after = at;
        _exit(arena_run(a, contest, s, &o, NULL) == 0 ? 0 : 3);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status);
}

static void test_killed_and_resumed(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    s.feedback = EL_FEEDBACK_BOTH;
    struct fake_options o = troubled();
    char *whole = report_of(a, &s, &o);
    for (int seed = 1; seed <= 4; seed++) {
        arena_remove_store(a);
        a->group = seed; /* 1: every reply for itself */
        int kills = 0;
        for (int at = 3 * seed; run_and_die(a, &s, at); at += 5 * seed)
            kills++;
        assert_true(kills > 1);
        char *resumed = arena_report(a, "run");
        assert_string_equal(whole, resumed);
        el_free(resumed);
    }
    el_free(whole);
}

static void test_stop_saves(void **state)
{
    struct arena *a = *state;
    struct el_settings s = arena_settings();
    struct fake_options o = {.stop_after = 9};
    struct fake_counts counts;
    assert_int_equal(arena_run(a, contest, &s, &o, &counts), EL_EINTR);
    assert_non_null(strstr(a->err.msg, "8 replies are stored"));
    assert_non_null(strstr(a->err.msg, "same command again"));
    o.stop_after = 0;
    must(a, arena_run(a, contest, &s, &o, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_runs_and_repeats_nothing, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_order_does_not_show, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_killed_and_resumed, arena_make, arena_drop),
        cmocka_unit_test_setup_teardown(test_stop_saves, arena_make, arena_drop),
    };
    return cmocka_run_group_tests_name("compete", tests, NULL, NULL);
}
