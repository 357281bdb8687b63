//! Child processes that cannot outlive their starter, and the account they run under.
//!
//! A component is started through a small shell script. The script first leaves a watchdog behind,
//! whose standard input is the read end of a pipe, then turns into the component: so the process
//! id of the child is the component's own, and also the id of a process group that holds
//! component and watchdog. The starter keeps the pipe's write end, the lifeline. However the
//! starter ends, the system closes the lifeline, and the watchdog kills the component and removes
//! its temporary folder. (Linux's parent-death signal would not do: it fires when the *thread*
//! that started the child ends.)

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::StackError;
use crate::file::{log_since, log_tail};

/// How often a condition is looked at while waiting for it.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// Arguments: the folder to remove (or nothing), then the component's command line.
///
/// The group's id is not given to another process while the watchdog lives in the group, so
/// `$$` stays safe to kill after the component has ended by itself. The watchdog is started by a
/// subshell that ends at once, so that the component has no child it does not know.
const SCRIPT: &str = r#"
folder=$1; shift
exec 3<&0 </dev/null
( (
  read -r line <&3
  kill -9 $$
  if [ -n "$folder" ]; then
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
      rm -rf -- "$folder" && break
      sleep 0.3
    done
  fi
  kill -9 -$$
) >/dev/null 2>&1 & )
exec "$@" 3<&-
"#;

/// The unprivileged user under which a component runs when the starter is root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// The account for PostgreSQL, which refuses root; `None` when the starter is not root.
    pub(crate) fn for_postgres() -> Result<Option<Self>, StackError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let path = Path::new("/etc/passwd");
        let users = fs::read_to_string(path).map_err(StackError::io("read", path))?;
        Self::choose(&users).map(Some).ok_or(StackError::NoUnprivilegedUser)
    }

    fn choose(users: &str) -> Option<Self> {
        ["postgres", "nobody"].into_iter().find_map(|wanted| {
            users.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                let mut numbers = fields.skip(1).map_while(|field| field.parse().ok());
                let account = Self { uid: numbers.next()?, gid: numbers.next()? };
                (name == wanted && account.uid != 0).then_some(account)
            })
        })
    }

    /// Makes a command run under this account, without the starter's further groups.
    pub(crate) fn apply(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// What to start, and what to do when the starter is gone.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) component: &'static str,
    pub(crate) command: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) folder: &'a Path,
    pub(crate) log: &'a Path,
    pub(crate) account: Option<Account>,
    /// Removed by the watchdog when the starter ends without stopping the component.
    pub(crate) orphaned_folder: Option<&'a Path>,
}

/// A running component; killed, with its whole group, when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    component: &'static str,
    child: Child,
    group: Option<Pid>,
    log: PathBuf,
    log_from: u64,
    // Held for its end: closing it makes the watchdog act.
    _lifeline: Option<ChildStdin>,
}

impl Process {
    pub(crate) fn start(launch: Launch<'_>) -> Result<Self, StackError> {
        let open = || OpenOptions::new().create(true).append(true).open(launch.log);
        let log = open().map_err(StackError::io("open the log", launch.log))?;
        let errors = log.try_clone().map_err(StackError::io("open the log", launch.log))?;
        let log_from = log.metadata().map_or(0, |metadata| metadata.len());
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "cdc-stack"]);
        command.arg(launch.orphaned_folder.unwrap_or(Path::new("")));
        command.args(&launch.command);
        command.envs(launch.environment);
        command.current_dir(launch.folder);
        command.stdin(Stdio::piped()).stdout(log).stderr(errors);
        command.process_group(0);
        if let Some(account) = launch.account {
            account.apply(&mut command);
        }
        let mut child = command.spawn().map_err(StackError::io("run", Path::new("sh")))?;
        let lifeline = child.stdin.take();
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        Ok(Self {
            component: launch.component,
            child,
            group,
            log: launch.log.to_owned(),
            log_from,
            _lifeline: lifeline,
        })
    }

    /// The component's process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the component has written since it was started, or the end of it.
    pub(crate) fn log_tail(&self) -> String {
        log_tail(&self.log, self.log_from)
    }

    /// Whether the component has written this since it was started.
    pub(crate) fn log_contains(&self, wanted: &str) -> bool {
        log_since(&self.log, self.log_from).is_ok_and(|text| text.contains(wanted))
    }

    /// Waits until `ready` says so.
    ///
    /// # Errors
    ///
    /// [`StackError::Start`] when the component ends first or the limit passes.
    pub(crate) fn wait_ready(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut(&Self) -> bool,
    ) -> Result<(), StackError> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.exit_status() {
                return Err(self.start_error(format!("it ended with {status}")));
            }
            if ready(self) {
                return Ok(());
            }
            if begin.elapsed() > limit {
                return Err(self.start_error(format!("not ready after {} s", limit.as_secs())));
            }
            thread::sleep(POLL);
        }
    }

    fn start_error(&self, reason: String) -> StackError {
        StackError::Start {
            component: self.component,
            reason,
            log: self.log.clone(),
            log_tail: self.log_tail(),
        }
    }

    /// Asks the component to end, waits for it, and kills what is left after the limit.
    pub(crate) fn stop(&mut self, signal: Signal, limit: Duration) {
        if let Some(pid) = self.group.filter(|_| self.exit_status().is_none()) {
            // An error means that it has just ended by itself, which is what is wanted.
            rustix::process::kill_process(pid, signal).ok();
            let begin = Instant::now();
            while self.exit_status().is_none() && begin.elapsed() < limit {
                thread::sleep(POLL);
            }
        }
        self.kill();
    }

    /// Kills component and watchdog, and waits until the component is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(group) = self.group {
            // An error means that nobody is left in the group.
            rustix::process::kill_process_group(group, Signal::KILL).ok();
        }
        drop(self.child.wait());
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a helper program to its end and gives its standard output.
///
/// # Errors
///
/// [`StackError::Io`] if it cannot be run, [`StackError::Program`] if it reports a failure.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<String, StackError> {
    let program = PathBuf::from(command.get_program());
    let output = command.stdin(Stdio::null()).output().map_err(StackError::io("run", &program))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    // Some programs report failures on their standard output.
    let text = [&output.stderr, &output.stdout].into_iter().find(|text| !text.is_empty());
    let text = text.map(|text| String::from_utf8_lossy(text).trim_end().to_owned());
    Err(StackError::Program {
        program: what.to_owned(),
        status: output.status.to_string(),
        output: text.unwrap_or_default(),
    })
}

/// The ids of the processes whose parent is `parent`; empty where `/proc` does not exist.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may itself hold spaces and parentheses; state and parent follow it.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_postgres_then_nobody_and_never_root() {
        let nobody = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65533:n:/:/bin/false\n";
        assert_eq!(Account::choose(nobody), Some(Account { uid: 65534, gid: 65533 }));
        let both = format!("{nobody}postgres:x:101:104:PostgreSQL:/var/lib/postgresql:/bin/bash\n");
        assert_eq!(Account::choose(&both), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(Account::choose("postgres:x:0:0::/:/bin/sh\n"), None);
    }

    #[test]
    fn a_component_that_ends_early_is_reported_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut process = Process::start(Launch {
            component: "a test program",
            command: ["sh", "-c", "echo boom >&2; exit 3"].map(OsString::from).to_vec(),
            environment: Vec::new(),
            folder: folder.path(),
            log: &log,
            account: None,
            orphaned_folder: None,
        })
        .unwrap();
        let error = process.wait_ready(Duration::from_secs(10), |_| false).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("a test program") && text.contains("exit status: 3"), "{text}");
        assert!(text.contains("boom"), "{text}");
    }

    #[test]
    fn own_children_are_found_by_their_parent() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(children_of(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
