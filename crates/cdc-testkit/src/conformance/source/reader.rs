//! What the cases are written with: a reader that plays the engine and checks every event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cdc_core::{
    Assignment, ByteBudget, NextOffset, Partition, Record, RecordBatch, RecordValue, ResumePoint,
    Revocation, Source, SourceEvent,
};
use tokio::time::{Instant, timeout_at};

use super::SourceUnderTest;
use crate::LogMessage;
use crate::conformance::{Finding, chain, ensure};

/// More than any case reads, unless it wants less.
const ROOMY_BYTES: usize = 64 << 20;

pub(super) fn next(raw: usize) -> NextOffset {
    let raw = i64::try_from(raw).expect("the suite's logs are short");
    NextOffset::try_new(raw).expect("a count is not negative")
}

pub(super) fn at(raw: usize) -> ResumePoint {
    ResumePoint::At(next(raw))
}

/// A log entry, owned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Entry {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Entry {
    fn of(record: &Record<'_>) -> Self {
        let headers = record.headers.into_iter();
        Self {
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(RecordValue::to_vec),
            headers: headers
                .map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)))
                .collect(),
        }
    }

    /// Says how long it is; printing it could be megabytes.
    fn describe(&self) -> String {
        let field = |field: &Option<Vec<u8>>| match field {
            None => "null".to_owned(),
            Some(bytes) if bytes.len() <= 40 => format!("{:?}", String::from_utf8_lossy(bytes)),
            Some(bytes) => format!("{} bytes", bytes.len()),
        };
        let (key, value) = (field(&self.key), field(&self.value));
        format!("key {key}, value {value}, {} headers", self.headers.len())
    }
}

/// A fresh log, and everything that was written to it.
pub(super) struct Log<'u, U: SourceUnderTest> {
    pub(super) under_test: &'u U,
    pub(super) place: U::Place,
    pub(super) partitions: Vec<Partition>,
    written: BTreeMap<Partition, Vec<Entry>>,
}

impl<'u, U: SourceUnderTest> Log<'u, U> {
    pub(super) async fn create(under_test: &'u U, partitions: i32) -> Self {
        let place = under_test.create(partitions).await;
        let partitions: Vec<_> =
            (0..partitions).map(|number| under_test.partition(&place, number)).collect();
        let written = partitions.iter().map(|partition| (partition.clone(), Vec::new())).collect();
        Self { under_test, place, partitions, written }
    }

    /// A log of two partitions with this many numbered records each.
    pub(super) async fn of_two(under_test: &'u U, records: usize) -> Self {
        let mut log = Self::create(under_test, 2).await;
        log.fill_all(records).await;
        log
    }

    pub(super) fn partition(&self, number: usize) -> Partition {
        self.partitions.get(number).expect("cases know how many partitions they asked for").clone()
    }

    pub(super) fn count(&self, partition: &Partition) -> usize {
        self.written.get(partition).map_or(0, Vec::len)
    }

    pub(super) async fn append(&mut self, partition: &Partition, entries: Vec<Entry>) {
        let headers: Vec<Vec<_>> = entries
            .iter()
            .map(|entry| {
                let headers = entry.headers.iter();
                headers.map(|(name, value)| (name.as_str(), value.as_deref())).collect()
            })
            .collect();
        let messages: Vec<_> = entries
            .iter()
            .zip(&headers)
            .map(|(entry, headers)| LogMessage {
                key: entry.key.as_deref(),
                value: entry.value.as_deref(),
                headers,
            })
            .collect();
        self.under_test.append(&self.place, partition, &messages).await;
        self.written.entry(partition.clone()).or_default().extend(entries);
    }

    /// Appends this many numbered records.
    pub(super) async fn fill(&mut self, partition: &Partition, records: usize) {
        let from = self.count(partition);
        let entry = |number: usize| Entry {
            key: Some(format!("key {}", number % 7).into_bytes()),
            value: Some(format!("{partition} value {number}").into_bytes()),
            headers: Vec::new(),
        };
        let entries = (from..from.saturating_add(records)).map(entry).collect();
        self.append(partition, entries).await;
    }

    pub(super) async fn fill_all(&mut self, records: usize) {
        for partition in self.partitions.clone() {
            self.fill(&partition, records).await;
        }
    }

    /// Starts a source and waits until all partitions are assigned; none is resumed.
    pub(super) async fn reader_with(self, budget: ByteBudget) -> Result<Reader<'u, U>, String> {
        let source = self.under_test.start(&self.place, budget).await;
        let mut reader = Reader {
            log: self,
            source,
            owned: BTreeMap::new(),
            waiting: Vec::new(),
            leaving: Vec::new(),
            newest_number: 0,
            read: BTreeMap::new(),
            caught_up: BTreeMap::new(),
            kept: None,
            stale: 0,
        };
        let all: BTreeSet<_> = reader.log.partitions.iter().cloned().collect();
        reader.until("all partitions are assigned", |reader| reader.assigned() == all).await?;
        Ok(reader)
    }

    pub(super) async fn reader(self) -> Result<Reader<'u, U>, String> {
        self.reader_with(ByteBudget::new(ROOMY_BYTES)).await
    }
}

/// How a partition is read.
#[derive(Debug)]
struct Owned {
    number: u64,
    /// Where the next batch must start; unknown from the beginning on.
    next: Option<NextOffset>,
    /// Numbers that it was read under before a rewind: their batches may still arrive.
    older: BTreeSet<u64>,
}

/// Plays the engine: holds tokens until told, drops batches of older numbers, and checks that
/// everything it is given joins and is what was written.
pub(super) struct Reader<'u, U: SourceUnderTest> {
    pub(super) log: Log<'u, U>,
    pub(super) source: U::Source,
    owned: BTreeMap<Partition, Owned>,
    /// Assignments that were not handed back.
    pub(super) waiting: Vec<Assignment>,
    /// Revocations that were not handed back.
    pub(super) leaving: Vec<Revocation>,
    newest_number: u64,
    /// Offsets of the records read under the present number.
    pub(super) read: BTreeMap<Partition, Vec<usize>>,
    /// How many records were read when a partition was last said to have caught up.
    pub(super) caught_up: BTreeMap<Partition, usize>,
    /// Batches whose memory is held.
    pub(super) kept: Option<Vec<RecordBatch>>,
    /// Batches of older numbers.
    pub(super) stale: usize,
}

impl<U: SourceUnderTest> Reader<'_, U> {
    fn assigned(&self) -> BTreeSet<Partition> {
        self.waiting.iter().flat_map(|waiting| waiting.partitions().iter().cloned()).collect()
    }

    /// Hands all waiting assignments back; each partition resumes where `point` says.
    pub(super) async fn resume(&mut self, point: impl Fn(&Partition) -> ResumePoint) -> Finding {
        for assignment in std::mem::take(&mut self.waiting) {
            let partitions = assignment.partitions().to_vec();
            let points: Vec<_> = partitions
                .into_iter()
                .map(|partition| (partition.clone(), point(&partition)))
                .collect();
            self.expect_from(&points, assignment.number());
            let resumed = self.source.resume(assignment, points).await;
            resumed.map_err(|error| format!("cannot resume: {}", chain(&error)))?;
        }
        Ok(())
    }

    pub(super) async fn resume_from_the_beginning(&mut self) -> Finding {
        self.resume(|_| ResumePoint::Beginning).await
    }

    fn expect_from(&mut self, points: &[(Partition, ResumePoint)], number: u64) {
        for (partition, point) in points {
            let next = match point {
                ResumePoint::Beginning => None,
                ResumePoint::At(next) => Some(*next),
            };
            let mut older = BTreeSet::new();
            if let Some(before) = self.owned.remove(partition) {
                older = before.older;
                older.insert(before.number);
            }
            self.owned.insert(partition.clone(), Owned { number, next, older });
            self.read.remove(partition);
            self.caught_up.remove(partition);
        }
    }

    /// Rewinds; the new number must be newer than any before.
    pub(super) async fn rewind(&mut self, points: Vec<(Partition, ResumePoint)>) -> Finding {
        let rewound = self.source.rewind(points.clone()).await;
        let number = rewound.map_err(|error| format!("cannot rewind: {}", chain(&error)))?;
        self.count_number(number, "a rewind")?;
        self.expect_from(&points, number);
        Ok(())
    }

    /// Hands all revocations back and gives back the partitions that left.
    pub(super) async fn relinquish(&mut self) -> Result<Vec<Partition>, String> {
        let mut gone = Vec::new();
        for revocation in std::mem::take(&mut self.leaving) {
            for partition in revocation.partitions() {
                self.owned.remove(partition);
                gone.push(partition.clone());
            }
            let done = self.source.relinquish(revocation).await;
            done.map_err(|error| format!("cannot relinquish: {}", chain(&error)))?;
        }
        Ok(gone)
    }

    /// Takes events until a condition holds.
    pub(super) async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) -> Finding {
        let deadline = deadline(self.log.under_test.patience());
        while !done(self) {
            match timeout_at(deadline, self.source.poll()).await {
                Ok(Ok(event)) => self.take(event)?,
                Ok(Err(error)) => return Err(format!("until {what}: {}", chain(&error))),
                Err(_) => return Err(format!("waited in vain until {what}; {}", self.standing())),
            }
        }
        Ok(())
    }

    /// Takes events for as long as silence takes to be believed.
    pub(super) async fn settle(&mut self) -> Finding {
        let deadline = deadline(self.log.under_test.quiet());
        while let Ok(event) = timeout_at(deadline, self.source.poll()).await {
            self.take(event.map_err(|error| format!("while waiting: {}", chain(&error)))?)?;
        }
        Ok(())
    }

    /// Reads until everything written from `first` on has been delivered, of each partition given.
    pub(super) async fn until_all(&mut self, partitions: &[Partition], first: usize) -> Finding {
        self.until("everything is delivered", |reader| {
            partitions.iter().all(|partition| reader.has_all_from(partition, first))
        })
        .await
    }

    /// Whether exactly the records from `first` on were read.
    pub(super) fn has_all_from(&self, partition: &Partition, first: usize) -> bool {
        let read = self.read.get(partition).map(Vec::as_slice).unwrap_or_default();
        read.iter().copied().eq(first..self.log.count(partition))
    }

    pub(super) fn read_count(&self, partition: &Partition) -> usize {
        self.read.get(partition).map_or(0, Vec::len)
    }

    pub(super) fn next_of(&self, partition: &Partition) -> Option<NextOffset> {
        self.owned.get(partition).and_then(|owned| owned.next)
    }

    fn standing(&self) -> String {
        let read = self.log.partitions.iter().map(|partition| {
            let (read, written) = (self.read_count(partition), self.log.count(partition));
            format!("{partition}: read {read} of {written} written")
        });
        read.collect::<Vec<_>>().join(", ")
    }

    fn count_number(&mut self, number: u64, of: &str) -> Finding {
        let newest = self.newest_number;
        ensure(number > newest, || {
            format!("{of} has the number {number}, which does not rise above {newest}")
        })?;
        self.newest_number = number;
        Ok(())
    }

    pub(super) fn take(&mut self, event: SourceEvent) -> Finding {
        match event {
            SourceEvent::Records(batch) => self.take_records(batch),
            SourceEvent::Assigned(assignment) => {
                self.count_number(assignment.number(), "an assignment")?;
                let known = |partition: &&Partition| self.owned.contains_key(*partition);
                if let Some(partition) = assignment.partitions().iter().find(known) {
                    return Err(format!("{partition} was assigned while it was owned"));
                }
                self.waiting.push(assignment);
                Ok(())
            }
            SourceEvent::Revoked(revocation) => {
                let assigned = self.assigned();
                let stranger = revocation.partitions().iter().find(|partition| {
                    !self.owned.contains_key(*partition) && !assigned.contains(*partition)
                });
                if let Some(partition) = stranger {
                    return Err(format!("{partition} was revoked, but it was not owned"));
                }
                self.leaving.push(revocation);
                Ok(())
            }
            SourceEvent::CaughtUp(partition) => {
                let read = self.read_count(&partition);
                self.caught_up.insert(partition, read);
                Ok(())
            }
            SourceEvent::LogEnd(..) | SourceEvent::End => Ok(()),
        }
    }

    fn take_records(&mut self, batch: RecordBatch) -> Finding {
        let (partition, number) = (batch.partition().clone(), batch.assignment());
        let Some(owned) = self.owned.get_mut(&partition) else {
            return Err(format!(
                "{} records of {partition} were delivered, which was not resumed or was relinquished",
                batch.len()
            ));
        };
        if owned.number != number {
            self.stale = self.stale.saturating_add(1);
            let known = owned.older.contains(&number);
            return ensure(known, || {
                format!("records of {partition} carry the number {number}, which nobody gave")
            });
        }
        let range = batch.range();
        if let Some(expected) = owned.next {
            ensure(range.from() == expected, || {
                format!("a batch of {partition} covers {range}, but it must start at {expected}")
            })?;
        }
        owned.next = Some(range.until());
        let written = self.log.written.get(&partition).map(Vec::as_slice).unwrap_or_default();
        let bound = |at: NextOffset| usize::try_from(at.get()).unwrap_or(usize::MAX);
        let right = bound(range.from())..bound(range.until()).min(written.len());
        check_content(&partition, &batch, written, right)?;
        let read = self.read.entry(partition.clone()).or_default();
        read.extend(batch.iter().filter_map(|record| usize::try_from(record.offset.get()).ok()));
        self.caught_up.remove(&partition);
        if let Some(kept) = &mut self.kept {
            kept.push(batch);
        }
        Ok(())
    }
}

/// A batch must hold what was written in its range: all of it, and as it was.
fn check_content(
    partition: &Partition,
    batch: &RecordBatch,
    written: &[Entry],
    range: std::ops::Range<usize>,
) -> Finding {
    let found: Vec<_> = batch.iter().map(|record| record.offset.get()).collect();
    let wanted: Vec<_> = range.filter_map(|offset| i64::try_from(offset).ok()).collect();
    ensure(found == wanted, || {
        format!(
            "a batch of {partition} covers {} and must hold {} records, but holds {} at {:?} to {:?}",
            batch.range(),
            wanted.len(),
            found.len(),
            found.first(),
            found.last()
        )
    })?;
    for record in batch.iter() {
        let offset = usize::try_from(record.offset.get()).ok();
        let right = offset.and_then(|offset| written.get(offset));
        let entry = Entry::of(&record);
        ensure(right == Some(&entry), || {
            let right = right.map(Entry::describe);
            format!(
                "record {} of {partition} was written as {right:?}, but arrived as {:?}",
                record.offset,
                entry.describe()
            )
        })?;
    }
    Ok(())
}

fn deadline(patience: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(patience).unwrap_or(now)
}
