#include "data/store_row.h"

#include "core/base/alloc.h"

#include <string.h>

#define COLUMNS                                                                                    \
    "SELECT id, key, digest, set_name, external_id, statement, answer, reference, rubric, "        \
    "category, level, extra FROM problems "

void el_problem_key(const char *set, const char *external_id, const char *statement,
                    char out[EL_DIGEST_HEX])
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "problem");
    el_digest_str(&d, set);
    el_digest_str(&d, external_id);
    el_digest_str(&d, statement);
    el_digest_hex(&d, out);
}

static void read_row(struct el_sql *q, struct el_problem *p)
{
    p->id = el_sql_col_int(q, 0);
    el_row_key(q, 1, p->key);
    el_row_key(q, 2, p->digest);
    const char **fields[] = {&p->set,    &p->external_id, &p->statement, &p->answer, &p->reference,
                             &p->rubric, &p->category,    &p->level,     &p->extra};
    for (int i = 0; i < 9; i++)
        *fields[i] = i < 3 ? el_sql_col_string(q, 3 + i) : el_sql_col_text(q, 3 + i);
    p->memory = NULL;
}

static int own(struct el_problem *p, struct el_error *err)
{
    const char **const fields[] = {&p->set,      &p->external_id, &p->statement,
                                   &p->answer,   &p->reference,   &p->rubric,
                                   &p->category, &p->level,       &p->extra};
    return el_row_own(fields, 9, &p->memory, err);
}

void el_problem_release(struct el_problem *p)
{
    el_free(p->memory);
    memset(p, 0, sizeof *p);
}

static int insert(struct el_store *s, const struct el_problem *p, const char *key, int64_t *id,
                  struct el_error *err)
{
    char digest[EL_DIGEST_HEX];
    el_digest_of(p->statement, strlen(p->statement), digest);
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         "INSERT INTO problems (key, digest, set_name, external_id, statement, "
                         "answer, reference, rubric, category, level, extra) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                         err);
    if (rc < 0)
        return rc;
    const char *values[] = {key,          digest,    p->set,       p->external_id,
                            p->statement, p->answer, p->reference, p->rubric,
                            p->category,  p->level,  p->extra};
    for (int i = 0; i < 11; i++)
        el_sql_text(&q, values[i]);
    return el_row_add(&q, "SELECT id FROM problems WHERE key = ?", key, id, err);
}

static int fill_missing(struct el_store *s, int64_t id, const struct el_problem *p,
                        struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         "UPDATE problems SET answer = COALESCE(answer, ?), "
                         "reference = COALESCE(reference, ?), rubric = COALESCE(rubric, ?), "
                         "category = COALESCE(category, ?), level = COALESCE(level, ?), "
                         "extra = COALESCE(extra, ?) WHERE id = ?",
                         err);
    if (rc < 0)
        return rc;
    const char *values[] = {p->answer, p->reference, p->rubric, p->category, p->level, p->extra};
    for (int i = 0; i < 6; i++)
        el_sql_text(&q, values[i]);
    el_sql_int(&q, id);
    rc = el_sql_run(&q, err);
    return rc < 0 ? rc : 0;
}

/* What to do with a problem that is there already: how many of its fields are new, how many
 * differ. */
static void compare(const struct el_problem *old, const struct el_problem *p, int *missing,
                    int *conflicts)
{
    const char *a[] = {old->answer,   old->reference, old->rubric,
                       old->category, old->level,     old->extra};
    const char *b[] = {p->answer, p->reference, p->rubric, p->category, p->level, p->extra};
    for (int i = 0; i < 6; i++) {
        *missing += !a[i] && b[i];
        *conflicts += a[i] && b[i] && strcmp(a[i], b[i]) != 0;
    }
}

static int merge(struct el_store *s, int64_t id, const struct el_problem *p, int *conflicts,
                 struct el_error *err)
{
    struct el_problem old;
    int missing = 0, differ = 0;
    int rc = el_store_problem_get(s, id, &old, err);
    if (rc < 0)
        return rc;
    compare(&old, p, &missing, &differ);
    el_problem_release(&old);
    if (missing)
        rc = fill_missing(s, id, p, err);
    if (rc == 0 && conflicts)
        *conflicts = differ;
    return rc;
}

int el_store_problem_add(struct el_store *s, const struct el_problem *p, int64_t *id,
                         int *conflicts, struct el_error *err)
{
    if (!p->set || !p->external_id || !p->statement)
        return el_error_set(err, EL_EINVAL, "a problem needs a set, an id and a statement");
    char key[EL_DIGEST_HEX];
    el_problem_key(p->set, p->external_id, p->statement, key);
    int rc = el_store_begin(s, err);
    if (rc < 0)
        return rc;
    int64_t row = 0;
    int differ = 0;
    int added = insert(s, p, key, &row, err);
    rc = added == 0 ? merge(s, row, p, &differ, err) : added;
    if (rc < 0) {
        el_store_rollback(s);
        return rc;
    }
    rc = el_store_commit(s, err);
    if (rc < 0)
        return rc;
    if (id)
        *id = row;
    if (conflicts)
        *conflicts = differ;
    return added;
}

/* One row of a query whose parameters are bound. */
static int get_one(struct el_sql *q, struct el_problem *out, struct el_error *err)
{
    int rc = el_sql_step(q, err);
    if (rc == 1) {
        read_row(q, out);
        rc = own(out, err);
    } else if (rc == 0) {
        rc = EL_ENOTFOUND;
    }
    el_sql_close(q);
    return rc;
}

int el_store_problem_get(struct el_store *s, int64_t id, struct el_problem *out,
                         struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, COLUMNS "WHERE id = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, id);
    rc = get_one(&q, out, err);
    return rc == EL_ENOTFOUND ? el_row_missing(s, "problem", id, err) : rc;
}

int el_store_problem_by_key(struct el_store *s, const char *key, struct el_problem *out,
                            struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, COLUMNS "WHERE key = ?", err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, key);
    rc = get_one(&q, out, err);
    return rc == EL_ENOTFOUND
               ? el_error_set(err, EL_ENOTFOUND, "%s: no problem with key '%s'", s->path, key)
               : rc;
}

int el_store_problem_each(struct el_store *s, const char *set, el_problem_fn *fn, void *user,
                          struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, COLUMNS "WHERE ?1 IS NULL OR set_name = ?1 ORDER BY id", err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, set);
    while ((rc = el_sql_step(&q, err)) == 1) {
        struct el_problem p;
        read_row(&q, &p);
        rc = fn(user, &p, err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}

/* ------------------------------------------------------------------------------------ sets */

static int has_set(struct el_store *s, const char *set, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, "SELECT 1 FROM problems WHERE set_name = ? LIMIT 1", err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, set);
    rc = el_sql_step(&q, err);
    el_sql_close(&q);
    return rc;
}

static int list_sets(struct el_store *s, struct el_buf *names, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, "SELECT DISTINCT set_name FROM problems ORDER BY set_name", err);
    if (rc < 0)
        return rc;
    while ((rc = el_sql_step(&q, err)) == 1) {
        rc = el_buf_printf(names, "%s%.63s", names->len ? ", " : "", el_sql_col_string(&q, 0));
        if (rc < 0) {
            el_error_set(err, rc, "%s: out of memory for the sets of problems", s->path);
            break;
        }
    }
    el_sql_close(&q);
    return rc;
}

int el_store_set_check(struct el_store *s, const char *set, struct el_error *err)
{
    int rc = set ? has_set(s, set, err) : 1;
    if (rc != 0)
        return rc < 0 ? rc : 0;
    struct el_buf names;
    el_buf_init(&names);
    rc = list_sets(s, &names, err);
    if (rc == 0)
        rc = el_error_set(err, EL_ENOTFOUND, "%s: no problems of a set '%.63s'; there are %s%.500s",
                          s->path, set, names.len ? "those of: " : "none at all", names.data);
    el_buf_release(&names);
    return rc;
}
