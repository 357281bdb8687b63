//! Records as the source writes them, put together from the description of the format alone.

use cdc_core::{
    ByteBudget, NextOffset, Offset, Partition, RecordBatch, RecordBatchBuilder, RecordParts,
};

/// A table of orders with a column whose type has no meaning here.
pub(crate) const ORDERS: &str = r#"{"schema":"public","table":"orders","database":"shop","slot":"orders_slot","identity":"default","columns":[{"name":"id","type":"int32","key":true,"sql_type":"integer"},{"name":"odd","type":null,"key":false,"sql_type":"pg_lsn"},{"name":"note","type":"text","key":false,"sql_type":"text"},{"name":"paid","type":"boolean","key":false,"sql_type":"boolean"}]}"#;

/// When frames are committed, in microseconds since 2000: 2024-01-31 10:00:00.000999 UTC.
const COMMITTED_US: i64 = 760_010_400_000_999;

/// The same in milliseconds since 1970.
pub(crate) const COMMITTED_MS: i64 = 1_706_695_200_000;

/// A column of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'c> {
    Null,
    Unchanged,
    Text(&'c [u8]),
    Binary(&'c [u8]),
}

pub(crate) fn text(text: &str) -> Cell<'_> {
    Cell::Text(text.as_bytes())
}

pub(crate) fn row(cells: &[Cell<'_>]) -> Vec<u8> {
    let mut out = u16::try_from(cells.len()).unwrap().to_be_bytes().to_vec();
    for cell in cells {
        let (kind, value) = match cell {
            Cell::Null => (b'n', None),
            Cell::Unchanged => (b'u', None),
            Cell::Text(value) => (b't', Some(value)),
            Cell::Binary(value) => (b'b', Some(value)),
        };
        out.push(kind);
        if let Some(value) = value {
            out.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
            out.extend_from_slice(value);
        }
    }
    out
}

/// A frame of a streamed change: the kind and what follows the head.
pub(crate) fn frame(relation: &str, kind: u8, body: &[u8]) -> Vec<u8> {
    placed(relation, kind, b'-', body)
}

/// A frame with the place of a row in its snapshot.
pub(crate) fn placed(relation: &str, kind: u8, place: u8, body: &[u8]) -> Vec<u8> {
    let mut out = relation.as_bytes().to_vec();
    out.push(b'\n');
    out.push(kind);
    out.extend(0x16_0000_0010_u64.to_be_bytes());
    out.extend(0x16_0000_0001_u64.to_be_bytes());
    out.extend(742_u32.to_be_bytes());
    out.extend(COMMITTED_US.to_be_bytes());
    out.extend((COMMITTED_MS + 7).to_be_bytes());
    out.push(place);
    out.extend_from_slice(body);
    out
}

pub(crate) fn batch_of(values: &[&[u8]]) -> RecordBatch {
    let partition = Partition::new("orders_slot", 0, 0).unwrap();
    let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
    for (value, offset) in values.iter().zip(0..) {
        builder.push(&RecordParts {
            offset: Offset::try_new(offset).unwrap(),
            timestamp_ms: None,
            key: Some(br#"{"id":"7"}"#),
            value: Some(value),
            headers: &[],
        });
    }
    builder.finish(ByteBudget::new(1 << 30).charge(0))
}
