//! A program of the caller's own, beside the components: it ends with its starter as they do, and can
//! be killed and frozen as they can.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use crate::StackError;
use crate::process::{Launch, Process};

/// A running program; killed when dropped, and when its starter ends.
#[derive(Debug)]
pub struct Program {
    process: Process,
    log: PathBuf,
}

impl Program {
    /// Starts a command in a folder. What it writes is appended to the log.
    ///
    /// # Errors
    ///
    /// [`StackError::Io`] when the log cannot be opened or no process be started. A program that does
    /// not exist ends with the shell's exit code 127.
    pub fn start(
        command: impl IntoIterator<Item = OsString>,
        folder: &Path,
        log: &Path,
    ) -> Result<Self, StackError> {
        let process = Process::start(Launch {
            component: "a program",
            command: command.into_iter().collect(),
            environment: Vec::new(),
            folder,
            log,
            account: None,
            orphaned_folder: None,
        })?;
        Ok(Self { process, log: log.to_owned() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where it writes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The end of what it has written since it was started.
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }

    /// How it ended; `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.process.exit_status()
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Stops it with SIGSTOP and waits until none of its threads runs. Nothing to do when it is frozen.
    ///
    /// # Errors
    ///
    /// [`StackError::NotRunning`] when it has ended, [`StackError::Deadline`] when it does not stop.
    pub fn freeze(&mut self) -> Result<(), StackError> {
        self.process.freeze()
    }

    /// Lets it go on with SIGCONT; nothing to do when it is not frozen.
    pub fn thaw(&mut self) {
        self.process.thaw();
    }

    /// Asks it to end with SIGTERM and waits; kills what is left after the limit. Gives how it ended.
    pub fn stop(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.process.stop(Signal::TERM, limit);
        self.process.exit_status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_asked_to_end_says_how_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let text = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done";
        let command = ["sh", "-c", text].map(OsString::from);
        let mut program = Program::start(command, folder.path(), &log).unwrap();
        while !program.log_tail().contains("ready") {
            assert_eq!(program.exit_status(), None);
            std::thread::sleep(Duration::from_millis(10));
        }
        program.freeze().unwrap();
        let status = program.stop(Duration::from_secs(20)).unwrap();
        assert_eq!(status.code(), Some(7), "a frozen program goes on before it is asked");
        assert!(program.log_tail().contains("bye"));
    }
}
