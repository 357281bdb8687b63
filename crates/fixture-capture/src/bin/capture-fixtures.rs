//! `capture-fixtures [--extensions] [RELEASE…]`: captures these releases of Debezium, by default all of
//! them. With `--extensions` it captures the types of `PostGIS` and `pgvector`, and nothing else.
#![expect(clippy::print_stderr, reason = "a program speaks to its user")]

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use cdc_testkit::captures::folder;
use fixture_capture::modes::{History, RELEASES};
use fixture_capture::run;

/// Asks for the types of extensions.
const EXTENSIONS: &str = "--extensions";

fn main() -> ExitCode {
    match capture() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn capture() -> Result<()> {
    let mut asked: Vec<String> = env::args().skip(1).collect();
    let history = match asked.iter().position(|argument| argument == EXTENSIONS) {
        Some(at) => {
            asked.remove(at);
            History::Extensions
        }
        None => History::Core,
    };
    let known = RELEASES.map(|release| release.name);
    if let Some(unknown) = asked.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("`{unknown}` is not a release; there are {}, and {EXTENSIONS}", known.join(", "));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for release in &RELEASES {
        if !asked.is_empty() && !asked.iter().any(|name| name == release.name) {
            continue;
        }
        let begin = Instant::now();
        runtime
            .block_on(run::release(release, history, &folder()))
            .with_context(|| format!("cannot capture Debezium {}", release.name))?;
        eprintln!("{}: {:.0?}", release.name, begin.elapsed());
    }
    Ok(())
}
