#!/usr/bin/env python3
"""Golden files for core/text: small byte-level BPE tokenizers and what they do to mixed text.

Provenance: trained and evaluated by the Hugging Face `tokenizers` package (PyPI; the version that
made the files in the tree stands in cases.json) on the sentences below, which were written for
this purpose. The pre-tokenizer patterns are those of DeepSeek-V3.2.

    python3 -m venv VENV && VENV/bin/pip install tokenizers
    VENV/bin/python tests/text/golden/make_golden.py tests/text/golden

Writes tokenizer.json (the DeepSeek shape) and cases.json. In cases.json:
  "cases"     [{text, special: ids with every added token matched,
                plain: ids when the special tokens, and those that look like <...>, are
                ordinary text: encode_special_tokens after marking the latter special}]
  "variants"  [{name, tokenizer, cases: [{text, ids}]}]: other pre-tokenizers over a few merges,
              each written into the tokenizer it belongs to by the test
"""
import json
import random
import sys
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

DEEPSEEK = [
    r"\p{N}{1,3}",
    r"[一-龥぀-ゟ゠-ヿ]+",
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
]

CORPUS = """
Let $n \\ge 1$ be an integer. We prove by induction that $\\sum_{k=1}^{n} k = \\frac{n(n+1)}{2}$.
Suppose that $p$ is prime and $p \\mid ab$. Then $p \\mid a$ or $p \\mid b$, which was to be shown.
The verifier's score is 1 if the proof is complete, 0.5 if it has minor errors, and 0 otherwise.
## Solution
Consider the witness x = 12345; step by step: 12345 mod 7 = 4, and 4 * 4 mod 7 = 2.
for (int i = 0; i < n; i++) { sum += a[i] * b[i]; }  /* the inner product */
    return sum == 0 ? -1 : sum;
设 $n$ 为正整数，证明存在无穷多个素数。由归纳法可知，结论成立。
すべての自然数について証明する。カタカナとひらがな。
Пусть $f$ непрерывна на отрезке. Тогда $f$ ограничена.
Le théorème est démontré ; voilà l'idée générale naïve.
It's what we've shown, they'll agree, I'm sure, he'd say so, you're right, isn't it?
Therefore the claim follows. Hence the proof is complete. The proof of the claim is by contradiction.
"""

SPECIAL = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
# As in DeepSeek's own files the role and thinking tokens are not marked special.
CONTROL = ["<think>", "</think>", "<｜User｜>", "<｜Assistant｜>"]
ORDINARY = ["[CLAIM]", "[CLAIM]]", "QED", "née", "  \n"]


def deepseek_pre_tokenizer():
    steps = [pre_tokenizers.Split(Regex(p), "isolated") for p in DEEPSEEK]
    return pre_tokenizers.Sequence(steps + [pre_tokenizers.ByteLevel(False, True, use_regex=False)])


def train(vocab_size, pre_tokenizer):
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizer
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=SPECIAL,
        show_progress=False,
    )
    t.train_from_iterator(CORPUS.splitlines(keepends=True), trainer)
    return t


def add_tokens(t):
    t.add_tokens([AddedToken(c, normalized=True) for c in CONTROL])
    t.add_tokens([AddedToken(c, normalized=False) for c in ORDINARY[:1]])
    t.add_tokens([AddedToken(c, normalized=True) for c in ORDINARY[1:]])
    t.add_special_tokens([AddedToken("<|EOT|>", normalized=True, special=True)])


FIXED = [
    "", " ", "  ", "   \n", "\n", "\r\n\r\n", "\t\tx", "hello", " hello", "hello ", "Hello World",
    "1", "12", "123", "1234", "1234567 890", "x1y22z333", "½ ² Ⅷ ٣٤٥",
    "a  b   c    d", "end of line   \n   next", "trailing   ", "\u00a0nbsp\u3000wide\u2003em",
    "don't they'll I'M YOU'RE 's 't", "f(x)=x^2+y_1, \\frac{a}{b}", "$$\\int_0^1 x\\,dx$$",
    "!important ?what #define @name $var %d &amp; *ptr +plus -minus .dot /slash",
    "中文和English混排，标点。", "カタカナひらがな漢字", "한국어 문장", "Ελληνικά кириллица",
    "e\u0301 combining n\u0303", "👩‍👩‍👧 family 🇩🇪 flag ☃", "a\u200bb\ufeffc\u200d",
    "\x01\x7f control", "\u0085 next line \u2028 separator", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "[CLAIM]", "[CLAIM]]", "[CLAIM]]]", "[[CLAIM] QEDQED", "QE D", "née café renée", "x  \ny", "x   \ny",
    "<think>", "a<think>b</think>c", "<think", "<｜User｜>hi<｜Assistant｜>",
    "<｜begin▁of▁sentence｜>", "<｜begin▁of▁sentence｜><｜end▁of▁sentence｜>x<|EOT|>", "<|EOT|",
    "<｜end▁of▁sentence｜", "QED<｜▁pad▁｜>[CLAIM]", "Ġhello Ċ",
    "```c\nint main(void)\n{\n\treturn 0;\n}\n```\n", "https://example.org/a?b=c&d=%20#e",
    "Therefore the claim follows.\n\n\n## Self Evaluation\n\\boxed{0.5}\n",
    " .,;\n\n x", "...\r\n...", "«»“”‘’—…", "\U0001d54f\U0001d538 math", "ſtraße ǅ", "١٢٣٤",
]

ALPHABET = (
    list("aeinorst the of ") + list("0123456789") + list(" \n\t\r") * 2 + list("'\"\\${}()[]<>|/._-")
    + ["the ", "proof", " claim", "证明", "数", "の", "ア", "é", "e\u0301", "ß", "👍", "½", "\u00a0"]
    + ["[CLAIM]", "QED", "</think>", "<｜User｜>", "<｜end▁of▁sentence｜>", "Пусть", "'ll", "  \n"]
)


def random_texts(n, rng):
    return ["".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 40))) for _ in range(n)]


def main_cases(t, texts):
    marked = json.loads(t.to_str())
    for token in marked["added_tokens"]:
        token["special"] |= token["content"] in CONTROL
    untrusting = Tokenizer.from_str(json.dumps(marked))
    untrusting.encode_special_tokens = True
    return [{"text": s, "special": t.encode(s).ids, "plain": untrusting.encode(s).ids}
            for s in texts]


def small(pre_tokenizer, merges, ignore_merges=False):
    """The 256 bytes and a few merges."""
    vocab = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    for a, b in merges:
        vocab.setdefault(a + b, len(vocab))
    vocab.setdefault("abcde", len(vocab))
    t = Tokenizer(models.BPE(vocab=vocab, merges=merges, ignore_merges=ignore_merges))
    t.pre_tokenizer = pre_tokenizer
    t.decoder = decoders.ByteLevel()
    return t


MERGES = [
    ("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc"), ("c", "d"), ("abc", "d"), ("Ġ", "a"),
    ("Ġ", "Ġ"), ("-", "-"), ("--", "--"), ("a", "a"), ("aa", "aa"), ("aa", "a"), ("1", "2"),
]
VARIANT_TEXTS = [
    "abc", "abcd", "abcde", "aaaaaaa", "aabcbcab", "--a----b-", "a--b--", "--", "-", " abc  abcde ",
    "it's 12 abc!", "  leading", "a - b", "bcd\nabcde", "x", "ab1212", "---a---",
]


def variants():
    byte_level = pre_tokenizers.ByteLevel(False, True, use_regex=False)
    out = []
    for behavior in ["isolated", "removed", "merged_with_previous", "merged_with_next",
                     "contiguous"]:
        for invert in [False, True]:
            for kind, pattern in [("string", "-"), ("regex", Regex("--?|b*"))]:
                split = pre_tokenizers.Split(pattern, behavior, invert)
                name = f"{behavior} {'inverted ' if invert else ''}{kind}"
                out.append((name, small(pre_tokenizers.Sequence([split, byte_level]), MERGES)))
    out.append(("gpt2", small(pre_tokenizers.ByteLevel(False, True), MERGES)))
    out.append(("prefix", small(pre_tokenizers.ByteLevel(True, True), MERGES)))
    out.append(("prefix, no regex",
                small(pre_tokenizers.ByteLevel(True, True, use_regex=False), MERGES)))
    out.append(("ignore_merges", small(byte_level, MERGES, ignore_merges=True)))
    out.append(("repeated merge", small(byte_level, MERGES + [("a", "b")])))
    return out


def variant_case(name, t):
    whole = json.loads(t.to_str())
    cases = [{"text": s, "ids": t.encode(s).ids} for s in VARIANT_TEXTS]
    return {"name": name, "pre_tokenizer": whole["pre_tokenizer"],
            "ignore_merges": whole["model"]["ignore_merges"],
            "repeat_first_merge": name == "repeated merge", "cases": cases}


def main():
    folder = Path(sys.argv[1])
    t = train(1100, deepseek_pre_tokenizer())
    add_tokens(t)
    compact = dict(ensure_ascii=False, separators=(",", ":"))
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(t.to_str()), **compact) + "\n")
    texts = FIXED + random_texts(60, random.Random(1))
    all_variants = variants()
    base = json.loads(all_variants[0][1].to_str())
    cases = {
        "tokenizers_version": tokenizers.__version__,
        "cases": main_cases(t, texts),
        "variant_tokenizer": base,
        "variants": [variant_case(name, v) for name, v in all_variants],
    }
    (folder / "cases.json").write_text(json.dumps(cases, **compact) + "\n")


main()
