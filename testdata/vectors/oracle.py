#!/usr/bin/env python3
"""Exact values of the functions behind the law, by mpmath: what the Rust code is accurate against.

    python3 oracle.py        writes oracle.json; needs the package mpmath

Not the law itself (that is law.py): here nothing rounds until the end.
"""

import json
import math
import struct

from mpmath import erfc, erfinv, exp, gammainc, log, log1p, mp, mpf, sqrt

from law import U64, mix64, some_words

mp.prec = 250


def bits(x):
    return "0x%016x" % struct.unpack(">Q", struct.pack(">d", float(x)))[0]


def word(w):
    return "0x%016x" % w


def ln_unit(w):
    return log(mpf(w + 1) / 2**64)


def quantile(w):
    """The standard normal's quantile at (w + 1/2) / 2^64, refined by Newton's method in the nearer tail."""
    t = mpf(2 * min(w, U64 - w) + 1) / 2**65
    z = -sqrt(2) * erfinv(1 - 2 * t)
    for _ in range(4):
        z -= (erfc(-z / sqrt(2)) / 2 - t) / (exp(-z * z / 2) / sqrt(2 * mp.pi))
    return z if w < 1 << 63 else -z


def poisson(mean, k):
    return gammainc(k + 1, mean, regularized=True) if mean else mpf(1)


def zipf(n, s, k):
    terms = [mpf(i) ** -mpf(s) for i in range(1, n + 1)]
    return sum(terms[:k]) / sum(terms)


def main():
    words = some_words()
    spread = sorted({mix64(k) for k in range(300)} | {mix64(k) >> k % 64 for k in range(200)} | {0, 1, U64, 1 << 63})
    spread += [U64 - w for w in spread]
    # On both sides of |q| = 0.425 and r = 5, where AS 241 changes its polynomials.
    for border in (0.925, 0.075):
        at = int(mpf(border) * 2**64)
        spread += [at - 100000, at + 100000]
    tail = int(exp(mpf(-25)) * 2**64)
    spread += [tail - 1000, tail + 1000, U64 - tail - 1000, U64 - tail + 1000]
    tables = {
        "ln_unit": [[word(w), bits(ln_unit(w))] for w in words],
        "normal_quantile": [[word(w), bits(quantile(w))] for w in spread],
        "normal_cdf": [[bits(x), bits(erfc(-mpf(x) / sqrt(2)) / 2)] for x in (-9.0, -4.5, -1.0, -0.1, 0.0, 0.3, 2.0, 8.0)],
        "poisson_cdf": [
            [bits(m), k, bits(poisson(mpf(m), k))]
            for m in (0.1, 1.0, 9.5, 10.0, 50.0, 1e4)
            for k in sorted({0, 1, 2, int(m), int(m + 2 * m**0.5), max(0, int(m - 3 * m**0.5)), int(m + 6 * m**0.5 + 6)})
        ],
        "zipf_cdf": [
            [n, bits(s), k, bits(zipf(n, s, k))]
            for n in (1, 5, 99, 100, 101, 3000)
            for s in (0.0, 0.5, 1.0, 1.1, 2.0, 7.5)
            for k in sorted({1, 2, n // 2, n - 1, n})
            if 1 <= k <= n
        ],
        "geometric_inverse": [[bits(p), bits(1 / log1p(-mpf(p)))] for p in (1e-14, 1e-9, 0.001, 0.3, 0.5, 0.999)],
    }
    with open("oracle.json", "w", encoding="utf-8", newline="\n") as file:
        parts = []
        for key, rows in tables.items():
            lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
            parts.append('"%s": [\n%s\n]' % (key, lines))
        file.write("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    main()
