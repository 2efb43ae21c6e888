#include "data/store_row.h"

#include "core/base/alloc.h"

#include <string.h>
#include <time.h>

int el_row_own(const char **const *fields, int n, char **memory, struct el_error *err)
{
    size_t total = 0;
    for (int i = 0; i < n; i++)
        total += *fields[i] ? strlen(*fields[i]) + 1 : 0;
    char *block = el_alloc(total);
    if (!block)
        return el_error_set(err, EL_ENOMEM, "out of memory for a row of %zu bytes", total);
    char *p = block;
    for (int i = 0; i < n; i++) {
        if (!*fields[i])
            continue;
        size_t len = strlen(*fields[i]) + 1;
        memcpy(p, *fields[i], len);
        *fields[i] = p;
        p += len;
    }
    *memory = block;
    return 0;
}

void el_row_key(struct el_sql *q, int i, char out[EL_DIGEST_HEX])
{
    const char *key = el_sql_col_text(q, i);
    size_t n = key ? strlen(key) : 0;
    if (n >= EL_DIGEST_HEX)
        n = 0;
    memcpy(out, key ? key : "", n);
    out[n] = 0;
}

int el_row_missing(struct el_store *s, const char *what, int64_t id, struct el_error *err)
{
    return el_error_set(err, EL_ENOTFOUND, "%s: no %s with id %lld", s->path, what, (long long)id);
}

int el_row_key_of(struct el_store *s, const char *sql, const char *what, int64_t id,
                  char out[EL_DIGEST_HEX], struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, sql, err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, id);
    rc = el_sql_step(&q, err);
    if (rc == 1)
        el_row_key(&q, 0, out);
    el_sql_close(&q);
    if (rc == 0)
        return el_row_missing(s, what, id, err);
    return rc < 0 ? rc : 0;
}

int el_row_add(struct el_sql *q, const char *select, const char *key, int64_t *id,
               struct el_error *err)
{
    struct el_store *s = q->s;
    int added = el_sql_run(q, err);
    if (added < 0)
        return added;
    struct el_sql find;
    int rc = el_sql_open(&find, s, select, err);
    if (rc < 0)
        return rc;
    el_sql_text(&find, key);
    int64_t found = 0;
    rc = el_sql_one_int(&find, &found, err);
    if (rc == EL_ENOTFOUND)
        return el_error_set(err, EL_EIO, "%s: a row just written is not there", s->path);
    if (rc == 0 && id)
        *id = found;
    return rc < 0 ? rc : added > 0;
}

void el_row_digest_text(struct el_digest *d, const char *text)
{
    el_digest_u64(d, text != NULL);
    el_digest_str(d, text ? text : "");
}

void el_row_digest_author(struct el_digest *d, const struct el_author *a)
{
    el_digest_str(d, el_author_kind_name(a->kind));
    el_digest_str(d, a->name ? a->name : "");
    el_digest_str(d, a->origin ? a->origin : "");
}

void el_row_bind_author(struct el_sql *q, const struct el_author *a)
{
    el_sql_text(q, el_author_kind_name(a->kind));
    el_sql_text(q, a->name ? a->name : "");
    el_sql_text(q, a->origin ? a->origin : "");
}

void el_row_read_author(struct el_sql *q, int i, struct el_author *a)
{
    const char *kind = el_sql_col_text(q, i);
    int k = el_author_kind_from_name(kind ? kind : "");
    a->kind = k < 0 ? EL_AUTHOR_IMPORT : (enum el_author_kind)k;
    a->name = el_sql_col_string(q, i + 1);
    a->origin = el_sql_col_string(q, i + 2);
}

int el_name_index(const char *const *names, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static const char *const author_kinds[] = {"human", "model", "import"};

const char *el_author_kind_name(enum el_author_kind kind)
{
    return (unsigned)kind < 3 ? author_kinds[kind] : "unknown";
}

int el_author_kind_from_name(const char *name)
{
    return el_name_index(author_kinds, 3, name);
}

int64_t el_row_now(void)
{
    return (int64_t)time(NULL);
}
