//! A replay of the banking model by an independent reader: it knows the model's rules as a person reads
//! them, reads the JSON lines alone, and follows every subject. Nothing of the engine is used to judge.

use super::bytes::bytes;
use doge_datagen::spec::{ModelText, RunSpec};
use serde_json::Value;
use std::collections::BTreeMap;

/// The banking model, telling of every attempt that is made: each transition emits one event that shows
/// what the subject holds before and after. Probabilities are higher, so that there is more to see.
const MODEL: &str = "
seed: 42
clock: { start: 2022-02-11T03:21:48Z, tick: 1m, ticks: 1500 }
subjects:
  user:
    count: 300
    attributes:
      balance: uniform(0, 999)
      loan_balance: 0
      last_payment: 0
      payments: 0
    states:
      offline:
        transitions:
          income:
            probability: 0.1%
            let: { amount: 'uniform(500, 1999)' }
            set: { balance: balance + amount }
            emit: income
          spending:
            probability: 2%
            let: { payment: 'uniform(10, 99)' }
            when: payment <= balance
            set: { balance: balance - payment, last_payment: payment, payments: payments + 1 }
            emit: spending
          login: { to: online, probability: 1%, emit: step }
      online:
        transitions:
          logout: { to: offline, probability: 70%, emit: step }
          open_loan_screen: { to: loan_screen, probability: 30%, emit: step }
      loan_screen:
        transitions:
          close_loan_screen: { to: online, probability: 40%, emit: step }
          take_loan:
            to: online
            probability: 10%
            set: { balance: balance + 10000, loan_balance: loan_balance + 10000 }
            emit: step
events:
  income:
    fields: { id: id, seq: seq, tick: timestamp, trigger: trigger, from: from, to: to, amount: amount,
      before: { balance: old.balance, loan: old.loan_balance, last: old.last_payment, payments: old.payments },
      after: { balance: balance, loan: loan_balance, last: last_payment, payments: payments } }
  spending:
    fields: { id: id, seq: seq, tick: timestamp, trigger: trigger, from: from, to: to, amount: payment,
      before: { balance: old.balance, loan: old.loan_balance, last: old.last_payment, payments: old.payments },
      after: { balance: balance, loan: loan_balance, last: last_payment, payments: payments } }
  step:
    fields: { id: id, seq: seq, tick: timestamp, trigger: trigger, from: from, to: to, amount: 0,
      before: { balance: old.balance, loan: old.loan_balance, last: old.last_payment, payments: old.payments },
      after: { balance: balance, loan: loan_balance, last: last_payment, payments: payments } }
";

/// What the reader knows of a user.
#[derive(Clone, Debug)]
struct User {
    state: String,
    seq: i64,
    time: String,
    holds: Holds,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Holds {
    balance: i64,
    loan: i64,
    last: i64,
    payments: i64,
}

fn int(v: &Value, name: &str) -> i64 {
    v[name].as_i64().unwrap_or_else(|| panic!("{name} in {v}"))
}

fn holds(v: &Value) -> Holds {
    Holds {
        balance: int(v, "balance"),
        loan: int(v, "loan"),
        last: int(v, "last"),
        payments: int(v, "payments"),
    }
}

/// Where a transition may start and where it ends.
fn steps(trigger: &str) -> (&'static str, &'static str, &'static str) {
    match trigger {
        "income" => ("income", "offline", "offline"),
        "spending" => ("spending", "offline", "offline"),
        "login" => ("step", "offline", "online"),
        "logout" => ("step", "online", "offline"),
        "open_loan_screen" => ("step", "online", "loan_screen"),
        "close_loan_screen" => ("step", "loan_screen", "online"),
        "take_loan" => ("step", "loan_screen", "online"),
        other => panic!("no such transition: {other}"),
    }
}

#[test]
fn every_subject_of_the_banking_model() {
    let spec = RunSpec {
        model: ModelText { name: "banking.yaml".into(), text: MODEL.into() },
        threads: Some(1),
        ..RunSpec::default()
    };
    let text = String::from_utf8(bytes(&spec, false)).unwrap();
    let mut users: BTreeMap<i64, User> = BTreeMap::new();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut last_key = (String::new(), -1, -1);
    let mut skipped = 0;
    let mut poorest = i64::MAX;
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let v = &record["value"];
        let (id, seq) = (int(v, "id"), int(v, "seq"));
        let trigger = v["trigger"].as_str().unwrap();
        let time = v["tick"].as_str().unwrap().to_owned();
        assert_eq!(record["timestamp"], v["tick"], "{line}");
        assert_eq!(record["key"], Value::String(id.to_string()), "{line}");
        // In order of time (its text sorts as it does), subject and attempt.
        let key = (time.clone(), id, seq);
        assert!(last_key < key, "out of order: {line}");
        last_key = key;

        let (event, from, to) = steps(trigger);
        assert_eq!(
            (record["event"].as_str(), v["from"].as_str(), v["to"].as_str()),
            (Some(event), Some(from), Some(to)),
            "{line}"
        );
        let (before, after) = (holds(&v["before"]), holds(&v["after"]));
        let fresh = User {
            state: "offline".into(),
            seq: 0,
            time: String::new(),
            holds: Holds { balance: before.balance, loan: 0, last: 0, payments: 0 },
        };
        let user = users.entry(id).or_insert(fresh);
        if user.seq == 0 {
            assert!((0..=999).contains(&before.balance), "an initial balance: {line}");
        }
        // No illegal step, and no lost update.
        assert_eq!(user.state, from, "an illegal step: {line}");
        assert_eq!(user.holds, before, "a lost update: {line}");
        // At most one attempt in an instant.
        assert!(user.time < time, "two attempts in an instant: {line}");
        // Numbers are contiguous but for blocked attempts, which only the guarded transition has, and
        // which are made offline.
        let gap = seq - user.seq - 1;
        assert!(gap == 0 || gap > 0 && from == "offline", "attempts are missing: {line}");
        skipped += gap;
        if gap > 0 {
            assert!(before.balance < 99, "a payment was blocked that could be made: {line}");
        }
        let amount = int(v, "amount");
        let want = match trigger {
            "income" => {
                assert!((500..=1999).contains(&amount), "{line}");
                Holds { balance: before.balance + amount, ..before }
            }
            "spending" => {
                assert!((10..=99).contains(&amount), "{line}");
                assert!(amount <= before.balance, "the guard was not respected: {line}");
                Holds {
                    balance: before.balance - amount,
                    last: amount,
                    payments: before.payments + 1,
                    ..before
                }
            }
            "take_loan" => {
                Holds { balance: before.balance + 10_000, loan: before.loan + 10_000, ..before }
            }
            _ => before,
        };
        assert_eq!(after, want, "{line}");
        poorest = poorest.min(after.balance);
        *seen.entry(trigger.to_owned()).or_default() += 1;
        *user = User { state: to.into(), seq, time, holds: after };
    }
    // All of it was seen: every transition often, blocked attempts too.
    assert_eq!(users.len(), 300);
    assert_eq!(seen.len(), 7, "{seen:?}");
    assert!(seen.values().all(|n| *n > 30), "{seen:?}");
    assert!(
        skipped > 100 && (0..10).contains(&poorest),
        "{skipped} attempts blocked, poorest {poorest}"
    );
}
