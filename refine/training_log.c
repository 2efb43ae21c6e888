#include "refine/training_log.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "core/base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { max_bytes = 1 << 28, name_max = 100 };

static int find(const struct el_training_log *log, const char *name, int hint)
{
    if (hint < log->n_metrics && strcmp(log->metric[hint].name, name) == 0)
        return hint;
    for (int i = 0; i < log->n_metrics; i++)
        if (strcmp(log->metric[i].name, name) == 0)
            return i;
    return -1;
}

const struct el_training_metric *el_training_log_metric(const struct el_training_log *log,
                                                        const char *name)
{
    int i = find(log, name, 0);
    return i < 0 ? NULL : &log->metric[i];
}

const double *el_training_log_values(const struct el_training_log *log, const char *name)
{
    int i = find(log, name, 0);
    return i < 0 ? NULL : log->metric[i].value;
}

/* ------------------------------------------------------------------------------------- a line */

/* A stage of a training that does not have one of the two losses reports it as exactly 0. */
static int is_absent(const cJSON *f)
{
    return f->valuedouble == 0 &&
           (strcmp(f->string, "loss_lm") == 0 || strcmp(f->string, "loss_kl") == 0);
}

static int is_metric(const cJSON *f)
{
    return cJSON_IsNumber(f) && strcmp(f->string, "step") != 0 && !is_absent(f);
}

/* What is printed on terminals. */
static int is_text(const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0, len; i < n; i += len) {
        len = el_utf8_length(s + i, n - i);
        if (len == 0 || (unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return 0;
    }
    return 1;
}

static int check_name(const char *name, struct el_error *err)
{
    size_t n = strlen(name);
    if (n == 0 || n > name_max)
        return el_error_set(err, EL_EFORMAT, "field '%.60s': expected a name of 1 to %d bytes",
                            name, name_max);
    return is_text(name) ? 0 : el_error_set(err, EL_EFORMAT, "a field's name is not text");
}

/* What is wrong with one field, which may go into the last row when `same` is set. */
static int check_field(const struct el_training_log *log, const cJSON *f, int same,
                       struct el_error *err)
{
    int rc = check_name(f->string, err);
    if (rc < 0 || cJSON_IsString(f) || cJSON_IsNull(f))
        return rc;
    if (!cJSON_IsNumber(f))
        return el_error_set(err, EL_EFORMAT, "field '%.60s' must be a number", f->string);
    if (!isfinite(f->valuedouble))
        return el_error_set(err, EL_EFORMAT, "field '%.60s' is not finite", f->string);
    for (const cJSON *other = f->next; other; other = other->next)
        if (strcmp(other->string, f->string) == 0)
            return el_error_set(err, EL_EFORMAT, "field '%.60s' is given twice", f->string);
    int i = same && is_metric(f) ? find(log, f->string, 0) : -1;
    if (i >= 0 && !isnan(log->metric[i].value[log->rows - 1]))
        return el_error_set(err, EL_EFORMAT, "field '%.60s' of step %lld was given before",
                            f->string, (long long)log->step[log->rows - 1]);
    return 0;
}

static int check_line(const struct el_training_log *log, const cJSON *o, int64_t *step,
                      struct el_error *err)
{
    if (!cJSON_IsObject(o))
        return el_error_set(err, EL_EFORMAT, "expected an object");
    if (cJSON_GetArraySize(o) > EL_TRAINING_METRICS)
        return el_error_set(err, EL_EFORMAT, "more than %d fields", EL_TRAINING_METRICS);
    int fresh = 0;
    int rc = el_json_i64(o, "object", "step", step, err);
    if (rc == 0 && *step < 0)
        rc = el_error_set(err, EL_EFORMAT, "step %lld: expected 0 or more", (long long)*step);
    int64_t last = log->rows ? log->step[log->rows - 1] : -1;
    if (rc == 0 && *step < last)
        rc = el_error_set(err, EL_EFORMAT, "step %lld comes after step %lld", (long long)*step,
                          (long long)last);
    for (const cJSON *f = o->child; rc == 0 && f; f = f->next) {
        rc = check_field(log, f, *step == last, err);
        fresh += rc == 0 && is_metric(f) && find(log, f->string, 0) < 0;
    }
    if (rc == 0 && log->n_metrics + fresh > EL_TRAINING_METRICS)
        rc = el_error_set(err, EL_EFORMAT, "more than %d different fields", EL_TRAINING_METRICS);
    return rc;
}

/* ------------------------------------------------------------------------------------- growth */

static int grow_values(double **values, int rows, int capacity)
{
    double *grown = el_realloc(*values, (size_t)capacity * sizeof **values);
    if (!grown)
        return EL_ENOMEM;
    for (int i = rows; i < capacity; i++)
        grown[i] = NAN;
    *values = grown;
    return 0;
}

static int grow(struct el_training_log *log)
{
    int capacity = log->capacity ? 2 * log->capacity : 256, rc = 0;
    int64_t *steps = el_realloc(log->step, (size_t)capacity * sizeof *steps);
    if (!steps)
        return EL_ENOMEM;
    log->step = steps;
    for (int i = 0; rc == 0 && i < log->n_metrics; i++)
        rc = grow_values(&log->metric[i].value, log->rows, capacity);
    if (rc == 0)
        log->capacity = capacity;
    return rc;
}

static int add_row(struct el_training_log *log, int64_t step)
{
    if (log->rows && log->step[log->rows - 1] == step)
        return 0;
    int rc = log->rows == log->capacity ? grow(log) : 0;
    if (rc == 0)
        log->step[log->rows++] = step;
    return rc;
}

static int add_metric(struct el_training_log *log, const char *name)
{
    struct el_training_metric *m = &log->metric[log->n_metrics];
    *m = (struct el_training_metric){.name = el_strdup(name)};
    if (m->name && grow_values(&m->value, 0, log->capacity) == 0)
        return log->n_metrics++;
    el_free(m->name);
    return EL_ENOMEM;
}

static int add_values(struct el_training_log *log, const cJSON *o)
{
    int next = 0;
    for (const cJSON *f = o->child; f; f = f->next) {
        if (!is_metric(f))
            continue;
        int i = find(log, f->string, next);
        if (i < 0)
            i = add_metric(log, f->string);
        if (i < 0)
            return i;
        log->metric[i].value[log->rows - 1] = f->valuedouble;
        next = i + 1;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------- a file */

static int is_blank(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r", text[i]) || !text[i])
            return 0;
    return 1;
}

static void note(struct el_training_log *log, int line, const char *why)
{
    if (log->n_malformed < EL_TRAINING_NAMED) {
        log->malformed[log->n_malformed].line = line;
        snprintf(log->malformed[log->n_malformed].why, sizeof log->malformed[0].why, "%.*s",
                 (int)sizeof log->malformed[0].why - 1, why);
    }
    log->n_malformed++;
}

/* 0, also for a malformed line; EL_ENOMEM. */
static int take_line(struct el_training_log *log, int line, const char *text, size_t n)
{
    struct el_error why = {0};
    cJSON *o = NULL;
    int64_t step = 0;
    int rc = el_json_parse("object", text, n, &o, NULL);
    if (rc == EL_ENOMEM)
        return rc;
    if (rc < 0) {
        note(log, line, "not valid JSON, or cut off");
        return 0;
    }
    rc = check_line(log, o, &step, &why);
    if (rc < 0) {
        note(log, line, why.msg);
        rc = 0;
    } else {
        rc = add_row(log, step);
        if (rc == 0)
            rc = add_values(log, o);
    }
    cJSON_Delete(o);
    return rc;
}

int el_training_log_parse(struct el_training_log *log, const char *path, const char *text, size_t n,
                          struct el_error *err)
{
    int rc = (log->path = el_strdup(path)) ? 0 : EL_ENOMEM;
    const char *end = text + n;
    for (int line = 1; rc == 0 && text < end; line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((stop ? stop : end) - text);
        if (!is_blank(text, length))
            rc = take_line(log, line, text, length);
        text += length + 1;
    }
    if (rc < 0)
        return el_error_set(err, rc, "%s: out of memory", path);
    if (log->n_metrics)
        return 0;
    if (log->n_malformed)
        return el_error_set(err, EL_EFORMAT, "%s: no metrics; line %d: %s", path,
                            log->malformed[0].line, log->malformed[0].why);
    return el_error_set(err, EL_EFORMAT, "%s: no metrics", path);
}

void el_training_log_release(struct el_training_log *log)
{
    for (int i = 0; i < log->n_metrics; i++) {
        el_free(log->metric[i].name);
        el_free(log->metric[i].value);
        el_free(log->metric[i].lo);
        el_free(log->metric[i].hi);
        el_free(log->metric[i].tail);
    }
    el_free(log->last_of);
    el_free(log->start);
    el_free(log->recipe);
    el_free(log->arm);
    el_free(log->step);
    el_free(log->path);
    el_free(log->name);
    memset(log, 0, sizeof *log);
}

/* A run without a readable note is a run all the same. */
static int load_note(struct el_training_log *log, const char *dir, struct el_error *err)
{
    cJSON *o = NULL;
    const char *recipe = NULL, *arm = NULL;
    char *path = el_path_join(dir, "run.json");
    if (!path)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", dir);
    int rc = el_path_exists(path) ? el_json_load(path, &o, NULL) : EL_ENOTFOUND;
    const cJSON *seed = cJSON_GetObjectItemCaseSensitive(o, "seed");
    if (rc == 0 && el_json_str(o, path, "recipe", &recipe, NULL) == 0 &&
        el_json_str(o, path, "arm", &arm, NULL) == 0 && cJSON_IsNumber(seed) &&
        seed->valuedouble >= 0 && seed->valuedouble < 1.8e19) {
        log->recipe = el_strdup(recipe);
        log->arm = el_strdup(arm);
        log->seed = (uint64_t)seed->valuedouble;
        rc = log->recipe && log->arm ? 0 : EL_ENOMEM;
    }
    cJSON_Delete(o);
    el_free(path);
    return rc == EL_ENOMEM ? el_error_set(err, rc, "%s: out of memory", dir) : 0;
}

/* The start of a training from a model: "start_digest" of roles and of means over phases,
 * "start_weights_digest" of stages. */
static const char *start_of(const cJSON *o)
{
    static const char *const keys[] = {"start_digest", "start_weights_digest"};
    for (int i = 0; i < 2; i++) {
        const char *start = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, keys[i]));
        if (start)
            return start;
    }
    return "";
}

/* A model folder keeps the log of what trained it last; without a readable training.json the log is
 * taken as it is. */
static int load_history(struct el_training_log *log, const char *dir, struct el_error *err)
{
    cJSON *o = NULL;
    char *path = el_path_join(dir, "training.json");
    if (!path)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", dir);
    int rc = el_path_exists(path) ? el_json_load(path, &o, NULL) : EL_ENOTFOUND;
    const char *recipe = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "recipe"));
    if (rc == 0 && recipe && is_text(recipe) && is_text(start_of(o))) {
        log->last_of = el_strdup(recipe);
        log->start = el_strdup(start_of(o));
        rc = log->last_of && log->start ? 0 : EL_ENOMEM;
    }
    cJSON_Delete(o);
    el_free(path);
    return rc == EL_ENOMEM ? el_error_set(err, rc, "%s: out of memory", dir) : 0;
}

int el_training_log_scope(const struct el_training_log *log, struct el_buf *out)
{
    int rc = el_buf_printf(out, "%s: the log of the last phase alone (recipe %s", log->path,
                           log->last_of);
    if (rc == 0 && log->start[0])
        rc = el_buf_printf(out, ", which started from the model %.16s", log->start);
    return rc == 0 ? el_buf_printf(out, "); earlier phases%s are not in it",
                                   log->start[0] ? ", and that model's own training," : "")
                   : rc;
}

static int load(struct el_training_log *log, const char *dir, struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    char *path = el_path_join(dir, "metrics.jsonl");
    int rc = path ? el_file_read(path, max_bytes, &text, err)
                  : el_error_set(err, EL_ENOMEM, "%s: out of memory", dir);
    if (rc == 0)
        rc = el_training_log_parse(log, path, text.data, text.len, err);
    if (rc == 0)
        rc = load_note(log, dir, err);
    if (rc == 0)
        rc = load_history(log, dir, err);
    el_free(path);
    el_buf_release(&text);
    return rc;
}

/* -------------------------------------------------------------------------------------- names */

static size_t trimmed(const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    return n;
}

/* Where the last `parts` parts of dir[0..n) begin. */
static size_t tail(const char *dir, size_t n, int parts)
{
    size_t i = n;
    while (i > 0 && (dir[i - 1] != '/' || --parts > 0))
        i--;
    return i;
}

static int same_tail(const char *a, const char *b, int parts)
{
    size_t n = trimmed(a), m = trimmed(b), i = tail(a, n, parts), k = tail(b, m, parts);
    return n - i == m - k && memcmp(a + i, b + k, n - i) == 0;
}

static int all_differ(const char *const *dirs, int n, int parts)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            if (same_tail(dirs[i], dirs[k], parts))
                return 0;
    return 1;
}

static int check_dirs(const char *const *dirs, int n, struct el_error *err)
{
    if (n < 1 || n > EL_TRAINING_RUNS)
        return el_error_set(err, EL_EINVAL, "%d trainings: expected 1 to %d", n, EL_TRAINING_RUNS);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < i; k++)
            if (trimmed(dirs[i]) == trimmed(dirs[k]) &&
                memcmp(dirs[i], dirs[k], trimmed(dirs[i])) == 0)
                return el_error_set(err, EL_EINVAL, "%s is given twice", dirs[i]);
    return 0;
}

int el_training_runs_load(struct el_training_runs *runs, const char *const *dirs, int n,
                          struct el_error *err)
{
    int rc = check_dirs(dirs, n, err), parts = 1;
    if (rc < 0)
        return rc;
    while (!all_differ(dirs, n, parts))
        parts++;
    *runs = (struct el_training_runs){.run = el_alloc_array((size_t)n, sizeof *runs->run), .n = n};
    if (!runs->run)
        return el_error_set(err, EL_ENOMEM, "out of memory for %d trainings", n);
    for (int i = 0; rc == 0 && i < n; i++) {
        size_t end = trimmed(dirs[i]), at = tail(dirs[i], end, parts);
        rc = load(&runs->run[i], dirs[i], err);
        if (rc == 0 && !(runs->run[i].name = el_strndup(dirs[i] + at, end - at)))
            rc = el_error_set(err, EL_ENOMEM, "%s: out of memory", dirs[i]);
    }
    if (rc < 0)
        el_training_runs_release(runs);
    return rc;
}

void el_training_runs_release(struct el_training_runs *runs)
{
    for (int i = 0; runs->run && i < runs->n; i++)
        el_training_log_release(&runs->run[i]);
    el_free(runs->run);
    *runs = (struct el_training_runs){0};
}
