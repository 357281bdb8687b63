//! The records of letters that are masked, from the log in which they stand.
//!
//! What is stored of such a letter cannot be applied: it lacks values. So its record is read once more,
//! and it must be the very record. A log may have lost it, or hold another one at its place by now; then
//! the letter stays as it is.

use std::fmt;
use std::future::Future;

use cdc_core::{Offset, Partition};

use crate::error::{PostgresError, from_driver};
use crate::letters::{OriginalMark, RawLetter};
use crate::masks::LetterMasks;
use crate::session::Session;

/// A record as it stands in its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// The log's own time of it, milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Where records can be read once more.
pub trait Originals: Send + 'static {
    /// Looks for the records at these places of one log, which are in rising order, and says of each
    /// what it found. It does not wait without a limit: what cannot be reached is an answer.
    fn read(
        &mut self,
        partition: &Partition,
        offsets: &[Offset],
    ) -> impl Future<Output = Vec<Result<Original, Lost>>> + Send;
}

/// No place to read from, as with a source that forgets what was acknowledged: masked letters stay open.
#[derive(Debug, Clone, Copy)]
pub struct NoOriginals;

impl Originals for NoOriginals {
    async fn read(&mut self, _: &Partition, offsets: &[Offset]) -> Vec<Result<Original, Lost>> {
        offsets.iter().map(|_| Err(Lost::NotKept)).collect()
    }
}

/// Why the record of a letter cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// The log begins behind it now.
    Removed {
        /// Where.
        first: i64,
    },
    /// The log ends before it.
    BeyondEnd {
        /// Where.
        end: i64,
    },
    /// The log goes on behind its place and has none there.
    Absent,
    /// The log is no longer the one in which it stood.
    Recreated,
    /// Another record stands there: what differs.
    Differs(&'static str),
    /// The log keeps nothing that was acknowledged.
    NotKept,
    /// The log could not be read, in the words of whoever tried.
    Unreachable(String),
}

impl Lost {
    /// The reason as a word, which does not change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Removed { .. } => "removed",
            Self::BeyondEnd { .. } => "beyond_end",
            Self::Absent => "absent",
            Self::Recreated => "recreated",
            Self::Differs(_) => "differs",
            Self::NotKept => "not_kept",
            Self::Unreachable(_) => "unreachable",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => {
                "make sure that the topic can be read with the settings of [source.kafka], and retry"
            }
            Self::Removed { .. }
            | Self::BeyondEnd { .. }
            | Self::Absent
            | Self::Recreated
            | Self::NotKept
            | Self::Differs(_) => {
                "let the source send the row again, by a change of it or an ad-hoc snapshot; compare \
                 with `cdc-pipeline verify`; then discard the letter"
            }
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Removed { first } => write!(
                f,
                "its record is gone from the log, which begins at {first} now, and the letter has a \
                 masked copy alone"
            ),
            Self::BeyondEnd { end } => write!(
                f,
                "the log ends at {end}, before its record: the topic was created again or truncated"
            ),
            Self::Absent => f.write_str("the log has no record at its place any more: compaction"),
            Self::Recreated => f.write_str(
                "the topic was created again since, and without a key of a hash rule nobody can tell \
                 whether the record is the same",
            ),
            Self::Differs(what) => write!(
                f,
                "another record stands at its place ({what}): the topic was created again or truncated"
            ),
            Self::NotKept => f.write_str(
                "a replication slot keeps no record that was acknowledged, and the letter has a masked \
                 copy alone",
            ),
            Self::Unreachable(why) => write!(f, "its record cannot be read: {why}"),
        }
    }
}

/// Letters of one reason that are named in a report.
const NAMED_MAX: usize = 100;

/// Letters that stay open because their records cannot be had, by reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostLetters {
    /// The reason, of the first.
    pub lost: Lost,
    /// How many.
    pub letters: u64,
    /// The first of them: number, log and place.
    pub first: Vec<(i64, Partition, i64)>,
}

impl LostLetters {
    /// Adds a letter to those with its reason.
    pub(super) fn add(groups: &mut Vec<Self>, letter: &RawLetter, lost: &Lost) {
        let held = groups.iter().position(|group| group.lost.code() == lost.code());
        let held = held.unwrap_or_else(|| {
            groups.push(Self { lost: lost.clone(), letters: 0, first: Vec::new() });
            groups.len().saturating_sub(1)
        });
        let Some(group) = groups.get_mut(held) else { return };
        group.letters = group.letters.saturating_add(1);
        if group.first.len() < NAMED_MAX {
            group.first.push((letter.id, letter.partition.clone(), letter.offset));
        }
    }
}

const ATTEMPTED: &str = "
UPDATE cdc.dead_letter AS letter
   SET attempts = letter.attempts + 1, attempted_at = clock_timestamp()
 WHERE letter.id = ANY ($1) AND letter.state = 'open'";

/// Notes that letters were tried. Why they are letters is not what failed now, and stays.
pub(super) async fn note_attempt(session: &mut Session, ids: &[i64]) -> Result<(), PostgresError> {
    let noted = sqlx::query(ATTEMPTED).bind(ids).execute(session.driver()).await;
    noted.map(|_| ()).map_err(|error| from_driver("noting that letters were tried", error))
}

/// Makes sure that a record is the one of a letter.
pub(super) fn recognise(
    letter: &RawLetter,
    mark: &OriginalMark,
    original: &Original,
    (masks, is_recreated): (&LetterMasks, bool),
) -> Result<(), Lost> {
    let length = |bytes: &Option<Vec<u8>>| {
        bytes.as_ref().map(|bytes| i64::try_from(bytes.len()).unwrap_or(i64::MAX))
    };
    if mark.timestamp_ms != original.timestamp_ms {
        return Err(Lost::Differs("its time"));
    }
    if mark.key_bytes != length(&original.key) {
        return Err(Lost::Differs("the length of its key"));
    }
    if mark.value_bytes != length(&original.value) {
        return Err(Lost::Differs("the length of its value"));
    }
    if !mark.is_key_hidden && letter.key != original.key {
        return Err(Lost::Differs("its key"));
    }
    let (key, value) = (original.key.as_deref(), original.value.as_deref());
    let digest = mark.hashed_by.as_ref().and_then(|by| masks.digest(by, key, value));
    match digest {
        Some(digest) if mark.digest.as_ref() != Some(&digest) => Err(Lost::Differs("its content")),
        None if is_recreated => Err(Lost::Recreated),
        Some(_) | None => Ok(()),
    }
}
