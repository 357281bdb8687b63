//! Log coordinates as types that cannot be mixed up.

use std::fmt;
use std::sync::Arc;

use crate::CheckpointError;

/// The log coordinate of one record: zero or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(i64);

impl Offset {
    /// An offset from the log's own number.
    ///
    /// # Errors
    ///
    /// A negative number is not an offset; logs use those for "unknown".
    pub fn try_new(raw: i64) -> Result<Self, CheckpointError> {
        if raw < 0 { Err(CheckpointError::NegativeOffset { found: raw }) } else { Ok(Self(raw)) }
    }

    /// Where reading resumes once this record has been applied.
    ///
    /// This is the only place in the workspace where one is added to an offset.
    pub fn next(self) -> NextOffset {
        NextOffset(self.0.saturating_add(1))
    }

    /// The position at which this record is the next one to be read.
    pub fn position(self) -> NextOffset {
        NextOffset(self.0)
    }

    /// The log's own number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where reading resumes: everything before it has been dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextOffset(i64);

impl NextOffset {
    /// The beginning of a log.
    pub const ZERO: Self = Self(0);

    /// A position from the log's own number.
    ///
    /// # Errors
    ///
    /// A negative number is not a position.
    pub fn try_new(raw: i64) -> Result<Self, CheckpointError> {
        if raw < 0 { Err(CheckpointError::NegativeOffset { found: raw }) } else { Ok(Self(raw)) }
    }

    /// The log's own number.
    pub fn get(self) -> i64 {
        self.0
    }

    /// How many offsets lie between `earlier` and this position. Offsets may skip, so this is an
    /// upper bound of the number of records.
    pub fn offsets_since(self, earlier: NextOffset) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for NextOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a topic, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// A topic name.
    ///
    /// # Errors
    ///
    /// A name that Kafka would refuse: it takes 1 to 249 of `A-Z a-z 0-9 . _ -`, and neither `.` nor
    /// `..`.
    pub fn parse(name: &str) -> Result<Self, CheckpointError> {
        if name.is_empty() || name.len() > 249 {
            return Err(CheckpointError::TopicLength { length: name.len() });
        }
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if matches!(name, "." | "..") || !name.bytes().all(is_allowed) {
            return Err(CheckpointError::TopicCharacters { name: name.to_owned() });
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How often a topic was created again or given more partitions.
///
/// Keys move between partitions when that happens, so the order of a key's versions is by
/// generation first, offset second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(u32);

impl Generation {
    /// A generation from its stored number.
    pub fn new(raw: u32) -> Self {
        Self(raw)
    }

    /// The stored number.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// The number of a partition within its topic: zero or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionNumber(i32);

impl PartitionNumber {
    /// A partition number.
    ///
    /// # Errors
    ///
    /// A negative number.
    pub fn try_new(raw: i32) -> Result<Self, CheckpointError> {
        if raw < 0 { Err(CheckpointError::NegativePartition { found: raw }) } else { Ok(Self(raw)) }
    }

    /// The number as the log gives it.
    pub fn get(self) -> i32 {
        self.0
    }
}

/// One ordered log: a partition of a topic in one generation. Cheap to clone.
///
/// Ordered by topic, generation, number. Its text form is `topic/generation/number`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    topic: TopicName,
    generation: Generation,
    number: PartitionNumber,
}

impl Partition {
    /// A partition from raw parts.
    ///
    /// # Errors
    ///
    /// As [`TopicName::parse`] and [`PartitionNumber::try_new`].
    pub fn new(topic: &str, generation: u32, number: i32) -> Result<Self, CheckpointError> {
        Ok(Self {
            topic: TopicName::parse(topic)?,
            generation: Generation::new(generation),
            number: PartitionNumber::try_new(number)?,
        })
    }

    /// A partition from parsed parts.
    pub fn from_parts(topic: TopicName, generation: Generation, number: PartitionNumber) -> Self {
        Self { topic, generation, number }
    }

    /// The topic.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// The topic's generation.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The number within the topic.
    pub fn number(&self) -> PartitionNumber {
        self.number
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.generation.0, self.number.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_topic_names_that_kafka_takes_and_no_others() {
        let longest = "x".repeat(249);
        for name in ["dbserver1.public.orders", "A_b-9", "...", longest.as_str()] {
            assert_eq!(TopicName::parse(name).unwrap().as_str(), name);
        }
        let longer = "x".repeat(250);
        for name in ["", ".", "..", "orders table", "orders/1", "zażółć", "a\n", longer.as_str()]
        {
            assert!(TopicName::parse(name).is_err(), "{name:?}");
        }
    }
}
