#include "training/recipe.h"

#include "core/base/alloc.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "core/run/sampler.h"
#include "data/world_tokenizer.h"
#include "roles/prompt.h"

#include <stdio.h>
#include <string.h>

static const char *const prompt_files[4] = {"generate.txt", "verify.txt", "meta.txt", "refine.txt"};

/* The roles cut a template's last line break; what training shows must be what they will ask. */
static void cut_line_breaks(struct el_buf *b)
{
    while (b->len && (b->data[b->len - 1] == '\n' || b->data[b->len - 1] == '\r'))
        b->data[--b->len] = 0;
}

/* What the small world puts into its examples (el_world_fill), the first n of them by file. */
static const char *const filled[] = {"statement", "proof", "analysis"};

/* The group text[0..n) as el_world_fill would replace it. */
static int is_filled(const char *text, size_t n, int files)
{
    char form[40];
    for (int i = 0; i < files; i++) {
        snprintf(form, sizeof form, "{%s}", filled[i]);
        if (strlen(form) == n && memcmp(text, form, n) == 0)
            return 1;
    }
    return 0;
}

/* Whether the roles would read the group text[0..n), braces included, as a placeholder, or as the
 * begin or end of a condition on one: they pass over blanks around the name. */
static int is_placeholder(const char *text, size_t n)
{
    size_t marked = text[1] == '?' || text[1] == '/';
    struct el_slice name = el_slice_trim(el_slice_of(text + 1 + marked, n - 2 - marked));
    for (int k = 0; el_prompt_placeholder(k); k++) {
        struct el_slice known = el_slice_str(el_prompt_placeholder(k));
        if (known.len == name.len && memcmp(known.data, name.data, name.len) == 0)
            return 1;
    }
    return 0;
}

/* The first placeholder that stays in the text; NULL: none. *n: with its braces. */
static const char *find_unfilled(const char *text, int files, size_t *n)
{
    for (; (text = strchr(text, '{')); text++) {
        size_t inside = strcspn(text + 1, "{}\r\n");
        *n = inside + 2;
        if (text[1 + inside] == '}' && inside && !is_filled(text, *n, files) &&
            is_placeholder(text, *n))
            return text;
    }
    return NULL;
}

/* Templates of the roles know more than this mixture can fill: left in the text it would be learned
 * by heart, and what a kind needs would be nowhere. */
static int check_template(int i, const char *path, const char *text, struct el_error *err)
{
    static const int n[] = {1, 2, 3, 3};
    char found[40];
    for (int k = 0; k < n[i]; k++) {
        snprintf(found, sizeof found, "{%s}", filled[k]);
        if (!strstr(text, found))
            return el_error_set(err, EL_EFORMAT, "%s: %s is missing, which training shows", path,
                                found);
    }
    size_t length;
    const char *unfilled = find_unfilled(text, n[i], &length);
    return unfilled ? el_error_set(err, EL_EFORMAT,
                                   "%s: has %.*s, which the small world's training cannot fill",
                                   path, (int)length, unfilled)
                    : 0;
}

static int read_prompts(struct el_recipe *r, const char *root, struct el_error *err)
{
    char *dir = el_path_find(r->prompts_dir, root);
    int rc = dir ? 0 : el_error_set(err, EL_ENOMEM, "out of memory for prompts");
    for (int i = 0; i < 4 && rc == 0; i++) {
        char *path = el_path_join(dir, prompt_files[i]);
        rc = path ? el_file_read(path, 1 << 20, &r->prompt_text[i], err)
                  : el_error_set(err, EL_ENOMEM, "%s: out of memory for prompts", dir);
        cut_line_breaks(&r->prompt_text[i]);
        if (rc == 0)
            rc = check_template(i, path, r->prompt_text[i].data, err);
        el_free(path);
    }
    el_free(dir);
    r->mix.prompts = (struct el_world_prompts){.generate = r->prompt_text[0].data,
                                               .verify = r->prompt_text[1].data,
                                               .meta = r->prompt_text[2].data,
                                               .refine = r->prompt_text[3].data};
    return rc;
}

/* A part of the recipe that is an object of its own, to *out (NULL: absent), with how to name it in
 * messages. */
static int open_part(const cJSON *root, const char *path, const char *key, const char *const *keys,
                     const cJSON **out, struct el_buf *where, struct el_error *err)
{
    *out = cJSON_GetObjectItemCaseSensitive(root, key);
    el_buf_clear(where);
    if (el_buf_printf(where, "%s: %s", path, key) < 0)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    return el_json_only(*out, where->data, keys, err);
}

/* The tokenizer decides vocabulary and end tokens: the recipe's model object gets them before it
 * is read as a config.json. */
static int read_model(cJSON *root, const char *where, struct el_recipe *r, struct el_error *err)
{
    cJSON *model = cJSON_GetObjectItemCaseSensitive(root, "model");
    if (r->start && model)
        return el_error_set(err, EL_EFORMAT, "%s: 'start' and 'model': expected one of them",
                            where);
    if (r->start)
        return 0;
    if (!cJSON_IsObject(model))
        return el_error_set(err, EL_EFORMAT,
                            "%s: missing field 'model' (an object), or 'start' (a folder)", where);
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

static int read_batch(const cJSON *root, const char *path, struct el_recipe *r,
                      struct el_buf *where, struct el_error *err)
{
    static const char *const keys[] = {"tokens", "max_sequence", "micro_batches", NULL};
    int *const to[] = {&r->batch_tokens, &r->max_sequence, &r->micro_batches};
    const cJSON *b;
    int rc = open_part(root, path, "batch", keys, &b, where, err);
    for (int i = 0; keys[i] && rc == 0; i++)
        rc = el_json_int_or(b, where->data, keys[i], to[i], err);
    if (rc == 0 &&
        (r->max_sequence < 2 || r->batch_tokens < r->max_sequence || r->micro_batches < 1))
        rc = el_error_set(err, EL_EFORMAT,
                          "%s: expected 2 <= max_sequence <= tokens and micro_batches >= 1",
                          where->data);
    return rc;
}

static int read_adamw(const cJSON *root, const char *path, struct el_recipe *r,
                      struct el_buf *where, struct el_error *err)
{
    struct el_adamw_config *a = &r->adamw;
    static const char *const keys[] = {"beta1",        "beta2",         "eps",
                                       "weight_decay", "max_grad_norm", NULL};
    double *const to[] = {&a->beta1, &a->beta2, &a->eps, &a->weight_decay, &a->max_grad_norm};
    const cJSON *o;
    int rc = open_part(root, path, "adamw", keys, &o, where, err);
    for (int i = 0; keys[i] && rc == 0; i++)
        rc = el_json_double_or(o, where->data, keys[i], to[i], err);
    if (rc == 0 && el_adamw_config_check(a, err) < 0)
        rc = el_error_prefix(err, "%s", where->data);
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

static int read_share(const cJSON *mix, const char *path, double *share, struct el_buf *where,
                      struct el_error *err)
{
    const char *keys[EL_EXAMPLE_KINDS + 1] = {NULL};
    const cJSON *o;
    for (int k = 0; k < EL_EXAMPLE_KINDS; k++)
        keys[k] = el_example_kind_name(k);
    int rc = open_part(mix, path, "share", keys, &o, where, err);
    for (int k = 0; k < EL_EXAMPLE_KINDS && rc == 0; k++)
        rc = el_json_double_or(o, where->data, keys[k], &share[k], err);
    return rc;
}

/* The fields of root's object "mix" over what m has. */
static int read_mix(const cJSON *root, const char *path, struct el_world_mix *m,
                    struct el_buf *where, struct el_error *err)
{
    static const char *const keys[] = {"share",
                                       "verify_score",
                                       "meta_score",
                                       "generate_flawed",
                                       "generate_minor",
                                       "refine_minor",
                                       "refine_flawed",
                                       "checked",
                                       "false_start",
                                       "retry",
                                       "unlisted",
                                       "refine_checked",
                                       "refine_retry",
                                       "even_flaws",
                                       "drill_witness",
                                       "drill_list",
                                       "drill_lines",
                                       "look_up",
                                       "crowded",
                                       "retry_loss",
                                       "history",
                                       "reused",
                                       NULL};
    const cJSON *o;
    int rc = open_part(root, path, "mix", keys, &o, where, err);
    if (rc == 0)
        rc = read_numbers(o, where->data, "verify_score", m->verify_score, 3, err);
    if (rc == 0)
        rc = read_numbers(o, where->data, "meta_score", m->meta_score, 3, err);
    const struct {
        const char *key;
        double *to;
    } numbers[] = {{"generate_flawed", &m->generate_flawed},
                   {"generate_minor", &m->generate_minor},
                   {"refine_minor", &m->refine_minor},
                   {"refine_flawed", &m->refine_flawed},
                   {"checked", &m->checked},
                   {"false_start", &m->false_start},
                   {"retry", &m->retry},
                   {"retry_loss", &m->retry_loss},
                   {"refine_checked", &m->refine_checked},
                   {"refine_retry", &m->refine_retry},
                   {"unlisted", &m->unlisted},
                   {"reused", &m->reused},
                   {"crowded", &m->crowded},
                   {"even_flaws", &m->even_flaws},
                   {"drill_witness", &m->drill_witness},
                   {"drill_list", &m->drill_list}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && rc == 0; i++)
        rc = el_json_double_or(o, where->data, numbers[i].key, numbers[i].to, err);
    if (rc == 0)
        rc = el_json_int_or(o, where->data, "drill_lines", &m->drill_lines, err);
    if (rc == 0)
        rc = el_json_int_or(o, where->data, "look_up", &m->look_up, err);
    if (rc == 0)
        rc = el_json_int_or(o, where->data, "history", &m->history, err);
    if (rc == 0)
        rc = read_share(o, path, m->share, where, err);
    if (rc == 0 && el_world_mix_check(m, err) < 0)
        rc = el_error_prefix(err, "%s: mix", path);
    return rc;
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
    const struct el_sampling how = {.temperature = s->temperature, .top_p = 1, .max_tokens = 1};
    if (rc == 0 && el_sampling_check(&how, err) < 0)
        rc = el_error_prefix(err, "%s", where);
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

/* Checked with the rest of the mixture, as the stage will use it. */
static int read_drill_share(const cJSON *o, const char *where, const struct el_world_mix *mix,
                            struct el_recipe_stage *s, struct el_error *err)
{
    struct el_world_mix m = *mix;
    const cJSON *given = cJSON_GetObjectItemCaseSensitive(o, "drill_share");
    s->drill_share = -1;
    if (!given || cJSON_IsNull(given))
        return 0;
    int rc = el_json_double(o, where, "drill_share", &m.share[EL_EXAMPLE_DRILL], err);
    if (rc == 0 && el_world_mix_check(&m, err) < 0)
        rc = el_error_prefix(err, "%s: drill_share", where);
    s->drill_share = m.share[EL_EXAMPLE_DRILL];
    return rc;
}

static int read_max_sequence(const cJSON *o, const char *where, int batch_tokens,
                             struct el_recipe_stage *s, struct el_error *err)
{
    int rc = el_json_int_or(o, where, "max_sequence", &s->max_sequence, err);
    if (rc == 0 && (s->max_sequence < 2 || s->max_sequence > batch_tokens))
        rc = el_error_set(err, EL_EFORMAT, "%s: max_sequence must lie in 2..%d, the batch's tokens",
                          where, batch_tokens);
    return rc;
}

static int read_training(const cJSON *o, const char *where, int batch_tokens,
                         struct el_recipe_stage *s, struct el_error *err)
{
    static const char *const keys[] = {
        "name",        "train", "steps",         "lr",        "final_lr",
        "warmup",      "decay", "attempt_share", "kl_weight", "bias_update_speed",
        "drill_share", "mix",   "max_sequence",  NULL};
    const char *kind = NULL;
    struct el_buf scratch; /* for the names of fields in messages */
    el_buf_init(&scratch);
    s->kl_weight = 1;
    int rc = el_json_only(o, where, keys, err);
    if (rc == 0)
        rc = read_mix(o, where, &s->mix, &scratch, err);
    el_buf_release(&scratch);
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
    if (rc == 0)
        rc = read_drill_share(o, where, &s->mix, s, err);
    if (rc == 0)
        rc = read_max_sequence(o, where, batch_tokens, s, err);
    if (rc == 0 && !(s->attempt_share >= 0 && s->attempt_share <= 1))
        rc = el_error_set(err, EL_EFORMAT, "%s: attempt_share must lie in 0..1", where);
    if (rc == 0 && (s->kl_weight < 0 || s->bias_update_speed < 0))
        rc = el_error_set(err, EL_EFORMAT,
                          "%s: kl_weight and bias_update_speed must not be negative", where);
    return rc;
}

/* A stage's name becomes part of a file name and of metrics, and tells its attempts from those of
 * other stages. */
static int read_name(const cJSON *o, const char *where, struct el_recipe *r, struct el_error *err)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    char *to = r->stage[r->n_stages].name;
    const char *name = NULL;
    int rc = el_json_str(o, where, "name", &name, err);
    if (rc < 0)
        return rc;
    size_t n = strlen(name);
    if (n < 1 || n >= sizeof r->stage->name || strspn(name, legal) != n)
        return el_error_set(err, EL_EFORMAT,
                            "%s: field 'name' must be 1 to %zu letters, digits, '_' or '-'", where,
                            sizeof r->stage->name - 1);
    for (int i = 0; i < r->n_stages; i++)
        if (strcmp(r->stage[i].name, name) == 0)
            return el_error_set(err, EL_EFORMAT, "%s: stages[%d] is named '%s' too", where, i,
                                name);
    memcpy(to, name, n + 1);
    return 0;
}

static int read_stage(const cJSON *o, const char *where, struct el_recipe *r, struct el_error *err)
{
    struct el_recipe_stage *s = &r->stage[r->n_stages];
    if (!cJSON_IsObject(o))
        return el_error_set(err, EL_EFORMAT, "%s: must be an object", where);
    int rc = read_name(o, where, r, err);
    if (rc < 0)
        return rc;
    s->mix = r->mix;
    s->max_sequence = r->max_sequence;
    return cJSON_GetObjectItemCaseSensitive(o, "attempts")
               ? read_attempts(o, where, s, err)
               : read_training(o, where, r->batch_tokens, s, err);
}

static int read_stages(const cJSON *root, const char *path, struct el_recipe *r,
                       struct el_buf *where, struct el_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "stages"), *o;
    int n = cJSON_GetArraySize(list);
    if (!cJSON_IsArray(list) || n < 1 || n > EL_RECIPE_STAGES)
        return el_error_set(err, EL_EFORMAT,
                            "%s: field 'stages' must be an array of 1 to %d stages", path,
                            EL_RECIPE_STAGES);
    cJSON_ArrayForEach(o, list)
    {
        el_buf_clear(where);
        if (el_buf_printf(where, "%s: stages[%d]", path, r->n_stages) < 0)
            return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
        int rc = read_stage(o, where->data, r, err);
        if (rc < 0)
            return rc;
        r->n_stages++;
    }
    return 0;
}

static int digest_of(struct el_recipe *r, const cJSON *root, const char *path, struct el_error *err)
{
    struct el_digest d;
    char *text = cJSON_PrintUnformatted(root);
    if (!text)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    el_digest_init(&d);
    el_digest_str(&d, text);
    for (int i = 0; i < 4; i++)
        el_digest_bytes(&d, r->prompt_text[i].data, r->prompt_text[i].len);
    el_digest_hex(&d, r->digest);
    cJSON_free(text);
    return 0;
}

static int read_top(cJSON *root, const char *path, const char *base, struct el_recipe *r,
                    struct el_error *err)
{
    static const char *const keys[] = {"seed",
                                       "prompts",
                                       "model",
                                       "start",
                                       "batch",
                                       "adamw",
                                       "checkpoint_every",
                                       "save_total_limit",
                                       "log_every",
                                       "stages",
                                       "mix",
                                       NULL};
    int64_t seed = 1;
    const char *prompts = NULL, *start = NULL;
    if (!cJSON_IsObject(root))
        return el_error_set(err, EL_EFORMAT, "%s: must be an object", path);
    int rc = el_json_only(root, path, keys, err);
    if (rc == 0)
        rc = el_json_i64_or(root, path, "seed", &seed, err);
    if (rc == 0)
        rc = el_json_str(root, path, "prompts", &prompts, err);
    if (rc == 0)
        rc = el_json_str_or(root, path, "start", &start, err);
    if (rc == 0)
        rc = el_json_int_or(root, path, "checkpoint_every", &r->checkpoint_every, err);
    if (rc == 0)
        rc = el_json_int_or(root, path, "save_total_limit", &r->save_total_limit, err);
    if (rc == 0)
        rc = el_json_int_or(root, path, "log_every", &r->log_every, err);
    if (rc == 0 && (r->checkpoint_every < 1 || r->save_total_limit < 1 || r->log_every < 1))
        rc = el_error_set(err, EL_EFORMAT,
                          "%s: checkpoint_every, save_total_limit and log_every must be at least 1",
                          path);
    if (rc < 0)
        return rc;
    r->seed = (uint64_t)seed;
    r->prompts_dir = el_strdup(prompts);
    r->start = start ? el_path_find(start, base) : NULL;
    if (!r->prompts_dir || (start && !r->start))
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    return read_prompts(r, base, err);
}

static void set_defaults(struct el_recipe *r)
{
    memset(r, 0, sizeof *r);
    for (int i = 0; i < 4; i++)
        el_buf_init(&r->prompt_text[i]);
    r->batch_tokens = 8192;
    r->max_sequence = 512;
    r->micro_batches = 1;
    r->checkpoint_every = 100;
    r->save_total_limit = 2;
    r->log_every = 10;
    r->adamw = (struct el_adamw_config){0.9, 0.95, 1e-8, 0.1, 1};
    el_world_mix_init(&r->mix, &(struct el_world_prompts){0});
}

/* `where` is scratch for the names of fields in messages. */
static int read_parts(cJSON *tree, const char *path, struct el_recipe *r, struct el_buf *where,
                      struct el_error *err)
{
    int rc = read_model(tree, path, r, err);
    if (rc == 0)
        rc = read_batch(tree, path, r, where, err);
    if (rc == 0)
        rc = read_adamw(tree, path, r, where, err);
    if (rc == 0)
        r->mix.seed = r->seed;
    if (rc == 0)
        rc = read_mix(tree, path, &r->mix, where, err);
    if (rc == 0)
        rc = read_stages(tree, path, r, where, err);
    return rc == 0 ? digest_of(r, tree, path, err) : rc;
}

int el_recipe_load(const char *path, const char *root, struct el_recipe *r, struct el_error *err)
{
    cJSON *tree = NULL;
    struct el_buf where;
    el_buf_init(&where);
    set_defaults(r);
    int rc = el_json_load(path, &tree, err);
    if (rc == 0)
        rc = read_top(tree, path, root, r, err);
    if (rc == 0)
        rc = read_parts(tree, path, r, &where, err);
    cJSON_Delete(tree);
    el_buf_release(&where);
    if (rc < 0)
        el_recipe_release(r);
    return rc;
}

void el_recipe_release(struct el_recipe *r)
{
    el_free(r->prompts_dir);
    el_free(r->start);
    r->prompts_dir = r->start = NULL;
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
