//! A change source on a Kafka consumer group, a check before the start, and a small publisher.
//!
//! # What it guarantees
//!
//! - **Positions come from the engine alone.** Partitions are read from where the sink says;
//!   offsets committed to the group are for people who watch it, and are never read. A position
//!   that the log no longer holds is a fatal error which names both positions, never a jump.
//! - **Topics are known again.** What the sink recalls of a log is looked up before it is resumed: a
//!   topic that was created again under its name is a fatal error, also when it has grown past the
//!   position to resume from.
//! - **No gap.** Batches of a partition join: the first starts at the resume point, each other one
//!   where the last ended. The end of a log is covered even where it holds no record (markers of
//!   transactions, aborted transactions, compacted records).
//! - **Committed records only**, in log order.
//! - **Bounded memory.** Batches are charged to the byte budget before they are filled, in addition
//!   to [`FETCH_BYTES_DEFAULT`] that the client fetches ahead. While the budget is spent, polling
//!   stops for up to a second, and then partitions are paused; membership is never at risk.
//! - **Low latency.** A batch leaves as soon as nothing more is there at once.
//! - **Clean hand-over.** A partition that the group takes away stays here until the engine has
//!   given its token back. Lost partitions are announced in the same way.
//! - **Patience.** Faults of broker and network are retried for ever, with one log line in ten
//!   seconds. Refused access, a missing topic and a lost position are returned as fatal.
//! - **A stalled consumer is replaced.** When records wait, a broker is connected and nothing
//!   arrives for 30 s, all partitions are announced as revoked, and after their tokens have come
//!   back a new consumer joins the group.
//! - **Ranges.** [`KafkaRange`] reads parts of topics outside any group and ends by itself; [`locate`]
//!   says where they lie, and refuses those of which a part is gone. [`look_up`] gives single records.
//!
//! # Example
//!
//! ```no_run
//! # async fn example() -> Result<(), cdc_kafka::KafkaError> {
//! use cdc_core::{ByteBudget, ResumePoint, Source, SourceEvent, TopicName};
//! use cdc_kafka::{KafkaSettings, KafkaSource};
//!
//! let topics = vec![TopicName::parse("dbserver1.public.orders").expect("it is a valid name")];
//! let settings = KafkaSettings::new("localhost:9092", topics).with_group("orders-warehouse");
//! let mut source = KafkaSource::start(settings, ByteBudget::new(40 << 20))?;
//! loop {
//!     match source.poll().await? {
//!         SourceEvent::Assigned(assignment) => {
//!             let points = assignment.partitions().iter().cloned();
//!             let points = points.map(|partition| (partition, ResumePoint::Beginning)).collect();
//!             source.resume(assignment, points).await?;
//!         }
//!         SourceEvent::Revoked(revocation) => source.relinquish(revocation).await?,
//!         SourceEvent::Records(batch) => println!("{} {}", batch.partition(), batch.range()),
//!         SourceEvent::CaughtUp(partition) => println!("{partition} is read to its end"),
//!         SourceEvent::LogEnd(..) => {}
//!         SourceEvent::End => break,
//!     }
//! }
//! source.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Vocabulary
//!
//! - A *grant* is budget charged ahead for the batch that is filled next.
//! - A *start* is a partition that waits for the broker to say that the log holds its resume point.
//!
//! # Limits
//!
//! - Cooperative-sticky assignment only; all members of a group must use it.
//! - While partitions leave, the client library delivers nothing of the others either until the
//!   token has come back; draining is meant to take less than a second.
//! - A topic's generation is given by the settings and is the same for all its partitions.
//! - TLS and SCRAM need the feature `tls`, which links the system's OpenSSL. SASL/PLAIN does not.
//!   Security properties go through [`KafkaSettings::with_property`]; Kerberos is not built in.

mod continuity;
mod error;
mod lookup;
mod policy;
pub mod preflight;
mod publisher;
mod range;
mod settings;
mod source;

pub use error::{Cause, KafkaError};
pub use lookup::{FoundRecord, LookedUp, look_up};
pub use policy::CleanupPolicy;
pub use publisher::{Message, Publisher};
pub use range::{Bound, BoundError, KafkaSpan, locate};
pub use settings::{FETCH_BYTES_DEFAULT, KafkaSettings, RETRY_FOR_DEFAULT};
pub use source::{KafkaRange, KafkaSource};

/// What settings and publishers call a topic by.
pub use cdc_core::TopicName;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
