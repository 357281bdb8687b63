//! One running PostgreSQL server: start, use from a shell's point of view, kill, restart, stop.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use super::PostgresBinaries;
use super::template::{create_data, own};
use crate::StackError;
use crate::family::children_of;
use crate::file::{sql_identifier, work_folder};
use crate::port::{free_port, require_free};
use crate::process::{Account, Launch, POLL, Process, to_pid};

const COMPONENT: &str = "PostgreSQL";

/// The log's name in a server's folder.
pub(crate) const LOG: &str = "postgres.log";

/// Enough for crash recovery of a large test on a busy machine; a usual start takes 0.2 s.
const START_LIMIT: Duration = Duration::from_mins(1);

/// How long a fast shutdown may take before the server is killed.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How many free ports are tried when others take them first.
const PORT_ATTEMPTS: usize = 8;

/// The longest socket path all systems accept is 103 bytes; PostgreSQL appends `/.s.PGSQL.65535`.
const SOCKET_FOLDER_BYTES_MAX: usize = 85;

/// How a server is stopped, in PostgreSQL's own terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Ends sessions, writes a checkpoint, ends.
    Fast,
    /// Ends at once without a checkpoint; the next start recovers from the log.
    Immediate,
}

/// What a crash of the machine may cost. A crash of the server alone loses nothing in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// PostgreSQL's defaults: a commit reaches the disk. Measurements need this.
    #[default]
    Full,
    /// No waiting for the disk. For tests.
    Relaxed,
}

/// How to start a [`Cluster`].
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// The folder that keeps the data between starts; without it a temporary one, removed at the
    /// end. Under root it must be reachable by the user `postgres`.
    pub folder: Option<PathBuf>,
    /// The port on 127.0.0.1; without it a free one.
    pub port: Option<u16>,
    /// What a crash of the machine may cost.
    pub durability: Durability,
    /// Further server settings, which win over this crate's own.
    pub settings: Vec<(String, String)>,
    /// The programs; without them those that are found on this machine.
    pub binaries: Option<PostgresBinaries>,
}

/// A private PostgreSQL server, stopped when dropped.
///
/// It accepts the role `postgres` and every other role without a password, on 127.0.0.1 and on a
/// unix socket, and is set up for logical decoding with room for 50 slots.
///
/// All methods take `&self`, so that one cluster can be shared; those that stop or start the
/// server wait for each other.
#[derive(Debug)]
pub struct Cluster {
    binaries: PostgresBinaries,
    account: Option<Account>,
    options: ClusterOptions,
    folder: PathBuf,
    port: u16,
    process: Mutex<Option<Process>>,
    // Last, so that the folder is removed after the process has ended.
    temporary: Option<TempDir>,
}

impl Cluster {
    /// Starts a server and waits until it answers. An existing data folder is used as it is.
    ///
    /// # Errors
    ///
    /// When PostgreSQL is not installed, when its folder cannot be prepared, when the port that was
    /// asked for is taken, or, as [`StackError::Start`], when the server ends or stays silent; that error has its log.
    pub fn start(options: ClusterOptions) -> Result<Self, StackError> {
        let binaries = match &options.binaries {
            Some(binaries) => binaries.clone(),
            None => PostgresBinaries::find()?,
        };
        let account = Account::for_postgres()?;
        if let Some(port) = options.port {
            require_free(&[(COMPONENT, port)])?;
        }
        let (folder, temporary) = work_folder(options.folder.as_deref(), "cdc-pg-")?;
        own(&folder, account)?;
        let data = folder.join("data");
        if !data.join("PG_VERSION").is_file() {
            create_data(&binaries, account, &data)?;
        }
        let port = options.port.unwrap_or_default();
        let process = Mutex::new(None);
        let mut cluster = Self { binaries, account, options, folder, port, process, temporary };
        if cluster.options.port.is_some() {
            cluster.launch()?;
            return Ok(cluster);
        }
        for attempt in 1.. {
            cluster.port = free_port()?;
            match cluster.launch() {
                Err(error) if attempt < PORT_ATTEMPTS && is_port_clash(&error) => {}
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        Ok(cluster)
    }

    /// The one cluster of this process, started on first use with relaxed durability.
    ///
    /// For test binaries: one database per test keeps tests apart. It ends with the process.
    ///
    /// # Panics
    ///
    /// When it cannot be started: a test on a real component fails without it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let options =
                ClusterOptions { durability: Durability::Relaxed, ..ClusterOptions::default() };
            match Self::start(options) {
                Ok(cluster) => cluster,
                #[expect(clippy::panic, reason = "documented: tests need a message, not a Result")]
                Err(error) => panic!("{error}"),
            }
        })
    }

    /// The address of a database for the superuser `postgres`.
    pub fn url(&self, database: &str) -> String {
        self.url_for("postgres", database)
    }

    /// The address of a database for another role. Both names are taken as they are.
    pub fn url_for(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/{database}", self.port)
    }

    /// The programs that it runs on.
    pub fn binaries(&self) -> &PostgresBinaries {
        &self.binaries
    }

    /// The port on 127.0.0.1; the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder which holds data, log and socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the unix socket, unless its path is too long for one.
    pub fn socket_folder(&self) -> Option<&Path> {
        (self.folder.as_os_str().len() <= SOCKET_FOLDER_BYTES_MAX).then_some(&*self.folder)
    }

    /// The server's log.
    pub fn log(&self) -> PathBuf {
        self.folder.join(LOG)
    }

    /// How the server ended by itself; `None` while it runs, and after it was stopped.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        self.process().as_mut().and_then(Process::exit_status)
    }

    /// The process id of the server, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// Creates an empty database.
    ///
    /// # Errors
    ///
    /// When the server refuses it, for one because it exists.
    pub fn create_database(&self, name: &str) -> Result<(), StackError> {
        self.psql("postgres", &format!("create database {}", sql_identifier(name))).map(drop)
    }

    /// Creates a database under a name nobody in this cluster has, and gives the name.
    ///
    /// # Errors
    ///
    /// As [`create_database`](Self::create_database).
    pub fn fresh_database(&self, prefix: &str) -> Result<String, StackError> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}_{}_{number}", process::id());
        self.create_database(&name)?;
        Ok(name)
    }

    /// Runs SQL, stopping at the first error, and gives the rows as unaligned text: fields
    /// separated by `|`, rows by line ends, without headings.
    ///
    /// # Errors
    ///
    /// [`StackError::Program`] with the server's message.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, StackError> {
        let program = self.binaries.program("psql");
        let mut command = Command::new(&program);
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]);
        command.args(["-p", &self.port.to_string(), "-U", "postgres", "-d", database]);
        // A caller's own connection settings must not leak into this connection.
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("PG")) {
                command.env_remove(name);
            }
        }
        command.env("PGCLIENTENCODING", "UTF8");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(StackError::io("run", &program))?;
        let input = child.stdin.take();
        // Written beside reading, since psql answers while it still reads.
        let output = thread::scope(|scope| {
            scope.spawn(move || input.map(|mut input| input.write_all(sql.as_bytes())));
            child.wait_with_output()
        })
        .map_err(StackError::io("read the output of", &program))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
        }
        Err(StackError::Program {
            program: format!("psql -d {database}"),
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
        })
    }

    /// Stops the server, if it runs, and starts it again with the same data and port.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn restart(&self, mode: StopMode) -> Result<(), StackError> {
        self.stop_with(mode);
        self.launch()
    }

    /// Kills the server and all its sessions with SIGKILL, as a power cut would.
    pub fn kill(&self) {
        if let Some(mut process) = self.process().take() {
            // Sessions are in groups of their own. They would notice the end of their parent, but
            // a session busy with a long statement only after it.
            let sessions = children_of(process.id());
            process.kill();
            for pid in sessions.into_iter().filter_map(to_pid) {
                // An error means that it has ended meanwhile.
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }

    /// Stops the server and all its sessions with SIGSTOP, as a machine that hangs would: the port
    /// still takes connections, and nobody answers. Nothing to do when it is frozen.
    ///
    /// Frozen are the server process and its direct children: all sessions, WAL senders and
    /// background processes. A program that a session has started (`COPY … FROM PROGRAM`) goes on
    /// until it needs its session. Where `/proc` does not exist, only the server process is
    /// frozen: it takes no new sessions, but the present ones go on.
    ///
    /// [`psql`](Self::psql) waits until the server is thawed. Stopping, restarting or dropping a
    /// frozen server thaws it first; [`kill`](Self::kill) does not need to.
    ///
    /// # Errors
    ///
    /// [`StackError::NotRunning`], or [`StackError::Deadline`] when a process does not stop.
    pub fn freeze(&self) -> Result<(), StackError> {
        let mut slot = self.process();
        slot.as_mut().ok_or(StackError::NotRunning { component: COMPONENT })?.freeze()
    }

    /// Lets a frozen server go on with SIGCONT; nothing to do when it is not frozen.
    pub fn thaw(&self) {
        if let Some(process) = self.process().as_mut() {
            process.thaw();
        }
    }

    /// Stops the server with a checkpoint. The data stays until the cluster is dropped.
    pub fn stop(&self) {
        self.stop_with(StopMode::Fast);
    }

    fn stop_with(&self, mode: StopMode) {
        let signal = match mode {
            StopMode::Fast => Signal::INT,
            StopMode::Immediate => Signal::QUIT,
        };
        if let Some(mut process) = self.process().take() {
            process.stop(signal, STOP_LIMIT);
        }
    }

    /// Starts the server process and waits until it is ready; nothing to do when it runs.
    ///
    /// The orphans of a killed server keep its shared memory for a moment, and PostgreSQL refuses
    /// to start meanwhile: such a start is repeated.
    fn launch(&self) -> Result<(), StackError> {
        let mut slot = self.process();
        if slot.is_some() {
            return Ok(());
        }
        let begin = Instant::now();
        loop {
            let mut process = self.spawn()?;
            let result = process.wait_ready(START_LIMIT, |process| self.is_ready(process.id()));
            match result {
                Ok(()) => {
                    *slot = Some(process);
                    return Ok(());
                }
                Err(error) if begin.elapsed() < START_LIMIT && is_orphan_clash(&error) => {
                    thread::sleep(POLL * 10);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn spawn(&self) -> Result<Process, StackError> {
        let mut command: Vec<OsString> =
            vec![self.binaries.program("postgres").into(), "-D".into(), self.data().into()];
        for (name, value) in self.settings() {
            command.push("-c".into());
            command.push(format!("{name}={value}").into());
        }
        Process::start(Launch {
            component: COMPONENT,
            command,
            environment: vec![("LC_ALL", "C".into())],
            folder: &self.folder,
            log: &self.log(),
            account: self.account,
            orphaned_folder: self.temporary.as_ref().map(TempDir::path),
        })
    }

    fn settings(&self) -> Vec<(String, String)> {
        let socket = self.socket_folder().map_or("", |folder| folder.to_str().unwrap_or(""));
        let own = [
            ("listen_addresses", "127.0.0.1"),
            ("port", &self.port.to_string()),
            ("unix_socket_directories", socket),
            ("wal_level", "logical"),
            ("max_replication_slots", "50"),
            ("max_wal_senders", "50"),
            ("max_connections", "100"),
            // Messages must be the same on every machine: tests and operators read them.
            ("lc_messages", "C"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
        ];
        let relaxed = [("fsync", "off"), ("full_page_writes", "off")];
        let relaxed = match self.options.durability {
            Durability::Full => &[][..],
            Durability::Relaxed => &relaxed[..],
        };
        let own = own.iter().chain(relaxed).map(|(name, value)| ((*name).into(), (*value).into()));
        own.chain(self.options.settings.iter().cloned()).collect()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Whether the server with this process id accepts sessions, by its own lock file: the first
    /// line is its process id, the eighth its state.
    fn is_ready(&self, pid: u32) -> bool {
        let Ok(text) = fs::read_to_string(self.data().join("postmaster.pid")) else { return false };
        let mut lines = text.lines().map(str::trim);
        lines.next() == Some(&pid.to_string()) && lines.nth(6) == Some("ready")
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        // The slot is valid whatever a panicking holder was doing.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A folder that goes away needs no checkpoint.
        self.stop_with(if self.temporary.is_some() { StopMode::Immediate } else { StopMode::Fast });
    }
}

fn is_port_clash(error: &StackError) -> bool {
    log_of(error).is_some_and(|log| log.contains("could not create any TCP/IP sockets"))
}

fn is_orphan_clash(error: &StackError) -> bool {
    log_of(error)
        .is_some_and(|log| log.contains("shared memory block") && log.contains("still in use"))
}

fn log_of(error: &StackError) -> Option<&str> {
    if let StackError::Start { log_tail, .. } = error { Some(log_tail) } else { None }
}
