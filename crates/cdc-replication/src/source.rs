//! The source's front: what the engine holds, while the work is done by a task of its own.
//!
//! # Logs
//!
//! One topic, named after the slot. Partition 0 is the stream. A partition with the number of a table in the
//! source's catalog (`pg_class.oid`) is the snapshot of that table. Offsets of the stream begin at
//! [`STREAM_BEGIN`], so that by the order of versions every streamed change comes after every row of a
//! snapshot; and the stream is read only once all rows of the snapshot are durable.
//!
//! # Numbering
//!
//! The source counts its records itself, from the position that the sink gives back. Beside each record
//! travels its place in the source's own terms (`place.rs`), and with the last one of the sink the stream
//! begins exactly behind it: the server sends transactions again whose commit stands at that position or
//! behind it, and the changes of the first one up to the one that is known are passed over.
//!
//! # What the slot is told
//!
//! Never more than the commit of the newest durable record. A slot that stands farther than that was moved
//! by somebody else or made anew, and changes are missing: a fatal error.

mod acknowledged;
mod known;
mod outbox;
mod place;
mod prepare;
mod status;
mod stream;
mod transaction;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cdc_core::{
    Assignment, ByteBudget, Generation, Partition, Receipt, ResumePoint, Revocation, Source,
    SourceEvent, SourceTable, Witnesses,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::acknowledged::Acknowledged;
pub(crate) use self::known::KnownTable;
pub(crate) use self::outbox::{Open, Outbox, Parts};
pub(crate) use self::place::{TablePart, TablePlace};
pub use self::status::{Phase, StreamReading, StreamStatus};
pub(crate) use self::stream::now_ms;
pub(crate) use self::worker::{Flow, Worker};
use crate::{ReplicationError, ReplicationSettings};

/// The position at which the stream begins: farther than any table has rows.
pub const STREAM_BEGIN: i64 = 1 << 40;

/// Events between the task and the engine; their bytes are bounded by the budget.
const EVENTS_MAX: usize = 32;

/// How long closing may take: the server is told to end the stream, and may not answer.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// What the engine asks of the task. There are at most two for each rewind under way, so the channel needs
/// no bound of its own.
#[derive(Debug)]
pub(crate) enum Command {
    Recall(Witnesses),
    Resume { points: Vec<(Partition, ResumePoint)> },
    Rewind { number: u64, points: Vec<(Partition, ResumePoint)> },
    Close,
}

/// Where assignment numbers come from: they rise for ever within one source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers(Arc<AtomicU64>);

impl Numbers {
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

/// Reads tables of a PostgreSQL server: a snapshot of them, then the stream of a logical replication slot.
///
/// Its calls never wait for the server: they hand a command to a task, and what goes wrong comes out of
/// [`poll`](Source::poll). A connection that is lost is made anew, for ever.
#[derive(Debug)]
pub struct ReplicationSource {
    events: mpsc::Receiver<Result<SourceEvent, ReplicationError>>,
    commands: mpsc::UnboundedSender<Command>,
    acknowledged: Arc<Acknowledged>,
    numbers: Numbers,
    status: Arc<StreamStatus>,
    task: JoinHandle<()>,
}

impl ReplicationSource {
    /// Starts the task that reads these tables, within a runtime of tokio. It connects by itself: a server
    /// that is down delays the assignment.
    ///
    /// # Errors
    ///
    /// A slot whose name no log can have.
    pub fn start(
        settings: ReplicationSettings,
        tables: Vec<SourceTable>,
        generation: Generation,
        budget: ByteBudget,
    ) -> Result<Self, ReplicationError> {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let (commands, receiver) = mpsc::unbounded_channel();
        let acknowledged = Arc::<Acknowledged>::default();
        let numbers = Numbers::default();
        let status = Arc::<StreamStatus>::default();
        let outbox = Outbox::new(sender, budget);
        let worker = Worker::new(
            settings,
            (tables, generation),
            (receiver, outbox),
            (Arc::clone(&acknowledged), Arc::clone(&status), numbers.clone()),
        )?;
        let task = tokio::spawn(worker.run());
        Ok(Self { events, commands, acknowledged, numbers, status, task })
    }

    /// What can be seen of the stream from outside, while it runs.
    pub fn status(&self) -> Arc<StreamStatus> {
        Arc::clone(&self.status)
    }

    fn command(&self, command: Command) -> Result<(), ReplicationError> {
        self.commands.send(command).map_err(|_| ReplicationError::TaskEnded)
    }
}

impl Source for ReplicationSource {
    type Error = ReplicationError;

    async fn poll(&mut self) -> Result<SourceEvent, ReplicationError> {
        self.events.recv().await.unwrap_or(Err(ReplicationError::TaskEnded))
    }

    async fn recall(&mut self, witnesses: Witnesses) -> Result<(), ReplicationError> {
        self.command(Command::Recall(witnesses))
    }

    async fn resume(
        &mut self,
        _assignment: Assignment,
        points: Vec<(Partition, ResumePoint)>,
    ) -> Result<(), ReplicationError> {
        self.command(Command::Resume { points })
    }

    async fn rewind(
        &mut self,
        points: Vec<(Partition, ResumePoint)>,
    ) -> Result<u64, ReplicationError> {
        let number = self.numbers.next();
        self.command(Command::Rewind { number, points })?;
        Ok(number)
    }

    /// A slot has one reader, which nobody asks for a part of it.
    async fn relinquish(&mut self, _revocation: Revocation) -> Result<(), ReplicationError> {
        Ok(())
    }

    async fn acknowledge(&mut self, receipt: &Receipt) -> Result<(), ReplicationError> {
        self.acknowledged.take(receipt);
        Ok(())
    }

    async fn close(mut self) {
        if self.command(Command::Close).is_err() {
            tracing::debug!("the replication task had ended before it was closed");
        }
        // The task drops its sender when it has ended; what still comes is not wanted.
        let ended = async { while self.events.recv().await.is_some() {} };
        if tokio::time::timeout(CLOSE_PATIENCE, ended).await.is_err() {
            tracing::warn!("ending the replication stream hangs: going on without");
            self.task.abort();
        }
    }
}
