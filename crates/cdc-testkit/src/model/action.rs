//! What can happen in the model, one thing at a time.

use std::fmt;

use super::pair::{Log, Worker};

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// The group gives a partition to a worker.
    Assign(Worker, Log),
    /// The group takes one partition from a worker, which gives it up cleanly; others stay.
    HandOver(Worker, Log),
    /// The group has not heard of a worker for too long and gives its partitions away.
    Expel(Worker),
    /// An expelled worker hears of it: it rolls back and begins anew.
    Notice(Worker),
    /// A worker stops, and with it what it was saying to the server.
    Freeze(Worker),
    /// A frozen worker goes on where it was.
    Wake(Worker),
    /// A worker dies, and its session with it; another takes its place.
    Crash(Worker),
    /// A worker reads whose session owns a partition.
    ReadOwner(Worker, Log),
    /// A worker has the server end the session that it read. That is a signal: the session may
    /// still commit what has arrived.
    EndBackend(Worker, Log),
    /// A worker's session ends because it was told to.
    BackendEnds(Worker),
    /// A worker raises the epoch, which makes it the owner.
    RaiseEpoch(Worker, Log),
    /// The epoch is no longer what was read with the owner: from the beginning.
    FindEpochRaised(Worker, Log),
    /// A worker reads so many records of each partition and brings their rows in a transaction.
    Copy(Worker, u8, u8),
    /// A worker's rows are committed by themselves.
    CommitRows(Worker),
    /// The compare-and-set arrives and matches.
    CompareAndSet(Worker),
    /// The compare-and-set arrives and does not match: everything is rolled back.
    Refuse(Worker),
    /// COMMIT arrives, and its answer too.
    Commit(Worker),
    /// COMMIT arrives, and the session is lost before its answer.
    CommitUnanswered(Worker),
    /// The session is lost.
    Cut(Worker),
    /// A worker commits an offset to the group.
    CommitGroupOffset(Worker, Log),
}

impl Action {
    /// Whether it may be counted on. Faults may not, and neither may the help of chance: that a
    /// frozen worker wakes up, that a worker dies, or that the group moves partitions of workers that
    /// are well.
    pub(super) fn is_dependable(self, frozen: bool) -> bool {
        match self {
            Self::HandOver(..)
            | Self::Freeze(_)
            | Self::Wake(_)
            | Self::Crash(_)
            | Self::CommitUnanswered(_)
            | Self::Cut(_) => false,
            Self::Expel(_) => frozen,
            Self::Assign(..)
            | Self::Notice(_)
            | Self::ReadOwner(..)
            | Self::EndBackend(..)
            | Self::BackendEnds(_)
            | Self::RaiseEpoch(..)
            | Self::FindEpochRaised(..)
            | Self::Copy(..)
            | Self::CommitRows(_)
            | Self::CompareAndSet(_)
            | Self::Refuse(_)
            | Self::Commit(_)
            | Self::CommitGroupOffset(..) => true,
        }
    }

    /// What it is called, whoever does it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Assign(..) => "assign",
            Self::HandOver(..) => "hand over",
            Self::Expel(_) => "expel",
            Self::Notice(_) => "notice",
            Self::Freeze(_) => "freeze",
            Self::Wake(_) => "wake",
            Self::Crash(_) => "crash",
            Self::ReadOwner(..) => "read owner",
            Self::EndBackend(..) => "end backend",
            Self::BackendEnds(_) => "backend ends",
            Self::RaiseEpoch(..) => "raise epoch",
            Self::FindEpochRaised(..) => "find epoch raised",
            Self::Copy(..) => "copy",
            Self::CommitRows(_) => "commit rows",
            Self::CompareAndSet(_) => "compare and set",
            Self::Refuse(_) => "refuse",
            Self::Commit(_) => "commit",
            Self::CommitUnanswered(_) => "commit unanswered",
            Self::Cut(_) => "cut",
            Self::CommitGroupOffset(..) => "commit group offset",
        }
    }

    /// Who does it, or whom it happens to.
    pub(super) fn worker(self) -> Worker {
        match self {
            Self::Expel(worker)
            | Self::Notice(worker)
            | Self::Freeze(worker)
            | Self::Wake(worker)
            | Self::Crash(worker)
            | Self::BackendEnds(worker)
            | Self::Copy(worker, ..)
            | Self::CommitRows(worker)
            | Self::CompareAndSet(worker)
            | Self::Refuse(worker)
            | Self::Commit(worker)
            | Self::CommitUnanswered(worker)
            | Self::Cut(worker)
            | Self::Assign(worker, _)
            | Self::HandOver(worker, _)
            | Self::ReadOwner(worker, _)
            | Self::EndBackend(worker, _)
            | Self::RaiseEpoch(worker, _)
            | Self::FindEpochRaised(worker, _)
            | Self::CommitGroupOffset(worker, _) => worker,
        }
    }
}

fn number(log: Log) -> u8 {
    match log {
        Log::One => 1,
        Log::Two => 2,
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let worker = self.worker();
        match *self {
            Self::Assign(_, log) => write!(f, "partition {} to {worker:?}", number(log)),
            Self::HandOver(_, log) => write!(f, "{worker:?} hands partition {} over", number(log)),
            Self::Expel(_) => write!(f, "{worker:?} is expelled"),
            Self::Notice(_) => write!(f, "{worker:?} notices"),
            Self::Freeze(_) => write!(f, "{worker:?} freezes"),
            Self::Wake(_) => write!(f, "{worker:?} wakes up"),
            Self::Crash(_) => write!(f, "{worker:?} crashes"),
            Self::ReadOwner(_, log) => write!(f, "{worker:?} reads the owner of {}", number(log)),
            Self::EndBackend(..) => {
                write!(f, "{worker:?} has {:?}'s backend end", worker.other())
            }
            Self::BackendEnds(_) => write!(f, "{worker:?}'s backend ends"),
            Self::RaiseEpoch(_, log) => {
                write!(f, "{worker:?} raises the epoch of {}", number(log))
            }
            Self::FindEpochRaised(_, log) => {
                write!(f, "{worker:?} finds the epoch of {} raised", number(log))
            }
            Self::Copy(_, 0, 0) => write!(f, "{worker:?} copies the same again"),
            Self::Copy(_, one, 0) => write!(f, "{worker:?} copies {one} of 1"),
            Self::Copy(_, 0, two) => write!(f, "{worker:?} copies {two} of 2"),
            Self::Copy(_, one, two) => write!(f, "{worker:?} copies {one} of 1 and {two} of 2"),
            Self::CommitRows(_) => write!(f, "{worker:?} commits its rows"),
            Self::CompareAndSet(_) => write!(f, "{worker:?} compares and sets"),
            Self::Refuse(_) => write!(f, "{worker:?}'s step is refused"),
            Self::Commit(_) => write!(f, "{worker:?} commits"),
            Self::CommitUnanswered(_) => write!(f, "{worker:?} commits, the answer is lost"),
            Self::Cut(_) => write!(f, "{worker:?} loses its session"),
            Self::CommitGroupOffset(_, log) => {
                write!(f, "{worker:?} commits its offset of {} to the group", number(log))
            }
        }
    }
}
