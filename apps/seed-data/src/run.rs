//! One run: the workload into a target, at its pace, with progress and a summary.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cdc_kafka::TopicName;
use cdc_workload::{EnvelopeOptions, Pace, Tally, Workload, WorkloadOptions};
use serde_json::json;

use crate::arguments::{Arguments, Messages, Target as Chosen, Traffic};
use crate::failure::Failure;
use crate::progress::{Progress, per_second};
use crate::stop::Stop;
use crate::target::Target;
use crate::target::file::FileTarget;
use crate::target::kafka::KafkaTarget;
use crate::target::sql::SqlTarget;

/// Rows of one COPY.
const COPY_ROWS: u32 = 10_000;
/// Keys that an endless run reserves in a database.
const ENDLESS_KEYS: u32 = 1_000_000;
/// 2024-01-01 in seconds since 1970: places in the log of live messages count from there.
const LOG_EPOCH_SECONDS: u64 = 1_704_067_200;

/// Where the times of the changes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// The workload's own, the same in every run.
    Fixed,
    /// The present.
    Real,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All changes that were asked for are made.
    Count,
    /// A signal came.
    Signal,
    /// No key is left.
    Keys,
}

/// How much traffic, how fast, and with which times.
#[derive(Debug, Clone, Copy)]
struct Plan {
    count: Option<u64>,
    rate: u32,
    preload: u32,
    per_transaction: u32,
    clock: Clock,
}

/// Does what the arguments ask for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let stop = Stop::on_signals()?;
    match &arguments.target {
        Chosen::Sql(sql) => {
            let plan = Plan::new(&sql.traffic, sql.volume.of_sql(), Clock::Real);
            let (target, first) = SqlTarget::connect(sql, plan.keys())?;
            let workload = Workload::new(plan.options(&sql.traffic, first));
            drive(plan, workload, Box::new(target), stop, ("sql", &sql.traffic))
        }
        Chosen::Kafka(kafka) => {
            let plan = Plan::new(&kafka.traffic, kafka.volume.of_messages(), Clock::Real);
            let options = envelopes(&kafka.messages, &kafka.traffic, plan.clock)?;
            let target = KafkaTarget::connect(kafka, &options)?;
            let first = kafka.messages.first_key;
            let workload = Workload::new(plan.options(&kafka.traffic, first));
            drive(plan, workload, Box::new(target), stop, ("kafka", &kafka.traffic))
        }
        Chosen::File(file) => {
            let plan = Plan::new(&file.traffic, file.volume.of_messages(), Clock::Fixed);
            let options = envelopes(&file.messages, &file.traffic, plan.clock)?;
            let target = FileTarget::create(file, &options)?;
            let first = file.messages.first_key;
            let workload = Workload::new(plan.options(&file.traffic, first));
            drive(plan, workload, Box::new(target), stop, ("file", &file.traffic))
        }
    }
}

impl Plan {
    fn new(traffic: &Traffic, (rate, count): (u32, u64), clock: Clock) -> Self {
        Self {
            count: (count > 0).then_some(count),
            rate,
            preload: traffic.preload,
            per_transaction: traffic.per_transaction,
            clock: if traffic.start.is_some() { Clock::Fixed } else { clock },
        }
    }

    /// Keys that the run may use up.
    fn keys(self) -> u32 {
        let changes =
            self.count.map_or(ENDLESS_KEYS, |count| u32::try_from(count).unwrap_or(u32::MAX));
        changes.saturating_add(self.preload)
    }

    fn options(self, traffic: &Traffic, first_order_id: i32) -> WorkloadOptions {
        let options = traffic.options(first_order_id);
        match self.clock {
            Clock::Fixed => options,
            Clock::Real => {
                WorkloadOptions { start_micros: now_micros(), tick_micros: 0, ..options }
            }
        }
    }
}

/// The form of the messages. Live ones start behind all that earlier runs wrote: a place in the log
/// grows with the time, by more than any run can write in it.
fn envelopes(
    messages: &Messages,
    traffic: &Traffic,
    clock: Clock,
) -> Result<EnvelopeOptions, Failure> {
    if messages.topic.is_empty() {
        return Err(Failure::Usage(anyhow::anyhow!("--topic needs a name")));
    }
    if let Err(error) = TopicName::parse(&messages.topic) {
        return Err(Failure::Usage(anyhow::anyhow!("--topic: {error}")));
    }
    let options = EnvelopeOptions {
        server: messages.server().to_owned(),
        schema_block: messages.schema_block(),
        seed: traffic.seed,
        ..EnvelopeOptions::default()
    };
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let since_epoch = since_epoch.saturating_sub(Duration::from_secs(LOG_EPOCH_SECONDS));
    Ok(match clock {
        Clock::Fixed => options,
        Clock::Real => EnvelopeOptions {
            // 1 GB for each second, in multiples of eight as in the real log.
            first_lsn: u64::try_from(since_epoch.as_micros())?.saturating_mul(1024),
            first_tx_id: since_epoch.as_secs(),
            ..options
        },
    })
}

fn now_micros() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

fn drive(
    plan: Plan,
    mut workload: Workload,
    mut target: Box<dyn Target>,
    mut stop: Stop,
    (name, traffic): (&str, &Traffic),
) -> Result<(), Failure> {
    let total = plan.count.map(|count| count.saturating_add(u64::from(plan.preload)));
    let mut progress = Progress::start(total, traffic.quiet);
    let started = Instant::now();
    let mut tally = Tally::default();
    let sent = send_all(plan, &mut workload, &mut *target, &mut stop, &mut |tallied, changes| {
        progress.advance(changes);
        tally.apply(tallied);
    });
    progress.finish();
    // The end knows best why it broke, so its error comes first.
    target.finish()?;
    summarise(name, traffic, &tally, sent?, started.elapsed());
    Ok(())
}

/// Makes the preload, then the changes, until the end.
fn send_all(
    plan: Plan,
    workload: &mut Workload,
    target: &mut dyn Target,
    stop: &mut Stop,
    done: &mut dyn FnMut(&cdc_workload::Transaction, usize),
) -> Result<End, Failure> {
    let mut rows_left = plan.preload;
    while rows_left > 0 {
        if stop.wait(Duration::ZERO) {
            return Ok(End::Signal);
        }
        let rows = rows_left.min(COPY_ROWS);
        let Some(load) = workload.copy(rows) else { return Ok(End::Keys) };
        target.send(&load)?;
        done(&load, load.operations.len());
        rows_left -= rows;
    }
    let mut pace = Pace::new(plan.rate);
    let mut changes_left = plan.count;
    loop {
        let changes = match changes_left {
            Some(0) => return Ok(End::Count),
            Some(left) => u32::try_from(left).unwrap_or(u32::MAX).min(plan.per_transaction),
            None => plan.per_transaction,
        };
        let changes_taken = usize::try_from(changes)?;
        let wait = pace.take(changes_taken, Instant::now());
        if !wait.is_zero() {
            target.flush()?;
        }
        if stop.wait(wait) {
            return Ok(End::Signal);
        }
        if plan.clock == Clock::Real {
            workload.advance_clock(now_micros());
        }
        let Some(transaction) = workload.transaction(changes) else { return Ok(End::Keys) };
        target.send(&transaction)?;
        done(&transaction, transaction.operations.len());
        changes_left = changes_left.map(|left| left.saturating_sub(u64::from(changes)));
    }
}

fn summarise(target: &str, traffic: &Traffic, tally: &Tally, end: End, elapsed: Duration) {
    let counts = tally.counts;
    let ended = match end {
        End::Count => "count",
        End::Signal => "signal",
        End::Keys => "keys",
    };
    let rate = per_second(counts.operations(), elapsed);
    if traffic.json {
        let summary = json!({
            "target": target,
            "seed": traffic.seed,
            "ended_by": ended,
            "changes": counts.operations(),
            "inserts": counts.inserts,
            "updates": counts.updates,
            "deletes": counts.deletes,
            "key_changes": counts.key_changes,
            "events": counts.events(),
            "records": counts.records(),
            "rows": tally.rows,
            // Text, because sums outgrow what JSON readers keep exactly.
            "amount_cents": tally.amount_cents.to_string(),
            "elapsed_ms": u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            "changes_per_second": rate,
        });
        line(&summary);
        return;
    }
    line(&format_args!(
        "{} changes in {:.1} s ({rate} a second), {} of them inserts, {} updates, {} deletes; rows left: {}",
        counts.operations(),
        elapsed.as_secs_f64(),
        counts.inserts,
        counts.updates,
        counts.deletes,
        tally.rows,
    ));
    if end == End::Keys {
        line(&"stopped because the keys of an integer column are used up");
    }
}

/// Prints a line, if anybody still reads.
fn line(text: &impl Display) {
    writeln!(io::stdout(), "{text}").ok();
}
