"""The DeepSeek-V3.2 architecture, written as plainly as possible.

This is the oracle of the engine's golden tests, so it takes the long way
wherever the engine takes a short one: attention up-projects k and v for every
head and masks a full T x T matrix (the engine uses the absorbed form over the
latent), index scores are one full T x T matrix, the selection sorts each row,
experts are a loop. Everything runs in the dtype of the weights (float64 for
the golden vectors).

Every decision is one small method, so that a known mistake is a subclass that
replaces just that method (traps.py).

Letters in shapes: B sequences, T tokens, D hidden, H heads, N nope, R rope,
V value dim of a head, C latent of k and v, Q latent of q, I indexer heads,
J indexer head dim, E routed experts.
"""

import math

import torch

DEFAULTS = {
    "rope_interleave": True,
    "indexer_rope_interleave": False,
    "q_a_norm_eps": 1e-6,
    "kv_a_norm_eps": 1e-6,
    "index_k_norm_eps": 1e-6,
    "rope_scaling": None,
    "tie_word_embeddings": False,
}


def yarn_mscale(factor, mscale):
    """The attention magnitude correction of YaRN; 1 where nothing is stretched."""
    return 1.0 if factor <= 1 else 0.1 * mscale * math.log(factor) + 1.0


def rotate(x, cos, sin, interleaved):
    """Turn the pairs of the last axis of x [B,T,...,R]; cos and sin are [T, R/2].

    Interleaved pairs are (2i, 2i+1), half-split pairs are (i, i + R/2); a pair
    stays where it was.
    """
    extra = x.dim() - 3
    cos = cos.reshape(cos.shape[0], *[1] * extra, cos.shape[1])
    sin = sin.reshape(sin.shape[0], *[1] * extra, sin.shape[1])
    half = x.shape[-1] // 2
    if interleaved:
        a, b = x[..., 0::2], x[..., 1::2]
    else:
        a, b = x[..., :half], x[..., half:]
    turned_a = a * cos - b * sin
    turned_b = a * sin + b * cos
    if interleaved:
        return torch.stack([turned_a, turned_b], dim=-1).flatten(-2)
    return torch.cat([turned_a, turned_b], dim=-1)


def top_indices(row, count):
    """Indices of the `count` largest values of a vector: strictly greater first,
    equal values in the order of their index. (Adding 0 makes -0 a 0.)"""
    order = torch.sort(row.detach() + 0.0, descending=True, stable=True).indices
    return order[:count]


class Trace:
    """What one forward pass decided, for the golden files and the margin checks."""

    def __init__(self):
        self.visible = {}  # layer -> bool [B,T,T], the attention mask
        self.routed = {}  # layer -> list over B*T of expert index tensors
        self.index = {}  # layer -> (scores [B,T,T], terms [B,T,I,T], cosine [B,T,I,T])
        self.routing = {}  # layer -> list over B*T of (group scores or None, candidate scores)
        self.kl = []  # per layer with an indexer loss: scalar


class Oracle:
    """A model: `config` is the content of config.json, `weights` name -> tensor.

    Modes of a forward pass:
      dense   causal attention over everything, the indexer is not run
      warmup  the same attention; KL of the indexer over all visible tokens
      sparse  attention over the selected set S_t; KL of the indexer over S_t
    """

    detach_indexer_input = True
    detach_target = True

    def __init__(self, config, weights):
        self.c = {**DEFAULTS, **config}
        self.w = weights
        self.dtype = next(iter(weights.values())).dtype

    # ---- elementary pieces ----

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T

    def rms_norm(self, x, name, eps):
        mean_square = (x * x).mean(dim=-1, keepdim=True)
        return x / torch.sqrt(mean_square + eps) * self.w[name + ".weight"]

    def swiglu(self, x, name):
        gate = self.linear(x, name + ".gate_proj")
        up = self.linear(x, name + ".up_proj")
        return self.linear(gate * torch.sigmoid(gate) * up, name + ".down_proj")

    # ---- rotary positions and YaRN ----

    def plain_frequencies(self):
        """[R/2], radians per position, before any stretching."""
        rope = self.c["qk_rope_head_dim"]
        i = torch.arange(0, rope, 2, dtype=torch.float64)
        return self.c["rope_theta"] ** (-i / rope)

    def yarn_ramp(self):
        """[R/2]: 0 where a frequency stays, 1 where it is divided by `factor`."""
        s = self.c["rope_scaling"]
        rope, theta = self.c["qk_rope_head_dim"], self.c["rope_theta"]

        def dimension_of(turns):
            span = s["original_max_position_embeddings"] / (turns * 2 * math.pi)
            return rope * math.log(span) / (2 * math.log(theta))

        low = max(math.floor(dimension_of(s["beta_fast"])), 0)
        high = min(math.ceil(dimension_of(s["beta_slow"])), rope - 1)
        width = high - low if high != low else 0.001
        i = torch.arange(rope // 2, dtype=torch.float64)
        return torch.clamp((i - low) / width, 0.0, 1.0)

    def frequencies(self, length):
        """[R/2]; YaRN applies whatever the length of the sequence."""
        plain = self.plain_frequencies()
        if self.c["rope_scaling"] is None:
            return plain
        ramp = self.yarn_ramp()
        return plain / self.c["rope_scaling"]["factor"] * ramp + plain * (1 - ramp)

    def rope_magnitude(self):
        """The factor on cos and sin: 1 where mscale equals mscale_all_dim."""
        s = self.c["rope_scaling"]
        if s is None:
            return 1.0
        return yarn_mscale(s["factor"], s["mscale"]) / yarn_mscale(
            s["factor"], s["mscale_all_dim"]
        )

    def softmax_scale(self):
        scale = (self.c["qk_nope_head_dim"] + self.c["qk_rope_head_dim"]) ** -0.5
        s = self.c["rope_scaling"]
        if s is not None:
            scale *= yarn_mscale(s["factor"], s["mscale_all_dim"]) ** 2
        return scale

    def rope_tables(self, length):
        angles = torch.arange(length, dtype=torch.float64)[:, None] * self.frequencies(length)
        magnitude = self.rope_magnitude()
        cos, sin = torch.cos(angles) * magnitude, torch.sin(angles) * magnitude
        return cos.to(self.dtype), sin.to(self.dtype)

    # ---- lightning indexer ----

    def index_norm(self, k, name):
        """LayerNorm with weight and bias."""
        centred = k - k.mean(dim=-1, keepdim=True)
        variance = (centred * centred).mean(dim=-1, keepdim=True)
        normed = centred / torch.sqrt(variance + self.c["index_k_norm_eps"])
        return normed * self.w[name + ".weight"] + self.w[name + ".bias"]

    def index_rope(self, x):
        """Rope on the first R of the J dims: [rope | nope]."""
        rope = self.c["qk_rope_head_dim"]
        cos, sin = self.rope_tables(x.shape[1])
        turned = rotate(x[..., :rope], cos, sin, self.c["indexer_rope_interleave"])
        return torch.cat([turned, x[..., rope:]], dim=-1)

    def index_key(self, x, name):
        return self.index_rope(self.index_norm(self.linear(x, name + ".wk"), name + ".k_norm"))

    def index_weight_scale(self):
        return self.c["index_n_heads"] ** -0.5 * self.c["index_head_dim"] ** -0.5

    def relu(self, x):
        return torch.relu(x)

    def index_scores(self, x, q_latent, layer, trace):
        """I[b,t,s] = sum over heads of w[b,t,h] * relu(q[b,t,h] . k[b,s]); [B,T,T]."""
        name = f"model.layers.{layer}.self_attn.indexer"
        batch, length, _ = x.shape
        heads, dim = self.c["index_n_heads"], self.c["index_head_dim"]
        q = self.linear(q_latent, name + ".wq_b").reshape(batch, length, heads, dim)
        q = self.index_rope(q)
        k = self.index_key(x, name)
        w = self.linear(x, name + ".weights_proj") * self.index_weight_scale()
        dots = torch.einsum("bthj,bsj->bths", q, k)
        terms = w[..., None] * self.relu(dots)
        scores = terms.sum(dim=2)
        size = q.norm(dim=-1)[..., None] * k.norm(dim=-1)[:, None, None, :]
        trace.index[layer] = (scores.detach(), terms.detach(), (dots / size).detach())
        return scores

    def select(self, scores):
        """[B,T,T] -> bool [B,T,T]: for row t the min(index_topk, t+1) best of s <= t."""
        batch, length, _ = scores.shape
        chosen = torch.zeros(batch, length, length, dtype=torch.bool)
        for b in range(batch):
            for t in range(length):
                count = min(self.c["index_topk"], t + 1)
                chosen[b, t, top_indices(scores[b, t, : t + 1], count)] = True
        return chosen

    # ---- attention ----

    def split_query(self, q):
        """[..., N+R] -> nope [..., N], rope [..., R]."""
        nope = self.c["qk_nope_head_dim"]
        return q[..., :nope], q[..., nope:]

    def up_projections(self, layer):
        """kv_b_proj as W_k [H,N,C] and W_v [H,V,C]: per head first N rows of k, then V of v."""
        nope, value = self.c["qk_nope_head_dim"], self.c["v_head_dim"]
        w = self.w[f"model.layers.{layer}.self_attn.kv_b_proj.weight"]
        w = w.reshape(self.c["num_attention_heads"], nope + value, -1)
        return w[:, :nope], w[:, nope:]

    def masked_softmax(self, scores, visible):
        return torch.softmax(scores.masked_fill(~visible, -math.inf), dim=-1)

    def attend(self, layer, q_nope, q_rope, latent, k_rope, visible):
        """Plain multi-head attention; returns heads [B,T,H,V] and probabilities [B,H,T,T]."""
        w_k, w_v = self.up_projections(layer)
        k_nope = torch.einsum("bsc,hnc->bshn", latent, w_k)
        v = torch.einsum("bsc,hvc->bshv", latent, w_v)
        shared = k_rope[:, :, None, :].expand(-1, -1, w_k.shape[0], -1)
        q = torch.cat([q_nope, q_rope], dim=-1)
        k = torch.cat([k_nope, shared], dim=-1)
        scores = torch.einsum("bthd,bshd->bhts", q, k) * self.softmax_scale()
        probs = self.masked_softmax(scores, visible[:, None])
        return torch.einsum("bhts,bshv->bthv", probs, v), probs

    def attention(self, x, layer, mode, trace):
        """x [B,T,D], already normed, -> [B,T,D]."""
        name = f"model.layers.{layer}.self_attn"
        batch, length, _ = x.shape
        cos, sin = self.rope_tables(length)
        interleaved = self.c["rope_interleave"]

        q_raw = self.linear(x, name + ".q_a_proj")
        q_latent = self.rms_norm(q_raw, name + ".q_a_layernorm", self.c["q_a_norm_eps"])
        q = self.linear(q_latent, name + ".q_b_proj")
        q = q.reshape(batch, length, self.c["num_attention_heads"], -1)
        q_nope, q_rope = self.split_query(q)
        q_rope = rotate(q_rope, cos, sin, interleaved)

        kv = self.linear(x, name + ".kv_a_proj_with_mqa")
        rank = self.c["kv_lora_rank"]
        latent = self.rms_norm(kv[..., :rank], name + ".kv_a_layernorm", self.c["kv_a_norm_eps"])
        k_rope = rotate(kv[..., rank:], cos, sin, interleaved)

        visible = torch.ones(length, length, dtype=torch.bool).tril().expand(batch, -1, -1)
        index = None
        if mode != "dense":
            index_latent = self.index_query_input(q_raw, q_latent)
            if self.detach_indexer_input:
                index = self.index_scores(x.detach(), index_latent.detach(), layer, trace)
            else:
                index = self.index_scores(x, index_latent, layer, trace)
        if mode == "sparse":
            visible = self.select(index)
        trace.visible[layer] = visible

        heads, probs = self.attend(layer, q_nope, q_rope, latent, k_rope, visible)
        if index is not None:
            trace.kl.append(self.index_loss(probs, index, visible))
        return self.linear(heads.reshape(batch, length, -1), name + ".o_proj")

    def index_query_input(self, q_raw, q_latent):
        return q_latent

    # ---- the indexer's loss ----

    def divergence(self, p, log_q, visible):
        """Sum over visible s of p * (log p - log q); 0 where p is 0."""
        inside = visible & (p > 0)
        log_p = torch.log(torch.where(inside, p, torch.ones_like(p)))
        log_q = torch.where(inside, log_q, torch.zeros_like(log_q))
        return torch.where(inside, p * (log_p - log_q), torch.zeros_like(p)).sum(dim=-1)

    def index_loss(self, probs, index, visible):
        """Mean over all B*T tokens of KL(p || softmax(I)), both over the visible set."""
        p = probs.sum(dim=1)
        p = p / p.sum(dim=-1, keepdim=True)
        if self.detach_target:
            p = p.detach()
        log_q = torch.log_softmax(index.masked_fill(~visible, -math.inf), dim=-1)
        return self.divergence(p, log_q, visible).mean()

    # ---- mixture of experts ----

    def affinities(self, x, name):
        return torch.sigmoid(self.linear(x, name + ".gate"))

    def group_score(self, scores):
        """Scores of one group -> the sum of its two best."""
        return torch.sort(scores, descending=True).values[:2].sum()

    def keep_groups(self, biased):
        """Put -inf on the experts outside the topk_group best groups; also the group scores."""
        groups = self.c["n_group"]
        if groups == 1:
            return biased, None
        table = biased.reshape(groups, -1)
        scores = torch.stack([self.group_score(row) for row in table])
        kept = top_indices(scores, self.c["topk_group"])
        masked = torch.full_like(table, self.dropped_value())
        masked[kept] = table[kept]
        return masked.reshape(-1), scores

    def dropped_value(self):
        return -math.inf

    def selection_scores(self, affinity, bias):
        return affinity + bias

    def gate_source(self, affinity, bias):
        """The scores that gate weights are made of: without the bias."""
        return affinity

    def moe(self, x, layer, trace):
        """x [M,D] -> [M,D]: shared experts on every token plus top-k routed ones."""
        name = f"model.layers.{layer}.mlp"
        bias = self.w[name + ".gate.e_score_correction_bias"]
        affinity = self.affinities(x, name)
        rows = []
        trace.routed[layer], trace.routing[layer] = [], []
        for token, score in zip(x, affinity):
            biased = self.selection_scores(score, bias).detach()
            candidates, group_scores = self.keep_groups(biased)
            chosen = top_indices(candidates, self.c["num_experts_per_tok"])
            trace.routed[layer].append(chosen)
            trace.routing[layer].append((group_scores, candidates))
            gate = self.gate_source(score, bias)[chosen]
            if self.c["norm_topk_prob"]:
                gate = gate / (gate.sum() + 1e-20)
            gate = gate * self.c["routed_scaling_factor"]
            outputs = [self.swiglu(token, f"{name}.experts.{int(e)}") for e in chosen]
            rows.append((gate[:, None] * torch.stack(outputs)).sum(dim=0))
        return torch.stack(rows) + self.swiglu(x, name + ".shared_experts")

    # ---- the whole ----

    def decoder_layer(self, x, layer, mode, trace):
        name = f"model.layers.{layer}"
        eps = self.c["rms_norm_eps"]
        normed = self.rms_norm(x, name + ".input_layernorm", eps)
        x = x + self.attention(normed, layer, mode, trace)
        normed = self.rms_norm(x, name + ".post_attention_layernorm", eps)
        if layer < self.c["first_k_dense_replace"]:
            return x + self.swiglu(normed, name + ".mlp")
        return x + self.moe(normed.flatten(0, 1), layer, trace).reshape(x.shape)

    def forward(self, tokens, mode):
        """tokens int64 [B,T] -> logits [B,T,vocab] and the trace."""
        trace = Trace()
        embedding = self.w["model.embed_tokens.weight"]
        x = embedding[tokens]
        for layer in range(self.c["num_hidden_layers"]):
            x = self.decoder_layer(x, layer, mode, trace)
        x = self.rms_norm(x, "model.norm", self.c["rms_norm_eps"])
        head = embedding if self.c["tie_word_embeddings"] else self.w["lm_head.weight"]
        return x @ head.T, trace

    def kl(self, trace):
        """Summed over layers."""
        return torch.stack(trace.kl).sum()


class Absorbed(Oracle):
    """The same attention over the latent itself: W_k moves to the query, W_v behind the sum."""

    def attend(self, layer, q_nope, q_rope, latent, k_rope, visible):
        w_k, w_v = self.up_projections(layer)
        q_latent = torch.einsum("bthn,hnc->bthc", q_nope, w_k)
        scores = torch.einsum("bthc,bsc->bhts", q_latent, latent)
        scores = scores + torch.einsum("bthr,bsr->bhts", q_rope, k_rope)
        probs = self.masked_softmax(scores * self.softmax_scale(), visible[:, None])
        mixed = torch.einsum("bhts,bsc->bthc", probs, latent)
        return torch.einsum("bthc,hvc->bthv", mixed, w_v), probs


def lm_loss(logits, targets):
    """Mean cross entropy over the positions whose target is not -1."""
    kept = targets >= 0
    log_probs = torch.log_softmax(logits[kept], dim=-1)
    return -log_probs.gather(1, targets[kept][:, None]).mean()
