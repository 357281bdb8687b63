//! Letters as records of their logs, a page at a time.

use std::collections::VecDeque;

use cdc_core::{
    Assignment, ByteBudget, NextOffset, Offset, Partition, Receipt, RecordBatch,
    RecordBatchBuilder, RecordParts, ResumePoint, Revocation, Source, SourceEvent,
};
use sqlx::Row as _;

use super::letters::headers;
use super::originals::{self, Lost, LostLetters, NoOriginals, Original, Originals};
use super::selection::{CHOSEN, Selection};
use super::{Retried, RetryMode};
use crate::decision;
use crate::error::{PostgresError, from_driver};
use crate::letters::{LetterFilter, MATCHES, Page, PageOf, RawLetter, bound, partition};
use crate::masks::LetterMasks;
use crate::session::Session;
use crate::settings::{PipelineName, PostgresSettings};

/// The number of the only assignment.
const ASSIGNMENT: u64 = 1;

const DOING: &str = "looking for letters to retry";

const SELECTED: &str = r#"
SELECT l.topic, l.generation, l.partition, count(*) AS letters,
       count(*) FILTER (WHERE c.next_offset > l."offset") AS behind
  FROM cdc.dead_letter AS l
  LEFT JOIN cdc.checkpoint AS c
    ON (c.pipeline, c.topic, c.generation, c.partition)
     = (l.pipeline, l.topic, l.generation, l.partition)
 WHERE "#;

const BY_LOG: &str = "
 GROUP BY l.topic, l.generation, l.partition
 ORDER BY l.topic, l.generation, l.partition";

/// Delivers letters; see [`Source`].
///
/// A page is delivered when the one before has been applied: so a transaction has letters of one log,
/// and what it locks is what it writes.
#[derive(Debug)]
pub struct RetrySource<O = NoOriginals> {
    letters: Letters,
    /// Where the records of masked letters are read.
    originals: O,
}

/// Everything but where records are read.
#[derive(Debug)]
struct Letters {
    session: Session,
    pipeline: PipelineName,
    pages: Page,
    selection: Selection,
    budget: ByteBudget,
    retried: Retried,
    masks: LetterMasks,
    mode: RetryMode,
    /// What happens next, in order.
    ready: VecDeque<Result<SourceEvent, PostgresError>>,
    /// The page that is being applied: its log, and where it ends.
    under_way: Option<(Partition, NextOffset)>,
}

impl RetrySource {
    pub(super) async fn new(
        mut session: Session,
        settings: &PostgresSettings,
        (filter, mode): (LetterFilter, RetryMode),
        retried: &Retried,
        budget: ByteBudget,
    ) -> Result<Self, PostgresError> {
        let pipeline = settings.pipeline.clone();
        let selection = Selection::of(&mut session, &pipeline, &filter).await?;
        let filter = Selection::filter();
        let statement = [SELECTED, MATCHES, CHOSEN, BY_LOG].concat();
        let failed = |error| from_driver(DOING, error);
        let rows = bound(sqlx::query(&statement), &pipeline, &filter)
            .fetch_all(session.driver())
            .await
            .map_err(failed)?;
        let mut partitions = Vec::new();
        for row in &rows {
            let read = || -> Result<(i64, i64), sqlx::Error> {
                Ok((row.try_get("letters")?, row.try_get("behind")?))
            };
            let (letters, behind) = read().map_err(failed)?;
            let count = |number: i64| u64::try_from(number).unwrap_or(0);
            let mut report = retried.lock();
            report.selected = report.selected.saturating_add(count(behind));
            let unread = count(letters.saturating_sub(behind));
            report.unread = report.unread.saturating_add(unread);
            drop(report);
            if behind > 0 {
                partitions.push(partition(row).map_err(failed)?);
            }
        }
        let begin = if partitions.is_empty() {
            SourceEvent::End
        } else {
            SourceEvent::Assigned(Assignment::new(partitions, ASSIGNMENT))
        };
        let pages = Page::new(filter);
        let ready = VecDeque::from([Ok(begin)]);
        let (retried, masks, under_way) = (retried.clone(), settings.letter_masks.clone(), None);
        let letters = Letters {
            session,
            pipeline,
            pages,
            selection,
            budget,
            retried,
            masks,
            mode,
            ready,
            under_way,
        };
        Ok(Self { letters, originals: NoOriginals })
    }

    /// The same, reading records of masked letters from somewhere else.
    pub(super) fn reading<O: Originals>(self, originals: O) -> RetrySource<O> {
        RetrySource { letters: self.letters, originals }
    }
}

impl<O: Originals> RetrySource<O> {
    /// Reads the next page. It is not read while polling: a poll may be dropped in the middle.
    async fn read(&mut self) {
        let event = loop {
            match self.letters.try_read(&mut self.originals).await {
                Ok(None) => {}
                Ok(Some(event)) => break Ok(event),
                Err(error) => break Err(error.interrupted()),
            }
        };
        self.letters.ready.push_back(event);
    }
}

impl Letters {
    /// The next letters; what came behind them meanwhile comes last.
    async fn page(&mut self) -> Result<Vec<RawLetter>, PostgresError> {
        let of = PageOf::OneLogBehindTheCheckpoint;
        loop {
            let page = self.pages.next(&mut self.session, &self.pipeline, of).await?;
            if !page.is_empty() {
                return Ok(page);
            }
            let more = self.selection.go_on(&mut self.session, &self.pipeline).await?;
            if more == 0 {
                return Ok(page);
            }
            let mut report = self.retried.lock();
            report.selected = report.selected.saturating_add(more);
            drop(report);
            self.pages = Page::new(Selection::filter());
        }
    }

    /// What happens next; nothing of a page whose records are all lost.
    async fn try_read(
        &mut self,
        originals: &mut impl Originals,
    ) -> Result<Option<SourceEvent>, PostgresError> {
        let page = self.page().await?;
        if page.is_empty() {
            self.retried.settle();
            return Ok(Some(SourceEvent::End));
        }
        let records = self.records(&page, originals).await?;
        Ok(self.event(&records))
    }

    /// The records of letters: as they are stored, or read from the log where a masked copy is. Letters
    /// whose records cannot be had are left out, and said to be.
    async fn records(
        &mut self,
        page: &[RawLetter],
        log: &mut impl Originals,
    ) -> Result<Vec<Letter>, PostgresError> {
        let is_masked = |letter: &&RawLetter| letter.original.is_some();
        let places: Result<Vec<Offset>, _> = page.iter().filter(is_masked).map(offset_of).collect();
        let (places, mut found) = (places?, VecDeque::new());
        let mut is_recreated = false;
        if let Some(first) = page.first()
            && !places.is_empty()
        {
            let Self { session, pipeline, .. } = self;
            is_recreated = decision::is_recreated(session, pipeline, &first.partition).await?;
            found.extend(log.read(&first.partition, &places).await);
        }
        let (mut records, mut lost) = (Vec::with_capacity(page.len()), Vec::new());
        for letter in page {
            let Some(mark) = &letter.original else {
                records.push(stored(letter)?);
                continue;
            };
            let nothing = || Err(Lost::Unreachable("nothing was said of it".to_owned()));
            let original = found.pop_front().unwrap_or_else(nothing).and_then(|original| {
                originals::recognise(letter, mark, &original, (&self.masks, is_recreated))?;
                Ok(original)
            });
            match original {
                Ok(original) => {
                    records.push((offset_of(letter)?, letter.partition.clone(), original));
                }
                Err(why) => {
                    LostLetters::add(&mut self.retried.lock().lost, letter, &why);
                    lost.push(letter.id);
                }
            }
        }
        if self.mode == RetryMode::Commit && !lost.is_empty() {
            originals::note_attempt(&mut self.session, &lost).await?;
        }
        Ok(records)
    }

    fn event(&mut self, records: &[Letter]) -> Option<SourceEvent> {
        let (first, partition, _) = records.first()?;
        let mut builder = RecordBatchBuilder::new(partition.clone(), ASSIGNMENT, first.position());
        for (offset, _, record) in records {
            let headers = record.headers.iter();
            let headers: Vec<_> =
                headers.map(|(name, value)| (&**name, value.as_deref())).collect();
            builder.push(&RecordParts {
                offset: *offset,
                timestamp_ms: record.timestamp_ms,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers: &headers,
            });
        }
        let batch: RecordBatch = builder.finish(self.budget.charge(0));
        self.under_way = Some((partition.clone(), batch.range().until()));
        Some(SourceEvent::Records(batch))
    }
}

/// A letter's place and its record.
type Letter = (Offset, Partition, Original);

fn offset_of(letter: &RawLetter) -> Result<Offset, PostgresError> {
    Offset::try_new(letter.offset).map_err(|error| unreadable(letter, error.into()))
}

/// The record of a letter that is stored as it came.
fn stored(letter: &RawLetter) -> Result<Letter, PostgresError> {
    let headers = headers(&letter.headers).map_err(|error| unreadable(letter, error))?;
    let record = Original {
        timestamp_ms: Some(letter.timestamp_ms),
        key: letter.key.clone(),
        value: letter.value.clone(),
        headers,
    };
    Ok((offset_of(letter)?, letter.partition.clone(), record))
}

impl<O: Originals> Source for RetrySource<O> {
    type Error = PostgresError;

    async fn poll(&mut self) -> Result<SourceEvent, PostgresError> {
        match self.letters.ready.pop_front() {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    async fn resume(
        &mut self,
        _assignment: Assignment,
        _points: Vec<(Partition, ResumePoint)>,
    ) -> Result<(), PostgresError> {
        self.read().await;
        Ok(())
    }

    async fn rewind(
        &mut self,
        _points: Vec<(Partition, ResumePoint)>,
    ) -> Result<u64, PostgresError> {
        // Only a sink that found its progress elsewhere asks for this, and this one has none.
        Err(PostgresError::NoSession { doing: "going back in the letters".to_owned() })
    }

    async fn relinquish(&mut self, _revocation: Revocation) -> Result<(), PostgresError> {
        Ok(())
    }

    async fn acknowledge(&mut self, receipt: &Receipt) -> Result<(), PostgresError> {
        let Some((partition, until)) = &self.letters.under_way else { return Ok(()) };
        let reached = receipt.delta().range(partition).map(|range| range.until());
        if reached.is_some_and(|reached| reached >= *until) {
            self.letters.under_way = None;
            self.read().await;
        }
        Ok(())
    }

    async fn close(self) {}
}

/// A letter that nobody of ours can have stored.
fn unreadable(letter: &RawLetter, source: crate::error::Cause) -> PostgresError {
    from_driver(format!("reading the letter {}", letter.id), sqlx::Error::Decode(source))
}
