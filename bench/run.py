#!/usr/bin/env python3
"""Measures what doge-datagen costs: every figure of bench/README.md comes from here.

    bench/run.py                    everything, 10 runs of each (about an hour)
    bench/run.py --only bank        one case; --list names them
    bench/run.py --quick            a tenth of the size, 2 runs: does the script work?

It builds the binary that plain `cargo build --release` makes, the hand-written program and two
examples, runs each pair of commands in turn (A B A B ...) as whole processes, and writes
bench/results/DATE-MACHINE.json and .md. Python 3.8 or later, nothing else, Linux.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
CARGO = os.environ.get("CARGO", "cargo")


def target(folder):
    base = os.environ.get("CARGO_TARGET_DIR") or os.path.join(folder, "target")
    return os.path.join(base, "release")


DOGE = os.path.join(target(ROOT), "doge")
EXAMPLES = os.path.join(target(ROOT), "examples")
FLOOR = os.path.join(target(os.path.join(HERE, "handwritten")), "handwritten")


def model(name):
    return os.path.join(HERE, "models", name + ".yaml")


# Measuring ------------------------------------------------------------------------------------------


class Run:
    """One process from start to end: cpu (user and system) and wall in seconds, rss in bytes."""

    def __init__(self, command):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            begun = time.perf_counter()
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
            _, status, usage = os.wait4(child.pid, 0)
            self.wall = time.perf_counter() - begun
            child.returncode = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
            out.seek(0)
            err.seek(0)
            self.out = out.read().decode()
            if child.returncode != 0:
                sys.exit(f"{shlex.join(command)} failed ({status}):\n{err.read().decode()}{self.out}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.rss = usage.ru_maxrss * 1024
        self.report = None

    def number(self, name):
        """NAME=NUMBER of what the process printed."""
        return float(re.search(rf"\b{name}=([0-9.]+)", self.out).group(1))


class Doge:
    """A command line of `doge run`; runs carry the report, for numbers of events and attempts."""

    def __init__(self, model_path, *options):
        self.command = [DOGE, "run", model_path, "--quiet", *map(str, options)]

    def run(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "report.json")
            run = Run(self.command + ["--report", path])
            with open(path) as file:
                run.report = json.load(file)
        return run


class Program:
    """Any other command."""

    def __init__(self, *command):
        self.command = list(map(str, command))

    def run(self):
        return Run(self.command)


def in_turn(runs, *programs):
    """Runs all in turn, `runs` times, after one round that does not count. One list for each."""
    results = [[] for _ in programs]
    for number in range(runs + 1):
        for program, kept in zip(programs, results):
            run = program.run()
            if number > 0:
                kept.append(run)
    return results


def spread(values):
    return {"min": min(values), "median": statistics.median(values), "max": max(values), "all": values}


class Case:
    """Figures of one case, collected while it runs."""

    def __init__(self, options):
        self.runs = options.runs
        self.quick = options.quick
        self.figures = []

    def size(self, count, least=1):
        return max(count // 10, least) if self.quick else count

    def add(self, name, unit, values, limit=None, at_least=None, goal=None):
        """A figure; its median is judged by the limit. Sizes of --quick judge nothing."""
        values = [values] if isinstance(values, (int, float)) else list(values)
        figure = {"figure": name, "unit": unit, **spread(values)}
        if limit is not None:
            figure.update(limit=f"<= {limit:g}", ok=figure["median"] <= limit)
        if at_least is not None:
            figure.update(limit=f">= {at_least:g}", ok=figure["median"] >= at_least)
        if goal is not None:
            figure["limit"] += f" (goal {goal:g})"
        if self.quick:
            figure.pop("ok", None)
        self.figures.append(figure)

    def ratio(self, name, above, below, of, **limits):
        """Of two lists of runs in turn: the ratio of medians, and of each pair."""
        a, b = [of(r) for r in above], [of(r) for r in below]
        medians = statistics.median(a) / statistics.median(b)
        self.add(name + ", ratio of medians", "", medians, **limits)
        self.add(name + ", ratio of pairs", "", [x / y for x, y in zip(a, b)])
        self.add(name + ", ratio of best", "", min(a) / min(b))


def cpu(run):
    return run.cpu


def wall(run):
    return run.wall


def per_event(run):
    return run.cpu * 1e9 / run.report["total_events"]


def per_attempt(run):
    return run.cpu * 1e9 / run.report["attempts"]


CASES = {}


def case(function):
    """The name of a case is its function's, its description the first line of the text."""
    CASES[function.__name__.replace("_", "-")] = function
    return function


# Cases ----------------------------------------------------------------------------------------------

NULL = ("--to", "null")
JSONL = ("--to", "jsonl:/dev/null")
CSV = ("--to", "csv:/dev/null")
ONE = ("--threads", "1")


def bank(c, *options, ticks=1000):
    return Doge(model("bank"), "--count", c.size(1_000_000), "--ticks", ticks, *options)


@case
def bank_jsonl(c):
    """The banking model, one thread, JSON lines to /dev/null, against the hand-written program."""
    floor = Program(FLOOR, "window", c.size(1_000_000), 1000)
    a, b = in_turn(c.runs, bank(c, *ONE, *JSONL), floor)
    c.add("doge, cpu", "s", map(cpu, a))
    c.add("hand-written, cpu", "s", map(cpu, b))
    c.add("doge", "ns/event", map(per_event, a))
    c.add("hand-written", "ns/event", [r.cpu * 1e9 / r.number("events") for r in b])
    c.ratio("doge / hand-written, cpu", a, b, cpu, limit=1.0, goal=0.85)
    c.ratio("doge / hand-written, wall", a, b, wall)


@case
def bank_sinks(c):
    """The banking model into nothing, JSON lines and CSV, and as typed columns; one thread."""
    columns = Program(os.path.join(EXAMPLES, "columns"), model("bank"), c.size(1_000_000), 1000)
    null, jsonl, csv, cols = in_turn(
        c.runs, bank(c, *ONE, *NULL), bank(c, *ONE, *JSONL), bank(c, *ONE, *CSV), columns
    )
    for name, runs in (("null", null), ("JSON lines", jsonl), ("CSV", csv)):
        c.add(name, "ns/event", map(per_event, runs))
    c.add("typed columns", "ns/event", [r.cpu * 1e9 / r.number("events") for r in cols])
    c.add("typed columns, making columns alone", "ns/event", [r.number("of_it_columns") for r in cols])
    c.ratio("typed columns / JSON lines, cpu", cols, jsonl, cpu)


@case
def two_threads(c):
    """Two threads against one, wall time: needs two cores that nothing else uses."""
    one, two = in_turn(c.runs, bank(c, *ONE, *JSONL), bank(c, "--threads", 2, *JSONL))
    c.add("1 thread, wall", "s", map(wall, one))
    c.add("2 threads, wall", "s", map(wall, two))
    c.ratio("1 thread / 2 threads, wall", one, two, wall, at_least=1.7)
    c.ratio("2 threads / 1 thread, cpu", two, one, cpu)


@case
def more_threads_than_cores(c):
    """Two and four times as many threads as cores against as many, wall time."""
    cores = len(os.sched_getaffinity(0))
    counts = [cores, 2 * cores, 4 * cores]
    results = in_turn(c.runs, *(bank(c, "--threads", n, *JSONL) for n in counts))
    for count, runs in zip(counts[1:], results[1:]):
        c.ratio(f"{count} threads / {cores}, wall", runs, results[0], wall, limit=1.1)


@case
def record(c):
    """A record of strings, doubles, timestamps and nested fields."""
    of = lambda *to: Doge(model("record"), "--count", c.size(100_000), *ONE, *to)
    columns = Program(os.path.join(EXAMPLES, "columns"), model("record"), c.size(100_000))
    null, jsonl, csv, cols = in_turn(c.runs, of(*NULL), of(*JSONL), of(*CSV), columns)
    for name, runs in (("null", null), ("JSON lines", jsonl), ("CSV", csv)):
        c.add(name, "ns/event", map(per_event, runs))
    c.add("typed columns", "ns/event", [r.cpu * 1e9 / r.number("events") for r in cols])
    size = jsonl[0].report["outputs"][0]["bytes"] / jsonl[0].report["total_events"]
    c.add("JSON lines, size", "bytes/event", size)


@case
def memory_per_subject(c):
    """Peak memory of 10 M subjects less that of 1 M, for each subject between."""
    few, many = c.size(1_000_000), c.size(10_000_000)
    of = lambda count: Doge(model("bank"), "--count", count, "--ticks", 1000, *ONE, *JSONL)
    small, large = in_turn(min(c.runs, 3), of(few), of(many))
    c.add(f"peak at {few:,} subjects", "MB", [r.rss / 1e6 for r in small])
    c.add(f"peak at {many:,} subjects", "MB", [r.rss / 1e6 for r in large])
    growth = [(b.rss - a.rss) / (many - few) for a, b in zip(small, large)]
    c.add("growth", "bytes/subject", growth)
    # What a run takes all in, of which the buffers are shared by all its subjects.
    c.add("all in", "bytes/subject", [r.rss / many for r in large], limit=48)
    c.add(f"{many:,} subjects, JSON lines", "ns/event", map(per_event, large))


@case
def memory_many(c):
    """100 M subjects, 50 ticks, into nothing, as many threads as cores."""
    count = c.size(100_000_000)
    (runs,) = in_turn(min(c.runs, 2), Doge(model("bank"), "--count", count, "--ticks", 50, *NULL))
    c.add(f"{count:,} subjects, peak", "GB", [r.rss / 1e9 for r in runs], limit=5)
    c.add("all in", "bytes/subject", [r.rss / count for r in runs])
    c.add("wall", "s", map(wall, runs))
    c.add("cpu", "ns/subject", [r.cpu * 1e9 / count for r in runs])


@case
def memory_length(c):
    """Peak memory of runs of 1,000, 10,000 and 100,000 ticks."""
    lengths = (1_000, 10_000, c.size(100_000))
    of = lambda ticks: Doge(model("bank"), "--count", c.size(100_000), "--ticks", ticks, *ONE, *JSONL)
    results = in_turn(min(c.runs, 3), *map(of, lengths))
    for ticks, runs in zip(lengths, results):
        c.add(f"{ticks:,} ticks, peak", "MB", [r.rss / 1e6 for r in runs])
    growth = statistics.median(r.rss for r in results[-1]) / statistics.median(r.rss for r in results[0])
    c.add("longest / shortest, peak", "", growth, limit=1.05)


@case
def sparse(c):
    """10 M subjects, 1 M ticks, an attempt once in a million."""
    of = lambda *to: Doge(model("sparse"), "--count", c.size(10_000_000), *ONE, *to)
    null, jsonl = in_turn(min(c.runs, 5), of(*NULL), of(*JSONL))
    c.add("null", "ns/attempt", map(per_attempt, null), limit=200)
    c.add("JSON lines", "ns/attempt", map(per_attempt, jsonl), limit=200)


@case
def rare(c):
    """1,000 subjects over 10^10 ticks, an attempt once in 10^12."""
    (runs,) = in_turn(c.runs, Doge(model("rare"), *ONE, *JSONL))
    c.add("wall", "ms", [r.wall * 1e3 for r in runs], limit=100)
    c.add("events", "", runs[0].report["total_events"])


@case
def dense(c):
    """An attempt by everyone in every tick, against the bank: ns an event."""
    a, b = in_turn(
        c.runs, Doge(model("dense"), "--count", c.size(1_000_000), *ONE, *JSONL), bank(c, *ONE, *JSONL)
    )
    c.add("dense", "ns/event", map(per_event, a))
    c.add("bank", "ns/event", map(per_event, b))
    c.ratio("dense / bank, ns an event", a, b, per_event, limit=1.0)


@case
def strings(c):
    """Strings that change in attributes, heavy expressions, four events an attempt."""
    of = lambda *to: Doge(model("strings"), "--count", c.size(100_000), *ONE, *to)
    null, jsonl = in_turn(c.runs, of("--to", "null"), of("--to", "jsonl:/dev/null"))
    for name, runs in (("null", null), ("JSON lines", jsonl)):
        c.add(name, "ns/event", map(per_event, runs))
        c.add(name, "ns/attempt", map(per_attempt, runs))


@case
def one_subject(c):
    """One subject of 100 M, alone."""
    count = c.size(100_000_000)
    one = Doge(model("bank"), "--count", count, "--subjects", count - 1, *ONE, *JSONL)
    runs, start = in_turn(c.runs, one, Program(DOGE, "--version"))
    c.add("wall", "ms", [r.wall * 1e3 for r in runs], limit=10)
    c.add("doge --version, wall", "ms", [r.wall * 1e3 for r in start])


@case
def sqlite(c):
    """Rows a second of the sqlite sink against a bare loop in one transaction."""
    rows = Program(os.path.join(EXAMPLES, "sqlite_rows"), c.size(1_000_000))
    (runs,) = in_turn(min(c.runs, 3), rows)
    find = lambda pattern: [float(re.search(pattern, r.out).group(1)) for r in runs]
    c.add("bare loop", "1000 rows/s", find(r"bare loop +([0-9.]+)"))
    c.add("sink", "1000 rows/s", find(r"sink +([0-9.]+)"))
    c.add("sink / bare loop", "", find(r"ratio ([0-9.]+)"), at_least=0.8)
    c.add("sink, a commit per 100,000", "1000 rows/s", find(r"100,000 +([0-9.]+)"))


@case
def start_up(c):
    """The banking example: checked, run for one tick, run whole into its files and database."""
    path = os.path.join(ROOT, "examples", "banking", "model.yaml")
    with tempfile.TemporaryDirectory() as folder:
        # The example writes below the working directory.
        os.chdir(folder)
        check = Program(DOGE, "check", path)
        tick = Doge(path, "--ticks", 1, *NULL)
        whole = Doge(path)
        results = in_turn(c.runs, check, tick, whole, Program(DOGE, "--version"))
        os.chdir(ROOT)
    for name, runs in zip(("check", "one tick, null", "whole", "doge --version"), results):
        c.add(name + ", wall", "ms", [r.wall * 1e3 for r in runs])


# By type of the result: what the same record costs without the operation.
BASES = {"int": "a", "double": "x", "bool": "p", "string": "s", "timestamp": "at", "duration": "d"}
OPERATIONS = [
    ("int", "a + b"),
    ("int", "a * b"),
    ("int", "a / 7"),
    ("int", "a % 7"),
    ("bool", "a < b"),
    ("int", "a < b ? a : b"),
    ("int", "min(a, b)"),
    ("int", "abs(a)"),
    ("int", "clamp(a, 0, 100)"),
    ("double", "x + y"),
    ("double", "x * y"),
    ("double", "x / y"),
    ("bool", "x < y"),
    ("double", "double(a)"),
    ("int", "int(x)"),
    ("double", "floor(x)"),
    ("double", "round(x)"),
    ("double", "round(x, 2)"),
    ("bool", "p && a < b"),
    ("bool", "!p"),
    ("bool", "s == t"),
    ("bool", "s in ['free', 'pro']"),
    ("bool", "s.startsWith('user')"),
    ("bool", "s.contains('r 1')"),
    ("bool", "s.matches('^user [0-9]+$')"),
    ("int", "s.size()"),
    ("string", "s + t"),
    ("bool", "string(a) == t"),
    ("string", "string(x)"),
    ("string", "string(timestamp)"),
    ("string", "['a', 'b', 'c'][id % 3]"),
    ("timestamp", "at + d"),
    ("duration", "timestamp - at"),
    ("int", "timestamp.getHours()"),
    ("int", "timestamp.getHours('Europe/Warsaw')"),
    ("int", "unix_ms(at)"),
    ("timestamp", "coalesce(maybe, at)"),
    ("int", "uniform(0, 999)"),
    ("double", "uniform(0.0, 1.0)"),
    ("bool", "chance(0.5)"),
    ("double", "normal(0, 1)"),
    ("double", "lognormal(1.0, 0.5)"),
    ("double", "exponential(1.0)"),
    ("double", "pareto(1.0, 2.0)"),
    ("int", "poisson(3.0)"),
    ("int", "poisson(300.0)"),
    ("int", "zipf(1000, 1.1)"),
    ("string", "choice(['a', 'b', 'c'])"),
    ("string", "weighted({'a': 70, 'b': 20, 'c': 10})"),
    ("string", "uuid()"),
]


@case
def operations(c):
    """What each frequently used operation costs: a record with it eight times less one without."""
    with open(model("operation.template")) as file:
        template = file.read()
    runs = min(c.runs, 5)
    with tempfile.TemporaryDirectory() as folder:

        def of(expression):
            path = os.path.join(folder, f"{len(os.listdir(folder))}.yaml")
            with open(path, "w") as file:
                file.write(template.replace("EXPRESSION\n", json.dumps(expression) + "\n"))
            return Doge(path, "--count", c.size(100_000), *ONE, *NULL)

        bases = {ty: of(base) for ty, base in BASES.items()}
        for ty, expression in OPERATIONS:
            with_it, without = in_turn(runs, of(expression), bases[ty])
            costs = [(per_event(a) - per_event(b)) / 8 for a, b in zip(with_it, without)]
            c.add(f"`{expression}`", "ns", costs)


@case
def seed_library(c):
    """The Python library that came first, the same model (installs it from PyPI the first time)."""
    script = Program(os.path.join(HERE, "seed-library", "run.sh"), c.size(10_000), 1000)
    (runs,) = in_turn(min(c.runs, 3), script)
    c.add("events", "1/s", [r.number("events_per_second") for r in runs])
    c.add("one event", "us", [1e6 / r.number("events_per_second") for r in runs])


def with_servers(name, *options):
    """An example that measures a destination: built with its feature, beside the servers that
    `cargo xtask services env` names."""
    command = [CARGO, "build", "--release", "-p", "doge-datagen", "--features", name.split("_")[0], "--example", name]
    subprocess.run(command, cwd=ROOT, check=True)
    return Program(os.path.join(EXAMPLES, name), *options)


def servers_are_there(*names):
    missing = [n for n in names if n not in os.environ]
    if missing:
        print(f'left out: {", ".join(missing)} not set: cargo xtask services up; eval "$(cargo xtask services env)"')
    return not missing


@case
def kafka(c):
    """Messages a second into a topic against a bare rdkafka loop with the same bytes and transactions."""
    if servers_are_there("DOGE_TEST_KAFKA"):
        run = with_servers("kafka_rows", c.size(1_000_000), 5).run()
        loop, ours, ratio = map(float, re.search(r"median: loop (\d+), run (\d+) messages/s: ([0-9.]+)", run.out).groups())
        c.add("bare loop", "messages/s", loop)
        c.add("doge", "messages/s", ours)
        c.add("doge / bare loop", "", ratio, at_least=0.8)


@case
def postgres(c):
    """Rows a second into a table against psql's \\copy of the same rows from a prepared file."""
    if servers_are_there("DOGE_TEST_POSTGRES"):
        run = with_servers("postgres_rows", c.size(500_000), 5).run()
        for name in ("sink", r"\\copy, text", r"\\copy, binary"):
            c.add(name.replace("\\\\", "\\"), "1000 rows/s", float(re.search(name + r" +([0-9.]+)", run.out).group(1)))
        text, binary = map(float, re.search(r"to text ([0-9.]+), to binary ([0-9.]+)", run.out).groups())
        c.add("sink / \\copy of text", "", text, at_least=0.8)
        c.add("sink / \\copy of binary", "", binary)


@case
def parquet(c):
    """Rows a second into a Parquet file against arrow's writer fed from memory."""
    run = with_servers("parquet_rows", c.size(2_000_000)).run()
    bare = float(re.search(r"from memory +([0-9.]+)", run.out).group(1))
    sink, ratio = map(float, re.search(r"the sink +([0-9.]+) thousand rows/s, ratio ([0-9.]+)", run.out).groups())
    c.add("arrow's writer", "1000 rows/s", bare)
    c.add("sink", "1000 rows/s", sink)
    c.add("sink / arrow's writer", "", ratio, at_least=0.8)


@case
def seed_library_servers(c):
    """The Python library with its Kafka Avro and Postgres sinks against doge with the same model and servers."""
    if servers_are_there("DOGE_TEST_KAFKA", "DOGE_TEST_REGISTRY", "DOGE_TEST_POSTGRES"):
        subprocess.run([CARGO, "build", "--release", "-p", "doge-cli", "--features", "full"], cwd=ROOT, check=True)
        os.environ["SCRIPT"] = "servers.py"
        script = Program(os.path.join(HERE, "seed-library", "run.sh"), c.size(10_000), 1000)
        # A hundred times as many subjects, or there would be nothing to measure.
        ours = Doge(model("servers"), "--count", c.size(1_000_000))
        theirs = [r.number("events_per_second") for r in in_turn(1, script)[0]]
        runs = in_turn(min(c.runs, 3), ours)[0]
        c.add("library", "events/s", theirs)
        c.add("doge", "events/s", [r.report["total_events"] / r.wall for r in runs])
        c.add("doge / library", "", statistics.median(r.report["total_events"] / r.wall for r in runs) / statistics.median(theirs))


# The machine, and results ---------------------------------------------------------------------------


def output(*command):
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine():
    cpu_model = "unknown"
    memory = 0
    with open("/proc/cpuinfo") as file:
        names = dict(line.split(":", 1) for line in file if ":" in line)
        names = {k.strip(): v.strip() for k, v in names.items()}
        cpu_model = names.get("model name", names.get("CPU part", cpu_model))
        if names.get("model"):
            cpu_model += f" (family {names.get('cpu family')}, model {names['model']})"
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) * 1024
    pages = "unknown"
    if os.path.exists("/sys/kernel/mm/transparent_hugepage/enabled"):
        with open("/sys/kernel/mm/transparent_hugepage/enabled") as file:
            pages = re.search(r"\[(\w+)\]", file.read()).group(1)
    return {
        "cpu": cpu_model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e9, 1),
        "huge_pages": pages,
        "kernel": platform.release(),
        "load_before": [round(x, 2) for x in os.getloadavg()],
        "rustc": output("rustc", "--version"),
        "python": platform.python_version(),
        "commit": output("git", "rev-parse", "--short=12", "HEAD"),
        "changed_files": bool(output("git", "status", "--porcelain", "--untracked-files=no")),
    }


def build():
    commands = [
        ([CARGO, "build", "--release"], ROOT),
        ([CARGO, "build", "--release", "--locked"], os.path.join(HERE, "handwritten")),
        (
            [CARGO, "build", "--release", "-p", "doge-datagen", "--example", "columns", "--example", "sqlite_rows"],
            ROOT,
        ),
    ]
    for command, folder in commands:
        print("+", shlex.join(command), file=sys.stderr)
        if subprocess.run(command, cwd=folder).returncode != 0:
            sys.exit(f"could not build: {shlex.join(command)} in {folder}")


def short(value):
    """Four figures; large numbers whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def line(name, figure):
    values = [short(figure[k]) for k in ("median", "min", "max")]
    verdict = {True: "yes", False: "**no**", None: ""}[figure.get("ok")]
    return [name, figure["figure"], *values, figure["unit"], figure.get("limit", ""), verdict]


HEADS = ["case", "figure", "median", "min", "max", "unit", "limit", "kept"]


def markdown(results):
    m = results["machine"]
    text = [
        f"# {results['date']}",
        "",
        f"{m['cpu']}, {m['cores']} cores, {m['memory_gb']} GB, huge pages: {m['huge_pages']}, Linux {m['kernel']};"
        f" {m['rustc']}; commit {m['commit']}{' with changes' if m['changed_files'] else ''}.",
        "",
        f"Load average before: {', '.join(map(str, m['load_before']))}. {results['runs']} runs of each, in turn"
        f"{'; sizes of --quick, which say nothing' if results['quick'] else ''}.",
        "",
        "| " + " | ".join(HEADS) + " |",
        "|---|---|---:|---:|---:|---|---|---|",
    ]
    for name, figures in results["cases"].items():
        for figure in figures:
            cells = [cell.replace("|", "\\|") for cell in line(name, figure)]
            text.append("| " + " | ".join(cells) + " |")
    return "\n".join(text) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--only", action="append", metavar="NAME", help="this case (repeatable); all that begin so")
    parser.add_argument("--skip", action="append", default=[], metavar="NAME", help="not this case (repeatable)")
    parser.add_argument("--runs", type=int, metavar="N", help="runs of each command (10)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the size, 2 runs")
    parser.add_argument("--no-build", action="store_true", help="measure what is built")
    parser.add_argument("--results", metavar="DIR", default=os.path.join(HERE, "results"))
    options = parser.parse_args()
    if options.list:
        for name, function in CASES.items():
            print(f"{name:26}{function.__doc__}")
        return
    names = [n for n in CASES if not options.only or any(n.startswith(o) for o in options.only)]
    names = [n for n in names if n not in options.skip]
    if not names:
        sys.exit("no case has that name; --list names them")
    options.runs = options.runs or (2 if options.quick else 10)
    if not options.no_build:
        build()
    date = datetime.datetime.now(datetime.timezone.utc)
    results = {
        "date": date.strftime("%Y-%m-%d %H:%M UTC"),
        "machine": machine(),
        "runs": options.runs,
        "quick": options.quick,
        "cases": {},
    }
    if results["machine"]["load_before"][0] > 0.5:
        print(f"warning: the machine is busy (load {results['machine']['load_before'][0]})", file=sys.stderr)
    slug = re.sub(r"[^a-z0-9]+", "-", results["machine"]["cpu"].split("(")[0].lower()).strip("-")
    stem = f"{date.strftime('%Y-%m-%d')}-{slug}-{results['machine']['cores']}"
    stem += "-quick" if options.quick else ""
    stem += "-" + "-".join(options.only) if options.only else ""
    os.makedirs(options.results, exist_ok=True)
    path = os.path.join(os.path.abspath(options.results), stem)
    kept = True
    for name in names:
        print(f"{name}: {CASES[name].__doc__}", flush=True)
        c = Case(options)
        CASES[name](c)
        results["cases"][name] = c.figures
        for figure in c.figures:
            _, what, median, low, high, unit, limit, verdict = line(name, figure)
            print(f"  {what:46} {median:>10} {unit:14} [{low} .. {high}]  {limit} {verdict}".rstrip(), flush=True)
            kept &= figure.get("ok", True)
        # After each case, so that what was measured is not lost.
        with open(path + ".json", "w") as file:
            json.dump(results, file, indent=1)
        with open(path + ".md", "w") as file:
            file.write(markdown(results))
    verdict = "all limits kept" if kept else "not all limits kept"
    print(f"written to {path}.json and .md; {'sizes of --quick judge nothing' if options.quick else verdict}")


if __name__ == "__main__":
    main()
