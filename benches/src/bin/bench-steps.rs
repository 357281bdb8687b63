//! `bench-steps`: makes a report of what `cargo bench` has left; run it after the benches.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

use std::path::PathBuf;
use std::process::ExitCode;

use benches::ratio::criterion_folder;
use benches::steps::Report;
use clap::Parser;

/// Reads what the benches have left in cargo's folder and writes a report into the results folder.
#[derive(Debug, Parser)]
#[command(name = "bench-steps", version)]
struct Options {
    /// Where the report goes.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    results: PathBuf,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let saved = criterion_folder().and_then(|folder| {
        let report = Report::collect(&folder)?;
        print!("{}", report.markdown());
        report.save(&options.results)
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
