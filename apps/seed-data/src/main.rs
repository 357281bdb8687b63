//! Makes order traffic: as SQL in a source database, as Debezium messages in Kafka, or as a capture
//! file. All of the traffic itself is in `cdc-workload`; here are the arguments, the pace and the
//! ends.

use std::process::ExitCode;

use clap::Parser;

mod arguments;
mod failure;
mod progress;
mod run;
mod stop;
mod target;

use arguments::Arguments;

fn main() -> ExitCode {
    match run::run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
