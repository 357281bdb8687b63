//! Two processes, the logs they read and the warehouse they write, under one history.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cdc_core::{ByteBudget, NextOffset, Partition, Sink, with_causes};
use cdc_engine::{Ends, EngineSettings, Meter, Outcome, Pipeline, PipelineError, Shutdown, Stop};
use cdc_testkit::oracle::{Account, Breach, Invariant};
use cdc_testkit::simulation::{History, Member, Step, partition};
use cdc_testkit::{LogWriter, MemorySource, TextDecoder, Warehouse};
use tokio::sync::oneshot;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_micros(500);

/// How long batches are waited for in the middle of a history: they may never come.
const PROGRESS_WAIT: Duration = Duration::from_millis(15);

/// How long an owner has to give a partition up before it is taken from it.
const REBALANCE_WAIT: Duration = Duration::from_millis(300);

/// How long a process may take to finish what is in flight.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// How long a process may take to stop.
const STOP_WAIT: Duration = Duration::from_secs(20);

/// What came of a history.
pub(super) struct Report {
    /// What the oracle found in the warehouse.
    pub(super) breaches: Vec<Breach>,
    /// Why it has not come to its end, in words: processes that failed, and logs that were not read
    /// to theirs.
    pub(super) unfinished: Vec<String>,
    /// What is durable, as one number.
    pub(super) digest: u64,
    /// Records that were written to the logs.
    pub(super) records: usize,
    /// Scripted faults that met a batch.
    pub(super) faults: usize,
}

/// How a process ended; `None` when it died.
type Ended = Option<Result<Outcome, PipelineError>>;

struct Process {
    log: LogWriter,
    /// How many partitions it was told to give up.
    told: usize,
    stop: Stop,
    crash: oneshot::Sender<()>,
    thread: JoinHandle<Ended>,
}

pub(super) struct World<K> {
    history: History,
    warehouse: Warehouse,
    sink: K,
    logs: Vec<(Partition, Vec<Option<String>>)>,
    processes: BTreeMap<Member, Process>,
    /// Who has each partition.
    owners: Vec<Member>,
    /// Who has lost which partition without having heard of it.
    robbed: Vec<(Member, usize)>,
    held: bool,
    scripted: usize,
    failures: Vec<String>,
}

impl<K: Sink + Clone> World<K> {
    pub(super) fn new(history: History, warehouse: Warehouse, sink: K) -> Self {
        let logs = (0..history.partitions).map(|number| (partition(number), Vec::new())).collect();
        let owners = vec![Member::First; history.partitions];
        Self {
            history,
            warehouse,
            sink,
            logs,
            processes: BTreeMap::new(),
            owners,
            robbed: Vec::new(),
            held: false,
            scripted: 0,
            failures: Vec::new(),
        }
    }

    /// Lives the history through, and judges what is left.
    pub(super) fn run(mut self, patience: Duration) -> Report {
        self.start(Member::First);
        self.start(Member::Second);
        for step in std::mem::take(&mut self.history.steps) {
            self.take(step);
        }
        let deadline = Instant::now() + patience;
        while !self.is_finished() && self.all_live() && Instant::now() < deadline {
            thread::sleep(LOOK_EVERY);
        }
        for member in [Member::First, Member::Second] {
            self.stop(member);
        }
        let (rows, dead_letters) = (self.warehouse.rows(), self.warehouse.stored_dead_letters());
        let account = Account {
            logs: &self.logs,
            rows: &rows,
            dead_letters: &dead_letters,
            checkpoint: &self.warehouse.checkpoint(),
        };
        let (unfinished, breaches): (Vec<_>, Vec<_>) = account
            .breaches()
            .into_iter()
            .partition(|breach| breach.invariant == Invariant::Finished);
        let unfinished = unfinished.iter().map(Breach::to_string);
        Report {
            breaches,
            unfinished: self.failures.into_iter().chain(unfinished).collect(),
            digest: account.digest(),
            records: self.logs.iter().map(|(_, values)| values.len()).sum(),
            faults: self.scripted - self.warehouse.faults_left(),
        }
    }

    fn is_finished(&self) -> bool {
        self.logs.iter().all(|(log, values)| {
            let next = self.warehouse.next(log).map_or(0, NextOffset::get);
            usize::try_from(next).unwrap() == values.len()
        })
    }

    fn all_live(&self) -> bool {
        self.processes.values().all(|process| !process.thread.is_finished())
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Append(number, values) => self.append(number, values),
            Step::Faults(faults) => {
                self.scripted += faults.len();
                self.warehouse.script(faults);
            }
            Step::Move(number) => self.hand_over(number),
            Step::Steal(number) => self.steal(number),
            Step::TellRobbed => {
                for (member, number) in std::mem::take(&mut self.robbed) {
                    self.revoke(member, number);
                }
            }
            Step::CutSessions => self.warehouse.cut_sessions(),
            Step::Hold => {
                self.held = true;
                self.warehouse.hold_applies();
            }
            Step::LetGo => self.let_go(),
            Step::Crash(member) => {
                let process = self.processes.remove(&member).unwrap();
                if process.crash.send(()).is_ok() {
                    let died = process.thread.join().unwrap();
                    self.note(member, died);
                } else {
                    self.failures.push(format!("{member:?} had ended before it was to die"));
                }
                self.begin_again(member);
            }
            Step::Restart(member) => {
                self.let_go();
                self.stop(member);
                self.begin_again(member);
            }
            Step::Progress(count) => {
                let wanted = self.warehouse.applies() + count;
                let warehouse = self.warehouse.clone();
                wait(PROGRESS_WAIT, || warehouse.applies() >= wanted);
            }
        }
    }

    fn let_go(&mut self) {
        self.held = false;
        self.warehouse.let_applies_go();
    }

    fn append(&mut self, number: usize, values: Vec<Option<String>>) {
        for process in self.processes.values() {
            for value in &values {
                process.log.append(&partition(number), value.as_deref());
            }
        }
        self.logs[number].1.extend(values);
    }

    fn hand_over(&mut self, number: usize) {
        let owner = self.owners[number];
        if self.has_given_up(owner.other(), number) {
            self.revoke(owner, number);
            // Whoever does not give it up in time loses it all the same.
            self.has_given_up(owner, number);
            self.give(number, owner.other());
        }
    }

    fn steal(&mut self, number: usize) {
        let owner = self.owners[number];
        if self.has_given_up(owner.other(), number) {
            self.robbed.push((owner, number));
            self.give(number, owner.other());
        }
    }

    fn give(&mut self, number: usize, to: Member) {
        self.owners[number] = to;
        self.processes[&to].log.assign(vec![partition(number)]);
    }

    fn revoke(&mut self, from: Member, number: usize) {
        let process = self.processes.get_mut(&from).unwrap();
        process.told += 1;
        process.log.revoke(vec![partition(number)]);
    }

    /// Whether a process has given up everything that it has lost, which it is told of now if it has
    /// lost this partition without a word. A group gives it nothing before that.
    fn has_given_up(&mut self, member: Member, number: usize) -> bool {
        if self.robbed.contains(&(member, number)) {
            self.robbed.retain(|robbed| *robbed != (member, number));
            self.revoke(member, number);
        }
        // What is held cannot be given up, as when the warehouse does not answer.
        let limit = if self.held { PROGRESS_WAIT } else { REBALANCE_WAIT };
        let Process { log, told, .. } = &self.processes[&member];
        wait(limit, || log.relinquished().len() == *told)
    }

    fn begin_again(&mut self, member: Member) {
        self.robbed.retain(|(robbed, _)| *robbed != member);
        self.start(member);
    }

    /// Starts a process on what its member owns.
    fn start(&mut self, member: Member) {
        let log = LogWriter::default();
        for (partition, values) in &self.logs {
            for value in values {
                log.append(partition, value.as_deref());
            }
        }
        let owned = (0..self.owners.len()).filter(|number| self.owners[*number] == member);
        let owned: Vec<_> = owned.map(partition).collect();
        if !owned.is_empty() {
            log.assign(owned);
        }
        let settings = EngineSettings {
            lanes: NonZeroUsize::new(self.history.lanes).unwrap(),
            drain_limit: DRAIN_LIMIT,
            ..EngineSettings::default()
        };
        let budget = ByteBudget::new(self.history.budget);
        let source = MemorySource::new(log.clone(), budget.clone());
        let sink = self.sink.clone();
        let ends = Ends { source, decoder: TextDecoder::default, sink, rules: Vec::new() };
        let (stop, shutdown) = Shutdown::channel();
        let (crash, crashed) = oneshot::channel();
        let live = async move {
            let pipeline = Pipeline::open(settings, ends, budget, Meter::shared()).await?;
            pipeline.run(shutdown).await
        };
        // A runtime of its own: when a process dies, all its tasks go with it.
        let thread = thread::spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_time().build().unwrap();
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = crashed => None,
                    ended = live => Some(ended),
                }
            })
        });
        self.processes.insert(member, Process { log, told: 0, stop, crash, thread });
    }

    /// Stops a process as an operator does.
    fn stop(&mut self, member: Member) {
        let Some(process) = self.processes.remove(&member) else { return };
        process.stop.ask();
        if !wait(STOP_WAIT, || process.thread.is_finished()) {
            self.failures.push(format!("{member:?} does not stop"));
            return;
        }
        let ended = process.thread.join().unwrap();
        self.note(member, ended);
    }

    fn note(&mut self, member: Member, ended: Ended) {
        match ended {
            None | Some(Ok(Outcome::Stopped)) => {}
            Some(Ok(outcome @ (Outcome::CaughtUp | Outcome::Ended))) => {
                self.failures.push(format!("{member:?} ended by itself: {outcome:?}"));
            }
            Some(Err(error)) => {
                self.failures.push(format!("{member:?} failed: {}", with_causes(&error)));
            }
        }
    }
}

/// Waits until a condition holds, or for as long as it may take.
fn wait(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !holds() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
    true
}
