//! The messages by what they hold.
//!
//! Times are microseconds since 2000-01-01 00:00:00 UTC, as the server counts them.

mod read;

pub(super) use read::{Read, ReadOf};

use super::{Relation, Tuple};
use crate::Lsn;

/// A message of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'m> {
    /// `B`: a transaction that was committed begins.
    Begin(Begin),
    /// `C`: it ends.
    Commit(Commit),
    /// `O`: the transaction came from another server.
    Origin(Origin<'m>),
    /// `R`: what the rows of a table look like from now on.
    Relation(Relation<'m>),
    /// `Y`: the name of a type that is not built in.
    Type(TypeName<'m>),
    /// `I`: a row was inserted.
    Insert(Insert<'m>),
    /// `U`: a row was updated.
    Update(Update<'m>),
    /// `D`: a row was deleted.
    Delete(Delete<'m>),
    /// `T`: tables were emptied.
    Truncate(Truncate<'m>),
    /// `M`: what somebody wrote with `pg_logical_emit_message`.
    Logical(LogicalMessage<'m>),
    /// `S`: a part of a transaction that may still go on begins.
    StreamStart(StreamStart),
    /// `E`: the part ends.
    StreamStop,
    /// `c`: a transaction that came in parts was committed.
    StreamCommit(StreamCommit),
    /// `A`: it, or a part of it below a savepoint, was rolled back.
    StreamAbort(StreamAbort),
    /// `b`: a transaction that was prepared begins.
    BeginPrepare(BeginPrepare<'m>),
    /// `P`: it is prepared.
    Prepare(Prepare<'m>),
    /// `K`: a prepared transaction was committed.
    CommitPrepared(CommitPrepared<'m>),
    /// `r`: a prepared transaction was rolled back.
    RollbackPrepared(RollbackPrepared<'m>),
    /// `p`: a transaction that came in parts was prepared.
    StreamPrepare(Prepare<'m>),
}

/// The begin of a committed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// Where the record of the commit begins.
    pub final_lsn: Lsn,
    /// When it was committed.
    pub committed_at_us: i64,
    /// The transaction.
    pub xid: u32,
}

/// The end of a committed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Where the record of the commit begins.
    pub commit_lsn: Lsn,
    /// Where the record of the commit ends.
    pub end_lsn: Lsn,
    /// When it was committed.
    pub committed_at_us: i64,
}

/// Where a transaction came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin<'m> {
    /// Where it was committed there.
    pub commit_lsn: Lsn,
    /// The name of the other server.
    pub name: &'m str,
}

/// The name of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeName<'m> {
    /// The transaction, within a stream.
    pub xid: Option<u32>,
    /// The number of the type, which columns name it by.
    pub oid: u32,
    /// The schema; empty for `pg_catalog`.
    pub schema: &'m str,
    /// The name within the schema.
    pub name: &'m str,
}

/// A new row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insert<'m> {
    /// The transaction, within a stream.
    pub xid: Option<u32>,
    /// The table.
    pub relation: u32,
    /// The row.
    pub new: Tuple<'m>,
}

/// How much of an old row there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OldKind {
    /// `K`: what identifies it; the other columns are NULL. Columns of a key never are.
    Key,
    /// `O`: all of it.
    Full,
}

impl OldKind {
    pub(crate) fn of_letter(letter: u8) -> Option<Self> {
        match letter {
            b'K' => Some(Self::Key),
            b'O' => Some(Self::Full),
            _ => None,
        }
    }

    pub(crate) fn letter(self) -> u8 {
        match self {
            Self::Key => b'K',
            Self::Full => b'O',
        }
    }
}

/// An old row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Old<'m> {
    /// How much of it there is.
    pub kind: OldKind,
    /// The row.
    pub tuple: Tuple<'m>,
}

/// A changed row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update<'m> {
    /// The transaction, within a stream.
    pub xid: Option<u32>,
    /// The table.
    pub relation: u32,
    /// The row before: always with full identity, else only when what identifies it has changed or is
    /// stored out of line.
    pub old: Option<Old<'m>>,
    /// The row after.
    pub new: Tuple<'m>,
}

/// A deleted row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delete<'m> {
    /// The transaction, within a stream.
    pub xid: Option<u32>,
    /// The table.
    pub relation: u32,
    /// The row.
    pub old: Old<'m>,
}

/// Emptied tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncate<'m> {
    /// The transaction, within a stream.
    pub xid: Option<u32>,
    flags: u8,
    relations: &'m [u8],
}

impl Truncate<'_> {
    /// Whether tables that refer to them were emptied, too.
    pub fn cascades(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Whether sequences were restarted.
    pub fn restarts_identity(&self) -> bool {
        self.flags & 2 != 0
    }

    /// The tables.
    pub fn relations(&self) -> impl ExactSizeIterator<Item = u32> {
        let (numbers, _) = self.relations.as_chunks::<4>();
        numbers.iter().map(|bytes| u32::from_be_bytes(*bytes))
    }
}

/// A message that was written into the log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LogicalMessage<'m> {
    /// The transaction, within a stream.
    pub xid: Option<u32>,
    /// Whether it belongs to a transaction. Others come as soon as they are written.
    pub is_transactional: bool,
    /// Where it stands.
    pub lsn: Lsn,
    /// Whose it is.
    pub prefix: &'m str,
    /// What it says.
    pub content: &'m [u8],
}

impl std::fmt::Debug for LogicalMessage<'_> {
    /// Says how long the content is: it may hold values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogicalMessage")
            .field("xid", &self.xid)
            .field("is_transactional", &self.is_transactional)
            .field("lsn", &self.lsn)
            .field("prefix", &self.prefix)
            .field("content", &format_args!("{} bytes", self.content.len()))
            .finish()
    }
}

/// The begin of a part of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamStart {
    /// The transaction.
    pub xid: u32,
    /// Whether it is its first part.
    pub is_first: bool,
}

/// The commit of a transaction that came in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamCommit {
    /// The transaction.
    pub xid: u32,
    /// How it was committed.
    pub commit: Commit,
}

/// The end of a transaction that came in parts, or of a part of it, without effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamAbort {
    /// The transaction.
    pub xid: u32,
    /// The part that was rolled back: the transaction itself, or one below a savepoint.
    pub subxid: u32,
    /// Where and when, in version 4 with parallel streaming.
    pub aborted: Option<StreamAborted>,
}

/// Where and when a transaction was rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamAborted {
    /// Where it stands.
    pub lsn: Lsn,
    /// When it was.
    pub aborted_at_us: i64,
}

/// The begin of a prepared transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BeginPrepare<'m> {
    /// Where it was prepared.
    pub prepare_lsn: Lsn,
    /// Where the record of that ends.
    pub end_lsn: Lsn,
    /// When it was prepared.
    pub prepared_at_us: i64,
    /// The transaction.
    pub xid: u32,
    /// The name that the user gave it.
    pub gid: &'m str,
}

/// That a transaction is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepare<'m> {
    /// Where it was prepared.
    pub prepare_lsn: Lsn,
    /// Where the record of that ends.
    pub end_lsn: Lsn,
    /// When it was prepared.
    pub prepared_at_us: i64,
    /// The transaction.
    pub xid: u32,
    /// The name that the user gave it.
    pub gid: &'m str,
}

/// The commit of a prepared transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitPrepared<'m> {
    /// How it was committed.
    pub commit: Commit,
    /// The transaction.
    pub xid: u32,
    /// The name that the user gave it.
    pub gid: &'m str,
}

/// The end of a prepared transaction without effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollbackPrepared<'m> {
    /// Where the record of its preparation ends.
    pub prepare_end_lsn: Lsn,
    /// Where the record of its rollback ends.
    pub rollback_end_lsn: Lsn,
    /// When it was prepared.
    pub prepared_at_us: i64,
    /// When it was rolled back.
    pub rolled_back_at_us: i64,
    /// The transaction.
    pub xid: u32,
    /// The name that the user gave it.
    pub gid: &'m str,
}
