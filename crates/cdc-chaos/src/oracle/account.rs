//! What the oracle looks at, as it was read.

use std::collections::BTreeMap;
use std::fmt;

/// What happened to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Created,
    Updated,
    Deleted,
}

impl Operation {
    /// By the letter of Debezium. A snapshot's letter is none: the tables are empty when it is taken.
    pub(crate) fn of(letter: &str) -> Option<Self> {
        match letter {
            "c" => Some(Self::Created),
            "u" => Some(Self::Updated),
            "d" => Some(Self::Deleted),
            _ => None,
        }
    }
}

/// A row as it was at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) key: i64,
    pub(crate) version: i64,
    pub(crate) previous: String,
    pub(crate) hash: String,
    pub(crate) amount: Option<String>,
    pub(crate) note: Option<String>,
}

/// A change; that of a deleted row says how it was last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) operation: Operation,
    pub(crate) state: State,
}

impl Change {
    pub(crate) fn identity(&self) -> Identity {
        let State { key, version, .. } = self.state;
        Identity { key, version, is_delete: self.operation == Operation::Deleted }
    }
}

/// What tells a change from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    pub(crate) key: i64,
    pub(crate) version: i64,
    pub(crate) is_delete: bool,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_delete { "the delete of version" } else { "version" };
        write!(f, "{what} {} of key {}", self.version, self.key)
    }
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Log {
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) log: Log,
    pub(crate) offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.log.topic, self.log.partition, self.offset)
    }
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Logged {
    Change {
        operation: Operation,
        key: i64,
        version: i64,
        hash: String,
    },
    Tombstone,
    /// Bytes that are no change, in hexadecimal.
    Unreadable {
        hex: String,
    },
}

/// A row of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) change: Change,
    pub(crate) place: Place,
    pub(crate) ordinal: i32,
}

/// An entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) log: Log,
    pub(crate) first: i64,
    pub(crate) until: i64,
    pub(crate) read: i64,
    pub(crate) written: i64,
    pub(crate) folded: i64,
    pub(crate) skipped: i64,
    pub(crate) skipped_as_sent_again: i64,
    /// The sum of all reasons.
    pub(crate) skipped_by_reason: i64,
    pub(crate) dead_lettered: i64,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) place: Place,
    /// The value's bytes in hexadecimal.
    pub(crate) hex: String,
}

/// What the warehouse holds, read in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tables {
    pub(crate) history: Vec<Row>,
    pub(crate) mirror: Vec<State>,
    /// The mirror's rows whole, lineage included.
    pub(crate) mirror_lines: Vec<String>,
    pub(crate) ledger: Vec<Entry>,
    pub(crate) checkpoints: BTreeMap<Log, i64>,
    pub(crate) letters: Vec<Letter>,
}

/// All that there is to look at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Account {
    /// The committed changes.
    pub(crate) journal: Vec<Change>,
    /// The rows of the source.
    pub(crate) source: BTreeMap<i64, State>,
    /// Every record of both topics.
    pub(crate) log: BTreeMap<Place, Logged>,
    /// Where each log ends.
    pub(crate) ends: BTreeMap<Log, i64>,
    pub(crate) tables: Tables,
}
