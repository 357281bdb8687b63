//! The simplest change format: `<operation code> <key> <text>`.

use std::sync::Arc;

use cdc_core::{
    Change, ChangeEvent, ChangeIdentity, Column, Decoded, Decoder, Emission, Keyed, Operation,
    Origin, Record, Rejection, RowBuffer, RowShape, SemanticType, SentChange, SkipReason,
    SnapshotPlace, SnapshotRow, SourcePosition, Stage, TableId, Value,
};

/// Decodes text changes: `c 7 hello` inserts row 7, `d 7` deletes it, a null value is a tombstone.
/// The row has the columns `key int64` and `text text`.
///
/// A change may say where it stands in its source: `@3/90/95 c 7 hello` is row 95 of transaction 3, and
/// the last commit before that ended at 90; `@3//95` does not know the last commit. Transactions commit
/// in the millisecond of their number.
///
/// A row that a snapshot read may say of which: `%95/first r 7 hello` is the first row of the snapshot that
/// was taken at 95; other places are `within` and `last`.
#[derive(Debug)]
pub struct TextDecoder {
    shape: Arc<RowShape>,
    buffer: RowBuffer,
    joined: Vec<u8>,
}

impl Default for TextDecoder {
    fn default() -> Self {
        let columns =
            vec![Column::new("key", SemanticType::Int64), Column::new("text", SemanticType::Text)];
        Self {
            shape: Arc::new(RowShape::new(columns)),
            buffer: RowBuffer::new(),
            joined: Vec::new(),
        }
    }
}

fn malformed() -> Box<Rejection> {
    let message = "expected an operation code, a key and text";
    Box::new(Rejection::new(Stage::Decode, "malformed", message))
}

/// Where a change stands in its source, if it says so, and the change.
fn place(text: &str) -> Result<(Option<SourcePosition>, &str), Box<Rejection>> {
    let Some(placed) = text.strip_prefix('@') else { return Ok((None, text)) };
    let (at, change) = placed.split_once(' ').ok_or_else(malformed)?;
    let mut numbers = at.splitn(3, '/');
    let mut number = || numbers.next().and_then(|number| number.parse::<u64>().ok());
    let (tx_id, last_commit, lsn) = (number(), number(), number());
    let tx_id = tx_id.and_then(|number| i64::try_from(number).ok()).ok_or_else(malformed)?;
    let lsn = lsn.ok_or_else(malformed)?;
    Ok((Some(SourcePosition { lsn, tx_id, committed_at_ms: tx_id, last_commit }), change))
}

/// What a row says of its snapshot, if it does, and the change.
fn snapshot(text: &str) -> Result<(Option<SnapshotRow<'static>>, &str), Box<Rejection>> {
    let Some(marked) = text.strip_prefix('%') else { return Ok((None, text)) };
    let (mark, change) = marked.split_once(' ').ok_or_else(malformed)?;
    let (lsn, place) = mark.split_once('/').ok_or_else(malformed)?;
    let place = match place {
        "first" => SnapshotPlace::First,
        "within" => SnapshotPlace::Within,
        "last" => SnapshotPlace::Last,
        _ => return Err(malformed()),
    };
    let lsn = lsn.parse().map_err(|_| malformed())?;
    let row = SnapshotRow { connector: "text", database: "source", lsn, tx_id: 0, place };
    Ok((Some(row), change))
}

/// Changes at the same position are told apart by their keys.
fn emission(at: SourcePosition, key: Option<&[u8]>) -> Emission<'static> {
    let identity = key
        .unwrap_or_default()
        .iter()
        .fold(0_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    let keyed = if key.is_some() { Keyed::Yes } else { Keyed::No };
    let change = SentChange { at, identity: ChangeIdentity::new(identity), keyed };
    Emission { connector: "text", database: "source", change }
}

impl Decoder for TextDecoder {
    fn decode<'e>(&'e mut self, record: Record<'e>) -> Result<Decoded<'e>, Box<Rejection>> {
        let Some(value) = record.value else { return Ok(Decoded::Skip(SkipReason::Tombstone)) };
        let value = value.joined(&mut self.joined);
        let value = std::str::from_utf8(value).map_err(|_| malformed())?;
        let (at, value) = place(value)?;
        let (snapshot, value) = snapshot(value)?;
        let mut words = value.splitn(3, ' ');
        let operation = words.next().and_then(Operation::from_code).ok_or_else(malformed)?;
        let key = words.next().and_then(|word| word.parse().ok());
        self.buffer.clear();
        self.buffer.push(key.map_or(Value::Null, Value::Int64));
        self.buffer.push(words.next().map_or(Value::Null, Value::Text));
        let row = self.buffer.row(&self.shape, "");
        if key.is_none() && operation != Operation::Truncate {
            return Err(malformed());
        }
        let change = match operation {
            Operation::Insert => Change::Insert { after: row },
            Operation::Snapshot => Change::Snapshot { row },
            Operation::Update => Change::Update { before: None, after: row },
            Operation::Delete => Change::Delete { before: row },
            Operation::Truncate => Change::Truncate,
        };
        let table = TableId::new(0);
        Ok(Decoded::Change(ChangeEvent {
            table,
            change,
            origin: Origin {
                lsn: at.map(|at| at.lsn),
                tx_id: at.map(|at| at.tx_id),
                ..Origin::default()
            },
            emission: at.map(|at| emission(at, record.key)),
            snapshot,
            ordinal: 0,
            record,
        }))
    }
}
