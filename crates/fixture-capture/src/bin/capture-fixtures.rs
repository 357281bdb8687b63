//! `capture-fixtures [RELEASE…]`: captures these releases of Debezium, by default all of them.
#![expect(clippy::print_stderr, reason = "a program speaks to its user")]

use std::env;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use cdc_testkit::captures::folder;
use fixture_capture::modes::RELEASES;
use fixture_capture::run;

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
    let asked: Vec<String> = env::args().skip(1).collect();
    let known = RELEASES.map(|release| release.name);
    if let Some(unknown) = asked.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("`{unknown}` is not a release; there are {}", known.join(", "));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for release in &RELEASES {
        if !asked.is_empty() && !asked.iter().any(|name| name == release.name) {
            continue;
        }
        let begin = Instant::now();
        runtime
            .block_on(run::release(release, &folder()))
            .with_context(|| format!("cannot capture Debezium {}", release.name))?;
        eprintln!("{}: {} modes, {:.0?}", release.name, release.modes.len(), begin.elapsed());
    }
    Ok(())
}
