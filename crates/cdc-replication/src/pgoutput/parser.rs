//! Which message bytes are, and whether it may stand where it does.

use super::message::{Read, ReadOf};
use super::{Message, PgOutputError, Reader, StreamAbort};

/// The version of the protocol, as `START_REPLICATION` asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// Committed transactions.
    V1,
    /// Transactions that still go on, since PostgreSQL 14.
    V2,
    /// Prepared transactions, since PostgreSQL 15.
    V3,
    /// Where streamed transactions were rolled back, since PostgreSQL 16.
    V4,
}

impl ProtocolVersion {
    /// The version with this number.
    pub fn of_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            4 => Some(Self::V4),
            _ => None,
        }
    }

    /// Its number.
    pub fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
        }
    }
}

/// Reads the messages of one connection, in their order.
///
/// A message that is refused leaves no trace: the ones after it read as if it had not been there.
#[derive(Debug, Clone)]
pub struct Parser {
    version: ProtocolVersion,
    place: Place,
}

/// Whether messages of rows begin with their transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    InStream,
}

impl Parser {
    /// A parser for a connection that was asked for this version.
    pub fn new(version: ProtocolVersion) -> Self {
        Self { version, place: Place::Outside }
    }

    /// Reads one message, the payload of one `XLogData`.
    ///
    /// # Errors
    ///
    /// Bytes that are no message of this version, or one that cannot stand here; see
    /// [`PgOutputError::position`].
    pub fn parse<'m>(&mut self, bytes: &'m [u8]) -> Result<Message<'m>, PgOutputError> {
        let mut reader = Reader::new(bytes);
        let kind = reader.byte("the kind of a message")?;
        self.check_place(kind)?;
        let message = self.message(kind, &mut reader)?;
        reader.finish()?;
        if matches!(message, Message::StreamStart(_)) {
            self.place = Place::InStream;
        } else if matches!(message, Message::StreamStop) {
            self.place = Place::Outside;
        }
        Ok(message)
    }

    /// Whether a message of this kind exists in this version and may come now.
    fn check_place(&self, kind: u8) -> Result<(), PgOutputError> {
        let since = match kind {
            b'B' | b'C' | b'O' | b'R' | b'Y' | b'I' | b'U' | b'D' | b'T' | b'M' => {
                ProtocolVersion::V1
            }
            b'S' | b'E' | b'c' | b'A' => ProtocolVersion::V2,
            b'b' | b'P' | b'K' | b'r' | b'p' => ProtocolVersion::V3,
            _ => {
                let expected = "a kind of message that the protocol has";
                return Err(PgOutputError::UnknownByte { position: 0, expected });
            }
        };
        let out_of_place = |expected| Err(PgOutputError::OutOfPlace { position: 0, expected });
        if self.version < since {
            return out_of_place("expected one that the version asked for has");
        }
        let may_be_streamed =
            matches!(kind, b'O' | b'R' | b'Y' | b'I' | b'U' | b'D' | b'T' | b'M' | b'E');
        match self.place {
            Place::InStream if !may_be_streamed => {
                out_of_place("expected the end of the streamed part first")
            }
            Place::Outside if kind == b'E' => {
                out_of_place("expected the begin of a streamed part before its end")
            }
            Place::InStream | Place::Outside => Ok(()),
        }
    }

    fn message<'m>(&self, kind: u8, reader: &mut Reader<'m>) -> Result<Message<'m>, PgOutputError> {
        Ok(match kind {
            b'B' => Message::Begin(Read::read(reader)?),
            b'C' => Message::Commit(Read::read(reader)?),
            b'O' => Message::Origin(Read::read(reader)?),
            b'S' => Message::StreamStart(Read::read(reader)?),
            b'E' => Message::StreamStop,
            b'c' => Message::StreamCommit(Read::read(reader)?),
            b'A' => {
                let may_say_where = self.version >= ProtocolVersion::V4;
                Message::StreamAbort(StreamAbort::read(reader, may_say_where)?)
            }
            b'b' => Message::BeginPrepare(Read::read(reader)?),
            b'P' => Message::Prepare(Read::read(reader)?),
            b'K' => Message::CommitPrepared(Read::read(reader)?),
            b'r' => Message::RollbackPrepared(Read::read(reader)?),
            b'p' => Message::StreamPrepare(Read::read(reader)?),
            _ => return self.row_message(kind, reader),
        })
    }

    /// The messages that begin with their transaction within a stream.
    fn row_message<'m>(
        &self,
        kind: u8,
        reader: &mut Reader<'m>,
    ) -> Result<Message<'m>, PgOutputError> {
        let xid = match self.place {
            Place::Outside => None,
            Place::InStream => Some(reader.number("the transaction of a streamed change")?),
        };
        Ok(match kind {
            b'R' => Message::Relation(ReadOf::read_of(reader, xid)?),
            b'Y' => Message::Type(ReadOf::read_of(reader, xid)?),
            b'I' => Message::Insert(ReadOf::read_of(reader, xid)?),
            b'U' => Message::Update(ReadOf::read_of(reader, xid)?),
            b'D' => Message::Delete(ReadOf::read_of(reader, xid)?),
            b'T' => Message::Truncate(ReadOf::read_of(reader, xid)?),
            b'M' => Message::Logical(ReadOf::read_of(reader, xid)?),
            _ => {
                let expected = "a kind of message that the protocol has";
                return Err(PgOutputError::UnknownByte { position: 0, expected });
            }
        })
    }
}
