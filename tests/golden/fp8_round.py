#!/usr/bin/env python3
"""Golden values of FP8 rounding (core/ops/fp8_round.h), in exact fractions: fp8_round.json.

The e4m3 values are listed one by one and the nearest is searched; scales come from comparing
fractions with powers of two. Rotations have 4^n values, so that their factor is a power of two and
nothing is rounded before the codes.

    python3 tests/golden/fp8_round.py            # writes the file
    python3 tests/golden/fp8_round.py --check    # exit code 1 when it differs
"""
import json
import pathlib
import random
import struct
import sys
from fractions import Fraction

CODES = [Fraction(m, 512) for m in range(8)] + [
    Fraction(8 + m, 8) * Fraction(2) ** (e - 7) for e in range(1, 16) for m in range(8)
]
CODES.pop()  # the last one is NaN
FLOOR = Fraction(struct.unpack("<f", struct.pack("<f", 1e-4))[0])


def nearest(x, grid):
    """Of ascending values, ties to the even index."""
    best = min(range(len(grid)), key=lambda i: (abs(grid[i] - x), i % 2))
    return grid[best]


def e4m3(x):
    y = nearest(abs(x), CODES)
    return -y if x < 0 else y


def scale_of(group):
    amax = max([FLOOR] + [abs(x) for x in group])
    scale = Fraction(1)
    while scale * 448 < amax:
        scale *= 2
    while scale / 2 * 448 >= amax:
        scale /= 2
    return scale


def bf16(x):
    """Nearest of the values with 8 bits of mantissa."""
    if x == 0:
        return x
    unit = Fraction(1)
    while unit * 256 <= abs(x):
        unit *= 2
    while unit * 128 > abs(x):
        unit /= 2
    return Fraction(round(x / unit)) * unit  # round() takes ties to even


def rotate(x):
    n = len(x)
    root = int(n**0.5)
    assert root * root == n
    signs = lambda a, b: -1 if bin(a & b).count("1") % 2 else 1
    return [sum(signs(a, b) * x[b] for b in range(n)) / root for a in range(n)]


def fp8_round(x, width, group, turn):
    y = rotate(x[:width]) if turn else x[:width]
    out = []
    for at in range(0, width, group):
        scale = scale_of(y[at : at + group])
        out += [e4m3(v / scale) * scale for v in y[at : at + group]]
    return out + [bf16(v) for v in x[width:]]


def case(rng, width, group, tail, turn, size):
    x = [Fraction(rng.randint(-4096, 4096), 64) * size for _ in range(width + tail)]
    for i in range(0, width, 5):
        x[i] /= 1 << rng.randint(0, 12)  # down to the smallest codes
    if turn:  # sums of whole 64ths are exact
        x = [Fraction(int(v * 64), 64) for v in x]
    y = fp8_round(x, width, group, turn)
    return {
        "width": width,
        "group": group,
        "tail": tail,
        "rotate": turn,
        "x": [float(v) for v in x],
        "y": [float(v) for v in y],
    }


def main():
    rng = random.Random(20)
    tiny = Fraction(1, 1 << 24)
    cases = [
        case(rng, 128, 128, 0, 0, 1),
        case(rng, 130, 32, 7, 0, 1),
        case(rng, 64, 64, 64, 0, Fraction(1, 1 << 10)),
        case(rng, 40, 16, 3, 0, tiny),  # below the floor of amax
        case(rng, 64, 128, 0, 1, 1),
        case(rng, 16, 16, 5, 1, 1),
        case(rng, 256, 128, 0, 1, 1),
    ]
    # ties, the largest code and what lies beside both
    edge = [448, 432, 433, 431, 17, 19, 18, 0.0146484375, 0.01, 2**-10, 3 * 2**-10, 0, -17, -2**-10]
    x = [Fraction(v) for v in edge]
    y = fp8_round(x, len(x), 128, 0)
    floats = lambda v: [float(e) for e in v]
    cases.append(
        {"width": len(x), "group": 128, "tail": 0, "rotate": 0, "x": floats(x), "y": floats(y)}
    )
    text = json.dumps(cases, indent=None, separators=(", ", ": ")).replace("}, {", "},\n{") + "\n"
    path = pathlib.Path(__file__).with_name("fp8_round.json")
    if "--check" in sys.argv:
        sys.exit(path.read_text() != text)
    path.write_text(text)


main()
