//! The project's own chores: `cargo xtask test` is what the README and continuous integration run.
fn main() {}
