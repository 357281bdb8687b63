//! What can happen to a pipeline, and a campaign of it drawn from a seed.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::draw::Draw;

/// The seed of the campaign that is played for every change of the code: of its faults, [`SHORT_FAULTS`] at
/// [`Tempo::Scaled`], the fewest kinds are missing among all seeds that were looked through.
pub const SHORT_SEED: u64 = 147_664_735;

/// How many faults that campaign has.
pub const SHORT_FAULTS: usize = 40;

/// Most pipelines that share the partitions at one time.
pub(crate) const MEMBERS_MAX: usize = 3;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A pipeline is killed with SIGKILL and started again.
    PipelineKilled,
    /// A pipeline is stopped with SIGSTOP for a while, often longer than its group waits for it.
    PipelineFrozen,
    /// A pipeline is asked to end with SIGTERM, and started again.
    PipelineStopped,
    /// Another number of pipelines shares the partitions.
    PipelinesRescaled,
    /// Pipelines are stopped with SIGSTOP while a transaction stands between compare-and-set and COMMIT.
    CommitClientFrozen,
    /// The server's process is stopped with SIGSTOP while its transaction stands there.
    CommitServerFrozen,
    /// Pipelines are killed while a transaction stands there.
    CommitClientKilled,
    /// The session is terminated while its transaction stands there.
    CommitSessionEnded,
    /// All sessions of the pipelines are terminated by the server.
    SessionsEnded,
    /// One session's process is killed with SIGKILL, upon which the server restarts all of them.
    SessionKilled,
    /// The warehouse restarts in order.
    WarehouseRestarted,
    /// The warehouse ends at once and recovers.
    WarehouseCrashed,
    /// All processes of the warehouse are killed with SIGKILL.
    WarehouseKilled,
    /// All processes of the warehouse are stopped with SIGSTOP for a while.
    WarehouseFrozen,
    /// All connections to the warehouse are closed.
    WarehouseCut,
    /// A connection to the warehouse is closed when COMMIT has passed, before its answer has.
    WarehouseCutAfterCommit,
    /// All connections to the warehouse stay open and carry nothing any more.
    WarehouseHalfOpen,
    /// The pipelines see their connections to the warehouse end, the warehouse does not.
    WarehouseOrphaned,
    /// All connections to the broker are closed.
    BrokerCut,
    /// All connections to the broker stay open and carry nothing any more.
    BrokerHalfOpen,
    /// The broker is killed with SIGKILL and started again.
    BrokerKilled,
    /// The broker restarts in order.
    BrokerRestarted,
    /// The broker is stopped with SIGSTOP for a while.
    BrokerFrozen,
    /// Connect is killed with SIGKILL and started again.
    ConnectKilled,
    /// Connect restarts in order.
    ConnectRestarted,
    /// Connect is stopped with SIGSTOP for a while.
    ConnectFrozen,
    /// All processes of the source are killed with SIGKILL.
    SourceKilled,
    /// The source restarts in order.
    SourceRestarted,
    /// All processes of the source are stopped with SIGSTOP for a while.
    SourceFrozen,
    /// The session that Debezium reads changes from is terminated.
    ReplicationEnded,
}

impl Kind {
    /// All kinds, each with how often it is drawn in a thousand.
    const WEIGHTS: [(Self, u64); 30] = [
        (Self::PipelineKilled, 130),
        (Self::PipelineFrozen, 90),
        (Self::PipelineStopped, 50),
        (Self::PipelinesRescaled, 75),
        (Self::CommitClientFrozen, 70),
        (Self::CommitServerFrozen, 50),
        (Self::CommitClientKilled, 40),
        (Self::CommitSessionEnded, 25),
        (Self::SessionsEnded, 80),
        (Self::SessionKilled, 20),
        (Self::WarehouseRestarted, 25),
        (Self::WarehouseCrashed, 35),
        (Self::WarehouseKilled, 20),
        (Self::WarehouseFrozen, 35),
        (Self::WarehouseCut, 60),
        (Self::WarehouseCutAfterCommit, 45),
        (Self::WarehouseHalfOpen, 25),
        (Self::WarehouseOrphaned, 25),
        (Self::BrokerCut, 30),
        (Self::BrokerHalfOpen, 10),
        (Self::BrokerKilled, 8),
        (Self::BrokerRestarted, 6),
        (Self::BrokerFrozen, 8),
        (Self::ConnectKilled, 8),
        (Self::ConnectRestarted, 6),
        (Self::ConnectFrozen, 8),
        (Self::SourceKilled, 10),
        (Self::SourceRestarted, 10),
        (Self::SourceFrozen, 10),
        (Self::ReplicationEnded, 16),
    ];

    fn draw(draw: &mut Draw) -> Self {
        let mut place = draw.below(Self::WEIGHTS.iter().map(|(_, weight)| weight).sum());
        for (kind, weight) in Self::WEIGHTS {
            match place.checked_sub(weight) {
                Some(rest) => place = rest,
                None => return kind,
            }
        }
        Self::PipelineKilled
    }

    /// All kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::WEIGHTS.into_iter().map(|(kind, _)| kind)
    }

    /// Whether the fault lasts until everything works again, because it is that which the pipeline has
    /// to notice by itself.
    pub(crate) fn lasts(self) -> bool {
        matches!(self, Self::WarehouseHalfOpen | Self::WarehouseOrphaned | Self::BrokerHalfOpen)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name of a variant in the words of a command line.
        let name = format!("{self:?}");
        for (index, letter) in name.char_indices() {
            if letter.is_ascii_uppercase() && index > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// One fault of a campaign. What is drawn is drawn before anything runs, so that a seed names the same
/// faults wherever it is played.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// What happens.
    pub(crate) kind: Kind,
    /// How long it goes on where it is not over at once: a freeze, the absence of a killed part.
    pub(crate) hold: Duration,
    /// A pause between the recovery from the fault before and this one, so that they meet every state.
    pub(crate) pause: Duration,
    /// Chooses among what there is when the fault strikes: a pipeline, their number, a session.
    pub(crate) choice: Draw,
}

/// How long faults last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tempo {
    /// For campaigns by hand: freezes of up to 4 s.
    Full,
    /// For every change of the code: freezes of up to 2.5 s.
    Scaled,
}

impl Tempo {
    fn longest_hold(self) -> u64 {
        match self {
            Self::Full => 4_000,
            Self::Scaled => 2_500,
        }
    }

    fn longest_pause(self) -> u64 {
        match self {
            Self::Full => 600,
            Self::Scaled => 200,
        }
    }
}

/// The faults of a seed.
pub(crate) fn campaign(draw: &mut Draw, faults: usize, tempo: Tempo) -> Vec<Fault> {
    (0..faults)
        .map(|_| {
            let kind = Kind::draw(draw);
            // Short ones are as interesting as long ones, and cost less time.
            let longest = tempo.longest_hold();
            let high = if draw.once_in(3) { longest } else { longest / 4 };
            Fault {
                kind,
                hold: draw.millis(0, high),
                pause: draw.millis(0, tempo.longest_pause()),
                choice: draw.fork(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn drawn(seed: u64) -> Vec<(Kind, Duration, Duration)> {
        let faults = campaign(&mut Draw::new(seed), 2_000, Tempo::Full);
        faults.into_iter().map(|fault| (fault.kind, fault.hold, fault.pause)).collect()
    }

    #[test]
    fn a_seed_names_the_same_faults_and_another_seed_others() {
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn every_kind_is_drawn() {
        let kinds: BTreeSet<Kind> = drawn(1).into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(kinds, Kind::all().collect());
    }

    /// One in thirty thousand million seeds has all of them.
    #[test]
    fn the_short_campaign_has_every_kind_but_one() {
        // As a campaign is played.
        let faults = campaign(&mut Draw::new(SHORT_SEED).fork(), SHORT_FAULTS, Tempo::Scaled);
        let kinds: BTreeSet<Kind> = faults.into_iter().map(|fault| fault.kind).collect();
        let missing: Vec<Kind> = Kind::all().filter(|kind| !kinds.contains(kind)).collect();
        assert_eq!(missing, [Kind::ConnectRestarted], "Connect is killed and frozen");
    }

    #[test]
    fn a_kind_has_its_name_in_words() {
        assert_eq!(Kind::WarehouseCutAfterCommit.to_string(), "warehouse cut after commit");
    }
}
