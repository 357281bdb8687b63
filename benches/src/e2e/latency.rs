//! From a written message to a visible row, seen from outside the pipeline.
//!
//! Each insert has a key of its own, keys count up, and a log's order is the order of effects. So one
//! session that keeps asking for the largest visible key sees every insert become visible.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use cdc_kafka::{Message, Publisher};
use cdc_workload::{EnvelopeWriter, Operation, SchemaBlock, Workload};
use serde::Serialize;

use super::fill::{Topic, envelope_options};
use super::options::Compression;
use super::pipeline::{Mode, Running, Setup, Until};
use super::stage::Stage;
use crate::inputs;

/// Changes a second.
const PACE: u32 = 1_000;
/// Published before anything counts.
const WARM_UP: Duration = Duration::from_secs(2);
/// Published and counted.
const COUNTED: Duration = Duration::from_secs(20);
/// Between two questions to the database, so that asking costs little.
const ASK_EVERY: Duration = Duration::from_millis(2);
/// Until a change must be visible.
const PATIENCE: Duration = Duration::from_secs(30);
/// Keys under way between the threads: more than a second's worth, bounded.
const KEYS_UNDER_WAY: usize = 65_536;

const QUESTION: &str = "SELECT coalesce(max(order_id), 0) FROM public.orders_fact;\n";

/// Latencies in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Latency {
    /// Inserts that were watched.
    pub samples: usize,
    /// Changes published a second, as it came out.
    pub changes_per_second: f64,
    /// The pipeline's transactions, of the warm-up too.
    pub transactions: u64,
    /// Half of them were at most this late.
    pub p50_ms: f64,
    /// 95 of 100.
    pub p95_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// The latest one.
    pub max_ms: f64,
}

/// An insert and when it was handed to the producer.
type Published = (i32, Instant);

/// Publishes at a steady pace while a pipeline keeps a history, and watches rows appear.
pub(crate) fn latency(stage: &Stage, schema_block: SchemaBlock, run: u32) -> Result<Latency> {
    let options = envelope_options(&format!("latency{run}"), schema_block);
    let topic = options.topic();
    let publisher = Topic::create(stage, &topic, Compression::None)?;
    let setup = Setup::create(stage, &topic, Mode::History)?;
    stage.warehouse.settle(&setup.database)?;
    let running = Running::start(&setup, Until::Stopped)?;
    wait_for_partition(&running)?;
    let url = stage.warehouse.cluster.url(&setup.database);
    let mut session = Session::open(&stage.warehouse.psql, &url)?;
    let (sender, receiver) = sync_channel(KEYS_UNDER_WAY);
    let traffic = Traffic { publisher, topic, writer: EnvelopeWriter::new(&options) };
    let thread = thread::Builder::new().name("traffic".to_owned());
    let thread = thread.spawn(move || traffic.publish(inputs::workload(), &sender))?;
    let watched = watch(&mut session, &receiver);
    // Without a reader the traffic ends by itself.
    drop(receiver);
    let changes_per_second = finish(thread)?;
    let mut millis = watched?;
    drop(session);
    let transactions = running.stop()?.summary.batches;
    stage.warehouse.drop_database(&setup.database)?;
    millis.sort_by(f64::total_cmp);
    Ok(Latency {
        samples: millis.len(),
        changes_per_second,
        transactions,
        p50_ms: percentile(&millis, 50),
        p95_ms: percentile(&millis, 95),
        p99_ms: percentile(&millis, 99),
        max_ms: percentile(&millis, 100),
    })
}

/// The value that so many percent of the sorted ones do not pass.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// Waits until the pipeline reads its partition.
pub(crate) fn wait_for_partition(running: &Running) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while running.first_poll().is_none() {
        let waits = Instant::now() < deadline && !running.has_ended()?;
        ensure!(waits, "the pipeline did not acquire its partition");
        thread::sleep(ASK_EVERY);
    }
    Ok(())
}

struct Traffic {
    publisher: Publisher,
    topic: String,
    writer: EnvelopeWriter,
}

impl Traffic {
    /// Publishes all changes and gives how many a second it were.
    fn publish(mut self, mut workload: Workload, inserts: &SyncSender<Published>) -> Result<f64> {
        let started = Instant::now();
        let gap = Duration::from_secs(1) / PACE;
        let total = u32::try_from((WARM_UP + COUNTED).as_millis() / gap.as_millis().max(1))?;
        for change in 0..total {
            let due = started + gap * change;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let transaction = workload.next().ok_or_else(|| anyhow!("the keys are used up"))?;
            let now = Instant::now();
            let (topic, publisher) = (&self.topic, &self.publisher);
            self.writer.write(&transaction, |record| {
                let (key, value, partition) = (Some(record.key), record.value, Some(0));
                publisher.publish(topic, &Message { partition, key, value, ..Message::default() })
            })?;
            let counts = change >= PACE * u32::try_from(WARM_UP.as_secs())?;
            for operation in &transaction.operations {
                let Operation::Insert(order) = operation else { continue };
                if counts && inserts.send((order.order_id, now)).is_err() {
                    return Err(anyhow!("nobody watches any more"));
                }
            }
        }
        let elapsed = started.elapsed();
        self.publisher.flush(PATIENCE)?;
        Ok(f64::from(total) / elapsed.as_secs_f64())
    }
}

/// Asks until every insert that comes is visible, and gives how late each was, in milliseconds.
fn watch(session: &mut Session, inserts: &Receiver<Published>) -> Result<Vec<f64>> {
    let (mut waiting, mut millis) = (VecDeque::<Published>::new(), Vec::new());
    let mut is_open = true;
    while is_open || !waiting.is_empty() {
        is_open = take(inserts, &mut waiting);
        let line = session.ask(QUESTION)?;
        let visible = line.parse::<i32>().with_context(|| format!("psql answered {line:?}"))?;
        let now = Instant::now();
        while let Some((_, at)) = waiting.pop_front_if(|(key, _)| *key <= visible) {
            millis.push(now.duration_since(at).as_secs_f64() * 1_000.0);
        }
        if let Some((key, at)) = waiting.front() {
            let patient = now.duration_since(*at) < PATIENCE;
            ensure!(patient, "key {key} was not visible within {} s", PATIENCE.as_secs());
        }
        thread::sleep(ASK_EVERY);
    }
    Ok(millis)
}

/// Takes what has come; tells whether more may come.
fn take(inserts: &Receiver<Published>, waiting: &mut VecDeque<Published>) -> bool {
    loop {
        match inserts.try_recv() {
            Ok(insert) => waiting.push_back(insert),
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
}

fn finish(traffic: JoinHandle<Result<f64>>) -> Result<f64> {
    traffic.join().map_err(|_panic| anyhow!("the traffic thread panicked"))?
}

/// A psql that stays connected; killed when dropped.
pub(crate) struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    pub(crate) fn open(psql: &Path, url: &str) -> Result<Self> {
        let mut child = Command::new(psql)
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run psql")?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(anyhow!("psql is not connected"));
        };
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// Runs one statement that gives one row, and gives that.
    pub(crate) fn ask(&mut self, sql: &str) -> Result<String> {
        self.input.write_all(sql.as_bytes())?;
        self.input.flush()?;
        let mut line = String::new();
        let bytes = self.output.read_line(&mut line)?;
        ensure!(bytes > 0, "psql ended");
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Both fail when it has ended, which is what is wanted.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
