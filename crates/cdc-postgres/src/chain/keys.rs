//! The keys that have open letters, as a lane knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use cdc_core::{Offset, Partition, Record, RecordRef, TableId, TopicName, WriteBatch};

use crate::body::PostgresBody;
use crate::fold::Rows;
use crate::masks::LetterMasks;
use crate::settings::Mode;
use crate::tables::Tables;

/// Beyond so many keys the warehouse is asked about every row of a mirror instead: keys are kept as they
/// are, and this many take some 20 MB.
pub(crate) const KEYS_MAX: usize = 100_000;

/// What orders the versions of a key: the generation of its log, then the offset.
pub(crate) type Place = (u32, i64);

/// The place of a record.
pub(crate) fn place_of(record: &Record<'_>) -> Place {
    (record.partition.generation().get(), record.offset.get())
}

/// The keys that have open letters, shared by the halves of a lane. It may hold keys whose letters are
/// open no longer.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    mirrors: BTreeSet<TableId>,
    /// A letter may be known by a hash of its key.
    masks: LetterMasks,
    /// Whether any key is to be looked for. What the stager asks for each change.
    any: AtomicBool,
    /// Locked for moments, never across an exchange.
    keys: Mutex<Keys>,
}

/// The first letter of a key. Without a table it is one of each table.
#[derive(Debug, Clone, Copy)]
struct Head {
    table: Option<TableId>,
    place: Place,
}

/// First letters, one for each table, by the bytes of their key.
type ByKey = BTreeMap<Box<[u8]>, Vec<Head>>;

#[derive(Debug, Default)]
struct Keys {
    topics: BTreeMap<TopicName, ByKey>,
    /// Records whose letters hold nothing back, because somebody has discarded them before.
    settled: BTreeSet<(Partition, Offset)>,
    /// Whether there were too many keys to keep.
    lacks: bool,
}

impl Heads {
    /// No keys yet, for these tables.
    pub(crate) fn new(tables: &Tables, masks: LetterMasks) -> Self {
        let is_mirror = |mode: Mode| match mode {
            Mode::Mirror { .. } => true,
            Mode::History => false,
        };
        let mirrors = tables.all().iter().filter(|table| is_mirror(table.mode));
        Self { mirrors: mirrors.map(|table| table.id).collect(), masks, ..Self::default() }
    }

    /// What keys are stored as.
    pub(super) fn masks(&self) -> &LetterMasks {
        &self.masks
    }

    /// Whether letters of this table hold later changes back.
    pub(crate) fn concerns(&self, table: Option<TableId>) -> bool {
        table.map_or(!self.mirrors.is_empty(), |table| self.mirrors.contains(&table))
    }

    /// Takes up that a record becomes a letter.
    pub(crate) fn reject(&self, record: &Record<'_>, table: Option<TableId>) {
        let Some(key) = record.key else { return };
        if !self.concerns(table) {
            return;
        }
        let mut keys = self.lock();
        if !keys.settled.contains(&(record.partition.clone(), record.offset)) {
            keys.insert((record.partition.topic(), key), table, place_of(record));
            self.any.store(true, Ordering::Release);
        }
    }

    /// Takes up where the first letter of a record's key stands.
    pub(super) fn reject_at(&self, record: &Record<'_>, table: Option<TableId>, place: Place) {
        if let Some(key) = record.key {
            self.insert((record.partition.topic(), key), table, place);
        }
    }

    /// Whether a change of a mirror has to wait.
    pub(crate) fn holds(&self, table: TableId, record: &Record<'_>) -> bool {
        self.any.load(Ordering::Acquire) && self.lock().holds(table, record, &self.masks)
    }

    /// The rows of a batch whose turn may not have come.
    pub(super) fn suspects(&self, batch: &WriteBatch<PostgresBody>) -> Vec<(TableId, RecordRef)> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        let keys = self.lock();
        let mut found = Vec::new();
        for (table, step) in batch.body().mirror_steps() {
            let whole = step.fold.rows(Rows::All).map(|(at, _)| at);
            let partial = step.fold.partials().map(|(at, _, _)| at);
            let deleted = step.fold.deletes().map(|(at, _)| at);
            let is_suspect = |at: &RecordRef| {
                batch.record(*at).is_some_and(|record| {
                    record.key.is_some() && (keys.lacks || keys.holds(table, &record, &self.masks))
                })
            };
            let suspects = whole.chain(partial).chain(deleted).filter(is_suspect);
            found.extend(suspects.map(|at| (table, at)));
        }
        found
    }

    /// Takes up what the warehouse says of the first letter of a record's key.
    pub(crate) fn learn(&self, record: &Record<'_>, table: Option<TableId>, first: Option<Place>) {
        let Some(key) = record.key else { return };
        let mut keys = self.lock();
        for form in self.masks.key_forms(key) {
            keys.forget((record.partition.topic(), &form), table, first);
        }
        if let Some(place) = first {
            keys.insert((record.partition.topic(), key), table, place);
        }
        self.any.store(!keys.is_empty(), Ordering::Release);
    }

    /// Adds the first letter of a key.
    pub(super) fn insert(&self, key: (&TopicName, &[u8]), table: Option<TableId>, place: Place) {
        if self.concerns(table) {
            self.lock().insert(key, table, place);
            self.any.store(true, Ordering::Release);
        }
    }

    /// Takes up that the letter of a record holds nothing back.
    pub(super) fn settle(&self, record: &Record<'_>) {
        self.lock().settled.insert((record.partition.clone(), record.offset));
    }

    /// Keeps the memory bounded, when no batch is about to be staged again.
    pub(crate) fn trim(&self) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut keys = self.lock();
        keys.settled.clear();
        if keys.topics.values().map(BTreeMap::len).sum::<usize>() > KEYS_MAX {
            keys.topics.clear();
            keys.lacks = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        // What a panic left half done is put right by the warehouse.
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn is_empty(&self) -> bool {
        !self.lacks && self.topics.values().all(BTreeMap::is_empty)
    }

    fn holds(&self, table: TableId, record: &Record<'_>, masks: &LetterMasks) -> bool {
        let Some(keys) = self.topics.get(record.partition.topic()) else { return false };
        let Some(key) = record.key else { return false };
        let is_earlier =
            |head: &Head| head.table.is_none_or(|of| of == table) && head.place < place_of(record);
        masks.key_forms(key).filter_map(|form| keys.get(&*form)).flatten().any(is_earlier)
    }

    fn insert(&mut self, (topic, key): (&TopicName, &[u8]), table: Option<TableId>, place: Place) {
        let keys = match self.topics.get_mut(topic) {
            Some(keys) => keys,
            None => self.topics.entry(topic.clone()).or_default(),
        };
        let heads = match keys.get_mut(key) {
            Some(heads) => heads,
            None => keys.entry(key.into()).or_default(),
        };
        match heads.iter_mut().find(|head| head.table == table) {
            Some(head) => head.place = head.place.min(place),
            None => heads.push(Head { table, place }),
        }
    }

    /// Forgets what would hold a change of this table back before the first letter that there is.
    fn forget(
        &mut self,
        (topic, key): (&TopicName, &[u8]),
        table: Option<TableId>,
        first: Option<Place>,
    ) {
        let Some(keys) = self.topics.get_mut(topic) else { return };
        let Some(heads) = keys.get_mut(key) else { return };
        heads.retain_mut(|head| {
            let is_of_all = head.table.is_none();
            head.place =
                if is_of_all { head.place.max(first.unwrap_or_default()) } else { head.place };
            if is_of_all { first.is_some() } else { head.table != table }
        });
        if heads.is_empty() {
            keys.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use cdc_core::SourceTable;
    use cdc_core::{ByteBudget, NextOffset, RecordBatch, RecordBatchBuilder, RecordParts};

    use super::*;
    use crate::settings::{Deletes, SnapshotSweep, TableSettings, TargetName, Truncates};

    fn tables() -> Tables {
        let mirror = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Apply };
        let table = |index, name: &str, mode| TableSettings {
            id: TableId::new(index),
            source: SourceTable::new("public", name),
            target: TargetName::parse(name).unwrap(),
            mode,
            snapshot_sweep: SnapshotSweep::Apply,
        };
        Tables::new(vec![
            table(0, "a", mirror),
            table(1, "b", mirror),
            table(2, "c", Mode::History),
        ])
    }

    /// A record for each key, from the offset 10 on.
    fn records(keys: &[Option<&[u8]>]) -> RecordBatch {
        let partition = Partition::new("t", 1, 0).unwrap();
        let from = NextOffset::try_new(10).unwrap();
        let mut builder = RecordBatchBuilder::new(partition, 1, from);
        for (offset, key) in (10..).zip(keys) {
            builder.push(&RecordParts {
                offset: Offset::try_new(offset).unwrap(),
                timestamp_ms: None,
                key: *key,
                value: None,
                headers: &[],
            });
        }
        builder.finish(ByteBudget::new(1 << 20).charge(0))
    }

    #[test]
    fn a_letter_holds_what_comes_later_of_its_key_in_its_table() {
        let [a, b, history] = [0, 1, 2].map(TableId::new);
        let records = records(&[Some(b"1"), Some(b"1"), Some(b"2"), Some(b"1"), None]);
        let at = |index| records.get(index).unwrap();
        let heads = Heads::new(&tables(), LetterMasks::default());
        assert!(!heads.holds(a, &at(3)));
        heads.reject(&at(1), Some(a));
        assert!(heads.holds(a, &at(3)), "it comes later");
        assert!(!heads.holds(a, &at(1)) && !heads.holds(a, &at(0)), "it comes before");
        assert!(!heads.holds(a, &at(2)) && !heads.holds(b, &at(3)), "another key, another table");
        heads.learn(&at(3), Some(a), None);
        assert!(!heads.holds(a, &at(3)), "the warehouse knows better");
        heads.reject(&at(0), Some(history));
        heads.reject(&at(4), Some(a));
        assert!(!heads.any.load(Ordering::Acquire), "histories go on, and so does what has no key");
    }

    #[test]
    fn a_letter_of_an_unknown_table_holds_every_mirror_until_the_warehouse_knows_better() {
        let [a, b] = [0, 1].map(TableId::new);
        let records = records(&[Some(b"1"), Some(b"1")]);
        let at = |index| records.get(index).unwrap();
        let heads = Heads::new(&tables(), LetterMasks::default());
        heads.reject(&at(0), None);
        assert!(heads.holds(a, &at(1)) && heads.holds(b, &at(1)));
        heads.settle(&at(0));
        heads.learn(&at(1), Some(a), None);
        heads.reject(&at(0), None);
        assert!(!heads.holds(a, &at(1)), "its letter was discarded");
    }

    #[test]
    fn with_too_many_keys_every_row_is_suspect_and_memory_is_bounded() {
        let records = records(&[Some(b"1")]);
        let heads = Heads::new(&tables(), LetterMasks::default());
        let topic = TopicName::parse("t").unwrap();
        for key in 0..=KEYS_MAX {
            heads.insert((&topic, &key.to_be_bytes()), None, (0, 0));
        }
        heads.trim();
        assert!(heads.lock().lacks && heads.lock().topics.is_empty());
        heads.learn(&records.get(0).unwrap(), None, None);
        assert!(heads.any.load(Ordering::Acquire), "there are more than are known");
    }
}
