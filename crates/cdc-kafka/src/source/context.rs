//! What the client library calls back, kept for the poll thread.
//!
//! Callbacks run inside `poll`, on the poll thread. They only write down what happened: deciding
//! takes the engine's tokens, and the library may not be called for long from within itself. The
//! one exception is closing, when nobody takes notes any more.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::Statistics;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError as DriverError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;

use super::logging::Occasionally;
use super::replaced::Replaced;

/// A topic and the number of a partition, as the library names them.
pub(super) type RawPartition = (String, i32);

/// A change of what the group gives to this member.
#[derive(Debug)]
pub(super) enum Rebalance {
    /// Partitions arrive.
    Assigned(Vec<RawPartition>),
    /// Partitions leave. Lost ones may have a new owner already.
    Revoked { partitions: Vec<RawPartition>, lost: bool },
}

/// What the library's statistics say, as far as it matters here.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// Where each partition ends for a reader of committed records.
    pub(super) ends: Vec<(RawPartition, i64)>,
    /// Whether a connection to some broker stands.
    pub(super) connected: bool,
}

#[derive(Debug)]
struct Notes {
    rebalances: VecDeque<Rebalance>,
    snapshot: Option<Snapshot>,
    reason: Option<String>,
    warnings: Occasionally,
}

/// The callbacks' notebook.
#[derive(Debug)]
pub(crate) struct Context {
    closing: AtomicBool,
    notes: Mutex<Notes>,
    replaced: Arc<Replaced>,
}

impl Context {
    pub(crate) fn new() -> Self {
        Self::watching(Arc::default())
    }

    /// A notebook that also notes which topics were created again.
    pub(super) fn watching(replaced: Arc<Replaced>) -> Self {
        let notes = Notes {
            rebalances: VecDeque::new(),
            snapshot: None,
            reason: None,
            warnings: Occasionally::every(Duration::from_secs(10)),
        };
        Self { closing: AtomicBool::new(false), notes: Mutex::new(notes), replaced }
    }

    /// From now on partitions are given back inside the callback: dropping a consumer polls until
    /// that has happened.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// The oldest change that has not been taken.
    pub(super) fn take_rebalance(&self) -> Option<Rebalance> {
        self.notes().rebalances.pop_front()
    }

    /// The newest statistics, once.
    pub(super) fn take_snapshot(&self) -> Option<Snapshot> {
        self.notes().snapshot.take()
    }

    /// The text of the newest error. The error itself names neither topic nor position.
    pub(super) fn take_reason(&self) -> String {
        self.notes().reason.take().unwrap_or_default()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        // Each note is written in one step, so a panic elsewhere leaves none half written.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.replaced.read(message);
        let grave = matches!(
            level,
            RDKafkaLogLevel::Emerg
                | RDKafkaLogLevel::Alert
                | RDKafkaLogLevel::Critical
                | RDKafkaLogLevel::Error
                | RDKafkaLogLevel::Warning
        );
        let suppressed = if grave { self.notes().warnings.pass(Instant::now()) } else { None };
        if let Some(suppressed) = suppressed {
            tracing::warn!(facility, text = message, suppressed, "kafka client");
        } else {
            tracing::debug!(facility, text = message, "kafka client");
        }
    }

    fn stats(&self, statistics: Statistics) {
        let connected =
            statistics.brokers.values().any(|broker| broker.nodeid >= 0 && broker.state == "UP");
        let mut ends = Vec::new();
        for (topic, partitions) in statistics.topics {
            for (number, partition) in partitions.partitions {
                let end = if partition.ls_offset >= 0 {
                    partition.ls_offset
                } else {
                    partition.hi_offset
                };
                if number >= 0 && end >= 0 {
                    ends.push(((topic.clone(), number), end));
                }
            }
        }
        // The library keeps them in a hash map; events leave in a stable order.
        ends.sort();
        self.notes().snapshot = Some(Snapshot { ends, connected });
    }

    fn error(&self, _error: DriverError, reason: &str) {
        self.notes().reason = Some(reason.to_owned());
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let assigned = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            answer_while_closing(consumer, assigned, list);
            return;
        }
        let partitions = list
            .elements()
            .iter()
            .map(|element| (element.topic().to_owned(), element.partition()))
            .collect();
        let rebalance = if assigned {
            Rebalance::Assigned(partitions)
        } else {
            Rebalance::Revoked { partitions, lost: consumer.assignment_lost() }
        };
        self.notes().rebalances.push_back(rebalance);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        // Advisory: nothing is ever read from the group's offsets.
        if let Err(error) = result {
            tracing::debug!(error = %error, "committing to the group failed");
        }
    }
}

fn answer_while_closing(
    consumer: &BaseConsumer<Context>,
    assigned: bool,
    list: &TopicPartitionList,
) {
    let answer = if assigned {
        consumer.incremental_assign(&TopicPartitionList::new())
    } else {
        // Partitions that were never resumed are unknown to the library, which refuses the whole
        // list then; without a list it gives up whatever there is.
        consumer.incremental_unassign(list).or_else(|_| consumer.unassign())
    };
    if let Err(error) = answer {
        tracing::debug!(error = %error, "giving partitions back while closing failed");
    }
}
