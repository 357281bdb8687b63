//! Changes of mirrors that wait behind a dead letter of their key.
//!
//! A mirror shows the last state of each row. When a change of it becomes a dead letter, what comes later
//! of the same key must not be applied before that one: the mirror would show a row that the source never
//! had, or bring a deleted one back at a retry. So it becomes a letter itself, behind the first one, and
//! the chain is applied in its order once the first can be. Histories go on: they order their rows by
//! their place in the log.
//!
//! # Who holds what back
//!
//! Letters are the exception, so a lane keeps the keys that have some in memory, and the stager looks a
//! change up only when there are any. What decides is the transaction that applies a batch:
//!
//! - **A row** whose key has an earlier open letter is not written. That letter may have become known only
//!   after the row was staged, as when the server refused an earlier record of the batch in front.
//! - **A letter** that says it waits is stored only while an earlier one is open. The first one is locked
//!   for that, so that a retry or a discard, which locks letters before it changes them, either comes first
//!   and is seen, or waits and finds the letter.
//!
//! Where memory and warehouse disagree, memory is put right and the batch is staged again.
//!
//! # A retry beside a pipeline
//!
//! A pipeline that goes on may add to a chain as fast as a retry empties it. So a retry that finds letters
//! which came meanwhile closes a [`gate`] to what would come behind them, until they are applied.
//!
//! Keys are compared by the bytes of the record's key: a change without one waits for nobody, and nobody
//! for it. A letter whose table is not known is one of every mirror that its topic feeds.

mod keys;
mod link;
mod warehouse;

use cdc_core::{Partition, WriteBatch};

use crate::body::PostgresBody;
use crate::error::PostgresError;
use crate::session::Session;
use crate::settings::PipelineName;
use crate::tables::Tables;
pub(crate) use keys::{Heads, Place, place_of};
pub(crate) use link::link;
use warehouse::load;
pub(crate) use warehouse::{Asked, Besides, close_gate, first, gate, open_gate, relink};

/// Makes sure that no row of a batch comes before an earlier letter of its key; the caller owns the
/// transaction, has stored the batch's own letters, and has not touched a mirror's rows but for inserts.
///
/// # Errors
///
/// [`PostgresError::Chained`] when the batch has to be staged again.
pub(crate) async fn require_turn(
    session: &mut Session,
    (pipeline, tables): (&PipelineName, &Tables),
    heads: &Heads,
    batch: &WriteBatch<PostgresBody>,
) -> Result<(), PostgresError> {
    let rows = heads.suspects(batch);
    let mut asked = Asked::of(heads.masks());
    for (table, at) in &rows {
        if let Some(record) = batch.record(*at) {
            asked.push(tables, Some(*table), &record);
        }
    }
    if asked.is_empty() {
        return Ok(());
    }
    let found = first(session, pipeline, &asked, &Besides::default()).await?;
    let mut is_late = false;
    for ((table, at), letter) in rows.iter().zip(&found) {
        let Some(record) = batch.record(*at) else { continue };
        let place = letter.as_ref().map(|letter| letter.place);
        is_late |= place.is_some_and(|place| place < place_of(&record));
        heads.learn(&record, Some(*table), place);
    }
    if is_late { Err(changed()) } else { Ok(()) }
}

/// Reads the keys that have open letters of these partitions.
pub(crate) async fn remember(
    session: &mut Session,
    (pipeline, tables): (&PipelineName, &Tables),
    heads: &Heads,
    partitions: &[Partition],
) -> Result<(), PostgresError> {
    let held = load(session, pipeline, partitions).await?;
    for letter in held {
        let table = letter.target.as_deref().map(|target| tables.of_target(target));
        // A table that is not written any more has nobody who would wait.
        if table != Some(None) {
            heads.insert((&letter.topic, &letter.key), table.flatten(), letter.place);
        }
    }
    heads.trim();
    Ok(())
}

fn changed() -> PostgresError {
    PostgresError::Chained
}
