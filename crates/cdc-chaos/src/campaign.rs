//! A campaign from its beginning to its verdict.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cdc_kafka::preflight;
use serde::{Deserialize, Serialize};

use crate::draw::Draw;
use crate::fault::{self, Fault, Kind, Tempo};
use crate::load::{Load, PROBE_KEYS};
use crate::members::{Members, Membership};
use crate::oracle::{self, Account, Invariant, Violation};
use crate::stage::{DATABASE, HISTORY, Stage};
use crate::strike::{self, Met, Seen};

/// How long everything may take to work again after a fault is over: I13.
const RECOVERY_LIMIT: Duration = Duration::from_mins(1);

/// How much longer is waited, so that one violation does not spoil what follows.
const PATIENCE: Duration = Duration::from_mins(4);

/// How long one look for the probe lasts before the parts are looked after.
const LOOK: &str = "400 ms";

/// How often the capture is looked after while something is waited for.
const MEND_EVERY: Duration = Duration::from_millis(1_500);

/// Violations of one invariant that are listed; the others are counted.
const LISTED_MAX: usize = 10;

/// What to play.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names the faults and the traffic.
    pub seed: u64,
    /// How many faults.
    pub faults: usize,
    /// How long they last.
    pub tempo: Tempo,
    /// The program under test, `cdc-pipeline`.
    pub pipeline: PathBuf,
    /// The program `cdc-replayer`, which reads the log a second time as well.
    pub replayer: Option<PathBuf>,
    /// Where the logs of the pipelines are kept; without it they go with the campaign.
    pub logs: Option<PathBuf>,
}

/// A fault that has struck.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Struck {
    /// Its number in the campaign, from 1 on.
    pub number: usize,
    /// What happened.
    pub kind: Kind,
    /// What it happened to.
    pub detail: String,
    /// The transaction that it is known to have met.
    pub met: Met,
    /// From the end of the fault, or from its beginning when it lasts until it is noticed, to the
    /// arrival of changes made after that, in both tables and from each partition.
    pub recovered_ms: u64,
}

impl Struck {
    /// Whether what it strikes was there.
    pub fn has_struck(&self) -> bool {
        self.met != Met::Nobody
    }
}

/// What went through the pipelines.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Committed changes of each table.
    pub changes: usize,
    /// Records in both topics.
    pub records: usize,
    /// Records that nobody can read.
    pub dead_letters: usize,
    /// Records that the connector had sent before.
    pub sent_again: i64,
    /// How often something of the capture had failed and was restarted, as an operator would.
    pub capture_restarts: u32,
}

/// A campaign that is over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Campaign {
    /// Its seed.
    pub seed: u64,
    /// What struck.
    pub faults: Vec<Struck>,
    /// What went through.
    pub traffic: Traffic,
    /// From the first fault to the verdict.
    pub seconds: u64,
    /// What does not hold.
    pub violations: Vec<Violation>,
}

impl Campaign {
    /// A campaign that could not begin, which counts as a violation.
    pub fn not_begun(seed: u64, error: &anyhow::Error) -> Self {
        let what = format!("the campaign could not begin: {error:#}");
        Self {
            seed,
            faults: Vec::new(),
            traffic: Traffic::default(),
            seconds: 0,
            violations: vec![Violation::new(Invariant::Liveness, what)],
        }
    }
}

/// A campaign that has come to rest, with all that it ran on, so that more can be asked of it.
#[derive(Debug)]
pub struct Finished {
    /// What came of it.
    pub campaign: Campaign,
    stage: Stage,
}

impl Finished {
    /// What the oracle says when this is done to the warehouse first. It is undone afterwards.
    ///
    /// # Errors
    ///
    /// SQL that the warehouse refuses, and whatever keeps the oracle from reading.
    pub fn violations_after(&self, damage: &str) -> Result<Vec<Violation>> {
        let mut account = oracle::read(&self.stage)?;
        account.tables = oracle::read_tables(&self.stage, damage, HISTORY)?;
        Ok(account.violations())
    }
}

/// Plays a campaign. Each fault that is over is told to `tell`.
///
/// What goes wrong once it has begun is a violation: that a change never arrives as well as that a part
/// around the pipelines cannot be used any more. What was seen before is kept.
///
/// # Errors
///
/// When the parts cannot be started.
pub fn play(options: &Options, tell: impl FnMut(&Struck)) -> Result<Finished> {
    let mut draw = Draw::new(options.seed);
    let faults = fault::campaign(&mut draw.fork(), options.faults, options.tempo);
    let stage = Stage::start()?;
    let membership = if draw.once_in(2) { Membership::Static } else { Membership::Dynamic };
    let members = Members::prepare(&stage, &options.pipeline, membership)?;
    stage.install_pause()?;
    let mut run = Run {
        stage,
        members,
        struck: Vec::with_capacity(faults.len()),
        violations: Vec::new(),
        probes: 0,
        capture_restarts: 0,
    };
    // Behind the stage, so that it ends before it: what it has published needs the broker.
    let load = Load::start(&run.stage, &mut draw)?;
    run.stage.wait_for_offsets()?;
    run.members.rescale(1 + usize::try_from(draw.below(3))?)?;
    let began = Instant::now();
    let played = run.play(load, &faults, options, tell);
    run.keep_logs(options)?;
    let traffic = match played {
        Ok(account) => traffic(&account, run.capture_restarts),
        Err(error) => {
            let what = format!("the campaign was broken off: {error:#}");
            run.violations.push(Violation::new(Invariant::Liveness, what));
            Traffic::default()
        }
    };
    let campaign = Campaign {
        seed: options.seed,
        faults: run.struck,
        traffic,
        seconds: began.elapsed().as_secs(),
        violations: shortened(run.violations),
    };
    Ok(Finished { campaign, stage: run.stage })
}

fn traffic(account: &Account, capture_restarts: u32) -> Traffic {
    Traffic {
        changes: account.journal.len(),
        records: account.log.len(),
        dead_letters: account.tables.letters.len(),
        sent_again: account.tables.ledger.iter().map(|entry| entry.skipped_as_sent_again).sum(),
        capture_restarts,
    }
}

/// At most so many of each invariant, and how many more there are.
fn shortened(violations: Vec<Violation>) -> Vec<Violation> {
    let mut by_invariant: BTreeMap<Invariant, Vec<Violation>> = BTreeMap::new();
    for violation in violations {
        by_invariant.entry(violation.invariant).or_default().push(violation);
    }
    let mut short = Vec::new();
    for (invariant, mut found) in by_invariant {
        let more = found.len().saturating_sub(LISTED_MAX);
        found.truncate(LISTED_MAX);
        short.extend(found);
        if more > 0 {
            short.push(Violation::new(invariant, format!("and {more} more")));
        }
    }
    short
}

/// A campaign under way.
struct Run {
    // Before the stage, so that no pipeline outlives what it runs on.
    members: Members,
    stage: Stage,
    struck: Vec<Struck>,
    violations: Vec<Violation>,
    probes: u32,
    capture_restarts: u32,
}

impl Run {
    /// Lets the faults strike and judges what is left behind. Gives what was read for that.
    fn play(
        &mut self,
        load: Load,
        faults: &[Fault],
        options: &Options,
        tell: impl FnMut(&Struck),
    ) -> Result<Account> {
        self.recover("the start", Instant::now())?;
        self.strike_all(faults, tell)?;
        let sent = load.sent();
        load.finish()?;
        self.settle()?;
        self.end(options)?;
        let account = oracle::read(&self.stage)?;
        self.violations.extend(account.violations());
        self.replay(options, &account)?;
        anyhow::ensure!(!account.journal.is_empty(), "of {sent} transactions none was committed");
        Ok(account)
    }

    fn strike_all(&mut self, faults: &[Fault], mut tell: impl FnMut(&Struck)) -> Result<()> {
        for (number, fault) in (1..).zip(faults) {
            thread::sleep(fault.pause);
            let place = format!("fault {number}, {}", fault.kind);
            let began = Instant::now();
            let seen = strike::strike(&self.stage, &mut self.members, fault);
            let seen = seen.with_context(|| format!("while striking with {place}"))?;
            let healed = if fault.kind.lasts() { began } else { Instant::now() };
            let recovered = self.recover(&place, healed)?;
            self.stage.to_warehouse.heal();
            self.stage.to_broker.heal();
            let Seen { met, detail } = seen;
            let recovered_ms = u64::try_from(recovered.as_millis()).unwrap_or(u64::MAX);
            let kind = fault.kind;
            let fault = Struck { number, kind, detail, met, recovered_ms };
            tell(&fault);
            self.struck.push(fault);
        }
        Ok(())
    }

    /// Makes a change in every partition of both tables, and waits until all of them have arrived. It
    /// is a violation when that takes too long.
    fn recover(&mut self, place: &str, healed: Instant) -> Result<Duration> {
        self.probes += 1;
        let words = format!("probe {}", self.probes);
        let put = format!(
            "select load.put(key, {}, '{words}') from generate_series(1, {PROBE_KEYS}) as key",
            self.probes
        );
        let seen = format!("select chaos.seen('{words}', {PROBE_KEYS}, interval '{LOOK}')");
        let (mut is_put, mut mended, mut is_late) = (false, Instant::now(), false);
        loop {
            if !is_put {
                is_put = self.stage.source.psql(DATABASE, &put).is_ok();
            }
            // A warehouse that does not answer yet has not shown it.
            let shown = self.stage.warehouse.psql(DATABASE, &seen);
            if is_put && shown.is_ok_and(|shown| shown == "t") {
                break;
            }
            self.members.mend()?;
            if mended.elapsed() > MEND_EVERY {
                self.capture_restarts += u32::from(self.stage.mend_capture()?);
                mended = Instant::now();
            }
            if healed.elapsed() > RECOVERY_LIMIT && !is_late {
                is_late = true;
                let what = format!("{place}: not recovered within {} s", RECOVERY_LIMIT.as_secs());
                self.violations.push(Violation::new(Invariant::Liveness, what));
            }
            let waited = healed.elapsed();
            anyhow::ensure!(
                waited < RECOVERY_LIMIT + PATIENCE,
                "{place}: not recovered within {} s either, so the campaign is broken off; logs end \
                 with:\n{}",
                waited.as_secs(),
                self.last_words()
            );
        }
        self.members.mend()?;
        let recovered = healed.elapsed();
        self.note_surprises(place);
        Ok(recovered)
    }

    /// A pipeline that ends by itself has not recovered without help.
    fn note_surprises(&mut self, place: &str) {
        let surprises = std::mem::take(&mut self.members.surprises);
        let surprises = surprises.into_iter();
        self.violations.extend(
            surprises.map(|surprise| {
                Violation::new(Invariant::Liveness, format!("{place}: {surprise}"))
            }),
        );
    }

    fn last_words(&self) -> String {
        let logs = self.members.logs();
        let ends = logs.iter().map(|log| {
            let lines: Vec<&str> = log.lines().rev().take(15).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        });
        ends.collect::<Vec<_>>().join("\n--\n")
    }

    /// Waits until everything that was made has been applied and nothing more comes.
    fn settle(&mut self) -> Result<()> {
        let began = Instant::now();
        self.recover("the end of the load", began)?;
        let mut applied = None;
        loop {
            let now = self.applied_to_the_end()?;
            if now.is_some() && now == applied {
                return Ok(());
            }
            applied = now;
            self.members.mend()?;
            if began.elapsed() > RECOVERY_LIMIT {
                let what = "the end of the load: not everything was applied within a minute";
                self.violations.push(Violation::new(Invariant::Liveness, what));
                return Ok(());
            }
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// How much has been applied, if that is all that the topics hold.
    fn applied_to_the_end(&self) -> Result<Option<u64>> {
        let settings = self.stage.kafka()?;
        let report = preflight::probe(&settings, settings.retry_for())?;
        let held: u64 = report.topics().iter().map(preflight::TopicInfo::offsets_held).sum();
        let sql = "select coalesce(sum(next_offset), 0) from cdc.checkpoint \
                   where pipeline = 'chaos'";
        let applied: u64 = self.stage.warehouse.psql(DATABASE, sql)?.parse()?;
        Ok(Some(applied).filter(|applied| *applied == held))
    }

    /// Asks the pipelines to end, which they must do in good order, and looks into their logs.
    fn end(&mut self, options: &Options) -> Result<()> {
        self.members.rescale(0)?;
        self.note_surprises("the end");
        for (number, log) in self.members.logs().iter().enumerate() {
            for line in log.lines().filter(|line| line.contains("panicked")) {
                let what = format!("pipeline {number} panicked: {line}");
                self.violations.push(Violation::new(Invariant::Liveness, what));
            }
        }
        let file = self.members.file(0);
        let books = self.members.execute(&options.pipeline, &["ledger"], &file);
        if let Err(error) = books {
            let what = format!("the pipeline's own look at its books: {error:#}");
            self.violations.push(Violation::new(Invariant::LedgerSums, what));
        }
        Ok(())
    }

    fn keep_logs(&self, options: &Options) -> Result<()> {
        let Some(folder) = &options.logs else { return Ok(()) };
        fs::create_dir_all(folder)?;
        for (number, log) in self.members.logs().iter().enumerate() {
            let name = format!("seed-{}-pipeline-{number}.log", options.seed);
            fs::write(folder.join(name), log)?;
        }
        Ok(())
    }

    /// Reads everything a second time: into a second history, which must come out the same, and into the
    /// same mirror, which must stay as it is. Then lets a repair look for missing rows.
    fn replay(&mut self, options: &Options, before: &Account) -> Result<()> {
        let mut changed = Vec::new();
        let replay = self.members.replay_file();
        let arguments = ["run", "--until-caught-up"];
        match self.members.execute(self.members.program(), &arguments, &replay) {
            Ok(()) => {
                let again = oracle::read_tables(&self.stage, "", &format!("{HISTORY}_again"))?;
                if again.history != before.tables.history {
                    changed.push("another history comes out of the same log".to_owned());
                }
                if again.mirror_lines != before.tables.mirror_lines {
                    changed.push("the mirror has changed".to_owned());
                }
            }
            Err(error) => changed.push(format!("the log cannot be read a second time: {error:#}")),
        }
        if let Some(replayer) = &options.replayer {
            let file = self.members.repair_file();
            match self.members.execute(replayer, &["repair"], &file) {
                Ok(()) => {
                    let repaired = oracle::read_tables(&self.stage, "", HISTORY)?;
                    if repaired.history != before.tables.history {
                        changed.push("a repair has changed the history".to_owned());
                    }
                }
                Err(error) => changed.push(format!("the history cannot be repaired: {error:#}")),
            }
        }
        let changed = changed.into_iter();
        self.violations.extend(changed.map(|what| Violation::new(Invariant::ReplayNeutral, what)));
        Ok(())
    }
}
