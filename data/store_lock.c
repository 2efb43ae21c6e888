/* One writer per run.
 *
 * The lock is the kernel's, on byte <run id> of the file "<store>.lock": it vanishes with its
 * holder, whatever kills that. The row of runs only says who it was, for the message. An open file
 * description lock is used, so that two handles in one process exclude each other, too.
 *
 * <store> is the name by which SQLite knows the file, with symbolic links resolved, as for its log.
 * It cannot be the store itself that is locked: closing it anywhere in the process would end the
 * locks that SQLite holds on it. */
#include "data/store_row.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int open_lock_file(struct el_store *s, struct el_error *err)
{
    if (s->lock_fd >= 0)
        return 0;
    const char *name = sqlite3_db_filename(s->db, "main");
    struct el_buf path;
    el_buf_init(&path);
    int rc = el_buf_printf(&path, "%s.lock", name);
    if (rc < 0) {
        el_error_set(err, rc, "%s: out of memory", s->path);
    } else {
        s->lock_fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (s->lock_fd < 0)
            rc = el_error_set(err, EL_EIO, "%s: cannot open: %s", path.data, strerror(errno));
    }
    el_buf_release(&path);
    return rc;
}

static int set_lock(struct el_store *s, int64_t run, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = run, .l_len = 1};
    int rc;
    do
        rc = fcntl(s->lock_fd, F_OFD_SETLK, &lock);
    while (rc < 0 && errno == EINTR);
    return rc;
}

static int busy(struct el_store *s, int64_t run, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, "SELECT writer_pid, writer_host FROM runs WHERE id = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, run);
    rc = el_sql_step(&q, err);
    if (rc == 1)
        rc = el_error_set(err, EL_EBUSY, "%s: run %lld is being written by process %lld on %s",
                          s->path, (long long)run, (long long)el_sql_col_int(&q, 0),
                          el_sql_col_string(&q, 1));
    el_sql_close(&q);
    return rc == 0 ? el_row_missing(s, "run", run, err) : rc;
}

static int write_holder(struct el_store *s, int64_t run, struct el_error *err)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    struct el_sql q;
    int rc =
        el_sql_open(&q, s, "UPDATE runs SET writer_pid = ?, writer_host = ? WHERE id = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, getpid());
    el_sql_text(&q, host);
    el_sql_int(&q, run);
    rc = el_sql_run(&q, err);
    return rc == 0 ? el_row_missing(s, "run", run, err) : rc < 0 ? rc : 0;
}

static int find_lock(const struct el_store *s, int64_t run)
{
    for (int i = 0; i < s->n_locked; i++)
        if (s->locked[i] == run)
            return i;
    return -1;
}

int el_store_run_lock(struct el_store *s, int64_t run, struct el_error *err)
{
    if (find_lock(s, run) >= 0)
        return 0;
    if (run <= 0)
        return el_row_missing(s, "run", run, err);
    if (s->flags & EL_STORE_READONLY)
        return el_error_set(err, EL_EIO, "%s: opened for reading alone", s->path);
    if (s->n_locked == el_run_locks_max)
        return el_error_set(err, EL_ELIMIT, "%s: more than %d runs locked at once", s->path,
                            el_run_locks_max);
    int rc = open_lock_file(s, err);
    if (rc < 0)
        return rc;
    if (set_lock(s, run, F_WRLCK) < 0)
        return errno == EAGAIN || errno == EACCES
                   ? busy(s, run, err)
                   : el_error_set(err, EL_EIO, "%s.lock: cannot lock: %s",
                                  sqlite3_db_filename(s->db, "main"), strerror(errno));
    rc = write_holder(s, run, err);
    if (rc < 0) {
        set_lock(s, run, F_UNLCK);
        return rc;
    }
    s->locked[s->n_locked++] = run;
    return 0;
}

void el_store_run_unlock(struct el_store *s, int64_t run)
{
    int i = find_lock(s, run);
    if (i < 0)
        return;
    set_lock(s, run, F_UNLCK);
    s->locked[i] = s->locked[--s->n_locked];
}
