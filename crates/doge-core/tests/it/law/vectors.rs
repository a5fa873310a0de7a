//! The law's vectors: what `testdata/vectors/law.py`, a second implementation, has computed.
//!
//! To make them anew: `cd testdata/vectors && python3 law.py`. They change only with the law.

use doge_core::dist::*;
use doge_core::draw::{ScopeKey, site};
use doge_core::log::ln_unit;
use serde_json::Value;

macro_rules! vectors {
    ($file:literal) => {
        serde_json::from_str::<serde_json::Value>(include_str!(concat!(
            "../../../../../testdata/vectors/",
            $file
        )))
        .unwrap()
    };
}

pub(crate) use vectors;

/// The rows of a table.
pub fn rows<'a>(file: &'a Value, table: &str) -> &'a [Value] {
    let rows = file[table].as_array().unwrap();
    assert!(rows.len() > 10, "{table} has only {} rows", rows.len());
    rows
}

/// A word: hexadecimal text, or a number.
pub fn word(v: &Value) -> u64 {
    match v.as_str() {
        Some(text) => u64::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap(),
        None => v.as_u64().unwrap(),
    }
}

/// A double: the text of its bits.
pub fn double(v: &Value) -> f64 {
    assert!(v.is_string(), "{v}");
    f64::from_bits(word(v))
}

fn path(v: &Value) -> Vec<&str> {
    v.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

fn call(row: &Value) -> Call {
    let scope = ScopeKey::population(word(&row["seed"]), row["population"].as_str().unwrap());
    Call {
        key: scope.subject(word(&row["id"])).step(word(&row["step"])),
        site: site(&path(&row["path"])),
    }
}

#[test]
fn sites_and_words() {
    let file = vectors!("draws.json");
    for row in rows(&file, "sites") {
        assert_eq!(site(&path(&row["path"])), word(&row["site"]), "{row}");
    }
    for row in rows(&file, "words") {
        let (call, k) = (call(row), word(&row["k"]));
        assert_eq!(call.word(k), word(&row["word"]), "{row}");
        if k == 0 {
            assert_eq!(call.key.word(call.site), call.word(0));
        }
    }
}

#[test]
fn call_sites_are_the_path_and_the_ordinal() {
    for ordinal in [0, 1, 9, 10, u32::MAX] {
        let text = ordinal.to_string();
        assert_eq!(doge_core::draw::call_site(&["a", "b"], ordinal), site(&["a", "b", &text]));
    }
}

#[test]
fn waits() {
    let file = vectors!("waits.json");
    for row in rows(&file, "ln_unit") {
        assert_eq!(ln_unit(word(&row[0])).to_bits(), word(&row[1]), "{row}");
    }
    for row in rows(&file, "waits") {
        let wait = Geometric::new(double(&row["p"])).unwrap().of_word(word(&row["w"]));
        assert_eq!(wait, row["wait"].as_u64().unwrap_or(NEVER), "{row}");
    }
}

#[test]
fn choices() {
    let file = vectors!("choices.json");
    for row in rows(&file, "units") {
        let units: Vec<u64> = row["units"].as_array().unwrap().iter().map(word).collect();
        let choice = Thresholds::new(&units).unwrap();
        assert_eq!(choice.of_word(word(&row["w"])) as u64, row["index"].as_u64().unwrap(), "{row}");
    }
    for row in rows(&file, "doubles") {
        let percents: Vec<f64> = row["percents"].as_array().unwrap().iter().map(double).collect();
        assert_eq!(
            Thresholds::sample_doubles(&percents, call(row)) as u64,
            row["index"].as_u64().unwrap(),
            "{row}"
        );
    }
}

#[test]
fn values() {
    let file = vectors!("values.json");
    let mut seen = std::collections::BTreeSet::new();
    for row in rows(&file, "values") {
        let (name, args, call) =
            (row["function"].as_str().unwrap(), row["args"].as_array().unwrap(), call(row));
        seen.insert(name);
        let d = |i: usize| double(&args[i]);
        let int = |i: usize| args[i].as_i64().unwrap();
        let (exact, value) =
            (&row["value"], |v: f64| (v.to_bits(), double(&row["value"]).to_bits()));
        match name {
            "uniform_int" => {
                assert_eq!(UniformInt::new(int(0), int(1)).unwrap().sample(call), *exact, "{row}")
            }
            "uniform_double" => {
                same(value(UniformDouble::new(d(0), d(1)).unwrap().sample(call)), 0, row)
            }
            "chance" => assert_eq!(Chance::new(d(0)).unwrap().sample(call), *exact, "{row}"),
            "normal" => same(value(Normal::new(d(0), d(1)).unwrap().sample(call)), 0, row),
            // Python's exp and ours may each be off by one unit in the last place.
            "lognormal" => same(value(Lognormal::new(d(0), d(1)).unwrap().sample(call)), 2, row),
            "exponential" => same(value(Exponential::new(d(0)).unwrap().sample(call)), 0, row),
            "pareto" => same(value(Pareto::new(d(0), d(1)).unwrap().sample(call)), 2, row),
            "poisson" => assert_eq!(Poisson::new(d(0)).unwrap().sample(call), *exact, "{row}"),
            "zipf" => assert_eq!(Zipf::new(int(0), d(1)).unwrap().sample(call), *exact, "{row}"),
            "choice" => assert_eq!(
                Choice::new(int(0) as usize).unwrap().sample(call) as u64,
                *exact,
                "{row}"
            ),
            "weighted" => {
                let weights: Vec<f64> = args.iter().map(double).collect();
                assert_eq!(Weighted::new(&weights).unwrap().sample(call) as u64, *exact, "{row}");
                assert_eq!(Weighted::sample_once(&weights, call).unwrap() as u64, *exact, "{row}");
            }
            "uuid" => assert_eq!(std::str::from_utf8(&Uuid.sample(call)).unwrap(), *exact, "{row}"),
            _ => panic!("no such function: {row}"),
        }
    }
    assert_eq!(seen.len(), LIST.len(), "a function without vectors");
}

/// The functions that use `libm`, to the last bit on every machine: here it is our own values that are
/// pinned, since Python's may differ there.
#[test]
fn libm_gives_the_same_bits_everywhere() {
    let bits = |f: &dyn Fn(Call) -> f64| {
        super::calls(2026, 4).map(|call| f(call).to_bits()).collect::<Vec<_>>()
    };
    let lognormal = Lognormal::new(40.0, 0.6).unwrap();
    let pareto = Pareto::new(10.0, 1.16).unwrap();
    let inverse = |p: f64| (1.0 / libm::log1p(-p)).to_bits();
    let got = [
        bits(&|c| lognormal.sample(c)),
        bits(&|c| pareto.sample(c)),
        [1e-14, 1e-6, 0.001, 0.3, 0.7, 0.999].map(inverse).to_vec(),
    ];
    let want: [&[u64]; 3] = [
        &[
            0x402e_7767_69f7_368e,
            0x4033_d93d_3ce3_478b,
            0x4039_4599_f918_3ed8,
            0x404f_5bae_0dbc_1028,
        ],
        &[
            0x405f_0c5f_5ad4_3764,
            0x404e_c988_597f_6df6,
            0x4042_4c1a_3a93_d9a4,
            0x4028_f6b6_eeaa_a951,
        ],
        &[
            0xc2d6_bcc4_1e8f_ffe0,
            0xc12e_847e_ffff_fd34,
            0xc08f_3bff_d449_97e8,
            0xc006_6dec_3df2_0aed,
            0xbfea_9423_f157_352a,
            0xbfc2_87a7_636f_4360,
        ],
    ];
    assert_eq!(got, want);
}

/// Two doubles by their bits, at most `ulps` apart.
fn same((got, want): (u64, u64), ulps: u64, row: &Value) {
    assert!(
        got.abs_diff(want) <= ulps,
        "{} is not {}: {row}",
        f64::from_bits(got),
        f64::from_bits(want)
    );
}

#[test]
fn a_certain_chance_has_no_exception() {
    for w in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
        assert!(doge_core::dist::Chance::new(1.0).is_ok_and(|c| c.of_word(w)));
        assert!(doge_core::dist::Chance::new(0.0).is_ok_and(|c| !c.of_word(w)));
    }
}
