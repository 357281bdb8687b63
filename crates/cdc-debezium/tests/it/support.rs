//! Records of an orders table, with and without schema block, and what they decode to as text.

use cdc_core::{
    ByteBudget, Change, Decoded, Decoder, NextOffset, Offset, Partition, RecordBatch,
    RecordBatchBuilder, RecordParts, Row, SourceTable, TableId,
};
use cdc_debezium::{DebeziumDecoder, TableDeclarations, TableMap};
use debezium_envelope::Limits;

pub(crate) const TOPIC: &str = "dbserver1.public.orders";
pub(crate) const KEY: &str = r#"{"order_id":7}"#;

/// The row of order 7 with the amount 12.34, as a message without schema block has it.
pub(crate) const ROW: &str = r#"{"order_id":7,"customer_id":3,"amount":"BNI=","status":"paid","created_at":1706695200500000}"#;

/// The same row as [`text`] shows it.
pub(crate) const ROW_TEXT: &str = "order_id=Int32(7) customer_id=Int64(3) \
    amount=Decimal(Small { unscaled: 1234, scale: 2 }) status=Text(\"paid\") \
    created_at=Timestamp(Micros(1706695200500000))";

const SOURCE: &str = r#"{"version":"2.4.2.Final","connector":"postgresql","name":"dbserver1","ts_ms":1706695200000,"snapshot":"false","db":"shop","sequence":"[null,\"42\"]","schema":"public","table":"orders","txId":9,"lsn":42,"xmin":null}"#;

/// A message without schema block.
pub(crate) fn envelope(op: &str, before: &str, after: &str) -> String {
    format!(
        r#"{{"before":{before},"after":{after},"source":{SOURCE},"op":"{op}","ts_ms":1706695200999,"transaction":null}}"#
    )
}

/// The same message for another table.
pub(crate) fn of_table(message: &str, schema: &str, table: &str) -> String {
    message.replace(
        r#""schema":"public","table":"orders""#,
        &format!(r#""schema":"{schema}","table":"{table}""#),
    )
}

/// A message with the schema block that Connect's JSON converter writes.
pub(crate) fn with_schema(message: &str) -> String {
    let field = |name: &str, rest: &str| format!(r#"{{{rest},"optional":true,"field":"{name}"}}"#);
    let columns = [
        field("order_id", r#""type":"int32""#),
        field("customer_id", r#""type":"int64""#),
        field(
            "amount",
            r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"}"#,
        ),
        field("status", r#""type":"string""#),
        field(
            "created_at",
            r#""type":"int64","name":"io.debezium.time.MicroTimestamp","version":1"#,
        ),
    ]
    .join(",");
    let row = |name: &str| field(name, &format!(r#""type":"struct","fields":[{columns}]"#));
    let fields = [
        row("before"),
        row("after"),
        field("source", r#""type":"struct","fields":[]"#),
        field("op", r#""type":"string""#),
        field("ts_ms", r#""type":"int64""#),
    ]
    .join(",");
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{fields}],"optional":false,"name":"dbserver1.public.orders.Envelope","version":1}},"payload":{message}}}"#
    )
}

pub(crate) fn tables() -> TableMap {
    let names = ["public.items", "public.orders", "audit.orders"];
    let entry =
        |(index, name): (u32, &str)| (SourceTable::parse(name).unwrap(), TableId::new(index));
    TableMap::new((0..).zip(names).map(entry)).unwrap()
}

pub(crate) fn decoder() -> DebeziumDecoder {
    let mut orders = TableDeclarations::new(SourceTable::new("public", "orders"));
    for (column, semantic) in
        [("order_id", "int32"), ("amount", "decimal(10,2)"), ("created_at", "timestamp(micros)")]
    {
        orders.declare(column, semantic).unwrap();
    }
    DebeziumDecoder::new(tables(), [orders], Limits::default())
}

/// A key and a value; `None` is a Kafka null.
pub(crate) type Bytes<'b> = (Option<&'b [u8]>, Option<&'b [u8]>);

pub(crate) fn batch_of(topic: &str, records: &[Bytes<'_>]) -> RecordBatch {
    let partition = Partition::new(topic, 0, 0).unwrap();
    let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
    for ((key, value), offset) in records.iter().zip(0..) {
        let offset = Offset::try_new(offset).unwrap();
        let (key, value) = (*key, *value);
        builder.push(&RecordParts { offset, timestamp_ms: None, key, value, headers: &[] });
    }
    builder.finish(ByteBudget::new(1 << 30).charge(0))
}

pub(crate) fn text(row: Row<'_>) -> String {
    let columns = row.shape().columns().iter().zip(row.values());
    columns
        .map(|(column, value)| format!("{}={value:?}", column.name))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What became of a record, in a form that can be compared: `insert …`, `skip …`, `reject …`.
pub(crate) fn outcome(decoder: &mut DebeziumDecoder, topic: &str, record: Bytes<'_>) -> String {
    let batch = batch_of(topic, &[record]);
    match decoder.decode(batch.get(0).unwrap()) {
        Ok(Decoded::Change(event)) => {
            let table = event.table.index();
            let row = |row: Row<'_>| text(row);
            match event.change {
                Change::Insert { after } => format!("{table} insert {}", row(after)),
                Change::Snapshot { row: read } => format!("{table} snapshot {}", row(read)),
                Change::Update { before: None, after } => format!("{table} update {}", row(after)),
                Change::Update { before: Some(before), after } => {
                    format!("{table} update {} to {}", row(before), row(after))
                }
                Change::Delete { before } => format!("{table} delete {}", row(before)),
                Change::Truncate => format!("{table} truncate"),
            }
        }
        Ok(Decoded::Skip(reason)) => format!("skip {}", reason.name()),
        Err(rejection) => format!("reject {}", rejection.reason),
    }
}

/// As [`outcome`], of a value under the usual key and topic.
pub(crate) fn value_outcome(decoder: &mut DebeziumDecoder, value: &[u8]) -> String {
    outcome(decoder, TOPIC, (Some(KEY.as_bytes()), Some(value)))
}
