"""What PyTorch is timed on: one function for each kind of work, in all the ways worth trying."""

import itertools
import time

import torch
from torch.optim import AdamW

from model import Ways


now = time.perf_counter


def count_processor_time(wanted):
    """As elenchus bench does with one thread."""
    global now
    now = time.process_time if wanted else time.perf_counter


def seconds(work):
    start = now()
    work()
    return now() - start


def compiled(function, how, constant_weights=True):
    """function as `how` says: eager as it is, compiled, or compiled with what the compiler can do
    beyond its defaults: kernels chosen by timing them, and weights laid out ahead."""
    if how == "eager":
        return function
    options = {"max_autotune": True, "freezing": constant_weights} if how == "tuned" else None
    return torch.compile(function, dynamic=False, options=options)


def ways_of(kind, sparse, how):
    """Choices that matter for a kind of work. Sorting by expert makes shapes depend on data, which
    torch.compile does not take."""
    experts = ["every", "grouped"] + (["sorted", "padded"] if how == "eager" else [])
    attention = ["sdpa", "padded"] if kind != "decode" else ["sdpa"]
    keys = ["mask", "gather"] if kind == "decode" and sparse else ["mask"]
    for a, k, e in itertools.product(attention, keys, experts):
        yield Ways(attention=a, keys=k, experts=e)


def train(model, shape, sparse, ways, how):
    """A whole optimiser step: forward, backward, clipping, AdamW."""
    tokens = torch.randint(model.c["vocab_size"], (shape["tokens"] // shape["length"], shape["length"]))
    optimizer = AdamW(model.parameters(), lr=1e-6, betas=(0.9, 0.95), weight_decay=0.05, fused=True)
    loss = compiled(model.loss, how, constant_weights=False)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(tokens, ways, sparse).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()

    return lambda: seconds(step)


def prefill(model, shape, sparse, ways, how):
    tokens = torch.randint(model.c["vocab_size"], (1, shape["prompt"]))
    forward = compiled(model.next_token, how)

    @torch.inference_mode()
    def run():
        return seconds(lambda: forward(tokens, ways, sparse).argmax(-1))

    return run


def decode(model, shape, sparse, ways, how):
    """Greedy steps of many sequences at once, behind prompts that are in the cache already."""
    n, prompt, steps = shape["sequences"], shape["prompt"], shape["steps"]
    with torch.inference_mode():
        cache = model.empty_cache(n, prompt + steps)
        prompts = torch.randint(model.c["vocab_size"], (n, prompt))
        for i in range(0, n, 8):
            part = [(kv[i : i + 8], ki[i : i + 8]) for kv, ki in cache]
            model.fill_cache(prompts[i : i + 8], part, Ways(), sparse)
    forward = compiled(model.decode, how)

    @torch.inference_mode()
    def run():
        token = prompts[:, -1]
        start = now()
        for t in range(prompt, prompt + steps):
            token = forward(token, torch.tensor([t]), cache, ways, sparse).argmax(-1)
        return now() - start

    return run


KINDS = {"train": train, "prefill": prefill, "decode": decode}


class Candidate:
    """One way of doing a kind of work. run() does it once and returns the seconds that count."""

    def __init__(self, kind, model, shape, sparse, ways, how):
        self.arguments = kind, model, shape, sparse, ways
        self.how = how
        self.name = f"{how}, {ways.attention}, {ways.keys}, {ways.experts}"
        self.run = KINDS[kind](model, shape, sparse, ways, how)

    def tuned(self):
        return Candidate(*self.arguments, "tuned")


def candidates(kind, model, shape, sparse, with_compile):
    for how in ("eager", "compiled") if with_compile else ("eager",):
        for ways in ways_of(kind, sparse, how):
            yield Candidate(kind, model, shape, sparse, ways, how)


def reason(problem):
    """An exception in a line; some say nothing but their name."""
    lines = str(problem).splitlines()
    return type(problem).__name__ + (f": {lines[0][:80]}" if lines else "")


def try_out(c, tell):
    """Seconds of the better of two runs; infinite when c fails in this version of PyTorch."""
    torch._dynamo.reset()
    try:
        c.run()
        took = min(c.run() for _ in range(2))
    except Exception as problem:  # whatever an operator or the compiler raises
        tell(f"    {c.name}: failed, {reason(problem)}")
        return float("inf")
    tell(f"    {c.name}: {took * 1e3:.1f} ms")
    return took


def fastest(kind, model, shape, sparse, with_compile, only, tell):
    """Tries all whose name has `only` in it, and the fastest of those that are compiled once more as
    well as the compiler can: that takes it minutes, too long for each."""
    best = {"eager": (float("inf"), None), "compiled": (float("inf"), None)}  # the others hold memory
    for c in candidates(kind, model, shape, sparse, with_compile):
        took = try_out(c, tell) if only in c.name else float("inf")
        if took < best[c.how][0]:
            best[c.how] = took, c
    ways = list(best.values())
    compiled_best = best["compiled"][1]
    if compiled_best:
        tuned = compiled_best.tuned()
        ways.append((try_out(tuned, tell), tuned))
    took, best = min(ways, key=lambda way: way[0])
    if best is None:
        raise RuntimeError(f"PyTorch has no way that works for {kind}")
    torch._dynamo.reset()
    best.run()
    return best
