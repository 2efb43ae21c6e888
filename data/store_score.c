/* Scores, and the labels D_v and D_mv that follow from them. */
#include "data/store_row.h"

#include "core/base/alloc.h"

#include <string.h>

#define COLUMNS                                                                                    \
    "SELECT id, key, proof, analysis, rater_kind, rater, raw, scale_max, halves, mapping, blind, " \
    "origin, extra FROM scores "

static const char *const rater_kinds[] = {"adjudicated", "human", "oracle",
                                          "label",       "model", "imported"};

const char *el_rater_kind_name(enum el_rater_kind kind)
{
    return (unsigned)kind < 6 ? rater_kinds[kind] : "unknown";
}

int el_rater_kind_from_name(const char *name)
{
    return el_name_index(rater_kinds, 6, name);
}

static enum el_rater_kind rater_kind_at(struct el_sql *q, int i)
{
    const char *name = el_sql_col_text(q, i);
    int kind = el_rater_kind_from_name(name ? name : "");
    return kind < 0 ? EL_RATER_IMPORTED : (enum el_rater_kind)kind;
}

static void read_row(struct el_sql *q, struct el_score *c)
{
    c->id = el_sql_col_int(q, 0);
    el_row_key(q, 1, c->key);
    c->proof = el_sql_col_int(q, 2);
    c->analysis = el_sql_col_int(q, 3);
    c->rater_kind = rater_kind_at(q, 4);
    c->rater = el_sql_col_string(q, 5);
    c->raw = el_sql_col_real(q, 6);
    c->scale_max = el_sql_col_real(q, 7);
    c->halves = el_sql_col_optional(q, 8);
    c->mapping = el_sql_col_text(q, 9);
    c->blind = (enum el_blind)el_sql_col_optional(q, 10);
    c->origin = el_sql_col_string(q, 11);
    c->extra = el_sql_col_text(q, 12);
    c->memory = NULL;
}

void el_score_release(struct el_score *c)
{
    el_free(c->memory);
    memset(c, 0, sizeof *c);
}

static int check(const struct el_score *c, struct el_error *err)
{
    if (!c->proof == !c->analysis)
        return el_error_set(err, EL_EINVAL, "a score is of one proof or of one analysis");
    if (!(c->scale_max > 0) || !(c->raw >= 0) || !(c->raw <= c->scale_max))
        return el_error_set(err, EL_EINVAL, "a score of %g out of %g: expected 0 to the maximum",
                            c->raw, c->scale_max);
    if (c->halves != EL_SCORE_NONE && !(c->halves >= 0 && c->halves <= 2))
        return el_error_set(err, EL_EINVAL, "a mapped score of %d halves: expected 0, 1 or 2",
                            c->halves);
    return 0;
}

static int key_of(struct el_store *s, const struct el_score *c, char out[EL_DIGEST_HEX],
                  struct el_error *err)
{
    char subject[EL_DIGEST_HEX];
    int rc = c->proof ? el_row_key_of(s, "SELECT key FROM proofs WHERE id = ?", "proof", c->proof,
                                      subject, err)
                      : el_row_key_of(s, "SELECT key FROM analyses WHERE id = ?", "analysis",
                                      c->analysis, subject, err);
    if (rc < 0)
        return rc;
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "score");
    el_digest_str(&d, subject);
    el_digest_str(&d, el_rater_kind_name(c->rater_kind));
    el_digest_str(&d, c->rater ? c->rater : "");
    el_digest_f64(&d, c->raw);
    el_digest_f64(&d, c->scale_max);
    el_digest_u64(&d, (uint64_t)(c->halves + 1));
    el_row_digest_text(&d, c->mapping);
    el_digest_u64(&d, (uint64_t)(c->blind + 1));
    el_digest_str(&d, c->origin ? c->origin : "");
    el_digest_hex(&d, out);
    return 0;
}

int el_store_score_add(struct el_store *s, const struct el_score *c, int64_t *id,
                       struct el_error *err)
{
    char key[EL_DIGEST_HEX];
    struct el_sql q;
    int rc = check(c, err);
    if (rc == 0)
        rc = key_of(s, c, key, err);
    if (rc == 0)
        rc = el_sql_open(&q, s,
                         "INSERT INTO scores (key, proof, analysis, rater_kind, rater, raw, "
                         "scale_max, halves, mapping, blind, origin, extra, created) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                         "ON CONFLICT (key) DO NOTHING",
                         err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, key);
    el_sql_id(&q, c->proof);
    el_sql_id(&q, c->analysis);
    el_sql_text(&q, el_rater_kind_name(c->rater_kind));
    el_sql_text(&q, c->rater ? c->rater : "");
    el_sql_real(&q, c->raw);
    el_sql_real(&q, c->scale_max);
    el_sql_optional(&q, c->halves);
    el_sql_text(&q, c->mapping);
    el_sql_optional(&q, c->blind);
    el_sql_text(&q, c->origin ? c->origin : "");
    el_sql_text(&q, c->extra);
    el_sql_int(&q, el_row_now());
    return el_row_add(&q, "SELECT id FROM scores WHERE key = ?", key, id, err);
}

int el_store_score_get(struct el_store *s, int64_t id, struct el_score *out, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, COLUMNS "WHERE id = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, id);
    rc = el_sql_step(&q, err);
    if (rc == 1) {
        read_row(&q, out);
        const char **const fields[] = {&out->rater, &out->mapping, &out->origin, &out->extra};
        rc = el_row_own(fields, 4, &out->memory, err);
    } else if (rc == 0) {
        rc = el_row_missing(s, "score", id, err);
    }
    el_sql_close(&q);
    return rc;
}

int el_store_score_each(struct el_store *s, int64_t proof, int64_t analysis, el_score_fn *fn,
                        void *user, struct el_error *err)
{
    const char *sql = proof      ? COLUMNS "WHERE proof = ? ORDER BY id"
                      : analysis ? COLUMNS "WHERE analysis = ? ORDER BY id"
                                 : COLUMNS "ORDER BY id";
    struct el_sql q;
    int rc = el_sql_open(&q, s, sql, err);
    if (rc < 0)
        return rc;
    if (proof || analysis)
        el_sql_int(&q, proof ? proof : analysis);
    while ((rc = el_sql_step(&q, err)) == 1) {
        struct el_score c;
        read_row(&q, &c);
        rc = fn(user, &c, err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}

static int each_label(struct el_store *s, const char *sql, const char *set, el_label_fn *fn,
                      void *user, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, sql, err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, set);
    while ((rc = el_sql_step(&q, err)) == 1) {
        struct el_label l = {.problem = el_sql_col_int(&q, 0),
                             .proof = el_sql_col_int(&q, 1),
                             .analysis = el_sql_col_int(&q, 2),
                             .halves = el_sql_col_optional(&q, 3),
                             .rater_kind = rater_kind_at(&q, 4),
                             .raters = (int)el_sql_col_int(&q, 5),
                             .score = el_sql_col_int(&q, 6)};
        rc = fn(user, &l, err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}

int el_store_dv_each(struct el_store *s, const char *set, el_label_fn *fn, void *user,
                     struct el_error *err)
{
    return each_label(s,
                      "SELECT d.problem, d.proof, 0, d.halves, d.rater_kind, d.raters, d.score "
                      "FROM dv AS d JOIN problems AS p ON p.id = d.problem "
                      "WHERE ?1 IS NULL OR p.set_name = ?1 ORDER BY d.problem, d.proof",
                      set, fn, user, err);
}

int el_store_dmv_each(struct el_store *s, const char *set, el_label_fn *fn, void *user,
                      struct el_error *err)
{
    return each_label(
        s,
        "SELECT d.problem, d.proof, d.analysis, d.halves, d.rater_kind, d.raters, d.score "
        "FROM dmv AS d JOIN problems AS p ON p.id = d.problem "
        "WHERE ?1 IS NULL OR p.set_name = ?1 ORDER BY d.problem, d.proof, d.analysis",
        set, fn, user, err);
}
