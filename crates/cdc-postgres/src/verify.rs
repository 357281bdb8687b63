//! Whether the warehouse holds what the source holds: both sides compared by digests that the servers
//! compute, then key by key where the digests differ.
//!
//! # How it works
//!
//! 1. The source is read under one repeatable-read snapshot, S. Every row becomes text under pinned
//!    settings and then a 64-bit hash; rows are put into buckets by the hash of their key, and a
//!    bucket's digest is the number of its rows and the sum of their hashes, which no order can
//!    change. The warehouse is read in the same way: a mirror as it is, a history folded to the newest
//!    row of each key, without deleted keys and without what a truncate has removed.
//! 2. Of buckets that differ the hash of each row is fetched, from the same snapshot S in the source.
//!    What still differs is a *candidate*: a difference, or a change that was on its way.
//! 3. Candidates are read again in rounds: first in the source; then it is waited until the source's
//!    replication session has sent what had been written until then; then the ends of Kafka's log are asked
//!    for, and it is waited until the checkpoint has passed them; and only then the warehouse is read. A
//!    candidate is **equal** as soon as the warehouse shows a state of the row that the source
//!    had at S or at a later reading. It is a **difference** when the warehouse has shown the same other
//!    state for the stated time, all of it with the log applied to its end. What still changes when
//!    patience is over is **moving**, and is counted as such.
//!
//! Reading keys again uses an index on the key of the table, if it has one. While all rows are read, the
//! source keeps what is deleted there; the snapshot is given up before keys are read again.
//!
//! # Why it is right
//!
//! The pipeline applies the log in order, so whatever the source had committed and the connector has
//! written is below the ends that are asked for after the source was read; once the checkpoint is beyond
//! them, the warehouse contains it. A mirror keeps no position of the source, and
//! positions of single rows do not rise in commit order, so no position is compared: states are. A
//! key that is found equal has been shown to be in a state that the source had at S or later.
//!
//! # What it does not prove
//!
//! - That the connector has written into the log what it was sent: what it holds in memory for longer than
//!   the stated time looks like a difference. The same is true of all that it has not read, where a role
//!   without `pg_monitor` cannot see its session, or where no session uses a replication slot; that is
//!   named in the report.
//! - Anything about changes after S, beyond what the rounds happened to read.
//! - The history of a row: versions below the newest are not compared.
//! - Columns that only one side has, that rules drop or hash, or whose types have no common form. All of
//!   them are named.
//! - A table without a primary key is compared as a multiset: that it differs is found, where is not.
//! - Two states with the same hash are taken for the same; that happens once in 2^64 pairs.
//!
//! Rows that a filter keeps out by their values are left out in the source as well. A row that a mirror
//! kept when its value changed to one that is filtered is a difference, and so is what became a dead
//! letter: the report names filters and counts open dead letters.

use std::time::{Duration, Instant};

use cdc_core::{NextOffset, PartitionNumber, TopicName};

use crate::catalog::{self, TargetTable};
use crate::error::{PostgresError, from_driver};
use crate::ident::{Identifier, QualifiedName};
use crate::reach::reach;
use crate::session::Session;
use crate::settings::{Mode, PipelineName, PostgresSettings, TableSettings};
use crate::source::SourceSettings;
use crate::state;

mod candidate;
mod columns;
mod evidence;
mod filter;
mod reading;
mod rendering;
mod report;
mod sending;
mod settle;
mod source;
mod sql;

pub use report::{Difference, KeyDifference, TableReport, Verdict};

use candidate::Candidates;
use reading::Bucket;
use settle::Settling;
use sql::{Hashing, Statements};

/// Why some histories have no newest rows.
const KEYLESS_HISTORY: &str = "the source table has no primary key, and its history has updates or \
                               deletes: which rows they replaced is not known";

/// How long a difference has to last, how long to wait for the last of them, how many to list.
#[derive(Debug, Clone, Copy)]
pub struct VerifyOptions {
    /// A key is a difference when the warehouse has shown the same other state for this long. It has
    /// to be longer than the connector needs to write a change into the log. Default 10 s.
    pub stable_for: Duration,
    /// When reading keys again ends, whatever still changes. Default 2 min.
    pub patience: Duration,
    /// How many differing keys of a table are listed. Default 20.
    pub limit: usize,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        let (stable_for, patience) = (Duration::from_secs(10), Duration::from_mins(2));
        Self { stable_for, patience, limit: 20 }
    }
}

/// A table to compare, with what rules make of it.
#[derive(Debug, Clone)]
pub struct VerifyTable {
    /// Where its changes go.
    pub settings: TableSettings,
    /// The source's columns that rules touch; all others keep their name and value.
    pub routes: Vec<ColumnRoute>,
    /// Rules that keep rows out of the warehouse by their values: such rows are not compared.
    pub filters: Vec<RowFilter>,
    /// The names of rules that keep out changes of some kinds. What they leave behind depends on the
    /// order of changes, so it is compared, and named.
    pub partial_filters: Vec<String>,
}

/// A rule that decides on whole rows by the value of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFilter {
    /// The rule's name.
    pub name: String,
    /// Which rows arrive.
    pub passes: Passes,
    /// The column's name in the source.
    pub column: String,
    /// What its value must be to match; all must hold, and NULL matches nothing but `IsNull`.
    pub tests: Vec<ValueTest>,
}

/// Which rows a filter lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passes {
    /// Those that match.
    Matching,
    /// All others.
    Others,
}

/// A comparison with literals, in the text form of the column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueTest {
    /// It is this value.
    Equals(String),
    /// It is another value.
    NotEquals(String),
    /// It is one of these values.
    In(Vec<String>),
    /// It is NULL.
    IsNull,
    /// It is not NULL.
    NotNull,
    /// It is less.
    Less(String),
    /// It is greater.
    Greater(String),
}

/// What rules make of one column of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRoute {
    /// Its name in the source.
    pub column: String,
    /// What becomes of it.
    pub fate: ColumnFate,
}

/// What becomes of a column on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnFate {
    /// It has this name in the warehouse.
    Renamed(String),
    /// It is left out.
    Dropped,
    /// Its values are replaced; it has this name in the warehouse.
    Hashed(String),
}

/// How far a partition of the log reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEnd {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: PartitionNumber,
    /// Behind its last record.
    pub end: NextOffset,
}

/// Where a comparison stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// All rows of both sides are being read.
    Reading,
    /// Keys are looked for in so many buckets that differ.
    Narrowing {
        /// Buckets that differ.
        buckets: usize,
    },
    /// Keys that differed are read again.
    Settling {
        /// Keys that still differ.
        keys: usize,
        /// Seconds until the last round at the latest.
        seconds_left: u64,
    },
}

/// Compares tables of one source with one warehouse, with a session in each. It only reads.
#[derive(Debug)]
pub struct Verifier {
    source: Session,
    warehouse: Session,
    pipeline: PipelineName,
    options: VerifyOptions,
    hashing: Hashing,
}

impl Verifier {
    /// Opens both sessions.
    ///
    /// # Errors
    ///
    /// A side that cannot be reached, a warehouse without state tables, or two servers whose hashes
    /// differ, as those of machines with another byte order do.
    pub async fn open(
        settings: &PostgresSettings,
        source: &SourceSettings,
        options: VerifyOptions,
    ) -> Result<Self, PostgresError> {
        let mut source = source::open(source, settings).await?;
        let mut warehouse = reach(settings).await?;
        reading::pin(&mut warehouse).await?;
        state::require(&mut warehouse).await?;
        let hashing = reading::hashing(&mut source, &mut warehouse).await?;
        let pipeline = settings.pipeline.clone();
        Ok(Self { source, warehouse, pipeline, options, hashing })
    }

    /// Compares one table. `ends` reads how far the log reaches, `None` when it cannot be asked;
    /// `show` hears where the comparison stands.
    ///
    /// # Errors
    ///
    /// A statement that one of the servers refuses, or a lost session.
    pub async fn table<F>(
        &mut self,
        table: &VerifyTable,
        ends: impl Fn() -> F + Sync,
        show: impl Fn(Step) + Sync,
    ) -> Result<TableReport, PostgresError>
    where
        F: Future<Output = Option<Vec<LogEnd>>> + Send,
    {
        let began = Instant::now();
        let mut report = TableReport::new(&table.settings);
        if let Err(reason) = self.compare(table, &ends, &show, &mut report).await? {
            report.verdict = Verdict::NotComparable(reason);
        }
        evidence::add(&mut self.source, &mut self.warehouse, &self.pipeline, &mut report).await?;
        report.elapsed = began.elapsed();
        Ok(report)
    }

    /// Fills the report; the inner error says why the table cannot be compared.
    async fn compare<F>(
        &mut self,
        table: &VerifyTable,
        ends: &(impl Fn() -> F + Sync),
        show: &(impl Fn(Step) + Sync),
        report: &mut TableReport,
    ) -> Result<Result<(), String>, PostgresError>
    where
        F: Future<Output = Option<Vec<LogEnd>>> + Send,
    {
        let (source, target) = match self.describe(&table.settings).await? {
            Ok(tables) => tables,
            Err(reason) => return Ok(Err(reason)),
        };
        let pairs = match columns::pair(&source, &target, table) {
            Ok(pairs) => pairs,
            Err(reason) => return Ok(Err(reason)),
        };
        report.describe(&pairs, table);
        let statements =
            Statements::new(&source, &target, table.settings.mode, &pairs, self.hashing);
        show(Step::Reading);
        if pairs.key().is_empty() {
            if table.settings.mode == Mode::History
                && reading::has_changed(&mut self.warehouse, &target).await?
            {
                return Ok(Err(KEYLESS_HISTORY.to_owned()));
            }
            self.settling(ends, show).whole(&statements, report).await?;
            return Ok(Ok(()));
        }
        report.source_lsn = Some(reading::begin(&mut self.source).await?);
        let buckets = reading::buckets(&mut self.source, &source.name).await?;
        let (ours, theirs) = tokio::try_join!(
            reading::digest(&mut self.source, &statements.source, buckets),
            reading::digest(&mut self.warehouse, &statements.warehouse, buckets),
        )?;
        (report.source_rows, report.warehouse_rows) = (ours.rows(), theirs.rows());
        let differing = ours.differing(&theirs);
        if !differing.is_empty() {
            show(Step::Narrowing { buckets: differing.len() });
        }
        let candidates = self.narrow(&statements, buckets, &differing).await?;
        reading::end(&mut self.source).await?;
        let keys = settle::Keys { candidates, statements: &statements, pairs: &pairs };
        self.settling(ends, show).keys(keys, report).await?;
        Ok(Ok(()))
    }

    fn settling<'s, E, S>(&'s mut self, ends: &'s E, show: &'s S) -> Settling<'s, E, S> {
        Settling {
            source: &mut self.source,
            warehouse: &mut self.warehouse,
            pipeline: &self.pipeline,
            options: self.options,
            ends,
            show,
        }
    }

    /// The keys of differing buckets whose rows differ.
    async fn narrow(
        &mut self,
        statements: &Statements,
        buckets: i64,
        differing: &[Bucket],
    ) -> Result<Candidates, PostgresError> {
        let mut candidates = Candidates::default();
        for group in reading::groups(differing) {
            if candidates.is_full() {
                candidates.leave_out();
                break;
            }
            let (ours, theirs) = tokio::try_join!(
                reading::rows(&mut self.source, &statements.source, buckets, &group),
                reading::rows(&mut self.warehouse, &statements.warehouse, buckets, &group),
            )?;
            candidates.add(ours, theirs);
        }
        Ok(candidates)
    }

    /// Both tables by the catalogs; the inner error names the one that is missing.
    async fn describe(
        &mut self,
        table: &TableSettings,
    ) -> Result<Result<(TargetTable, TargetTable), String>, PostgresError> {
        let (schema, name) = (table.source.schema(), table.source.name());
        let name = match (Identifier::parse(schema), Identifier::parse(name)) {
            (Ok(schema), Ok(name)) => QualifiedName { schema, name },
            (Err(error), _) | (_, Err(error)) => return Ok(Err(error.to_string())),
        };
        let source = catalog::load(self.source.driver(), &name)
            .await
            .map_err(|error| source::from_driver("reading the catalog", error))?;
        let Some(source) = source else {
            return Ok(Err(format!("the source has no table {}", table.source)));
        };
        let target = catalog::load(self.warehouse.driver(), &table.target.0)
            .await
            .map_err(|error| from_driver("reading the catalog", error))?;
        let Some(target) = target else {
            return Ok(Err(format!("the warehouse has no table {}", table.target)));
        };
        Ok(Ok((source, target)))
    }
}
