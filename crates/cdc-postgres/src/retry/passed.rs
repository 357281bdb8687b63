//! How far a dry run has come with each key.
//!
//! It rolls back what it has done, so the letters that it is done with stay open, and the next ones of their
//! keys must not wait for them. Naming all of them with every page would make each page dearer than the one
//! before. A row is written only when no earlier letter of its key is left, so one place for each key says as
//! much. Letters that came to nothing, as those that a rule skips, are named until a row of their key is
//! written behind them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use cdc_core::{Partition, Record, TableId, WriteBatch};

use super::marks::Held;
use crate::body::PostgresBody;
use crate::chain::{Place, place_of};
use crate::tables::Tables;

/// What a dry run is done with.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Nothing of a key up to this place would be open any more.
    places: BTreeMap<Digest, Place>,
    /// The numbers of letters that would not be open any more either.
    others: BTreeMap<Digest, Vec<i64>>,
}

/// Stands for a log, a table and a key, which may be long. That two of many millions have the same is less
/// likely than that memory forgets one.
type Digest = (u64, u64);

impl Passed {
    /// Nothing of a record's key up to this place would be open any more.
    pub(super) fn place(&self, table: TableId, record: &Record<'_>) -> Option<Place> {
        self.places.get(&digest(Some(table), record.partition, record.key)).copied()
    }

    /// Letters behind that place that would not be open either.
    pub(super) fn others(&self, table: TableId, record: &Record<'_>) -> impl Iterator<Item = i64> {
        // A letter of no known table is one of every table.
        let of_key = [Some(table), None].map(|table| digest(table, record.partition, record.key));
        of_key.into_iter().filter_map(|digest| self.others.get(&digest)).flatten().copied()
    }

    /// Goes on behind a batch: the records that were written to mirrors, and the letters that would not be
    /// open any more, by offset.
    pub(super) fn go_on<'h>(
        &mut self,
        tables: &Tables,
        batch: &WriteBatch<PostgresBody>,
        written: &[(TableId, Record<'_>)],
        done: impl Iterator<Item = (&'h i64, &'h Held)>,
    ) {
        for (table, record) in written {
            let digest = digest(Some(*table), record.partition, record.key);
            let reached = place_of(record);
            let place = self.places.entry(digest).or_insert(reached);
            *place = reached.max(*place);
            self.others.remove(&digest);
        }
        let done: BTreeMap<i64, &Held> = done.map(|(offset, held)| (*offset, held)).collect();
        for record in batch.records().iter().flat_map(|records| records.iter()) {
            let Some(held) = done.get(&record.offset.get()).filter(|_| record.key.is_some()) else {
                continue;
            };
            let table = match held.target.as_deref().map(|target| tables.of_target(target)) {
                // Nothing waits for a letter of a table that is not written.
                Some(None) => continue,
                known => known.flatten(),
            };
            let digest = digest(table, record.partition, record.key);
            if self.places.get(&digest).is_none_or(|place| *place < place_of(&record)) {
                self.others.entry(digest).or_default().push(held.id);
            }
        }
    }
}

fn digest(table: Option<TableId>, partition: &Partition, key: Option<&[u8]>) -> Digest {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        let topic = partition.topic().as_str();
        (salt, table.map(TableId::index), topic, key).hash(&mut hasher);
        hasher.finish()
    };
    (half(0), half(1))
}
