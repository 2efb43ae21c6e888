#include "tests/training/runs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

void limit_files(rlim_t bytes)
{
    struct rlimit r;
    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = bytes < r.rlim_max ? bytes : r.rlim_max;
    setrlimit(RLIMIT_FSIZE, &r);
}

static void on_step(struct el_progress *p, int64_t done, int64_t total, const char *note)
{
    struct watch *w = p->user;
    assert_true(done <= total && note);
    if (strstr(note, " attempts")) /* no step */
        return;
    w->last_step = done;
    if (w->stop_at == 0 || done == w->stop_at)
        el_stop_requested = 1;
    if (done == w->choke_at)
        limit_files(30000);
}

static void on_news(void *user, const char *line)
{
    struct watch *w = user;
    size_t n = strlen(w->said);
    snprintf(w->said + n, sizeof w->said - n, "%s\n", line);
}

int train_until(const char *recipe, const char *out, struct watch *w, struct el_error *err)
{
    w->progress = (struct el_progress){on_step, w};
    const struct el_train_options o = {.recipe = recipe,
                                       .out = out,
                                       .threads = 1,
                                       .progress = &w->progress,
                                       .say = on_news,
                                       .user = w};
    int rc = el_train(&o, err);
    el_stop_requested = 0;
    return rc;
}

int train(const char *recipe, const char *out, int64_t stop_at, struct el_error *err)
{
    struct watch w = {.stop_at = stop_at, .choke_at = -1};
    return train_until(recipe, out, &w, err);
}

const char *in(const char *out, const char *name)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", strrchr(out, '/') + 1, name);
    return at(path);
}

/* The metrics without what a clock says. */
static struct el_buf metrics_of(const char *out)
{
    struct el_buf text = read_text(in(out, "metrics.jsonl")), lines;
    el_buf_init(&lines);
    for (char *save, *line = strtok_r(text.data, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        cJSON *o = cJSON_Parse(line);
        assert_non_null(o);
        cJSON_DeleteItemFromObject(o, "step_time");
        char *plain = cJSON_PrintUnformatted(o);
        assert_int_equal(el_buf_printf(&lines, "%s\n", plain), 0);
        cJSON_free(plain);
        cJSON_Delete(o);
    }
    el_buf_release(&text);
    return lines;
}

void same_run(const char *a, const char *b)
{
    static const char *const files[] = {"state.safetensors",       "attempts.try.jsonl",
                                        "tokenizer.json",          "model/config.json",
                                        "model/model.safetensors", "model/tokenizer.json",
                                        "model/domain.json",       "model/training.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!same_file(in(a, files[i]), in(b, files[i])))
            fail_msg("%s of %s and %s differ", files[i], a, b);
    struct el_buf x = metrics_of(a), y = metrics_of(b);
    assert_string_equal(x.data, y.data);
    el_buf_release(&x);
    el_buf_release(&y);
}
