//! Which letters a retry takes up: those that its filter names, what waits behind them, and what comes
//! behind them while it runs.
//!
//! They are written down when it begins, in a table of its session. A letter that was released is not
//! what its filter named any more, and what waits for it has another one to wait for by then.

use std::time::Duration;

use crate::chain::{close_gate, open_gate};
use crate::error::{PostgresError, from_driver};
use crate::letters::{LetterFilter, LetterState, MATCHES, bound};
use crate::session::Session;
use crate::settings::PipelineName;

const DOING: &str = "choosing letters to retry";

/// The condition that a letter called `l` is among those whose turn it is.
pub(crate) const CHOSEN: &str = "
   AND EXISTS (SELECT FROM pg_temp.cdc_chosen AS c WHERE c.id = l.id AND NOT c.tried)";

/// The session reads whole sets, which it may join as it likes.
const BEGIN: &str = "
SET enable_hashjoin = on;
CREATE TEMP TABLE cdc_chosen (id bigint PRIMARY KEY, tried boolean NOT NULL DEFAULT false)";

const CHOOSE: &str = "
WITH named AS MATERIALIZED (SELECT l.id FROM cdc.dead_letter AS l WHERE ";

const WITH_CHAINS: &str = ")
INSERT INTO pg_temp.cdc_chosen (id)
SELECT named.id FROM named
 UNION
SELECT letter.id
  FROM cdc.dead_letter AS letter
 WHERE letter.pipeline = $1 AND letter.state = 'open'
   AND letter.blocked_by IN (SELECT named.id FROM named)";

/// What came behind chains of which nothing chosen is open any more. Where something is, it failed again,
/// and what waits for it stays.
const CAME_LATER: &str = r"
WITH tried AS MATERIALIZED (
    SELECT letter.topic, letter.raw_key, letter.target_table, bool_or(letter.state = 'open') AS is_open
      FROM pg_temp.cdc_chosen AS chosen
      JOIN cdc.dead_letter AS letter ON letter.id = chosen.id
     WHERE letter.raw_key IS NOT NULL AND (chosen.tried OR $2)
     GROUP BY letter.topic, letter.raw_key, letter.target_table),
before AS (UPDATE pg_temp.cdc_chosen SET tried = true WHERE NOT tried AND $2)
INSERT INTO pg_temp.cdc_chosen (id)
SELECT DISTINCT later.id
  FROM cdc.dead_letter AS later
  JOIN tried
    ON (tried.topic, tried.raw_key) = (later.topic, later.raw_key)
   AND (tried.target_table IS NULL OR tried.target_table = later.target_table)
 WHERE later.pipeline = $1 AND later.state = 'open' AND later.reason = 'behind_dead_letter'
   AND NOT tried.is_open
   AND NOT EXISTS (SELECT FROM pg_temp.cdc_chosen AS chosen WHERE chosen.id = later.id)";

/// How often it is tried to hold back what would come behind a chain, and how long between. Without that
/// a retry still is right, and may take as long as the pipeline goes on.
const GATE_ATTEMPTS: u32 = 100;
const GATE_PAUSE: Duration = Duration::from_millis(20);

/// The letters that a retry takes up.
#[derive(Debug)]
pub(super) struct Selection {
    /// Whether nothing is added to chains at present.
    is_gate_closed: bool,
}

impl Selection {
    /// What a filter names, and what waits behind it.
    pub(super) async fn of(
        session: &mut Session,
        pipeline: &PipelineName,
        filter: &LetterFilter,
    ) -> Result<Self, PostgresError> {
        session.execute(DOING, BEGIN).await?;
        let statement = [CHOOSE, MATCHES, WITH_CHAINS].concat();
        bound(sqlx::query(&statement), pipeline, filter)
            .execute(session.driver())
            .await
            .map_err(|error| from_driver(DOING, error))?;
        Ok(Self { is_gate_closed: false })
    }

    /// The filter that goes with [`CHOSEN`].
    pub(super) fn filter() -> LetterFilter {
        LetterFilter { state: Some(LetterState::Open), ..LetterFilter::default() }
    }

    /// Goes on with what came behind the letters that have been tried, and says how many those are.
    ///
    /// While they are applied nothing else may come: a pipeline may be as quick as a retry.
    pub(super) async fn go_on(
        &mut self,
        session: &mut Session,
        pipeline: &PipelineName,
    ) -> Result<u64, PostgresError> {
        let found = came_later(session, pipeline, Round::Next).await?;
        if found == 0 {
            if self.is_gate_closed {
                open_gate(session, pipeline).await?;
                self.is_gate_closed = false;
            }
            return Ok(0);
        }
        for _ in 0..GATE_ATTEMPTS {
            if self.is_gate_closed {
                break;
            }
            self.is_gate_closed = close_gate(session, pipeline).await?;
            if !self.is_gate_closed {
                tokio::time::sleep(GATE_PAUSE).await;
            }
        }
        let more = came_later(session, pipeline, Round::Same).await?;
        Ok(found.saturating_add(more))
    }
}

/// Which letters have been tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    /// All that were chosen up to now.
    Next,
    /// Those that had been before the last look.
    Same,
}

async fn came_later(
    session: &mut Session,
    pipeline: &PipelineName,
    round: Round,
) -> Result<u64, PostgresError> {
    let done = sqlx::query(CAME_LATER)
        .bind(pipeline.as_str())
        .bind(round == Round::Next)
        .execute(session.driver())
        .await;
    Ok(done.map_err(|error| from_driver(DOING, error))?.rows_affected())
}
