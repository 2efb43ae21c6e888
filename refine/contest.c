#include "refine/contest.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "data/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { max_file = 1 << 28 };

void el_contest_init(struct el_contest *c)
{
    memset(c, 0, sizeof *c);
    el_map_init(&c->by_id);
}

void el_contest_release(struct el_contest *c)
{
    for (int i = 0; i < c->n; i++)
        el_problem_release(&c->problems[i]);
    el_free(c->problems);
    el_free(c->keys);
    el_map_release(&c->by_id);
    el_contest_init(c);
}

static int no_memory(int problems, struct el_error *err)
{
    return el_error_set(err, EL_ENOMEM, "out of memory for %d problems", problems);
}

static int reserve(struct el_contest *c, struct el_error *err)
{
    if (c->n < c->cap)
        return 0;
    int cap = c->cap ? 2 * c->cap : 64;
    struct el_problem *problems = el_realloc(c->problems, (size_t)cap * sizeof *problems);
    if (problems)
        c->problems = problems;
    void *keys = problems ? el_realloc(c->keys, (size_t)cap * sizeof *c->keys) : NULL;
    if (!keys)
        return no_memory(cap, err);
    c->keys = keys;
    c->cap = cap;
    return 0;
}

/* The problem behind the last one is read: it counts. */
static int keep(struct el_contest *c, struct el_error *err)
{
    struct el_problem *p = &c->problems[c->n];
    memcpy(c->keys[c->n], p->key, EL_DIGEST_HEX);
    c->n++;
    return el_map_put(&c->by_id, (uint64_t)p->id, c->n - 1) < 0 ? no_memory(c->n, err) : 0;
}

/* Appends the stored problem `id` unless it is there. */
static int append(struct el_contest *c, struct el_store *store, int64_t id, struct el_error *err)
{
    if (el_map_get(&c->by_id, (uint64_t)id) >= 0)
        return 0;
    int rc = reserve(c, err);
    if (rc == 0)
        rc = el_store_problem_get(store, id, &c->problems[c->n], err);
    return rc < 0 ? rc : keep(c, err);
}

static int add(struct el_contest *c, struct el_store *store, const struct el_problem *p,
               struct el_error *err)
{
    int64_t id;
    int rc = el_store_problem_add(store, p, &id, NULL, err);
    return rc < 0 ? rc : append(c, store, id, err);
}

/* ----------------------------------------------------------------------------- small world */

static int parse_count(const char **s, uint64_t max, uint64_t *out)
{
    char *end;
    if (**s < '0' || **s > '9')
        return -1;
    *out = strtoull(*s, &end, 10);
    *s = end;
    return *out <= max ? 0 : -1;
}

static int parse_world(const char *source, int *split, uint64_t *count, uint64_t *start)
{
    char name[16];
    const char *rest = source + strlen("world:"), *colon = strchr(rest, ':');
    if (!colon || (size_t)(colon - rest) >= sizeof name)
        return -1;
    memcpy(name, rest, (size_t)(colon - rest));
    name[colon - rest] = 0;
    *split = el_world_split_from_name(name);
    *start = 0;
    rest = colon + 1;
    if (*split < 0 || parse_count(&rest, 10000000, count) < 0 || *count == 0)
        return -1;
    if (*rest == ':') {
        rest++;
        if (parse_count(&rest, UINT64_MAX / 2, start) < 0)
            return -1;
    }
    return *rest ? -1 : 0;
}

static int check_world(const char *source, int *split, uint64_t *count, uint64_t *start,
                       struct el_error *err)
{
    if (parse_world(source, split, count, start) == 0)
        return 0;
    return el_error_set(err, EL_EINVAL,
                        "'%s': expected world:SPLIT:COUNT[:START] with SPLIT train, valid, "
                        "test or large",
                        source);
}

static int is_world_source(const char *source)
{
    return strncmp(source, "world:", strlen("world:")) == 0;
}

int el_contest_check_source(const char *source, struct el_error *err)
{
    int split;
    uint64_t count, start;
    return is_world_source(source) ? check_world(source, &split, &count, &start, err) : 0;
}

static int read_world(struct el_contest *c, const char *source, struct el_store *store,
                      struct el_error *err)
{
    int split;
    uint64_t count, start;
    int rc = check_world(source, &split, &count, &start, err);
    if (rc < 0)
        return rc;
    struct el_buf text;
    el_buf_init(&text);
    for (uint64_t i = start; rc == 0 && i < start + count; i++) {
        struct el_world_problem w;
        char set[32], id[32];
        el_world_problem((enum el_world_split)split, i, &w);
        el_buf_clear(&text);
        if (el_world_problem_text(&w, &text) < 0) {
            rc = el_error_set(err, EL_ENOMEM, "%s: out of memory", source);
            break;
        }
        snprintf(set, sizeof set, "world-%s", el_world_split_name(split));
        snprintf(id, sizeof id, "%llu", (unsigned long long)i);
        const struct el_problem p = {.set = set, .external_id = id, .statement = text.data};
        rc = add(c, store, &p, err);
    }
    el_buf_release(&text);
    return rc;
}

/* ------------------------------------------------------------------------------------ JSON */

static const char *string_field(const cJSON *obj, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(obj, key));
}

static const char *question_of(const cJSON *obj)
{
    static const char *const keys[] = {"question", "problem", "statement"};
    for (size_t i = 0; i < 3; i++)
        if (string_field(obj, keys[i]))
            return string_field(obj, keys[i]);
    return NULL;
}

struct entry {
    const char *id, *question, *answer; /* id NULL: it is `number` */
    char number[32];
    int place;
};

static int read_entry(struct entry *e, const cJSON *obj, int place, const char *path,
                      struct el_error *err)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(obj, "id");
    *e = (struct entry){.id = string_field(obj, "id"),
                        .question = question_of(obj),
                        .answer = string_field(obj, "answer"),
                        .place = place};
    if (!e->question || !*e->question)
        return el_error_set(err, EL_EFORMAT, "%s: entry %d: expected a text \"question\"", path,
                            place);
    snprintf(e->number, sizeof e->number, "%.15g",
             cJSON_IsNumber(number) ? number->valuedouble : place);
    return 0;
}

static const char *id_of(const struct entry *e)
{
    return e->id ? e->id : e->number;
}

static int by_id(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(id_of(x), id_of(y));
    return order ? order : x->place - y->place;
}

static int by_place(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->place - y->place;
}

/* Who reads the results tells problems apart by their ids. */
static int check_ids(struct entry *e, int n, const char *path, struct el_error *err)
{
    qsort(e, (size_t)n, sizeof *e, by_id);
    for (int i = 1; i < n; i++)
        if (strcmp(id_of(&e[i - 1]), id_of(&e[i])) == 0 &&
            strcmp(e[i - 1].question, e[i].question) != 0)
            return el_error_set(err, EL_EFORMAT,
                                "%s: entry %d: its id '%.100s' is that of entry %d, which has "
                                "another question; an id names one problem",
                                path, e[i].place, id_of(&e[i]), e[i - 1].place);
    return 0;
}

/* Nothing is added where an entry is wrong. */
static int add_entries(struct el_contest *c, const char *set, const char *path, const cJSON *json,
                       struct el_store *store, struct el_error *err)
{
    int n = 0, rc = 0;
    struct entry *e = el_alloc_array((size_t)cJSON_GetArraySize(json) + 1, sizeof *e);
    if (!e)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    for (const cJSON *obj = json->child; rc == 0 && obj; obj = obj->next, n++)
        rc = read_entry(&e[n], obj, n, path, err);
    if (rc == 0)
        rc = check_ids(e, n, path, err);
    qsort(e, (size_t)n, sizeof *e, by_place);
    for (int i = 0; rc == 0 && i < n; i++) {
        const struct el_problem p = {.set = set,
                                     .external_id = id_of(&e[i]),
                                     .statement = e[i].question,
                                     .answer = e[i].answer};
        rc = add(c, store, &p, err);
    }
    el_free(e);
    return rc;
}

static int read_json(struct el_contest *c, const char *path, struct el_store *store,
                     struct el_error *err)
{
    cJSON *json = NULL;
    char set[128];
    int rc = el_json_load(path, &json, err);
    if (rc < 0)
        return rc;
    const char *name = strrchr(path, '/');
    snprintf(set, sizeof set, "%s", name ? name + 1 : path);
    char *dot = strrchr(set, '.');
    if (dot && dot > set)
        *dot = 0;
    if (!cJSON_IsArray(json))
        rc = el_error_set(err, EL_EFORMAT, "%s: expected an array of {\"id\", \"question\"}", path);
    else
        rc = add_entries(c, set, path, json, store, err);
    cJSON_Delete(json);
    return rc;
}

/* ----------------------------------------------------------------------------------- store */

struct copy {
    struct el_contest *c;
    struct el_store *to;
};

static int copy_problem(void *user, const struct el_problem *p, struct el_error *err)
{
    const struct copy *copy = user;
    return add(copy->c, copy->to, p, err);
}

static int collect_id(void *user, const struct el_problem *p, struct el_error *err)
{
    struct el_buf *ids = user;
    return el_buf_add(ids, &p->id, sizeof p->id) < 0
               ? el_error_set(err, EL_ENOMEM, "out of memory for problem ids")
               : 0;
}

static int same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The store that holds the run holds the problems as well. */
static int read_own(struct el_contest *c, const char *set, struct el_store *store,
                    struct el_error *err)
{
    struct el_buf ids;
    el_buf_init(&ids);
    int rc = el_store_set_check(store, set, err);
    if (rc == 0)
        rc = el_store_problem_each(store, set, collect_id, &ids, err);
    for (size_t i = 0; rc == 0 && i < ids.len; i += sizeof(int64_t)) {
        int64_t id;
        memcpy(&id, ids.data + i, sizeof id);
        rc = append(c, store, id, err);
    }
    el_buf_release(&ids);
    return rc;
}

static int read_store(struct el_contest *c, const char *path, const char *set,
                      struct el_store *store, struct el_error *err)
{
    if (same_file(path, el_store_path(store)))
        return read_own(c, set, store, err);
    struct el_store *from = NULL;
    int rc = el_store_open(path, EL_STORE_READONLY, &from, err);
    if (rc < 0)
        return rc;
    struct copy copy = {c, store};
    rc = el_store_set_check(from, set, err);
    if (rc == 0)
        rc = el_store_problem_each(from, set, copy_problem, &copy, err);
    el_store_close(from);
    return rc;
}

static int is_store(const char *path)
{
    static const char magic[] = "SQLite format 3";
    char head[sizeof magic] = "";
    FILE *f = fopen(path, "rb");
    if (!f)
        return 0;
    size_t n = fread(head, 1, sizeof magic, f);
    fclose(f);
    return n == sizeof magic && memcmp(head, magic, sizeof magic) == 0;
}

static int read_any(struct el_contest *c, const char *source, struct el_store *store,
                    struct el_error *err)
{
    if (is_world_source(source))
        return read_world(c, source, store, err);
    if (is_store(source))
        return read_store(c, source, NULL, store, err);
    const char *hash = strrchr(source, '#');
    char *path = hash ? el_strndup(source, (size_t)(hash - source)) : NULL;
    if (hash && !path)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", source);
    int rc = path && is_store(path) ? read_store(c, path, hash + 1, store, err)
                                    : read_json(c, source, store, err);
    el_free(path);
    return rc;
}

int el_contest_read(struct el_contest *c, const char *source, struct el_store *store,
                    struct el_error *err)
{
    int rc = el_store_begin(store, err);
    if (rc < 0)
        return rc;
    rc = read_any(c, source, store, err);
    if (rc == 0 && c->n == 0)
        rc = el_error_set(err, EL_ENOTFOUND, "%s: no problems", source);
    if (rc < 0) {
        el_store_rollback(store);
        return rc;
    }
    return el_store_commit(store, err);
}

int el_contest_load(struct el_contest *c, struct el_store *store, const char *const *keys, int n,
                    struct el_error *err)
{
    int rc = 0;
    for (int i = 0; rc == 0 && i < n; i++) {
        rc = reserve(c, err);
        if (rc == 0)
            rc = el_store_problem_by_key(store, keys[i], &c->problems[c->n], err);
        if (rc == 0)
            rc = keep(c, err);
    }
    return rc;
}

/* ---------------------------------------------------------------------------------- domain */

static int outside_world(const struct el_contest *c, struct el_error *why)
{
    for (int i = 0; i < c->n; i++) {
        struct el_world_problem w;
        const char *text = c->problems[i].statement;
        if (el_world_problem_parse(text, strlen(text), &w, why) < 0)
            return i;
    }
    return -1;
}

int el_contest_is_world(const struct el_contest *c)
{
    return c->n > 0 && outside_world(c, NULL) < 0;
}

/* The domain of a model folder: "" when it has none. */
static int read_domain(const char *model, char domain[64], struct el_error *err)
{
    domain[0] = 0;
    char *path = el_path_join(model, "domain.json");
    if (!path)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", model);
    cJSON *json = NULL;
    const char *name = NULL;
    int rc = el_path_exists(path) ? el_json_load(path, &json, err) : 0;
    if (json)
        rc = el_json_str(json, path, "domain", &name, err);
    if (name)
        snprintf(domain, 64, "%s", name);
    cJSON_Delete(json);
    el_free(path);
    return rc;
}

int el_contest_model_is_of_world(const char *model, struct el_error *err)
{
    char domain[64];
    int rc = read_domain(model, domain, err);
    if (rc < 0 || !*domain)
        return rc;
    if (strcmp(domain, "small-proof-world") != 0)
        return el_error_set(err, EL_EFORMAT, "%s/domain.json: the domain '%s' is unknown", model,
                            domain);
    return 1;
}

size_t el_dataset_outside_world(const struct el_dataset *d)
{
    struct el_world_problem w;
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++)
        n += el_world_problem_parse(d->item[i].statement, strlen(d->item[i].statement), &w, NULL) <
             0;
    return n;
}

/* `way_out`: where problems of the small world come from. */
static int refuse(const char *what, const char *model, const struct el_error *why,
                  const char *way_out, struct el_error *err)
{
    return el_error_set(
        err, EL_EREFUSED,
        "%s is outside of what the model %s was trained on, the small proof world (%s); "
        "its answers would mean nothing. Bind a model that can do mathematics: --model DIR with a "
        "larger checkpoint (config.json, tokenizer.json, *.safetensors). For problems of the small "
        "world: %s",
        what, model, why->msg, way_out);
}

int el_contest_check_domain(const struct el_contest *c, const char *model, struct el_error *err)
{
    int rc = el_contest_model_is_of_world(model, err);
    if (rc <= 0)
        return rc;
    struct el_error why = {0};
    char what[128];
    int i = outside_world(c, &why);
    if (i < 0)
        return 0;
    snprintf(what, sizeof what, "problem '%.100s'", c->problems[i].external_id);
    return refuse(what, model, &why, "world:test:16", err);
}

int el_statement_check_domain(const char *statement, const char *what, const char *model,
                              struct el_error *err)
{
    int rc = el_contest_model_is_of_world(model, err);
    if (rc <= 0)
        return rc;
    struct el_error why = {0};
    struct el_world_problem w;
    if (el_world_problem_parse(statement, strlen(statement), &w, &why) >= 0)
        return 0;
    return refuse(what, model, &why, "elenchus world --split test", err);
}
