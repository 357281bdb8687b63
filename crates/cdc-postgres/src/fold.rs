//! The last state of each key in a batch.
//!
//! A mirror needs only what a batch leaves behind, so later changes of a key replace earlier ones
//! here, in memory, before anything goes over the wire. The rule is that writing the fold equals
//! writing its changes one by one:
//!
//! | before | then | leaves |
//! |---|---|---|
//! | a row | a whole row | the later row |
//! | a row | a row with unavailable values | the later row, these values from the earlier one |
//! | nothing in the batch | a row with unavailable values | a *partial* row: updates, never inserts |
//! | a row | a delete | the delete; with soft deletes also the row, flagged |
//! | a delete | a whole row | the delete and then the row; with soft deletes just the row |
//! | a delete | a row with unavailable values | refused: the values exist nowhere any more |
//!
//! Row images lead with the key, so the key's bytes are a part of the image and need no copy. Images
//! that were replaced stay in the arena until the batch is done; its size is charged as it is.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use cdc_core::{Change, ChangeEvent, Operation, RecordRef, Rejection, Row, Value};
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::counts::Counts;
use crate::plan::MirrorPlan;
use crate::settings::Deletes;

mod image;

pub(crate) use image::unavailable;
use image::{Encoded, Encoder};

/// A part of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

/// What a batch leaves of one key.
#[derive(Debug, Clone, Copy)]
struct Entry {
    hash: u64,
    key_bytes: usize,
    /// The row and the record that gave it.
    row: Option<(Span, RecordRef)>,
    /// The map of values that the row lacks, when it lacks some.
    unavailable: Option<Span>,
    /// The key to delete first and the record that says so.
    delete: Option<(Span, RecordRef)>,
    /// Whether the key is gone for changes that follow.
    gone: bool,
    begins: Begins,
}

/// What the batch's first change of a key says of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begins {
    /// An insert: the target should not have the key.
    Inserted,
    /// Anything else: the target should have it.
    Known,
}

impl Entry {
    /// Whether the row can be expected to be new in the target: inserted in this batch, with
    /// nothing to delete before it.
    fn is_new(&self) -> bool {
        self.begins == Begins::Inserted
            && self.delete.is_none()
            && self.row.is_some()
            && self.unavailable.is_none()
    }
}

/// Which whole rows of a fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    /// Those that the target should not have yet.
    New,
    /// All others.
    Known,
    /// All.
    All,
}

/// The last state of each key, for one mirror and one shape.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    plan: Option<Arc<MirrorPlan>>,
    encoder: Encoder,
    states: States,
    /// Changes staged, including those that were replaced.
    changes: Counts,
}

/// What is known of each key, with its bytes.
#[derive(Debug, Default)]
struct States {
    arena: Vec<u8>,
    entries: Vec<Entry>,
    index: HashTable<u32>,
    hasher: RandomState,
    /// Changes that replaced an earlier one.
    folded: Counts,
}

/// Whether a change that replaces an earlier one is counted as doing so. The two halves of a key
/// change are one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Replaced,
    Nothing,
}

impl Fold {
    /// Whether rows of this plan may go into it.
    pub(crate) fn takes(&self, plan: &Arc<MirrorPlan>) -> bool {
        self.is_empty() || self.plan.as_ref().is_some_and(|held| Arc::ptr_eq(held, plan))
    }

    /// Prepares for rows of a plan that it [takes](Self::takes).
    pub(crate) fn begin(&mut self, plan: &Arc<MirrorPlan>) {
        if !self.plan.as_ref().is_some_and(|held| Arc::ptr_eq(held, plan)) {
            self.plan = Some(Arc::clone(plan));
        }
    }

    /// Adds a change of one row. A refused change leaves the fold as it was.
    pub(crate) fn stage(
        &mut self,
        plan: &MirrorPlan,
        at: RecordRef,
        event: &ChangeEvent<'_>,
    ) -> Result<(), Box<Rejection>> {
        match event.change {
            Change::Insert { after: row } | Change::Snapshot { row } => {
                self.put(plan, at, event, row)?;
            }
            Change::Update { before, after } => {
                if let Some(before) = before.filter(|before| key_changed(plan, before, &after)) {
                    // The row under its new key may be refused: that is found out first.
                    self.encoder.row(plan, event, after).and_then(|row| whole(plan, row))?;
                    self.delete(plan, at, event, (before, Count::Nothing))?;
                }
                self.put(plan, at, event, after)?;
            }
            Change::Delete { before } => {
                self.delete(plan, at, event, (before, Count::Replaced))?;
            }
            // The body deals with whole tables before it asks a fold.
            Change::Truncate => return Ok(()),
        }
        self.changes.count(at);
        Ok(())
    }

    fn put(
        &mut self,
        plan: &MirrorPlan,
        at: RecordRef,
        event: &ChangeEvent<'_>,
        row: Row<'_>,
    ) -> Result<(), Box<Rejection>> {
        let encoded = self.encoder.row(plan, event, row)?;
        self.states.put(plan, at, event.change.operation(), encoded)
    }

    fn delete(
        &mut self,
        plan: &MirrorPlan,
        at: RecordRef,
        event: &ChangeEvent<'_>,
        (before, count): (Row<'_>, Count),
    ) -> Result<(), Box<Rejection>> {
        let encoded = self.encoder.key(plan, event, before)?;
        self.states.delete(plan.deletes, at, encoded, count);
        Ok(())
    }

    /// The plan of its rows; `None` before the first row.
    pub(crate) fn plan(&self) -> Option<&Arc<MirrorPlan>> {
        self.plan.as_ref().filter(|_| !self.is_empty())
    }

    /// Whole rows with their records.
    pub(crate) fn rows(&self, which: Rows) -> impl Iterator<Item = (RecordRef, &[u8])> {
        let whole = self.states.entries.iter().filter(|entry| entry.unavailable.is_none());
        let chosen = whole.filter(move |entry| match which {
            Rows::New => entry.is_new(),
            Rows::Known => !entry.is_new(),
            Rows::All => true,
        });
        chosen.filter_map(|entry| self.states.image(entry.row))
    }

    /// Rows with unavailable values: record, image and the map of what is unavailable.
    pub(crate) fn partials(&self) -> impl Iterator<Item = (RecordRef, &[u8], &[u8])> {
        self.states.entries.iter().filter_map(|entry| {
            let map = self.states.arena.get(entry.unavailable?.range())?;
            let (at, image) = self.states.image(entry.row)?;
            Some((at, image, map))
        })
    }

    /// Keys to delete before rows are written, with their records.
    pub(crate) fn deletes(&self) -> impl Iterator<Item = (RecordRef, &[u8])> {
        self.states.entries.iter().filter_map(|entry| self.states.image(entry.delete))
    }

    /// How many keys it knows.
    pub(crate) fn keys(&self) -> usize {
        self.states.entries.len()
    }

    /// Whether no change has been staged.
    pub(crate) fn is_empty(&self) -> bool {
        self.states.entries.is_empty()
    }

    /// How many changes were staged, including those that were replaced.
    pub(crate) fn changes(&self) -> &Counts {
        &self.changes
    }

    /// How many changes replaced an earlier one.
    pub(crate) fn folded(&self) -> &Counts {
        &self.states.folded
    }

    /// Memory in use.
    pub(crate) fn bytes(&self) -> usize {
        let entry = size_of::<Entry>().saturating_add(size_of::<u32>());
        self.states.arena.len().saturating_add(self.keys().saturating_mul(entry))
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.states.arena.clear();
        self.states.entries.clear();
        self.states.index.clear();
        self.states.folded.clear();
        self.changes.clear();
    }
}

impl States {
    fn put(
        &mut self,
        plan: &MirrorPlan,
        at: RecordRef,
        operation: Operation,
        encoded: Encoded<'_>,
    ) -> Result<(), Box<Rejection>> {
        if operation != Operation::Update {
            whole(plan, encoded)?;
        }
        let hash = self.hasher.hash_one(encoded.key());
        let Some(place) = self.find(hash, encoded.key()) else {
            let row = Some((push(&mut self.arena, encoded.image), at));
            let unavailable = encoded.unavailable.map(|map| push(&mut self.arena, map));
            let key_bytes = encoded.key_bytes;
            let (delete, gone) = (None, false);
            let begins = match operation {
                Operation::Insert | Operation::Snapshot => Begins::Inserted,
                Operation::Update | Operation::Delete | Operation::Truncate => Begins::Known,
            };
            self.insert(Entry { hash, key_bytes, row, unavailable, delete, gone, begins });
            return Ok(());
        };
        let Some(entry) = self.entries.get_mut(place) else { return Ok(()) };
        if entry.gone {
            whole(plan, encoded)?;
        }
        self.folded.count(at);
        let (image, unavailable) = match (entry.row, encoded.unavailable) {
            (Some((earlier, _)), Some(map)) => {
                let earlier = image::Earlier {
                    image: earlier.range(),
                    unavailable: entry.unavailable.map(Span::range),
                };
                image::merge(&mut self.arena, plan, (encoded, map), earlier)
            }
            (Some(_) | None, _) => (push(&mut self.arena, encoded.image), None),
        };
        entry.row = Some((image, at));
        entry.unavailable = unavailable;
        entry.gone = false;
        if plan.deletes == Deletes::Soft {
            entry.delete = None;
        }
        Ok(())
    }

    fn delete(&mut self, deletes: Deletes, at: RecordRef, encoded: Encoded<'_>, count: Count) {
        let hash = self.hasher.hash_one(encoded.key());
        let delete = Some((push(&mut self.arena, encoded.image), at));
        let place = self.find(hash, encoded.key());
        let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) else {
            let key_bytes = encoded.key_bytes;
            let (row, unavailable, gone, begins) = (None, None, true, Begins::Known);
            self.insert(Entry { hash, key_bytes, row, unavailable, delete, gone, begins });
            return;
        };
        if count == Count::Replaced {
            self.folded.count(at);
        }
        // A soft-deleted row shows its last values: one that is in the batch is written, flagged.
        if deletes == Deletes::Hard {
            (entry.row, entry.unavailable) = (None, None);
        }
        entry.gone = true;
        entry.delete = if let Some((row, _)) = entry.row {
            image::flag_deleted(&mut self.arena, row.range(), encoded.image);
            None
        } else {
            delete
        };
    }

    fn find(&self, hash: u64, key: &[u8]) -> Option<usize> {
        let same = |place: &u32| {
            usize::try_from(*place)
                .ok()
                .and_then(|place| self.entries.get(place))
                .and_then(|entry| self.key(entry))
                .is_some_and(|held| held == key)
        };
        self.index.find(hash, same).and_then(|place| usize::try_from(*place).ok())
    }

    fn key(&self, entry: &Entry) -> Option<&[u8]> {
        let (span, _) = entry.row.or(entry.delete)?;
        self.arena.get(span.range())?.get(image::KEY_START..)?.get(..entry.key_bytes)
    }

    fn insert(&mut self, entry: Entry) {
        let place = u32::try_from(self.entries.len())
            .expect("a batch is bounded in bytes and has far less than 4 billion rows");
        let hash = entry.hash;
        self.entries.push(entry);
        let entries = &self.entries;
        self.index.insert_unique(hash, place, |place| {
            let place = usize::try_from(*place).unwrap_or(usize::MAX);
            entries.get(place).map_or(0, |entry| entry.hash)
        });
    }

    fn image(&self, part: Option<(Span, RecordRef)>) -> Option<(RecordRef, &[u8])> {
        let (span, at) = part?;
        Some((at, self.arena.get(span.range())?))
    }
}

impl Span {
    fn range(self) -> std::ops::Range<usize> {
        self.start..self.end
    }
}

fn push(arena: &mut Vec<u8>, bytes: &[u8]) -> Span {
    let start = arena.len();
    arena.extend_from_slice(bytes);
    Span { start, end: arena.len() }
}

/// A row that becomes new in the target must have all its values.
fn whole(plan: &MirrorPlan, encoded: Encoded<'_>) -> Result<(), Box<Rejection>> {
    match encoded.unavailable {
        None => Ok(()),
        Some(map) => Err(image::lacking(plan, map)),
    }
}

/// Whether an update moved the row to another key. Without full replica identity the row before may
/// lack the target's key columns; then nothing is known to have changed.
fn key_changed(plan: &MirrorPlan, before: &Row<'_>, after: &Row<'_>) -> bool {
    let same_shape = Arc::ptr_eq(before.shape(), after.shape()) || before.shape() == after.shape();
    if !same_shape {
        return false;
    }
    let mut changed = false;
    for key in &plan.keys {
        let value = before.get(key.source);
        if matches!(value, Value::Null | Value::Unavailable) {
            return false;
        }
        changed |= value != after.get(key.source);
    }
    changed
}

#[cfg(test)]
mod tests;
