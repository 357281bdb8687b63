//! The fixture files and the declarations that fit them.

use debezium_envelope::{Declarations, Limits, MessageDecoder, SemanticType};

/// Name and text of every value fixture.
pub(crate) const VALUES: &[(&str, &str)] = &[
    ("insert bare", include_str!("../../fixtures/orders_insert.bare.json")),
    ("insert schema", include_str!("../../fixtures/orders_insert.schema.json")),
    ("update bare", include_str!("../../fixtures/orders_update.bare.json")),
    ("update schema", include_str!("../../fixtures/orders_update.schema.json")),
    ("delete bare", include_str!("../../fixtures/orders_delete.bare.json")),
    ("delete schema", include_str!("../../fixtures/orders_delete.schema.json")),
    ("snapshot bare", include_str!("../../fixtures/orders_snapshot.bare.json")),
    ("snapshot schema", include_str!("../../fixtures/orders_snapshot.schema.json")),
    ("truncate bare", include_str!("../../fixtures/orders_truncate.bare.json")),
    ("truncate schema", include_str!("../../fixtures/orders_truncate.schema.json")),
    ("tombstone bare", include_str!("../../fixtures/orders_tombstone.bare.json")),
    ("tombstone schema", include_str!("../../fixtures/orders_tombstone.schema.json")),
    ("logical message", include_str!("../../fixtures/logical_message.bare.json")),
    ("heartbeat", include_str!("../../fixtures/heartbeat.bare.json")),
    ("transaction end", include_str!("../../fixtures/transaction_end.bare.json")),
];

pub(crate) const BARE_KEY: &str = include_str!("../../fixtures/orders_key.bare.json");
pub(crate) const SCHEMA_KEY: &str = include_str!("../../fixtures/orders_key.schema.json");

/// The text of a value fixture.
pub(crate) fn value(name: &str) -> &'static str {
    VALUES.iter().find(|(known, _)| *known == name).unwrap().1.trim_end()
}

/// The types of the orders table.
pub(crate) fn declarations() -> Declarations {
    let mut declarations = Declarations::none();
    for (column, text) in [
        ("order_id", "int32"),
        ("customer_id", "int32"),
        ("product_name", "text"),
        ("amount", "decimal(10,2)"),
        ("status", "text"),
        ("created_at", "timestamp(micros)"),
        ("updated_at", "timestamp(micros)"),
    ] {
        declarations.declare("public.orders", column, SemanticType::parse(text).unwrap());
    }
    declarations
}

pub(crate) fn decoder() -> MessageDecoder {
    MessageDecoder::new(declarations(), Limits::default())
}
