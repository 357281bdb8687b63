//! Records that are not applied: why, and what happens to them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::{RecordRef, TableId};

/// Where on its way a record was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Its bytes are not a change that can be understood.
    Decode,
    /// A validation rule refused the row.
    Rule,
    /// A value does not fit its target column.
    Encode,
    /// The sink's server refused the row.
    Apply,
}

impl Stage {
    /// The name that dead letters are stored and filtered under.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Rule => "rule",
            Self::Encode => "encode",
            Self::Apply => "apply",
        }
    }
}

/// The reason of a change that waits behind a dead letter of its key.
pub const BEHIND_DEAD_LETTER: &str = "behind_dead_letter";

/// Why a record cannot be applied. Its text names tables, columns, rules and limits, never values:
/// what may be kept of the record's bytes is kept beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Where it was rejected.
    pub stage: Stage,
    /// A stable code to group and filter by, such as `missing_after` or `not_null`.
    pub reason: Cow<'static, str>,
    /// What was expected, for a person.
    pub message: String,
    /// The table, when that much was known.
    pub table: Option<TableId>,
    /// The column at fault, when there is one.
    pub column: Option<String>,
    /// The server's code, when a server refused it.
    pub sqlstate: Option<String>,
    /// What to do about it, starting with a verb.
    pub hint: Option<String>,
}

impl Rejection {
    /// A rejection with a reason and nothing else known.
    pub fn new(
        stage: Stage,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            stage,
            reason: reason.into(),
            message: message.into(),
            table: None,
            column: None,
            sqlstate: None,
            hint: None,
        }
    }

    /// Nothing is wrong with the record, but an earlier change of its key is a dead letter of this
    /// table: applied before that one, it would leave a row that the source never had.
    pub fn behind(table: TableId) -> Self {
        let message = "an earlier change of its key is a dead letter of this table";
        Self::new(Stage::Apply, BEHIND_DEAD_LETTER, message).in_table(table).with_hint(
            "retry the letter that it is blocked by, or discard that one: then those behind it can be \
             retried",
        )
    }

    /// Whether the record only waits behind a dead letter.
    pub fn is_behind(&self) -> bool {
        self.reason == BEHIND_DEAD_LETTER
    }

    /// Names the table.
    #[must_use]
    pub fn in_table(mut self, table: TableId) -> Self {
        self.table = Some(table);
        self
    }

    /// Names the column.
    #[must_use]
    pub fn at_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A rejected record of a batch. The batch still owns the record's bytes; the sink stores both in
/// the transaction that moves the checkpoint past it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which record of the batch.
    pub at: RecordRef,
    /// Why.
    pub rejection: Box<Rejection>,
}

/// Why a record has no effect without being wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// A tombstone: it follows a delete that has been seen, for the log's compaction.
    Tombstone,
    /// A message about the stream, not about a row: heartbeat, transaction marker, logical message.
    ControlMessage,
    /// A rule with this name filtered it.
    Filtered(Arc<str>),
    /// Its effect is in the target already.
    AlreadyPresent,
    /// Its connector had sent it before.
    SentAgain,
}

impl SkipReason {
    /// The name that counts are reported under.
    pub fn name(&self) -> &str {
        match self {
            Self::Tombstone => "tombstone",
            Self::ControlMessage => "control_message",
            Self::Filtered(rule) => rule,
            Self::AlreadyPresent => "already_present",
            Self::SentAgain => "sent_again",
        }
    }
}
