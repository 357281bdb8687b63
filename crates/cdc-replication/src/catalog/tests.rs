//! Answers of the catalog without a server.

use cdc_core::SourceTable;

use super::sql::statement;
use super::{CatalogError, read};
use crate::sql::qualified;

const ANSWER: &str = r#"{"tables": [
  {"schema": "public", "name": "t", "oid": 4294967295, "kind": "r", "unlogged": false, "identity": "i",
   "primary_key": [], "chosen": ["b", "a"], "estimated_rows": 1e+06, "without_identity": [],
   "columns": [
     {"name": "a", "attnum": 1, "type_oid": 23, "typmod": -1, "sql_type": "integer", "not_null": true},
     {"name": "b", "attnum": 3, "type_oid": 9000, "typmod": -1, "sql_type": "price", "not_null": false},
     {"name": "c", "attnum": 4, "type_oid": 9001, "typmod": 655366, "sql_type": "numeric(10,2)[]", "not_null": false},
     {"name": "d", "attnum": 5, "type_oid": 9002, "typmod": -1, "sql_type": "gone", "not_null": false}]}],
 "types": [
  {"oid": 23, "name": "int4", "form": "named", "inner_oid": 0, "inner_typmod": -1},
  {"oid": 9000, "name": "price", "form": "domain", "inner_oid": 1700, "inner_typmod": 786439},
  {"oid": 1700, "name": "numeric", "form": "named", "inner_oid": 0, "inner_typmod": -1},
  {"oid": 9001, "name": "_numeric", "form": "array", "inner_oid": 1700, "inner_typmod": -1},
  {"oid": 9003, "name": "self", "form": "domain", "inner_oid": 9003, "inner_typmod": -1}]}"#;

#[test]
fn columns_mean_what_their_types_are_made_of() {
    let table = SourceTable::new("public", "t");
    let found = read(ANSWER, std::slice::from_ref(&table)).unwrap();
    let [found] = found.as_slice() else { panic!("one table") };
    let types: Vec<String> = found
        .columns
        .iter()
        .map(|column| column.semantic.as_ref().map_or("-".to_owned(), ToString::to_string))
        .collect();
    assert_eq!(types, ["int32", "decimal(12,3)", "array(decimal(10,2))", "-"]);
    assert_eq!(found.left_out().collect::<Vec<_>>(), [("d", "gone")]);
    assert_eq!((found.oid, found.estimated_rows), (u32::MAX, 1_000_000));
    assert_eq!(found.key(), ["b", "a"]);
    assert_eq!(found.identity_finding(), None);
}

#[test]
fn a_domain_over_itself_is_of_unknown_form() {
    let table = SourceTable::new("public", "t");
    let answer = ANSWER.replace(r#""type_oid": 9002"#, r#""type_oid": 9003"#);
    let found = read(&answer, &[table]).unwrap();
    assert_eq!(found[0].columns[3].semantic, None);
}

#[test]
fn a_missing_table_is_named_with_its_near_miss() {
    let error = read(ANSWER, &[SourceTable::new("public", "order")]).unwrap_err();
    assert_eq!(error.to_string(), "the source has no table public.order");
    let error = error.with_near(r#"["public.orders", "public.payments"]"#);
    assert_eq!(
        error.to_string(),
        "the source has no table public.order; did you mean public.orders?"
    );
    assert!(error.hint().starts_with("write `source = \"public.orders\"`"), "{}", error.hint());
}

#[test]
fn an_answer_of_another_form_is_an_error() {
    for answer in ["", "{}", r#"{"tables": [{}], "types": []}"#] {
        assert!(matches!(read(answer, &[]), Err(CatalogError::Answer { .. })), "{answer}");
    }
}

#[test]
fn names_are_quoted_wherever_they_stand() {
    let table = SourceTable::new("a\"b", "x'; drop table \\ y; --");
    assert_eq!(qualified(&table), r#""a""b"."x'; drop table \ y; --""#);
    let statement = statement(&[table]);
    assert!(statement.contains(r#"(E'a"b', E'x''; drop table \\ y; --')"#), "{statement}");
}
