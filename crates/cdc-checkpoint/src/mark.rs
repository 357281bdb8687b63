//! How far the connector of a source has sent, so that what it sends again is known for it.
//!
//! After a crash a connector sends a suffix of what it has sent already, at new offsets of the log.
//! Positions in the source's write-ahead log tell: transactions are sent in the order of their commits,
//! and within a transaction the positions of its rows rise. Across transactions they do not, because
//! transactions interleave; there the end of the last commit decides, which the connector sends beside
//! each row, except in the first transaction after its start.

use std::fmt;

/// Rows that may share one position: the rows of a COPY that fit on a page, the two halves of a key
/// change, the tables of one TRUNCATE. Far more than a page holds.
const SEEN_MAX: usize = 4_096;

/// How much later than the mark a change before it may have been committed, by the source's clock. The
/// server reads the clock before it writes the commit, so two commits may stand the other way round, and
/// clocks are set back. A source that was restored to less than this ago looks like one that sends again.
const CLOCK_TOLERANCE_MS: i64 = 60_000;

/// Where a streamed change stands in the source, as its connector says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourcePosition {
    /// Position of the row in the write-ahead log, in bytes.
    pub lsn: u64,
    /// The transaction. Numbers are used again after some billions.
    pub tx_id: i64,
    /// When the transaction was committed, milliseconds since 1970.
    pub committed_at_ms: i64,
    /// The end of the last transaction that was committed before this one. `None` in the first
    /// transaction after a start of the connector, so one change can have it once and lack it another
    /// time.
    pub last_commit: Option<u64>,
}

/// What a change is known by among those at the same position: a hash of its table, key, operation and
/// row. Equal changes have equal identities; it proves nothing across positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeIdentity(u64);

impl ChangeIdentity {
    /// The identity with this hash.
    pub fn new(hash: u64) -> Self {
        Self(hash)
    }
}

impl fmt::Display for ChangeIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for ChangeIdentity {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// A change as the mark looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentChange {
    /// Where it stands.
    pub at: SourcePosition,
    /// What it is known by there.
    pub identity: ChangeIdentity,
    /// Whether its row has a key: then no two changes at one position are alike.
    pub keyed: Keyed,
}

/// Whether a row has a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyed {
    /// It has one, or needs none to be told apart, like a truncate.
    Yes,
    /// The table has none: equal rows are different rows.
    No,
}

/// What a change is to those who have seen all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// It has not been seen.
    New,
    /// It has been seen, or is an equal row of a table without key: the two cannot be told apart, and
    /// keeping it is the choice that loses nothing.
    Ambiguous,
    /// It has been seen.
    Again,
    /// Its position does not say: whoever has the rows of its transaction has to be asked, and
    /// [`SourceMark::resolve`] told.
    Unclear,
    /// It comes after what was seen and stands before it: the source was restored or replaced.
    Restored,
}

/// The furthest change that a connector has sent of one database, in the order of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceMark {
    furthest: Seen,
    /// The first transaction after a start of the connector, when its position did not say whether it
    /// comes before the mark.
    opening: Option<Opening>,
    /// Whether what was seen is taken once more, up to the mark.
    replays: bool,
}

/// Changes at the last position of a transaction that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) at: SourcePosition,
    /// In the order in which they were sent.
    pub(crate) identities: Vec<ChangeIdentity>,
}

/// What is known of the first transaction after a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opening {
    /// All of it was seen before.
    Complete { tx_id: i64 },
    /// It is new, and was seen up to here.
    Partial(Seen),
}

impl Opening {
    fn tx_id(&self) -> i64 {
        match self {
            Self::Complete { tx_id } => *tx_id,
            Self::Partial(seen) => seen.at.tx_id,
        }
    }
}

impl Seen {
    fn of(change: &SentChange) -> Self {
        Self { at: change.at, identities: vec![change.identity] }
    }

    /// Judges a change of the same transaction.
    fn sight(&self, change: &SentChange) -> Sighting {
        let seen = || self.identities.contains(&change.identity);
        match change.at.lsn.cmp(&self.at.lsn) {
            std::cmp::Ordering::Greater => Sighting::New,
            std::cmp::Ordering::Less => Sighting::Again,
            std::cmp::Ordering::Equal if !seen() => Sighting::New,
            std::cmp::Ordering::Equal => match change.keyed {
                Keyed::Yes => Sighting::Again,
                Keyed::No => Sighting::Ambiguous,
            },
        }
    }

    /// Moves to a new change of the same transaction.
    fn advance(&mut self, change: &SentChange) {
        if change.at.lsn > self.at.lsn {
            self.identities.clear();
        }
        // A connector that started within the transaction fills the last commit in differently.
        let last_commit = change.at.last_commit.or(self.at.last_commit);
        self.at = SourcePosition { last_commit, ..change.at };
        if self.identities.len() < SEEN_MAX {
            self.identities.push(change.identity);
        }
    }
}

impl SourceMark {
    /// The mark after the first change that was ever seen.
    pub fn first(change: &SentChange) -> Self {
        Self { furthest: Seen::of(change), opening: None, replays: false }
    }

    pub(crate) fn restore(furthest: Seen, opening: Option<Opening>, replays: bool) -> Self {
        Self { furthest, opening, replays }
    }

    pub(crate) fn parts(&self) -> (&Seen, Option<&Opening>, bool) {
        (&self.furthest, self.opening.as_ref(), self.replays)
    }

    /// The furthest position that was seen.
    pub fn position(&self) -> SourcePosition {
        self.furthest.at
    }

    /// What a change is.
    ///
    /// | the change is | and | so it is |
    /// |---|---|---|
    /// | of the mark's transaction | has a higher position | new |
    /// | | has a lower one | seen |
    /// | | has the same | seen, if its identity was seen there |
    /// | of another | both know their last commit | new, if (last commit, position) is higher |
    /// | | | seen, if it is not and was committed less than a minute after the mark |
    /// | | | of a restored source, if it was committed later |
    /// | of another | one does not know it | new, if its position is above both numbers of the mark |
    /// | | | of a restored source, if it knows its own and was committed a minute later |
    /// | | | new, if it does not and was committed a minute later |
    /// | | | unclear otherwise |
    ///
    /// While it [replays](Self::replay), what was seen is new.
    pub fn sight(&self, change: &SentChange) -> Sighting {
        let sighting = self.judge(change);
        let is_seen = matches!(sighting, Sighting::Ambiguous | Sighting::Again | Sighting::Unclear);
        if self.replays && is_seen { Sighting::New } else { sighting }
    }

    fn judge(&self, change: &SentChange) -> Sighting {
        if change.at.tx_id == self.furthest.at.tx_id {
            return self.furthest.sight(change);
        }
        match self.opening.as_ref().filter(|opening| opening.tx_id() == change.at.tx_id) {
            Some(Opening::Complete { .. }) => Sighting::Again,
            Some(Opening::Partial(seen)) => seen.sight(change),
            None => across(&change.at, &self.furthest.at),
        }
    }

    /// Moves to a change that is new or ambiguous, once it is certain what becomes of it.
    pub fn see(&mut self, change: &SentChange) {
        if self.replays {
            if self.judge(change) != Sighting::New {
                return;
            }
            self.replays = false;
        }
        if change.at.tx_id == self.furthest.at.tx_id {
            self.furthest.advance(change);
            return;
        }
        match self.opening.as_mut().filter(|opening| opening.tx_id() == change.at.tx_id) {
            Some(Opening::Partial(seen)) => seen.advance(change),
            // Had the source been restored, the mark is what the next transaction tells it by.
            None if change.at.last_commit.is_none()
                && !is_beyond(&change.at, &self.furthest.at) =>
            {
                self.opening = Some(Opening::Partial(Seen::of(change)));
            }
            Some(Opening::Complete { .. }) | None => *self = Self::first(change),
        }
    }

    /// Takes the answer to an [unclear](Sighting::Unclear) change: whether any change of its
    /// transaction has been seen. [`sight`](Self::sight) it again afterwards.
    ///
    /// The mark stays: had the transaction been seen, all of it would have been, because it was
    /// committed before the mark's.
    pub fn resolve(&mut self, change: &SentChange, found: Found) {
        self.opening = Some(match found {
            Found::Present => Opening::Complete { tx_id: change.at.tx_id },
            // Nothing of it stands at its own position yet.
            Found::Absent => Opening::Partial(Seen { at: change.at, identities: Vec::new() }),
        });
    }

    /// Takes everything for new until it is beyond the mark: for whoever cannot answer what is
    /// [unclear](Sighting::Unclear), and ends in the same state when changes are applied in their order
    /// once more. The mark stays, because a restored source is known by it.
    pub fn replay(&mut self) {
        self.opening = None;
        self.replays = true;
    }
}

/// Whether a transaction has left rows behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// At least one.
    Present,
    /// None.
    Absent,
}

/// Judges a change of another transaction than the mark's.
fn across(at: &SourcePosition, mark: &SourcePosition) -> Sighting {
    let is_later = at.committed_at_ms.saturating_sub(mark.committed_at_ms) > CLOCK_TOLERANCE_MS;
    if let (Some(last_commit), Some(mark_commit)) = (at.last_commit, mark.last_commit) {
        if (last_commit, at.lsn) > (mark_commit, mark.lsn) {
            return Sighting::New;
        }
        return if is_later { Sighting::Restored } else { Sighting::Again };
    }
    if is_beyond(at, mark) {
        return Sighting::New;
    }
    match at.last_commit {
        // Behind the mark's transaction this would be the end of that one, or beyond it.
        Some(_) if is_later => Sighting::Restored,
        // It was committed behind the mark, so it was not sent before.
        None if is_later => Sighting::New,
        Some(_) | None => Sighting::Unclear,
    }
}

/// Whether a change stands behind everything that the mark says, one of which does not know its last
/// commit. In one run of the connector the next transaction knows the end of the mark's, which is beyond
/// every row of it.
fn is_beyond(at: &SourcePosition, mark: &SourcePosition) -> bool {
    let furthest = mark.lsn.max(mark.last_commit.unwrap_or_default());
    at.lsn > furthest || at.last_commit.is_some_and(|commit| commit > furthest)
}
