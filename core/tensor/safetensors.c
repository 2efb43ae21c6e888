#include "core/tensor/safetensors.h"

#include "core/base/alloc.h"
#include "core/base/json.h"

#include <stdlib.h>
#include <string.h>

#include "core/tensor/safetensors_parts.h"

/* What the parser knows while it walks the header. */
struct parse {
    struct el_safetensors *st;
    const char *data;
    size_t data_bytes;
    struct el_error *err;
};

__attribute__((format(printf, 3, 4))) static int bad(struct parse *p, const char *tensor,
                                                     const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int rc = el_error_vset(p->err, EL_EFORMAT, fmt, ap);
    va_end(ap);
    if (p->err)
        el_error_prefix(p->err, "%s: tensor '%.120s'", p->st->name, tensor);
    return rc;
}

/* A count or an offset: an integer that a double holds exactly. */
static int read_count(const cJSON *v, int64_t *out)
{
    if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0 && v->valuedouble <= 0x1p53))
        return EL_EFORMAT;
    *out = (int64_t)v->valuedouble;
    return (double)*out == v->valuedouble ? 0 : EL_EFORMAT;
}

static int read_dtype(struct parse *p, const cJSON *entry, struct el_st_tensor *t)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
    if (!cJSON_IsString(v))
        return bad(p, t->name, "missing 'dtype' (a string)");
    if (el_dtype_parse(v->valuestring, &t->dtype) < 0)
        return bad(p, t->name,
                   "dtype '%.20s' is unknown, expected one of the format such as F32, BF16 or "
                   "F8_E4M3",
                   v->valuestring);
    return 0;
}

static int read_shape(struct parse *p, const cJSON *entry, struct el_st_tensor *t)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape"), *v;
    if (!cJSON_IsArray(shape))
        return bad(p, t->name, "missing 'shape' (a list)");
    size_t bits = (size_t)el_dtype_bits(t->dtype);
    cJSON_ArrayForEach(v, shape)
    {
        if (t->dims == EL_ST_MAX_DIMS)
            return bad(p, t->name, "more than %d dimensions", EL_ST_MAX_DIMS);
        int64_t d;
        if (read_count(v, &d) < 0)
            return bad(p, t->name, "'shape' must hold integers of 0 or more");
        if (d && bits > (size_t)0x1p62 / (size_t)d)
            return bad(p, t->name, "'shape' is too large");
        t->shape[t->dims++] = d;
        bits *= (size_t)d;
    }
    if (bits % 8)
        return bad(p, t->name, "its %zu bits (dtype %s) are no whole bytes", bits,
                   el_dtype_name(t->dtype));
    t->bytes = bits / 8;
    return 0;
}

static int read_offsets(struct parse *p, const cJSON *entry, struct el_st_tensor *t)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    int64_t begin, end;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != 2 ||
        read_count(list->child, &begin) < 0 || read_count(list->child->next, &end) < 0)
        return bad(p, t->name, "'data_offsets' must be two integers of 0 or more");
    if (begin > end || (size_t)end > p->data_bytes)
        return bad(p, t->name,
                   "data_offsets [%lld, %lld] do not lie in the file's %zu bytes of data (is the "
                   "file truncated?)",
                   (long long)begin, (long long)end, p->data_bytes);
    if ((size_t)(end - begin) != t->bytes)
        return bad(p, t->name, "has %lld bytes of data, its shape and dtype %s need %zu",
                   (long long)(end - begin), el_dtype_name(t->dtype), t->bytes);
    t->data = p->data + begin;
    return 0;
}

static int read_tensor(struct parse *p, const cJSON *entry, struct el_st_tensor *t)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets", NULL};
    t->name = entry->string;
    if (!cJSON_IsObject(entry))
        return bad(p, t->name, "its header entry must be an object");
    int rc = read_dtype(p, entry, t);
    if (rc == 0)
        rc = read_shape(p, entry, t);
    if (rc == 0)
        rc = read_offsets(p, entry, t);
    if (rc == 0 && (el_json_only(entry, "", keys, NULL) < 0 || cJSON_GetArraySize(entry) != 3))
        rc = bad(p, t->name, "its header entry must hold dtype, shape and data_offsets once");
    return rc;
}

static int read_metadata(struct parse *p, const cJSON *map)
{
    const cJSON *v;
    if (p->st->metadata)
        return bad(p, "__metadata__", "appears twice");
    if (!cJSON_IsObject(map))
        return bad(p, "__metadata__", "must be an object");
    cJSON_ArrayForEach(v, map)
    {
        if (!cJSON_IsString(v))
            return bad(p, "__metadata__", "'%.80s' must be a string", v->string);
    }
    p->st->metadata = map;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct el_st_tensor *)a)->name, ((const struct el_st_tensor *)b)->name);
}

static int by_data(const void *a, const void *b)
{
    const struct el_st_tensor *x = a, *y = b;
    if (x->data != y->data)
        return (const char *)x->data < (const char *)y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes; /* empty ones first */
}

static int check_names(struct parse *p)
{
    struct el_safetensors *st = p->st;
    qsort(st->tensors, (size_t)st->n, sizeof *st->tensors, by_name);
    for (int i = 1; i < st->n; i++)
        if (strcmp(st->tensors[i - 1].name, st->tensors[i].name) == 0)
            return bad(p, st->tensors[i].name, "appears twice");
    return 0;
}

static int check_coverage(struct parse *p)
{
    struct el_safetensors *st = p->st;
    const char *at = p->data;
    qsort(st->tensors, (size_t)st->n, sizeof *st->tensors, by_data);
    for (int i = 0; i < st->n; i++) {
        const char *begin = st->tensors[i].data;
        if (begin < at)
            return bad(p, st->tensors[i].name, "overlaps tensor '%.120s'", st->tensors[i - 1].name);
        if (begin > at)
            return bad(p, st->tensors[i].name, "%zu bytes before it belong to no tensor",
                       (size_t)(begin - at));
        at = begin + st->tensors[i].bytes;
    }
    size_t left = p->data_bytes - (size_t)(at - p->data);
    if (left)
        return el_error_set(p->err, EL_EFORMAT, "%s: %zu bytes at its end belong to no tensor",
                            st->name, left);
    return 0;
}

static int read_entries(struct parse *p)
{
    struct el_safetensors *st = p->st;
    const cJSON *entry;
    int rc = 0;
    if (!cJSON_IsObject(st->header))
        return el_error_set(p->err, EL_EFORMAT, "%s: the header must be a JSON object", st->name);
    st->tensors = el_alloc_array((size_t)cJSON_GetArraySize(st->header), sizeof *st->tensors);
    if (!st->tensors)
        return el_error_set(p->err, EL_ENOMEM, "%s: out of memory", st->name);
    cJSON_ArrayForEach(entry, st->header)
    {
        if (strcmp(entry->string, "__metadata__") == 0)
            rc = read_metadata(p, entry);
        else
            rc = read_tensor(p, entry, &st->tensors[st->n++]);
        if (rc < 0)
            return rc;
    }
    rc = check_names(p);
    if (rc == 0)
        rc = check_coverage(p);
    qsort(st->tensors, (size_t)st->n, sizeof *st->tensors, by_name);
    return rc;
}

int el_st_check_length(const char *name, uint64_t header, uint64_t n, struct el_error *err)
{
    if (header > EL_ST_MAX_HEADER)
        return el_error_set(err, EL_EFORMAT,
                            "%s: the header would have %llu bytes, expected at most %d (not a "
                            "safetensors file?)",
                            name, (unsigned long long)header, EL_ST_MAX_HEADER);
    if (header > n - sizeof header)
        return el_error_set(err, EL_EFORMAT,
                            "%s: truncated: the header has %llu bytes, the file holds %llu of them",
                            name, (unsigned long long)header,
                            (unsigned long long)(n - sizeof header));
    return 0;
}

int el_st_check_file(const char *name, uint64_t n, struct el_error *err)
{
    if (n >= sizeof(uint64_t))
        return 0;
    return el_error_set(err, EL_EFORMAT, "%s: %llu bytes are too few for a safetensors file", name,
                        (unsigned long long)n);
}

int el_st_parse(struct el_safetensors *st, const char *name, const char *header, size_t n,
                const char *data, size_t data_bytes, struct el_error *err)
{
    *st = (struct el_safetensors){.name = el_strdup(name)};
    struct parse p = {st, data, data_bytes, err};
    int rc = st->name ? el_json_parse(name, header, n, &st->header, err)
                      : el_error_set(err, EL_ENOMEM, "%s: out of memory", name);
    if (rc == 0)
        rc = read_entries(&p);
    if (rc < 0)
        el_safetensors_release(st);
    return rc;
}

int el_safetensors_parse(struct el_safetensors *st, const char *name, const void *bytes, size_t n,
                         struct el_error *err)
{
    uint64_t header;
    const char *p = bytes;
    *st = (struct el_safetensors){0};
    int rc = el_st_check_file(name, n, err);
    if (rc < 0)
        return rc;
    memcpy(&header, p, sizeof header);
    rc = el_st_check_length(name, header, n, err);
    if (rc < 0)
        return rc;
    p += sizeof header;
    return el_st_parse(st, name, p, header, p + header, n - sizeof header - header, err);
}

const struct el_st_tensor *el_safetensors_find(const struct el_safetensors *st, const char *name)
{
    struct el_st_tensor key = {.name = name};
    return bsearch(&key, st->tensors, (size_t)st->n, sizeof key, by_name);
}

const char *el_safetensors_metadata(const struct el_safetensors *st, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(st->metadata, key));
}

static void put_shape(struct el_buf *b, int dims, const int64_t *shape)
{
    el_buf_putc(b, '[');
    for (int i = 0; i < dims; i++)
        el_buf_printf(b, i ? ",%lld" : "%lld", (long long)shape[i]);
    el_buf_putc(b, ']');
}

static int wrong_shape(const struct el_safetensors *st, const struct el_st_tensor *t, int dims,
                       const int64_t *shape, struct el_error *err)
{
    struct el_buf have, want;
    el_buf_init(&have);
    el_buf_init(&want);
    put_shape(&have, t->dims, t->shape);
    put_shape(&want, dims, shape);
    int rc = el_error_set(err, EL_EFORMAT, "%s: tensor '%s' has the shape %s, expected %s",
                          st->name, t->name, have.data, want.data);
    el_buf_release(&have);
    el_buf_release(&want);
    return rc;
}

int el_safetensors_check(const struct el_safetensors *st, const struct el_st_tensor *t, int dims,
                         const int64_t *shape, struct el_error *err)
{
    if (t->dims == dims && memcmp(t->shape, shape, (size_t)dims * sizeof *shape) == 0)
        return 0;
    return wrong_shape(st, t, dims, shape, err);
}

int el_safetensors_need(const struct el_safetensors *st, const char *name, enum el_dtype dtype,
                        int dims, const int64_t *shape, const struct el_st_tensor **out,
                        struct el_error *err)
{
    const struct el_st_tensor *t = el_safetensors_find(st, name);
    if (!t)
        return el_error_set(err, EL_EFORMAT, "%s: tensor '%s' is missing", st->name, name);
    if (t->dtype != dtype)
        return el_error_set(err, EL_EFORMAT, "%s: tensor '%s' has the dtype %s, expected %s",
                            st->name, name, el_dtype_name(t->dtype), el_dtype_name(dtype));
    int rc = dims < 0 ? 0 : el_safetensors_check(st, t, dims, shape, err);
    if (rc == 0)
        *out = t;
    return rc;
}
