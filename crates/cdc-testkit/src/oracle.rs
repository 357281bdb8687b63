//! The invariants, each as a pure function over what was written to the logs and what is durable.
//!
//! The records are text changes as [`TextDecoder`](crate::TextDecoder) reads them and the warehouse
//! is the one in memory, which refuses rows whose text is `poison` or `curse`. What must become of a
//! record follows from its value alone, and is worked out here a second time, from its text.
//!
//! ```
//! use cdc_core::{Checkpoint, Partition};
//! use cdc_testkit::oracle::{Account, Invariant};
//!
//! let log = Partition::new("t", 0, 0).unwrap();
//! let logs = [(log, vec![Some("c 1 row".to_owned())])];
//! let account = Account {
//!     logs: &logs,
//!     rows: &[],
//!     dead_letters: &[],
//!     checkpoint: &Checkpoint::default(),
//! };
//! let broken: Vec<_> = account.breaches().iter().map(|breach| breach.invariant).collect();
//! assert_eq!(broken, [Invariant::Finished]);
//! ```

use std::collections::BTreeMap;
use std::fmt;

use cdc_core::{Checkpoint, NextOffset, Partition};

use crate::{StoredDeadLetter, StoredRow};

/// What was written, and what is durable of it.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// The values of each log's records, from offset 0 on; `None` is a tombstone.
    pub logs: &'a [(Partition, Vec<Option<String>>)],
    /// The rows, in the order in which they were applied.
    pub rows: &'a [StoredRow],
    /// The dead letters.
    pub dead_letters: &'a [StoredDeadLetter],
    /// Where each log resumes.
    pub checkpoint: &'a Checkpoint,
}

/// Something that always holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Records behind the checkpoint are as many as rows, dead letters and skipped records.
    Conservation,
    /// Each record behind the checkpoint that must have an effect has it.
    NoLoss,
    /// No record has its effect twice.
    NoDuplicate,
    /// Each row says what its record says.
    Exactness,
    /// The rows of a key are in the order of its log.
    Order,
    /// Nothing is durable of records that the checkpoint does not cover.
    ProgressWithData,
    /// Exactly the records that cannot be written are dead letters, with their bytes.
    DeadLettersComplete,
    /// Everything has been read to its end.
    Finished,
}

/// Where an invariant does not hold. Texts of rows are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which one.
    pub invariant: Invariant,
    /// Where.
    pub place: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.place)
    }
}

/// What must become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate<'a> {
    Row { operation: &'a str, key: i64, text: Option<&'a str> },
    DeadLetter { stage: &'static str, reason: &'static str },
    Skipped,
}

impl<'a> Fate<'a> {
    fn of(value: Option<&'a str>) -> Self {
        let Some(value) = value else { return Self::Skipped };
        let malformed = Self::DeadLetter { stage: "decode", reason: "malformed" };
        let mut words = value.splitn(3, ' ');
        let (operation, key, text) = (words.next(), words.next(), words.next());
        let (Some(operation @ ("c" | "u" | "d" | "r")), Some(key)) = (operation, key) else {
            return malformed;
        };
        let Ok(key) = key.parse() else { return malformed };
        match text {
            Some("poison") => Self::DeadLetter { stage: "apply", reason: "poison" },
            Some("curse") => Self::DeadLetter { stage: "apply", reason: "curse" },
            text => Self::Row { operation, key, text },
        }
    }
}

/// Says where an invariant does not hold.
type Check<'a> = fn(&Account<'a>) -> Vec<String>;

/// Where a record stands: which log, and where in it.
type Place<'a> = (&'a Partition, i64);

impl<'a> Account<'a> {
    /// Where which invariant does not hold.
    pub fn breaches(&self) -> Vec<Breach> {
        let mut breaches = Vec::new();
        let checks: [(Invariant, Check<'a>); 8] = [
            (Invariant::Conservation, Self::conservation),
            (Invariant::NoLoss, Self::no_loss),
            (Invariant::NoDuplicate, Self::no_duplicate),
            (Invariant::Exactness, Self::exactness),
            (Invariant::Order, Self::order),
            (Invariant::ProgressWithData, Self::progress_with_data),
            (Invariant::DeadLettersComplete, Self::dead_letters_complete),
            (Invariant::Finished, Self::finished),
        ];
        for (invariant, check) in checks {
            breaches.extend(check(self).into_iter().map(|place| Breach { invariant, place }));
        }
        breaches
    }

    /// What is durable, as one number: equal for equal outcomes, in whatever order the rows of
    /// different logs came.
    pub fn digest(&self) -> u64 {
        let mut rows: Vec<_> = self.rows.iter().collect();
        // Stable: the rows of one log stay in the order in which they were applied.
        rows.sort_by(|a, b| a.partition.cmp(&b.partition));
        let mut letters: Vec<_> = self.dead_letters.iter().collect();
        letters.sort();
        let progress: Vec<_> = self.logs.iter().map(|(log, _)| self.checkpoint.next(log)).collect();
        fnv1a(format!("{rows:?} {letters:?} {progress:?}").as_bytes())
    }

    /// How far a log is applied.
    fn next(&self, log: &Partition) -> i64 {
        self.checkpoint.next(log).map_or(0, NextOffset::get)
    }

    /// The records of a log with their offsets and what must become of them.
    fn fates(values: &[Option<String>]) -> impl Iterator<Item = (i64, Fate<'_>)> {
        (0..).zip(values.iter().map(|value| Fate::of(value.as_deref())))
    }

    /// The records of all logs that the checkpoint covers.
    fn covered(&self) -> impl Iterator<Item = (Place<'a>, Fate<'a>)> {
        self.logs.iter().flat_map(|(log, values)| {
            let next = self.next(log);
            let covered = Self::fates(values).take_while(move |(offset, _)| *offset < next);
            covered.map(move |(offset, fate)| ((log, offset), fate))
        })
    }

    /// The places of everything that is durable, rows first.
    fn durable(&self) -> impl Iterator<Item = Place<'a>> {
        let rows = self.rows.iter().map(|row| (&row.partition, row.offset.get()));
        let letters = self.dead_letters.iter();
        rows.chain(letters.map(|letter| (&letter.partition, letter.offset.get())))
    }

    fn counted(&self) -> BTreeMap<Place<'a>, usize> {
        let mut counted = BTreeMap::new();
        for place in self.durable() {
            *counted.entry(place).or_default() += 1;
        }
        counted
    }

    fn conservation(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        for (log, _) in self.logs {
            let covered = self.covered().filter(|((at, _), _)| *at == log);
            let (skipped, effective): (Vec<_>, Vec<_>) =
                covered.partition(|(_, fate)| *fate == Fate::Skipped);
            let durable = self.durable().filter(|(at, _)| *at == log).count();
            let read = skipped.len() + effective.len();
            if durable + skipped.len() != read {
                let skipped = skipped.len();
                breaches.push(format!(
                    "{log}: {read} records were read, {durable} are rows or dead letters and \
                     {skipped} were skipped"
                ));
            }
        }
        breaches
    }

    fn no_loss(&self) -> Vec<String> {
        let counted = self.counted();
        let effective = self.covered().filter(|(_, fate)| *fate != Fate::Skipped);
        let lost = effective.filter(|(place, _)| !counted.contains_key(place));
        lost.map(|((log, offset), _)| format!("{log}@{offset} has no effect")).collect()
    }

    fn no_duplicate(&self) -> Vec<String> {
        let doubled = self.counted().into_iter().filter(|(_, count)| *count > 1);
        doubled.map(|((log, offset), count)| format!("{log}@{offset}: {count} effects")).collect()
    }

    fn fate_at(&self, log: &Partition, offset: i64) -> Option<Fate<'a>> {
        let (_, values) = self.logs.iter().find(|(at, _)| at == log)?;
        values.get(usize::try_from(offset).ok()?).map(|value| Fate::of(value.as_deref()))
    }

    fn exactness(&self) -> Vec<String> {
        let differs = |row: &&StoredRow| {
            let (operation, key, text) = (&*row.operation, row.key, row.text.as_deref());
            let found = Fate::Row { operation, key, text };
            self.fate_at(&row.partition, row.offset.get()) != Some(found)
        };
        let differing = self.rows.iter().filter(differs);
        differing
            .map(|row| format!("the row of {}@{} differs", row.partition, row.offset.get()))
            .collect()
    }

    fn order(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        let mut last: BTreeMap<(&Partition, i64), i64> = BTreeMap::new();
        for row in self.rows {
            let offset = row.offset.get();
            let before = last.insert((&row.partition, row.key), offset);
            if before.is_some_and(|before| before > offset) {
                let (log, key) = (&row.partition, row.key);
                breaches.push(format!("{log}@{offset} came after a later change of key {key}"));
            }
        }
        breaches
    }

    fn progress_with_data(&self) -> Vec<String> {
        let ahead = self.durable().filter(|(log, offset)| *offset >= self.next(log));
        ahead.map(|(log, offset)| format!("{log}@{offset} is ahead of the checkpoint")).collect()
    }

    fn dead_letters_complete(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        for letter in self.dead_letters {
            let (log, offset) = (&letter.partition, letter.offset.get());
            let expected = match self.fate_at(log, offset) {
                Some(Fate::DeadLetter { stage, reason }) => Some((stage, reason)),
                Some(Fate::Row { .. } | Fate::Skipped) | None => None,
            };
            if expected != Some((&*letter.stage, &*letter.reason)) {
                breaches.push(format!("{log}@{offset} is no such dead letter"));
            }
            let values = self.logs.iter().find(|(at, _)| at == log).map(|(_, values)| values);
            let index = usize::try_from(offset).ok();
            let value = values.zip(index).and_then(|(values, index)| values.get(index));
            let value = value.and_then(|value| value.as_ref()).map(String::as_bytes);
            if value != letter.value.as_deref() {
                breaches.push(format!("{log}@{offset} was kept with other bytes"));
            }
        }
        let kept = |(log, offset): Place<'_>| {
            let mut letters = self.dead_letters.iter();
            letters.any(|letter| letter.partition == *log && letter.offset.get() == offset)
        };
        for (place, fate) in self.covered() {
            if matches!(fate, Fate::DeadLetter { .. }) && !kept(place) {
                breaches.push(format!("{}@{} is not kept", place.0, place.1));
            }
        }
        breaches
    }

    fn finished(&self) -> Vec<String> {
        let mut breaches = Vec::new();
        for (log, values) in self.logs {
            let (next, end) = (self.next(log), values.len());
            if usize::try_from(next).ok() != Some(end) {
                breaches.push(format!("{log} stands at {next} of {end}"));
            }
        }
        breaches
    }
}

/// A digest that is the same on every machine and in every release.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |digest: u64, byte: &u8| (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use cdc_core::Offset;

    use super::*;

    fn log() -> Partition {
        Partition::new("t", 0, 0).unwrap()
    }

    fn row(offset: i64, key: i64, text: Option<&str>) -> StoredRow {
        let (partition, operation) = (log(), "c".to_owned());
        let offset = Offset::try_new(offset).unwrap();
        StoredRow { partition, offset, operation, key, text: text.map(str::to_owned), tx_id: None }
    }

    fn letter(offset: i64, value: &str) -> StoredDeadLetter {
        StoredDeadLetter {
            partition: log(),
            offset: Offset::try_new(offset).unwrap(),
            stage: "apply".to_owned(),
            reason: "poison".to_owned(),
            key: Some(b"key".to_vec()),
            value: Some(value.as_bytes().to_vec()),
        }
    }

    /// What is broken when a log of two changes of key 1, a tombstone and a poisoned change has come
    /// to this.
    fn broken(rows: &[StoredRow], dead_letters: &[StoredDeadLetter], next: i64) -> Vec<Invariant> {
        let values = ["c 1 a", "c 1 b", "", "c 2 poison"];
        let values = values.map(|value| (!value.is_empty()).then(|| value.to_owned()));
        let logs = [(log(), values.to_vec())];
        let mut checkpoint = Checkpoint::default();
        checkpoint.restore(log(), NextOffset::try_new(next).unwrap());
        let account = Account { logs: &logs, rows, dead_letters, checkpoint: &checkpoint };
        let mut broken: Vec<_> =
            account.breaches().into_iter().map(|breach| breach.invariant).collect();
        broken.dedup();
        broken
    }

    #[test]
    fn each_invariant_is_seen_to_be_broken() {
        use Invariant::{
            Conservation, DeadLettersComplete, Exactness, Finished, NoDuplicate, NoLoss, Order,
            ProgressWithData,
        };
        let (a, b) = (row(0, 1, Some("a")), row(1, 1, Some("b")));
        let dead = letter(3, "c 2 poison");
        let dead = std::slice::from_ref(&dead);
        assert_eq!(broken(&[a.clone(), b.clone()], dead, 4), []);
        assert_eq!(broken(&[a.clone(), b.clone()], &[], 3), [Finished]);
        assert_eq!(broken(std::slice::from_ref(&a), dead, 4), [Conservation, NoLoss]);
        let doubled = [a.clone(), b.clone(), b.clone()];
        assert_eq!(broken(&doubled, dead, 4), [Conservation, NoDuplicate]);
        assert_eq!(broken(&[b.clone(), a.clone()], dead, 4), [Order]);
        assert_eq!(broken(&[a.clone(), row(1, 1, None)], dead, 4), [Exactness]);
        assert_eq!(
            broken(&[a.clone(), b.clone()], &[], 4),
            [Conservation, NoLoss, DeadLettersComplete]
        );
        let other = letter(3, "c 2 other");
        assert_eq!(broken(&[a.clone(), b.clone()], &[other], 4), [DeadLettersComplete]);
        assert_eq!(broken(&[a, b], &[], 1), [Conservation, ProgressWithData, Finished]);
    }
}
