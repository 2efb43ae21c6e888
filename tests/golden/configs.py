"""The tiny configurations of the golden vectors, and how their weights are drawn."""

import numpy as np
import torch

BASE = {
    "architectures": ["DeepseekV32ForCausalLM"],
    "model_type": "deepseek_v32",
    "torch_dtype": "float32",
    "hidden_act": "silu",
    "attention_bias": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 44,
    "moe_intermediate_size": 12,
    "num_hidden_layers": 3,
    "first_k_dense_replace": 1,
    "moe_layer_freq": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "q_lora_rank": 20,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 8,
    "v_head_dim": 10,
    "n_routed_experts": 8,
    "n_shared_experts": 1,
    "num_experts_per_tok": 3,
    "n_group": 4,
    "topk_group": 2,
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "index_n_heads": 4,
    "index_head_dim": 24,
    "index_topk": 8,
    "num_nextn_predict_layers": 0,
    "max_position_embeddings": 1024,
    "rms_norm_eps": 1e-6,
    "rope_theta": 100,
    "rope_scaling": {
        "type": "yarn",
        "factor": 40,
        "beta_fast": 1,
        "beta_slow": 0.25,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 24,
    },
    "tie_word_embeddings": False,
}

INDEX_INTERLEAVED = {
    **BASE,
    "indexer_rope_interleave": True,
    "rope_interleave": True,
    "index_n_heads": 3,
    "index_head_dim": 16,
    "q_a_norm_eps": 0.05,
    "kv_a_norm_eps": 0.02,
    "index_k_norm_eps": 0.1,
}

UNGROUPED = {
    **BASE,
    "vocab_size": 72,
    "hidden_size": 28,
    "num_hidden_layers": 4,
    "first_k_dense_replace": 2,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 12,
    "v_head_dim": 14,
    "n_routed_experts": 6,
    "n_shared_experts": 2,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "norm_topk_prob": False,
    "routed_scaling_factor": 1.5,
    "rope_theta": 10000,
    "rope_scaling": None,
    "tie_word_embeddings": True,
}

TINY_NORMS = {
    **BASE,
    "vocab_size": 80,
    "intermediate_size": 40,
    "moe_intermediate_size": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 16,
    "v_head_dim": 12,
    "index_head_dim": 20,
    "n_routed_experts": 12,
    "num_experts_per_tok": 4,
    "n_group": 3,
    "topk_group": 2,
    "index_topk": 6,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1000,
    "rope_scaling": {
        "type": "yarn",
        "factor": 40,
        "beta_fast": 32,
        "beta_slow": 1,
        "mscale": 1.0,
        "mscale_all_dim": 0.5,
        "original_max_position_embeddings": 256,
    },
}

FULL_TOPK = {**BASE, "index_topk": 64}

ZERO_TIES = {**BASE, "index_n_heads": 2, "index_head_dim": 16}

# name -> configuration, length T, scales of weight tensors (by part of their name;
# kv_latent means the latent's rows of kv_a_proj_with_mqa, without the rope key's),
# and what beyond logits and decisions its golden file holds.
CASES = {
    "base": {
        "config": BASE,
        "length": 32,
        "gradients": True,
        "training": True,
    },
    "index_interleaved": {"config": INDEX_INTERLEAVED, "length": 32},
    "ungrouped_tied": {"config": UNGROUPED, "length": 40, "gradients": True},
    "tiny_norms": {
        "config": TINY_NORMS,
        "length": 24,
        "gradients": True,
        "scales": {
            "embed_tokens": 3e-3,
            "o_proj": 2e-3,
            "down_proj": 2e-3,
            "q_a_proj": 1e-3,
            "kv_latent": 1e-3,
            "indexer.wk": 1.5e-3,
            "k_norm.bias": 0.5,
        },
    },
    "full_topk": {"config": FULL_TOPK, "length": 24},
    "zero_ties": {"config": ZERO_TIES, "length": 48, "special": "zero_ties"},
}


def tensor_shapes(c):
    """Hugging Face tensor names of a configuration -> shape."""
    hidden, heads = c["hidden_size"], c["num_attention_heads"]
    nope, rope, value = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
    q_rank, kv_rank = c["q_lora_rank"], c["kv_lora_rank"]
    index_heads, index_dim = c["index_n_heads"], c["index_head_dim"]
    experts, expert_dim = c["n_routed_experts"], c["moe_intermediate_size"]
    shapes = {"model.embed_tokens.weight": (c["vocab_size"], hidden)}

    def ffn(name, inner):
        shapes[name + ".gate_proj.weight"] = (inner, hidden)
        shapes[name + ".up_proj.weight"] = (inner, hidden)
        shapes[name + ".down_proj.weight"] = (hidden, inner)

    for layer in range(c["num_hidden_layers"]):
        name = f"model.layers.{layer}"
        attn, index, mlp = name + ".self_attn", name + ".self_attn.indexer", name + ".mlp"
        shapes[name + ".input_layernorm.weight"] = (hidden,)
        shapes[name + ".post_attention_layernorm.weight"] = (hidden,)
        shapes[attn + ".q_a_proj.weight"] = (q_rank, hidden)
        shapes[attn + ".q_a_layernorm.weight"] = (q_rank,)
        shapes[attn + ".q_b_proj.weight"] = (heads * (nope + rope), q_rank)
        shapes[attn + ".kv_a_proj_with_mqa.weight"] = (kv_rank + rope, hidden)
        shapes[attn + ".kv_a_layernorm.weight"] = (kv_rank,)
        shapes[attn + ".kv_b_proj.weight"] = (heads * (nope + value), kv_rank)
        shapes[attn + ".o_proj.weight"] = (hidden, heads * value)
        shapes[index + ".wq_b.weight"] = (index_heads * index_dim, q_rank)
        shapes[index + ".wk.weight"] = (index_dim, hidden)
        shapes[index + ".k_norm.weight"] = (index_dim,)
        shapes[index + ".k_norm.bias"] = (index_dim,)
        shapes[index + ".weights_proj.weight"] = (index_heads, hidden)
        if layer < c["first_k_dense_replace"]:
            ffn(mlp, c["intermediate_size"])
            continue
        shapes[mlp + ".gate.weight"] = (experts, hidden)
        shapes[mlp + ".gate.e_score_correction_bias"] = (experts,)
        for expert in range(experts):
            ffn(f"{mlp}.experts.{expert}", expert_dim)
        ffn(mlp + ".shared_experts", expert_dim * c["n_shared_experts"])
    shapes["model.norm.weight"] = (hidden,)
    if not c["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (c["vocab_size"], hidden)
    return shapes


def standard_deviation(name, shape):
    """Large enough that attention, selection and routing are far from uniform."""
    if name.endswith("e_score_correction_bias"):
        return 0.6
    if name.endswith("bias"):
        return 0.5
    if "embed_tokens" in name:
        return 1.0
    gain = 2.0 if any(part in name for part in ("q_b_proj", "mlp.gate.", "wq_b")) else 1.4
    return gain * shape[-1] ** -0.5


def draw_weights(case, seed):
    """name -> float64 tensor whose values are exact in float32."""
    random = np.random.RandomState(seed)
    weights = {}
    for name, shape in tensor_shapes(case["config"]).items():
        values = random.standard_normal(shape)
        if name.endswith("norm.weight"):
            values = 1.0 + 0.25 * values
        else:
            values = values * standard_deviation(name, shape)
        for part, scale in case.get("scales", {}).items():
            if part in name:
                values = scale * values
        if "kv_a_proj_with_mqa" in name:
            latent_rows = slice(0, case["config"]["kv_lora_rank"])
            values[latent_rows] *= case.get("scales", {}).get("kv_latent", 1.0)
        weights[name] = torch.from_numpy(values.astype(np.float32).astype(np.float64))
    if case.get("special") == "zero_ties":
        make_zero_ties(weights)
    return weights


def make_zero_ties(weights):
    """Make scores of exactly 0 frequent, in any precision.

    The second indexer head asks half of what the first asks (an exact scaling),
    so both ReLUs are 0 on the same keys: about half of all scores. In the last
    layer every head weight is 0: there all scores tie, and the rule alone selects.
    """
    for name, weight in weights.items():
        if name.endswith("indexer.wq_b.weight"):
            half = weight.shape[0] // 2
            weight[half:] = 0.5 * weight[:half]
    weights["model.layers.2.self_attn.indexer.weights_proj.weight"].zero_()


def is_trained(name):
    """The routing bias has no gradient; training steps leave it alone."""
    return not name.endswith("e_score_correction_bias")
