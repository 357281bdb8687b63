//! What the system says about a process: who its children are, and whether it stands still.
//!
//! Read from `/proc`, so that no other program has to be installed. Where it does not exist, a
//! process has no children to see and counts as standing still.

use std::fs;
use std::path::Path;

/// The ids of the processes whose parent is `parent`; empty where `/proc` does not exist.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            let stat = stat(Path::new(&format!("/proc/{pid}")));
            stat.is_some_and(|(_, its_parent)| its_parent == parent)
        })
        .collect()
}

/// Whether no thread of this process can run any more: each has stopped or ended.
pub(crate) fn stands_still(pid: i32) -> bool {
    // A process that has ended has no threads to read.
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    threads.flatten().all(|thread| {
        stat(&thread.path()).is_none_or(|(state, _)| matches!(state, 'T' | 't' | 'Z' | 'X'))
    })
}

/// State and parent of the process or thread with this folder.
fn stat(folder: &Path) -> Option<(char, u32)> {
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The name in parentheses may itself hold spaces and parentheses; state and parent follow it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn own_children_are_found_by_their_parent() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(children_of(std::process::id()).contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_process_with_one_running_thread_does_not_stand_still() {
        assert!(!stands_still(std::process::id().try_into().unwrap()));
    }
}
