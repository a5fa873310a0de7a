//! JSON lines and CSV.
