//! The unit that is applied entirely or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use cdc_checkpoint::{CheckpointDelta, Partition, SourceMarks};

use crate::{BudgetLease, DeadLetter, Record, RecordBatch, SkipReason, TableId, Witness};

/// Which record of a [`WriteBatch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordRef {
    /// Index of the record batch.
    pub batch: u32,
    /// Index of the record in it.
    pub record: u32,
}

/// A sink's encoded rows. Bodies are reused from batch to batch, so `clear` keeps the memory.
pub trait Body: Default + Send + Sync + 'static {
    /// Memory that the encoded rows take, in bytes.
    fn bytes(&self) -> usize;

    /// How many changes were replaced by a later change of the same key, or by a truncate. Every such
    /// pair is counted once, for the record batch of one of the two; the argument is that batch's
    /// index, as [`RecordRef::batch`].
    fn folded(&self, batch: u32) -> u64;

    /// Says how many rows it holds for each table, for people who watch. A table may come more than
    /// once, in parts. Called once a batch, so it must not look at each row. A body that keeps no such
    /// count has nothing to say.
    fn rows_by_table(&self, _say: &mut dyn FnMut(TableId, u64)) {}

    /// Forgets the rows and keeps the memory.
    fn clear(&mut self);
}

/// Where the records of a batch ended: the conservation equation's terms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Records read.
    pub read: u64,
    /// Changes staged to be written, including those folded into a later one.
    pub staged: u64,
    /// Of those, replaced by a later change of the same key in the same batch.
    pub folded: u64,
    /// Records kept as dead letters.
    pub dead_lettered: u64,
    /// Of those staged, equal rows of a table without key that may have been sent before.
    pub ambiguous: u64,
    skipped: Vec<(SkipReason, u64)>,
}

impl Tally {
    /// Counts a skipped record.
    pub fn skip(&mut self, reason: SkipReason) {
        match self.skipped.iter_mut().find(|(held, _)| *held == reason) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.skipped.push((reason, 1)),
        }
    }

    /// Adds what became of other records.
    pub fn add(&mut self, other: &Self) {
        self.read = self.read.saturating_add(other.read);
        self.staged = self.staged.saturating_add(other.staged);
        self.folded = self.folded.saturating_add(other.folded);
        self.dead_lettered = self.dead_lettered.saturating_add(other.dead_lettered);
        self.ambiguous = self.ambiguous.saturating_add(other.ambiguous);
        for (reason, more) in other.skipped() {
            match self.skipped.iter_mut().find(|(held, _)| held == reason) {
                Some((_, count)) => *count = count.saturating_add(more),
                None => self.skipped.push((reason.clone(), more)),
            }
        }
    }

    /// How many records were skipped, by reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&SkipReason, u64)> {
        self.skipped.iter().map(|(reason, count)| (reason, *count))
    }

    /// How many records were skipped for any reason.
    pub fn skipped_total(&self) -> u64 {
        self.skipped.iter().map(|(_, count)| count).sum()
    }

    /// Rows that reach the target.
    pub fn written(&self) -> u64 {
        self.staged.saturating_sub(self.folded)
    }

    /// **Conservation**: every record read was written, folded, skipped or dead-lettered.
    pub fn conserves(&self) -> bool {
        let accounted = self
            .written()
            .saturating_add(self.folded)
            .saturating_add(self.skipped_total())
            .saturating_add(self.dead_lettered);
        self.read == accounted
    }
}

/// Encoded rows, the records they were staged from, the rejected records, and the step of progress
/// they make together.
///
/// It owns the records until it is finished: a row that the server refuses always has its raw bytes
/// at hand, and staging again without it is always possible.
#[derive(Debug)]
pub struct WriteBatch<B> {
    records: Vec<Arc<RecordBatch>>,
    body: B,
    delta: CheckpointDelta,
    dead_letters: Vec<DeadLetter>,
    tallies: BTreeMap<Partition, Tally>,
    tally: Tally,
    lease: BudgetLease,
    marks: BTreeMap<Partition, SourceMarks>,
}

impl<B: Body> WriteBatch<B> {
    /// A batch ready to be applied. There is one tally for each record batch, in their order; what
    /// was folded and dead-lettered is filled in here. The lease is resized to the encoded rows; the
    /// records hold their own leases.
    ///
    /// # Panics
    ///
    /// In debug builds, when a tally does not conserve its records.
    pub fn new(
        records: Vec<Arc<RecordBatch>>,
        body: B,
        delta: CheckpointDelta,
        dead_letters: Vec<DeadLetter>,
        mut tallies: Vec<Tally>,
        mut lease: BudgetLease,
    ) -> Self {
        for letter in &dead_letters {
            let index = usize::try_from(letter.at.batch).unwrap_or(usize::MAX);
            if let Some(tally) = tallies.get_mut(index) {
                tally.dead_lettered = tally.dead_lettered.saturating_add(1);
            }
        }
        let mut by_partition: BTreeMap<Partition, Tally> = BTreeMap::new();
        let mut total = Tally::default();
        for ((index, records), tally) in (0..).zip(&records).zip(&mut tallies) {
            tally.folded = body.folded(index);
            debug_assert!(tally.conserves(), "records must be conserved: {tally:?}");
            total.add(tally);
            by_partition.entry(records.partition().clone()).or_default().add(tally);
        }
        lease.resize(body.bytes());
        let (tallies, tally) = (by_partition, total);
        let marks = BTreeMap::new();
        Self { records, body, delta, dead_letters, tallies, tally, lease, marks }
    }

    /// The same batch, with how far the connectors have sent into its partitions at its end.
    #[must_use]
    pub fn with_marks(mut self, marks: BTreeMap<Partition, SourceMarks>) -> Self {
        self.marks = marks;
        self
    }

    /// How far the connectors have sent into its partitions at its end; stored together with the step
    /// of progress. A partition that is missing has nothing to store.
    pub fn marks(&self) -> &BTreeMap<Partition, SourceMarks> {
        &self.marks
    }

    /// The records, in the order in which [`RecordRef`] counts them.
    pub fn records(&self) -> &[Arc<RecordBatch>] {
        &self.records
    }

    /// One record.
    pub fn record(&self, at: RecordRef) -> Option<Record<'_>> {
        self.records.get(usize::try_from(at.batch).ok()?)?.get(usize::try_from(at.record).ok()?)
    }

    /// The encoded rows.
    pub fn body(&self) -> &B {
        &self.body
    }

    /// Memory that the batch takes: its records and its encoded rows.
    pub fn bytes(&self) -> usize {
        let records: usize = self.records.iter().map(|batch| batch.bytes()).sum();
        self.lease.bytes().saturating_add(records)
    }

    /// The step of progress.
    pub fn delta(&self) -> &CheckpointDelta {
        &self.delta
    }

    /// The last record of a partition in the step, for the log to be known by later; stored together
    /// with the step. `None` where the step covers no record.
    pub fn witness(&self, partition: &Partition) -> Option<Witness> {
        let range = self.delta.range(partition)?;
        let mut of_it = self.records.iter().rev().filter(|batch| batch.partition() == partition);
        let last = of_it.find_map(|batch| batch.last_before(range.until()))?;
        (last.offset.position() >= range.from()).then(|| Witness::of(&last))
    }

    /// Rejected records, to be stored in the same transaction.
    pub fn dead_letters(&self) -> &[DeadLetter] {
        &self.dead_letters
    }

    /// Where the records ended.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Where the records of each partition ended.
    pub fn tallies(&self) -> &BTreeMap<Partition, Tally> {
        &self.tallies
    }

    /// The log's time of the newest record, milliseconds since 1970.
    pub fn newest_timestamp_ms(&self) -> Option<i64> {
        let newest = self.records.iter().filter_map(|batch| {
            batch.get(batch.len().checked_sub(1)?).and_then(|record| record.timestamp_ms)
        });
        newest.max()
    }

    /// Gives up the batch after it has been applied: the proof of it, and the body for reuse.
    ///
    /// Only call it once the sink has reported success, or the sink's checkpoint shows that the
    /// batch has been applied. Nothing else makes a [`Receipt`].
    pub fn finish(self) -> (Receipt, B) {
        let newest_timestamp_ms = self.newest_timestamp_ms();
        let receipt = Receipt { newest_timestamp_ms, delta: self.delta, tally: self.tally };
        (receipt, self.body)
    }

    /// Gives up the batch without having applied it: its records, to be staged again, and the body
    /// for reuse.
    pub fn into_records(self) -> (Vec<Arc<RecordBatch>>, B) {
        (self.records, self.body)
    }
}

/// Proof that a batch is durable.
#[derive(Debug)]
#[must_use = "a receipt is what progress is reported with"]
pub struct Receipt {
    delta: CheckpointDelta,
    tally: Tally,
    newest_timestamp_ms: Option<i64>,
}

impl Receipt {
    /// The step of progress that is now durable.
    pub fn delta(&self) -> &CheckpointDelta {
        &self.delta
    }

    /// Where its records ended.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The log's time of the newest record, milliseconds since 1970.
    pub fn newest_timestamp_ms(&self) -> Option<i64> {
        self.newest_timestamp_ms
    }
}
