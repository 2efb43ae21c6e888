#include "data/import_record.h"

#include "core/base/utf8.h"

#include <stdio.h>
#include <string.h>

static int check_utf8(const char *name, int line, const char *text, size_t n, struct el_error *err)
{
    size_t good = el_utf8_valid_prefix(text, n);
    if (good == n)
        return 0;
    for (size_t i = 0; i < good; i++)
        line += text[i] == '\n';
    return el_error_set(err, EL_EFORMAT, "%s line %d: not UTF-8", name, line);
}

static int read_header(struct el_record_reader *r, struct el_error *err)
{
    int rc = el_csv_next(&r->csv, err);
    if (rc <= 0)
        return rc < 0 ? rc : el_error_set(err, EL_EFORMAT, "%s: empty", r->name);
    rc = check_utf8(r->name, r->csv.row_line, r->csv.text.data, r->csv.text.len, err);
    if (rc < 0)
        return rc;
    r->header = cJSON_CreateArray();
    for (int i = 0; i < r->csv.n_fields; i++) {
        cJSON *s = cJSON_CreateString(el_csv_field(&r->csv, i));
        if (!r->header || !s || !cJSON_AddItemToArray(r->header, s)) {
            cJSON_Delete(s);
            return el_error_set(err, EL_ENOMEM, "%s: out of memory", r->name);
        }
    }
    return 0;
}

static int open_array(struct el_record_reader *r, struct el_error *err)
{
    int rc = check_utf8(r->name, r->line, r->at, (size_t)(r->end - r->at), err);
    if (rc == 0)
        rc = el_json_parse(r->name, r->at, (size_t)(r->end - r->at), &r->tree, err);
    if (rc == 0)
        r->item = r->tree->child;
    return rc;
}

/* A file that begins with '{' holds one object a line; or, when its first line is not a whole
 * object, a single object over many lines. */
static int open_object(struct el_record_reader *r, struct el_error *err)
{
    const char *eol = memchr(r->at, '\n', (size_t)(r->end - r->at));
    cJSON *first = eol ? cJSON_ParseWithLength(r->at, (size_t)(eol - r->at)) : NULL;
    cJSON *whole = first || !eol ? NULL : cJSON_ParseWithLength(r->at, (size_t)(r->end - r->at));
    int single = whole != NULL;
    cJSON_Delete(first);
    cJSON_Delete(whole);
    r->container = EL_RECORDS_LINES;
    if (!single)
        return 0;
    r->container = EL_RECORDS_ARRAY;
    cJSON *object = NULL;
    int rc = check_utf8(r->name, r->line, r->at, (size_t)(r->end - r->at), err);
    if (rc == 0)
        rc = el_json_parse(r->name, r->at, (size_t)(r->end - r->at), &object, err);
    if (rc < 0)
        return rc;
    r->tree = cJSON_CreateArray();
    if (!r->tree || !cJSON_AddItemToArray(r->tree, object)) {
        cJSON_Delete(object);
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", r->name);
    }
    r->item = r->tree->child;
    return 0;
}

static void skip_blanks(struct el_record_reader *r)
{
    if (r->end - r->at >= 3 && memcmp(r->at, "\xEF\xBB\xBF", 3) == 0)
        r->at += 3;
    for (; r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at; r->at++)
        r->line += *r->at == '\n';
}

int el_record_open(struct el_record_reader *r, const char *name, const char *text, size_t n,
                   struct el_error *err)
{
    memset(r, 0, sizeof *r);
    r->name = name;
    r->at = text;
    r->end = text + n;
    r->line = 1;
    el_csv_init(&r->csv, name, text, n);
    skip_blanks(r);
    char first = r->at < r->end ? *r->at : 0;
    r->container = first == '[' ? EL_RECORDS_ARRAY : EL_RECORDS_CSV;
    return first == '['   ? open_array(r, err)
           : first == '{' ? open_object(r, err)
                          : read_header(r, err);
}

void el_record_close(struct el_record_reader *r)
{
    cJSON_Delete(r->tree);
    cJSON_Delete(r->header);
    el_csv_release(&r->csv);
    r->tree = r->header = NULL;
}

static int next_of_array(struct el_record_reader *r, const cJSON **out, struct el_error *err)
{
    if (!r->item)
        return 0;
    *out = r->item;
    r->item = r->item->next;
    snprintf(r->where, sizeof r->where, "%s record %d", r->name, ++r->index);
    return cJSON_IsObject(*out) ? 1
                                : el_error_set(err, EL_EFORMAT, "%s: expected an object", r->where);
}

static int next_line(struct el_record_reader *r, const cJSON **out, struct el_error *err)
{
    skip_blanks(r);
    if (r->at == r->end)
        return 0;
    const char *from = r->at, *eol = memchr(from, '\n', (size_t)(r->end - from));
    const char *to = eol ? eol : r->end;
    int line = r->line;
    snprintf(r->where, sizeof r->where, "%s line %d", r->name, line);
    r->at = eol ? eol + 1 : r->end;
    r->line += eol != NULL;
    cJSON_Delete(r->tree);
    r->tree = NULL;
    int rc = check_utf8(r->name, line, from, (size_t)(to - from), err);
    if (rc == 0)
        rc = el_json_parse(r->where, from, (size_t)(to - from), &r->tree, err);
    if (rc == 0 && !cJSON_IsObject(r->tree))
        rc = el_error_set(err, EL_EFORMAT, "%s: expected an object", r->where);
    *out = r->tree;
    return rc < 0 ? rc : 1;
}

static int row_to_object(struct el_record_reader *r, struct el_error *err)
{
    const cJSON *key = r->header->child;
    for (int i = 0; i < r->csv.n_fields; i++, key = key->next) {
        const char *value = el_csv_field(&r->csv, i);
        cJSON *node = *value || r->csv.quoted[i] ? cJSON_CreateString(value) : cJSON_CreateNull();
        if (!node || !cJSON_AddItemToObject(r->tree, key->valuestring, node)) {
            cJSON_Delete(node);
            return el_error_set(err, EL_ENOMEM, "%s: out of memory", r->where);
        }
    }
    return 1;
}

static int next_row(struct el_record_reader *r, const cJSON **out, struct el_error *err)
{
    int rc = el_csv_next(&r->csv, err);
    if (rc <= 0)
        return rc;
    snprintf(r->where, sizeof r->where, "%s line %d", r->name, r->csv.row_line);
    rc = check_utf8(r->name, r->csv.row_line, r->csv.text.data, r->csv.text.len, err);
    if (rc < 0)
        return rc;
    int columns = cJSON_GetArraySize(r->header);
    if (r->csv.n_fields != columns)
        return el_error_set(err, EL_EFORMAT, "%s: %d fields, the header has %d", r->where,
                            r->csv.n_fields, columns);
    cJSON_Delete(r->tree);
    r->tree = cJSON_CreateObject();
    if (!r->tree)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", r->where);
    *out = r->tree;
    return row_to_object(r, err);
}

int el_record_next(struct el_record_reader *r, const cJSON **out, struct el_error *err)
{
    switch (r->container) {
    case EL_RECORDS_ARRAY:
        return next_of_array(r, out, err);
    case EL_RECORDS_LINES:
        return next_line(r, out, err);
    default:
        return next_row(r, out, err);
    }
}
