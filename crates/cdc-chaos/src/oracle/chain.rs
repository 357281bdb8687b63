//! The chain of each key: every state carries the hash of the one before it, so that a change which is
//! lost, doubled, altered or out of its place breaks a link.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::account::{Change, Operation, Row, State};

/// What a key has come to.
#[derive(Debug, Default)]
struct End<'a> {
    version: i64,
    hash: String,
    current: Option<&'a State>,
    is_broken: bool,
}

impl<'a> End<'a> {
    /// Takes the next change, or says why it cannot be the next.
    fn follow(&mut self, change: &'a Change) -> Result<(), &'static str> {
        let Change { operation, state } = change;
        match (operation, self.current) {
            (Operation::Deleted, Some(current)) if current == state => {
                self.version += 1;
                self.hash = hash(&format!("{}|gone", self.hash));
                self.current = None;
                return Ok(());
            }
            (Operation::Deleted, Some(_)) => return Err("deletes another state than the last"),
            (Operation::Deleted | Operation::Updated, None) => return Err("changes no row"),
            (Operation::Created, Some(_)) => return Err("creates a row that is there"),
            (Operation::Created, None) | (Operation::Updated, Some(_)) => {}
        }
        if state.version != self.version + 1 {
            return Err("does not follow the version before it");
        }
        if state.previous != self.hash {
            return Err("does not carry the hash of the state before it");
        }
        if state.hash != link(state) {
            return Err("has another hash than its values give");
        }
        (self.version, self.hash, self.current) = (state.version, state.hash.clone(), Some(state));
        Ok(())
    }
}

/// Walks the chain of every key in the order of the log. Gives the current rows, and for each key where
/// its chain breaks first.
pub(super) fn walk(history: &[Row]) -> (BTreeMap<i64, State>, Vec<String>) {
    let mut rows: Vec<&Row> = history.iter().collect();
    rows.sort_by_key(|row| (row.change.state.key, row.place.offset, row.ordinal));
    let mut ends: BTreeMap<i64, (i32, End<'_>)> = BTreeMap::new();
    let mut broken = Vec::new();
    for row in rows {
        let key = row.change.state.key;
        let partition = row.place.log.partition;
        let (home, end) = ends.entry(key).or_insert_with(|| (partition, End::default()));
        if end.is_broken {
            continue;
        }
        let followed = if *home == partition {
            end.follow(&row.change)
        } else {
            Err("stands in another partition than the key's first change")
        };
        if let Err(why) = followed {
            end.is_broken = true;
            broken.push(format!("{} at {} {why}", row.change.identity(), row.place));
        }
    }
    let current = ends.into_iter().filter_map(|(key, (_, end))| Some((key, end.current?.clone())));
    (current.collect(), broken)
}

/// The hash of a state, as `load.link` of the source makes it.
pub(super) fn link(state: &State) -> String {
    let State { key, version, previous, amount, note, .. } = state;
    let amount = amount.as_deref().unwrap_or("-");
    let note = note.as_ref().map_or("-".to_owned(), |note| format!("={note}"));
    hash(&format!("{previous}|{key}|{version}|{amount}|{note}"))
}

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        // Writing into a text does not fail.
        write!(hex, "{byte:02x}").ok();
        hex
    })
}
