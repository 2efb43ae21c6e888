#include "refine/named_run.h"

#include "core/base/alloc.h"

#include <stdio.h>
#include <string.h>

struct search {
    enum el_run_kind kind;
    const char *name;
    struct el_named_run *out;
    struct el_buf names;
};

static int copy(struct el_named_run *to, const struct el_run *run, struct el_error *err)
{
    to->id = run->id;
    snprintf(to->key, sizeof to->key, "%s", run->key);
    snprintf(to->model, sizeof to->model, "%s", run->model_digest);
    snprintf(to->prompts, sizeof to->prompts, "%s", run->prompt_digest);
    snprintf(to->mode, sizeof to->mode, "%s", run->mode);
    to->done = run->done;
    to->config = el_strdup(run->config);
    return to->config ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for a run");
}

static int look_at_run(void *user, const struct el_run *run, struct el_error *err)
{
    struct search *s = user;
    if (run->kind != s->kind)
        return 0;
    cJSON *json = NULL;
    int rc = el_json_parse("the run's config", run->config, strlen(run->config), &json, err);
    if (rc < 0)
        return rc;
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "name"));
    if (!name || strcmp(name, s->name) != 0) {
        if (name)
            el_buf_printf(&s->names, "%s%.63s", s->names.len ? ", " : "", name);
        cJSON_Delete(json);
        return 0;
    }
    s->out->json = json;
    rc = copy(s->out, run, err);
    return rc < 0 ? rc : 1;
}

int el_named_run_find(struct el_store *s, enum el_run_kind kind, const char *name,
                      struct el_named_run *out, struct el_error *err)
{
    struct search search = {.kind = kind, .name = name, .out = out};
    memset(out, 0, sizeof *out);
    el_buf_init(&search.names);
    int rc = el_store_run_each(s, look_at_run, &search, err);
    if (rc == 0)
        rc = el_error_set(err, EL_ENOTFOUND, "%s: no run '%s'; there %s%.500s", el_store_path(s),
                          name, search.names.len ? "are: " : "are none", search.names.data);
    el_buf_release(&search.names);
    if (rc < 0)
        el_named_run_release(out);
    return rc < 0 ? rc : 0;
}

void el_named_run_release(struct el_named_run *r)
{
    el_free(r->config);
    cJSON_Delete(r->json);
    memset(r, 0, sizeof *r);
}

/* ------------------------------------------------------------------------------------ claiming */

/* What sparse attention reads is no option: 0 is --attention dense, and more is the others. 0 where
 * both are sparse, so that it is the number that differs. */
static int name_attention(const cJSON *there, const cJSON *here, char *out, size_t size)
{
    if (!cJSON_IsNumber(there) || !cJSON_IsNumber(here) || (there->valueint && here->valueint))
        return 0;
    if (there->valueint)
        snprintf(out, size,
                 "attention (sparse there, dense here: expected --attention mqa or mha)");
    else
        snprintf(out, size, "attention (dense there, sparse here: expected --attention dense)");
    return 1;
}

/* The first field in which two identities differ. */
static void name_difference(const cJSON *stored, const char *asked, char *out, size_t size)
{
    cJSON *now = cJSON_Parse(asked);
    snprintf(out, size, "settings");
    for (const cJSON *a = stored->child; a; a = a->next) {
        const cJSON *b = cJSON_GetObjectItemCaseSensitive(now, a->string);
        if (b && cJSON_Compare(a, b, 1))
            continue;
        if (strcmp(a->string, "index_topk") == 0 && name_attention(a, b, out, size))
            break;
        char *x = cJSON_PrintUnformatted(a), *y = b ? cJSON_PrintUnformatted(b) : NULL;
        if (strcmp(a->string, "problems") == 0)
            snprintf(out, size, "problems");
        else
            snprintf(out, size, "%s (%.100s there, %.100s here)", a->string, x ? x : "?",
                     y ? y : "nothing");
        cJSON_free(x);
        cJSON_free(y);
        break;
    }
    cJSON_Delete(now);
}

static int check_same(struct el_store *s, const char *name, const struct el_named_run *there,
                      const struct el_run *want, struct el_error *err)
{
    char what[256] = "";
    if (strcmp(there->config, want->config) != 0)
        name_difference(there->json, want->config, what, sizeof what);
    else if (strcmp(there->model, want->model_digest) != 0)
        snprintf(what, sizeof what, "model (digest %s there, %s here)", there->model,
                 want->model_digest);
    else if (strcmp(there->prompts, want->prompt_digest) != 0)
        snprintf(what, sizeof what, "prompts");
    if (!*what)
        return 0;
    return el_error_set(err, EL_EREFUSED,
                        "%s: the run '%s' exists with other %s; give the same, or another --run",
                        el_store_path(s), name, what);
}

static int claim(struct el_store *s, const char *name, const struct el_run *want, int64_t *id,
                 char *warning, struct el_error *err)
{
    struct el_named_run there;
    struct el_error missing = {0};
    *warning = 0;
    int rc = el_named_run_find(s, want->kind, name, &there, &missing);
    if (rc == EL_ENOTFOUND) {
        rc = el_store_run_add(s, want, id, err);
        return rc < 0 ? rc : 0;
    }
    if (rc < 0)
        return el_error_set(err, rc, "%s", missing.msg);
    rc = check_same(s, name, &there, want, err);
    *id = there.id;
    if (rc == 0 && strcmp(there.mode, want->mode) != 0)
        snprintf(warning, 256,
                 "the run was begun as '%.80s' and goes on as '%.80s': its replies are not "
                 "reproducible bit for bit",
                 there.mode, want->mode);
    el_named_run_release(&there);
    return rc;
}

/* One transaction: another process may begin a run of this name at the same time. */
int el_named_run_claim(struct el_store *s, const char *name, const struct el_run *want, int64_t *id,
                       char *warning, struct el_error *err)
{
    int rc = el_store_begin(s, err);
    if (rc < 0)
        return rc;
    rc = claim(s, name, want, id, warning, err);
    if (rc == 0)
        return el_store_commit(s, err);
    el_store_rollback(s);
    return rc;
}

void el_named_run_prompts(const struct el_prompt_set *prompts, char out[EL_DIGEST_HEX])
{
    struct el_digest d;
    el_digest_init(&d);
    el_prompt_set_digest(prompts, &d);
    el_digest_hex(&d, out);
}
