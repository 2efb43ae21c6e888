"""How far the decisions of a forward pass are from flipping in float32.

A golden vector is useless where a correct float32 engine may select another key
or route to another expert, so sequences are drawn until every margin is clear.
"""

import math

import torch

# Smallest accepted margins, relative to the size of what is compared.
REQUIRED = {"index": 1e-4, "group": 1e-4, "expert": 1e-4, "relu": 1e-5}


def index_row_margin(score, terms, cosine, count):
    """One row: score [S], terms [I,S] (weight times ReLU), cosine [I,S] of q and k.

    Without a tie: the gap at the cut, relative to the largest sum of |terms|.
    With a tie of exact zeros at the cut: how clearly the zeros are zeros (each
    cosine negative, or its head weight 0) and how far other scores are from 0.
    """
    size = terms.abs().sum(dim=0).max().item()
    order = torch.sort(score, descending=True).values
    gap = (order[count - 1] - order[count]).item()
    if gap > 0:
        return gap / size
    if order[count].item() != 0.0:
        return 0.0
    zero = score == 0
    if not (terms[:, zero] == 0).all():
        return 0.0
    weighted = (terms != 0).any(dim=1)
    margin = math.inf
    if weighted.any() and zero.any():
        margin = min(margin, (-cosine[weighted][:, zero]).min().item())
    if (~zero).any():
        margin = min(margin, score[~zero].abs().min().item() / size)
    return margin


def index_margins(trace, topk):
    """Smallest selection margin, smallest ReLU margin, and how many cuts fall on a tie."""
    selection, relu, ties, rows = math.inf, math.inf, 0, 0
    for scores, terms, cosine in trace.index.values():
        batch, length, _ = scores.shape
        past = torch.ones(length, length, dtype=torch.bool).tril()
        relu = min(relu, cosine.transpose(1, 2)[:, :, past].abs().min().item())
        for b in range(batch):
            for t in range(topk, length):
                row = scores[b, t, : t + 1]
                cut = torch.sort(row, descending=True).values[topk - 1 : topk + 1]
                ties += int(cut[0] == cut[1])
                rows += 1
                margin = index_row_margin(
                    row, terms[b, t, :, : t + 1], cosine[b, t, :, : t + 1], topk
                )
                selection = min(selection, margin)
    return selection, relu, ties, rows


def gap_at(values, count):
    """Gap between the count-th and the next largest value, relative to the largest."""
    finite = values[torch.isfinite(values)]
    if count >= len(finite):
        return math.inf
    order = torch.sort(finite, descending=True).values
    return ((order[count - 1] - order[count]) / finite.abs().max()).item()


def routing_margins(trace, config):
    """Smallest margin between kept and dropped groups, and between experts."""
    group, expert = math.inf, math.inf
    for tokens in trace.routing.values():
        for group_scores, candidates in tokens:
            if group_scores is not None:
                group = min(group, gap_at(group_scores, config["topk_group"]))
            expert = min(expert, gap_at(candidates, config["num_experts_per_tok"]))
    return group, expert


def measure(trace, config):
    """name -> smallest margin in the trace; `ties`/`rows` count cuts inside a tie."""
    group, expert = routing_margins(trace, config)
    found = {"group": group, "expert": expert}
    if trace.index:
        selection, relu, ties, rows = index_margins(trace, config["index_topk"])
        found.update(index=selection, relu=relu, ties=ties, rows=rows)
    return found


def clear(found):
    return all(found.get(name, math.inf) >= bound for name, bound in REQUIRED.items())


def worst(measurements):
    """Combine measurements: the smallest of every margin, the sum of the counts."""
    result = {}
    for found in measurements:
        for name, value in found.items():
            if name in ("ties", "rows"):
                result[name] = result.get(name, 0) + value
            else:
                result[name] = min(result.get(name, math.inf), value)
    return result
