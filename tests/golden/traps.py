"""Known mistakes of ports of this architecture, each as a variant of the oracle.

A variant is a change of the configuration, a subclass that replaces one method,
or both. `kind` says where the mistake shows: in the logits (sparse mode), in the
indexer's loss, or in the gradients of the sparse stage.
"""

import math

import torch

from oracle import Oracle, rotate, yarn_mscale


class IndexRopeLast(Oracle):
    def index_rope(self, x):
        rope = self.c["qk_rope_head_dim"]
        cos, sin = self.rope_tables(x.shape[1])
        turned = rotate(x[..., -rope:], cos, sin, self.c["indexer_rope_interleave"])
        return torch.cat([x[..., :-rope], turned], dim=-1)


class QueryRopeFirst(Oracle):
    def split_query(self, q):
        rope = self.c["qk_rope_head_dim"]
        return q[..., rope:], q[..., :rope]


class KeyNormWithoutBias(Oracle):
    def index_norm(self, k, name):
        return super().index_norm(k, name) - self.w[name + ".bias"]


class KeyNormAsRms(Oracle):
    def index_norm(self, k, name):
        return self.rms_norm(k, name, self.c["index_k_norm_eps"]) + self.w[name + ".bias"]


class KeyNormAfterRope(Oracle):
    def index_key(self, x, name):
        k = self.index_rope(self.linear(x, name + ".wk"))
        return self.index_norm(k, name + ".k_norm")


class IndexQueryUnnormed(Oracle):
    def index_query_input(self, q_raw, q_latent):
        return q_raw


class IndexFromResidual(Oracle):
    def decoder_layer(self, x, layer, mode, trace):
        self.residual = x
        return super().decoder_layer(x, layer, mode, trace)

    def index_scores(self, x, q_latent, layer, trace):
        return super().index_scores(self.residual.detach(), q_latent, layer, trace)


class IndexWithoutRelu(Oracle):
    def relu(self, x):
        return x


class TiesHighestIndex(Oracle):
    def select(self, scores):
        batch, length, _ = scores.shape
        chosen = torch.zeros(batch, length, length, dtype=torch.bool)
        for b in range(batch):
            for t in range(length):
                row = scores[b, t, : t + 1].flip(0) + 0.0
                order = torch.sort(row, descending=True, stable=True).indices
                chosen[b, t, t - order[: self.c["index_topk"]]] = True
        return chosen


class NoMaskAfterTopk(Oracle):
    """Masks the scores, takes index_topk of them in every row, and forgets that the
    short rows now hold keys of the future."""

    def select(self, scores):
        batch, length, _ = scores.shape
        count = min(self.c["index_topk"], length)
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        masked = scores.masked_fill(future, -math.inf)
        order = torch.sort(masked, dim=-1, descending=True, stable=True).indices
        chosen = torch.zeros(batch, length, length, dtype=torch.bool)
        return chosen.scatter(-1, order[..., :count], True)


class SelectsEverything(Oracle):
    def select(self, scores):
        batch, length, _ = scores.shape
        return torch.ones(length, length, dtype=torch.bool).tril().expand(batch, -1, -1)


class BiasInGate(Oracle):
    def gate_source(self, affinity, bias):
        return affinity + bias


class DroppedGroupsZero(Oracle):
    def dropped_value(self):
        return 0.0


class GroupScoreMax(Oracle):
    def group_score(self, scores):
        return scores.max()


class GroupScoreSum(Oracle):
    def group_score(self, scores):
        return scores.sum()


class NoSelectionBias(Oracle):
    def selection_scores(self, affinity, bias):
        return affinity


class SoftmaxAffinities(Oracle):
    def affinities(self, x, name):
        return torch.softmax(self.linear(x, name + ".gate"), dim=-1)


class ScaleWithoutMscale(Oracle):
    def softmax_scale(self):
        return (self.c["qk_nope_head_dim"] + self.c["qk_rope_head_dim"]) ** -0.5


class ScaleMscaleOnce(Oracle):
    def softmax_scale(self):
        s = self.c["rope_scaling"]
        plain = (self.c["qk_nope_head_dim"] + self.c["qk_rope_head_dim"]) ** -0.5
        return plain * yarn_mscale(s["factor"], s["mscale_all_dim"])


class ScaleFromMscale(Oracle):
    def softmax_scale(self):
        s = self.c["rope_scaling"]
        plain = (self.c["qk_nope_head_dim"] + self.c["qk_rope_head_dim"]) ** -0.5
        return plain * yarn_mscale(s["factor"], s["mscale"]) ** 2


class RopeMagnitudeMissing(Oracle):
    def rope_magnitude(self):
        return 1.0


class YarnFrequenciesMissing(Oracle):
    def frequencies(self, length):
        return self.plain_frequencies()


class YarnMultiplies(Oracle):
    def frequencies(self, length):
        plain, ramp = self.plain_frequencies(), self.yarn_ramp()
        return plain * self.c["rope_scaling"]["factor"] * ramp + plain * (1 - ramp)


class YarnRampReversed(Oracle):
    def yarn_ramp(self):
        return 1 - super().yarn_ramp()


class YarnOnlyWhenLonger(Oracle):
    def frequencies(self, length):
        if length <= self.c["rope_scaling"]["original_max_position_embeddings"]:
            return self.plain_frequencies()
        return super().frequencies(length)


class UpProjectionsNotPerHead(Oracle):
    """Reads kv_b_proj as k rows of all heads, then v rows of all heads."""

    def up_projections(self, layer):
        heads, nope = self.c["num_attention_heads"], self.c["qk_nope_head_dim"]
        w = self.w[f"model.layers.{layer}.self_attn.kv_b_proj.weight"]
        w_k, w_v = w[: heads * nope], w[heads * nope :]
        return w_k.reshape(heads, nope, -1), w_v.reshape(heads, self.c["v_head_dim"], -1)


class IndexScaleMissing(Oracle):
    def index_weight_scale(self):
        return 1.0


class DivergenceReversed(Oracle):
    def divergence(self, p, log_q, visible):
        q = torch.where(visible, torch.exp(log_q), torch.zeros_like(p))
        log_p = torch.log(torch.where(visible, p, torch.ones_like(p)).clamp_min(1e-300))
        return super().divergence(q, log_p, visible)


class DivergenceMeanOverLayers(Oracle):
    def kl(self, trace):
        return torch.stack(trace.kl).mean()


class DivergenceSumOverTokens(Oracle):
    def index_loss(self, probs, index, visible):
        return super().index_loss(probs, index, visible) * (probs.shape[0] * probs.shape[2])


class IndexInputAttached(Oracle):
    detach_indexer_input = False


class TargetAttached(Oracle):
    detach_target = False


def yarn(c):
    return c["rope_scaling"] is not None


def grouped(c):
    return c["n_group"] > 1


def change(**edits):
    return lambda c: {name: f(c) for name, f in edits.items()}


# name: (kind, what the mistake is, variant class, config edit or None, applies to config)
TRAPS = {
    "index_rope_layout": (
        "logits",
        "indexer rope interleaved where it is half-split, and the other way round",
        Oracle,
        change(indexer_rope_interleave=lambda c: not c["indexer_rope_interleave"]),
        None,
    ),
    "index_rope_last": (
        "logits", "indexer q and k read as [nope | rope]", IndexRopeLast, None, None,
    ),
    "query_rope_first": (
        "logits", "main q heads read as [rope | nope]", QueryRopeFirst, None, None,
    ),
    "main_rope_half_split": (
        "logits", "half-split rope in the main attention", Oracle,
        change(rope_interleave=lambda c: False), None,
    ),
    "k_norm_without_bias": (
        "logits", "indexer k_norm without its bias", KeyNormWithoutBias, None, None,
    ),
    "k_norm_as_rms": (
        "logits", "indexer k_norm as RMSNorm, no mean taken off", KeyNormAsRms, None, None,
    ),
    "k_norm_after_rope": (
        "logits", "indexer k_norm applied after rope", KeyNormAfterRope, None, None,
    ),
    "index_q_unnormed": (
        "logits", "indexer q from q_a_proj without q_a_layernorm", IndexQueryUnnormed, None, None,
    ),
    "index_from_residual": (
        "logits", "indexer k and head weights from the residual stream before input_layernorm",
        IndexFromResidual, None, None,
    ),
    "index_without_relu": (
        "logits", "index scores without ReLU", IndexWithoutRelu, None, None,
    ),
    "ties_highest_index": (
        "logits", "equal index scores resolved to the highest index", TiesHighestIndex, None, None,
    ),
    "no_mask_after_topk": (
        "logits", "no causal mask after top-k: short rows attend to the future",
        NoMaskAfterTopk, None, None,
    ),
    "dsa_inactive": (
        "logits", "dense attention where sparse attention was asked for",
        SelectsEverything, None, None,
    ),
    "gate_with_bias": (
        "logits", "gate weights made of the biased scores", BiasInGate, None, None,
    ),
    "dropped_groups_zero": (
        "logits", "dropped groups masked with 0 instead of -inf", DroppedGroupsZero, None, grouped,
    ),
    "group_score_max": (
        "logits", "group score as the best expert, not the sum of the two best",
        GroupScoreMax, None, grouped,
    ),
    "group_score_sum": (
        "logits", "group score as the sum of all experts of the group",
        GroupScoreSum, None, grouped,
    ),
    "no_group_limit": (
        "logits", "no group step although n_group > 1", Oracle,
        change(n_group=lambda c: 1), grouped,
    ),
    "selection_without_bias": (
        "logits", "e_score_correction_bias not used in the selection",
        NoSelectionBias, None, None,
    ),
    "softmax_affinities": (
        "logits", "softmax instead of sigmoid in the router", SoftmaxAffinities, None, None,
    ),
    "norm_topk_prob_ignored": (
        "logits", "norm_topk_prob read as its opposite", Oracle,
        change(norm_topk_prob=lambda c: not c["norm_topk_prob"]), None,
    ),
    "no_routed_scaling": (
        "logits", "routed_scaling_factor left out", Oracle,
        change(routed_scaling_factor=lambda c: 1.0), None,
    ),
    "scale_without_mscale": (
        "logits", "softmax scale without mscale squared", ScaleWithoutMscale, None, yarn,
    ),
    "scale_mscale_once": (
        "logits", "softmax scale with mscale, not its square", ScaleMscaleOnce, None, yarn,
    ),
    "scale_from_mscale": (
        "logits", "softmax scale from mscale instead of mscale_all_dim",
        ScaleFromMscale, None, yarn,
    ),
    "rope_magnitude_missing": (
        "logits", "cos and sin not scaled although mscale differs from mscale_all_dim",
        RopeMagnitudeMissing, None, yarn,
    ),
    "yarn_missing": (
        "logits", "plain rope frequencies although rope_scaling is present",
        YarnFrequenciesMissing, None, yarn,
    ),
    "yarn_multiplies": (
        "logits", "frequencies multiplied by the factor instead of divided",
        YarnMultiplies, None, yarn,
    ),
    "yarn_ramp_reversed": (
        "logits", "the YaRN ramp reversed: fast frequencies stretched, slow ones kept",
        YarnRampReversed, None, yarn,
    ),
    "yarn_only_when_longer": (
        "logits", "YaRN only for sequences longer than original_max_position_embeddings",
        YarnOnlyWhenLonger, None, yarn,
    ),
    "latent_norm_eps": (
        "logits", "q_a and kv_a norms with rms_norm_eps", Oracle,
        change(q_a_norm_eps=lambda c: c["rms_norm_eps"], kv_a_norm_eps=lambda c: c["rms_norm_eps"]),
        None,
    ),
    "rms_norm_eps_ignored": (
        "logits", "eps 1e-6 in every RMSNorm", Oracle, change(rms_norm_eps=lambda c: 1e-6), None,
    ),
    "index_k_norm_eps": (
        "logits", "indexer k_norm with eps 1e-5", Oracle,
        change(index_k_norm_eps=lambda c: 1e-5), None,
    ),
    "kv_b_not_per_head": (
        "logits", "kv_b_proj read as all k rows, then all v rows",
        UpProjectionsNotPerHead, None, None,
    ),
    "index_scale_missing": (
        "loss", "index scores without n_heads^-0.5 * head_dim^-0.5", IndexScaleMissing, None, None,
    ),
    "kl_reversed": (
        "loss", "KL(softmax(I) || p) instead of KL(p || softmax(I))",
        DivergenceReversed, None, None,
    ),
    "kl_mean_over_layers": (
        "loss", "KL averaged over layers instead of summed", DivergenceMeanOverLayers, None, None,
    ),
    "kl_sum_over_tokens": (
        "loss", "KL summed over tokens instead of averaged", DivergenceSumOverTokens, None, None,
    ),
    "index_input_attached": (
        "gradients", "the indexer's input not detached: KL reaches the main model",
        IndexInputAttached, None, None,
    ),
    "kl_target_attached": (
        "gradients", "the target p not detached: KL reaches the main attention",
        TargetAttached, None, None,
    ),
}


def variant(name, config, weights):
    """The oracle with mistake `name`, or None where it does not apply to the config."""
    _, _, cls, edit, applies = TRAPS[name]
    full = Oracle(config, weights).c
    if applies is not None and not applies(full):
        return None
    return cls({**full, **(edit(full) if edit else {})}, weights)
