//! The traffic of a campaign: sessions that change rows at random, and records that cannot be read.
//!
//! What was committed is in the source's journal; a session that breaks is opened again and goes on.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cdc_kafka::{Message, Publisher};
use cdc_stack::postgres::PostgresBinaries;
use cdc_workload::{Pace, partition_of};

use crate::draw::Draw;
use crate::stage::{PARTITIONS, Stage};

/// Sessions that change rows side by side, and meet in keys.
const WRITERS: u64 = 2;

/// Transactions a second of each session.
const RATE: u32 = 30;

/// Keys up to this one belong to probes.
pub(crate) const PROBE_KEYS: u32 = 12;

/// Keys of the load: few, so that their chains grow long.
const KEYS: u64 = 180;

/// Keys of records that cannot be read begin here: far behind those of rows, which the source draws for rows
/// of a COPY from 1,000,000 on.
const GARBAGE_KEYS: u32 = 2_000_000_000;

/// Between two records that cannot be read. A fifth of a thousand would halt the pipeline.
const GARBAGE_EVERY: Duration = Duration::from_millis(1_500);

/// What each record that cannot be read begins with.
pub(crate) const GARBAGE: &str = "no change: ";

/// How long the broker may take to have the last of them.
const FLUSH_LIMIT: Duration = Duration::from_mins(1);

/// Texts that quoting, escaping, COPY or JSON gets wrong.
const NOTES: [&str; 8] =
    ["plain", "", " ", "\\N", "tab\tline\nquote'\"", "Überraschung 日本語", "🎉", "{\"op\":\"d\"}"];

/// The running traffic.
#[derive(Debug)]
pub(crate) struct Load {
    has_ended: Arc<AtomicBool>,
    /// Transactions that were sent; some are rolled back, some never arrive.
    sent: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    /// Starts it.
    pub(crate) fn start(stage: &Stage, draw: &mut Draw) -> Result<Self> {
        let mut load =
            Self { has_ended: Arc::default(), sent: Arc::default(), threads: Vec::new() };
        let url = stage.source.url(crate::stage::DATABASE);
        for number in 0..WRITERS {
            let mut writer = Writer::new(&url, draw.fork())?;
            let (has_ended, sent) = (Arc::clone(&load.has_ended), Arc::clone(&load.sent));
            load.spawn(&format!("chaos-writer-{number}"), move || writer.run(&has_ended, &sent))?;
        }
        let (publisher, has_ended) = (stage.publisher()?, Arc::clone(&load.has_ended));
        load.spawn("chaos-garbage", move || publish_garbage(&publisher, &has_ended))?;
        Ok(load)
    }

    fn spawn(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
        self.threads.push(thread.context("cannot start a thread of the load")?);
        Ok(())
    }

    /// How many transactions were sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends it when the sessions have done what they were told.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        self.has_ended.store(true, Ordering::Release);
        self.threads.drain(..).try_for_each(|thread| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end().ok();
    }
}

/// A session that is opened again whenever it has ended.
#[derive(Debug)]
struct Writer {
    url: String,
    draw: Draw,
    psql: std::path::PathBuf,
    session: Option<Child>,
}

impl Writer {
    fn new(url: &str, draw: Draw) -> Result<Self> {
        let psql = PostgresBinaries::find()?.program("psql");
        Ok(Self { url: url.to_owned(), draw, psql, session: None })
    }

    fn run(&mut self, has_ended: &AtomicBool, sent: &AtomicU64) -> Result<()> {
        let mut pace = Pace::new(RATE);
        while !has_ended.load(Ordering::Acquire) {
            thread::sleep(pace.take(1, Instant::now()));
            let text = transaction(&mut self.draw);
            if self.send(&text)? {
                sent.fetch_add(1, Ordering::Relaxed);
            } else {
                thread::sleep(Duration::from_millis(50));
            }
        }
        if let Some(mut session) = self.session.take() {
            // Its input is at its end, so it ends when it has done everything.
            drop(session.stdin.take());
            session.wait().context("cannot wait for a session of the load")?;
        }
        Ok(())
    }

    /// Hands a transaction to the session, and says whether it took it.
    fn send(&mut self, text: &str) -> Result<bool> {
        if self.session.is_none() {
            let session = Command::new(&self.psql)
                .args(["-X", "-q", "-d", &self.url])
                .env("PGCLIENTENCODING", "UTF8")
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                // Refusals are meant to happen: deadlocks, and sessions that were lost.
                .stderr(Stdio::null())
                .spawn();
            self.session = Some(session.context("cannot start psql")?);
        }
        let input = self.session.as_mut().and_then(|session| session.stdin.as_mut());
        let taken = input.is_some_and(|input| {
            input.write_all(text.as_bytes()).and_then(|()| input.flush()).is_ok()
        });
        if !taken && let Some(mut session) = self.session.take() {
            session.kill().ok();
            session.wait().ok();
        }
        Ok(taken)
    }
}

/// The text of a transaction: up to five changes, some of them rolled back in the end.
fn transaction(draw: &mut Draw) -> String {
    let mut text = String::from("begin;\n");
    for _ in 0..=draw.below(4) {
        let key = u64::from(PROBE_KEYS) + 1 + draw.below(KEYS);
        let amount = format!("{}.{:02}", draw.below(100_000), draw.below(100));
        let note = note(draw);
        let statement = match draw.below(40) {
            0..26 => format!("select load.put({key}, {amount}, {note});\n"),
            26..34 => format!("select load.take({key});\n"),
            34..38 => {
                let other = u64::from(PROBE_KEYS) + 1 + draw.below(KEYS);
                format!("select load.rename({key}, {other});\n")
            }
            38 => format!("select load.put({key}, null, null);\n"),
            _ => format!("select load.bulk({}, {amount}, {note});\n", 1 + draw.below(8)),
        };
        text.push_str(&statement);
    }
    text.push_str(if draw.once_in(12) { "rollback;\n" } else { "commit;\n" });
    text
}

/// A text as a literal of SQL.
fn note(draw: &mut Draw) -> String {
    let words = draw.choose(&NOTES).copied().unwrap_or_default();
    // Now and then one that does not fit into a page beside others.
    let words = if draw.once_in(50) { "long ".repeat(600) } else { words.to_owned() };
    format!("'{}'", words.replace('\'', "''"))
}

/// Writes records that no decoder reads beside those of Debezium, until it is over.
fn publish_garbage(publisher: &Publisher, has_ended: &AtomicBool) -> Result<()> {
    let mut number: u32 = 0;
    let mut due = Instant::now();
    while !has_ended.load(Ordering::Acquire) {
        if Instant::now() < due {
            thread::sleep(Duration::from_millis(50));
            continue;
        }
        due = Instant::now() + GARBAGE_EVERY;
        for topic in Stage::topics() {
            let value = format!("{GARBAGE}{number}");
            // No row has such a key: a mirror would hold its changes back behind the letter.
            let key = format!("{{\"key\":{}}}", GARBAGE_KEYS + number);
            let partition = Some(i32::try_from(partition_of(key.as_bytes(), PARTITIONS))?);
            let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
            publisher.publish(&topic, &Message { partition, key, value, ..Message::default() })?;
        }
        number += 1;
    }
    publisher.flush(FLUSH_LIMIT).context("the broker did not take the records of the load")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_keys_of_probes_meet_every_partition() {
        // As the connector writes keys of these tables.
        let keys = (1..=PROBE_KEYS).map(|key| format!("{{\"key\":{key}}}"));
        let met: BTreeSet<u32> = keys.map(|key| partition_of(key.as_bytes(), PARTITIONS)).collect();
        assert_eq!(met.len(), usize::try_from(PARTITIONS).unwrap());
    }

    #[test]
    fn a_transaction_is_text_that_ends_itself_and_follows_from_its_draw() {
        let [a, b] = [1, 1].map(|seed| transaction(&mut Draw::new(seed)));
        assert_eq!(a, b);
        assert!(
            a.starts_with("begin;\n") && (a.ends_with("commit;\n") || a.ends_with("rollback;\n"))
        );
    }
}
