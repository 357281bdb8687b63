//! `rebuild`: a table once more, from its topics, beside the live one.

use std::time::{Duration, Instant};

use cdc_core::{NextOffset, SourceTable, TopicName};
use cdc_engine::{Outcome, Reading};
use cdc_kafka::{Bound, KafkaSpan};
use cdc_postgres::{Reach, Shadow};
use cdc_setup::{Settings, Table};
use serde_json::json;

use crate::cli::RebuildArgs;
use crate::compaction;
use crate::failure::Failure;
use crate::output;
use crate::progress::per_second;
use crate::range::{Place, WhatIsLeft, as_json};
use crate::shadow::{Run, between, chosen, topics_read};
use crate::topics;

/// What a stopped run says.
const AGAIN: &str =
    "start it again with the same --from and --topic, and it goes on where it stood";

/// Builds the shadow, or goes on with it.
pub(crate) async fn rebuild(settings: Settings, arguments: &RebuildArgs) -> Result<(), Failure> {
    let (from, to) = arguments.range.bounds()?;
    let table = chosen(&settings.tables, arguments.common.table.as_deref())?;
    let own = topics_of(&settings, &table, &arguments.topics)?;
    let mut shadow = Shadow::open(&settings.postgres, &table.settings)
        .await
        .map_err(|error| Failure::end("take the shadow", error))?;
    let rights = shadow.require_rights().await;
    rights.map_err(|error| Failure::end("begin a rebuild", error))?;
    let beginning = beginning(arguments);
    let resumed = shadow.is_begun(&beginning).await;
    let resumed = resumed.map_err(|error| Failure::end("go on with a rebuild", error))?;
    // A run that was begun goes on with what it was begun with, whatever the file says by now.
    let topics = if resumed { topics_read(&mut shadow).await? } else { own };
    let run = Run::prepare(settings, topics, arguments.common.rate).await?;
    if !arguments.compacted {
        compaction::require_whole(run.settings.kafka()?, &table).await?;
    }
    let from = if resumed {
        // What a run has read is not looked for any more.
        Place::Log(Bound::Beginning)
    } else if from == Place::Log(Bound::Beginning) {
        // What is gone of a topic is gone, wherever its log begins now.
        Place::Log(Bound::At(NextOffset::ZERO))
    } else {
        from
    };
    let located = run.reader()?.spans((from, to), WhatIsLeft::IsNotEnough).await?;
    if arguments.dry_run {
        let report = DryRun { table: &table, shadow: &shadow, resumed, spans: &located };
        report.print(arguments);
        return Ok(());
    }
    if !resumed {
        let starts: Vec<_> =
            located.iter().map(|span| (span.partition.clone(), span.from)).collect();
        let begun = shadow.begin(&beginning, &starts).await;
        begun.map_err(|error| Failure::end("begin a rebuild", error))?;
    }
    let started = Instant::now();
    let reach = shadow.reach().await.map_err(|error| Failure::end("read how far it is", error))?;
    let until = |reach: &Reach| {
        let span = located.iter().find(|span| span.partition == reach.partition);
        span.map_or(reach.applied, |span| reach.applied.min(span.until))
    };
    let read = run.read(&shadow, &table, between(&reach, until)).await;
    let behind = match &read {
        Ok(_) => {
            shadow.analyze().await.map_err(|error| Failure::end("look at the shadow", error))?;
            let reach = shadow.reach().await;
            let reach = reach.map_err(|error| Failure::end("read how far it is", error))?;
            Some(reach.iter().map(Reach::behind).sum())
        }
        Err(_) => None,
    };
    let outcome = match &read {
        Ok((Outcome::Ended | Outcome::CaughtUp, _)) => "done",
        Ok((Outcome::Stopped, _)) => "stopped",
        Err(_) => "failed",
    };
    let reading = read.as_ref().map(|(_, reading)| *reading).unwrap_or_default();
    let report =
        Report { outcome, shadow: &shadow, reading, elapsed: started.elapsed(), behind, resumed };
    report.print(arguments, &table);
    match read? {
        (Outcome::Stopped, _) => Err(Failure::Stopped { again: AGAIN }),
        (Outcome::Ended | Outcome::CaughtUp, _) => Ok(()),
    }
}

/// The topics of which a table is built.
fn topics_of(
    settings: &Settings,
    table: &Table,
    wanted: &[String],
) -> Result<Vec<TopicName>, Failure> {
    let topics = settings.kafka()?.topics();
    if !wanted.is_empty() {
        return topics::named(topics, wanted);
    }
    let sources: Vec<SourceTable> =
        settings.tables.iter().map(|table| table.settings.source.clone()).collect();
    Ok(topics::of_table(topics, &sources, &table.settings.source))
}

/// What has to be typed again to go on with a run: where it begins, and in which topics.
fn beginning(arguments: &RebuildArgs) -> String {
    let mut topics = arguments.topics.clone();
    topics.sort();
    topics.dedup();
    let options = topics.iter().map(|topic| format!(" --topic {topic}"));
    format!("{}{}", arguments.range.from, options.collect::<String>())
}

/// What would be read.
struct DryRun<'r> {
    table: &'r Table,
    shadow: &'r Shadow,
    resumed: bool,
    spans: &'r [KafkaSpan],
}

impl DryRun<'_> {
    fn print(&self, arguments: &RebuildArgs) {
        let offsets: u64 = self.spans.iter().map(KafkaSpan::offsets).sum();
        let target = &self.table.settings.target;
        if arguments.common.json {
            output::line(json!({
                "outcome": "done",
                "dry_run": true,
                "table": target.to_string(),
                "begun": self.resumed,
                "ranges": as_json(self.spans),
                "offsets": offsets,
            }));
            return;
        }
        let begun = if self.resumed {
            format!("{} was begun, and would be gone on with", self.shadow.name())
        } else {
            format!("{target} would be rebuilt as {}", self.shadow.name())
        };
        output::line(format!(
            "{begun}, from at most {offsets} offsets and no further than the pipeline has applied; \
             nothing was written"
        ));
        for span in self.spans {
            output::line(format!("  {}: from {} to {}", span.partition, span.from, span.until));
        }
    }
}

/// What a rebuild did.
struct Report<'r> {
    outcome: &'static str,
    shadow: &'r Shadow,
    reading: Reading,
    elapsed: Duration,
    /// Offsets that the pipeline has applied and the shadow does not have.
    behind: Option<u64>,
    resumed: bool,
}

impl Report<'_> {
    fn print(&self, arguments: &RebuildArgs, table: &Table) {
        let Self { outcome, shadow, reading, elapsed, behind, resumed } = self;
        let rate = per_second(reading.records, *elapsed);
        if arguments.common.json {
            output::line(json!({
                "outcome": outcome,
                "dry_run": false,
                "table": table.settings.target.to_string(),
                "shadow": shadow.name().to_string(),
                "resumed": resumed,
                "read": reading.records,
                "written": reading.rows,
                "skipped": reading.skipped,
                "rejected": reading.dead_lettered,
                "behind": behind,
                "seconds": elapsed.as_secs_f64(),
                "records_per_second": rate,
            }));
            return;
        }
        output::line(format!(
            "{outcome}: {} records read into {}, {} rows written, {} records rejected, {} skipped, in \
             {:.1} s ({rate} records/s)",
            reading.records,
            shadow.name(),
            reading.rows,
            reading.dead_lettered,
            reading.skipped,
            elapsed.as_secs_f64(),
        ));
        if *resumed {
            output::line("  an earlier run had begun it; this one went on where it stood");
        }
        if let Some(behind) = behind {
            let source = &table.settings.source;
            output::line(format!(
                "  {behind} offsets behind the pipeline, which diff and swap read first\n  \
                   next: cdc-replayer diff --table {source}"
            ));
        }
    }
}
