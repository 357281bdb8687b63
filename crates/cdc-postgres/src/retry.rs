//! Dead letters on their way again: a source that delivers them, and a sink that writes without moving
//! progress.
//!
//! Between the two stands the engine with the decoder, the rules and the stager of today, so that a
//! retry is a run like any other over few records. What differs is what a transaction ends with:
//! instead of a step of the checkpoint it marks the letters. That keeps a retry from doing anything
//! twice, whatever else runs:
//!
//! - **Another retry, a discard, the same retry again**: letters are locked before anything is written
//!   for them, and those that are open no longer are left out.
//! - **A history** that has rows of a record keeps them: they are found by their place in the log, under
//!   a [lock](crate::history::lock) that every such writer takes.
//! - **A mirror** compares positions, as it always does: a row that is newer stays, and the letter is
//!   superseded. Of rows that were deleted since the [letters themselves](crate::parked) know.
//! - **A masked letter** lacks values, so its [original](originals) is read from the log; without it the letter
//!   stays as it is.
//! - **What waits [behind](crate::chain) a letter** of its key is selected with it, and left alone while
//!   that letter, or any earlier one of its key, is open.
//! - **The pipeline** is never behind its own checkpoint, and letters before it are not retried.
//!
//! Letters of one log go in its order, one page in one transaction, so that changes of a key follow each
//! other. Across transactions the positions see to that.

mod letters;
mod marks;
mod originals;
mod passed;
mod selection;
mod source;
mod stager;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cdc_core::{ByteBudget, Offset, Partition, Rejection, Sink};

use crate::body::PostgresBody;
use crate::chain::Heads;
use crate::error::PostgresError;
use crate::letters::{LetterFilter, LetterState};
use crate::plan::PostgresPlan;
use crate::registry;
use crate::settings::{PostgresSettings, TableSettings};
use crate::state;
use crate::tables::Tables;
pub use originals::{Lost, LostLetters, NoOriginals, Original, Originals};
pub(crate) use selection::CHOSEN;
pub use source::RetrySource;
pub use stager::RetryStager;
pub use writer::RetryWriter;

/// Whether a retry is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryMode {
    /// It is.
    Commit,
    /// Every transaction is rolled back at its end.
    DryRun,
}

/// A retry that is ready to run: give source and sink to a pipeline of one lane that takes changes which
/// were sent before for new. They were refused, so they had no effect.
#[derive(Debug)]
pub struct Retry<O = NoOriginals> {
    /// Delivers the letters, and ends.
    pub source: RetrySource<O>,
    /// Writes what becomes of them.
    pub sink: RetrySink,
    /// What has become of them so far.
    pub retried: Retried,
}

/// What has become of letters so far; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Retried(Arc<Mutex<RetryReport>>);

impl Retried {
    /// A copy.
    pub fn report(&self) -> RetryReport {
        self.lock().clone()
    }

    /// Accounts for letters that were open when they were counted and not when it was their turn.
    fn settle(&self) {
        let mut report = self.lock();
        let missing = report.selected.saturating_sub(report.accounted());
        report.resolved = report.resolved.saturating_add(missing);
    }

    fn lock(&self) -> MutexGuard<'_, RetryReport> {
        // Whoever panicked with the lock has changed whole counts only.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of letters: every selected one is in exactly one of the other counts, once the retry has
/// run to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetryReport {
    /// Open letters that the filter names.
    pub selected: u64,
    /// Left alone: the pipeline has yet to read their records again.
    pub unread: u64,
    /// Written, or replaced by a later letter of the same key in a mirror.
    pub written: u64,
    /// A history had their rows.
    pub present: u64,
    /// A mirror had newer versions of their rows.
    pub superseded: u64,
    /// Somebody else had retried or discarded them meanwhile.
    pub resolved: u64,
    /// Without an effect now, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Refused again, by reason.
    pub failures: Vec<RetryFailure>,
    /// Left open, because only a masked copy is stored and the original cannot be had, by reason.
    pub lost: Vec<LostLetters>,
}

impl RetryReport {
    /// How many failed again.
    pub fn failed(&self) -> u64 {
        self.failures.iter().map(|failure| failure.letters).sum()
    }

    /// How many could not be tried for want of their originals.
    pub fn lost(&self) -> u64 {
        self.lost.iter().map(|lost| lost.letters).sum()
    }

    /// How many letters it says something about.
    fn accounted(&self) -> u64 {
        let skipped: u64 = self.skipped.values().sum();
        let others = [self.written, self.present, self.superseded, self.resolved, self.failed()];
        let skipped = skipped.saturating_add(self.lost());
        others.iter().fold(skipped, |sum, more| sum.saturating_add(*more))
    }

    fn fail(&mut self, rejection: &Rejection) {
        let same = |held: &&mut RetryFailure| {
            held.stage == rejection.stage.name()
                && held.reason == rejection.reason
                && held.column == rejection.column
        };
        match self.failures.iter_mut().find(same) {
            Some(held) => held.letters = held.letters.saturating_add(1),
            None => self.failures.push(RetryFailure {
                stage: rejection.stage.name(),
                reason: rejection.reason.to_string(),
                column: rejection.column.clone(),
                message: rejection.message.clone(),
                hint: rejection.hint.clone(),
                letters: 1,
            }),
        }
    }
}

/// Letters that failed again for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryFailure {
    /// Where they were refused.
    pub stage: &'static str,
    /// The reason, as a word.
    pub reason: String,
    /// The column at fault.
    pub column: Option<String>,
    /// What was expected, in the words of the first.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// How many.
    pub letters: u64,
}

impl Retry {
    /// Looks which letters there are. Letters that are kept later are not retried.
    ///
    /// # Errors
    ///
    /// When the warehouse cannot be reached or lacks the state tables, and when a table is new to a
    /// pipeline that has progress.
    pub async fn open(
        settings: PostgresSettings,
        tables: Vec<TableSettings>,
        filter: LetterFilter,
        mode: RetryMode,
        budget: ByteBudget,
    ) -> Result<Self, PostgresError> {
        let mut session = state::open(&settings).await?;
        let (pipeline, retried) = (&settings.pipeline, Retried::default());
        if let Some(refusal) =
            registry::newcomers(&mut session, pipeline, &tables).await?.into_iter().next()
        {
            return Err(PostgresError::Occupied { message: refusal.message, fix: refusal.fix });
        }
        let filter = LetterFilter { state: Some(LetterState::Open), ..filter };
        let filter = (filter, mode);
        let source = RetrySource::new(session, &settings, filter, &retried, budget).await?;
        let sink = RetrySink {
            settings: Arc::new(settings),
            tables: Arc::new(Tables::new(tables)),
            mode,
            retried: retried.clone(),
        };
        Ok(Self { source, sink, retried })
    }

    /// The same, with a place to read the records of masked letters from. Without one they stay open.
    #[must_use]
    pub fn reading<O: Originals>(self, originals: O) -> Retry<O> {
        let Self { source, sink, retried } = self;
        Retry { source: source.reading(originals), sink, retried }
    }
}

/// Writes what becomes of letters; see [`Sink`]. It owns no partition and moves no checkpoint.
#[derive(Debug)]
pub struct RetrySink {
    settings: Arc<PostgresSettings>,
    tables: Arc<Tables>,
    mode: RetryMode,
    retried: Retried,
}

impl Sink for RetrySink {
    type Body = PostgresBody;
    type Plan = PostgresPlan;
    type Error = PostgresError;
    type Stager = RetryStager;
    type Writer = RetryWriter;

    async fn open_lane(&self) -> Result<(RetryStager, RetryWriter), PostgresError> {
        let session = state::open(&self.settings).await?;
        let moot = Moot::default();
        let heads = Arc::new(Heads::new(&self.tables, self.settings.letter_masks.clone()));
        let stager = RetryStager::new(Arc::clone(&self.tables), Arc::clone(&heads), moot.clone());
        let (settings, tables) = (Arc::clone(&self.settings), Arc::clone(&self.tables));
        let report = (self.mode, self.retried.clone());
        Ok((stager, RetryWriter::new(session, (settings, tables, heads), report, moot)))
    }
}

/// Letters that turned out not to be written after they had been staged: the writer finds out, and the
/// stager leaves them out when it stages their batch again.
#[derive(Debug, Clone, Default)]
struct Moot(Arc<Mutex<BTreeMap<(Partition, Offset), Rejection>>>);

impl Moot {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Partition, Offset), Rejection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
