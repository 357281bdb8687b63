//! What the benches of single steps work on: one seed, so that numbers of different days compare.

use std::convert::Infallible;
use std::sync::Arc;

use cdc_core::{
    Column, Decimal, Row, RowBuffer, RowShape, SemanticType, TimeUnit, Timestamp, Value,
};
use cdc_workload::{
    EnvelopeOptions, EnvelopeWriter, Order, SchemaBlock, Transaction, Workload, WorkloadOptions,
};
use debezium_envelope::{Declarations, Limits, MessageDecoder};

/// Names all streams of this crate.
pub const SEED: u64 = 42;

/// A message with bytes of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedMessage {
    /// The key.
    pub key: Vec<u8>,
    /// The value; nothing for a tombstone.
    pub value: Option<Vec<u8>>,
}

impl OwnedMessage {
    /// Bytes of key and value.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// The default workload under the seed of this crate.
pub fn workload() -> Workload {
    Workload::new(workload_options())
}

/// What describes that workload.
pub fn workload_options() -> WorkloadOptions {
    WorkloadOptions { seed: SEED, ..WorkloadOptions::default() }
}

/// The first transactions of the workload, one change each.
pub fn transactions(changes: usize) -> Vec<Transaction> {
    workload().take(changes).collect()
}

/// The messages of the first changes.
pub fn messages(schema_block: SchemaBlock, changes: usize) -> Vec<OwnedMessage> {
    let options = EnvelopeOptions { schema_block, ..EnvelopeOptions::default() };
    let mut writer = EnvelopeWriter::new(&options);
    let mut messages = Vec::new();
    for transaction in transactions(changes) {
        let emitted = writer.write(&transaction, |record| {
            let (key, value) = (record.key.to_vec(), record.value.map(<[u8]>::to_vec));
            messages.push(OwnedMessage { key, value });
            Ok::<(), Infallible>(())
        });
        match emitted {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }
    messages
}

/// The values of the first updates, the largest kind of message. Each carries both rows.
pub fn updates(schema_block: SchemaBlock, count: usize) -> Vec<Vec<u8>> {
    let is_update = |value: &Vec<u8>| value.windows(8).any(|window| window == br#""op":"u""#);
    let changes = count.saturating_mul(8).max(1_000);
    let values = messages(schema_block, changes).into_iter().filter_map(|message| message.value);
    values.filter(is_update).take(count).collect()
}

/// The columns of the orders table.
pub fn order_shape() -> Arc<RowShape> {
    let time = SemanticType::Timestamp(TimeUnit::Micros);
    Arc::new(RowShape::new(vec![
        Column::new("order_id", SemanticType::Int32),
        Column::new("customer_id", SemanticType::Int32),
        Column::new("product_name", SemanticType::Text),
        Column::new("amount", SemanticType::Decimal { precision: Some(10), scale: 2 }),
        Column::new("status", SemanticType::Text),
        Column::new("created_at", time.clone()),
        Column::new("updated_at", time),
    ]))
}

/// A decoder that knows the columns of the orders table, as a user without schema block declares
/// them.
pub fn decoder() -> MessageDecoder {
    let mut declarations = Declarations::none();
    for column in order_shape().columns() {
        declarations.declare("public.orders", &column.name, column.semantic.clone());
    }
    MessageDecoder::new(declarations, Limits::default())
}

/// An order as cells in the order of [`order_shape`].
pub fn order_cells(order: &Order) -> RowBuffer {
    let time = |micros: Option<i64>| match micros {
        Some(micros) => Value::Timestamp(Timestamp::Micros(micros)),
        None => Value::Null,
    };
    let mut cells = RowBuffer::new();
    cells.push(Value::Int32(order.order_id));
    cells.push(Value::Int32(order.customer_id));
    cells.push(text(order.product_name.as_deref()));
    cells.push(match order.amount {
        Some(cents) => Value::Decimal(Decimal::Small { unscaled: cents.0.into(), scale: 2 }),
        None => Value::Null,
    });
    cells.push(text(order.status.as_deref()));
    cells.push(time(order.created_at_micros));
    cells.push(time(order.updated_at_micros));
    cells
}

fn text(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Null, Value::Text)
}

/// The cells as a row.
pub fn order_row<'r>(cells: &'r RowBuffer, shape: &'r Arc<RowShape>) -> Row<'r> {
    cells.row(shape, "")
}
