"""A step of GRPO in Elenchus against one in TRL: the same weights, dtype (fp32), threads and work.

Elenchus runs a shipped recipe with exact truth as its judge. What its steps sampled sets TRL's work:
the same number of prompts, completions of a prompt and optimiser's steps; all prompts and all
completions have the mean length of those of Elenchus, so that TRL pads nothing and waits for no long
completion. By default a batch gets one optimiser's step, which spares TRL a pass for the
log-probabilities at sampling. Groups whose rewards are all equal aren't trained on in Elenchus; the
comparison takes its reference and training as if they were, by the share of tokens left out. A prompt
that Elenchus computes once for its whole group stays computed once.

Before anything is timed, both must compute the same logits. TRL samples and trains in the fastest
of several ways each, found by trying them here. Then both take turns.

    sparse    DeepseekV32ForCausalLM: the same function as in Elenchus
    dense     DeepseekV3ForCausalLM: TRL without the indexer and its selection, which is less work

Run by `bench/peers/run grpo`, which makes the environment.
"""

import argparse
import json
import os
import statistics
import tempfile

import datasets
import torch
import transformers
import trl

import ours
import trl_side as peer
from ours import ROOT, program, tell

MODEL = os.path.join(ROOT, "models", "small")
PARTS = ("sampling", "reference", "training")
WARM_UP = 1  # steps of Elenchus in front of those that count


# ---- Elenchus ----


def recipe(o, role):
    """The shipped recipe of a role, cut to one role. Both sides leave the indexer as it is."""
    with open(os.path.join(ROOT, "configs", "train", f"{role}.json"), encoding="utf-8") as f:
        r = json.load(f)
    r.update(
        model=MODEL,
        judge="oracle",
        prompts=os.path.join(ROOT, "configs", "prompts", "small"),
        roles={role: 1},
        data={"world": 200},
        prompts_per_step=o.prompts,
        num_generations=o.group,
        mini_batches=o.mini_batches,
        indexer_kl_weight=0,
        max_steps=WARM_UP + o.steps,
        save_steps=WARM_UP + o.steps,
    )
    return r


def run_steps(o, r):
    """A fresh run, always the same one. Means over its steps behind the first, in which memory is
    touched for the first time; TRL's first steps aren't counted either."""
    with tempfile.TemporaryDirectory() as scratch:
        path, out = os.path.join(scratch, "recipe.json"), os.path.join(scratch, "run")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(r, f)
        program(o, "train", path, "--out", out)
        with open(os.path.join(out, "metrics.jsonl"), encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
    pairs = list(zip(lines, lines[1:]))[WARM_UP - 1 :]
    steps = [our_step(o, line, line["num_tokens"] - before["num_tokens"]) for before, line in pairs]
    return {key: statistics.mean(s[key] for s in steps) for key in steps[0]}


def our_step(o, m, tokens):
    """One line of metrics.jsonl; `tokens` were sampled, prompts included. A completion's last token is
    no input of a training pass."""
    sequences = o.prompts * o.group
    if m.get("drops/prompt", 0) or m.get("drops/judge", 0):
        raise RuntimeError("Elenchus lost prompts or judgements: the work isn't what was asked for")
    if not m["trained/tokens"]:
        raise RuntimeError("Elenchus trained on nothing: every group has equal rewards")
    whole = (tokens - sequences) / m["trained/tokens"]
    reference, training = m["time/reference"] * whole, m["time/training"] * whole
    return {
        "completion_tokens": m["completions/mean_length"],
        "prompt_tokens": tokens / sequences - m["completions/mean_length"],
        "trained_share": 1 / whole,
        "measured_total": m["step_time"],
        "sampling": m["time/sampling"],
        "reference": reference,
        "training": training + m["step_time"] - sum(m[f"time/{p}"] for p in PARTS),
        "total": m["step_time"] + reference + training - m["time/reference"] - m["time/training"],
    }


# ---- Both ----


def check_logits(o, folder, sparse, scratch):
    tokens = torch.randint(502, (1, 256), generator=torch.Generator().manual_seed(2))
    mine = ours.logits(o, MODEL, tokens, sparse, scratch)["logits"][0]
    # a key chosen by a hair's breadth differs by rounding and moves its row
    ours.check_logits(mine, peer.logits(folder, tokens)[0], "sparse" if sparse else "dense", 0.9 if sparse else 1)


def take_turns(o, r, work, sampling, training):
    """Elenchus runs between the steps of one run of TRL, whose first steps warm up."""
    mine, warm = [], training.warm_up

    def between(done):
        if warm <= done < warm + o.turns:
            mine.append(run_steps(o, r))

    trainer = peer.build(work, sampling, training, steps=warm + o.turns, between=between)
    trainer.train()
    return list(zip(mine, trainer.clock.steps[warm:], strict=True))


def summary(turns, part):
    """Medians over the turns: seconds of each, and the ratio with its lowest and highest."""
    ratios = [theirs[part] / mine[part] for mine, theirs in turns]
    return {
        "elenchus": statistics.median(mine[part] for mine, _ in turns),
        "trl": statistics.median(theirs[part] for _, theirs in turns),
        "ratio": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
    }


def show(role, mode, row):
    for part in (*PARTS, "total"):
        p = row["parts"][part]
        print(
            f"{role:9} {mode:6} {part:9}  {p['elenchus']:8.2f} s {p['trl']:8.2f} s"
            f"  {p['ratio']:6.2f} [{p['lowest']:.2f}, {p['highest']:.2f}]"
        )
    print(
        f"  {row['sequences']} completions of {row['completion_tokens']} tokens behind {row['prompt_tokens']};"
        f" sampled {row['completion_rate']['elenchus']:.0f} and {row['completion_rate']['trl']:.0f} tokens/s;"
        f" Elenchus trained on {100 * row['trained_share']:.0f}% and is charged for all of them"
    )
    print(f"  TRL samples: {row['sampling_way']}; trains: {row['training_way']}", flush=True)


def compare(o, role, mode, scratch):
    r = recipe(o, role)
    tell(f"{role}, {mode}: what Elenchus samples")
    first = run_steps(o, r)
    folder = os.path.join(scratch, mode)
    if not os.path.exists(folder):
        peer.make_folder(MODEL, folder, mode == "sparse")
        check_logits(o, folder, mode == "sparse", scratch)
    work = peer.Work(
        folder, scratch, o.prompts, o.group, round(first["prompt_tokens"]), round(first["completion_tokens"]), r
    )
    tell("  which way of sampling is fastest in TRL")
    changes = peer.sampling_changes(work)
    sampling, tried = peer.descend(peer.Sampling(), changes, lambda w: peer.sampling_seconds(work, w), tell)
    tell("  which way of training is fastest in TRL")
    changes = peer.training_changes(work, o.compile)
    training, trained = peer.descend(peer.Training(), changes, lambda w: peer.training_seconds(work, w), tell)
    turns = take_turns(o, r, work, sampling, training)
    parts = {part: summary(turns, part) for part in (*PARTS, "total")}
    written = work.sequences * work.completion_tokens
    row = {
        "role": role,
        "mode": mode,
        "sequences": work.sequences,
        "prompt_tokens": work.prompt_tokens,
        "completion_tokens": work.completion_tokens,
        "trained_share": first["trained_share"],
        "measured_total": statistics.median(mine["measured_total"] for mine, _ in turns),
        "parts": parts,
        "completion_rate": {who: written / parts["sampling"][who] for who in ("elenchus", "trl")},
        "sampling_way": str(sampling),
        "training_way": str(training),
        "tried": {"sampling": tried, "training": trained},
    }
    show(role, mode, row)
    return row


def options():
    p = argparse.ArgumentParser(
        prog="run grpo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--program", default=os.path.join(ROOT, "build", "elenchus"))
    p.add_argument("--roles", default="generator", help="generator, verifier; default generator")
    p.add_argument("--modes", default="sparse,dense", help="default sparse,dense")
    p.add_argument("--prompts", type=int, default=16, help="a step; default 16")
    p.add_argument("--group", type=int, default=8, help="completions of a prompt; default 8")
    p.add_argument("--mini-batches", type=int, default=1, help="optimiser's steps of a batch; default 1")
    p.add_argument("--steps", type=int, default=2, help="of Elenchus in a turn; default 2")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--turns", type=int, default=5, help="default 5")
    p.add_argument("--no-compile", dest="compile", action="store_false", help="eager PyTorch alone")
    p.add_argument("--json", help="write the rows there, too")
    o = p.parse_args()
    for name, known in (("roles", ("generator", "verifier")), ("modes", ("sparse", "dense"))):
        chosen = getattr(o, name).split(",")
        if not set(chosen) <= set(known):
            p.error(f"--{name} is {getattr(o, name)}: expected some of {', '.join(known)}")
        setattr(o, name, chosen)
    if o.prompts % o.mini_batches:
        p.error("--prompts must be a multiple of --mini-batches")
    if not os.access(o.program, os.X_OK):
        p.error(f"{o.program} isn't there: build it, or run this by bench/peers/run grpo")
    return o


def main():
    o = options()
    torch.set_num_threads(o.threads)
    versions = {m.__name__: m.__version__ for m in (trl, transformers, torch, datasets)}
    tell(f"{', '.join(f'{k} {v}' for k, v in versions.items())}; {o.threads} threads, load {os.getloadavg()[0]:.1f}")
    tell("vLLM isn't tried: its wheel on PyPI is built for CUDA")
    print("role      mode   part        elenchus       TRL   TRL / elenchus, of turns")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for role in o.roles:
            for mode in o.modes:
                rows.append(compare(o, role, mode, scratch))
    if o.json:
        with open(o.json, "w", encoding="utf-8") as f:
            json.dump({"versions": versions, "threads": o.threads, "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
