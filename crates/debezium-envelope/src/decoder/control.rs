//! Messages that are not about a row: rare, so read plainly.

use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::message::{
    CollectionCount, Heartbeat, Message, Other, SchemaChange, TransactionBoundary,
    TransactionMarker,
};

/// A transaction marker has these members and no others; the counts may be null, but they are there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    status: Boundary,
    id: String,
    #[serde(deserialize_with = "Option::deserialize")]
    event_count: Option<i64>,
    #[serde(default)]
    data_collections: Option<Vec<CollectionCount>>,
    #[serde(default)]
    ts_ms: Option<i64>,
}

#[derive(Deserialize)]
enum Boundary {
    #[serde(rename = "BEGIN")]
    Begin,
    #[serde(rename = "END")]
    End,
}

/// A schema change has a source, and a statement or a description of tables. A row that merely has a
/// column of such a name is none.
#[derive(Deserialize)]
struct Change {
    #[serde(rename = "source")]
    _source: serde_json::Map<String, serde_json::Value>,
    #[serde(rename = "databaseName", default)]
    database: Option<String>,
    #[serde(rename = "schemaName", default)]
    schema: Option<String>,
    #[serde(default)]
    ddl: Option<String>,
    #[serde(rename = "tableChanges", default)]
    table_changes: Option<IgnoredAny>,
    #[serde(default)]
    ts_ms: Option<i64>,
}

/// A heartbeat says the time and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnlyTimes {
    ts_ms: i64,
    #[serde(rename = "ts_us")]
    _ts_us: Option<i64>,
    #[serde(rename = "ts_ns")]
    _ts_ns: Option<i64>,
}

/// What the object in this range of the text is. A member of an unexpected type only means that it is
/// none of the known kinds.
pub(super) fn classify(text: &str, range: Range<usize>) -> Message<'_> {
    let payload = text.get(range).unwrap_or_default();
    if let Ok(times) = serde_json::from_str::<OnlyTimes>(payload) {
        return Message::Heartbeat(Heartbeat { ts_ms: times.ts_ms });
    }
    if let Ok(marker) = serde_json::from_str::<Marker>(payload) {
        return Message::Transaction(TransactionMarker {
            boundary: match marker.status {
                Boundary::Begin => TransactionBoundary::Begin,
                Boundary::End => TransactionBoundary::End,
            },
            id: marker.id,
            event_count: marker.event_count,
            data_collections: marker.data_collections,
            ts_ms: marker.ts_ms,
        });
    }
    match serde_json::from_str::<Change>(payload) {
        Ok(change) if change.ddl.is_some() || change.table_changes.is_some() => {
            let Change { database, schema, ddl, ts_ms, .. } = change;
            Message::SchemaChange(SchemaChange { database, schema, ddl, ts_ms, payload })
        }
        Ok(_) | Err(_) => Message::Other(Other { payload }),
    }
}
