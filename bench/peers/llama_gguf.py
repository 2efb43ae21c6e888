"""A DeepSeek-V3.2 folder as an F32 GGUF for llama.cpp, without a vocabulary: deepseek32, or deepseek2, which
has no indexer.

llama.cpp rotates queries and keys of the indexer by a Hadamard matrix of at least 64 x 64 and stops at an
index_head_dim below that. A smaller one is widened without a change of the scores: the projection of keys is
repeated, so that mean and variance of its LayerNorm stay, the copies get a weight and a bias of 0, and
queries have zeros there.
"""

import json
import os

import numpy as np
from gguf import ExpertGatingFuncType, GGUFWriter
from safetensors.torch import load_file

LEAST_INDEX_DIM = 64

ATTENTION = {
    "input_layernorm": "attn_norm",
    "self_attn.q_a_proj": "attn_q_a",
    "self_attn.q_a_layernorm": "attn_q_a_norm",
    "self_attn.q_b_proj": "attn_q_b",
    "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
    "self_attn.kv_a_layernorm": "attn_kv_a_norm",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
}
PARTS = ("gate", "up", "down")


def add_config(w, c, sparse):
    w.add_context_length(c["max_position_embeddings"])
    w.add_embedding_length(c["hidden_size"])
    w.add_block_count(c["num_hidden_layers"])
    w.add_feed_forward_length(c["intermediate_size"])
    w.add_head_count(c["num_attention_heads"])
    w.add_head_count_kv(1)  # absorbed: all heads share the latent
    w.add_rope_freq_base(float(c["rope_theta"]))
    w.add_layer_norm_rms_eps(c["rms_norm_eps"])
    w.add_vocab_size(c["vocab_size"])
    w.add_leading_dense_block_count(c["first_k_dense_replace"])
    w.add_q_lora_rank(c["q_lora_rank"])
    w.add_kv_lora_rank(c["kv_lora_rank"])
    w.add_key_length(c["kv_lora_rank"] + c["qk_rope_head_dim"])
    w.add_value_length(c["kv_lora_rank"])
    w.add_key_length_mla(c["qk_nope_head_dim"] + c["qk_rope_head_dim"])
    w.add_value_length_mla(c["v_head_dim"])
    w.add_rope_dimension_count(c["qk_rope_head_dim"])
    w.add_expert_count(c["n_routed_experts"])
    w.add_expert_used_count(c["num_experts_per_tok"])
    w.add_expert_feed_forward_length(c["moe_intermediate_size"])
    w.add_expert_shared_count(c["n_shared_experts"])
    w.add_expert_weights_scale(float(c["routed_scaling_factor"]))
    w.add_expert_weights_norm(c["norm_topk_prob"])
    w.add_expert_gating_func(ExpertGatingFuncType.SIGMOID)
    if c["n_group"] > 1:
        w.add_expert_group_count(c["n_group"])
        w.add_expert_group_used_count(c["topk_group"])
    if sparse:
        w.add_indexer_head_count(c["index_n_heads"])
        w.add_indexer_key_length(max(LEAST_INDEX_DIM, c["index_head_dim"]))
        w.add_indexer_top_k(c["index_topk"])
    w.add_tokenizer_model("no_vocab")


class Layer:
    """Adds tensors of layer i: names behind model.layers.i. and blk.i."""

    def __init__(self, w, tensors, i):
        self.w, self.tensors = w, tensors
        self.source, self.target = f"model.layers.{i}.", f"blk.{i}."

    def get(self, name):
        return self.tensors[self.source + name]

    def add(self, name, values):
        self.w.add_tensor(self.target + name, np.ascontiguousarray(values))


def add_attention(layer, c):
    for ours, theirs in ATTENTION.items():
        layer.add(theirs + ".weight", layer.get(ours + ".weight"))
    nope, v = c["qk_nope_head_dim"], c["v_head_dim"]
    kv_b = layer.get("self_attn.kv_b_proj.weight").reshape(c["num_attention_heads"], nope + v, -1)
    layer.add("attn_k_b.weight", kv_b[:, :nope].transpose(0, 2, 1))
    layer.add("attn_v_b.weight", kv_b[:, nope:])


def add_indexer(layer, c):
    d, heads = c["index_head_dim"], c["index_n_heads"]
    wide = max(LEAST_INDEX_DIM, d)
    if wide % d:
        raise ValueError(f"index_head_dim {d}: expected a divisor of {LEAST_INDEX_DIM} or a multiple")
    q = layer.get("self_attn.indexer.wq_b.weight").reshape(heads, d, -1)
    q = np.pad(q, ((0, 0), (0, wide - d), (0, 0))).reshape(heads * wide, -1)
    layer.add("indexer.attn_q_b.weight", q)
    layer.add("indexer.attn_k.weight", np.tile(layer.get("self_attn.indexer.wk.weight"), (wide // d, 1)))
    for part in ("weight", "bias"):
        values = layer.get(f"self_attn.indexer.k_norm.{part}")
        layer.add(f"indexer.k_norm.{part}", np.pad(values, (0, wide - d)))
    layer.add("indexer.proj.weight", layer.get("self_attn.indexer.weights_proj.weight"))


def add_ffn(layer, c, moe):
    suffix = "_shexp" if moe else ""
    for n in PARTS:
        source = f"mlp.shared_experts.{n}_proj.weight" if moe else f"mlp.{n}_proj.weight"
        layer.add(f"ffn_{n}{suffix}.weight", layer.get(source))
    if not moe:
        return
    layer.add("ffn_gate_inp.weight", layer.get("mlp.gate.weight"))
    layer.add("exp_probs_b.bias", layer.get("mlp.gate.e_score_correction_bias"))
    for n in PARTS:
        experts = [layer.get(f"mlp.experts.{e}.{n}_proj.weight") for e in range(c["n_routed_experts"])]
        layer.add(f"ffn_{n}_exps.weight", np.stack(experts))


def write(folder, out, sparse):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        c = json.load(f)
    tensors = load_file(os.path.join(folder, "model.safetensors"))
    tensors = {name: t.float().numpy() for name, t in tensors.items()}
    w = GGUFWriter(out, "deepseek32" if sparse else "deepseek2")
    add_config(w, c, sparse)
    for theirs, ours in (("token_embd", "embed_tokens"), ("output_norm", "norm")):
        w.add_tensor(theirs + ".weight", tensors[f"model.{ours}.weight"])
    w.add_tensor("output.weight", tensors["lm_head.weight"])
    for i in range(c["num_hidden_layers"]):
        layer = Layer(w, tensors, i)
        add_attention(layer, c)
        if sparse:
            add_indexer(layer, c)
        add_ffn(layer, c, i >= c["first_k_dense_replace"])
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
