//! The choices that make a protocol: the one that is built, and those that look as good.

use super::pair::Log;

/// A protocol, choice by choice. [`Design::default`] is the one that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Design {
    /// What is read.
    pub partitions: Partitions,
    /// How a change that the connector sends again is known.
    pub identity: Identity,
    /// What the compare-and-set of progress compares.
    pub compare: Compare,
    /// What the table itself refuses.
    pub rows: Rows,
    /// What is committed together.
    pub commit: Commit,
    /// What follows a commit without an answer, or a lost session.
    pub doubt: Doubt,
    /// Where reading starts.
    pub seek: Seek,
    /// When the offset is committed to the group.
    pub group_offset: GroupOffset,
    /// How a partition is taken over.
    pub acquire: Acquire,
    /// Which sessions of an owner the checkpoint row names.
    pub named: Named,
    /// What a clean hand-over leaves in the checkpoint row.
    pub release: Release,
    /// What a refused compare-and-set is followed by.
    pub refused: Refused,
}

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partitions {
    /// Both partitions.
    #[default]
    Both,
    /// The first alone: enough where a mutant goes wrong within one, and far fewer states.
    First,
}

impl Partitions {
    pub(super) fn contain(self, log: Log) -> bool {
        self == Self::Both || log == Log::One
    }
}

/// How a change that the connector sends again is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Identity {
    /// By all that stays the same when it is sent again; what was seen is kept with the checkpoint.
    #[default]
    Durable,
    /// The same, kept in memory alone.
    InMemory,
    /// `sequence[0]` is a part of it, which a connector fills in differently after its restart.
    WithSequence,
    /// By the LSN alone: rows of one COPY share it.
    LsnAlone,
    /// Not at all.
    Absent,
}

/// What the compare-and-set of progress compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compare {
    /// The epoch of the owner and the offset at which the batch begins.
    #[default]
    EpochAndOffset,
    /// The offset alone.
    Offset,
    /// The epoch alone.
    Epoch,
    /// Nothing: progress is set.
    Nothing,
}

/// What the table itself refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rows {
    /// Nothing.
    #[default]
    Plain,
    /// A second row of the same offset, which is left out.
    UniqueOffset,
}

/// What is committed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Commit {
    /// The rows and the progress of all partitions of a batch.
    #[default]
    Together,
    /// The rows first, then the progress.
    RowsFirst,
    /// All rows, and the progress of those partitions that still fit.
    WhatFits,
}

/// What follows a commit without an answer, or a lost session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Doubt {
    /// The partitions are acquired again, and the checkpoint says what became of the batch.
    #[default]
    ReadCheckpoint,
    /// The batch is sent again.
    SendAgain,
}

/// Where reading starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Seek {
    /// At the checkpoint in the warehouse.
    #[default]
    Warehouse,
    /// At the offset committed to the group.
    Group,
}

/// When the offset is committed to the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupOffset {
    /// Never. Where nobody reads it nothing depends on it, and leaving it out keeps the model small.
    #[default]
    Ignored,
    /// At any time after the batch has been applied.
    AfterApply,
    /// At any time after the batch has been read.
    BeforeApply,
}

/// How a partition is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acquire {
    /// The owner is read, its backend ended, then the epoch is raised if it is still the one that
    /// was read with the owner.
    #[default]
    EndThenRaise,
    /// The same, but the epoch is raised whatever it has become.
    RaiseAnyEpoch,
    /// The epoch is raised first, which answers whose backend to end.
    RaiseThenEnd,
    /// The epoch is raised, no backend is ended.
    RaiseOnly,
    /// The checkpoint is read along with the owner, before the epoch is raised.
    ReadThenRaise,
}

/// Which sessions of an owner the checkpoint row names, and its successor ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Named {
    /// All of them.
    #[default]
    All,
    /// The one that acquired; another one may write.
    One,
}

/// What a clean hand-over leaves in the checkpoint row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Release {
    /// No owner.
    #[default]
    ClearsOwner,
    /// The former owner.
    KeepsOwner,
}

/// What a refused compare-and-set is followed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Refused {
    /// Partitions that the group still gives to the worker are acquired again, others are dropped.
    #[default]
    AsksGroup,
    /// All are acquired again.
    TakesBack,
}

/// What becomes of a design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing bad can happen, and whatever has happened it can still finish.
    Sound,
    /// This can happen.
    Unsafe(Harm),
    /// Nothing bad can happen, but it can get where it never finishes.
    Stuck,
}

/// Something that must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// The effect of a change a second time.
    Duplicate,
    /// An effect without that of the change before it.
    Disorder,
    /// A change without effect behind the checkpoint.
    Loss,
    /// An effect that the checkpoint does not know of.
    Apart,
    /// The session of a healthy worker is ended by one that has nothing to take from it.
    Disturbance,
}

impl Harm {
    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Duplicate => "a change has its effect twice",
            Self::Disorder => "a change has its effect without the one before it",
            Self::Loss => "a change is lost",
            Self::Apart => "rows and checkpoint disagree",
            Self::Disturbance => "a healthy worker's session is ended",
        }
    }
}

/// A design under a name, and what must become of it.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// What is different from the design that is built.
    pub name: &'static str,
    /// The choices.
    pub design: Design,
    /// What must become of it.
    pub verdict: Verdict,
}

/// The design that is built, all choices of which are defaults.
const BUILT: Design = Design {
    partitions: Partitions::Both,
    identity: Identity::Durable,
    compare: Compare::EpochAndOffset,
    rows: Rows::Plain,
    commit: Commit::Together,
    doubt: Doubt::ReadCheckpoint,
    seek: Seek::Warehouse,
    group_offset: GroupOffset::Ignored,
    acquire: Acquire::EndThenRaise,
    named: Named::All,
    release: Release::ClearsOwner,
    refused: Refused::AsksGroup,
};

/// The same with one partition.
const SMALL: Design = Design { partitions: Partitions::First, ..BUILT };

const fn sound(name: &'static str, design: Design) -> Variant {
    Variant { name, design, verdict: Verdict::Sound }
}

const fn harmful(name: &'static str, harm: Harm, design: Design) -> Variant {
    Variant { name, design, verdict: Verdict::Unsafe(harm) }
}

const fn stuck(name: &'static str, design: Design) -> Variant {
    Variant { name, design, verdict: Verdict::Stuck }
}

/// The design that is built, harmless deviations from it, and every mutant.
pub const VARIANTS: [Variant; 26] = [
    sound("the design that is built", BUILT),
    sound(
        "the group's offset is committed before the batch is applied",
        Design { group_offset: GroupOffset::BeforeApply, ..SMALL },
    ),
    sound(
        "only the offset is compared, not the epoch",
        Design { compare: Compare::Offset, ..BUILT },
    ),
    sound(
        "only the epoch is compared, not the offset",
        Design { compare: Compare::Epoch, ..BUILT },
    ),
    harmful(
        "changes sent again are not recognised",
        Harm::Duplicate,
        Design { identity: Identity::Absent, ..SMALL },
    ),
    harmful(
        "a unique key on the offset instead of compare-and-set and identity",
        Harm::Duplicate,
        Design {
            identity: Identity::Absent,
            compare: Compare::Nothing,
            rows: Rows::UniqueOffset,
            ..SMALL
        },
    ),
    harmful(
        "`sequence[0]` is a part of the identity",
        Harm::Duplicate,
        Design { identity: Identity::WithSequence, ..SMALL },
    ),
    harmful(
        "what was seen is remembered in memory alone",
        Harm::Duplicate,
        Design { identity: Identity::InMemory, ..SMALL },
    ),
    harmful(
        "the LSN alone is the identity",
        Harm::Loss,
        Design { identity: Identity::LsnAlone, ..SMALL },
    ),
    harmful(
        "progress is set, not compared",
        Harm::Duplicate,
        Design { compare: Compare::Nothing, ..SMALL },
    ),
    harmful(
        "progress may go back, a unique key on the offset keeps rows single",
        Harm::Apart,
        Design { compare: Compare::Nothing, rows: Rows::UniqueOffset, ..SMALL },
    ),
    harmful(
        "a batch without an answer is sent again, and only the epoch is compared",
        Harm::Duplicate,
        Design { compare: Compare::Epoch, doubt: Doubt::SendAgain, ..SMALL },
    ),
    stuck(
        "a batch without an answer is sent again over a new session, progress is compared",
        Design { doubt: Doubt::SendAgain, ..SMALL },
    ),
    harmful(
        "rows and progress are two transactions",
        Harm::Duplicate,
        Design { commit: Commit::RowsFirst, ..SMALL },
    ),
    harmful(
        "partitions of a batch that fit move on without the others",
        Harm::Duplicate,
        Design { commit: Commit::WhatFits, ..BUILT },
    ),
    stuck(
        "reading starts at the group's offset",
        Design { seek: Seek::Group, group_offset: GroupOffset::AfterApply, ..SMALL },
    ),
    stuck(
        "reading starts at the group's offset, which is committed before the batch is applied",
        Design { seek: Seek::Group, group_offset: GroupOffset::BeforeApply, ..SMALL },
    ),
    harmful(
        "reading starts at the group's offset, progress is not compared",
        Harm::Duplicate,
        Design {
            seek: Seek::Group,
            compare: Compare::Nothing,
            group_offset: GroupOffset::AfterApply,
            ..SMALL
        },
    ),
    harmful(
        "reading starts at the group's offset, committed early; a unique key keeps rows single",
        Harm::Disorder,
        Design {
            seek: Seek::Group,
            compare: Compare::Nothing,
            rows: Rows::UniqueOffset,
            group_offset: GroupOffset::BeforeApply,
            ..SMALL
        },
    ),
    stuck(
        "the epoch is raised before the former owner's backend is ended",
        Design { acquire: Acquire::RaiseThenEnd, ..SMALL },
    ),
    stuck(
        "the former owner's backend is never ended",
        Design { acquire: Acquire::RaiseOnly, ..SMALL },
    ),
    stuck(
        "only one of an owner's two sessions is named and ended",
        Design { named: Named::One, ..SMALL },
    ),
    stuck(
        "the epoch is raised even if it has changed since the owner was read",
        Design { acquire: Acquire::RaiseAnyEpoch, ..SMALL },
    ),
    harmful(
        "the checkpoint is read before the epoch is raised, and only the epoch is compared",
        Harm::Duplicate,
        Design { acquire: Acquire::ReadThenRaise, compare: Compare::Epoch, ..SMALL },
    ),
    harmful(
        "a clean hand-over leaves the owner in the row, whose backend is then ended",
        Harm::Disturbance,
        Design { release: Release::KeepsOwner, ..BUILT },
    ),
    harmful(
        "a worker whose step was refused takes its partitions back without asking the group",
        Harm::Disturbance,
        Design { refused: Refused::TakesBack, ..SMALL },
    ),
];
