//! The command `doge`.
fn main() {}
