//! The messages of PostgreSQL's own output plugin, `pgoutput`, as a pure parser.
//!
//! What it guarantees:
//!
//! - Every byte of a message is checked before anything of it is handed out: lengths, counts, the bytes
//!   that say what follows, names that are UTF-8, and that nothing stands behind the end. Malformed bytes
//!   are an error with their position, never a panic.
//! - A parsed message borrows from its bytes; parsing allocates nothing.
//! - Errors repeat nothing of a row.
//!
//! It follows [the protocol][protocol] in versions 1 to 4: plain, streamed and two-phase transactions,
//! columns in text and in binary form. Between Stream Start and Stream Stop messages of rows begin with
//! the transaction that they belong to, so a [`Parser`] has to see the messages of one connection in
//! their order.
//!
//! ```
//! use cdc_replication::pgoutput::{Message, Parser, ProtocolVersion, TupleColumn};
//!
//! let mut parser = Parser::new(ProtocolVersion::V1);
//! let message = parser.parse(b"I\0\0\x40\0N\0\x02t\0\0\0\x0217n")?;
//! let Message::Insert(insert) = message else { panic!("an insert") };
//! assert_eq!((insert.relation, insert.xid), (0x4000, None));
//! assert!(insert.new.columns().eq([TupleColumn::Text(b"17"), TupleColumn::Null]));
//!
//! let error = parser.parse(b"I\0\0\x40\0N\0\x02t\0\0\0\x0217").unwrap_err();
//! assert_eq!(error.position(), 15);
//! # Ok::<(), cdc_replication::pgoutput::PgOutputError>(())
//! ```
//!
//! Limits: values are not interpreted, a text column is the bytes that the server sent in the client's
//! encoding. Names must be UTF-8, so `client_encoding` has to be.
//!
//! [protocol]: https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html

mod cache;
mod error;
mod message;
mod parser;
mod reader;
mod relation;
mod tuple;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod writer;

pub use cache::{CachedColumn, CachedRelation, RelationCache};
pub use error::PgOutputError;
pub use message::{
    Begin, BeginPrepare, Commit, CommitPrepared, Delete, Insert, LogicalMessage, Message, Old,
    OldKind, Origin, Prepare, RollbackPrepared, StreamAbort, StreamAborted, StreamCommit,
    StreamStart, Truncate, TypeName, Update,
};
pub use parser::{Parser, ProtocolVersion};
pub(crate) use reader::Reader;
pub use relation::{Relation, RelationColumn, RelationColumns, ReplicaIdentity};
pub use tuple::{Tuple, TupleColumn, TupleColumns};
