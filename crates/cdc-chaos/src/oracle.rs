//! What must hold when a campaign is over, each as a pure function over what was committed in the
//! source, what stands in the log and what is durable in the warehouse.
//!
//! Nothing here trusts what the pipeline says of itself but for its books, and these are compared with
//! the log. The numbers are those of the project's list of invariants; I9, I11 and I12 are not of this
//! path.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

mod account;
mod books;
mod chain;
mod reading;
#[cfg(test)]
mod tests;

use account::{Change, Identity, Logged, Place, State};

pub(crate) use account::Account;
pub(crate) use reading::{read, read_tables};

/// Something that must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Invariant {
    /// I1: each committed change is a row of the history.
    NoLoss,
    /// I2: no change is there twice, and no place of the log.
    NoDuplicate,
    /// I3: no row but those of committed changes, each as it was committed and at its place in the log.
    NothingInvented,
    /// I4: the changes of a key follow each other in the order of the log, link by link.
    Order,
    /// I5: the ranges of the ledger follow each other.
    LedgerWithoutHoles,
    /// I6: the ledger accounts for each record of the log once.
    LedgerSums,
    /// I7: the checkpoint stands at the end of the ledger and of the log.
    CheckpointIsHead,
    /// I8: the mirror, and the history folded, equal the source.
    EqualsSource,
    /// I10: exactly the records that cannot be read are dead letters, with their bytes.
    DeadLetters,
    /// I13: what was healed works again within a minute, without anybody's help.
    Liveness,
    /// I14: reading everything a second time changes nothing.
    ReplayNeutral,
}

impl Invariant {
    /// All of them with their numbers.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::NoLoss, "I1"),
        (Self::NoDuplicate, "I2"),
        (Self::NothingInvented, "I3"),
        (Self::Order, "I4"),
        (Self::LedgerWithoutHoles, "I5"),
        (Self::LedgerSums, "I6"),
        (Self::CheckpointIsHead, "I7"),
        (Self::EqualsSource, "I8"),
        (Self::DeadLetters, "I10"),
        (Self::Liveness, "I13"),
        (Self::ReplayNeutral, "I14"),
    ];

    /// The number in the project's list.
    pub fn number(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(invariant, _)| *invariant == self);
        found.map_or("", |(_, number)| number)
    }
}

/// Where an invariant does not hold. Values of rows are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// Where, and how.
    pub place: String,
}

impl Violation {
    pub(crate) fn new(invariant: Invariant, place: impl Into<String>) -> Self {
        Self { invariant, place: place.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}: {}", self.invariant.number(), self.invariant, self.place)
    }
}

impl Account {
    /// Where which invariant does not hold, of those that can be read from what is there: all but I13
    /// and I14.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut found = self.identities();
        found.extend(self.places());
        let (current, broken) = chain::walk(&self.tables.history);
        found.extend(broken.into_iter().map(|place| Violation::new(Invariant::Order, place)));
        found.extend(self.equality(&current));
        found.extend(self.books());
        found.extend(self.letters());
        found
    }

    /// Committed changes against rows of the history.
    fn identities(&self) -> Vec<Violation> {
        let mut rows: BTreeMap<Identity, Vec<&Change>> = BTreeMap::new();
        for row in &self.tables.history {
            rows.entry(row.change.identity()).or_default().push(&row.change);
        }
        let mut found = Vec::new();
        for change in &self.journal {
            let identity = change.identity();
            match rows.remove(&identity).as_deref() {
                None => found.push(Violation::new(
                    Invariant::NoLoss,
                    format!("{identity} is not in the history"),
                )),
                Some([row]) if *row == change => {}
                Some([_]) => found.push(Violation::new(
                    Invariant::NothingInvented,
                    format!("{identity} has other values than were committed"),
                )),
                Some(more) => found.push(Violation::new(
                    Invariant::NoDuplicate,
                    format!("{identity} is there {} times", more.len()),
                )),
            }
        }
        found.extend(rows.keys().map(|identity| {
            Violation::new(Invariant::NothingInvented, format!("{identity} was never committed"))
        }));
        found
    }

    /// Rows of the history against the records at their places.
    fn places(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut taken: BTreeMap<(i32, &Place), u32> = BTreeMap::new();
        for row in &self.tables.history {
            *taken.entry((row.ordinal, &row.place)).or_default() += 1;
            let said = match self.log.get(&row.place) {
                Some(Logged::Change { operation, key, version, hash }) => {
                    (*operation, *key, *version, hash.as_str())
                        == (
                            row.change.operation,
                            row.change.state.key,
                            row.change.state.version,
                            row.change.state.hash.as_str(),
                        )
                }
                Some(Logged::Tombstone | Logged::Unreadable { .. }) | None => false,
            };
            if !said {
                found.push(Violation::new(
                    Invariant::NothingInvented,
                    format!("the log says something else at {}", row.place),
                ));
            }
        }
        let doubled = taken.into_iter().filter(|(_, count)| *count > 1);
        found.extend(doubled.map(|((_, place), count)| {
            Violation::new(Invariant::NoDuplicate, format!("{place} has {count} rows"))
        }));
        found
    }

    /// What is current in mirror and history against the source.
    fn equality(&self, history: &BTreeMap<i64, State>) -> Vec<Violation> {
        let mirror: BTreeMap<i64, State> =
            self.tables.mirror.iter().map(|row| (row.key, row.clone())).collect();
        [("the mirror", &mirror), ("the history", history)]
            .into_iter()
            .flat_map(|(name, found)| differences(name, &self.source, found))
            .collect()
    }

    /// Records that nobody can read against dead letters.
    fn letters(&self) -> Vec<Violation> {
        let mut unreadable: BTreeMap<&Place, &str> = BTreeMap::new();
        for (place, logged) in &self.log {
            match logged {
                Logged::Unreadable { hex } => drop(unreadable.insert(place, hex)),
                Logged::Change { .. } | Logged::Tombstone => {}
            }
        }
        let mut found = Vec::new();
        for letter in &self.tables.letters {
            let what = match unreadable.remove(&letter.place) {
                Some(hex) if hex == letter.hex => continue,
                Some(_) => "was kept with other bytes",
                None => "is a dead letter without need, or for the second time",
            };
            found.push(Violation::new(Invariant::DeadLetters, format!("{} {what}", letter.place)));
        }
        found.extend(unreadable.keys().map(|place| {
            Violation::new(Invariant::DeadLetters, format!("{place} is no dead letter"))
        }));
        found
    }
}

fn differences(
    name: &str,
    source: &BTreeMap<i64, State>,
    found: &BTreeMap<i64, State>,
) -> Vec<Violation> {
    let unequal = |place: String| Violation::new(Invariant::EqualsSource, place);
    let missing = source.iter().filter_map(|(key, row)| match found.get(key) {
        None => Some(unequal(format!("{name} lacks key {key}"))),
        Some(other) if other != row => Some(unequal(format!("{name} differs in key {key}"))),
        Some(_) => None,
    });
    let surplus = found.keys().filter(|key| !source.contains_key(key));
    missing.chain(surplus.map(|key| unequal(format!("{name} still has key {key}")))).collect()
}
