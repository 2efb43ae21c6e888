#include "data/export.h"

#include "core/base/json.h"
#include "data/store_row.h"

#include <stdio.h>
#include <string.h>

/* The names of the columns are the names of the fields; ?1 is the set or NULL. */
#define OF_SET "(?1 IS NULL OR p.set_name = ?1) "
#define LABEL                                                                                      \
    "l.halves / 2.0 AS score, l.raters, s.rater_kind, s.rater, s.raw, s.scale_max, s.mapping, "    \
    "s.blind, s.origin AS score_origin "
#define LABELLED_PROOF                                                                             \
    "p.set_name AS \"set\", p.external_id, p.statement, y.text AS proof, y.author_kind, "          \
    "y.author, y.origin, "

static const struct {
    const char *name, *sql;
} exports[] = {
    [EL_EXPORT_PROBLEMS] = {"problems",
                            "SELECT 'problem' AS record, p.key, p.set_name AS \"set\", "
                            "p.external_id, p.statement, p.answer, p.reference, p.rubric, "
                            "p.category, p.level, p.extra FROM problems AS p "
                            "WHERE " OF_SET "ORDER BY p.id"},
    [EL_EXPORT_PROOFS] = {"proofs",
                          "SELECT 'proof' AS record, y.key, p.key AS problem_key, y.text, "
                          "y.author_kind, y.author, y.origin, y.extra "
                          "FROM proofs AS y JOIN problems AS p ON p.id = y.problem "
                          "WHERE " OF_SET "ORDER BY y.id"},
    [EL_EXPORT_ANALYSES] = {"analyses",
                            "SELECT 'analysis' AS record, a.key, y.key AS proof_key, a.is_self, "
                            "a.text, a.halves / 2.0 AS score, a.failure, a.author_kind, a.author, "
                            "a.origin, a.extra FROM analyses AS a "
                            "JOIN proofs AS y ON y.id = a.proof "
                            "JOIN problems AS p ON p.id = y.problem "
                            "WHERE " OF_SET "ORDER BY a.id"},
    [EL_EXPORT_SCORES] = {"scores",
                          "SELECT 'score' AS record, s.key, y.key AS proof_key, "
                          "a.key AS analysis_key, s.rater_kind, s.rater, s.raw, s.scale_max, "
                          "s.halves / 2.0 AS score, s.mapping, s.blind, s.origin, s.extra "
                          "FROM scores AS s LEFT JOIN proofs AS y ON y.id = s.proof "
                          "LEFT JOIN analyses AS a ON a.id = s.analysis "
                          "LEFT JOIN proofs AS ya ON ya.id = a.proof "
                          "JOIN problems AS p ON p.id = COALESCE(y.problem, ya.problem) "
                          "WHERE " OF_SET "AND s.id NOT IN (SELECT score FROM withdrawn) "
                          "ORDER BY s.id"},
    [EL_EXPORT_DV] = {"dv", "SELECT 'dv' AS record, " LABELLED_PROOF LABEL
                            "FROM dv AS l JOIN problems AS p ON p.id = l.problem "
                            "JOIN proofs AS y ON y.id = l.proof "
                            "JOIN scores AS s ON s.id = l.score "
                            "WHERE " OF_SET "ORDER BY l.problem, l.proof"},
    [EL_EXPORT_DMV] = {"dmv", "SELECT 'dmv' AS record, " LABELLED_PROOF
                              "a.text AS analysis, a.is_self, a.halves / 2.0 AS analysis_score, "
                              "a.failure, a.author_kind AS analysis_author_kind, "
                              "a.author AS analysis_author, a.origin AS analysis_origin, " LABEL
                              "FROM dmv AS l JOIN problems AS p ON p.id = l.problem "
                              "JOIN proofs AS y ON y.id = l.proof "
                              "JOIN analyses AS a ON a.id = l.analysis "
                              "JOIN scores AS s ON s.id = l.score "
                              "WHERE " OF_SET "ORDER BY l.problem, l.proof, l.analysis"},
};
enum { n_exports = (int)(sizeof exports / sizeof *exports) };

const char *el_export_what_name(enum el_export_what what)
{
    return (unsigned)what < n_exports ? exports[what].name : "unknown";
}

int el_export_what_from_name(const char *name)
{
    for (int i = 0; i < n_exports; i++)
        if (strcmp(exports[i].name, name) == 0)
            return i;
    return -1;
}

int el_export_format_from_name(const char *name)
{
    static const char *const names[] = {"json", "jsonl", "csv"};
    return el_name_index(names, 3, name);
}

/* The shortest decimal that reads back as the same number. */
static int put_real(struct el_buf *out, double v)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        double back;
        if (sscanf(text, "%lf", &back) == 1 && back == v)
            break;
    }
    return el_buf_puts(out, text);
}

/* `extra` goes in as JSON when it is an object, as a string when somebody stored something else. */
static int put_extra(struct el_buf *out, const char *text)
{
    cJSON *object = NULL;
    char *printed = NULL;
    int rc = el_json_parse("extra", text, strlen(text), &object, NULL);
    int is_object = rc == 0 && cJSON_IsObject(object);
    if (is_object)
        printed = cJSON_PrintUnformatted(object);
    if (rc != EL_ENOMEM && !is_object)
        rc = el_json_quote(out, text, strlen(text));
    else if (rc == 0)
        rc = printed ? el_buf_puts(out, printed) : EL_ENOMEM;
    cJSON_free(printed);
    cJSON_Delete(object);
    return rc;
}

static int put_json_value(struct el_buf *out, struct el_sql *q, int i)
{
    switch (sqlite3_column_type(q->stmt, i)) {
    case SQLITE_NULL:
        return el_buf_puts(out, "null");
    case SQLITE_INTEGER:
        return el_buf_printf(out, "%lld", (long long)el_sql_col_int(q, i));
    case SQLITE_FLOAT:
        return put_real(out, el_sql_col_real(q, i));
    default:
        break;
    }
    const char *text = el_sql_col_string(q, i);
    return strcmp(sqlite3_column_name(q->stmt, i), "extra") == 0
               ? put_extra(out, text)
               : el_json_quote(out, text, strlen(text));
}

static int put_json(struct el_buf *out, struct el_sql *q)
{
    int n = sqlite3_column_count(q->stmt);
    int rc = el_buf_putc(out, '{');
    for (int i = 0; i < n && rc == 0; i++) {
        rc = el_buf_printf(out, "%s\"%s\": ", i ? ", " : "", sqlite3_column_name(q->stmt, i));
        if (rc == 0)
            rc = put_json_value(out, q, i);
    }
    return rc < 0 ? rc : el_buf_putc(out, '}');
}

static int put_csv_text(struct el_buf *out, const char *s)
{
    if (*s && !strpbrk(s, "\",\r\n"))
        return el_buf_puts(out, s);
    int rc = el_buf_putc(out, '"');
    for (; *s && rc == 0; s++)
        rc = *s == '"' ? el_buf_puts(out, "\"\"") : el_buf_putc(out, *s);
    return rc < 0 ? rc : el_buf_putc(out, '"');
}

static int put_csv(struct el_buf *out, struct el_sql *q)
{
    int n = sqlite3_column_count(q->stmt), rc = 0;
    for (int i = 0; i < n && rc == 0; i++) {
        if (i)
            rc = el_buf_putc(out, ',');
        int type = sqlite3_column_type(q->stmt, i);
        if (rc == 0 && type == SQLITE_TEXT)
            rc = put_csv_text(out, el_sql_col_string(q, i));
        else if (rc == 0 && type != SQLITE_NULL)
            rc = put_json_value(out, q, i);
    }
    return rc < 0 ? rc : el_buf_puts(out, "\r\n");
}

static int put_header(struct el_buf *out, struct el_sql *q, enum el_export_format format)
{
    if (format != EL_EXPORT_CSV)
        return format == EL_EXPORT_JSON ? el_buf_putc(out, '[') : 0;
    int n = sqlite3_column_count(q->stmt), rc = 0;
    for (int i = 0; i < n && rc == 0; i++)
        rc = el_buf_printf(out, "%s%s", i ? "," : "", sqlite3_column_name(q->stmt, i));
    return rc < 0 ? rc : el_buf_puts(out, "\r\n");
}

static int put_row(struct el_buf *out, struct el_sql *q, enum el_export_format format, int64_t n)
{
    if (format == EL_EXPORT_CSV)
        return put_csv(out, q);
    int rc = format == EL_EXPORT_JSON ? el_buf_puts(out, n ? ",\n" : "\n") : 0;
    if (rc == 0)
        rc = put_json(out, q);
    return rc == 0 && format == EL_EXPORT_JSONL ? el_buf_putc(out, '\n') : rc;
}

/* Hands the buffer over and empties it; `made` is how filling it went. */
static int flush(struct el_buf *b, int made, el_export_write_fn *write, void *user,
                 struct el_error *err)
{
    if (made < 0)
        return el_error_set(err, EL_ENOMEM, "export: out of memory");
    int rc = b->len ? write(user, b->data, b->len, err) : 0;
    el_buf_clear(b);
    return rc < 0 ? rc : 0;
}

static int64_t export_rows(struct el_sql *q, enum el_export_format format, struct el_buf *b,
                           el_export_write_fn *write, void *user, struct el_error *err)
{
    int64_t n = 0;
    int rc = flush(b, put_header(b, q, format), write, user, err);
    while (rc == 0 && (rc = el_sql_step(q, err)) == 1)
        rc = flush(b, put_row(b, q, format, n++), write, user, err);
    if (rc == 0 && format == EL_EXPORT_JSON)
        rc = flush(b, el_buf_puts(b, n ? "\n]\n" : "]\n"), write, user, err);
    return rc < 0 ? rc : n;
}

int64_t el_export(struct el_store *s, enum el_export_what what, enum el_export_format format,
                  const char *set, el_export_write_fn *write, void *user, struct el_error *err)
{
    if ((unsigned)what >= n_exports || (unsigned)format > EL_EXPORT_CSV)
        return el_error_set(err, EL_EINVAL, "export: unknown table or format");
    struct el_sql q;
    int rc = el_sql_open(&q, s, exports[what].sql, err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, set);
    struct el_buf b;
    el_buf_init(&b);
    int64_t n = export_rows(&q, format, &b, write, user, err);
    el_buf_release(&b);
    el_sql_close(&q);
    return n;
}
