"""The banking model in the Python library `doge_datagen`, one JSON line an event to /dev/null.

    python bank.py SUBJECTS TICKS [FILE]

The model is that of ../models/bank.yaml: an event for each transition made, logout too. The library
logs to standard error; the last line here is what ../run.py reads.
"""

import sys
import time
from dataclasses import dataclass
from json import dumps
from random import randrange

from doge_datagen import DataOnlineGenerator, EventSink, SubjectFactory


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


class JsonLines(EventSink):
    """The library has no sink for files; this is what its users write."""

    def __init__(self, path):
        self.file = open(path, "w")
        self.events = 0

    def collect(self, timestamp, subject, transition):
        self.events += 1
        event = {
            "timestamp": timestamp,
            "user": {"user_id": subject.user_id, "balance": subject.balance, "loan_balance": subject.loan_balance},
            "event": transition.trigger,
        }
        self.file.write(dumps(event, separators=(",", ":")) + "\n")

    def close(self):
        self.file.close()


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


def main():
    subjects, ticks = int(sys.argv[1]), int(sys.argv[2])
    sink = JsonLines(sys.argv[3] if len(sys.argv) > 3 else "/dev/null")
    states = ["offline", "online", "loan_screen"]
    bank = DataOnlineGenerator(states, "offline", UserFactory(), subjects, 60000, ticks)
    to = [sink]
    bank.add_transition("income", "offline", "offline", 0.01, action_callback=income, event_sinks=to)
    bank.add_transition("spending", "offline", "offline", 0.1, action_callback=spending, event_sinks=to)
    bank.add_transition("login", "offline", "online", 0.1, event_sinks=to)
    bank.add_transition("logout", "online", "offline", 70, event_sinks=to)
    bank.add_transition("open_loan_screen", "online", "loan_screen", 30, event_sinks=to)
    bank.add_transition("close_loan_screen", "loan_screen", "online", 40, event_sinks=to)
    bank.add_transition("take_loan", "loan_screen", "online", 10, action_callback=take_loan, event_sinks=to)
    begun = time.perf_counter()
    cpu = time.process_time()
    bank.start()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(
        f"python={sys.version.split()[0]} subjects={subjects} ticks={ticks} events={sink.events}"
        f" seconds={seconds:.2f} cpu_seconds={cpu:.2f} events_per_second={sink.events / cpu:.0f}"
    )


if __name__ == "__main__":
    main()
