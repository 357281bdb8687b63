//! A batch in the hands of a writer.
//!
//! Its future owns batch and writer, so that it may outlive the batch in front of it, and so that
//! nobody else can use a session in the middle of an exchange.

use std::future::Future;
use std::pin::Pin;

use cdc_core::{Classify as _, ErrorClass, Partition, ResumePoint, Writer, with_causes};

use super::{Restage, Staged};

/// A batch in the hands of a writer.
pub(super) struct UnderWay<W: Writer> {
    /// Owns both, because it may outlive the batch in front of it, and ends by giving them back.
    pub(super) attempt: Pin<Box<dyn Future<Output = Attempt<W>> + Send>>,
    /// The size of the batch.
    pub(super) bytes: usize,
}

impl<W: Writer> UnderWay<W> {
    pub(super) fn new(
        bytes: usize,
        attempt: impl Future<Output = Attempt<W>> + Send + 'static,
    ) -> Self {
        Self { attempt: Box::pin(attempt), bytes }
    }
}

/// What came of a batch in the hands of a writer.
pub(super) struct Attempt<W: Writer> {
    pub(super) writer: W,
    pub(super) staged: Staged<W::Body>,
    pub(super) result: Result<(), W::Error>,
}

/// What became of a batch.
pub(super) enum Applied<B> {
    Yes,
    /// It has to be staged again first, perhaps in two parts.
    Again(Vec<Restage>, B),
    /// It has to be staged again as it is, because what the stager went by has changed.
    Stale(Box<Restage>, B),
    /// Somebody else moved the checkpoint, or the plans are outdated: everything in flight is void.
    Void(B, Vec<(Partition, ResumePoint)>),
}

/// What became of a batch and everything it was cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Applied,
    Void,
}

/// What the checkpoint says about a batch whose outcome was unknown.
pub(super) enum Compared {
    NotApplied,
    Applied,
    Elsewhere(Vec<(Partition, ResumePoint)>),
}

/// Prepares a batch.
pub(super) async fn prepare<W: Writer>(mut writer: W, staged: Staged<W::Body>) -> Attempt<W> {
    let result = writer.prepare(&staged.batch).await;
    Attempt { writer, staged, result }
}

/// Applies a batch that is prepared.
async fn apply<W: Writer>(mut writer: W, staged: Staged<W::Body>) -> Attempt<W> {
    let result = writer.apply(&staged.batch).await;
    Attempt { writer, staged, result }
}

/// Prepares and applies a batch that has nothing in front of it: an error speaks of the batch itself.
pub(super) async fn prepare_and_apply<W: Writer>(writer: W, staged: Staged<W::Body>) -> Attempt<W> {
    let attempt = prepare(writer, staged).await;
    match attempt.result {
        Ok(()) => apply(attempt.writer, attempt.staged).await,
        Err(_) => attempt,
    }
}

/// Applies a batch that was tried behind another one, which has been applied since.
pub(super) async fn complete<W: Writer>(attempt: Attempt<W>) -> Attempt<W> {
    let Attempt { writer, staged, result } = attempt;
    match result {
        Ok(()) => apply(writer, staged).await,
        // The session is gone: what is known of it has to be found out first.
        Err(error) if error.class() == ErrorClass::Indeterminate => {
            Attempt { writer, staged, result: Err(error) }
        }
        Err(error) => {
            tracing::debug!(error = %with_causes(&error), "preparing a batch is repeated behind the one in front");
            prepare_and_apply(writer, staged).await
        }
    }
}
