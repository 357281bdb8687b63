//! What the kernel says about a process: its memory and its processor time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Resident memory in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// `VmHWM`: the most there ever was.
    pub(crate) peak_kib: u64,
    /// `VmRSS`: now.
    pub(crate) resident_kib: u64,
}

/// The memory of a process; nothing when it has ended.
pub(crate) fn memory(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Memory { peak_kib: kib(&status, "VmHWM:")?, resident_kib: kib(&status, "VmRSS:")? })
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Processor time of a process, in user and kernel mode, without its children.
pub(crate) fn cpu(pid: u32) -> Option<Duration> {
    Some(Stat::read(Path::new(&format!("/proc/{pid}/stat")))?.own)
}

/// Processor time of a process with its children, those that have ended included.
pub(crate) fn cpu_of_family(pid: u32) -> Option<Duration> {
    let parent = Stat::read(Path::new(&format!("/proc/{pid}/stat")))?;
    let living: Duration = fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| Stat::read(&entry.ok()?.path().join("stat")))
        .filter(|stat| stat.parent == pid)
        .map(|stat| stat.own + stat.ended_children)
        .sum();
    Some(parent.own + parent.ended_children + living)
}

/// Processor time of each living thread by its number, with its name.
pub(crate) fn cpu_of_threads(pid: u32) -> BTreeMap<u32, (String, Duration)> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return BTreeMap::new() };
    tasks
        .filter_map(|task| {
            let task = task.ok()?;
            let number = task.file_name().to_str()?.parse().ok()?;
            let stat = Stat::read(&task.path().join("stat"))?;
            Some((number, (stat.name, stat.own)))
        })
        .collect()
}

/// The used part of a line of `/proc/<pid>/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    name: String,
    parent: u32,
    own: Duration,
    ended_children: Duration,
}

impl Stat {
    fn read(path: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(path).ok()?, rustix::param::clock_ticks_per_second())
    }

    fn parse(line: &str, ticks_per_second: u64) -> Option<Self> {
        // The name may hold spaces and brackets of its own, so it ends at the last one.
        let (head, tail) = line.rsplit_once(')')?;
        let (_, name) = head.split_once('(')?;
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let time = |first: usize| {
            let ticks = number(first)?.checked_add(number(first + 1)?)?;
            ticks.checked_mul(1_000)?.checked_div(ticks_per_second).map(Duration::from_millis)
        };
        Some(Self {
            name: name.to_owned(),
            parent: u32::try_from(number(1)?).ok()?,
            own: time(11)?,
            ended_children: time(13)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_shifts_nothing() {
        let line = "7 (a) b (c)) S 3 7 7 0 -1 0 9 9 9 9 150 50 4 6 20 0 1 0 1 1 1";
        let stat = Stat::parse(line, 100).unwrap();
        assert_eq!((stat.name.as_str(), stat.parent), ("a) b (c)", 3));
        assert_eq!(stat.own, Duration::from_secs(2));
        assert_eq!(stat.ended_children, Duration::from_millis(100));
    }

    #[test]
    fn this_process_has_memory_and_threads() {
        let pid = std::process::id();
        let memory = memory(pid).unwrap();
        assert!(memory.peak_kib >= memory.resident_kib && memory.resident_kib > 0);
        assert!(cpu_of_threads(pid).contains_key(&pid));
        // In this order, because both grow all the time.
        let alone = cpu(pid).unwrap();
        assert!(cpu_of_family(pid).unwrap() >= alone);
        assert_eq!(super::memory(u32::MAX), None);
    }
}
