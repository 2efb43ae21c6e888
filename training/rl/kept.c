#include "training/rl/kept.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "training/rl/drops.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Writing ---- */

/* A first line and the kept ones. */
static int write_file(const char *path, const struct el_buf *first, const struct el_buf *lines,
                      struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_buf_add(&text, first->data ? first->data : "", first->len);
    if (rc == 0)
        rc = el_buf_add(&text, lines->data ? lines->data : "", lines->len);
    rc = rc < 0 ? el_error_set(err, EL_ENOMEM, "out of memory for what is kept")
                : el_file_write(path, text.data, text.len, err);
    el_buf_release(&text);
    return rc;
}

int el_rl_kept_write(const char *path, const struct el_rl_kept_tally *t, const struct el_buf *lines,
                     struct el_error *err)
{
    struct el_buf first;
    el_buf_init(&first);
    int rc = el_buf_printf(&first, "{\"batches\":%d", t->batches);
    if (rc == 0)
        rc = el_rl_drops_json(&t->judge, t->refused, &first);
    if (rc == 0)
        rc = el_buf_puts(&first, "}\n");
    rc = rc < 0 ? el_error_set(err, EL_ENOMEM, "out of memory for what is kept")
                : write_file(path, &first, lines, err);
    el_buf_release(&first);
    return rc;
}

/* ---- Parts ---- */

enum { COUNTS = 2 * EL_ROLES + 7 + 2 * EL_LENGTH_CLASSES };

/* All counts of a tally but its batches, in the order of the file. */
static void list_counts(struct el_rl_kept_tally *t, int64_t *count[COUNTS])
{
    int64_t *const single[] = {&t->refused,         &t->judge.asked, &t->judge.unreadable,
                               &t->judge.judged,    &t->judge.lost,  &t->judge.judged_bytes,
                               &t->judge.lost_bytes};
    int n = 0;
    for (int k = 0; k < EL_ROLES; k++) {
        count[n++] = &t->sampled[k];
        count[n++] = &t->kept[k];
    }
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        count[n++] = single[i];
    for (int i = 0; i < EL_LENGTH_CLASSES; i++) {
        count[n++] = &t->judge.lengths.asked[i];
        count[n++] = &t->judge.lengths.dropped[i];
    }
}

int el_rl_kept_save_part(const char *path, const struct el_rl_kept_tally *t,
                         const struct el_buf *lines, struct el_error *err)
{
    struct el_rl_kept_tally copy = *t;
    int64_t *count[COUNTS];
    struct el_buf first;
    el_buf_init(&first);
    list_counts(&copy, count);
    int rc = el_buf_printf(&first, "{\"batches\":%d,\"counts\":[", t->batches);
    for (int i = 0; i < COUNTS && rc == 0; i++)
        rc = el_buf_printf(&first, "%s%" PRId64, i ? "," : "", *count[i]);
    if (rc == 0)
        rc = el_buf_puts(&first, "]}\n");
    rc = rc < 0 ? el_error_set(err, EL_ENOMEM, "out of memory for what is kept")
                : write_file(path, &first, lines, err);
    el_buf_release(&first);
    return rc;
}

static int read_counts(const cJSON *list, const char *where, struct el_rl_kept_tally *t,
                       struct el_error *err)
{
    int64_t *count[COUNTS];
    const cJSON *item;
    int n = 0;
    list_counts(t, count);
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != COUNTS)
        return el_error_set(err, EL_EFORMAT, "%s: counts: expected %d numbers", where, COUNTS);
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble < 0x1p53))
            return el_error_set(err, EL_EFORMAT, "%s: counts: expected numbers from 0 on", where);
        *count[n++] = (int64_t)item->valuedouble;
    }
    return 0;
}

static int read_first(const char *where, const char *line, size_t n, int batches,
                      struct el_rl_kept_tally *t, struct el_error *err)
{
    cJSON *o = NULL;
    int rc = el_json_parse(where, line, n, &o, err);
    if (rc == 0)
        rc = el_json_int(o, where, "batches", &t->batches, err);
    if (rc == 0 && (t->batches < 0 || t->batches > batches))
        rc = el_error_set(err, EL_EFORMAT, "%s: batches: expected 0..%d", where, batches);
    if (rc == 0)
        rc = read_counts(cJSON_GetObjectItemCaseSensitive(o, "counts"), where, t, err);
    cJSON_Delete(o);
    return rc;
}

int el_rl_kept_load_part(const char *path, int batches, struct el_rl_kept_tally *t,
                         struct el_buf *lines, struct el_error *err)
{
    struct el_buf text;
    char where[300];
    el_buf_init(&text);
    snprintf(where, sizeof where, "%s: line 1", path);
    int rc = el_file_read(path, 0, &text, err);
    const char *end = rc == 0 && text.len ? memchr(text.data, '\n', text.len) : NULL;
    size_t n = end ? (size_t)(end - text.data) : 0;
    if (rc == 0 && !end)
        rc = el_error_set(err, EL_EFORMAT, "%s: expected the counts of a part", where);
    if (rc == 0)
        rc = read_first(where, text.data, n, batches, t, err);
    if (rc == 0 && el_buf_add(lines, end + 1, text.len - n - 1) < 0)
        rc = el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    el_buf_release(&text);
    return rc;
}

/* ---- Reading back ---- */

/* The first line holds what the sampling dropped; files of old have none. */
static int is_drops(const char *line, size_t n)
{
    static const char start[] = "{\"batches\":";
    return n > sizeof start && memcmp(line, start, sizeof start - 1) == 0;
}

static int read_drops(struct el_rl_kept *k, const char *where, const char *line, size_t n,
                      struct el_error *err)
{
    cJSON *o = NULL;
    int rc = el_json_parse(where, line, n, &o, err);
    cJSON_Delete(o);
    if (rc < 0)
        return rc;
    const char *from = memchr(line, ',', n), *end = memrchr(line, '}', n);
    k->drops = from && end && from < end ? el_strndup(from, (size_t)(end - from)) : el_strdup("");
    return k->drops ? 0 : el_error_set(err, EL_ENOMEM, "%s: out of memory", where);
}

static int add_example(struct el_rl_kept *k, struct el_rl_example *x)
{
    if (k->n == k->room) {
        size_t room = k->room ? 2 * k->room : 256;
        struct el_rl_example *more = el_realloc(k->item, room * sizeof *more);
        if (!more)
            return EL_ENOMEM;
        k->item = more;
        k->room = room;
    }
    k->item[k->n++] = *x;
    return 0;
}

static int read_ids(const cJSON *list, const char *where, int vocab, struct el_rl_example *x,
                    struct el_error *err)
{
    const cJSON *item;
    x->n = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || x->prompt < 1 || x->n <= x->prompt)
        return el_error_set(err, EL_EFORMAT, "%s: expected ids of a prompt and a completion",
                            where);
    x->ids = el_alloc_array((size_t)x->n, sizeof *x->ids);
    if (!x->ids)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", where);
    int n = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item) || item->valueint < 0 || item->valueint >= vocab)
            return el_error_set(err, EL_EFORMAT, "%s: ids must lie in 0..%d", where, vocab - 1);
        x->ids[n++] = item->valueint;
    }
    return 0;
}

static int read_line(struct el_rl_kept *k, const char *where, const char *line, size_t n, int vocab,
                     struct el_error *err)
{
    cJSON *o = NULL;
    const char *role = NULL;
    struct el_rl_example x = {0};
    int rc = el_json_parse(where, line, n, &o, err);
    if (rc == 0)
        rc = el_json_str(o, where, "role", &role, err);
    if (rc == 0)
        rc = el_json_int(o, where, "prompt", &x.prompt, err);
    int number = rc == 0 ? el_role_from_name(role) : 0;
    if (rc == 0 && number < 0)
        rc = el_error_set(err, EL_EFORMAT, "%s: unknown role '%s'", where, role);
    x.role = (enum el_role)number;
    if (rc == 0)
        rc = read_ids(cJSON_GetObjectItemCaseSensitive(o, "ids"), where, vocab, &x, err);
    if (rc == 0 && add_example(k, &x) < 0)
        rc = el_error_set(err, EL_ENOMEM, "%s: out of memory", where);
    if (rc < 0)
        el_free(x.ids);
    cJSON_Delete(o);
    return rc;
}

int el_rl_kept_read(struct el_rl_kept *k, const char *path, int vocab, struct el_error *err)
{
    struct el_buf text;
    int rc, number = 0;
    el_buf_init(&text);
    rc = el_file_read(path, 0, &text, err);
    for (char *line = text.data; rc == 0 && line && line < text.data + text.len;) {
        char where[300];
        size_t left = (size_t)(text.data + text.len - line);
        char *end = memchr(line, '\n', left);
        size_t n = end ? (size_t)(end - line) : left;
        snprintf(where, sizeof where, "%s: line %d", path, ++number);
        rc = number == 1 && is_drops(line, n) ? read_drops(k, where, line, n, err)
                                              : read_line(k, where, line, n, vocab, err);
        line += n + 1;
    }
    el_buf_release(&text);
    return rc;
}

void el_rl_kept_release(struct el_rl_kept *k)
{
    for (size_t i = 0; i < k->n; i++)
        el_free(k->item[i].ids);
    el_free(k->item);
    el_free(k->drops);
    *k = (struct el_rl_kept){0};
}
