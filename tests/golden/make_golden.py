#!/usr/bin/env python3
"""Make the golden vectors of the engine; see README.md in this folder.

    python3 tests/golden/make_golden.py            write all cases
    python3 tests/golden/make_golden.py --check    write to a temporary folder and
                                                   compare with the committed files
"""

import argparse
import filecmp
import json
import os
import sys
import tempfile

sys.dont_write_bytecode = True

import numpy as np
import torch

import checks
import margins
import tensorfile
import traps
from configs import CASES, draw_weights
from oracle import Oracle, lm_loss
from training import (
    HYPER,
    AdamW,
    clip_factor,
    dense_gradients,
    global_norm,
    sparse_gradients,
    warmup_gradients,
)

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 2
TRAP_THRESHOLD = 1e-2


def f32(x):
    return np.atleast_1d(x.detach().numpy()).astype("<f4")


def i32(x):
    return np.asarray(x).astype("<i4")


def metadata(**extra):
    return {
        "script": "tests/golden/make_golden.py",
        "command": "python3 tests/golden/make_golden.py",
        "torch": torch.__version__,
        "numpy": np.__version__,
        "computed_in": "float64",
        **{k: f"{v:.3e}" if isinstance(v, float) else str(v) for k, v in extra.items()},
    }


# ---- drawing tokens whose decisions are clear ----


def sequence_margins(config, weights, tokens, modes):
    found = []
    for mode in modes:
        with torch.no_grad():
            _, trace = Oracle(config, weights).forward(tokens, mode)
        found.append(margins.measure(trace, config))
        if not margins.clear(found[-1]):
            return None
    return margins.worst(found)


def draw_batch(case, weights, random, modes):
    """BATCH sequences, each drawn until all its margins are clear; tokens and margins."""
    rows, found = [], []
    while len(rows) < BATCH:
        row = torch.from_numpy(random.randint(0, case["config"]["vocab_size"], case["length"]))
        measured = sequence_margins(case["config"], weights, row[None], modes)
        if measured is not None:
            rows.append(row)
            found.append(measured)
    return torch.stack(rows), margins.worst(found)


def make_targets(tokens):
    """The next token; -1 at the last position and on the first five of sequence 0."""
    targets = torch.full_like(tokens, -1)
    targets[:, :-1] = tokens[:, 1:]
    targets[0, :5] = -1
    return targets


# ---- the parts of a golden file ----


def selected_table(visible, topk):
    """bool [B,T,T] -> int [B,T,topk], ascending, padded with -1."""
    batch, length, _ = visible.shape
    table = np.full((batch, length, topk), -1)
    for b in range(batch):
        for t in range(length):
            indices = np.flatnonzero(visible[b, t].numpy())
            table[b, t, : len(indices)] = indices
    return i32(table)


def routed_table(tokens, batch):
    """Expert sets of B*T tokens -> int [B,T,k], ascending."""
    table = np.sort(np.stack([t.numpy() for t in tokens]), axis=-1)
    return i32(table.reshape(batch, -1, table.shape[-1]))


def forward_part(config, weights, tokens, targets):
    """Logits, decisions and losses in all three modes."""
    model = Oracle(config, weights)
    out = {"tokens": i32(tokens), "targets": i32(targets)}
    for mode in ("dense", "sparse"):
        logits, trace = model.forward(tokens, mode)
        out["logits." + mode] = f32(logits)
        out["loss.lm." + mode] = f32(lm_loss(logits, targets))
        prefix = "routed." if mode == "sparse" else "routed.dense."
        for layer, chosen in trace.routed.items():
            out[prefix + str(layer)] = routed_table(chosen, len(tokens))
    for layer, visible in trace.visible.items():
        out[f"selected.{layer}"] = selected_table(visible, config["index_topk"])
    out["loss.kl.sparse"] = f32(model.kl(trace))
    out["loss.kl.sparse.layers"] = f32(torch.stack(trace.kl))
    _, trace = model.forward(tokens, "warmup")
    out["loss.kl.warmup"] = f32(model.kl(trace))
    out["loss.kl.warmup.layers"] = f32(torch.stack(trace.kl))
    return out


def gradient_part(config, weights, tokens, targets):
    out = {}
    for name, grad in dense_gradients(config, weights, tokens, targets)[1].items():
        out["grad.dense." + name] = f32(grad)
    for name, grad in sparse_gradients(config, weights, tokens, targets)[2].items():
        out["grad.sparse." + name] = f32(grad)
    for name, grad in warmup_gradients(config, weights, tokens)[1].items():
        out["grad.warmup." + name] = f32(grad)
    return out


def training_part(case, weights, random):
    """Ten steps of the sparse stage; a batch is drawn clear at the weights it meets."""
    config, optimizer, start = case["config"], AdamW(weights), weights
    log = {name: [] for name in ("tokens", "targets", "loss_lm", "loss_kl", "grad_norm")}
    found = []
    single = {n: w.float() for n, w in weights.items()}
    single_optimizer = AdamW(single)
    for _ in range(HYPER["steps"]):
        tokens, clear = draw_batch(case, weights, random, ("sparse",))
        targets = make_targets(tokens)
        lm, kl, grads, trace = sparse_gradients(config, weights, tokens, targets)
        weights = optimizer.step(weights, grads)
        *_, single_grads, single_trace = sparse_gradients(config, single, tokens, targets)
        assert checks.same_decisions(trace, single_trace)
        single = single_optimizer.step(single, single_grads)
        found.append(clear)
        for name, value in (("tokens", tokens), ("targets", targets)):
            log[name].append(i32(value))
        log["loss_lm"].append(lm.item())
        log["loss_kl"].append(kl.item())
        log["grad_norm"].append(global_norm(grads))
    clipped = [clip_factor(norm) < 1 for norm in log["grad_norm"]]
    assert any(clipped) and not all(clipped), log["grad_norm"]
    out = {f"step.{n}": np.stack(log[n]) for n in ("tokens", "targets")}
    for name in ("loss_lm", "loss_kl", "grad_norm"):
        out["step." + name] = np.asarray(log[name], "<f4")
    for name, weight in weights.items():
        out["final." + name] = f32(weight)
    moved = {n: (w - start[n], single[n].double() - start[n]) for n, w in weights.items()}
    drift = max(checks.relative(b, a) for a, b in moved.values() if a.abs().max() > 0)
    return out, margins.worst(found), drift


# ---- one case ----


def make_case(name, seed):
    """Returns config, weights, golden tensors, metadata."""
    case = CASES[name]
    config, weights = case["config"], draw_weights(CASES[name], seed)
    random = np.random.RandomState(seed + 1)
    tokens, clear = draw_batch(case, weights, random, ("dense", "warmup", "sparse"))
    targets = make_targets(tokens)
    notes = {"seed": seed, **{"margin." + n: v for n, v in clear.items()}}
    tensors = forward_part(config, weights, tokens, targets)
    notes["absorbed_difference"] = checks.check_absorbed(config, weights, tokens)
    single = checks.check_float32(config, weights, tokens, targets, "gradients" in case)
    notes.update({"float32." + n: v for n, v in single.items()})
    if "gradients" in case:
        tensors.update(gradient_part(config, weights, tokens, targets))
        worst = checks.check_gradients(config, weights, tokens, targets)
        notes["finite_difference"] = worst
    if "training" in case:
        steps, clear, drift = training_part(case, weights, random)
        tensors.update(steps)
        notes.update({"step.margin." + n: v for n, v in clear.items()})
        notes["float32.update"] = drift
    if case.get("special") == "zero_ties":
        assert clear["ties"] > clear["rows"] / 2, clear
    if config["index_topk"] >= case["length"]:
        checks.check_full_selection(config, weights, tokens)
    return {"config": config, "weights": weights, "tensors": tensors, "notes": notes}


# ---- traps ----


def measure_trap(name, made):
    """(difference, wrong value) of a mistake on one case, or None where it does not apply."""
    kind = traps.TRAPS[name][0]
    model = traps.variant(name, made["config"], made["weights"])
    if model is None:
        return None
    tokens = torch.from_numpy(made["tensors"]["tokens"]).long()
    targets = torch.from_numpy(made["tensors"]["targets"]).long()
    right = Oracle(made["config"], made["weights"])
    if kind == "gradients":
        args = made["config"], made["weights"], tokens, targets
        wrong, good = sparse_gradients(*args, cls=type(model))[2], sparse_gradients(*args)[2]
        worst = max(checks.relative(wrong[n], g) for n, g in good.items() if g.abs().max() > 0)
        return worst, None
    with torch.no_grad():
        good, good_trace = right.forward(tokens, "sparse")
        wrong, wrong_trace = model.forward(tokens, "sparse")
    if kind == "loss":
        good, wrong = right.kl(good_trace), model.kl(wrong_trace)
    return checks.relative(wrong, good), wrong


def add_traps(cases):
    """Adds the wrong results to the golden tensors; returns the content of traps.json."""
    prefix = {"logits": "logits.wrong.", "loss": "loss.kl.wrong."}
    result = {}
    for name, (kind, mistake, *_) in traps.TRAPS.items():
        measured = {}
        for case, made in cases.items():
            found = measure_trap(name, made)
            if found is not None:
                measured[case] = found
        best = max(measured, key=lambda case: measured[case][0])
        assert measured[best][0] > TRAP_THRESHOLD, (name, measured[best][0])
        entry = {"kind": kind, "mistake": mistake, "config": best}
        if kind in prefix:
            entry["tensor"] = prefix[kind] + name
            cases[best]["tensors"][entry["tensor"]] = f32(measured[best][1])
        entry["difference"] = {case: float(f"{d:.4g}") for case, (d, _) in measured.items()}
        result[name] = entry
    return {
        "measure": "max |wrong - right| / max |right|; sparse mode; per tensor for gradients",
        "threshold": TRAP_THRESHOLD,
        "traps": result,
    }


# ---- small vectors of their own ----


def router_bias_vector():
    """Load balancing: bias += gamma * sign(mean load - load), three updates in a row."""
    gamma = 0.001
    loads = torch.tensor(
        [[12, 3, 8, 8, 0, 17, 9, 7], [8, 8, 8, 8, 8, 8, 8, 8], [1, 0, 0, 0, 0, 2, 0, 0]]
    ).double()
    before = torch.tensor([0.5, -0.25, 0.0, 0.125, 1.0, -1.0, 0.75, 0.0]).double()
    rows, bias = [], before
    for load in loads:
        bias = bias + gamma * torch.sign(load.mean() - load)
        rows.append(bias)
    return {
        "gamma": np.asarray([gamma], "<f4"),
        "load": i32(loads),
        "bias.before": f32(before),
        "bias.after": f32(torch.stack(rows)),
    }


def real_yarn_vector():
    """Rope figures of the 671B configuration; no weights involved."""
    config = {
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "rope_theta": 10000,
        "rope_scaling": {
            "type": "yarn",
            "factor": 40,
            "beta_fast": 32,
            "beta_slow": 1,
            "mscale": 1.0,
            "mscale_all_dim": 1.0,
            "original_max_position_embeddings": 4096,
        },
    }
    model = Oracle(config, {"none": torch.zeros(1).double()})
    checks.check_real_yarn(model)
    return {
        "inverse_frequency": f32(model.frequencies(1)),
        "softmax_scale": np.asarray([model.softmax_scale()], "<f4"),
    }


# ---- files ----


def write_json(path, value):
    with open(path, "w", encoding="ascii") as out:
        json.dump(value, out, indent=2)
        out.write("\n")


def write_case(folder, name, made):
    path = os.path.join(folder, name)
    os.makedirs(path, exist_ok=True)
    write_json(os.path.join(path, "config.json"), made["config"])
    weights = {n: f32(w) for n, w in made["weights"].items()}
    tensorfile.save(os.path.join(path, "model.safetensors"), weights, {"format": "pt"})
    golden = os.path.join(path, "golden.safetensors")
    tensorfile.save(golden, made["tensors"], metadata(**made["notes"]))
    reread, _ = tensorfile.load(golden)
    assert all(np.array_equal(reread[n], made["tensors"][n]) for n in made["tensors"])
    if "training" in CASES[name]:
        write_json(os.path.join(path, "training.json"), HYPER)


def write_all(folder):
    checks.check_hadamard()
    cases = {}
    for number, name in enumerate(CASES):
        cases[name] = make_case(name, 1000 * (number + 1))
        print(name, json.dumps(metadata(**cases[name]["notes"])), flush=True)
    table = add_traps(cases)
    for name, made in cases.items():
        write_case(folder, name, made)
    write_json(os.path.join(folder, "traps.json"), table)
    for name, make in (("router_bias", router_bias_vector), ("yarn_671b", real_yarn_vector)):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        path = os.path.join(folder, name, "golden.safetensors")
        tensorfile.save(path, make(), metadata())


def compare(made, committed):
    """Names of files under `made` that differ from those under `committed`."""
    different = []
    for folder, _, files in os.walk(made):
        for file in files:
            path = os.path.join(folder, file)
            name = os.path.relpath(path, made)
            other = os.path.join(committed, name)
            if not os.path.exists(other) or not filecmp.cmp(path, other, shallow=False):
                different.append(name)
    return sorted(different)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed files")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if not args.check:
        write_all(HERE)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write_all(folder)
        different = compare(folder, HERE)
    for name in different:
        print("differs:", name)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
