//! Which rows a validation refuses, and that its words never repeat a value.

use cdc_core::{Change, Decimal, SemanticType, Stage, Timestamp, Value};
use cdc_rules::{Pattern, RuleKind, Verdict};

use crate::support::{CREATED, ORDER, Outcome, apply, batch, bind, event, insert, shape, strings};

fn required(columns: &[&str]) -> RuleKind {
    RuleKind::Required { columns: strings(columns) }
}

fn range(column: &str, min: Option<&str>, max: Option<&str>) -> RuleKind {
    let own = |text: Option<&str>| text.map(str::to_owned);
    RuleKind::Range { column: column.into(), min: own(min), max: own(max) }
}

fn allowed(column: &str, values: &[&str]) -> RuleKind {
    RuleKind::Allowed { column: column.into(), values: strings(values) }
}

fn pattern(column: &str, text: &str) -> RuleKind {
    RuleKind::Pattern { column: column.into(), pattern: Pattern::parse(text).unwrap() }
}

fn amount(unscaled: i128) -> Value<'static> {
    Value::Decimal(Decimal::Small { unscaled, scale: 2 })
}

#[test]
fn each_constraint_refuses_what_breaks_it_and_nothing_else() {
    let created = |micros| Value::Timestamp(Timestamp::Micros(micros));
    let day = || range("created_at", Some("2024-01-31 10:00:00"), Some("2024-02-01"));
    for (kind, column, value, reason) in [
        (required(&["order_id", "email"]), "email", Value::Text(""), None),
        (required(&["order_id", "email"]), "email", Value::Null, Some("required")),
        (range("amount", Some("0"), Some("10.50")), "amount", amount(1050), None),
        (range("amount", Some("0"), Some("10.50")), "amount", amount(1051), Some("range")),
        (range("amount", Some("0"), Some("10.50")), "amount", amount(0), None),
        (range("amount", Some("0"), Some("10.50")), "amount", amount(-1), Some("range")),
        (range("amount", Some("0"), None), "amount", Value::Decimal(Decimal::NaN), None),
        (range("amount", None, Some("9")), "amount", Value::Decimal(Decimal::NaN), Some("range")),
        (range("amount", Some("0"), None), "amount", Value::Null, None),
        (range("order_id", Some("8"), None), "order_id", Value::Int32(7), Some("range")),
        (range("order_id", None, Some("7")), "order_id", Value::Int32(7), None),
        (day(), "created_at", created(CREATED), None),
        (day(), "created_at", created(CREATED - 1), Some("range")),
        (allowed("status", &["paid", "open"]), "status", Value::Text("open"), None),
        (allowed("status", &["paid", "open"]), "status", Value::Text("Open"), Some("allowed")),
        (allowed("status", &["paid"]), "status", Value::Null, None),
        (allowed("order_id", &["1", "7"]), "order_id", Value::Int32(7), None),
        (allowed("amount", &["10.5"]), "amount", amount(1050), None),
        (pattern("email", "@"), "email", Value::Text("a@b"), None),
        (pattern("email", "^[a-z]+$"), "email", Value::Text("a@b"), Some("pattern")),
        (pattern("email", "^[a-z]+$"), "email", Value::Null, None),
        (pattern("note", "^x"), "note", Value::Text("xy"), None),
        (pattern("note", "^x"), "note", Value::Int64(1), Some("pattern")),
    ] {
        let shown = format!("{kind:?} {value:?}");
        let found = match insert(vec![kind.clone()], ORDER.with(column, value)) {
            Outcome::Kept(_) => None,
            Outcome::Rejected(reason, _) => Some(reason),
            skipped @ Outcome::Skipped(_) => panic!("{shown}: {skipped:?}"),
        };
        assert_eq!(found.as_deref(), reason, "{shown}");
        let unavailable = insert(vec![kind], ORDER.with(column, Value::Unavailable));
        assert!(unavailable.is_kept(), "{shown}: unavailable");
    }
}

#[test]
fn inserts_snapshots_and_updates_are_validated_and_deletes_are_not() {
    let (shape, buffer) = (shape(), ORDER.with("email", Value::Null).buffer());
    let row = buffer.row(&shape, "");
    let mut rules = bind(vec![required(&["email"])]).unwrap();
    for (change, kept) in [
        (Change::Insert { after: row }, false),
        (Change::Snapshot { row }, false),
        (Change::Update { before: None, after: row }, false),
        (Change::Delete { before: row }, true),
        (Change::Truncate, true),
    ] {
        assert_eq!(apply(&mut rules, change).is_kept(), kept, "{:?}", change.operation());
    }
    let good = ORDER.buffer();
    let change = Change::Update { before: Some(row), after: good.row(&shape, "") };
    assert!(apply(&mut rules, change).is_kept(), "the row before is not validated");
}

#[test]
fn a_rejection_names_rule_table_column_and_constraint() {
    let (shape, buffer, batch) = (shape(), ORDER.buffer(), batch());
    let mut rules = bind(vec![range("amount", Some("0"), Some("5"))]).unwrap();
    let change = Change::Insert { after: buffer.row(&shape, "") };
    let Verdict::Reject(rejection) = rules.apply(&event(&batch, change)) else {
        panic!("10.50 is above 5")
    };
    assert_eq!(rejection.stage, Stage::Rule);
    assert_eq!(rejection.message, "rule \"range(amount)\": column \"amount\" must be from 0 to 5");
    assert_eq!(rejection.column.as_deref(), Some("amount"));
    assert_eq!(rejection.table.map(cdc_core::TableId::index), Some(3));
    assert!(rejection.hint.is_some_and(|hint| hint.starts_with("correct")));
}

#[test]
fn a_rejection_never_repeats_the_value() {
    let marked = "s3cr3t-4711";
    for kind in [
        allowed("email", &["x"]),
        pattern("email", "^x$"),
        range("order_id", None, Some("5")),
        range("amount", None, Some("5")),
    ] {
        let order = ORDER
            .with("email", Value::Text(marked))
            .with("order_id", Value::Int32(4_711_000))
            .with("amount", amount(471_100));
        let Outcome::Rejected(_, message) = insert(vec![kind], order) else {
            panic!("must reject")
        };
        assert!(!message.contains("4711") && !message.contains("s3cr3t"), "{message}");
    }
}

#[test]
fn rules_run_in_the_order_written() {
    let order = ORDER.with("email", Value::Null).with("status", Value::Text("odd"));
    let first = insert(vec![required(&["email"]), allowed("status", &["paid"])], order);
    let second = insert(vec![allowed("status", &["paid"]), required(&["email"])], order);
    assert!(matches!(first, Outcome::Rejected(reason, _) if reason == "required"));
    assert!(matches!(second, Outcome::Rejected(reason, _) if reason == "allowed"));
}

#[test]
fn a_row_of_another_shape_is_refused_instead_of_misread() {
    let (shape, buffer) = (shape(), ORDER.buffer());
    let other = std::sync::Arc::new(cdc_core::RowShape::new(vec![cdc_core::Column::new(
        "order_id",
        SemanticType::Int32,
    )]));
    let mut rules = bind(vec![required(&["email"])]).unwrap();
    let change =
        Change::Update { before: Some(buffer.row(&other, "")), after: buffer.row(&shape, "") };
    let Outcome::Rejected(reason, _) = apply(&mut rules, change) else { panic!("must reject") };
    assert_eq!(reason, "shape_mismatch");
    // An equal shape behind another pointer is the same shape.
    let twin = std::sync::Arc::new(shape.as_ref().clone());
    for _ in 0..2 {
        let change =
            Change::Update { before: Some(buffer.row(&twin, "")), after: buffer.row(&shape, "") };
        assert!(apply(&mut rules, change).is_kept());
    }
}
