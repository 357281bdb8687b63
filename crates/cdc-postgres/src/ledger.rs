//! The books: what became of the records of each range, entered with the step of progress.
//!
//! An entry is a part of the message that moves the checkpoint and commits, so it costs no exchange
//! of its own, and the newest entry of a log ends where its checkpoint stands. A checkpoint that stands
//! elsewhere was moved by somebody else; nothing is applied behind it before a person has decided.

use std::collections::{BTreeMap, BTreeSet};

use cdc_core::{CheckpointDelta, Partition, Tally};

use crate::checkpoint::{Acquired, generation};
use crate::dead_letter::storable;
use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::PipelineName;
use crate::sql;

/// The books of a log whose progress was forgotten on purpose begin anew.
const BEGIN_ANEW: &str = "
DELETE FROM cdc.ledger
 WHERE (pipeline, run, topic, generation, partition) = ($1, 0, $2, $3, $4)";

const HEADS: &str = "
SELECT topic, generation, partition, next_offset, head FROM cdc.ledger_heads($1)
 ORDER BY topic, generation, partition";

/// Topic, generation, partition, and both positions.
type HeadRow = (String, i32, i32, Option<i64>, Option<i64>);

/// Where a log stands by its checkpoint and by its ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) partition: Partition,
    /// Where the checkpoint stands; `None` before anything has been applied.
    pub(crate) checkpoint: Option<i64>,
    /// Where the newest entry ends; `None` without entries.
    pub(crate) ledger: Option<i64>,
}

impl Head {
    /// What is wrong, when the two disagree. Without entries there is nothing to disagree with: the
    /// books begin where the checkpoint stands.
    pub(crate) fn mismatch(&self, pipeline: &PipelineName) -> Option<PostgresError> {
        let ledger = self.ledger?;
        if self.checkpoint == Some(ledger) {
            return None;
        }
        Some(PostgresError::Books {
            partition: self.partition.clone(),
            checkpoint: self.checkpoint,
            ledger,
            hint: hint(pipeline, &self.partition, ledger),
        })
    }
}

/// What to do about a checkpoint that was moved by hand.
pub(crate) fn hint(pipeline: &PipelineName, partition: &Partition, ledger: i64) -> String {
    let log = format!(
        "WHERE pipeline = {} AND topic = {} AND generation = {} AND partition = {}",
        sql::literal(pipeline.as_str()),
        sql::literal(partition.topic().as_str()),
        generation(partition),
        partition.number().get(),
    );
    format!(
        "stop the pipeline and put the checkpoint back: UPDATE cdc.checkpoint SET next_offset = \
         {ledger} {log}; or, if it was moved on purpose, let new books begin there: DELETE FROM \
         cdc.ledger {log};"
    )
}

/// The arguments of `cdc.advance_and_book` that make the entries, in the order of the step's ranges.
pub(crate) fn arguments(delta: &CheckpointDelta, tallies: &BTreeMap<Partition, Tally>) -> String {
    let nothing = Tally::default();
    let tallies: Vec<&Tally> =
        delta.ranges().map(|(partition, _)| tallies.get(partition).unwrap_or(&nothing)).collect();
    let column =
        |count: fn(&Tally) -> u64| sql::numbers(tallies.iter().map(|tally| count(tally)), "int8");
    let reasons: Vec<String> = tallies.iter().map(|tally| reasons(tally)).collect();
    [
        column(|tally| tally.read),
        column(Tally::written),
        column(|tally| tally.folded),
        column(Tally::skipped_total),
        format!("{}::jsonb[]", sql::texts(reasons.iter().map(String::as_str))),
        column(|tally| tally.dead_lettered),
    ]
    .join(", ")
}

/// Skipped records by reason. A rule may have the name of a reason of ours: they are added up.
fn reasons(tally: &Tally) -> String {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (reason, count) in tally.skipped() {
        let held = counts.entry(storable(reason.name())).or_default();
        *held = held.saturating_add(count);
    }
    serde_json::to_string(&counts).expect("a map of texts and numbers is JSON")
}

/// Where the logs of a pipeline stand.
pub(crate) async fn heads(
    session: &mut Session,
    pipeline: &PipelineName,
) -> Result<Vec<Head>, PostgresError> {
    let doing = "reading the heads of the ledger";
    let rows: Vec<HeadRow> = sqlx::query_as(HEADS)
        .bind(pipeline.as_str())
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver(doing, error))?;
    let mut heads = Vec::with_capacity(rows.len());
    for (topic, generation, number, checkpoint, ledger) in rows {
        // Rows that nobody of ours can have written are nobody's log.
        let Ok(generation) = u32::try_from(generation) else { continue };
        if let Ok(partition) = Partition::new(&topic, generation, number) {
            heads.push(Head { partition, checkpoint, ledger });
        }
    }
    Ok(heads)
}

/// Makes sure that the books go on where these partitions were acquired. Those of `known` were this
/// lane's before.
///
/// # Errors
///
/// [`PostgresError::Books`] where they do not.
pub(crate) async fn join(
    session: &mut Session,
    pipeline: &PipelineName,
    acquired: &[Acquired],
    known: &BTreeSet<Partition>,
) -> Result<(), PostgresError> {
    for head in heads(session, pipeline).await? {
        if !acquired.iter().any(|(partition, ..)| *partition == head.partition) {
            continue;
        }
        let Some(error) = head.mismatch(pipeline) else { continue };
        if head.checkpoint.is_some() || known.contains(&head.partition) {
            return Err(error);
        }
        tracing::warn!(
            partition = %head.partition,
            ledger = head.ledger,
            "the checkpoint was removed: starting over, with new books"
        );
        sqlx::query(BEGIN_ANEW)
            .bind(pipeline.as_str())
            .bind(head.partition.topic().as_str())
            .bind(generation(&head.partition))
            .bind(head.partition.number().get())
            .execute(session.driver())
            .await
            .map_err(|error| from_driver("beginning new books", error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cdc_core::SkipReason;

    use super::*;

    #[test]
    fn skipped_records_stand_under_their_reasons_whatever_a_rule_is_called() {
        let mut tally = Tally::default();
        tally.skip(SkipReason::Tombstone);
        tally.skip(SkipReason::Filtered(Arc::from("tombstone")));
        tally.skip(SkipReason::Filtered(Arc::from("no \"tests\"\0")));
        assert_eq!(reasons(&tally), "{\"no \\\"tests\\\"\u{fffd}\":1,\"tombstone\":2}");
    }
}
