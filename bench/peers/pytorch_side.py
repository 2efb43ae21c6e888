"""PyTorch's side of elenchus bench --peer: makes one kind of work ready in the fastest way that it finds,
says its name, and does the work once for each line it reads. Run by bench/peers/pytorch."""

import argparse
import os
import sys

import torch

import model as peer
import timing
from ours import tell


def square_product(o):
    """B as a layer's weights (out, in), as in Elenchus' product, which has them packed ahead: so may
    PyTorch, whose compiler lays constant weights out for its kernel."""
    dtype = torch.bfloat16 if o.dtype == "bf16" else torch.float32
    a, b = (torch.randn(o.size, o.size).to(dtype) for _ in range(2))
    layer = torch.nn.Linear(o.size, o.size, bias=False, dtype=dtype)
    layer.weight = torch.nn.Parameter(b, requires_grad=False)
    best, failed = None, []
    for how in ("eager", "tuned") if o.compile else ("eager",):
        try:
            forward = timing.compiled(layer.eval(), how)
            product = torch.inference_mode()(lambda forward=forward: forward(a))
            product()
            took = min(timing.seconds(product) for _ in range(5))
        except Exception as problem:  # whatever an operator or the compiler raises
            failed.append(f"{how}: {timing.reason(problem)}")
            tell(f"    {how}: failed, {timing.reason(problem)}")
            continue
        tell(f"    {how}: {took * 1e3:.2f} ms")
        if best is None or took < best[0]:
            best = took, how, product
    if best is None:
        sys.exit(f"PyTorch has no way that works for a {o.dtype} product of {o.size}: {'; '.join(failed)}")
    _, how, product = best
    return f"linear, {how}", lambda: min(timing.seconds(product) for _ in range(5))


def pass_over_model(o):
    model = peer.load(o.model)
    if o.dtype == "bf16":
        model = model.to(torch.bfloat16)
        torch.set_default_dtype(torch.bfloat16)
    tell(f"  {o.kind}, {o.mode}: which way is fastest in PyTorch")
    best = timing.fastest(o.kind, model, vars(o), o.mode == "sparse", o.compile, o.ways, tell)
    return best.name, best.run


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("kind", choices=["gemm", *timing.KINDS])
    p.add_argument("--no-compile", dest="compile", action="store_false", help="eager PyTorch alone")
    p.add_argument("--ways", default="", help="try the ways alone whose name has this in it")
    for name in ("model", "mode", "dtype"):
        p.add_argument("--" + name)
    for name in ("threads", "size", "tokens", "length", "sequences", "prompt", "steps"):
        p.add_argument("--" + name, type=int)
    o = p.parse_args()
    answers = os.fdopen(os.dup(1), "w")  # whatever else prints must not answer
    os.dup2(2, 1)
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    timing.count_processor_time(o.threads == 1)
    way, run = square_product(o) if o.kind == "gemm" else pass_over_model(o)
    print(f"PyTorch {torch.__version__}, {way}", file=answers, flush=True)
    for _ in sys.stdin:
        print(run(), file=answers, flush=True)


if __name__ == "__main__":
    main()
