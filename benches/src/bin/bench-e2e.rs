//! `bench-e2e`: measures the pipeline on a real broker and database; see its `--help`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

use std::process::ExitCode;

use benches::e2e::{self, Options};
use clap::Parser as _;

fn main() -> ExitCode {
    let options = Options::parse();
    let saved = e2e::measure(&options).and_then(|report| {
        print!("{}", report.markdown());
        e2e::save(&report, &options)
    });
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
