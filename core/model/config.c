#include "core/model/config.h"

#include "core/base/io.h"
#include "core/base/json.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/model/config_keys.h"
#include "core/model/config_quantization.h"

enum {
    config_max_bytes = 1 << 24,
    max_product = 1 << 30, /* any width made of two keys, so that ops can count in int */
    max_rope_entries = 1 << 28,
    max_tensors = 1 << 22, /* 90 times the 671B model's */
};
static const double max_parameters = 0x1p56; /* bytes of several blocks still fit into int64 */

static int refused(struct el_error *err, const char *name, const char *key, const char *why)
{
    return el_error_set(err, EL_EREFUSED, "%s: '%s': %s", name, key, why);
}

/* What the computation does not cover is refused, never ignored. */
static int refuse_string(const cJSON *o, const char *name, const char *key, const char *only,
                         struct el_error *err)
{
    const char *v = only;
    int rc = el_json_str_or(o, name, key, &v, err);
    if (rc == 0 && strcmp(v, only) != 0)
        return el_error_set(err, EL_EREFUSED, "%s: '%s' is \"%s\", only \"%s\" is supported", name,
                            key, v, only);
    return rc;
}

static int refuse_model_type(const cJSON *o, const char *name, struct el_error *err)
{
    const char *type = "deepseek_v32";
    int rc = el_json_str_or(o, name, "model_type", &type, err);
    if (rc == 0 && strcmp(type, "deepseek_v32") != 0 && strcmp(type, "glm_moe_dsa") != 0)
        return el_error_set(err, EL_EREFUSED,
                            "%s: 'model_type' is \"%s\", expected \"deepseek_v32\" (MLA with the "
                            "lightning indexer)",
                            name, type);
    return rc;
}

static int refuse_unsupported(const cJSON *o, const char *name, struct el_error *err)
{
    int bias = 0, freq = 1, rc = refuse_model_type(o, name, err);
    if (rc == 0)
        rc = refuse_string(o, name, "hidden_act", "silu", err);
    if (rc == 0)
        rc = refuse_string(o, name, "scoring_func", "sigmoid", err);
    if (rc == 0)
        rc = refuse_string(o, name, "topk_method", "noaux_tc", err);
    if (rc == 0)
        rc = el_json_bool_or(o, name, "attention_bias", &bias, err);
    if (rc == 0 && bias)
        return refused(err, name, "attention_bias", "biases in attention are not supported");
    if (rc == 0)
        rc = el_json_int_or(o, name, "moe_layer_freq", &freq, err);
    if (rc == 0 && freq != 1)
        return refused(err, name, "moe_layer_freq", "only 1 is supported");
    if (rc == 0 && cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(o, "q_lora_rank")))
        return refused(err, name, "q_lora_rank",
                       "null (queries without a low-rank projection) is not supported: the indexer "
                       "reads its queries from that projection");
    return rc;
}

/* Keys of MoE layers are required only where such layers exist. */
static int read_keys(const cJSON *o, const char *name, struct el_config *c, struct el_error *err)
{
    for (const struct el_config_key *k = el_config_keys; k->key; k++) {
        void *at = (char *)c + k->field;
        int need = k->need == EL_KEY_REQUIRED ||
                   (k->need == EL_KEY_MOE && c->first_k_dense_replace < c->num_hidden_layers);
        int rc;
        if (k->kind == EL_KEY_INT)
            rc = need ? el_json_int(o, name, k->key, at, err)
                      : el_json_int_or(o, name, k->key, at, err);
        else if (k->kind == EL_KEY_BOOL)
            rc = el_json_bool_or(o, name, k->key, at, err);
        else
            rc = need ? el_json_double(o, name, k->key, at, err)
                      : el_json_double_or(o, name, k->key, at, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_first_dense(const cJSON *o, const char *name, struct el_config *c,
                            struct el_error *err)
{
    int experts = 0;
    int rc = el_json_int_or(o, name, "n_routed_experts", &experts, err);
    if (rc == 0)
        rc = el_json_int(o, name, "num_hidden_layers", &c->num_hidden_layers, err);
    c->first_k_dense_replace = experts ? 0 : c->num_hidden_layers;
    if (rc == 0)
        rc = el_json_int_or(o, name, "first_k_dense_replace", &c->first_k_dense_replace, err);
    return rc;
}

static int read_yarn(const cJSON *o, const char *where, struct el_yarn *y, struct el_error *err)
{
    int truncate = 1;
    *y = (struct el_yarn){.present = 1, .beta_fast = 32, .beta_slow = 1, .mscale = 1};
    int rc = el_json_double(o, where, "factor", &y->factor, err);
    if (rc == 0)
        rc = el_json_double_or(o, where, "beta_fast", &y->beta_fast, err);
    if (rc == 0)
        rc = el_json_double_or(o, where, "beta_slow", &y->beta_slow, err);
    if (rc == 0)
        rc = el_json_double_or(o, where, "mscale", &y->mscale, err);
    if (rc == 0)
        rc = el_json_double_or(o, where, "mscale_all_dim", &y->mscale_all_dim, err);
    if (rc == 0)
        rc = el_json_int(o, where, "original_max_position_embeddings",
                         &y->original_max_position_embeddings, err);
    if (rc == 0)
        rc = el_json_bool_or(o, where, "truncate", &truncate, err);
    if (rc < 0)
        return rc;
    const cJSON *factor = cJSON_GetObjectItemCaseSensitive(o, "attention_factor");
    if (factor && !cJSON_IsNull(factor))
        return refused(err, where, "attention_factor", "not supported, use mscale");
    return truncate ? 0 : refused(err, where, "truncate", "only true is supported");
}

/* rope_scaling, or rope_parameters (which holds rope_theta as well). */
static int read_rope(const cJSON *o, const char *name, struct el_config *c, struct el_error *err)
{
    const char *key = "rope_scaling", *type = NULL;
    char where[256];
    const cJSON *r = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!r || cJSON_IsNull(r))
        r = cJSON_GetObjectItemCaseSensitive(o, key = "rope_parameters");
    if (!r || cJSON_IsNull(r))
        return 0;
    if (!cJSON_IsObject(r))
        return el_error_set(err, EL_EFORMAT, "%s: field '%s' must be an object or null", name, key);
    snprintf(where, sizeof where, "%.200s: %s", name, key);
    int rc = el_json_str_or(r, where, "type", &type, err);
    if (rc == 0)
        rc = el_json_str_or(r, where, "rope_type", &type, err);
    if (rc == 0)
        rc = el_json_double_or(r, where, "rope_theta", &c->rope_theta, err);
    if (rc < 0)
        return rc;
    if (!type)
        return el_error_set(err, EL_EFORMAT, "%s: missing field 'type' (\"yarn\")", where);
    if (strcmp(type, "default") == 0)
        return 0;
    if (strcmp(type, "yarn") != 0)
        return el_error_set(err, EL_EREFUSED, "%s: type is \"%s\", only \"yarn\" is supported",
                            where, type);
    return read_yarn(r, where, &c->yarn, err);
}

/* F16 weights are kept exactly by saving them as F32; BF16 could not hold them. */
static int read_dtype(const cJSON *o, const char *name, struct el_config *c, struct el_error *err)
{
    const char *dtype = "float32";
    int rc = el_json_str_or(o, name, "dtype", &dtype, err);
    if (rc == 0)
        rc = el_json_str_or(o, name, "torch_dtype", &dtype, err);
    if (rc < 0)
        return rc;
    if (strcmp(dtype, "float16") == 0)
        dtype = "float32";
    if (strcmp(dtype, "float32") != 0 && strcmp(dtype, "bfloat16") != 0)
        return el_error_set(err, EL_EREFUSED,
                            "%s: 'torch_dtype' is \"%s\", expected \"float32\", \"bfloat16\" or "
                            "\"float16\"",
                            name, dtype);
    snprintf(c->dtype, sizeof c->dtype, "%s", dtype);
    return 0;
}

/* A list of end tokens is common; the first one is the model's own. */
static int read_eos(const cJSON *o, const char *name, struct el_config *c, struct el_error *err)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "eos_token_id");
    if (!cJSON_IsArray(list))
        return el_json_int_or(o, name, "eos_token_id", &c->eos_token_id, err);
    const cJSON *first = cJSON_GetArrayItem(list, 0);
    if (!cJSON_IsNumber(first) || first->valuedouble != first->valueint)
        return el_error_set(err, EL_EFORMAT,
                            "%s: field 'eos_token_id' must be an integer or a list of integers",
                            name);
    c->eos_token_id = first->valueint;
    return 0;
}

static const struct el_config config_defaults = {
    .n_group = 1,
    .topk_group = 1,
    .norm_topk_prob = 1,
    .routed_scaling_factor = 1,
    .rope_interleave = 1,
    .rope_theta = 10000,
    .rms_norm_eps = 1e-6,
    .q_a_norm_eps = 1e-6,
    .kv_a_norm_eps = 1e-6,
    .index_k_norm_eps = 1e-6,
    .initializer_range = 0.02,
    .bos_token_id = 0,
    .eos_token_id = 1,
};

static int read_config(const cJSON *o, const char *name, struct el_config *c, struct el_error *err)
{
    *c = config_defaults;
    if (!cJSON_IsObject(o))
        return el_error_set(err, EL_EFORMAT, "%s: a model configuration must be an object", name);
    int rc = refuse_unsupported(o, name, err);
    if (rc == 0)
        rc = read_first_dense(o, name, c, err);
    if (rc == 0)
        rc = read_keys(o, name, c, err);
    if (rc == 0)
        rc = read_rope(o, name, c, err);
    if (rc == 0)
        rc = read_dtype(o, name, c, err);
    if (rc == 0)
        rc = el_config_read_quantization(o, name, c, err);
    if (rc == 0)
        rc = read_eos(o, name, c, err);
    return rc == 0 ? el_config_validate(c, name, err) : rc;
}

int el_config_parse(const char *name, const char *json, size_t n, struct el_config *c,
                    struct el_error *err)
{
    cJSON *tree;
    struct el_config read;
    int rc = el_json_parse(name, json, n, &tree, err);
    if (rc < 0)
        return rc;
    rc = read_config(tree, name, &read, err);
    cJSON_Delete(tree);
    if (rc == 0)
        *c = read;
    return rc;
}

int el_config_load(const char *path, struct el_config *c, struct el_error *err)
{
    struct el_buf text;
    el_buf_init(&text);
    int rc = el_file_read(path, config_max_bytes, &text, err);
    if (rc == 0)
        rc = el_config_parse(path, text.data, text.len, c, err);
    el_buf_release(&text);
    return rc;
}

static int check_range(const struct el_config_key *k, const struct el_config *c, const char *name,
                       struct el_error *err)
{
    const void *at = (const char *)c + k->field;
    double v = k->kind == EL_KEY_REAL ? *(const double *)at : (double)*(const int *)at;
    double min = k->min;
    if (k->need == EL_KEY_MOE && c->first_k_dense_replace >= c->num_hidden_layers)
        min = 0;
    if (v >= min && v <= k->max)
        return 0;
    return el_error_set(err, EL_EFORMAT, "%s: '%s' is %.10g, expected %.10g to %.10g", name, k->key,
                        v, min, k->max);
}

static int check_yarn(const struct el_config *c, const char *name, struct el_error *err)
{
    const struct el_yarn *y = &c->yarn;
    if (!y->present)
        return 0;
    const char *key = NULL;
    if (!(y->factor >= 1 && y->factor <= 1e6))
        key = "factor' must be 1 to 1000000";
    else if (!(y->beta_slow > 0 && y->beta_slow <= y->beta_fast && y->beta_fast <= 1e6))
        key = "beta_slow' must be above 0 and at most beta_fast";
    else if (!(y->mscale >= 0 && y->mscale <= 100))
        key = "mscale' must be 0 to 100";
    else if (!(y->mscale_all_dim >= 0 && y->mscale_all_dim <= 100))
        key = "mscale_all_dim' must be 0 to 100";
    else if (y->original_max_position_embeddings < 1 ||
             y->original_max_position_embeddings > EL_CONFIG_MAX_SIZE)
        key = "original_max_position_embeddings' must be 1 to 1048576";
    return key ? el_error_set(err, EL_EFORMAT, "%s: rope_scaling: '%s", name, key) : 0;
}

static int bad(struct el_error *err, const char *name, const char *what)
{
    return el_error_set(err, EL_EFORMAT, "%s: %s", name, what);
}

static int check_experts(const struct el_config *c, const char *name, struct el_error *err)
{
    if (c->first_k_dense_replace >= c->num_hidden_layers)
        return 0;
    int group = c->n_routed_experts / c->n_group;
    if (c->num_experts_per_tok > c->n_routed_experts)
        return bad(err, name, "'num_experts_per_tok' is above 'n_routed_experts'");
    if (c->n_routed_experts % c->n_group != 0)
        return bad(err, name, "'n_group' must divide 'n_routed_experts'");
    if (c->topk_group > c->n_group)
        return bad(err, name, "'topk_group' is above 'n_group'");
    if (c->n_group > 1 && group < 2)
        return bad(err, name,
                   "'n_group' leaves fewer than 2 experts in a group (a group is scored by its "
                   "best two)");
    if ((int64_t)c->topk_group * group < c->num_experts_per_tok)
        return bad(err, name, "'topk_group' groups hold fewer experts than 'num_experts_per_tok'");
    return 0;
}

static int check_relations(const struct el_config *c, const char *name, struct el_error *err)
{
    if (c->first_k_dense_replace > c->num_hidden_layers)
        return bad(err, name, "'first_k_dense_replace' is above 'num_hidden_layers'");
    if (c->qk_rope_head_dim % 2 != 0)
        return bad(err, name, "'qk_rope_head_dim' must be even (RoPE turns pairs)");
    if (c->index_head_dim < c->qk_rope_head_dim)
        return bad(err, name, "'index_head_dim' is below 'qk_rope_head_dim'");
    if (!(c->rope_theta > 1))
        return bad(err, name, "'rope_theta' must be above 1");
    if (c->bos_token_id >= c->vocab_size)
        return bad(err, name, "'bos_token_id' is not below 'vocab_size'");
    if (c->eos_token_id >= c->vocab_size)
        return bad(err, name, "'eos_token_id' is not below 'vocab_size'");
    if (strcmp(c->dtype, "float32") != 0 && strcmp(c->dtype, "bfloat16") != 0)
        return bad(err, name, "'torch_dtype' must be \"float32\" or \"bfloat16\"");
    return check_experts(c, name, err);
}

static double layer_parameters(const struct el_config *c)
{
    double C = c->hidden_size, H = c->num_attention_heads;
    double attention = C * (c->q_lora_rank + c->kv_lora_rank + c->qk_rope_head_dim) +
                       H * c->q_lora_rank * ((double)c->qk_nope_head_dim + c->qk_rope_head_dim) +
                       H * c->kv_lora_rank * ((double)c->qk_nope_head_dim + c->v_head_dim) +
                       C * H * c->v_head_dim;
    double indexer = (double)c->index_n_heads * (C + (double)c->index_head_dim * c->q_lora_rank) +
                     C * c->index_head_dim;
    double experts = (double)c->n_routed_experts + c->n_shared_experts;
    double ffn = fmax(C * c->intermediate_size,
                      C * c->n_routed_experts + C * c->moe_intermediate_size * experts);
    return attention + indexer + 3 * ffn;
}

/* Widths and counts made of several keys: everything later may multiply without looking. */
static int check_products(const struct el_config *c, const char *name, struct el_error *err)
{
    double H = c->num_attention_heads, pe = c->max_position_embeddings;
    double qk = (double)c->qk_nope_head_dim + c->qk_rope_head_dim;
    double kv = (double)c->qk_nope_head_dim + c->v_head_dim;
    if (H * qk > max_product || H * kv > max_product || H * c->kv_lora_rank > max_product)
        return bad(err, name, "'num_attention_heads' times the head sizes is above 2^30");
    if ((double)c->index_n_heads * c->index_head_dim > max_product)
        return bad(err, name, "'index_n_heads' times 'index_head_dim' is above 2^30");
    if ((double)c->n_shared_experts * c->moe_intermediate_size > max_product)
        return bad(err, name, "'n_shared_experts' times 'moe_intermediate_size' is above 2^30");
    if (pe * c->qk_rope_head_dim / 2 > max_rope_entries)
        return bad(err, name, "'max_position_embeddings' times 'qk_rope_head_dim' is above 2^29");
    if ((double)c->num_hidden_layers * (3.0 * c->n_routed_experts + 24) > max_tensors)
        return bad(err, name, "'num_hidden_layers' times 'n_routed_experts' is too large");
    double embeddings = 2.0 * c->vocab_size * c->hidden_size;
    if (c->num_hidden_layers * layer_parameters(c) + embeddings > max_parameters)
        return bad(err, name, "the model would have more than 2^56 parameters");
    return 0;
}

int el_config_validate(const struct el_config *c, const char *name, struct el_error *err)
{
    int rc = 0;
    for (const struct el_config_key *k = el_config_keys; k->key && rc == 0; k++)
        rc = check_range(k, c, name, err);
    if (rc == 0 && !(c->eos_token_id >= 0))
        rc = bad(err, name, "'eos_token_id' must be 0 or more");
    if (rc == 0)
        rc = check_yarn(c, name, err);
    if (rc == 0)
        rc = check_relations(c, name, err);
    return rc == 0 ? check_products(c, name, err) : rc;
}
