"""Losses, gradients and the optimizer of the golden training steps."""

import math

import torch

from configs import is_trained
from oracle import Oracle, lm_loss

# One step is: loss = LM + kl_weight * KL in the sparse stage on one batch; gradients
# of all trained tensors clipped together by their global norm; AdamW. Its eps is
# large on purpose: it keeps the rounding of tiny gradients out of the weights, and
# shows where eps stands.
HYPER = {
    "steps": 10,
    "learning_rate": 2e-3,
    "beta1": 0.9,
    "beta2": 0.98,
    "eps": 1e-4,
    "weight_decay": 0.1,
    "max_grad_norm": 9.0,
    "kl_weight": 1.0,
}


def gradients(loss, weights, names):
    """name -> gradient; zeros where the loss does not depend on the tensor."""
    found = torch.autograd.grad(loss, [weights[n] for n in names], allow_unused=True)
    return {
        name: torch.zeros_like(weights[name]) if g is None else g
        for name, g in zip(names, found)
    }


def with_grad(weights):
    return {n: w.detach().clone().requires_grad_(is_trained(n)) for n, w in weights.items()}


def dense_gradients(config, weights, tokens, targets):
    """LM loss with dense attention; the indexer takes no part and is left out."""
    weights = with_grad(weights)
    logits, _ = Oracle(config, weights).forward(tokens, "dense")
    loss = lm_loss(logits, targets)
    names = [n for n in weights if is_trained(n) and ".indexer." not in n]
    return loss.detach(), gradients(loss, weights, names)


def sparse_gradients(config, weights, tokens, targets, cls=Oracle):
    """LM + KL in the sparse stage; returns both losses, the gradients and the trace."""
    weights = with_grad(weights)
    model = cls(config, weights)
    logits, trace = model.forward(tokens, "sparse")
    lm, kl = lm_loss(logits, targets), model.kl(trace)
    names = [n for n in weights if is_trained(n)]
    grads = gradients(lm + HYPER["kl_weight"] * kl, weights, names)
    return lm.detach(), kl.detach(), grads, trace


def warmup_gradients(config, weights, tokens):
    """KL of the dense warm-up; gradients of the indexer's tensors only."""
    weights = with_grad(weights)
    model = Oracle(config, weights)
    _, trace = model.forward(tokens, "warmup")
    kl = model.kl(trace)
    names = [n for n in weights if ".indexer." in n]
    return kl.detach(), gradients(kl, weights, names), trace


def global_norm(grads):
    return math.sqrt(sum((g * g).sum().item() for g in grads.values()))


def clip_factor(norm):
    return min(1.0, HYPER["max_grad_norm"] / (norm + 1e-6))


class AdamW:
    """Decoupled weight decay on tensors of two dimensions or more, bias correction.

    Tensors whose gradient is zero (an expert without tokens) are updated like all
    others: their moments decay and so do their weights.
    """

    def __init__(self, weights):
        self.m = {n: torch.zeros_like(w) for n, w in weights.items() if is_trained(n)}
        self.v = {n: torch.zeros_like(w) for n, w in weights.items() if is_trained(n)}
        self.step_count = 0

    def step(self, weights, grads):
        """New weights; the old ones stay as they are."""
        self.step_count += 1
        lr, beta1, beta2 = HYPER["learning_rate"], HYPER["beta1"], HYPER["beta2"]
        correct1 = 1 - beta1**self.step_count
        correct2 = 1 - beta2**self.step_count
        factor = clip_factor(global_norm(grads))
        result = dict(weights)
        for name, raw in grads.items():
            g = raw * factor
            self.m[name] = beta1 * self.m[name] + (1 - beta1) * g
            self.v[name] = beta2 * self.v[name] + (1 - beta2) * g * g
            w = weights[name]
            if w.dim() >= 2:
                w = w * (1 - lr * HYPER["weight_decay"])
            direction = (self.m[name] / correct1) / (
                torch.sqrt(self.v[name] / correct2) + HYPER["eps"]
            )
            result[name] = w - lr * direction
        return result
