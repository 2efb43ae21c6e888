#include "data/store_sql.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

static atomic_long steps;
static atomic_long fail_from;

void el_store_fail_after(long n)
{
    atomic_store(&steps, 0);
    atomic_store(&fail_from, n);
}

long el_store_step_count(void)
{
    return atomic_load(&steps);
}

static int must_fail(void)
{
    long n = atomic_fetch_add_explicit(&steps, 1, memory_order_relaxed) + 1;
    long from = atomic_load_explicit(&fail_from, memory_order_relaxed);
    return from > 0 && n >= from;
}

static int code_of(int sqlite_rc)
{
    switch (sqlite_rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EL_EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return EL_EFORMAT;
    case SQLITE_NOMEM:
        return EL_ENOMEM;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return EL_EIO;
    case SQLITE_TOOBIG:
        return EL_ELIMIT;
    default:
        return EL_EINVAL;
    }
}

static const char *advice(int sqlite_rc)
{
    switch (sqlite_rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "; another process is writing to the store";
    case SQLITE_NOTADB:
        return "; expected a store made by elenchus";
    case SQLITE_CORRUPT:
        return "; the store is damaged, restore a copy of it";
    default:
        return "";
    }
}

int el_sql_fail(struct el_store *s, int sqlite_rc, struct el_error *err)
{
    const char *what = sqlite_rc && s->db && (sqlite3_errcode(s->db) & 0xff) == (sqlite_rc & 0xff)
                           ? sqlite3_errmsg(s->db)
                           : sqlite3_errstr(sqlite_rc);
    return el_error_set(err, code_of(sqlite_rc), "%s: %s%s", s->path, what, advice(sqlite_rc));
}

/* A free cached statement for this literal, or NULL. */
static struct el_sql_cached *find_cached(struct el_store *s, const char *sql)
{
    for (int i = 0; i < s->n_cached; i++)
        if (s->cache[i].sql == sql && !s->cache[i].busy)
            return &s->cache[i];
    return NULL;
}

int el_sql_open(struct el_sql *q, struct el_store *s, const char *sql, struct el_error *err)
{
    memset(q, 0, sizeof *q);
    q->s = s;
    q->slot = find_cached(s, sql);
    if (!q->slot) {
        int rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->stmt, NULL);
        if (rc != SQLITE_OK)
            return el_sql_fail(s, rc, err);
        if (s->n_cached < el_sql_cache_size) {
            q->slot = &s->cache[s->n_cached++];
            q->slot->sql = sql;
            q->slot->stmt = q->stmt;
        }
    }
    if (q->slot) {
        q->slot->busy = 1;
        q->stmt = q->slot->stmt;
    }
    return 0;
}

void el_sql_close(struct el_sql *q)
{
    if (!q->stmt)
        return;
    if (q->slot) {
        sqlite3_reset(q->stmt);
        sqlite3_clear_bindings(q->stmt);
        q->slot->busy = 0;
    } else {
        sqlite3_finalize(q->stmt);
    }
    q->stmt = NULL;
    q->slot = NULL;
}

static void note(struct el_sql *q, int rc)
{
    if (q->bind_rc == SQLITE_OK)
        q->bind_rc = rc;
}

void el_sql_text(struct el_sql *q, const char *text)
{
    int i = ++q->bound;
    if (text)
        note(q, sqlite3_bind_text64(q->stmt, i, text, strlen(text), SQLITE_STATIC, SQLITE_UTF8));
}

void el_sql_int(struct el_sql *q, int64_t v)
{
    note(q, sqlite3_bind_int64(q->stmt, ++q->bound, v));
}

void el_sql_id(struct el_sql *q, int64_t v)
{
    if (v)
        el_sql_int(q, v);
    else
        q->bound++;
}

void el_sql_optional(struct el_sql *q, int v)
{
    if (v >= 0)
        el_sql_int(q, v);
    else
        q->bound++;
}

void el_sql_real(struct el_sql *q, double v)
{
    int i = ++q->bound;
    if (!isnan(v))
        note(q, sqlite3_bind_double(q->stmt, i, v));
}

int el_sql_step(struct el_sql *q, struct el_error *err)
{
    if (must_fail())
        return el_error_set(err, EL_EIO, "%s: disk I/O error (injected)", q->s->path);
    int rc = q->bind_rc ? q->bind_rc : sqlite3_step(q->stmt);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : el_sql_fail(q->s, rc, err);
}

int el_sql_run(struct el_sql *q, struct el_error *err)
{
    int rc;
    while ((rc = el_sql_step(q, err)) == 1)
        ;
    if (rc == 0)
        rc = sqlite3_changes(q->s->db);
    el_sql_close(q);
    return rc;
}

int el_sql_exec(struct el_store *s, const char *sql, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, sql, err);
    if (rc < 0)
        return rc;
    rc = el_sql_run(&q, err);
    return rc < 0 ? rc : 0;
}

int el_sql_script(struct el_store *s, const char *script, struct el_error *err)
{
    while (*script) {
        struct el_sql q = {.s = s};
        int rc = sqlite3_prepare_v2(s->db, script, -1, &q.stmt, &script);
        if (rc != SQLITE_OK)
            return el_sql_fail(s, rc, err);
        if (!q.stmt)
            continue; /* only blanks or comments were left */
        rc = el_sql_run(&q, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

void el_sql_forget(struct el_store *s)
{
    for (int i = 0; i < s->n_cached; i++)
        sqlite3_finalize(s->cache[i].stmt);
    s->n_cached = 0;
}

int el_sql_one_int(struct el_sql *q, int64_t *out, struct el_error *err)
{
    int rc = el_sql_step(q, err);
    if (rc == 1)
        *out = el_sql_col_int(q, 0);
    el_sql_close(q);
    return rc == 0 ? EL_ENOTFOUND : rc < 0 ? rc : 0;
}

const char *el_sql_col_text(struct el_sql *q, int i)
{
    return (const char *)sqlite3_column_text(q->stmt, i);
}

const char *el_sql_col_string(struct el_sql *q, int i)
{
    const char *text = el_sql_col_text(q, i);
    return text ? text : "";
}

int64_t el_sql_col_int(struct el_sql *q, int i)
{
    return sqlite3_column_int64(q->stmt, i);
}

double el_sql_col_real(struct el_sql *q, int i)
{
    return sqlite3_column_type(q->stmt, i) == SQLITE_NULL ? NAN : sqlite3_column_double(q->stmt, i);
}

int el_sql_col_optional(struct el_sql *q, int i)
{
    return sqlite3_column_type(q->stmt, i) == SQLITE_NULL ? -1 : sqlite3_column_int(q->stmt, i);
}
