//! What broker and Connect worker have in common: Java, the archives, and a process that can be
//! killed and started again.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::StackError;
use crate::cache;
use crate::file::work_folder;
use crate::process::{Launch, Process, run};
use crate::release::Release;

pub(crate) const POM: &str = include_str!("../../../docker/native/pom.xml");
const LOG4J: &str = include_str!("../../../docker/native/log4j.properties");

/// The log's name in a server's folder.
pub(crate) const LOG: &str = "server.log";

/// A cold start takes seconds; the rest is for a machine that is busy compiling.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long an orderly end may take before the process is killed.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How many times a start is repeated when another process took a free port first.
pub(crate) const PORT_ATTEMPTS: usize = 5;

/// A Java runtime and the folders with the archives of Kafka and its connectors.
#[derive(Debug, Clone)]
pub(crate) struct Java {
    program: PathBuf,
    archives: PathBuf,
}

impl Java {
    /// Finds Java and the cached archives of a release; the first call on a machine downloads them.
    pub(crate) fn prepare(release: &Release) -> Result<Self, StackError> {
        let home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin"));
        let program = program_in(home, "java").ok_or_else(|| StackError::MissingProgram {
            program: "java",
            searched: "looked in $JAVA_HOME/bin and on PATH".to_owned(),
            install: "apt-get install default-jre-headless",
        })?;
        refuse_old(&program, release.java())?;
        let archives = cache::entry(&release.folder(), |folder| download(folder, release))?;
        Ok(Self { program, archives })
    }

    /// The folder with one folder of archives per connector, for `plugin.path`.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.archives.join("plugins")
    }

    /// The command line that runs a class of the worker's class path.
    pub(crate) fn command(&self, heap_mib: u32, folder: &Path, class: &str) -> Vec<OsString> {
        let mut log4j = OsString::from("-Dlog4j.configuration=file:");
        log4j.push(folder.join("log4j.properties"));
        let mut class_path = self.archives.join("worker").into_os_string();
        class_path.push("/*");
        vec![
            self.program.clone().into(),
            format!("-Xmx{heap_mib}m").into(),
            // Without it a full heap leaves a process that runs and does nothing.
            "-XX:+ExitOnOutOfMemoryError".into(),
            // The performance counters would leave a file per killed process in the temporary folder.
            "-XX:-UsePerfData".into(),
            log4j,
            "-cp".into(),
            class_path,
            class.into(),
        ]
    }

    /// Runs one of Kafka's command-line programs to its end and gives its standard output.
    pub(crate) fn run<S: AsRef<str>>(
        &self,
        folder: &Path,
        class: &str,
        arguments: &[S],
    ) -> Result<String, StackError> {
        let mut words = self.command(256, folder, class).into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(arguments.iter().map(AsRef::as_ref)).current_dir(folder);
        run(&mut command, class)
    }
}

/// An old runtime would end with a class file error in a log, long after the download.
fn refuse_old(program: &Path, needed: u32) -> Result<(), StackError> {
    let mut command = Command::new(program);
    let output = command.arg("-version").stdin(Stdio::null()).output();
    let output = output.map_err(StackError::io("run", program))?;
    match major_version(&String::from_utf8_lossy(&output.stderr)) {
        Some(found) if found < needed => {
            Err(StackError::OldJava { program: program.to_owned(), found, needed })
        }
        // One that says something else is given a try.
        Some(_) | None => Ok(()),
    }
}

/// The first number of `openjdk version "17.0.15"`; before Java 9 it was the second, as in "1.8.0".
fn major_version(text: &str) -> Option<u32> {
    let (_, quoted) = text.split_once('"')?;
    let mut numbers = quoted.split(|letter: char| !letter.is_ascii_digit());
    match numbers.next()?.parse().ok()? {
        1 => numbers.next()?.parse().ok(),
        major => Some(major),
    }
}

/// The program's path, from the preferred folder or else the search path.
fn program_in(preferred: Option<PathBuf>, name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = preferred.into_iter().chain(env::split_paths(&path));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Lets Maven copy the archives of each profile into a folder of its own.
fn download(folder: &Path, release: &Release) -> Result<(), StackError> {
    let maven = program_in(None, "mvn").ok_or_else(|| StackError::MissingProgram {
        program: "mvn",
        searched: "looked on PATH".to_owned(),
        install: "apt-get install maven",
    })?;
    let pom = folder.join("pom.xml");
    fs::write(&pom, POM).map_err(StackError::io("write the file", &pom))?;
    for (profile, target) in
        [("worker", "worker"), ("debezium-postgres", "plugins/debezium-postgres")]
    {
        let mut target_argument = OsString::from("-DoutputDirectory=");
        target_argument.push(folder.join(target));
        let mut command = Command::new(&maven);
        command.args(["-q", "-B", "-P", profile, "-f"]).arg(&pom).args(release.properties());
        command.arg("dependency:copy-dependencies").arg(target_argument).current_dir(folder);
        run(&mut command, "mvn dependency:copy-dependencies")?;
    }
    Ok(())
}

/// The folder of a server: a given one, or a temporary one with this prefix.
pub(crate) fn folder(
    given: Option<&Path>,
    prefix: &str,
) -> Result<(PathBuf, Option<TempDir>), StackError> {
    let (folder, temporary) = work_folder(given, prefix)?;
    write(&folder.join("log4j.properties"), LOG4J)?;
    Ok((folder, temporary))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), StackError> {
    fs::write(path, text).map_err(StackError::io("write the file", path))
}

/// Settings in Java's form, one a line; a later one of the same name wins.
pub(crate) fn properties(settings: impl Iterator<Item = (String, String)>) -> String {
    settings.fold(String::new(), |text, (name, value)| text + &name + "=" + &value + "\n")
}

/// Whether a start failed because another process took the port first.
pub(crate) fn is_port_clash(error: &StackError) -> bool {
    matches!(error, StackError::Start { log_tail, .. } if log_tail.contains("Address already in use"))
}

/// A server that can be killed and started again with the same command and files.
#[derive(Debug)]
pub(crate) struct Server {
    component: &'static str,
    command: Vec<OsString>,
    folder: PathBuf,
    process: Mutex<Option<Process>>,
    // After the process, so that its folder is removed when it has ended.
    temporary: Option<TempDir>,
}

impl Server {
    pub(crate) fn new(
        component: &'static str,
        command: Vec<OsString>,
        folder: PathBuf,
        temporary: Option<TempDir>,
    ) -> Self {
        Self { component, command, folder, process: Mutex::new(None), temporary }
    }

    /// Starts the process and waits until it is ready; nothing to do when it runs.
    pub(crate) fn launch(&self, ready: impl FnMut(&Process) -> bool) -> Result<(), StackError> {
        let mut slot = self.process();
        if slot.is_some() {
            return Ok(());
        }
        let mut process = Process::start(Launch {
            component: self.component,
            command: self.command.clone(),
            environment: Vec::new(),
            folder: &self.folder,
            log: &self.log(),
            account: None,
            orphaned_folder: self.temporary.as_ref().map(TempDir::path),
        })?;
        process.wait_ready(START_LIMIT, ready)?;
        *slot = Some(process);
        Ok(())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// How the process ended by itself; `None` while it runs, and after it was stopped.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        self.process().as_mut().and_then(Process::exit_status)
    }

    pub(crate) fn kill(&self) {
        if let Some(mut process) = self.process().take() {
            process.kill();
        }
    }

    pub(crate) fn freeze(&self) -> Result<(), StackError> {
        let mut slot = self.process();
        slot.as_mut().ok_or(StackError::NotRunning { component: self.component })?.freeze()
    }

    pub(crate) fn thaw(&self) {
        if let Some(process) = self.process().as_mut() {
            process.thaw();
        }
    }

    pub(crate) fn stop(&self) {
        if let Some(mut process) = self.process().take() {
            process.stop(Signal::TERM, STOP_LIMIT);
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        // The slot is valid whatever a panicking holder was doing.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.temporary.is_some() {
            // Nobody will read what an orderly end would save.
            self.kill();
        } else {
            self.stop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_in_the_old_form_and_the_new() {
        let lines = [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", Some(17)),
            ("java version \"1.8.0_412\"", Some(8)),
            ("openjdk version \"21\" 2023-09-19", Some(21)),
            ("openjdk version \"25-ea\" 2025-09-16", Some(25)),
            ("a wrapper of this company", None),
        ];
        for (text, version) in lines {
            assert_eq!(major_version(text), version, "{text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_old_runtime_is_refused_by_its_version() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = TempDir::new().unwrap();
        let program = folder.path().join("java");
        write(&program, "#!/bin/sh\necho 'java version \"1.8.0_412\"' >&2\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let error = refuse_old(&program, 11).unwrap_err().to_string();
        assert!(error.contains("is Java 8: they need Java 11 or later"), "{error}");
        assert!(refuse_old(&program, 8).is_ok());
    }
}
