//! The syntax tree: what was written, with places, and nothing of what it means.

use crate::spec::ExprSource;
use std::ops::Range;

/// A parsed expression with the source that its places point into.
#[derive(Clone, Debug)]
pub struct Ast {
    /// The outermost node.
    pub root: Node,
    /// Where it came from; [`ExprSource::place`] turns offsets into places in the file.
    pub source: ExprSource,
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// First byte in the expression's text.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
    /// Height of the tree below, bounded by the parser.
    pub(super) height: u16,
}

impl Node {
    /// The bytes of the text that it covers.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A name with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Its first byte.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
}

impl Name {
    /// The bytes of the text that it covers.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// An int literal, with its sign where one stands directly before it.
    Int(i64),
    /// A double literal, likewise.
    Double(f64),
    /// A string literal, unescaped.
    String(String),
    /// A name.
    Ident(String),
    /// `a.b`.
    Member(Box<Node>, Name),
    /// `f(x)` or `target.f(x)`.
    Call {
        /// What stands before the dot.
        target: Option<Box<Node>>,
        /// The function.
        name: Name,
        /// The arguments.
        args: Vec<Node>,
    },
    /// `a[i]`.
    Index(Box<Node>, Box<Node>),
    /// `-a`, `!a`.
    Unary(Unary, Box<Node>),
    /// `a + b` and the like.
    Binary(Binary, Box<Node>, Box<Node>),
    /// `c ? a : b`.
    Ternary(Box<Node>, Box<Node>, Box<Node>),
    /// `[a, b]`.
    List(Vec<Node>),
    /// `{a: b}`.
    Map(Vec<(Node, Node)>),
    /// Something that could not be read; its problem has been reported.
    Error,
}

/// A unary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unary {
    /// `-`.
    Neg,
    /// `!`.
    Not,
}

/// A binary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is its operator")]
#[rustfmt::skip]
pub enum Binary { Or, And, Eq, Ne, Lt, Le, Gt, Ge, In, Add, Sub, Mul, Div, Rem }

impl Binary {
    /// How it is written.
    pub fn text(self) -> &'static str {
        match self {
            Binary::Or => "||",
            Binary::And => "&&",
            Binary::Eq => "==",
            Binary::Ne => "!=",
            Binary::Lt => "<",
            Binary::Le => "<=",
            Binary::Gt => ">",
            Binary::Ge => ">=",
            Binary::In => "in",
            Binary::Add => "+",
            Binary::Sub => "-",
            Binary::Mul => "*",
            Binary::Div => "/",
            Binary::Rem => "%",
        }
    }

    /// How strongly it binds; all are left associative.
    pub(super) fn power(self) -> u8 {
        match self {
            Binary::Or => 1,
            Binary::And => 2,
            Binary::Eq
            | Binary::Ne
            | Binary::Lt
            | Binary::Le
            | Binary::Gt
            | Binary::Ge
            | Binary::In => 3,
            Binary::Add | Binary::Sub => 4,
            Binary::Mul | Binary::Div | Binary::Rem => 5,
        }
    }
}
