//! Rows that the transform `ExtractNewRecordState` has taken out of their envelopes.
//!
//! Such a row cannot be told from any other JSON object, and its metadata cannot be told from columns
//! of the same name. So a decoder takes rows for flattened ones only when it is told to, along with the
//! names of the metadata.

use crate::lsn::Lsn;
use crate::message::{Op, SchemaBlock};
use crate::row::Row;

/// How a connector's transform is set up.
///
/// ```
/// use debezium_envelope::{
///     Declarations, Flattened, FlattenedState, Limits, Lsn, Message, MessageDecoder, Op,
/// };
///
/// // The transform's add.fields.prefix and add.fields.
/// let flattened = Flattened::new("__", "op,lsn").of_table("public.orders");
/// let mut decoder =
///     MessageDecoder::new(Declarations::none(), Limits::default()).expecting_flattened(flattened);
/// let value = br#"{"order_id":7,"__op":"u","__lsn":42,"__deleted":"false"}"#;
/// let Message::Flattened(row) = decoder.decode(None, Some(value))? else { panic!("a row") };
/// assert_eq!((row.op, row.lsn), (Some(Op::Update), Some(Lsn(42))));
/// assert_eq!(row.state, FlattenedState::Present);
/// assert_eq!(row.row.shape().to_string(), "(order_id undeclared)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flattened {
    fields: Vec<(String, Metadata)>,
    table: Option<String>,
}

/// What a metadata member means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metadata {
    Deleted,
    Op,
    Db,
    Schema,
    Table,
    Lsn,
    TxId,
    CommittedMs,
    CapturedMs,
    /// It is no column, and nothing that decoding has a use for.
    Other,
}

/// The member by which deletes are marked; the prefix does not change it.
const DELETED: &str = "__deleted";

impl Flattened {
    /// A transform with these values of `add.fields.prefix` and `add.fields`, such as `"__"` and
    /// `"op,table,lsn,source.ts_ms"`. Members that a message lacks do no harm.
    pub fn new(prefix: &str, add_fields: &str) -> Self {
        let entries = add_fields.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut fields: Vec<_> = entries.map(|entry| field(prefix, entry)).collect();
        fields.push((DELETED.to_owned(), Metadata::Deleted));
        Self { fields, table: None }
    }

    /// Says under which name the columns of the topic's table are declared, as in `public.orders`.
    /// Without it they are looked up under the only declared table, or under `*`.
    #[must_use]
    pub fn of_table(mut self, table: &str) -> Self {
        self.table = Some(table.to_owned());
        self
    }

    pub(crate) fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// What the member of this name means, if it is no column.
    pub(crate) fn meaning(&self, name: &str) -> Option<Metadata> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, meaning)| *meaning)
    }
}

impl Default for Flattened {
    /// The usual metadata under the usual prefix.
    fn default() -> Self {
        Self::new("__", "op,db,schema,table,lsn,txId,ts_ms,source.ts_ms")
    }
}

/// The name that an entry of `add.fields` has in messages, and what it means. A bare name is looked up
/// where the transform looks for it: some in the envelope or its transaction block, the rest in the
/// source block.
fn field(prefix: &str, entry: &str) -> (String, Metadata) {
    let (path, renamed) = match entry.split_once(':') {
        Some((path, renamed)) => (path.trim(), renamed.trim().to_owned()),
        None => (entry, entry.replace('.', "_")),
    };
    let meaning = match path {
        "op" => Metadata::Op,
        "ts_ms" => Metadata::CapturedMs,
        _ => match path.strip_prefix("source.").unwrap_or(path) {
            "db" => Metadata::Db,
            "schema" => Metadata::Schema,
            "table" => Metadata::Table,
            "lsn" => Metadata::Lsn,
            "txId" => Metadata::TxId,
            "ts_ms" => Metadata::CommittedMs,
            _ => Metadata::Other,
        },
    };
    (format!("{prefix}{renamed}"), meaning)
}

/// A row without its envelope. What the envelope would say is there only if the transform added it.
#[derive(Debug, Clone, Copy)]
pub struct FlattenedRow<'d> {
    /// Whether the row is there after the change.
    pub state: FlattenedState,
    /// The columns, without metadata: the row after the change, or that before a delete, of which
    /// only key columns mean anything unless the table has REPLICA IDENTITY FULL.
    pub row: Row<'d>,
    /// The record's key, when it is a JSON object.
    pub key: Option<Row<'d>>,
    /// What happened, if the message says it. Without it an insert looks like an update.
    pub op: Option<Op>,
    /// The database, if the message says it.
    pub db: Option<&'d str>,
    /// The schema, if the message says it.
    pub schema: Option<&'d str>,
    /// The table, if the message says it.
    pub table: Option<&'d str>,
    /// Position of the change in the WAL, if the message says it: without it only the order of the
    /// topic tells which of two messages is newer.
    pub lsn: Option<Lsn>,
    /// PostgreSQL's transaction number, if the message says it.
    pub tx_id: Option<i64>,
    /// The envelope's `source.ts_ms`, if the message says it.
    pub source_ts_ms: Option<i64>,
    /// The envelope's `ts_ms`, if the message says it.
    pub ts_ms: Option<i64>,
    /// Whether the message described its own types.
    pub schema_block: SchemaBlock,
}

/// Whether a flattened row is there after its change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlattenedState {
    /// It is.
    Present,
    /// It was deleted.
    Deleted,
}
