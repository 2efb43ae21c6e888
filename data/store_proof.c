#include "data/store_row.h"

#include "core/base/alloc.h"

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
