//! Traffic on the source: one session that commits a transaction after the other, at a pace at
//! which latency means something.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cdc_workload::{Oracle, Workload, WorkloadOptions, sql};

use super::stage::Stage;
use crate::failure::Failure;

/// Changes a second: busy, and far from what any part cannot keep up with.
const PACE: u64 = 1_000;

/// A few, so that a disk which syncs each commit keeps up with the pace.
const CHANGES_PER_TRANSACTION: u32 = 4;

/// Between two writes to the session.
const TICK: Duration = Duration::from_millis(10);

/// The running traffic.
#[derive(Debug)]
pub(crate) struct Traffic {
    thread: JoinHandle<Result<Oracle, std::io::Error>>,
    made: Arc<AtomicU64>,
    progress: Arc<AtomicU8>,
}

/// Changes are still being made.
const BUSY: u8 = 0;
/// The last change is committed.
const DONE: u8 = 1;
/// The session ended with an error.
const FAILED: u8 = 2;

impl Traffic {
    /// Starts making exactly this many changes.
    pub(crate) fn start(stage: &Stage, changes: u64) -> Result<Self, Failure> {
        let databases = stage.databases();
        let mut session = Command::new(databases.source().binaries().program("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(databases.source_url())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(Failure::system("start psql"))?;
        let (made, progress) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU8::new(BUSY)));
        let (counter, ended) = (Arc::clone(&made), Arc::clone(&progress));
        let input = session.stdin.take();
        let thread = std::thread::Builder::new()
            .name("traffic".to_owned())
            .spawn(move || {
                let oracle =
                    make(input, changes, &counter).and_then(|oracle| finish(session, oracle));
                ended.store(if oracle.is_ok() { DONE } else { FAILED }, Ordering::Release);
                oracle
            })
            .map_err(Failure::system("start a thread"))?;
        Ok(Self { thread, made, progress })
    }

    /// Changes made so far.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Whether the last change is committed.
    pub(crate) fn is_done(&self) -> bool {
        self.progress.load(Ordering::Acquire) == DONE
    }

    /// Whether the session failed; [`finish`](Self::finish) says why.
    pub(crate) fn has_failed(&self) -> bool {
        self.progress.load(Ordering::Acquire) == FAILED
    }

    /// What the source must hold now.
    pub(crate) fn finish(self) -> Result<Oracle, Failure> {
        match self.thread.join() {
            Ok(made) => made.map_err(Failure::system("make changes in the source")),
            Err(_panicked) => Err(Failure::Differs("the traffic thread panicked".to_owned())),
        }
    }
}

fn make(
    input: Option<ChildStdin>,
    changes: u64,
    made: &AtomicU64,
) -> Result<Oracle, std::io::Error> {
    let mut input = input.ok_or_else(|| std::io::Error::other("the session has no input"))?;
    let mut workload = Workload::new(WorkloadOptions { keys: 5_000, ..WorkloadOptions::default() });
    let mut oracle = Oracle::default();
    let mut text = String::new();
    let began = Instant::now();
    while made.load(Ordering::Relaxed) < changes {
        let due = due_after(began.elapsed()).min(changes);
        text.clear();
        while made.load(Ordering::Relaxed) < due {
            let left = changes.saturating_sub(made.load(Ordering::Relaxed));
            let size = u32::try_from(left).unwrap_or(u32::MAX).min(CHANGES_PER_TRANSACTION);
            let Some(transaction) = workload.transaction(size) else { break };
            sql::write_transaction(&transaction, &mut text);
            oracle.apply(&transaction);
            made.store(oracle.counts().events(), Ordering::Relaxed);
        }
        input.write_all(text.as_bytes())?;
        input.flush()?;
        std::thread::sleep(TICK);
    }
    Ok(oracle)
}

/// Waits until the session has committed everything; its input is closed by now.
fn finish(mut session: Child, oracle: Oracle) -> Result<Oracle, std::io::Error> {
    let status = session.wait()?;
    if status.success() {
        Ok(oracle)
    } else {
        Err(std::io::Error::other("psql ended with an error, shown above"))
    }
}

/// How many changes the pace allows after this time.
fn due_after(elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    millis.saturating_mul(PACE).checked_div(1_000).unwrap_or(0).max(1)
}
