//! Renamed, dropped and hashed columns.

use std::sync::Arc;

use cdc_config::Secret;
use cdc_core::{Change, Column, Row, RowShape, SemanticType, Value};
use cdc_rules::{RuleKind, Verdict};

use crate::support::{ORDER, Outcome, apply, batch, bind, event, insert, shape, strings, text};

fn rename(column: &str, to: &str) -> RuleKind {
    RuleKind::Rename { column: column.into(), to: to.into() }
}

fn drop(columns: &[&str]) -> RuleKind {
    RuleKind::Drop { columns: strings(columns) }
}

fn hash(column: &str, key: &str) -> RuleKind {
    RuleKind::Hash { column: column.into(), key: Secret::new(key) }
}

#[test]
fn renaming_dropping_and_hashing_keep_the_order_of_the_columns() {
    let kinds =
        vec![rename("order_id", "id"), drop(&["note", "created_at"]), hash("email", "Jefe")];
    let order = ORDER.with("email", Value::Text("what do ya want for nothing?"));
    let bound = bind(kinds.clone()).unwrap();
    assert_eq!(
        bound.output_shape().to_string(),
        "(id int32, email text, amount decimal(10,2), status text)"
    );
    let Outcome::Kept(row) = insert(kinds, order) else { panic!("must keep") };
    assert_eq!(
        row,
        "id=Int32(7) email=Text(\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\") \
         amount=Decimal(Small { unscaled: 1050, scale: 2 }) status=Text(\"paid\")"
    );
}

#[test]
fn both_rows_of_an_update_and_the_row_of_a_delete_are_masked_alike() {
    let (shape, old, batch) = (shape(), ORDER.buffer(), batch());
    let new = ORDER.with("email", Value::Text("new@example.org")).buffer();
    let (old, new) = (old.row(&shape, ""), new.row(&shape, ""));
    let mut rules = bind(vec![hash("email", "k"), drop(&["note"])]).unwrap();
    let email = |row: Row<'_>| format!("{:?}", row.get_by_name("email"));

    let change = Change::Update { before: Some(old), after: new };
    let Verdict::Keep(updated) = rules.apply(&event(&batch, change)) else { panic!("must keep") };
    let Change::Update { before: Some(before), after } = updated.change else {
        panic!("must stay an update")
    };
    assert_ne!(email(before), email(after));
    let masked_before = email(before);
    assert!(!text(before).contains("example.org") && !text(after).contains("example.org"));
    assert_eq!(updated.origin.lsn, Some(42));

    let change = Change::Delete { before: old };
    let Verdict::Keep(deleted) = rules.apply(&event(&batch, change)) else { panic!("must keep") };
    assert_eq!(deleted.change.row().map(email), Some(masked_before));
}

#[test]
fn null_and_unavailable_are_not_hashed() {
    for value in [Value::Null, Value::Unavailable] {
        let Outcome::Kept(row) = insert(vec![hash("email", "k")], ORDER.with("email", value))
        else {
            panic!("must keep")
        };
        assert!(row.contains(&format!("email={value:?}")), "{row}");
    }
}

#[test]
fn every_supported_type_can_be_hashed_and_becomes_text() {
    for column in shape().columns() {
        let bound = bind(vec![hash(&column.name, "k")]).unwrap();
        let index = bound.output_shape().index_of(&column.name).unwrap();
        assert_eq!(bound.output_shape().columns()[index].semantic, SemanticType::Text);
        let Outcome::Kept(row) = insert(vec![hash(&column.name, "k")], ORDER) else {
            panic!("must keep")
        };
        let hashed = row.split(' ').find(|cell| cell.starts_with(&*column.name)).unwrap();
        assert_eq!(hashed.len(), column.name.len() + "=Text(\"\")".len() + 64, "{hashed}");
    }
}

#[test]
fn a_validation_after_a_hash_sees_the_value_of_the_source() {
    let required =
        RuleKind::Allowed { column: "mail".into(), values: strings(&["ada@example.org"]) };
    let kinds = vec![hash("email", "k"), rename("email", "mail"), required];
    assert!(insert(kinds.clone(), ORDER).is_kept());
    assert!(!insert(kinds, ORDER.with("email", Value::Text("x"))).is_kept());
}

#[test]
fn columns_can_swap_their_names() {
    let kinds = vec![rename("email", "x"), rename("status", "email"), rename("x", "status")];
    let bound = bind(kinds).unwrap();
    let names: Vec<_> = bound.output_shape().columns().iter().map(|c| c.name.to_string()).collect();
    assert_eq!(names, ["order_id", "status", "amount", "email", "created_at", "note"]);
}

#[test]
fn rules_that_change_no_column_pass_the_very_same_shape_on() {
    let shape = shape();
    let set = cdc_rules::RuleSet::new(vec![
        cdc_rules::Rule::new(RuleKind::Required { columns: strings(&["email"]) }),
        cdc_rules::Rule::new(rename("email", "email")),
        cdc_rules::Rule::new(rename("email", "x")),
        cdc_rules::Rule::new(rename("x", "email")),
    ]);
    let bound = set.bind(&shape).unwrap();
    assert!(Arc::ptr_eq(bound.output_shape(), &shape));
}

#[test]
fn the_cells_of_one_change_do_not_leak_into_the_next() {
    let (shape, mut rules) = (shape(), bind(vec![hash("email", "k")]).unwrap());
    let full = ORDER.buffer();
    let empty = ORDER.with("email", Value::Null).buffer();
    let insert = |buffer| Change::Insert { after: cdc_core::RowBuffer::row(buffer, &shape, "") };
    let first = apply(&mut rules, insert(&full));
    let Outcome::Kept(second) = apply(&mut rules, insert(&empty)) else { panic!("must keep") };
    assert!(second.contains("email=Null"), "{second}");
    assert_eq!(apply(&mut rules, insert(&full)), first);
}

#[test]
fn a_key_never_shows() {
    let bound = bind(vec![hash("email", "hunter2")]).unwrap();
    assert!(!format!("{bound:?}").contains("hunter2"));
    assert!(!format!("{:?}", hash("email", "hunter2")).contains("hunter2"));
    let unsupported = Arc::new(RowShape::new(vec![Column::new(
        "where",
        SemanticType::Unsupported { name: "point".into() },
    )]));
    let set = cdc_rules::RuleSet::new(vec![cdc_rules::Rule::new(hash("where", "hunter2"))]);
    let error = set.bind(&unsupported).unwrap_err().to_string();
    assert!(error.contains("point") && !error.contains("hunter2"), "{error}");
}
