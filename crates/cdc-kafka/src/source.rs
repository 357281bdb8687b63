//! The source's front: what the engine holds, while the work is done on the poll thread.

mod bounded;
mod context;
mod ends;
mod group;
mod intake;
mod logging;
mod outbox;
mod poller;
mod position;
mod replaced;
mod watchdog;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use cdc_core::{
    Assignment, ByteBudget, NextOffset, Partition, Receipt, ResumePoint, Revocation, Source,
    SourceEvent, TopicName, Witnesses,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::mpsc;

pub use self::bounded::KafkaRange;
pub(crate) use self::context::Context;
use self::outbox::{Event, Outbox};
use self::poller::Poller;
pub(crate) use self::position::{Watermarks, start_position};
pub(crate) use self::replaced::DEBUG as DEBUG_CONTEXTS;
use self::replaced::Replaced;
use crate::{KafkaError, KafkaSettings};

/// Events between the poll thread and the engine. Their bytes are bounded by the budget, so this
/// only has to be long enough that the thread rarely waits for the engine's next look, and short
/// enough that small batches do not pile up: they would better have become one.
const EVENTS_MAX: usize = 32;

/// How long closing may take. Leaving a group whose broker is gone can hang in the client library;
/// the thread is left behind then.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// What is durable, newest position only, so it is bounded by the number of partitions.
type Acknowledged = Arc<Mutex<BTreeMap<Partition, NextOffset>>>;

/// Where assignment and revocation numbers come from: they rise for ever within one source.
#[derive(Debug, Clone, Default)]
struct Numbers(Arc<AtomicU64>);

impl Numbers {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

/// What the engine asks of the poll thread. There are at most two for each token and each rewind
/// under way, so the channel needs no bound of its own.
#[derive(Debug)]
enum Command {
    Recall(Witnesses),
    Resume { number: u64, points: Vec<(Partition, ResumePoint)> },
    Rewind { number: u64, points: Vec<(Partition, ResumePoint)> },
    Relinquish { number: u64, partitions: Vec<Partition> },
    Close,
}

/// Reads topics as a member of a consumer group; see the [crate's documentation](crate).
///
/// Its calls never wait for the broker: they hand a command to the poll thread, and what goes wrong
/// with it comes out of [`poll`](Source::poll). After a fatal error of one partition the others go
/// on. Dropping it without [`close`](Source::close) leaves the group too, without waiting for it.
#[derive(Debug)]
pub struct KafkaSource {
    events: mpsc::Receiver<Event>,
    commands: std::sync::mpsc::Sender<Command>,
    acknowledged: Acknowledged,
    numbers: Numbers,
    thread: JoinHandle<()>,
}

impl KafkaSource {
    /// Joins the group and starts the poll thread. Waits for no broker: one that is down delays
    /// the first assignment.
    ///
    /// # Errors
    ///
    /// Settings that the client library refuses (fatal, configuration).
    pub fn start(settings: KafkaSettings, budget: ByteBudget) -> Result<Self, KafkaError> {
        let replaced = Arc::<Replaced>::default();
        let consumer = connect(&settings, &replaced)?;
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let (commands, receiver) = std::sync::mpsc::channel();
        let acknowledged = Acknowledged::default();
        let numbers = Numbers::default();
        let poller = Poller::new(
            settings,
            consumer,
            receiver,
            Arc::clone(&acknowledged),
            Outbox::new(sender),
            (budget, numbers.clone(), replaced),
        );
        let thread = std::thread::Builder::new()
            .name("kafka-poll".to_owned())
            .spawn(move || poller.run())
            .map_err(|source| KafkaError::Client {
                action: "start the polling thread",
                source: Box::new(source),
            })?;
        Ok(Self { events, commands, acknowledged, numbers, thread })
    }

    fn command(&self, command: Command) -> Result<(), KafkaError> {
        self.commands.send(command).map_err(|_| KafkaError::ThreadEnded {})
    }
}

impl Source for KafkaSource {
    type Error = KafkaError;

    async fn poll(&mut self) -> Result<SourceEvent, KafkaError> {
        self.events.recv().await.unwrap_or(Err(KafkaError::ThreadEnded {}))
    }

    async fn recall(&mut self, witnesses: Witnesses) -> Result<(), KafkaError> {
        self.command(Command::Recall(witnesses))
    }

    async fn resume(
        &mut self,
        assignment: Assignment,
        points: Vec<(Partition, ResumePoint)>,
    ) -> Result<(), KafkaError> {
        self.command(Command::Resume { number: assignment.number(), points })
    }

    async fn rewind(&mut self, points: Vec<(Partition, ResumePoint)>) -> Result<u64, KafkaError> {
        let number = self.numbers.next();
        self.command(Command::Rewind { number, points })?;
        Ok(number)
    }

    async fn relinquish(&mut self, revocation: Revocation) -> Result<(), KafkaError> {
        let (number, partitions) = (revocation.number(), revocation.partitions().to_vec());
        self.command(Command::Relinquish { number, partitions })
    }

    async fn acknowledge(&mut self, receipt: &Receipt) -> Result<(), KafkaError> {
        let mut acknowledged = lock(&self.acknowledged);
        for (partition, range) in receipt.delta().ranges() {
            acknowledged.insert(partition.clone(), range.until());
        }
        Ok(())
    }

    async fn close(mut self) {
        if self.command(Command::Close).is_err() {
            tracing::debug!("the polling thread had ended before it was closed");
        }
        // The thread drops its sender when it has left the group; what still comes is not wanted.
        let ended = async { while self.events.recv().await.is_some() {} };
        if tokio::time::timeout(CLOSE_PATIENCE, ended).await.is_err() {
            let patience_s = CLOSE_PATIENCE.as_secs();
            tracing::warn!(patience_s, "leaving the group hangs: going on without");
            return;
        }
        if self.thread.join().is_err() {
            tracing::error!("the polling thread panicked");
        }
    }
}

/// A consumer that has asked to join the group.
fn connect(
    settings: &KafkaSettings,
    replaced: &Arc<Replaced>,
) -> Result<BaseConsumer<Context>, KafkaError> {
    if settings.topics().is_empty() {
        return Err(KafkaError::NoTopic {});
    }
    let consumer: BaseConsumer<Context> = settings
        .consumer_config()
        .create_with_context(Context::watching(Arc::clone(replaced)))
        .map_err(KafkaError::client("create a consumer"))?;
    let topics: Vec<&str> = settings.topics().iter().map(TopicName::as_str).collect();
    consumer.subscribe(&topics).map_err(KafkaError::client("subscribe to the topics"))?;
    Ok(consumer)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Positions are replaced one by one, so a panic elsewhere leaves none half written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
