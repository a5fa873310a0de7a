//! Types and values of the model language.

use std::fmt;

/// A type without its nullability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Base {
    /// 64-bit signed integer.
    Int,
    /// 64-bit IEEE 754 double.
    Double,
    /// `true` or `false`.
    Bool,
    /// UTF-8 text.
    String,
    /// Milliseconds since the epoch, UTC, within the years 1..9999.
    Timestamp,
    /// Signed milliseconds.
    Duration,
}

/// A type: a base, and whether null belongs to it (`timestamp?`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ty {
    /// The type of what is not null.
    pub base: Base,
    /// Whether null is a value.
    pub nullable: bool,
}

impl Ty {
    /// The type without null.
    pub const fn of(base: Base) -> Self {
        Ty { base, nullable: false }
    }

    /// The type with null.
    pub const fn nullable(base: Base) -> Self {
        Ty { base, nullable: true }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Base::Int => "int",
            Base::Double => "double",
            Base::Bool => "bool",
            Base::String => "string",
            Base::Timestamp => "timestamp",
            Base::Duration => "duration",
        })
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.base, if self.nullable { "?" } else { "" })
    }
}

/// A value of the language.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An int.
    Int(i64),
    /// A double.
    Double(f64),
    /// A bool.
    Bool(bool),
    /// A string.
    String(String),
    /// Milliseconds since the epoch.
    Timestamp(i64),
    /// Milliseconds.
    Duration(i64),
    /// Null of a nullable type.
    Null,
}

/// A value that borrows its text: what a batch hands out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// An int.
    Int(i64),
    /// A double.
    Double(f64),
    /// A bool.
    Bool(bool),
    /// A string.
    String(&'a str),
    /// Milliseconds since the epoch.
    Timestamp(i64),
    /// Milliseconds.
    Duration(i64),
    /// Null of a nullable type.
    Null,
}

impl Value {
    /// The same value, its text borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Int(v) => ValueRef::Int(*v),
            Value::Double(v) => ValueRef::Double(*v),
            Value::Bool(v) => ValueRef::Bool(*v),
            Value::String(v) => ValueRef::String(v),
            Value::Timestamp(v) => ValueRef::Timestamp(*v),
            Value::Duration(v) => ValueRef::Duration(*v),
            Value::Null => ValueRef::Null,
        }
    }
}

impl ValueRef<'_> {
    /// The same value, owned.
    pub fn to_owned(self) -> Value {
        match self {
            ValueRef::Int(v) => Value::Int(v),
            ValueRef::Double(v) => Value::Double(v),
            ValueRef::Bool(v) => Value::Bool(v),
            ValueRef::String(v) => Value::String(v.to_owned()),
            ValueRef::Timestamp(v) => Value::Timestamp(v),
            ValueRef::Duration(v) => Value::Duration(v),
            ValueRef::Null => Value::Null,
        }
    }
}
