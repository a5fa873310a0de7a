//! The codes of an expression's problems: E03xx syntax, E04xx meaning, E05xx constants. A code keeps
//! its meaning for ever; one that is no longer used is not given to another problem.

/// Each code with what it says, in one line.
#[rustfmt::skip]
pub const CODES: &[(&str, &str)] = &[
    ("E0301", "a character that has no meaning here"),
    ("E0302", "a value or a name is missing"),
    ("E0303", "an operator or a comma is missing"),
    ("E0304", "a text is not closed"),
    ("E0305", "a bracket is not closed"),
    ("E0306", "a bracket closes nothing, or another kind of bracket"),
    ("E0307", "a comparison that is written otherwise, such as `=` or `<>`"),
    ("E0308", "a logical operator that is written otherwise, such as `and` or `&`"),
    ("E0309", "`if ... then ... else`"),
    ("E0310", "a `?` without its `:`"),
    ("E0311", "typographic quotes"),
    ("E0312", "a number with a unit or with letters"),
    ("E0313", "a constant of another language, such as `None`"),
    ("E0314", "a number beyond 64 bits"),
    ("E0315", "a number that cannot be read"),
    ("E0316", "an escape that is none"),
    ("E0317", "a part of CEL or of another language that this one does not have"),
    ("E0318", "a reserved word"),
    ("E0319", "a date that reads as a subtraction"),
    ("E0320", "nested too deeply"),
    ("E0321", "too long"),
    ("E0322", "empty"),
    ("E0323", "a list in round brackets"),
    ("E0401", "an unknown name"),
    ("E0402", "a name that is not visible here"),
    ("E0403", "an unknown function"),
    ("E0404", "a function in the wrong form: `f(x)` or `x.f()`"),
    ("E0405", "the wrong number of arguments"),
    ("E0406", "arguments of the wrong types"),
    ("E0407", "operands of the wrong types"),
    ("E0408", "int and double mixed"),
    ("E0409", "a condition that is not bool"),
    ("E0410", "branches of different types"),
    ("E0411", "a list of different types"),
    ("E0412", "a value that may be null where none may be"),
    ("E0413", "null where it cannot stand, or compared with what is never null"),
    ("E0414", "another type than the one needed"),
    ("E0415", "a list or map where a value is needed, or the other way round"),
    ("E0416", "a random call where none may be"),
    ("E0417", "a random call in a macro's body"),
    ("E0418", "a part of something that has none"),
    ("E0419", "an unknown parameter"),
    ("E0420", "an unknown attribute after `old.`"),
    ("E0421", "something that is not supported yet"),
    ("E0422", "too large when unrolled"),
    ("E0423", "a macro without its name and expression"),
    ("E0424", "`nullable` where it cannot stand"),
    ("E0501", "a constant that has no value"),
    ("E0502", "an argument outside a function's domain"),
    ("E0503", "nothing to choose from"),
    ("E0504", "digits of `round` that are not a constant from 0 to 15"),
    ("E0505", "not a regular expression"),
    ("E0506", "not a time zone"),
    ("E0507", "an index or key that the list or map does not have"),
];

#[cfg(test)]
mod tests {
    use super::CODES;
    use std::collections::BTreeSet;

    #[test]
    fn the_list_is_what_the_code_reports_and_each_has_a_test() {
        let sources = concat!(
            include_str!("lex.rs"),
            include_str!("parse.rs"),
            include_str!("parse/bracket.rs"),
            include_str!("check.rs"),
            include_str!("check/call.rs"),
            include_str!("check/list.rs"),
            include_str!("check/name.rs"),
            include_str!("check/operator.rs"),
        );
        let tests = concat!(
            include_str!("tests/syntax.rs"),
            include_str!("tests/types.rs"),
            include_str!("tests/calls.rs"),
            include_str!("tests/lists.rs"),
        );
        let codes = |text: &'static str| -> BTreeSet<&str> {
            text.match_indices("\"E0").filter_map(|(i, _)| text.get(i + 1..i + 6)).collect()
        };
        let listed: BTreeSet<&str> = CODES.iter().map(|(code, _)| *code).collect();
        assert_eq!(listed.len(), CODES.len());
        assert_eq!(codes(sources), listed, "reported and listed");
        assert_eq!(codes(tests), listed, "tested and listed");
    }
}
