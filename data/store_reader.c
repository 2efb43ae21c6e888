#include "data/store_reader.h"

#include "core/base/alloc.h"
#include "core/base/io.h"

#include <sys/stat.h>

enum log_state { LOG_NONE, LOG_EMPTY, LOG_FULL };

/* What PATH-wal holds, or EL_ENOMEM. */
static int log_of(const struct el_store *s, struct el_error *err)
{
    struct el_buf path;
    struct stat st;
    int state = LOG_NONE;
    el_buf_init(&path);
    if (el_buf_printf(&path, "%s-wal", s->path) < 0)
        state = el_error_set(err, EL_ENOMEM, "%s: out of memory", s->path);
    else if (stat(path.data, &st) == 0)
        state = st.st_size ? LOG_FULL : LOG_EMPTY;
    el_buf_release(&path);
    return state;
}

static int is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A copy of the file in s->image. A writer shows in the file's time or in its log. */
static int read_image(struct el_store *s, struct el_error *err)
{
    struct stat before = {0}, after = {0};
    stat(s->path, &before);
    int rc = el_file_read(s->path, 0, &s->image, err);
    if (rc < 0)
        return rc;
    stat(s->path, &after);
    int log = log_of(s, err);
    if (log < 0)
        return log;
    if (log == LOG_FULL || !is_same(&before, &after))
        return el_error_set(err, EL_EBUSY, "%s: another process is writing to the store", s->path);
    return 0;
}

/* Bytes 18 and 19 of the file are 2 for WAL mode, which a database in memory cannot be in. */
static int open_image(struct el_store *s, struct el_error *err)
{
    unsigned char *at = (unsigned char *)s->image.data;
    size_t n = s->image.len;
    int rc = sqlite3_open_v2(":memory:", &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (n > 19 && at[18] == 2 && at[19] == 2)
        at[18] = at[19] = 1;
    if (rc == SQLITE_OK && n)
        rc = sqlite3_deserialize(s->db, "main", at, (sqlite3_int64)n, (sqlite3_int64)n,
                                 SQLITE_DESERIALIZE_READONLY);
    return rc == SQLITE_OK ? 0 : el_sql_fail(s, rc, err);
}

/* Whether the first look into the file fails for want of the files beside it. */
static int lacks_files(sqlite3 *db)
{
    int rc = sqlite3_exec(db, "PRAGMA schema_version", NULL, NULL, NULL) & 0xff;
    return rc == SQLITE_CANTOPEN || rc == SQLITE_READONLY;
}

int el_store_open_reader(struct el_store *s, struct el_error *err)
{
    int log = log_of(s, err);
    if (log < 0)
        return log;
    int rc = sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return el_sql_fail(s, rc, err);
    if (log == LOG_FULL) /* a reader does not bring it into the file */
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    int cleans_up = sqlite3_db_readonly(s->db, "main") == 0 || log != LOG_NONE;
    if (cleans_up && !lacks_files(s->db))
        return 0;
    if (log == LOG_FULL)
        return el_error_set(err, EL_EIO,
                            "%s: cannot be read where its folder cannot be written, since %s-wal "
                            "holds changes; copy both to another folder",
                            s->path, s->path);
    sqlite3_close_v2(s->db);
    s->db = NULL;
    rc = read_image(s, err);
    return rc < 0 ? rc : open_image(s, err);
}

static int copy_pages(struct el_store *s, sqlite3 *to, struct el_error *err)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", s->db, "main");
    int rc = b ? sqlite3_backup_step(b, -1) : sqlite3_errcode(to);
    sqlite3_backup_finish(b);
    return rc == SQLITE_DONE ? 0 : el_sql_fail(s, rc, err);
}

int el_store_copy_reader(struct el_store *s, struct el_error *err)
{
    sqlite3 *copy = NULL;
    int rc = sqlite3_open_v2(":memory:", &copy, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    rc = rc == SQLITE_OK ? copy_pages(s, copy, err)
                         : el_error_set(err, EL_ENOMEM, "%s: out of memory", s->path);
    if (rc < 0) {
        sqlite3_close_v2(copy);
        return rc;
    }
    el_sql_forget(s);
    sqlite3_close_v2(s->db);
    s->db = copy;
    el_buf_release(&s->image);
    el_buf_init(&s->image);
    return 0;
}
