//! What campaigns came to, as a page for people and as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use cdc_stack::machine::{Machine, commit};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::{Campaign, Invariant, Kind, Met, Struck, Tempo};

/// Where and on what campaigns were played.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setting {
    /// When the first one began, UTC.
    pub began: String,
    /// The commit that the program under test was built from, and whether that is all that is to be said.
    pub commit: String,
    /// On what.
    #[serde(flatten)]
    pub machine: Machine,
    /// How long faults last.
    pub tempo: Tempo,
    /// The words that play them again.
    pub command: String,
}

impl Setting {
    /// This machine, now, and a program as [`tested`] describes it.
    pub fn of(tempo: Tempo, command: String, tested: String) -> Self {
        Self { began: now(), commit: tested, machine: Machine::here(), tempo, command }
    }
}

/// The commit that a pipeline was built from, by its own word, beside what the work tree says.
///
/// # Errors
///
/// When it does not say its version.
pub fn tested(pipeline: &Path) -> Result<String> {
    let output = Command::new(pipeline).arg("--version").output();
    let output = output.with_context(|| format!("cannot start {}", pipeline.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let built = built_from(&said).with_context(|| {
        format!("{} --version names no commit: {}", pipeline.display(), said.trim())
    })?;
    Ok(described(built, &commit()))
}

/// The commit in a program's version.
fn built_from(version: &str) -> Option<&str> {
    let (_, commit) = version.trim().strip_suffix(')')?.rsplit_once('(')?;
    Some(commit)
}

/// `here` is the commit of the work tree, with a `+` when files of programs differ from it.
fn described(built: &str, here: &str) -> String {
    let tree = here.strip_suffix('+').unwrap_or(here);
    // Abbreviations may be of different lengths.
    if !(tree.starts_with(built) || built.starts_with(tree)) {
        return format!("{built}, while the work tree is at {here}");
    }
    let changes = if tree == here { "" } else { " with local changes" };
    format!("{built}{changes}")
}

/// The present time, UTC, to the second.
pub fn now() -> String {
    let now = OffsetDateTime::now_utc();
    now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default()
}

/// Campaigns with where they were played.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Where.
    pub setting: Setting,
    /// Those that are over.
    pub campaigns: Vec<Campaign>,
}

impl Report {
    /// Takes the campaigns of another run in, with the words that played them.
    ///
    /// # Errors
    ///
    /// When it was about another commit or had another tempo: one page would speak for both.
    pub fn join(&mut self, other: Self) -> Result<()> {
        let (ours, theirs) = (&self.setting, &other.setting);
        let (is_one_commit, is_one_tempo) =
            (ours.commit == theirs.commit, ours.tempo == theirs.tempo);
        ensure!(is_one_commit, "it is about commit {}, not {}", theirs.commit, ours.commit);
        ensure!(is_one_tempo, "its tempo is {:?}, not {:?}", theirs.tempo, ours.tempo);
        self.setting.command = format!("{}`, `{}", self.setting.command, other.setting.command);
        self.campaigns.extend(other.campaigns);
        Ok(())
    }

    /// How many violations there are in all.
    pub fn violations(&self) -> usize {
        self.campaigns.iter().map(|campaign| campaign.violations.len()).sum()
    }

    /// The last line of a run.
    pub fn last_line(&self) -> String {
        let faults = self.faults().filter(|fault| fault.has_struck()).count();
        let seeds: Vec<u64> = self.campaigns.iter().map(|campaign| campaign.seed).collect();
        let follow = seeds.windows(2).all(|two| matches!(two, [a, b] if a + 1 == *b));
        let seeds = match seeds.as_slice() {
            [] => "no seed".to_owned(),
            [one] => format!("seed {one}"),
            [first, .., last] if follow => format!("seeds {first} to {last}"),
            several => {
                let several: Vec<String> = several.iter().map(u64::to_string).collect();
                format!("seeds {}", several.join(", "))
            }
        };
        format!("chaos: {seeds}, {faults} faults, {} violations", self.violations())
    }

    /// The page for people.
    pub fn markdown(&self) -> String {
        let mut page = String::from(INTRODUCTION);
        // Writing into a text does not fail.
        self.setting(&mut page).ok();
        self.campaigns(&mut page).ok();
        self.kinds(&mut page).ok();
        self.verdict(&mut page).ok();
        page
    }

    fn faults(&self) -> impl Iterator<Item = &Struck> + Clone {
        self.campaigns.iter().flat_map(|campaign| &campaign.faults)
    }

    fn setting(&self, page: &mut String) -> std::fmt::Result {
        let Setting { began, commit, machine, tempo, command } = &self.setting;
        let Machine { processor, cores, memory_mib, kernel } = machine;
        let tempo = match tempo {
            Tempo::Full => "up to 4 s",
            Tempo::Scaled => "up to 2.5 s",
        };
        writeln!(page, "## Where\n\n| | |\n|---|---|")?;
        writeln!(page, "| command | `{command}` |\n| begun | {began} |\n| commit | {commit} |")?;
        writeln!(page, "| machine | {processor}, {cores} cores, {memory_mib} MiB |")?;
        writeln!(page, "| kernel | {kernel} |\n| freezes | {tempo} |\n")
    }

    fn campaigns(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "## Campaigns\n")?;
        writeln!(
            page,
            "| seed | faults | minutes | changes of each table | records | sent again and skipped | \
             dead letters | violations |\n|---:|---:|---:|---:|---:|---:|---:|---:|"
        )?;
        for Campaign { seed, faults, traffic, seconds, violations } in &self.campaigns {
            let minutes = format!("{}:{:02}", seconds / 60, seconds % 60);
            let met = faults.iter().filter(|fault| fault.has_struck()).count();
            writeln!(
                page,
                "| {seed} | {met} | {minutes} | {} | {} | {} | {} | {} |",
                traffic.changes,
                traffic.records,
                traffic.sent_again,
                traffic.dead_letters,
                violations.len()
            )?;
        }
        let restarts: u32 = self.campaigns.iter().map(|it| it.traffic.capture_restarts).sum();
        writeln!(
            page,
            "\nThe connector failed and was restarted, as an operator would, {restarts} times. No \
             pipeline was started again but those that a fault had killed or stopped: one that ends by \
             itself is a violation of I13.\n"
        )
    }

    fn kinds(&self, page: &mut String) -> std::fmt::Result {
        let mut by_kind: BTreeMap<Kind, Vec<u64>> = BTreeMap::new();
        for fault in self.faults().filter(|fault| fault.has_struck()) {
            by_kind.entry(fault.kind).or_default().push(fault.recovered_ms);
        }
        writeln!(
            page,
            "## Faults\n\nRecovered is the time from the end of a fault to the arrival of changes made \
             after it, in both tables and from every partition. A fault that lasts until the pipeline \
             notices it (half-open, orphaned) counts from its beginning.\n"
        )?;
        writeln!(page, "| fault | times | recovered, median | longest |\n|---|---:|---:|---:|")?;
        let mut all = Vec::new();
        for (kind, times) in &mut by_kind {
            times.sort_unstable();
            all.extend_from_slice(times);
            writeln!(page, "| {kind} | {}", row(times))?;
        }
        all.sort_unstable();
        writeln!(page, "| **all** | {}", row(&all))?;
        let missing: Vec<String> = Kind::all()
            .filter(|kind| !by_kind.contains_key(kind))
            .map(|kind| kind.to_string())
            .collect();
        if !missing.is_empty() {
            writeln!(page, "\nNone of these: {}.", missing.join(", "))?;
        }
        let missed = self.faults().filter(|fault| !fault.has_struck()).count();
        if missed > 0 {
            writeln!(
                page,
                "\n{missed} more faults met nobody and are not counted: no batch came within their \
                 time, or what they strike was not there."
            )?;
        }
        let in_commit = self.faults().filter(|fault| fault.met == Met::Window);
        let frozen = in_commit.clone().filter(|fault| {
            matches!(
                fault.kind,
                Kind::CommitClientFrozen | Kind::CommitServerFrozen | Kind::PipelineFrozen
            )
        });
        let random = self.faults().filter(|fault| fault.kind == Kind::PipelineFrozen);
        writeln!(
            page,
            "\n**Between compare-and-set and COMMIT**: {} faults met a transaction there, by the lock \
             that it held on the checkpoint's row; {} of them were freezes. Of {} freezes at random \
             moments {} met that window and {} an open transaction: the two statements travel in one \
             message, so the others were made by holding batches there.\n",
            in_commit.count(),
            frozen.count(),
            random.clone().count(),
            random.clone().filter(|fault| fault.met == Met::Window).count(),
            random.filter(|fault| matches!(fault.met, Met::Window | Met::Transaction)).count(),
        )
    }

    fn verdict(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "## Invariants\n\n| | invariant | violations |\n|---|---|---:|")?;
        for (invariant, number) in Invariant::ALL {
            let found = self.campaigns.iter().flat_map(|campaign| &campaign.violations);
            let count = found.filter(|violation| violation.invariant == invariant).count();
            writeln!(page, "| {number} | {invariant:?} | {count} |")?;
        }
        writeln!(page)?;
        for campaign in &self.campaigns {
            for violation in &campaign.violations {
                writeln!(page, "- seed {}: {violation}", campaign.seed)?;
            }
        }
        writeln!(page, "\n`{}`", self.last_line())
    }
}

/// Count, median and maximum of sorted times.
fn row(times: &[u64]) -> String {
    let seconds = |millis: Option<&u64>| {
        let millis = millis.copied().unwrap_or_default();
        format!("{}.{:02} s", millis / 1_000, millis % 1_000 / 10)
    };
    let median = seconds(times.get(times.len() / 2));
    format!("{} | {median} | {} |", times.len(), seconds(times.last()))
}

const INTRODUCTION: &str = "\
# Campaigns of faults

This page is written by the command below. Each campaign starts PostgreSQL as source and as warehouse, Kafka, Connect
with Debezium, and one to three pipelines that share six partitions, changes two tables without a pause, and lets faults
strike one after the other, drawn from its seed. Then an oracle compares what the source committed, what stands in the
log and what the warehouse holds: `crates/cdc-chaos` says how. `just chaos --seed 7 --faults 100` plays one.

Waits are scaled so that a fault takes seconds: a group waits 2 s for a silent member (10 s by default), a request to the
broker 3 s (20 s), a batch 5 s (10 min), an idle transaction 5 s (1 min). Neither server waits for the disk: what is
killed are processes, not machines.

";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Traffic, Violation};

    fn report(violations: Vec<Violation>) -> Report {
        let fault = |number, recovered_ms, met| Struck {
            number,
            kind: Kind::CommitClientFrozen,
            detail: String::new(),
            met,
            recovered_ms,
        };
        let campaign = |seed, violations| Campaign {
            seed,
            faults: vec![fault(1, 1_500, Met::Window), fault(2, 250, Met::Nothing)],
            traffic: Traffic::default(),
            seconds: 61,
            violations,
        };
        let command = "chaos --seed 7".to_owned();
        let setting = Setting::of(Tempo::Full, command, "abc1234".to_owned());
        Report { setting, campaigns: vec![campaign(7, Vec::new()), campaign(8, violations)] }
    }

    #[test]
    fn the_last_line_names_seeds_faults_and_violations() {
        assert_eq!(report(Vec::new()).last_line(), "chaos: seeds 7 to 8, 4 faults, 0 violations");
        let mut one = report(Vec::new());
        one.campaigns.truncate(1);
        let mut apart = report(Vec::new());
        apart.campaigns.iter_mut().for_each(|campaign| campaign.seed *= 2);
        assert_eq!(apart.last_line(), "chaos: seeds 14, 16, 4 faults, 0 violations");
        assert_eq!(one.last_line(), "chaos: seed 7, 2 faults, 0 violations");
    }

    #[test]
    fn a_fault_that_met_nobody_is_told_and_not_counted() {
        let mut missed = report(Vec::new());
        missed.campaigns.truncate(1);
        missed.campaigns[0].faults[1].met = Met::Nobody;
        assert_eq!(missed.last_line(), "chaos: seed 7, 1 faults, 0 violations");
        let page = missed.markdown();
        assert!(page.contains("| 7 | 1 | 1:01 |"), "{page}");
        assert!(page.contains("| commit client frozen | 1 | 1.50 s | 1.50 s |"), "{page}");
        assert!(page.contains("1 more faults met nobody"), "{page}");
    }

    #[test]
    fn the_program_under_test_is_named_by_what_it_was_built_from() {
        assert_eq!(described("abc1234", "abc1234"), "abc1234");
        assert_eq!(described("abc1234", "abc1234+"), "abc1234 with local changes");
        assert_eq!(described("abc1234", "abc12345+"), "abc1234 with local changes");
        let later = "abc1234, while the work tree is at def5678";
        assert_eq!(described("abc1234", "def5678"), later);
        assert_eq!(described("unknown", "unknown"), "unknown");
        assert!(report(Vec::new()).markdown().contains("| commit | abc1234 |"));
        assert_eq!(built_from("cdc-pipeline 0.1.0 (abc1234)\n"), Some("abc1234"));
        assert_eq!(built_from("cdc-pipeline 0.1.0\n"), None);
    }

    #[test]
    fn campaigns_of_another_commit_or_tempo_are_not_joined() {
        let (mut one, mut other) = (report(Vec::new()), report(Vec::new()));
        other.setting.commit = "another".to_owned();
        let refused = one.join(other.clone()).unwrap_err().to_string();
        assert!(refused.starts_with("it is about commit another, not "), "{refused}");
        other.setting = Setting { tempo: Tempo::Scaled, ..one.setting.clone() };
        assert_eq!(
            one.join(other.clone()).unwrap_err().to_string(),
            "its tempo is Scaled, not Full"
        );
        other.setting.tempo = Tempo::Full;
        one.join(other).unwrap();
        assert_eq!(one.campaigns.len(), 4);
    }

    #[test]
    fn the_page_counts_windows_and_lists_each_violation() {
        let violation = Violation { invariant: Invariant::NoLoss, place: "here".to_owned() };
        let page = report(vec![violation]).markdown();
        assert!(page.contains("| commit client frozen | 4 | 1.50 s | 1.50 s |"), "{page}");
        assert!(page.contains("2 faults met a transaction there"), "{page}");
        assert!(page.contains("| I1 | NoLoss | 1 |"), "{page}");
        assert!(page.contains("- seed 8: I1 NoLoss: here"), "{page}");
        assert!(page.ends_with("`chaos: seeds 7 to 8, 4 faults, 1 violations`\n"), "{page}");
    }
}
