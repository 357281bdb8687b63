//! Whether a log is still the one that was read: a few of its records, remembered.
//!
//! A topic that was deleted and created again has the same name and the same offsets. Once it has grown
//! past the position to resume from, nothing in a position tells the two apart: everything before that
//! position would be missing without a word. So a sink remembers a digest of the last record of each
//! batch, and a source compares the newest ones that its log still holds before it resumes.
//!
//! A source without log offsets learns here where it stood: the sink remembers the place that the record
//! carried in its source's own terms, and gives it back with the rest.

use std::collections::{BTreeMap, VecDeque};

use cdc_checkpoint::{NextOffset, Offset, Partition};

use crate::{Record, RecordParts, RecordValue};

/// A record that was applied, remembered by its offset and a digest of its time, key and value.
///
/// Headers are left out: tools that copy topics add their own. Digests are stored, so what goes into
/// them never changes; another way to make them would need another column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    offset: Offset,
    digest: u64,
    place: Option<Box<str>>,
}

/// Remembered records of some logs, newest first.
pub type Witnesses = BTreeMap<Partition, Vec<Witness>>;

/// A log of which a part was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLog {
    /// The log.
    pub partition: Partition,
    /// Everything before this position is applied.
    pub resume: NextOffset,
    /// What is remembered of it, newest first.
    pub witnesses: Vec<Witness>,
}

impl Witness {
    /// The witness that this record is.
    pub fn of(record: &Record<'_>) -> Self {
        let value = record.value.map(RecordValue::parts);
        let digest = digest(record.timestamp_ms, record.key, value);
        Self { offset: record.offset, digest, place: record.headers.place().map(Box::from) }
    }

    /// The same for a record that is not in a batch, and so has no place.
    pub fn of_parts(parts: &RecordParts<'_>) -> Self {
        let value = parts.value.map(|value| [value, &[]]);
        let digest = digest(parts.timestamp_ms, parts.key, value);
        Self { offset: parts.offset, digest, place: None }
    }

    /// A witness as a store gave it back.
    pub fn restore(offset: Offset, digest: u64) -> Self {
        Self { offset, digest, place: None }
    }

    /// The same witness at a place, as a store gave it back.
    #[must_use]
    pub fn at_place(mut self, place: Option<String>) -> Self {
        self.place = place.map(String::into_boxed_str);
        self
    }

    /// Where the record stands.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// The digest, to be stored.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Where the record stands in its source's own terms, to be stored; `None` where its source counts
    /// in offsets.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }

    /// Whether both are the same record, wherever it was read and whether or not that tells its place.
    pub fn is_of_same_record(&self, other: &Self) -> bool {
        self.offset == other.offset && self.digest == other.digest
    }
}

/// FNV-1a of 64 bits: records of two logs are told apart, nobody is kept from forging one.
fn digest(timestamp_ms: Option<i64>, key: Option<&[u8]>, value: Option<[&[u8]; 2]>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    let mut take_field = |parts: Option<[&[u8]; 2]>| match parts {
        None => take(&[0]),
        Some([first, second]) => {
            let length = first.len().saturating_add(second.len());
            take(&[1]);
            take(&u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes());
            take(first);
            take(second);
        }
    };
    let time = timestamp_ms.map(i64::to_le_bytes);
    take_field(time.as_ref().map(|time| [time.as_slice(), &[]]));
    take_field(key.map(|key| [key, &[]]));
    take_field(value);
    hash
}

/// What remembered records say of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuity {
    /// The newest of them that the log still has is the one that was read.
    Proven,
    /// Another record stands in the place of this one: the log was created again or truncated.
    Broken(Offset),
    /// Nothing is remembered, or retention has removed all that was: nothing can be proven, and
    /// nothing speaks against it.
    Forgotten,
    /// The log begins before them and has none of them, which compaction alone explains. This is the
    /// newest of them.
    Missing(Offset),
}

/// Asks a log for remembered records, the newest first, until one of them decides.
///
/// ```
/// use cdc_core::{Continuity, Inquiry, NextOffset, Offset, Witness};
///
/// let witness = Witness::restore(Offset::try_new(7)?, 4711);
/// let mut inquiry = Inquiry::new(&[witness.clone()], NextOffset::ZERO);
/// assert_eq!(inquiry.asks(), Some(witness.offset()));
/// inquiry.answer(Some(witness));
/// assert_eq!(inquiry.verdict(), Some(Continuity::Proven));
/// # Ok::<(), cdc_core::CheckpointError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Inquiry {
    left: VecDeque<Witness>,
    missing: Option<Offset>,
    decided: Option<Continuity>,
}

impl Inquiry {
    /// About a log that begins at a position. Witnesses come newest first.
    pub fn new(witnesses: &[Witness], begins: NextOffset) -> Self {
        let held = witnesses.iter().filter(|witness| witness.offset.position() >= begins);
        Self { left: held.cloned().collect(), missing: None, decided: None }
    }

    /// The offset whose record is to be looked up; `None` when the verdict is known.
    pub fn asks(&self) -> Option<Offset> {
        if self.decided.is_some() {
            return None;
        }
        self.left.front().map(Witness::offset)
    }

    /// What stands at the offset that was [asked](Self::asks) for; `None` when no record does.
    pub fn answer(&mut self, found: Option<Witness>) {
        let Some(remembered) = self.left.pop_front() else { return };
        match found {
            Some(found) if found.is_of_same_record(&remembered) => {
                self.decided = Some(Continuity::Proven);
            }
            Some(_) => self.decided = Some(Continuity::Broken(remembered.offset)),
            None => _ = self.missing.get_or_insert(remembered.offset),
        }
    }

    /// What the answers amount to; `None` while another one is needed.
    pub fn verdict(&self) -> Option<Continuity> {
        match (self.decided, self.asks(), self.missing) {
            (Some(decided), _, _) => Some(decided),
            (None, Some(_), _) => None,
            (None, None, Some(newest)) => Some(Continuity::Missing(newest)),
            (None, None, None) => Some(Continuity::Forgotten),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteBudget, PLACE_HEADER, RecordBatchBuilder};

    fn parts(value: Option<&[u8]>) -> RecordParts<'_> {
        let offset = Offset::try_new(9).unwrap();
        RecordParts { offset, timestamp_ms: Some(5), key: Some(b"k"), value, headers: &[] }
    }

    fn witness(offset: i64, digest: u64) -> Witness {
        Witness::restore(Offset::try_new(offset).unwrap(), digest)
    }

    #[test]
    fn digests_that_were_stored_stay_what_they_are() {
        for (value, stored) in [
            (None, 0x8458_5c2d_c3c6_b79a),
            (Some(b"".as_slice()), 0xb8ec_25f6_af11_24ed),
            (Some(b"{\"id\":1}".as_slice()), 0xa90d_ce23_2bca_3a5b),
        ] {
            assert_eq!(Witness::of_parts(&parts(value)).digest(), stored, "{value:?}");
        }
    }

    #[test]
    fn a_record_is_the_same_witness_wherever_its_bytes_stand() {
        let long = [b"x".repeat(900), b"tail".to_vec()].concat();
        let other = [b"x".repeat(900), b"liat".to_vec()].concat();
        let partition = Partition::new("t", 0, 0).unwrap();
        let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
        let first = RecordParts { offset: Offset::try_new(1).unwrap(), ..parts(Some(&other)) };
        builder.push(&first);
        builder.push(&parts(Some(&long)));
        let batch = builder.finish(ByteBudget::new(1).charge(0));
        assert_eq!(Witness::of(&batch.get(1).unwrap()), Witness::of_parts(&parts(Some(&long))));
        let time = RecordParts { timestamp_ms: Some(6), ..parts(Some(&long)) };
        let key = RecordParts { key: None, ..parts(Some(&long)) };
        for changed in [parts(Some(&other)), time, key] {
            assert_ne!(Witness::of_parts(&changed), Witness::of_parts(&parts(Some(&long))));
        }
    }

    #[test]
    fn a_witness_takes_the_place_along_and_no_digest_depends_on_it() {
        let partition = Partition::new("t", 0, 0).unwrap();
        let headers = [(PLACE_HEADER, Some(b"s/1/0/17".as_slice()))];
        let record = RecordParts { headers: &headers, ..parts(None) };
        let placed = |builder: RecordBatchBuilder| {
            let mut builder = builder;
            builder.push(&record);
            let batch = builder.finish(ByteBudget::new(1).charge(0));
            Witness::of(&batch.get(0).unwrap())
        };
        let builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
        let with = placed(builder.with_places());
        assert_eq!(with.place(), Some("s/1/0/17"));
        assert_eq!(with.digest(), Witness::of_parts(&record).digest());
        let stored = Witness::restore(with.offset(), with.digest());
        assert_eq!(stored.clone().at_place(Some("s/1/0/17".to_owned())), with);
        let mut inquiry = Inquiry::new(&[with], NextOffset::ZERO);
        inquiry.answer(Some(stored));
        assert_eq!(inquiry.verdict(), Some(Continuity::Proven), "the record is the same");
    }

    #[test]
    fn the_newest_record_that_is_left_decides() {
        let held = [witness(30, 3), witness(20, 2), witness(10, 1)];
        let judge = |begins: i64, log: &[Witness]| {
            let mut inquiry = Inquiry::new(&held, NextOffset::try_new(begins).unwrap());
            while let Some(offset) = inquiry.asks() {
                inquiry.answer(log.iter().find(|found| found.offset == offset).cloned());
            }
            inquiry.verdict().unwrap()
        };
        let at = |offset| Offset::try_new(offset).unwrap();
        assert_eq!(judge(0, &held), Continuity::Proven);
        assert_eq!(judge(0, &[witness(20, 2)]), Continuity::Proven, "the newest was compacted");
        assert_eq!(judge(0, &[witness(30, 9), held[1].clone()]), Continuity::Broken(at(30)));
        assert_eq!(judge(0, &[witness(20, 9), held[2].clone()]), Continuity::Broken(at(20)));
        assert_eq!(judge(31, &[]), Continuity::Forgotten);
        assert_eq!(judge(25, &held), Continuity::Proven);
        assert_eq!(judge(15, &[]), Continuity::Missing(at(30)));
        assert_eq!(Inquiry::new(&[], NextOffset::ZERO).verdict(), Some(Continuity::Forgotten));
    }
}
