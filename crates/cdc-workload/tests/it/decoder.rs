//! The workspace's decoder reads the envelopes as the operations they were made of.
//!
//! Writer and decoder share no code, so each is the other's check.

#![expect(clippy::wildcard_enum_match_arm, reason = "anything unexpected fails the test")]

use cdc_workload::{
    Cents, EnvelopeOptions, EnvelopeWriter, Hostility, Operation, Order, SchemaBlock, Transaction,
    Workload, WorkloadOptions,
};
use debezium_envelope::{
    Decimal, Declarations, Limits, Message, MessageDecoder, Op, Row, SemanticType, Timestamp, Value,
};

fn declarations() -> Declarations {
    let mut declarations = Declarations::none();
    for (column, semantic) in [
        ("order_id", "int32"),
        ("customer_id", "int32"),
        ("product_name", "text"),
        ("amount", "decimal(10,2)"),
        ("status", "text"),
        ("created_at", "timestamp(micros)"),
        ("updated_at", "timestamp(micros)"),
    ] {
        let semantic = SemanticType::parse(semantic).expect("a type");
        declarations.declare("public.orders", column, semantic);
    }
    declarations
}

fn order(row: &Row<'_>) -> Order {
    let value = |name: &str| row.get_by_name(name).expect("the column is there");
    let integer = |name: &str| match value(name) {
        Value::Int32(number) => number,
        other => panic!("{name} is {other:?}"),
    };
    let text = |name: &str| match value(name) {
        Value::Null => None,
        Value::Text(text) => Some(text.to_owned()),
        other => panic!("{name} is {other:?}"),
    };
    let time = |name: &str| match value(name) {
        Value::Timestamp(Timestamp::Micros(micros)) => Some(micros),
        other => panic!("{name} is {other:?}"),
    };
    let amount = match value("amount") {
        Value::Null => None,
        Value::Decimal(Decimal::Small { unscaled, scale: 2 }) => {
            Some(Cents(i64::try_from(unscaled).expect("ten digits")))
        }
        other => panic!("amount is {other:?}"),
    };
    Order {
        order_id: integer("order_id"),
        customer_id: integer("customer_id"),
        product_name: text("product_name"),
        amount,
        status: text("status"),
        created_at_micros: time("created_at"),
        updated_at_micros: time("updated_at"),
    }
}

/// An operation as its row events, with a tombstone as an event without an operation.
fn events(operation: &Operation) -> Vec<(Option<Op>, Option<Order>, Option<Order>)> {
    let create = |order: &Order| (Some(Op::Create), None, Some(order.clone()));
    let remove =
        |order: &Order| vec![(Some(Op::Delete), Some(order.clone()), None), (None, None, None)];
    match operation {
        Operation::Insert(order) => vec![create(order)],
        Operation::Delete(order) => remove(order),
        Operation::Update { before, after } if operation.changes_key() => {
            let mut events = remove(before);
            events.push(create(after));
            events
        }
        Operation::Update { before, after } => {
            vec![(Some(Op::Update), Some(before.clone()), Some(after.clone()))]
        }
    }
}

fn decoded(
    transactions: &[Transaction],
    schema_block: SchemaBlock,
    declarations: Declarations,
) -> Vec<(Option<Op>, Option<Order>, Option<Order>)> {
    let options = EnvelopeOptions { schema_block, ..EnvelopeOptions::default() };
    let mut writer = EnvelopeWriter::new(&options);
    let mut decoder = MessageDecoder::new(declarations, Limits::default());
    let mut events = Vec::new();
    for transaction in transactions {
        writer
            .write(transaction, |record| {
                match decoder.decode(Some(record.key), record.value)? {
                    Message::Change(change) => {
                        assert_eq!(
                            (change.source.schema, change.source.table),
                            ("public", "orders")
                        );
                        let source_millis = transaction.commit_micros.div_euclid(1000);
                        assert_eq!(change.source.ts_ms, Some(source_millis));
                        let images =
                            (change.before.as_ref().map(order), change.after.as_ref().map(order));
                        events.push((Some(change.op), images.0, images.1));
                    }
                    Message::Tombstone(_) => events.push((None, None, None)),
                    other => panic!("neither change nor tombstone: {other:?}"),
                }
                Ok::<(), debezium_envelope::DecodeError>(())
            })
            .expect("every record is decoded");
    }
    events
}

#[test]
fn the_decoder_gives_the_operations_back_in_either_form() {
    let options = WorkloadOptions {
        seed: 5,
        keys: 60,
        changes_per_transaction: 5,
        hostility: Hostility::Hostile,
        ..WorkloadOptions::default()
    };
    let transactions: Vec<_> = Workload::new(options).take(400).collect();
    let expected: Vec<_> =
        transactions.iter().flat_map(|one| &one.operations).flat_map(events).collect();
    assert_eq!(decoded(&transactions, SchemaBlock::Without, declarations()), expected);
    assert_eq!(decoded(&transactions, SchemaBlock::With, Declarations::none()), expected);
}
