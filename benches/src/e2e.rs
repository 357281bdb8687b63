//! The whole path on real components: from messages in Kafka to rows in PostgreSQL.
//!
//! Parts of one repetition follow each other in the order reading, history, raw COPY, mirror, and
//! repetitions follow each other, so that what changes on the machine over time touches all alike.

mod drain;
mod fill;
mod idle;
mod latency;
mod machine;
mod native;
mod options;
mod pipeline;
mod proc;
mod raw;
mod read;
mod report;
mod stage;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use cdc_stack::machine::commit;
use cdc_workload::SchemaBlock;
use time::OffsetDateTime;
use time::macros::format_description;

pub use self::drain::Drain;
pub use self::idle::Idle;
pub use self::latency::Latency;
pub use self::machine::Machine;
pub use self::native::{
    Baseline, CommitLatency, NativeReport, NativeSummary, Passage, measure as measure_native,
};
pub use self::options::{Compression, Options, Part, Shapes};
pub use self::raw::RawCopy;
pub use self::read::Reading;
pub use self::report::{Against, Form, Report, Setting, Summary, Written};

use self::fill::Topic;
use self::pipeline::Mode;
use self::raw::Rows;
use self::stage::Stage;
use crate::inputs;

/// Measures what the options ask for, on components that it starts and stops.
///
/// # Errors
///
/// When a component or the pipeline is missing or fails, or when a drain does not give exactly the
/// rows that its input stands for.
pub fn measure(options: &Options) -> Result<Report> {
    say("starting the broker and the database");
    let stage = Stage::start(options)?;
    let machine = Machine::of(&stage);
    // The first consumer group of a broker waits until the topic of all groups is there.
    read::read(&stage, &Topic::empty(&stage, "warm-up")?, 0)?;
    let forms = options.shapes().iter().map(|block| form(&stage, options, *block));
    let forms = forms.collect::<Result<Vec<_>>>()?;
    Ok(Report {
        date: OffsetDateTime::now_utc().format(format_description!("[year]-[month]-[day]"))?,
        commit: commit(),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" },
        machine,
        options: Setting {
            changes: options.changes,
            runs: options.runs,
            compression: options.compression.setting(),
            seed: inputs::SEED,
        },
        forms,
    })
}

/// Writes the report as Markdown and JSON and gives the path of the first.
///
/// # Errors
///
/// When the folder cannot be written to.
pub fn save(report: &impl Written, options: &Options) -> Result<PathBuf> {
    fs::create_dir_all(&options.results)
        .with_context(|| format!("cannot create {}", options.results.display()))?;
    let name = report.name();
    let path = |ending: &str| options.results.join(format!("{name}.{ending}"));
    let json = serde_json::to_string_pretty(report)? + "\n";
    for (path, text) in [(path("json"), json), (path("md"), report.markdown())] {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(path("md"))
}

fn form(stage: &Stage, options: &Options, schema_block: SchemaBlock) -> Result<Form> {
    let with = schema_block == SchemaBlock::With;
    say(if with { "with schema block" } else { "without schema block" });
    let topic = Topic::fill(stage, schema_block, options.changes, options.compression)?;
    Stage::flush_disk()?;
    say(&format!("  {} messages", topic.messages));
    let mut form = Form {
        schema_block: with,
        messages: topic.messages,
        bytes: topic.bytes,
        raw: Vec::new(),
        read: Vec::new(),
        history: Vec::new(),
        mirror: Vec::new(),
        latency: Vec::new(),
        idle: Vec::new(),
        against: Against::default(),
        summary: Summary::default(),
    };
    let mut rows = None;
    for run in 1..=options.runs {
        drains(stage, options, &topic, run, (&mut form, &mut rows))?;
    }
    if options.wants(Part::Latency) {
        for run in 1..=options.runs {
            let latency = latency::latency(stage, schema_block, run)?;
            say(&format!("  latency: p50 {:.1} ms, p99 {:.1} ms", latency.p50_ms, latency.p99_ms));
            form.latency.push(latency);
        }
    }
    if options.wants(Part::Idle) {
        form.idle = idle::idle(stage, &topic)?;
    }
    form.summarize();
    Ok(form)
}

/// One repetition of reading, history, raw COPY and mirror.
fn drains(
    stage: &Stage,
    options: &Options,
    topic: &Topic,
    run: u32,
    (form, rows): (&mut Form, &mut Option<Rows>),
) -> Result<()> {
    if options.wants(Part::Read) {
        let read = read::read(stage, topic, run)?;
        say(&format!("  {run} read     {:>7.2} s", read.seconds));
        form.read.push(read);
    }
    if options.wants(Part::History) || options.wants(Part::Raw) {
        let (drain, setup) = drain::drain(&stage.warehouse.pipeline, stage, topic, Mode::History)?;
        say(&format!("  {run} history  {:>7.2} s", drain.seconds));
        form.history.push(drain);
        if options.wants(Part::Raw) {
            let rows = match rows {
                Some(rows) => rows,
                None => rows.insert(Rows::export(&stage.warehouse, &setup)?),
            };
            let raw = rows.copy(&stage.warehouse, &setup)?;
            say(&format!("  {run} raw COPY {:>7.2} s", raw.seconds));
            form.raw.push(raw);
        }
        stage.warehouse.drop_database(&setup.database)?;
    }
    if options.wants(Part::History) {
        let others = other(stage, options, topic, (run, Mode::History))?;
        form.against.history.extend(others);
    }
    if options.wants(Part::Mirror) {
        let (drain, setup) = drain::drain(&stage.warehouse.pipeline, stage, topic, Mode::Mirror)?;
        say(&format!("  {run} mirror   {:>7.2} s", drain.seconds));
        form.mirror.push(drain);
        stage.warehouse.drop_database(&setup.database)?;
        form.against.mirror.extend(other(stage, options, topic, (run, Mode::Mirror))?);
    }
    Ok(())
}

/// The same drain by the program to compare with, if there is one.
fn other(
    stage: &Stage,
    options: &Options,
    topic: &Topic,
    (run, mode): (u32, Mode),
) -> Result<Option<Drain>> {
    let Some(program) = &options.against else { return Ok(None) };
    let (drain, setup) = drain::drain(program, stage, topic, mode)?;
    say(&format!("  {run} {:<8} {:>7.2} s with the other program", mode.name(), drain.seconds));
    stage.warehouse.drop_database(&setup.database)?;
    Ok(Some(drain))
}

/// Progress for people; the report goes to standard output.
#[expect(clippy::print_stderr, reason = "a long measurement shows that it goes on")]
fn say(text: &str) {
    eprintln!("{text}");
}
