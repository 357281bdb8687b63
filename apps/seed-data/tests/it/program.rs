//! Runs the program and looks at what it did.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// The built program, without settings that the caller's environment may hold.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cdc-seed-data"));
    command.env_remove("SOURCE_URL").env_remove("KAFKA_BROKERS");
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("the program starts")
}

/// Runs it to its successful end, and gives its summary.
pub(crate) fn summary(arguments: &[&str]) -> Value {
    let output = run(&[arguments, &["--json", "--quiet"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}

/// Runs it to its refusal, and gives the exit code and what it said.
pub(crate) fn refusal(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    assert_eq!(text(&output.stdout), "", "a refusal is not a result");
    (output.status.code(), text(&output.stderr))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

pub(crate) fn utf8(path: &Path) -> &str {
    path.to_str().expect("a path of ours is text")
}
