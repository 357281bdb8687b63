//! The one error type of this crate, what is known after each error, and what to do next.

use std::time::Duration;

use cdc_core::{Classify, ErrorClass, Halt, NextOffset, Offset, Partition, TopicName};

/// What the client library said, kept for the chain of causes.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why Kafka could not be read from or written to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// A property that this crate's guarantees rest on was set from outside.
    #[error("cannot set the Kafka property `{property}`: {reason}")]
    OwnedProperty {
        /// Its name.
        property: String,
        /// Who sets it, and why.
        reason: &'static str,
    },
    /// The client library knows no such property or refuses its value.
    #[error("cannot set the Kafka property `{property}`: the client library refuses it")]
    RefusedProperty {
        /// Its name; its value may be a secret.
        property: String,
    },
    /// No topic was named.
    #[error("cannot read from Kafka without a topic")]
    NoTopic {},
    /// The client library refused an operation that needs no broker.
    #[error("cannot {action}")]
    Client {
        /// What was attempted, as a verb phrase.
        action: &'static str,
        /// The library's answer.
        #[source]
        source: Cause,
    },
    /// No broker answered in time.
    #[error("cannot reach a Kafka broker at {brokers} within {} s", waited.as_secs())]
    Unreachable {
        /// The addresses tried.
        brokers: String,
        /// For how long.
        waited: Duration,
        /// The last answer.
        #[source]
        source: Cause,
    },
    /// A topic does not exist, or may not be seen.
    #[error("cannot find the topic `{topic}`{}", near_miss(near.as_deref()))]
    MissingTopic {
        /// The topic asked for.
        topic: TopicName,
        /// An existing topic with a similar name.
        near: Option<String>,
    },
    /// A topic that was being read has gone, or may not be seen any more.
    #[error("cannot go on reading: {reason}")]
    TopicGone {
        /// The client library's words, which name the topic.
        reason: String,
    },
    /// The log no longer holds the position to resume from.
    #[error(
        "cannot resume {partition} at {resume}: the log now begins at {first}, so {gone} offsets \
         are gone"
    )]
    ResumeGone {
        /// The log.
        partition: Partition,
        /// Where reading was to resume.
        resume: NextOffset,
        /// Where the log begins.
        first: NextOffset,
        /// How many offsets lie between; an upper bound of the number of lost records.
        gone: u64,
    },
    /// Nobody knows any more where the records of a time began.
    #[error(
        "cannot find where a time begins in {partition}: the log now begins at {first}, and records of \
         that time may be gone"
    )]
    TimeGone {
        /// The log.
        partition: Partition,
        /// Where the log begins.
        first: NextOffset,
    },
    /// The log ends before the position to resume from.
    #[error(
        "cannot resume {partition} at {resume}: the log already ends at {end}, so the topic was \
         created again or truncated"
    )]
    ResumeBeyondEnd {
        /// The log.
        partition: Partition,
        /// Where reading was to resume.
        resume: NextOffset,
        /// Where the log ends.
        end: NextOffset,
    },
    /// Another log stands under the name of the one that was read.
    #[error(
        "cannot resume {partition} at {resume}: at {offset} stands another record than the one that \
         was read there, so the topic was created again or truncated"
    )]
    Replaced {
        /// The log.
        partition: Partition,
        /// Where reading was to resume.
        resume: NextOffset,
        /// Where another record stands.
        offset: Offset,
    },
    /// The log has none of the records that it is known by, and should have them.
    #[error(
        "cannot resume {partition} at {resume}: the log begins before the records that it is known \
         by, of which the newest stood at {offset}, and has none of them, so the topic was created \
         again or truncated"
    )]
    RecordsMissing {
        /// The log.
        partition: Partition,
        /// Where reading was to resume.
        resume: NextOffset,
        /// Where the newest of the remembered records stood.
        offset: Offset,
    },
    /// A topic that was being read was deleted and created again.
    #[error("cannot go on reading {topic}: it was deleted and created again while it was read")]
    Recreated {
        /// The topic.
        topic: TopicName,
    },
    /// The broker refuses these credentials or lacks a right for them.
    #[error("cannot use Kafka: access was refused ({reason})")]
    Refused {
        /// The broker's words.
        reason: String,
    },
    /// Another member joined the group with the same instance id.
    #[error("cannot stay in group `{group}`: another member took the instance id `{instance_id}`")]
    Fenced {
        /// The group.
        group: String,
        /// The instance id.
        instance_id: String,
    },
    /// The client library gave up on its consumer.
    #[error("cannot go on reading: the consumer failed for good")]
    ConsumerFailed {
        /// The library's answer.
        #[source]
        source: Cause,
    },
    /// The polling thread has ended.
    #[error("cannot read from Kafka: the polling thread has ended")]
    ThreadEnded {},
    /// A topic could not be created.
    #[error("cannot create the topic `{topic}`")]
    CreateTopic {
        /// Its name.
        topic: String,
        /// The broker's answer.
        #[source]
        source: Cause,
    },
    /// A message could not be handed to the client library.
    #[error("cannot publish to the topic `{topic}`")]
    Publish {
        /// The topic.
        topic: String,
        /// The library's answer.
        #[source]
        source: Cause,
    },
    /// The client library's queue stayed full.
    #[error("cannot publish to the topic `{topic}`: the queue stayed full for {} s", waited.as_secs())]
    QueueFull {
        /// The topic.
        topic: String,
        /// For how long.
        waited: Duration,
    },
    /// Messages were not delivered.
    #[error("cannot deliver {failed} messages, and {pending} are still waiting")]
    NotDelivered {
        /// How many were given up since the last flush.
        failed: u64,
        /// How many were still waiting at the end of the patience.
        pending: u64,
        /// The last answer for a message that was given up.
        #[source]
        source: Option<Cause>,
    },
}

fn follow_the_new_one(topic: &TopicName) -> String {
    format!(
        "find out what became of the topic, and what the new one lacks of the old; to follow the new \
         one from its beginning run `cdc-pipeline accept-incarnation --topic {topic} --reason \"…\"`"
    )
}

fn near_miss(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

impl KafkaError {
    pub(crate) fn client(
        action: &'static str,
    ) -> impl FnOnce(rdkafka::error::KafkaError) -> KafkaError {
        move |source| Self::Client { action, source: Box::new(source) }
    }
}

impl Classify for KafkaError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::OwnedProperty { .. } | Self::RefusedProperty { .. } | Self::NoTopic {} => {
                ErrorClass::Fatal(Halt::Configuration)
            }
            Self::MissingTopic { .. } => ErrorClass::Fatal(Halt::Configuration),
            Self::ResumeGone { .. }
            | Self::TimeGone { .. }
            | Self::ResumeBeyondEnd { .. }
            | Self::Replaced { .. }
            | Self::RecordsMissing { .. }
            | Self::Recreated { .. } => ErrorClass::Fatal(Halt::Data),
            Self::QueueFull { .. } => ErrorClass::Transient,
            Self::Client { .. }
            | Self::Unreachable { .. }
            | Self::TopicGone { .. }
            | Self::Refused { .. }
            | Self::Fenced { .. }
            | Self::ConsumerFailed { .. }
            | Self::ThreadEnded {}
            | Self::CreateTopic { .. }
            | Self::Publish { .. }
            | Self::NotDelivered { .. } => ErrorClass::Fatal(Halt::Environment),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::OwnedProperty { .. } => "remove the property from `properties`",
            Self::RefusedProperty { .. } => {
                "check the property's spelling and value; `ssl.*` and SCRAM need a build with TLS"
            }
            Self::NoTopic {} => "name at least one topic in `source.kafka.topics`",
            Self::Unreachable { .. } => {
                "check `source.kafka.brokers`, and that the broker advertises an address this host \
                 can reach"
            }
            Self::MissingTopic { .. } => {
                "correct `source.kafka.topics`, or let this user describe the topic; Debezium creates \
                 the topic of a table with the first change that it sees of it"
            }
            Self::TopicGone { .. } => {
                "let the topic be created again and follow the new one by `cdc-pipeline \
                 accept-incarnation`, or remove it from `source.kafka.topics`"
            }
            Self::TimeGone { .. } => "begin with an offset, or with `beginning` for what is left",
            Self::ResumeGone { partition, .. } => {
                return Some(format!(
                    "start over with a new snapshot of the tables, or go on without what is gone: stop \
                     the pipeline and run `cdc-pipeline accept-gap --topic {} --reason \"…\"`; then \
                     lengthen the topic's retention",
                    partition.topic()
                ));
            }
            Self::ResumeBeyondEnd { partition, .. }
            | Self::Replaced { partition, .. }
            | Self::RecordsMissing { partition, .. } => {
                return Some(follow_the_new_one(partition.topic()));
            }
            Self::Recreated { topic } => return Some(follow_the_new_one(topic)),
            Self::Refused { .. } => "grant the user Read on the topics and on the group",
            Self::Fenced { .. } => "give each process its own `instance_id`",
            Self::Client { .. }
            | Self::ConsumerFailed { .. }
            | Self::ThreadEnded {}
            | Self::CreateTopic { .. }
            | Self::Publish { .. }
            | Self::QueueFull { .. }
            | Self::NotDelivered { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
