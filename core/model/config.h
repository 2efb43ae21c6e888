/* The shape of a DeepSeek-V3.2 style model: config.json of a Hugging Face folder, key by key.
 * Nothing of any particular model is a constant anywhere else. */
#ifndef EL_MODEL_CONFIG_H
#define EL_MODEL_CONFIG_H

#include "core/base/error.h"
#include "core/tensor/fp8.h"

#include <stddef.h>

struct el_yarn {
    int present; /* rope_scaling is there: YaRN applies at every length */
    double factor, beta_fast, beta_slow, mscale, mscale_all_dim;
    int original_max_position_embeddings;
};

struct el_config {
    int vocab_size;            /* V */
    int hidden_size;           /* C */
    int intermediate_size;     /* dense FFN */
    int moe_intermediate_size; /* one expert */
    int num_hidden_layers;     /* L */
    int first_k_dense_replace; /* layers 0..k-1 have a dense FFN */
    int num_attention_heads;   /* H */
    int q_lora_rank;           /* rq */
    int kv_lora_rank;          /* r: width of the latent */
    int qk_nope_head_dim;      /* dn */
    int qk_rope_head_dim;      /* dr */
    int v_head_dim;            /* dv */
    int n_routed_experts;      /* E; 0 only when every layer is dense */
    int n_shared_experts;      /* their widths add up to one FFN */
    int num_experts_per_tok;   /* k */
    int n_group, topk_group;
    int norm_topk_prob;
    double routed_scaling_factor;
    int index_n_heads;  /* H_I */
    int index_head_dim; /* D_I, at least dr */
    int index_topk;
    int indexer_rope_interleave; /* default 0: half-split; 1 for models of the GLM-5 kind */
    int rope_interleave;         /* default 1: interleaved pairs in the main q and k */
    int max_position_embeddings;
    double rope_theta;
    struct el_yarn yarn;
    double rms_norm_eps;
    double q_a_norm_eps, kv_a_norm_eps, index_k_norm_eps; /* default 1e-6 whatever rms_norm_eps */
    int tie_word_embeddings;
    int num_nextn_predict_layers; /* MTP layers in the checkpoint */
    double initializer_range;     /* standard deviation of new weights, default 0.02 */
    int bos_token_id, eos_token_id;
    char dtype[16]; /* torch_dtype: how `save` writes weights, "float32" or "bfloat16" */
    /* quantization_config: matrices of the checkpoint may be FP8, with scales of this format. It
     * describes the files alone; el_config_print leaves it out, since what is saved is not FP8. */
    int fp8;
    struct el_fp8_format fp8_format;
};

/* Reads config.json (path of the file). Unknown keys are kept out but allowed, since real
 * configurations carry many; a key with a wrong type or an impossible value is EL_EFORMAT naming
 * the key and the expected range; what the engine cannot do (another scoring_func, attention_bias,
 * q_lora_rank null, a rope_scaling that is not YaRN, a quantisation that is not block-scaled FP8)
 * is EL_EREFUSED with the reason. */
int el_config_load(const char *path, struct el_config *c, struct el_error *err);
int el_config_parse(const char *name, const char *json, size_t n, struct el_config *c,
                    struct el_error *err);
int el_config_validate(const struct el_config *c, const char *name, struct el_error *err);
/* config.json text with the real keys (architectures DeepseekV32ForCausalLM). el_free it. */
char *el_config_print(const struct el_config *c);

static inline int el_config_layer_is_moe(const struct el_config *c, int layer)
{
    return c->n_routed_experts > 0 && layer >= c->first_k_dense_replace;
}

/* (dn+dr)^-1/2, times mscale(factor, mscale_all_dim)^2 with YaRN. */
double el_config_softmax_scale(const struct el_config *c);

/* Fills cos, sin (positions, dr/2) for positions 0..n-1, in double precision rounded once. */
void el_config_rope_table(const struct el_config *c, int n, float *cos_table, float *sin_table);

#endif
