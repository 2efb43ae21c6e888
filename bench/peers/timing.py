"""What PyTorch is timed on: one function for each kind of work, in all the ways worth trying."""

import itertools
import time

import torch
from torch.optim import AdamW

from model import Ways


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Candidate:
    """One way of doing a kind of work. run() does it once and returns the seconds that count."""

    def __init__(self, name, run):
        self.name, self.run = name, run

    def best_of(self, repeats):
        return min(self.run() for _ in range(repeats))


def compiled(function):
    return torch.compile(function, dynamic=False)


def ways_of(kind, sparse, compile_it):
    """Choices that matter for a kind of work. Sorting by expert makes shapes depend on data, which
    torch.compile does not take."""
    experts = ["every", "grouped"] if compile_it else ["every", "grouped", "sorted", "padded"]
    attention = ["sdpa", "padded"] if kind != "decode" else ["sdpa"]
    keys = ["mask", "gather"] if kind == "decode" and sparse else ["mask"]
    for a, k, e in itertools.product(attention, keys, experts):
        yield Ways(attention=a, keys=k, experts=e)


def train(model, shape, sparse, ways, compile_it):
    """A whole optimiser step: forward, backward, clipping, AdamW."""
    tokens = torch.randint(model.c["vocab_size"], (shape["tokens"] // shape["length"], shape["length"]))
    optimizer = AdamW(model.parameters(), lr=1e-6, betas=(0.9, 0.95), weight_decay=0.05, fused=True)
    loss = compiled(model.loss) if compile_it else model.loss

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(tokens, ways, sparse).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()

    return lambda: seconds(step)


def prefill(model, shape, sparse, ways, compile_it):
    tokens = torch.randint(model.c["vocab_size"], (1, shape["prompt"]))
    forward = compiled(model.next_token) if compile_it else model.next_token

    @torch.inference_mode()
    def run():
        return seconds(lambda: forward(tokens, ways, sparse).argmax(-1))

    return run


def decode(model, shape, sparse, ways, compile_it):
    """Greedy steps of many sequences at once, behind prompts that are in the cache already."""
    n, prompt, steps = shape["sequences"], shape["prompt"], shape["steps"]
    with torch.inference_mode():
        cache = model.empty_cache(n, prompt + steps)
        prompts = torch.randint(model.c["vocab_size"], (n, prompt))
        for i in range(0, n, 8):
            part = [(kv[i : i + 8], ki[i : i + 8]) for kv, ki in cache]
            model.fill_cache(prompts[i : i + 8], part, Ways(), sparse)
    forward = compiled(model.decode) if compile_it else model.decode

    @torch.inference_mode()
    def run():
        token = prompts[:, -1]
        start = time.perf_counter()
        for t in range(prompt, prompt + steps):
            token = forward(token, torch.tensor([t]), cache, ways, sparse).argmax(-1)
        return time.perf_counter() - start

    return run


KINDS = {"train": train, "prefill": prefill, "decode": decode}


def candidates(kind, model, shape, sparse, with_compile):
    for compile_it in (False, True) if with_compile else (False,):
        for ways in ways_of(kind, sparse, compile_it):
            how = "compiled" if compile_it else "eager"
            name = f"{how}, {ways.attention}, {ways.keys}, {ways.experts}"
            yield Candidate(name, KINDS[kind](model, shape, sparse, ways, compile_it))


def fastest(kind, model, shape, sparse, with_compile, only, tell):
    """Tries all; a candidate that fails in this version of PyTorch is named and passed over."""
    best, best_time = None, float("inf")
    for c in candidates(kind, model, shape, sparse, with_compile):
        if only not in c.name:
            continue
        torch._dynamo.reset()
        try:
            c.run()
            took = c.best_of(2)
        except Exception as problem:  # whatever an operator or the compiler raises
            tell(f"    {c.name}: failed, {type(problem).__name__}: {str(problem).splitlines()[0][:80]}")
            continue
        tell(f"    {c.name}: {took * 1e3:.1f} ms")
        if took < best_time:
            best, best_time = c, took
    if best is None:
        raise RuntimeError(f"PyTorch has no way that works for {kind}")
    torch._dynamo.reset()
    best.run()
    return best
