/* Inside data/ only: the handle, and the one way in which SQL is run.
 *
 * Every statement is a string literal with ? parameters; nothing ever builds SQL from strings. A
 * statement is prepared once per handle and reused (the cache is keyed by the literal's address).
 *
 *     struct el_sql q;
 *     if ((rc = el_sql_open(&q, s, "SELECT a FROM t WHERE b = ?", err)) < 0) return rc;
 *     el_sql_int(&q, b);                     // binds the parameters from left to right
 *     while ((rc = el_sql_step(&q, err)) == 1)
 *         use(el_sql_col_int(&q, 0));
 *     el_sql_close(&q);                      // always, after any outcome
 */
#ifndef EL_DATA_STORE_SQL_H
#define EL_DATA_STORE_SQL_H

#include "data/store.h"

#include <sqlite3.h>

enum { el_sql_cache_size = 96, el_run_locks_max = 16 };

struct el_sql_cached {
    const char *sql;
    sqlite3_stmt *stmt;
    int busy;
};

struct el_store {
    sqlite3 *db;
    char *path;
    struct el_buf image; /* the file, where it is read from memory (data/store_reader.h) */
    int flags;
    int made;  /* the file was not there when it was opened */
    int depth; /* of transactions */
    struct el_sql_cached cache[el_sql_cache_size];
    int n_cached;
    int lock_fd; /* of "<path>.lock", -1 before the first run lock */
    int64_t locked[el_run_locks_max];
    int n_locked;
};

struct el_sql {
    struct el_store *s;
    sqlite3_stmt *stmt;
    struct el_sql_cached *slot; /* NULL: not cached, finalised by close */
    int bound;                  /* parameters bound so far */
    int bind_rc;                /* the first failure of a bind, reported by step */
};

int el_sql_open(struct el_sql *q, struct el_store *s, const char *sql, struct el_error *err);
void el_sql_close(struct el_sql *q);

/* The text must stay alive until close. NULL binds NULL. */
void el_sql_text(struct el_sql *q, const char *text);
void el_sql_int(struct el_sql *q, int64_t v);
void el_sql_id(struct el_sql *q, int64_t v);   /* 0 binds NULL */
void el_sql_optional(struct el_sql *q, int v); /* a negative value binds NULL */
void el_sql_real(struct el_sql *q, double v);  /* NaN binds NULL */

/* 1: a row; 0: finished; negative: failed. */
int el_sql_step(struct el_sql *q, struct el_error *err);
/* Steps to the end and closes: the number of rows changed by this statement, or a failure. */
int el_sql_run(struct el_sql *q, struct el_error *err);
/* A statement without parameters, run to its end. */
int el_sql_exec(struct el_store *s, const char *sql, struct el_error *err);
/* Several statements, one after the other (schema and migrations). */
int el_sql_script(struct el_store *s, const char *script, struct el_error *err);
/* Steps once and closes: *out is column 0. EL_ENOTFOUND, without a message, when there is no row.
 */
int el_sql_one_int(struct el_sql *q, int64_t *out, struct el_error *err);

/* Columns of the current row; text stays valid until the next step. NULL reads as NULL, 0, NaN, and
 * EL_SCORE_NONE for halves. */
const char *el_sql_col_text(struct el_sql *q, int i);
const char *el_sql_col_string(struct el_sql *q, int i); /* NULL reads as "" */
int64_t el_sql_col_int(struct el_sql *q, int i);
double el_sql_col_real(struct el_sql *q, int i);
int el_sql_col_optional(struct el_sql *q, int i);

/* Turns the last SQLite failure of the handle into an el_error; returns its code. */
int el_sql_fail(struct el_store *s, int sqlite_rc, struct el_error *err);

/* Ends all statements that are kept, none of which is in use: before the connection is closed. */
void el_sql_forget(struct el_store *s);
/* Sets the connection up as s->flags say (data/store.c). */
int el_store_configure(struct el_store *s, struct el_error *err);

/* Test control, as el_alloc_fail_after: the n-th step from now and every later one fails with a
 * disk error before it is executed; 0 switches the fault off. el_store_step_count says how many
 * steps were asked for since the last call of el_store_fail_after. */
void el_store_fail_after(long n);
long el_store_step_count(void);

#endif
