//! `chaos`: plays campaigns of faults against the pipeline and says what does not hold; see its
//! `--help`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program speaks to its user")]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use cdc_chaos::report::{Report, Setting, tested};
use cdc_chaos::{Campaign, Met, Options, Struck, Tempo, Traffic, play};
use clap::Parser;

/// Plays campaigns of faults against the pipeline on real components that it starts itself.
///
/// One line for each fault, one for each violation, and a last line that says how many there are. Exit
/// code 0 without any, 1 with some or when a campaign could not be played.
#[derive(Debug, Parser)]
#[command(name = "chaos", version)]
struct Arguments {
    /// Names the faults and the traffic of the first campaign.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Faults of each campaign.
    #[arg(long, default_value_t = 100)]
    faults: usize,
    /// How many campaigns, each with the seed after the one before.
    #[arg(long, default_value_t = 1)]
    campaigns: u64,
    /// Shorter freezes, as the tests play them.
    #[arg(long)]
    scaled: bool,
    /// Write the report for people here, after each campaign.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Write everything that is known of each fault here, after each campaign.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Play nothing, and write the report of campaigns that `--json` has kept, in this order.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "report")]
    of: Vec<PathBuf>,
    /// Keep the logs of the pipelines in this folder.
    #[arg(long, value_name = "FOLDER")]
    logs: Option<PathBuf>,
    /// The program under test; without it `cdc-pipeline` beside this program.
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
}

/// Begins the part of a report that people write.
const FINDINGS: &str = "## What campaigns have found";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match campaigns(&arguments) {
        Ok(report) => {
            println!("{}", report.last_line());
            if report.violations() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn campaigns(arguments: &Arguments) -> Result<Report> {
    if !arguments.of.is_empty() {
        let report = kept(&arguments.of)?;
        save_page(arguments.report.as_deref(), &report)?;
        return Ok(report);
    }
    let Arguments { seed, faults, scaled, .. } = *arguments;
    let tempo = if scaled { Tempo::Scaled } else { Tempo::Full };
    let pipeline = arguments.pipeline.clone().map_or_else(|| beside("cdc-pipeline"), Ok)?;
    // Without it a repair would not be tried, and nothing would say so.
    let replayer = Some(beside("cdc-replayer")?);
    let words: Vec<String> = env::args().skip(1).collect();
    let command = format!("just chaos {}", words.join(" "));
    let setting = Setting::of(tempo, command, tested(&pipeline)?);
    let mut report = Report { setting, campaigns: Vec::new() };
    for seed in seed..seed.saturating_add(arguments.campaigns) {
        let options = Options {
            seed,
            faults,
            tempo,
            pipeline: pipeline.clone(),
            replayer: replayer.clone(),
            logs: arguments.logs.clone(),
        };
        let campaign = match play(&options, |fault| println!("{}", line(seed, fault))) {
            Ok(finished) => finished.campaign,
            // The others are played all the same: what is wrong may be wrong once.
            Err(error) => Campaign::not_begun(seed, &error),
        };
        for violation in &campaign.violations {
            println!("seed {seed}: VIOLATION {violation}");
        }
        println!("{}", summary(&campaign));
        report.campaigns.push(campaign);
        save_page(arguments.report.as_deref(), &report)?;
        save(arguments.json.as_deref(), || Ok(serde_json::to_string_pretty(&report)?))?;
    }
    Ok(report)
}

/// The campaigns of several runs as one report, which has the setting of the first.
fn kept(files: &[PathBuf]) -> Result<Report> {
    let mut all: Option<Report> = None;
    for file in files {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let report: Report = serde_json::from_str(&text)
            .with_context(|| format!("{} is no report", file.display()))?;
        match &mut all {
            None => all = Some(report),
            Some(all) => all
                .join(report)
                .with_context(|| format!("cannot add {} to the others", file.display()))?,
        }
    }
    all.context("no file was named")
}

fn line(seed: u64, fault: &Struck) -> String {
    let Struck { number, kind, detail, met, recovered_ms } = fault;
    let kind = kind.to_string();
    let window = match met {
        Met::Window => ", in the window",
        Met::Nobody => ", met nobody",
        Met::Nothing | Met::Transaction => "",
    };
    let seconds = format!("{}.{:03}", recovered_ms / 1_000, recovered_ms % 1_000);
    format!("seed {seed} fault {number:>4}  {kind:<28} recovered in {seconds} s  {detail}{window}")
}

fn summary(campaign: &Campaign) -> String {
    let Campaign { seed, faults, traffic, seconds, violations } = campaign;
    let Traffic { changes, records, dead_letters, sent_again, capture_restarts } = traffic;
    format!(
        "seed {seed}: {} faults in {seconds} s, {changes} changes of each table, {records} records, \
         {sent_again} of them sent again, {dead_letters} dead letters, {capture_restarts} restarts of \
         the capture, {} violations",
        faults.len(),
        violations.len()
    )
}

/// A program in the folder of this one.
fn beside(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().context("cannot find this program's folder")?;
    let path = own.with_file_name(name);
    anyhow::ensure!(
        path.is_file(),
        "cannot find {}: run `cargo build --release --workspace`, or `just chaos`, which builds it",
        path.display()
    );
    Ok(path)
}

/// Writes the page for people, and leaves what people have written at its end.
fn save_page(path: Option<&Path>, report: &Report) -> Result<()> {
    let before = path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
    let written = before.split_once(FINDINGS).map(|(_, rest)| format!("\n{FINDINGS}{rest}"));
    save(path, || Ok(report.markdown() + &written.unwrap_or_default()))
}

fn save(path: Option<&Path>, text: impl FnOnce() -> Result<String>) -> Result<()> {
    let Some(path) = path else { return Ok(()) };
    fs::write(path, text()?).with_context(|| format!("cannot write {}", path.display()))
}
