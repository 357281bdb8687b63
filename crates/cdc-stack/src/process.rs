//! Child processes that cannot outlive their starter, and the account they run under.
//!
//! A component is started through a small shell script. The script first leaves a watchdog behind,
//! whose standard input is the read end of a pipe, then turns into the component: so the process
//! id of the child is the component's own, and also the id of a process group that holds
//! component and watchdog. The starter keeps the pipe's write end, the lifeline. However the
//! starter ends, the system closes the lifeline, and the watchdog kills the component and removes
//! its temporary folder. (Linux's parent-death signal would not do: it fires when the *thread*
//! that started the child ends.)
//!
//! A frozen component has stopped together with its direct children, its watchdog has not: so a
//! component that was frozen when its starter ended is killed like any other.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::StackError;
use crate::family::{children_of, stands_still};
use crate::file::{log_since, log_tail};

/// How often a condition is looked at while waiting for it.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// A stopping process finishes the system call it is in; only a disk that hangs takes seconds.
const FREEZE_LIMIT: Duration = Duration::from_secs(10);

/// Arguments: the folder to remove (or nothing), then the component's command line.
///
/// The group's id is not given to another process while the watchdog lives in the group, so
/// `$$` stays safe to kill after the component has ended by itself. The watchdog is started by a
/// subshell that ends at once, so that the component has no child it does not know.
///
/// The component's children are killed with it, since PostgreSQL's have groups of their own and
/// would notice the end of their parent only while they are not frozen. The watchdog ignores
/// SIGHUP, which the system sends to a group with a stopped process when the starter ends.
const SCRIPT: &str = r#"
folder=$1; shift
exec 3<&0 </dev/null
( (
  trap '' HUP
  read -r line <&3
  children=$(grep -s -l "^PPid:[[:space:]]*$$\$" /proc/[0-9]*/status | cut -d / -f 3)
  kill -9 $$ $children
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
    // Who has to be sent SIGCONT before it can do anything but be killed.
    frozen: Vec<Pid>,
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
        let group = to_pid(child.id());
        Ok(Self {
            component: launch.component,
            child,
            group,
            log: launch.log.to_owned(),
            log_from,
            frozen: Vec::new(),
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

    /// Stops the component and its direct children with SIGSTOP, and waits until none of their
    /// threads runs. Nothing to do when it is frozen.
    ///
    /// # Errors
    ///
    /// [`StackError::NotRunning`] when the component has ended by itself, [`StackError::Deadline`]
    /// when a process does not stop; then all go on.
    pub(crate) fn freeze(&mut self) -> Result<(), StackError> {
        let Some(own) = self.group.filter(|_| self.exit_status().is_none()) else {
            return Err(StackError::NotRunning { component: self.component });
        };
        if !self.frozen.is_empty() {
            return Ok(());
        }
        // A parent that has stopped starts no further children, so this finds all of them.
        let result = self.halt(&[own]).and_then(|()| {
            let children: Vec<Pid> =
                children_of(self.id()).into_iter().filter_map(to_pid).collect();
            self.halt(&children)
        });
        if result.is_err() {
            self.thaw();
        }
        result
    }

    /// Lets a frozen component go on; nothing to do when it is not frozen.
    pub(crate) fn thaw(&mut self) {
        for pid in self.frozen.drain(..) {
            // An error means that somebody else has killed it.
            rustix::process::kill_process(pid, Signal::CONT).ok();
        }
    }

    fn halt(&mut self, processes: &[Pid]) -> Result<(), StackError> {
        for pid in processes {
            // An error means that it has just ended.
            rustix::process::kill_process(*pid, Signal::STOP).ok();
        }
        self.frozen.extend(processes);
        let begin = Instant::now();
        for pid in processes {
            while !stands_still(pid.as_raw_pid()) {
                if begin.elapsed() > FREEZE_LIMIT {
                    return Err(StackError::Deadline {
                        what: format!("process {pid} of {} did not stop", self.component),
                        limit: FREEZE_LIMIT,
                        last_seen: "a running thread".to_owned(),
                    });
                }
                thread::sleep(POLL);
            }
        }
        Ok(())
    }

    /// Asks the component to end, waits for it, and kills what is left after the limit. A frozen
    /// one goes on first, since it could not do what it is asked.
    pub(crate) fn stop(&mut self, signal: Signal, limit: Duration) {
        self.thaw();
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

    /// Kills component and watchdog, and the component's children when it is frozen, and waits
    /// until the component is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(group) = self.group {
            // An error means that nobody is left in the group.
            rustix::process::kill_process_group(group, Signal::KILL).ok();
        }
        for pid in self.frozen.drain(..) {
            // Others of the component have groups of their own. An error means that it is gone.
            rustix::process::kill_process(pid, Signal::KILL).ok();
        }
        drop(self.child.wait());
    }

    /// How the component ended; `None` while it runs.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
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

/// A process id as signals are addressed with it.
pub(crate) fn to_pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
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

    /// A shell that runs this text as a component with its files in the folder.
    fn shell(folder: &Path, text: &str) -> Process {
        Process::start(Launch {
            component: "a test program",
            command: ["sh", "-c", text].map(OsString::from).to_vec(),
            environment: Vec::new(),
            folder,
            log: &folder.join("log"),
            account: None,
            orphaned_folder: None,
        })
        .unwrap()
    }

    /// A component with a child, both running.
    fn parent_and_child(folder: &Path) -> (Process, i32) {
        let mut process = shell(folder, "sleep 600 & echo ready; wait");
        process.wait_ready(Duration::from_secs(10), |it| it.log_contains("ready")).unwrap();
        let children = children_of(process.id());
        assert_eq!(children.len(), 1, "the watchdog is not the component's child");
        (process, i32::try_from(children[0]).unwrap())
    }

    fn is_stopped(pid: i32) -> bool {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.contains("State:\tT")
    }

    #[test]
    fn a_component_that_ends_early_is_reported_with_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = shell(folder.path(), "echo boom >&2; exit 3");
        let error = process.wait_ready(Duration::from_secs(10), |_| false).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("a test program") && text.contains("exit status: 3"), "{text}");
        assert!(text.contains("boom"), "{text}");
        let error = process.freeze().unwrap_err();
        assert!(matches!(error, StackError::NotRunning { .. }), "{error}");
    }

    #[test]
    fn a_component_and_its_child_stand_still_while_frozen() {
        let folder = tempfile::tempdir().unwrap();
        let (mut process, child) = parent_and_child(folder.path());
        let own = i32::try_from(process.id()).unwrap();
        process.freeze().unwrap();
        process.freeze().unwrap();
        assert!(is_stopped(own) && is_stopped(child));
        process.thaw();
        process.thaw();
        assert!(!is_stopped(own) && !is_stopped(child));
    }

    #[test]
    fn a_frozen_component_can_be_asked_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let (mut process, _) = parent_and_child(folder.path());
        process.freeze().unwrap();
        let begin = Instant::now();
        process.stop(Signal::TERM, Duration::from_mins(1));
        assert!(begin.elapsed() < Duration::from_secs(30), "it was killed only after the limit");
    }

    #[test]
    fn a_dropped_frozen_component_leaves_no_child() {
        let folder = tempfile::tempdir().unwrap();
        let (mut process, child) = parent_and_child(folder.path());
        process.freeze().unwrap();
        drop(process);
        assert!(!is_stopped(child));
    }
}
