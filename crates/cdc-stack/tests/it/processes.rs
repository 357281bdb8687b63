//! Looks at the machine's processes, to see that nothing is left behind.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Waits for a condition, for 20 s at most.
pub(crate) fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what} did not happen within 20 s");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The processes, zombies left out, which were started in or with this folder.
pub(crate) fn processes_of(folder: &Path) -> Vec<u32> {
    let text = folder.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let read = |name| fs::read(entry.path().join(name)).unwrap_or_default();
        let stat = String::from_utf8_lossy(&read("stat")).into_owned();
        let is_zombie = stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim().starts_with('Z'));
        let command = String::from_utf8_lossy(&read("cmdline")).into_owned();
        let cwd = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        if !is_zombie && (command.contains(text) || cwd.starts_with(folder)) {
            found.push(pid);
        }
    }
    found
}
