//! The batch that is being filled.

use std::ops::Range;
use std::sync::Arc;

use cdc_core::{
    Body, ByteBudget, CheckpointDelta, DeadLetter, RecordBatch, RecordRef, Rejection, Sighting,
    SkipReason, Tally, WriteBatch,
};

use super::Staged;
use super::sent::{Marks, SentBefore};

/// A batch that takes more records.
#[derive(Debug)]
pub(crate) struct OpenBatch<B> {
    pub(crate) body: B,
    records: Vec<Arc<RecordBatch>>,
    selection: Vec<Range<usize>>,
    dead_letters: Vec<DeadLetter>,
    /// One for each record batch.
    tallies: Vec<Tally>,
    record_bytes: usize,
    committed_at_ms: Vec<i64>,
    /// How far connectors had sent into its partitions before it.
    marks_before: Marks,
}

impl<B: Body> OpenBatch<B> {
    /// An empty batch around a cleared body.
    pub(crate) fn new(body: B) -> Self {
        Self {
            body,
            records: Vec::new(),
            selection: Vec::new(),
            dead_letters: Vec::new(),
            tallies: Vec::new(),
            record_bytes: 0,
            committed_at_ms: Vec::new(),
            marks_before: Marks::new(),
        }
    }

    /// Whether it covers no part of any log.
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of its records and rows.
    pub(crate) fn bytes(&self) -> usize {
        self.record_bytes.saturating_add(self.body.bytes())
    }

    /// Starts on the records of a batch from `first` on, and gives the index under which
    /// [`RecordRef`] counts them.
    pub(crate) fn begin(
        &mut self,
        records: &Arc<RecordBatch>,
        first: usize,
        sent: &SentBefore,
    ) -> u32 {
        let partition = records.partition();
        if !self.marks_before.contains_key(partition) {
            let marks = sent.of(partition).cloned().unwrap_or_default();
            self.marks_before.insert(partition.clone(), marks);
        }
        self.record_bytes = self.record_bytes.saturating_add(records.bytes());
        self.records.push(Arc::clone(records));
        self.selection.push(first..first);
        self.tallies.push(Tally::default());
        u32::try_from(self.records.len().saturating_sub(1))
            .expect("the byte budget keeps the number of record batches small")
    }

    /// Takes back [`begin`](Self::begin) when nothing followed it.
    pub(crate) fn cancel_untouched(&mut self) {
        let untouched = match (self.records.last(), self.selection.last()) {
            (Some(records), Some(range)) => range.is_empty() && !records.is_empty(),
            _ => false,
        };
        if untouched && let Some(records) = self.records.pop() {
            self.selection.pop();
            self.tallies.pop();
            self.record_bytes = self.record_bytes.saturating_sub(records.bytes());
            let partition = records.partition();
            if !self.records.iter().any(|other| other.partition() == partition) {
                // They may be others when its first record is staged.
                self.marks_before.remove(partition);
            }
        }
    }

    /// Counts the next record of the batch begun last.
    pub(crate) fn count(&mut self, outcome: Counted) {
        if let Some(range) = self.selection.last_mut() {
            range.end = range.end.saturating_add(1);
        }
        let tally = self.tallies.last_mut().expect("a record belongs to the batch begun last");
        tally.read = tally.read.saturating_add(1);
        match outcome {
            Counted::Staged { committed_at_ms, sighting } => {
                tally.staged = tally.staged.saturating_add(1);
                let is_ambiguous = sighting == Sighting::Ambiguous;
                tally.ambiguous = tally.ambiguous.saturating_add(u64::from(is_ambiguous));
                self.committed_at_ms.extend(committed_at_ms);
            }
            Counted::Skipped(reason) => tally.skip(reason),
            Counted::Rejected(at, rejection) => {
                self.dead_letters.push(DeadLetter { at, rejection });
            }
        }
    }

    /// Seals the batch, in an era of the lane.
    pub(crate) fn seal(self, budget: &ByteBudget, sent: &SentBefore, era: u64) -> Staged<B> {
        let mut delta = CheckpointDelta::default();
        for (records, range) in self.records.iter().zip(&self.selection) {
            delta
                .extend(records.partition(), records.range_of(range.start, range.end))
                .expect("records of a partition are staged in log order without a gap");
        }
        let marks = delta.ranges().filter_map(|(partition, _)| {
            let marks = sent.of(partition)?;
            let has_moved = self.marks_before.get(partition) != Some(marks);
            has_moved.then(|| (partition.clone(), marks.clone()))
        });
        let marks = marks.collect();
        let lease = budget.charge(self.body.bytes());
        let batch =
            WriteBatch::new(self.records, self.body, delta, self.dead_letters, self.tallies, lease)
                .with_marks(marks);
        let (selection, committed_at_ms) = (self.selection, self.committed_at_ms);
        Staged { batch, selection, committed_at_ms, marks_before: self.marks_before, era }
    }
}

/// What became of a record.
#[derive(Debug)]
pub(crate) enum Counted {
    Staged {
        /// When the source committed it; `None` for rows that a snapshot read.
        committed_at_ms: Option<i64>,
        sighting: Sighting,
    },
    Skipped(SkipReason),
    Rejected(RecordRef, Box<Rejection>),
}
