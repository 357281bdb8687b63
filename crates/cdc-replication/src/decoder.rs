//! From records to changes of configured tables.

use std::sync::Arc;

use cdc_core::{
    Change, ChangeEvent, Decoded, Decoder, Halt, Origin, Record, Rejection, RowBuffer, SkipReason,
    SnapshotRow, SourceTable, TableId,
};

use crate::ReplicationError;
use crate::frame::{self, ChangeHead, FrameChange};
use crate::pgoutput::OldKind;

mod rejection;
mod relations;
mod rows;

use relations::{Compiled, Relations};
use rows::Nulls;

/// Decodes the records of a replication source into changes of configured tables.
///
/// A record describes its table, and the description is understood only when it differs from that of the
/// records before: once these are known, a row costs no allocation. A clone has the same configuration and
/// remembers nothing: use one for each lane.
///
/// | record | becomes |
/// |---|---|
/// | a row of a configured table, or its truncate | a change |
/// | one of another table | a rejection, `unknown_table` |
/// | a logical message | skipped as control message |
/// | a record without value | skipped as tombstone |
/// | anything else | a rejection with the code of what is wrong |
///
/// Of an old row that the source did not log whole, the other columns are
/// [`Unavailable`](cdc_core::Value::Unavailable), and so is a value that is stored out of line and was not
/// changed, unless the old row has it. Columns of a type that has no meaning here are not in the rows.
#[derive(Debug)]
pub struct ReplicationDecoder {
    /// In the order of their names.
    tables: Arc<[(SourceTable, TableId)]>,
    relations: Relations,
    /// The bytes of the last value whose beginning its batch shares.
    joined: Vec<u8>,
    /// The cells of the last row before a change, and after it.
    before: RowBuffer,
    after: RowBuffer,
}

impl ReplicationDecoder {
    /// A decoder for these tables.
    ///
    /// # Errors
    ///
    /// A source table that stands for two configured ones.
    pub fn new(
        tables: impl IntoIterator<Item = (SourceTable, TableId)>,
    ) -> Result<Self, ReplicationError> {
        let mut tables: Vec<_> = tables.into_iter().collect();
        tables.sort_by(|one, two| one.0.cmp(&two.0));
        let twice = tables.windows(2).find_map(|pair| match pair {
            [(one, _), (two, _)] if one == two => Some(one),
            _ => None,
        });
        match twice {
            Some(table) => Err(ReplicationError::Setup {
                halt: Halt::Configuration,
                message: format!("mapped the source table {table} twice"),
                fix: "keep one [[table]] block for each source table".to_owned(),
            }),
            None => Ok(Self::with(tables.into())),
        }
    }

    fn with(tables: Arc<[(SourceTable, TableId)]>) -> Self {
        Self {
            tables,
            relations: Relations::default(),
            joined: Vec::new(),
            before: RowBuffer::new(),
            after: RowBuffer::new(),
        }
    }
}

impl Clone for ReplicationDecoder {
    fn clone(&self) -> Self {
        Self::with(Arc::clone(&self.tables))
    }
}

impl Decoder for ReplicationDecoder {
    fn decode<'e>(&'e mut self, record: Record<'e>) -> Result<Decoded<'e>, Box<Rejection>> {
        let Some(value) = record.value else {
            return Ok(Decoded::Skip(SkipReason::Tombstone));
        };
        let Self { tables, relations, joined, before, after } = self;
        let value = value.joined(joined);
        if value.starts_with(frame::NO_RELATION) {
            return without_relation(value);
        }
        let relation = relations.find(value, tables)?;
        let frame = frame::parse_behind(value, relation.length())
            .map_err(|error| rejection::malformed_frame(&error, relation.table))?;
        if matches!(frame.change, FrameChange::Message { .. }) {
            return Ok(Decoded::Skip(SkipReason::ControlMessage));
        }
        let table = relation.table.ok_or_else(|| rejection::unknown_table(relation))?;
        let change = change_of(relation, &frame.change, before, after)?;
        let origin = origin_of(&frame.head);
        let is_snapshot = matches!(frame.change, FrameChange::Snapshot { .. });
        let snapshot = if is_snapshot { snapshot_of(relation, &frame.head) } else { None };
        let event =
            ChangeEvent { table, change, origin, emission: None, snapshot, ordinal: 0, record };
        Ok(Decoded::Change(event))
    }
}

/// A frame that describes no table can only be a logical message.
fn without_relation<'e>(value: &[u8]) -> Result<Decoded<'e>, Box<Rejection>> {
    let frame = frame::parse(value).map_err(|error| rejection::malformed_frame(&error, None))?;
    if matches!(frame.change, FrameChange::Message { .. }) {
        Ok(Decoded::Skip(SkipReason::ControlMessage))
    } else {
        Err(rejection::malformed_frame(&frame::FrameError::NoRelation, None))
    }
}

fn change_of<'e>(
    relation: &'e Compiled,
    change: &FrameChange<'_>,
    before: &'e mut RowBuffer,
    after: &'e mut RowBuffer,
) -> Result<Change<'e>, Box<Rejection>> {
    let nulls = |kind| match kind {
        OldKind::Key => Nulls::AreAbsent,
        OldKind::Full => Nulls::AreValues,
    };
    Ok(match *change {
        FrameChange::Insert { new } => {
            Change::Insert { after: relation.row(new, Nulls::AreValues, after)? }
        }
        FrameChange::Snapshot { row } => {
            Change::Snapshot { row: relation.row(row, Nulls::AreValues, after)? }
        }
        FrameChange::Update { old: None, new } => {
            let after = relation.row(new, Nulls::AreValues, after)?;
            Change::Update { before: None, after }
        }
        FrameChange::Update { old: Some((kind, old)), new } => {
            let before = relation.row(old, nulls(kind), before)?;
            let after = relation.row_after(new, old, after)?;
            Change::Update { before: Some(before), after }
        }
        FrameChange::Delete { old: (kind, old) } => {
            Change::Delete { before: relation.row(old, nulls(kind), before)? }
        }
        FrameChange::Truncate | FrameChange::Message { .. } => Change::Truncate,
    })
}

/// PostgreSQL counts from 2000-01-01, everybody else from 1970-01-01.
const EPOCH_MS: i64 = 946_684_800_000;

fn origin_of(head: &ChangeHead) -> Origin {
    Origin {
        lsn: Some(head.row_lsn.get()),
        tx_id: Some(i64::from(head.xid)),
        committed_at_ms: Some(EPOCH_MS.saturating_add(head.committed_at_us.div_euclid(1_000))),
        captured_at_ms: Some(head.captured_at_ms),
    }
}

/// What a row says of the snapshot that read it, if it says where in it it stands.
fn snapshot_of<'e>(relation: &'e Compiled, head: &ChangeHead) -> Option<SnapshotRow<'e>> {
    Some(SnapshotRow {
        connector: &relation.description.slot,
        database: &relation.description.database,
        lsn: head.row_lsn.get(),
        tx_id: i64::from(head.xid),
        place: head.place?,
    })
}
