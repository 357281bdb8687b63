//! The measured program as a child process: its configuration, its start, what it did until its end.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde::Deserialize;

use super::stage::{Stage, Warehouse};

/// How an end within its drain limit is waited for.
const STOP_PATIENCE: Duration = Duration::from_secs(40);

/// The log line after which a partition is read.
const ACQUIRED: &str = "partition acquired";

/// What a target holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    History,
    Mirror,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Mirror => "mirror",
        }
    }

    fn target(self) -> &'static str {
        match self {
            Self::History => "public.orders_fact",
            Self::Mirror => "public.orders_current",
        }
    }
}

/// A pipeline with a database of its own.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) database: String,
    program: PathBuf,
    file: String,
}

impl Setup {
    /// A new database with the tables that `init` makes, and a configuration of defaults.
    pub(crate) fn create(stage: &Stage, topic: &str, mode: Mode) -> Result<Self> {
        Self::of(&stage.warehouse.pipeline, stage, topic, mode)
    }

    /// The same for another program.
    pub(crate) fn of(program: &Path, stage: &Stage, topic: &str, mode: Mode) -> Result<Self> {
        let brokers = stage.broker.bootstrap();
        let columns = r#"columns = { amount = "decimal(10,2)", created_at = "timestamp(micros)", updated_at = "timestamp(micros)" }
"#;
        Self::reading(program, &stage.warehouse, mode, |database| {
            let source = format!(
                "[source.kafka]\nbrokers = \"{brokers}\"\ntopics  = [\"{topic}\"]\n\
                 group   = \"{database}\"\n"
            );
            (source, columns)
        })
    }

    /// The same for any source: gives what the configuration says about it, and about the columns of
    /// its table, for a pipeline that has the database's name.
    pub(crate) fn reading<'c>(
        program: &Path,
        warehouse: &Warehouse,
        mode: Mode,
        origin: impl FnOnce(&str) -> (String, &'c str),
    ) -> Result<Self> {
        let database = warehouse.cluster.fresh_database(mode.name())?;
        let (source, columns) = origin(&database);
        let text = format!(
            r#"[pipeline]
name = "{database}"

{source}
[sink.postgres]
url = "{url}"

[[table]]
source  = "public.orders"
target  = "{target}"
mode    = "{mode}"
{columns}"#,
            url = warehouse.cluster.url(&database),
            target = mode.target(),
            mode = mode.name(),
        );
        let path = warehouse.file(&format!("{database}.toml"));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        let file = path.to_string_lossy().into_owned();
        let mut init = command(program);
        let output = init.args(["init", "--config", &file]).output();
        let output = output.with_context(|| format!("cannot run {}", program.display()))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`cdc-pipeline init` failed:\n{errors}");
        Ok(Self { database, program: program.to_owned(), file })
    }
}

/// When a run ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    CaughtUp,
    Stopped,
}

/// The last line of a run's standard output.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Summary {
    pub(crate) seconds: f64,
    pub(crate) records: u64,
    pub(crate) rows: u64,
    pub(crate) folded: u64,
    pub(crate) skipped: u64,
    pub(crate) dead_lettered: u64,
    pub(crate) batches: u64,
    pub(crate) retries: u64,
}

/// A pipeline that runs; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pid: Pid,
    started: Instant,
    acquired: Arc<OnceLock<Duration>>,
    output: Option<JoinHandle<String>>,
    errors: Option<JoinHandle<String>>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) summary: Summary,
    /// From the start of the process to its end.
    pub(crate) outside: Duration,
    /// From the start of the process to its first partition.
    pub(crate) first_poll: Duration,
}

impl Running {
    pub(crate) fn start(setup: &Setup, until: Until) -> Result<Self> {
        let mut command = command(&setup.program);
        command.args(["run", "--json", "--config", &setup.file]);
        if until == Until::CaughtUp {
            command.arg("--until-caught-up");
        }
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            bail!("the pipeline's output is not connected");
        };
        let acquired = Arc::new(OnceLock::new());
        let seen = Arc::clone(&acquired);
        let output = follow("pipeline-output", stdout, |_| {})?;
        let errors = follow("pipeline-errors", stderr, move |line| {
            if line.contains(ACQUIRED) {
                // Only the first one counts.
                seen.set(started.elapsed()).ok();
            }
        })?;
        let pid = pid.ok_or_else(|| anyhow!("the pipeline has no process id"))?;
        let (output, errors) = (Some(output), Some(errors));
        Ok(Self { child, pid, started, acquired, output, errors })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// From the start of the process to its first partition, when it has one.
    pub(crate) fn first_poll(&self) -> Option<Duration> {
        self.acquired.get().copied()
    }

    /// Whether the process has ended. Its entry in `/proc` stays until [`finish`](Self::finish), so
    /// that its processor time can be read to the last tick.
    pub(crate) fn has_ended(&self) -> Result<bool> {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(self.pid), look)?.is_some())
    }

    /// Asks it to stop and takes its summary.
    pub(crate) fn stop(self) -> Result<Ended> {
        kill_process(self.pid, Signal::TERM)?;
        let deadline = Instant::now() + STOP_PATIENCE;
        while !self.has_ended()? {
            ensure!(Instant::now() < deadline, "the pipeline did not stop when asked");
            std::thread::sleep(Duration::from_millis(5));
        }
        self.finish()
    }

    /// Waits for the end and takes the summary.
    pub(crate) fn finish(mut self) -> Result<Ended> {
        let status = self.child.wait()?;
        let outside = self.started.elapsed();
        let (output, errors) = (text(self.output.take()), text(self.errors.take()));
        self.check(status, &errors)?;
        let first_poll = self.first_poll();
        let first_poll =
            first_poll.ok_or_else(|| anyhow!("no line says {ACQUIRED:?} in its log:\n{errors}"))?;
        let last = output.lines().last().unwrap_or_default();
        let summary: Summary = serde_json::from_str(last)
            .with_context(|| format!("cannot read the pipeline's summary from {last:?}"))?;
        Ok(Ended { summary, outside, first_poll })
    }

    fn check(&self, status: ExitStatus, errors: &str) -> Result<()> {
        ensure!(
            status.success(),
            "the pipeline (process {}) ended with {status}:\n{errors}",
            self.id()
        );
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The program, under its own defaults whatever the environment of this one says.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Reads lines to the end on a thread of its own, so that the process never waits for a reader.
fn follow(
    name: &str,
    from: impl Read + Send + 'static,
    mut see: impl FnMut(&str) + Send + 'static,
) -> Result<JoinHandle<String>> {
    let read = move || {
        let mut text = String::new();
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            see(&line);
            text.push_str(&line);
            text.push('\n');
        }
        text
    };
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(read)?)
}

fn text(reader: Option<JoinHandle<String>>) -> String {
    reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
}
