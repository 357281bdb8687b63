//! The ledger against the log: its ranges, its sums, and where it ends.

use std::collections::BTreeMap;

use super::account::{Account, Entry, Log, Place};
use super::{Invariant, Violation};

impl Account {
    /// Where ledger, checkpoint and log do not agree.
    pub(super) fn books(&self) -> Vec<Violation> {
        let mut by_log: BTreeMap<&Log, Vec<&Entry>> = BTreeMap::new();
        for entry in &self.tables.ledger {
            by_log.entry(&entry.log).or_default().push(entry);
        }
        let mut found = Vec::new();
        for (log, end) in &self.ends {
            let mut entries = by_log.remove(log).unwrap_or_default();
            entries.sort_by_key(|entry| entry.first);
            found.extend(ranges(&entries));
            found.extend(self.sums(&entries));
            let head = entries.last().map(|entry| entry.until);
            let checkpoint = self.tables.checkpoints.get(log).copied();
            let stands =
                |position: Option<i64>| position == Some(*end) || (position.is_none() && *end == 0);
            if head != checkpoint || !stands(head) {
                let show = |at: Option<i64>| at.map_or("nothing".to_owned(), |at| at.to_string());
                found.push(Violation::new(
                    Invariant::CheckpointIsHead,
                    format!(
                        "{}/{}: the checkpoint says {}, the ledger {}, the log ends at {end}",
                        log.topic,
                        log.partition,
                        show(checkpoint),
                        show(head)
                    ),
                ));
            }
        }
        found.extend(by_log.keys().map(|log| {
            let place = format!("{}/{} has entries and is no log", log.topic, log.partition);
            Violation::new(Invariant::LedgerSums, place)
        }));
        found.extend(self.totals());
        found
    }

    /// Each entry against its own records.
    fn sums(&self, entries: &[&Entry]) -> Vec<Violation> {
        let mut found = Vec::new();
        for entry in entries {
            let place = |offset| Place { log: entry.log.clone(), offset };
            let records = self.log.range(place(entry.first)..place(entry.until)).count();
            let accounted = entry.written + entry.folded + entry.skipped + entry.dead_lettered;
            let is_whole = i64::try_from(records).is_ok_and(|records| records == entry.read)
                && accounted == entry.read
                && entry.skipped == entry.skipped_by_reason;
            if !is_whole {
                found.push(Violation::new(
                    Invariant::LedgerSums,
                    format!(
                        "{} to {}: {} read, {accounted} accounted for, {} of {} skipped with a reason, \
                         {records} in the log",
                        place(entry.first),
                        entry.until,
                        entry.read,
                        entry.skipped_by_reason,
                        entry.skipped
                    ),
                ));
            }
        }
        found
    }

    /// What the ledger says in all against what there is.
    fn totals(&self) -> Vec<Violation> {
        let history = self.tables.history.first().map(|row| &row.place.log.topic);
        let of_history =
            self.tables.ledger.iter().filter(|entry| Some(&entry.log.topic) == history);
        let written: i64 = of_history.map(|entry| entry.written).sum();
        let letters: i64 = self.tables.ledger.iter().map(|entry| entry.dead_lettered).sum();
        let counts = [
            ("rows written to the history", written, self.tables.history.len()),
            ("dead letters", letters, self.tables.letters.len()),
        ];
        let unequal = counts
            .into_iter()
            .filter(|(_, booked, there)| i64::try_from(*there).is_ok_and(|there| there != *booked));
        unequal
            .map(|(what, booked, there)| {
                let place = format!("{booked} {what} are booked, {there} are there");
                Violation::new(Invariant::LedgerSums, place)
            })
            .collect()
    }
}

/// Whether ranges follow each other from the log's beginning.
fn ranges(entries: &[&Entry]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut expected = 0;
    for entry in entries {
        if entry.first != expected || entry.until <= entry.first {
            let Log { topic, partition } = &entry.log;
            found.push(Violation::new(
                Invariant::LedgerWithoutHoles,
                format!(
                    "{topic}/{partition}: an entry from {} to {} where one from {expected} has to be",
                    entry.first, entry.until
                ),
            ));
        }
        expected = entry.until;
    }
    found
}
