//! What there is in the model, in few enough bits to keep every state that can come about.

use super::design::Partitions;
use super::pair::{Log, Pair, Worker};

/// Warehouse, group and both workers at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    pub(super) logs: Pair<Shared>,
    pub(super) workers: Pair<Process>,
}

/// What everybody can see of a partition: the warehouse's row, its data, and the group's view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shared {
    /// The checkpoint's next offset.
    pub(super) next: u8,
    /// The changes that have had their effect, one bit each.
    pub(super) effects: u8,
    /// Whose session the checkpoint row names. A session that has ended is as good as none.
    pub(super) owner: Option<Worker>,
    /// Whom the group has given the partition to.
    pub(super) member: Option<Worker>,
    /// The offset committed to the group.
    pub(super) committed: u8,
}

/// A process of the pipeline: what it remembers, and what its session is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "bits of the state, each independent of the others"
)]
pub(super) struct Process {
    /// It is stopped, and its session with it; the server waits.
    pub(super) frozen: bool,
    /// The group has given its partitions away and it does not know yet.
    pub(super) expelled: bool,
    /// Its session was told to end, and will before long.
    pub(super) doomed: bool,
    /// Its transaction is in another session than the one that the checkpoint row names.
    pub(super) aside: bool,
    /// A refused compare-and-set has told it that it is not a partition's owner any more.
    pub(super) told: bool,
    pub(super) doing: Doing,
    pub(super) holds: Pair<Hold>,
}

/// What a process is in the middle of. A lane does one thing after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Doing {
    #[default]
    Nothing,
    /// It has read that the other worker's session owns the partition, and is about to end it.
    EndingBackend(Log),
    /// It is about to raise the epoch.
    Raising(Log),
    /// The rows of its batches are in an open transaction, where they block the same rows of others.
    Copied,
    /// The compare-and-set has matched as well, and holds the checkpoint rows; COMMIT is to come.
    Matched,
    /// Rows are committed and the checkpoint is to follow in another transaction: a wrong design.
    RowsCommitted,
}

/// What a worker believes about a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "bits of the state, each independent of the others"
)]
pub(super) struct Hold {
    pub(super) standing: Standing,
    /// The epoch in the row is the one it read or set.
    pub(super) current: bool,
    /// Where it reads on, and where its batch begins.
    pub(super) from: u8,
    /// Where its batch ends.
    pub(super) until: u8,
    /// It has read change 1 itself; of interest only when nothing else remembers.
    pub(super) saw_first: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Standing {
    #[default]
    Foreign,
    /// Given by the group, or in doubt: to be acquired.
    Assigned,
    Owned,
}

impl Hold {
    /// Whether there are records that are read and not known to be applied.
    pub(super) fn has_batch(self) -> bool {
        self.from < self.until
    }
}

impl Process {
    /// Whether its session has a transaction open that touches a partition's rows.
    pub(super) fn blocks_rows(self, log: Log) -> bool {
        matches!(self.doing, Doing::Copied | Doing::Matched) && self.writes(log)
    }

    /// Whether its session holds a partition's checkpoint row.
    pub(super) fn blocks_checkpoint(self, log: Log) -> bool {
        self.doing == Doing::Matched && self.writes(log)
    }

    /// Whether its next transaction is about a partition.
    pub(super) fn writes(self, log: Log) -> bool {
        let hold = self.holds.of(log);
        hold.standing == Standing::Owned && hold.has_batch()
    }
}

/// A number in few bits, growing from the low end.
#[derive(Default)]
struct Bits {
    bits: u128,
    width: u32,
}

impl Bits {
    fn push(&mut self, width: u32, value: u8) {
        self.bits |= u128::from(value) << self.width;
        self.width += width;
    }

    fn pop(&mut self, width: u32) -> u8 {
        let low = self.bits & ((1 << width) - 1);
        self.bits >>= width;
        u8::try_from(low).expect("no field is wider than a byte")
    }
}

fn number_of(worker: Option<Worker>) -> u8 {
    match worker {
        None => 0,
        Some(Worker::A) => 1,
        Some(Worker::B) => 2,
    }
}

fn worker_of(number: u8) -> Option<Worker> {
    match number {
        0 => None,
        1 => Some(Worker::A),
        _ => Some(Worker::B),
    }
}

impl Doing {
    fn number(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::EndingBackend(Log::One) => 1,
            Self::EndingBackend(Log::Two) => 2,
            Self::Raising(Log::One) => 3,
            Self::Raising(Log::Two) => 4,
            Self::Copied => 5,
            Self::Matched => 6,
            Self::RowsCommitted => 7,
        }
    }

    fn of(number: u8) -> Self {
        match number {
            0 => Self::Nothing,
            1 => Self::EndingBackend(Log::One),
            2 => Self::EndingBackend(Log::Two),
            3 => Self::Raising(Log::One),
            4 => Self::Raising(Log::Two),
            5 => Self::Copied,
            6 => Self::Matched,
            _ => Self::RowsCommitted,
        }
    }
}

impl Standing {
    fn number(self) -> u8 {
        match self {
            Self::Foreign => 0,
            Self::Assigned => 1,
            Self::Owned => 2,
        }
    }

    fn of(number: u8) -> Self {
        match number {
            0 => Self::Foreign,
            1 => Self::Assigned,
            _ => Self::Owned,
        }
    }
}

impl State {
    /// The state as a number.
    pub(super) fn pack(&self) -> u128 {
        let mut bits = Bits::default();
        for log in Log::BOTH {
            let shared = self.logs.of(log);
            bits.push(2, shared.next);
            bits.push(2, shared.effects);
            bits.push(2, number_of(shared.owner));
            bits.push(2, number_of(shared.member));
            bits.push(2, shared.committed);
        }
        for worker in Worker::BOTH {
            let process = self.workers.of(worker);
            let flags = [process.frozen, process.expelled, process.doomed, process.aside];
            for flag in flags.into_iter().chain([process.told]) {
                bits.push(1, u8::from(flag));
            }
            bits.push(3, process.doing.number());
            for log in Log::BOTH {
                let hold = process.holds.of(log);
                bits.push(2, hold.standing.number());
                bits.push(1, u8::from(hold.current));
                bits.push(2, hold.from);
                bits.push(2, hold.until);
                bits.push(1, u8::from(hold.saw_first));
            }
        }
        bits.bits
    }

    /// The state of a number.
    pub(super) fn unpack(packed: u128) -> Self {
        let mut bits = Bits { bits: packed, width: 0 };
        let mut state = Self::default();
        for log in Log::BOTH {
            *state.logs.at(log) = Shared {
                next: bits.pop(2),
                effects: bits.pop(2),
                owner: worker_of(bits.pop(2)),
                member: worker_of(bits.pop(2)),
                committed: bits.pop(2),
            };
        }
        for worker in Worker::BOTH {
            let process = state.workers.at(worker);
            process.frozen = bits.pop(1) == 1;
            process.expelled = bits.pop(1) == 1;
            process.doomed = bits.pop(1) == 1;
            process.aside = bits.pop(1) == 1;
            process.told = bits.pop(1) == 1;
            process.doing = Doing::of(bits.pop(3));
            for log in Log::BOTH {
                *process.holds.at(log) = Hold {
                    standing: Standing::of(bits.pop(2)),
                    current: bits.pop(1) == 1,
                    from: bits.pop(2),
                    until: bits.pop(2),
                    saw_first: bits.pop(1) == 1,
                };
            }
        }
        state
    }

    /// The number of this state or of its mirror image, in which the workers have changed places:
    /// what can come of one can come of the other.
    pub(super) fn canonical(&self) -> u128 {
        self.pack().min(self.swapped().pack())
    }

    fn swapped(&self) -> Self {
        let mut state = *self;
        std::mem::swap(&mut state.workers.first, &mut state.workers.second);
        for log in Log::BOTH {
            let shared = state.logs.at(log);
            shared.owner = shared.owner.map(Worker::other);
            shared.member = shared.member.map(Worker::other);
        }
        state
    }

    /// Whether everything is applied.
    pub(super) fn is_done(&self, partitions: Partitions) -> bool {
        let mut read = Log::BOTH.into_iter().filter(|log| partitions.contain(*log));
        read.all(|log| self.logs.of(log).next == log.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_packing_and_its_mirror_image_has_the_same_number() {
        let mut state = State::default();
        *state.logs.at(Log::Two) = Shared {
            next: 1,
            effects: 1,
            owner: Some(Worker::B),
            member: Some(Worker::A),
            committed: 1,
        };
        let process = state.workers.at(Worker::B);
        process.frozen = true;
        process.told = true;
        process.doing = Doing::Raising(Log::Two);
        *process.holds.at(Log::One) =
            Hold { standing: Standing::Owned, current: true, from: 1, until: 3, saw_first: true };
        assert_eq!(State::unpack(state.pack()), state);
        assert_ne!(state.swapped(), state);
        assert_eq!(state.swapped().canonical(), state.canonical());
        assert_eq!(state.swapped().swapped(), state);
    }

    #[test]
    fn every_doing_has_a_number_of_its_own() {
        for number in 0..=7 {
            assert_eq!(Doing::of(number).number(), number);
        }
    }
}
