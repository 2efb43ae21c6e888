/* Metrics of trainings: which lines count, the numbers, the curves, the page. */
#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "refine/training_curve.h"
#include "refine/training_report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct el_error err;

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

/* One run, with its name, out of a text. */
static int parse(struct el_training_log *log, const char *text)
{
    memset(log, 0, sizeof *log);
    int rc = el_training_log_parse(log, "m.jsonl", text, strlen(text), &err);
    if (rc == 0 && !(log->name = el_strdup("one")))
        rc = EL_ENOMEM;
    return rc;
}

/* Logs are large: 512 names each. */
static struct el_training_log *one_log(const char *text)
{
    struct el_training_log *log = calloc(1, sizeof *log);
    if (parse(log, text) < 0)
        fail_msg("%s", err.msg);
    return log;
}

static void drop(struct el_training_log *log)
{
    el_training_log_release(log);
    free(log);
}

/* ---- reading */

static void test_lines_of_a_step_come_together(void **state)
{
    (void)state;
    struct el_training_log *log = one_log("{\"step\":0,\"a\":1,\"stage\":\"x\"}\n"
                                          "\n"
                                          "{\"step\":4,\"b\":2,\"c\":null}\r\n"
                                          "{\"step\":4,\"a\":3}\n"
                                          "{\"step\":7,\"a\":-5,\"loss_kl\":0}");
    assert_int_equal(log->n_malformed, 0);
    assert_int_equal(log->rows, 3);
    assert_int_equal(log->n_metrics, 2);
    const double *a = el_training_log_values(log, "a"), *b = el_training_log_values(log, "b");
    assert_true(a[0] == 1 && a[1] == 3 && a[2] == -5);
    assert_true(isnan(b[0]) && b[1] == 2 && isnan(b[2]));
    assert_int_equal(log->step[1], 4);
    assert_null(el_training_log_values(log, "step"));
    assert_null(el_training_log_values(log, "stage"));
    assert_null(el_training_log_values(log, "loss_kl")); /* 0: the stage does not have it */
    drop(log);
}

static void test_malformed_lines_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *line, *why;
    } bad[] = {{"{\"step\":5,\"a\":1", "cut off"},
               {"[1]", "an object"},
               {"{\"a\":1}", "step"},
               {"{\"step\":1.5,\"a\":1}", "step"},
               {"{\"step\":-1,\"a\":1}", "0 or more"},
               {"{\"step\":4,\"a\":1}", "step 4 comes after step 5"},
               {"{\"step\":5,\"a\":9}", "'a' of step 5 was given before"},
               {"{\"step\":6,\"a\":1,\"a\":2}", "'a' is given twice"},
               {"{\"step\":6,\"a\":true}", "'a' must be a number"},
               {"{\"step\":6,\"a\":[1]}", "'a' must be a number"},
               {"{\"step\":6,\"a\":1e999}", "'a' is not finite"},
               {"{\"step\":6,\"a\":nan}", "not valid JSON"},
               {"{\"step\":6,\"\":1}", "name"},
               {"{\"step\":6,\"\\u001b[2J\":1}", "not text"},
               {"{\"step\":6,\"fresh\":1,\"a\":{}}", "'a' must be a number"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"step\":5,\"a\":1}\n%s\n{\"step\":6,\"a\":2}\n",
                 bad[i].line);
        struct el_training_log *log = one_log(text);
        assert_int_equal(log->n_malformed, 1);
        assert_int_equal(log->malformed[0].line, 2);
        if (!strstr(log->malformed[0].why, bad[i].why))
            fail_msg("case %zu: %s", i, log->malformed[0].why);
        assert_int_equal(log->n_metrics, 1); /* nothing of it stays */
        assert_int_equal(log->rows, 2);
        assert_true(el_training_log_values(log, "a")[1] == 2);
        drop(log);
    }
}

static void test_logs_without_metrics_are_refused(void **state)
{
    (void)state;
    struct el_training_log *log = calloc(1, sizeof *log);
    assert_int_equal(parse(log, ""), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "m.jsonl: no metrics"));
    el_training_log_release(log);
    assert_int_equal(parse(log, "{\"step\":1}\n"), EL_EFORMAT);
    el_training_log_release(log);
    assert_int_equal(parse(log, "\n{\"step\":1,\"a\":\n"), EL_EFORMAT);
    assert_non_null(strstr(err.msg, "line 2"));
    drop(log);
}

static void test_many_bad_lines_and_many_names(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    for (int i = 0; i < 40; i++)
        el_buf_puts(&b, "x\n");
    for (int i = 0; i < 600; i++) /* rows are added after names and names after rows */
        el_buf_printf(&b, "{\"step\":%d,\"m%d\":%d}\n", i, i % EL_TRAINING_METRICS, i);
    el_buf_puts(&b, "{\"step\":700,\"one too many\":1}\n");
    struct el_training_log *log = one_log(b.data);
    assert_int_equal(log->n_malformed, 41);
    assert_int_equal(log->malformed[EL_TRAINING_NAMED - 1].line, EL_TRAINING_NAMED);
    assert_int_equal(log->n_metrics, EL_TRAINING_METRICS);
    assert_int_equal(log->rows, 600);
    assert_true(el_training_log_values(log, "m3")[3] == 3);
    assert_true(el_training_log_values(log, "m3")[3 + EL_TRAINING_METRICS] ==
                3 + EL_TRAINING_METRICS);
    assert_true(isnan(el_training_log_values(log, "m3")[599]));
    drop(log);
    el_buf_release(&b);
}

/* ---- folders */

struct folders {
    char dir[64], path[4][160];
};

static void write_log(const char *dir, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    assert_int_equal(el_dir_make(dir, &err), 0);
    assert_int_equal(el_file_write(path, text, strlen(text), &err), 0);
}

static int make_folders(void **state)
{
    struct folders *f = calloc(1, sizeof *f);
    strcpy(f->dir, "/tmp/el-training-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    static const char *const names[] = {"a/s1", "a/s2", "b/s1", "c"};
    for (int i = 0; i < 4; i++) {
        snprintf(f->path[i], sizeof f->path[i], "%s/%s", f->dir, names[i]);
        char text[128];
        snprintf(text, sizeof text,
                 "{\"step\":1,\"reward\":0.%d,\"<b>\":1}\n{\"step\":2,\"reward\":0.5}\n{\"st",
                 i + 1);
        write_log(f->path[i], text);
    }
    *state = f;
    return 0;
}

static int drop_folders(void **state)
{
    struct folders *f = *state;
    for (int i = 0; i < 4; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/metrics.jsonl", f->path[i]);
        unlink(path);
        snprintf(path, sizeof path, "%s/training.json", f->path[i]);
        unlink(path);
        rmdir(f->path[i]);
        *strrchr(f->path[i], '/') = '\0';
        rmdir(f->path[i]);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static void test_runs_have_names_of_their_own(void **state)
{
    struct folders *f = *state;
    struct el_training_runs runs;
    char slash[170];
    snprintf(slash, sizeof slash, "%s/", f->path[1]);
    const char *seeds[] = {f->path[0], slash, f->path[2]};
    assert_int_equal(el_training_runs_load(&runs, seeds, 2, &err), 0);
    assert_string_equal(runs.run[0].name, "s1");
    assert_string_equal(runs.run[1].name, "s2");
    el_training_runs_release(&runs);
    assert_int_equal(el_training_runs_load(&runs, seeds, 3, &err), 0);
    assert_string_equal(runs.run[0].name, "a/s1");
    assert_string_equal(runs.run[2].name, "b/s1");
    el_training_runs_release(&runs);
    const char *twice[] = {f->path[1], slash};
    assert_int_equal(el_training_runs_load(&runs, twice, 2, &err), EL_EINVAL);
    assert_non_null(strstr(err.msg, "twice"));
    const char *many[EL_TRAINING_RUNS + 1] = {0};
    assert_int_equal(el_training_runs_load(&runs, many, EL_TRAINING_RUNS + 1, &err), EL_EINVAL);
    const char *none[] = {f->dir};
    assert_int_equal(el_training_runs_load(&runs, none, 1, &err), EL_EIO);
    assert_non_null(strstr(err.msg, "metrics.jsonl"));
}

/* ---- numbers */

static void figures_of(const struct el_training_log *log, const char *name,
                       struct el_training_figures *f)
{
    el_training_figures(log, el_training_log_metric(log, name), f);
}

static void test_figures(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    for (int i = 1; i <= 25; i++) /* reward 1..25 but for a peak, kl falling, entropy neither */
        el_buf_printf(&b, "{\"step\":%d,\"reward\":%d,\"kl\":%d,\"entropy\":1}\n", 10 * i,
                      i == 7 || i == 9 ? 100 : i, 50 - i);
    el_buf_puts(&b, "{\"step\":260,\"loss\":1}\n"); /* a last step without them */
    struct el_training_log *log = one_log(b.data);
    struct el_training_figures f;
    figures_of(log, "reward", &f);
    assert_true(f.n == 25 && f.first == 1 && f.last == 25);
    assert_true(f.better == 1 && f.best == 100 && f.best_step == 70);
    assert_true(fabs(f.tail - 24) < 1e-12); /* of 23, 24, 25 */
    figures_of(log, "kl", &f);
    assert_true(f.better == -1 && f.best == 25 && f.best_step == 250);
    figures_of(log, "entropy", &f);
    assert_true(f.better == 0 && isnan(f.best) && f.tail == 1);
    figures_of(log, "loss", &f);
    assert_true(f.n == 1 && f.first == 1 && f.last == 1 && f.tail == 1);
    drop(log);
    el_buf_release(&b);
}

static void test_text_and_json(void **state)
{
    struct folders *f = *state;
    struct el_training_runs runs;
    struct el_buf b;
    cJSON *o = NULL;
    const char *dirs[] = {f->path[0], f->path[3]};
    assert_int_equal(el_training_runs_load(&runs, dirs, 2, &err), 0);
    el_buf_init(&b);
    assert_int_equal(el_training_text(&runs, &b, &err), 0);
    assert_int_equal(count(b.data, "\n  reward  "), 2);
    assert_int_equal(count(b.data, "1 malformed line left out"), 2);
    assert_non_null(strstr(b.data, "  reward  s1          0.1         0.5         0.5        2"
                                   "         0.5\n"));
    el_buf_clear(&b);
    assert_int_equal(el_training_json(&runs, &b, &err), 0);
    assert_int_equal(el_json_parse("out", b.data, b.len, &o, &err), 0);
    const cJSON *run = cJSON_GetArrayItem(cJSON_GetObjectItem(o, "runs"), 1);
    assert_string_equal(cJSON_GetObjectItem(run, "name")->valuestring, "c");
    const cJSON *bad = cJSON_GetArrayItem(cJSON_GetObjectItem(run, "malformed_lines"), 0);
    assert_int_equal(cJSON_GetObjectItem(bad, "line")->valueint, 3);
    const cJSON *m = cJSON_GetObjectItem(cJSON_GetObjectItem(run, "metrics"), "reward");
    assert_true(cJSON_GetObjectItem(m, "first")->valuedouble == 0.4);
    assert_int_equal(cJSON_GetObjectItem(m, "best_step")->valueint, 2);
    cJSON_Delete(o);
    el_buf_release(&b);
    el_training_runs_release(&runs);
}

/* ---- charts */

static void test_plan_has_every_metric_once(void **state)
{
    (void)state;
    struct el_training_log *log =
        one_log("{\"step\":1,\"zebra\":1,\"rewards/proof/mean\":1,\"reward\":1,\"kl\":1,"
                "\"rewards/true/mean\":1,\"judge/unreadable\":0,\"roles/verifier/reward\":1,"
                "\"sampling/other\":1,\"clip_ratio/high_mean\":0,\"completions/max_length\":3}");
    struct el_training_runs runs = {.run = log, .n = 1};
    struct el_training_plan plan;
    assert_int_equal(el_training_plan_make(&plan, &runs, &err), 0);
    int n = 0;
    for (int i = 0; i < plan.n; i++)
        n += plan.chart[i].n;
    assert_int_equal(n, log->n_metrics);
    for (int i = 0; i < log->n_metrics; i++) {
        int found = 0;
        for (int k = 0; k < plan.n; k++)
            for (int m = 0; m < plan.chart[k].n; m++)
                found += strcmp(plan.chart[k].metric[m], log->metric[i].name) == 0;
        assert_int_equal(found, 1);
    }
    /* the reward and the truth in one frame */
    assert_int_equal(plan.chart[0].n, 2);
    assert_string_equal(plan.chart[0].metric[0], "reward");
    assert_string_equal(plan.chart[0].metric[1], "rewards/true/mean");
    assert_string_equal(plan.chart[1].title, "proof");
    assert_string_equal(plan.chart[plan.n - 1].title, "zebra");
    el_training_plan_release(&plan);
    drop(log);
}

static struct el_training_log *noisy(int n, int spike)
{
    struct el_buf b;
    el_buf_init(&b);
    for (int i = 0; i < n; i++)
        el_buf_printf(&b, "{\"step\":%d,\"x\":%g}\n", i,
                      i == spike ? 1000.0 : 5.0 + (i % 2 ? 1 : -1));
    struct el_training_log *log = one_log(b.data);
    el_buf_release(&b);
    return log;
}

static void test_curves(void **state)
{
    (void)state;
    struct el_curve c;
    struct el_training_log *log = noisy(9, -1);
    assert_int_equal(el_curve_make(&c, log, el_training_log_metric(log, "x"), 0), 0);
    assert_true(c.n_raw == 9 && c.n_smooth == 0 && c.lo == 4 && c.hi == 6);
    el_curve_release(&c);
    drop(log);

    log = noisy(100, 50); /* a mean over 5 around each point; the spike does not set the axis */
    assert_int_equal(el_curve_make(&c, log, el_training_log_metric(log, "x"), 0), 0);
    assert_true(c.n_raw == 100 && c.n_smooth == 100);
    assert_true(fabs(c.smooth_y[10] - (4 + 6 + 4 + 6 + 4) / 5.0) < 1e-12);
    assert_true(fabs(c.smooth_y[0] - (4 + 6 + 4) / 3.0) < 1e-12);
    assert_true(fabs(c.smooth_y[52] - (1000 + 6 + 4 + 6 + 4) / 5.0) < 1e-9);
    assert_true(c.max == 1000 && c.hi < 300);
    el_curve_release(&c);
    assert_int_equal(el_curve_make(&c, log, el_training_log_metric(log, "x"), 1), 0);
    assert_true(c.n_smooth == 0 && c.hi == 1000);
    el_curve_release(&c);
    drop(log);

    log = noisy(20001, 12345); /* thinned, but the spike is there and steps still rise */
    assert_int_equal(el_curve_make(&c, log, el_training_log_metric(log, "x"), 0), 0);
    assert_true(c.n_raw <= EL_CURVE_POINTS && c.n_raw > EL_CURVE_POINTS / 2);
    assert_true(c.smooth_x[0] == 0 && c.smooth_x[c.n_smooth - 1] == 20000);
    int spikes = 0;
    for (int i = 0; i < c.n_raw; i++) {
        spikes += c.raw_y[i] == 1000 && c.raw_x[i] == 12345;
        assert_true(i == 0 || c.raw_x[i] > c.raw_x[i - 1]);
    }
    assert_int_equal(spikes, 1);
    el_curve_release(&c);
    drop(log);
}

/* ---- the page */

static char *page_of(const struct el_training_runs *runs)
{
    struct el_buf out;
    el_buf_init(&out);
    assert_int_equal(el_training_html(runs, &out, &err), 0);
    return el_buf_detach(&out);
}

static void assert_balanced(const char *page)
{
    static const char *const tags[] = {"svg", "figure", "div", "details", "pre", "ul", "p", "span"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        char open[16], open2[16], close[16];
        snprintf(open, sizeof open, "<%s>", tags[i]);
        snprintf(open2, sizeof open2, "<%s ", tags[i]);
        snprintf(close, sizeof close, "</%s>", tags[i]);
        assert_int_equal(count(page, open) + count(page, open2), count(page, close));
    }
    assert_null(strstr(page, "nan"));
    assert_null(strstr(page, "inf,"));
    assert_null(strstr(page, "http"));
    assert_non_null(strstr(page, "</html>"));
}

static void test_page_of_one_run(void **state)
{
    (void)state;
    struct el_buf b;
    el_buf_init(&b);
    for (int i = 1; i <= 60; i++)
        el_buf_printf(&b,
                      "{\"step\":%d,\"reward\":0.%02d,\"rewards/true/mean\":0.5,\"kl\":%g,"
                      "\"loss\":%g,\"drops/judge\":0,\"<i>\":%d}\n",
                      i, i, i * 1e-6, (i - 30) * 1e-5, i);
    struct el_training_log *log = one_log(b.data);
    struct el_training_runs runs = {.run = log, .n = 1};
    char *page = page_of(&runs);
    assert_balanced(page);
    assert_int_equal(count(page, "<figure>"), 4); /* reward and truth, kl, loss, <i> */
    assert_int_equal(count(page, "faint\""), 5);  /* each raw line behind its smooth one */
    assert_non_null(strstr(page, ">rewards/true/mean</text>"));
    assert_int_equal(count(page, "rotate(-90"), 4); /* every axis has its name, and unit */
    assert_non_null(strstr(page, ")\">reward</text>"));
    assert_non_null(strstr(page, ")\">kl (nats per token)</text>"));
    assert_non_null(strstr(page, ")\">loss</text>"));
    assert_non_null(strstr(page, "The same in every step: drops/judge 0.</p>"));
    assert_non_null(strstr(page, "&lt;i&gt;"));
    assert_null(strstr(page, "<i>"));
    el_free(page);
    drop(log);
    el_buf_release(&b);
}

/* 100 points from 10 to 11, and one of 10 - below. */
static char *page_of_spike(double below)
{
    struct el_buf b;
    el_buf_init(&b);
    for (int i = 0; i < 100; i++)
        el_buf_printf(&b, "{\"step\":%d,\"step_time\":%g}\n", i + 1,
                      i == 50 ? 10 - below : 10 + (i % 11) * 0.1);
    struct el_training_log *log = one_log(b.data);
    struct el_training_runs runs = {.run = log, .n = 1};
    char *page = page_of(&runs);
    drop(log);
    el_buf_release(&b);
    return page;
}

/* The frame is made for all but the farthest 1%; it takes in what is near. */
static void test_frame_takes_in_what_is_near(void **state)
{
    (void)state;
    char *page = page_of_spike(0.1);
    assert_null(strstr(page, "beyond the frame"));
    assert_non_null(strstr(page, ")\">step_time (s)</text>"));
    el_free(page);
    page = page_of_spike(0.4);
    assert_non_null(strstr(page, "(1 beyond the frame)"));
    el_free(page);
}

static void test_page_of_several_runs(void **state)
{
    struct folders *f = *state;
    struct el_training_runs runs;
    const char *dirs[] = {f->path[0], f->path[1], f->path[2], f->path[3]};
    assert_int_equal(el_training_runs_load(&runs, dirs, 4, &err), 0);
    char *page = page_of(&runs), *again = page_of(&runs);
    assert_string_equal(page, again);
    assert_balanced(page);
    assert_int_equal(count(page, "class=\"key\""), 4);
    assert_int_equal(count(page, "<polyline"), 4);
    for (int i = 0; i < 4; i++) {
        char line[40];
        snprintf(line, sizeof line, "<polyline class=\"line s%d\"", i);
        assert_int_equal(count(page, line), 1);
    }
    assert_int_equal(count(page, "1 malformed line left out. Line 3: "), 4);
    assert_null(strstr(page, "<b>"));
    el_free(page);
    el_free(again);
    el_training_runs_release(&runs);
}

/* Numbers at the ends of what a double holds, and steps at the end of what is allowed. */
static void test_extreme_numbers(void **state)
{
    (void)state;
    struct el_training_log *log = one_log(
        "{\"step\":0,\"a\":-1e308,\"b\":1e308,\"c\":5e-324,\"d\":1e20,\"e\":0}\n"
        "{\"step\":9007199254740991,\"a\":1e308,\"b\":1e308,\"c\":0,"
        "\"d\":100000000000000016384,\"e\":-0.0}\n"
        "{\"step\":9007199254740992,\"a\":1e308,\"b\":-1e308,\"c\":0,\"d\":1e20,\"e\":0}\n");
    assert_int_equal(log->n_malformed, 0);
    struct el_training_runs runs = {.run = log, .n = 1};
    char *page = page_of(&runs);
    assert_balanced(page);
    assert_true(strlen(page) < 100000);
    el_free(page);
    drop(log);
}

static int report(const struct folders *f, struct el_buf *b)
{
    const char *dirs[] = {f->path[0], f->path[2]};
    struct el_training_runs runs;
    int rc = el_training_runs_load(&runs, dirs, 2, &err);
    if (rc < 0)
        return rc;
    rc = el_training_json(&runs, b, &err);
    if (rc == 0)
        rc = el_training_html(&runs, b, &err);
    el_training_runs_release(&runs);
    return rc;
}

/* A report is whole or none: what there was no memory to read is not left out. sign: as
 * el_alloc_fail_after has it; -1, when one allocation alone fails, which nothing behind it hides.
 */
static void write_history(const char *dir, const char *text)
{
    char path[200];
    snprintf(path, sizeof path, "%s/training.json", dir);
    assert_int_equal(el_file_write(path, text, strlen(text), &err), 0);
}

/* A model folder has the log of its last phase, which is not taken for the whole training. */
static void test_last_phase_is_told(void **state)
{
    struct folders *f = *state;
    const char *dir = f->path[3];
    static const char *const told =
        "the log of the last phase alone (recipe configs/<all>.json, which started from the model "
        "0123456789abcdef); earlier phases, and that model's own training, are not in it\n";
    struct el_training_runs runs;
    struct el_buf b;
    el_buf_init(&b);
    write_history(dir, "{\"recipe\":\"configs/<all>.json\",\"start_digest\":"
                       "\"0123456789abcdef0123456789abcdef\"}");
    assert_int_equal(el_training_runs_load(&runs, &dir, 1, &err), 0);
    assert_int_equal(el_training_text(&runs, &b, &err), 0);
    assert_non_null(strstr(b.data, told));
    el_buf_clear(&b);
    assert_int_equal(el_training_json(&runs, &b, &err), 0);
    assert_non_null(strstr(b.data, "\"last_phase_of\": \"configs/<all>.json\", \"started_from\": "
                                   "\"0123456789abcdef0123456789abcdef\""));
    char *page = page_of(&runs);
    assert_balanced(page);
    assert_non_null(
        strstr(page, "(recipe configs/&lt;all&gt;.json, which started from the model "));
    el_free(page);
    el_training_runs_release(&runs);
    write_history(dir, "{\"recipe\":\"\\u001b[2J\"}"); /* nothing for a terminal */
    assert_int_equal(el_training_runs_load(&runs, &dir, 1, &err), 0);
    assert_null(runs.run[0].last_of);
    el_training_runs_release(&runs);
    el_buf_release(&b);
}

static void fail_each_of_report(const struct folders *f, int sign)
{
    struct el_buf whole, b;
    int failures = 0;
    long n = 0, asked;
    el_buf_init(&whole);
    el_buf_init(&b);
    assert_int_equal(report(f, &whole), 0);
    do {
        el_buf_clear(&b);
        el_alloc_fail_after(sign * ++n);
        int rc = report(f, &b);
        asked = el_alloc_count();
        el_alloc_fail_after(0);
        assert_true(rc == EL_ENOMEM || (rc == 0 && strcmp(b.data, whole.data) == 0));
        failures += rc < 0;
    } while (asked >= n);
    assert_true(failures > 20);
    el_buf_release(&whole);
    el_buf_release(&b);
}

static void test_every_allocation_may_fail(void **state)
{
    const struct folders *f = *state;
    write_history(f->path[0], "{\"recipe\":\"r\",\"start_weights_digest\":\"d\"}");
    fail_each_of_report(*state, 1);
    fail_each_of_report(*state, -1);
}

int main(void)
{
#define F(name) cmocka_unit_test_setup_teardown(name, make_folders, drop_folders)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_a_step_come_together),
        cmocka_unit_test(test_malformed_lines_are_named),
        cmocka_unit_test(test_logs_without_metrics_are_refused),
        cmocka_unit_test(test_many_bad_lines_and_many_names),
        F(test_runs_have_names_of_their_own),
        cmocka_unit_test(test_figures),
        F(test_text_and_json),
        cmocka_unit_test(test_plan_has_every_metric_once),
        cmocka_unit_test(test_curves),
        cmocka_unit_test(test_page_of_one_run),
        F(test_frame_takes_in_what_is_near),
        F(test_last_phase_is_told),
        F(test_page_of_several_runs),
        cmocka_unit_test(test_extreme_numbers),
        F(test_every_allocation_may_fail),
    };
#undef F
    return cmocka_run_group_tests(tests, NULL, NULL);
}
