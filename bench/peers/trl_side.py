"""TRL's side of the comparison of GRPO steps: its trainer, in several ways, with clocks inside.

The model is the class of transformers for the same architecture, with the same weights. Every prompt
has the same number of tokens and so has every completion: nothing is padded, and no sequence waits for
a longer one. Prompts are random ids.
"""

import gc
import json
import logging
import os
import random
import time
import warnings
from dataclasses import dataclass, replace

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import transformers
from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

warnings.filterwarnings("ignore", category=FutureWarning)
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
logging.getLogger("ContinuousBatchingLogger").setLevel(logging.CRITICAL)

NO_TOKEN = -1  # as the end token: completions have their full length


@dataclass(frozen=True)
class Sampling:
    """How completions are sampled, of what TRL and transformers offer on a CPU."""

    cache: str = "dynamic cache"  # dynamic cache, static cache, continuous batching
    experts: str = "grouped_mm"  # grouped_mm, batched_mm, eager
    attention: str = "sdpa"  # sdpa, eager

    def __str__(self):
        return f"{self.cache}, {self.experts}, {self.attention}"


@dataclass(frozen=True)
class Training:
    """How reference and policy are computed."""

    experts: str = "grouped_mm"
    attention: str = "sdpa"
    passes: int = 1  # a batch is computed in that many parts
    compile: bool = False

    @property
    def warm_up(self):
        """Steps before the first that counts."""
        return 3 if self.compile else 1

    def __str__(self):
        how = "compiled" if self.compile else "eager"
        return f"{how}, {self.experts}, {self.attention}, {self.passes} {'pass' if self.passes == 1 else 'passes'}"


@dataclass(frozen=True)
class Work:
    """What one step does."""

    folder: str
    scratch: str
    prompts: int
    group: int
    prompt_tokens: int
    completion_tokens: int
    recipe: dict

    @property
    def sequences(self):
        return self.prompts * self.group


def make_folder(source, folder, sparse):
    """The model in `source`, as DeepseekV32ForCausalLM or, without its indexer, DeepseekV3ForCausalLM.
    What transformers doesn't take from a config.json is left out; it computes sigmoid scores with a
    bias for the choice (noaux_tc) in any case."""
    os.makedirs(folder)
    with open(os.path.join(source, "config.json"), encoding="utf-8") as f:
        c = json.load(f)
    for key in ("routed_scaling_factor", "rope_theta"):
        c[key] = float(c[key])
    for key in ("scoring_func", "topk_method"):
        c.pop(key)
    c["num_key_value_heads"] = c["num_attention_heads"]
    c["model_type"] = "deepseek_v32" if sparse else "deepseek_v3"
    c["architectures"] = ["DeepseekV32ForCausalLM" if sparse else "DeepseekV3ForCausalLM"]
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(c, f)
    for name in ("model.safetensors", "tokenizer.json"):
        os.symlink(os.path.abspath(os.path.join(source, name)), os.path.join(folder, name))


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


class _Lowest:
    """torch.Tensor.topk by which the lowest position wins a tie, as in Elenchus: the indexer's scores of 0 are
    many (ReLU). Only for comparing results; where time is taken, torch.topk does it."""

    def __enter__(self):
        self.old = torch.Tensor.topk

        def topk(x, k, dim=-1):
            values, indices = x.sort(dim=dim, descending=True, stable=True)
            return torch.return_types.topk((values.narrow(dim, 0, k), indices.narrow(dim, 0, k)))

        torch.Tensor.topk = topk

    def __exit__(self, *_):
        torch.Tensor.topk = self.old


@torch.inference_mode()
def logits(folder, tokens):
    with _Lowest():
        return load(folder)(tokens).logits


class Trainer(GRPOTrainer):
    """TRL's trainer with clocks; samples in one way and trains in another; prompts are ids."""

    def prepare(self, work, sampling, training, given):
        """`given`: completions are made up, so that a step shows what training takes."""
        self.work, self.sampling, self.training_way, self.given = work, sampling, training, given
        self.spent = {"sampling": 0.0, "reference": 0.0}
        words = random.Random(1)
        vocabulary = range(2, self.model.config.vocab_size)
        self.ids = [words.choices(vocabulary, k=work.prompt_tokens) for _ in range(work.prompts)]
        self.eos_token_ids = [NO_TOKEN]
        if self.ref_model is not None:
            self.ref_model.set_experts_implementation(training.experts)
        return self

    def _tokenize_prompts(self, prompts):
        return [list(self.ids[int(p)]) for p in prompts], None, {}

    def use(self, way):
        self.model.set_attn_implementation(way.attention)
        self.model.set_experts_implementation(way.experts)

    def _generate_single_turn(self, prompt_ids, *rest, **more):
        n = self.work.completion_tokens
        if self.given:
            return torch.randint(2, self.model.config.vocab_size, (len(prompt_ids), n)).tolist(), None
        start = time.perf_counter()
        self.use(self.sampling)
        completions, logps = super()._generate_single_turn(prompt_ids, *rest, **more)
        self.use(self.training_way)
        self.spent["sampling"] += time.perf_counter() - start
        lengths = {len(c) for c in completions}
        if lengths != {n}:
            raise RuntimeError(f"the completions that came back have {sorted(lengths)} tokens, not {n}")
        return completions, logps

    def _get_per_token_logps_and_entropies(self, model, *rest, **more):
        start = time.perf_counter()
        out = super()._get_per_token_logps_and_entropies(model, *rest, **more)
        if model is self.ref_model:
            self.spent["reference"] += time.perf_counter() - start
        return out

    def sample(self):
        """Seconds of sampling one step's completions, outside of training."""
        ids = [i for i in self.ids for _ in range(self.work.group)]
        start = time.perf_counter()
        self._generate_single_turn(ids, None, {}, self.work.group)
        return time.perf_counter() - start


class Clock(TrainerCallback):
    """Seconds of every step, a step being one optimiser's step times the mini-batches of a batch of
    completions. `between` is called after each, off the clock."""

    def __init__(self, mini_batches, between):
        self.mini_batches, self.between = mini_batches, between
        self.steps, self.total = [], 0.0

    def on_step_begin(self, args, state, control, **_):
        self.start = time.perf_counter()

    def on_step_end(self, args, state, control, **_):
        self.total += time.perf_counter() - self.start
        if state.global_step % self.mini_batches:
            return
        spent = dict(self.trainer.spent, total=self.total)
        spent["training"] = self.total - spent["sampling"] - spent["reference"]
        self.steps.append(spent)
        self.trainer.spent.update(sampling=0.0, reference=0.0)
        self.total = 0.0
        self.between(len(self.steps))


def coin(completions, **_):
    """The reward: free, and no group without differences."""
    return [float(i % 2) for i in range(len(completions))]


def arguments(work, sampling, training, steps):
    r = work.recipe
    mini = r["mini_batches"]
    return GRPOConfig(
        output_dir=os.path.join(work.scratch, "trl"),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        max_steps=steps * mini,
        per_device_train_batch_size=work.sequences // mini // training.passes,
        gradient_accumulation_steps=training.passes,
        steps_per_generation=training.passes * mini,
        num_generations=work.group,
        num_iterations=r["num_iterations"],
        max_completion_length=work.completion_tokens,
        temperature=r["temperature"],
        top_p=r["top_p"],
        cache_implementation="static" if sampling.cache == "static cache" else None,
        use_transformers_continuous_batching=sampling.cache == "continuous batching",
        generation_kwargs={"eos_token_id": NO_TOKEN},
        beta=r["beta"],
        use_bias_correction_kl=r["use_bias_correction_kl"],
        epsilon=r["epsilon"],
        epsilon_high=r["epsilon_high"],
        off_policy_mask_threshold=r["off_policy_mask_threshold"],
        scale_rewards=r["scale_rewards"],
        loss_type="grpo",
        router_aux_loss_coef=0.0,
        optim="adamw_torch_fused",
        learning_rate=r["learning_rate"],
        lr_scheduler_type="constant",
        max_grad_norm=r["max_grad_norm"],
        torch_compile=training.compile,
    )


def build(work, sampling, training, steps=1, given=False, between=lambda n: None):
    gc.collect()
    torch._dynamo.reset()
    args = arguments(work, sampling, training, steps)
    clock = Clock(work.recipe["mini_batches"], between)
    words = PreTrainedTokenizerFast(tokenizer_file=os.path.join(work.folder, "tokenizer.json"))
    words.pad_token, words.eos_token = words.convert_ids_to_tokens([0, 1])
    trainer = Trainer(
        model=load(work.folder),
        reward_funcs=coin,
        args=args,
        train_dataset=Dataset.from_list([{"prompt": str(i)} for i in range(work.prompts)]),
        processing_class=words,
        callbacks=[clock],
    ).prepare(work, sampling, training, given)
    trainer.remove_callback(PrinterCallback)
    trainer.use(training)
    if trainer.ref_model is not None:
        trainer.ref_model.set_attn_implementation(training.attention)
    clock.trainer, trainer.clock = trainer, clock
    return trainer


# ---- The fastest way, by trying ----


def batched_fits(work):
    """batched_mm copies its experts' weights for every token of the prompts: whether they have room."""
    with open(os.path.join(work.folder, "config.json"), encoding="utf-8") as f:
        c = json.load(f)
    copies = work.sequences * work.prompt_tokens * c["num_experts_per_tok"]
    bytes_needed = 4 * copies * 3 * c["moe_intermediate_size"] * c["hidden_size"]
    return bytes_needed < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 4


def sampling_changes(work):
    yield {"experts": "eager"}
    if batched_fits(work):
        yield {"experts": "batched_mm"}
    yield {"attention": "eager"}
    yield {"cache": "static cache"}
    yield {"cache": "continuous batching"}


def training_changes(work, with_compile):
    """Not batched_mm: its gradient is a whole expert's for every token, which takes minutes. Compiled with
    grouped_mm alone: the other way has shapes that depend on data."""
    yield {"experts": "eager"}
    yield {"attention": "eager"}
    for passes in (2, 4, 8):
        if work.sequences // work.recipe["mini_batches"] % passes == 0:
            yield {"passes": passes}
    if with_compile:
        yield {"compile": True, "experts": "grouped_mm"}


def sampling_seconds(work, way):
    trainer = build(work, way, Training())
    return min(trainer.sample() for _ in range(2))


def training_seconds(work, way):
    trainer = build(work, Sampling(), way, steps=way.warm_up + 2, given=True)
    trainer.train()
    return min(s["total"] for s in trainer.clock.steps[way.warm_up :])


def descend(start, changes, seconds, tell):
    """From `start`, every change that is faster is kept; one that fails is named and passed over."""
    best, best_time, tried = start, float("inf"), []
    for change in [{}, *changes]:
        way = replace(best, **change)
        try:
            took = seconds(way)
        except Exception as problem:  # whatever a library raises
            text = (str(problem).splitlines() or [""])[0][:100]
            tell(f"    {way}: failed, {type(problem).__name__}: {text}")
            tried.append({"way": str(way), "failed": f"{type(problem).__name__}: {text}"})
            continue
        tell(f"    {way}: {took:.2f} s")
        tried.append({"way": str(way), "seconds": took})
        if took < best_time:
            best, best_time = way, took
    if best_time == float("inf"):
        raise RuntimeError("TRL has no way that works")
    return best, tried
