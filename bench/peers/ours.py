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


def logits(o, folder, tokens, sparse, scratch):
    """What `elenchus logits --trace` writes for tokens [1,T]."""
    ids, out = os.path.join(scratch, "ids.json"), os.path.join(scratch, "logits.safetensors")
    with open(ids, "w", encoding="utf-8") as f:
        json.dump(tokens.tolist(), f)
    attention = "mqa" if sparse else "dense"
    program(o, "logits", "--model", folder, "--tokens", ids, "--out", out, "--attention", attention, "--trace")
    return load_file(out)


def check_logits(mine, theirs, mode, least):
    """Both compute the same function, or nothing is compared: [T,V] each, a share of `least` of the rows
    within 1e-3 of the largest logit."""
    error = (mine - theirs).abs().amax(-1) / theirs.abs().amax()
    equal = (error < 1e-3).float().mean().item()
    tell(f"  logits, {mode}: {100 * equal:.1f}% of rows within 1e-3, median {error.median():.1e}")
    if equal < least:
        raise RuntimeError("the two do not compute the same logits")
