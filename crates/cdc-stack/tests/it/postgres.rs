//! A cluster keeps its data through every kind of restart and leaves nothing behind.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use cdc_stack::StackError;
use cdc_stack::postgres::{Cluster, ClusterOptions, Durability, PostgresBinaries, StopMode};

use crate::answers::{POSTGRES, Question};
use crate::processes::{processes_of, wait_until};

/// Set in the copy of this test binary which `aborts_while_its_cluster_runs` runs in: the state in
/// which the cluster is left.
const ABORT: &str = "CDC_STACK_TEST_ABORT";

fn relaxed() -> ClusterOptions {
    ClusterOptions { durability: Durability::Relaxed, ..ClusterOptions::default() }
}

#[test]
fn a_cluster_is_set_up_for_logical_decoding() {
    let cluster = Cluster::shared();
    let settings = cluster
        .psql(
            "postgres",
            "select current_setting('wal_level'), current_setting('max_replication_slots'), \
             current_setting('max_connections'), current_setting('listen_addresses')",
        )
        .unwrap();
    assert_eq!(settings, "logical|50|100|127.0.0.1");
    assert!(cluster.url("db").ends_with(&format!("@127.0.0.1:{}/db", cluster.port())));
}

#[test]
fn durability_is_full_unless_relaxed() {
    let full = Cluster::start(ClusterOptions::default()).unwrap();
    let fsync = |cluster: &Cluster| cluster.psql("postgres", "show fsync").unwrap();
    assert_eq!(fsync(&full), "on");
    assert_eq!(fsync(Cluster::shared()), "off");
}

#[test]
fn committed_rows_survive_kill_and_both_kinds_of_restart() {
    let cluster = Cluster::start(relaxed()).unwrap();
    cluster.create_database("kept").unwrap();
    cluster.psql("kept", "create table t (a int); insert into t values (1)").unwrap();
    let port = cluster.port();

    cluster.restart(StopMode::Fast).unwrap();
    cluster.psql("kept", "insert into t values (2)").unwrap();
    cluster.restart(StopMode::Immediate).unwrap();
    cluster.psql("kept", "insert into t values (3)").unwrap();
    cluster.kill();
    assert!(cluster.psql("kept", "select 1").is_err());
    cluster.restart(StopMode::Fast).unwrap();

    assert_eq!(cluster.psql("kept", "select string_agg(a::text, ',') from t").unwrap(), "1,2,3");
    assert_eq!(cluster.port(), port);
}

#[test]
fn a_given_folder_keeps_the_data_after_the_cluster_is_dropped() {
    let parent = tempfile::tempdir().unwrap();
    // Under root the server runs as another user, who has to get through the parent.
    fs::set_permissions(parent.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let options = || ClusterOptions { folder: Some(parent.path().join("c")), ..relaxed() };
    let cluster = Cluster::start(options()).unwrap();
    cluster.create_database("kept").unwrap();
    drop(cluster);
    let cluster = Cluster::start(options()).unwrap();
    assert_eq!(cluster.psql("kept", "select 1").unwrap(), "1");
}

#[test]
fn nothing_is_left_of_a_dropped_cluster() {
    let cluster = Cluster::start(relaxed()).unwrap();
    let folder = cluster.folder().to_owned();
    assert!(processes_of(&folder).len() > 3, "the check must see a running server");
    drop(cluster);
    wait_until("the end of all its processes", || processes_of(&folder).is_empty());
    assert!(!folder.exists());
}

#[test]
fn a_frozen_cluster_takes_connections_but_answers_only_when_thawed() {
    let cluster = Cluster::start(relaxed()).unwrap();
    Question::ask(cluster.port(), POSTGRES).is_answered();
    cluster.freeze().unwrap();
    cluster.freeze().unwrap();
    let mut question = Question::ask(cluster.port(), POSTGRES);
    question.stays_open();
    cluster.thaw();
    question.is_answered();
    assert_eq!(cluster.psql("postgres", "select 1").unwrap(), "1");
}

/// A session of a `psql` that reads statements from a pipe.
struct Session {
    child: Child,
    answers: mpsc::Receiver<String>,
}

impl Session {
    fn open(cluster: &Cluster) -> Self {
        let mut child = Command::new(PostgresBinaries::find().unwrap().program("psql"))
            .args(["-X", "-q", "-A", "-t", &cluster.url("postgres")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, answers }
    }

    fn send(&mut self, statement: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{statement};").unwrap();
    }

    fn answer(&self, limit: Duration) -> Option<String> {
        self.answers.recv_timeout(limit).ok()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn an_open_session_is_frozen_with_its_cluster() {
    const LIMIT: Duration = Duration::from_secs(30);
    let cluster = Cluster::start(relaxed()).unwrap();
    let mut session = Session::open(&cluster);
    session.send("select 'before'");
    assert_eq!(session.answer(LIMIT).as_deref(), Some("before"));
    cluster.freeze().unwrap();
    session.send("select 'after'");
    assert_eq!(session.answer(Duration::from_millis(700)), None);
    cluster.thaw();
    assert_eq!(session.answer(LIMIT).as_deref(), Some("after"));
}

#[test]
fn a_frozen_cluster_can_be_restarted_and_killed_and_a_stopped_one_not_frozen() {
    let cluster = Cluster::start(relaxed()).unwrap();
    cluster.freeze().unwrap();
    let begin = Instant::now();
    cluster.restart(StopMode::Fast).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(15), "it was killed only after the limit");
    assert_eq!(cluster.psql("postgres", "select 1").unwrap(), "1");
    cluster.freeze().unwrap();
    cluster.kill();
    wait_until("the end of all frozen sessions", || processes_of(cluster.folder()).is_empty());
    let error = cluster.freeze().unwrap_err();
    assert!(matches!(error, StackError::NotRunning { .. }), "{error}");
    cluster.thaw();
}

#[test]
fn nothing_is_left_of_a_dropped_frozen_cluster() {
    let cluster = Cluster::start(relaxed()).unwrap();
    let folder = cluster.folder().to_owned();
    cluster.freeze().unwrap();
    drop(cluster);
    wait_until("the end of all its processes", || processes_of(&folder).is_empty());
    assert!(!folder.exists());
}

#[test]
fn nothing_is_left_of_a_cluster_whose_starter_was_aborted() {
    nothing_is_left_after_an_abort_with("a running cluster");
}

#[test]
fn nothing_is_left_of_a_frozen_cluster_whose_starter_was_aborted() {
    nothing_is_left_after_an_abort_with("a frozen cluster");
}

fn nothing_is_left_after_an_abort_with(state: &str) {
    let mut starter = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "postgres::aborts_while_its_cluster_runs",
            "--nocapture",
            "--include-ignored",
        ])
        .env(ABORT, state)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(starter.stdout.take().unwrap());
    let folder = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("folder=").map(|(_, folder)| PathBuf::from(folder)))
        .expect("the starter prints its folder");
    assert!(!starter.wait().unwrap().success(), "an aborted process does not succeed");
    wait_until("the end of all its processes", || processes_of(&folder).is_empty());
    wait_until("the removal of its folder", || !folder.exists());
}

/// The other half of the tests above; alone it does nothing.
#[test]
#[ignore = "runs in a child process of another test"]
fn aborts_while_its_cluster_runs() {
    if let Some(state) = std::env::var_os(ABORT) {
        let cluster = Cluster::start(relaxed()).unwrap();
        if state == "a frozen cluster" {
            cluster.freeze().unwrap();
        }
        println!("folder={}", cluster.folder().display());
        std::process::abort();
    }
}

#[test]
fn a_failed_statement_is_reported_in_the_servers_words() {
    let error = Cluster::shared().psql("postgres", "select 1;\nselect no_such_column").unwrap_err();
    assert!(error.to_string().contains("no_such_column"), "{error}");
}

#[test]
fn a_failed_start_shows_the_end_of_the_log() {
    let options = ClusterOptions {
        settings: vec![("shared_buffers".to_owned(), "many".to_owned())],
        ..relaxed()
    };
    let error = Cluster::start(options).unwrap_err();
    assert!(matches!(error, StackError::Start { .. }), "{error}");
    assert!(error.to_string().contains("shared_buffers"), "{error}");
}

#[test]
fn a_taken_port_is_named_when_it_was_asked_for() {
    let port = Cluster::shared().port();
    let error = Cluster::start(ClusterOptions { port: Some(port), ..relaxed() }).unwrap_err();
    assert!(matches!(error, StackError::PortsTaken { .. }), "{error}");
    assert!(error.to_string().contains(&format!("port {port} (PostgreSQL)")), "{error}");
}

#[test]
fn clusters_and_databases_started_side_by_side_do_not_meet() {
    let names: Vec<String> = thread::scope(|scope| {
        let start = || {
            let cluster = Cluster::start(relaxed()).unwrap();
            let shared = Cluster::shared().fresh_database("side").unwrap();
            format!("{} {shared}", cluster.port())
        };
        let handles: Vec<_> = (0..3).map(|_| scope.spawn(start)).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), 3, "{names:?}");
}

#[test]
fn large_input_and_large_output_do_not_block_each_other() {
    let statement = "select repeat('x', 1000);\n";
    let output = Cluster::shared().psql("postgres", &statement.repeat(2000)).unwrap();
    assert_eq!(output.lines().count(), 2000);
}
