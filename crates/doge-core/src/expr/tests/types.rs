//! Names, types, nullability, and the values of operators.

use super::*;

#[test]
fn names_by_place() {
    is("balance + payment", "107");
    is("old.balance", "100");
    is("id", "17");
    is("seq", "3");
    is("event_id", "'user/17/3/0'");
    is("timestamp", "2023-11-14T22:13:20.123Z");
    is("trigger + from + to + population", "'spendofflineonlineuser'");
    is("params.city", "'Warsaw'");
    is("params.rate * 2", "1.0");
    use Place::*;
    for place in [Attribute, Probability] {
        wrong_at("payment", place, None, &["E0401"], "text is written");
        for name in ["trigger", "from", "to", "timestamp", "seq"] {
            wrong_at(name, place, None, &["E0402"], "exists only in transitions and events");
        }
    }
    for place in [Attribute, Probability, Let, When, Set] {
        wrong_at("event_id", place, None, &["E0402"], "exists only in events");
        wrong_at("old.balance", place, None, &["E0402"], "exists only in events");
    }
    wrong_at("old.balance", Set, None, &["E0402"], "write it bare");
    wrong("below", &["E0402"], "`below` is declared below");
    wrong("free", &["E0401"], r#"text is written `"'free'"`"#);
    wrong("plan == free", &["E0401"], "text is written `'free'`");
    wrong("balence + 1", &["E0401"], "nearest name is `balance`");
    wrong("now", &["E0401"], "the event's time is `timestamp`");
    wrong("uuid", &["E0401"], "write `uuid()`");
    wrong("params.citi", &["E0419"], "params.city");
    wrong("params", &["E0418"], "write `params.city`");
    wrong("old.balanse", &["E0420"], "old.balance");
    wrong("old.payment", &["E0420"], "from before the transition");
    wrong("user.balance", &["E0418"], "written bare: `balance`");
    wrong("self.balance", &["E0418"], "written bare: `balance`");
    wrong("plan.size", &["E0418"], "write `plan.size()`");
    wrong("price.round", &["E0418"], "write `round(price)`");
    wrong("plan.name", &["E0418"], "has no part `name`");
}

#[test]
fn int_literals_are_doubles_where_needed() {
    is("2 * price", "5.0");
    is("price - -1", "3.5");
    is("price > 2", "true");
    is("2 == price", "false");
    is("price + (paid ? 1 : 2)", "3.5");
    is("paid ? 1 : 2.5", "1.0");
    is("paid ? 1 : paid ? 2 : 3.5", "1.0");
    is("[1, 2.5][0]", "1.0");
    is("[1, 2][balance - 100] + 0.5", "1.5");
    is("price in [2, 3]", "false");
    is("2 in [2.0]", "true");
    is("max(1, price)", "2.5");
    is("clamp(price, 0, 1)", "1.0");
    is("coalesce(score, 0)", "0.0");
    is("coalesce(score, 0) + 1", "1.0");
    is("round(2)", "2.0");
    let (e, _) = typed_at("0", Place::Attribute, Some(Ty::of(Base::Double)));
    assert_eq!(e.unwrap().ty, Ty::of(Base::Double));
    let (e, _) = typed_at("paid ? -1 : null", Place::Set, Some(Ty::nullable(Base::Double)));
    assert_eq!(e.unwrap().ty, Ty::nullable(Base::Double));
    wrong("balance + 1.0", &["E0408"], "write `double(balance) + 1.0`");
    wrong("price * balance", &["E0408"], "write `price * double(balance)`");
    wrong("balance == price", &["E0408"], "write `double(balance) == price`");
    wrong("(1 + 2) * price", &["E0408"], "double(");
    wrong("paid ? balance : price", &["E0410"], "double(balance)");
    wrong("[balance, price][0]", &["E0411"], "one type");
    wrong("min(balance, price)", &["E0406"], "write `double(balance)`");
    wrong_at("balance", Place::Set, Some(Ty::of(Base::Double)), &["E0414"], "double(balance)");
    wrong_at("price", Place::Set, Some(Ty::of(Base::Int)), &["E0414"], "int(round(price))");
    wrong_at(
        "balance",
        Place::When,
        Some(Ty::of(Base::Bool)),
        &["E0414"],
        "compare it: `balance > 0`",
    );
}

#[test]
fn operators_and_their_errors() {
    is("7 / -2", "-3");
    is("-7 % 3", "-1");
    is("7.0 / 2", "3.5");
    is("price / 0", "inf");
    is("'a' + 'b' < 'b'", "true");
    is("since + stay", "2022-02-11T03:23:18.000Z");
    is("stay + since", "2022-02-11T03:23:18.000Z");
    is("since - stay", "2022-02-11T03:20:18.000Z");
    is("timestamp - since", "55450292.123s");
    is("stay - duration('1m')", "30s");
    is("false < true", "true");
    is("balance * 9223372036854775807", "error: 100 * 9223372036854775807 is beyond 64 bits");
    is("balance / (payment - 7)", "error: 100 / 0: an int cannot be divided by zero");
    is(
        "since - duration('99999999h')",
        "error: 2022-02-11T03:21:48.000Z - 359999996400s is outside the years 1..9999",
    );
    is(
        "[1, 2][balance]",
        "error: index 100 is outside a list of 2 values; indexes are from 0 to 1",
    );
    wrong("1 / 0", &["E0501"], "1 / 0: an int cannot be divided by zero");
    wrong("9223372036854775807 + 1", &["E0501"], "9223372036854775807 + 1 is beyond 64 bits");
    wrong("paid ? 1 / 0 : 2", &["E0501"], "divided by zero");
    wrong("timestamp('2022-02-11')", &["E0501"], "date without a time");
    wrong("timestamp('2022-02-11T03:21:48')", &["E0501"], "no time zone");
    wrong("timestamp('2022-02-30T03:21:48Z')", &["E0501"], "no date and time that exists");
    wrong("timestamp(1700000000000)", &["E0501"], "divided by 1000");
    wrong("duration('10')", &["E0501"], "no unit");
    wrong("duration('1 day')", &["E0501"], "not a duration");
    wrong("int('x')", &["E0501"], "'x' is not an int");
    wrong("plan + 1", &["E0407"], "write `plan + string(1)`");
    wrong("plan == 1", &["E0407"], "string(1)");
    wrong("since > '2022-01-01T00:00:00Z'", &["E0407"], "timestamp('2022-01-01T00:00:00Z')");
    wrong("since + 5", &["E0407"], "duration('1h')");
    wrong("price % 2.0", &["E0407"], "two ints");
    wrong("-plan", &["E0407"], "`-` takes int or double");
    wrong("!balance", &["E0409"], "balance > 0");
    wrong("balance && paid", &["E0409"], "must be bool");
    wrong("plan ? 1 : 2", &["E0409"], "plan != ''");
    wrong("paid ? 1 : 'a'", &["E0410"], "one type");
    wrong("paid + paid", &["E0407"], "left is bool");
    wrong("[1] + [2]", &["E0415"], "a list cannot be a value");
    wrong("[1, 2]", &["E0415"], "choice");
    wrong("{'a': 1}", &["E0415"], "weighted");
}

#[test]
fn what_a_constant_condition_leaves_out_is_not_judged() {
    is("false && 1 / 0 == 1", "false");
    is("true || 1 / 0 == 1", "true");
    is("true ? 1 : 1 / 0", "1");
    is("false ? 1 / 0 : 1", "1");
    is("params.rate == 0.0 ? 0 : 10", "10");
    is("[0, 2].exists(x, x == 0 || 10 / x > 100)", "true");
    wrong("1 / 0 == 1 && false", &["E0501"], "");
    wrong("false && 1 + 'a' == 'b'", &["E0407"], "");
}

#[test]
fn nullable_values_are_only_compared_set_and_coalesced() {
    is("last_login == null", "true");
    is("null != last_login", "false");
    is("coalesce(last_login, since)", "2022-02-11T03:21:48.000Z");
    is("coalesce(last_login, paid ? since : null)", "2022-02-11T03:21:48.000Z");
    is("last_login", "null");
    is("paid ? null : since", "null");
    is("paid ? since : last_login", "2022-02-11T03:21:48.000Z");
    is("null == null", "true");
    assert_eq!(typed("coalesce(last_login, since)").ty, Ty::of(Base::Timestamp));
    assert_eq!(typed("coalesce(last_login, last_login)").ty, Ty::nullable(Base::Timestamp));
    assert_eq!(typed("paid ? null : since").ty, Ty::nullable(Base::Timestamp));
    let (e, _) = typed_at("nullable(timestamp)", Place::Attribute, None);
    assert_eq!(e.unwrap().ty, Ty::nullable(Base::Timestamp));
    let (e, _) = typed_at("null", Place::Set, Some(Ty::nullable(Base::Timestamp)));
    assert_eq!(e.unwrap().ty, Ty::nullable(Base::Timestamp));
    let (e, _) = typed_at("since", Place::Set, Some(Ty::nullable(Base::Timestamp)));
    assert_eq!(e.unwrap().ty, Ty::nullable(Base::Timestamp));
    wrong("last_login + stay", &["E0412"], "coalesce(last_login, ...)");
    wrong("last_login == since", &["E0412"], "may be null");
    wrong("last_login.getHours()", &["E0412"], "may be null");
    wrong("string(last_login)", &["E0412"], "may be null");
    wrong("balance == null", &["E0413"], "never null");
    wrong("coalesce(balance, 1)", &["E0413"], "never null");
    wrong("null", &["E0413"], "has no type");
    wrong("null + 1", &["E0413"], "only be compared");
    wrong("last_login < null", &["E0413"], "only be compared");
    wrong("nullable(timestamp)", &["E0424"], "only declares an attribute");
    wrong_at("nullable(5)", Place::Attribute, None, &["E0424"], "name of a type");
    wrong_at("coalesce(nullable(int), 1)", Place::Attribute, None, &["E0424"], "alone");
    wrong_at("null", Place::Set, Some(Ty::of(Base::Int)), &["E0414"], "declare the attribute");
    wrong_at(
        "last_login",
        Place::Set,
        Some(Ty::of(Base::Timestamp)),
        &["E0414"],
        "coalesce(last_login",
    );
}
