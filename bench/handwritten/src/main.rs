//! The banking model written by hand: what a programmer gets who needs this one model, fast, and
//! nothing else. It is the floor that the general engine is measured against.
//!
//! ```text
//! handwritten MODE SUBJECTS TICKS [WINDOW_TICKS] [FILE]
//! ```
//!
//! | mode | what it does |
//! |---|---|
//! | `window` | simulates subject by subject in windows of time, puts the events in order, encodes |
//! | `window-simulate` | the same without encoding; the order goes into a checksum |
//! | `tick` | asks every subject in every tick, as the model's definition reads |
//! | `heap` | takes the next subject from a priority queue |
//!
//! All modes follow the banking model of `bench/models/bank.yaml` in distribution, and write its JSON
//! lines. They do not follow the law's draws (which word decides what), so single events differ from
//! those of `doge`; `window` and `heap` agree with each other byte for byte. Nothing is configurable
//! and nothing is checked: that is the point of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::Write;
use std::time::Instant;

/// Names of the transitions, in the order of the constants below.
const TRIGGERS: [&str; 7] =
    ["income", "spending", "login", "logout", "open_loan_screen", "close_loan_screen", "take_loan"];
const INCOME: u8 = 0;
const SPENDING: u8 = 1;
const LOGIN: u8 = 2;
const LOGOUT: u8 = 3;
const OPEN_LOAN_SCREEN: u8 = 4;
const CLOSE_LOAN_SCREEN: u8 = 5;
const TAKE_LOAN: u8 = 6;

const OFFLINE: u8 = 0;
const ONLINE: u8 = 1;
const LOAN_SCREEN: u8 = 2;

/// Probability in percent that a subject attempts anything in a tick, by state.
const ATTEMPT_PERCENT: [f64; 3] = [0.21, 100.0, 50.0];

const TICK_MS: u64 = 60_000;
/// Bytes that are collected before they are written.
const FLUSH_BYTES: usize = 1 << 20;

/// A bijection of 64-bit words whose output looks random (the finisher of SplitMix64, Steele, Lea and
/// Flood 2014).
#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A counter-based generator: each subject has a key, each draw a number.
struct Draws {
    key: u64,
    count: u32,
}

impl Draws {
    /// The generator of a subject that has drawn `count` times.
    #[inline(always)]
    fn of(subject: usize, count: u32) -> Draws {
        Draws { key: mix(subject as u64 ^ 0x123_4567), count }
    }

    #[inline(always)]
    fn word(&mut self) -> u64 {
        self.count = self.count.wrapping_add(1);
        mix(self.key.wrapping_add(u64::from(self.count).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A double in [0, 1).
    #[inline(always)]
    fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// An integer in [from, to).
    #[inline(always)]
    fn between(&mut self, from: i64, to: i64) -> i64 {
        from + (((self.word() >> 32) * ((to - from) as u64)) >> 32) as i64
    }
}

/// A subject: 32 bytes.
#[derive(Clone, Copy)]
struct User {
    /// The tick of its next attempt.
    next: u32,
    /// How often it has drawn.
    draws: u32,
    balance: i64,
    loan_balance: i64,
    last_payment: i32,
    state: u8,
}

/// What an event needs until it is encoded.
#[derive(Clone, Copy, Default)]
struct Record {
    tick: u32,
    user_id: u32,
    balance: i64,
    loan_balance: i64,
    trigger: u8,
}

/// By state, the factor that turns the logarithm of a uniform into a waiting time; 0 where an attempt
/// is certain.
struct Waits {
    factor: [f64; 3],
}

impl Waits {
    fn new() -> Waits {
        let factor = ATTEMPT_PERCENT.map(|percent| {
            let p = percent / 100.0;
            if p >= 1.0 { 0.0 } else { 1.0 / (1.0 - p).ln() }
        });
        Waits { factor }
    }

    /// Ticks until the next attempt, at least 1: geometric, by inversion.
    #[inline(always)]
    fn draw(&self, state: u8, draws: &mut Draws) -> u32 {
        let factor = self.factor[state as usize];
        if factor == 0.0 {
            return 1;
        }
        let ticks = (1.0 - draws.unit()).ln() * factor;
        if ticks > 4e9 { u32::MAX } else { 1 + ticks as u32 }
    }
}

fn users(count: usize, waits: &Waits) -> Vec<User> {
    (0..count)
        .map(|id| {
            let mut draws = Draws::of(id, 0);
            let balance = draws.between(0, 1000);
            let next = waits.draw(OFFLINE, &mut draws) - 1;
            User { next, draws: draws.count, balance, loan_balance: 0, last_payment: 0, state: OFFLINE }
        })
        .collect()
}

/// One attempt: the transition that is made, or nothing where the payment exceeds the balance.
#[inline(always)]
fn attempt(user: &mut User, draws: &mut Draws) -> Option<u8> {
    let percent = draws.unit() * ATTEMPT_PERCENT[user.state as usize];
    match user.state {
        OFFLINE => {
            if percent < 0.01 {
                user.balance += draws.between(500, 2000);
                Some(INCOME)
            } else if percent < 0.11 {
                let payment = draws.between(10, 100);
                if payment > user.balance {
                    None
                } else {
                    user.balance -= payment;
                    user.last_payment = payment as i32;
                    Some(SPENDING)
                }
            } else {
                user.state = ONLINE;
                Some(LOGIN)
            }
        }
        ONLINE => {
            if percent < 70.0 {
                user.state = OFFLINE;
                Some(LOGOUT)
            } else {
                user.state = LOAN_SCREEN;
                Some(OPEN_LOAN_SCREEN)
            }
        }
        _ => {
            user.state = ONLINE;
            if percent < 40.0 {
                Some(CLOSE_LOAN_SCREEN)
            } else {
                user.loan_balance += 10_000;
                user.balance += 10_000;
                Some(TAKE_LOAN)
            }
        }
    }
}

/// Encodes events and writes them when enough are there.
struct Output {
    file: File,
    bytes: Vec<u8>,
    digits: itoa::Buffer,
    events: u64,
    written: u64,
}

impl Output {
    fn new(path: &str) -> Output {
        Output {
            file: File::create(path).expect("the output file can be made"),
            bytes: Vec::with_capacity(1 << 24),
            digits: itoa::Buffer::new(),
            events: 0,
            written: 0,
        }
    }

    #[inline(always)]
    fn put(&mut self, tick: u32, user_id: usize, balance: i64, loan_balance: i64, trigger: u8) {
        let (out, digits) = (&mut self.bytes, &mut self.digits);
        out.extend_from_slice(b"{\"timestamp\":");
        out.extend_from_slice(digits.format(u64::from(tick) * TICK_MS).as_bytes());
        out.extend_from_slice(b",\"user\":{\"user_id\":");
        out.extend_from_slice(digits.format(user_id).as_bytes());
        out.extend_from_slice(b",\"balance\":");
        out.extend_from_slice(digits.format(balance).as_bytes());
        out.extend_from_slice(b",\"loan_balance\":");
        out.extend_from_slice(digits.format(loan_balance).as_bytes());
        out.extend_from_slice(b"},\"event\":\"");
        out.extend_from_slice(TRIGGERS[trigger as usize].as_bytes());
        out.extend_from_slice(b"\"}\n");
        if out.len() > FLUSH_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.written += self.bytes.len() as u64;
        self.file.write_all(&self.bytes).expect("the output file can be written");
        self.bytes.clear();
    }
}

/// Every subject in every tick.
fn by_tick(users: &mut [User], ticks: u32, out: &mut Output) {
    for tick in 0..ticks {
        for (id, user) in users.iter_mut().enumerate() {
            let mut draws = Draws::of(id, user.draws);
            if draws.unit() * 100.0 < ATTEMPT_PERCENT[user.state as usize]
                && let Some(trigger) = attempt(user, &mut draws)
            {
                out.events += 1;
                out.put(tick, id, user.balance, user.loan_balance, trigger);
            }
            user.draws = draws.count;
        }
    }
}

/// The subject that is due next, from a queue of `tick << 32 | id`.
fn by_heap(users: &mut [User], ticks: u32, waits: &Waits, out: &mut Output) {
    let key = |tick: u32, id: usize| Reverse(u64::from(tick) << 32 | id as u64);
    let mut queue: BinaryHeap<Reverse<u64>> =
        users.iter().enumerate().map(|(id, user)| key(user.next, id)).collect();
    while let Some(mut first) = queue.peek_mut() {
        let (tick, id) = ((first.0 >> 32) as u32, (first.0 & 0xffff_ffff) as usize);
        if tick >= ticks {
            break;
        }
        let user = &mut users[id];
        let mut draws = Draws::of(id, user.draws);
        if let Some(trigger) = attempt(user, &mut draws) {
            out.events += 1;
            out.put(tick, id, user.balance, user.loan_balance, trigger);
        }
        let next = tick.saturating_add(waits.draw(user.state, &mut draws));
        user.draws = draws.count;
        *first = key(next, id);
    }
}

/// Subject by subject through a window of time: a subject's state is read from memory once a window.
/// What happened is put in order by a counting sort of the ticks, which keeps the order of subjects.
/// Returns a checksum of the order where nothing is encoded.
fn by_window(users: &mut [User], ticks: u32, window: u32, waits: &Waits, encode: bool, out: &mut Output) -> u64 {
    let mut happened: Vec<Record> = Vec::new();
    let mut ordered: Vec<Record> = Vec::new();
    let mut checksum = 0u64;
    let mut from = 0;
    while from < ticks {
        let to = (from + window).min(ticks);
        happened.clear();
        for (id, user) in users.iter_mut().enumerate() {
            if user.next >= to {
                continue;
            }
            let mut draws = Draws::of(id, user.draws);
            while user.next < to {
                let tick = user.next;
                if let Some(trigger) = attempt(user, &mut draws) {
                    let User { balance, loan_balance, .. } = *user;
                    happened.push(Record { tick, user_id: id as u32, balance, loan_balance, trigger });
                }
                user.next = tick.saturating_add(waits.draw(user.state, &mut draws));
            }
            user.draws = draws.count;
        }
        out.events += happened.len() as u64;

        // places[k] is where the next record of tick `from + k` goes.
        let mut places = vec![0u32; (to - from) as usize + 1];
        for record in &happened {
            places[(record.tick - from) as usize + 1] += 1;
        }
        for k in 1..places.len() {
            places[k] += places[k - 1];
        }
        ordered.resize(happened.len(), Record::default());
        for record in &happened {
            let place = &mut places[(record.tick - from) as usize];
            ordered[*place as usize] = *record;
            *place += 1;
        }

        if encode {
            for r in &ordered {
                out.put(r.tick, r.user_id as usize, r.balance, r.loan_balance, r.trigger);
            }
        } else {
            for r in &ordered {
                checksum = checksum.wrapping_mul(31).wrapping_add(u64::from(r.user_id));
            }
        }
        from = to;
    }
    checksum
}

fn main() {
    const USAGE: &str =
        "usage: handwritten window|window-simulate|tick|heap SUBJECTS TICKS [WINDOW_TICKS] [FILE]";
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).map(|text: &String| text.parse::<u32>().expect(USAGE));
    let mode = arguments.first().expect(USAGE).as_str();
    let count = number(1).expect(USAGE);
    let ticks = number(2).expect(USAGE);
    let window = number(3).unwrap_or(64).max(1);
    let path = arguments.get(4).map_or("/dev/null", String::as_str);

    let waits = Waits::new();
    let mut users = users(count as usize, &waits);
    let mut out = Output::new(path);
    let start = Instant::now();
    let checksum = match mode {
        "window" => by_window(&mut users, ticks, window, &waits, true, &mut out),
        "window-simulate" => by_window(&mut users, ticks, window, &waits, false, &mut out),
        "tick" => {
            by_tick(&mut users, ticks, &mut out);
            0
        }
        "heap" => {
            by_heap(&mut users, ticks, &waits, &mut out);
            0
        }
        _ => panic!("{USAGE}"),
    };
    out.flush();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{mode} subjects={count} ticks={ticks} events={} seconds={seconds:.3} ns_per_event={:.1} bytes={} checksum={checksum}",
        out.events,
        seconds * 1e9 / out.events as f64,
        out.written,
    );
}
