//! A log in memory, and a source that reads it as a broker's consumer would.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cdc_core::{
    Assignment, ByteBudget, Classify, Continuity, ErrorClass, Halt, Inquiry, NextOffset, Offset,
    PLACE_HEADER, Partition, Receipt, RecordBatchBuilder, RecordParts, ResumePoint, Revocation,
    Source, SourceEvent, Witness, Witnesses,
};
use tokio::sync::Notify;

/// Records in one batch: small, so that tests see several.
const BATCH_RECORDS_MAX: usize = 4;

/// How often a spent budget is asked again. A budget tells threads of released bytes, not tasks.
const BUDGET_ASKED_EVERY: Duration = Duration::from_millis(1);

/// What is written to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogMessage<'a> {
    /// The key's bytes; `None` is a null key.
    pub key: Option<&'a [u8]>,
    /// The value's bytes; `None` is a null value.
    pub value: Option<&'a [u8]>,
    /// Header names and values in order; names may repeat.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

#[derive(Debug)]
struct Entry {
    offset: Offset,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Entry {
    fn parts<'a>(&'a self, headers: &'a [(&'a str, Option<&'a [u8]>)]) -> RecordParts<'a> {
        RecordParts {
            offset: self.offset,
            timestamp_ms: Some(0),
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers,
        }
    }
}

#[derive(Debug)]
struct Log {
    begins: NextOffset,
    ends: NextOffset,
    entries: Vec<Entry>,
}

impl Default for Log {
    fn default() -> Self {
        Self { begins: NextOffset::ZERO, ends: NextOffset::ZERO, entries: Vec::new() }
    }
}

impl Log {
    fn push(&mut self, message: &LogMessage<'_>) {
        let offset = Offset::try_new(self.ends.get()).expect("a position is not negative");
        let headers = message.headers.iter();
        self.entries.push(Entry {
            offset,
            key: message.key.map(<[u8]>::to_vec),
            value: message.value.map(<[u8]>::to_vec),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
        });
        self.ends = offset.next();
    }
}

/// What the group decides, one after the other.
#[derive(Debug)]
enum GroupChange {
    Assign(Vec<Partition>),
    Revoke(Vec<Partition>),
}

#[derive(Debug, Default)]
struct Logs {
    by_partition: BTreeMap<Partition, Log>,
    group: VecDeque<GroupChange>,
    relinquished: Vec<Partition>,
    rewinds: usize,
}

/// Writes to the log and steers the group from outside. Clones share the log.
#[derive(Debug, Clone, Default)]
pub struct LogWriter {
    logs: Arc<Mutex<Logs>>,
    changed: Arc<Notify>,
}

impl LogWriter {
    fn logs(&self) -> MutexGuard<'_, Logs> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends a record with the key `key`; `None` is a null value.
    pub fn append(&self, partition: &Partition, value: Option<&str>) {
        let value = value.map(str::as_bytes);
        self.append_message(partition, &LogMessage { key: Some(b"key"), value, headers: &[] });
    }

    /// Appends a record. The first of a partition stands at offset 0, the others follow.
    pub fn append_message(&self, partition: &Partition, message: &LogMessage<'_>) {
        self.logs().by_partition.entry(partition.clone()).or_default().push(message);
        self.changed.notify_one();
    }

    /// Appends records with the key `key` that no reader sees one without the other.
    pub fn append_together(&self, partition: &Partition, values: &[String]) {
        let mut logs = self.logs();
        let log = logs.by_partition.entry(partition.clone()).or_default();
        for value in values {
            let value = Some(value.as_bytes());
            log.push(&LogMessage { key: Some(b"key"), value, headers: &[] });
        }
        drop(logs);
        self.changed.notify_one();
    }

    /// Forgets what stands before a position, as retention does.
    pub fn forget_before(&self, partition: &Partition, begins: NextOffset) {
        let mut logs = self.logs();
        let log = logs.by_partition.entry(partition.clone()).or_default();
        log.entries.retain(|entry| entry.offset.position() >= begins);
        log.begins = log.begins.max(begins.min(log.ends));
    }

    /// Deletes the log of a partition and creates an empty one in its place, which begins at offset 0.
    pub fn create_again(&self, partition: &Partition) {
        self.logs().by_partition.insert(partition.clone(), Log::default());
    }

    /// Takes partitions away.
    pub fn revoke(&self, partitions: Vec<Partition>) {
        self.logs().group.push_back(GroupChange::Revoke(partitions));
        self.changed.notify_one();
    }

    /// Gives partitions.
    pub fn assign(&self, partitions: Vec<Partition>) {
        self.logs().group.push_back(GroupChange::Assign(partitions));
        self.changed.notify_one();
    }

    /// Partitions given back by the engine, in order.
    pub fn relinquished(&self) -> Vec<Partition> {
        self.logs().relinquished.clone()
    }

    /// How often the engine asked to read again.
    pub fn rewinds(&self) -> usize {
        self.logs().rewinds
    }

    /// What the log says of remembered records.
    pub(crate) fn continuity(&self, partition: &Partition, witnesses: &[Witness]) -> Continuity {
        let logs = self.logs();
        let log = logs.by_partition.get(partition);
        let begins = log.map_or(NextOffset::ZERO, |log| log.begins);
        let mut inquiry = Inquiry::new(witnesses, begins);
        while let Some(offset) = inquiry.asks() {
            let mut entries = log.iter().flat_map(|log| &log.entries);
            let found = entries.find(|entry| entry.offset == offset);
            inquiry.answer(found.map(|entry| Witness::of_parts(&entry.parts(&[]))));
        }
        inquiry.verdict().unwrap_or(Continuity::Forgotten)
    }

    pub(crate) fn begins(&self, partition: &Partition) -> NextOffset {
        self.logs().by_partition.get(partition).map_or(NextOffset::ZERO, |log| log.begins)
    }

    pub(crate) fn ends(&self, partition: &Partition) -> NextOffset {
        self.logs().by_partition.get(partition).map_or(NextOffset::ZERO, |log| log.ends)
    }
}

/// Why the in-memory source cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum MemorySourceError {
    /// The log was cut off before anybody had read it.
    #[error("{partition} resumes at {resume}, but its log begins at {begins}")]
    ResumeGone {
        /// The log.
        partition: Partition,
        /// Where it was to resume.
        resume: NextOffset,
        /// The first position that is still held.
        begins: NextOffset,
    },
    /// Another log stands under the name of the one that was read.
    #[error("{partition} was replaced: another record stands at {offset}")]
    Replaced {
        /// The log.
        partition: Partition,
        /// Where a record is another.
        offset: Offset,
    },
    /// Nobody said where in its own terms the source stood.
    #[error("{partition} resumes at {resume}, but the place before it is {place:?}")]
    PlaceLost {
        /// The log.
        partition: Partition,
        /// Where it was to resume.
        resume: NextOffset,
        /// What the sink gave back.
        place: Option<String>,
    },
}

impl Classify for MemorySourceError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::ResumeGone { .. } | Self::Replaced { .. } | Self::PlaceLost { .. } => {
                ErrorClass::Fatal(Halt::Data)
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Reading {
    pub(crate) next: NextOffset,
    pub(crate) number: u64,
    told_end: bool,
}

/// Reads a [`LogWriter`]'s log.
#[derive(Debug)]
pub struct MemorySource {
    writer: LogWriter,
    budget: ByteBudget,
    pub(crate) reading: BTreeMap<Partition, Reading>,
    numbers: u64,
    pub(crate) recalled: Witnesses,
    by_places: bool,
}

/// What a source that does not wait finds.
enum Found {
    Event(SourceEvent),
    Nothing,
    /// There are records, but the budget is spent.
    NoRoom,
}

impl MemorySource {
    /// A source that owns nothing until the writer assigns partitions.
    pub fn new(writer: LogWriter, budget: ByteBudget) -> Self {
        let (reading, recalled) = (BTreeMap::new(), Witnesses::new());
        Self { writer, budget, reading, numbers: 0, recalled, by_places: false }
    }

    /// The same source, which goes by places as one without log offsets does: it gives each record its
    /// place, and resumes only when it is told the place of the record before.
    #[must_use]
    pub fn by_places(mut self) -> Self {
        self.by_places = true;
        self
    }

    /// That the sink has kept the place of the last record before a position.
    fn require_place(
        &self,
        partition: &Partition,
        resume: NextOffset,
    ) -> Result<(), MemorySourceError> {
        let newest = self.recalled.get(partition).and_then(|recalled| recalled.first());
        let place = newest.and_then(Witness::place);
        let is_right = newest.is_some_and(|newest| {
            newest.offset().next() == resume
                && place == Some(&*place_of(partition, newest.offset()))
        });
        if !self.by_places || is_right {
            return Ok(());
        }
        let (partition, place) = (partition.clone(), place.map(str::to_owned));
        Err(MemorySourceError::PlaceLost { partition, resume, place })
    }

    fn number(&mut self) -> u64 {
        self.numbers = self.numbers.saturating_add(1);
        self.numbers
    }

    pub(crate) fn start(
        &mut self,
        points: Vec<(Partition, ResumePoint)>,
        number: u64,
    ) -> Result<(), MemorySourceError> {
        for (partition, point) in points {
            let begins = self.writer.begins(&partition);
            let next = match point {
                ResumePoint::Beginning => begins,
                ResumePoint::At(resume) if resume < begins => {
                    return Err(MemorySourceError::ResumeGone { partition, resume, begins });
                }
                ResumePoint::At(next) => {
                    let recalled = self.recalled.get(&partition).map(Vec::as_slice);
                    let recalled = recalled.unwrap_or_default();
                    match self.writer.continuity(&partition, recalled) {
                        Continuity::Proven | Continuity::Forgotten => {}
                        Continuity::Broken(offset) | Continuity::Missing(offset) => {
                            return Err(MemorySourceError::Replaced { partition, offset });
                        }
                    }
                    self.require_place(&partition, next)?;
                    next
                }
            };
            self.reading.insert(partition, Reading { next, number, told_end: false });
        }
        Ok(())
    }

    fn group_event(&mut self) -> Option<SourceEvent> {
        let change = self.writer.logs().group.pop_front()?;
        let number = self.number();
        Some(match change {
            GroupChange::Revoke(partitions) => {
                for partition in &partitions {
                    self.reading.remove(partition);
                }
                SourceEvent::Revoked(Revocation::new(partitions, number))
            }
            GroupChange::Assign(partitions) => {
                SourceEvent::Assigned(Assignment::new(partitions, number))
            }
        })
    }

    fn find(&mut self) -> Found {
        if let Some(event) = self.group_event() {
            return Found::Event(event);
        }
        let logs = self.writer.logs();
        let mut found = Found::Nothing;
        for (partition, reading) in &mut self.reading {
            let entries = logs.by_partition.get(partition).map(|log| log.entries.as_slice());
            let builder = fill((partition, reading), entries.unwrap_or_default(), self.by_places);
            if builder.is_empty() {
                if !reading.told_end {
                    reading.told_end = true;
                    return Found::Event(SourceEvent::CaughtUp(partition.clone()));
                }
                continue;
            }
            let Some(lease) = self.budget.try_charge(builder.bytes(), Duration::ZERO) else {
                found = Found::NoRoom;
                continue;
            };
            reading.next = builder.until();
            reading.told_end = false;
            return Found::Event(SourceEvent::Records(builder.finish(lease)));
        }
        found
    }
}

/// The next few records of a partition.
fn fill(
    (partition, reading): (&Partition, &Reading),
    entries: &[Entry],
    by_places: bool,
) -> RecordBatchBuilder {
    let mut builder = RecordBatchBuilder::new(partition.clone(), reading.number, reading.next);
    if by_places {
        builder = builder.with_places();
    }
    let first = entries.partition_point(|entry| entry.offset.position() < reading.next);
    for entry in entries.iter().skip(first).take(BATCH_RECORDS_MAX) {
        let place = place_of(partition, entry.offset);
        let place = by_places.then_some((PLACE_HEADER, Some(place.as_bytes())));
        let headers = entry.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref()));
        let headers: Vec<_> = headers.chain(place).collect();
        builder.push(&entry.parts(&headers));
    }
    builder
}

/// What the source calls the place of a record.
fn place_of(partition: &Partition, offset: Offset) -> String {
    format!("m/{}/{}", partition.number().get(), offset.get())
}

impl Source for MemorySource {
    type Error = MemorySourceError;

    async fn poll(&mut self) -> Result<SourceEvent, MemorySourceError> {
        loop {
            match self.find() {
                Found::Event(event) => return Ok(event),
                Found::Nothing => self.writer.changed.notified().await,
                Found::NoRoom => tokio::time::sleep(BUDGET_ASKED_EVERY).await,
            }
        }
    }

    async fn recall(&mut self, witnesses: Witnesses) -> Result<(), MemorySourceError> {
        self.recalled.extend(witnesses);
        Ok(())
    }

    async fn resume(
        &mut self,
        assignment: Assignment,
        points: Vec<(Partition, ResumePoint)>,
    ) -> Result<(), MemorySourceError> {
        self.start(points, assignment.number())
    }

    async fn rewind(
        &mut self,
        points: Vec<(Partition, ResumePoint)>,
    ) -> Result<u64, MemorySourceError> {
        self.writer.logs().rewinds += 1;
        let number = self.number();
        self.start(points, number)?;
        Ok(number)
    }

    async fn relinquish(&mut self, revocation: Revocation) -> Result<(), MemorySourceError> {
        self.writer.logs().relinquished.extend_from_slice(revocation.partitions());
        Ok(())
    }

    async fn acknowledge(&mut self, _receipt: &Receipt) -> Result<(), MemorySourceError> {
        Ok(())
    }

    async fn close(self) {}
}
