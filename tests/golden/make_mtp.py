#!/usr/bin/env python3
"""Make the golden vectors of multi-token prediction, folder mtp; see README.md.

    python3 tests/golden/make_mtp.py            write them
    python3 tests/golden/make_mtp.py --check    compare with the committed files

The MTP layer, from the DeepSeek-V3 paper (section 2.2): row i takes the model's
hidden state h_i and the token t_(i+1), and predicts t_(i+2). Sources differ
about h before or behind model.norm, so the vectors hold both.
"""

import os
import sys
import tempfile

sys.dont_write_bytecode = True

import numpy as np
import torch

import margins
import tensorfile
from configs import BASE, draw_weights, standard_deviation, tensor_shapes
from make_golden import BATCH, HERE, compare, f32, i32, make_targets, routed_table
from make_golden import metadata, selected_table, write_json
from oracle import Oracle, Trace

CONFIG = {**BASE, "num_hidden_layers": 2, "num_nextn_predict_layers": 1, "vocab_size": 48}
LENGTH = 20
SEED = 9000


class WithMtp(Oracle):
    """The oracle and one MTP layer behind it."""

    def hidden(self, tokens, mode):
        """h before and behind model.norm, [B,T,D], and the trace of the main layers."""
        trace = Trace()
        x = self.w["model.embed_tokens.weight"][tokens]
        for layer in range(self.c["num_hidden_layers"]):
            x = self.decoder_layer(x, layer, mode, trace)
        return x, self.rms_norm(x, "model.norm", self.c["rms_norm_eps"]), trace

    def predict(self, tokens, hidden, mode):
        """tokens [B,T], hidden [B,T,D] -> logits [B,T-1,vocab] of t_(i+2), and the trace."""
        layer, eps, trace = self.c["num_hidden_layers"], self.c["rms_norm_eps"], Trace()
        name = f"model.layers.{layer}"
        embedded = self.w[name + ".embed_tokens.weight"][tokens[:, 1:]]
        pair = [
            self.rms_norm(embedded, name + ".enorm", eps),
            self.rms_norm(hidden[:, :-1], name + ".hnorm", eps),
        ]
        x = self.linear(torch.cat(pair, dim=-1), name + ".eh_proj")
        x = self.decoder_layer(x, layer, mode, trace)
        x = self.rms_norm(x, name + ".shared_head.norm", eps)
        return self.linear(x, name + ".shared_head.head"), trace


def draw_mtp_weights(seed):
    """The main model's weights, and those of a layer behind it with what it has of its own."""
    weights = draw_weights({"config": CONFIG}, seed)
    random = np.random.RandomState(seed + 7)
    layer, hidden = CONFIG["num_hidden_layers"], CONFIG["hidden_size"]
    name = f"model.layers.{layer}"
    longer = {**CONFIG, "num_hidden_layers": layer + 1}
    shapes = {n: s for n, s in tensor_shapes(longer).items() if n.startswith(name + ".")}
    for norm in ("enorm", "hnorm", "shared_head.norm"):
        shapes[f"{name}.{norm}.weight"] = (hidden,)
    shapes[name + ".eh_proj.weight"] = (hidden, 2 * hidden)
    shapes[name + ".embed_tokens.weight"] = (CONFIG["vocab_size"], hidden)
    shapes[name + ".shared_head.head.weight"] = (CONFIG["vocab_size"], hidden)
    for tensor, shape in shapes.items():
        values = random.standard_normal(shape)
        if tensor.endswith("norm.weight"):
            values = 1.0 + 0.25 * values
        else:
            values = values * standard_deviation(tensor, shape)
        weights[tensor] = torch.from_numpy(values.astype(np.float32).astype(np.float64))
    return weights


def forward(model, tokens, mode):
    """Logits with h before ("pre") and behind ("post") the norm, and all traces."""
    pre, post, trace = model.hidden(tokens, mode)
    out, traces = {}, [trace]
    for name, hidden in (("pre", pre), ("post", post)):
        out[name], trace = model.predict(tokens, hidden, mode)
        traces.append(trace)
    return out, traces


def is_clear(model, row):
    for mode in ("dense", "sparse"):
        for trace in forward(model, row[None], mode)[1]:
            if not margins.clear(margins.measure(trace, CONFIG)):
                return False
    return True


def draw_tokens(model, random):
    rows = []
    while len(rows) < BATCH:
        row = torch.from_numpy(random.randint(0, CONFIG["vocab_size"], LENGTH))
        if is_clear(model, row):
            rows.append(row)
    return torch.stack(rows)


def golden_tensors(model, tokens):
    out = {"tokens": i32(tokens), "targets": i32(make_targets(tokens))}
    layer = CONFIG["num_hidden_layers"]
    for mode in ("dense", "sparse"):
        logits, traces = forward(model, tokens, mode)
        for kind, trace in zip(("pre", "post"), traces[1:]):
            out[f"mtp.{kind}.{mode}"] = f32(logits[kind])
            if mode == "sparse":
                table = selected_table(trace.visible[layer], CONFIG["index_topk"])
                out[f"mtp.{kind}.selected"] = table
                out[f"mtp.{kind}.routed"] = routed_table(trace.routed[layer], BATCH)
    return out


def write(folder):
    weights = draw_mtp_weights(SEED)
    model = WithMtp(CONFIG, weights)
    with torch.no_grad():
        tensors = golden_tensors(model, draw_tokens(model, np.random.RandomState(SEED + 1)))
    path = os.path.join(folder, "mtp")
    os.makedirs(path, exist_ok=True)
    write_json(os.path.join(path, "config.json"), CONFIG)
    values = {n: f32(w) for n, w in weights.items()}
    tensorfile.save(os.path.join(path, "model.safetensors"), values, {"format": "pt"})
    notes = metadata(seed=SEED)
    notes["script"] = "tests/golden/make_mtp.py"
    notes["command"] = "python3 tests/golden/make_mtp.py"
    tensorfile.save(os.path.join(path, "golden.safetensors"), tensors, notes)


def main():
    torch.set_num_threads(1)
    if "--check" not in sys.argv[1:]:
        write(HERE)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write(folder)
        different = compare(folder, HERE)
    for name in different:
        print("differs:", name)
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
