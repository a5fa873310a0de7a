//! Integration tests of the core, in one binary because each further one would be linked anew.

#![allow(clippy::disallowed_methods, reason = "tests read and write files")]

mod diagnostics;
mod law;
mod oracle;
mod reference;
mod same;
mod whole;
