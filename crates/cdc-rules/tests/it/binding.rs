//! Rules that do not fit a shape, and what the error tells.

use cdc_config::Secret;
use cdc_core::{Classify, ErrorClass, Halt};
use cdc_rules::{
    Comparison, Condition, Deletes, Filter, FilterEffect, Rule, RuleError, RuleKind, RuleSet,
};

use crate::support::{bind, shape, strings};

fn required(column: &str) -> RuleKind {
    RuleKind::Required { columns: strings(&[column]) }
}

fn rename(column: &str, to: &str) -> RuleKind {
    RuleKind::Rename { column: column.into(), to: to.into() }
}

fn drop(columns: &[&str]) -> RuleKind {
    RuleKind::Drop { columns: strings(columns) }
}

fn range(column: &str, min: Option<&str>, max: Option<&str>) -> RuleKind {
    let own = |text: Option<&str>| text.map(str::to_owned);
    RuleKind::Range { column: column.into(), min: own(min), max: own(max) }
}

fn hash(column: &str) -> RuleKind {
    RuleKind::Hash { column: column.into(), key: Secret::new("k") }
}

fn filter(column: &str, comparisons: Vec<Comparison>) -> RuleKind {
    RuleKind::Filter(Filter {
        effect: FilterEffect::Drop,
        operations: Vec::new(),
        condition: Some(Condition { column: column.into(), comparisons }),
        deletes: Deletes::Pass,
    })
}

#[test]
fn an_unknown_column_is_named_with_the_known_ones_and_the_near_miss() {
    let error = bind(vec![required("ammount")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "bound rule \"required(ammount)\" to a column \"ammount\" that the table does not have; \
         it has order_id, email, amount, status, created_at, note"
    );
    assert_eq!(error.hint().as_deref(), Some("write \"amount\", which is close to it"));
    assert_eq!((error.rule(), error.column()), ("required(ammount)", Some("ammount")));
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Configuration));
}

#[test]
fn a_later_rule_uses_the_new_name() {
    assert!(bind(vec![rename("amount", "price"), required("price")]).is_ok());
    let error = bind(vec![rename("amount", "price"), required("amount")]).unwrap_err();
    assert!(matches!(&error, RuleError::RenamedColumn { now, .. } if now == "price"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("\"price\"")));
    let error = bind(vec![drop(&["amount"]), required("amount")]).unwrap_err();
    assert!(matches!(error, RuleError::DroppedColumn { .. }), "{error}");
}

#[test]
fn every_impossible_rule_is_refused() {
    let all = ["order_id", "email", "amount", "status", "created_at", "note"];
    for (kinds, expected) in [
        (vec![rename("amount", "email")], "the name \"email\" for the column \"amount\" is taken"),
        (vec![rename("amount", "")], "is empty"),
        (vec![drop(&all)], "leaves the table without columns"),
        (vec![drop(&["note", "note"])], "has dropped"),
        (vec![hash("email"), hash("email")], "has hashed"),
        (vec![range("status", Some("a"), None)], "it takes a number, date"),
        (vec![range("note", Some("1"), None)], "of type undeclared"),
        (vec![range("amount", Some("2"), Some("1.99"))], "least value is above"),
        (vec![range("created_at", Some("2024-01-02"), Some("2024-01-01"))], "least value is above"),
        (vec![range("amount", None, None)], "names no bound"),
        (vec![range("amount", Some("1,5"), None)], "\"1,5\" is not a decimal number"),
        (vec![range("created_at", Some("soon"), None)], "\"soon\" is not a timestamp"),
        (vec![RuleKind::Required { columns: Vec::new() }], "names no column"),
        (vec![RuleKind::Allowed { column: "status".into(), values: Vec::new() }], "names no value"),
        (vec![filter("status", Vec::new())], "names no comparison"),
        (vec![filter("status", vec![Comparison::In(Vec::new())])], "names no value"),
        (vec![filter("status", vec![Comparison::Less("x".into())])], "it takes a number, date"),
        (vec![filter("order_id", vec![Comparison::Equals("x".into())])], "is not a whole number"),
    ] {
        let error = bind(kinds).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
    let pattern = cdc_rules::Pattern::parse("x").unwrap();
    let error = bind(vec![RuleKind::Pattern { column: "amount".into(), pattern }]).unwrap_err();
    assert!(error.to_string().contains("it takes a text column"), "{error}");
}

#[test]
fn an_undeclared_column_is_hinted_to_be_declared() {
    let error = bind(vec![range("note", Some("1"), None)]).unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.starts_with("declare")));
}

#[test]
fn equal_names_are_numbered_and_given_names_are_kept() {
    let set = RuleSet::new(vec![
        Rule::new(required("email")),
        Rule::new(required("email")),
        Rule::new(required("email")).named("mail"),
    ]);
    let names: Vec<_> = set.rules().iter().map(Rule::name).collect();
    assert_eq!(names, ["required(email)", "required(email) #2", "mail"]);
    assert!(set.bind(&shape()).is_ok());
}

#[test]
fn a_pattern_error_is_one_line() {
    let error = cdc_rules::Pattern::parse("a(b").unwrap_err().to_string();
    assert_eq!(error, "a regular expression (unclosed group)");
}
