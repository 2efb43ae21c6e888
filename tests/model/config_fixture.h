/* Configurations for the tests: the 671B model's, and a small one with all dimensions different. */
#ifndef EL_TESTS_MODEL_CONFIG_FIXTURE_H
#define EL_TESTS_MODEL_CONFIG_FIXTURE_H

#include "core/model/config.h"

#include <cjson/cJSON.h>
#include <string.h>

static const char big_json[] =
    "{\"architectures\":[\"DeepseekV32ForCausalLM\"],\"model_type\":\"deepseek_v32\","
    "\"vocab_size\":129280,\"hidden_size\":7168,\"intermediate_size\":18432,"
    "\"moe_intermediate_size\":2048,\"num_hidden_layers\":61,\"first_k_dense_replace\":3,"
    "\"num_attention_heads\":128,\"q_lora_rank\":1536,\"kv_lora_rank\":512,"
    "\"qk_nope_head_dim\":128,\"qk_rope_head_dim\":64,\"v_head_dim\":128,"
    "\"n_routed_experts\":256,\"n_shared_experts\":1,\"num_experts_per_tok\":8,\"n_group\":8,"
    "\"topk_group\":4,\"topk_method\":\"noaux_tc\",\"scoring_func\":\"sigmoid\","
    "\"norm_topk_prob\":true,\"routed_scaling_factor\":2.5,\"index_n_heads\":64,"
    "\"index_head_dim\":128,\"index_topk\":2048,\"num_nextn_predict_layers\":1,"
    "\"max_position_embeddings\":163840,\"rms_norm_eps\":1e-6,\"rope_theta\":10000,"
    "\"rope_scaling\":{\"type\":\"yarn\",\"factor\":40,\"beta_fast\":32,\"beta_slow\":1,"
    "\"mscale\":1.0,\"mscale_all_dim\":1.0,\"original_max_position_embeddings\":4096},"
    "\"quantization_config\":{\"quant_method\":\"fp8\",\"fmt\":\"e4m3\","
    "\"scale_fmt\":\"ue8m0\",\"activation_scheme\":\"dynamic\","
    "\"weight_block_size\":[128,128]},"
    "\"hidden_act\":\"silu\",\"attention_bias\":false,\"tie_word_embeddings\":false,"
    "\"bos_token_id\":0,\"eos_token_id\":1,\"torch_dtype\":\"bfloat16\"}";

static const char small_json[] =
    "{\"vocab_size\":30,\"hidden_size\":14,\"intermediate_size\":22,\"moe_intermediate_size\":9,"
    "\"num_hidden_layers\":3,\"first_k_dense_replace\":1,\"num_attention_heads\":3,"
    "\"q_lora_rank\":11,\"kv_lora_rank\":7,\"qk_nope_head_dim\":6,\"qk_rope_head_dim\":4,"
    "\"v_head_dim\":5,\"n_routed_experts\":4,\"n_shared_experts\":2,\"num_experts_per_tok\":2,"
    "\"n_group\":2,\"topk_group\":1,\"routed_scaling_factor\":1.5,\"index_n_heads\":2,"
    "\"index_head_dim\":8,\"index_topk\":4,\"num_nextn_predict_layers\":1,"
    "\"max_position_embeddings\":64,\"rope_theta\":10000,\"torch_dtype\":\"float32\"}";

/* Parses `json` with one key replaced, added, or removed (value NULL). `value` is JSON. */
static inline int parse_with(const char *json, const char *key, const char *value,
                             struct el_config *c, struct el_error *err)
{
    cJSON *tree = cJSON_Parse(json);
    cJSON_DeleteItemFromObjectCaseSensitive(tree, key);
    if (value)
        cJSON_AddItemToObject(tree, key, cJSON_Parse(value));
    char *text = cJSON_PrintUnformatted(tree);
    int rc = el_config_parse("config.json", text, strlen(text), c, err);
    cJSON_free(text);
    cJSON_Delete(tree);
    return rc;
}

static inline struct el_config small_config(void)
{
    struct el_config c = {0};
    el_config_parse("small", small_json, sizeof small_json - 1, &c, NULL);
    return c;
}

static inline struct el_config big_config(void)
{
    struct el_config c = {0};
    el_config_parse("big", big_json, sizeof big_json - 1, &c, NULL);
    return c;
}

#endif
