//! The normal distribution.

use super::{ArgError, Call, FINITE, special};
use crate::log::ln_unit;

/// `normal(mean, sd)`: density `exp(-(x - mean)^2 / (2 sd^2)) / (sd sqrt(2 pi))`.
///
/// The map is `mean + sd * z`, `z` being the inverse of the standard normal's distribution function
/// at `(w + 1/2) / 2^64` of word 0. `|z|` is at most 9.17. The inverse is that of Wichura,
/// "Algorithm AS 241: The percentage points of the normal distribution", Applied Statistics 37
/// (1988), routine PPND16, with relative error near 10^-15; the distance to the nearer end is taken
/// from the integer word, so that both tails are exact and mirror each other.
///
/// A value is infinite where `mean + 9.17 sd` is beyond the doubles.
///
/// ```
/// use doge_core::{dist::{Call, Normal}, draw::ScopeKey};
/// let call = Call { key: ScopeKey::population(42, "user").subject(0).step(1), site: 7 };
/// let x = Normal::new(100.0, 15.0)?.sample(call);
/// assert!((x - 100.0).abs() < 10.0 * 15.0);
/// # Ok::<(), doge_core::dist::ArgError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    mean: f64,
    sd: f64,
}

impl Normal {
    /// # Errors
    /// An argument that is not finite; `sd` below 0.
    pub fn new(mean: f64, sd: f64) -> Result<Self, ArgError> {
        if !(mean.is_finite() && sd.is_finite()) {
            return Err(ArgError::doubles("normal", &[mean, sd], FINITE));
        }
        if sd < 0.0 {
            return Err(ArgError::doubles(
                "normal",
                &[mean, sd],
                "the standard deviation must not be negative",
            ));
        }
        Ok(Normal { mean, sd })
    }

    /// One value.
    #[inline]
    pub fn sample(&self, call: Call) -> f64 {
        self.of_word(call.word(0))
    }

    /// The value that the word `w` stands for.
    #[inline]
    pub fn of_word(&self, w: u64) -> f64 {
        self.mean + self.sd * standard(w)
    }

    /// The mean.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// `sd^2`.
    pub fn variance(&self) -> f64 {
        self.sd * self.sd
    }

    /// The probability of a value of at most `x`.
    pub fn cdf(&self, x: f64) -> f64 {
        if self.sd == 0.0 {
            f64::from(u8::from(x >= self.mean))
        } else {
            special::normal_cdf((x - self.mean) / self.sd)
        }
    }
}

/// The standard normal's quantile at `(w + 1/2) / 2^64`.
pub(super) fn standard(w: u64) -> f64 {
    // 2^64 * |2u - 1|, odd; u and 1 - u have the same.
    let upper = w >> 63 == 1;
    let twice = (if upper { w } else { !w }) << 1 | 1;
    let q = twice as f64 * (0.5 / 18_446_744_073_709_551_616.0);
    let size = if q <= 0.425 {
        let r = 0.180625 - q * q;
        q * ratio(r, &A, &B)
    } else {
        // The distance to the nearer end is (2^64 - twice) / 2^65, at least 2^-65.
        let r = (std::f64::consts::LN_2 - ln_unit(twice.wrapping_neg() - 1)).sqrt();
        if r <= 5.0 {
            ratio(r - 1.6, &C, &D)
        } else {
            ratio(r - 5.0, &E, &F)
        }
    };
    if upper { size } else { -size }
}

/// `num(r) / den(r)` by Horner's rule; coefficients from the constant up.
#[inline]
fn ratio(r: f64, num: &[f64; 8], den: &[f64; 8]) -> f64 {
    let at = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * r + c);
    at(num) / at(den)
}

#[rustfmt::skip]
mod coefficients {
    #![allow(clippy::excessive_precision, reason = "as published")]
    pub(super) const A: [f64; 8] = [
        3.387_132_872_796_366_608_0, 1.331_416_678_917_843_774_5e2, 1.971_590_950_306_551_442_7e3,
        1.373_169_376_550_946_112_5e4, 4.592_195_393_154_987_145_7e4, 6.726_577_092_700_870_085_3e4,
        3.343_057_558_358_812_810_5e4, 2.509_080_928_730_122_672_7e3,
    ];
    pub(super) const B: [f64; 8] = [
        1.0, 4.231_333_070_160_091_125_2e1, 6.871_870_074_920_579_083_0e2, 5.394_196_021_424_751_107_7e3,
        2.121_379_430_158_659_586_7e4, 3.930_789_580_009_271_061_0e4, 2.872_908_573_572_194_267_4e4,
        5.226_495_278_852_854_561_0e3,
    ];
    pub(super) const C: [f64; 8] = [
        1.423_437_110_749_683_577_34, 4.630_337_846_156_545_295_90, 5.769_497_221_460_691_405_50,
        3.647_848_324_763_204_605_04, 1.270_458_252_452_368_382_58, 2.417_807_251_774_506_117_70e-1,
        2.272_384_498_926_918_458_33e-2, 7.745_450_142_783_414_076_40e-4,
    ];
    pub(super) const D: [f64; 8] = [
        1.0, 2.053_191_626_637_758_821_87, 1.676_384_830_183_803_849_40, 6.897_673_349_851_000_045_50e-1,
        1.481_039_764_274_800_745_90e-1, 1.519_866_656_361_645_719_66e-2, 5.475_938_084_995_344_946_00e-4,
        1.050_750_071_644_416_843_24e-9,
    ];
    pub(super) const E: [f64; 8] = [
        6.657_904_643_501_103_777_20, 5.463_784_911_164_114_369_90, 1.784_826_539_917_291_335_80,
        2.965_605_718_285_048_912_30e-1, 2.653_218_952_657_612_309_30e-2, 1.242_660_947_388_078_438_60e-3,
        2.711_555_568_743_487_578_15e-5, 2.010_334_399_292_288_132_65e-7,
    ];
    pub(super) const F: [f64; 8] = [
        1.0, 5.998_322_065_558_879_376_90e-1, 1.369_298_809_227_358_053_10e-1, 1.487_536_129_085_061_485_25e-2,
        7.868_691_311_456_132_591_00e-4, 1.846_318_317_510_054_681_80e-5, 1.421_511_758_316_445_888_70e-7,
        2.044_263_103_389_939_785_64e-15,
    ];
}
use coefficients::{A, B, C, D, E, F};
