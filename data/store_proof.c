#include "data/store_row.h"

#include "core/base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define COLUMNS "SELECT id, key, problem, text, author_kind, author, origin, extra FROM proofs "

static void read_row(struct el_sql *q, struct el_proof *p)
{
    p->id = el_sql_col_int(q, 0);
    el_row_key(q, 1, p->key);
    p->problem = el_sql_col_int(q, 2);
    p->text = el_sql_col_string(q, 3);
    el_row_read_author(q, 4, &p->author);
    p->extra = el_sql_col_text(q, 7);
    p->memory = NULL;
}

static int own(struct el_proof *p, struct el_error *err)
{
    const char **const fields[] = {&p->text, &p->author.name, &p->author.origin, &p->extra};
    return el_row_own(fields, 4, &p->memory, err);
}

void el_proof_release(struct el_proof *p)
{
    el_free(p->memory);
    memset(p, 0, sizeof *p);
}

static int key_of(struct el_store *s, const struct el_proof *p, char out[EL_DIGEST_HEX],
                  struct el_error *err)
{
    char problem[EL_DIGEST_HEX];
    int rc = el_row_key_of(s, "SELECT key FROM problems WHERE id = ?", "problem", p->problem,
                           problem, err);
    if (rc < 0)
        return rc;
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "proof");
    el_digest_str(&d, problem);
    el_digest_str(&d, p->text);
    el_row_digest_author(&d, &p->author);
    el_digest_hex(&d, out);
    return 0;
}

int el_store_proof_add(struct el_store *s, const struct el_proof *p, int64_t *id,
                       struct el_error *err)
{
    if (!p->text)
        return el_error_set(err, EL_EINVAL, "a proof needs a text");
    char key[EL_DIGEST_HEX];
    struct el_sql q;
    int rc = key_of(s, p, key, err);
    if (rc == 0)
        rc = el_sql_open(&q, s,
                         "INSERT INTO proofs (key, problem, text, author_kind, author, origin, "
                         "extra, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                         "ON CONFLICT (key) DO NOTHING",
                         err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, key);
    el_sql_int(&q, p->problem);
    el_sql_text(&q, p->text);
    el_row_bind_author(&q, &p->author);
    el_sql_text(&q, p->extra);
    el_sql_int(&q, el_row_now());
    return el_row_add(&q, "SELECT id FROM proofs WHERE key = ?", key, id, err);
}

int el_store_proof_get(struct el_store *s, int64_t id, struct el_proof *out, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, COLUMNS "WHERE id = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, id);
    rc = el_sql_step(&q, err);
    if (rc == 1) {
        read_row(&q, out);
        rc = own(out, err);
    } else if (rc == 0) {
        rc = el_row_missing(s, "proof", id, err);
    }
    el_sql_close(&q);
    return rc;
}

int el_store_proof_each(struct el_store *s, int64_t problem, el_proof_fn *fn, void *user,
                        struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(
        &q, s, problem ? COLUMNS "WHERE problem = ? ORDER BY id" : COLUMNS "ORDER BY id", err);
    if (rc < 0)
        return rc;
    if (problem)
        el_sql_int(&q, problem);
    while ((rc = el_sql_step(&q, err)) == 1) {
        struct el_proof p;
        read_row(&q, &p);
        rc = fn(user, &p, err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}

/* --------------------------------------------------------------------------- finding, choosing */

/* By the beginning of the key: *id stays 0 when there is none. */
static int find_by_key(struct el_store *s, const char *name, int64_t *id, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         "SELECT id FROM proofs WHERE length(?1) >= 4 "
                         "AND substr(key, 1, length(?1)) = ?1 LIMIT 2",
                         err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, name);
    for (int n = 0; (rc = el_sql_step(&q, err)) == 1; n++) {
        if (n > 0) {
            rc = el_error_set(err, EL_EINVAL, "%s: the keys of several proofs begin with '%.40s'",
                              s->path, name);
            break;
        }
        *id = el_sql_col_int(&q, 0);
    }
    el_sql_close(&q);
    return rc;
}

int el_store_proof_find(struct el_store *s, const char *name, int64_t *id, struct el_error *err)
{
    char *end;
    long long number = strtoll(name, &end, 10);
    struct el_sql q;
    int rc = EL_ENOTFOUND;
    if (end != name && !*end) {
        rc = el_sql_open(&q, s, "SELECT id FROM proofs WHERE id = ?", err);
        if (rc < 0)
            return rc;
        el_sql_int(&q, number);
        rc = el_sql_one_int(&q, id, err);
    }
    if (rc != EL_ENOTFOUND)
        return rc;
    *id = 0;
    rc = find_by_key(s, name, id, err);
    if (rc == 0 && *id == 0)
        rc = el_error_set(err, EL_ENOTFOUND, "%s: no proof with the id or key '%.40s'", s->path,
                          name);
    return rc;
}

/* The labels are computed once, not for every proof. */
static const char select_sql[] =
    "SELECT y.id, y.problem FROM proofs AS y JOIN problems AS p ON p.id = y.problem "
    "WHERE (?1 IS NULL OR p.set_name = ?1) "
    "AND (?2 IS NULL OR y.id IN (SELECT r.proof FROM results AS r JOIN jobs AS j ON j.id = r.job "
    "WHERE j.run = ?2 AND r.proof IS NOT NULL)) "
    "AND (?3 IS NULL OR y.id NOT IN (SELECT proof FROM scores WHERE rater = ?3 "
    "AND proof IS NOT NULL)) "
    "AND (?4 = 0 OR y.id NOT IN (SELECT proof FROM dv)) ORDER BY y.id";

int el_store_proof_select(struct el_store *s, const struct el_proof_filter *f, el_proof_id_fn *fn,
                          void *user, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, select_sql, err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, f->set);
    el_sql_id(&q, f->run);
    el_sql_text(&q, f->without);
    el_sql_int(&q, f->unlabelled != 0);
    while ((rc = el_sql_step(&q, err)) == 1) {
        rc = fn(user, el_sql_col_int(&q, 0), el_sql_col_int(&q, 1), err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}
