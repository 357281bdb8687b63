//! What numbers were measured on: the machine, and the commit of the work tree.

use std::fs;
use std::num::NonZero;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

/// The machine that this program runs on. Parts that it does not tell are empty or 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Processors that may be used.
    pub cores: usize,
    /// Main memory in MiB.
    pub memory_mib: u64,
    /// Kernel release.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let kib = first_after("/proc/meminfo", "MemTotal").replace("kB", "");
        Self {
            processor: first_after("/proc/cpuinfo", "model name"),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
            memory_mib: kib.trim().parse::<u64>().unwrap_or(0) / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
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

/// The commit of the work tree, with a `+` when files of the programs differ from it.
pub fn commit() -> String {
    let git = |arguments: &[&str]| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let output = Command::new("git").current_dir(folder).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain", "--", "crates", "apps", "warehouse-schema"]);
    let mark = if changed.is_some_and(|files| files.is_empty()) { "" } else { "+" };
    format!("{commit}{mark}")
}
