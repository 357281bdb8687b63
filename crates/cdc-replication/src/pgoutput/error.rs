//! What can be wrong with a message's bytes.

/// Bytes that are no message of the protocol. What stands in them is not repeated: it may be a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PgOutputError {
    /// The bytes end too early.
    #[error("read a message that ends within {expected} at byte {position}")]
    CutShort {
        /// Where that begins which is not whole.
        position: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A byte that says what follows is none that the protocol has.
    #[error("expected {expected} at byte {position}")]
    UnknownByte {
        /// Where it stands.
        position: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A length or a count is below zero.
    #[error("expected {expected} at byte {position}, read a number below zero")]
    Negative {
        /// Where it stands.
        position: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A name is not UTF-8.
    #[error("expected {expected} in UTF-8 at byte {position}")]
    NotUtf8 {
        /// Where the name begins.
        position: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// Something stands behind the end of the message.
    #[error("expected the end of the message at byte {position}")]
    Trailing {
        /// Where the message should have ended.
        position: usize,
    },
    /// A message stands where the protocol has none of its kind: a row of no transaction's stream, or
    /// the begin of a transaction within a stream.
    #[error("read a message out of its place at byte {position}: {expected}")]
    OutOfPlace {
        /// Where it says what it is.
        position: usize,
        /// What should have come.
        expected: &'static str,
    },
    /// The cache of relations is full.
    #[error("read a relation while {relations_max} are known, which is the limit")]
    TooManyRelations {
        /// How many the cache keeps.
        relations_max: usize,
    },
}

impl PgOutputError {
    /// At which byte of the message, counted from zero.
    pub fn position(&self) -> usize {
        match self {
            Self::CutShort { position, .. }
            | Self::UnknownByte { position, .. }
            | Self::Negative { position, .. }
            | Self::NotUtf8 { position, .. }
            | Self::Trailing { position }
            | Self::OutOfPlace { position, .. } => *position,
            Self::TooManyRelations { .. } => 0,
        }
    }
}
