#include "training/rl/recipe.h"

#include "core/base/alloc.h"
#include "core/base/json.h"
#include "core/run/sampler.h"
#include "data/dataset.h"
#include "training/rl/recipe_terms.h"

#include <math.h>
#include <string.h>

static const char *const role_keys[EL_ROLES + 1] = {"generator", "verifier", "meta_verifier",
                                                    "refiner", NULL};

static void set_defaults(struct el_rl_recipe *r)
{
    memset(r, 0, sizeof *r);
    r->seed = 1;
    r->label_balance[0] = r->label_balance[1] = r->label_balance[2] = 1;
    r->prompts_per_step = 16;
    r->num_generations = 8;
    r->sampling = (struct el_sampling){.temperature = 1, .top_p = 1, .max_tokens = 512};
    r->rewards = (struct el_rl_rewards){.use_meta_reward = 1,
                                        .weights = el_reward_weights_default(),
                                        .verifications = 1,
                                        .meta_verifications = 1,
                                        .judge_retries = 2,
                                        .judge_temperature = NAN,
                                        .proof_weight = 1,
                                        .overlong_from = 0.8};
    r->grpo = el_grpo_config_default();
    r->keep_routing = r->keep_sampling_mask = 1;
    r->mini_batches = r->num_iterations = 1;
    r->indexer_kl_weight = 1;
    r->schedule =
        (struct el_schedule){.lr = 1e-5, .final_lr = -1, .steps = 100, .decay = EL_DECAY_CONSTANT};
    r->adamw = (struct el_adamw_config){0.9, 0.95, 1e-8, 0, 1};
    r->batch_rows = 8192;
    r->save_steps = 10;
    r->save_total_limit = 2;
}

uint64_t el_rl_first_problem(const struct el_rl_recipe *r, enum el_rl_problems kind)
{
    static const uint64_t first[] = {1000000, 5000000, 10000000}; /* behind supervised training's */
    struct el_digest d;
    el_digest_init(&d);
    el_digest_str(&d, "problems");
    el_digest_u64(&d, r->seed);
    return ((el_digest_key(&d) & 0xfffff) << 24) + first[kind];
}

struct el_sampling el_rl_judge_sampling(const struct el_rl_recipe *r, int attempts)
{
    struct el_sampling s = r->sampling;
    if (attempts == 0 && !isnan(r->rewards.judge_temperature))
        s.temperature = r->rewards.judge_temperature;
    return s;
}

static int copy_string(const cJSON *o, const char *where, const char *key, char **out,
                       struct el_error *err)
{
    const char *text = NULL;
    int rc = el_json_str_or(o, where, key, &text, err);
    if (rc < 0 || !text)
        return rc;
    *out = el_strdup(text);
    return *out ? 0 : el_error_set(err, EL_ENOMEM, "%s: out of memory", where);
}

/* ---- Plain fields ---- */

struct number {
    const char *key;
    double *to;
};
struct whole {
    const char *key;
    int *to;
    int least;
};
struct flag {
    const char *key;
    int *to;
};

static int read_numbers(const cJSON *o, const char *path, struct el_rl_recipe *r,
                        struct el_error *err)
{
    const struct number list[] = {
        {"temperature", &r->sampling.temperature},
        {"top_p", &r->sampling.top_p},
        {"judge_temperature", &r->rewards.judge_temperature},
        {"alpha", &r->rewards.weights.alpha},
        {"beta_self", &r->rewards.weights.beta},
        {"proof_weight", &r->rewards.proof_weight},
        {"final_answer_weight", &r->rewards.final_answer_weight},
        {"overlong_penalty", &r->rewards.overlong_penalty},
        {"overlong_from", &r->rewards.overlong_from},
        {"length_weight", &r->rewards.length_weight},
        {"language_consistency_weight", &r->rewards.language_weight},
        {"epsilon", &r->grpo.epsilon},
        {"epsilon_high", &r->grpo.epsilon_high},
        {"beta", &r->grpo.beta},
        {"indexer_kl_weight", &r->indexer_kl_weight},
        {"bias_update_speed", &r->bias_update_speed},
        {"learning_rate", &r->schedule.lr},
        {"final_learning_rate", &r->schedule.final_lr},
        {"adam_beta1", &r->adamw.beta1},
        {"adam_beta2", &r->adamw.beta2},
        {"adam_epsilon", &r->adamw.eps},
        {"weight_decay", &r->adamw.weight_decay},
        {"max_grad_norm", &r->adamw.max_grad_norm},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof list / sizeof *list && rc == 0; i++)
        rc = el_json_double_or(o, path, list[i].key, list[i].to, err);
    return rc;
}

static int read_wholes(const cJSON *o, const char *path, struct el_rl_recipe *r,
                       struct el_error *err)
{
    const struct whole list[] = {
        {"prompts_per_step", &r->prompts_per_step, 1},
        {"num_generations", &r->num_generations, 2},
        {"top_k", &r->sampling.top_k, 0},
        {"max_completion_length", &r->sampling.max_tokens, 1},
        {"verifications", &r->rewards.verifications, 1},
        {"meta_verifications", &r->rewards.meta_verifications, 1},
        {"judge_retries", &r->rewards.judge_retries, 0},
        {"mini_batches", &r->mini_batches, 1},
        {"num_iterations", &r->num_iterations, 1},
        {"batch_rows", &r->batch_rows, 2},
        {"save_steps", &r->save_steps, 1},
        {"save_total_limit", &r->save_total_limit, 1},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        int rc = el_json_int_or(o, path, list[i].key, list[i].to, err);
        if (rc < 0)
            return rc;
        if (*list[i].to < list[i].least)
            return el_error_set(err, EL_EFORMAT, "%s: field '%s' is %d: expected at least %d", path,
                                list[i].key, *list[i].to, list[i].least);
    }
    return 0;
}

static int read_flags(const cJSON *o, const char *path, struct el_rl_recipe *r,
                      struct el_error *err)
{
    const struct flag list[] = {
        {"use_meta_reward", &r->rewards.use_meta_reward},
        {"use_bias_correction_kl", &r->grpo.use_bias_correction_kl},
        {"scale_rewards", &r->grpo.scale_rewards},
        {"mask_truncated_completions", &r->mask_truncated_completions},
        {"keep_routing", &r->keep_routing},
        {"keep_sampling_mask", &r->keep_sampling_mask},
        {"show_reference", &r->show_reference},
        {"show_rubric", &r->show_rubric},
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof list / sizeof *list && rc == 0; i++)
        rc = el_json_bool_or(o, path, list[i].key, list[i].to, err);
    return rc;
}

static int read_schedule(const cJSON *o, const char *path, struct el_rl_recipe *r,
                         struct el_error *err)
{
    const char *decay = "constant";
    int64_t seed = (int64_t)r->seed;
    int rc = el_json_i64_or(o, path, "seed", &seed, err);
    if (rc == 0)
        rc = el_json_i64_or(o, path, "max_steps", &r->schedule.steps, err);
    if (rc == 0)
        rc = el_json_i64_or(o, path, "warmup_steps", &r->schedule.warmup, err);
    if (rc == 0)
        rc = el_json_str_or(o, path, "lr_scheduler_type", &decay, err);
    if (rc == 0 && el_decay_parse(decay, &r->schedule.decay, err) < 0)
        rc = el_error_prefix(err, "%s: field 'lr_scheduler_type'", path);
    if (rc == 0 && (r->schedule.steps < 1 || r->schedule.warmup < 0))
        rc = el_error_set(err, EL_EFORMAT,
                          "%s: max_steps must be at least 1 and warmup_steps not negative", path);
    r->seed = (uint64_t)seed;
    return rc;
}

/* null switches the mask off. */
static int read_threshold(const cJSON *o, const char *path, struct el_rl_recipe *r,
                          struct el_error *err)
{
    const char *key = "off_policy_mask_threshold";
    if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(o, key))) {
        r->grpo.off_policy_mask_threshold = INFINITY;
        return 0;
    }
    return el_json_double_or(o, path, key, &r->grpo.off_policy_mask_threshold, err);
}

static int read_selected(const cJSON *o, const char *path, struct el_rl_recipe *r,
                         struct el_error *err)
{
    static const char *const names[] = {"live", "replay", "unrecorded"};
    const char *name = names[0];
    int rc = el_json_str_or(o, path, "selected_sets", &name, err);
    for (int i = 0; i < 3 && rc == 0; i++)
        if (strcmp(name, names[i]) == 0) {
            r->selected_sets = (enum el_rl_selected_sets)i;
            return 0;
        }
    return rc < 0 ? rc
                  : el_error_set(err, EL_EFORMAT,
                                 "%s: field 'selected_sets' is '%.20s': expected live, replay or "
                                 "unrecorded",
                                 path, name);
}

/* ---- Parts ---- */

static int read_roles(const cJSON *root, const char *path, struct el_rl_recipe *r,
                      struct el_error *err)
{
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "roles");
    double sum = 0;
    int rc = el_json_only(o, path, role_keys, err);
    for (int i = 0; i < EL_ROLES && rc == 0; i++) {
        rc = el_json_double_or(o, path, role_keys[i], &r->share[i], err);
        if (rc == 0 && !(r->share[i] >= 0 && isfinite(r->share[i])))
            rc = el_error_set(err, EL_EFORMAT, "%s: roles.%s must not be negative", path,
                              role_keys[i]);
        sum += r->share[i];
    }
    if (rc == 0 && !(sum > 0))
        rc = el_error_set(err, EL_EFORMAT,
                          "%s: field 'roles' must give a positive share to at least one of "
                          "generator, verifier, meta_verifier, refiner",
                          path);
    return rc;
}

/* Never test: results on it would be worth nothing. */
static int read_split(const cJSON *data, const char *path, struct el_rl_recipe *r,
                      struct el_error *err)
{
    const char *name = "train";
    int rc = el_json_str_or(data, path, "split", &name, err);
    if (rc < 0)
        return rc;
    int split = el_world_split_from_name(name);
    if (split != EL_WORLD_TRAIN && split != EL_WORLD_VALID)
        return el_error_set(err, EL_EFORMAT, "%s: field 'split' must be train or valid", path);
    r->split = (enum el_world_split)split;
    return 0;
}

/* How the programmed proofs are written. */
static int read_style(const cJSON *o, const char *path, struct el_rl_recipe *r,
                      struct el_error *err)
{
    const struct {
        const char *name, *with;
        double *share, *of;
    } list[] = {{"checked", NULL, &r->checked, NULL},
                {"false_start", "checked", &r->false_start, &r->checked},
                {"unlisted", NULL, &r->unlisted, NULL},
                {"reused", "unlisted", &r->reused, &r->unlisted}};
    int rc = 0;
    for (size_t i = 0; i < sizeof list / sizeof *list && rc == 0; i++) {
        rc = el_json_double_or(o, path, list[i].name, list[i].share, err);
        if (rc == 0 && !(*list[i].share >= 0 && *list[i].share <= 1))
            rc = el_error_set(err, EL_EFORMAT, "%s: field '%s' is %g: expected 0 to 1", path,
                              list[i].name, *list[i].share);
        if (rc == 0 && list[i].of && *list[i].share > 0 && !(*list[i].of > 0))
            rc = el_error_set(err, EL_EFORMAT, "%s: field '%s' goes with '%s'", path, list[i].name,
                              list[i].with);
    }
    return rc;
}

static int read_data(const cJSON *root, const char *path, struct el_rl_recipe *r,
                     struct el_error *err)
{
    static const char *const keys[] = {"store",    "set",    "raters",  "world",
                                       "attempts", "split",  "checked", "false_start",
                                       "unlisted", "reused", NULL};
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "data");
    const char *raters = NULL;
    int rc = el_json_only(o, path, keys, err);
    if (rc == 0 && !r->store)
        rc = copy_string(o, path, "store", &r->store, err);
    if (rc == 0)
        rc = copy_string(o, path, "set", &r->set, err);
    if (rc == 0)
        rc = el_json_str_or(o, path, "raters", &raters, err);
    if (rc == 0 && raters && el_dataset_raters_parse(raters, &r->raters, err) < 0)
        rc = el_error_prefix(err, "%s: data.raters", path);
    if (rc == 0)
        rc = el_json_int_or(o, path, "world", &r->world, err);
    if (rc == 0)
        rc = el_json_int_or(o, path, "attempts", &r->attempts, err);
    if (rc == 0 && r->store) /* nothing is made beside it */
        r->world = r->attempts = 0;
    if (rc == 0)
        rc = read_split(o, path, r, err);
    if (rc == 0)
        rc = read_style(o, path, r, err);
    if (rc == 0 &&
        (r->world < 0 || r->attempts < 0 || (!r->store && r->world == 0 && r->attempts == 0)))
        rc = el_error_set(err, EL_EFORMAT,
                          "%s: field 'data' must name a store, or give numbers of world proofs "
                          "and attempts to make one with",
                          path);
    return rc;
}

static int read_balance(const cJSON *root, const char *path, struct el_rl_recipe *r,
                        struct el_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, "label_balance");
    double sum = 0;
    if (!list)
        return 0;
    for (int i = 0; i < 3; i++) {
        const cJSON *item = cJSON_GetArrayItem(list, i);
        r->label_balance[i] = cJSON_IsNumber(item) ? item->valuedouble : -1;
        sum += r->label_balance[i];
    }
    if (cJSON_GetArraySize(list) != 3 || r->label_balance[0] < 0 || r->label_balance[1] < 0 ||
        r->label_balance[2] < 0 || !(sum > 0))
        return el_error_set(err, EL_EFORMAT,
                            "%s: field 'label_balance' must be three shares, of the labels 0, 0.5 "
                            "and 1",
                            path);
    return 0;
}

static int read_sources(const cJSON *rejection, const char *path, struct el_rl_recipe *r,
                        struct el_error *err)
{
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(rejection, "sources");
    int rc = el_json_only(o, path, role_keys, err);
    for (int i = 0; i < EL_ROLES && rc == 0; i++)
        if (!r->rejection.source[i])
            rc = copy_string(o, path, role_keys[i], &r->rejection.source[i], err);
    return rc;
}

/* One number for all roles, or an object with those that differ from 1. */
static int read_min_reward(const cJSON *rejection, const char *path, struct el_rl_rejection *j,
                           struct el_error *err)
{
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(rejection, "min_reward");
    double all = 1;
    int by_role = cJSON_IsObject(o);
    int rc = by_role ? el_json_only(o, path, role_keys, err)
                     : el_json_double_or(rejection, path, "min_reward", &all, err);
    for (int i = 0; i < EL_ROLES && rc == 0; i++) {
        j->min_reward[i] = all;
        if (by_role)
            rc = el_json_double_or(o, path, role_keys[i], &j->min_reward[i], err);
        if (rc == 0 && !(j->min_reward[i] > 0))
            rc = el_error_set(err, EL_EFORMAT, "%s: rejection: min_reward must be positive", path);
    }
    return rc;
}

static int read_rejection(const cJSON *root, const char *path, struct el_rl_recipe *r,
                          struct el_error *err)
{
    static const char *const keys[] = {"steps", "min_reward", "max_per_prompt", "sources", NULL};
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "rejection");
    struct el_rl_rejection *j = &r->rejection;
    if (!o || cJSON_IsNull(o))
        return 0;
    j->max_per_prompt = 1;
    int rc = el_json_only(o, path, keys, err);
    if (rc == 0)
        rc = el_json_int(o, path, "steps", &j->steps, err);
    if (rc == 0)
        rc = read_min_reward(o, path, j, err);
    if (rc == 0)
        rc = el_json_int_or(o, path, "max_per_prompt", &j->max_per_prompt, err);
    if (rc == 0 && (j->steps < 1 || j->max_per_prompt < 1))
        rc = el_error_set(err, EL_EFORMAT,
                          "%s: rejection: steps and max_per_prompt must be at least 1", path);
    return rc == 0 ? read_sources(o, path, r, err) : rc;
}

static int read_judge(const cJSON *root, const char *path, struct el_rl_recipe *r,
                      struct el_error *err)
{
    int rc = r->judge ? 0 : copy_string(root, path, "judge", &r->judge, err);
    r->oracle = rc == 0 && r->judge && strcmp(r->judge, "oracle") == 0;
    if (rc == 0 && r->judge && (r->oracle || strcmp(r->judge, "start") == 0)) {
        el_free(r->judge);
        r->judge = NULL;
    }
    return rc;
}

static int check(const char *path, struct el_rl_recipe *r, struct el_error *err)
{
    if (!r->model || !r->prompts)
        return el_error_set(err, EL_EFORMAT, "%s: missing field '%s'", path,
                            r->model ? "prompts" : "model");
    if (r->schedule.final_lr < 0)
        r->schedule.final_lr = r->schedule.lr;
    if (!(r->schedule.lr >= 0) || r->indexer_kl_weight < 0 || r->bias_update_speed < 0 ||
        r->rewards.overlong_penalty < 0 || !(r->rewards.overlong_from < 1) ||
        !isfinite(r->rewards.length_weight))
        return el_error_set(err, EL_EFORMAT,
                            "%s: learning_rate, indexer_kl_weight, bias_update_speed and "
                            "overlong_penalty must not be negative, overlong_from below 1, "
                            "length_weight finite",
                            path);
    if (r->num_generations > EL_RL_GENERATIONS)
        return el_error_set(err, EL_EFORMAT, "%s: field 'num_generations' is %d: at most %d", path,
                            r->num_generations, EL_RL_GENERATIONS);
    if (!(r->sampling.temperature > 0))
        return el_error_set(err, EL_EFORMAT,
                            "%s: field 'temperature' must be positive: a policy is sampled", path);
    if (!(r->rewards.proof_weight >= 0 && r->rewards.final_answer_weight >= 0 &&
          r->rewards.proof_weight + r->rewards.final_answer_weight > 0))
        return el_error_set(err, EL_EFORMAT,
                            "%s: proof_weight and final_answer_weight must not be negative, and "
                            "not both 0",
                            path);
    const struct el_sampling judge = el_rl_judge_sampling(r, 0);
    if (judge.temperature == 0 &&
        (r->rewards.verifications > 1 || r->rewards.meta_verifications > 1))
        return el_error_set(err, EL_EFORMAT,
                            "%s: judge_temperature 0 gives the same judgement every time: "
                            "verifications and meta_verifications must be 1",
                            path);
    int rc = el_sampling_check(&r->sampling, err);
    if (rc == 0 && el_sampling_check(&judge, err) < 0)
        rc = el_error_prefix(err, "judge_temperature");
    if (rc == 0)
        rc = el_adamw_config_check(&r->adamw, err);
    if (rc == 0)
        rc = el_grpo_config_check(&r->grpo, err);
    if (rc == 0)
        rc = el_reward_weights_check(&r->rewards.weights, err);
    return rc < 0 ? el_error_prefix(err, "%s", path) : 0;
}

static int read_all(const cJSON *root, const char *path, struct el_rl_recipe *r,
                    struct el_error *err)
{
    static const char *const keys[] = {"model",
                                       "judge",
                                       "prompts",
                                       "roles",
                                       "rejection",
                                       "data",
                                       "label_balance",
                                       "prompts_per_step",
                                       "num_generations",
                                       "temperature",
                                       "top_p",
                                       "top_k",
                                       "max_completion_length",
                                       "use_meta_reward",
                                       "alpha",
                                       "beta_self",
                                       "verifications",
                                       "meta_verifications",
                                       "judge_temperature",
                                       "judge_retries",
                                       "final_answer_weight",
                                       "proof_weight",
                                       "overlong_penalty",
                                       "overlong_from",
                                       "length_weight",
                                       "language",
                                       "language_consistency_weight",
                                       "rubric",
                                       "show_reference",
                                       "show_rubric",
                                       "epsilon",
                                       "epsilon_high",
                                       "beta",
                                       "use_bias_correction_kl",
                                       "off_policy_mask_threshold",
                                       "scale_rewards",
                                       "mask_truncated_completions",
                                       "keep_routing",
                                       "keep_sampling_mask",
                                       "selected_sets",
                                       "mini_batches",
                                       "num_iterations",
                                       "indexer_kl_weight",
                                       "bias_update_speed",
                                       "learning_rate",
                                       "final_learning_rate",
                                       "warmup_steps",
                                       "lr_scheduler_type",
                                       "adam_beta1",
                                       "adam_beta2",
                                       "adam_epsilon",
                                       "weight_decay",
                                       "max_grad_norm",
                                       "batch_rows",
                                       "seed",
                                       "max_steps",
                                       "save_steps",
                                       "save_total_limit",
                                       NULL};
    static int (*const readers[])(const cJSON *, const char *, struct el_rl_recipe *,
                                  struct el_error *) = {
        read_roles,    read_rejection, read_data,     read_balance,
        read_judge,    read_numbers,   read_wholes,   read_flags,
        read_schedule, read_threshold, read_selected, el_rl_read_terms};
    int rc = el_json_only(root, path, keys, err);
    if (rc == 0 && !r->model)
        rc = copy_string(root, path, "model", &r->model, err);
    if (rc == 0)
        rc = copy_string(root, path, "prompts", &r->prompts, err);
    for (size_t i = 0; i < sizeof readers / sizeof *readers && rc == 0; i++)
        rc = readers[i](root, path, r, err);
    return rc == 0 ? check(path, r, err) : rc;
}

static int take_overrides(const struct el_rl_overrides *over, struct el_rl_recipe *r,
                          struct el_error *err)
{
    const char *from[] = {over->model, over->judge, over->store};
    char **to[] = {&r->model, &r->judge, &r->store};
    for (int i = 0; i < 3; i++) {
        *to[i] = from[i] ? el_strdup(from[i]) : NULL;
        if (from[i] && !*to[i])
            return el_error_set(err, EL_ENOMEM, "out of memory for a recipe");
    }
    for (int i = 0; i < EL_ROLES; i++) {
        r->rejection.source[i] = over->source[i] ? el_strdup(over->source[i]) : NULL;
        if (over->source[i] && !r->rejection.source[i])
            return el_error_set(err, EL_ENOMEM, "out of memory for a recipe");
    }
    return 0;
}

/* Folder names have no part in it: their contents' digests have (training/rl/run.c). */
static int digest_of(const cJSON *root, const char *path, struct el_rl_recipe *r,
                     struct el_error *err)
{
    struct el_digest d;
    char *text = cJSON_PrintUnformatted(root);
    if (!text)
        return el_error_set(err, EL_ENOMEM, "%s: out of memory", path);
    el_digest_init(&d);
    el_digest_str(&d, text);
    el_digest_u64(&d, r->seed);
    el_digest_u64(&d, (uint64_t)r->oracle);
    el_digest_hex(&d, r->digest);
    cJSON_free(text);
    return 0;
}

int el_rl_recipe_load(const char *path, const struct el_rl_overrides *over, struct el_rl_recipe *r,
                      struct el_error *err)
{
    cJSON *root = NULL;
    set_defaults(r);
    int rc = el_json_load(path, &root, err);
    if (rc == 0)
        rc = take_overrides(over, r, err);
    if (rc == 0)
        rc = read_all(root, path, r, err);
    if (rc == 0 && over->seed >= 0)
        r->seed = (uint64_t)over->seed;
    if (rc == 0)
        rc = digest_of(root, path, r, err);
    cJSON_Delete(root);
    if (rc < 0)
        el_rl_recipe_release(r);
    return rc;
}

void el_rl_recipe_release(struct el_rl_recipe *r)
{
    el_free(r->model);
    el_free(r->judge);
    el_free(r->prompts);
    el_free(r->store);
    el_free(r->set);
    el_rubric_free(r->rewards.rubric);
    for (int i = 0; i < EL_ROLES; i++)
        el_free(r->rejection.source[i]);
    memset(r, 0, sizeof *r);
}

int el_rl_recipe_is(const char *path, struct el_error *err)
{
    cJSON *root = NULL;
    int rc = el_json_load(path, &root, err);
    if (rc < 0)
        return rc;
    int is = cJSON_GetObjectItemCaseSensitive(root, "roles") != NULL;
    cJSON_Delete(root);
    return is;
}
