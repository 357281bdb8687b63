//! The in-memory source with one defect.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each place acts on its own few defects; all others, new ones too, pass through"
)]

use std::collections::{BTreeMap, BTreeSet};

use cdc_core::{
    Assignment, ByteBudget, NextOffset, Offset, Partition, Receipt, Record, RecordBatch,
    RecordBatchBuilder, RecordParts, RecordValue, ResumePoint, Revocation, Source, SourceEvent,
    Witness, Witnesses,
};

use super::SourceDefect;
use crate::memory::Reading;
use crate::{LogWriter, MemorySource, MemorySourceError};

/// The record that [`SourceDefect::SkipsARecord`] leaves out.
const SKIPPED_OFFSET: i64 = 37;

/// Bytes that [`SourceDefect::CutsLargeValues`] leaves of a value.
const VALUE_BYTES: usize = 64 * 1024;

/// An in-memory source with one defect.
#[derive(Debug)]
pub struct BrokenSource {
    inner: MemorySource,
    defect: SourceDefect,
    log: LogWriter,
    /// How revoked partitions were being read.
    leaving: BTreeMap<Partition, Reading>,
    /// How partitions were being read that stand still because the defect says so.
    halted: BTreeMap<Partition, Reading>,
    /// Partitions that the defect has had its way with.
    spoilt: BTreeSet<Partition>,
    /// Said before anything else.
    early: Vec<SourceEvent>,
    /// How often partitions were assigned.
    assignments: u64,
}

impl BrokenSource {
    /// A source of this log, with a defect.
    pub fn new(log: LogWriter, budget: ByteBudget, defect: SourceDefect) -> Self {
        let charged = match defect {
            SourceDefect::IgnoresTheBudget => ByteBudget::new(usize::MAX),
            _ => budget,
        };
        Self {
            inner: MemorySource::new(log.clone(), charged),
            defect,
            log,
            leaving: BTreeMap::new(),
            halted: BTreeMap::new(),
            spoilt: BTreeSet::new(),
            early: Vec::new(),
            assignments: 0,
        }
    }

    /// What the defect makes of an event; `None` when it keeps it to itself.
    fn spoil(&mut self, event: SourceEvent) -> Result<Option<SourceEvent>, MemorySourceError> {
        Ok(Some(match event {
            SourceEvent::Records(batch) => SourceEvent::Records(self.spoil_records(batch)),
            SourceEvent::Assigned(assignment) => {
                SourceEvent::Assigned(self.spoil_assignment(assignment)?)
            }
            SourceEvent::Revoked(revocation) => {
                if self.defect == SourceDefect::StopsForRevocations {
                    self.halted.append(&mut self.inner.reading);
                }
                SourceEvent::Revoked(revocation)
            }
            SourceEvent::CaughtUp(partition) => {
                if self.defect == SourceDefect::StopsWhenCaughtUp {
                    self.inner.reading.remove(&partition);
                }
                if self.defect == SourceDefect::NeverCatchesUp {
                    return Ok(None);
                }
                SourceEvent::CaughtUp(partition)
            }
            other @ (SourceEvent::LogEnd(..) | SourceEvent::End) => other,
        }))
    }

    fn spoil_assignment(
        &mut self,
        assignment: Assignment,
    ) -> Result<Assignment, MemorySourceError> {
        self.assignments = self.assignments.saturating_add(1);
        let partitions = assignment.partitions().to_vec();
        match self.defect {
            SourceDefect::DeliversBeforeResume => {
                let points = partitions.into_iter().map(|log| (log, ResumePoint::Beginning));
                self.inner.start(points.collect(), assignment.number())?;
            }
            SourceDefect::StopsForAssignments => self.halted.append(&mut self.inner.reading),
            SourceDefect::ReusesNumbers => return Ok(Assignment::new(partitions, 1)),
            _ => {}
        }
        Ok(assignment)
    }

    fn spoil_records(&mut self, batch: RecordBatch) -> RecordBatch {
        let partition = batch.partition().clone();
        let kept = |_: &Record<'_>| true;
        match self.defect {
            SourceDefect::SkipsARecord => {
                rebuilt(&batch, |record| record.offset.get() != SKIPPED_OFFSET, |parts| parts)
            }
            SourceDefect::RepeatsARecord => {
                let last = batch.iter().last().map(|record| record.offset.position());
                if let (Some(last), Some(reading)) = (last, self.inner.reading.get_mut(&partition))
                    && self.spoilt.insert(partition)
                {
                    reading.next = last;
                }
                batch
            }
            SourceDefect::MakesNullEmpty => rebuilt(&batch, kept, |parts| RecordParts {
                value: Some(parts.value.unwrap_or_default()),
                ..parts
            }),
            SourceDefect::DropsHeaders => {
                rebuilt(&batch, kept, |parts| RecordParts { headers: &[], ..parts })
            }
            SourceDefect::TakesHeadersForPlaces => {
                let empty = empty_like(&batch).with_places();
                refilled(empty, &batch, kept, |parts| parts)
            }
            SourceDefect::CutsLargeValues => rebuilt(&batch, kept, |parts| RecordParts {
                value: parts.value.map(|value| value.get(..VALUE_BYTES).unwrap_or(value)),
                ..parts
            }),
            _ => batch,
        }
    }

    /// Where the defect begins instead.
    fn spoil_point(&self, partition: &Partition, point: ResumePoint) -> ResumePoint {
        match (self.defect, point) {
            (SourceDefect::ResumesAtPlusOne, ResumePoint::At(next)) => {
                ResumePoint::At(one_further(next))
            }
            (SourceDefect::BeginsAtTheEnd, ResumePoint::Beginning) => {
                ResumePoint::At(self.log.ends(partition))
            }
            (SourceDefect::JumpsOverALostPosition, ResumePoint::At(next)) => {
                ResumePoint::At(next.max(self.log.begins(partition)))
            }
            (_, point) => point,
        }
    }

    /// Lets partitions go on that were halted.
    fn go_on(&mut self) {
        for (partition, reading) in std::mem::take(&mut self.halted) {
            self.inner.reading.entry(partition).or_insert(reading);
        }
    }
}

fn one_further(next: NextOffset) -> NextOffset {
    Offset::try_new(next.get()).expect("a position is not negative").next()
}

/// The batch with some of its records, changed.
fn rebuilt(
    batch: &RecordBatch,
    kept: impl Fn(&Record<'_>) -> bool,
    changed: impl for<'a> Fn(RecordParts<'a>) -> RecordParts<'a>,
) -> RecordBatch {
    refilled(empty_like(batch), batch, kept, changed)
}

/// A batch without records in the place of another one.
fn empty_like(batch: &RecordBatch) -> RecordBatchBuilder {
    let from = batch.range().from();
    RecordBatchBuilder::new(batch.partition().clone(), batch.assignment(), from)
}

fn refilled(
    mut builder: RecordBatchBuilder,
    batch: &RecordBatch,
    kept: impl Fn(&Record<'_>) -> bool,
    changed: impl for<'a> Fn(RecordParts<'a>) -> RecordParts<'a>,
) -> RecordBatch {
    for record in batch.iter().filter(kept) {
        let headers: Vec<_> = record.headers.into_iter().collect();
        let value = record.value.map(RecordValue::to_vec);
        builder.push(&changed(RecordParts {
            offset: record.offset,
            timestamp_ms: record.timestamp_ms,
            key: record.key,
            value: value.as_deref(),
            headers: &headers,
        }));
    }
    builder.cover_until(batch.range().until());
    builder.finish(ByteBudget::new(usize::MAX).charge(0))
}

impl Source for BrokenSource {
    type Error = MemorySourceError;

    async fn poll(&mut self) -> Result<SourceEvent, MemorySourceError> {
        if let Some(event) = self.early.pop() {
            return Ok(event);
        }
        loop {
            let before = match self.defect {
                SourceDefect::KeepsDeliveringAfterRelinquish => self.inner.reading.clone(),
                _ => BTreeMap::new(),
            };
            let event = self.inner.poll().await?;
            if self.defect == SourceDefect::LosesWhatADroppedPollHad {
                tokio::task::yield_now().await;
            }
            if let SourceEvent::Revoked(revocation) = &event {
                let leaves = |log: &Partition| revocation.partitions().contains(log);
                self.leaving.extend(before.into_iter().filter(|(log, _)| leaves(log)));
            }
            if let Some(event) = self.spoil(event)? {
                return Ok(event);
            }
        }
    }

    async fn recall(&mut self, witnesses: Witnesses) -> Result<(), MemorySourceError> {
        if self.defect == SourceDefect::IgnoresWhatIsRecalled {
            return Ok(());
        }
        if self.defect == SourceDefect::MissesWhatRetentionTook {
            for (partition, recalled) in &witnesses {
                let begins = self.log.begins(partition);
                let gone = recalled.iter().find(|witness| witness.offset().position() < begins);
                if let Some(offset) = gone.map(Witness::offset) {
                    let partition = partition.clone();
                    return Err(MemorySourceError::Replaced { partition, offset });
                }
            }
        }
        self.inner.recall(witnesses).await
    }

    async fn resume(
        &mut self,
        assignment: Assignment,
        points: Vec<(Partition, ResumePoint)>,
    ) -> Result<(), MemorySourceError> {
        if self.defect == SourceDefect::CatchesUpTooEarly {
            let partitions = points.iter().map(|(partition, _)| partition.clone());
            self.early.extend(partitions.map(SourceEvent::CaughtUp));
        }
        let points = points.into_iter().map(|(partition, point)| {
            let point = self.spoil_point(&partition, point);
            (partition, point)
        });
        let points = points.collect();
        self.inner.resume(assignment, points).await?;
        self.go_on();
        Ok(())
    }

    async fn rewind(
        &mut self,
        mut points: Vec<(Partition, ResumePoint)>,
    ) -> Result<u64, MemorySourceError> {
        let before = self.inner.reading.clone();
        if self.defect == SourceDefect::RewindsEverything {
            let told: Vec<_> = points.iter().map(|(partition, _)| partition.clone()).collect();
            let others = before.keys().filter(|partition| !told.contains(partition));
            points.extend(others.map(|partition| (partition.clone(), ResumePoint::Beginning)));
        }
        let number = self.inner.rewind(points).await?;
        for (partition, was) in before {
            let Some(reading) = self.inner.reading.get_mut(&partition) else { continue };
            match self.defect {
                SourceDefect::IgnoresRewinds => reading.next = was.next,
                SourceDefect::KeepsTheNumberOfARewind => reading.number = was.number,
                _ => {}
            }
        }
        Ok(number)
    }

    async fn relinquish(&mut self, revocation: Revocation) -> Result<(), MemorySourceError> {
        self.inner.relinquish(revocation).await?;
        self.inner.reading.append(&mut self.leaving);
        Ok(())
    }

    async fn acknowledge(&mut self, receipt: &Receipt) -> Result<(), MemorySourceError> {
        if self.defect == SourceDefect::SkipsWhatIsAcknowledged {
            for (partition, range) in receipt.delta().ranges() {
                if let Some(reading) = self.inner.reading.get_mut(partition) {
                    reading.next = reading.next.max(one_further(range.until()));
                }
            }
        }
        self.inner.acknowledge(receipt).await
    }

    async fn close(self) {
        if self.defect == SourceDefect::NeverCloses {
            std::future::pending::<()>().await;
        }
    }
}
