//! What every source must do: deliver everything it was asked for, in order, and nothing else.
//!
//! The suite writes to partitions `0..n` of a fresh log and expects the first entry of each at
//! offset 0 and the others right behind it, as a log without transactions numbers them. It plays
//! the engine: holds assignments and revocations as long as a case wants, checks on every event
//! that batches join and hold exactly what was written, and says so if not.
//!
//! Limits: that something does *not* happen is judged by waiting for
//! [`quiet`](SourceUnderTest::quiet); a source that reacts later than that is not caught.

mod content;
mod continuity;
mod delivery;
mod group;
mod reader;
mod rewinding;

use std::future::Future;
use std::time::Duration;

use cdc_core::{ByteBudget, NextOffset, Partition, Source};

use super::{Violation, judge};
use crate::LogMessage;

/// A source that is to be judged. Its own preparations panic when they fail.
pub trait SourceUnderTest {
    /// The source.
    type Source: Source;
    /// The log of one case, and whatever steers its group.
    type Place;

    /// A fresh log of this many empty partitions.
    fn create(&self, partitions: i32) -> impl Future<Output = Self::Place>;

    /// A source on that log, sole member of its group: it is given all partitions.
    fn start(&self, place: &Self::Place, budget: ByteBudget) -> impl Future<Output = Self::Source>;

    /// The partition with this number.
    fn partition(&self, place: &Self::Place, number: i32) -> Partition;

    /// Writes to the end of a partition; it is there when the future is done.
    fn append(
        &self,
        place: &Self::Place,
        partition: &Partition,
        messages: &[LogMessage<'_>],
    ) -> impl Future<Output = ()>;

    /// Lets a partition's log begin at this position, as retention does.
    fn forget_before(
        &self,
        place: &Self::Place,
        partition: &Partition,
        begins: NextOffset,
    ) -> impl Future<Output = ()>;

    /// Deletes the log and creates it again under its name, empty and beginning at offset 0.
    fn create_again(&self, place: &Self::Place) -> impl Future<Output = ()>;

    /// Sees to it that the source, which owns all partitions, is asked for at least one of them and
    /// keeps at least one, for example by another member that joins. Does not wait for it: the
    /// source is polled afterwards.
    fn revoke_some(&self, place: &mut Self::Place) -> impl Future<Output = ()>;

    /// Sees to it that everything taken by [`revoke_some`](Self::revoke_some) is given back. Does
    /// not wait for it either.
    fn give_back(&self, place: &mut Self::Place) -> impl Future<Output = ()>;

    /// How long to wait before "nothing came" is believed.
    fn quiet(&self) -> Duration {
        Duration::from_millis(500)
    }

    /// How long a single wait may take before it counts as hanging.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}

suite! { SourceUnderTest:
    /// Nothing of a partition is delivered before its assignment was handed back.
    delivery::nothing_is_delivered_before_resume;
    /// Batches of each partition join, and together hold every record once.
    delivery::batches_join_without_a_gap;
    /// The first batch starts at the resume point, and its first record stands there.
    delivery::starts_exactly_at_the_resume_point;
    /// From the beginning means from where the log begins now.
    delivery::the_beginning_is_where_the_log_begins;
    /// A resume point that the log has forgotten is fatal and names both positions.
    delivery::a_resume_point_that_the_log_lost_is_fatal;
    /// A log in which other records stand in the place of recalled ones is fatal, also when it holds the
    /// resume point.
    continuity::a_log_that_was_replaced_is_fatal;
    /// A log that still has a recalled record is read, also when it lost others to retention.
    continuity::a_log_that_is_known_again_is_read;
    /// Each partition is said to have caught up after its last record, an empty one too.
    delivery::says_when_it_has_caught_up;
    /// What is written later is delivered, and said to have caught up again.
    delivery::goes_on_after_catching_up;
    /// Records held by the caller bound what is delivered; releasing them lets it go on.
    delivery::the_budget_bounds_what_is_delivered;
    /// Dropping the wait for an event loses nothing.
    delivery::a_dropped_poll_loses_nothing;
    /// Acknowledging what was delivered changes nothing about what follows.
    delivery::acknowledging_loses_nothing;
    /// Closing ends, with assignments and revocations outstanding too, and gives memory back.
    delivery::closing_ends;
    /// Keys, values and headers arrive as they were written; null and empty stay apart.
    content::keys_values_and_headers_survive;
    /// A header with the name of a place is one like any other: only the source says where it stands.
    content::a_header_that_somebody_wrote_is_no_place;
    /// Large records arrive whole, those above the whole budget too.
    content::large_records_arrive_whole;
    /// After it was relinquished nothing of a partition is delivered.
    group::a_relinquished_partition_is_silent;
    /// The partitions that stay go on when others were relinquished, and miss nothing of before.
    group::others_go_on_after_partitions_left;
    /// A partition that returns has a newer number and resumes where it is told.
    group::a_partition_that_returns_resumes_where_told;
    /// While an assignment waits to be resumed the others go on.
    group::others_go_on_while_an_assignment_waits;
    /// After a rewind everything behind the point is delivered again, under a newer number.
    rewinding::a_rewind_delivers_again_under_a_newer_number;
    /// A rewind while records are under way: each batch tells by its number which side it is of.
    rewinding::older_numbers_can_be_told_apart;
    /// A rewind of one partition leaves the others alone.
    rewinding::a_rewind_leaves_other_partitions_alone;
}
