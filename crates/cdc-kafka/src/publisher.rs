//! Writes messages: for generated traffic, tests and benches.
//!
//! Idempotent and acknowledged by all replicas, so that what was flushed is in the log once and in
//! the order of publishing. Calls block; there is no runtime in here.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError as DriverError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::{KafkaError, KafkaSettings};

/// How long publishing waits for room in the queue before it gives up.
const ROOM_PATIENCE: Duration = Duration::from_mins(1);

/// How long a broker may take to create a topic.
const CREATE_PATIENCE: Duration = Duration::from_secs(30);

/// What to write. Start from [`Message::default`], which is an empty message without key.
#[derive(Debug, Clone, Copy, Default)]
pub struct Message<'a> {
    /// The partition; without it the key decides, as with Java's clients (murmur2), and messages
    /// without a key go anywhere.
    pub partition: Option<i32>,
    /// The log's time of it, milliseconds since 1970; without it now.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes; `None` is a null key.
    pub key: Option<&'a [u8]>,
    /// The value's bytes; `None` is a null value, a tombstone where there is a key.
    pub value: Option<&'a [u8]>,
    /// Header names and values in order; names may repeat.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// Counts what the broker did not take.
#[derive(Debug, Default)]
struct Deliveries {
    failed: AtomicU64,
    last: Mutex<Option<DriverError>>,
}

impl ClientContext for Deliveries {
    fn error(&self, error: DriverError, reason: &str) {
        // The library goes on by itself; what it gives up comes back as a delivery.
        tracing::debug!(error = %error, reason, "publishing is disturbed");
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
    }
}

/// Writes messages to topics. Dropping it without [`flush`](Self::flush) may lose what still waits.
pub struct Publisher {
    producer: BaseProducer<Deliveries>,
    access: ClientConfig,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Publisher").finish_non_exhaustive()
    }
}

impl Publisher {
    /// A publisher for the cluster behind bootstrap addresses. Waits for no broker.
    ///
    /// # Errors
    ///
    /// Addresses that the client library refuses (fatal).
    pub fn connect(brokers: &str) -> Result<Self, KafkaError> {
        let mut access = ClientConfig::new();
        access.set("bootstrap.servers", brokers);
        Self::open(access)
    }

    /// A publisher for the cluster that a source reads, with the source's security properties.
    /// Waits for no broker.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn beside(settings: &KafkaSettings) -> Result<Self, KafkaError> {
        Self::open(settings.access_config())
    }

    fn open(access: ClientConfig) -> Result<Self, KafkaError> {
        let mut config = access.clone();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("compression.type", "lz4")
            .set("linger.ms", "2")
            .set("batch.size", "262144")
            .set("partitioner", "murmur2_random")
            .set("reconnect.backoff.max.ms", "2000")
            // 16 MiB under way keep one broker busy and bound what a crash of this process loses.
            .set("queue.buffering.max.kbytes", "16384");
        let producer = config
            .create_with_context(Deliveries::default())
            .map_err(KafkaError::client("create a producer"))?;
        Ok(Self { producer, access })
    }

    /// Creates a topic; one that exists already is left as it is. Its replicas are as many as the
    /// broker's default says.
    ///
    /// # Errors
    ///
    /// The broker's refusal, or no broker within 30 s (fatal).
    pub fn create_topic(&self, name: &str, partitions: i32) -> Result<(), KafkaError> {
        self.create_topic_with(name, partitions, &[])
    }

    /// As [`create_topic`](Self::create_topic), with settings of the topic such as
    /// `("cleanup.policy", "compact")`.
    ///
    /// # Errors
    ///
    /// As [`create_topic`](Self::create_topic).
    pub fn create_topic_with(
        &self,
        name: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Result<(), KafkaError> {
        let refused = |source: DriverError| KafkaError::CreateTopic {
            topic: name.to_owned(),
            source: Box::new(source),
        };
        let admin: AdminClient<DefaultClientContext> = self.access.create().map_err(refused)?;
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
        let topic = settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let options = AdminOptions::new()
            .request_timeout(Some(CREATE_PATIENCE))
            .operation_timeout(Some(CREATE_PATIENCE));
        let answers = block_on(admin.create_topics([&topic], &options)).map_err(refused)?;
        for answer in answers {
            match answer {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(refused(DriverError::AdminOp(code))),
            }
        }
        Ok(())
    }

    /// Queues a message, waiting while the queue is full. It is in the log after a
    /// [`flush`](Self::flush) without error.
    ///
    /// # Errors
    ///
    /// A queue that stayed full for a minute (transient: no broker takes messages), or a message
    /// that the client library refuses (fatal).
    pub fn publish(&self, topic: &str, message: &Message<'_>) -> Result<(), KafkaError> {
        let started = Instant::now();
        let mut record = record(topic, message);
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((DriverError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    if started.elapsed() >= ROOM_PATIENCE {
                        let waited = ROOM_PATIENCE;
                        return Err(KafkaError::QueueFull { topic: topic.to_owned(), waited });
                    }
                    record = back;
                    self.producer.poll(Duration::from_millis(10));
                }
                Err((source, _)) => {
                    let source = Box::new(source);
                    return Err(KafkaError::Publish { topic: topic.to_owned(), source });
                }
            }
        }
        // Serves delivery reports, so that they do not pile up until the flush.
        self.producer.poll(Duration::ZERO);
        Ok(())
    }

    /// Queues messages in order; otherwise as [`publish`](Self::publish).
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish); messages before the one that failed are queued.
    pub fn publish_batch<'m>(
        &self,
        topic: &str,
        messages: impl IntoIterator<Item = Message<'m>>,
    ) -> Result<(), KafkaError> {
        messages.into_iter().try_for_each(|message| self.publish(topic, &message))
    }

    /// Waits until everything queued is in the log.
    ///
    /// # Errors
    ///
    /// Messages that the broker refused since the last flush, or that still wait after `patience`
    /// (fatal; flushing again waits on).
    pub fn flush(&self, patience: Duration) -> Result<(), KafkaError> {
        let flushed = self.producer.flush(patience);
        let deliveries = self.producer.context();
        let failed = deliveries.failed.swap(0, Ordering::Relaxed);
        let last = deliveries.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        let pending = u64::try_from(self.producer.in_flight_count()).unwrap_or(0);
        match last.or(flushed.err()) {
            None if failed == 0 => Ok(()),
            last => Err(KafkaError::NotDelivered {
                failed,
                pending,
                source: last.map(|error| Box::new(error) as _),
            }),
        }
    }
}

fn record<'a>(topic: &'a str, message: &Message<'a>) -> BaseRecord<'a, [u8], [u8]> {
    let mut record = BaseRecord::to(topic);
    record.partition = message.partition;
    record.timestamp = message.timestamp_ms;
    record.key = message.key;
    record.payload = message.value;
    if !message.headers.is_empty() {
        let headers = OwnedHeaders::new_with_capacity(message.headers.len());
        record.headers =
            Some(message.headers.iter().fold(headers, |headers, (key, value)| {
                headers.insert(Header { key, value: *value })
            }));
    }
    record
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread: the admin calls are the only ones here, and the client library
/// completes them from a thread of its own.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = TaskContext::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
