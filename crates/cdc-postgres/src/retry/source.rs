//! Letters as records of their logs, a page at a time.

use std::collections::VecDeque;

use cdc_core::{
    Assignment, ByteBudget, NextOffset, Offset, Partition, Receipt, RecordBatch,
    RecordBatchBuilder, RecordParts, ResumePoint, Revocation, Source, SourceEvent,
};
use sqlx::Row as _;

use super::Retried;
use super::letters::Headers;
use crate::error::{PostgresError, from_driver};
use crate::letters::{LetterFilter, MATCHES, Page, PageOf, RawLetter, bound, partition};
use crate::session::Session;
use crate::settings::PipelineName;

/// The number of the only assignment.
const ASSIGNMENT: u64 = 1;

const DOING: &str = "looking for letters to retry";

const SELECTED: &str = r#"
SELECT l.topic, l.generation, l.partition, count(*) AS letters, max(l.id) AS newest,
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
pub struct RetrySource {
    session: Session,
    pipeline: PipelineName,
    pages: Page,
    budget: ByteBudget,
    retried: Retried,
    /// What happens next, in order.
    ready: VecDeque<Result<SourceEvent, PostgresError>>,
    /// The page that is being applied: its log, and where it ends.
    under_way: Option<(Partition, NextOffset)>,
}

impl RetrySource {
    pub(super) async fn new(
        mut session: Session,
        pipeline: PipelineName,
        filter: LetterFilter,
        retried: &Retried,
        budget: ByteBudget,
    ) -> Result<Self, PostgresError> {
        let statement = [SELECTED, MATCHES, BY_LOG].concat();
        let failed = |error| from_driver(DOING, error);
        let rows = bound(sqlx::query(&statement), &pipeline, &filter)
            .fetch_all(session.driver())
            .await
            .map_err(failed)?;
        let mut partitions = Vec::new();
        let mut newest = 0_i64;
        for row in &rows {
            let read = || -> Result<(i64, i64, i64), sqlx::Error> {
                Ok((row.try_get("letters")?, row.try_get("behind")?, row.try_get("newest")?))
            };
            let (letters, behind, last) = read().map_err(failed)?;
            let count = |number: i64| u64::try_from(number).unwrap_or(0);
            let mut report = retried.lock();
            report.selected = report.selected.saturating_add(count(behind));
            let unread = count(letters.saturating_sub(behind));
            report.unread = report.unread.saturating_add(unread);
            drop(report);
            newest = newest.max(last);
            if behind > 0 {
                partitions.push(partition(row).map_err(failed)?);
            }
        }
        let begin = if partitions.is_empty() {
            SourceEvent::End
        } else {
            SourceEvent::Assigned(Assignment::new(partitions, ASSIGNMENT))
        };
        let pages = Page::new(filter).up_to(newest);
        let ready = VecDeque::from([Ok(begin)]);
        let retried = retried.clone();
        Ok(Self { session, pipeline, pages, budget, retried, ready, under_way: None })
    }

    /// Reads the next page. It is not read while polling: a poll may be dropped in the middle.
    async fn read(&mut self) {
        let of = PageOf::OneLogBehindTheCheckpoint;
        let page = self.pages.next(&mut self.session, &self.pipeline, of).await;
        let event = page.and_then(|page| self.event(&page));
        self.ready.push_back(event.map_err(PostgresError::interrupted));
    }

    fn event(&mut self, page: &[RawLetter]) -> Result<SourceEvent, PostgresError> {
        let Some(first) = page.first() else {
            self.retried.settle();
            return Ok(SourceEvent::End);
        };
        let partition = first.partition.clone();
        let offset = |letter: &RawLetter| {
            Offset::try_new(letter.offset).map_err(|error| unreadable(letter, error.into()))
        };
        let mut builder =
            RecordBatchBuilder::new(partition.clone(), ASSIGNMENT, offset(first)?.position());
        for letter in page {
            let headers = Headers::parse(&letter.headers);
            let headers = headers.map_err(|error| unreadable(letter, error))?;
            builder.push(&RecordParts {
                offset: offset(letter)?,
                timestamp_ms: Some(letter.timestamp_ms),
                key: letter.key.as_deref(),
                value: letter.value.as_deref(),
                headers: &headers.parts(),
            });
        }
        let batch: RecordBatch = builder.finish(self.budget.charge(0));
        self.under_way = Some((partition, batch.range().until()));
        Ok(SourceEvent::Records(batch))
    }
}

impl Source for RetrySource {
    type Error = PostgresError;

    async fn poll(&mut self) -> Result<SourceEvent, PostgresError> {
        match self.ready.pop_front() {
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
        let Some((partition, until)) = &self.under_way else { return Ok(()) };
        let reached = receipt.delta().range(partition).map(|range| range.until());
        if reached.is_some_and(|reached| reached >= *until) {
            self.under_way = None;
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
