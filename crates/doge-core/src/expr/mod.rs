//! The expression language, a subset of CEL: text to syntax tree to typed tree.
//!
//! ```text
//! ExprSource --parse--> Ast --check(Env)--> TExpr --> eval (here), or the engine's bytecode
//! ```

pub mod ast;
pub mod check;
pub mod codes;
pub mod draws;
pub mod eval;
pub mod func;
mod lex;
pub mod names;
pub mod parse;
mod time;
pub mod typed;

pub use lex::MAX_LEN;

#[cfg(test)]
mod tests;
