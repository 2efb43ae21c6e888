"""llama.cpp's side of elenchus bench --peer, through llama-cpp-python: fp32 weights, and the fastest of caches
in F32 and F16, with and without its flash attention, prompts in passes of 256 and 512. Run by bench/peers/llama.

One llama_batch is one pass: a piece of a prompt, or a token of every sequence. Each sequence has a cache of its
own, and each of its tokens is greedy from the one before, as in elenchus bench.
"""

import argparse
import ctypes
import itertools
import os
import sys
import tempfile

import llama_cpp as lib
import numpy as np

import llama_gguf
import timing
from ours import tell

CACHES = {"F32": 0, "F16": 1}  # ggml_type
FLASH = {"without flash": 0, "flash": 1}  # llama_flash_attn_type


@lib.llama_log_callback
def quiet(level, text, user):
    """llama.cpp has much to say."""


def load(path):
    lib.llama_log_set(quiet, ctypes.c_void_p(0))
    lib.llama_backend_init()
    params = lib.llama_model_default_params()
    params.n_gpu_layers = 0
    model = lib.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        raise RuntimeError(f"llama.cpp cannot load {path}")
    return model


class Context:
    """For `sequences` of at most `tokens` tokens each, `rows` in a pass."""

    def __init__(self, model, sequences, tokens, rows, threads, cache="F32", flash="without flash"):
        params = lib.llama_context_default_params()
        params.n_ctx = sequences * ((tokens + 255) // 256 * 256)
        params.n_batch = params.n_ubatch = rows
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        params.type_k = params.type_v = CACHES[cache]
        params.flash_attn_type = FLASH[flash]
        params.kv_unified = False
        self.rows = rows
        self.ctx = lib.llama_init_from_model(model, params)
        if not self.ctx:
            raise RuntimeError("llama.cpp makes no context")
        self.memory = lib.llama_get_memory(self.ctx)
        self.vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
        self.batch = lib.llama_batch_init(rows, 0, 1)

    def step(self, tokens, positions, sequences, wanted):
        """One pass. Logits [wanted rows, V], valid until the next."""
        b, n = self.batch, len(tokens)
        b.n_tokens = n
        for field, values in ((b.token, tokens), (b.pos, positions), (b.n_seq_id, 1), (b.logits, wanted)):
            np.ctypeslib.as_array(field, (n,))[:] = values
        for i, s in enumerate(sequences):
            b.seq_id[i][0] = s
        rc = lib.llama_decode(self.ctx, b)
        if rc != 0:
            raise RuntimeError(f"llama_decode: {rc}")
        return np.ctypeslib.as_array(lib.llama_get_logits(self.ctx), (int(np.sum(wanted)), self.vocab))

    def prefill(self, tokens, sequence=0):
        """A prompt into the cache: the token behind it."""
        n = len(tokens)
        for i in range(0, n, self.rows):
            at = np.arange(i, min(i + self.rows, n))
            logits = self.step(tokens[at], at, [sequence] * len(at), at == n - 1)
        return int(logits[-1].argmax())

    def forget(self, sequence, start):
        if not lib.llama_memory_seq_rm(self.memory, sequence, start, -1):
            raise RuntimeError("llama.cpp does not forget a sequence")

    def close(self):
        lib.llama_batch_free(self.batch)
        lib.llama_free(self.ctx)


def logits(folder, tokens, sparse):
    """[T,V] for tokens [T], in fp32 throughout."""
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "model.gguf")
        llama_gguf.write(folder, path, sparse)
        c = Context(load(path), 1, len(tokens), len(tokens), 1)
        out = c.step(tokens, np.arange(len(tokens)), [0] * len(tokens), np.ones(len(tokens), bool)).copy()
        c.close()
    return out


class Prefill:
    """A prompt into an empty cache."""

    def __init__(self, model, o, *way):
        self.context = Context(model, 1, o.prompt, way[0], o.threads, *way[1:])
        self.prompt = np.random.default_rng(1).integers(0, self.context.vocab, o.prompt)

    def run(self):
        took = timing.seconds(lambda: self.context.prefill(self.prompt))
        self.context.forget(0, 0)
        return took


class Decode:
    """Steps of many sequences at once, behind prompts that are in the cache already."""

    def __init__(self, model, o, *way):
        n = o.sequences
        self.context = Context(model, n, o.prompt + o.steps, max(n, way[0]), o.threads, *way[1:])
        prompts = np.random.default_rng(1).integers(0, self.context.vocab, (n, o.prompt))
        self.first = np.array([self.context.prefill(prompts[s], s) for s in range(n)])
        self.prompt, self.steps, self.n = o.prompt, o.steps, n

    def steps_from_prompt(self):
        tokens, wanted = self.first, np.ones(self.n, bool)
        for i in range(self.steps):
            at = np.full(self.n, self.prompt + i)
            tokens = self.context.step(tokens, at, range(self.n), wanted).argmax(1)

    def run(self):
        took = timing.seconds(self.steps_from_prompt)
        for s in range(self.n):
            self.context.forget(s, self.prompt)
        return took


KINDS = {"prefill": Prefill, "decode": Decode}


def fastest(model, o):
    """Tries all ways: seconds, name, what to run."""
    best = float("inf"), "", None
    rows = (256, 512) if o.kind == "prefill" else (512,)
    for way in itertools.product(rows, CACHES, FLASH):
        work = KINDS[o.kind](model, o, *way)
        work.run()
        took = min(work.run() for _ in range(2))
        name = f"cache {way[1]}, {way[2]}" + (f", {way[0]} rows" if o.kind == "prefill" else "")
        tell(f"    {name}: {took * 1e3:.1f} ms")
        best = min(best, (took, name, work), key=lambda b: b[0])
        if best[2] is not work:
            work.context.close()
    return best[1:]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("kind")
    for name in ("model", "mode", "dtype"):
        p.add_argument("--" + name)
    for name in ("threads", "size", "tokens", "length", "sequences", "prompt", "steps"):
        p.add_argument("--" + name, type=int)
    o = p.parse_args()
    if o.kind not in KINDS or o.dtype != "fp32":
        print(flush=True)  # nothing to compare
        return
    timing.count_processor_time(o.threads == 1)
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "model.gguf")
        llama_gguf.write(o.model, path, o.mode == "sparse")
        model = load(path)
        tell(f"  {o.kind}, {o.mode}: which way is fastest in llama.cpp")
        way, work = fastest(model, o)
        print(f"llama-cpp-python {lib.__version__}, {way}", flush=True)
        for _ in sys.stdin:
            print(work.run(), flush=True)


if __name__ == "__main__":
    main()
