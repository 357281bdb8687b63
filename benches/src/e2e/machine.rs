//! What the numbers were measured on.

use std::fs;
use std::num::NonZero;
use std::process::Command;
use std::thread;

use serde::Serialize;

use super::stage::Stage;

/// The machine and the programs on it. Unknown parts are empty.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Processors that may be used.
    pub cores: usize,
    /// Main memory in MiB.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
    /// Version of the database server.
    pub postgresql: String,
    /// Version of the broker.
    pub kafka: String,
}

impl Machine {
    pub(crate) fn of(stage: &Stage) -> Self {
        let (postgresql, kafka) = (stage.server_version(), stage.broker_version());
        Self { postgresql, kafka, ..Self::alone() }
    }

    /// The machine without the programs.
    pub(crate) fn alone() -> Self {
        let kib = first_after("/proc/meminfo", "MemTotal").replace("kB", "");
        Self {
            processor: first_after("/proc/cpuinfo", "model name"),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            memory_mib: kib.trim().parse::<u64>().unwrap_or(0) / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            postgresql: String::new(),
            kafka: String::new(),
        }
    }
}

/// The text after the colon of the first line that starts so.
fn first_after(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|rest| rest.split_once(':')).map_or("", |(_, value)| value);
    value.trim().to_owned()
}

/// The commit of the work tree, with a `+` when files that are measured differ from it.
pub(crate) fn commit() -> String {
    let git = |arguments: &[&str]| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let output = Command::new("git").current_dir(folder).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain", "--", "crates", "apps", "warehouse-schema"]);
    let mark = if changed.is_some_and(|files| files.is_empty()) { "" } else { "+" };
    format!("{commit}{mark}")
}
