//! `cdc-replayer`: arguments, configuration, ends, run, report, exit code. Nothing else.
#![expect(clippy::print_stderr, reason = "a program speaks to its user")]

mod cli;
mod failure;
mod output;
mod progress;
mod repair;
mod report;
mod signals;
mod telemetry;

use std::process::ExitCode;

use cdc_setup::Settings;
use clap::Parser;

use crate::cli::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    let Command::Repair(arguments) = Cli::parse().command;
    match execute(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.report());
            ExitCode::from(failure.exit())
        }
    }
}

fn execute(arguments: &cli::RepairArgs) -> Result<(), Failure> {
    let settings = Settings::load(&arguments.config)?;
    telemetry::start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("cdc-async")
        .enable_all()
        .build()
        .map_err(Failure::system("start the asynchronous runtime"))?;
    let ended = runtime.block_on(repair::repair(settings, arguments));
    // A look for a broker cannot be interrupted, and a program that has ended does not wait for it.
    runtime.shutdown_background();
    ended
}
