//! Where reading starts, and which partition an end-of-partition message speaks of: pure decisions.

use cdc_core::{NextOffset, Partition, ResumePoint};

use crate::KafkaError;

/// What the log holds now: from where, up to where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watermarks {
    pub(crate) low: NextOffset,
    pub(crate) high: NextOffset,
}

/// Where reading starts.
///
/// # Errors
///
/// A resume point that the log does not hold, with both positions.
pub(crate) fn start_position(
    partition: &Partition,
    point: ResumePoint,
    held: Watermarks,
) -> Result<NextOffset, KafkaError> {
    match point {
        ResumePoint::Beginning => Ok(held.low),
        ResumePoint::At(resume) if resume < held.low => Err(KafkaError::ResumeGone {
            partition: partition.clone(),
            resume,
            first: held.low,
            gone: held.low.offsets_since(resume),
        }),
        ResumePoint::At(resume) if resume > held.high => Err(KafkaError::ResumeBeyondEnd {
            partition: partition.clone(),
            resume,
            end: held.high,
        }),
        ResumePoint::At(resume) => Ok(resume),
    }
}

/// The position in the library's text about the end of a partition. Its error code carries the
/// partition's number only, and the position it answers when asked stays at the last record even
/// where the log ends in compacted ones.
pub(super) fn end_position(reason: &str) -> Option<NextOffset> {
    let (_, rest) = reason.split_once("reached end of partition at offset ")?;
    let digits = rest.split(|character: char| !character.is_ascii_digit()).next()?;
    NextOffset::try_new(digits.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(raw: i64) -> NextOffset {
        NextOffset::try_new(raw).unwrap()
    }

    fn start(point: ResumePoint) -> Result<NextOffset, KafkaError> {
        let partition = Partition::new("orders", 0, 2).unwrap();
        start_position(&partition, point, Watermarks { low: position(10), high: position(20) })
    }

    #[test]
    fn starts_within_the_log_only() {
        assert_eq!(start(ResumePoint::Beginning).unwrap(), position(10));
        for inside in [10, 15, 20] {
            assert_eq!(start(ResumePoint::At(position(inside))).unwrap(), position(inside));
        }
    }

    #[test]
    fn a_position_that_retention_has_passed_names_both_positions_and_the_gap() {
        let error = start(ResumePoint::At(position(4))).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot resume orders/0/2 at 4: the log now begins at 10, so 6 offsets are gone"
        );
    }

    #[test]
    fn a_position_beyond_the_end_names_both_positions() {
        let error = start(ResumePoint::At(position(21))).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot resume orders/0/2 at 21: the log already ends at 20, so the topic was created again \
             or truncated"
        );
    }

    #[test]
    fn reads_the_end_position_from_the_library_text() {
        let text = "Fetch from broker 1 reached end of partition at offset 42 (HighwaterMark 43)";
        assert_eq!(end_position(text), Some(position(42)));
        assert_eq!(end_position("something else"), None);
    }
}
