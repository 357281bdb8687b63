//! The staging thread: decode, rules, encode.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, mpsc};

use cdc_core::{
    Body, ByteBudget, ChangeEvent, Decoded, Decoder, Operation, Partition, RecordBatch, RecordRef,
    RowShape, Sighting, SkipReason, SnapshotFate, SourcePosition, Staged as StagedRow, Stager,
    TableId,
};
use cdc_rules::Verdict;
use tokio::sync::mpsc as tokio_mpsc;

use super::open::{Counted, OpenBatch};
use super::sent::SentBefore;
use super::{Barrier, Call, Excluded, Job, Restage, Staged, ToStager};
use crate::PipelineError;
use crate::bound::RuleBook;

/// Bodies that are kept for reuse: one is being filled, one is prepared, one is being applied.
const SPARE_BODIES_MAX: usize = 3;

/// The parts of a staging thread that know about data.
#[derive(Debug)]
pub(crate) struct StageParts<D, S> {
    pub(crate) decoder: D,
    pub(crate) sent: SentBefore,
    pub(crate) rules: RuleBook,
    pub(crate) stager: S,
    pub(crate) budget: ByteBudget,
    pub(crate) batch_bytes_max: usize,
}

/// What staging one record came to.
enum Outcome {
    Counted(Counted),
    NeedsPlan(TableId, Arc<RowShape>),
    /// Only the sink can say whether this was sent before.
    Unclear(TableId, Partition, SourcePosition),
}

impl<D: Decoder, S: Stager> StageParts<D, S> {
    /// Stages one record into the batch's body.
    fn stage(
        &mut self,
        body: &mut S::Body,
        records: &RecordBatch,
        at: RecordRef,
        excluded: &Excluded,
    ) -> Result<Outcome, PipelineError> {
        let index = usize::try_from(at.record).unwrap_or(usize::MAX);
        let record = records.get(index).expect("only records of the batch are staged");
        let partition = record.partition;
        let event = match self.decoder.decode(record) {
            Ok(Decoded::Change(event)) => event,
            Ok(Decoded::Skip(reason)) => return Ok(Outcome::Counted(Counted::Skipped(reason))),
            Err(rejection) => {
                self.stager.rejected(&record, &rejection);
                return Ok(Outcome::Counted(Counted::Rejected(at, rejection)));
            }
        };
        let emission = event.emission.as_ref();
        let sighting = self.sent.sight(partition, emission);
        match (sighting, emission) {
            (Sighting::Again, _) => {
                return Ok(Outcome::Counted(Counted::Skipped(SkipReason::SentAgain)));
            }
            (Sighting::Unclear, Some(sent)) => {
                self.sent.ask(partition, sent);
                return Ok(Outcome::Unclear(event.table, partition.clone(), sent.change.at));
            }
            (Sighting::Restored, Some(sent)) => {
                return Err(PipelineError::restored(partition, record.offset, sent));
            }
            (Sighting::New | Sighting::Ambiguous | Sighting::Unclear | Sighting::Restored, _) => {}
        }
        let counted = if let Some(rejection) = excluded.reason(&record) {
            Counted::Rejected(at, Box::new(rejection.clone()))
        } else {
            match self.rules.apply(&event).map_err(PipelineError::rules)? {
                Verdict::Skip(reason) => Counted::Skipped(reason),
                Verdict::Reject(rejection) => Counted::Rejected(at, rejection),
                Verdict::Keep(kept) => match self.stager.stage(body, at, &kept) {
                    StagedRow::Row => {
                        Counted::Staged { committed_at_ms: committed_at_ms(&kept), sighting }
                    }
                    StagedRow::Rejected(rejection) => Counted::Rejected(at, rejection),
                    StagedRow::NeedsPlan => {
                        let shape = kept.change.shape();
                        let shape = shape.expect("only a change with a row needs a plan");
                        return Ok(Outcome::NeedsPlan(kept.table, Arc::clone(shape)));
                    }
                },
            }
        };
        if event.snapshot.is_some() {
            let fate = match counted {
                Counted::Staged { .. } => SnapshotFate::Staged,
                Counted::Skipped(_) | Counted::Rejected(..) => SnapshotFate::LeftOut,
            };
            self.stager.note_snapshot(body, &event, fate);
        }
        self.sent.see(partition, emission);
        if let Counted::Rejected(_, rejection) = &counted {
            self.stager.rejected(&record, rejection);
        }
        Ok(Outcome::Counted(counted))
    }
}

/// When the source committed a change; rows that a snapshot read were not committed then.
fn committed_at_ms(event: &ChangeEvent<'_>) -> Option<i64> {
    match event.change.operation() {
        Operation::Snapshot => None,
        Operation::Insert | Operation::Update | Operation::Delete | Operation::Truncate => {
            event.origin.committed_at_ms
        }
    }
}

/// The thread's state. One owner, no locks.
#[derive(Debug)]
pub(crate) struct StageThread<D, S: Stager> {
    parts: StageParts<D, S>,
    inbox: mpsc::Receiver<ToStager<S::Body, S::Plan>>,
    jobs: tokio_mpsc::Sender<Job<S::Body>>,
    /// Jobs in the order in which they were made.
    queue: VecDeque<Job<S::Body>>,
    /// The batch being filled; it comes after everything in the queue.
    open: OpenBatch<S::Body>,
    /// Records that wait to be staged, and how many of the first batch are staged already.
    backlog: VecDeque<Arc<RecordBatch>>,
    staged_of_first: usize,
    spare: Vec<S::Body>,
    writer: WriterState,
    waiting: Waiting,
    draining: Draining,
    /// The assignment number that records of a partition must carry. Records of any other are void:
    /// they were read before the partition was released or rewound.
    accepts: BTreeMap<Partition, u64>,
    /// Partitions whose acquisition the writer has not come to: nothing was read of them yet that could
    /// be void.
    acquiring: BTreeSet<Partition>,
    /// How often everything staged was declared void.
    era: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriterState {
    Busy {
        /// The number of the last call that was answered.
        answered: u64,
    },
    Ready(Call),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    No,
    /// The first record of the backlog cannot be staged before a plan or an answer has come.
    ForAnswer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Draining {
    No,
    Asked,
    Queued,
}

impl<D: Decoder, S: Stager> StageThread<D, S> {
    pub(crate) fn new(
        parts: StageParts<D, S>,
        inbox: mpsc::Receiver<ToStager<S::Body, S::Plan>>,
        jobs: tokio_mpsc::Sender<Job<S::Body>>,
    ) -> Self {
        Self {
            parts,
            inbox,
            jobs,
            queue: VecDeque::new(),
            open: OpenBatch::new(S::Body::default()),
            backlog: VecDeque::new(),
            staged_of_first: 0,
            spare: Vec::new(),
            writer: WriterState::Busy { answered: 0 },
            waiting: Waiting::No,
            draining: Draining::No,
            accepts: BTreeMap::new(),
            acquiring: BTreeSet::new(),
            era: 0,
        }
    }

    /// Runs until the pipeline and the writer have gone.
    pub(crate) fn run(mut self) -> Result<(), PipelineError> {
        while let Ok(message) = self.inbox.recv() {
            self.hear(message)?;
            self.pump()?;
        }
        Ok(())
    }

    /// Stages and hands over as long as there is something to do without waiting.
    fn pump(&mut self) -> Result<(), PipelineError> {
        loop {
            while let Ok(message) = self.inbox.try_recv() {
                self.hear(message)?;
            }
            let handed_over = self.hand_over();
            let staged = self.stage_next()?;
            if !handed_over && !staged {
                return Ok(());
            }
        }
    }

    fn hear(&mut self, message: ToStager<S::Body, S::Plan>) -> Result<(), PipelineError> {
        match message {
            ToStager::Records(records) => self.enqueue(records),
            ToStager::Acquire { number, partitions } => {
                self.accept(&partitions, number);
                self.acquiring.extend(partitions.iter().cloned());
                self.seal_open();
                self.queue.push_back(Job::Barrier(Barrier::Acquire { number, partitions }));
            }
            ToStager::Acquired { partitions } => {
                self.acquiring.retain(|partition| !partitions.contains(partition));
            }
            ToStager::Release { number, partitions } => {
                self.acquiring.retain(|partition| !partitions.contains(partition));
                self.forget_unstaged(&partitions);
                self.seal_open();
                self.queue.push_back(Job::Barrier(Barrier::Release { number, partitions }));
            }
            ToStager::Discard { partitions } => self.discard(&partitions),
            ToStager::Rewound { number, partitions } => self.accept(&partitions, number),
            ToStager::Ready(call) => match self.writer {
                WriterState::Busy { answered } if call.number <= answered => {}
                WriterState::Busy { .. } | WriterState::Ready(_) => {
                    self.writer = WriterState::Ready(call);
                }
            },
            ToStager::Planned { table, shape, plan } => {
                self.parts.stager.adopt(table, shape, plan);
                self.waiting = Waiting::No;
            }
            ToStager::ForgetPlans => self.parts.stager.forget_plans(),
            ToStager::Marks { partitions, marks } => self.parts.sent.restart(&partitions, marks),
            ToStager::Found(found) => {
                self.parts.sent.answer(found);
                self.waiting = Waiting::No;
            }
            ToStager::Restage(restage) => {
                let staged = self.restage(restage)?;
                self.send(Job::Restaged(staged));
            }
            ToStager::Recycle(body) => self.recycle(body),
            ToStager::Drain => self.draining = Draining::Asked,
        }
        Ok(())
    }

    fn accept(&mut self, partitions: &[Partition], number: u64) {
        self.accepts.extend(partitions.iter().map(|partition| (partition.clone(), number)));
    }

    fn enqueue(&mut self, records: RecordBatch) {
        if self.accepts.get(records.partition()) == Some(&records.assignment()) {
            self.backlog.push_back(Arc::new(records));
        }
    }

    /// Gives the writer its next job if it is ready for one.
    fn hand_over(&mut self) -> bool {
        let WriterState::Ready(call) = self.writer else { return false };
        let is_last = self.draining == Draining::Asked && self.backlog.is_empty();
        let is_worth_it = self.open.bytes() >= self.worth_handing_over(call);
        if self.queue.is_empty() && (is_worth_it || is_last) {
            self.seal_open();
        }
        if self.queue.is_empty() && is_last {
            self.draining = Draining::Queued;
            self.queue.push_back(Job::Barrier(Barrier::Finish));
        }
        match self.queue.pop_front() {
            Some(job) => {
                self.writer = WriterState::Busy { answered: call.number };
                self.send(job);
                true
            }
            None => false,
        }
    }

    /// How many bytes the open batch must have. A transaction costs something whatever it holds, so with
    /// records at hand a batch is filled first: the writer cannot be behind for want of smaller ones.
    fn worth_handing_over(&self, call: Call) -> usize {
        if self.backlog.is_empty() { call.bytes_min } else { self.parts.batch_bytes_max }
    }

    fn send(&self, job: Job<S::Body>) {
        // A writer that has gone has reported why; the pipeline ends this thread.
        let _gone = self.jobs.try_send(job).is_err();
    }

    /// Stages what waits of one record batch, up to the size of a write batch.
    fn stage_next(&mut self) -> Result<bool, PipelineError> {
        if self.waiting == Waiting::ForAnswer || self.open.bytes() >= self.parts.batch_bytes_max {
            return Ok(false);
        }
        let Some(records) = self.backlog.front().map(Arc::clone) else { return Ok(false) };
        let nothing_excluded = Excluded::default();
        let batch = self.open.begin(&records, self.staged_of_first, &self.parts.sent);
        while self.staged_of_first < records.len() {
            let record = u32::try_from(self.staged_of_first)
                .expect("the byte budget keeps a record batch far below 2^32 records");
            let at = RecordRef { batch, record };
            match self.parts.stage(&mut self.open.body, &records, at, &nothing_excluded)? {
                Outcome::Counted(counted) => self.open.count(counted),
                Outcome::NeedsPlan(table, shape) => {
                    self.ask(Barrier::Plan { table, shape });
                    return Ok(true);
                }
                Outcome::Unclear(table, partition, from) => {
                    self.ask(Barrier::Find { table, partition, from });
                    return Ok(true);
                }
            }
            self.staged_of_first = self.staged_of_first.saturating_add(1);
            if self.open.bytes() >= self.parts.batch_bytes_max {
                break;
            }
        }
        if self.staged_of_first >= records.len() {
            self.backlog.pop_front();
            self.staged_of_first = 0;
        }
        Ok(true)
    }

    /// Asks the writer about the first record of the backlog, behind everything that is staged.
    fn ask(&mut self, question: Barrier) {
        self.open.cancel_untouched();
        self.seal_open();
        self.queue.push_back(Job::Barrier(question));
        self.waiting = Waiting::ForAnswer;
    }

    /// Moves the open batch, if it holds anything, behind the jobs that wait.
    fn seal_open(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let fresh = OpenBatch::new(self.spare.pop().unwrap_or_default());
        let open = std::mem::replace(&mut self.open, fresh);
        let staged = open.seal(&self.parts.budget, &self.parts.sent, self.era);
        self.queue.push_back(Job::Apply(staged));
    }

    /// Stages records again that the writer still holds, without the excluded ones. What was sent
    /// before them is judged as it was the first time; the records behind them are staged already.
    fn restage(&mut self, restage: Restage) -> Result<Staged<S::Body>, PipelineError> {
        let before = self.parts.sent.at(restage.marks);
        let ahead = std::mem::replace(&mut self.parts.sent, before);
        let mut open = OpenBatch::new(self.spare.pop().unwrap_or_default());
        for (records, selection) in restage.records.iter().zip(&restage.selection) {
            let batch = open.begin(records, selection.start, &self.parts.sent);
            for index in selection.clone() {
                let record = u32::try_from(index).expect("it was staged under this index before");
                let at = RecordRef { batch, record };
                match self.parts.stage(&mut open.body, records, at, &restage.excluded)? {
                    Outcome::Counted(counted) => open.count(counted),
                    Outcome::NeedsPlan(..) | Outcome::Unclear(..) => {
                        return Err(PipelineError::LaneLost { part: "plan of a staged table" });
                    }
                }
            }
        }
        let staged = open.seal(&self.parts.budget, &self.parts.sent, self.era);
        self.parts.sent = ahead;
        Ok(staged)
    }

    fn recycle(&mut self, mut body: S::Body) {
        if self.spare.len() < SPARE_BODIES_MAX {
            body.clear();
            self.spare.push(body);
        }
    }

    /// Drops records of these partitions that are not staged: whoever owns them next reads them.
    fn forget_unstaged(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.accepts.remove(partition);
        }
        let keeps = |records: &Arc<RecordBatch>| !partitions.contains(records.partition());
        if self.backlog.front().is_some_and(|first| !keeps(first)) {
            self.staged_of_first = 0;
        }
        self.backlog.retain(keeps);
    }

    /// Drops everything read of these partitions, staged or not. Whatever else was staged beside it
    /// belongs to the same lane and so to the same partitions.
    fn discard(&mut self, partitions: &[Partition]) {
        self.era = self.era.saturating_add(1);
        let read = partitions.iter().filter(|partition| !self.acquiring.contains(*partition));
        let read: Vec<Partition> = read.cloned().collect();
        self.forget_unstaged(&read);
        let queue = std::mem::take(&mut self.queue);
        for job in queue {
            match job {
                Job::Apply(staged) | Job::Restaged(staged) => {
                    self.recycle(staged.batch.into_records().1);
                }
                Job::Barrier(barrier) => self.queue.push_back(Job::Barrier(barrier)),
            }
        }
        let fresh = OpenBatch::new(self.spare.pop().unwrap_or_default());
        let dropped = std::mem::replace(&mut self.open, fresh);
        self.recycle(dropped.body);
    }
}
