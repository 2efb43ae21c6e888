#include "core/base/json.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/utf8.h"

#include <limits.h>
#include <math.h>
#include <string.h>

enum { json_max_bytes = 1 << 30 };

/* cJSON says no more than that it failed. */
static _Thread_local int out_of_memory;

static void *allocate(size_t n)
{
    void *p = el_alloc(n);
    out_of_memory |= !p;
    return p;
}

/* cJSON's memory is the project's, so that it can be failed. Before main, because any thread may
 * look at the hooks. */
__attribute__((constructor)) static void give_memory(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){allocate, el_free});
}

static int syntax_error(const char *name, const char *text, const char *at, struct el_error *err)
{
    int line = 1, column = 1;
    for (const char *p = text; at && p < at; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    return el_error_set(err, EL_EFORMAT, "%s: not valid JSON at line %d, column %d", name, line,
                        column);
}

/* The parser ends a string at \u0000, which would cut a text or a name without a word. */
static const char *escaped_zero(const char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p != '\\')
            continue;
        if (end - p >= 6 && memcmp(p, "\\u0000", 6) == 0)
            return p;
        p++;
    }
    return NULL;
}

int el_json_parse(const char *name, const char *text, size_t n, cJSON **out, struct el_error *err)
{
    const char *end = NULL, *zero = n ? memchr(text, 0, n) : NULL;
    if (zero) /* cJSON would take it for a blank, or cut a string there */
        return syntax_error(name, text, zero, err);
    if (escaped_zero(text, text + n))
        return el_error_set(err, EL_EFORMAT, "%s: holds \\u0000, which no text may", name);
    out_of_memory = 0;
    cJSON *tree = cJSON_ParseWithLengthOpts(text, n, &end, 0);
    if (!tree && out_of_memory)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", name);
    if (!tree)
        return syntax_error(name, text, end, err);
    while (end < text + n && (*end == ' ' || *end == '\n' || *end == '\r' || *end == '\t'))
        end++;
    if (end < text + n) {
        cJSON_Delete(tree);
        return syntax_error(name, text, end, err);
    }
    *out = tree;
    return 0;
}

int el_json_load(const char *path, cJSON **out, struct el_error *err)
{
    struct el_buf b;
    el_buf_init(&b);
    int rc = el_file_read(path, json_max_bytes, &b, err);
    if (rc == 0)
        rc = el_json_parse(path, b.data, b.len, out, err);
    el_buf_release(&b);
    return rc;
}

static const cJSON *field(const cJSON *obj, const char *key)
{
    const cJSON *f = cJSON_GetObjectItemCaseSensitive(obj, key);
    return cJSON_IsNull(f) ? NULL : f;
}

static int missing(const char *where, const char *key, const char *type, struct el_error *err)
{
    return el_error_set(err, EL_EFORMAT, "%s: missing field '%s' (%s)", where, key, type);
}

static int wrong(const char *where, const char *key, const char *type, struct el_error *err)
{
    return el_error_set(err, EL_EFORMAT, "%s: field '%s' must be %s", where, key, type);
}

int el_json_i64_or(const cJSON *obj, const char *where, const char *key, int64_t *out,
                   struct el_error *err)
{
    const cJSON *f = field(obj, key);
    if (!f)
        return 0;
    double v = cJSON_IsNumber(f) ? f->valuedouble : NAN;
    if (!(fabs(v) <= 0x1p53) || v != floor(v))
        return wrong(where, key, "an integer", err);
    *out = (int64_t)v;
    return 0;
}

int el_json_int_or(const cJSON *obj, const char *where, const char *key, int *out,
                   struct el_error *err)
{
    int64_t v = *out;
    int rc = el_json_i64_or(obj, where, key, &v, err);
    if (rc < 0)
        return rc;
    if (v < INT_MIN || v > INT_MAX)
        return wrong(where, key, "an integer of 32 bits", err);
    *out = (int)v;
    return 0;
}

int el_json_double_or(const cJSON *obj, const char *where, const char *key, double *out,
                      struct el_error *err)
{
    const cJSON *f = field(obj, key);
    if (!f)
        return 0;
    if (!cJSON_IsNumber(f) || !isfinite(f->valuedouble))
        return wrong(where, key, "a finite number", err);
    *out = f->valuedouble;
    return 0;
}

int el_json_bool_or(const cJSON *obj, const char *where, const char *key, int *out,
                    struct el_error *err)
{
    const cJSON *f = field(obj, key);
    if (!f)
        return 0;
    if (!cJSON_IsBool(f))
        return wrong(where, key, "true or false", err);
    *out = cJSON_IsTrue(f);
    return 0;
}

int el_json_str_or(const cJSON *obj, const char *where, const char *key, const char **out,
                   struct el_error *err)
{
    const cJSON *f = field(obj, key);
    if (!f)
        return 0;
    if (!cJSON_IsString(f))
        return wrong(where, key, "a string", err);
    *out = f->valuestring;
    return 0;
}

int el_json_int(const cJSON *obj, const char *where, const char *key, int *out,
                struct el_error *err)
{
    return field(obj, key) ? el_json_int_or(obj, where, key, out, err)
                           : missing(where, key, "an integer", err);
}

int el_json_i64(const cJSON *obj, const char *where, const char *key, int64_t *out,
                struct el_error *err)
{
    return field(obj, key) ? el_json_i64_or(obj, where, key, out, err)
                           : missing(where, key, "an integer", err);
}

int el_json_double(const cJSON *obj, const char *where, const char *key, double *out,
                   struct el_error *err)
{
    return field(obj, key) ? el_json_double_or(obj, where, key, out, err)
                           : missing(where, key, "a number", err);
}

int el_json_bool(const cJSON *obj, const char *where, const char *key, int *out,
                 struct el_error *err)
{
    return field(obj, key) ? el_json_bool_or(obj, where, key, out, err)
                           : missing(where, key, "true or false", err);
}

int el_json_str(const cJSON *obj, const char *where, const char *key, const char **out,
                struct el_error *err)
{
    return field(obj, key) ? el_json_str_or(obj, where, key, out, err)
                           : missing(where, key, "a string", err);
}

int el_json_only(const cJSON *obj, const char *where, const char *const *keys, struct el_error *err)
{
    const cJSON *f;
    if (obj && !cJSON_IsNull(obj) && !cJSON_IsObject(obj))
        return el_error_set(err, EL_EFORMAT, "%s: must be an object", where);
    cJSON_ArrayForEach(f, obj)
    {
        const char *const *k = keys;
        while (*k && strcmp(*k, f->string) != 0)
            k++;
        if (!*k)
            return el_error_set(err, EL_EFORMAT, "%s: unknown field '%s'", where, f->string);
    }
    return 0;
}

static int quote_one(struct el_buf *out, const char *p, size_t len)
{
    switch (p[0]) {
    case '"':
        return el_buf_puts(out, "\\\"");
    case '\\':
        return el_buf_puts(out, "\\\\");
    case '\n':
        return el_buf_puts(out, "\\n");
    case '\t':
        return el_buf_puts(out, "\\t");
    case '\r':
        return el_buf_puts(out, "\\r");
    default:
        return (unsigned char)p[0] < 0x20 ? el_buf_printf(out, "\\u%04x", p[0])
                                          : el_buf_add(out, p, len);
    }
}

int el_json_quote(struct el_buf *out, const char *s, size_t n)
{
    int rc = el_buf_putc(out, '"');
    while (n && rc == 0) {
        size_t len = *s ? el_utf8_length(s, n) : 0;
        rc = len ? quote_one(out, s, len) : el_buf_puts(out, "\xEF\xBF\xBD");
        s += len ? len : 1;
        n -= len ? len : 1;
    }
    return rc < 0 ? rc : el_buf_putc(out, '"');
}
