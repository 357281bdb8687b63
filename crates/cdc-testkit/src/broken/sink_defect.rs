//! The ways in which a sink can be wrong.

/// One way in which a sink breaks its contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkDefect {
    /// The last row of a batch is not stored.
    LosesTheLastRow,
    /// A batch that was applied is applied again instead of being refused.
    AppliesTwice,
    /// The checkpoint moves before the rows are known to be accepted.
    MovesTheCheckpointFirst,
    /// The rows of a batch are stored in reverse.
    ReordersAKey,
    /// A refused row is left out without a word.
    SwallowsAReject,
    /// Dead letters are not stored.
    DropsDeadLetters,
    /// Dead letters are stored before the batch is known to be accepted.
    KeepsDeadLettersOfARefusedBatch,
    /// A row that the server refuses is called a transient failure.
    CallsPoisonTransient,
    /// The record before the refused one is blamed.
    BlamesTheWrongRecord,
    /// Whoever has ever acquired a partition may write it.
    IgnoresTheEpoch,
    /// A partition is acquired when it is first written.
    WritesForeignPartitions,
    /// Rows before a refused one stay.
    KeepsRowsOfARefusedBatch,
    /// A lane is of no use after a row was refused.
    DiesOfPoison,
    /// A gap is skipped.
    JumpsOverGaps,
    /// A batch whose end is new is applied, whatever its start.
    AcceptsOverlaps,
    /// Partitions that fit advance even if another one of the batch does not.
    AdvancesPartitionsOneByOne,
    /// A batch without rows is not applied.
    IgnoresEmptyBatches,
    /// Progress ends behind the last record instead of at the range's end.
    CountsRecordsForProgress,
    /// Rows beyond the first thousand are lost.
    LosesTheRestOfLargeBatches,
    /// NULL is stored as empty text.
    StoresNullAsEmpty,
    /// Every partition is said to begin at the beginning.
    ForgetsWherePartitionsStand,
    /// A released partition can still be written.
    WritesAfterRelease,
    /// Releasing one partition releases all.
    ReleasesEverything,
    /// A lost session is opened again in silence.
    ReconnectsInSilence,
    /// The stager asks for a plan that it has.
    ForgetsPlans,
    /// The body keeps rows that were cleared.
    KeepsClearedRows,
    /// The body says that it takes one byte a row.
    UnderstatesItsSize,
    /// Rows can be seen as soon as they are prepared.
    ShowsPreparedRows,
    /// The second writer of a lane knows nothing of what the lane has acquired.
    SecondWriterOwnsNothing,
    /// A prepared batch is applied although the one in front of it is not.
    AppliesAPreparationOutOfTurn,
    /// Rows of an abandoned batch come with the next one.
    KeepsAbandonedRows,
    /// The rows that were prepared are applied instead of those of the batch that is given.
    AppliesThePreparedBatch,
    /// Rows before one that is refused while it is prepared come with the next batch.
    KeepsRowsOfARefusedPreparation,
    /// Whoever has prepared a batch may apply it, whoever owns the partition by then.
    TrustsAPreparation,
    /// What was prepared in a lost session is applied in a new one.
    RevivesALostPreparation,
    /// Where the source stood is not kept.
    LosesPlaces,
    /// Where the source stood is kept of batches that are refused, too.
    KeepsThePlaceOfARefusedBatch,
}

impl SinkDefect {
    /// All of them.
    pub const ALL: [Self; 37] = [
        Self::LosesTheLastRow,
        Self::AppliesTwice,
        Self::MovesTheCheckpointFirst,
        Self::ReordersAKey,
        Self::SwallowsAReject,
        Self::DropsDeadLetters,
        Self::KeepsDeadLettersOfARefusedBatch,
        Self::CallsPoisonTransient,
        Self::BlamesTheWrongRecord,
        Self::IgnoresTheEpoch,
        Self::WritesForeignPartitions,
        Self::KeepsRowsOfARefusedBatch,
        Self::DiesOfPoison,
        Self::JumpsOverGaps,
        Self::AcceptsOverlaps,
        Self::AdvancesPartitionsOneByOne,
        Self::IgnoresEmptyBatches,
        Self::CountsRecordsForProgress,
        Self::LosesTheRestOfLargeBatches,
        Self::StoresNullAsEmpty,
        Self::ForgetsWherePartitionsStand,
        Self::WritesAfterRelease,
        Self::ReleasesEverything,
        Self::ReconnectsInSilence,
        Self::ForgetsPlans,
        Self::KeepsClearedRows,
        Self::UnderstatesItsSize,
        Self::ShowsPreparedRows,
        Self::SecondWriterOwnsNothing,
        Self::AppliesAPreparationOutOfTurn,
        Self::KeepsAbandonedRows,
        Self::AppliesThePreparedBatch,
        Self::KeepsRowsOfARefusedPreparation,
        Self::TrustsAPreparation,
        Self::RevivesALostPreparation,
        Self::LosesPlaces,
        Self::KeepsThePlaceOfARefusedBatch,
    ];

    /// The case of [`conformance::sink`](crate::conformance::sink) that must catch it.
    pub fn case(self) -> &'static str {
        match self {
            Self::LosesTheLastRow => "applies_rows_and_progress_together",
            Self::AppliesTwice => "a_second_application_changes_nothing",
            Self::MovesTheCheckpointFirst | Self::KeepsRowsOfARefusedBatch => {
                "a_refused_batch_leaves_nothing"
            }
            Self::ReordersAKey => "the_order_of_a_key_is_kept",
            Self::SwallowsAReject | Self::CallsPoisonTransient | Self::BlamesTheWrongRecord => {
                "a_refusal_names_the_right_record_or_none"
            }
            Self::DropsDeadLetters => "dead_letters_come_with_their_batch",
            Self::KeepsDeadLettersOfARefusedBatch => "dead_letters_of_a_refused_batch_are_not_kept",
            Self::IgnoresTheEpoch => "refuses_a_batch_of_an_older_owner",
            Self::WritesForeignPartitions => "refuses_a_batch_of_a_partition_it_does_not_own",
            Self::DiesOfPoison => "neighbours_of_a_refused_record_are_applied",
            Self::JumpsOverGaps => "refuses_a_batch_that_leaves_a_gap",
            Self::AcceptsOverlaps => "refuses_a_batch_that_overlaps",
            Self::AdvancesPartitionsOneByOne => "several_partitions_advance_all_or_none",
            Self::IgnoresEmptyBatches => "skipped_records_alone_move_progress",
            Self::CountsRecordsForProgress => "progress_ends_where_the_range_ends",
            Self::LosesTheRestOfLargeBatches => "a_large_batch_arrives_whole",
            Self::StoresNullAsEmpty => "texts_and_operations_survive",
            Self::ForgetsWherePartitionsStand => "acquire_answers_where_partitions_stand",
            Self::WritesAfterRelease => "releases_cleanly",
            Self::ReleasesEverything => "a_release_leaves_other_partitions_alone",
            Self::ReconnectsInSilence => "after_a_lost_session_nothing_is_applied_before_acquire",
            Self::ForgetsPlans => "a_plan_is_needed_once_per_shape",
            Self::KeepsClearedRows => "a_cleared_body_gives_the_same_rows_again",
            Self::UnderstatesItsSize => "a_body_knows_its_size",
            Self::ShowsPreparedRows => "a_prepared_batch_is_not_visible_before_it_is_applied",
            Self::SecondWriterOwnsNothing => {
                "a_prepared_batch_is_applied_after_the_one_in_front_of_it"
            }
            Self::AppliesAPreparationOutOfTurn => {
                "a_prepared_batch_out_of_turn_is_refused_and_changes_nothing"
            }
            Self::KeepsAbandonedRows => {
                "an_abandoned_batch_leaves_nothing_and_can_be_applied_afterwards"
            }
            Self::AppliesThePreparedBatch => "another_batch_than_the_prepared_one_is_applied_alone",
            Self::KeepsRowsOfARefusedPreparation => {
                "a_refused_preparation_leaves_nothing_and_its_writer_usable"
            }
            Self::TrustsAPreparation => "a_prepared_batch_of_an_older_owner_is_refused",
            Self::RevivesALostPreparation => "a_prepared_batch_of_a_lost_session_is_not_applied",
            Self::LosesPlaces | Self::KeepsThePlaceOfARefusedBatch => {
                "the_place_of_the_last_record_comes_back"
            }
        }
    }
}
