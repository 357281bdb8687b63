//! A capture file as a source that ends.
//!
//! The file is looked through once before anything is read from it: which partitions it holds, from where
//! to where, and whether they are in order. Afterwards it is read from its beginning to its end, as often
//! as something has to be read again.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cdc_core::{
    Assignment, ByteBudget, CheckpointError, Classify, ErrorClass, Generation, Halt, NextOffset,
    Offset, Partition, PartitionNumber, Receipt, RecordBatch, RecordBatchBuilder, RecordParts,
    ResumePoint, Revocation, Source, SourceEvent, TopicName,
};
use cdc_workload::WorkloadError;
use cdc_workload::capture::{CaptureReader, CaptureRecord};

/// Bytes of a batch, or a quarter of the budget if that is less.
const BATCH_BYTES_MAX: usize = 1 << 20;

/// How long a spent budget is waited for before it is asked again.
const BUDGET_PAUSE: Duration = Duration::from_millis(10);

/// The number of the only assignment; rewinds count on from it.
const FIRST_ASSIGNMENT: u64 = 1;

/// Why a capture file cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureSourceError {
    /// It is no capture, or one of its lines is no record.
    #[error("cannot read the capture {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        #[source]
        source: WorkloadError,
    },
    /// A line names a log or a position that cannot be.
    #[error("line {line} of the capture {path} is at no place of a log", path = path.display())]
    Place {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// What is wrong with the place.
        #[source]
        source: CheckpointError,
    },
    /// A partition goes back.
    #[error(
        "line {line} of the capture {path} goes back: {partition} has been at {reached} before",
        path = path.display()
    )]
    Order {
        /// The file.
        path: PathBuf,
        /// The line.
        line: u64,
        /// The partition.
        partition: Partition,
        /// How far it had been.
        reached: NextOffset,
    },
}

impl Classify for CaptureSourceError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Fatal(Halt::Data)
    }

    fn hint(&self) -> Option<String> {
        Some(
            "make the capture again with `cdc-replayer capture`: it writes each partition in its order"
                .to_owned(),
        )
    }
}

/// A part of a partition that a capture holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedPart {
    /// The partition.
    pub partition: Partition,
    /// Where its first record stands.
    pub from: NextOffset,
    /// Behind its last record.
    pub until: NextOffset,
}

/// Looks through a capture: what it holds of which partitions. `generation` says in which generation a
/// topic is followed; `see` is shown every record.
///
/// # Errors
///
/// When it is no capture, is cut short, or a partition is out of order.
pub fn scan_capture(
    path: &Path,
    generation: impl Fn(&TopicName) -> Generation,
    mut see: impl FnMut(&Partition, &RecordParts<'_>),
) -> Result<Vec<CapturedPart>, CaptureSourceError> {
    let mut lines = Lines::open(path)?;
    let mut parts: Vec<CapturedPart> = Vec::new();
    while let Some((record, line)) = lines.next()? {
        let failed = |source| CaptureSourceError::Place { path: path.to_owned(), line, source };
        let offset = Offset::try_new(record.offset).map_err(failed)?;
        let known = parts.iter_mut().find(|part| is_of(&part.partition, &record));
        let partition = match known {
            Some(part) if offset.position() < part.until => {
                return Err(CaptureSourceError::Order {
                    path: path.to_owned(),
                    line,
                    partition: part.partition.clone(),
                    reached: part.until,
                });
            }
            Some(part) => {
                part.until = offset.next();
                part.partition.clone()
            }
            None => {
                let topic = TopicName::parse(record.topic).map_err(failed)?;
                let number = PartitionNumber::try_new(record.partition).map_err(failed)?;
                let generation = generation(&topic);
                let partition = Partition::from_parts(topic, generation, number);
                let (from, until) = (offset.position(), offset.next());
                parts.push(CapturedPart { partition: partition.clone(), from, until });
                partition
            }
        };
        with_parts(&record, offset, |record| see(&partition, record));
    }
    Ok(parts)
}

/// Reads parts of a capture and ends by itself.
#[derive(Debug)]
pub struct CaptureSource {
    path: PathBuf,
    parts: Vec<Part>,
    budget: ByteBudget,
    lines: Option<Lines>,
    /// Batches that have been read.
    ready: VecDeque<RecordBatch>,
    state: State,
    last_number: u64,
}

#[derive(Debug)]
struct Part {
    span: CapturedPart,
    /// `None` until the engine has said where to begin.
    next: Option<NextOffset>,
    number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing has been said.
    Fresh,
    /// The partitions are given to the engine, which has not said where to begin.
    Assigned,
    Reading,
    /// Everything has been delivered.
    Ended,
}

impl CaptureSource {
    /// A source of these parts, as [`scan_capture`] has found them or smaller.
    pub fn new(path: &Path, parts: Vec<CapturedPart>, budget: ByteBudget) -> Self {
        let parts = parts
            .into_iter()
            .map(|span| Part { span, next: None, number: FIRST_ASSIGNMENT })
            .collect();
        Self {
            path: path.to_owned(),
            parts,
            budget,
            lines: None,
            ready: VecDeque::new(),
            state: State::Fresh,
            last_number: FIRST_ASSIGNMENT,
        }
    }

    /// Begins again at the beginning of the file; what was delivered is passed over.
    fn place(&mut self, number: u64, points: &[(Partition, ResumePoint)]) {
        for (partition, point) in points {
            let known = |part: &&mut Part| part.span.partition == *partition;
            let Some(part) = self.parts.iter_mut().find(known) else { continue };
            part.number = number;
            part.next = Some(match point {
                ResumePoint::Beginning => part.span.from,
                ResumePoint::At(next) => *next,
            });
        }
        // What is ready of a partition that goes on is read again, under its new number.
        for batch in self.ready.drain(..) {
            let known = |part: &&mut Part| part.span.partition == *batch.partition();
            if let Some(part) = self.parts.iter_mut().find(known)
                && part.number == batch.assignment()
            {
                part.next = part.next.map(|next| next.min(batch.range().from()));
            }
        }
        self.lines = None;
        self.state = State::Reading;
    }

    /// Reads on until there is enough for a batch, or to the end of the file.
    fn fill(&mut self) -> Result<(), CaptureSourceError> {
        let Self { path, parts, lines, budget, ready, .. } = self;
        let lines = match lines {
            Some(lines) => lines,
            none => none.insert(Lines::open(path)?),
        };
        let bytes_max = batch_bytes(budget);
        let mut builders: Vec<Option<RecordBatchBuilder>> = Vec::new();
        builders.resize_with(parts.len(), || None);
        let mut bytes = 0_usize;
        while bytes < bytes_max
            && let Some((record, line)) = lines.next()?
        {
            let failed = |source| CaptureSourceError::Place { path: path.clone(), line, source };
            let offset = Offset::try_new(record.offset).map_err(failed)?;
            let mut open = parts.iter_mut().zip(&mut builders);
            let Some((part, builder)) = open.find(|(part, _)| is_of(&part.span.partition, &record))
            else {
                continue;
            };
            let Some(next) = part.next else { continue };
            if offset.position() < next || offset.position() >= part.span.until {
                continue;
            }
            let builder = builder.get_or_insert_with(|| {
                RecordBatchBuilder::new(part.span.partition.clone(), part.number, next)
            });
            let before = builder.bytes();
            with_parts(&record, offset, |record| builder.push(record));
            bytes = bytes.saturating_add(builder.bytes().saturating_sub(before));
            part.next = Some(offset.next());
        }
        let full = builders.into_iter().flatten();
        ready.extend(full.map(|builder| builder.finish(budget.charge(0))));
        Ok(())
    }
}

fn batch_bytes(budget: &ByteBudget) -> usize {
    (budget.limit() / 4).clamp(1, BATCH_BYTES_MAX)
}

impl Source for CaptureSource {
    type Error = CaptureSourceError;

    async fn poll(&mut self) -> Result<SourceEvent, CaptureSourceError> {
        match self.state {
            State::Fresh => {
                self.state = State::Assigned;
                let partitions = self.parts.iter().map(|part| part.span.partition.clone());
                let assignment = Assignment::new(partitions.collect(), FIRST_ASSIGNMENT);
                return Ok(SourceEvent::Assigned(assignment));
            }
            State::Assigned | State::Ended => std::future::pending().await,
            State::Reading => {}
        }
        if self.ready.is_empty() {
            let room = loop {
                match self.budget.try_charge(batch_bytes(&self.budget), Duration::ZERO) {
                    Some(lease) => break lease,
                    None => tokio::time::sleep(BUDGET_PAUSE).await,
                }
            };
            // Batches charge what they take themselves.
            self.fill()?;
            drop(room);
        }
        if let Some(batch) = self.ready.pop_front() {
            return Ok(SourceEvent::Records(batch));
        }
        self.state = State::Ended;
        Ok(SourceEvent::End)
    }

    async fn resume(
        &mut self,
        assignment: Assignment,
        points: Vec<(Partition, ResumePoint)>,
    ) -> Result<(), CaptureSourceError> {
        self.place(assignment.number(), &points);
        Ok(())
    }

    async fn rewind(
        &mut self,
        points: Vec<(Partition, ResumePoint)>,
    ) -> Result<u64, CaptureSourceError> {
        self.last_number = self.last_number.saturating_add(1);
        self.place(self.last_number, &points);
        Ok(self.last_number)
    }

    async fn relinquish(&mut self, _revocation: Revocation) -> Result<(), CaptureSourceError> {
        // Nobody takes partitions away from the reader of a file.
        Ok(())
    }

    async fn acknowledge(&mut self, _receipt: &Receipt) -> Result<(), CaptureSourceError> {
        Ok(())
    }

    async fn close(self) {}
}

/// The records of a file with the numbers of their lines.
#[derive(Debug)]
struct Lines {
    path: PathBuf,
    reader: CaptureReader<BufReader<File>>,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, CaptureSourceError> {
        let reader = CaptureReader::open(path);
        let reader =
            reader.map_err(|source| CaptureSourceError::Read { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), reader })
    }

    /// The next record and its line.
    fn next(&mut self) -> Result<Option<(CaptureRecord<'_>, u64)>, CaptureSourceError> {
        let Self { path, reader } = self;
        let line = reader.line_number().saturating_add(1);
        match reader.read() {
            Ok(record) => Ok(record.map(|record| (record, line))),
            Err(source) => Err(CaptureSourceError::Read { path: path.clone(), source }),
        }
    }
}

fn is_of(partition: &Partition, record: &CaptureRecord<'_>) -> bool {
    partition.number().get() == record.partition && partition.topic().as_str() == record.topic
}

/// Shows a captured record as a source shows it.
fn with_parts(record: &CaptureRecord<'_>, offset: Offset, see: impl FnOnce(&RecordParts<'_>)) {
    let headers = record.headers.iter().map(|(name, value)| (&**name, value.as_deref()));
    let headers: Vec<(&str, Option<&[u8]>)> = headers.collect();
    see(&RecordParts {
        offset,
        // Below it the log had no time of its own.
        timestamp_ms: (record.timestamp_millis >= 0).then_some(record.timestamp_millis),
        key: record.key,
        value: record.value,
        headers: &headers,
    });
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A capture of these places, each with its offset as its value.
    fn capture(places: &[(i32, i64)]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("range.jsonl");
        let mut text = "{\"capture\":\"cdc\",\"version\":1}\n".to_owned();
        for (partition, offset) in places {
            let (time, value) = ("\"timestamp\":5", format!("\"value\":\"{offset}\""));
            writeln!(
                text,
                "{{\"topic\":\"t\",\"partition\":{partition},\"offset\":{offset},{time},\"key\":null,{value}}}"
            )
            .unwrap();
        }
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    fn at(raw: i64) -> NextOffset {
        NextOffset::try_new(raw).unwrap()
    }

    fn scan(path: &Path) -> Result<Vec<CapturedPart>, CaptureSourceError> {
        scan_capture(path, |_| Generation::new(3), |_, _| {})
    }

    /// Everything up to the end: partition, range, and the values.
    async fn delivered(source: &mut CaptureSource) -> Vec<(i32, String, Vec<String>)> {
        let mut all = Vec::new();
        loop {
            match source.poll().await.unwrap() {
                SourceEvent::Records(batch) => {
                    let text = |value: cdc_core::RecordValue<'_>| {
                        String::from_utf8(value.to_vec()).unwrap()
                    };
                    let values = batch.iter().map(|record| text(record.value.unwrap())).collect();
                    let number = batch.partition().number().get();
                    all.push((number, batch.range().to_string(), values));
                }
                SourceEvent::End => return all,
                other @ (SourceEvent::Assigned(_)
                | SourceEvent::Revoked(_)
                | SourceEvent::CaughtUp(_)
                | SourceEvent::LogEnd(..)) => panic!("unexpected {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn partitions_are_read_in_their_order_and_again_after_a_rewind() {
        let (_folder, path) = capture(&[(0, 4), (1, 9), (0, 6), (1, 10), (0, 7)]);
        let mut parts = scan(&path).unwrap();
        let spans: Vec<_> = parts.iter().map(|part| (part.from.get(), part.until.get())).collect();
        assert_eq!(spans, [(4, 8), (9, 11)]);
        assert_eq!(parts[0].partition, Partition::new("t", 3, 0).unwrap());
        // Of the first partition one record less than there is.
        parts[0].until = at(7);
        let mut source = CaptureSource::new(&path, parts.clone(), ByteBudget::new(1 << 20));
        let SourceEvent::Assigned(assignment) = source.poll().await.unwrap() else { panic!() };
        let points = [ResumePoint::Beginning, ResumePoint::At(at(10))];
        let partitions = parts.iter().map(|part| part.partition.clone());
        source.resume(assignment, partitions.zip(points).collect()).await.unwrap();
        let values = |values: &[&str]| values.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let first = (0, "[4, 7)".to_owned(), values(&["4", "6"]));
        let second = (1, "[10, 11)".to_owned(), values(&["10"]));
        assert_eq!(delivered(&mut source).await, [first, second]);
        let number = source.rewind(vec![(parts[0].partition.clone(), ResumePoint::At(at(5)))]);
        assert_eq!(number.await.unwrap(), 2);
        let again = (0, "[5, 7)".to_owned(), values(&["6"]));
        assert_eq!(delivered(&mut source).await, [again]);
    }

    #[test]
    fn a_partition_that_goes_back_is_refused_with_its_line() {
        let (_folder, path) = capture(&[(0, 4), (1, 2), (0, 4)]);
        let error = scan(&path).unwrap_err().to_string();
        assert!(error.contains("line 4 ") && error.contains("t/3/0 has been at 5"), "{error}");
        let (_folder, path) = capture(&[(-1, 4)]);
        scan(&path).unwrap_err();
    }
}
