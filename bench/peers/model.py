"""The same model as the engine's, in PyTorch, written to be fast there.

fp32, or whatever the module is converted to. Projections that read the same input are one matrix,
norms are F.rms_norm, attention is scaled_dot_product_attention where no probabilities are needed, and
what has several good ways in PyTorch is a choice (`Ways`), so that the fastest can be found by trying.

Letters in shapes: B sequences, T tokens, S keys, D hidden, H heads, N nope, R rope, V value dim, C
latent, I indexer heads, J indexer dim, E experts, K experts of a token, M rows (B*T), F width.
"""

import json
import os
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn


@dataclass
class Ways:
    """How a pass computes what can be computed in several ways."""

    attention: str = "sdpa"  # training and prefill: sdpa, padded (v widened to the width of q)
    keys: str = "mask"  # sparse decode: mask (all keys) or gather (the selected ones)
    experts: str = "sorted"  # sorted, padded, grouped, every


def rms(x, w, eps):
    return F.rms_norm(x, (x.shape[-1],), w, eps)


def turn(x, cos, sin, interleaved):
    """Rotates the last axis of x [..., T, R]; cos, sin [T, R/2] (or broadcastable)."""
    if interleaved:
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class Layer(nn.Module):
    given = None  # keys to attend to [T,K] (-1: none), where results are compared
    same_keys = None  # then: of the keys that either selects, the share that both select

    def __init__(self, c, w, index):
        super().__init__()
        self.c, self.moe = c, index >= c["first_k_dense_replace"]
        name = f"model.layers.{index}."
        attn = name + "self_attn."

        def get(key):
            return nn.Parameter(w[name + key + ".weight"])

        self.norm1, self.norm2 = get("input_layernorm"), get("post_attention_layernorm")
        self.qkv_a = nn.Parameter(
            torch.cat((w[attn + "q_a_proj.weight"], w[attn + "kv_a_proj_with_mqa.weight"]))
        )
        self.q_norm, self.kv_norm = get("self_attn.q_a_layernorm"), get("self_attn.kv_a_layernorm")
        self.q_b, self.kv_b, self.o = (get(f"self_attn.{n}_proj") for n in ("q_b", "kv_b", "o"))
        self.ix_q = get("self_attn.indexer.wq_b")
        self.ix_kw = nn.Parameter(
            torch.cat([w[attn + f"indexer.{n}.weight"] for n in ("wk", "weights_proj")])
        )
        self.ix_norm = get("self_attn.indexer.k_norm")
        self.ix_bias = nn.Parameter(w[attn + "indexer.k_norm.bias"])
        mlp = name + "mlp." + ("shared_experts." if self.moe else "")
        self.gate_up = nn.Parameter(
            torch.cat([w[mlp + f"{n}_proj.weight"] for n in ("gate", "up")])
        )
        self.down = nn.Parameter(w[mlp + "down_proj.weight"])
        if self.moe:
            self.router = get("mlp.gate")
            self.register_buffer("bias", w[name + "mlp.gate.e_score_correction_bias"])

            def stack(names):
                """[E, in, out]: contiguous as torch.bmm likes it."""
                each = [
                    torch.cat([w[f"{name}mlp.experts.{e}.{n}_proj.weight"] for n in names])
                    for e in range(c["n_routed_experts"])
                ]
                return nn.Parameter(torch.stack(each).transpose(1, 2).contiguous())

            self.ex_gate_up, self.ex_down = stack(("gate", "up")), stack(("down",))

    # ---- feed-forward ----

    @staticmethod
    def swiglu(gate_up):
        gate, up = gate_up.chunk(2, -1)
        return F.silu(gate) * up

    def route(self, x):
        """x [M,D] -> experts [M,K], gate weights [M,K]."""
        affinity = torch.sigmoid(F.linear(x, self.router))
        chosen = torch.topk(affinity + self.bias, self.c["num_experts_per_tok"], sorted=False)[1]
        weight = affinity.gather(1, chosen)
        if self.c["norm_topk_prob"]:
            weight = weight / (weight.sum(-1, keepdim=True) + 1e-20)
        return chosen, weight * self.c["routed_scaling_factor"]

    def experts_every(self, x, chosen, weight):
        """Every expert on every row, as one batched product: no data-dependent shapes."""
        rows = x.expand(self.c["n_routed_experts"], -1, -1)
        y = torch.bmm(self.swiglu(torch.bmm(rows, self.ex_gate_up)), self.ex_down)
        share = torch.zeros(len(x), len(y), dtype=x.dtype).scatter(1, chosen, weight)
        return torch.einsum("emd,me->md", y, share)

    def sort(self, chosen):
        """(row, slot) pairs in the order of their experts: order [M*K], rows of it, counts [E]."""
        flat = chosen.flatten()
        order = torch.argsort(flat)
        counts = torch.bincount(flat, minlength=self.c["n_routed_experts"])
        return order, order // chosen.shape[1], counts

    def combine(self, y, order, rows, weight, like):
        return torch.zeros_like(like).index_add(0, rows, y * weight.flatten()[order, None])

    def experts_sorted(self, x, chosen, weight):
        """One product for each expert over its own rows."""
        order, rows, counts = self.sort(chosen)
        parts = x[rows].split(counts.tolist())
        y = [
            self.swiglu(part @ self.ex_gate_up[e]) @ self.ex_down[e] for e, part in enumerate(parts)
        ]
        return self.combine(torch.cat(y), order, rows, weight, x)

    def experts_grouped(self, x, chosen, weight):
        """torch's own grouped product."""
        order, rows, counts = self.sort(chosen)
        ends = counts.cumsum(0).to(torch.int32)
        h = F.grouped_mm(x[rows], self.ex_gate_up, offs=ends)
        y = F.grouped_mm(self.swiglu(h), self.ex_down, offs=ends)
        return self.combine(y, order, rows, weight, x)

    def experts_padded(self, x, chosen, weight):
        """All experts in one batched product, each with room for the longest list of rows."""
        order, rows, counts = self.sort(chosen)
        start = counts.cumsum(0) - counts
        expert = chosen.flatten()[order]
        place = torch.arange(len(order)) - start[expert]
        room = int(counts.max())
        at = expert * room + place
        padded = x.new_zeros(len(counts) * room, x.shape[1]).index_copy(0, at, x[rows])
        h = self.swiglu(torch.bmm(padded.view(len(counts), room, -1), self.ex_gate_up))
        y = torch.bmm(h, self.ex_down).flatten(0, 1)[at]
        return self.combine(y, order, rows, weight, x)

    def feed_forward(self, x, ways):
        """x [..., D], normed."""
        y = F.linear(self.swiglu(F.linear(x, self.gate_up)), self.down)
        if not self.moe:
            return y
        flat = x.flatten(0, -2)
        chosen, weight = self.route(flat)
        routed = getattr(self, "experts_" + ways.experts)(flat, chosen, weight)
        return y + routed.view_as(x)

    # ---- projections ----

    def latents(self, h, rope):
        """h [B,T,D] -> qn [B,T,Q], latent [B,T,C] normed, rope key [B,T,R] turned."""
        c = self.c
        qa, latent, key = F.linear(h, self.qkv_a).split(
            (c["q_lora_rank"], c["kv_lora_rank"], c["qk_rope_head_dim"]), -1
        )
        eps = c.get("kv_a_norm_eps", 1e-6)
        key = turn(key, *rope, c.get("rope_interleave", True))
        return rms(qa, self.q_norm, c.get("q_a_norm_eps", 1e-6)), rms(latent, self.kv_norm, eps), key

    def queries(self, qn, rope):
        """-> nope [B,H,T,N], rope [B,H,T,R] turned."""
        c = self.c
        q = F.linear(qn, self.q_b).unflatten(-1, (c["num_attention_heads"], -1)).transpose(1, 2)
        nope, turned = q.split((c["qk_nope_head_dim"], c["qk_rope_head_dim"]), -1)
        return nope, turn(turned, *rope, c.get("rope_interleave", True))

    def index_turn(self, x, rope):
        """The first R of the last axis; x [B,..,T,J]."""
        r = self.c["qk_rope_head_dim"]
        head = turn(x[..., :r], *rope, self.c.get("indexer_rope_interleave", False))
        return torch.cat((head, x[..., r:]), -1)

    def index_parts(self, h, qn, rope):
        """-> q [B,I,T,J], w [B,T,I], k [B,T,J]."""
        c = self.c
        q = F.linear(qn, self.ix_q).unflatten(-1, (c["index_n_heads"], -1)).transpose(1, 2)
        k, w = F.linear(h, self.ix_kw).split((c["index_head_dim"], c["index_n_heads"]), -1)
        eps = c.get("index_k_norm_eps", 1e-6)
        k = F.layer_norm(k, (k.shape[-1],), self.ix_norm, self.ix_bias, eps)
        scale = (c["index_n_heads"] * c["index_head_dim"]) ** -0.5
        return self.index_turn(q, rope), w * scale, self.index_turn(k, rope)

    @staticmethod
    def index_scores(q, w, k):
        """q [B,I,T,J], w [B,T,I], k [B,S,J] -> [B,T,S]."""
        dots = torch.relu(q @ k[:, None].transpose(-1, -2))
        return (dots * w.transpose(1, 2)[..., None]).sum(1)

    # ---- attention over whole sequences ----

    def kept(self, scores, causal):
        """bool [B,T,S]: the index_topk best visible keys of every row."""
        topk = min(self.c["index_topk"], scores.shape[-1])
        if self.given is not None:
            return self.compare_keys(scores, topk, causal)
        best = torch.topk(scores.masked_fill(~causal, -torch.inf), topk, sorted=False)[1]
        return torch.zeros_like(scores, dtype=torch.bool).scatter(-1, best, True) & causal

    def compare_keys(self, scores, topk, causal):
        """The given keys as a mask. Scores of 0 are common (ReLU) and tie: the lowest position wins, as in
        Elenchus."""
        first = scores - 1e-12 * torch.arange(scores.shape[-1])
        best = torch.topk(first.masked_fill(~causal, -torch.inf), topk)[1]
        own = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, best, True) & causal
        mask = torch.zeros(*scores.shape[:-1], scores.shape[-1] + 1, dtype=torch.bool)
        mask = mask.scatter(-1, self.given.expand(len(scores), -1, -1) % mask.shape[-1], True)[..., :-1]
        self.same_keys = ((mask & own).sum() / (mask | own).sum()).item()
        return mask

    def keys_values(self, latent, key):
        """Up-projected for every head: k [B,H,S,N+R], v [B,H,S,V]."""
        c = self.c
        kv = F.linear(latent, self.kv_b).unflatten(-1, (c["num_attention_heads"], -1))
        nope, v = kv.transpose(1, 2).split((c["qk_nope_head_dim"], c["v_head_dim"]), -1)
        key = key[:, None].expand(-1, c["num_attention_heads"], -1, -1)
        return torch.cat((nope, key), -1), v

    def sdpa(self, q, k, v, mask, ways):
        width = v.shape[-1]
        if ways.attention == "padded":
            v = F.pad(v, (0, q.shape[-1] - width))
        out = F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, scale=self.scale
        )
        return out[..., :width]

    @property
    def scale(self):
        return (self.c["qk_nope_head_dim"] + self.c["qk_rope_head_dim"]) ** -0.5

    def attend(self, h, rope, ways, sparse, learn):
        """h [B,T,D], normed -> [B,T,H*V], and the indexer's KL [B,T] where it is to be learnt."""
        qn, latent, key = self.latents(h, rope)
        q = torch.cat(self.queries(qn, rope), -1)
        k, v = self.keys_values(latent, key)
        if not sparse:
            return self.sdpa(q, k, v, None, ways).transpose(1, 2).flatten(2), None
        causal = torch.ones(h.shape[1], h.shape[1], dtype=torch.bool).tril()
        scores = self.index_scores(*self.index_parts(h.detach(), qn.detach(), rope))
        kept = self.kept(scores.detach(), causal)
        if not learn:
            return self.sdpa(q, k, v, kept[:, None], ways).transpose(1, 2).flatten(2), None
        # the KL needs the probabilities, so here they are made explicitly
        logits = (q @ k.transpose(-1, -2) * self.scale).masked_fill(~kept[:, None], -torch.inf)
        p = torch.softmax(logits, -1)
        target = p.detach().sum(1)
        target = target / target.sum(-1, keepdim=True)
        guess = torch.log_softmax(scores.masked_fill(~kept, -torch.inf), -1)
        kl = torch.xlogy(target, target) - torch.where(kept, target * guess, 0.0)
        return (p @ v).transpose(1, 2).flatten(2), kl.sum(-1)

    # ---- decode: one row for each sequence, absorbed attention over a static cache ----

    def absorbed(self, qn, rope):
        """-> [B,H,C+R]: the query in the latent's space."""
        c = self.c
        nope, turned = self.queries(qn, rope)
        up = self.kv_b.view(c["num_attention_heads"], -1, c["kv_lora_rank"])
        low = torch.einsum("bhn,hnc->bhc", nope[:, :, 0], up[:, : c["qk_nope_head_dim"]])
        return torch.cat((low, turned[:, :, 0]), -1)

    def attend_cached(self, h, rope, cache, at, ways, sparse):
        """h [B,1,D]; cache: kv [B,S,C+R], ki [B,S,J]; `at` [1] the row's position."""
        c = self.c
        qn, latent, key = self.latents(h, rope)
        kv, ki = cache
        kv.index_copy_(1, at, torch.cat((latent, key), -1))
        q = self.absorbed(qn, rope)
        seen = torch.arange(kv.shape[1]) <= at
        mask = seen[None]
        if sparse:
            qi, wi, k = self.index_parts(h, qn, rope)
            ki.index_copy_(1, at, k)
            scores = self.index_scores(qi, wi, ki)[:, 0]
            topk = min(c["index_topk"], kv.shape[1])
            best = torch.topk(scores.masked_fill(~seen, -torch.inf), topk, sorted=False)[1]
            if ways.keys == "gather":
                kv = kv.gather(1, best[..., None].expand(-1, -1, kv.shape[-1]))
                mask = best <= at
            else:
                mask = torch.zeros_like(scores, dtype=torch.bool).scatter(-1, best, True) & seen
        s = (q @ kv.transpose(1, 2) * self.scale).masked_fill(~mask[:, None], -torch.inf)
        low = torch.softmax(s, -1) @ kv[..., : c["kv_lora_rank"]]
        up = self.kv_b.view(c["num_attention_heads"], -1, c["kv_lora_rank"])
        return torch.einsum("bhc,hvc->bhv", low, up[:, c["qk_nope_head_dim"] :]).flatten(1)[:, None]


class Model(nn.Module):
    def __init__(self, config, w):
        super().__init__()
        assert config.get("rope_scaling") is None and config["n_group"] == 1
        self.c = config
        self.embed = nn.Parameter(w["model.embed_tokens.weight"])
        self.norm, self.head = nn.Parameter(w["model.norm.weight"]), nn.Parameter(w["lm_head.weight"])
        self.layers = nn.ModuleList(Layer(config, w, i) for i in range(config["num_hidden_layers"]))
        half = torch.arange(0, config["qk_rope_head_dim"], 2, dtype=torch.float64)
        turns = config["rope_theta"] ** (-half / config["qk_rope_head_dim"])
        angles = torch.arange(config["max_position_embeddings"], dtype=torch.float64)[:, None] * turns
        self.register_buffer("cos", angles.cos().float())
        self.register_buffer("sin", angles.sin().float())

    def hidden(self, tokens, ways, sparse, learn=False):
        """tokens [B,T] -> normed hidden states [B,T,D], the sum of the layers' KL [B,T] or None."""
        eps, x, kl = self.c["rms_norm_eps"], F.embedding(tokens, self.embed), None
        rope = self.cos[: tokens.shape[1]], self.sin[: tokens.shape[1]]
        for layer in self.layers:
            o, part = layer.attend(rms(x, layer.norm1, eps), rope, ways, sparse, learn)
            x = x + F.linear(o, layer.o)
            x = x + layer.feed_forward(rms(x, layer.norm2, eps), ways)
            if part is not None:
                kl = part if kl is None else kl + part
        return rms(x, self.norm, eps), kl

    def logits(self, tokens, ways, sparse):
        return F.linear(self.hidden(tokens, ways, sparse)[0], self.head)

    def next_token(self, tokens, ways, sparse):
        """Prefill: logits of the last position [B,V]."""
        return F.linear(self.hidden(tokens, ways, sparse)[0][:, -1], self.head)

    def loss(self, tokens, ways, sparse):
        """The mean cross entropy of tokens 1.. and, sparse, the mean KL of a row over all layers."""
        x, kl = self.hidden(tokens, ways, sparse, learn=sparse)
        logits = F.linear(x[:, :-1].flatten(0, 1), self.head)
        lm = F.cross_entropy(logits, tokens[:, 1:].flatten())
        return lm if kl is None else lm + kl.mean()

    def empty_cache(self, batch, length):
        """Static: as long as it will ever be."""
        c = self.c
        return [
            (
                torch.zeros(batch, length, c["kv_lora_rank"] + c["qk_rope_head_dim"]),
                torch.zeros(batch, length, c["index_head_dim"]),
            )
            for _ in self.layers
        ]

    def decode(self, token, at, cache, ways, sparse):
        """token [B], at [1] -> logits [B,V]; adds the row to the cache."""
        eps, x = self.c["rms_norm_eps"], F.embedding(token[:, None], self.embed)
        rope = self.cos[at], self.sin[at]
        for layer, part in zip(self.layers, cache):
            h = rms(x, layer.norm1, eps)
            o = layer.attend_cached(h, rope, part, at, ways, sparse)
            x = x + F.linear(o, layer.o)
            x = x + layer.feed_forward(rms(x, layer.norm2, eps), ways)
        return F.linear(rms(x[:, 0], self.norm, eps), self.head)

    def fill_cache(self, tokens, cache, ways, sparse):
        """The keys of tokens [B,T], as a prefill leaves them."""
        eps, x = self.c["rms_norm_eps"], F.embedding(tokens, self.embed)
        n = tokens.shape[1]
        rope = self.cos[:n], self.sin[:n]
        for layer, (kv, ki) in zip(self.layers, cache):
            h = rms(x, layer.norm1, eps)
            qn, latent, key = layer.latents(h, rope)
            kv[:, :n] = torch.cat((latent, key), -1)
            ki[:, :n] = layer.index_parts(h, qn, rope)[2]
            x = x + F.linear(layer.attend(h, rope, ways, sparse, False)[0], layer.o)
            x = x + layer.feed_forward(rms(x, layer.norm2, eps), ways)


def load(folder):
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    weights = load_file(os.path.join(folder, "model.safetensors"))
    return Model(config, {name: w.float() for name, w in weights.items()})


def shapes(c):
    """Names and shapes of all tensors of a folder."""
    d, h, rq, r = c["hidden_size"], c["num_attention_heads"], c["q_lora_rank"], c["kv_lora_rank"]
    nope, rope, v = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
    out = {"model.embed_tokens": (c["vocab_size"], d), "model.norm": (d,)}
    out["lm_head"] = (c["vocab_size"], d)
    for i in range(c["num_hidden_layers"]):
        n = f"model.layers.{i}."
        a = n + "self_attn."
        out |= {n + "input_layernorm": (d,), n + "post_attention_layernorm": (d,)}
        out |= {a + "q_a_proj": (rq, d), a + "q_a_layernorm": (rq,), a + "kv_a_layernorm": (r,)}
        out |= {a + "q_b_proj": (h * (nope + rope), rq), a + "o_proj": (d, h * v)}
        out |= {a + "kv_a_proj_with_mqa": (r + rope, d), a + "kv_b_proj": (h * (nope + v), r)}
        ix, j = a + "indexer.", c["index_head_dim"]
        out |= {ix + "wq_b": (c["index_n_heads"] * j, rq), ix + "wk": (j, d), ix + "k_norm": (j,)}
        out[ix + "weights_proj"] = (c["index_n_heads"], d)
        blocks = {n + "mlp.": c["intermediate_size"]}
        if i >= c["first_k_dense_replace"]:
            f = c["moe_intermediate_size"]
            blocks = {n + f"mlp.experts.{e}.": f for e in range(c["n_routed_experts"])}
            blocks[n + "mlp.shared_experts."] = f * c["n_shared_experts"]
            out[n + "mlp.gate"] = (c["n_routed_experts"], d)
        for block, width in blocks.items():
            out |= {block + "gate_proj": (width, d), block + "up_proj": (width, d)}
            out[block + "down_proj"] = (d, width)
    return out


def make_folder(config_file, folder):
    """Random weights of a shape, as F32."""
    with open(config_file, encoding="utf-8") as f:
        c = json.load(f)
    c["torch_dtype"] = "float32"
    random = torch.Generator().manual_seed(1)
    tensors = {}
    for name, shape in shapes(c).items():
        if len(shape) == 1:
            tensors[name + ".weight"] = torch.ones(shape)
        else:
            # unit variance in, unit variance out: logits and attention of a trained model's size
            tensors[name + ".weight"] = torch.randn(shape, generator=random) * shape[1] ** -0.5
    for i in range(c["num_hidden_layers"]):
        norm = f"model.layers.{i}.self_attn.indexer.k_norm.bias"
        tensors[norm] = torch.zeros(c["index_head_dim"])
        if i >= c["first_k_dense_replace"]:
            bias = f"model.layers.{i}.mlp.gate.e_score_correction_bias"
            tensors[bias] = torch.zeros(c["n_routed_experts"])
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(c, f, indent=1)
    save_file(tensors, os.path.join(folder, "model.safetensors"))
