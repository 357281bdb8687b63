//! `bench-e2e`: measures the pipeline on real servers; see its `--help`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use benches::e2e::{self, Options, Written};
use clap::Parser as _;

fn main() -> ExitCode {
    let options = Options::parse();
    let saved = if options.native {
        e2e::measure_native(&options).and_then(|report| show(&report, &options))
    } else {
        e2e::measure(&options).and_then(|report| show(&report, &options))
    };
    match saved {
        Ok(path) => {
            eprintln!("written to {}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn show(report: &impl Written, options: &Options) -> Result<PathBuf> {
    print!("{}", report.markdown());
    e2e::save(report, options)
}
