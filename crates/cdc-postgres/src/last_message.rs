//! The end of a batch's transaction: what the plans want to be sure of, the step of progress and COMMIT,
//! as one message.

use cdc_core::WriteBatch;

use crate::body::PostgresBody;
use crate::checkpoint::{self, Epochs, Step};
use crate::continuity;
use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::PipelineName;

/// The message, and the step that it makes durable.
#[derive(Debug)]
pub(crate) struct LastMessage {
    sql: String,
    step: String,
}

impl LastMessage {
    /// The message of a batch.
    ///
    /// # Errors
    ///
    /// [`PostgresError::NotAcquired`] for a partition that is not in `epochs`.
    pub(crate) fn of(
        batch: &WriteBatch<PostgresBody>,
        pipeline: &PipelineName,
        epochs: &Epochs,
    ) -> Result<Self, PostgresError> {
        let witnesses = continuity::of(batch);
        let step = Step {
            delta: batch.delta(),
            tallies: batch.tallies(),
            marks: batch.marks(),
            witnesses: &witnesses,
        };
        let last = checkpoint::advance_and_commit(pipeline, step, epochs)?;
        let sql = [batch.body().guards(), vec![&last]].concat().join("; ");
        Ok(Self { sql, step: batch.delta().to_string() })
    }

    /// Sends it, as the last of the transaction.
    ///
    /// # Errors
    ///
    /// [`PostgresError::Fenced`] when the step does not join, and whatever the server answers.
    pub(crate) async fn send(self, session: &mut Session) -> Result<(), PostgresError> {
        let Self { sql, step } = self;
        let committing = format!("committing the step {step}");
        session.run(&sql).await.map_err(|error| {
            let error = from_driver(committing, error);
            if let PostgresError::Fenced { source, .. } = error {
                return PostgresError::Fenced { step, source };
            }
            error
        })
    }
}
