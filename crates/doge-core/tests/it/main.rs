//! Integration tests of the core, in one binary because each further one would be linked anew.

mod diagnostics;
mod law;
mod oracle;
mod reference;
mod same;
mod whole;
