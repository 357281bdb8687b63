//! `repair`: build the ends, run, say what was restored.

use std::sync::Arc;
use std::time::Instant;

use cdc_core::{ByteBudget, NextOffset, Partition};
use cdc_engine::{Meter, Outcome, Shutdown};
use cdc_kafka::{KafkaRange, KafkaSpan};
use cdc_postgres::{Mode, RepairMode, RepairRun, RepairSink};
use cdc_setup::{Settings, Table};

use crate::captured::{captured, source_of};
use crate::cli::{RangeArgs, RepairArgs};
use crate::compaction;
use crate::failure::Failure;
use crate::generations::Generations;
use crate::progress::{self, Shown};
use crate::range::{Place, Reader, WhatIsLeft};
use crate::report::Report;
use crate::running::Running;
use crate::signals;

/// What a stopped run says.
const AGAIN: &str = "start it again with the same range and tables, and it goes on where it stood";

/// Restores what histories lack.
pub(crate) async fn repair(settings: Settings, arguments: &RepairArgs) -> Result<(), Failure> {
    let bounds = arguments.range.bounds()?;
    let tables = chosen(&settings.tables, &arguments.tables)?;
    let (stop, shutdown) = Shutdown::channel();
    signals::stop_on_signal(stop)?;
    let generations = Generations::read(&settings.postgres).await?;
    let settings = generations.as_of(settings, arguments.generation()).await?;
    let wanted = Wanted::find(&settings, arguments, bounds, &shutdown).await?;
    let Wanted { spans, recognised, compacted } = wanted;
    let (spans, earlier) = generations.within(spans);
    let mut run = RepairRun::open(settings.postgres.clone(), &part(arguments, &tables))
        .await
        .map_err(|error| Failure::end("begin a repair", error))?;
    let range = Range::of(spans, &mut run, arguments).await?;
    let mode = if arguments.dry_run { RepairMode::Count } else { RepairMode::Restore };
    let targets = tables.iter().map(|table| table.settings.clone()).collect();
    let sink = RepairSink::new(&run, targets, mode);
    let counts = sink.counts();
    let meter = Meter::shared();
    let started = Instant::now();
    let (records, rows) = (Arc::clone(&meter), Arc::clone(&counts));
    let shown = tokio::spawn(progress::show(Shown {
        done: move || records.read().records,
        note: move || format!("{} rows restored", rows.restored()),
        total: range.left,
    }));
    let running = Running { rate: arguments.rate, meter: Arc::clone(&meter), shutdown };
    let wanted = tables.iter().map(|table| table.settings.id);
    let budget = ByteBudget::new(settings.memory);
    let ended = match &arguments.from_file {
        Some(path) => {
            let source = source_of(path, range.spans, budget.clone());
            running.run(&settings, wanted, source, sink, budget).await
        }
        None => match KafkaRange::start(settings.kafka()?, range.spans, budget.clone()) {
            Ok(source) => running.run(&settings, wanted, source, sink, budget).await,
            Err(error) => Err(Failure::end("start reading from Kafka", error)),
        },
    };
    shown.abort();
    let outcome = match &ended {
        Ok(Outcome::Ended | Outcome::CaughtUp) => "done",
        Ok(Outcome::Stopped) => "stopped",
        Err(_) => "failed",
    };
    let report = Report {
        outcome,
        reading: meter.read(),
        counts: &counts,
        elapsed: started.elapsed(),
        beyond: range.beyond,
        earlier,
        recognised,
        compacted: &compacted,
        resumed: range.resumed,
    };
    report.print(arguments);
    match ended? {
        Outcome::Stopped => Err(Failure::Stopped { again: AGAIN }),
        Outcome::Ended | Outcome::CaughtUp => {
            run.finish().await.map_err(|error| Failure::end("end the repair", error))
        }
    }
}

/// The part that was asked for, whether it is there or not.
struct Wanted {
    spans: Vec<KafkaSpan>,
    /// Records of the capture that are remembered, if one is read.
    recognised: Option<u64>,
    /// Topics that are compacted.
    compacted: Vec<String>,
}

impl Wanted {
    /// In a capture, or in the topics.
    async fn find(
        settings: &Settings,
        arguments: &RepairArgs,
        bounds: (Place, Place),
        shutdown: &Shutdown,
    ) -> Result<Self, Failure> {
        if let Some(path) = &arguments.from_file {
            let (spans, recognised) = captured(path, settings).await?;
            return Ok(Self { spans, recognised: Some(recognised), compacted: Vec::new() });
        }
        let kafka = settings.kafka()?;
        let compacted = compaction::tell(kafka).await?;
        let reader = Reader { settings, kafka, shutdown: shutdown.clone() };
        let spans = reader.spans(bounds, WhatIsLeft::Serves).await?;
        Ok(Self { spans, recognised: None, compacted })
    }
}

/// The histories that are repaired.
fn chosen(tables: &[Table], named: &[String]) -> Result<Vec<Table>, Failure> {
    let is_history = |table: &&Table| table.settings.mode == Mode::History;
    let histories = || tables.iter().filter(is_history);
    let list = || histories().map(|table| table.settings.source.to_string()).collect::<Vec<_>>();
    for name in named {
        if !histories().any(|table| table.settings.source.to_string() == *name) {
            return Err(Failure::Tables {
                message: format!("{name} is no table that is kept as a history"),
                hint: format!("name one of these with --table: {}", list().join(", ")),
            });
        }
    }
    let is_named =
        |table: &&Table| named.is_empty() || named.contains(&table.settings.source.to_string());
    let chosen: Vec<Table> = histories().filter(is_named).cloned().collect();
    if chosen.is_empty() {
        return Err(Failure::Tables {
            message: "no table of this pipeline is kept as a history".to_owned(),
            hint: "rebuild a mirror beside the live one with `cdc-replayer rebuild`: an older record must \
                   never go into a live one"
                .to_owned(),
        });
    }
    Ok(chosen)
}

/// The same text for the same part of the same tables.
fn part(arguments: &RepairArgs, tables: &[Table]) -> String {
    let tables: Vec<String> =
        tables.iter().map(|table| table.settings.target.to_string()).collect();
    let RepairArgs { range: RangeArgs { from, to }, from_file, generation, dry_run, .. } =
        arguments;
    // Without a file and a generation it is the range alone.
    let file = from_file.as_ref().map_or_else(String::new, |file| format!("{}\n", file.display()));
    let generation = generation.map_or_else(String::new, |number| format!("generation {number}\n"));
    format!("{file}{generation}{from}\n{to}\n{dry_run}\n{}", tables.join("\n"))
}

/// What is read.
struct Range {
    spans: Vec<KafkaSpan>,
    /// How many offsets are to be read now.
    left: u64,
    /// How many belong to the pipeline still.
    beyond: u64,
    resumed: bool,
}

impl Range {
    /// The spans as far as the pipeline has come, and how much of them an earlier run has left.
    async fn of(
        spans: Vec<KafkaSpan>,
        run: &mut RepairRun,
        arguments: &RepairArgs,
    ) -> Result<Self, Failure> {
        let partitions: Vec<Partition> = spans.iter().map(|span| span.partition.clone()).collect();
        let failed = |error| Failure::end("read how far the pipeline is", error);
        let applied = run.applied(&partitions).await.map_err(failed)?;
        let before = if arguments.dry_run {
            vec![None; partitions.len()]
        } else {
            run.resumed(&partitions).await.map_err(failed)?
        };
        let mut range = Self { spans: Vec::new(), left: 0, beyond: 0, resumed: false };
        for ((span, applied), before) in spans.into_iter().zip(applied).zip(before) {
            let wanted = span.offsets();
            let span = span.capped(applied.unwrap_or(NextOffset::ZERO));
            range.beyond = range.beyond.saturating_add(wanted.saturating_sub(span.offsets()));
            range.resumed |= before.is_some();
            let from = before.unwrap_or(span.from);
            range.left = range.left.saturating_add(span.until.offsets_since(from));
            range.spans.push(span);
        }
        Ok(range)
    }
}
