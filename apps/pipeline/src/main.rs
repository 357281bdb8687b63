//! `cdc-pipeline`: arguments, configuration, telemetry, ends, run, exit code. Nothing else.
#![expect(clippy::print_stderr, reason = "a program speaks to its user")]

mod accept;
mod advice;
mod check;
mod cli;
mod config;
mod dead_letters;
mod demo;
mod exit;
mod explain;
mod failure;
mod init;
mod ledger;
mod live;
mod output;
mod progress;
mod run;
mod signals;
mod stream;
mod telemetry;
mod verify;
mod view;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::Settings;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::telemetry::Quiet;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let config = command.config().map(Path::to_owned);
    let exit = match execute(command) {
        Ok(exit) => exit,
        Err(failure) => {
            eprintln!("{}", failure.report(config.as_deref()));
            failure.exit()
        }
    };
    ExitCode::from(exit.code())
}

fn execute(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(arguments) => {
            let settings = Settings::load(&arguments.common.config)?;
            telemetry::start(Quiet::No);
            patient(run::run(settings, &arguments))
        }
        Command::Init(arguments) => {
            let settings = Settings::load(&arguments.config)?;
            telemetry::start(Quiet::No);
            runtime()?.block_on(init::init(&settings, &arguments))
        }
        Command::Check(arguments) => {
            let settings = Settings::load(&arguments.common.config)?;
            telemetry::start(Quiet::No);
            patient(check::check(settings, &arguments))
        }
        Command::AcceptSource(arguments) => {
            let settings = Settings::load(&arguments.config)?;
            telemetry::start(Quiet::No);
            runtime()?.block_on(accept::source(&settings, &arguments.reason))
        }
        Command::AcceptGap(arguments) => {
            let settings = Settings::load(&arguments.config)?;
            telemetry::start(Quiet::No);
            patient(accept::gap(settings, arguments))
        }
        Command::AcceptIncarnation(arguments) => {
            let settings = Settings::load(&arguments.config)?;
            telemetry::start(Quiet::No);
            patient(accept::incarnation(settings, arguments))
        }
        Command::AcceptPartitions(arguments) => {
            let settings = Settings::load(&arguments.config)?;
            telemetry::start(Quiet::No);
            patient(accept::partitions(settings, arguments))
        }
        Command::Verify(arguments) => {
            let settings = Settings::load(&arguments.common.config)?;
            telemetry::start(Quiet::No);
            patient(verify::verify(settings, &arguments))
        }
        Command::Ledger(arguments) => {
            let settings = Settings::load(&arguments.config)?;
            telemetry::start(Quiet::No);
            runtime()?.block_on(ledger::ledger(&settings, &arguments))
        }
        Command::DeadLetters(command) => {
            let settings = Settings::load(&command.common().config)?;
            telemetry::start(Quiet::No);
            runtime()?.block_on(dead_letters::dead_letters(settings, &command))
        }
        Command::Explain(topic) => Ok(explain::explain(&topic)),
        Command::Demo(arguments) => {
            telemetry::start(Quiet::Yes);
            runtime()?.block_on(demo::demo(&arguments))
        }
    }
}

/// Runs what may look for a broker. The library that does so cannot be interrupted, and a program
/// that is asked to end does not wait for it.
fn patient(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(work);
    runtime.shutdown_background();
    ended
}

/// Two workers are plenty: the hot path runs on threads of its own.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("cdc-async")
        .enable_all()
        .build()
        .map_err(Failure::system("start the asynchronous runtime"))
}
