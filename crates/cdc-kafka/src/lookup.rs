//! Single records by their places, outside any group: what a command needs that has kept positions and
//! not the records.
//!
//! One look takes its places in order. Where the next one is near, reading goes on to it; otherwise it
//! begins there anew, so that what lies between costs nothing.

use std::time::{Duration, Instant};

use cdc_core::{NextOffset, Offset, Partition};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as DriverError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _};
use rdkafka::{Message as _, Offset as RawOffset, TopicPartitionList};

use crate::preflight::{Attempt, PartitionInfo, TopicInfo, is_refusal};
use crate::source::Context;
use crate::{KafkaError, KafkaSettings};

/// How long one record may be waited for while a broker answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one wait for a record may take.
const POLL_WAIT: Duration = Duration::from_millis(20);

/// Up to so many offsets are read over to reach the next place: a fetch brings more than one record.
const NEAR: u64 = 100;

/// A record that was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRecord {
    /// The log's time of it, milliseconds since 1970, when it has one.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes.
    pub key: Option<Vec<u8>>,
    /// The value's bytes.
    pub value: Option<Vec<u8>>,
    /// The headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// What a log has at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookedUp {
    /// A record.
    Record(FoundRecord),
    /// Nothing any more: it begins behind it.
    Removed {
        /// Where it begins.
        first: NextOffset,
    },
    /// Nothing: it ends before it.
    BeyondEnd {
        /// Where it ends.
        end: NextOffset,
    },
    /// Nothing that a reader of committed records sees, although it goes on behind it.
    Absent,
}

/// Looks for records of a partition at these places, which are in rising order, and says of each what is
/// there. Whether a topic of that name is the one that is meant, the caller has to tell by the records.
/// Blocks, like everything in [`preflight`](crate::preflight).
///
/// # Errors
///
/// As [`probe`](crate::preflight::probe), and [`KafkaError::Unreachable`] when a record was not delivered
/// in time.
pub fn look_up(
    settings: &KafkaSettings,
    partition: &Partition,
    places: &[Offset],
) -> Result<Vec<LookedUp>, KafkaError> {
    let topic = settings.clone().with_topics(vec![partition.topic().clone()]);
    let attempt = Attempt::start(&topic, settings.retry_for())?;
    let report = attempt.report();
    attempt.close_aside();
    let report = report?;
    let mut held = report.topics().iter().flat_map(TopicInfo::partitions);
    let nothing = NextOffset::ZERO;
    let held = held.find(|held| held.number == partition.number()).copied();
    let held =
        held.unwrap_or(PartitionInfo { number: partition.number(), first: nothing, end: nothing });
    let mut look = Look::new(settings, partition, held)?;
    let found: Result<Vec<LookedUp>, KafkaError> =
        places.iter().map(|place| look.at(*place)).collect();
    look.client.unassign().map_err(KafkaError::client("stop looking up records"))?;
    crate::continuity::close_aside(look.client);
    found
}

struct Look<'l> {
    settings: &'l KafkaSettings,
    partition: &'l Partition,
    held: PartitionInfo,
    client: BaseConsumer<Context>,
    /// The position of the next record that the client delivers; `None` before it reads.
    next: Option<NextOffset>,
}

impl<'l> Look<'l> {
    fn new(
        settings: &'l KafkaSettings,
        partition: &'l Partition,
        held: PartitionInfo,
    ) -> Result<Self, KafkaError> {
        let client = settings
            .reader_config()
            .set("fetch.wait.max.ms", "10")
            .create_with_context(Context::new())
            .map_err(KafkaError::client("create a client"))?;
        Ok(Self { settings, partition, held, client, next: None })
    }

    fn at(&mut self, place: Offset) -> Result<LookedUp, KafkaError> {
        let position = place.position();
        if position < self.held.first {
            return Ok(LookedUp::Removed { first: self.held.first });
        }
        if position >= self.held.end {
            return Ok(LookedUp::BeyondEnd { end: self.held.end });
        }
        match self.next {
            Some(next) if next <= position && position.offsets_since(next) <= NEAR => {}
            Some(_) | None => self.begin(position)?,
        }
        let found = self.read(place)?;
        if found == LookedUp::Absent {
            // What was delivered instead may be what is asked for next.
            self.next = None;
        }
        Ok(found)
    }

    fn begin(&mut self, position: NextOffset) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        let (topic, number) = (self.partition.topic().as_str(), self.partition.number().get());
        list.add_partition_offset(topic, number, RawOffset::Offset(position.get()))
            .and_then(|()| self.client.assign(&list))
            .map_err(KafkaError::client("look up a record"))?;
        self.next = Some(position);
        Ok(())
    }

    fn read(&mut self, place: Offset) -> Result<LookedUp, KafkaError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let error = match self.client.poll(POLL_WAIT) {
                None => DriverError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut),
                Some(Ok(message)) => {
                    let Ok(offset) = Offset::try_new(message.offset()) else { continue };
                    self.next = Some(offset.next());
                    if offset < place {
                        continue;
                    }
                    let is_it = offset == place;
                    return Ok(if is_it { record(&message) } else { LookedUp::Absent });
                }
                // It was there a moment ago: what is left of the log ends in markers of transactions.
                Some(Err(DriverError::PartitionEOF(_))) => return Ok(LookedUp::Absent),
                Some(Err(error)) => error,
            };
            match error.rdkafka_error_code() {
                // Retention has moved on since the log was asked where it begins.
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                    return Ok(LookedUp::Removed { first: place.next() });
                }
                Some(code) if is_refusal(code) => {
                    return Err(KafkaError::Refused { reason: code.to_string() });
                }
                Some(_) | None => {}
            }
            if Instant::now() >= deadline {
                return Err(KafkaError::Unreachable {
                    brokers: self.settings.brokers().to_owned(),
                    waited: PATIENCE,
                    source: Box::new(error),
                });
            }
        }
    }
}

fn record(message: &BorrowedMessage<'_>) -> LookedUp {
    let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
    let headers = headers.map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)));
    LookedUp::Record(FoundRecord {
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.collect(),
    })
}
