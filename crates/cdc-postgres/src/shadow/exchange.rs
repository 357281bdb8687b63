//! The rows of a shadow in the place of those that differ from them, in one transaction.

use super::halted::in_time;
use super::{Halted, forget};
use crate::error::{PostgresError, from_driver};

/// Joins of whole tables, as when they are compared.
const JOINS: &str = "SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; \
                     SET LOCAL enable_nestloop = off";

/// The run's letters become the pipeline's. A record whose letter was settled and that was refused again
/// is as open as it was at first; what somebody put aside stays aside.
const LETTERS: &str = r#"
INSERT INTO cdc.dead_letter AS held
       (pipeline, topic, generation, partition, "offset", source_table, target_table, stage, reason,
        message, column_name, sqlstate, hint, raw_key, raw_value, raw_headers, timestamp_ms,
        deleted_in, overlaid_in)
SELECT $1, letter.topic, letter.generation, letter.partition, letter."offset", letter.source_table,
       CASE letter.target_table WHEN $3 THEN $4 ELSE letter.target_table END, letter.stage,
       letter.reason, letter.message, letter.column_name, letter.sqlstate, letter.hint, letter.raw_key,
       letter.raw_value, letter.raw_headers, letter.timestamp_ms,
       array_replace(letter.deleted_in, $3, $4), array_replace(letter.overlaid_in, $3, $4)
  FROM cdc.dead_letter AS letter
 WHERE letter.pipeline = $2
 ORDER BY letter.topic, letter.generation, letter.partition, letter."offset"
    ON CONFLICT (pipeline, topic, generation, partition, "offset") DO UPDATE
   SET state = 'open', stage = excluded.stage, reason = excluded.reason,
       message = excluded.message, column_name = excluded.column_name,
       sqlstate = excluded.sqlstate, hint = excluded.hint, source_table = excluded.source_table,
       target_table = excluded.target_table, deleted_in = excluded.deleted_in,
       overlaid_in = excluded.overlaid_in, holds = true, blocked_by = NULL,
       resolution = NULL, resolved_by = NULL, resolved_at = NULL
 WHERE held.state NOT IN ('open', 'discarded')"#;

/// What waits behind a letter in the run waits behind the same one here.
const CHAINS: &str = r#"
UPDATE cdc.dead_letter AS held
   SET blocked_by = head.id
  FROM cdc.dead_letter AS own
  JOIN cdc.dead_letter AS first ON first.id = own.blocked_by
  JOIN cdc.dead_letter AS head
    ON (head.pipeline, head.topic, head.generation, head.partition, head."offset")
     = ($1, first.topic, first.generation, first.partition, first."offset")
 WHERE own.pipeline = $2 AND head.state = 'open' AND held.state = 'open'
   AND (held.pipeline, held.topic, held.generation, held.partition, held."offset")
     = ($1, own.topic, own.generation, own.partition, own."offset")"#;

const EVENTS: &str = r#"
INSERT INTO cdc.table_event
       (pipeline, topic, generation, partition, "offset", ordinal, kind, source_table, target_table,
        source_lsn, source_tx_id, captured_at, connector, source_database, begins_at, note, opens,
        closes, passed_at, alone)
SELECT $1, topic, generation, partition, "offset", ordinal, kind, source_table, $3, source_lsn,
       source_tx_id, captured_at, connector, source_database, begins_at, note, opens, closes,
       passed_at, alone
  FROM cdc.table_event
 WHERE pipeline = $2
    ON CONFLICT DO NOTHING"#;

/// Whoever writes for the pipeline keeps the keys of its open letters in memory, and reads them when it
/// takes its partitions over. With new ones it has to do so again.
const FENCE: &str = "
UPDATE cdc.checkpoint AS held
   SET epoch = held.epoch + 1, updated_at = clock_timestamp()
 WHERE held.pipeline = $1
   AND EXISTS (SELECT FROM cdc.checkpoint AS own
                WHERE own.pipeline = $2
                  AND (own.topic, own.generation, own.partition)
                    = (held.topic, held.generation, held.partition))";

/// What an exchange did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exchanged {
    /// Rows that the shadow did not have, and doubled ones.
    pub removed: u64,
    /// Rows that differed.
    pub changed: u64,
    /// Rows that were missing.
    pub added: u64,
    /// Dead letters that the pipeline did not have, or had as settled.
    pub letters: u64,
}

impl Halted {
    /// Makes the live table equal to the shadow, drops the shadow, and lets writers go on.
    ///
    /// Rows that only the live table has are removed, up to `remove_max` of them: nobody can bring them
    /// back when the log holds less than the whole story, as a compacted topic does.
    ///
    /// # Errors
    ///
    /// When the shadow does not stand where the pipeline stands, when it is empty and the live table is
    /// not, when more rows would be removed, and whatever the server answers. Nothing is changed then.
    pub async fn exchange(mut self, remove_max: u64) -> Result<Exchanged, PostgresError> {
        let sides = self.meet().await?;
        let doing = format!("exchanging the rows of {}", self.live.target);
        self.session.execute(&doing, JOINS).await?;
        self.refuse_nothing().await?;
        let removed = self.run(&doing, &sides.remove_only_live()).await?;
        if removed > remove_max {
            return Err(self.too_many(removed));
        }
        let mut done = Exchanged { removed, ..Exchanged::default() };
        if let Some(statement) = sides.remove_doubled() {
            done.removed = done.removed.saturating_add(self.run(&doing, &statement).await?);
        }
        if !sides.compared.is_empty() {
            done.changed = self.run(&doing, &sides.change()).await?;
        }
        done.added = self.run(&doing, &sides.add()).await?;
        done.letters = self.adopt().await?;
        let last = format!("DROP TABLE {}; {}; COMMIT", self.shadow.0, forget(&self.run));
        self.session.execute(&doing, &last).await?;
        Ok(done)
    }

    /// A range without any change of the table is hardly what somebody wanted to have in its place.
    async fn refuse_nothing(&mut self) -> Result<(), PostgresError> {
        let statement = format!(
            "SELECT NOT EXISTS (SELECT FROM {}) AND EXISTS (SELECT FROM {})",
            self.shadow.0, self.live.target.0
        );
        let is_nothing: bool = sqlx::query_scalar(&statement)
            .persistent(false)
            .fetch_one(self.session.driver())
            .await
            .map_err(|error| from_driver("reading the shadow", error))?;
        if !is_nothing {
            return Ok(());
        }
        Err(PostgresError::Occupied {
            message: format!("{} is empty and {} is not", self.shadow, self.live.target),
            fix: format!(
                "look whether the topics hold changes of {}; if no row is right, TRUNCATE {} yourself",
                self.live.source, self.live.target
            ),
        })
    }

    fn too_many(&self, rows: u64) -> PostgresError {
        PostgresError::Occupied {
            message: format!(
                "{} has {rows} rows that {} does not have, and they would be removed",
                self.live.target, self.shadow
            ),
            fix: format!(
                "look at them with `cdc-replayer diff`: a topic that is compacted, or that was read from a \
                 later place, does not hold all that is right; where they are wrong, add --remove {rows}"
            ),
        }
    }

    /// Gives the pipeline what the run kept beside rows. How many letters it had not.
    async fn adopt(&mut self) -> Result<u64, PostgresError> {
        let (shadow, live) = (self.shadow.to_string(), self.live.target.to_string());
        let (pipeline, run) = (self.settings.pipeline.clone(), self.run.clone());
        let letters = sqlx::query(LETTERS)
            .bind(pipeline.as_str())
            .bind(run.as_str())
            .bind(&shadow)
            .bind(&live)
            .execute(self.session.driver())
            .await
            .map_err(|error| from_driver("taking over the dead letters of a shadow", error))?
            .rows_affected();
        sqlx::query(CHAINS)
            .bind(pipeline.as_str())
            .bind(run.as_str())
            .execute(self.session.driver())
            .await
            .map_err(|error| from_driver("taking over the chains of a shadow", error))?;
        sqlx::query(EVENTS)
            .bind(pipeline.as_str())
            .bind(run.as_str())
            .bind(&live)
            .execute(self.session.driver())
            .await
            .map_err(|error| from_driver("taking over the table events of a shadow", error))?;
        if letters > 0 {
            sqlx::query(FENCE)
                .bind(pipeline.as_str())
                .bind(run.as_str())
                .execute(self.session.driver())
                .await
                .map_err(|error| from_driver("telling the pipeline of dead letters", error))?;
        }
        Ok(letters)
    }

    async fn run(&mut self, doing: &str, statement: &str) -> Result<u64, PostgresError> {
        let done = sqlx::query(statement).persistent(false).execute(self.session.driver()).await;
        let failed = |error| in_time(from_driver(doing, error), &self.live);
        done.map(|done| done.rows_affected()).map_err(failed)
    }
}
