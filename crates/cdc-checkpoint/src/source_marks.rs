//! The marks of all connectors and databases that write into one log, and the form in which they are
//! stored beside its checkpoint.

use serde::{Deserialize, Serialize};

use crate::mark::{Opening, Seen};
use crate::{
    ChangeIdentity, CheckpointError, Found, SentChange, Sighting, SourceMark, SourcePosition,
};

/// The version of the stored form. Readers know every version up to it.
const VERSION: u32 = 2;

/// The version that says nothing of replays, which readers of that time would pass over.
const VERSION_WITHOUT_REPLAY: u32 = 1;

/// A log has one connector and one database, or a few in a change of either. What a log full of others
/// would take has a bound; the oldest give way.
const MARKS_MAX: usize = 32;

/// How far each connector has sent into one log; see [`SourceMark`].
///
/// A log usually has one connector and one database, so they are looked through one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceMarks {
    marks: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    connector: String,
    database: String,
    mark: SourceMark,
}

impl Entry {
    fn is_of(&self, connector: &str, database: &str) -> bool {
        self.connector == connector && self.database == database
    }
}

impl SourceMarks {
    /// What a change is; see [`SourceMark::sight`]. The first of its connector and database is new.
    pub fn sight(&self, connector: &str, database: &str, change: &SentChange) -> Sighting {
        let mark = self.marks.iter().find(|entry| entry.is_of(connector, database));
        mark.map_or(Sighting::New, |entry| entry.mark.sight(change))
    }

    /// Moves to a change that is new or ambiguous, once it is certain what becomes of it.
    pub fn see(&mut self, connector: &str, database: &str, change: &SentChange) {
        if let Some(mark) = self.mark_mut(connector, database) {
            mark.see(change);
            return;
        }
        if self.marks.len() >= MARKS_MAX {
            self.marks.remove(0);
        }
        self.marks.push(Entry {
            connector: connector.to_owned(),
            database: database.to_owned(),
            mark: SourceMark::first(change),
        });
    }

    /// Takes the answer to an unclear change; see [`SourceMark::resolve`].
    pub fn resolve(&mut self, connector: &str, database: &str, change: &SentChange, found: Found) {
        if let Some(mark) = self.mark_mut(connector, database) {
            mark.resolve(change, found);
        }
    }

    /// Takes what is sent again for new, up to the mark; see [`SourceMark::replay`].
    pub fn replay(&mut self, connector: &str, database: &str) {
        if let Some(mark) = self.mark_mut(connector, database) {
            mark.replay();
        }
    }

    /// Whether no connector has sent anything.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The marks by connector and database, in the order of their first change.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &SourceMark)> {
        self.marks.iter().map(|entry| (&*entry.connector, &*entry.database, &entry.mark))
    }

    fn mark_mut(&mut self, connector: &str, database: &str) -> Option<&mut SourceMark> {
        let entry = self.marks.iter_mut().find(|entry| entry.is_of(connector, database));
        entry.map(|entry| &mut entry.mark)
    }

    /// The form that stores keep: a JSON document.
    #[expect(clippy::missing_panics_doc, reason = "names and numbers are always JSON")]
    pub fn to_stored(&self) -> String {
        let marks: Vec<StoredMark> = self.marks.iter().map(StoredMark::of).collect();
        let replays = marks.iter().any(|mark| mark.replays);
        let version = if replays { VERSION } else { VERSION_WITHOUT_REPLAY };
        serde_json::to_string(&Stored { version, marks })
            .expect("a structure of names and numbers is JSON")
    }

    /// Reads what [`to_stored`](Self::to_stored) wrote, in this version or an earlier one.
    ///
    /// # Errors
    ///
    /// [`CheckpointError::StoredMarks`] for a document that is none of these, also one that a later
    /// version wrote.
    pub fn from_stored(text: &str) -> Result<Self, CheckpointError> {
        let refused = |reason: String| CheckpointError::StoredMarks { reason };
        let Version { version } =
            serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
        if !(VERSION_WITHOUT_REPLAY..=VERSION).contains(&version) {
            return Err(refused(format!("expected version {VERSION}, found {version}")));
        }
        let stored: Stored =
            serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
        let marks = stored.marks.into_iter().map(StoredMark::into_entry).collect::<Option<_>>();
        Ok(Self { marks: marks.ok_or_else(|| refused("an identity is no hash".to_owned()))? })
    }
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    marks: Vec<StoredMark>,
}

#[derive(Serialize, Deserialize)]
struct StoredMark {
    connector: String,
    database: String,
    #[serde(flatten)]
    furthest: StoredSeen,
    #[serde(skip_serializing_if = "Option::is_none")]
    opening: Option<StoredOpening>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    replays: bool,
}

#[derive(Serialize, Deserialize)]
struct StoredSeen {
    lsn: u64,
    tx_id: i64,
    committed_at_ms: i64,
    last_commit: Option<u64>,
    identities: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredOpening {
    Complete { tx_id: i64 },
    Partial(StoredSeen),
}

impl StoredSeen {
    fn of(seen: &Seen) -> Self {
        let SourcePosition { lsn, tx_id, committed_at_ms, last_commit } = seen.at;
        let identities = seen.identities.iter().map(ToString::to_string).collect();
        Self { lsn, tx_id, committed_at_ms, last_commit, identities }
    }

    fn into_seen(self) -> Option<Seen> {
        let Self { lsn, tx_id, committed_at_ms, last_commit, identities } = self;
        let identities: Option<Vec<ChangeIdentity>> =
            identities.iter().map(|text| text.parse().ok()).collect();
        let at = SourcePosition { lsn, tx_id, committed_at_ms, last_commit };
        Some(Seen { at, identities: identities? })
    }
}

impl StoredMark {
    fn of(entry: &Entry) -> Self {
        let (furthest, opening, replays) = entry.mark.parts();
        Self {
            connector: entry.connector.clone(),
            database: entry.database.clone(),
            furthest: StoredSeen::of(furthest),
            opening: opening.map(|opening| match opening {
                Opening::Complete { tx_id } => StoredOpening::Complete { tx_id: *tx_id },
                Opening::Partial(seen) => StoredOpening::Partial(StoredSeen::of(seen)),
            }),
            replays,
        }
    }

    fn into_entry(self) -> Option<Entry> {
        let opening = match self.opening {
            None => None,
            Some(StoredOpening::Complete { tx_id }) => Some(Opening::Complete { tx_id }),
            Some(StoredOpening::Partial(seen)) => Some(Opening::Partial(seen.into_seen()?)),
        };
        let mark = SourceMark::restore(self.furthest.into_seen()?, opening, self.replays);
        Some(Entry { connector: self.connector, database: self.database, mark })
    }
}
