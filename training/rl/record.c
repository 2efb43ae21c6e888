/* The run and its metrics in a store. Order of commits: first the checkpoint, then the store; what
 * the store lacks after a kill between the two is added with the next checkpoint, or before the
 * export where there is none to come, out of metrics.jsonl, which is put on the disk before the
 * checkpoint and has every line up to it. */
#include "training/rl/run.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"

#include <string.h>

static int add_run(const struct el_rl_run *t, struct el_store *s, int64_t *id, struct el_error *err)
{
    struct el_digest d;
    char prompts[EL_DIGEST_HEX];
    struct el_buf config;
    el_digest_init(&d);
    el_prompt_set_digest(t->prompts, &d);
    el_digest_hex(&d, prompts);
    el_buf_init(&config);
    int rc = el_buf_puts(&config, "{\"recipe\":");
    if (rc == 0)
        rc = el_json_quote(&config, t->o->recipe, strlen(t->o->recipe));
    if (rc == 0)
        rc = el_buf_printf(&config, ",\"run\":\"%s\"}", t->owner);
    const struct el_run r = {.kind = EL_RUN_TRAIN,
                             .config = config.data,
                             .seed = t->recipe.seed,
                             .model_digest = t->start->digest,
                             .prompt_digest = prompts,
                             .mode = "mqa",
                             .dtype = "fp32",
                             .isa = t->ops->name};
    rc = rc < 0 ? el_error_set(err, rc, "out of memory for the run's record")
                : el_store_run_add(s, &r, id, err);
    el_buf_release(&config);
    return rc < 0 ? rc : 0;
}

static int add_line(const struct el_rl_run *t, struct el_store *s, int64_t run, const char *line,
                    size_t n, struct el_error *err)
{
    cJSON *o = NULL;
    int64_t step = 0;
    char *text = el_strndup(line, n);
    int rc = text ? el_json_parse("metrics", text, n, &o, err)
                  : el_error_set(err, EL_ENOMEM, "out of memory for metrics");
    if (rc == 0)
        rc = el_json_i64(o, "metrics", "step", &step, err);
    int recorded = rc == 0 && step <= t->state.step;
    if (recorded)
        rc = el_store_metric_cut(s, run, step, step, err);
    if (recorded && rc >= 0)
        rc = el_store_metric_add(s, run, step, text, err);
    cJSON_Delete(o);
    el_free(text);
    return rc < 0 ? rc : 0;
}

/* Each line takes the place of its step's. Others stay: another folder's training of the same
 * recipe and seed is the same run in the store, and may have got further; and a folder that has
 * lost its metrics.jsonl does not take the lines from the store, too. */
static int add_lines(const struct el_rl_run *t, struct el_store *s, int64_t run,
                     const struct el_buf *text, struct el_error *err)
{
    int rc = 0;
    for (const char *line = text->data; rc >= 0 && line && line < text->data + text->len;) {
        const char *end = memchr(line, '\n', (size_t)(text->data + text->len - line));
        if (!end)
            break;
        rc = add_line(t, s, run, line, (size_t)(end - line), err);
        line = end + 1;
    }
    return rc < 0 ? rc : 0;
}

static int record(const struct el_rl_run *t, struct el_store *s, const struct el_buf *text,
                  struct el_error *err)
{
    int64_t run = 0;
    int rc = el_store_begin(s, err);
    if (rc < 0)
        return rc;
    rc = add_run(t, s, &run, err);
    if (rc == 0)
        rc = add_lines(t, s, run, text, err);
    if (rc == 0 && t->state.step == t->recipe.schedule.steps)
        rc = el_store_run_set_done(s, run, err);
    if (rc == 0)
        return el_store_commit(s, err);
    el_store_rollback(s);
    return rc;
}

int el_rl_record(const struct el_rl_run *t, struct el_error *err)
{
    struct el_store *s = NULL;
    struct el_buf text;
    if (!t->o->record)
        return 0;
    char *path = el_path_join(t->o->out, "metrics.jsonl");
    el_buf_init(&text);
    int rc = path ? el_file_read(path, 0, &text, err)
                  : el_error_set(err, EL_ENOMEM, "out of memory for paths");
    if (rc == 0)
        rc = el_store_open(t->o->record, EL_STORE_CREATE, &s, err);
    if (rc == 0)
        rc = record(t, s, &text, err);
    el_store_close(s);
    el_buf_release(&text);
    el_free(path);
    return rc;
}
