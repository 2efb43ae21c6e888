/* Several runs as one: which belong together, what their means and intervals are, and how it shows.
 */
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "refine/metrics.h"
#include "refine/training_arms.h"
#include "refine/training_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RUNS = 6, STEPS = 40 };
static char dir[64], path[RUNS][160];
static struct el_error err;

static void write_in(const char *folder, const char *name, const char *text)
{
    char file[256];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    if (el_dir_make(folder, &err) < 0 || el_file_write(file, text, strlen(text), &err) < 0)
        fail_msg("%s", err.msg);
}

static double reward(int run, int step)
{
    return 0.01 * step + 0.1 * run + 0.05 * (step % 3);
}

/* a1, a2, a3 are one recipe with three seeds, b1 and b2 another one, c has no note. */
static int make_folders(void **state)
{
    (void)state;
    static const char *const names[RUNS] = {"a1", "a2", "a3", "b-seed1", "b-seed2", "c"};
    strcpy(dir, "/tmp/el-arms-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    for (int r = 0; r < RUNS; r++) {
        struct el_buf b;
        char note[200];
        snprintf(path[r], sizeof path[r], "%s/%s", dir, names[r]);
        el_buf_init(&b);
        for (int i = 1; i <= STEPS; i++) {
            el_buf_printf(&b, "{\"step\":%d,\"reward\":%.17g,\"lr\":0.1", i, reward(r, i));
            if (i % 2 == r % 2)
                el_buf_printf(&b, ",\"kl\":%d", r);
            el_buf_puts(&b, r == 1 ? ",\"only a2\":7}\n" : "}\n");
        }
        write_in(path[r], "metrics.jsonl", b.data);
        el_buf_release(&b);
        snprintf(note, sizeof note, "{\"recipe\":\"configs/%c.json\",\"arm\":\"%c\",\"seed\":%d}",
                 names[r][0], names[r][0], r);
        if (r < 5)
            write_in(path[r], "run.json", note);
    }
    return 0;
}

static int remove_one(const char *file, const struct stat *st, int type, struct FTW *level)
{
    (void)st, (void)type, (void)level;
    return remove(file);
}

static int drop_folders(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int load(struct el_training_runs *runs, const int *which, int n)
{
    const char *dirs[RUNS];
    for (int i = 0; i < n; i++)
        dirs[i] = path[which[i]];
    return el_training_runs_load(runs, dirs, n, &err);
}

static const int all[RUNS] = {0, 1, 2, 3, 4, 5};

static void notes(void **state)
{
    (void)state;
    struct el_training_runs runs;
    assert_int_equal(load(&runs, all, RUNS), 0);
    assert_string_equal(runs.run[1].arm, "a");
    assert_string_equal(runs.run[1].recipe, "configs/a.json");
    assert_int_equal(runs.run[4].seed, 4);
    assert_null(runs.run[5].arm);
    el_training_runs_release(&runs);
    static const char *const bad[] = {"{", "[]", "{\"recipe\":\"r\"}",
                                      "{\"recipe\":\"r\",\"arm\":\"x\",\"seed\":-1}",
                                      "{\"recipe\":\"r\",\"arm\":7,\"seed\":1}"};
    for (int i = 0; i < 5; i++) { /* a run all the same */
        write_in(path[0], "run.json", bad[i]);
        assert_int_equal(load(&runs, all, 1), 0);
        assert_null(runs.run[0].arm);
        el_training_runs_release(&runs);
    }
}

static void equal_recipes_are_an_arm(void **state)
{
    (void)state;
    struct el_training_runs runs;
    const int mixed[RUNS] = {3, 0, 5, 1, 4, 2};
    assert_int_equal(load(&runs, mixed, RUNS), 0);
    assert_int_equal(el_training_arms_make(&runs, NULL, 0, 0, &err), 0);
    assert_int_equal(runs.n, 3); /* in the order of their first runs */
    assert_string_equal(runs.run[0].name, "b");
    assert_string_equal(runs.run[1].name, "a");
    assert_string_equal(runs.run[2].name, "c");
    assert_int_equal(runs.run[0].seeds, 2);
    assert_int_equal(runs.run[1].seeds, 3);
    assert_int_equal(runs.run[2].seeds, 0);
    assert_string_equal(runs.run[1].path, "a1, a2, a3");
    el_training_runs_release(&runs);
    assert_int_equal(load(&runs, mixed, RUNS), 0);
    assert_int_equal(el_training_arms_make(&runs, NULL, 0, 1, &err), 0);
    assert_int_equal(runs.n, RUNS);
    el_training_runs_release(&runs);
    write_in(path[1], "run.json", "{\"recipe\":\"r\",\"arm\":\"a\",\"seed\":0}");
    assert_int_equal(load(&runs, all, 2), 0); /* the same seed twice says nothing new */
    assert_int_equal(el_training_arms_make(&runs, NULL, 0, 0, &err), 0);
    assert_int_equal(runs.n, 2);
    el_training_runs_release(&runs);
}

static void arms_by_name(void **state)
{
    (void)state;
    struct el_training_runs runs;
    const struct el_training_named named[] = {{"mixed", 4, 2}, {"one", 0, 1}};
    assert_int_equal(load(&runs, all, RUNS), 0);
    assert_int_equal(el_training_arms_make(&runs, named, 2, 0, &err), 0);
    assert_int_equal(runs.n, 4);
    assert_string_equal(runs.run[0].name, "one");
    assert_int_equal(runs.run[0].seeds, 0); /* a run under another name */
    assert_string_equal(runs.run[1].name, "a");
    assert_int_equal(runs.run[1].seeds, 2);
    assert_string_equal(runs.run[2].name, "b-seed1");
    assert_string_equal(runs.run[3].name, "mixed");
    el_training_runs_release(&runs);

    const struct el_training_named twins[] = {{"x", 0, 1}, {"x", 1, 1}};
    assert_int_equal(load(&runs, all, 2), 0);
    assert_int_equal(el_training_arms_make(&runs, twins, 2, 0, &err), EL_EINVAL);
    el_training_runs_release(&runs);
    write_in(path[1], "run.json", "{\"recipe\":\"r\",\"arm\":\"a\",\"seed\":0}");
    const struct el_training_named twice[] = {{"x", 0, 2}};
    assert_int_equal(load(&runs, all, 2), 0);
    assert_int_equal(el_training_arms_make(&runs, twice, 1, 0, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "twice"));
    el_training_runs_release(&runs);
}

static void means_and_intervals(void **state)
{
    (void)state;
    struct el_training_runs runs;
    struct el_training_figures f;
    assert_int_equal(load(&runs, all, 3), 0);
    assert_int_equal(el_training_arms_make(&runs, NULL, 0, 0, &err), 0);
    const struct el_training_log *a = &runs.run[0];
    assert_int_equal(a->rows, STEPS);
    const struct el_training_metric *m = el_training_log_metric(a, "reward");
    for (int i = 0; i < STEPS; i++) {
        double x[3], smooth[3] = {0}, mean, lo, hi;
        int from = i > 2 ? i - 2 : 0, to = i + 2 < STEPS ? i + 2 : STEPS - 1;
        for (int r = 0; r < 3; r++) {
            x[r] = reward(r, i + 1);
            for (int k = from; k <= to; k++)
                smooth[r] += reward(r, k + 1) / (to - from + 1);
        }
        el_mean_interval(x, 3, &mean, &lo, &hi);
        assert_true(fabs(m->value[i] - mean) < 1e-12);
        el_mean_interval(smooth, 3, &mean, &lo, &hi);
        assert_true(fabs(m->lo[i] - lo) < 1e-12 && fabs(m->hi[i] - hi) < 1e-12);
    }
    el_training_figures(a, m, &f);
    double tail[3], mean, lo, hi;
    for (int r = 0; r < 3; r++)
        tail[r] = (reward(r, 37) + reward(r, 38) + reward(r, 39) + reward(r, 40)) / 4;
    el_mean_interval(tail, 3, &mean, &lo, &hi);
    assert_true(fabs(f.tail - mean) < 1e-12 && fabs(f.tail_lo - lo) < 1e-12);
    assert_true(fabs(f.tail_hi - hi) < 1e-12 && f.n == STEPS);
    /* a step that two runs have, a step that one has, a metric of one run */
    m = el_training_log_metric(a, "kl");
    assert_true(m->value[1] == 1 && m->lo[1] < 1 && m->hi[1] > 1); /* 0 and 2 */
    assert_true(m->value[0] == 1 && isnan(m->lo[0]) && isnan(m->hi[0]));
    m = el_training_log_metric(a, "only a2");
    assert_true(m->value[5] == 7 && m->n_tail == 1);
    el_training_figures(a, m, &f);
    assert_true(f.tail == 7 && isnan(f.tail_lo));
    m = el_training_log_metric(a, "lr");
    assert_true(fabs(m->hi[3] - m->lo[3]) < 1e-12);
    el_training_runs_release(&runs);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

static void shown(void **state)
{
    (void)state;
    struct el_training_runs runs;
    struct el_buf b;
    cJSON *o = NULL;
    assert_int_equal(load(&runs, all, RUNS), 0);
    assert_int_equal(el_training_arms_make(&runs, NULL, 0, 0, &err), 0);
    el_buf_init(&b);
    assert_int_equal(el_training_text(&runs, &b, &err), 0);
    assert_non_null(strstr(b.data, "a: mean of 3 runs, a1, a2, a3, 40 steps up to 40"));
    assert_int_equal(count(b.data, "\n  reward  "), 3);
    assert_non_null(strstr(b.data, "Student's t"));
    el_buf_clear(&b);
    assert_int_equal(el_training_json(&runs, &b, &err), 0);
    assert_int_equal(el_json_parse("out", b.data, b.len, &o, &err), 0);
    const cJSON *arm = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "runs"), 0);
    assert_int_equal(cJSON_GetObjectItem(arm, "seeds")->valueint, 3);
    const cJSON *m = cJSON_GetObjectItem(cJSON_GetObjectItem(arm, "metrics"), "reward");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(m, "last_tenth_of_runs")), 3);
    assert_true(cJSON_GetObjectItem(m, "last_tenth_lo")->valuedouble <
                cJSON_GetObjectItem(m, "last_tenth_hi")->valuedouble);
    cJSON_Delete(o);
    el_buf_clear(&b);
    assert_int_equal(el_training_html(&runs, &b, &err), 0);
    assert_int_equal(count(b.data, "class=\"key\""), 3);
    /* reward: arms a and b; kl: a alone, since no step of b has it twice */
    assert_int_equal(count(b.data, "class=\"band s0\""), 2);
    assert_int_equal(count(b.data, "class=\"band s1\""), 1);
    assert_int_equal(count(b.data, "class=\"band s2\""), 0);
    assert_non_null(strstr(b.data, "Bands: "));
    assert_null(strstr(b.data, "nan"));
    el_buf_release(&b);
    el_training_runs_release(&runs);
}

static void many(void **state)
{
    (void)state;
    struct el_training_log *log = calloc(EL_TRAINING_RUNS, sizeof *log);
    const struct el_training_log *run[EL_TRAINING_RUNS];
    const char *text = "{\"step\":1,\"a\":1}\n";
    struct el_training_log arm;
    for (int i = 0; i < EL_TRAINING_RUNS; i++) {
        assert_int_equal(el_training_log_parse(&log[i], "m", text, strlen(text), &err), 0);
        log[i].name = el_strdup("n");
        run[i] = &log[i];
    }
    struct el_training_runs runs = {log, EL_TRAINING_RUNS};
    struct el_buf b;
    el_buf_init(&b);
    assert_int_equal(el_training_html(&runs, &b, &err),
                     EL_EINVAL); /* more than there are colours */
    el_buf_release(&b);
    assert_int_equal(el_training_arm_merge(run, EL_TRAINING_RUNS, "all", &arm, &err), 0);
    assert_int_equal(arm.seeds, EL_TRAINING_RUNS);
    assert_true(arm.metric[0].value[0] == 1 && arm.metric[0].hi[0] == 1);
    el_training_log_release(&arm);
    for (int i = 0; i < EL_TRAINING_RUNS; i++)
        el_training_log_release(&log[i]);
    free(log);
}

static void out_of_memory(void **state)
{
    (void)state;
    int failures = 0;
    for (long n = 1;; n++) {
        struct el_training_runs runs;
        assert_int_equal(load(&runs, all, 4), 0);
        el_alloc_fail_after(n);
        int rc = el_training_arms_make(&runs, NULL, 0, 0, &err);
        el_alloc_fail_after(0);
        assert_int_equal(runs.n, rc == 0 ? 2 : 4); /* as they were, or arms */
        el_training_runs_release(&runs);
        if (rc == 0)
            break;
        assert_int_equal(rc, EL_ENOMEM);
        failures++;
    }
    assert_true(failures > 10);
}

int main(void)
{
#define F(name) cmocka_unit_test_setup_teardown(name, make_folders, drop_folders)
    const struct CMUnitTest tests[] = {
        F(notes), F(equal_recipes_are_an_arm), F(arms_by_name),  F(means_and_intervals),
        F(shown), cmocka_unit_test(many),      F(out_of_memory),
    };
#undef F
    return cmocka_run_group_tests(tests, NULL, NULL);
}
