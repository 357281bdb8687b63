//! The file by which the commands find each other: while `up` runs it holds the file's lock, and
//! the file has its process id and its ports.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cdc_stack::{Component, FixedPorts};
use rustix::process::Pid;

use crate::Failure;

/// Makes this process the one `up` of the folder, for as long as the file is kept open.
pub(crate) fn claim(folder: &Path, ports: FixedPorts) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).read(true).write(true);
    let mut file = options.open(path(folder))?;
    if file.try_lock().is_err() {
        let folder = folder.display();
        bail!(
            "a stack already runs in {folder}: stop it with `cdc-stack down --dir {folder}`, or \
             start another one with another --dir and other --port"
        );
    }
    file.set_len(0)?;
    file.write_all(write(std::process::id(), ports).as_bytes())?;
    Ok(file)
}

/// Whether a stack runs in a folder.
#[derive(Debug)]
pub(crate) enum Seen {
    /// None ever has.
    Never,
    /// One has, and the process id in the file is somebody else's by now.
    Ended,
    Runs(Running),
}

/// A running `up`.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) pid: Pid,
    pub(crate) ports: FixedPorts,
    file: File,
}

impl Running {
    pub(crate) fn has_ended(&self) -> bool {
        self.file.try_lock().is_ok()
    }
}

/// Looks for a running `up`.
pub(crate) fn find(folder: &Path) -> Result<Seen, Failure> {
    let mut file = match File::open(path(folder)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Seen::Never),
        Err(error) => return Err(error.into()),
    };
    if file.try_lock().is_ok() {
        return Ok(Seen::Ended);
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let (pid, ports) = read(&text).context("the stack has just been started: try again")?;
    Ok(Seen::Runs(Running { pid, ports, file }))
}

fn path(folder: &Path) -> PathBuf {
    folder.join("cdc-stack.pid")
}

/// One line with the process id, then one with name and port of each component.
fn write(pid: u32, ports: FixedPorts) -> String {
    Component::ALL.into_iter().fold(format!("{pid}\n"), |text, component| {
        format!("{text}{} {}\n", component.name(), ports.of(component))
    })
}

/// Nothing when there is no process id yet; a component without a line has its usual port.
fn read(text: &str) -> Option<(Pid, FixedPorts)> {
    let (pid, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut ports = FixedPorts::default();
    for (name, port) in rest.lines().filter_map(|line| line.split_once(' ')) {
        if let (Some(component), Ok(port)) = (Component::from_name(name), port.parse()) {
            ports.set(component, port);
        }
    }
    Some((pid.parse().ok().and_then(Pid::from_raw)?, ports))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let ports = FixedPorts { warehouse: 7, ..FixedPorts::default() };
        let text = write(12, ports);
        let (pid, read_ports) = read(&text).unwrap();
        assert_eq!((pid.as_raw_pid(), read_ports), (12, ports));
        assert!(read("").is_none());
        assert_eq!(read("12").unwrap().1, FixedPorts::default());
    }

    #[test]
    fn a_stack_is_seen_while_its_file_is_open() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(find(folder.path()).unwrap(), Seen::Never));
        let claimed = claim(folder.path(), FixedPorts::default()).unwrap();
        let Seen::Runs(running) = find(folder.path()).unwrap() else { panic!("it is not seen") };
        assert!(!running.has_ended());
        let error = claim(folder.path(), FixedPorts::default()).unwrap_err().to_string();
        assert!(error.contains("already runs") && error.contains("cdc-stack down"), "{error}");
        drop(claimed);
        assert!(running.has_ended());
        drop(running);
        assert!(matches!(find(folder.path()).unwrap(), Seen::Ended));
    }
}
