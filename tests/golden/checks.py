"""Checks of the oracle against itself, run before anything is written."""

import math

import torch

from configs import is_trained
from oracle import Absorbed, Oracle, lm_loss
from training import HYPER, dense_gradients, sparse_gradients, warmup_gradients


def relative(wrong, right):
    """Largest difference over the largest value."""
    return ((wrong - right).abs().max() / right.abs().max()).item()


def largest_entries(grads, per_tensor):
    """(name, flat index) of the largest gradients of every tensor."""
    for name, grad in grads.items():
        order = torch.sort(grad.abs().flatten(), descending=True).indices
        for flat in order[:per_tensor]:
            yield name, int(flat)


def finite_difference(loss_of, weights, name, flat, step=1e-5):
    """Central difference of a loss by one weight."""

    def at(delta):
        moved = dict(weights)
        moved[name] = weights[name].clone()
        moved[name].view(-1)[flat] += delta
        return loss_of(moved).item()

    columns = weights[name].shape[-1]
    row = weights[name].reshape(-1, columns)[flat // columns]
    size = step * row.abs().max().item()
    return (at(size) - at(-size)) / (2 * size)


def check_gradients(config, weights, tokens, targets):
    """Central differences of all three losses; returns the worst relative difference.

    The sparse stage is not the gradient of one function (the target and the
    indexer's input are detached), so its two parts are checked each on its own
    weights: the LM loss by the main weights, the KL by the indexer's.
    """

    def dense_lm(w):
        return lm_loss(Oracle(config, w).forward(tokens, "dense")[0], targets)

    def sparse_lm(w):
        return lm_loss(Oracle(config, w).forward(tokens, "sparse")[0], targets)

    def kl(mode):
        def loss(w):
            model = Oracle(config, w)
            return model.kl(model.forward(tokens, mode)[1])

        return loss

    _, dense = dense_gradients(config, weights, tokens, targets)
    _, _, sparse, _ = sparse_gradients(config, weights, tokens, targets)
    _, warmup, _ = warmup_gradients(config, weights, tokens)
    layer = "layers.1."
    main = {n: g for n, g in sparse.items() if ".indexer." not in n}
    index = {n: g for n, g in sparse.items() if ".indexer." in n and layer in n}
    some = ["embed_tokens", layer + "self_attn", layer + "mlp.gate", "experts.3", "lm_head"]
    dense = {n: g for n, g in dense.items() if any(part in n for part in some)}
    main = {n: g for n, g in main.items() if any(part in n for part in some)}
    warmup = {n: g for n, g in warmup.items() if layer in n}
    worst = 0.0
    parts = [(dense, dense_lm), (main, sparse_lm), (index, kl("sparse")), (warmup, kl("warmup"))]
    for grads, loss in parts:
        for name, flat in largest_entries(grads, 1):
            exact = grads[name].flatten()[flat].item()
            if exact == 0.0:
                continue
            measured = finite_difference(loss, weights, name, flat)
            worst = max(worst, abs(measured - exact) / abs(exact))
            assert abs(measured - exact) < 1e-5 * abs(exact) + 1e-9, (name, measured, exact)
    return worst


def check_absorbed(config, weights, tokens):
    """The absorbed form gives the same logits as plain multi-head attention."""
    worst = 0.0
    for mode in ("dense", "sparse"):
        plain = Oracle(config, weights).forward(tokens, mode)[0]
        absorbed = Absorbed(config, weights).forward(tokens, mode)[0]
        worst = max(worst, relative(absorbed, plain))
    assert worst < 1e-10, worst
    return worst


def same_decisions(a, b):
    return all(torch.equal(a.visible[n], b.visible[n]) for n in a.visible) and all(
        torch.equal(torch.sort(x).values, torch.sort(y).values)
        for n in a.routed
        for x, y in zip(a.routed[n], b.routed[n])
    )


def check_float32(config, weights, tokens, targets, with_gradients):
    """The oracle in float32 decides alike; returns its distances from float64.

    They are what a correct float32 engine may expect to see.
    """
    single = {n: w.float() for n, w in weights.items()}
    found = {}
    for mode in ("dense", "sparse"):
        right, right_trace = Oracle(config, weights).forward(tokens, mode)
        close, close_trace = Oracle(config, single).forward(tokens, mode)
        assert same_decisions(right_trace, close_trace), mode
        found["logits." + mode] = relative(close.double(), right)
    if with_gradients:
        pairs = {
            "grad.dense": (
                dense_gradients(config, weights, tokens, targets)[1],
                dense_gradients(config, single, tokens, targets)[1],
            ),
            "grad.sparse": (
                sparse_gradients(config, weights, tokens, targets)[2],
                sparse_gradients(config, single, tokens, targets)[2],
            ),
            "grad.warmup": (
                warmup_gradients(config, weights, tokens)[1],
                warmup_gradients(config, single, tokens)[1],
            ),
        }
        for kind, (right, close) in pairs.items():
            used = [n for n in right if right[n].abs().max() > 0]
            found[kind] = max(relative(close[n].double(), right[n]) for n in used)
    assert all(v < 1e-4 for v in found.values()), found
    return found


def check_full_selection(config, weights, tokens):
    """index_topk >= T selects everything, so sparse is dense."""
    dense = Oracle(config, weights).forward(tokens, "dense")[0]
    sparse = Oracle(config, weights).forward(tokens, "sparse")[0]
    assert torch.equal(dense, sparse)


def check_hadamard():
    """An orthogonal rotation of indexer q and k leaves every dot product as it is."""
    rotation = torch.ones(1, 1, dtype=torch.float64)
    while rotation.shape[0] < 16:
        rotation = torch.cat(
            [torch.cat([rotation, rotation], 1), torch.cat([rotation, -rotation], 1)]
        ) / math.sqrt(2)
    q = torch.linspace(-1, 2, 5 * 16, dtype=torch.float64).reshape(5, 16).sin()
    k = torch.linspace(3, 7, 9 * 16, dtype=torch.float64).reshape(9, 16).cos()
    assert relative((q @ rotation) @ (k @ rotation).T, q @ k.T) < 1e-12


def check_real_yarn(model):
    """The figures of the 671B configuration: scale 0.135234, ramp 10 to 23 of 32."""
    ramp = model.yarn_ramp()
    assert abs(model.softmax_scale() - 0.135234) < 1e-6
    assert len(ramp) == 32 and ramp[10] == 0 and ramp[11] > 0
    assert ramp[22] < 1 and ramp[23] == 1
    assert model.rope_magnitude() == 1.0
