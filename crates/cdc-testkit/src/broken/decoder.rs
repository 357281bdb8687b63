//! The text decoder with one defect.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each place acts on its own few defects; all others, new ones too, pass through"
)]

use std::sync::Arc;

use cdc_core::{
    Change, Column, Decoded, Decoder, Offset, Operation, Partition, Record, Rejection, RowBuffer,
    RowShape, SemanticType, SkipReason, Slot, Stage,
};

use crate::TextDecoder;
use crate::conformance::decoder::{DecoderUnderTest, Message, TextSamples};

/// One way in which a decoder breaks its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecoderDefect {
    /// A snapshot's row is taken for an insert.
    MixesUpOperations,
    /// A record that was seen before is skipped.
    SkipsWhatItHasSeen,
    /// The place of a change counts all changes decoded so far.
    CountsWhatItHasSeen,
    /// The event's record stands at the log's start, wherever it was read.
    ForgetsTheOffset,
    /// Every second row has its columns in another order.
    ShufflesColumns,
    /// After a malformed record all others are rejected.
    StaysMalformed,
    /// Malformed records are skipped.
    SkipsMalformed,
    /// Rejections quote the record.
    QuotesValues,
    /// Tombstones are rejected.
    RejectsTombstones,
    /// Long noise is a panic.
    PanicsAtLongValues,
    /// A value that ends too early is a panic.
    PanicsAtCutValues,
    /// A value that is not text is a panic.
    PanicsAtBytes,
    /// A record without a key is a panic.
    PanicsWithoutKey,
}

impl DecoderDefect {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::MixesUpOperations,
        Self::SkipsWhatItHasSeen,
        Self::CountsWhatItHasSeen,
        Self::ForgetsTheOffset,
        Self::ShufflesColumns,
        Self::StaysMalformed,
        Self::SkipsMalformed,
        Self::QuotesValues,
        Self::RejectsTombstones,
        Self::PanicsAtLongValues,
        Self::PanicsAtCutValues,
        Self::PanicsAtBytes,
        Self::PanicsWithoutKey,
    ];

    /// The case of [`conformance::decoder`](crate::conformance::decoder) that must catch it.
    pub fn case(self) -> &'static str {
        match self {
            Self::MixesUpOperations => "changes_have_their_operation",
            Self::SkipsWhatItHasSeen => "a_record_given_again_is_the_same_change",
            Self::CountsWhatItHasSeen => "answers_do_not_depend_on_what_came_before",
            Self::ForgetsTheOffset => "an_event_carries_its_record",
            Self::ShufflesColumns => "rows_that_look_alike_have_equal_shapes",
            Self::StaysMalformed => "a_malformed_message_does_not_disturb_the_next",
            Self::SkipsMalformed => "malformed_messages_are_rejected",
            Self::QuotesValues => "a_rejection_repeats_no_value",
            Self::RejectsTombstones => "messages_without_effect_are_skipped",
            Self::PanicsAtLongValues => "noise_is_rejected_in_time",
            Self::PanicsAtCutValues => "cut_values_are_no_panic",
            Self::PanicsAtBytes => "changed_bytes_are_no_panic",
            Self::PanicsWithoutKey => "missing_parts_are_no_panic",
        }
    }
}

/// The columns in the order that [`DecoderDefect::ShufflesColumns`] gives them.
const SHUFFLED: [Slot; 2] = [Slot::Source(1), Slot::Source(0)];

/// A text decoder with one defect.
#[derive(Debug)]
pub struct BrokenDecoder {
    inner: TextDecoder,
    defect: DecoderDefect,
    seen: Vec<Vec<u8>>,
    malformed: bool,
    changes: u32,
    shuffled: Arc<RowShape>,
    nothing_derived: RowBuffer,
}

impl BrokenDecoder {
    /// A decoder with a defect.
    pub fn new(defect: DecoderDefect) -> Self {
        let columns =
            vec![Column::new("text", SemanticType::Text), Column::new("key", SemanticType::Int64)];
        Self {
            inner: TextDecoder::default(),
            defect,
            seen: Vec::new(),
            malformed: false,
            changes: 0,
            shuffled: Arc::new(RowShape::new(columns)),
            nothing_derived: RowBuffer::new(),
        }
    }

    /// The panics that the defect is made of.
    fn panic_at(&self, record: &Record<'_>) {
        let value = record.value.unwrap_or_default().to_vec();
        match self.defect {
            DecoderDefect::PanicsAtLongValues => assert!(value.len() < 4096, "too long"),
            DecoderDefect::PanicsAtCutValues => assert!(value.last() != Some(&b' '), "too short"),
            DecoderDefect::PanicsAtBytes => {
                assert!(std::str::from_utf8(&value).is_ok(), "not text");
            }
            DecoderDefect::PanicsWithoutKey => assert!(record.key.is_some(), "no key"),
            _ => {}
        }
    }
}

fn rejected(message: String) -> Box<Rejection> {
    Box::new(Rejection::new(Stage::Decode, "broken", message))
}

impl Decoder for BrokenDecoder {
    fn decode<'e>(&'e mut self, record: Record<'e>) -> Result<Decoded<'e>, Box<Rejection>> {
        self.panic_at(&record);
        let value = record.value.unwrap_or_default().to_vec();
        if self.defect == DecoderDefect::SkipsWhatItHasSeen {
            if self.seen.contains(&value) {
                return Ok(Decoded::Skip(SkipReason::AlreadyPresent));
            }
            self.seen.push(value.clone());
        }
        if self.malformed && self.defect == DecoderDefect::StaysMalformed {
            return Err(rejected("something was malformed before".to_owned()));
        }
        match self.inner.decode(record) {
            Ok(Decoded::Change(mut event)) => {
                self.changes = self.changes.saturating_add(1);
                match (self.defect, event.change) {
                    (DecoderDefect::MixesUpOperations, Change::Snapshot { row }) => {
                        event.change = Change::Insert { after: row };
                    }
                    (DecoderDefect::CountsWhatItHasSeen, _) => event.ordinal = self.changes,
                    (DecoderDefect::ForgetsTheOffset, _) => {
                        event.record.offset = Offset::try_new(0).expect("zero is an offset");
                    }
                    (DecoderDefect::ShufflesColumns, Change::Insert { after })
                        if self.changes.is_multiple_of(2) =>
                    {
                        let (shape, derived) = (&self.shuffled, &self.nothing_derived);
                        let after = after.project(shape, &SHUFFLED, derived);
                        event.change = Change::Insert { after };
                    }
                    _ => {}
                }
                Ok(Decoded::Change(event))
            }
            Ok(Decoded::Skip(_)) if self.defect == DecoderDefect::RejectsTombstones => {
                Err(rejected("there is no value".to_owned()))
            }
            Ok(skip @ Decoded::Skip(_)) => Ok(skip),
            Err(rejection) => {
                self.malformed = true;
                match self.defect {
                    DecoderDefect::SkipsMalformed => Ok(Decoded::Skip(SkipReason::ControlMessage)),
                    DecoderDefect::QuotesValues => {
                        Err(rejected(String::from_utf8_lossy(&value).into_owned()))
                    }
                    _ => Err(rejection),
                }
            }
        }
    }
}

/// The samples of the text format, for a decoder with a defect.
#[derive(Debug, Clone, Copy)]
pub struct BrokenSamples(pub DecoderDefect);

impl DecoderUnderTest for BrokenSamples {
    type Decoder = BrokenDecoder;

    fn decoder(&self) -> BrokenDecoder {
        BrokenDecoder::new(self.0)
    }

    fn partition(&self) -> Partition {
        TextSamples.partition()
    }

    fn changes(&self) -> Vec<(Message, Operation)> {
        TextSamples.changes()
    }

    fn skipped(&self) -> Vec<Message> {
        TextSamples.skipped()
    }

    fn malformed(&self) -> Vec<Message> {
        TextSamples.malformed()
    }
}
