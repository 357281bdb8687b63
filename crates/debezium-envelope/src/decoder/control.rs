//! Messages that are not about a row: rare, so read plainly.

use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::message::{
    Heartbeat, Message, Other, SchemaChange, TransactionBoundary, TransactionMarker,
};

/// The members by which the kinds are told apart.
#[derive(Deserialize)]
struct Members {
    status: Option<String>,
    id: Option<String>,
    event_count: Option<i64>,
    ts_ms: Option<i64>,
    ddl: Option<IgnoredAny>,
    #[serde(rename = "tableChanges")]
    table_changes: Option<IgnoredAny>,
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

/// What the object in this range of the text is.
pub(super) fn classify(text: &str, range: Range<usize>) -> Message<'_> {
    let payload = text.get(range).unwrap_or_default();
    // A member of an unexpected type only means that this is none of the known kinds.
    let Ok(members) = serde_json::from_str::<Members>(payload) else {
        return Message::Other(Other { payload });
    };
    if members.ddl.is_some() || members.table_changes.is_some() {
        return Message::SchemaChange(SchemaChange { payload });
    }
    let boundary = match members.status.as_deref() {
        Some("BEGIN") => Some(TransactionBoundary::Begin),
        Some("END") => Some(TransactionBoundary::End),
        Some(_) | None => None,
    };
    if let (Some(boundary), Some(id)) = (boundary, &members.id) {
        return Message::Transaction(TransactionMarker {
            boundary,
            id: id.clone(),
            event_count: members.event_count,
            ts_ms: members.ts_ms,
        });
    }
    match serde_json::from_str::<OnlyTimes>(payload) {
        Ok(times) => Message::Heartbeat(Heartbeat { ts_ms: times.ts_ms }),
        Err(_) => Message::Other(Other { payload }),
    }
}
