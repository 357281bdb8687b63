//! `diff`, `swap` and `discard`, and what they have in common with `rebuild`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cdc_core::{ByteBudget, NextOffset, TopicName};
use cdc_engine::{Meter, Outcome, Reading, Shutdown};
use cdc_kafka::preflight::recognise;
use cdc_kafka::{KafkaRange, KafkaSpan};
use cdc_postgres::{Exchanged, Halted, Reach, Shadow, ShadowDiff, applied_logs};
use cdc_setup::{Origin, Settings, Table};
use serde_json::json;

use crate::cli::{DiffArgs, DiscardArgs, SwapArgs, TableArgs};
use crate::failure::Failure;
use crate::output;
use crate::progress::{self, Shown};
use crate::range::Reader;
use crate::running::Running;
use crate::signals;

/// Writers are halted when a shadow is no more than so many offsets behind: they are read in well under
/// a second.
const BEHIND_MAX: u64 = 5_000;

/// How often a shadow is read on before writers are halted: beside a pipeline that is as fast there is
/// always something left.
const ROUNDS_MAX: u32 = 20;

/// What a stopped command says.
const AGAIN: &str = "start it again: the shadow stays, and nothing else was changed";

/// The table that is meant.
pub(crate) fn chosen(tables: &[Table], named: Option<&str>) -> Result<Table, Failure> {
    let known: Vec<String> = tables.iter().map(|table| table.settings.source.to_string()).collect();
    let hint = || format!("name one of these with --table: {}", known.join(", "));
    let found = match (named, tables) {
        (None, [only]) => Some(only),
        (None, _) => {
            let message = "the pipeline has several tables".to_owned();
            return Err(Failure::Tables { message, hint: hint() });
        }
        (Some(name), _) => tables.iter().find(|table| table.settings.source.to_string() == name),
    };
    found.cloned().ok_or_else(|| Failure::Tables {
        message: format!("{} is no table of this pipeline", named.unwrap_or_default()),
        hint: hint(),
    })
}

/// What reads into a shadow.
pub(crate) struct Run {
    pub(crate) settings: Settings,
    rate: u32,
    shutdown: Shutdown,
}

impl Run {
    /// Looks whether these topics are still those that the pipeline follows. Only they are read.
    pub(crate) async fn prepare(
        mut settings: Settings,
        topics: Vec<TopicName>,
        rate: u32,
    ) -> Result<Self, Failure> {
        settings.origin = Origin::Kafka(settings.kafka()?.clone().with_topics(topics));
        let (stop, shutdown) = Shutdown::channel();
        signals::stop_on_signal(stop)?;
        let failed = |error| Failure::end("read in which generation topics are followed", error);
        let settings = settings.in_their_generations().await.map_err(failed)?;
        let mut logs = Vec::new();
        for topic in settings.kafka()?.topics() {
            let known = applied_logs(&settings.postgres, topic).await;
            logs.extend(
                known.map_err(|error| Failure::end("read by what topics are known", error))?,
            );
        }
        let kafka = settings.kafka()?.clone();
        let recognised = tokio::task::spawn_blocking(move || recognise(&kafka, logs)).await;
        let recognised = recognised.map_err(std::io::Error::other);
        let recognised = recognised.map_err(Failure::system("look at the topics in Kafka"))?;
        let failed = |error| Failure::end("recognise the topics", error);
        for (_, recognition) in recognised.map_err(failed)? {
            recognition.map_err(failed)?;
        }
        Ok(Self { settings, rate, shutdown })
    }

    /// What finds ranges.
    pub(crate) fn reader(&self) -> Result<Reader<'_>, Failure> {
        let Self { settings, shutdown, .. } = self;
        Ok(Reader { settings, kafka: settings.kafka()?, shutdown: shutdown.clone() })
    }

    /// Reads into the shadow.
    pub(crate) async fn read(
        &self,
        shadow: &Shadow,
        table: &Table,
        spans: Vec<KafkaSpan>,
    ) -> Result<(Outcome, Reading), Failure> {
        if spans.is_empty() {
            return Ok((Outcome::Ended, Reading::default()));
        }
        let total = spans.iter().map(KafkaSpan::offsets).sum();
        let meter = Meter::shared();
        let (records, rows) = (Arc::clone(&meter), Arc::clone(&meter));
        let shown = tokio::spawn(progress::show(Shown {
            done: move || records.read().records,
            note: move || format!("{} rows written", rows.read().rows),
            total,
        }));
        let outcome = self.run(shadow, table, spans, Arc::clone(&meter)).await;
        shown.abort();
        Ok((outcome?, meter.read()))
    }

    async fn run(
        &self,
        shadow: &Shadow,
        table: &Table,
        spans: Vec<KafkaSpan>,
        meter: Arc<Meter>,
    ) -> Result<Outcome, Failure> {
        let settings = &self.settings;
        let budget = ByteBudget::new(settings.memory);
        let source = KafkaRange::start(settings.kafka()?, spans, budget.clone())
            .map_err(|error| Failure::end("start reading from Kafka", error))?;
        let running = Running { rate: self.rate, meter, shutdown: self.shutdown.clone() };
        running.run(settings, [table.settings.id], source, shadow.sink(), budget).await
    }

    /// Reads on to where the pipeline stands.
    async fn catch_up(
        &self,
        shadow: &Shadow,
        table: &Table,
        reach: &[Reach],
    ) -> Result<(), Failure> {
        match self.read(shadow, table, between(reach, |reach| reach.applied)).await?.0 {
            Outcome::Stopped => Err(Failure::Stopped { again: AGAIN }),
            Outcome::Ended | Outcome::CaughtUp => Ok(()),
        }
    }

    /// Halts the writers of the live table with the shadow where they stand; since when they wait.
    async fn meet(
        &mut self,
        shadow: &mut Shadow,
        table: &Table,
    ) -> Result<(Halted, Instant), Failure> {
        for _ in 0..ROUNDS_MAX {
            let reach = shadow.reach().await;
            let reach = reach.map_err(|error| Failure::end("read how far the shadow is", error))?;
            if reach.iter().map(Reach::behind).sum::<u64>() <= BEHIND_MAX {
                break;
            }
            self.catch_up(shadow, table, &reach).await?;
        }
        shadow.analyze().await.map_err(|error| Failure::end("look at the shadow", error))?;
        // Whoever waits should not wait for a rate.
        self.rate = 0;
        let halted = shadow.halt().await;
        let halted = halted.map_err(|error| Failure::end("bring both tables together", error))?;
        let since = Instant::now();
        let reach = halted.reach().to_vec();
        self.catch_up(shadow, table, &reach).await?;
        Ok((halted, since))
    }
}

/// What lies between a shadow and a position of each partition.
pub(crate) fn between(reach: &[Reach], until: impl Fn(&Reach) -> NextOffset) -> Vec<KafkaSpan> {
    let spans = reach.iter().map(|reach| KafkaSpan {
        partition: reach.partition.clone(),
        first: reach.reached,
        from: reach.reached,
        until: until(reach).max(reach.reached),
    });
    spans.filter(|span| span.offsets() > 0).collect()
}

/// The shadow of the table that is meant, and what reads into it.
async fn found(settings: Settings, arguments: &TableArgs) -> Result<(Run, Table, Shadow), Failure> {
    let table = chosen(&settings.tables, arguments.table.as_deref())?;
    let mut shadow = begun(&settings, &table).await?;
    let topics = topics_read(&mut shadow).await?;
    let run = Run::prepare(settings, topics, arguments.rate).await?;
    Ok((run, table, shadow))
}

/// The topics that are read into a shadow that was begun.
pub(crate) async fn topics_read(shadow: &mut Shadow) -> Result<Vec<TopicName>, Failure> {
    let reach = shadow.reach().await;
    let reach = reach.map_err(|error| Failure::end("read how far the shadow is", error))?;
    let mut topics: Vec<TopicName> =
        reach.iter().map(|reach| reach.partition.topic().clone()).collect();
    topics.dedup();
    Ok(topics)
}

/// A shadow that is there.
async fn begun(settings: &Settings, table: &Table) -> Result<Shadow, Failure> {
    let failed = |error| Failure::end("find the shadow", error);
    let mut shadow = Shadow::open(&settings.postgres, &table.settings).await.map_err(failed)?;
    shadow.require_begun().await.map_err(failed)?;
    Ok(shadow)
}

/// Compares a shadow with its live table.
pub(crate) async fn diff(settings: Settings, arguments: &DiffArgs) -> Result<(), Failure> {
    let (mut run, table, mut shadow) = found(settings, &arguments.common).await?;
    let (halted, since) = run.meet(&mut shadow, &table).await?;
    let diff = halted
        .compare(arguments.limit, since)
        .await
        .map_err(|error| Failure::end("compare both tables", error))?;
    let (live, name) = (table.settings.target.to_string(), shadow.name().to_string());
    if arguments.common.json {
        output::line(diff_as_json(&diff, &live, &name));
    } else {
        output::line(describe(&diff, &live, &name));
    }
    match diff.differences() {
        0 => Ok(()),
        rows => Err(Failure::Differs { shadow: name, live, rows }),
    }
}

/// Makes a live table equal to its shadow.
pub(crate) async fn swap(settings: Settings, arguments: &SwapArgs) -> Result<(), Failure> {
    let (mut run, table, mut shadow) = found(settings, &arguments.common).await?;
    let (halted, since) = run.meet(&mut shadow, &table).await?;
    let done = halted
        .exchange(arguments.remove)
        .await
        .map_err(|error| Failure::end("put the rebuilt rows in their place", error))?;
    report(done, since.elapsed(), &table, arguments.common.json);
    Ok(())
}

/// Drops a shadow.
pub(crate) async fn discard(settings: &Settings, arguments: &DiscardArgs) -> Result<(), Failure> {
    let table = chosen(&settings.tables, arguments.table.as_deref())?;
    let shadow = begun(settings, &table).await?;
    let name = shadow.name().to_string();
    shadow.discard().await.map_err(|error| Failure::end("drop the shadow", error))?;
    if arguments.json {
        output::line(json!({ "outcome": "done", "dropped": name }));
    } else {
        output::line(format!("done: {name} was dropped"));
    }
    Ok(())
}

fn report(done: Exchanged, halted: Duration, table: &Table, json: bool) {
    let Exchanged { removed, changed, added, letters } = done;
    let live = &table.settings.target;
    if json {
        output::line(json!({
            "outcome": "done",
            "table": live.to_string(),
            "removed": removed,
            "changed": changed,
            "added": added,
            "dead_letters": letters,
            "halted_seconds": halted.as_secs_f64(),
        }));
        return;
    }
    output::line(format!(
        "done: {live} is what was rebuilt: {removed} rows removed, {changed} changed, {added} added; \
         its writers waited {:.1} s",
        halted.as_secs_f64()
    ));
    if letters > 0 {
        output::line(format!(
            "  {letters} records were refused that were not before: cdc-pipeline dead-letters list"
        ));
    }
}

fn describe(diff: &ShadowDiff, live: &str, shadow: &str) -> String {
    let mut text = if diff.differences() == 0 {
        format!("equal: {live} and {shadow} in {} rows", diff.live_rows)
    } else {
        format!(
            "DIFFERENT: {live} ({} rows) and {shadow} ({} rows)\n    rows only live: {}, only in the \
             shadow: {}, different: {}, doubled: {}",
            diff.live_rows,
            diff.shadow_rows,
            diff.only_live,
            diff.only_shadow,
            diff.differing,
            diff.doubled
        )
    };
    let mut add = |line: &str| {
        text.push_str("\n    ");
        text.push_str(line);
    };
    if !diff.columns.is_empty() {
        let columns = diff.columns.iter().map(|(name, rows)| format!("{name} in {rows} rows"));
        add(&format!("columns that differ: {}", columns.collect::<Vec<_>>().join(", ")));
    }
    for found in &diff.keys {
        add(&format!("{}: {}", found.kind, found.key));
    }
    if !diff.left_out.is_empty() {
        add(&format!("not compared, filled by the warehouse: {}", diff.left_out.join(", ")));
    }
    add(&format!("writers waited {:.1} s", diff.halted.as_secs_f64()));
    text
}

fn diff_as_json(diff: &ShadowDiff, live: &str, shadow: &str) -> serde_json::Value {
    let keys = diff.keys.iter().map(|it| json!({ "kind": it.kind.to_string(), "key": it.key }));
    let columns = diff.columns.iter().map(|(name, rows)| (name.clone(), json!(rows)));
    json!({
        "table": live,
        "shadow": shadow,
        "equal": diff.differences() == 0,
        "live_rows": diff.live_rows,
        "shadow_rows": diff.shadow_rows,
        "only_live": diff.only_live,
        "only_shadow": diff.only_shadow,
        "differing": diff.differing,
        "doubled": diff.doubled,
        "columns": columns.collect::<serde_json::Map<_, _>>(),
        "keys": keys.collect::<Vec<_>>(),
        "left_out": diff.left_out,
        "halted_seconds": diff.halted.as_secs_f64(),
    })
}
