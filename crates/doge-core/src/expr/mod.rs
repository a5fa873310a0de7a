//! The expression language, a subset of CEL: text to syntax tree to typed tree.

pub mod typed;
