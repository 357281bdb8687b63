//! What a record turned out to be.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::Deserialize;

use crate::error::DecodeError;
use crate::flattened::FlattenedRow;
use crate::lsn::{Lsn, Sequence};
use crate::row::{BinaryMode, Row};

/// One decoded record. It borrows from the record's bytes and from the decoder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Message<'d> {
    /// A change of one row, or the truncation of a table.
    Change(Envelope<'d>),
    /// A null value.
    Tombstone(Tombstone<'d>),
    /// A message that an application wrote into the WAL with `pg_logical_emit_message`.
    LogicalMessage(LogicalMessage<'d>),
    /// The begin or end of a source transaction.
    Transaction(TransactionMarker),
    /// A sign of life from the connector.
    Heartbeat(Heartbeat),
    /// A schema change, as the connectors of databases other than PostgreSQL announce it.
    SchemaChange(SchemaChange<'d>),
    /// A change whose rows are documents, as the connector of `MongoDB` sends them.
    Document(Document<'d>),
    /// A row that `ExtractNewRecordState` has taken out of its envelope; only from a decoder that was
    /// told to expect such rows.
    Flattened(FlattenedRow<'d>),
    /// An object that is none of these, such as a notification or, unless it is expected, a flattened
    /// row.
    Other(Other<'d>),
}

/// A change of one row.
///
/// The decoder has checked that the rows which the operation needs are there; see [`Op`].
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'d> {
    /// What happened.
    pub op: Op,
    /// The row before the change. Under REPLICA IDENTITY FULL it is complete; otherwise only its key
    /// columns mean anything, and nothing in the message says which of both it is.
    pub before: Option<Row<'d>>,
    /// The row after the change.
    pub after: Option<Row<'d>>,
    /// The record's key. Absent for tables without key, for truncates, and when the key is no JSON
    /// object.
    pub key: Option<Row<'d>>,
    /// Where the change comes from.
    pub source: SourceInfo<'d>,
    /// The `source` block as JSON text, for members that only other connectors have.
    pub source_json: &'d str,
    /// When the connector made the message, in milliseconds since 1970.
    pub ts_ms: Option<i64>,
    /// The same in microseconds; since version 2.6.
    pub ts_us: Option<i64>,
    /// The same in nanoseconds; since version 2.6.
    pub ts_ns: Option<i64>,
    /// The place in its transaction, when the connector provides it.
    pub transaction: Option<TransactionBlock<'d>>,
    /// Whether the message described its own types.
    pub schema_block: SchemaBlock,
}

/// Whether a message carries Connect's schema block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaBlock {
    /// `{"schema":…,"payload":…}`: column types come from the message.
    Present,
    /// The bare payload: column types come from declarations.
    Absent,
}

/// An operation on a row or table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// `c`: an insert; `after` is there.
    Create,
    /// `r`: a row of a snapshot; `after` is there.
    Read,
    /// `u`: an update that keeps the key; `after` is there, `before` only with an old tuple.
    Update,
    /// `d`: a delete; `before` is there, or else the key.
    Delete,
    /// `t`: a truncate; there is no row and no key.
    Truncate,
}

impl Op {
    /// The operation behind a code, whose case does not matter.
    pub fn parse(code: &str) -> Option<Self> {
        match code {
            "c" | "C" => Some(Self::Create),
            "r" | "R" => Some(Self::Read),
            "u" | "U" => Some(Self::Update),
            "d" | "D" => Some(Self::Delete),
            "t" | "T" => Some(Self::Truncate),
            _ => None,
        }
    }

    /// The code that messages carry.
    pub fn code(self) -> char {
        match self {
            Self::Create => 'c',
            Self::Read => 'r',
            Self::Update => 'u',
            Self::Delete => 'd',
            Self::Truncate => 't',
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code())
    }
}

/// The `source` block: the part that all connectors share, and PostgreSQL's own.
///
/// Members that a message lacks or sets to null are empty text or `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SourceInfo<'d> {
    /// The connector's version, such as `2.4.2.Final`.
    pub version: &'d str,
    /// The kind of connector, such as `postgresql`.
    pub connector: &'d str,
    /// The logical server name, which is the topic prefix.
    pub name: &'d str,
    /// The database.
    pub db: &'d str,
    /// The schema; empty for databases without schemas.
    pub schema: &'d str,
    /// The table, or the collection of `MongoDB`; empty for messages that belong to none.
    pub table: &'d str,
    /// Whether and where in a snapshot the row was read.
    pub snapshot: SnapshotMarker,
    /// Commit time of the transaction, or read time of a snapshot row, in milliseconds since 1970.
    pub ts_ms: Option<i64>,
    /// The same in microseconds; since version 2.6.
    pub ts_us: Option<i64>,
    /// The same in nanoseconds; since version 2.6.
    pub ts_ns: Option<i64>,
    /// PostgreSQL's transaction number, 32 bits that wrap around.
    pub tx_id: Option<i64>,
    /// Position of the event in the WAL.
    pub lsn: Option<Lsn>,
    /// Position of the last commit and of the event.
    pub sequence: Option<Sequence>,
    /// The oldest running transaction, when the connector is told to fetch it (`xmin.fetch.interval.ms`).
    pub xmin: Option<i64>,
    /// The replication origin of a change that the source has itself from elsewhere; since 3.5.
    pub origin: &'d str,
    /// Position of the change at its origin.
    pub origin_lsn: Option<Lsn>,
}

/// Where in a snapshot a row was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SnapshotMarker {
    /// Not at all: the event was streamed.
    #[default]
    False,
    /// Somewhere inside a snapshot.
    True,
    /// The first row of a snapshot.
    First,
    /// The first row of a table.
    FirstInDataCollection,
    /// The last row of a table.
    LastInDataCollection,
    /// The last row of a snapshot. A snapshot whose last table is empty, or that failed, has none.
    Last,
    /// In a chunk of an incremental snapshot.
    Incremental,
}

impl SnapshotMarker {
    /// The marker behind the text of `source.snapshot`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "false" => Some(Self::False),
            "true" => Some(Self::True),
            "first" => Some(Self::First),
            "first_in_data_collection" => Some(Self::FirstInDataCollection),
            "last_in_data_collection" => Some(Self::LastInDataCollection),
            "last" => Some(Self::Last),
            "incremental" => Some(Self::Incremental),
            _ => None,
        }
    }

    /// The text that messages carry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::False => "false",
            Self::True => "true",
            Self::First => "first",
            Self::FirstInDataCollection => "first_in_data_collection",
            Self::LastInDataCollection => "last_in_data_collection",
            Self::Last => "last",
            Self::Incremental => "incremental",
        }
    }
}

impl fmt::Display for SnapshotMarker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The place of a change in its source transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransactionBlock<'d> {
    /// `txId:lsn`. The part after the colon differs between the rows of one transaction: group by
    /// the part before it.
    pub id: &'d str,
    /// Counts the transaction's events from 1.
    pub total_order: i64,
    /// Counts the transaction's events in this table from 1.
    pub data_collection_order: i64,
}

/// A null value: the second half of a delete, or all that compaction left of it.
///
/// Without a key it identifies nothing and is to be ignored; Debezium sends that after the delete of
/// a row without key.
#[derive(Debug, Clone, Copy)]
pub struct Tombstone<'d> {
    /// The key that has no row any more.
    pub key: Option<Row<'d>>,
}

/// A logical decoding message.
#[derive(Debug, Clone, Copy)]
pub struct LogicalMessage<'d> {
    /// Where it comes from; its table is empty. Without a transaction number the message was written
    /// outside of its transaction, and is there even if that was rolled back.
    pub source: SourceInfo<'d>,
    /// When the connector made the message, in milliseconds since 1970.
    pub ts_ms: Option<i64>,
    /// The place in its transaction, when the connector provides it; since 3.x.
    pub transaction: Option<TransactionBlock<'d>>,
    /// What the application named it by.
    pub prefix: &'d str,
    /// What the application wrote, in the text form of the connector's binary mode.
    pub content_text: &'d str,
}

impl LogicalMessage<'_> {
    /// Whether the message belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.source.tx_id.is_some()
    }

    /// What the application wrote, as sent under the connector's `binary.handling.mode`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::InvalidField`] when the content is not in that form.
    pub fn content(&self, mode: BinaryMode) -> Result<Vec<u8>, DecodeError> {
        let (content, expected) = match mode {
            BinaryMode::Bytes | BinaryMode::Base64 => {
                (STANDARD.decode(self.content_text).ok(), "standard padded base64")
            }
            BinaryMode::Base64UrlSafe => {
                (URL_SAFE.decode(self.content_text).ok(), "padded base64 in the URL alphabet")
            }
            BinaryMode::Hex => (unhex(self.content_text), "pairs of hexadecimal digits"),
        };
        content.ok_or(DecodeError::InvalidField { path: "message.content", expected })
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
    bytes.filter(|_| rest.is_empty())
}

/// The begin or end of a source transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionMarker {
    /// Which of both.
    pub boundary: TransactionBoundary,
    /// `txId:lsn`, or `txId` alone in 1.x.
    pub id: String,
    /// Captured events of the whole transaction, known at its end.
    pub event_count: Option<i64>,
    /// The same by table, in no order; known at the end.
    pub data_collections: Option<Vec<CollectionCount>>,
    /// Commit time or connector time in milliseconds since 1970.
    pub ts_ms: Option<i64>,
}

impl TransactionMarker {
    /// What the begin, the end and the changes of one transaction share. The rest of their ids, a
    /// position in the log, differs.
    pub fn transaction(&self) -> &str {
        self.id.split_once(':').map_or(self.id.as_str(), |(transaction, _)| transaction)
    }
}

/// How many events of a table a transaction has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CollectionCount {
    /// The table, as `schema.table` for PostgreSQL. Debezium 3 counts logical messages as well, under the
    /// name of a Java object that ends in `LogicalDecodingMessageId@` and another number each time.
    #[serde(rename = "data_collection")]
    pub collection: String,
    /// Its captured events. A key change counts twice, a tombstone not at all.
    pub event_count: i64,
}

/// Which end of a transaction a marker stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionBoundary {
    /// `BEGIN`.
    Begin,
    /// `END`.
    End,
}

/// A heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// When it was sent, in milliseconds since 1970.
    pub ts_ms: i64,
}

/// A schema change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaChange<'d> {
    /// The database, when it is named.
    pub database: Option<String>,
    /// The schema, when it is named.
    pub schema: Option<String>,
    /// The statement, when the connector knows it.
    pub ddl: Option<String>,
    /// When the connector made the message, in milliseconds since 1970.
    pub ts_ms: Option<i64>,
    /// The payload as JSON text.
    pub payload: &'d str,
}

/// A change of a document.
#[derive(Debug, Clone, Copy)]
pub struct Document<'d> {
    /// What happened.
    pub op: Op,
    /// Where it comes from; its table is the collection.
    pub source: SourceInfo<'d>,
    /// When the connector made the message, in milliseconds since 1970.
    pub ts_ms: Option<i64>,
    /// The payload as JSON text, with the documents as text in `before` and `after`.
    pub payload: &'d str,
}

/// An object without a known form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other<'d> {
    /// The payload as JSON text.
    pub payload: &'d str,
}
