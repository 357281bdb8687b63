//! How each kind of fault is done, and what is seen of it while it lasts.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cdc_stack::StackError;
use cdc_stack::postgres::{Cluster, StopMode};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::draw::Draw;
use crate::fault::{Fault, Kind, MEMBERS_MAX};
use crate::held::Held;
use crate::members::Members;
use crate::stage::{DATABASE, Stage};

/// How long a batch may take to come to the place in which it is held. The load goes on, so it comes.
const WINDOW_LIMIT: Duration = Duration::from_secs(5);

/// How long a server may take to answer again.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// Sessions of the pipelines.
const SESSIONS: &str = "from pg_stat_activity where starts_with(application_name, 'cdc-pipeline chaos') \
                        and datname = current_database()";

/// The sessions of the pipelines which hold a checkpoint's row: between compare-and-set and COMMIT.
const IN_WINDOW: &str = "select pid from pg_locks join pg_stat_activity using (pid) \
                         where relation = 'cdc.checkpoint'::regclass and mode = 'RowExclusiveLock' \
                         and granted and starts_with(application_name, 'cdc-pipeline chaos')";

const END_REPLICATION: &str = "select pg_terminate_backend(active_pid) from pg_replication_slots \
                               where active_pid is not null";

/// The transaction that a fault is known to have met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Met {
    /// The fault did not come about, because what it strikes was not there in time.
    Nobody,
    /// None, or nobody looked.
    #[default]
    Nothing,
    /// An open one.
    Transaction,
    /// One between compare-and-set and COMMIT.
    Window,
}

/// What was seen of a fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// What it met.
    pub(crate) met: Met,
    /// What it was done to, in a few words.
    pub(crate) detail: String,
}

impl Seen {
    fn of(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::default() }
    }

    fn nobody(detail: impl Into<String>) -> Self {
        Self { met: Met::Nobody, detail: detail.into() }
    }
}

/// Lets a fault happen, and lasts as long as it does; but for those that last until they are noticed.
pub(crate) fn strike(stage: &Stage, members: &mut Members, fault: &Fault) -> Result<Seen> {
    let Fault { kind, hold, .. } = *fault;
    let Stage { connect, broker, source, warehouse, to_broker, to_warehouse } = stage;
    let mut choice = fault.choice.clone();
    let seen = match kind {
        Kind::PipelineKilled => kill_pipeline(members, hold, &mut choice)?,
        Kind::PipelineFrozen => freeze_pipeline(stage, members, hold, &mut choice)?,
        Kind::PipelineStopped => stop_pipeline(members, &mut choice)?,
        Kind::PipelinesRescaled => rescale(members, &mut choice)?,
        Kind::CommitClientFrozen => {
            in_commit(stage, |held, _| freeze_committing(members, held, hold, &mut choice))?
        }
        Kind::CommitServerFrozen => in_commit(stage, |held, server| {
            signal(server, Signal::STOP)?;
            held.release();
            thread::sleep(hold);
            signal(server, Signal::CONT)?;
            Ok("thawed")
        })?,
        Kind::CommitClientKilled => {
            in_commit(stage, |held, _| kill_committing(members, held, hold, &mut choice))?
        }
        Kind::CommitSessionEnded => in_commit(stage, |_, server| {
            warehouse.psql(DATABASE, &format!("select pg_terminate_backend({server})"))?;
            Ok("terminated")
        })?,
        Kind::SessionsEnded => end_sessions(warehouse, &mut choice)?,
        Kind::SessionKilled => kill_session(warehouse, &mut choice)?,
        Kind::WarehouseRestarted => whole(warehouse.restart(StopMode::Fast))?,
        Kind::WarehouseCrashed => whole(warehouse.restart(StopMode::Immediate))?,
        Kind::WarehouseKilled => whole(kill(warehouse, hold))?,
        Kind::WarehouseFrozen => frozen(warehouse.freeze(), hold, || warehouse.thaw())?,
        Kind::WarehouseCut => connections(to_warehouse.cut()),
        Kind::WarehouseCutAfterCommit => {
            if to_warehouse.cut_after_commit(WINDOW_LIMIT) {
                Seen::of("an answer was lost")
            } else {
                Seen::nobody("nobody committed")
            }
        }
        Kind::WarehouseHalfOpen => connections(to_warehouse.silence()),
        Kind::WarehouseOrphaned => connections(to_warehouse.orphan()),
        Kind::BrokerCut => connections(to_broker.cut()),
        Kind::BrokerHalfOpen => connections(to_broker.silence()),
        Kind::BrokerKilled => {
            broker.kill();
            thread::sleep(hold);
            whole(broker.restart())?
        }
        Kind::BrokerRestarted => whole(broker.restart())?,
        Kind::BrokerFrozen => frozen(broker.freeze(), hold, || broker.thaw())?,
        Kind::ConnectKilled => {
            connect.kill();
            whole(connect.restart())?
        }
        Kind::ConnectRestarted => whole(connect.restart())?,
        Kind::ConnectFrozen => frozen(connect.freeze(), hold, || connect.thaw())?,
        Kind::SourceKilled => whole(kill(source, hold))?,
        Kind::SourceRestarted => whole(source.restart(StopMode::Fast))?,
        Kind::SourceFrozen => frozen(source.freeze(), hold, || source.thaw())?,
        Kind::ReplicationEnded => whole(source.psql(DATABASE, END_REPLICATION).map(drop))?,
    };
    Ok(seen)
}

/// What is seen of a fault that strikes a whole server.
fn whole(struck: Result<(), StackError>) -> Result<Seen> {
    struck?;
    Ok(Seen::default())
}

fn connections(count: usize) -> Seen {
    if count == 0 {
        return Seen::nobody("no connection");
    }
    Seen::of(format!("{count} connections"))
}

fn kill(server: &Cluster, absence: Duration) -> Result<(), StackError> {
    server.kill();
    thread::sleep(absence);
    server.restart(StopMode::Fast)
}

/// Leaves a server as it is for a while, once it is frozen.
fn frozen(froze: Result<(), StackError>, hold: Duration, thaw: impl FnOnce()) -> Result<Seen> {
    froze?;
    thread::sleep(hold);
    thaw();
    Ok(Seen::default())
}

/// One of the running members, and which one it is in words.
fn member(members: &Members, choice: &mut Draw) -> Result<(usize, String)> {
    let of = members.wanted();
    let number = usize::try_from(choice.below(u64::try_from(of)?))?;
    Ok((number, format!("{} of {of}", number + 1)))
}

fn kill_pipeline(members: &mut Members, hold: Duration, choice: &mut Draw) -> Result<Seen> {
    let (number, which) = member(members, choice)?;
    members.kill(number)?;
    // Half of them come back at once, the others perhaps after their group has missed them.
    if choice.once_in(2) {
        thread::sleep(hold);
    }
    members.start(number)?;
    Ok(Seen::of(which))
}

fn freeze_pipeline(
    stage: &Stage,
    members: &mut Members,
    hold: Duration,
    choice: &mut Draw,
) -> Result<Seen> {
    let (number, detail) = member(members, choice)?;
    members.freeze(number)?;
    let met = frozen_transaction(stage)?;
    thread::sleep(hold);
    members.thaw(number)?;
    Ok(Seen { met, detail })
}

fn stop_pipeline(members: &mut Members, choice: &mut Draw) -> Result<Seen> {
    let (number, which) = member(members, choice)?;
    members.stop(number)?;
    members.start(number)?;
    Ok(Seen::of(which))
}

fn rescale(members: &mut Members, choice: &mut Draw) -> Result<Seen> {
    let of = members.wanted();
    let others: Vec<usize> = (1..=MEMBERS_MAX).filter(|wanted| *wanted != of).collect();
    let wanted = choice.choose(&others).copied().unwrap_or(of);
    members.rescale(wanted)?;
    Ok(Seen::of(format!("from {of} to {wanted}")))
}

/// Whether a session holds a checkpoint's row, or has a transaction open, now and a moment later: those
/// of members that go on do not last that long.
fn frozen_transaction(stage: &Stage) -> Result<Met> {
    let open = format!(
        "select pid || ' ' || xact_start {SESSIONS} and xact_start is not null and backend_xid is not null"
    );
    let look = |sql: &str| -> Result<Vec<String>> {
        let text = stage.warehouse.psql(DATABASE, sql)?;
        Ok(text.lines().map(str::to_owned).collect())
    };
    let before = (look(IN_WINDOW)?, look(&open)?);
    thread::sleep(Duration::from_millis(60));
    let after = (look(IN_WINDOW)?, look(&open)?);
    let lasts = |before: &[String], after: &[String]| before.iter().any(|it| after.contains(it));
    Ok(match (lasts(&before.0, &after.0), lasts(&before.1, &after.1)) {
        (true, _) => Met::Window,
        (false, true) => Met::Transaction,
        (false, false) => Met::Nothing,
    })
}

/// Lets something happen while a transaction is held between compare-and-set and COMMIT. It is told the
/// server's process.
fn in_commit(
    stage: &Stage,
    happen: impl FnOnce(&mut Held, u32) -> Result<&'static str>,
) -> Result<Seen> {
    let mut held = Held::start(&stage.warehouse)?;
    let Some(server) = Held::wait_for_batch(&stage.warehouse, WINDOW_LIMIT)? else {
        return Ok(Seen::nobody("no batch came"));
    };
    let in_window = stage.warehouse.psql(DATABASE, IN_WINDOW)?;
    let is_met = in_window.lines().any(|pid| pid == server.to_string());
    let met = if is_met { Met::Window } else { Met::Nothing };
    let detail = happen(&mut held, server)?;
    Ok(Seen { met, detail: detail.to_owned() })
}

/// Freezes all members, so that the one whose transaction is held is among them. Then one stays frozen,
/// while the transaction ends before or after it wakes up.
fn freeze_committing(
    members: &mut Members,
    batches: &mut Held,
    hold: Duration,
    choice: &mut Draw,
) -> Result<&'static str> {
    let mut all = 0..members.wanted();
    all.clone().try_for_each(|number| members.freeze(number))?;
    let (one, _) = member(members, choice)?;
    all.try_for_each(|number| if number == one { Ok(()) } else { members.thaw(number) })?;
    if choice.once_in(2) {
        batches.release();
        thread::sleep(hold);
        members.thaw(one)?;
        return Ok("server went on meanwhile");
    }
    thread::sleep(hold);
    members.thaw(one)?;
    batches.release();
    Ok("server went on later")
}

/// Kills all members, and lets the transaction end before or after they are started again.
fn kill_committing(
    members: &mut Members,
    batches: &mut Held,
    hold: Duration,
    choice: &mut Draw,
) -> Result<&'static str> {
    let mut all = 0..members.wanted();
    all.clone().try_for_each(|number| members.kill(number))?;
    if choice.once_in(2) {
        batches.release();
        all.try_for_each(|number| members.start(number))?;
        return Ok("server went on first");
    }
    all.try_for_each(|number| members.start(number))?;
    thread::sleep(hold);
    batches.release();
    Ok("others came first")
}

fn end_sessions(warehouse: &Cluster, choice: &mut Draw) -> Result<Seen> {
    let one = if choice.once_in(2) { " order by random() limit 1" } else { "" };
    let sql = format!("select pg_terminate_backend(pid) {SESSIONS}{one}");
    let ended = warehouse.psql(DATABASE, &sql)?;
    Ok(match ended.lines().count() {
        0 => Seen::nobody("no session"),
        count => Seen::of(format!("{count} sessions")),
    })
}

fn kill_session(warehouse: &Cluster, choice: &mut Draw) -> Result<Seen> {
    let pids = warehouse.psql(DATABASE, &format!("select pid {SESSIONS}"))?;
    let pids: Vec<&str> = pids.lines().collect();
    let Some(pid) = choice.choose(&pids) else { return Ok(Seen::nobody("no session")) };
    signal(pid.parse()?, Signal::KILL)?;
    answers(warehouse)?;
    Ok(Seen::default())
}

fn signal(pid: u32, signal: Signal) -> Result<()> {
    let pid =
        i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process id of the server")?;
    // An error means that it has just ended.
    kill_process(pid, signal).ok();
    Ok(())
}

/// Waits until a server answers again.
fn answers(server: &Cluster) -> Result<()> {
    let began = Instant::now();
    loop {
        match server.psql(DATABASE, "select 1") {
            Ok(_) => return Ok(()),
            Err(error) if began.elapsed() > ANSWER_LIMIT => bail!(error),
            Err(_) => thread::sleep(Duration::from_millis(30)),
        }
    }
}
