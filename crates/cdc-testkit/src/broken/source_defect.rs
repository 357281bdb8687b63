//! The ways in which a source can be wrong.

/// One way in which a source breaks its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceDefect {
    /// One record in the middle of a log is left out.
    SkipsARecord,
    /// Reading resumes one record late.
    ResumesAtPlusOne,
    /// One record is delivered again at the start of the next batch.
    RepeatsARecord,
    /// Records are delivered as soon as the partition is assigned.
    DeliversBeforeResume,
    /// Relinquished partitions go on.
    KeepsDeliveringAfterRelinquish,
    /// From the beginning means from the end.
    BeginsAtTheEnd,
    /// A resume point that the log lost is replaced by where the log begins.
    JumpsOverALostPosition,
    /// A log that was replaced is read as if it were the one before.
    IgnoresWhatIsRecalled,
    /// A recalled record that retention has removed counts as a log that was replaced.
    MissesWhatRetentionTook,
    /// That a partition caught up is never said.
    NeverCatchesUp,
    /// A partition is said to have caught up when it is resumed.
    CatchesUpTooEarly,
    /// Nothing is delivered of a partition once it has caught up.
    StopsWhenCaughtUp,
    /// What is delivered is not charged.
    IgnoresTheBudget,
    /// An event is taken from its place before the caller can have it.
    LosesWhatADroppedPollHad,
    /// What was acknowledged counts as read, and one more.
    SkipsWhatIsAcknowledged,
    /// Closing waits for ever.
    NeverCloses,
    /// A null value arrives as an empty one.
    MakesNullEmpty,
    /// Headers are lost.
    DropsHeaders,
    /// A header that somebody wrote counts as where the source stands.
    TakesHeadersForPlaces,
    /// Values end after some thousand bytes.
    CutsLargeValues,
    /// All partitions stop for good when some are revoked.
    StopsForRevocations,
    /// All partitions stop while an assignment waits.
    StopsForAssignments,
    /// Numbers of assignments begin again.
    ReusesNumbers,
    /// A rewind goes on from where reading was.
    IgnoresRewinds,
    /// Batches after a rewind carry the number from before.
    KeepsTheNumberOfARewind,
    /// A rewind of one partition rewinds all.
    RewindsEverything,
}

impl SourceDefect {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::SkipsARecord,
        Self::ResumesAtPlusOne,
        Self::RepeatsARecord,
        Self::DeliversBeforeResume,
        Self::KeepsDeliveringAfterRelinquish,
        Self::BeginsAtTheEnd,
        Self::JumpsOverALostPosition,
        Self::IgnoresWhatIsRecalled,
        Self::MissesWhatRetentionTook,
        Self::NeverCatchesUp,
        Self::CatchesUpTooEarly,
        Self::StopsWhenCaughtUp,
        Self::IgnoresTheBudget,
        Self::LosesWhatADroppedPollHad,
        Self::SkipsWhatIsAcknowledged,
        Self::NeverCloses,
        Self::MakesNullEmpty,
        Self::DropsHeaders,
        Self::TakesHeadersForPlaces,
        Self::CutsLargeValues,
        Self::StopsForRevocations,
        Self::StopsForAssignments,
        Self::ReusesNumbers,
        Self::IgnoresRewinds,
        Self::KeepsTheNumberOfARewind,
        Self::RewindsEverything,
    ];

    /// The case of [`conformance::source`](crate::conformance::source) that must catch it.
    pub fn case(self) -> &'static str {
        match self {
            Self::SkipsARecord | Self::RepeatsARecord => "batches_join_without_a_gap",
            Self::ResumesAtPlusOne => "starts_exactly_at_the_resume_point",
            Self::DeliversBeforeResume => "nothing_is_delivered_before_resume",
            Self::KeepsDeliveringAfterRelinquish => "a_relinquished_partition_is_silent",
            Self::BeginsAtTheEnd => "the_beginning_is_where_the_log_begins",
            Self::JumpsOverALostPosition => "a_resume_point_that_the_log_lost_is_fatal",
            Self::IgnoresWhatIsRecalled => "a_log_that_was_replaced_is_fatal",
            Self::MissesWhatRetentionTook => "a_log_that_is_known_again_is_read",
            Self::NeverCatchesUp | Self::CatchesUpTooEarly => "says_when_it_has_caught_up",
            Self::StopsWhenCaughtUp => "goes_on_after_catching_up",
            Self::IgnoresTheBudget => "the_budget_bounds_what_is_delivered",
            Self::LosesWhatADroppedPollHad => "a_dropped_poll_loses_nothing",
            Self::SkipsWhatIsAcknowledged => "acknowledging_loses_nothing",
            Self::NeverCloses => "closing_ends",
            Self::MakesNullEmpty | Self::DropsHeaders => "keys_values_and_headers_survive",
            Self::TakesHeadersForPlaces => "a_header_that_somebody_wrote_is_no_place",
            Self::CutsLargeValues => "large_records_arrive_whole",
            Self::StopsForRevocations => "others_go_on_after_partitions_left",
            Self::StopsForAssignments => "others_go_on_while_an_assignment_waits",
            Self::ReusesNumbers => "a_partition_that_returns_resumes_where_told",
            Self::IgnoresRewinds => "a_rewind_delivers_again_under_a_newer_number",
            Self::KeepsTheNumberOfARewind => "older_numbers_can_be_told_apart",
            Self::RewindsEverything => "a_rewind_leaves_other_partitions_alone",
        }
    }
}
