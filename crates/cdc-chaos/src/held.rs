//! Holds batches between their compare-and-set and their COMMIT, at the place that `pause.sql` makes.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cdc_stack::postgres::{Cluster, PostgresBinaries};

use crate::stage::DATABASE;

/// The number of the lock, as in `pause.sql`.
const LOCK: &str = "7263";

/// How long the lock may take to be had: as long as a batch under way takes.
const LOCK_LIMIT: Duration = Duration::from_secs(10);

/// A session that holds every batch. They go on when it is released or dropped.
#[derive(Debug)]
pub(crate) struct Held(Option<Child>);

impl Held {
    /// Takes the lock.
    pub(crate) fn start(server: &Cluster) -> Result<Self> {
        let mut session = Command::new(PostgresBinaries::find()?.program("psql"))
            .args(["-X", "-q", "-d", &server.url(DATABASE)])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start psql")?;
        if let Some(input) = &mut session.stdin {
            // A session that has ended at once has no lock, which is seen below.
            writeln!(input, "select pg_advisory_lock({LOCK});").ok();
            input.flush().ok();
        }
        let held = Self(Some(session));
        let sql = format!(
            "select 1 from pg_locks where locktype = 'advisory' and objid = {LOCK} and mode = 'ExclusiveLock' and granted"
        );
        let began = Instant::now();
        while server.psql(DATABASE, &sql)?.is_empty() {
            anyhow::ensure!(
                began.elapsed() < LOCK_LIMIT,
                "the lock that holds batches was not granted"
            );
            thread::sleep(Duration::from_millis(10));
        }
        Ok(held)
    }

    /// Waits until a batch is held, and gives the server's process that has it.
    pub(crate) fn wait_for_batch(server: &Cluster, limit: Duration) -> Result<Option<u32>> {
        let sql = format!(
            "select pid from pg_locks where locktype = 'advisory' and objid = {LOCK} \
             and not granted limit 1"
        );
        let began = Instant::now();
        while began.elapsed() < limit {
            let found = server.psql(DATABASE, &sql)?;
            if !found.is_empty() {
                return Ok(Some(found.parse().context("a process id")?));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(None)
    }

    /// Lets batches go on.
    pub(crate) fn release(&mut self) {
        if let Some(mut session) = self.0.take() {
            // Its server process ends with it, and lets go of the lock.
            session.kill().ok();
            session.wait().ok();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}
