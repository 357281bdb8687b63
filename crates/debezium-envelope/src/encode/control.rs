//! Messages about no row: logical decoding messages, transaction markers, heartbeats.

use super::EncodeError;
use super::frame::{check_source, put_source, put_transaction};
use super::json::{put_integer, put_optional, put_string};
use super::options::Release;
use super::schema::{TRANSACTION, source};
use crate::message::{
    Heartbeat, LogicalMessage, SchemaBlock, TransactionBoundary, TransactionMarker,
};
use crate::row::BinaryMode;

/// A record about no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlRecord {
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// Writes the records of a connector that are about no row, byte-equal to the connector's own.
///
/// ```
/// use debezium_envelope::{BinaryMode, ControlEncoder, Heartbeat, Release, SchemaBlock};
///
/// let encoder = ControlEncoder::new(Release::V3_4, SchemaBlock::Absent, BinaryMode::Bytes);
/// let record = encoder.heartbeat("dbserver1", Heartbeat { ts_ms: 1_714_998_600_123 });
/// assert_eq!(record.key, br#"{"serverName":"dbserver1"}"#);
/// assert_eq!(record.value, br#"{"ts_ms":1714998600123}"#);
/// ```
#[derive(Debug, Clone)]
pub struct ControlEncoder {
    release: Release,
    schema_block: SchemaBlock,
    binary: BinaryMode,
}

impl ControlEncoder {
    /// An encoder of the messages of a version. The binary mode is that in which the contents of
    /// logical messages are: a schema block calls all but [`BinaryMode::Bytes`] strings.
    pub fn new(release: Release, schema_block: SchemaBlock, binary: BinaryMode) -> Self {
        Self { release, schema_block, binary }
    }

    /// The record of a heartbeat. `server` is the connector's topic prefix.
    pub fn heartbeat(&self, server: &str, heartbeat: Heartbeat) -> ControlRecord {
        let key = object(&[("serverName", Text(server))]);
        let value = object(&[("ts_ms", Number(Some(heartbeat.ts_ms)))]);
        self.record((HEARTBEAT_KEY, key), (HEARTBEAT, value))
    }

    /// The record of a transaction's begin or end.
    pub fn transaction(&self, marker: &TransactionMarker) -> ControlRecord {
        let status = match marker.boundary {
            TransactionBoundary::Begin => "BEGIN",
            TransactionBoundary::End => "END",
        };
        let id = Text(&marker.id);
        let collections = marker.data_collections.as_ref().map(|collections| {
            let count = |count: &crate::message::CollectionCount| {
                let members = [
                    ("data_collection", Text(&count.collection)),
                    ("event_count", Number(Some(count.event_count))),
                ];
                object(&members)
            };
            collections.iter().map(count).collect::<Vec<_>>()
        });
        let value = object(&[
            ("status", Text(status)),
            ("id", id),
            ("event_count", Number(marker.event_count)),
            ("data_collections", List(collections.as_deref())),
            ("ts_ms", Number(marker.ts_ms)),
        ]);
        self.record((TRANSACTION_KEY, object(&[("id", id)])), (MARKER, value))
    }

    /// The record of a logical message.
    ///
    /// # Errors
    ///
    /// [`EncodeError::UnknownMember`] for what the version has no member for.
    pub fn logical_message(
        &self,
        message: &LogicalMessage<'_>,
    ) -> Result<ControlRecord, EncodeError> {
        let release = self.release;
        check_source(&message.source, release)?;
        if message.transaction.is_some() && release < Release::V3_4 {
            return Err(EncodeError::UnknownMember { member: "transaction", release });
        }
        let mut value = b"{\"op\":\"m\",\"ts_ms\":".to_vec();
        put_optional(&mut value, message.ts_ms);
        value.extend_from_slice(b",\"source\":");
        put_source(&message.source, release, &mut value);
        if release > Release::V2_4 {
            put_transaction(message.transaction.as_ref(), &mut value);
        }
        value.extend_from_slice(b",\"message\":");
        let prefix = Text(message.prefix);
        let own = object(&[("prefix", prefix), ("content", Text(message.content_text))]);
        value.extend_from_slice(&own);
        value.push(b'}');
        let key = object(&[("prefix", prefix)]);
        let schema = self.message_schema();
        Ok(self.record((MESSAGE_KEY, key), (&schema, value)))
    }

    fn message_schema(&self) -> String {
        let content = match self.binary {
            BinaryMode::Bytes => "bytes",
            BinaryMode::Base64 | BinaryMode::Base64UrlSafe | BinaryMode::Hex => "string",
        };
        let source = source(self.release);
        let transaction = if self.release > Release::V2_4 { TRANSACTION } else { "" };
        format!(
            r#"{{"type":"struct","fields":[{{"type":"string","optional":false,"field":"op"}},{{"type":"int64","optional":true,"field":"ts_ms"}}{source}{transaction},{{"type":"struct","fields":[{{"type":"string","optional":true,"field":"prefix"}},{{"type":"{content}","optional":true,"field":"content"}}],"optional":false,"name":"io.debezium.connector.postgresql.Message","version":1,"field":"message"}}],"optional":false,"name":"io.debezium.connector.postgresql.MessageValue","version":1}}"#
        )
    }

    fn record(&self, key: (&str, Vec<u8>), value: (&str, Vec<u8>)) -> ControlRecord {
        let wrapped = |(schema, payload): (&str, Vec<u8>)| match self.schema_block {
            SchemaBlock::Absent => payload,
            SchemaBlock::Present => {
                let head = [b"{\"schema\":", schema.as_bytes(), b",\"payload\":"].concat();
                [&head, payload.as_slice(), b"}"].concat()
            }
        };
        ControlRecord { key: wrapped(key), value: wrapped(value) }
    }
}

/// A member's value.
#[derive(Clone, Copy)]
enum Member<'m> {
    Text(&'m str),
    Number(Option<i64>),
    /// Objects as JSON text.
    List(Option<&'m [Vec<u8>]>),
}

use Member::{List, Number, Text};

fn object(members: &[(&str, Member<'_>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut separator = b'{';
    for (name, value) in members {
        out.push(separator);
        separator = b',';
        put_string(&mut out, name);
        out.push(b':');
        match value {
            Text(text) => put_string(&mut out, text),
            Number(Some(number)) => put_integer(&mut out, *number),
            Number(None) | List(None) => out.extend_from_slice(b"null"),
            List(Some(items)) => {
                out.push(b'[');
                out.extend_from_slice(&items.join(&b","[..]));
                out.push(b']');
            }
        }
    }
    out.push(b'}');
    out
}

const HEARTBEAT_KEY: &str = r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"serverName"}],"optional":false,"name":"io.debezium.connector.common.ServerNameKey","version":1}"#;
const HEARTBEAT: &str = r#"{"type":"struct","fields":[{"type":"int64","optional":false,"field":"ts_ms"}],"optional":false,"name":"io.debezium.connector.common.Heartbeat","version":1}"#;
const TRANSACTION_KEY: &str = r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"id"}],"optional":false,"name":"io.debezium.connector.common.TransactionMetadataKey","version":1}"#;
const MARKER: &str = r#"{"type":"struct","fields":[{"type":"string","optional":false,"field":"status"},{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":true,"field":"event_count"},{"type":"array","items":{"type":"struct","fields":[{"type":"string","optional":false,"field":"data_collection"},{"type":"int64","optional":false,"field":"event_count"}],"optional":true,"name":"event.collection","version":1},"optional":true,"field":"data_collections"},{"type":"int64","optional":false,"field":"ts_ms"}],"optional":false,"name":"io.debezium.connector.common.TransactionMetadataValue","version":1}"#;
const MESSAGE_KEY: &str = r#"{"type":"struct","fields":[{"type":"string","optional":true,"field":"prefix"}],"optional":false,"name":"io.debezium.connector.postgresql.MessageKey","version":1}"#;
