//! What every decoder must do: the same record, the same answer, and malformed bytes are a value.
//!
//! Limits: what a change *means* is the decoder's own business and its own tests'; the suite knows
//! only the operation that the adapter names. That no memory is allocated per row is not judged.

mod hostile;
mod sample;
mod steadiness;

use std::time::Duration;

use cdc_core::{Decoder, Operation, Partition};

use super::{Violation, judge};
pub use sample::{Message, TextSamples};

/// A word that every malformed sample contains and no rejection may repeat, because rejections
/// never carry values.
pub const MARKER: &str = "confidential";

/// A decoder that is to be judged.
pub trait DecoderUnderTest {
    /// The decoder.
    type Decoder: Decoder;

    /// A fresh decoder.
    fn decoder(&self) -> Self::Decoder;

    /// The partition that the samples come from.
    fn partition(&self) -> Partition;

    /// Messages that are changes, with their operation: at least one of each kind that the format
    /// has, and of different lengths.
    fn changes(&self) -> Vec<(Message, Operation)>;

    /// Messages that have no effect and are not wrong: tombstones, heartbeats.
    fn skipped(&self) -> Vec<Message>;

    /// Messages that must be rejected. Each has [`MARKER`] somewhere in its value.
    fn malformed(&self) -> Vec<Message>;

    /// How long decoding any one record may take; far more than it needs.
    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}

suite! { DecoderUnderTest:
    /// Each sample is a change with the operation that it was made with.
    steadiness::changes_have_their_operation;
    /// A record given again decodes to the same change.
    steadiness::a_record_given_again_is_the_same_change;
    /// What came before does not matter: a fresh decoder gives the same answers in any order.
    steadiness::answers_do_not_depend_on_what_came_before;
    /// The event carries the record it was decoded from.
    steadiness::an_event_carries_its_record;
    /// Rows of one sample have equal columns each time.
    steadiness::rows_that_look_alike_have_equal_shapes;
    /// Messages without effect are skipped, for the same reason each time.
    steadiness::messages_without_effect_are_skipped;
    /// Malformed messages are rejected, at the stage of decoding, with a reason.
    hostile::malformed_messages_are_rejected;
    /// A rejection never repeats what stood in the message.
    hostile::a_rejection_repeats_no_value;
    /// After a malformed message the next one decodes as ever.
    hostile::a_malformed_message_does_not_disturb_the_next;
    /// A message without key, value or both is an answer, not a panic.
    hostile::missing_parts_are_no_panic;
    /// A value cut off at any byte is an answer, and later records decode as ever.
    hostile::cut_values_are_no_panic;
    /// A value with any byte changed is an answer, and later records decode as ever.
    hostile::changed_bytes_are_no_panic;
    /// Noise, endless nesting and megabytes of nothing are rejected in bounded time.
    hostile::noise_is_rejected_in_time;
}
