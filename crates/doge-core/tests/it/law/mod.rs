//! The law of draws: its vectors, and whether what it draws is as random as it says.
//!
//! Every statistical test has one fixed seed, so that it gives the same result for ever; what it would
//! have been likely to find, had the code been wrong, stands beside it. `ALPHA` is the probability
//! that a sound implementation would have failed a single comparison under a seed chosen blindly:
//! small enough that some thousand comparisons agree together.

use doge_core::dist::Call;
use doge_core::draw::{ScopeKey, site};

mod dist;
mod draws;
mod oracle;
pub mod stats;
mod vectors;
mod waits;

/// See the module's head.
pub const ALPHA: f64 = 1e-6;

/// One call of each of the subjects `0..n` under `seed`.
fn calls(seed: u64, n: u64) -> impl Iterator<Item = Call> {
    let scope = ScopeKey::population(seed, "user");
    let site = site(&["shop", "buy", "let", "price", "0"]);
    (0..n).map(move |id| Call { key: scope.subject(id).step(1), site })
}
