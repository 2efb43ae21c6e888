/* The parts of the command line that commands share: options and progress. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* What the options of the tests are read into. */
struct read {
    int flag, count;
    uint64_t seed;
    struct cli_seed other;
    double rate;
    const char *name;
    int args;
    char *left[8];
};

static int parse(struct read *r, int n, const char *const *words)
{
    char *argv[16] = {(char *)"test"};
    int argc = n + 1;
    const struct cli_option options[] = {
        {"flag", CLI_FLAG, &r->flag, NULL, "a flag", 0, 0},
        {"count", CLI_INT, &r->count, "N", "a count", 1, 10},
        {"seed", CLI_U64, &r->seed, "N", "a seed", 0, 0},
        {"other-seed", CLI_SEED, &r->other, "N", "a seed, or none", 0, 0},
        {"rate", CLI_REAL, &r->rate, "X", "a rate", 0, 1},
        {"name", CLI_STRING, &r->name, "S", "a name", 0, 0},
        {0},
    };
    const struct cli_usage usage = {"test [A] [B]", "Tests.", options, 0, 2};
    *r = (struct read){.count = 4, .rate = 0.5};
    for (int i = 0; i < n; i++)
        argv[i + 1] = (char *)words[i];
    int rc = cli_parse(&argc, argv, &usage);
    r->args = argc - 1;
    for (int i = 0; rc == CLI_GO && i <= r->args; i++)
        r->left[i] = argv[i + 1];
    return rc;
}

#define PARSE(r, ...)                                                                              \
    parse(r, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                        \
          (const char *[]){__VA_ARGS__})

static void options_and_arguments_mix(void **state)
{
    (void)state;
    struct read r;
    assert_int_equal(PARSE(&r, "a", "--count", "7", "--flag", "b", "--name=x=y"), CLI_GO);
    assert_int_equal(r.count, 7);
    assert_int_equal(r.flag, 1);
    assert_string_equal(r.name, "x=y");
    assert_int_equal(r.args, 2);
    assert_string_equal(r.left[0], "a");
    assert_string_equal(r.left[1], "b");
    assert_null(r.left[2]);
    assert_true(r.rate == 0.5); /* a default stays */
    assert_int_equal(PARSE(&r, "--", "--flag", "-"), CLI_GO);
    assert_int_equal(r.flag, 0);
    assert_string_equal(r.left[0], "--flag");
    assert_string_equal(r.left[1], "-");
    assert_int_equal(PARSE(&r, "--seed", "18446744073709551615", "--rate", "1e-3"), CLI_GO);
    assert_true(r.seed == UINT64_MAX && r.rate == 1e-3);
    assert_false(r.other.given);
    assert_int_equal(PARSE(&r, "--other-seed", "18446744073709551615"), CLI_GO);
    assert_true(r.other.given && r.other.value == UINT64_MAX);
    assert_int_equal(PARSE(&r, "--name", "--flags"), CLI_GO); /* a value may look like an option */
    assert_string_equal(r.name, "--flags");
    assert_int_equal(PARSE(&r, "--name=--flag"), CLI_GO);
    assert_string_equal(r.name, "--flag");
}

/* The messages are for people; stderr goes away while they are made. */
static int silent_parse(int n, const char *const *words)
{
    struct read r;
    int keep = dup(STDERR_FILENO);
    assert_non_null(freopen("/dev/null", "w", stderr));
    int rc = parse(&r, n, words);
    fflush(stderr);
    dup2(keep, STDERR_FILENO);
    close(keep);
    return rc;
}

static void wrong_usage_is_status_2(void **state)
{
    (void)state;
    static const char *const lines[][3] = {
        {"--unknown"},
        {"-x"},
        {"-hx"},
        {"--coun", "3"},
        {"--count"},
        {"--count", "0"},
        {"--count", "11"},
        {"--count", "x"},
        {"--count", "3x"},
        {"--count", ""},
        {"--count=", ""},
        {"--rate", "nan"},
        {"--rate", "2"},
        {"--seed", "-1"},
        {"--other-seed", "-1"},
        {"--flag=1"},
        {"a", "b", "c"},
        {"--seed", "18446744073709551616"},
        {"--count", "99999999999999999999"},
        {"--name", "--flag"},
        {"--name", "--count=3"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int n = 0;
        while (n < 3 && lines[i][n])
            n++;
        if (silent_parse(n, lines[i]) != CLI_USAGE)
            fail_msg("line %zu, %s: accepted", i, lines[i][0]);
    }
}

/* Progress into memory, with a clock of our own. */
static double clock_now;

static double fake_clock(void)
{
    return clock_now;
}

struct screen {
    struct cli_progress p;
    char *text;
    size_t size;
};

static void screen_open(struct screen *s, int terminal)
{
    clock_now = 100;
    cli_progress_init(&s->p, "loading", "tokens");
    s->p.out = open_memstream(&s->text, &s->size);
    s->p.terminal = terminal;
    s->p.columns = 60;
    s->p.now = fake_clock;
}

static int lines_in(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void screen_close(struct screen *s)
{
    fclose(s->p.out);
    free(s->text);
}

static void plain_lines_come_every_five_seconds(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 0);
    for (int i = 0; i <= 99; i++) {
        el_progress_update(&s.p.base, i, 200, NULL);
        clock_now += 0.25;
    }
    fflush(s.p.out);
    assert_int_equal(lines_in(s.text), 5); /* at 0, 5, 10, 15 and 20 s */
    assert_non_null(strstr(s.text, "loading 0/200 tokens (0%)\n"));
    assert_non_null(strstr(s.text, "loading 40/200 tokens (20%)  4.00 tokens/s  ETA 0:40\n"));
    cli_progress_finish(&s.p);
    cli_progress_finish(&s.p); /* nothing more to say */
    assert_int_equal(lines_in(s.text), 6);
    assert_non_null(strstr(s.text, "loading 99/200"));
    assert_null(strchr(s.text, '\r'));
    screen_close(&s);
}

/* 100 units in a hundred seconds, then 100 at a tenth of the speed, while the total becomes less.
 */
static void the_time_left_is_that_of_the_present_speed(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 0);
    for (int i = 0; i < 100; i++, clock_now += 1)
        el_progress_update(&s.p.base, i, 400, NULL);
    for (int i = 0; i < 100; i++, clock_now += 10)
        el_progress_update(&s.p.base, 100 + i, 400, NULL);
    el_progress_update(&s.p.base, 200, 400, NULL); /* 200 are left, at one in ten seconds */
    fflush(s.p.out);
    assert_non_null(strstr(s.text, "200/400 tokens (50%)  0.18 tokens/s  ETA 33:20\n"));
    for (int i = 1; i <= 50; i++) { /* for each that is done one more falls away */
        clock_now += 20;
        el_progress_update(&s.p.base, 200 + i, 400 - i, NULL);
    }
    fflush(s.p.out);
    assert_non_null(strstr(s.text, "250/350 tokens (71%)  0.12 tokens/s  ETA 16:40\n"));
    screen_close(&s);
}

static void a_terminal_line_is_redrawn_and_cut(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 1);
    s.p.columns = 80;
    el_progress_update(&s.p.base, 0, 200, NULL);
    clock_now += 0.0625;
    el_progress_update(&s.p.base, 50, 200, "too early to be drawn");
    clock_now += 0.0625;
    el_progress_update(&s.p.base, 100, 200, "a note that is much longer than what fits there");
    fflush(s.p.out);
    assert_null(strstr(s.text, "too early"));
    assert_int_equal(lines_in(s.text), 0);
    const char *last = strrchr(s.text, '\r');
    assert_non_null(last);
    assert_int_equal(strlen(last), 1 + 79 + strlen("\033[K"));
    assert_non_null(strstr(last, "[##########..........] 100/200 tokens (50%)"));
    cli_progress_finish(&s.p);
    assert_int_equal(lines_in(s.text), 1);
    screen_close(&s);
}

/* What is drawn behind the last \r, at a third of the work after 20 seconds. */
static void narrow_line(struct screen *s, int columns, const char *unit, const char *expected)
{
    char last[160];
    screen_open(s, 1);
    s->p.columns = columns;
    s->p.unit = unit;
    el_progress_update(&s->p.base, 0, 300, NULL);
    clock_now += 20;
    el_progress_update(&s->p.base, 100, 300, "a note");
    fflush(s->p.out);
    snprintf(last, sizeof last, "\r%s\033[K", expected);
    assert_string_equal(strrchr(s->text, '\r'), last);
    screen_close(s);
}

static void a_narrow_terminal_keeps_share_and_eta(void **state)
{
    (void)state;
    struct screen s;
    narrow_line(&s, 60, "steps", "loading [#....] 100/300 steps (33%)  5.00 steps/s  ETA 0:40");
    narrow_line(&s, 40, "steps", "loading 100/300 steps (33%)  ETA 0:40  ");
    narrow_line(&s, 40, "completions", "loading 100/300 (33%)  ETA 0:40  a note");
    narrow_line(&s, 20, "steps", "loading 100/300 (33");
}

static void the_rate_leaves_out_work_found_done(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 0);
    el_progress_update(&s.p.base, 1000, 2000, NULL);
    clock_now += 10;
    el_progress_update(&s.p.base, 1200, 2000, "loss 1.25");
    fflush(s.p.out);
    assert_non_null(strstr(s.text, "1200/2000 tokens (60%)  20 tokens/s  ETA 0:40  loss 1.25\n"));
    screen_close(&s);
}

static void an_unknown_total_has_no_share(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 1);
    el_progress_update(&s.p.base, 0, 0, NULL);
    clock_now += 2 * 3600;
    el_progress_update(&s.p.base, 7200, 0, NULL);
    fflush(s.p.out);
    assert_non_null(strstr(s.text, "loading 7200 tokens  1.00 tokens/s\033"));
    assert_null(strchr(s.text, '%'));
    cli_progress_finish(&s.p);
    screen_close(&s);
}

static void long_numbers_are_cut_short(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 0);
    el_progress_update(&s.p.base, 9999999, 12345678, NULL);
    clock_now += 10;
    el_progress_update(&s.p.base, 671999999999, 1343999999998, NULL);
    fflush(s.p.out);
    assert_non_null(strstr(s.text, "loading 9999999/12M tokens (80%)\n"));
    assert_non_null(strstr(s.text, "loading 671G/1343G tokens (50%)  67G tokens/s  ETA 0:10\n"));
    screen_close(&s);
}

static void loading_open(struct screen *s, int terminal)
{
    screen_open(s, terminal);
    FILE *out = s->p.out;
    cli_progress_init_loading(&s->p);
    s->p.out = out;
    s->p.terminal = terminal;
    s->p.columns = 80;
    s->p.now = fake_clock;
}

static void what_loads_within_a_second_is_not_shown(void **state)
{
    (void)state;
    struct screen s;
    for (int terminal = 0; terminal < 2; terminal++) {
        loading_open(&s, terminal);
        el_progress_update(&s.p.base, 1, 4, "one");
        clock_now += 0.875;
        el_progress_update(&s.p.base, 4, 4, "one");
        clock_now += 60; /* the second begins anew */
        el_progress_update(&s.p.base, 1, 4, "two");
        clock_now += 0.875;
        el_progress_update(&s.p.base, 3, 4, "two");
        clock_now += 60;
        cli_progress_finish(&s.p); /* it failed */
        fflush(s.p.out);
        assert_int_equal(s.size, 0);
        screen_close(&s);
    }
}

static void what_loads_longer_has_a_line_that_ends(void **state)
{
    (void)state;
    struct screen s;
    for (int terminal = 0; terminal < 2; terminal++) {
        loading_open(&s, terminal);
        for (int model = 0; model < 2; model++, clock_now += 7)
            for (int i = 1; i <= 16; i++, clock_now += 0.125)
                el_progress_update(&s.p.base, i, 16, "models/x");
        fflush(s.p.out);
        assert_int_equal(lines_in(s.text), terminal ? 2 : 4);
        const char *end = terminal ? "\033[K\n" : "\n";
        char last[160];
        snprintf(last, sizeof last, "loading%s 16/16 values (100%%)  8.00 values/s  models/x%s",
                 terminal ? " [####################]" : "", end);
        assert_string_equal(s.text + s.size - strlen(last), last);
        size_t drawn = s.size;
        cli_progress_finish(&s.p); /* nothing more to say */
        fflush(s.p.out);
        assert_int_equal(s.size, drawn);
        screen_close(&s);
    }
}

static void no_updates_no_output(void **state)
{
    (void)state;
    struct screen s;
    screen_open(&s, 1);
    cli_progress_finish(&s.p);
    fflush(s.p.out);
    assert_int_equal(s.size, 0);
    screen_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_arguments_mix),
        cmocka_unit_test(wrong_usage_is_status_2),
        cmocka_unit_test(plain_lines_come_every_five_seconds),
        cmocka_unit_test(the_time_left_is_that_of_the_present_speed),
        cmocka_unit_test(a_terminal_line_is_redrawn_and_cut),
        cmocka_unit_test(a_narrow_terminal_keeps_share_and_eta),
        cmocka_unit_test(the_rate_leaves_out_work_found_done),
        cmocka_unit_test(an_unknown_total_has_no_share),
        cmocka_unit_test(long_numbers_are_cut_short),
        cmocka_unit_test(what_loads_within_a_second_is_not_shown),
        cmocka_unit_test(what_loads_longer_has_a_line_that_ends),
        cmocka_unit_test(no_updates_no_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
