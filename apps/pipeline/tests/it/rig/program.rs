//! The program as a child process: started, watched, killed, asked to stop.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::{until, until_some};

/// Lines of its log that are shown when a test fails while it runs.
const LOG_LINES_SHOWN: usize = 60;

/// The built program, with nothing of the caller's own settings.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cdc-pipeline"));
    command.env_remove("RUST_LOG");
    command
}

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    /// All that it printed.
    pub(crate) stdout: String,
    /// All that it logged.
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails unless it ended with this code and without a panic.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self.without_panic()
    }

    /// Fails if the program panicked anywhere.
    #[track_caller]
    pub(crate) fn without_panic(self) -> Self {
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Fails unless the log names all of these.
    #[track_caller]
    pub(crate) fn expect_words(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is missing in:\n{}", self.stderr);
        }
        self
    }
}

/// A running process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    has_ended: bool,
}

impl Running {
    /// Starts a command with its output in files of this folder, under this name.
    pub(crate) fn start(mut command: Command, folder: &Path, name: &str) -> Self {
        let stdout = folder.join(format!("{name}.stdout"));
        let stderr = folder.join(format!("{name}.stderr"));
        command.stdin(Stdio::null());
        command.stdout(File::create(&stdout).expect("a file for the output"));
        command.stderr(File::create(&stderr).expect("a file for the log"));
        let child = command.spawn().expect("the program starts");
        Self { child, stdout, stderr, has_ended: false }
    }

    /// Fails if the process has ended by itself.
    #[track_caller]
    pub(crate) fn assert_running(&mut self) {
        let status = self.child.try_wait().expect("a process of ours");
        assert_eq!(status, None, "it ended by itself:\n{}", self.log());
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        read(&self.stderr)
    }

    /// The most memory that it has had at once.
    pub(crate) fn memory_peak_mib(&self) -> u64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.child.id())));
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a size");
        let kib: u64 = line.replace("kB", "").trim().parse().expect("a number");
        kib / 1024
    }

    /// Ends it at once, as a power cut would. It must be running.
    #[track_caller]
    pub(crate) fn kill_9(mut self) {
        self.assert_running();
        self.signal(Signal::KILL);
        let ended = self.wait();
        assert_eq!(ended.code, None, "it ended before it was killed:\n{}", ended.stderr);
        ended.without_panic();
    }

    /// Asks it to stop with SIGTERM, and waits until it has. It must be running.
    #[track_caller]
    pub(crate) fn terminate(mut self) -> Ended {
        self.assert_running();
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Asks it to stop, and waits until it has heard that. It must be running.
    #[track_caller]
    pub(crate) fn ask(&mut self, signal: Signal) {
        self.assert_running();
        self.signal(signal);
        until("word that it is stopping", || self.log().contains("stopping: "));
    }

    /// Signals a second time and waits until it has ended. It must be running.
    #[track_caller]
    pub(crate) fn insist(mut self, signal: Signal) -> Ended {
        self.assert_running();
        self.signal(signal);
        self.wait()
    }

    /// Waits until it ends.
    pub(crate) fn wait(mut self) -> Ended {
        let status = until_some("the end of the program", || {
            self.child.try_wait().expect("a process of ours")
        });
        self.has_ended = true;
        Ended { code: status.code(), stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("a signal to a process of ours");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        // An error means that it has ended meanwhile.
        self.child.kill().ok();
        self.child.wait().ok();
        if thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(LOG_LINES_SHOWN);
            let end: Vec<&str> = log.lines().skip(from).collect();
            println!("the end of {}:\n{}", self.stderr.display(), end.join("\n"));
        }
    }
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).expect("a file of ours");
    String::from_utf8_lossy(&bytes).into_owned()
}
