//! From bytes to messages. The order in which fields are read is the protocol's.

use super::{
    Begin, BeginPrepare, Commit, CommitPrepared, Delete, Insert, LogicalMessage, Old, OldKind,
    Origin, Prepare, RollbackPrepared, StreamAbort, StreamAborted, StreamCommit, StreamStart,
    Truncate, TypeName, Update,
};
use crate::pgoutput::{PgOutputError, Reader, Relation};

const RELATION: &str = "the number of a table";
const XID: &str = "the number of a transaction";
const GID: &str = "the name of a prepared transaction";

/// The server has no flags for these messages yet; one that it sets could mean anything.
fn no_flags(reader: &mut Reader<'_>) -> Result<(), PgOutputError> {
    reader.one_of("flags, which are 0", |byte| (byte == 0).then_some(()))
}

/// Messages that are read alike wherever they stand.
pub(in crate::pgoutput) trait Read<'m>: Sized {
    fn read(reader: &mut Reader<'m>) -> Result<Self, PgOutputError>;
}

impl Read<'_> for Begin {
    fn read(reader: &mut Reader<'_>) -> Result<Self, PgOutputError> {
        Ok(Self {
            final_lsn: reader.lsn("the place of a commit")?,
            committed_at_us: reader.time("the time of a commit")?,
            xid: reader.number(XID)?,
        })
    }
}

impl Read<'_> for Commit {
    fn read(reader: &mut Reader<'_>) -> Result<Self, PgOutputError> {
        no_flags(reader)?;
        Ok(Self {
            commit_lsn: reader.lsn("the place of a commit")?,
            end_lsn: reader.lsn("the end of a commit")?,
            committed_at_us: reader.time("the time of a commit")?,
        })
    }
}

impl<'m> Read<'m> for Origin<'m> {
    fn read(reader: &mut Reader<'m>) -> Result<Self, PgOutputError> {
        Ok(Self {
            commit_lsn: reader.lsn("the place of a commit")?,
            name: reader.text("the name of an origin")?,
        })
    }
}

impl Read<'_> for StreamStart {
    fn read(reader: &mut Reader<'_>) -> Result<Self, PgOutputError> {
        let xid = reader.number(XID)?;
        let is_first = reader.one_of("whether a part is the first, 0 or 1", flag)?;
        Ok(Self { xid, is_first })
    }
}

impl Read<'_> for StreamCommit {
    fn read(reader: &mut Reader<'_>) -> Result<Self, PgOutputError> {
        Ok(Self { xid: reader.number(XID)?, commit: Commit::read(reader)? })
    }
}

impl<'m> Read<'m> for BeginPrepare<'m> {
    fn read(reader: &mut Reader<'m>) -> Result<Self, PgOutputError> {
        Ok(Self {
            prepare_lsn: reader.lsn("the place of a preparation")?,
            end_lsn: reader.lsn("the end of a preparation")?,
            prepared_at_us: reader.time("the time of a preparation")?,
            xid: reader.number(XID)?,
            gid: reader.text(GID)?,
        })
    }
}

impl<'m> Read<'m> for Prepare<'m> {
    fn read(reader: &mut Reader<'m>) -> Result<Self, PgOutputError> {
        no_flags(reader)?;
        let BeginPrepare { prepare_lsn, end_lsn, prepared_at_us, xid, gid } =
            BeginPrepare::read(reader)?;
        Ok(Self { prepare_lsn, end_lsn, prepared_at_us, xid, gid })
    }
}

impl<'m> Read<'m> for CommitPrepared<'m> {
    fn read(reader: &mut Reader<'m>) -> Result<Self, PgOutputError> {
        let commit = Commit::read(reader)?;
        Ok(Self { commit, xid: reader.number(XID)?, gid: reader.text(GID)? })
    }
}

impl<'m> Read<'m> for RollbackPrepared<'m> {
    fn read(reader: &mut Reader<'m>) -> Result<Self, PgOutputError> {
        no_flags(reader)?;
        Ok(Self {
            prepare_end_lsn: reader.lsn("the end of a preparation")?,
            rollback_end_lsn: reader.lsn("the end of a rollback")?,
            prepared_at_us: reader.time("the time of a preparation")?,
            rolled_back_at_us: reader.time("the time of a rollback")?,
            xid: reader.number(XID)?,
            gid: reader.text(GID)?,
        })
    }
}

impl StreamAbort {
    /// Version 4 may say more, and does so when streaming is parallel.
    pub(in crate::pgoutput) fn read(
        reader: &mut Reader<'_>,
        may_say_where: bool,
    ) -> Result<Self, PgOutputError> {
        let (xid, subxid) = (reader.number(XID)?, reader.number(XID)?);
        let aborted = if may_say_where && !reader.is_at_end() {
            let lsn = reader.lsn("the place of a rollback")?;
            Some(StreamAborted { lsn, aborted_at_us: reader.time("the time of a rollback")? })
        } else {
            None
        };
        Ok(Self { xid, subxid, aborted })
    }
}

/// Messages that begin with their transaction within a stream.
pub(in crate::pgoutput) trait ReadOf<'m>: Sized {
    fn read_of(reader: &mut Reader<'m>, xid: Option<u32>) -> Result<Self, PgOutputError>;
}

impl<'m> ReadOf<'m> for Relation<'m> {
    fn read_of(reader: &mut Reader<'m>, xid: Option<u32>) -> Result<Self, PgOutputError> {
        Self::read(reader, xid)
    }
}

impl<'m> ReadOf<'m> for TypeName<'m> {
    fn read_of(reader: &mut Reader<'m>, xid: Option<u32>) -> Result<Self, PgOutputError> {
        Ok(Self {
            xid,
            oid: reader.number("the number of a type")?,
            schema: reader.text("the schema of a type")?,
            name: reader.text("the name of a type")?,
        })
    }
}

impl<'m> ReadOf<'m> for Insert<'m> {
    fn read_of(reader: &mut Reader<'m>, xid: Option<u32>) -> Result<Self, PgOutputError> {
        let relation = reader.number(RELATION)?;
        reader.one_of("a new row, N", |byte| (byte == b'N').then_some(()))?;
        Ok(Self { xid, relation, new: reader.tuple()? })
    }
}

impl<'m> ReadOf<'m> for Update<'m> {
    fn read_of(reader: &mut Reader<'m>, xid: Option<u32>) -> Result<Self, PgOutputError> {
        let relation = reader.number(RELATION)?;
        let kind = reader.one_of("an old or a new row, K, O or N", |byte| match byte {
            b'N' => Some(None),
            _ => OldKind::of_letter(byte).map(Some),
        })?;
        let old = match kind {
            None => None,
            Some(kind) => {
                let old = Old { kind, tuple: reader.tuple()? };
                reader.one_of("a new row, N", |byte| (byte == b'N').then_some(()))?;
                Some(old)
            }
        };
        Ok(Self { xid, relation, old, new: reader.tuple()? })
    }
}

impl<'m> ReadOf<'m> for Delete<'m> {
    fn read_of(reader: &mut Reader<'m>, xid: Option<u32>) -> Result<Self, PgOutputError> {
        let relation = reader.number(RELATION)?;
        let kind = reader.one_of("an old row, K or O", OldKind::of_letter)?;
        Ok(Self { xid, relation, old: Old { kind, tuple: reader.tuple()? } })
    }
}

impl<'m> ReadOf<'m> for Truncate<'m> {
    fn read_of(reader: &mut Reader<'m>, xid: Option<u32>) -> Result<Self, PgOutputError> {
        let count = reader.length("the number of tables")?;
        let flags =
            reader.one_of("the flags of a truncate, 0 to 3", |byte| (byte < 4).then_some(byte))?;
        let relations = reader.take(count.saturating_mul(4), "the numbers of tables")?;
        Ok(Self { xid, flags, relations })
    }
}

impl<'m> ReadOf<'m> for LogicalMessage<'m> {
    fn read_of(reader: &mut Reader<'m>, xid: Option<u32>) -> Result<Self, PgOutputError> {
        let is_transactional = reader.one_of("the flags of a message, 0 or 1", flag)?;
        let lsn = reader.lsn("the place of a message")?;
        let prefix = reader.text("the prefix of a message")?;
        let length = reader.length("the length of a message")?;
        let content = reader.take(length, "the content of a message")?;
        Ok(Self { xid, is_transactional, lsn, prefix, content })
    }
}

fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}
