//! Parts of topics, as a person names them and as positions.
//!
//! Everything is decided before the first record is read: where each partition is read from and until,
//! and that all of it is still there.

use std::collections::BTreeMap;
use std::str::FromStr;

use cdc_core::{NextOffset, Partition, PartitionNumber};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::preflight::{Attempt, PartitionInfo};
use crate::{KafkaError, KafkaSettings};

/// Where a part of a topic begins or ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// Where the log begins now.
    Beginning,
    /// Where the log ends now.
    End,
    /// This position in every partition.
    At(NextOffset),
    /// A position for each of some partitions; the others are left out.
    Each(BTreeMap<PartitionNumber, NextOffset>),
    /// The first record that is not older than this, by the log's time, milliseconds since 1970.
    Time(i64),
}

/// A text that is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected beginning, end, an offset, an offset for each partition such as 0:1200,1:900, or a time \
     such as 2026-01-31T08:00:00Z"
)]
pub struct BoundError;

impl FromStr for Bound {
    type Err = BoundError;

    fn from_str(text: &str) -> Result<Self, BoundError> {
        match text {
            "beginning" => return Ok(Self::Beginning),
            "end" => return Ok(Self::End),
            _ => {}
        }
        if let Ok(time) = OffsetDateTime::parse(text, &Rfc3339) {
            let millis = time.unix_timestamp_nanos() / 1_000_000;
            return i64::try_from(millis).map(Self::Time).map_err(|_| BoundError);
        }
        if !text.contains(':') {
            return position(text).map(Self::At);
        }
        let mut each = BTreeMap::new();
        for entry in text.split(',') {
            let (number, offset) = entry.split_once(':').ok_or(BoundError)?;
            let number = number.trim().parse().map_err(|_| BoundError)?;
            let number = PartitionNumber::try_new(number).map_err(|_| BoundError)?;
            if each.insert(number, position(offset)?).is_some() {
                return Err(BoundError);
            }
        }
        Ok(Self::Each(each))
    }
}

fn position(text: &str) -> Result<NextOffset, BoundError> {
    let raw = text.trim().parse().map_err(|_| BoundError)?;
    NextOffset::try_new(raw).map_err(|_| BoundError)
}

/// A part of one partition: from a position, until another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSpan {
    /// The partition.
    pub partition: Partition,
    /// Where its log begins.
    pub first: NextOffset,
    /// The position of the first record.
    pub from: NextOffset,
    /// The position behind the last record.
    pub until: NextOffset,
}

impl KafkaSpan {
    /// How many offsets it has: an upper bound of the number of its records.
    pub fn offsets(&self) -> u64 {
        self.until.offsets_since(self.from)
    }

    /// The same, but not beyond a position.
    #[must_use]
    pub fn capped(mut self, until: NextOffset) -> Self {
        self.until = self.until.min(until).max(self.from);
        self
    }
}

/// Where parts of the topics of the settings lie. Blocks, like everything in
/// [`preflight`](crate::preflight).
///
/// # Errors
///
/// As [`probe`](crate::preflight::probe), and [`KafkaError::ResumeGone`] or
/// [`KafkaError::ResumeBeyondEnd`] when a log does not hold all of its part.
pub fn locate(
    settings: &KafkaSettings,
    from: &Bound,
    to: &Bound,
) -> Result<Vec<KafkaSpan>, KafkaError> {
    let attempt = Attempt::start(settings, settings.retry_for())?;
    let report = attempt.report()?;
    let mut spans = Vec::new();
    for topic in report.topics() {
        let generation = settings.generation(topic.name());
        for held in topic.partitions() {
            let partition = Partition::from_parts(topic.name().clone(), generation, held.number);
            let place = |bound| place(&attempt, &partition, *held, bound);
            let (Some(from), Some(until)) = (place(from)?, place(to)?) else { continue };
            let until = until.max(from);
            spans.push(KafkaSpan { partition, first: held.first, from, until });
        }
    }
    attempt.close_aside();
    Ok(spans)
}

/// The position of a bound in a partition; `None` when it leaves the partition out.
fn place(
    attempt: &Attempt<'_>,
    partition: &Partition,
    held: PartitionInfo,
    bound: &Bound,
) -> Result<Option<NextOffset>, KafkaError> {
    let wanted = match bound {
        Bound::Beginning => return Ok(Some(held.first)),
        Bound::End => return Ok(Some(held.end)),
        Bound::At(position) => *position,
        Bound::Each(each) => match each.get(&partition.number()) {
            Some(position) => *position,
            None => return Ok(None),
        },
        Bound::Time(millis) => {
            let found = attempt.at_time(partition, *millis)?.unwrap_or(held.end);
            // Whether an older record at or after this time is gone, nobody knows any more.
            if found <= held.first && held.first > NextOffset::ZERO {
                return Err(KafkaError::TimeGone {
                    partition: partition.clone(),
                    first: held.first,
                });
            }
            found.min(held.end)
        }
    };
    if wanted < held.first {
        return Err(KafkaError::ResumeGone {
            partition: partition.clone(),
            resume: wanted,
            first: held.first,
            gone: held.first.offsets_since(wanted),
        });
    }
    if wanted > held.end {
        let partition = partition.clone();
        return Err(KafkaError::ResumeBeyondEnd { partition, resume: wanted, end: held.end });
    }
    Ok(Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(raw: i64) -> NextOffset {
        NextOffset::try_new(raw).unwrap()
    }

    #[test]
    fn a_bound_is_what_a_person_writes() {
        let number = |raw| PartitionNumber::try_new(raw).unwrap();
        let each = BTreeMap::from([(number(0), at(12)), (number(3), at(0))]);
        let cases = [
            ("beginning", Bound::Beginning),
            ("end", Bound::End),
            ("1200", Bound::At(at(1200))),
            ("0:12,3:0", Bound::Each(each)),
            ("1970-01-01T00:00:01.5Z", Bound::Time(1500)),
        ];
        for (text, bound) in cases {
            assert_eq!(text.parse(), Ok(bound), "{text}");
        }
        for wrong in ["", "-1", "0:", "0:1,0:2", "now", "2026-01-31", "1:2:3"] {
            assert_eq!(wrong.parse::<Bound>(), Err(BoundError), "{wrong:?}");
        }
    }
}
