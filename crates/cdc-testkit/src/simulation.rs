//! Histories by seed: what is written to the logs, what goes wrong, and who reads what when.
//!
//! A [`History`] is a pure function of its seed and holds no clock: what runs it decides how long a
//! step takes. The end of a history undoes all faults, so that everything written can be applied.
//!
//! ```
//! use cdc_testkit::simulation::History;
//!
//! assert_eq!(History::of(7), History::of(7));
//! assert_ne!(History::of(7), History::of(8));
//! ```

use cdc_core::Partition;

use crate::Fault;

/// One history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// How many partitions there are.
    pub partitions: usize,
    /// How many lanes each process has.
    pub lanes: usize,
    /// How many bytes each process may hold.
    pub budget: usize,
    /// What happens, in this order.
    pub steps: Vec<Step>,
}

/// One of the two processes of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Member {
    /// Reads everything at first.
    First,
    /// Reads nothing at first.
    Second,
}

impl Member {
    /// The one that this one is not.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Records are written to a partition.
    Append(usize, Vec<Option<String>>),
    /// The next applies have these faults.
    Faults(Vec<Fault>),
    /// A partition is taken from its owner, which gives it up first, and given to the other process.
    Move(usize),
    /// A partition is given to the other process although its owner has not given it up; the owner
    /// hears of it only later.
    Steal(usize),
    /// All former owners hear of what was taken from them.
    TellRobbed,
    /// All sessions are cut.
    CutSessions,
    /// Applies wait from now on.
    Hold,
    /// Applies wait no longer.
    LetGo,
    /// A process dies where it is, and another takes its place and what it read.
    Crash(Member),
    /// A process is asked to stop, finishes, and another takes its place and what it read.
    Restart(Member),
    /// Some batches are applied, or at least attempted, before it goes on.
    Progress(usize),
}

/// The log of a partition of a history.
///
/// # Panics
///
/// Never, for a partition of a history.
pub fn partition(number: usize) -> Partition {
    let number = i32::try_from(number).expect("a history has a few partitions");
    Partition::new("simulated", 0, number).expect("the name is valid")
}

/// Partitions of a history at most.
const PARTITIONS_MAX: usize = 4;

/// Steps of a history.
const STEPS: std::ops::Range<usize> = 12..30;

/// Keys of each partition: few, so that each has several changes.
const KEYS: usize = 5;

impl History {
    /// The history of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Random(seed);
        let partitions = 1 + random.below(PARTITIONS_MAX);
        let lanes = 1 + random.below(3);
        // Full batches are prepared behind one another; one that never fills takes what is there.
        let budget = match random.below(10) {
            0..=2 => 4 << 10,
            3..=6 => 12 << 10,
            _ => 1 << 20,
        };
        let mut writer = Writer { partitions, changes: 0 };
        let mut steps = vec![writer.append(&mut random)];
        let count = STEPS.start + random.below(STEPS.end - STEPS.start);
        while steps.len() < count {
            steps.push(writer.step(&mut random));
        }
        steps.extend([Step::LetGo, Step::TellRobbed]);
        Self { partitions, lanes, budget, steps }
    }
}

/// Draws steps.
struct Writer {
    partitions: usize,
    changes: usize,
}

impl Writer {
    fn step(&mut self, random: &mut Random) -> Step {
        let partition = random.below(self.partitions);
        let member = if random.chance(50) { Member::First } else { Member::Second };
        match random.below(20) {
            0..=5 => self.append(random),
            6..=8 => Step::Faults((0..=random.below(4)).map(|_| fault(random)).collect()),
            9 | 10 => Step::Move(partition),
            11 => Step::Steal(partition),
            12 => Step::TellRobbed,
            13 => Step::CutSessions,
            14 => Step::Hold,
            15 => Step::LetGo,
            16 => Step::Crash(member),
            17 => Step::Restart(member),
            _ => Step::Progress(1 + random.below(3)),
        }
    }

    fn append(&mut self, random: &mut Random) -> Step {
        let partition = random.below(self.partitions);
        let limit = if random.chance(20) { 60 } else { 12 };
        let count = 1 + random.below(limit);
        // Now and then everything is refused, as after a wrong change of the target.
        let refused = if random.chance(8) { 70 } else { 4 };
        let values = (0..count).map(|_| self.value(partition, refused, random)).collect();
        Step::Append(partition, values)
    }

    /// A record's value. A key lives in one partition.
    fn value(&mut self, partition: usize, refused: usize, random: &mut Random) -> Option<String> {
        self.changes += 1;
        let key = random.below(KEYS) * PARTITIONS_MAX + partition;
        if random.chance(refused) {
            let text = if random.chance(50) { "poison" } else { "curse" };
            return Some(format!("c {key} {text}"));
        }
        match random.below(20) {
            0 => None,
            1 => Some("what".to_owned()),
            2 => Some(format!("d {key}")),
            3..=9 => Some(format!("u {key} {}", self.changes)),
            // This very text is what another process applies when a fault lets it overtake.
            _ => Some(format!("c {key} row")),
        }
    }
}

fn fault(random: &mut Random) -> Fault {
    match random.below(6) {
        0 => Fault::None,
        1 => Fault::Busy,
        2 => Fault::LostBefore,
        3 | 4 => Fault::LostReply,
        _ => Fault::Overtaken,
    }
}

/// A stream of numbers by seed: `SplitMix64`, whose every seed is as good as any other.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a limit that is not zero.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a limit is small");
        usize::try_from(self.next() % limit).expect("it is below the limit")
    }

    /// Whether something that happens in so many of a hundred cases happens.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
