//! Memory of a pipeline that has nothing to do: after a full drain, and after a start at the end.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use serde::Serialize;

use super::fill::Topic;
use super::latency::wait_for_partition;
use super::pipeline::{Mode, Running, Setup, Until};
use super::proc;
use super::stage::Stage;

/// How long nothing happens before memory is read.
const REST: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_mins(30);

/// Memory in KiB and processor time at rest.
#[derive(Debug, Clone, Serialize)]
pub struct Idle {
    /// What the process had before it rested.
    pub after: &'static str,
    /// `VmRSS`.
    pub resident_kib: u64,
    /// `VmHWM`.
    pub peak_resident_kib: u64,
    /// Processor time per second of rest, as a share of one core.
    pub cpu_share: f64,
}

/// Drains the topic, rests, starts again, rests.
pub(crate) fn idle(stage: &Stage, topic: &Topic) -> Result<Vec<Idle>> {
    let setup = Setup::create(stage, &topic.name, Mode::History)?;
    let running = Running::start(&setup, Until::Stopped)?;
    wait_until_applied(stage, &setup, topic, &running)?;
    let drained = rest(&running, "drain")?;
    running.stop()?;
    let running = Running::start(&setup, Until::Stopped)?;
    wait_for_partition(&running)?;
    let started = rest(&running, "start")?;
    running.stop()?;
    stage.warehouse.drop_database(&setup.database)?;
    Ok(vec![started, drained])
}

fn wait_until_applied(
    stage: &Stage,
    setup: &Setup,
    topic: &Topic,
    running: &Running,
) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    let sql = "SELECT coalesce(max(next_offset), 0) FROM cdc.checkpoint";
    while stage.warehouse.number(&setup.database, sql)? < topic.messages {
        let waits = Instant::now() < deadline && !running.has_ended()?;
        ensure!(waits, "the pipeline did not reach the end of the topic");
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

pub(crate) fn rest(running: &Running, after: &'static str) -> Result<Idle> {
    let ended = || anyhow!("the pipeline ended while it had nothing to do");
    let pid = running.id();
    let before = proc::cpu(pid).ok_or_else(ended)?;
    thread::sleep(REST);
    let memory = proc::memory(pid).ok_or_else(ended)?;
    let cpu = proc::cpu(pid).ok_or_else(ended)?.saturating_sub(before);
    Ok(Idle {
        after,
        resident_kib: memory.resident_kib,
        peak_resident_kib: memory.peak_kib,
        cpu_share: cpu.as_secs_f64() / REST.as_secs_f64(),
    })
}
