//! The pipelines of a campaign: one to three processes of the program that share the partitions.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};
use cdc_stack::Program;
use tempfile::TempDir;

use crate::fault::MEMBERS_MAX;
use crate::stage::{DATABASE, HISTORY, MIRROR, Stage};

/// The pipeline's name, and its group's.
pub(crate) const PIPELINE: &str = "chaos";

/// How long an orderly end may take: the drain limit, and some more.
const STOP_LIMIT: Duration = Duration::from_secs(40);

/// How long a command may take that ends by itself: to read everything a second time, for one.
const COMMAND_LIMIT: Duration = Duration::from_mins(5);

/// How members are known to their group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    /// By a name of their own, which they keep over a restart.
    Static,
    /// By a name that they get each time.
    Dynamic,
}

/// The processes. One that is absent was killed, and is to be started again, or is not wanted.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) folder: TempDir,
    program: PathBuf,
    running: [Option<Program>; MEMBERS_MAX],
    wanted: usize,
    /// Each time that a member ended without having been asked to.
    pub(crate) surprises: Vec<String>,
}

impl Members {
    /// Writes the configuration files and makes the state tables. Nothing runs yet.
    pub(crate) fn prepare(stage: &Stage, program: &Path, membership: Membership) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("cdc-chaos-").tempdir()?;
        let members = Self {
            folder,
            program: program.to_owned(),
            running: [const { None }; MEMBERS_MAX],
            wanted: 0,
            surprises: Vec::new(),
        };
        for number in 0..MEMBERS_MAX {
            fs::write(members.file(number), configuration(stage, number, membership))?;
        }
        fs::write(members.replay_file(), replay(stage))?;
        fs::write(members.repair_file(), repair(stage))?;
        for file in [members.file(0), members.replay_file()] {
            members.execute(program, &["init"], &file)?;
        }
        Ok(members)
    }

    /// The configuration of a member.
    pub(crate) fn file(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("pipeline-{number}.toml"))
    }

    /// The configuration of the pipeline that reads everything a second time.
    pub(crate) fn replay_file(&self) -> PathBuf {
        self.folder.path().join("replay.toml")
    }

    /// The configuration with which the history is repaired: the members' pipeline, without proxies and
    /// with usual patience.
    pub(crate) fn repair_file(&self) -> PathBuf {
        self.folder.path().join("repair.toml")
    }

    /// The program under test.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Runs a command of a program to its end, which must be a good one.
    pub(crate) fn execute(&self, program: &Path, arguments: &[&str], file: &Path) -> Result<()> {
        let what = format!("`{} {}`", program.display(), arguments.join(" "));
        let log = self.folder.path().join(format!("{}.log", arguments.join("-")));
        let mut command: Vec<OsString> = ["env", "-u", "RUST_LOG"].map(OsString::from).to_vec();
        command.push(program.into());
        command.extend(arguments.iter().map(OsString::from));
        command.extend(["--config".into(), file.into()]);
        let mut running = Program::start(command, self.folder.path(), &log)?;
        let began = Instant::now();
        let status = loop {
            match running.exit_status() {
                Some(status) => break status,
                None if began.elapsed() > COMMAND_LIMIT => {
                    let seconds = COMMAND_LIMIT.as_secs();
                    bail!("{what} did not end within {seconds} s:\n{}", running.log_tail());
                }
                None => thread::sleep(Duration::from_millis(50)),
            }
        };
        let said = running.log_tail();
        ensure!(status.success(), "{what} ended with {status}:\n{said}");
        ensure!(!said.contains("panicked"), "{what} panicked:\n{said}");
        Ok(())
    }

    /// How many share the partitions.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Starts or stops members in order until there are so many.
    pub(crate) fn rescale(&mut self, wanted: usize) -> Result<()> {
        while self.wanted < wanted.min(MEMBERS_MAX) {
            self.start(self.wanted)?;
            self.wanted += 1;
        }
        while self.wanted > wanted {
            self.wanted -= 1;
            self.stop(self.wanted)?;
        }
        Ok(())
    }

    /// Starts a member that does not run.
    pub(crate) fn start(&mut self, number: usize) -> Result<()> {
        let log = self.log(number);
        let file = self.file(number);
        // The log says what it decided; the program's own level is chosen here, not by the caller.
        let command: [OsString; 6] = [
            "env".into(),
            "RUST_LOG=info".into(),
            self.program.clone().into(),
            "run".into(),
            "--config".into(),
            file.into(),
        ];
        let started = Program::start(command, self.folder.path(), &log)?;
        *self.slot(number)? = Some(started);
        Ok(())
    }

    /// Kills a member.
    pub(crate) fn kill(&mut self, number: usize) -> Result<()> {
        if let Some(mut member) = self.slot(number)?.take() {
            let ended = member.exit_status();
            member.kill();
            self.note(number, ended.map(|status| status.to_string()), &member);
        }
        Ok(())
    }

    /// Asks a member to end, which it must do with exit code 0.
    pub(crate) fn stop(&mut self, number: usize) -> Result<()> {
        if let Some(mut member) = self.slot(number)?.take() {
            let status = member.stop(STOP_LIMIT);
            let ended = status.filter(|status| !status.success());
            self.note(number, ended.map(|status| format!("{status} after SIGTERM")), &member);
        }
        Ok(())
    }

    /// Stops a member with SIGSTOP.
    pub(crate) fn freeze(&mut self, number: usize) -> Result<()> {
        let frozen = self.slot(number)?.as_mut().map(Program::freeze);
        // One that has ended by itself is noticed by `mend`.
        frozen.transpose().ok();
        Ok(())
    }

    /// Lets a member go on.
    pub(crate) fn thaw(&mut self, number: usize) -> Result<()> {
        self.slot(number)?.iter_mut().for_each(Program::thaw);
        Ok(())
    }

    /// Notes which members have ended by themselves, and starts them and all that were killed again.
    pub(crate) fn mend(&mut self) -> Result<()> {
        for number in 0..self.wanted {
            let slot = self.slot(number)?;
            let ended = slot.as_mut().map(Program::exit_status);
            match ended {
                Some(None) => continue,
                Some(Some(status)) => {
                    if let Some(member) = slot.take() {
                        self.note(number, Some(status.to_string()), &member);
                    }
                }
                None => {}
            }
            self.start(number)?;
        }
        Ok(())
    }

    /// What all members have ever logged.
    pub(crate) fn logs(&self) -> Vec<String> {
        let logs = (0..MEMBERS_MAX).map(|number| fs::read(self.log(number)));
        logs.flatten().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("pipeline-{number}.log"))
    }

    fn slot(&mut self, number: usize) -> Result<&mut Option<Program>> {
        self.running.get_mut(number).ok_or_else(|| anyhow!("there is no pipeline {number}"))
    }

    fn note(&mut self, number: usize, ended: Option<String>, member: &Program) {
        if let Some(how) = ended {
            let tail = member.log_tail();
            let lines: Vec<&str> = tail.lines().rev().take(3).collect();
            let lines: Vec<&str> = lines.into_iter().rev().collect();
            self.surprises
                .push(format!("pipeline {number} ended with {how}: {}", lines.join(" | ")));
        }
    }
}

/// The configuration of a member. Waits are scaled: what takes a minute by default takes seconds.
fn configuration(stage: &Stage, number: usize, membership: Membership) -> String {
    let instance = match membership {
        Membership::Static => format!("instance_id = \"member-{number}\"\n"),
        Membership::Dynamic => String::new(),
    };
    let brokers = format!("127.0.0.1:{}", stage.to_broker.port());
    let kafka = format!(
        r#"{instance}retry_for = "2m"
[source.kafka.properties]
"session.timeout.ms" = "2000"
"heartbeat.interval.ms" = "500"
"socket.timeout.ms" = "3000"
"#
    );
    let postgres = r#"apply_timeout = "5s"
lock_timeout = "4s"
idle_in_transaction_timeout = "5s"
connect_patience = "1m"
"#;
    let ends = Ends { name: PIPELINE, brokers, url: stage.warehouse_url() };
    ends.document(&kafka, postgres, HISTORY)
}

/// The configuration of a pipeline that reads the topics from their beginning without any disturbance,
/// into a second history and into the same mirror.
fn replay(stage: &Stage) -> String {
    Ends::direct(stage, "replay").document("", "", &format!("{HISTORY}_again"))
}

fn repair(stage: &Stage) -> String {
    Ends::direct(stage, PIPELINE).document("", "", HISTORY)
}

struct Ends {
    name: &'static str,
    brokers: String,
    url: String,
}

impl Ends {
    /// Without the proxies.
    fn direct(stage: &Stage, name: &'static str) -> Self {
        Self { name, brokers: stage.brokers(), url: stage.warehouse.url(DATABASE) }
    }

    fn document(&self, kafka: &str, postgres: &str, history: &str) -> String {
        let Self { name, brokers, url } = self;
        let topics = Stage::topics();
        format!(
            r#"[pipeline]
name = "{name}"

[sink.postgres]
url = "{url}"
{postgres}
[source.kafka]
brokers = "{brokers}"
topics = {topics:?}
group = "{name}"
{kafka}
[[table]]
source = "public.{HISTORY}"
target = "public.{history}"
mode = "history"
before = "full"
columns = {{ amount = "decimal(12,2)" }}

[[table]]
source = "public.{MIRROR}"
target = "public.{MIRROR}"
mode = "mirror"
truncates = "ignore"
columns = {{ amount = "decimal(12,2)" }}
"#
        )
    }
}
