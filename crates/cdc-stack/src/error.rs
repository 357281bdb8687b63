//! The one error type of this crate: what was attempted, on which component, and how to go on.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a component could not be started, used or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// A program that the component needs is not installed where it was looked for.
    #[error("cannot find the program `{program}` ({searched}); install it with `{install}`")]
    MissingProgram {
        /// The program's file name.
        program: &'static str,
        /// Where it was looked for.
        searched: String,
        /// A shell command that installs it.
        install: &'static str,
    },
    /// The Java runtime is older than what the component was compiled for.
    #[error(
        "cannot run Kafka's parts with {}, which is Java {found}: they need Java {needed} or later; \
         install it with `apt-get install default-jre-headless` or let JAVA_HOME name one", program.display()
    )]
    OldJava {
        /// The runtime.
        program: PathBuf,
        /// Its version.
        found: u32,
        /// The oldest version that will do.
        needed: u32,
    },
    /// PostgreSQL refuses to run as root and no other account could be found.
    #[error(
        "cannot start PostgreSQL as root: neither of the users `postgres` and `nobody` exists; \
         create one with `useradd --system postgres` or start this program as another user"
    )]
    NoUnprivilegedUser,
    /// The operating system refused something.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted, as a verb phrase.
        action: &'static str,
        /// The file, folder or program it was attempted on.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// No port of the range used for components could be bound.
    #[error("cannot find a free port on 127.0.0.1 between {first} and {last}")]
    NoFreePort {
        /// First port that was tried.
        first: u16,
        /// Last port that was tried.
        last: u16,
    },
    /// Other programs listen on ports that components were asked to have.
    #[error(
        "cannot listen on 127.0.0.1: already taken by another program: {}; stop that program, \
         which `ss -ltnp` or `lsof -i` names, or choose another port",
        list(taken)
    )]
    PortsTaken {
        /// The component and its port, for each port that is taken.
        taken: Vec<(&'static str, u16)>,
    },
    /// A component ended, or did not answer in time, while it was being started.
    #[error("cannot start {component}: {reason}; the end of its log {} is:\n{log_tail}", log.display())]
    Start {
        /// The component, as in "PostgreSQL".
        component: &'static str,
        /// What was seen instead of readiness.
        reason: String,
        /// The log's full text.
        log: PathBuf,
        /// The last lines which this start wrote into the log.
        log_tail: String,
    },
    /// A component that was running ended without having been asked to.
    #[error("{component} ended by itself with {status}; its log is {}", log.display())]
    Ended {
        /// The component's name in the stack, as in "kafka".
        component: &'static str,
        /// Its exit status in words.
        status: String,
        /// The log's full text.
        log: PathBuf,
    },
    /// A component was asked to do something while it is not running.
    #[error("cannot use {component}: it is not running")]
    NotRunning {
        /// The component, as in "PostgreSQL".
        component: &'static str,
    },
    /// A helper program ran and reported a failure.
    #[error("`{program}` failed with {status}:\n{output}")]
    Program {
        /// The program and, where it helps, what it was asked to do.
        program: String,
        /// Its exit status in words.
        status: String,
        /// What it wrote to its standard error.
        output: String,
    },
    /// Kafka Connect's HTTP interface refused a request or could not be reached.
    #[error("cannot {action} over HTTP at {url}: {answer}")]
    Http {
        /// What was attempted, as a verb phrase.
        action: &'static str,
        /// The address asked.
        url: String,
        /// Status and body of the answer, or the transport's error in words.
        answer: String,
    },
    /// A connector, or one of its tasks, is in the state FAILED.
    #[error("connector `{name}` failed:\n{trace}")]
    ConnectorFailed {
        /// The connector's name.
        name: String,
        /// The stack trace which Connect reports.
        trace: String,
    },
    /// Something did not happen within its time limit.
    #[error("{what} within {} s; last seen: {last_seen}", limit.as_secs())]
    Deadline {
        /// What did not happen, as "connector `x` did not run".
        what: String,
        /// The time limit.
        limit: Duration,
        /// The state at the last look.
        last_seen: String,
    },
}

impl StackError {
    /// Wraps an operating system's answer with what was attempted; made for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

fn list(taken: &[(&str, u16)]) -> String {
    let ports: Vec<String> =
        taken.iter().map(|(component, port)| format!("port {port} ({component})")).collect();
    ports.join(", ")
}
