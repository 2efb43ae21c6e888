#include "training/metrics_log.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* 1, 0, or EL_ENOMEM. A line that cannot be read (cut off by a crash) goes too. */
static int keeps(const char *line, size_t n, int64_t last_step, const char *redo)
{
    cJSON *o = NULL;
    int64_t step;
    const char *stage = "";
    int rc = el_json_parse("metrics", line, n, &o, NULL);
    if (rc < 0)
        return rc == EL_ENOMEM ? rc : 0;
    int keep = el_json_i64(o, "metrics", "step", &step, NULL) == 0 && step <= last_step &&
               el_json_str_or(o, "metrics", "stage", &stage, NULL) == 0 &&
               !(redo && strcmp(stage, redo) == 0);
    cJSON_Delete(o);
    return keep;
}

static int cut(const char *path, int64_t last_step, const char *redo, struct el_error *err)
{
    struct el_buf all, kept;
    el_buf_init(&all);
    el_buf_init(&kept);
    int rc = el_path_exists(path) ? el_file_read(path, 0, &all, err) : 0;
    for (char *line = all.data; rc == 0 && line < all.data + all.len;) {
        char *end = memchr(line, '\n', (size_t)(all.data + all.len - line));
        size_t n = end ? (size_t)(end - line) : (size_t)(all.data + all.len - line);
        int keep = end ? keeps(line, n, last_step, redo) : 0;
        if (keep < 0 || (keep && el_buf_add(&kept, line, n + 1) < 0))
            rc = el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
        line += n + 1;
    }
    if (rc == 0)
        rc = el_file_write(path, kept.data, kept.len, err);
    el_buf_release(&all);
    el_buf_release(&kept);
    return rc;
}

int el_metrics_log_open(struct el_metrics_log *m, const char *path, int64_t last_step,
                        const char *redo, struct el_error *err)
{
    *m = (struct el_metrics_log){0};
    int rc = cut(path, last_step, redo, err);
    if (rc < 0)
        return rc;
    m->path = el_strdup(path);
    if (!m->path)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    m->file = fopen(path, "ae");
    if (m->file)
        return 0;
    rc = el_error_set(err, EL_EIO, "%s: cannot open: %s", path, strerror(errno));
    el_metrics_log_close(m);
    return rc;
}

int el_metrics_log_add(struct el_metrics_log *m, struct el_error *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vfprintf(m->file, fmt, ap);
    va_end(ap);
    if (n < 0 || fputc('\n', m->file) == EOF || fflush(m->file) == EOF)
        return el_error_set(err, EL_EIO, "%s: cannot write: %s", m->path, strerror(errno));
    return 0;
}

int el_metrics_log_sync(struct el_metrics_log *m, struct el_error *err)
{
    if (fflush(m->file) == EOF || (fsync(fileno(m->file)) != 0 && errno != EINVAL))
        return el_error_set(err, EL_EIO, "%s: cannot write: %s", m->path, strerror(errno));
    return 0; /* EINVAL: a pipe or device, which has no disk */
}

void el_metrics_log_close(struct el_metrics_log *m)
{
    if (m->file)
        fclose(m->file);
    el_free(m->path);
    *m = (struct el_metrics_log){0};
}
