/* What trainings report: lines of numbers by step. */
#include "data/store_row.h"

#include "core/base/json.h"

#include <string.h>

/* One JSON object that says which step it is of. */
static int check_line(int64_t step, const char *line, struct el_error *err)
{
    cJSON *o = NULL;
    int64_t said = 0;
    if (!line)
        return el_error_set(err, EL_EINVAL, "metrics of step %lld: no line", (long long)step);
    int rc = el_json_parse("metrics", line, strlen(line), &o, err);
    if (rc < 0)
        return rc;
    rc = el_json_i64(o, "metrics", "step", &said, err);
    if (rc == 0 && said != step)
        rc = el_error_set(err, EL_EINVAL, "metrics of step %lld: the line is of step %lld",
                          (long long)step, (long long)said);
    cJSON_Delete(o);
    return rc;
}

int el_store_metric_add(struct el_store *s, int64_t run, int64_t step, const char *line,
                        struct el_error *err)
{
    struct el_sql q;
    int rc = check_line(step, line, err);
    if (rc == 0)
        rc = el_sql_open(&q, s,
                         "INSERT INTO metrics (run, step, line) VALUES (?, ?, ?) "
                         "ON CONFLICT (run, step, line) DO NOTHING",
                         err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    el_sql_int(&q, step);
    el_sql_text(&q, line);
    return el_sql_run(&q, err);
}

int el_store_metric_cut(struct el_store *s, int64_t run, int64_t first, int64_t last,
                        struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, "DELETE FROM metrics WHERE run = ? AND step BETWEEN ? AND ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    el_sql_int(&q, first);
    el_sql_int(&q, last < 0 ? INT64_MAX : last);
    return el_sql_run(&q, err);
}

int el_store_metric_each(struct el_store *s, int64_t run, el_metric_fn *fn, void *user,
                         struct el_error *err)
{
    struct el_sql q;
    int rc =
        el_sql_open(&q, s, "SELECT step, line FROM metrics WHERE run = ? ORDER BY step, id", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    while ((rc = el_sql_step(&q, err)) == 1) {
        rc = fn(user, el_sql_col_int(&q, 0), el_sql_col_string(&q, 1), err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}
