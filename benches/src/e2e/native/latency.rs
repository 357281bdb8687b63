//! From an answered commit on the source to a visible row in the warehouse, seen from outside the pipeline.
//!
//! Several sessions commit side by side, because one alone does not reach the pace where a commit waits
//! for the disk. Rows of a history count up in the order in which they were written, so one session
//! that keeps asking for the rows behind the last it saw sees every insert become visible.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use serde::Serialize;

use super::super::latency::{Session, percentile, wait_for_partition};
use super::super::pipeline::{Mode, Running, Until};
use super::super::stage::Warehouse;
use super::source::{COPIED, Source};

/// Transactions a second, of all sessions.
const PACE: u32 = 1_000;
/// Sessions that commit.
const SESSIONS: u32 = 4;
/// Committed before anything counts.
const WARM_UP: Duration = Duration::from_secs(2);
/// Committed and counted.
const COUNTED: Duration = Duration::from_secs(20);
/// Between two questions to the warehouse, so that asking costs little.
const ASK_EVERY: Duration = Duration::from_millis(1);
/// Until a change must be visible.
const PATIENCE: Duration = Duration::from_secs(30);
/// Keys under way between the threads: more than a second's worth, bounded.
const KEYS_UNDER_WAY: usize = 65_536;

/// Latencies in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct CommitLatency {
    /// Commits that were watched.
    pub samples: usize,
    /// Transactions a second, as it came out in the slowest session, for all of them.
    pub transactions_per_second: f64,
    /// The pipeline's transactions, of the warm-up too.
    pub batches: u64,
    /// Half of them were at most this late.
    pub p50_ms: f64,
    /// 95 of 100.
    pub p95_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// The latest one.
    pub max_ms: f64,
}

/// A key and when its commit was answered; not counted without a time.
type Committed = (i32, Option<Instant>);

/// Commits at a steady pace while a pipeline keeps a history, and watches rows appear.
pub(crate) fn latency(source: &Source, warehouse: &Warehouse) -> Result<CommitLatency> {
    source.cluster.psql(COPIED, "TRUNCATE public.orders")?;
    let setup = source.setup(warehouse, COPIED, Mode::History)?;
    let running = Running::start(&setup, Until::Stopped)?;
    wait_for_partition(&running)?;
    source.settle()?;
    warehouse.settle(&setup.database)?;
    let mut watch = Session::open(&warehouse.psql, &warehouse.cluster.url(&setup.database))?;
    let (sender, receiver) = sync_channel(KEYS_UNDER_WAY);
    let (mut millis, pace) = thread::scope(|scope| {
        let writers: Vec<_> = (0..SESSIONS)
            .map(|number| {
                let (sender, url) = (sender.clone(), source.cluster.url(COPIED));
                scope.spawn(move || commit(Session::open(&warehouse.psql, &url)?, number, &sender))
            })
            .collect();
        drop(sender);
        let watched = see(&mut watch, &receiver);
        // Without a reader the sessions end by themselves.
        drop(receiver);
        let millis = watched?;
        let mut slowest = f64::INFINITY;
        for writer in writers {
            let pace =
                writer.join().map_err(|_panic| anyhow!("a committing thread panicked"))??;
            slowest = slowest.min(pace);
        }
        anyhow::Ok((millis, slowest * f64::from(SESSIONS)))
    })?;
    drop(watch);
    let batches = running.stop()?.summary.batches;
    source.drop_slot(&setup.database)?;
    warehouse.drop_database(&setup.database)?;
    millis.sort_by(f64::total_cmp);
    Ok(CommitLatency {
        samples: millis.len(),
        transactions_per_second: pace,
        batches,
        p50_ms: percentile(&millis, 50),
        p95_ms: percentile(&millis, 95),
        p99_ms: percentile(&millis, 99),
        max_ms: percentile(&millis, 100),
    })
}

/// Commits one session's share, each an insert, and gives how many a second it were.
fn commit(mut session: Session, number: u32, keys: &SyncSender<Committed>) -> Result<f64> {
    let gap = Duration::from_secs(1) * SESSIONS / PACE;
    let warm_up = u32::try_from(WARM_UP.as_millis() / gap.as_millis().max(1))?;
    let total = warm_up + u32::try_from(COUNTED.as_millis() / gap.as_millis().max(1))?;
    // Sessions take turns within the gap.
    let started = Instant::now() + gap * number / SESSIONS;
    for commit in 0..total {
        let due = started + gap * commit;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let key = i32::try_from(commit * SESSIONS + number + 1)?;
        let line = session.ask(&format!(
            "INSERT INTO public.orders VALUES ({key}, {number}, 'Keyboard', 49.90, 'new', now(), now()) \
             RETURNING order_id;\n"
        ))?;
        let answered = Instant::now();
        ensure!(line == key.to_string(), "the source answered {line:?} to key {key}");
        let at = (commit >= warm_up).then_some(answered);
        if keys.send((key, at)).is_err() {
            return Err(anyhow!("nobody watches any more"));
        }
    }
    Ok(f64::from(total) / started.elapsed().as_secs_f64())
}

/// Asks until every key that comes is visible, and gives how late each was, in milliseconds.
fn see(session: &mut Session, keys: &Receiver<Committed>) -> Result<Vec<f64>> {
    // A row may be seen before its writer has told of it, so both sides are kept.
    let (mut waiting, mut seen) = (BTreeMap::new(), BTreeMap::new());
    let (mut millis, mut last, mut is_open) = (Vec::new(), 0_i64, true);
    let mut progress = Instant::now();
    while is_open || !waiting.is_empty() {
        let answer = session.ask(&format!(
            "SELECT coalesce(max(id), {last}) || ':' || coalesce(string_agg(order_id::text, ' '), '') \
             FROM public.orders_fact WHERE id > {last};\n"
        ))?;
        let now = Instant::now();
        let (id, visible) = answer.split_once(':').ok_or_else(|| anyhow!("no answer"))?;
        last = id.parse()?;
        for key in visible.split_whitespace() {
            seen.insert(key.parse::<i32>()?, now);
            progress = now;
        }
        is_open = take(keys, &mut waiting);
        waiting.retain(|key, at: &mut Option<Instant>| {
            let Some(visible) = seen.remove(key) else { return true };
            millis.extend(at.map(|at| visible.duration_since(at).as_secs_f64() * 1_000.0));
            false
        });
        let patient = waiting.is_empty() || progress.elapsed() < PATIENCE;
        ensure!(
            patient,
            "{} commits were not visible within {} s",
            waiting.len(),
            PATIENCE.as_secs()
        );
        thread::sleep(ASK_EVERY);
    }
    Ok(millis)
}

/// Takes what has come; tells whether more may come.
fn take(keys: &Receiver<Committed>, waiting: &mut BTreeMap<i32, Option<Instant>>) -> bool {
    loop {
        match keys.try_recv() {
            Ok((key, at)) => {
                waiting.insert(key, at);
            }
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
}
