/* Opening, closing and transactions. */
#include "data/store.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "data/store_migrate.h"
#include "data/store_reader.h"
#include "data/store_row.h"
#include "data/store_sql.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { busy_timeout_ms = 10000 };

/* DEFENSIVE, trusted_schema and cell_size_check: a store may come from a stranger. */
int el_store_configure(struct el_store *s, struct el_error *err)
{
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, busy_timeout_ms);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int rc = el_sql_exec(s, "PRAGMA trusted_schema = OFF", err);
    if (rc == 0)
        rc = el_sql_exec(s, "PRAGMA cell_size_check = ON", err);
    if (rc == 0)
        rc = el_sql_exec(s, "PRAGMA foreign_keys = ON", err);
    if (rc == 0)
        rc = el_sql_exec(s,
                         s->flags & EL_STORE_READONLY ? "PRAGMA query_only = ON"
                                                      : "PRAGMA synchronous = FULL",
                         err);
    return rc;
}

/* Changes the file's header, so it has to be known for a store. */
static int use_wal(struct el_store *s, struct el_error *err)
{
    return s->flags & EL_STORE_READONLY ? 0 : el_sql_exec(s, "PRAGMA journal_mode = WAL", err);
}

/* Two hard links have two names, and nothing but the file in common: neither SQLite's log nor the
 * locks of runs are shared between them. A store in memory has no name. */
static int check_names(const struct el_store *s, struct el_error *err)
{
    const char *name = sqlite3_db_filename(s->db, "main");
    struct stat st;
    if (!name || !*name)
        return 0;
    if (stat(name, &st) < 0)
        return el_error_set(err, EL_EIO, "%s: cannot look at: %s", name, strerror(errno));
    if (st.st_nlink <= 1)
        return 0;
    return el_error_set(err, EL_EREFUSED,
                        "%s: has %llu names (hard links), by which two programs could write it at "
                        "once and damage it; use a copy (cp), or remove the other names",
                        s->path, (unsigned long long)st.st_nlink);
}

static int open_database(struct el_store *s, struct el_error *err)
{
    struct stat st;
    if (stat(s->path, &st) == 0 && S_ISDIR(st.st_mode)) /* SQLite would call it an I/O error */
        return el_error_set(err, EL_EFORMAT, "%s: a folder; expected a store, which is one file",
                            s->path);
    int reads = (s->flags & EL_STORE_READONLY) != 0, makes = s->flags & EL_STORE_CREATE && !reads;
    s->made = !el_path_exists(s->path);
    if (s->made && !makes)
        return el_error_set(err, EL_ENOTFOUND, "%s: no such store", s->path);
    if (reads)
        return el_store_open_reader(s, err);
    int mode = SQLITE_OPEN_READWRITE | (makes ? SQLITE_OPEN_CREATE : 0);
    int rc = sqlite3_open_v2(s->path, &s->db, mode | SQLITE_OPEN_NOMUTEX, NULL);
    return rc == SQLITE_OK ? check_names(s, err) : el_sql_fail(s, rc, err);
}

int el_store_open(const char *path, int flags, struct el_store **out, struct el_error *err)
{
    struct el_store *s = el_alloc_array(1, sizeof *s);
    if (!s)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    s->flags = flags;
    s->lock_fd = -1;
    el_buf_init(&s->image);
    s->path = el_strdup(path);
    int rc = s->path ? 0 : el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    if (rc == 0)
        rc = open_database(s, err);
    if (rc == 0)
        rc = el_store_configure(s, err);
    if (rc == 0)
        rc = el_store_migrate(s, el_store_migrations, el_store_version, err);
    if (rc == 0)
        rc = use_wal(s, err);
    if (rc < 0) {
        el_store_close(s);
        return rc;
    }
    *out = s;
    return 0;
}

void el_store_close(struct el_store *s)
{
    if (!s)
        return;
    el_sql_forget(s);
    sqlite3_close_v2(s->db);
    el_buf_release(&s->image);
    if (s->lock_fd >= 0)
        close(s->lock_fd); /* gives all run locks back */
    el_free(s->path);
    el_free(s);
}

/* 1: it holds nothing that anybody has put there. */
static int is_unused(struct el_store *s)
{
    struct el_sql q;
    int64_t rows = 0;
    int rc = el_sql_open(
        &q, s, "SELECT (SELECT COUNT(*) FROM problems) + (SELECT COUNT(*) FROM runs)", NULL);
    if (rc == 0)
        rc = el_sql_one_int(&q, &rows, NULL);
    return rc == 0 && rows == 0;
}

void el_store_close_unused(struct el_store *s)
{
    if (!s)
        return;
    char *path = s->made && is_unused(s) ? el_strdup(s->path) : NULL;
    el_store_close(s); /* removes the log and its index */
    if (path)
        unlink(path);
    el_free(path);
}

int el_store_settle(struct el_store *s, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, "PRAGMA wal_checkpoint(TRUNCATE)", err);
    if (rc < 0)
        return rc;
    rc = el_sql_step(&q, err);
    int busy = rc == 1 && el_sql_col_int(&q, 0) != 0;
    el_sql_close(&q);
    if (rc < 0)
        return rc;
    return busy ? el_error_set(err, EL_EBUSY, "%s: another program reads it", s->path) : 0;
}

const char *el_store_path(const struct el_store *s)
{
    return s->path;
}

int el_store_begin(struct el_store *s, struct el_error *err)
{
    if (s->flags & EL_STORE_READONLY) /* SQLite would begin, and keep others from writing */
        return el_error_set(err, EL_EIO, "%s: opened for reading alone", s->path);
    /* A rollback that itself failed has left SQLite inside a transaction: end it first. */
    if (s->depth == 0 && !sqlite3_get_autocommit(s->db)) {
        int rc = el_sql_exec(s, "ROLLBACK", err);
        if (rc < 0)
            return rc;
    }
    int rc = el_sql_exec(s, s->depth ? "SAVEPOINT el" : "BEGIN IMMEDIATE", err);
    if (rc == 0)
        s->depth++;
    return rc;
}

int el_store_commit(struct el_store *s, struct el_error *err)
{
    int rc = el_sql_exec(s, s->depth > 1 ? "RELEASE el" : "COMMIT", err);
    if (rc < 0)
        el_store_rollback(s);
    else
        s->depth--;
    return rc;
}

void el_store_rollback(struct el_store *s)
{
    s->depth--;
    if (sqlite3_get_autocommit(s->db))
        return; /* SQLite has rolled everything back by itself (disk full, I/O error) */
    if (s->depth == 0) {
        el_sql_exec(s, "ROLLBACK", NULL);
    } else {
        el_sql_exec(s, "ROLLBACK TO el", NULL);
        el_sql_exec(s, "RELEASE el", NULL);
    }
}

int el_store_check(struct el_store *s, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, "PRAGMA integrity_check", err);
    if (rc < 0)
        return rc;
    rc = el_sql_step(&q, err);
    const char *found = rc == 1 ? el_sql_col_text(&q, 0) : NULL;
    if (found && strcmp(found, "ok") != 0)
        rc = el_error_set(err, EL_EFORMAT, "%s: damaged: %s", s->path, found);
    el_sql_close(&q);
    if (rc >= 0)
        rc = el_sql_open(&q, s, "PRAGMA foreign_key_check", err);
    if (rc < 0)
        return rc;
    rc = el_sql_step(&q, err);
    if (rc == 1)
        rc = el_error_set(err, EL_EFORMAT, "%s: damaged: a row of '%s' refers to nothing", s->path,
                          el_sql_col_text(&q, 0));
    el_sql_close(&q);
    return rc;
}

int el_store_clean(struct el_buf *out, const char *text, size_t n)
{
    for (;;) {
        const char *nul = n ? memchr(text, 0, n) : NULL;
        size_t run = nul ? (size_t)(nul - text) : n;
        if (el_buf_add(out, text, run) < 0 || (nul && el_buf_puts(out, "\xEF\xBF\xBD") < 0))
            return EL_ENOMEM;
        if (!nul)
            return 0;
        text += run + 1;
        n -= run + 1;
    }
}
