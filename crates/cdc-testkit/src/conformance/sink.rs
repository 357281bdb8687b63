//! What every sink must do: rows, dead letters and progress together, once, by their owner alone.
//!
//! The suite speaks [text changes](crate::TextDecoder): rows of the columns `key` (64-bit integer)
//! and `text` (text, may be NULL) of the table with [`TableId`](cdc_core::TableId) 0, from partitions
//! 0 to 2 of the topic [`TOPIC`], generation 0. A sink with tables gets one table of two columns
//! that keeps every change (history), without a unique key.
//!
//! The cases about preparing take the second writer that the sink offers, and go on with one where it
//! offers none: a sink that prepares nothing passes them too.
//!
//! Limits: a COMMIT whose answer is lost needs a proxy or a script between sink and server, so it
//! is not a case here; what must hold around it (a second application changes nothing, acquire
//! tells the truth after a lost session) is.

mod lane;
mod ownership;
mod place;
mod preparation;
mod progress;
mod refusal;
mod staging;

use std::future::Future;
use std::time::Duration;

use cdc_core::{Checkpoint, Sink};

use super::{Violation, judge};
use crate::{StoredDeadLetter, StoredRow};

/// The topic that all records of the suite come from.
pub const TOPIC: &str = "conformance";

/// What a sink has made durable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Durable {
    /// All rows in the order in which they were stored. Take that order from the store (an identity
    /// column, the physical order), never from the offsets: it is what one case judges.
    pub rows: Vec<StoredRow>,
    /// Where each partition stands. Partitions without progress are left out.
    pub checkpoint: Checkpoint,
    /// All dead letters, in any order.
    pub dead_letters: Vec<StoredDeadLetter>,
}

/// A sink that is to be judged. Its own preparations panic when they fail.
pub trait SinkUnderTest {
    /// The sink.
    type Sink: Sink;
    /// Where the sink of one case works: a database, a folder.
    type Place;

    /// Opens a sink on a fresh, empty place that no other case uses.
    fn open(&self) -> impl Future<Output = (Self::Sink, Self::Place)>;

    /// What is durable there, read past the sink itself.
    fn durable(&self, place: &Self::Place) -> impl Future<Output = Durable>;

    /// Ends the sessions of all lanes that are open there, as a lost network does. Lanes find out
    /// when they next use them; new sessions can be opened at once.
    fn break_sessions(&self, place: &Self::Place) -> impl Future<Output = ()>;

    /// Texts that the server refuses a row for: by itself, while or after the rows are sent. One
    /// for each way of refusing, such as a check and a deferred trigger. Without any, the cases
    /// about refused rows prove nothing.
    fn refused_texts(&self) -> Vec<String>;

    /// How long a single wait may take before it counts as hanging.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}

suite! { SinkUnderTest:
    /// Rows are stored as they are, and the checkpoint moves to the end of the batch's range.
    progress::applies_rows_and_progress_together;
    /// Applying a batch that is applied already fails as indeterminate and stores nothing.
    progress::a_second_application_changes_nothing;
    /// A batch that starts behind the checkpoint's end plus something is refused.
    progress::refuses_a_batch_that_leaves_a_gap;
    /// A batch that starts before the checkpoint is refused, even if it ends after it.
    progress::refuses_a_batch_that_overlaps;
    /// Of a batch over several partitions either all advance or none.
    progress::several_partitions_advance_all_or_none;
    /// A batch of which every record was skipped stores no row and moves the checkpoint.
    progress::skipped_records_alone_move_progress;
    /// The checkpoint moves to the end of the range, which may lie behind the last record.
    progress::progress_ends_where_the_range_ends;
    /// A batch of some thousand rows is stored to the last one.
    progress::a_large_batch_arrives_whole;
    /// Changes of one key are stored in log order.
    progress::the_order_of_a_key_is_kept;
    /// Null, empty and unusual texts and every operation are told apart.
    progress::texts_and_operations_survive;
    /// A new partition begins at the beginning, an old one where it stands.
    ownership::acquire_answers_where_partitions_stand;
    /// After another lane has acquired, a batch of the former owner is refused.
    ownership::refuses_a_batch_of_an_older_owner;
    /// Nothing is applied to a partition that the lane has never acquired.
    ownership::refuses_a_batch_of_a_partition_it_does_not_own;
    /// After a release the next owner goes on, and the former one is refused.
    ownership::releases_cleanly;
    /// Releasing one partition leaves the others owned.
    ownership::a_release_leaves_other_partitions_alone;
    /// After a lost session nothing is applied until the lane has acquired again.
    ownership::after_a_lost_session_nothing_is_applied_before_acquire;
    /// The place of the last record that was applied comes back with its witness; none of a batch that was
    /// not applied does.
    place::the_place_of_the_last_record_comes_back;
    /// Dead letters are stored with the batch, with the record's bytes.
    refusal::dead_letters_come_with_their_batch;
    /// Dead letters of a batch that is not applied are not stored.
    refusal::dead_letters_of_a_refused_batch_are_not_kept;
    /// A batch that the server refuses leaves no row, no dead letter and no progress.
    refusal::a_refused_batch_leaves_nothing;
    /// The refused record is named rightly, or it is said that it is unknown.
    refusal::a_refusal_names_the_right_record_or_none;
    /// Without the refused record its neighbours are applied, in the same session.
    refusal::neighbours_of_a_refused_record_are_applied;
    /// What is prepared shows nowhere until it is applied.
    preparation::a_prepared_batch_is_not_visible_before_it_is_applied;
    /// Two writers take batches in turn, each preparing its next one before the other has applied.
    preparation::a_prepared_batch_is_applied_after_the_one_in_front_of_it;
    /// A prepared batch that is applied before the one in front is refused, and has its turn later.
    preparation::a_prepared_batch_out_of_turn_is_refused_and_changes_nothing;
    /// An abandoned batch leaves nothing, neither at once nor with the next one, and can be applied.
    preparation::an_abandoned_batch_leaves_nothing_and_can_be_applied_afterwards;
    /// A batch that is applied although another one was prepared comes without that one.
    preparation::another_batch_than_the_prepared_one_is_applied_alone;
    /// A batch that is refused when it is prepared leaves nothing, and its writer goes on.
    preparation::a_refused_preparation_leaves_nothing_and_its_writer_usable;
    /// Preparing proves no ownership: a partition that was taken over meanwhile is not written.
    preparation::a_prepared_batch_of_an_older_owner_is_refused;
    /// What was prepared in a session that was lost is not applied.
    preparation::a_prepared_batch_of_a_lost_session_is_not_applied;
    /// An unknown shape needs a plan and leaves the body alone; an adopted plan is enough.
    staging::a_plan_is_needed_once_per_shape;
    /// A body that was cleared and filled again gives the same rows, once.
    staging::a_cleared_body_gives_the_same_rows_again;
    /// The body's size grows with its rows.
    staging::a_body_knows_its_size;
}
