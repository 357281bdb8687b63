//! `verify`: whether the warehouse holds what the source holds, while traffic goes on.

mod routes;

use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cdc_config::Secret;
use cdc_core::Halt;
use cdc_kafka::KafkaSettings;
use cdc_kafka::preflight::probe;
use cdc_postgres::{
    Difference, KeyDifference, LogEnd, SourceSettings, Step, TableReport, Verdict, Verifier,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::VerifyArgs;
use crate::config::Settings;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// How long a broker may take to say how far its topics reach.
const BROKER_PATIENCE: Duration = Duration::from_secs(5);

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(200);

const ATTEMPT: &str = "compare source and warehouse";

/// Compares every table, or those that were named. Exit code 0 when all are equal.
pub(crate) async fn verify(settings: Settings, arguments: &VerifyArgs) -> Result<Exit, Failure> {
    let source = source(&settings, arguments)?;
    let tables = routes::tables(&settings.tables, &arguments.table)?;
    let mut verifier = Verifier::open(&settings.postgres, &source, arguments.options())
        .await
        .map_err(|error| Failure::end(ATTEMPT, error))?;
    let shown = Shown::new(arguments.common.json);
    let mut reports = Vec::with_capacity(tables.len());
    let is_silent = AtomicBool::new(false);
    for table in &tables {
        let ends = || log_ends(settings.kafka().ok().cloned(), &is_silent);
        let name = table.settings.source.to_string();
        let report = verifier.table(table, ends, |step| shown.step(&name, step)).await;
        let report = report.map_err(|error| Failure::end(ATTEMPT, error))?;
        if !arguments.common.json {
            shown.print(&describe(&report));
        }
        reports.push(report);
    }
    shown.end();
    let equal = reports.iter().all(TableReport::is_equal);
    if arguments.common.json {
        let tables: Vec<Value> = reports.iter().map(as_json).collect();
        output::line(json!({ "equal": equal, "tables": tables }));
    }
    if equal { Ok(Exit::Done) } else { Err(Failure::Differs(summary(&reports))) }
}

/// The source database: that of the command line before that of the file.
fn source(settings: &Settings, arguments: &VerifyArgs) -> Result<SourceSettings, Failure> {
    let missing = |what: String, hint: &str| Failure::End {
        attempt: ATTEMPT,
        halt: Halt::Configuration,
        hint: Some(hint.to_owned()),
        source: what.into(),
    };
    if let Some(name) = &arguments.source_url_env {
        let url = std::env::var(name).map_err(|_| {
            let hint = "set it to postgres://user:password@host:port/database";
            missing(format!("the environment has no text variable {name}"), hint)
        })?;
        return Ok(SourceSettings::new(Secret::new(url)));
    }
    settings.source.clone().ok_or_else(|| {
        let hint = "add to the configuration:\n[source.postgres]\nurl = { env = \"SOURCE_URL\" }\n\
                    or name a variable with --source-url-env";
        missing("nothing says where the source database is".to_owned(), hint)
    })
}

/// How far the topics reach; `None` when the broker does not say, or there is none. One that did not is
/// not asked again: each round would wait for it.
async fn log_ends(kafka: Option<KafkaSettings>, is_silent: &AtomicBool) -> Option<Vec<LogEnd>> {
    let kafka = kafka?;
    if is_silent.load(Ordering::Relaxed) {
        return None;
    }
    let asked = tokio::task::spawn_blocking(move || probe(&kafka, BROKER_PATIENCE)).await.ok()?;
    let report = asked
        .inspect_err(|error| {
            is_silent.store(true, Ordering::Relaxed);
            tracing::debug!(%error, "the broker does not say how far topics reach");
        })
        .ok()?;
    let topics = report.topics().iter();
    let ends = topics.flat_map(|topic| {
        // What is empty needs no progress.
        let filled = topic.partitions().iter().filter(|partition| partition.end > partition.first);
        filled.map(|partition| LogEnd {
            topic: topic.name().clone(),
            partition: partition.number,
            end: partition.end,
        })
    });
    Some(ends.collect())
}

/// Where the comparison stands, for a person at a terminal.
struct Shown(ProgressBar);

impl Shown {
    fn new(json: bool) -> Self {
        if json || !stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise}  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    fn step(&self, table: &str, step: Step) {
        self.0.set_message(match step {
            Step::Reading => format!("{table}: reading all rows of both sides"),
            Step::Narrowing { buckets } => {
                format!("{table}: looking for keys in {buckets} buckets that differ")
            }
            Step::Settling { keys, seconds_left } => format!(
                "{table}: reading {keys} keys again until they are equal or stay different, for up to \
                 {seconds_left} s"
            ),
        });
    }

    fn print(&self, text: &str) {
        self.0.suspend(|| output::line(text));
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

/// One table for a person: a line, then what there is to know.
fn describe(report: &TableReport) -> String {
    let TableReport { source, target, .. } = report;
    let mut text = match &report.verdict {
        Verdict::Equal => format!(
            "equal: {source} and {target} in {} rows and {} columns, in {:.1} s",
            report.source_rows,
            report.compared.len(),
            report.elapsed.as_secs_f64()
        ),
        Verdict::Differs => format!(
            "DIFFERENT: {source} ({} rows) and {target} ({} rows) in {:.1} s\n    {}",
            report.source_rows,
            report.warehouse_rows,
            report.elapsed.as_secs_f64(),
            counts(report)
        ),
        Verdict::Unproven(reason) => format!("NOT PROVEN: {source} and {target}: {reason}"),
        Verdict::NotComparable(reason) => format!("NOT COMPARED: {source} and {target}: {reason}"),
    };
    let mut add = |line: &str| {
        text.push_str("\n    ");
        text.push_str(line);
    };
    for listed in &report.listed {
        add(&listed.to_string());
    }
    let listed = u64::try_from(report.listed.len()).unwrap_or(u64::MAX);
    match report.differences().saturating_sub(listed) {
        0 => {}
        more => add(&format!("and {more} more")),
    }
    if report.moving > 0 {
        add(&format!("still moving, neither equal nor different: {} keys", report.moving));
    }
    if !report.left_out.is_empty() {
        add(&format!("not compared: {}", report.left_out.join(", ")));
    }
    for note in &report.notes {
        add(&format!("note: {note}"));
    }
    text
}

fn counts(report: &TableReport) -> String {
    if report.differences() == 0 {
        return "their rows are not the same".to_owned();
    }
    let at_least = if report.complete { "" } else { "at least, " };
    format!(
        "{at_least}keys only in the source: {}, only in the warehouse: {}, with other values: {}",
        report.only_in_source, report.only_in_warehouse, report.differing
    )
}

fn summary(reports: &[TableReport]) -> String {
    let failed = reports.iter().filter(|report| !report.is_equal());
    let words = failed.map(|report| match &report.verdict {
        Verdict::Equal | Verdict::Differs => format!("{} is different", report.target),
        Verdict::Unproven(_) => format!("{} is not proven equal", report.target),
        Verdict::NotComparable(_) => format!("{} cannot be compared", report.target),
    });
    words.collect::<Vec<_>>().join(", ")
}

/// One table for machines; names are stable.
fn as_json(report: &TableReport) -> Value {
    let (verdict, reason) = match &report.verdict {
        Verdict::Equal => ("equal", None),
        Verdict::Differs => ("different", None),
        Verdict::Unproven(reason) => ("unproven", Some(reason)),
        Verdict::NotComparable(reason) => ("not_comparable", Some(reason)),
    };
    json!({
        "source": report.source.to_string(),
        "target": report.target.to_string(),
        "verdict": verdict,
        "reason": reason,
        "source_lsn": report.source_lsn,
        "source_rows": report.source_rows,
        "warehouse_rows": report.warehouse_rows,
        "only_in_source": report.only_in_source,
        "only_in_warehouse": report.only_in_warehouse,
        "differing": report.differing,
        "complete": report.complete,
        "moving": report.moving,
        "read_again": report.read_again,
        "listed": report.listed.iter().map(key_as_json).collect::<Vec<_>>(),
        "compared": report.compared,
        "left_out": report.left_out,
        "notes": report.notes,
        "seconds": report.elapsed.as_secs_f64(),
    })
}

fn key_as_json(found: &KeyDifference) -> Value {
    let key: serde_json::Map<String, Value> =
        found.key.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let (kind, columns) = match &found.difference {
        Difference::OnlyInSource => ("only_in_source", None),
        Difference::OnlyInWarehouse => ("only_in_warehouse", None),
        Difference::Columns(columns) => ("differing", Some(columns)),
    };
    json!({ "key": key, "kind": kind, "columns": columns })
}
