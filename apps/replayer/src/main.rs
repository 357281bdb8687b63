//! `cdc-replayer`: arguments, configuration, ends, run, report, exit code. Nothing else.
#![expect(clippy::print_stderr, reason = "a program speaks to its user")]

mod capture;
mod captured;
mod cli;
mod compaction;
mod failure;
mod generations;
mod output;
mod progress;
mod range;
mod reading;
mod rebuild;
mod repair;
mod report;
mod running;
mod shadow;
mod signals;
mod telemetry;
mod topics;

use std::process::ExitCode;

use cdc_setup::Settings;
use clap::Parser;

use crate::cli::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    match execute(&Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.report());
            ExitCode::from(failure.exit())
        }
    }
}

fn execute(command: &Command) -> Result<(), Failure> {
    let settings = Settings::load(command.config())?;
    telemetry::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("cdc-async")
        .enable_all()
        .build()
        .map_err(Failure::system("start the asynchronous runtime"))?;
    let ended = runtime.block_on(async {
        match command {
            Command::Repair(arguments) => repair::repair(settings, arguments).await,
            Command::Rebuild(arguments) => rebuild::rebuild(settings, arguments).await,
            Command::Diff(arguments) => shadow::diff(settings, arguments).await,
            Command::Swap(arguments) => shadow::swap(settings, arguments).await,
            Command::Discard(arguments) => shadow::discard(&settings, arguments).await,
            Command::Capture(arguments) => capture::capture(settings, arguments).await,
        }
    });
    // A look for a broker cannot be interrupted, and a program that has ended does not wait for it.
    runtime.shutdown_background();
    ended
}
