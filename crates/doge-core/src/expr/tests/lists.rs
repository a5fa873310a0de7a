//! Lists, maps, `in` and macros.

use super::*;

#[test]
fn membership() {
    is("plan in ['free', 'pro']", "true");
    is("plan in ['Free', 'pro']", "false");
    is("balance + 1 in [1, 101]", "true");
    is("1 in []", "false");
    is("uniform(3, 3) in [1, balance - 97]", "true");
    is("since in [timestamp(0), since]", "true");
    is("1 in [2, 1 / (balance - 100)]", "error: 1 / 0: an int cannot be divided by zero");
    is("2 in [2, 1 / (balance - 100)]", "error: 1 / 0: an int cannot be divided by zero");
    wrong("'e' in plan", &["E0415"], "plan.contains(...)");
    wrong("1 in ['a']", &["E0407"], "int in a list of string");
    wrong("balance in [1.5]", &["E0407"], "double(balance) in ...");
    wrong("score in [1.5]", &["E0412"], "may be null");
    wrong("1 in [1, null]", &["E0412"], "cannot hold null");
    wrong("1 in {1: 2}", &["E0415"], "needs a list");
    wrong("[1, 'a'][0]", &["E0411"], "one type");
}

#[test]
fn indexes() {
    is("['a', 'b', 'c'][2]", "'c'");
    is("['a', 'b', 'c'][balance % 3]", "'b'");
    is("{'a': 1, 'b': 2}['b']", "2");
    is("{1: 'x', 2: 'y'}[1]", "'x'");
    is("[1, 2, 3].map(x, x * 10)[balance - 99]", "20");
    is("[since, null][1] == null", "true");
    wrong("[1, 2][2]", &["E0507"], "index 2 is outside a list of 2 values");
    wrong("[1, 2][-1]", &["E0507"], "index -1");
    wrong("[][0]", &["E0507"], "empty");
    wrong("[1, 2][1.0]", &["E0407"], "int(1.0)");
    wrong("{'a': 1}['c']", &["E0507"], "no key");
    wrong("{'a': 1, 'a': 2}['a']", &["E0507"], "twice");
    wrong("{'a': 1}[plan]", &["E0415"], "must be constant");
    wrong("plan[0]", &["E0415"], "list literal");
}

#[test]
fn macros() {
    is("[1, 2, 3].exists(x, x > 2)", "true");
    is("[1, 2, 3].all(x, x > 1)", "false");
    is("[1, 2, 3].exists_one(x, x > 2)", "true");
    is("[1, 2, 3].exists_one(x, x > 1)", "false");
    is("[].exists(x, x > 1)", "false");
    is("[].all(x, x > 1)", "true");
    is("[balance, payment].exists(x, x == 7)", "true");
    is("[balance, payment * 2].all(x, x > 13)", "true");
    is("['a', plan].exists_one(x, x.size() > 1)", "true");
    is("size([1, 2, 3])", "3");
    is("[1, 2, 3].size()", "3");
    is("size([])", "0");
    is("size([balance, payment, 1].filter(x, x > 5))", "2");
    is("7 in [balance, payment].filter(x, x < 50)", "true");
    is("100 in [balance, payment].filter(x, x < 50)", "false");
    is("[balance, payment].filter(x, x < 50).exists(y, y == 7)", "true");
    is("[balance, payment].filter(x, x < 50).all(y, y < 50)", "true");
    is("[balance, payment].filter(x, x < 50).exists_one(y, y > 0)", "true");
    is("[1, 2].map(x, x * balance).exists(y, y == 200)", "true");
    is("[1, 2, 3].map(x, x > 1, x * 10).exists(y, y == 10)", "false");
    is("[1, 2, 3].filter(x, x > 1)[0]", "2");
    is("[1, 2].exists(x, [3, 4].exists(y, x * y == 8))", "true");
    is("[1, 2].exists(x, [2, 3].exists(x, x == 1))", "false");
    is("choice([1, 2].map(x, x * 10)) in [10, 20]", "true");
    wrong("[1, 2].exists(x)", &["E0423"], "[1, 2].exists(x, x > 1)");
    wrong("[1, 2].exists(1, true)", &["E0423"], "takes a name");
    wrong("[1, 2].exists(x, x)", &["E0409"], "must be bool");
    wrong("[1, 2].map(x, x)", &["E0415"], "a list cannot be a value");
    wrong("plan.exists(x, true)", &["E0415"], "list literal");
    wrong("[1, 2].exists(x, y > 1)", &["E0401"], "no `y`");
    wrong("choice([balance, 2].filter(x, x > 1))", &["E0415"], "filtered");
    wrong("[1, 2].exists(x, x > 'a')", &["E0407"], "");
}

#[test]
fn a_list_under_a_macro_is_evaluated_whole_and_once_as_in_cel() {
    is(
        "[1, 1 / (balance - 100)].exists(x, x == 1)",
        "error: 1 / 0: an int cannot be divided by zero",
    );
    is("size([1 / (balance - 100)])", "error: 1 / 0: an int cannot be divided by zero");
    is(
        "size([0, balance].filter(x, 1 / (x - 100) > 0))",
        "error: 1 / 0: an int cannot be divided by zero",
    );
    // An index evaluates what it takes only.
    is("[1, 1 / (balance - 100)][payment - 7]", "1");
}

#[test]
fn computed_elements_are_bounded() {
    let many = vec!["balance + 1"; 201].join(", ");
    wrong(&format!("1 in [{many}]"), &["E0422"], "too many computed");
    let some = vec!["balance + 1"; 200].join(", ");
    is(&format!("101 in [{some}]"), "true");
}
