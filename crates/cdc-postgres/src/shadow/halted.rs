//! A live table that nobody writes to for a moment.

use cdc_core::Partition;

use super::statements::Sides;
use super::{Reach, Shadow, catalog, reach};
use crate::catalog::TargetTable;
use crate::checkpoint::LOCK_TIMEOUT;
use crate::error::{PostgresError, from_driver};
use crate::ident::Identifier;
use crate::session::Session;
use crate::settings::{Mode, PipelineName, PostgresSettings, TableSettings, TargetName};
use crate::{history, sql};

/// In the order of the key, like everybody who locks several.
const STAND_STILL: &str = "
SELECT topic, generation, partition, next_offset
  FROM cdc.checkpoint
 WHERE pipeline = $1 AND topic = ANY ($2)
 ORDER BY topic, generation, partition
   FOR UPDATE";

/// The writers of a live table wait while this lives.
#[derive(Debug)]
pub struct Halted {
    /// In the transaction that holds the locks.
    pub(super) session: Session,
    pub(super) settings: PostgresSettings,
    pub(super) run: PipelineName,
    pub(super) live: TableSettings,
    pub(super) shadow: TargetName,
    /// The live table by the catalog.
    table: TargetTable,
    reach: Vec<Reach>,
}

impl Halted {
    pub(super) async fn begin(shadow: &Shadow, table: TargetTable) -> Result<Self, PostgresError> {
        let Shadow { settings, run, live, name, .. } = shadow;
        let mut session = Session::connect(settings).await?;
        let halting = format!("halting the writers of {}", live.target);
        // Two whole tables are compared: a limit for statements of batches is none for that.
        let begin =
            format!("{}; SET LOCAL statement_timeout = 0", sql::begin(settings.lock_timeout));
        session.execute(&halting, &begin).await?;
        if live.mode == Mode::History {
            // A repair or a retry that has found rows missing would bring them behind the exchange. It
            // locks places before the table, and so does this.
            let target = live.target.to_string();
            for place in reach(&mut session, run, &settings.pipeline).await? {
                let locked = history::lock(&mut session, &target, &place.partition).await;
                locked.map_err(|error| in_time(error, live))?;
            }
        }
        let lock = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.name);
        let locked = session.execute(&halting, &lock).await;
        locked.map_err(|error| in_time(error, live))?;
        let reach = reach(&mut session, run, &settings.pipeline).await?;
        let mut halted = Self {
            session,
            settings: settings.clone(),
            run: run.clone(),
            live: live.clone(),
            shadow: name.clone(),
            table,
            reach,
        };
        halted.stand_still(&halting).await?;
        Ok(halted)
    }

    /// Locks the pipeline's progress, and compares what it follows with what the run follows.
    async fn stand_still(&mut self, halting: &str) -> Result<(), PostgresError> {
        let topics = self.reach.iter().map(|reach| reach.partition.topic().to_string());
        let topics: Vec<String> = topics.collect();
        let rows = sqlx::query(STAND_STILL)
            .bind(self.settings.pipeline.as_str())
            .bind(&topics)
            .fetch_all(self.session.driver())
            .await
            .map_err(|error| in_time(from_driver(halting, error), &self.live))?;
        for row in &rows {
            let partition =
                crate::letters::partition(row).map_err(|error| from_driver(halting, error))?;
            if !self.reach.iter().any(|reach| reach.partition == partition) {
                return Err(PostgresError::Occupied {
                    message: format!(
                        "the pipeline follows {partition}, which {} does not know",
                        self.shadow
                    ),
                    fix: "remove the shadow with `cdc-replayer discard`, and rebuild again"
                        .to_owned(),
                });
            }
        }
        // It may have moved before it was locked.
        self.reach = reach(&mut self.session, &self.run, &self.settings.pipeline).await?;
        if let Some(reach) = self.reach.iter().find(|reach| reach.reached > reach.applied) {
            let Reach { partition, reached, applied } = reach;
            return Err(PostgresError::Occupied {
                message: format!(
                    "{} holds {partition} up to {reached}, and the pipeline, which was started over, \
                     has applied it up to {applied}",
                    self.shadow
                ),
                fix: "wait until the pipeline has come as far again".to_owned(),
            });
        }
        Ok(())
    }

    /// How far the shadow is, and where the pipeline stands still.
    pub fn reach(&self) -> &[Reach] {
        &self.reach
    }

    /// Makes sure that the shadow stands where the pipeline stands, and says which rows are compared.
    pub(super) async fn meet(&mut self) -> Result<Sides, PostgresError> {
        self.reach = reach(&mut self.session, &self.run, &self.settings.pipeline).await?;
        if let Some(behind) = self.reach.iter().find(|reach| reach.reached != reach.applied) {
            let Reach { partition, reached, applied } = behind;
            return Err(PostgresError::Occupied {
                message: format!(
                    "{} holds {partition} up to {reached}, and the pipeline stands at {applied}",
                    self.shadow
                ),
                fix: "try again: nothing was changed".to_owned(),
            });
        }
        let filled = catalog::server_filled(&mut self.session, &self.table.name).await?;
        let mut left_out = Vec::new();
        for column in filled {
            if !self.is_filled(&column).await? {
                left_out.push(column);
            }
        }
        let partitions: Vec<Partition> =
            self.reach.iter().map(|reach| reach.partition.clone()).collect();
        let (table, shadow) = (&self.table, &self.shadow.0);
        Ok(Sides::new(table, shadow, self.live.mode, left_out, &partitions))
    }

    /// Whether the source fills a column for which the server has a default as well.
    async fn is_filled(&mut self, column: &str) -> Result<bool, PostgresError> {
        let doing = format!("reading {}", self.shadow);
        let Ok(column) = Identifier::parse(column) else { return Ok(true) };
        let statement = format!(
            "SELECT EXISTS (SELECT FROM {} WHERE {} IS NOT NULL)",
            self.shadow.0,
            column.quoted()
        );
        sqlx::query_scalar(&statement)
            .persistent(false)
            .fetch_one(self.session.driver())
            .await
            .map_err(|error| from_driver(doing, error))
    }
}

/// Says what to do about a lock that was not granted in time.
pub(super) fn in_time(mut error: PostgresError, live: &TableSettings) -> PostgresError {
    if let PostgresError::Server { sqlstate, hint, .. } = &mut error
        && sqlstate == LOCK_TIMEOUT
    {
        *hint = Some(format!(
            "try again when nobody holds {} for long, or raise `lock_timeout` in [sink.postgres]; \
             pg_locks shows who does. Nothing was changed",
            live.target
        ));
    }
    error
}
