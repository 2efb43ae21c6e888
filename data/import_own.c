/* Our own records, as data/export.h writes them. */
#include "data/import_parts.h"

#include "data/store_row.h"

#include <math.h>
#include <string.h>

enum { own_author, own_analysis_author };

/* As el_json_str_or: "" stays "", unlike in files made by others. */
static int text_or(const cJSON *record, const char *key, const char **out, struct el_error *err)
{
    return el_json_str_or(record, "record", key, out, err);
}

/* A score field: 0, 0.5, 1 or null. */
static int halves_or(const cJSON *record, const char *key, int *out, struct el_error *err)
{
    double v = NAN;
    int rc = el_import_number(record, key, &v, err);
    *out = isnan(v) ? EL_SCORE_NONE : el_score_from_value(v);
    if (rc == 0 && !isnan(v) && *out == EL_SCORE_NONE)
        rc = el_error_set(err, EL_EFORMAT, "field '%s' is %g: expected 0, 0.5, 1 or null", key, v);
    return rc;
}

/* A field of 0 or 1 (or true or false); -1 where there is none. */
static int flag_or(const cJSON *record, const char *key, int *out, struct el_error *err)
{
    const cJSON *f = cJSON_GetObjectItemCaseSensitive(record, key);
    double v = cJSON_IsBool(f) ? cJSON_IsTrue(f) : -1;
    int rc = cJSON_IsBool(f) ? 0 : el_import_number(record, key, &v, err);
    if (rc == 0 && v != -1 && v != 0 && v != 1)
        rc = el_error_set(err, EL_EFORMAT, "field '%s' is %g: expected 0 or 1", key, v);
    *out = (int)v;
    return rc;
}

/* `extra` as one line of JSON; *out is freed with cJSON_free. */
static int extra_or(const cJSON *record, char **out, struct el_error *err)
{
    const cJSON *f = cJSON_GetObjectItemCaseSensitive(record, "extra");
    *out = NULL;
    if (!f || cJSON_IsNull(f))
        return 0;
    cJSON *parsed = NULL;
    if (cJSON_IsString(f)) {
        int rc = el_json_parse("extra", f->valuestring, strlen(f->valuestring), &parsed, err);
        if (rc < 0)
            return rc;
        f = parsed;
    }
    int is_object = cJSON_IsObject(f);
    if (is_object)
        *out = cJSON_PrintUnformatted(f);
    cJSON_Delete(parsed);
    if (!is_object)
        return el_error_set(err, EL_EFORMAT, "field 'extra' must be an object");
    return *out ? 0 : el_error_set(err, EL_ENOMEM, "out of memory");
}

static int author_of(const cJSON *record, int which, struct el_author *out, struct el_error *err)
{
    static const char *const keys[2][3] = {
        {"author_kind", "author", "origin"},
        {"analysis_author_kind", "analysis_author", "analysis_origin"}};
    const char *kind = "import";
    out->name = out->origin = "";
    int rc = text_or(record, keys[which][0], &kind, err);
    if (rc == 0)
        rc = text_or(record, keys[which][1], &out->name, err);
    if (rc == 0)
        rc = text_or(record, keys[which][2], &out->origin, err);
    if (rc < 0)
        return rc;
    int k = el_author_kind_from_name(kind);
    if (k < 0)
        return el_error_set(err, EL_EFORMAT,
                            "field '%s' is '%.40s': expected human, model or import",
                            keys[which][0], kind);
    out->kind = (enum el_author_kind)k;
    return 0;
}

/* The row that a key field names. `select` finds the id. */
static int row_of(struct el_import *im, const cJSON *record, const char *key, const char *select,
                  int64_t *id, struct el_error *err)
{
    const char *value = NULL;
    int rc = el_import_text_field(record, key, &value, err);
    struct el_sql q;
    if (rc == 0)
        rc = el_sql_open(&q, im->store, select, err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, value);
    rc = el_sql_one_int(&q, id, err);
    return rc == EL_ENOTFOUND ? el_error_set(err, rc,
                                             "field '%s': the store has no row with key '%.40s'; "
                                             "import what it refers to first",
                                             key, value)
                              : rc;
}

#define PROBLEM_OF  "SELECT id FROM problems WHERE key = ?"
#define PROOF_OF    "SELECT id FROM proofs WHERE key = ?"
#define ANALYSIS_OF "SELECT id FROM analyses WHERE key = ?"

/* A problem without a name is named by its statement. */
static int own_problem(struct el_import *im, const cJSON *record, int64_t *id, struct el_error *err)
{
    char digest[EL_DIGEST_HEX], *extra = NULL;
    struct el_problem p = {.set = "imported"};
    int rc = el_import_text_field(record, "statement", &p.statement, err);
    const struct {
        const char *key, **out;
    } optional[] = {{"set", &p.set},       {"external_id", &p.external_id},
                    {"answer", &p.answer}, {"reference", &p.reference},
                    {"rubric", &p.rubric}, {"category", &p.category},
                    {"level", &p.level}};
    for (int i = 0; i < 7 && rc == 0; i++)
        rc = text_or(record, optional[i].key, optional[i].out, err);
    if (rc == 0)
        rc = extra_or(record, &extra, err);
    if (rc == 0 && !p.external_id) {
        el_digest_of(p.statement, strlen(p.statement), digest);
        p.external_id = digest;
    }
    p.extra = extra;
    if (rc == 0)
        rc = el_import_problem(im, &p, id, err);
    cJSON_free(extra);
    return rc;
}

static int problem_record(struct el_import *im, const cJSON *record, struct el_error *err)
{
    return own_problem(im, record, NULL, err);
}

static int proof_record(struct el_import *im, const cJSON *record, struct el_error *err)
{
    struct el_proof y = {0};
    char *extra = NULL;
    int rc = row_of(im, record, "problem_key", PROBLEM_OF, &y.problem, err);
    if (rc == 0)
        rc = el_import_text_field(record, "text", &y.text, err);
    if (rc == 0)
        rc = author_of(record, own_author, &y.author, err);
    if (rc == 0)
        rc = extra_or(record, &extra, err);
    y.extra = extra;
    if (rc == 0)
        rc = el_import_proof_row(im, &y, NULL, err);
    cJSON_free(extra);
    return rc;
}

/* Text, score and author under these names; proof and extra are the caller's. */
static int read_analysis(const cJSON *record, const char *text, const char *score, int which,
                         struct el_analysis *a, struct el_error *err)
{
    int rc = el_import_text_field(record, text, &a->text, err);
    if (rc == 0)
        rc = halves_or(record, score, &a->halves, err);
    if (rc == 0)
        rc = flag_or(record, "is_self", &a->is_self, err);
    a->is_self = a->is_self == 1;
    if (rc == 0)
        rc = text_or(record, "failure", &a->failure, err);
    return rc < 0 ? rc : author_of(record, which, &a->author, err);
}

static int analysis_record(struct el_import *im, const cJSON *record, struct el_error *err)
{
    struct el_analysis a = {0};
    char *extra = NULL;
    int rc = row_of(im, record, "proof_key", PROOF_OF, &a.proof, err);
    if (rc == 0)
        rc = read_analysis(record, "text", "score", own_author, &a, err);
    if (rc == 0)
        rc = extra_or(record, &extra, err);
    a.extra = extra;
    if (rc == 0)
        rc = el_import_analysis_row(im, &a, NULL, err);
    cJSON_free(extra);
    return rc;
}

/* Everything of a score but its subject and extra. Without raw and scale_max the score itself is
 * what was said. */
static int read_score(const cJSON *record, const char *origin, struct el_score *c,
                      struct el_error *err)
{
    const char *kind = "human";
    int blind = -1;
    c->rater = c->origin = "";
    int rc = halves_or(record, "score", &c->halves, err);
    c->raw = el_score_value(c->halves);
    c->scale_max = 1;
    if (rc == 0)
        rc = el_import_number(record, "raw", &c->raw, err);
    if (rc == 0)
        rc = el_import_number(record, "scale_max", &c->scale_max, err);
    if (rc == 0)
        rc = text_or(record, "mapping", &c->mapping, err);
    if (rc == 0)
        rc = text_or(record, "rater", &c->rater, err);
    if (rc == 0)
        rc = text_or(record, origin, &c->origin, err);
    if (rc == 0)
        rc = text_or(record, "rater_kind", &kind, err);
    if (rc == 0)
        rc = flag_or(record, "blind", &blind, err);
    if (rc < 0)
        return rc;
    c->blind = (enum el_blind)blind;
    int k = el_rater_kind_from_name(kind);
    c->rater_kind = (enum el_rater_kind)(k < 0 ? 0 : k);
    return k < 0 ? el_error_set(err, EL_EFORMAT, "field 'rater_kind' is '%.40s'", kind) : 0;
}

static int score_record(struct el_import *im, const cJSON *record, struct el_error *err)
{
    struct el_score c = {0};
    char *extra = NULL;
    const char *of_analysis = NULL, *of_proof = NULL;
    int rc = text_or(record, "analysis_key", &of_analysis, err);
    if (rc == 0)
        rc = text_or(record, "proof_key", &of_proof, err);
    if (rc == 0 && of_analysis && of_proof)
        rc = el_error_set(err, EL_EFORMAT,
                          "fields 'proof_key' and 'analysis_key': expected one of them");
    if (rc == 0)
        rc = of_analysis ? row_of(im, record, "analysis_key", ANALYSIS_OF, &c.analysis, err)
                         : row_of(im, record, "proof_key", PROOF_OF, &c.proof, err);
    if (rc == 0)
        rc = read_score(record, "origin", &c, err);
    if (rc == 0)
        rc = extra_or(record, &extra, err);
    c.extra = extra;
    if (rc == 0)
        rc = el_import_score_row(im, &c, err);
    cJSON_free(extra);
    return rc;
}

/* The problem and the proof of a self-contained record. */
static int labelled_proof(struct el_import *im, const cJSON *record, int64_t *proof,
                          struct el_error *err)
{
    struct el_proof y = {0};
    int rc = el_import_text_field(record, "proof", &y.text, err);
    if (rc == 0)
        rc = author_of(record, own_author, &y.author, err);
    if (rc == 0)
        rc = own_problem(im, record, &y.problem, err);
    return rc < 0 ? rc : el_import_proof_row(im, &y, proof, err);
}

static int label_of(struct el_import *im, const cJSON *record, struct el_score *c,
                    struct el_error *err)
{
    int rc = read_score(record, "score_origin", c, err);
    if (rc == 0 && c->halves == EL_SCORE_NONE)
        rc = el_error_set(err, EL_EFORMAT, "missing field 'score' (0, 0.5 or 1)");
    return rc < 0 ? rc : el_import_score_row(im, c, err);
}

static int dv_record(struct el_import *im, const cJSON *record, struct el_error *err)
{
    struct el_score c = {0};
    int rc = labelled_proof(im, record, &c.proof, err);
    return rc < 0 ? rc : label_of(im, record, &c, err);
}

static int dmv_record(struct el_import *im, const cJSON *record, struct el_error *err)
{
    struct el_score c = {0};
    struct el_analysis a = {0};
    int rc = labelled_proof(im, record, &a.proof, err);
    if (rc == 0)
        rc = read_analysis(record, "analysis", "analysis_score", own_analysis_author, &a, err);
    if (rc == 0)
        rc = el_import_analysis_row(im, &a, &c.analysis, err);
    return rc < 0 ? rc : label_of(im, record, &c, err);
}

/* Everything that a record may hold besides "record". `key` and `raters` follow from the rest. */
#define PROBLEM_FIELDS                                                                             \
    "set", "external_id", "statement", "answer", "reference", "rubric", "category", "level", "extra"
#define AUTHOR_FIELDS "author_kind", "author", "origin"
#define LABEL_FIELDS                                                                               \
    "score", "raters", "rater_kind", "rater", "raw", "scale_max", "mapping", "blind", "score_origin"
#define ANALYSIS_FIELDS                                                                            \
    "analysis", "is_self", "analysis_score", "failure", "analysis_author_kind", "analysis_author", \
        "analysis_origin"

enum { fields_max = 32 };
static const struct own_kind {
    const char *name;
    el_import_record_fn *one;
    const char *fields[fields_max]; /* NULL behind the last */
} kinds[] = {
    {"problem", problem_record, {"key", PROBLEM_FIELDS}},
    {"proof", proof_record, {"key", "problem_key", "text", AUTHOR_FIELDS, "extra"}},
    {"analysis",
     analysis_record,
     {"key", "proof_key", "is_self", "text", "score", "failure", AUTHOR_FIELDS, "extra"}},
    {"score",
     score_record,
     {"key", "proof_key", "analysis_key", "rater_kind", "rater", "raw", "scale_max", "score",
      "mapping", "blind", "origin", "extra"}},
    {"dv", dv_record, {PROBLEM_FIELDS, "proof", AUTHOR_FIELDS, LABEL_FIELDS}},
    {"dmv", dmv_record, {PROBLEM_FIELDS, "proof", AUTHOR_FIELDS, ANALYSIS_FIELDS, LABEL_FIELDS}},
};
enum { n_kinds = (int)(sizeof kinds / sizeof *kinds) };

static int has_field(const struct own_kind *k, const char *name)
{
    for (int i = 0; i < fields_max && k->fields[i]; i++)
        if (strcmp(k->fields[i], name) == 0)
            return 1;
    return strcmp(name, "record") == 0;
}

/* A value that nobody would read is an error: what somebody wrote is not dropped without a word. */
static int check_fields(const cJSON *record, const struct own_kind *k, int named,
                        struct el_error *err)
{
    const cJSON *f;
    cJSON_ArrayForEach(f, record)
    {
        if (cJSON_IsNull(f) || has_field(k, f->string))
            continue;
        if (named)
            return el_error_set(err, EL_EFORMAT, "field '%.60s' has no place in a record '%s'",
                                f->string, k->name);
        return el_error_set(err, EL_EFORMAT,
                            "field '%.60s' has no place in a problem, which a record without the "
                            "field 'record' is; a proof with its score is \"record\": \"dv\"",
                            f->string);
    }
    return 0;
}

int el_import_own(struct el_import *im, const cJSON *record, struct el_error *err)
{
    const char *name = NULL;
    int rc = text_or(record, "record", &name, err);
    if (rc < 0)
        return rc;
    for (const struct own_kind *k = kinds; k < kinds + n_kinds; k++)
        if (strcmp(k->name, name ? name : "problem") == 0) {
            rc = check_fields(record, k, name != NULL, err);
            return rc < 0 ? rc : k->one(im, record, err);
        }
    return el_error_set(err, EL_EFORMAT,
                        "field 'record' is '%.40s': expected problem, proof, analysis, score, dv "
                        "or dmv",
                        name);
}
