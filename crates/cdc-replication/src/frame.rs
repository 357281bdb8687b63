//! What the source puts into a record: a change with all that is needed to understand it.
//!
//! ```text
//! {relation as JSON}\n
//! kind        1  I R U D T M
//! commit_lsn  8  where the record of the commit begins; for a snapshot, where the log stood
//! row_lsn     8  where the change stands
//! xid         4
//! committed   8  microseconds since 2000
//! captured    8  milliseconds since 1970
//! place       1  of a row in its snapshot: f w l, or - without one
//! then   I, R: row    U: N | K row | O row, then row    D: K row | O row    T: nothing
//!        M: prefix, zero byte, content
//! ```
//!
//! Integers are big-endian and rows are as `pgoutput` writes them. The relation comes first, because a batch
//! of records keeps a beginning that they share once, and because a reader compares it with the last one and
//! has to understand it only when it differs. A frame needs nothing beside it: one that was set aside as a
//! dead letter is understood years later, whatever has become of the table.

mod key;
mod relation;

use cdc_core::SnapshotPlace;

use crate::Lsn;
use crate::pgoutput::{OldKind, PgOutputError, Reader, Tuple};

pub(crate) use key::{changes_key, key_texts, write_key, write_key_texts};
pub(crate) use relation::{DescribedColumn, RelationDescription, RelationError};

/// The relation of a logical message, which has none.
pub(crate) const NO_RELATION: &[u8] = b"\n";

/// Where and when a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChangeHead {
    /// Where the record of its commit begins; for a row of a snapshot, where the log stood.
    pub(crate) commit_lsn: Lsn,
    /// Where the change itself stands; for a row of a snapshot, the same as above.
    pub(crate) row_lsn: Lsn,
    /// The transaction.
    pub(crate) xid: u32,
    /// When it was committed, microseconds since 2000.
    pub(crate) committed_at_us: i64,
    /// When the source saw it, milliseconds since 1970.
    pub(crate) captured_at_ms: i64,
    /// The place of a row in its snapshot.
    pub(crate) place: Option<SnapshotPlace>,
}

impl ChangeHead {
    /// Of something that no transaction of the source has made: a row of a snapshot, a message of ours.
    pub(crate) fn without_transaction(at: Lsn, captured_at_ms: i64) -> Self {
        Self {
            commit_lsn: at,
            row_lsn: at,
            xid: 0,
            committed_at_us: 0,
            captured_at_ms,
            place: None,
        }
    }
}

/// A change, with its rows as `pgoutput` writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FrameChange<'m> {
    Insert {
        new: &'m [u8],
    },
    /// A row that the snapshot read.
    Snapshot {
        row: &'m [u8],
    },
    Update {
        old: Option<(OldKind, &'m [u8])>,
        new: &'m [u8],
    },
    Delete {
        old: (OldKind, &'m [u8]),
    },
    Truncate,
    /// A logical message.
    Message {
        prefix: &'m str,
        content: &'m [u8],
    },
}

/// A parsed frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'m> {
    /// The relation's bytes, with the end of the line.
    pub(crate) relation: &'m [u8],
    pub(crate) head: ChangeHead,
    pub(crate) change: FrameChange<'m>,
}

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// No line ends, so there is no relation.
    #[error("expected the description of a table, which ends with a line")]
    NoRelation,
    /// What follows is no change.
    #[error("expected a change behind the description of its table")]
    Change {
        /// What is wrong with it, and where.
        #[source]
        source: PgOutputError,
    },
}

impl From<PgOutputError> for FrameError {
    fn from(source: PgOutputError) -> Self {
        Self::Change { source }
    }
}

/// Appends a frame. `relation` are the bytes of [`RelationDescription::to_bytes`].
pub(crate) fn write(
    out: &mut Vec<u8>,
    relation: &[u8],
    head: &ChangeHead,
    change: &FrameChange<'_>,
) {
    out.extend_from_slice(relation);
    out.push(match change {
        FrameChange::Insert { .. } => b'I',
        FrameChange::Snapshot { .. } => b'R',
        FrameChange::Update { .. } => b'U',
        FrameChange::Delete { .. } => b'D',
        FrameChange::Truncate => b'T',
        FrameChange::Message { .. } => b'M',
    });
    out.extend_from_slice(&head.commit_lsn.get().to_be_bytes());
    out.extend_from_slice(&head.row_lsn.get().to_be_bytes());
    out.extend_from_slice(&head.xid.to_be_bytes());
    out.extend_from_slice(&head.committed_at_us.to_be_bytes());
    out.extend_from_slice(&head.captured_at_ms.to_be_bytes());
    out.push(match head.place {
        None => b'-',
        Some(SnapshotPlace::First) => b'f',
        Some(SnapshotPlace::Within) => b'w',
        Some(SnapshotPlace::Last) => b'l',
    });
    let old_row = |out: &mut Vec<u8>, (kind, row): (OldKind, &[u8])| {
        out.push(kind.letter());
        out.extend_from_slice(row);
    };
    match *change {
        FrameChange::Insert { new: row } | FrameChange::Snapshot { row } => {
            out.extend_from_slice(row);
        }
        FrameChange::Update { old, new } => {
            match old {
                Some(old) => old_row(out, old),
                None => out.push(b'N'),
            }
            out.extend_from_slice(new);
        }
        FrameChange::Delete { old } => old_row(out, old),
        FrameChange::Truncate => {}
        FrameChange::Message { prefix, content } => {
            out.extend_from_slice(prefix.as_bytes());
            out.push(0);
            out.extend_from_slice(content);
        }
    }
}

/// Reads a frame, every byte of which is checked but for those of the relation.
///
/// # Errors
///
/// Bytes that are none. The position in an error counts from the beginning of the frame.
pub(crate) fn parse(value: &[u8]) -> Result<Frame<'_>, FrameError> {
    let end = value.iter().position(|byte| *byte == b'\n').ok_or(FrameError::NoRelation)?;
    parse_behind(value, end.saturating_add(1))
}

/// As [`parse`], of bytes whose relation is known to have this length.
pub(crate) fn parse_behind(value: &[u8], length: usize) -> Result<Frame<'_>, FrameError> {
    let relation = value.get(..length).ok_or(FrameError::NoRelation)?;
    let mut reader = Reader::behind(value, length);
    let kind_at = reader.position();
    let kind = reader.byte("the kind of a change")?;
    let head = ChangeHead {
        commit_lsn: reader.lsn("the place of a commit")?,
        row_lsn: reader.lsn("the place of a change")?,
        xid: reader.number("the number of a transaction")?,
        committed_at_us: reader.time("the time of a commit")?,
        captured_at_ms: reader.time("the time of a capture")?,
        place: reader.one_of("a place in a snapshot, f, w, l or -", |letter| match letter {
            b'-' => Some(None),
            b'f' => Some(Some(SnapshotPlace::First)),
            b'w' => Some(Some(SnapshotPlace::Within)),
            b'l' => Some(Some(SnapshotPlace::Last)),
            _ => None,
        })?,
    };
    let change = match kind {
        b'I' => FrameChange::Insert { new: row(&mut reader)? },
        b'R' => FrameChange::Snapshot { row: row(&mut reader)? },
        b'U' => {
            let kind = reader.one_of("an old row, K or O, or N", |byte| match byte {
                b'N' => Some(None),
                _ => OldKind::of_letter(byte).map(Some),
            })?;
            let old = match kind {
                None => None,
                Some(kind) => Some((kind, row(&mut reader)?)),
            };
            FrameChange::Update { old, new: row(&mut reader)? }
        }
        b'D' => {
            let kind = reader.one_of("an old row, K or O", OldKind::of_letter)?;
            FrameChange::Delete { old: (kind, row(&mut reader)?) }
        }
        b'T' => FrameChange::Truncate,
        b'M' => {
            let prefix = reader.text("the prefix of a message")?;
            FrameChange::Message { prefix, content: reader.rest() }
        }
        _ => {
            let expected = "a change of the kind I, R, U, D, T or M";
            return Err(PgOutputError::UnknownByte { position: kind_at, expected }.into());
        }
    };
    reader.finish()?;
    Ok(Frame { relation, head, change })
}

fn row<'m>(reader: &mut Reader<'m>) -> Result<&'m [u8], PgOutputError> {
    reader.tuple().map(|tuple: Tuple<'m>| tuple.raw())
}

#[cfg(test)]
mod tests;
