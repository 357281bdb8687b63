//! What people type: `up` says where everything is, and the other commands find it from there.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::processes::{processes_of, wait_until};

fn command(words: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cdc-stack"));
    let (name, rest) = words.split_first().unwrap();
    command.arg(name).arg("--dir").arg(folder).args(rest);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(words: &[&str], folder: &Path) -> Output {
    command(words, folder).output().unwrap()
}

fn success(words: &[&str], folder: &Path) -> String {
    let output = run(words, folder);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{words:?}: {text}{}", errors(&output.stderr));
    text
}

fn failure(words: &[&str], folder: &Path) -> String {
    let output = run(words, folder);
    assert!(!output.status.success(), "{words:?} must fail");
    errors(&output.stderr)
}

fn errors(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `--port` for all components, with ports below the range from which outgoing connections take
/// theirs, and outside the one from which tests of this crate take others.
fn free_ports() -> [String; 4] {
    let begin = 12_000 + u16::try_from(std::process::id() % 700).unwrap() * 10;
    let mut free = (begin..19_999).filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    ["source", "warehouse", "kafka", "connect"]
        .map(|name| format!("{name}={}", free.next().expect("four free ports")))
}

/// A folder that the account of the server can get through.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    folder
}

/// A started program, killed when a test fails.
struct Running(Child);

impl Running {
    /// Reads its output until a line has this text.
    fn wait_for(&mut self, wanted: &str) -> String {
        let mut output = BufReader::new(self.0.stdout.as_mut().unwrap());
        let mut seen = String::new();
        while !seen.contains(wanted) {
            if output.read_line(&mut seen).unwrap() == 0 {
                let mut errors = String::new();
                self.0.stderr.as_mut().unwrap().read_to_string(&mut errors).unwrap();
                panic!("no `{wanted}` in:\n{seen}{errors}");
            }
        }
        seen
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starting Java is the cost of this test, so one stack serves all commands.
#[test]
fn up_is_found_by_psql_logs_and_down() {
    let folder = folder();
    let ports = free_ports();
    let mut words = vec!["up"];
    words.extend(ports.iter().flat_map(|port| ["--port", port]));
    let mut up = Running(command(&words, folder.path()).spawn().unwrap());
    let seen = up.wait_for("ready;");
    for port in &ports {
        assert!(seen.contains(port.split_once('=').unwrap().1), "{port} is not in {seen}");
    }

    let name = "select current_user, current_database()";
    let answer = |which| success(&["psql", which, "-X", "-A", "-t", "-c", name], folder.path());
    assert_eq!(answer("source"), "postgres|orders_db\n");
    assert_eq!(answer("warehouse"), "warehouse|analytics\n");

    let text = success(&["logs", "--no-follow"], folder.path());
    for line in ["source    | ", "warehouse | ", "kafka     | ", "connect   | "] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    let mut logs = Running(command(&["logs", "source"], folder.path()).spawn().unwrap());
    failure(&["psql", "source", "-c", "select no_such_column"], folder.path());
    logs.wait_for("\"no_such_column\" does not exist");

    let second = tempfile::tempdir().unwrap();
    let text = failure(&words, second.path());
    let source = ports[0].split_once('=').unwrap().1;
    assert!(text.contains(&format!("port {source} (source)")), "{text}");
    assert!(text.contains("(connect)") && text.contains("--port source="), "{text}");
    let text = failure(&["up"], folder.path());
    assert!(text.contains("already runs") && text.contains("cdc-stack down"), "{text}");

    assert_eq!(success(&["down"], folder.path()), "stopped\n");
    assert!(up.0.wait().unwrap().success());
    assert!(logs.0.wait().unwrap().success(), "`logs` ends with the stack");
    wait_until("the end of all processes", || processes_of(folder.path()).is_empty());
    let text = success(&["logs", "--no-follow", "source"], folder.path());
    assert!(text.contains("database system is shut down"), "{text}");
    assert!(text.lines().count() <= 50, "{text}");
    assert!(failure(&["psql", "source"], folder.path()).contains("cdc-stack up"));
    a_component_that_ends_by_itself_ends_up(&words, folder.path());
}

fn a_component_that_ends_by_itself_ends_up(words: &[&str], folder: &Path) {
    let mut up = Running(command(words, folder).spawn().unwrap());
    up.wait_for("ready;");
    let connect = folder.join("connect");
    for pid in processes_of(&connect) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
    wait_until("the end of `up`", || processes_of(folder).is_empty());
    assert_eq!(up.0.wait().unwrap().code(), Some(1));
    let mut text = String::new();
    up.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    let log = connect.join("server.log");
    assert!(text.contains("connect ended by itself with signal: 9"), "{text}");
    assert!(text.contains(log.to_str().unwrap()), "{text}");
    let text = success(&["logs", "--no-follow", "source"], folder);
    assert!(text.contains("database system is shut down"), "{text}");
}

#[test]
fn a_taken_port_is_named_before_anything_is_started() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let [_, warehouse, kafka, connect] = free_ports();
    let source = format!("source={port}");
    let words =
        ["up", "--port", &source, "--port", &warehouse, "--port", &kafka, "--port", &connect];
    let text = failure(&words, folder.path());
    assert!(text.contains(&format!("port {port} (source)")), "{text}");
    assert!(text.contains("hint:") && !text.contains("(kafka)"), "{text}");
    assert!(!folder.path().join("source").exists() && !folder.path().join("kafka").exists());
}

#[test]
fn commands_without_a_stack_say_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    for words in [&["logs"][..], &["psql", "source"]] {
        let text = failure(words, folder.path());
        assert!(text.contains("no stack runs") && text.contains("cdc-stack up"), "{text}");
    }
    assert!(success(&["down"], folder.path()).contains("no stack has run"));
}

#[test]
fn help_goes_to_the_output_and_a_mistake_to_the_errors() {
    let folder = tempfile::tempdir().unwrap();
    assert!(success(&["up", "--help"], folder.path()).contains("--port NAME=PORT"));
    let output = run(&["up", "--prot", "kafka=1"], folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty() && errors(&output.stderr).contains("`--prot`"));
}
