//! What can follow a state, under a design.

use super::action::Action;
use super::design::{
    Acquire, Commit, Compare, Design, Doubt, GroupOffset, Harm, Identity, Named, Refused, Release,
    Rows, Seek,
};
use super::pair::{Log, Worker};
use super::state::{Doing, Hold, Process, Standing, State};

/// Records that are read at once at most.
const POLL_MAX: u8 = 2;

/// Whoever is told of what can follow.
pub(super) trait Steps {
    /// This can happen; it leads there, and may be harmful in itself.
    fn take(&mut self, action: Action, next: State, harm: Option<Harm>);
}

/// Tells everything that can follow a state.
pub(super) fn follow(design: Design, state: &State, steps: &mut impl Steps) {
    for worker in Worker::BOTH {
        let view = View { design, state: *state, worker };
        view.group(steps);
        view.fate(steps);
        if !state.workers.of(worker).frozen {
            view.session(steps);
            for log in Log::BOTH {
                view.acquire(log, steps);
            }
        }
    }
}

/// What is wrong with a state, however it came about.
pub(super) fn wrong(state: &State) -> Option<Harm> {
    let mut wrong = None;
    for log in Log::BOTH {
        let shared = state.logs.of(log);
        let expected = log.changes_before(shared.next);
        if expected & !shared.effects != 0 {
            return Some(Harm::Loss);
        }
        if shared.effects & !expected != 0 {
            wrong = Some(Harm::Apart);
        }
    }
    wrong
}

/// A state as one worker moves it on.
#[derive(Clone, Copy)]
struct View {
    design: Design,
    state: State,
    worker: Worker,
}

impl View {
    fn process(&self) -> Process {
        self.state.workers.of(self.worker)
    }

    fn process_mut(&mut self) -> &mut Process {
        self.state.workers.at(self.worker)
    }

    fn hold_mut(&mut self, log: Log) -> &mut Hold {
        self.process_mut().holds.at(log)
    }

    fn doing(mut self, doing: Doing) -> Self {
        let process = self.process_mut();
        process.doing = doing;
        process.aside &= matches!(doing, Doing::Copied | Doing::Matched);
        self
    }

    /// What the group does to the worker, and what it hears of it.
    fn group(self, steps: &mut impl Steps) {
        let process = self.process();
        let idle = process.doing == Doing::Nothing;
        for log in Log::BOTH {
            let member = self.state.logs.of(log).member;
            let foreign = process.holds.of(log).standing == Standing::Foreign;
            let read = self.design.partitions.contain(log);
            if read && member.is_none() && foreign && !process.frozen && !process.expelled {
                let mut next = self;
                next.state.logs.at(log).member = Some(self.worker);
                next.hold_mut(log).standing = Standing::Assigned;
                steps.take(Action::Assign(self.worker, log), next.state, None);
            }
            if member == Some(self.worker) && idle && !process.frozen {
                let next = self.hand_over(log);
                steps.take(Action::HandOver(self.worker, log), next.state, None);
            }
        }
        if Log::BOTH.iter().any(|log| self.state.logs.of(*log).member == Some(self.worker)) {
            let mut next = self.leave_group();
            next.process_mut().expelled = true;
            steps.take(Action::Expel(self.worker), next.state, None);
        }
        if process.expelled && !process.frozen {
            steps.take(Action::Notice(self.worker), self.begin_anew().state, None);
        }
    }

    /// What befalls the worker.
    fn fate(self, steps: &mut impl Steps) {
        let process = self.process();
        let other_is_well = !self.state.workers.of(self.worker.other()).frozen;
        let mut next = self;
        if process.frozen {
            next.process_mut().frozen = false;
            steps.take(Action::Wake(self.worker), next.state, None);
        } else if other_is_well && process != Process::default() {
            next.process_mut().frozen = true;
            steps.take(Action::Freeze(self.worker), next.state, None);
        }
        if process != Process::default() {
            steps.take(Action::Crash(self.worker), self.leave_group().begin_anew().state, None);
        }
        if process.doomed {
            let mut next = self.lose_session(self.worker);
            if process.aside {
                *next.process_mut() = Process { doomed: false, ..process };
            }
            steps.take(Action::BackendEnds(self.worker), next.state, None);
        }
        if matches!(process.doing, Doing::Copied | Doing::Matched | Doing::RowsCommitted) {
            steps.take(Action::Cut(self.worker), self.lose_session(self.worker).state, None);
        }
    }

    /// Gives a partition up: what is read of it is dropped, and the row is left without an owner.
    fn hand_over(mut self, log: Log) -> Self {
        *self.hold_mut(log) = Hold::default();
        let shared = self.state.logs.at(log);
        shared.member = None;
        let clears = self.design.release == Release::ClearsOwner;
        if clears && shared.owner == Some(self.worker) {
            shared.owner = None;
        }
        self
    }

    fn leave_group(mut self) -> Self {
        for log in Log::BOTH {
            let shared = self.state.logs.at(log);
            shared.member = shared.member.filter(|member| *member != self.worker);
        }
        self
    }

    /// Everything is forgotten and rolled back, and a new session is opened.
    fn begin_anew(self) -> Self {
        let mut next = self.lose_session(self.worker);
        *next.process_mut() = Process::default();
        next
    }

    /// A worker's session ends, and with it its transaction. It finds out at its next statement, and
    /// nothing can come of it before: that is one step here. Whoever was about to end the session
    /// finds that there is no such backend.
    fn lose_session(mut self, whose: Worker) -> Self {
        for log in Log::BOTH {
            let shared = self.state.logs.at(log);
            shared.owner = shared.owner.filter(|owner| *owner != whose);
        }
        let design = self.design;
        let other = self.state.workers.at(whose.other());
        if let Doing::EndingBackend(log) = other.doing {
            other.doing = after_ending(design.acquire, log);
        }
        let process = self.state.workers.at(whose);
        (process.doomed, process.aside, process.doing) = (false, false, Doing::Nothing);
        for log in Log::BOTH {
            let hold = process.holds.at(log);
            match (hold.standing, design.doubt) {
                (Standing::Owned, Doubt::SendAgain) | (Standing::Foreign, _) => {}
                (Standing::Owned, Doubt::ReadCheckpoint) | (Standing::Assigned, _) => {
                    *hold = Hold { standing: Standing::Assigned, ..Hold::default() };
                }
            }
        }
        self
    }

    /// The steps of taking a partition over.
    fn acquire(self, log: Log, steps: &mut impl Steps) {
        let process = self.process();
        let assigned = process.holds.of(log).standing == Standing::Assigned;
        match process.doing {
            Doing::Nothing if assigned => match self.design.acquire {
                Acquire::RaiseThenEnd => self.raise(log, steps),
                Acquire::EndThenRaise
                | Acquire::RaiseAnyEpoch
                | Acquire::RaiseOnly
                | Acquire::ReadThenRaise => self.read_owner(log, steps),
            },
            Doing::EndingBackend(at) if at == log => self.end_backend(log, steps),
            Doing::Raising(at) if at == log => self.raise(log, steps),
            Doing::Nothing
            | Doing::EndingBackend(_)
            | Doing::Raising(_)
            | Doing::Copied
            | Doing::Matched
            | Doing::RowsCommitted => {}
        }
    }

    fn another_owns(&self, log: Log) -> bool {
        self.state.logs.of(log).owner == Some(self.worker.other())
    }

    fn read_owner(mut self, log: Log, steps: &mut impl Steps) {
        let ends = self.design.acquire != Acquire::RaiseOnly && self.another_owns(log);
        let next_offset = self.state.logs.of(log).next;
        let hold = self.hold_mut(log);
        hold.current = true;
        if self.design.acquire == Acquire::ReadThenRaise {
            let hold = self.hold_mut(log);
            (hold.from, hold.until) = (next_offset, next_offset);
        }
        let next = self.doing(if ends { Doing::EndingBackend(log) } else { Doing::Raising(log) });
        steps.take(Action::ReadOwner(self.worker, log), next.state, None);
    }

    fn end_backend(self, log: Log, steps: &mut impl Steps) {
        let victim = self.worker.other();
        let healthy = {
            let process = self.state.workers.of(victim);
            !process.frozen && !process.expelled
        };
        let entitled = self.state.logs.of(log).member == Some(self.worker);
        let harm = (healthy && (entitled || self.process().told)).then_some(Harm::Disturbance);
        let mut next = self.doing(after_ending(self.design.acquire, log));
        next.state.workers.at(victim).doomed = true;
        steps.take(Action::EndBackend(self.worker, log), next.state, harm);
    }

    fn raise(self, log: Log, steps: &mut impl Steps) {
        let acquire = self.design.acquire;
        let compares = matches!(acquire, Acquire::EndThenRaise | Acquire::ReadThenRaise);
        if compares && !self.process().holds.of(log).current {
            let mut next = self.doing(Doing::Nothing);
            *next.hold_mut(log) = Hold { standing: Standing::Assigned, ..Hold::default() };
            steps.take(Action::FindEpochRaised(self.worker, log), next.state, None);
            return;
        }
        let other = self.worker.other();
        if self.state.workers.of(other).blocks_checkpoint(log) {
            return;
        }
        let ends = acquire == Acquire::RaiseThenEnd && self.another_owns(log);
        let mut next = self.doing(if ends { Doing::EndingBackend(log) } else { Doing::Nothing });
        next.state.logs.at(log).owner = Some(self.worker);
        next.state.workers.at(other).holds.at(log).current = false;
        let shared = self.state.logs.of(log);
        let at = match (self.design.seek, acquire) {
            (Seek::Group, _) => shared.committed,
            (Seek::Warehouse, Acquire::ReadThenRaise) => self.process().holds.of(log).from,
            (
                Seek::Warehouse,
                Acquire::EndThenRaise
                | Acquire::RaiseAnyEpoch
                | Acquire::RaiseThenEnd
                | Acquire::RaiseOnly,
            ) => shared.next,
        };
        let standing = Standing::Owned;
        *next.hold_mut(log) =
            Hold { standing, current: true, from: at, until: at, saw_first: false };
        steps.take(Action::RaiseEpoch(self.worker, log), next.state, None);
    }

    /// Reading, and what is said to the server about batches.
    fn session(self, steps: &mut impl Steps) {
        match self.process().doing {
            Doing::Nothing => self.copy(steps),
            Doing::Copied if self.design.commit == Commit::RowsFirst => {
                let mut next = self.doing(Doing::RowsCommitted);
                let harm = next.store_rows();
                steps.take(Action::CommitRows(self.worker), next.state, harm);
            }
            Doing::Copied | Doing::RowsCommitted => self.compare_and_set(steps),
            Doing::Matched => self.commit(steps),
            Doing::EndingBackend(_) | Doing::Raising(_) => {}
        }
        for log in Log::BOTH {
            self.commit_group_offset(log, steps);
        }
    }

    fn commit_group_offset(self, log: Log, steps: &mut impl Steps) {
        let hold = self.process().holds.of(log);
        let offset = match self.design.group_offset {
            GroupOffset::Ignored => return,
            GroupOffset::AfterApply => hold.from,
            GroupOffset::BeforeApply => hold.until,
        };
        if hold.standing == Standing::Owned && self.state.logs.of(log).committed != offset {
            let mut next = self;
            next.state.logs.at(log).committed = offset;
            steps.take(Action::CommitGroupOffset(self.worker, log), next.state, None);
        }
    }

    /// The partitions that the worker's transaction is about.
    fn batch(&self) -> impl Iterator<Item = Log> + use<> {
        let process = self.process();
        Log::BOTH.into_iter().filter(move |log| process.writes(*log))
    }

    /// Reads records and brings their rows, or brings again what has had no answer.
    fn copy(self, steps: &mut impl Steps) {
        if self.batch().next().is_some() {
            return self.bring(0, 0, steps);
        }
        let readable = |log: Log| {
            let hold = self.process().holds.of(log);
            let left = log.end().saturating_sub(hold.from).min(POLL_MAX);
            if hold.standing == Standing::Owned { left } else { 0 }
        };
        for one in 0..=readable(Log::One) {
            for two in 0..=readable(Log::Two) {
                self.bring(one, two, steps);
            }
        }
    }

    fn bring(self, one: u8, two: u8, steps: &mut impl Steps) {
        let mut next = self.doing(Doing::Copied);
        let first = next.hold_mut(Log::One);
        first.saw_first |= self.design.identity == Identity::InMemory && first.from == 0 && one > 0;
        first.until += one;
        next.hold_mut(Log::Two).until += two;
        let other = self.state.workers.of(self.worker.other());
        let free = next.batch().all(|log| !other.blocks_rows(log));
        if free && next.batch().next().is_some() {
            steps.take(Action::Copy(self.worker, one, two), next.state, None);
            if self.design.named == Named::One {
                next.process_mut().aside = true;
                steps.take(Action::Copy(self.worker, one, two), next.state, None);
            }
        }
    }

    /// Whether progress of a partition may move as the batch wants it to.
    fn fits(&self, log: Log) -> bool {
        let hold = self.process().holds.of(log);
        let joins = self.state.logs.of(log).next == hold.from;
        match self.design.compare {
            Compare::EpochAndOffset => hold.current && joins,
            Compare::Offset => joins,
            Compare::Epoch => hold.current,
            Compare::Nothing => true,
        }
    }

    fn compare_and_set(self, steps: &mut impl Steps) {
        let other = self.state.workers.of(self.worker.other());
        if self.batch().any(|log| other.blocks_checkpoint(log)) {
            return;
        }
        let fits = match self.design.commit {
            Commit::Together | Commit::RowsFirst => self.batch().all(|log| self.fits(log)),
            Commit::WhatFits => self.batch().any(|log| self.fits(log)),
        };
        if !fits {
            steps.take(Action::Refuse(self.worker), self.refused().state, None);
            return;
        }
        let next = match self.design.commit {
            Commit::RowsFirst => {
                let mut next = self;
                next.move_progress();
                next.doing(Doing::Nothing)
            }
            Commit::Together | Commit::WhatFits => self.doing(Doing::Matched),
        };
        steps.take(Action::CompareAndSet(self.worker), next.state, None);
    }

    /// The step was refused: everything is rolled back and dropped.
    fn refused(self) -> Self {
        let mut next = self.doing(Doing::Nothing);
        for log in Log::BOTH {
            let ours = self.state.logs.of(log).member == Some(self.worker);
            if self.process().holds.of(log).standing == Standing::Foreign {
                continue;
            }
            let stays = ours || self.design.refused == Refused::TakesBack;
            let standing = if stays { Standing::Assigned } else { Standing::Foreign };
            next.process_mut().told |= stays && !ours;
            *next.hold_mut(log) = Hold { standing, ..Hold::default() };
        }
        next
    }

    fn commit(self, steps: &mut impl Steps) {
        let mut next = self.doing(Doing::Nothing);
        let harm = next.store_rows();
        let mut unanswered = next;
        next.move_progress();
        steps.take(Action::Commit(self.worker), next.state, harm);
        for log in self.batch().filter(|log| self.fits(*log)) {
            unanswered.state.logs.at(log).next = self.process().holds.of(log).until;
        }
        let unanswered = unanswered.lose_session(self.worker);
        steps.take(Action::CommitUnanswered(self.worker), unanswered.state, harm);
    }

    /// Makes the rows of the batch durable.
    fn store_rows(&mut self) -> Option<Harm> {
        let mut harm = None;
        for log in self.batch() {
            let hold = self.process().holds.of(log);
            let design = self.design;
            let effects = &mut self.state.logs.at(log).effects;
            for offset in hold.from..hold.until {
                let change = log.change(offset);
                if is_skipped(design, log, offset, hold) {
                    continue;
                }
                let sent_again = log == Log::One && offset == 1;
                let stored = *effects & change != 0;
                if stored && design.rows == Rows::UniqueOffset && !sent_again {
                    continue;
                }
                if stored {
                    harm = Some(Harm::Duplicate);
                } else if log == Log::One && change == 0b10 && *effects & 0b01 == 0 {
                    harm = harm.or(Some(Harm::Disorder));
                }
                *effects |= change;
            }
        }
        harm
    }

    /// Moves the checkpoint, and what the worker believes, behind the batch.
    fn move_progress(&mut self) {
        for log in self.batch() {
            let until = self.process().holds.of(log).until;
            if self.fits(log) {
                self.state.logs.at(log).next = until;
            }
            self.hold_mut(log).from = until;
        }
    }
}

/// What follows when the former owner's backend is no more.
fn after_ending(acquire: Acquire, log: Log) -> Doing {
    match acquire {
        Acquire::RaiseThenEnd => Doing::Nothing,
        Acquire::EndThenRaise
        | Acquire::RaiseAnyEpoch
        | Acquire::RaiseOnly
        | Acquire::ReadThenRaise => Doing::Raising(log),
    }
}

/// Whether a record is taken for one that was sent before.
fn is_skipped(design: Design, log: Log, offset: u8, hold: Hold) -> bool {
    let sent_again = log == Log::One && offset == 1;
    let shares_lsn = log == Log::One && offset == 2;
    match design.identity {
        Identity::Durable => sent_again,
        Identity::InMemory => sent_again && hold.saw_first,
        Identity::LsnAlone => sent_again || shares_lsn,
        Identity::WithSequence | Identity::Absent => false,
    }
}
