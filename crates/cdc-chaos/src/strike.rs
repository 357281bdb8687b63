//! How each kind of fault is done, and what is seen of it while it lasts.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cdc_stack::postgres::{Cluster, StopMode};
use rustix::process::{Pid, Signal, kill_process};

use crate::draw::Draw;
use crate::fault::{Fault, Kind, MEMBERS_MAX};
use crate::held::Held;
use crate::members::Members;
use crate::stage::{DATABASE, Stage};

/// How long a batch may take to come to the place in which it is held. The load goes on, so it comes.
const WINDOW_LIMIT: Duration = Duration::from_secs(5);

/// How long a server may take to answer again.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Sessions of the pipelines.
const SESSIONS: &str = "from pg_stat_activity where starts_with(application_name, 'cdc-pipeline chaos') \
                        and datname = current_database()";

/// The sessions of the pipelines which hold a checkpoint's row: between compare-and-set and COMMIT.
const IN_WINDOW: &str = "select pid from pg_locks join pg_stat_activity using (pid) \
                         where relation = 'cdc.checkpoint'::regclass and mode = 'RowExclusiveLock' \
                         and granted and starts_with(application_name, 'cdc-pipeline chaos')";

/// What was seen of a fault.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Whether a process was stopped or killed while a transaction of a pipeline stood between
    /// compare-and-set and COMMIT.
    pub(crate) met_window: bool,
    /// Whether a pipeline was stopped while it had a transaction open.
    pub(crate) met_transaction: bool,
    /// What it was done to, in a few words.
    pub(crate) detail: String,
}

impl Seen {
    fn of(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..Self::default() }
    }
}

/// Lets a fault happen, and lasts as long as it does; but for those that last until they are noticed.
pub(crate) fn strike(stage: &Stage, members: &mut Members, fault: &Fault) -> Result<Seen> {
    let Fault { kind, hold, .. } = fault;
    let mut choice = fault.choice.clone();
    match kind {
        Kind::PipelineKilled
        | Kind::PipelineFrozen
        | Kind::PipelineStopped
        | Kind::PipelinesRescaled => pipeline(stage, members, fault, &mut choice),
        Kind::CommitClientFrozen
        | Kind::CommitServerFrozen
        | Kind::CommitClientKilled
        | Kind::CommitSessionEnded => in_commit(stage, members, fault, &mut choice),
        Kind::SessionsEnded
        | Kind::SessionKilled
        | Kind::WarehouseRestarted
        | Kind::WarehouseCrashed
        | Kind::WarehouseKilled
        | Kind::WarehouseFrozen => warehouse(stage, fault, &mut choice),
        Kind::WarehouseCut => Ok(connections(stage.to_warehouse.cut())),
        Kind::WarehouseCutAfterCommit => {
            let was_met = stage.to_warehouse.cut_after_commit(WINDOW_LIMIT);
            Ok(Seen::of(if was_met { "an answer was lost" } else { "nobody committed" }))
        }
        Kind::WarehouseHalfOpen => Ok(connections(stage.to_warehouse.silence())),
        Kind::WarehouseOrphaned => Ok(connections(stage.to_warehouse.orphan())),
        Kind::BrokerCut => Ok(connections(stage.to_broker.cut())),
        Kind::BrokerHalfOpen => Ok(connections(stage.to_broker.silence())),
        Kind::BrokerKilled
        | Kind::BrokerRestarted
        | Kind::BrokerFrozen
        | Kind::ConnectKilled
        | Kind::ConnectRestarted
        | Kind::ConnectFrozen => messaging(stage, *kind, *hold),
        Kind::SourceKilled
        | Kind::SourceRestarted
        | Kind::SourceFrozen
        | Kind::ReplicationEnded => source(stage, *kind, *hold),
    }
}

fn connections(count: usize) -> Seen {
    Seen::of(format!("{count} connections"))
}

/// One of the running members.
fn member(members: &Members, choice: &mut Draw) -> Result<usize> {
    Ok(usize::try_from(choice.below(u64::try_from(members.wanted())?))?)
}

fn pipeline(
    stage: &Stage,
    members: &mut Members,
    fault: &Fault,
    choice: &mut Draw,
) -> Result<Seen> {
    let number = member(members, choice)?;
    let of = members.wanted();
    match fault.kind {
        Kind::PipelineKilled => {
            members.kill(number)?;
            // Half of them come back at once, the others after their group has missed them.
            if choice.once_in(2) {
                thread::sleep(fault.hold);
            }
            members.start(number)?;
            Ok(Seen::of(format!("{} of {of}", number + 1)))
        }
        Kind::PipelineFrozen => {
            members.freeze(number)?;
            let (met_window, met_transaction) = frozen_transactions(stage)?;
            thread::sleep(fault.hold);
            members.thaw(number)?;
            let detail = format!("{} of {of}", number + 1);
            Ok(Seen { met_window, met_transaction, detail })
        }
        Kind::PipelineStopped => {
            members.stop(number)?;
            members.start(number)?;
            Ok(Seen::of(format!("{} of {of}", number + 1)))
        }
        _ => {
            let others: Vec<usize> = (1..=MEMBERS_MAX).filter(|wanted| *wanted != of).collect();
            let wanted = choice.choose(&others).copied().unwrap_or(of);
            members.rescale(wanted)?;
            Ok(Seen::of(format!("from {of} to {wanted}")))
        }
    }
}

/// Whether a session holds a checkpoint's row, and whether one has a transaction open, both now and a
/// moment later: those of members that go on do not last that long.
fn frozen_transactions(stage: &Stage) -> Result<(bool, bool)> {
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
    Ok((lasts(&before.0, &after.0), lasts(&before.1, &after.1)))
}

/// What happens while a transaction is held between compare-and-set and COMMIT.
fn in_commit(
    stage: &Stage,
    members: &mut Members,
    fault: &Fault,
    choice: &mut Draw,
) -> Result<Seen> {
    let mut held = Held::start(&stage.warehouse)?;
    let Some(waiting) = held.wait_for_batch(&stage.warehouse, WINDOW_LIMIT)? else {
        held.release();
        return Ok(Seen::of("no batch came"));
    };
    let in_window = stage.warehouse.psql(DATABASE, IN_WINDOW)?;
    let met_window = in_window.lines().any(|pid| pid == waiting.to_string());
    let all = 0..members.wanted();
    let detail = match fault.kind {
        Kind::CommitClientFrozen => {
            all.clone().try_for_each(|number| members.freeze(number))?;
            // All are frozen, so the transaction's own pipeline is. Then one stays frozen, while the
            // transaction ends before or after it wakes up.
            let one = member(members, choice)?;
            all.filter(|number| *number != one).try_for_each(|number| members.thaw(number))?;
            if choice.once_in(2) {
                held.release();
                thread::sleep(fault.hold);
                members.thaw(one)?;
                "server went on meanwhile"
            } else {
                thread::sleep(fault.hold);
                members.thaw(one)?;
                held.release();
                "server went on later"
            }
        }
        Kind::CommitServerFrozen => {
            signal(waiting, Signal::STOP)?;
            held.release();
            thread::sleep(fault.hold);
            signal(waiting, Signal::CONT)?;
            "thawed"
        }
        Kind::CommitClientKilled => {
            all.clone().try_for_each(|number| members.kill(number))?;
            if choice.once_in(2) {
                held.release();
                all.into_iter().try_for_each(|number| members.start(number))?;
                "server went on first"
            } else {
                all.into_iter().try_for_each(|number| members.start(number))?;
                thread::sleep(fault.hold);
                held.release();
                "others came first"
            }
        }
        _ => {
            stage.warehouse.psql(DATABASE, &format!("select pg_terminate_backend({waiting})"))?;
            held.release();
            "terminated"
        }
    };
    held.release();
    Ok(Seen { met_window, met_transaction: true, detail: detail.to_owned() })
}

fn warehouse(stage: &Stage, fault: &Fault, choice: &mut Draw) -> Result<Seen> {
    let server = &stage.warehouse;
    match fault.kind {
        Kind::SessionsEnded => {
            let one = if choice.once_in(2) { " order by random() limit 1" } else { "" };
            let sql = format!("select pg_terminate_backend(pid) {SESSIONS}{one}");
            let ended = server.psql(DATABASE, &sql)?;
            return Ok(Seen::of(format!("{} sessions", ended.lines().count())));
        }
        Kind::SessionKilled => {
            let pids = server.psql(DATABASE, &format!("select pid {SESSIONS}"))?;
            let pids: Vec<&str> = pids.lines().collect();
            let Some(pid) = choice.choose(&pids) else { return Ok(Seen::of("no session")) };
            signal(pid.parse()?, Signal::KILL)?;
            answers(server)?;
        }
        Kind::WarehouseRestarted => server.restart(StopMode::Fast)?,
        Kind::WarehouseCrashed => server.restart(StopMode::Immediate)?,
        Kind::WarehouseKilled => {
            server.kill();
            thread::sleep(fault.hold);
            server.restart(StopMode::Fast)?;
        }
        _ => {
            server.freeze()?;
            thread::sleep(fault.hold);
            server.thaw();
        }
    }
    Ok(Seen::default())
}

fn messaging(stage: &Stage, kind: Kind, hold: Duration) -> Result<Seen> {
    let Stage { broker, connect, .. } = stage;
    match kind {
        Kind::BrokerKilled => {
            broker.kill();
            thread::sleep(hold);
            broker.restart()?;
        }
        Kind::BrokerRestarted => broker.restart()?,
        Kind::BrokerFrozen => {
            broker.freeze()?;
            thread::sleep(hold);
            broker.thaw();
        }
        Kind::ConnectKilled => {
            connect.kill();
            connect.restart()?;
        }
        Kind::ConnectRestarted => connect.restart()?,
        _ => {
            connect.freeze()?;
            thread::sleep(hold);
            connect.thaw();
        }
    }
    Ok(Seen::default())
}

fn source(stage: &Stage, kind: Kind, hold: Duration) -> Result<Seen> {
    let server = &stage.source;
    match kind {
        Kind::SourceKilled => {
            server.kill();
            thread::sleep(hold);
            server.restart(StopMode::Fast)?;
        }
        Kind::SourceRestarted => server.restart(StopMode::Fast)?,
        Kind::SourceFrozen => {
            server.freeze()?;
            thread::sleep(hold);
            server.thaw();
        }
        _ => {
            let sql = "select pg_terminate_backend(active_pid) from pg_replication_slots \
                       where active_pid is not null";
            server.psql(DATABASE, sql)?;
        }
    }
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
