#!/usr/bin/env python3
"""A second implementation of the law of draws, written from docs/reference/law.md alone.

Run it in its folder to write the JSON files that the Rust tests compare with:

    python3 law.py

It needs nothing but Python 3.9 or later. Words are hexadecimal text, doubles the hexadecimal text of their
64 bits, so that no reader of JSON can round them. Python's math.exp, expm1, log and log1p may
differ from the law's in the last bit; the Rust tests allow for that where a value is a double.
"""

import json
import math
import struct
from decimal import Decimal, getcontext

getcontext().prec = 60
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")
U64 = (1 << 64) - 1
GOLDEN, STEP, MASK = 0x9E3779B97F4A7C15, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB
NEVER = None


def bits(x):
    return "0x%016x" % struct.unpack(">Q", struct.pack(">d", x))[0]


def double(b):
    return struct.unpack(">d", struct.pack(">Q", b))[0]


LN2 = double(0x3FE62E42FEFA39EF)

# --- from a seed to a word ---


def mix64(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & U64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & U64
    return z ^ (z >> 31)


def fold(s, mask):
    product = s * (s ^ mask)
    return (product & U64) ^ (product >> 64)


def site(path):
    h = 0xCBF29CE484222325
    for name in path:
        text = name.encode()
        for byte in struct.pack("<I", len(text)) + text:
            h = (h ^ byte) * 0x100000001B3 & U64
    return mix64(h)


class Call:
    """The words of one call; counts how many it was asked for."""

    def __init__(self, seed, population, subject, step, path):
        scope = mix64(mix64(seed + GOLDEN & U64) ^ site(["subjects", population]))
        key = mix64(scope + (subject + 1) * GOLDEN & U64)
        self.base = fold(key + step * STEP & U64, MASK)
        self.mask = key + step * GOLDEN & U64
        self.site = site(path)
        self.used = 0
        self.where = {"seed": seed, "population": population, "id": subject, "step": step, "path": path}

    def __getitem__(self, k):
        self.used = max(self.used, k + 1)
        return fold(self.base + self.site + k * STEP & U64, self.mask)


# --- from a word to a wait ---

LN_C = [float(((2 * (512 + i) + 1) / Decimal(2048)).ln()) for i in range(511)] + [0.0]


def ln_unit(w):
    if w == U64:
        return 0.0
    v = w + 1
    lz = 64 - v.bit_length()
    m = v << lz
    i = (m >> 54) - 512
    c = 1.0 if i == 511 else (2 * (512 + i) + 1) / 2048
    d = m - int(c * 2048) * (1 << 53)
    z = float(d) * ((1 / c) * 2.0**-64)
    tail = (z * z) * (-0.5 + z * (1 / 3 + z * -0.25))
    return (LN_C[i] + (z + tail)) - float(lz) * LN2


def wait(w, p):
    if p < 1e-14:
        return NEVER
    inv = -0.0 if p == 1 else 1 / math.log1p(-p)
    return math.floor(ln_unit(w) * inv)


def transition(w, units):
    total, running = sum(units), 0
    for i, u in enumerate(units):
        running += u
        if running << 64 > w * total:
            return i


def transition_of_doubles(w, percents):
    total = 0.0
    for p in percents:
        total += p
    at, running = float(w) * 2.0**-64 * total, 0.0
    for i, p in enumerate(percents):
        running += p
        if running > at:
            return i
    return max(i for i, p in enumerate(percents) if p > 0)


# --- from words to values ---


def u(w):
    return (w >> 11) * 2.0**-53


def uniform_int(call, a, b):
    return a + (call[0] * (b - a + 1) >> 64)


def uniform_double(call, a, b):
    if a == b:
        return a
    x = a + u(call[0]) * (b - a) if math.isfinite(b - a) else (a / 2 + u(call[0]) * (b / 2 - a / 2)) * 2
    return x if x < b else below(b)


def below(b):
    if b == 0:
        return double(1 << 63 | 1)
    n = struct.unpack(">q", struct.pack(">d", b))[0]
    return double((n - 1 if b > 0 else n + 1) & U64)


def chance(call, p):
    return p == 1 or call[0] < int(p * 2.0**64)


def coefficients(text):
    return [float(c) for c in text.split(", ")]


A = coefficients(
    "3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125, "
    "45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727"
)
B = coefficients(
    "1, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077, 21213.794301586595867, "
    "39307.895800092710610, 28729.085735721942674, 5226.4952788528545610"
)
C = coefficients(
    "1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504, "
    "1.27045825245236838258, 0.241780725177450611770, 0.0227238449892691845833, 0.000774545014278341407640"
)
D = coefficients(
    "1, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550, 0.148103976427480074590, "
    "0.0151986665636164571966, 0.000547593808499534494600, 1.05075007164441684324e-9"
)
E = coefficients(
    "6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 0.296560571828504891230, "
    "0.0265321895265761230930, 0.00124266094738807843860, 0.0000271155556874348757815, 2.01033439929228813265e-7"
)
F = coefficients(
    "1, 0.599832206555887937690, 0.136929880922735805310, 0.0148753612908506148525, 0.000786869131145613259100, "
    "0.0000184631831751005468180, 1.42151175831644588870e-7, 2.04426310338993978564e-15"
)


def horner(c, r):
    result = 0.0
    for coefficient in reversed(c):
        result = result * r + coefficient
    return result


def z_of(w):
    t = 2 * w + 1 - (1 << 64) if w >= 1 << 63 else (1 << 64) - 1 - 2 * w
    q = float(t) * 2.0**-65
    if q <= 0.425:
        r = 0.180625 - q * q
        z = q * (horner(A, r) / horner(B, r))
    else:
        r = math.sqrt(LN2 - ln_unit((1 << 64) - t - 1))
        z = horner(C, r - 1.6) / horner(D, r - 1.6) if r <= 5 else horner(E, r - 5) / horner(F, r - 5)
    return z if w >= 1 << 63 else -z


def normal(call, mean, sd):
    return mean + sd * z_of(call[0])


def lognormal(call, median, sigma):
    return median * math.exp(sigma * z_of(call[0]))


def exponential(call, mean):
    return mean * (0 - ln_unit(call[0]))


def pareto(call, minimum, alpha):
    return minimum * math.exp((0 - ln_unit(call[0])) / alpha)


def poisson(call, mean):
    if mean < 10:
        k, p = 0, math.exp(-mean)
        total = p
        while u(call[0]) >= total:
            p = p * mean / float(k + 1)
            if total + p == total:
                break
            k, total = k + 1, total + p
        return k
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    la = math.log(1.1239 + 1.1328 / (b - 3.4))
    vr = 0.9277 - 3.6224 / (b - 2)
    t = 0
    while True:
        x, v = u(call[2 * t]) - 0.5, ((call[2 * t + 1] >> 11) + 1) * 2.0**-53
        us = 0.5 - abs(x)
        t += 1
        if us == 0:
            continue
        k = math.floor((2 * a / us + b) * x + mean + 0.43)
        if us >= 0.07 and v <= vr:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + la - math.log(a / (us * us) + b) <= ln_poisson(float(k), mean):
            return k


def ln_poisson(k, mean):
    if k == 0:
        return -mean
    return -stirling(k) - deviance(k, mean) - 0.5 * math.log(2 * float(PI) * k)


def stirling(k):
    if k < 16:
        n = Decimal(int(k))
        return float(Decimal(math.factorial(int(k))).ln() - (2 * PI * n).ln() / 2 - n * (n.ln() - 1))
    r = 1 / (k * k)
    return (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r * (1 / 1188))))) / k


def deviance(k, mean):
    d = k - mean
    if abs(d) >= 0.1 * (k + mean):
        return k * math.log(k / mean) - d
    v = d / (k + mean)
    total, e, n = d * v, 2 * k * v, 3
    while True:
        e = e * (v * v)
        following = total + e / n
        if following == total:
            return following
        total, n = following, n + 2


def zipf(call, n, s):
    n = float(n)

    def integral(x):
        y = (1 - s) * math.log(x)
        return (math.expm1(y) / y if abs(y) > 1e-8 else 1 + y / 2) * math.log(x)

    def power(x):
        return math.exp(-s * math.log(x))

    def inverse(y):
        t = max(y * (1 - s), -1.0)
        return math.exp(y * (math.log1p(t) / t if abs(t) > 1e-8 else 1 - t / 2))

    first, last = integral(1.5) - 1, integral(n + 0.5)
    near = 2 - inverse(integral(2.5) - power(2.0))
    t = 0
    while True:
        y = last + u(call[t]) * (first - last)
        t += 1
        x = inverse(y)
        k = min(max(math.floor(x + 0.5), 1), int(n))
        if k - x <= near or y >= integral(k + 0.5) - power(float(k)):
            return k


def choice(call, n):
    return call[0] * n >> 64


def weighted(call, *weights):
    total, sums = 0.0, []
    for weight in weights:
        total += weight
        sums.append(total)
    last = max(i for i, weight in enumerate(weights) if weight > 0)
    for i, running in enumerate(sums):
        if i == last or call[0] < min(int(running / total * 2.0**64), U64):
            return i


def uuid(call):
    high = call[0] & ~0xF000 | 0x4000
    low = call[1] & (1 << 62) - 1 | 1 << 63
    text = "%016x%016x" % (high, low)
    return "-".join([text[:8], text[8:12], text[12:16], text[16:20], text[20:]])


# --- vectors ---


def word(w):
    return "0x%016x" % w


def written(x):
    return bits(x) if isinstance(x, float) else x


def draws():
    paths = [
        ["offline", "#wait"],
        ["offline", "#choice"],
        ["attributes", "balance", "0"],
        ["offline", "spending", "let", "payment", "0"],
        ["offline", "spending", "let", "payment", "1"],
        ["trx", "0", "fields", "who", "name", "12"],
        ["trx", "1", "headers", "trace", "0"],
        ["ab", "c"],
        ["a", "bc"],
        ["zażółć", "日本"],
        [],
        [""],
    ]
    words = []
    for seed in (0, 1, 42, U64, 1 << 63):
        for subject in (0, 1, 17, 1 << 32, (1 << 63) - 1):
            for step in (0, 1, 2, 1 << 40):
                path = paths[(subject + step + seed) % len(paths)]
                for k in (0, 1, 5):
                    call = Call(seed, "user", subject, step, path)
                    words.append({"seed": word(seed), "population": "user", "id": subject, "step": step})
                    words[-1].update({"path": path, "k": k, "word": word(call[k])})
    return {"sites": [{"path": p, "site": word(site(p))} for p in paths], "words": words}


def some_words():
    """Ends of pieces of the logarithm and words of every size, with random ones among them."""
    found = {0, 1, 2, 3, U64 - 2, U64 - 1, U64, (1 << 63) - 1, 1 << 63}
    for lz in range(64):
        for i in (512, 513, 640, 767, 768, 1021, 1022, 1023):
            border = i << 54 >> lz
            found |= {max(border - 2, 0), max(border - 1, 0), border}
    found |= {mix64(k) >> (k % 64) for k in range(512)}
    return sorted(found)


def waits():
    probabilities = [1e-14, 1.5e-14, 1e-12, 1e-9, 1e-6, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999, 1 - 2.0**-53, 1.0]
    probabilities += [0.0, 9.9e-15]
    rows = []
    for n, p in enumerate(probabilities):
        for k in range(40):
            w = [0, U64, U64 - 1, 1 << 63, (1 << 63) - 1][k] if k < 5 else mix64(1000 * n + k)
            rows.append({"p": bits(p), "w": word(w), "wait": wait(w, p)})
    return {"ln_unit": [[word(w), bits(ln_unit(w))] for w in some_words()], "waits": rows}


def choices():
    of_units, of_doubles = [], []
    for units in ([10**14], [1, 1], [1, 0, 2, 0], [0, 3 * 10**13, 7 * 10**13], [1] * 40, [99, 1, 0], [10**14 - 1, 1]):
        total = sum(units)
        # Words around each border, and random ones.
        words = {0, U64} | {mix64(k) for k in range(8)}
        running = 0
        for unit in units:
            running += unit
            border = -(-(running << 64) // total)
            words |= {w for w in (border - 1, border, border + 1) if 0 <= w <= U64}
        for w in sorted(words):
            of_units.append({"units": units, "w": word(w), "index": transition(w, units)})
    for percents in ([12.5, 0.0, 87.5], [0.1, 0.2, 0.3], [33.3] * 3, [1e-9, 99.0, 0.0]):
        for k in range(12):
            call = Call(3, "shop", k, 1, ["open", "#choice"])
            row = {"percents": [bits(p) for p in percents], "index": transition_of_doubles(call[0], percents)}
            of_doubles.append({**call.where, **row})
    return {"units": of_units, "doubles": of_doubles}


CASES = [
    (uniform_int, "uniform_int", [(1, 6), (0, 0), (-5, 5), (10, 99), (-(1 << 63), (1 << 63) - 1), (0, (1 << 63) - 1)]),
    (uniform_double, "uniform_double", [(0.0, 1.0), (-1.5, 2.5), (3.0, 3.0), (1.0, 1.0000000000000004), (-1.7e308, 1.7e308)]),
    (chance, "chance", [(0.0,), (1.0,), (0.5,), (0.1,), (0.999,)]),
    (normal, "normal", [(0.0, 1.0), (100.0, 15.0), (5.0, 0.0), (-1e300, 1e290)]),
    (lognormal, "lognormal", [(1.0, 1.0), (40.0, 0.6), (3.0, 0.0), (1e-3, 2.5)]),
    (exponential, "exponential", [(1.0,), (90.5,), (0.0,), (1e300,)]),
    (pareto, "pareto", [(1.0, 1.0), (10.0, 1.16), (0.5, 3.0), (2.0, 40.0)]),
    (poisson, "poisson", [(m,) for m in (0.0, 0.01, 1.0, 4.5, 9.999, 10.0, 12.0, 35.5, 400.0, 1e5, 1e9, 1e15)]),
    (zipf, "zipf", [(1, 1.0), (2, 1.0), (100, 1.0), (100, 0.0), (1000, 1.1), (10**6, 0.5), (10**12, 2.0), (10**15, 0.9), (50, 100.0)]),
    (choice, "choice", [(1,), (2,), (3,), (7,), (1000,)]),
    (weighted, "weighted", [(1.0,), (70.0, 0.0, 30.0), (0.0, 1.0, 1.0, 0.0), (0.1, 0.2, 0.3, 1e-300), tuple([1.0] * 40)]),
    (uuid, "uuid", [()]),
]


def values():
    rows = []
    for function, name, cases in CASES:
        for n, args in enumerate(cases):
            most = {}
            for k in range(400):
                call = Call(2026, "user", k, n, ["shop", "buy", "let", name, "0"])
                value = function(call, *args)
                # Keep some of each number of words.
                most[call.used] = most.get(call.used, 0) + 1
                if most[call.used] > 12:
                    continue
                row = {"function": name, "args": [written(a) for a in args], "words": call.used, "value": written(value)}
                rows.append({**call.where, **row})
    return {"values": rows}


def save(name, tables):
    """One case a line."""
    with open(name, "w", encoding="utf-8", newline="\n") as file:
        parts = []
        for key, rows in tables.items():
            lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
            parts.append('"%s": [\n%s\n]' % (key, lines))
        file.write("{\n" + ",\n".join(parts) + "\n}\n")


if __name__ == "__main__":
    save("draws.json", draws())
    save("waits.json", waits())
    save("choices.json", choices())
    save("values.json", values())
