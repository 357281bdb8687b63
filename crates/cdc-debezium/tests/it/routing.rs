//! From topics and source blocks to configured tables.

use cdc_core::{Classify, Decoder, ErrorClass, Halt, SourceTable, TableId};
use cdc_debezium::{AdapterError, TableDeclarations, TableMap};

use crate::support::{
    KEY, ROW, ROW_TEXT, TOPIC, batch_of, decoder, envelope, of_table, outcome, value_outcome,
    with_schema,
};

#[test]
fn the_source_block_decides_and_not_the_topic() {
    let mut decoder = decoder();
    let message = envelope("c", "null", ROW);
    for (topic, schema, table, expected) in [
        (TOPIC, "public", "orders", "1 insert"),
        (TOPIC, "audit", "orders", "2 insert"),
        ("dbserver1.audit.orders", "public", "orders", "1 insert"),
        ("routed", "public", "items", "0 insert"),
        ("routed", "public", "orders", "1 insert"),
    ] {
        let message = of_table(&message, schema, table);
        let found = outcome(&mut decoder, topic, (Some(KEY.as_bytes()), Some(message.as_bytes())));
        assert!(found.starts_with(expected), "{topic} {schema}.{table}: {found}");
    }
}

#[test]
fn declarations_belong_to_their_table() {
    let mut decoder = decoder();
    let orders = envelope("c", "null", ROW);
    let audit = of_table(&orders, "audit", "orders");
    for _ in 0..2 {
        let found = value_outcome(&mut decoder, orders.as_bytes());
        assert_eq!(found, format!("1 insert {ROW_TEXT}"));
        let found = value_outcome(&mut decoder, audit.as_bytes());
        assert!(found.contains("amount=Text(\"BNI=\")"), "{found}");
    }
}

#[test]
fn a_source_without_schemas_is_named_by_its_database() {
    let message = of_table(&envelope("c", "null", ROW), "", "orders").replace("shop", "audit");
    let found = value_outcome(&mut decoder(), message.as_bytes());
    assert!(found.starts_with("2 insert"), "{found}");
}

#[test]
fn an_unknown_table_is_rejected_with_the_block_to_add() {
    let mut decoder = decoder();
    let long = "x".repeat(10_000);
    for (schema, table) in [("public", "Orders"), ("public", long.as_str()), ("public", "")] {
        let message = of_table(&envelope("c", "null", ROW), schema, table);
        let batch = batch_of(TOPIC, &[(None, Some(message.as_bytes()))]);
        let rejection = decoder.decode(batch.get(0).unwrap()).unwrap_err();
        assert_eq!(rejection.reason, "unknown_table");
        assert_eq!(rejection.table, None);
        let hint = rejection.hint.unwrap();
        let named: String = table.chars().take(64).collect();
        let expected = format!("add a [[table]] block with source = \"public.{named}\"");
        assert!(hint.starts_with(&expected), "{hint}");
        assert!(rejection.message.len() < 200);
    }
}

#[test]
fn topics_in_turn_keep_their_own_schemas() {
    let mut decoder = decoder();
    let described = with_schema(&envelope("c", "null", ROW));
    let other = described.replace(r#""scale":"2""#, r#""scale":"4""#);
    let key = Some(KEY.as_bytes());
    for _ in 0..3 {
        let found = outcome(&mut decoder, TOPIC, (key, Some(described.as_bytes())));
        assert!(found.contains("unscaled: 1234, scale: 2"), "{found}");
        let found = outcome(&mut decoder, "elsewhere", (key, Some(other.as_bytes())));
        assert!(found.contains("unscaled: 1234, scale: 4"), "{found}");
    }
}

#[test]
fn an_undecodable_record_is_filed_under_the_table_of_its_topic() {
    let mut decoder = decoder();
    for (topic, table) in [(TOPIC, Some(TableId::new(1))), ("routed", None)] {
        let batch = batch_of(topic, &[(None, Some(b"{"))]);
        let rejection = decoder.decode(batch.get(0).unwrap()).unwrap_err();
        assert_eq!((rejection.table, &*rejection.reason), (table, "malformed_json"), "{topic}");
    }
}

#[test]
fn mistakes_in_tables_and_types_are_configuration_errors() {
    let orders = || SourceTable::new("public", "orders");
    let twice = TableMap::new([(orders(), TableId::new(0)), (orders(), TableId::new(1))]);
    let mut declared = TableDeclarations::new(orders());
    let bad_type = declared.declare("amount", "decimal(x)").map(drop);
    declared.declare("amount", "decimal(10,2)").unwrap();
    let again = declared.declare("amount", "int64").map(drop);
    assert_eq!(declared.columns().count(), 1);
    let errors = [twice.map(drop).unwrap_err(), bad_type.unwrap_err(), again.unwrap_err()];
    assert!(matches!(&errors[1], AdapterError::InvalidType { column, .. } if column == "amount"));
    for error in errors {
        assert_eq!(error.class(), ErrorClass::Fatal(Halt::Configuration), "{error}");
        assert!(error.hint().is_some() && error.to_string().contains("public.orders"), "{error}");
    }
}
