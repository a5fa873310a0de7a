"""Compares what a run that was ended again and again has left with what an undisturbed run writes.

Arguments: the folder of both. The environment says where the servers are. Exits with 1 and a line for
each difference."""

import datetime
import glob
import json
import os
import sqlite3
import sys
from collections import Counter

folder = sys.argv[1]
name = os.environ["SOAK_NAME"]
problems = []


def expected(event):
    with open(f"{folder}/expected/{event}.jsonl", newline="\n") as file:
        return [json.loads(line) for line in file]


def differ(what, want, got):
    """Both lists must hold the same events, in the same order."""
    if want == got:
        return
    ids = Counter(row["event_id"] for row in got)
    twice = [i for i, n in ids.items() if n > 1]
    lost = [row["event_id"] for row in want if row["event_id"] not in ids]
    extra = set(ids) - {row["event_id"] for row in want}
    problems.append(
        f"{what}: {len(want)} events wanted, {len(got)} there; {len(lost)} lost {lost[:3]}, "
        f"{len(twice)} more than once {twice[:3]}, {len(extra)} of no run {sorted(extra)[:3]}"
    )
    if not lost and not twice and not extra:
        at = next(i for i, (a, b) in enumerate(zip(want, got)) if a != b)
        problems.append(f"{what}: event {at} differs: wanted {want[at]}, there {got[at]}")


def text(instant):
    """An instant as events write it."""
    utc = instant.astimezone(datetime.timezone.utc)
    return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03}Z"


def kafka():
    from confluent_kafka import Consumer, TopicPartition

    topic = f"{name}_click"
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ["DOGE_TEST_KAFKA"],
            "group.id": f"{name}_check",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    numbers = consumer.list_topics(topic, timeout=30).topics[topic].partitions.keys()
    consumer.assign([TopicPartition(topic, p, 0) for p in numbers])
    rows = {p: [] for p in numbers}
    open_ones = set(numbers)
    while open_ones:
        message = consumer.poll(30)
        if message is None:
            problems.append(f"kafka: partitions {open_ones} come to no end")
            return
        error = message.error()
        if error is not None:
            if error.code() == -191:  # the end of a partition
                open_ones.discard(message.partition())
                continue
            problems.append(f"kafka: {error}")
            return
        rows[message.partition()].append((message.key(), json.loads(message.value())))
    consumer.close()
    want = expected("click")
    place = {row["event_id"]: i for i, row in enumerate(want)}
    of_user = {}
    for partition, list_ in rows.items():
        order = [place.get(row["event_id"], -1) for _, row in list_]
        if order != sorted(order):
            problems.append(f"kafka: partition {partition} is not in order")
        for key, row in list_:
            if key != row["user_id"].encode():
                problems.append(f"kafka: the key of {row['event_id']} is {key}")
            if of_user.setdefault(row["user_id"], partition) != partition:
                problems.append(f"kafka: user {row['user_id']} is in two partitions")
    got = [row for list_ in rows.values() for _, row in list_]
    differ("kafka", want, sorted(got, key=lambda row: place.get(row["event_id"], -1)))


def postgres():
    import psycopg

    with psycopg.connect(os.environ["DOGE_TEST_POSTGRES"]) as connection:
        rows = connection.execute(f'select event_id, user_id, balance, at from "{name}_balance"')
        got = [
            {"event_id": r[0], "user_id": r[1], "balance": r[2], "at": text(r[3])} for r in rows
        ]
    want = expected("balance")
    place = {row["event_id"]: i for i, row in enumerate(want)}
    differ("postgres", want, sorted(got, key=lambda row: place.get(row["event_id"], -1)))


def sqlite():
    connection = sqlite3.connect(f"file:{folder}/loans.db?mode=ro", uri=True)
    rows = connection.execute("select event_id, user_id, loan, at from loan order by rowid")
    names = ["event_id", "user_id", "loan", "at"]
    differ("sqlite", expected("loan"), [dict(zip(names, row)) for row in rows])


def parts():
    want = expected("trx")
    stale = glob.glob(f"{folder}/**/*.part", recursive=True)
    if stale:
        problems.append(f"files: {stale} are left")
    text_ = b"".join(open(path, "rb").read() for path in sorted(glob.glob(f"{folder}/trx/*.jsonl")))
    if text_ != open(f"{folder}/expected/trx.jsonl", "rb").read():
        differ("jsonl", want, [json.loads(line) for line in text_.splitlines()])
        problems.append("jsonl: the bytes differ")
    import pyarrow.parquet

    got = []
    for path in sorted(glob.glob(f"{folder}/columns/*.parquet")):
        for row in pyarrow.parquet.read_table(path).to_pylist():
            got.append({**row, "timestamp": text(row["timestamp"])})
    differ("parquet", want, got)


for check in (kafka, postgres, sqlite, parts):
    check()
for problem in problems:
    print(problem)
sys.exit(1 if problems else 0)
