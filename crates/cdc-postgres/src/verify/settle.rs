//! Reading what differed again, until it is equal or has lasted.

use std::time::{Duration, Instant};

use sqlx::Row as _;
use tokio::time::sleep;

use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::PipelineName;

use super::candidate::{Candidates, Finding, Key};
use super::columns::Pairs;
use super::report::{Difference, KeyDifference, TableReport, Verdict};
use super::sending::Sending;
use super::sql::Statements;
use super::{LogEnd, Step, VerifyOptions, reading};

/// Between two rounds. Rows that change all the time are met by chance alone: the more often, the
/// better.
const PAUSE: Duration = Duration::from_millis(250);

/// Between two looks at the checkpoint.
const LOOK: Duration = Duration::from_millis(50);

/// The two sides, the log between them, and how patient to be.
pub(super) struct Settling<'s, E, S> {
    pub(super) source: &'s mut Session,
    pub(super) warehouse: &'s mut Session,
    pub(super) pipeline: &'s PipelineName,
    pub(super) options: VerifyOptions,
    pub(super) ends: &'s E,
    pub(super) show: &'s S,
}

/// Keys that differed, and how to read them.
pub(super) struct Keys<'k> {
    pub(super) candidates: Candidates,
    pub(super) statements: &'k Statements,
    pub(super) pairs: &'k Pairs,
}

/// What is known about the way of changes from the source to the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passage {
    /// The warehouse holds everything that the log held after the source was read.
    Passed,
    /// The log cannot be asked: only time speaks.
    Unknown,
    /// So many records are not yet applied.
    Behind(u64),
    /// So many bytes of the source's log have not been sent to the connector.
    Unsent(i64),
}

impl<F, E, S> Settling<'_, E, S>
where
    E: Fn() -> F + Sync,
    F: Future<Output = Option<Vec<LogEnd>>> + Send,
    S: Fn(Step) + Sync,
{
    /// Reads keys again until each is equal or has lasted, or patience is over.
    pub(super) async fn keys(
        mut self,
        keys: Keys<'_>,
        report: &mut TableReport,
    ) -> Result<(), PostgresError> {
        let Keys { mut candidates, statements, pairs } = keys;
        let deadline = Instant::now() + self.options.patience;
        let stable_for = self.options.stable_for;
        let mut passage = Passage::Passed;
        report.read_again = candidates.len();
        while candidates.len() > 0 && !candidates.are_stable(stable_for) {
            if Instant::now() >= deadline {
                break;
            }
            let keys = candidates.len();
            self.announce(keys, deadline);
            let ours = reading::wanted(self.source, &statements.source, candidates.keys()).await?;
            passage = self.passage(keys, deadline).await?;
            let theirs =
                reading::wanted(self.warehouse, &statements.warehouse, candidates.keys()).await?;
            candidates.round(ours, theirs, passage.is_past(), Instant::now());
            if candidates.len() > 0 {
                sleep(PAUSE).await;
            }
        }
        report.complete = !candidates.has_left_out();
        let settled = candidates.settle(stable_for);
        for (key, finding) in &settled.differing {
            match finding {
                Finding::OnlyInSource => report.only_in_source += 1,
                Finding::OnlyInWarehouse => report.only_in_warehouse += 1,
                Finding::Columns(_) => report.differing += 1,
            }
            if report.listed.len() < self.options.limit {
                report.listed.push(described(key, finding, pairs));
            }
        }
        report.moving = settled.moving;
        report.verdict = verdict(report, passage);
        note(passage, report);
        Ok(())
    }

    /// Compares tables without a key: digests of all rows, until they are equal or have lasted.
    pub(super) async fn whole(
        mut self,
        statements: &Statements,
        report: &mut TableReport,
    ) -> Result<(), PostgresError> {
        let deadline = Instant::now() + self.options.patience;
        let mut seen = Vec::new();
        let mut last: Option<((u64, String), Instant)> = None;
        loop {
            report.source_lsn = Some(reading::begin(self.source).await?);
            let ours = reading::whole(self.source, &statements.source).await?;
            reading::end(self.source).await?;
            let passage = self.passage(1, deadline).await?;
            let theirs = reading::whole(self.warehouse, &statements.warehouse).await?;
            (report.source_rows, report.warehouse_rows) = (ours.0, theirs.0);
            seen.push(ours);
            let now = Instant::now();
            if seen.contains(&theirs) {
                report.verdict = Verdict::Equal;
                note(passage, report);
                return Ok(());
            }
            let since = match &last {
                Some((earlier, since)) if *earlier == theirs && passage.is_past() => *since,
                Some(_) | None => now,
            };
            last = Some((theirs, since));
            let lasts = now.saturating_duration_since(since) >= self.options.stable_for;
            if (lasts && passage.is_past()) || now >= deadline {
                report.verdict = match passage.hindrance() {
                    Some(reason) => Verdict::Unproven(reason),
                    None if lasts => Verdict::Differs,
                    None => Verdict::Unproven(CHANGING.to_owned()),
                };
                note(passage, report);
                return Ok(());
            }
            self.announce(1, deadline);
            sleep(PAUSE).await;
        }
    }

    fn announce(&self, keys: usize, deadline: Instant) {
        let seconds_left = deadline.saturating_duration_since(Instant::now()).as_secs();
        (self.show)(Step::Settling { keys, seconds_left });
    }

    /// Waits until the connector has been sent all that the source has written, asks how far the log
    /// reaches, and waits until the checkpoint is beyond that.
    async fn passage(&mut self, keys: usize, deadline: Instant) -> Result<Passage, PostgresError> {
        let mut sending = Sending::begin(self.source).await?;
        while let Some(unsent) = sending.look(self.source).await? {
            if Instant::now() >= deadline {
                return Ok(Passage::Unsent(unsent));
            }
            self.announce(keys, deadline);
            sleep(LOOK).await;
        }
        let Some(ends) = (self.ends)().await else { return Ok(Passage::Unknown) };
        loop {
            let behind = self.behind(&ends).await?;
            if behind == 0 {
                return Ok(Passage::Passed);
            }
            if Instant::now() >= deadline {
                return Ok(Passage::Behind(behind));
            }
            self.announce(keys, deadline);
            sleep(LOOK).await;
        }
    }

    /// How many positions below the ends are not applied.
    async fn behind(&mut self, ends: &[LogEnd]) -> Result<u64, PostgresError> {
        let failed = |error| from_driver("reading the checkpoint", error);
        let rows = sqlx::query(
            "SELECT DISTINCT ON (topic, partition) topic, partition, coalesce(next_offset, 0) AS next
               FROM cdc.checkpoint WHERE pipeline = $1
              ORDER BY topic, partition, generation DESC",
        )
        .bind(self.pipeline.as_str())
        .fetch_all(self.warehouse.driver())
        .await
        .map_err(failed)?;
        let mut applied = Vec::with_capacity(rows.len());
        for row in &rows {
            let read = || {
                let place: (String, i32) = (row.try_get("topic")?, row.try_get("partition")?);
                Ok::<_, sqlx::Error>((place, row.try_get::<i64, _>("next")?))
            };
            applied.push(read().map_err(failed)?);
        }
        let behind = ends.iter().map(|end| {
            let is_this = |((topic, partition), _): &&((String, i32), i64)| {
                topic == end.topic.as_str() && *partition == end.partition.get()
            };
            let next = applied.iter().find(is_this).map_or(0, |(_, next)| *next);
            u64::try_from(end.end.get().saturating_sub(next)).unwrap_or(0)
        });
        Ok(behind.sum())
    }
}

impl Passage {
    fn is_past(self) -> bool {
        match self {
            Self::Passed | Self::Unknown => true,
            Self::Behind(_) | Self::Unsent(_) => false,
        }
    }

    /// Why nothing could be judged in the last round.
    fn hindrance(self) -> Option<String> {
        match self {
            Self::Passed | Self::Unknown => None,
            Self::Behind(records) => Some(format!(
                "{records} records of the log were not applied in time: run the pipeline, or give it \
                 more time"
            )),
            Self::Unsent(bytes) => Some(format!(
                "{bytes} bytes of the source's log were not sent to the connector in time: look at the \
                 connector, or give it more time"
            )),
        }
    }
}

/// What a table's rounds come to.
fn verdict(report: &TableReport, passage: Passage) -> Verdict {
    if report.differences() > 0 {
        return Verdict::Differs;
    }
    match passage.hindrance() {
        Some(reason) if report.moving > 0 => Verdict::Unproven(reason),
        Some(_) | None if !report.complete => Verdict::Unproven(TOO_MANY.to_owned()),
        Some(_) | None => Verdict::Equal,
    }
}

const TOO_MANY: &str = "more rows were under way than can be followed: compare again when there is less \
                        traffic";

const CHANGING: &str = "the table has no key, and its rows changed all the time: compare again when \
                        there is less traffic";

fn note(passage: Passage, report: &mut TableReport) {
    if passage == Passage::Unknown {
        report.notes.push(
            "the log could not be asked how far it reaches: a pipeline that is behind looks like \
             differences"
                .to_owned(),
        );
    }
}

fn described(key: &Key, finding: &Finding, pairs: &Pairs) -> KeyDifference {
    let names = pairs.key().iter().map(|pair| pair.source.clone());
    KeyDifference {
        key: names.zip(key.iter().cloned()).collect(),
        difference: match finding {
            Finding::OnlyInSource => Difference::OnlyInSource,
            Finding::OnlyInWarehouse => Difference::OnlyInWarehouse,
            Finding::Columns(places) => {
                let pairs = places.iter().filter_map(|place| pairs.compared().get(*place));
                Difference::Columns(pairs.map(|pair| pair.source.clone()).collect())
            }
        },
    }
}
