//! Whether words that differ in one part of their key are independent: neighbouring subjects, steps,
//! sites, words of a call, seeds and populations.
//!
//! A bounded version of what a battery such as PractRand does; it looks where the structure of the
//! keys would show, if anywhere. `docs/reference/law.md` says what the battery itself finds.

use doge_core::dist::{Call, Uuid};
use doge_core::draw::{ScopeKey, call_site, site};

use super::ALPHA;
use super::stats::{normal_p, poisson_p, uniform_p};

/// A stream of words: the word at a place of a sequence in which one part of the key changes.
type Stream = Box<dyn Fn(u64) -> u64>;

/// The streams: every part of a key, from 0 on, at large values and in strides.
fn streams() -> Vec<(&'static str, Stream)> {
    let scope = ScopeKey::population(42, "user");
    let path = ["shop", "buy", "let", "price"];
    let at = call_site(&path, 0);
    let one = scope.subject(17);
    vec![
        ("subjects", Box::new(move |i| scope.subject(i).step(1).word(at))),
        (
            "subjects from 2^63 down",
            Box::new(move |i| scope.subject((1 << 63) - 1 - i).step(1).word(at)),
        ),
        ("every 2^24th subject", Box::new(move |i| scope.subject(i << 24).step(1).word(at))),
        ("creations", Box::new(move |i| scope.subject(i).step(0).word(at))),
        ("steps", Box::new(move |i| one.step(i).word(at))),
        ("steps of subject 0", Box::new(move |i| scope.subject(0).step(i).word(at))),
        ("words", Box::new(move |i| one.step(3).nth(at, i))),
        ("ordinals", Box::new(move |i| one.step(3).word(call_site(&path, i as u32)))),
        (
            "names",
            Box::new(move |i| one.step(3).word(site(&["shop", &format!("t{i}"), "when", "0"]))),
        ),
        ("seeds", Box::new(move |i| ScopeKey::population(i, "user").subject(0).step(1).word(at))),
        (
            "populations",
            Box::new(move |i| {
                ScopeKey::population(42, &format!("p{i}")).subject(0).step(1).word(at)
            }),
        ),
        ("subject = step", Box::new(move |i| scope.subject(i).step(i).word(at))),
        (
            "subject + step constant",
            Box::new(move |i| scope.subject(i).step((1 << 20) - i).word(at)),
        ),
        (
            "subject, step, site, word in turn",
            Box::new(move |i| {
                scope
                    .subject(i >> 6)
                    .step(i >> 4 & 3)
                    .nth(call_site(&path, (i >> 1 & 7) as u32), i & 1)
            }),
        ),
    ]
}

/// How often each of 64 bits was set, counted for all bits at once: plane `p` holds bit `p` of the
/// 64 counts.
#[derive(Clone, Default)]
struct BitCounts([u64; 24]);

impl BitCounts {
    fn add(&mut self, mut carry: u64) {
        for plane in &mut self.0 {
            if carry == 0 {
                break;
            }
            (*plane, carry) = (*plane ^ carry, *plane & carry);
        }
    }

    fn count(&self, bit: u32) -> u64 {
        self.0.iter().enumerate().map(|(p, plane)| (plane >> bit & 1) << p).sum()
    }

    /// Asserts that no count is too far from half of `n`; `of` comparisons are made in all.
    fn assert_half(&self, n: u64, of: f64, what: &dyn std::fmt::Display) {
        for bit in 0..64 {
            let z = (self.count(bit) as f64 - n as f64 / 2.0) / (n as f64 / 4.0).sqrt();
            assert!(
                normal_p(z) > ALPHA / of,
                "{what}: bit {bit} is off by {z} standard deviations"
            );
        }
    }
}

/// Power: a bit that is set with a probability of 0.5 + 0.0122 is found with 99.9%.
#[test]
fn bits_are_balanced() {
    const N: u64 = 1 << 17;
    for (name, stream) in
        streams().into_iter().filter(|(name, _)| !matches!(*name, "names" | "populations"))
    {
        let mut counts = BitCounts::default();
        (0..N).for_each(|i| counts.add(stream(i)));
        counts.assert_half(N, 64.0, &name);
    }
}

/// Each bit of a word against each bit of the next in the stream. Power: a correlation of 0.077
/// between any two bits is found with 99.9%.
#[test]
fn no_bit_follows_a_bit_of_the_word_before() {
    const N: u64 = 1 << 14;
    for (name, stream) in streams() {
        let mut counts = vec![BitCounts::default(); 64];
        let mut before = stream(N);
        for i in 0..N {
            let now = stream(i);
            for (turn, count) in counts.iter_mut().enumerate() {
                count.add(now ^ before.rotate_left(turn as u32));
            }
            before = now;
        }
        for (turn, count) in counts.iter().enumerate() {
            count.assert_half(N, 4096.0, &format!("{name}, turned by {turn}"));
        }
    }
}

/// The highest and the lowest four bits of a word against those of the next, of the one after and of
/// the 64th: 256 cells. Power: cells off by 6.1% (root of the mean square) are found with 99.9%.
#[test]
fn pairs_of_words_fall_everywhere_alike() {
    const N: u64 = 1 << 16;
    for (name, stream) in streams() {
        let words: Vec<u64> = (0..N + 64).map(&stream).collect();
        for lag in [1, 2, 64] {
            let mut counts = [[0_u64; 256]; 4];
            for (a, b) in words.iter().zip(&words[lag..]).take(N as usize) {
                for (low_a, low_b, table) in
                    [(false, false, 0), (true, true, 1), (false, true, 2), (true, false, 3)]
                {
                    let part = |w: u64, low: bool| (if low { w & 15 } else { w >> 60 }) as usize;
                    counts[table][part(*a, low_a) << 4 | part(*b, low_b)] += 1;
                }
            }
            for (table, counts) in counts.iter().enumerate() {
                let p = uniform_p(counts);
                assert!(p > ALPHA, "{name}, lag {lag}, table {table}: p = {p}");
            }
        }
    }
}

/// Bytes, at each of the eight places. Power: a byte's probabilities off by 4.3% (root of the mean
/// square) are found with 99.9%.
#[test]
fn bytes_are_even() {
    const N: u64 = 1 << 17;
    for (name, stream) in
        streams().into_iter().filter(|(name, _)| !matches!(*name, "names" | "populations"))
    {
        let mut counts = [[0_u64; 256]; 8];
        for i in 0..N {
            for (table, byte) in counts.iter_mut().zip(stream(i).to_le_bytes()) {
                table[usize::from(byte)] += 1;
            }
        }
        for (place, table) in counts.iter().enumerate() {
            let p = uniform_p(table);
            assert!(p > ALPHA, "{name}, byte {place}: p = {p}");
        }
    }
}

/// A change of one bit of the id, the step or the seed changes each bit of the word with a probability
/// of one half. Power: a probability off by 0.075 for any of 4096 pairs of bits is found with 99.9%.
#[test]
fn a_changed_bit_of_the_key_changes_every_bit_alike() {
    const N: u64 = 1 << 12;
    let at = site(&["shop", "#wait"]);
    let word = |seed, id, step| ScopeKey::population(seed, "user").subject(id).step(step).word(at);
    type Change = (&'static str, u32, fn(u64, u64) -> (u64, u64, u64));
    let changes: [Change; 4] = [
        ("id", 63, |i, flip| (7, i ^ flip, 1)),
        ("step", 48, |i, flip| (7, 3, i ^ flip)),
        ("step of many subjects", 16, |i, flip| (7, i, 5 ^ flip)),
        ("seed", 64, |i, flip| (i ^ flip, 3, 1)),
    ];
    for (name, bits, key) in changes {
        for bit in 0..bits {
            let mut counts = BitCounts::default();
            for i in 0..N {
                let ((a, b, c), (d, e, f)) = (key(i, 0), key(i, 1 << bit));
                counts.add(word(a, b, c) ^ word(d, e, f));
            }
            counts.assert_half(N, 64.0 * f64::from(bits), &format!("{name}, bit {bit}"));
        }
    }
}

/// Equal values among 2^16 that are cut to 25 bits: 64 pairs are expected; fewer than 29 or more
/// than 107 fail. Power: a source with half the values has 128 and is found with 97%, one with a third
/// always.
#[test]
fn equal_values_are_as_frequent_as_they_should_be() {
    const N: u64 = 1 << 16;
    for (name, stream) in streams() {
        let words: Vec<u64> = (0..N).map(&stream).collect();
        for shift in [0, 20, 39] {
            let pairs = equal_pairs(words.iter().map(|w| w >> shift & ((1 << 25) - 1)).collect());
            assert!(poisson_p(pairs, 64.0) > ALPHA, "{name}, from bit {shift}: {pairs} pairs");
        }
    }
}

fn equal_pairs(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.chunk_by(|a, b| a == b).map(|run| (run.len() * (run.len() - 1) / 2) as u64).sum()
}

/// Marsaglia's birthday spacings: 4096 birthdays in a year of 2^32 days, the number of equal spacings is
/// Poisson with mean 4; the sum over 16 years. Power: a mean of 8 instead of 4 is found with 97%.
#[test]
fn birthday_spacings() {
    for (name, stream) in streams() {
        for shift in [0, 32] {
            let mut equal = 0;
            for year in 0..16 {
                let mut days: Vec<u64> =
                    (0..4096).map(|i| stream(year << 12 | i) >> shift & 0xffff_ffff).collect();
                days.sort_unstable();
                let mut spacings: Vec<u64> = days.windows(2).map(|d| d[1] - d[0]).collect();
                spacings.sort_unstable();
                equal += spacings.windows(2).filter(|s| s[0] == s[1]).count() as u64;
            }
            assert!(
                poisson_p(equal, 64.0) > ALPHA,
                "{name}, from bit {shift}: {equal} equal spacings, not 64"
            );
        }
    }
}

/// The two words of a UUID together, over all parts of its key: no more equal pairs than chance has in
/// any 27 bits taken from both. Power: half the values are found with 97%.
#[test]
fn uuids_do_not_repeat() {
    let scope = ScopeKey::population(42, "user");
    let sites: Vec<u64> =
        (0..8).map(|k| call_site(&["order", "0", "fields", "order_id"], k)).collect();
    let mut texts = Vec::new();
    let mut halves = [const { Vec::new() }; 3];
    for i in 0..1_u64 << 17 {
        let key = scope.subject(i >> 7).step(i >> 3 & 15);
        let call = Call { key, site: sites[(i & 7) as usize] };
        let (a, b) = (call.word(0), call.word(1));
        for (k, half) in halves.iter_mut().enumerate() {
            half.push((a >> (24 * k) & 0x1fff) << 14 | b >> (24 * k) & 0x3fff);
        }
        texts.push(Uuid.sample(call));
    }
    for values in halves {
        let pairs = equal_pairs(values);
        assert!(poisson_p(pairs, 64.0) > ALPHA, "{pairs} pairs");
    }
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 1 << 17);
    for text in &texts {
        let text = std::str::from_utf8(text).unwrap();
        let dashes: Vec<usize> = text.match_indices('-').map(|(at, _)| at).collect();
        assert_eq!(dashes, [8, 13, 18, 23]);
        assert!(text.as_bytes()[14] == b'4' && b"89ab".contains(&text.as_bytes()[19]), "{text}");
        assert!(
            text.bytes().all(|c| c == b'-' || c.is_ascii_digit() || (b'a'..=b'f').contains(&c)),
            "{text}"
        );
    }
}
