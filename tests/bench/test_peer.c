/* Another program beside a figure: what it is started with, its answers, good and bad, and turns.
 */
#include "bench/cases.h"
#include "core/base/json.h"
#include "core/base/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The shell's -c takes the word after its program as $0. */
#define PEER(program) "sh -c '" program "' peer"
#define HALF_A_SECOND PEER("echo \"$*\"; while read line; do echo 0.5; done")

static void it_is_started_once_for_a_kind_of_work(void **state)
{
    (void)state;
    struct el_bench_peer p;
    struct el_error err = {0};
    double seconds = 0;
    el_bench_peer_init(&p, HALF_A_SECOND);
    p.model = "/tmp/a 'folder'";
    assert_int_equal(el_bench_peer_start(&p, "decode --steps 3", &err), 0);
    assert_string_equal(p.name, "decode --steps 3 --model /tmp/a 'folder'");
    assert_int_equal(el_bench_peer_run(&p, &seconds, &err), 0);
    assert_float_equal(seconds, 0.5, 0);
    int pid = p.pid;
    assert_int_equal(el_bench_peer_start(&p, "decode --steps 3", &err), 0);
    assert_int_equal(p.pid, pid);
    p.model = NULL;
    assert_int_equal(el_bench_peer_start(&p, "gemm --size 4", &err), 0);
    assert_int_not_equal(p.pid, pid);
    assert_string_equal(p.name, "gemm --size 4");
    el_bench_peer_release(&p);
    assert_int_equal(p.pid, 0);
}

/* What a start or else the first run of `command` returns; `says` is in the message. */
static void fails(const char *command, int rc, const char *says)
{
    struct el_bench_peer p;
    struct el_error err = {0};
    double seconds;
    el_bench_peer_init(&p, command);
    int got = el_bench_peer_start(&p, "train", &err);
    if (got == 0)
        got = el_bench_peer_run(&p, &seconds, &err);
    el_bench_peer_release(&p);
    assert_int_equal(got, rc);
    assert_non_null(strstr(err.msg, says));
}

static void bad_answers_are_errors(void **state)
{
    (void)state;
    char long_command[1100];
    memset(long_command, 'x', sizeof long_command - 1);
    long_command[sizeof long_command - 1] = 0;
    fails("false", EL_EIO, "'false train': ended without an answer");
    fails(PEER("echo me"), EL_EIO, "echo me");
    fails(PEER("echo me; read line; echo soon"), EL_EFORMAT, "'soon': expected seconds");
    fails(PEER("echo me; read line; echo"), EL_EFORMAT, "'': expected seconds");
    fails(PEER("echo me; read line; echo -1"), EL_EFORMAT, "expected seconds");
    fails(PEER("echo me; read line; echo 1 s"), EL_EFORMAT, "'1 s': expected seconds");
    fails(PEER("echo me; read line; echo nan"), EL_EFORMAT, "expected seconds");
    fails(PEER("echo me; read line; echo inf"), EL_EFORMAT, "expected seconds");
    fails(PEER("printf %0200d 1"), EL_EFORMAT, "longer than 119 bytes");
    fails(long_command, EL_EINVAL, "too long");
}

static void a_long_path_is_an_error(void **state)
{
    (void)state;
    struct el_bench_peer p;
    struct el_error err = {0};
    char path[4097];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    el_bench_peer_init(&p, HALF_A_SECOND);
    p.model = path;
    assert_int_equal(el_bench_peer_start(&p, "train", &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "a model's path of 4096 bytes"));
    p.model = path + 1;
    assert_int_equal(el_bench_peer_start(&p, "train", &err), EL_EFORMAT); /* as its name */
    assert_non_null(strstr(err.msg, "longer than"));
    el_bench_peer_release(&p);
}

static void a_stop_ends_the_wait(void **state)
{
    (void)state;
    el_stop_requested = 1;
    fails(PEER("echo me; cat"), EL_EINTR, "stopped");
    el_stop_requested = 0;
}

static int quarter(void *user, double *seconds, struct el_error *err)
{
    (void)err;
    int n = ++*(int *)user;
    *seconds = n % 3 == 0 ? 9 : 0.25; /* one of three is disturbed */
    return 0;
}

static void turns_give_a_ratio(void **state)
{
    (void)state;
    struct el_bench_peer p;
    struct el_error err = {0};
    struct el_bench_times times;
    struct el_bench_beside beside;
    int runs = 0;
    struct el_bench_job own = {quarter, &runs};
    el_bench_peer_init(&p,
                       PEER("echo it; for t in 1 1 1 2 2 2 4 4 4; do read line; echo $t; done"));
    assert_int_equal(el_bench_race(&p, "train", &own, 3, &times, &beside, &err), 0);
    assert_int_equal(runs, 9);
    assert_float_equal(times.median, 0.25, 0);
    assert_int_equal(beside.times.n, 3);
    assert_float_equal(beside.times.median, 2, 0);
    assert_float_equal(beside.ratio, 8, 0);
    assert_float_equal(beside.lowest, 4, 0);
    assert_float_equal(beside.highest, 16, 0);
    assert_string_equal(beside.name, "it");
    /* its answers are used up */
    assert_int_equal(el_bench_race(&p, "train", &own, 1, &times, &beside, &err), EL_EIO);
    el_bench_peer_release(&p);
}

static void a_peer_may_lack_a_kind_of_work(void **state)
{
    (void)state;
    struct el_bench_peer p;
    struct el_error err = {0};
    struct el_bench_times times = {.n = 7};
    struct el_bench_beside beside = {0};
    int runs = 0;
    struct el_bench_job own = {quarter, &runs};
    el_bench_peer_init(&p, PEER("echo"));
    assert_int_equal(el_bench_race(&p, "train", &own, 3, &times, &beside, &err), 0);
    assert_int_equal(runs, 0);
    assert_int_equal(times.n, 7);
    assert_int_equal(beside.times.n, 0);
    el_bench_peer_release(&p);
}

static void a_figure_shows_its_peer(void **state)
{
    (void)state;
    struct el_stream s;
    struct el_bench b;
    struct el_buf out;
    struct el_error err = {0};
    cJSON *json;
    char name[160];
    el_stream_init(&s, el_device_host(), el_ops_cpu(), 1);
    el_bench_init(&b, &s, 2);
    el_buf_init(&out);
    b.slice = 0;
    el_bench_peer_init(&b.peer, HALF_A_SECOND);
    assert_int_equal(el_bench_gemm_square(&b, EL_COMPUTE_BF16, 8, &err), 0);
    const struct el_bench_figure *f = &b.figures[0];
    assert_string_equal(f->beside.name, "gemm --size 8 --dtype bf16 --threads 1");
    assert_float_equal(f->beside.times.median, 0.5, 0);
    assert_true(f->beside.lowest <= f->beside.ratio && f->beside.ratio <= f->beside.highest);
    assert_int_equal(el_bench_line(&out, &b, f, &err), 0);
    snprintf(name, sizeof name, "\n    %s:     500.0 ms, ", f->beside.name);
    assert_non_null(strstr(out.data, name));
    el_buf_clear(&out);
    assert_int_equal(el_bench_json(&out, &b, "1", &err), 0);
    assert_int_equal(el_json_parse("results", out.data, out.len, &json, &err), 0);
    const cJSON *figures = cJSON_GetObjectItem(json, "figures");
    const cJSON *peer = cJSON_GetObjectItem(cJSON_GetArrayItem(figures, 0), "peer");
    assert_float_equal(cJSON_GetObjectItem(peer, "seconds")->valuedouble, 0.5, 0);
    assert_float_equal(cJSON_GetObjectItem(peer, "ratio")->valuedouble, f->beside.ratio,
                       1e-4 * f->beside.ratio);
    cJSON_Delete(json);
    el_buf_release(&out);
    el_bench_release(&b);
    el_stream_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_started_once_for_a_kind_of_work),
        cmocka_unit_test(bad_answers_are_errors),
        cmocka_unit_test(a_long_path_is_an_error),
        cmocka_unit_test(a_stop_ends_the_wait),
        cmocka_unit_test(turns_give_a_ratio),
        cmocka_unit_test(a_peer_may_lack_a_kind_of_work),
        cmocka_unit_test(a_figure_shows_its_peer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
