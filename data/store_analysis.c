/* Analyses and meta-analyses. */
#include "data/store_row.h"

#include "core/base/alloc.h"

#include <string.h>

#define ANALYSIS_COLUMNS                                                                           \
    "SELECT id, key, proof, is_self, text, halves, failure, author_kind, author, origin, extra "   \
    "FROM analyses "
#define META_COLUMNS                                                                               \
    "SELECT id, key, analysis, text, halves, failure, author_kind, author, origin, extra "         \
    "FROM meta_analyses "

static void read_analysis(struct el_sql *q, struct el_analysis *a)
{
    a->id = el_sql_col_int(q, 0);
    el_row_key(q, 1, a->key);
    a->proof = el_sql_col_int(q, 2);
    a->is_self = (int)el_sql_col_int(q, 3);
    a->text = el_sql_col_string(q, 4);
    a->halves = el_sql_col_optional(q, 5);
    a->failure = el_sql_col_text(q, 6);
    el_row_read_author(q, 7, &a->author);
    a->extra = el_sql_col_text(q, 10);
    a->memory = NULL;
}

static void read_meta(struct el_sql *q, struct el_meta_analysis *m)
{
    m->id = el_sql_col_int(q, 0);
    el_row_key(q, 1, m->key);
    m->analysis = el_sql_col_int(q, 2);
    m->text = el_sql_col_string(q, 3);
    m->halves = el_sql_col_optional(q, 4);
    m->failure = el_sql_col_text(q, 5);
    el_row_read_author(q, 6, &m->author);
    m->extra = el_sql_col_text(q, 9);
    m->memory = NULL;
}

void el_analysis_release(struct el_analysis *a)
{
    el_free(a->memory);
    memset(a, 0, sizeof *a);
}

void el_meta_release(struct el_meta_analysis *m)
{
    el_free(m->memory);
    memset(m, 0, sizeof *m);
}

static int analysis_key(struct el_store *s, const struct el_analysis *a, char out[EL_DIGEST_HEX],
                        struct el_error *err)
{
    char proof[EL_DIGEST_HEX];
    int rc = el_row_key_of(s, "SELECT key FROM proofs WHERE id = ?", "proof", a->proof, proof, err);
    if (rc < 0)
        return rc;
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "analysis");
    el_digest_str(&d, proof);
    el_digest_u64(&d, a->is_self != 0);
    el_digest_str(&d, a->text);
    el_row_digest_author(&d, &a->author);
    el_digest_hex(&d, out);
    return 0;
}

static int meta_key(struct el_store *s, const struct el_meta_analysis *m, char out[EL_DIGEST_HEX],
                    struct el_error *err)
{
    char analysis[EL_DIGEST_HEX];
    int rc = el_row_key_of(s, "SELECT key FROM analyses WHERE id = ?", "analysis", m->analysis,
                           analysis, err);
    if (rc < 0)
        return rc;
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "meta");
    el_digest_str(&d, analysis);
    el_digest_str(&d, m->text);
    el_row_digest_author(&d, &m->author);
    el_digest_hex(&d, out);
    return 0;
}

int el_store_analysis_add(struct el_store *s, const struct el_analysis *a, int64_t *id,
                          struct el_error *err)
{
    if (!a->text)
        return el_error_set(err, EL_EINVAL, "an analysis needs a text");
    char key[EL_DIGEST_HEX];
    struct el_sql q;
    int rc = analysis_key(s, a, key, err);
    if (rc == 0)
        rc = el_sql_open(&q, s,
                         "INSERT INTO analyses (key, proof, is_self, text, halves, failure, "
                         "author_kind, author, origin, extra, created) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                         err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, key);
    el_sql_int(&q, a->proof);
    el_sql_int(&q, a->is_self != 0);
    el_sql_text(&q, a->text);
    el_sql_optional(&q, a->halves);
    el_sql_text(&q, a->failure);
    el_row_bind_author(&q, &a->author);
    el_sql_text(&q, a->extra);
    el_sql_int(&q, el_row_now());
    return el_row_add(&q, "SELECT id FROM analyses WHERE key = ?", key, id, err);
}

int el_store_meta_add(struct el_store *s, const struct el_meta_analysis *m, int64_t *id,
                      struct el_error *err)
{
    if (!m->text)
        return el_error_set(err, EL_EINVAL, "a meta-analysis needs a text");
    char key[EL_DIGEST_HEX];
    struct el_sql q;
    int rc = meta_key(s, m, key, err);
    if (rc == 0)
        rc = el_sql_open(&q, s,
                         "INSERT INTO meta_analyses (key, analysis, text, halves, failure, "
                         "author_kind, author, origin, extra, created) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                         err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, key);
    el_sql_int(&q, m->analysis);
    el_sql_text(&q, m->text);
    el_sql_optional(&q, m->halves);
    el_sql_text(&q, m->failure);
    el_row_bind_author(&q, &m->author);
    el_sql_text(&q, m->extra);
    el_sql_int(&q, el_row_now());
    return el_row_add(&q, "SELECT id FROM meta_analyses WHERE key = ?", key, id, err);
}

int el_store_analysis_get(struct el_store *s, int64_t id, struct el_analysis *out,
                          struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, ANALYSIS_COLUMNS "WHERE id = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, id);
    rc = el_sql_step(&q, err);
    if (rc == 1) {
        read_analysis(&q, out);
        const char **const fields[] = {&out->text, &out->failure, &out->author.name,
                                       &out->author.origin, &out->extra};
        rc = el_row_own(fields, 5, &out->memory, err);
    } else if (rc == 0) {
        rc = el_row_missing(s, "analysis", id, err);
    }
    el_sql_close(&q);
    return rc;
}

int el_store_meta_get(struct el_store *s, int64_t id, struct el_meta_analysis *out,
                      struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, META_COLUMNS "WHERE id = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, id);
    rc = el_sql_step(&q, err);
    if (rc == 1) {
        read_meta(&q, out);
        const char **const fields[] = {&out->text, &out->failure, &out->author.name,
                                       &out->author.origin, &out->extra};
        rc = el_row_own(fields, 5, &out->memory, err);
    } else if (rc == 0) {
        rc = el_row_missing(s, "meta-analysis", id, err);
    }
    el_sql_close(&q);
    return rc;
}

int el_store_analysis_each(struct el_store *s, int64_t proof, el_analysis_fn *fn, void *user,
                           struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         proof ? ANALYSIS_COLUMNS "WHERE proof = ? ORDER BY id"
                               : ANALYSIS_COLUMNS "ORDER BY id",
                         err);
    if (rc < 0)
        return rc;
    if (proof)
        el_sql_int(&q, proof);
    while ((rc = el_sql_step(&q, err)) == 1) {
        struct el_analysis a;
        read_analysis(&q, &a);
        rc = fn(user, &a, err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}

int el_store_meta_each(struct el_store *s, int64_t analysis, el_meta_fn *fn, void *user,
                       struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(
        &q, s,
        analysis ? META_COLUMNS "WHERE analysis = ? ORDER BY id" : META_COLUMNS "ORDER BY id", err);
    if (rc < 0)
        return rc;
    if (analysis)
        el_sql_int(&q, analysis);
    while ((rc = el_sql_step(&q, err)) == 1) {
        struct el_meta_analysis m;
        read_meta(&q, &m);
        rc = fn(user, &m, err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}
