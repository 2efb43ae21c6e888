#include "data/store_row.h"

#include "core/base/alloc.h"

#include <string.h>

#define COLUMNS                                                                                    \
    "SELECT id, key, kind, config, seed, model_digest, prompt_digest, mode, dtype, isa, created, " \
    "state FROM runs "

static const char *const kinds[] = {"compete", "eval", "train", "grade", "label"};

const char *el_run_kind_name(enum el_run_kind kind)
{
    return (unsigned)kind < 5 ? kinds[kind] : "unknown";
}

int el_run_kind_from_name(const char *name)
{
    return el_name_index(kinds, 5, name);
}

static void read_row(struct el_sql *q, struct el_run *r)
{
    r->id = el_sql_col_int(q, 0);
    el_row_key(q, 1, r->key);
    int kind = el_run_kind_from_name(el_sql_col_string(q, 2));
    r->kind = kind < 0 ? EL_RUN_COMPETE : (enum el_run_kind)kind;
    r->config = el_sql_col_string(q, 3);
    r->seed = (uint64_t)el_sql_col_int(q, 4);
    r->model_digest = el_sql_col_string(q, 5);
    r->prompt_digest = el_sql_col_string(q, 6);
    r->mode = el_sql_col_string(q, 7);
    r->dtype = el_sql_col_string(q, 8);
    r->isa = el_sql_col_string(q, 9);
    r->created = el_sql_col_int(q, 10);
    r->done = strcmp(el_sql_col_string(q, 11), "done") == 0;
    r->memory = NULL;
}

void el_run_release(struct el_run *r)
{
    el_free(r->memory);
    memset(r, 0, sizeof *r);
}

static void key_of(const struct el_run *r, char out[EL_DIGEST_HEX])
{
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "run");
    el_digest_str(&d, el_run_kind_name(r->kind));
    el_digest_str(&d, r->config);
    el_digest_u64(&d, r->seed);
    el_digest_str(&d, r->model_digest);
    el_digest_str(&d, r->prompt_digest);
    el_digest_hex(&d, out);
}

int el_store_run_add(struct el_store *s, const struct el_run *r, int64_t *id, struct el_error *err)
{
    const char *texts[] = {r->config, r->model_digest, r->prompt_digest, r->mode, r->dtype, r->isa};
    for (int i = 0; i < 6; i++)
        if (!texts[i])
            return el_error_set(err, EL_EINVAL,
                                "a run needs config, digests, mode, dtype and isa (\"\" for none)");
    char key[EL_DIGEST_HEX];
    key_of(r, key);
    struct el_sql q;
    int rc = el_sql_open(&q, s,
                         "INSERT INTO runs (key, kind, config, seed, model_digest, prompt_digest, "
                         "mode, dtype, isa, created, state) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open') "
                         "ON CONFLICT (key) DO NOTHING",
                         err);
    if (rc < 0)
        return rc;
    el_sql_text(&q, key);
    el_sql_text(&q, el_run_kind_name(r->kind));
    el_sql_text(&q, r->config);
    el_sql_int(&q, (int64_t)r->seed);
    for (int i = 1; i < 6; i++)
        el_sql_text(&q, texts[i]);
    el_sql_int(&q, el_row_now());
    return el_row_add(&q, "SELECT id FROM runs WHERE key = ?", key, id, err);
}

int el_store_run_get(struct el_store *s, int64_t id, struct el_run *out, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, COLUMNS "WHERE id = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, id);
    rc = el_sql_step(&q, err);
    if (rc == 1) {
        read_row(&q, out);
        const char **const fields[] = {&out->config, &out->model_digest, &out->prompt_digest,
                                       &out->mode,   &out->dtype,        &out->isa};
        rc = el_row_own(fields, 6, &out->memory, err);
    } else if (rc == 0) {
        rc = el_row_missing(s, "run", id, err);
    }
    el_sql_close(&q);
    return rc;
}

int el_store_run_each(struct el_store *s, el_run_fn *fn, void *user, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, COLUMNS "ORDER BY id", err);
    if (rc < 0)
        return rc;
    while ((rc = el_sql_step(&q, err)) == 1) {
        struct el_run r;
        read_row(&q, &r);
        rc = fn(user, &r, err);
        if (rc != 0)
            break;
    }
    el_sql_close(&q);
    return rc;
}

int el_store_run_set_done(struct el_store *s, int64_t id, struct el_error *err)
{
    struct el_sql q;
    int rc = el_sql_open(&q, s, "UPDATE runs SET state = 'done' WHERE id = ?", err);
    if (rc < 0)
        return rc;
    el_sql_int(&q, id);
    rc = el_sql_run(&q, err);
    return rc == 0 ? el_row_missing(s, "run", id, err) : rc < 0 ? rc : 0;
}
