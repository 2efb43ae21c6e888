"""Elenchus' side of the comparisons, and what they share."""

import json
import os
import subprocess
import sys

from safetensors.torch import load_file

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


def tell(text):
    print(text, file=sys.stderr, flush=True)


def program(o, *words):
    """Runs o.program with o.threads; RuntimeError with what it said when it fails."""
    command = [o.program, *words, "--threads", str(o.threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def check_logits(o, folder, tokens, theirs, sparse, scratch):
    """Both compute the same function, or nothing is compared. theirs [T,V] for tokens [1,T].
    Selections of keys that are a matter of rounding move single rows, so sparse attention is held to
    the share of equal rows."""
    ids, out = os.path.join(scratch, "ids.json"), os.path.join(scratch, "logits.safetensors")
    with open(ids, "w", encoding="utf-8") as f:
        json.dump(tokens.tolist(), f)
    program(o, "logits", "--model", folder, "--tokens", ids, "--out", out, "--attention", "mqa" if sparse else "dense")
    error = (load_file(out)["logits"][0] - theirs).abs().amax(-1) / theirs.abs().amax()
    equal = (error < 1e-3).float().mean().item()
    mode = "sparse" if sparse else "dense"
    tell(f"  logits, {mode}: {100 * equal:.1f}% of rows within 1e-3, median {error.median():.1e}")
    if equal < (0.9 if sparse else 1.0):
        raise RuntimeError("the two do not compute the same logits")
