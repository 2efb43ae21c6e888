#include "data/import.h"

#include "core/base/io.h"
#include "data/import_parts.h"
#include "data/import_record.h"
#include "data/store_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { file_max_bytes = 1 << 30 };

static const struct {
    const char *name;
    el_import_record_fn *one;
} formats[] = {
    [EL_IMPORT_AUTO] = {"auto", NULL},
    [EL_IMPORT_DEEPSEEK_INPUTS] = {"deepseek-inputs", el_import_deepseek_input},
    [EL_IMPORT_DEEPSEEK_OUTPUTS] = {"deepseek-outputs", el_import_deepseek_output},
    [EL_IMPORT_PROOFBENCH] = {"proofbench", el_import_proofbench},
    [EL_IMPORT_OPEN_PROOF_CORPUS] = {"open-proof-corpus", el_import_corpus},
    [EL_IMPORT_ELENCHUS] = {"elenchus", el_import_own},
};
enum { n_formats = (int)(sizeof formats / sizeof *formats) };

const char *el_import_format_name(enum el_import_format format)
{
    return (unsigned)format < n_formats ? formats[format].name : "unknown";
}

int el_import_format_from_name(const char *name)
{
    for (int i = 0; i < n_formats; i++)
        if (strcmp(formats[i].name, name) == 0)
            return i;
    return -1;
}

/* By a field that no other format has; EL_IMPORT_AUTO when none fits. */
static enum el_import_format detect(const cJSON *record)
{
    static const struct {
        const char *key;
        enum el_import_format format;
    } marks[] = {{"record", EL_IMPORT_ELENCHUS},
                 {"model_prediction", EL_IMPORT_DEEPSEEK_OUTPUTS},
                 {"human_label", EL_IMPORT_OPEN_PROOF_CORPUS},
                 {"Problem ID", EL_IMPORT_PROOFBENCH},
                 {"problem_idx", EL_IMPORT_DEEPSEEK_INPUTS},
                 {"statement", EL_IMPORT_ELENCHUS}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (cJSON_GetObjectItemCaseSensitive(record, marks[i].key))
            return marks[i].format;
    return EL_IMPORT_AUTO;
}

/* ---- one record */

static int unknown_format(struct el_error *err)
{
    return el_error_set(err, EL_EFORMAT,
                        "no known format has these fields; expected problem_idx, model_prediction, "
                        "'Problem ID', human_label, record or statement, or name the format");
}

static int add_record(struct el_import *im, const cJSON *record, struct el_error *err)
{
    struct el_import_report *r = im->report;
    if (r->format == EL_IMPORT_AUTO)
        r->format = detect(record);
    if (r->format == EL_IMPORT_AUTO)
        return unknown_format(err);
    int rc = el_store_begin(im->store, err);
    if (rc < 0)
        return rc;
    struct el_import_report before = *r;
    rc = formats[r->format].one(im, record, err);
    if (rc < 0) {
        *r = before;
        el_store_rollback(im->store);
        return rc;
    }
    r->records++;
    return el_store_commit(im->store, err);
}

/* Whether the record is to blame, and not the store or the machine. */
static int is_malformed(struct el_store *s, int rc)
{
    int broken = sqlite3_errcode(s->db) & 0xff;
    return (rc == EL_EFORMAT || rc == EL_EINVAL || rc == EL_ENOTFOUND) &&
           broken != SQLITE_CORRUPT && broken != SQLITE_NOTADB;
}

static int pass_over(struct el_import *im, int rc, const struct el_error *err)
{
    if (!im->opts->keep_going || !is_malformed(im->store, rc))
        return rc;
    im->report->malformed++;
    if (im->opts->malformed)
        im->opts->malformed(im->opts->user, err->msg);
    return 0;
}

/* ---- one file */

static int add_all(struct el_import *im, struct el_record_reader *reader, struct el_error *err)
{
    const cJSON *record = NULL;
    for (;;) {
        int rc = el_record_next(reader, &record, err);
        if (rc == 0)
            return 0;
        if (rc == 1) {
            im->where = reader->where;
            rc = add_record(im, record, err);
            if (rc < 0)
                el_error_prefix(err, "%s", reader->where);
        }
        if (rc < 0)
            rc = pass_over(im, rc, err);
        if (rc < 0)
            return rc;
    }
}

static int import_in_transaction(struct el_import *im, const char *name, const char *text, size_t n,
                                 struct el_error *err)
{
    struct el_record_reader reader;
    int rc = el_store_begin(im->store, err);
    if (rc < 0)
        return rc;
    rc = el_record_open(&reader, name, text, n, err);
    if (rc == 0)
        rc = add_all(im, &reader, err);
    el_record_close(&reader);
    if (rc < 0) {
        el_store_rollback(im->store);
        return rc;
    }
    return el_store_commit(im->store, err);
}

int el_import_text(struct el_store *s, const char *name, const char *text, size_t n,
                   const struct el_import_options *opts, struct el_import_report *report,
                   struct el_error *err)
{
    static const struct el_import_options defaults;
    struct el_error local; /* messages of passed-over records need a place */
    struct el_import_report after = *report;
    struct el_import im = {.store = s, .opts = opts ? opts : &defaults, .report = &after};
    after.format = im.opts->format;
    int rc = import_in_transaction(&im, name, text, n, err ? err : &local);
    if (rc == 0)
        *report = after;
    return rc;
}

int el_import_file(struct el_store *s, const char *path, const struct el_import_options *opts,
                   struct el_import_report *report, struct el_error *err)
{
    struct el_buf b;
    el_buf_init(&b);
    int rc = el_file_read(path, file_max_bytes, &b, err);
    if (rc == 0)
        rc = el_import_text(s, path, b.data, b.len, opts, report, err);
    el_buf_release(&b);
    return rc;
}

/* ---- rows */

static int counted(struct el_import *im, int rc, int64_t *added)
{
    if (rc >= 0)
        ++*(rc ? added : &im->report->existing);
    return rc < 0 ? rc : 0;
}

int el_import_problem(struct el_import *im, const struct el_problem *p, int64_t *id,
                      struct el_error *err)
{
    struct el_problem mine = *p;
    int conflicts = 0;
    if (im->opts->set)
        mine.set = im->opts->set;
    int rc = el_store_problem_add(im->store, &mine, id, &conflicts, err);
    im->report->conflicts += conflicts;
    return counted(im, rc, &im->report->problems);
}

int el_import_proof_row(struct el_import *im, const struct el_proof *p, int64_t *id,
                        struct el_error *err)
{
    return counted(im, el_store_proof_add(im->store, p, id, err), &im->report->proofs);
}

int el_import_analysis_row(struct el_import *im, const struct el_analysis *a, int64_t *id,
                           struct el_error *err)
{
    return counted(im, el_store_analysis_add(im->store, a, id, err), &im->report->analyses);
}

int el_import_score_row(struct el_import *im, const struct el_score *c, struct el_error *err)
{
    return counted(im, el_store_score_add(im->store, c, NULL, err), &im->report->scores);
}

int el_import_mapped_score(struct el_import *im, const struct el_score *c, struct el_error *err)
{
    struct el_mapping shipped;
    const struct el_mapping *m = im->opts->mapping;
    struct el_score mine = *c;
    int rc = m ? 0 : el_mapping_default(c->scale_max, &shipped, err);
    if (!m)
        m = &shipped;
    if (rc == 0)
        rc = el_mapping_apply(m, c->raw, c->scale_max, &mine.halves, err);
    mine.mapping = m->name;
    return rc < 0 ? rc : el_import_score_row(im, &mine, err);
}

/* ---- fields */

int el_import_text_field(const cJSON *record, const char *key, const char **out,
                         struct el_error *err)
{
    return el_json_str(record, "record", key, out, err);
}

int el_import_optional_text(const cJSON *record, const char *key, const char **out,
                            struct el_error *err)
{
    const char *text = NULL;
    int rc = el_json_str_or(record, "record", key, &text, err);
    if (rc == 0 && text && text[strspn(text, " \t\r\n")] && strcmp(text, "null") != 0)
        *out = text;
    return rc;
}

int el_import_number(const cJSON *record, const char *key, double *out, struct el_error *err)
{
    const cJSON *f = cJSON_GetObjectItemCaseSensitive(record, key);
    if (!cJSON_IsString(f))
        return el_json_double_or(record, "record", key, out, err);
    char *end;
    double v = strtod(f->valuestring, &end);
    if (end == f->valuestring || *end || !isfinite(v))
        return el_error_set(err, EL_EFORMAT, "field '%s' is '%.40s': expected a number", key,
                            f->valuestring);
    *out = v;
    return 0;
}
