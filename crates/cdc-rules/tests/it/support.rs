//! An orders table, rows of it and changes around them.

use std::sync::Arc;

use cdc_core::{
    ByteBudget, Change, ChangeEvent, Column, Decimal, NextOffset, Offset, Origin, Partition,
    RecordBatch, RecordBatchBuilder, RecordParts, Row, RowBuffer, RowShape, SemanticType, TableId,
    TimeUnit, Timestamp, Value,
};
use cdc_rules::{BoundRules, Rule, RuleError, RuleKind, RuleSet};

pub(crate) const CREATED: i64 = 1_706_695_200_000_000;

pub(crate) fn shape() -> Arc<RowShape> {
    Arc::new(RowShape::new(vec![
        Column::new("order_id", SemanticType::Int32),
        Column::new("email", SemanticType::Text),
        Column::new("amount", SemanticType::Decimal { precision: Some(10), scale: 2 }),
        Column::new("status", SemanticType::Text),
        Column::new("created_at", SemanticType::Timestamp(TimeUnit::Micros)),
        Column::new("note", SemanticType::SelfEvident),
    ]))
}

/// One order; a field is changed with struct update syntax.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'v>(pub(crate) [Value<'v>; 6]);

pub(crate) const ORDER: Order<'static> = Order([
    Value::Int32(7),
    Value::Text("ada@example.org"),
    Value::Decimal(Decimal::Small { unscaled: 1050, scale: 2 }),
    Value::Text("paid"),
    Value::Timestamp(Timestamp::Micros(CREATED)),
    Value::Text("fragile"),
]);

impl<'v> Order<'v> {
    pub(crate) fn with(mut self, column: &str, value: Value<'v>) -> Self {
        let index = shape().index_of(column).unwrap();
        self.0[index] = value;
        self
    }

    pub(crate) fn buffer(&self) -> RowBuffer {
        let mut buffer = RowBuffer::new();
        for value in self.0 {
            buffer.push(value);
        }
        buffer
    }
}

pub(crate) fn batch() -> RecordBatch {
    let partition = Partition::new("shop.public.orders", 0, 0).unwrap();
    let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
    let offset = Offset::try_new(0).unwrap();
    let headers = &[];
    builder.push(&RecordParts { offset, timestamp_ms: None, key: None, value: None, headers });
    builder.finish(ByteBudget::new(1 << 20).charge(0))
}

pub(crate) fn event<'e>(batch: &'e RecordBatch, change: Change<'e>) -> ChangeEvent<'e> {
    let origin = Origin { lsn: Some(42), ..Origin::default() };
    let record = batch.get(0).unwrap();
    ChangeEvent {
        table: TableId::new(3),
        change,
        origin,
        emission: None,
        snapshot: None,
        ordinal: 0,
        record,
    }
}

/// What became of a change, without borrows.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The row that describes the change, as text.
    Kept(String),
    Skipped(String),
    /// Reason, message.
    Rejected(String, String),
}

impl Outcome {
    pub(crate) fn is_kept(&self) -> bool {
        matches!(self, Self::Kept(_))
    }
}

pub(crate) fn text(row: Row<'_>) -> String {
    let columns = row.shape().columns().iter().zip(row.values());
    columns
        .map(|(column, value)| format!("{}={value:?}", column.name))
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) fn apply(rules: &mut BoundRules, change: Change<'_>) -> Outcome {
    use cdc_rules::Verdict;
    let batch = batch();
    match rules.apply(&event(&batch, change)) {
        Verdict::Keep(event) => Outcome::Kept(event.change.row().map_or_else(String::new, text)),
        Verdict::Skip(reason) => Outcome::Skipped(reason.name().to_owned()),
        Verdict::Reject(rejection) => {
            Outcome::Rejected(rejection.reason.to_string(), rejection.message)
        }
    }
}

pub(crate) fn bind(kinds: Vec<RuleKind>) -> Result<BoundRules, RuleError> {
    RuleSet::new(kinds.into_iter().map(Rule::new).collect()).bind(&shape())
}

/// Applies rules to an insert of an order.
pub(crate) fn insert(kinds: Vec<RuleKind>, order: Order<'_>) -> Outcome {
    let (shape, buffer) = (shape(), order.buffer());
    let mut rules = bind(kinds).unwrap();
    apply(&mut rules, Change::Insert { after: buffer.row(&shape, "") })
}

pub(crate) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
