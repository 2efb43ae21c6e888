#include "core/model/config_keys.h"

#include "core/model/config.h"

#define ROW(key, kind, need, min, max)                                                             \
    {                                                                                              \
#key, offsetof(struct el_config, key), kind, need, min, max                                \
    }
#define SIZE(key, need)     ROW(key, EL_KEY_INT, need, 1, EL_CONFIG_MAX_SIZE)
#define COUNT(key, need)    ROW(key, EL_KEY_INT, need, 0, EL_CONFIG_MAX_SIZE)
#define REAL(key, min, max) ROW(key, EL_KEY_REAL, EL_KEY_OPTIONAL, min, max)
#define FLAG(key)           ROW(key, EL_KEY_BOOL, EL_KEY_OPTIONAL, 0, 1)

const struct el_config_key el_config_keys[] = {
    ROW(vocab_size, EL_KEY_INT, EL_KEY_REQUIRED, 2, EL_CONFIG_MAX_SIZE),
    SIZE(hidden_size, EL_KEY_REQUIRED),
    SIZE(intermediate_size, EL_KEY_REQUIRED),
    SIZE(num_hidden_layers, EL_KEY_REQUIRED),
    COUNT(first_k_dense_replace, EL_KEY_OPTIONAL),
    SIZE(moe_intermediate_size, EL_KEY_MOE),
    SIZE(n_routed_experts, EL_KEY_MOE),
    SIZE(num_experts_per_tok, EL_KEY_MOE),
    COUNT(n_shared_experts, EL_KEY_OPTIONAL),
    SIZE(n_group, EL_KEY_OPTIONAL),
    SIZE(topk_group, EL_KEY_OPTIONAL),
    FLAG(norm_topk_prob),
    REAL(routed_scaling_factor, 1e-6, 1e6),
    SIZE(num_attention_heads, EL_KEY_REQUIRED),
    SIZE(q_lora_rank, EL_KEY_REQUIRED),
    SIZE(kv_lora_rank, EL_KEY_REQUIRED),
    SIZE(qk_nope_head_dim, EL_KEY_REQUIRED),
    SIZE(qk_rope_head_dim, EL_KEY_REQUIRED),
    SIZE(v_head_dim, EL_KEY_REQUIRED),
    SIZE(index_n_heads, EL_KEY_REQUIRED),
    SIZE(index_head_dim, EL_KEY_REQUIRED),
    SIZE(index_topk, EL_KEY_REQUIRED),
    FLAG(indexer_rope_interleave),
    FLAG(rope_interleave),
    SIZE(max_position_embeddings, EL_KEY_REQUIRED),
    REAL(rope_theta, 1, 1e15),
    REAL(rms_norm_eps, 1e-30, 1),
    REAL(q_a_norm_eps, 1e-30, 1),
    REAL(kv_a_norm_eps, 1e-30, 1),
    REAL(index_k_norm_eps, 1e-30, 1),
    FLAG(tie_word_embeddings),
    COUNT(num_nextn_predict_layers, EL_KEY_OPTIONAL),
    REAL(initializer_range, 1e-12, 100),
    COUNT(bos_token_id, EL_KEY_OPTIONAL),
    {0},
};
