"""The banking model in the Python library `doge_datagen` with the sinks that it is known for: clicks to
Kafka as Avro with a schema registry, balances to Postgres.

    python servers.py SUBJECTS TICKS

The model is that of ../models/servers.yaml. The servers are those that `cargo xtask services env` names.
The topic and the table are made anew. The last line is what to compare with.
"""

import datetime
import os
import sys
import time
from dataclasses import dataclass
from random import randrange

import sqlalchemy
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from doge_datagen import DataOnlineGenerator, DbSinkFactory, KafkaAvroSinkFactory, SubjectFactory


@dataclass
class User:
    user_id: int
    balance: int
    loan_balance: int
    last_payment: int

    def __hash__(self):
        return self.user_id


class UserFactory(SubjectFactory):
    def __init__(self):
        self.next_id = 0

    def create(self):
        user = User(self.next_id, randrange(0, 1000), 0, 0)
        self.next_id += 1
        return user


def income(user, _):
    user.balance += randrange(500, 2000)
    return True


def spending(user, _):
    payment = randrange(10, 100)
    if payment > user.balance:
        return False
    user.balance -= payment
    user.last_payment = payment
    return True


def take_loan(user, _):
    user.loan_balance += 10000
    user.balance += 10000
    return True



KEY = '{"type": "record", "name": "key", "fields": [{"name": "key", "type": "string"}]}'
CLICK = """{"type": "record", "name": "click", "fields": [
  {"name": "user_id", "type": "long"}, {"name": "event", "type": "string"},
  {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}"""


def main():
    subjects, ticks = int(sys.argv[1]), int(sys.argv[2])
    kafka = os.environ["DOGE_TEST_KAFKA"]
    database = os.environ["DOGE_TEST_POSTGRES"].replace("postgres://", "postgresql://")
    admin = AdminClient({"bootstrap.servers": kafka})
    name = f"seed_library_{os.getpid()}"
    for future in admin.create_topics([NewTopic(name, 4, 1)]).values():
        future.result()
    engine = sqlalchemy.create_engine(database)
    engine.execute(f"create table {name} (at timestamptz, user_id bigint, balance bigint)")
    clicks = KafkaAvroSinkFactory([kafka], os.environ["DOGE_TEST_REGISTRY"], name).create(
        name,
        lambda user, _: {"key": str(user.user_id)},
        KEY,
        lambda at, user, transition: {"user_id": user.user_id, "event": transition.trigger, "timestamp": at},
        CLICK,
    )
    balances = DbSinkFactory(database).create(
        name,
        lambda at, user, _: {
            "at": datetime.datetime.fromtimestamp(at / 1000, datetime.timezone.utc),
            "user_id": user.user_id,
            "balance": user.balance,
        },
    )
    states = ["offline", "online", "loan_screen"]
    bank = DataOnlineGenerator(states, "offline", UserFactory(), subjects, 60000, ticks, 1644549708000)
    add = bank.add_transition
    add("income", "offline", "offline", 0.01, action_callback=income, event_sinks=[balances])
    add("spending", "offline", "offline", 0.1, action_callback=spending, event_sinks=[balances])
    add("login", "offline", "online", 0.1, event_sinks=[clicks])
    add("logout", "online", "offline", 70, event_sinks=[clicks])
    add("open_loan_screen", "online", "loan_screen", 30, event_sinks=[clicks])
    add("close_loan_screen", "loan_screen", "online", 40, event_sinks=[clicks])
    add("take_loan", "loan_screen", "online", 10, action_callback=take_loan, event_sinks=[clicks, balances])
    begun = time.perf_counter()
    cpu = time.process_time()
    bank.start()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    rows = engine.execute(f"select count(*) from {name}").scalar()
    engine.execute(f"drop table {name}")
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": name})
    marks = [consumer.get_watermark_offsets(TopicPartition(name, p)) for p in range(4)]
    messages = sum(high - low for low, high in marks)
    for future in admin.delete_topics([name]).values():
        future.result()
    print(
        f"python={sys.version.split()[0]} subjects={subjects} ticks={ticks} messages={messages} rows={rows}"
        f" seconds={seconds:.2f} cpu_seconds={cpu:.2f}"
        f" events_per_second={(messages + rows) / seconds:.0f}"
    )


if __name__ == "__main__":
    main()
