//! A source that ends: parts of partitions, read without a group.
//!
//! One partition is read after the other. A replay is limited by what writes it, and with a single
//! partition assigned there is no doubt which one an end of a log is about.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cdc_core::{
    Assignment, ByteBudget, NextOffset, Partition, Receipt, ResumePoint, Revocation, Source,
    SourceEvent, TopicName,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as DriverError, RDKafkaErrorCode};
use rdkafka::{Message as _, Offset as RawOffset, TopicPartitionList};
use tokio::sync::mpsc;

use super::context::Context;
use super::intake::{Intake, Reach};
use super::logging::Occasionally;
use super::outbox::{Event, Outbox, Room};
use super::position::{end_position, start_position};
use super::replaced::{DEBUG, Replaced};
use super::{EVENTS_MAX, ends};
use crate::preflight::is_refusal;
use crate::range::KafkaSpan;
use crate::{KafkaError, KafkaSettings};

/// How long the thread waits for records, for budget and for room before it looks at its commands.
const TURN: Duration = Duration::from_millis(50);

/// The number of the only assignment; rewinds count on from it.
const FIRST_ASSIGNMENT: u64 = 1;

#[derive(Debug)]
enum Command {
    Read { number: u64, points: Vec<(Partition, ResumePoint)> },
}

/// Reads parts of partitions and ends by itself. It joins no group and leaves no trace on the broker.
#[derive(Debug)]
pub struct KafkaRange {
    events: mpsc::Receiver<Event>,
    commands: Sender<Command>,
    last_number: u64,
    thread: JoinHandle<()>,
}

impl KafkaRange {
    /// Starts the thread that reads; nothing is read before [`resume`](Source::resume).
    ///
    /// # Errors
    ///
    /// Settings that the client library refuses.
    pub fn start(
        settings: &KafkaSettings,
        spans: Vec<KafkaSpan>,
        budget: ByteBudget,
    ) -> Result<Self, KafkaError> {
        let replaced = Arc::<Replaced>::default();
        let consumer: BaseConsumer<Context> = settings
            .reader_config()
            .set("debug", DEBUG)
            .create_with_context(Context::watching(Arc::clone(&replaced)))
            .map_err(KafkaError::client("create a consumer"))?;
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let (commands, receiver) = std::sync::mpsc::channel();
        let parts: Vec<Part> = spans.into_iter().map(Part::new).collect();
        let reader = Reader {
            consumer,
            commands: receiver,
            outbox: Outbox::new(sender),
            intake: Intake::new(budget, Arc::clone(&replaced)),
            replaced,
            told: BTreeSet::new(),
            warnings: Occasionally::every(Duration::from_secs(10)),
            parts,
            current: None,
            ended: false,
        };
        let thread = std::thread::Builder::new()
            .name("kafka-range".to_owned())
            .spawn(move || reader.run())
            .map_err(|source| KafkaError::Client {
                action: "start the reading thread",
                source: Box::new(source),
            })?;
        Ok(Self { events, commands, last_number: FIRST_ASSIGNMENT, thread })
    }

    fn command(&self, command: Command) -> Result<(), KafkaError> {
        self.commands.send(command).map_err(|_| KafkaError::ThreadEnded {})
    }
}

impl Source for KafkaRange {
    type Error = KafkaError;

    async fn poll(&mut self) -> Result<SourceEvent, KafkaError> {
        self.events.recv().await.unwrap_or(Err(KafkaError::ThreadEnded {}))
    }

    async fn resume(
        &mut self,
        assignment: Assignment,
        points: Vec<(Partition, ResumePoint)>,
    ) -> Result<(), KafkaError> {
        self.command(Command::Read { number: assignment.number(), points })
    }

    async fn rewind(&mut self, points: Vec<(Partition, ResumePoint)>) -> Result<u64, KafkaError> {
        self.last_number = self.last_number.saturating_add(1);
        self.command(Command::Read { number: self.last_number, points })?;
        Ok(self.last_number)
    }

    async fn relinquish(&mut self, _revocation: Revocation) -> Result<(), KafkaError> {
        // Nobody takes partitions away from a reader outside any group.
        Ok(())
    }

    async fn acknowledge(&mut self, _receipt: &Receipt) -> Result<(), KafkaError> {
        Ok(())
    }

    async fn close(mut self) {
        drop(self.commands);
        while self.events.recv().await.is_some() {}
        if self.thread.join().is_err() {
            tracing::error!("the reading thread panicked");
        }
    }
}

/// A part and how far it has been read.
#[derive(Debug)]
struct Part {
    span: KafkaSpan,
    /// `None` until the engine has said where to begin.
    next: Option<NextOffset>,
    number: u64,
}

impl Part {
    fn new(span: KafkaSpan) -> Self {
        Self { span, next: None, number: FIRST_ASSIGNMENT }
    }

    fn is_open(&self) -> bool {
        self.next.is_some_and(|next| next < self.span.until)
    }
}

struct Reader {
    consumer: BaseConsumer<Context>,
    commands: Receiver<Command>,
    outbox: Outbox,
    intake: Intake,
    replaced: Arc<Replaced>,
    /// Replaced topics that have been reported.
    told: BTreeSet<String>,
    warnings: Occasionally,
    parts: Vec<Part>,
    /// The part that is being read.
    current: Option<usize>,
    /// Whether the end has been said.
    ended: bool,
}

impl Reader {
    fn run(mut self) {
        let partitions = self.parts.iter().map(|part| part.span.partition.clone()).collect();
        let assignment = Assignment::new(partitions, FIRST_ASSIGNMENT);
        self.outbox.push(Ok(SourceEvent::Assigned(assignment)));
        while self.turn() {}
    }

    /// One look at everything; whether there is another.
    fn turn(&mut self) -> bool {
        self.report_replaced();
        let room = self.outbox.flush();
        if room == Room::Gone {
            return false;
        }
        let has_work = room == Room::Free && (self.current.is_some() || self.choose());
        let heard = if has_work {
            self.commands.try_recv().map_err(|error| error == TryRecvError::Disconnected)
        } else {
            let heard = self.commands.recv_timeout(TURN);
            heard.map_err(|error| error == RecvTimeoutError::Disconnected)
        };
        match heard {
            Ok(Command::Read { number, points }) => self.place(number, &points),
            Err(true) => return false,
            Err(false) if has_work && self.intake.granted(TURN) => self.read(),
            Err(false) => {}
        }
        true
    }

    /// Ends at a topic that was created again: what it holds now is not what was asked for.
    fn report_replaced(&mut self) {
        for topic in self.replaced.take_news(&self.told) {
            if let Ok(topic) = TopicName::parse(&topic) {
                self.outbox.push(Err(KafkaError::Recreated { topic }));
            }
            self.told.insert(topic);
        }
    }

    /// Reads these partitions from here on.
    fn place(&mut self, number: u64, points: &[(Partition, ResumePoint)]) {
        // What is open of a part that goes on would be dropped when it is taken up again.
        self.intake.hand_over(&mut self.outbox);
        for (partition, point) in points {
            let known = |part: &&mut Part| part.span.partition == *partition;
            let Some(part) = self.parts.iter_mut().find(known) else { continue };
            part.number = number;
            part.next = Some(match point {
                ResumePoint::Beginning => part.span.from,
                ResumePoint::At(next) => *next,
            });
        }
        self.current = None;
        self.ended = false;
    }

    /// Takes the next part up, or says that there is none. Whether there is one.
    fn choose(&mut self) -> bool {
        let Some(index) = self.parts.iter().position(Part::is_open) else {
            let all_placed = self.parts.iter().all(|part| part.next.is_some());
            if all_placed && !self.ended {
                self.ended = true;
                self.outbox.push(Ok(SourceEvent::End));
            }
            return false;
        };
        let Some(part) = self.parts.get(index) else { return false };
        let Some(from) = part.next else { return false };
        let partition = part.span.partition.clone();
        let mut list = TopicPartitionList::new();
        let (topic, number) = (partition.topic().as_str(), partition.number().get());
        let assigned = list
            .add_partition_offset(topic, number, RawOffset::Offset(from.get()))
            .and_then(|()| self.consumer.assign(&list));
        if let Err(error) = assigned {
            self.outbox.push(Err(KafkaError::client("read a part of a topic")(error)));
            // Nothing else can be done with this part; the engine ends at the error.
            self.give_up(index);
            return false;
        }
        self.intake.start(
            partition,
            part.number,
            Reach { low: part.span.from, from, goal: part.span.until },
        );
        self.current = Some(index);
        true
    }

    fn give_up(&mut self, index: usize) {
        if let Some(part) = self.parts.get_mut(index) {
            part.next = Some(part.span.until);
        }
        self.current = None;
        self.ended = true;
    }

    fn read(&mut self) {
        let Some(index) = self.current else { return };
        let Some(until) = self.parts.get(index).map(|part| part.span.until) else { return };
        let Self { consumer, intake, outbox, .. } = self;
        match consumer.poll(TURN) {
            None => {
                intake.hand_over(outbox);
            }
            Some(Ok(message)) if message.offset() >= until.get() => self.reach(index, until),
            Some(Ok(message)) => {
                intake.take(&message, outbox);
            }
            Some(Err(error)) => self.on_error(index, until, &error),
        }
        self.note(index);
    }

    /// The slot of the part in the intake.
    fn slot(&self, index: usize) -> Option<usize> {
        let partition = &self.parts.get(index)?.span.partition;
        self.intake.slots().iter().position(|slot| slot.partition == *partition)
    }

    /// Everything before a position has been delivered.
    fn reach(&mut self, index: usize, position: NextOffset) {
        if let Some(slot) = self.slot(index) {
            self.intake.reach_end(slot, position, &mut self.outbox);
        }
    }

    /// Notes how far the part has been read.
    fn note(&mut self, index: usize) {
        let next = self.slot(index).and_then(|slot| self.intake.slots().get(slot));
        let Some(next) = next.map(|slot| slot.next) else { return };
        if self.current != Some(index) {
            return;
        }
        if let Some(part) = self.parts.get_mut(index) {
            part.next = Some(next);
            if next >= part.span.until {
                self.current = None;
            }
        }
    }

    fn on_error(&mut self, index: usize, until: NextOffset, error: &DriverError) {
        let reason = self.consumer.context().take_reason();
        if matches!(error, DriverError::PartitionEOF(_)) {
            // A log may end in markers of transactions, which no record stands for.
            if end_position(&reason).is_some_and(|end| end >= until) {
                self.reach(index, until);
            }
            return;
        }
        if let DriverError::MessageConsumptionFatal(code) = error {
            self.fail(index, KafkaError::ConsumerFailed { source: Box::new(*code) });
            return;
        }
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                self.find_gone(index);
            }
            Some(code) if is_refusal(code) => self.fail(index, KafkaError::Refused { reason }),
            // Everything else the library retries by itself, for ever.
            code => {
                if let Some(suppressed) = self.warnings.pass(Instant::now()) {
                    let error = code.map(|code| code.to_string()).unwrap_or_default();
                    tracing::warn!(error, reason, suppressed, "Kafka is disturbed: retrying");
                }
            }
        }
    }

    /// The log may have lost what was to be read next.
    fn find_gone(&mut self, index: usize) {
        let Some(slot) = self.slot(index).and_then(|slot| self.intake.slots().get(slot)) else {
            return;
        };
        let (partition, next) = (slot.partition.clone(), slot.next);
        let Ok(held) = ends::watermarks(&self.consumer, &partition) else { return };
        if let Err(error) = start_position(&partition, ResumePoint::At(next), held) {
            self.fail(index, error);
        }
    }

    fn fail(&mut self, index: usize, error: KafkaError) {
        self.intake.hand_over(&mut self.outbox);
        self.outbox.push(Err(error));
        self.give_up(index);
    }
}
