#!/usr/bin/env python3
"""Golden ids of the designs that published byte-level BPE tokenizers have.

Provenance: the Hugging Face `tokenizers` package (PyPI; the version stands in designs.json), with
the normalizers, patterns and flags that the named models' files hold: how they cut text, without
their vocabularies. The texts come from the maker of tests/text/compare_tokenizers.py, which
compares the published files themselves. The merges were learnt from these texts uncut, so that
every cut shows in the ids.

    python3 -m venv VENV && VENV/bin/pip install tokenizers
    VENV/bin/python tests/text/golden/make_designs.py tests/text/golden

Writes designs.json:
  "tokenizer"  a tokenizer.json
  "texts"      what every design encodes
  "designs"    [{name, fields: what replaces the fields of the tokenizer, added: its added tokens,
                 ignore_merges, ids: [ids of a text with all added tokens matched]}]
"""
import json
import sys
import unicodedata
from pathlib import Path

import tokenizers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from compare_tokenizers import FLAGGED, Maker  # noqa: E402

CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTION}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTION}?"
         rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{SPACES}")


def cl100k(letters, digits):
    mark = r"\p{M}" if r"\p{M}" in letters else ""
    return (rf"{CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?{letters}+|{digits}| ?[^\s\p{{L}}{mark}\p{{N}}]+[\r\n]*|{SPACES}")


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def digits(single):
    return {"type": "Digits", "individual_digits": single}


def steps(*before, regex=False, prefix=False):
    last = {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}
    return {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [*before, last]}}


CODER = [split("[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"), digits(True)]
LLM = [split("[\r\n]"), split(r"\s?[A-Za-zµÀ-ÖØ-öø-ƺͰ-ͳΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯﬀ-ﬆＡ-Ｚａ-ｚ𐐀-𐑏]+"),
       split(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), split(r"\s+$"), split("[一-龥ࠀ-一가-퟿]+"), digits(True)]
NFC = {"normalizer": {"type": "NFC"}}
DESIGNS = {
    "gpt-2, roberta": steps(regex=True),
    "llama-3, glm-4.5": steps(split(cl100k(r"\p{L}", r"\p{N}{1,3}"))),
    "qwen-2.5, qwen-3": NFC | steps(split(cl100k(r"\p{L}", r"\p{N}"))),
    "qwen-3.5": NFC | steps(split(cl100k(r"[\p{L}\p{M}]", r"\p{N}"))),
    "minimax-m3": NFC | steps(split(O200K, "Removed", True)),
    "claude-2": {"normalizer": {"type": "NFKC"}} | steps(regex=True),
    "deepseek-coder": steps(*CODER),
    "deepseek-v2": steps(*LLM),
    "starcoder": steps(digits(True), regex=True),
    "digits in runs": steps(digits(False), regex=True, prefix=True),
    "bloom": steps(split(r" ?[^(\s|[.,!?…。，、।۔،])]+")),
    "nfd": {"normalizer": {"type": "NFD"}},
    "nfkd, nfc": {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "NFC"}]}},
}
# Added tokens with flags; with and without a normalizer.
FLAGS = {"flags": {}, "flags, nfkc": {"normalizer": {"type": "NFKC"}}}


def texts():
    maker = Maker(5, [content for content, _ in FLAGGED])
    out = [kind(40)[:60] for kind in maker.kinds() for _ in range(2)]
    out += [maker.special(40) for _ in range(10)] + [maker.combining(30) for _ in range(3)]
    marks = "".join(chr(c) for c in [0x0E2F, 0x0898, 0x0301, 0x1133B, 0x11935, 0x11930, 0x0334])
    out = [s.replace("\0", "\2") for s in out]  # the test reads the file with C strings
    return out + ["Lemma", " \u2028 Lemma  Proof\u2028\u2003x", "aQED! QED!QED!", "Ω" + marks + "é", "don't DON'T I'LL'ſ"]


def learn(sources):
    """A tokenizer of the 256 bytes and of what comes twice in the texts or in a normal form."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(False, True, use_regex=False)
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=1200, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
                                  show_progress=False)
    t.train_from_iterator([unicodedata.normalize(form, s) for s in sources for form in ["NFC", "NFKD"]], trainer)
    return json.loads(t.to_str())


def added_tokens(vocab):
    """A token that the vocabulary has under the same spelling keeps that id."""
    out, free = [], len(vocab)
    for content, flags in FLAGGED:
        out.append({"id": vocab.get(content, free), "content": content, **{
            f: f in flags.split() for f in ["single_word", "lstrip", "rstrip", "normalized", "special"]}})
        free += content not in vocab
    return out


def design(base, name, fields, added, ignore_merges, sources):
    whole = json.loads(json.dumps(base)) | fields | {"added_tokens": added}
    whole["model"]["ignore_merges"] = ignore_merges
    t = Tokenizer.from_str(json.dumps(whole))
    return {"name": name, "fields": fields, "added": added, "ignore_merges": ignore_merges,
            "ids": [t.encode(s).ids for s in sources]}


def main():
    folder = Path(sys.argv[1])
    sources = texts()
    base = learn(sources)
    added = added_tokens(base["model"]["vocab"])
    designs = [design(base, name, f, [], "llama" in name, sources) for name, f in DESIGNS.items()]
    designs += [design(base, name, f, added, False, sources) for name, f in FLAGS.items()]
    out = {"tokenizers_version": tokenizers.__version__, "unidata_version": unicodedata.unidata_version,
           "tokenizer": base, "texts": sources, "designs": designs}
    (folder / "designs.json").write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
