//! A lane: a staging thread and a writer task, and what they say to each other.
//!
//! The stager's inbox is one channel for everything, so that records, barriers and the writer's
//! requests have one order. It is unbounded, and the byte budget bounds it: a record batch in the
//! inbox holds its lease.
//!
//! The writer takes a job only after it has said that it is ready, which it says while the batch
//! before is still being applied. Jobs leave the stager first in, first out: acquiring, planning and
//! releasing are therefore barriers behind the batches that were staged before them, and need no
//! other mechanism.

mod attempt;
mod breaker;
mod end;
mod excluded;
mod intake;
mod open;
mod restage;
mod sent;
mod stage;
mod standing;
mod write;

use std::ops::Range;
use std::sync::{Arc, mpsc};

use cdc_core::{
    ByteBudget, Decoder, Found, Partition, Receipt, RecordBatch, ResumePoint, RowShape, Sink,
    SourcePosition, TableId, Witnesses, WriteBatch, Writer as _,
};
use tokio::sync::mpsc as tokio_mpsc;
use tokio::task::JoinHandle;

use crate::assigned::Assigned;
use crate::bound::RuleBook;
use crate::{Meter, PipelineError, RejectedShare};
pub(crate) use excluded::Excluded;
use intake::Intake;
pub use sent::SentAgain;
use sent::{Marks, SentBefore};
use stage::{StageParts, StageThread};
use standing::Standing;
use write::WriteTask;

/// Events of one lane that the pipeline has not looked at yet. One receipt per batch and a batch
/// per transaction: a handful is plenty, and a full channel only makes a writer wait.
pub(crate) const LANE_EVENTS_MAX: usize = 64;

/// Which lane.
pub(crate) type LaneIndex = usize;

/// What a stager is told.
#[derive(Debug)]
pub(crate) enum ToStager<B, P> {
    /// Records to stage.
    Records(RecordBatch),
    /// Partitions to acquire, under this assignment number.
    Acquire { number: u64, partitions: Vec<Partition> },
    /// The writer has acquired these partitions.
    Acquired { partitions: Vec<Partition> },
    /// Partitions to release once what is staged of them is applied.
    Release { number: u64, partitions: Vec<Partition> },
    /// Everything read so far of these partitions is void, until they are rewound.
    Discard { partitions: Vec<Partition> },
    /// These partitions are read again, under this assignment number.
    Rewound { number: u64, partitions: Vec<Partition> },
    /// How far connectors have sent into these partitions, as the sink has it.
    Marks { partitions: Vec<Partition>, marks: Marks },
    /// The answer to [`Barrier::Find`].
    Found(Option<Found>),
    /// The writer takes a job, once for each call. See [`Call`].
    Ready(Call),
    /// The plan that was asked for.
    Planned { table: TableId, shape: Arc<RowShape>, plan: P },
    /// No plan fits its target for sure any more.
    ForgetPlans,
    /// Stage this again, without the excluded records.
    Restage(Restage),
    /// A body to use again.
    Recycle(B),
    /// No more records will come: hand over what is open, then finish.
    Drain,
}

/// That the writer takes a job. A call that has not been answered may be repeated with a smaller size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    /// Counts the calls, so that a repetition which crosses the answer is known for what it is.
    pub(crate) number: u64,
    /// How many bytes a batch must have that is still being filled. Of two batches that are prepared
    /// side by side, a small one would only wait for the large one.
    pub(crate) bytes_min: usize,
}

/// What a writer is told.
#[derive(Debug)]
pub(crate) enum Job<B> {
    Apply(Staged<B>),
    /// The answer to [`ToStager::Restage`]; it comes past the others.
    Restaged(Staged<B>),
    Barrier(Barrier),
}

/// What is done behind all batches that were staged before it.
#[derive(Debug)]
pub(crate) enum Barrier {
    Acquire {
        number: u64,
        partitions: Vec<Partition>,
    },
    Plan {
        table: TableId,
        shape: Arc<RowShape>,
    },
    /// Whether this transaction has left rows of this partition behind.
    Find {
        table: TableId,
        partition: Partition,
        from: SourcePosition,
    },
    Release {
        number: u64,
        partitions: Vec<Partition>,
    },
    Finish,
}

/// A staged batch, and which records of its record batches it stands for: a shape that needs a plan
/// or a full batch can cut a record batch in two.
#[derive(Debug)]
pub(crate) struct Staged<B> {
    pub(crate) batch: WriteBatch<B>,
    pub(crate) selection: Vec<Range<usize>>,
    /// When the source committed its streamed changes, for the meter.
    pub(crate) committed_at_ms: Vec<i64>,
    /// How far connectors had sent into its partitions before it.
    pub(crate) marks_before: Marks,
    /// How often everything staged had been declared void when it was staged.
    pub(crate) era: u64,
}

/// Records to stage again.
#[derive(Debug)]
pub(crate) struct Restage {
    pub(crate) records: Vec<Arc<RecordBatch>>,
    pub(crate) selection: Vec<Range<usize>>,
    pub(crate) excluded: Excluded,
    /// How far connectors had sent before these records.
    pub(crate) marks: Marks,
}

/// What a lane reports to the pipeline.
#[derive(Debug)]
pub(crate) enum LaneEvent {
    Acquired {
        number: u64,
        points: Vec<(Partition, ResumePoint)>,
        /// What the sink remembers of their logs.
        witnesses: Witnesses,
    },
    Released {
        number: u64,
    },
    Applied(Receipt),
    /// The sink stands elsewhere than this lane thought: read from there.
    Rewind {
        points: Vec<(Partition, ResumePoint)>,
        witnesses: Witnesses,
    },
    /// Everything that was staged is applied and released.
    Finished,
    Halted(PipelineError),
}

/// The pipeline's handle on a lane.
#[derive(Debug)]
pub(crate) struct Lane<B, P> {
    inbox: mpsc::Sender<ToStager<B, P>>,
    thread: std::thread::JoinHandle<()>,
    task: JoinHandle<()>,
}

impl<B: cdc_core::Body, P: Send + 'static> Lane<B, P> {
    /// Opens a lane: its connection, its thread and its task.
    pub(crate) async fn open<K, D>(
        index: LaneIndex,
        sink: &K,
        setup: LaneSetup<D>,
        events: tokio_mpsc::Sender<(LaneIndex, LaneEvent)>,
    ) -> Result<Self, PipelineError>
    where
        K: Sink<Body = B, Plan = P>,
        D: Decoder,
    {
        let LaneSetup { decoder, rules, budget, batch_bytes_max, sent_again, .. } = setup;
        let watched = (setup.rejected_max, setup.meter);
        let failed = |error| PipelineError::sink("open a lane", error);
        let (stager, mut writer) = sink.open_lane().await.map_err(failed)?;
        let second = writer.second().await.map_err(failed)?;
        let (inbox, inbox_receiver) = mpsc::channel();
        let (jobs, jobs_receiver) = tokio_mpsc::channel(intake::JOBS_MAX);
        let sent = SentBefore::new(sent_again);
        let parts = StageParts { decoder, sent, rules, stager, budget, batch_bytes_max };
        let halted = events.clone();
        let thread = std::thread::Builder::new()
            .name(format!("stage-{index}"))
            .spawn(move || {
                if let Err(error) = StageThread::new(parts, inbox_receiver, jobs).run() {
                    // The pipeline may be gone already; then nobody is left to tell.
                    let _gone = halted.blocking_send((index, LaneEvent::Halted(error))).is_err();
                }
            })
            .map_err(|source| PipelineError::Thread { source })?;
        let intake = Intake::new(inbox.clone(), jobs_receiver);
        let standing = Standing::new(index, inbox.clone(), events, setup.assigned, watched);
        let task = WriteTask::new((writer, second), intake, standing);
        Ok(Self { inbox, thread, task: tokio::spawn(task.run()) })
    }

    /// Tells the stager something. `false` when the lane has ended.
    pub(crate) fn tell(&self, message: ToStager<B, P>) -> bool {
        self.inbox.send(message).is_ok()
    }

    /// Whether one of its halves has ended.
    pub(crate) fn lost_part(&self) -> Option<&'static str> {
        if self.thread.is_finished() {
            Some("staging thread")
        } else if self.task.is_finished() {
            Some("writer task")
        } else {
            None
        }
    }

    /// Ends the lane wherever it is: the writer's session is dropped with its open transaction.
    pub(crate) async fn abandon(self) {
        self.task.abort();
        let _cancelled = self.task.await.is_err();
    }
}

/// What a lane is made from.
#[derive(Debug)]
pub(crate) struct LaneSetup<D> {
    pub(crate) decoder: D,
    pub(crate) rules: RuleBook,
    pub(crate) budget: ByteBudget,
    pub(crate) batch_bytes_max: usize,
    pub(crate) sent_again: SentAgain,
    pub(crate) rejected_max: RejectedShare,
    pub(crate) assigned: Assigned,
    pub(crate) meter: Arc<Meter>,
}
