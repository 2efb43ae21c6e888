"""Elenchus against PyTorch or llama.cpp: the same weights, dtype, threads and work, in turns.

Before anything is timed, both must compute the same logits in fp32. With --dtype bf16, PyTorch has
weights, activations and cache in BF16, Elenchus the operands of its products with weights. PyTorch does
each kind of work in the fastest of several ways, eager and compiled, found by trying them here; llama.cpp
has ways of its own (llama_side.py). Then elenchus bench and its peer take turns, and the median of the
ratios of the turns is printed with the lowest and the highest.

Run by bench/peers/run, which makes the environment.
"""

import argparse
import json
import os
import shlex
import subprocess
import tempfile

import torch

import model as pytorch_model
import ours
import timing
from ours import ROOT, tell

SHAPES = {"small": "models/small/config.json", "50m": "configs/models/50m.json"}
WORK = {
    "train": {"tokens": 4096, "length": 512},
    "decode": {"sequences": 64, "prompt": 256, "steps": 32},
    "prefill": {"prompt": 1000},
}
GEMM = 2048  # rows, columns and terms of the product that kind gemm compares
SAME_KEYS = 0.999  # share of selected keys that both must select


def check_logits(o, folder, scratch):
    """Both compute the same function, or nothing is timed."""
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
        c = json.load(f)
    tokens = torch.randint(c["vocab_size"], (1, 4 * c["index_topk"]), generator=torch.Generator().manual_seed(2))
    for sparse in (False, True):
        mine = ours.logits(o, folder, tokens, sparse, scratch)
        check = check_llama if o.peer == "llama" else check_pytorch
        check(folder, c, tokens, mine, sparse)


def check_pytorch(folder, c, tokens, mine, sparse):
    """A key chosen by a hair's breadth differs by rounding, and in a model of random weights moves all
    rows that read its row in later layers. So the two must select the same keys but for a few, and on
    the same keys compute the same logits in every row."""
    model = pytorch_model.load(folder)
    for i, layer in enumerate(model.layers):
        layer.given = mine[f"selected.{i}"][0].long() if sparse else None
    with torch.inference_mode():
        theirs = model.logits(tokens, timing.Ways(), sparse)[0]
    ours.check_logits(mine["logits"][0], theirs, "sparse" if sparse else "dense", 1)
    if sparse:
        least = min(layer.same_keys for layer in model.layers)
        tell(f"  selected keys: {100 * least:.4f}% equal in the layer that differs most")
        if least < SAME_KEYS:
            raise RuntimeError("the two do not select the same keys")


def check_llama(folder, c, tokens, mine, sparse):
    """Where the indexer gives several keys a score of 0, llama.cpp takes others of them, and all rows that
    read such a row differ. Rows that see no more keys than are selected must agree."""
    import llama_side  # installed where it is the peer

    theirs = torch.from_numpy(llama_side.logits(folder, tokens[0].numpy(), sparse))
    rows = c["index_topk"] if sparse else len(theirs)
    mode = f"sparse, up to {rows} tokens" if sparse else "dense"
    ours.check_logits(mine["logits"][0][:rows], theirs[:rows], mode, 1)


def bench(o, *words):
    """The figures of elenchus bench beside PyTorch."""
    peer_side = [os.path.join(ROOT, "bench", "peers", o.peer)]
    if o.peer == "pytorch":
        peer_side += ["--ways", o.ways] + ([] if o.compile else ["--no-compile"])
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        command = [o.program, "bench", *words, "--threads", str(o.threads), "--repeat", str(o.turns)]
        command += ["--peer", shlex.join(peer_side), "--json", out.name]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        figures = json.load(open(out.name, encoding="utf-8"))["figures"]
    return [f for f in figures if "peer" in f]


def row_of(o, shape, kind, mode, figure):
    theirs = figure["peer"]
    return {
        "shape": shape,
        "kind": kind,
        "mode": mode,
        "dtype": o.dtype,
        "work": figure["name"],
        "elenchus": figure["seconds"],
        "peer": theirs["seconds"],
        "way": theirs["name"],
        "ratio": theirs["ratio"],
        "lowest": theirs["lowest"],
        "highest": theirs["highest"],
        "share": figure.get("flop_share"),
    }


def show(row):
    share = f"  {100 * row['share']:.0f}% of the machine's ceiling" if row["share"] else ""
    print(
        f"{row['shape']:6} {row['kind']:8} {row['mode']:6} {row['dtype']}  {row['elenchus'] * 1e3:9.1f} ms"
        f" {row['peer'] * 1e3:9.1f} ms  {row['ratio']:6.2f} [{row['lowest']:.2f}, {row['highest']:.2f}]{share}"
        f"  ({row['way']})",
        flush=True,
    )
    return row


def compare_gemm(o):
    """One square product: B as a layer's weights (out, in), which both sides may lay out ahead."""
    words = ["gemm", "--config", os.path.join(ROOT, SHAPES["small"]), "--tokens", "2", "--sequences", "1"]
    (square,) = bench(o, *words, "--compute", o.dtype)
    return show(row_of(o, f"{GEMM}^3", "gemm", "", square))


def compare(o, shape, kind, folder, mode):
    sparse = mode == "sparse"
    words = [kind, "--model", folder]
    if kind == "train":
        words += ["--stage", mode]
    else:
        words += ["--attention", "mqa" if sparse else "dense", "--compute", o.dtype]
    for name, value in WORK[kind].items():
        words += ["--" + name, str(value)]
    figures = bench(o, *words)  # dense prefill runs absorbed and as masked MHA
    return show(row_of(o, shape, kind, mode, min(figures, key=lambda f: f["seconds"])))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--program", default=os.path.join(ROOT, "build", "elenchus"))
    p.add_argument("--shapes", default="small,50m", help="small, 50m")
    p.add_argument("--peer", default="pytorch", choices=["pytorch", "llama"])
    p.add_argument("--kinds", help="default train,decode,prefill; there is gemm, too; llama.cpp has decode and prefill")
    p.add_argument("--dtype", default="fp32", choices=["fp32", "bf16"], help="bf16: of decode, prefill and gemm")
    p.add_argument("--modes", default="dense,sparse")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--turns", type=int, default=5, help="default 5")
    p.add_argument("--no-compile", dest="compile", action="store_false", help="eager PyTorch alone")
    p.add_argument("--ways", default="", help="try the ways of PyTorch alone whose name has this in it")
    p.add_argument("--json", help="write the rows there, too")
    o = p.parse_args()
    kinds = (o.kinds or ("decode,prefill" if o.peer == "llama" else "train,decode,prefill")).split(",")
    if o.peer == "llama" and (o.dtype != "fp32" or not set(kinds) <= {"decode", "prefill"}):
        p.error("llama.cpp is compared in decode and prefill, in fp32")
    if o.dtype == "bf16" and "train" in kinds:
        p.error("Elenchus trains in fp32: with --dtype bf16 name other --kinds")
    torch.set_num_threads(o.threads)
    torch.manual_seed(1)
    tell(f"PyTorch {torch.__version__}, {o.threads} threads, load {os.getloadavg()[0]:.1f}")
    print("shape  kind     mode   dtype     elenchus         peer   peer / elenchus, of turns")
    rows = [compare_gemm(o)] if "gemm" in kinds else []
    kinds = [k for k in kinds if k != "gemm"]
    for shape in o.shapes.split(",") if kinds else []:
        with tempfile.TemporaryDirectory() as scratch:
            folder = os.path.join(scratch, shape)
            tell(shape)
            pytorch_model.make_folder(os.path.join(ROOT, SHAPES[shape]), folder)
            check_logits(o, folder, scratch)
            for kind in kinds:
                for mode in o.modes.split(","):
                    rows.append(compare(o, shape, kind, folder, mode))
    if o.json:
        with open(o.json, "w", encoding="utf-8") as f:
            json.dump({"torch": torch.__version__, "threads": o.threads, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
