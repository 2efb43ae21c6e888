#include "training/recipe.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "data/world_tokenizer.h"

#include <stdio.h>
#include <string.h>

static const char *const prompt_files[4] = {"generate.txt", "verify.txt", "meta.txt", "refine.txt"};

/* The roles cut a template's last line break; what training shows must be what they will ask. */
static void cut_line_breaks(struct el_buf *b)
{
    while (b->len && (b->data[b->len - 1] == '\n' || b->data[b->len - 1] == '\r'))
        b->data[--b->len] = 0;
}

static int read_prompts(struct el_recipe *r, const char *root, struct el_error *err)
{
    char *dir = el_path_exists(r->prompts_dir) || !root ? el_strdup(r->prompts_dir)
                                                        : el_path_join(root, r->prompts_dir);
    int rc = dir ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for prompts");
    for (int i = 0; i < 4 && rc == 0; i++) {
        char *path = el_path_join(dir, prompt_files[i]);
        rc = path ? el_file_read(path, 1 << 20, &r->prompt_text[i], err) : EL_ENOMEM;
        el_free(path);
        cut_line_breaks(&r->prompt_text[i]);
    }
    el_free(dir);
    r->mix.prompts = (struct el_world_prompts){.generate = r->prompt_text[0].data,
                                               .verify = r->prompt_text[1].data,
                                               .meta = r->prompt_text[2].data,
                                               .refine = r->prompt_text[3].data};
    return rc;
}

/* The tokenizer decides vocabulary and end tokens: the recipe's model object gets them before it
 * is read as a config.json. */
static int read_model(cJSON *root, const char *where, struct el_recipe *r, struct el_error *err)
{
    cJSON *model = cJSON_GetObjectItemCaseSensitive(root, "model");
    if (!cJSON_IsObject(model))
        return el_error_set(err, EL_EFORMAT, "%s: missing field 'model' (an object)", where);
    const struct {
        const char *key;
        double value;
    } set[] = {{"vocab_size", el_world_tokenizer_size()}, {"bos_token_id", 0}, {"eos_token_id", 1}};
    for (int i = 0; i < 3; i++) {
        cJSON_DeleteItemFromObjectCaseSensitive(model, set[i].key);
        if (!cJSON_AddNumberToObject(model, set[i].key, set[i].value))
            return el_error_set(err, EL_ENOMEM, "%s: out of memory", where);
    }
    char *text = cJSON_PrintUnformatted(model);
    if (!text)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", where);
    int rc = el_config_parse("model", text, strlen(text), &r->model, err);
    cJSON_free(text);
    return rc < 0 ? el_error_prefix(err, "%s", where) : 0;
}

static int read_batch(const cJSON *root, const char *where, struct el_recipe *r,
                      struct el_error *err)
{
    static const char *const keys[] = {"tokens", "max_sequence", "micro_batches", NULL};
    const cJSON *b = cJSON_GetObjectItemCaseSensitive(root, "batch");
    int rc = el_json_only(b, where, keys, err);
    if (rc == 0)
        rc = el_json_int_or(b, where, "tokens", &r->batch_tokens, err);
    if (rc == 0)
        rc = el_json_int_or(b, where, "max_sequence", &r->max_sequence, err);
    if (rc == 0)
        rc = el_json_int_or(b, where, "micro_batches", &r->micro_batches, err);
    if (rc < 0)
        return rc;
    if (r->max_sequence < 2 || r->batch_tokens < r->max_sequence || r->micro_batches < 1)
        return el_error_set(err, EL_EFORMAT,
                            "%s: batch: expected 2 <= max_sequence <= tokens and "
                            "micro_batches >= 1",
                            where);
    return 0;
}

static int read_adamw(const cJSON *root, const char *where, struct el_adamw_config *a,
                      struct el_error *err)
{
    static const char *const keys[] = {"beta1",        "beta2",         "eps",
                                       "weight_decay", "max_grad_norm", NULL};
    double *const to[] = {&a->beta1, &a->beta2, &a->eps, &a->weight_decay, &a->max_grad_norm};
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "adamw");
    int rc = el_json_only(o, where, keys, err);
    for (int i = 0; keys[i] && rc == 0; i++)
        rc = el_json_double_or(o, where, keys[i], to[i], err);
    if (rc == 0 && !(a->beta1 >= 0 && a->beta1 < 1 && a->beta2 >= 0 && a->beta2 < 1 && a->eps > 0))
        rc = el_error_set(err, EL_EFORMAT, "%s: adamw: expected betas in [0,1) and eps > 0", where);
    return rc;
}

static int read_numbers(const cJSON *o, const char *where, const char *key, double *out, int n,
                        struct el_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, key), *item;
    if (!list)
        return 0;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != n)
        return el_error_set(err, EL_EFORMAT, "%s: field '%s' must be an array of %d numbers", where,
                            key, n);
    int i = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsNumber(item))
            return el_error_set(err, EL_EFORMAT, "%s: field '%s' must hold numbers", where, key);
        out[i++] = item->valuedouble;
    }
    return 0;
}

static int read_mix(const cJSON *root, const char *where, struct el_recipe *r, struct el_error *err)
{
    static const char *const keys[] = {
        "share",        "verify_score",  "meta_score",    "generate_flawed", "generate_minor",
        "refine_minor", "refine_flawed", "drill_witness", "drill_lines",     NULL};
    struct el_world_mix *m = &r->mix;
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "mix");
    const cJSON *share = cJSON_GetObjectItemCaseSensitive(o, "share");
    m->seed = r->seed;
    int rc = el_json_only(o, where, keys, err);
    for (int k = 0; k < EL_EXAMPLE_KINDS && rc == 0; k++)
        rc = el_json_double_or(share, where, el_example_kind_name(k), &m->share[k], err);
    if (rc == 0)
        rc = read_numbers(o, where, "verify_score", m->verify_score, 3, err);
    if (rc == 0)
        rc = read_numbers(o, where, "meta_score", m->meta_score, 3, err);
    double *const to[] = {&m->generate_flawed, &m->generate_minor, &m->refine_minor,
                          &m->refine_flawed, &m->drill_witness};
    for (int i = 0; i < 5 && rc == 0; i++)
        rc = el_json_double_or(o, where, keys[3 + i], to[i], err);
    if (rc == 0)
        rc = el_json_int_or(o, where, "drill_lines", &m->drill_lines, err);
    return rc == 0 ? el_world_mix_check(m, err) : rc;
}

static int read_attempts(const cJSON *o, const char *where, struct el_recipe_stage *s,
                         struct el_error *err)
{
    static const char *const keys[] = {"name",        "attempts", "samples",
                                       "temperature", "refine",   NULL};
    s->samples = 1;
    s->temperature = 1;
    int rc = el_json_only(o, where, keys, err);
    if (rc == 0)
        rc = el_json_int(o, where, "attempts", &s->attempts, err);
    if (rc == 0)
        rc = el_json_int_or(o, where, "samples", &s->samples, err);
    if (rc == 0)
        rc = el_json_double_or(o, where, "temperature", &s->temperature, err);
    if (rc == 0)
        rc = el_json_bool_or(o, where, "refine", &s->refine, err);
    if (rc == 0 && (s->attempts < 1 || s->samples < 1))
        rc = el_error_set(err, EL_EFORMAT, "%s: attempts and samples must be at least 1", where);
    return rc;
}

static int read_schedule(const cJSON *o, const char *where, struct el_schedule *s,
                         struct el_error *err)
{
    const char *decay = "cosine";
    int rc = el_json_i64(o, where, "steps", &s->steps, err);
    if (rc == 0)
        rc = el_json_double(o, where, "lr", &s->lr, err);
    if (rc == 0)
        rc = el_json_double_or(o, where, "final_lr", &s->final_lr, err);
    if (rc == 0)
        rc = el_json_i64_or(o, where, "warmup", &s->warmup, err);
    if (rc == 0)
        rc = el_json_str_or(o, where, "decay", &decay, err);
    if (rc == 0 && el_decay_parse(decay, &s->decay, err) < 0)
        rc = el_error_prefix(err, "%s", where);
    if (rc == 0 && (s->steps < 1 || s->warmup < 0 || s->lr < 0 || s->final_lr < 0))
        rc = el_error_set(err, EL_EFORMAT,
                          "%s: steps must be at least 1, warmup, lr and final_lr "
                          "not negative",
                          where);
    return rc;
}

static int read_training(const cJSON *o, const char *where, struct el_recipe_stage *s,
                         struct el_error *err)
{
    static const char *const keys[] = {
        "name",   "train", "steps",         "lr",        "final_lr",
        "warmup", "decay", "attempt_share", "kl_weight", "bias_update_speed",
        NULL};
    const char *kind = NULL;
    s->kl_weight = 1;
    int rc = el_json_only(o, where, keys, err);
    if (rc == 0)
        rc = el_json_str(o, where, "train", &kind, err);
    if (rc == 0 && el_stage_parse(kind, &s->stage, err) < 0)
        rc = el_error_prefix(err, "%s", where);
    if (rc == 0)
        rc = read_schedule(o, where, &s->schedule, err);
    if (rc == 0)
        rc = el_json_double_or(o, where, "attempt_share", &s->attempt_share, err);
    if (rc == 0)
        rc = el_json_double_or(o, where, "kl_weight", &s->kl_weight, err);
    if (rc == 0)
        rc = el_json_double_or(o, where, "bias_update_speed", &s->bias_update_speed, err);
    if (rc == 0 && !(s->attempt_share >= 0 && s->attempt_share <= 1))
        rc = el_error_set(err, EL_EFORMAT, "%s: attempt_share must lie in 0..1", where);
    return rc;
}

static int read_stages(const cJSON *root, const char *path, struct el_recipe *r,
                       struct el_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "stages"), *o;
    int n = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || n < 1 || n > EL_RECIPE_STAGES)
        return el_error_set(err, EL_EFORMAT,
                            "%s: field 'stages' must be an array of 1 to %d stages", path,
                            EL_RECIPE_STAGES);
    cJSON_ArrayForEach(o, list)
    {
        struct el_recipe_stage *s = &r->stage[r->n_stages];
        char where[300];
        const char *name = NULL;
        snprintf(where, sizeof where, "%s: stages[%d]", path, r->n_stages);
        int rc = el_json_str(o, where, "name", &name, err);
        if (rc < 0)
            return rc;
        snprintf(s->name, sizeof s->name, "%s", name);
        rc = cJSON_HasObjectItem(o, "attempts") ? read_attempts(o, where, s, err)
                                                : read_training(o, where, s, err);
        if (rc < 0)
            return rc;
        r->n_stages++;
    }
    return 0;
}

static void digest_of(struct el_recipe *r, const cJSON *root)
{
    struct el_digest d;
    char *text = cJSON_PrintUnformatted(root);
    el_digest_init(&d);
    el_digest_str(&d, text ? text : "");
    for (int i = 0; i < 4; i++)
        el_digest_bytes(&d, r->prompt_text[i].data, r->prompt_text[i].len);
    el_digest_hex(&d, r->digest);
    cJSON_free(text);
}

static int read_top(cJSON *root, const char *path, const char *base, struct el_recipe *r,
                    struct el_error *err)
{
    static const char *const keys[] = {"seed", "prompts",          "model",     "batch",  "adamw",
                                       "mix",  "checkpoint_every", "log_every", "stages", NULL};
    int64_t seed = 1;
    const char *prompts = NULL;
    int rc = el_json_only(root, path, keys, err);
    if (rc == 0)
        rc = el_json_i64_or(root, path, "seed", &seed, err);
    if (rc == 0)
        rc = el_json_str(root, path, "prompts", &prompts, err);
    if (rc == 0)
        rc = el_json_int_or(root, path, "checkpoint_every", &r->checkpoint_every, err);
    if (rc == 0)
        rc = el_json_int_or(root, path, "log_every", &r->log_every, err);
    if (rc == 0 && (r->checkpoint_every < 1 || r->log_every < 1))
        rc = el_error_set(err, EL_EFORMAT, "%s: checkpoint_every and log_every must be at least 1",
                          path);
    if (rc < 0)
        return rc;
    r->seed = (uint64_t)seed;
    r->prompts_dir = el_strdup(prompts);
    if (!r->prompts_dir)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    return read_prompts(r, base, err);
}

int el_recipe_load(const char *path, const char *root, struct el_recipe *r, struct el_error *err)
{
    cJSON *tree = NULL;
    memset(r, 0, sizeof *r);
    for (int i = 0; i < 4; i++)
        el_buf_init(&r->prompt_text[i]);
    r->batch_tokens = 8192;
    r->max_sequence = 512;
    r->micro_batches = 1;
    r->checkpoint_every = 100;
    r->log_every = 10;
    r->adamw = (struct el_adamw_config){0.9, 0.95, 1e-8, 0.1, 1};
    el_world_mix_init(&r->mix, &(struct el_world_prompts){0});
    int rc = el_json_load(path, &tree, err);
    if (rc == 0)
        rc = read_top(tree, path, root, r, err);
    if (rc == 0)
        rc = read_model(tree, path, r, err);
    if (rc == 0)
        rc = read_batch(tree, path, r, err);
    if (rc == 0)
        rc = read_adamw(tree, path, &r->adamw, err);
    if (rc == 0)
        rc = read_mix(tree, path, r, err);
    if (rc == 0)
        rc = read_stages(tree, path, r, err);
    if (rc == 0)
        digest_of(r, tree);
    cJSON_Delete(tree);
    if (rc < 0)
        el_recipe_release(r);
    return rc;
}

void el_recipe_release(struct el_recipe *r)
{
    el_free(r->prompts_dir);
    r->prompts_dir = NULL;
    for (int i = 0; i < 4; i++)
        el_buf_release(&r->prompt_text[i]);
}

int64_t el_recipe_steps(const struct el_recipe *r)
{
    int64_t n = 0;
    for (int i = 0; i < r->n_stages; i++)
        if (!r->stage[i].attempts)
            n += r->stage[i].schedule.steps;
    return n;
}
