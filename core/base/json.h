/* Reading JSON with errors that name the field. Parsing itself is cJSON's. */
#ifndef EL_BASE_JSON_H
#define EL_BASE_JSON_H

#include "core/base/buf.h"
#include "core/base/error.h"

#include <cjson/cJSON.h>
#include <stdint.h>

/* Parses text[0..n). `name` (a path, or "line 7 of FILE") opens every message. The whole text must
 * be one value; the error says at which line and column it went wrong. A NUL byte is refused
 * wherever it stands. EL_ENOMEM is nothing that the text did. Free with cJSON_Delete. */
int el_json_parse(const char *name, const char *text, size_t n, cJSON **out, struct el_error *err);
int el_json_load(const char *path, cJSON **out, struct el_error *err);

/* A field of an object. `where` names the object in messages. The plain forms require the field;
 * the _or forms leave *out alone (the caller has put the default there) when the field is absent
 * or null. A field of the wrong type, a non-integer where an integer is expected, or a number out
 * of the type's range is EL_EFORMAT. Strings and nodes point into the tree. */
int el_json_int(const cJSON *obj, const char *where, const char *key, int *out,
                struct el_error *err);
int el_json_i64(const cJSON *obj, const char *where, const char *key, int64_t *out,
                struct el_error *err);
int el_json_double(const cJSON *obj, const char *where, const char *key, double *out,
                   struct el_error *err);
int el_json_bool(const cJSON *obj, const char *where, const char *key, int *out,
                 struct el_error *err);
int el_json_str(const cJSON *obj, const char *where, const char *key, const char **out,
                struct el_error *err);
int el_json_int_or(const cJSON *obj, const char *where, const char *key, int *out,
                   struct el_error *err);
int el_json_i64_or(const cJSON *obj, const char *where, const char *key, int64_t *out,
                   struct el_error *err);
int el_json_double_or(const cJSON *obj, const char *where, const char *key, double *out,
                      struct el_error *err);
int el_json_bool_or(const cJSON *obj, const char *where, const char *key, int *out,
                    struct el_error *err);
int el_json_str_or(const cJSON *obj, const char *where, const char *key, const char **out,
                   struct el_error *err);

/* Refuses fields that nobody reads, so that a misspelt option is an error and not a silent
 * default: every key of obj must be in the NULL-terminated list. obj may be absent (NULL) or null;
 * anything else that is not an object is EL_EFORMAT. */
int el_json_only(const cJSON *obj, const char *where, const char *const *keys,
                 struct el_error *err);

/* Appends s as a JSON string with its quotes. Bytes that are not UTF-8, and zeros,
 * which el_json_parse would refuse, become U+FFFD. */
int el_json_quote(struct el_buf *out, const char *s, size_t n);

#endif
