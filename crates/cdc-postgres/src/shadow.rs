//! Builds a table a second time beside the live one, compares the two, and exchanges what differs.
//!
//! # The protocol
//!
//! 1. **Begin.** One transaction creates the *shadow*, a table like the live one, and the progress of a
//!    run of its own: the name of the run is another one than the pipeline's, and so are its checkpoint,
//!    books, marks, dead letters and table events. The run is a pipeline like any other, with a source
//!    that ends where the checkpoint of the live pipeline stands. Its rows and its progress commit
//!    together, so a run that was killed goes on where it stood.
//! 2. **Catch up.** While the live pipeline goes on, the run reads on to where that stands now, again and
//!    again, until little is left.
//! 3. **Halt.** A transaction locks the live table against writers, and then the live pipeline's
//!    checkpoints: the order in which the pipeline itself takes them, so that neither waits for the other
//!    in turn. Nobody has a part of a batch in the table then, and nobody can move its progress. Readers go
//!    on. The run reads what is left, to exactly where the checkpoint stands.
//! 4. **Compare**, or **exchange**. To compare, a second session takes its snapshot of both tables, and
//!    the locks are given up before anything is counted: the pipeline waits for the last of the reading
//!    alone. To exchange, the halting transaction removes the rows that the shadow does not have, changes
//!    those that differ, adds those that are missing, takes the run's dead letters and table events over,
//!    drops the shadow and forgets the run. Both fail, and change nothing, unless the run stands where the
//!    checkpoint stands.
//!
//! The pipeline goes on from its checkpoint afterwards. As the exchange commits where the checkpoint has
//! been standing all the time, no change is lost and none is applied twice, in a mirror and in a history
//! alike; no position of a row is compared for that. A process that dies before the commit leaves
//! everything as it was, the shadow included.
//!
//! # Why rows are exchanged and not names
//!
//! Views, grants, owners, foreign keys, triggers, policies, publications, statistics, owned sequences and
//! comments belong to a table, not to its name. With other names all of them would stay with the old
//! rows, and each would have to be made again, where that is possible at all: a materialised view has no
//! other way than to be dropped. So the table stays, and its rows are exchanged. That also means that rows
//! which are right keep what the warehouse gave them, such as the number and the time of a history's rows,
//! that no reader waits or sees anything in between, and that no more is written than differs. What
//! it costs: the pipeline waits while the server reads both tables, some seconds for a million rows, and
//! what was there before is gone after the commit.
//!
//! # What the server fills
//!
//! Columns with a default that is no constant, as `now()` or a sequence, may be filled by the source or
//! by the warehouse; the catalog does not tell. The shadow has such columns without the default, so the
//! source fills them exactly if some row of the shadow has a value there. Otherwise they are neither
//! compared nor changed.

mod begin;
mod catalog;
mod compare;
mod exchange;
mod halted;
mod rights;
mod statements;

use std::time::Duration;

use cdc_core::{NextOffset, Partition};

use self::catalog::Found;
use crate::catalog::TargetTable;
use crate::error::{PostgresError, from_driver};
use crate::ident::{Identifier, NAME_BYTES_MAX, QualifiedName};
use crate::repair::{digest, run_name};
use crate::session::Session;
use crate::settings::{PipelineName, PostgresSettings, TableSettings, TargetName};
use crate::sink::PostgresSink;
use crate::sql::literal;
use crate::state;

pub use self::compare::{ShadowDiff, ShadowKey, ShadowKind};
pub use self::exchange::Exchanged;
pub use self::halted::Halted;

/// What the name of a shadow ends in.
const SUFFIX: &str = "_shadow";

/// A process that has just ended may hold it for a moment longer.
const TAKE_ATTEMPTS: u32 = 10;

/// Between two attempts.
const TAKE_PAUSE: Duration = Duration::from_millis(200);

/// Taken for as long as a command lives: one at a time works on a shadow.
const TAKE: &str = "SELECT pg_try_advisory_lock(hashtextextended('cdc shadow ' || $1, 0))";

const REACHED: &str = "
SELECT own.topic, own.generation, own.partition, own.next_offset, live.next_offset
  FROM cdc.checkpoint AS own
  LEFT JOIN cdc.checkpoint AS live
    ON live.pipeline = $2
   AND (live.topic, live.generation, live.partition) = (own.topic, own.generation, own.partition)
 WHERE own.pipeline = $1
 ORDER BY own.topic, own.generation, own.partition";

/// Everything that a run keeps about itself.
const FORGET: [&str; 6] = [
    "DELETE FROM cdc.checkpoint WHERE pipeline = ",
    "DELETE FROM cdc.ledger WHERE pipeline = ",
    "DELETE FROM cdc.pipeline_table WHERE pipeline = ",
    "DELETE FROM cdc.topic WHERE pipeline = ",
    "DELETE FROM cdc.dead_letter WHERE pipeline = ",
    "DELETE FROM cdc.table_event WHERE pipeline = ",
];

/// How far a partition has been read into a shadow, and how far the pipeline has applied it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The partition.
    pub partition: Partition,
    /// Everything before this position is in the shadow.
    pub reached: NextOffset,
    /// Everything before this position is in the live table.
    pub applied: NextOffset,
}

impl Reach {
    /// How many offsets the shadow is behind.
    pub fn behind(&self) -> u64 {
        self.applied.offsets_since(self.reached)
    }
}

/// A table that is built beside the live one. One process at a time has it.
#[derive(Debug)]
pub struct Shadow {
    /// Those of the live pipeline.
    settings: PostgresSettings,
    /// The name under which the run keeps its progress.
    run: PipelineName,
    live: TableSettings,
    name: TargetName,
    session: Session,
}

impl Shadow {
    /// The shadow of a table, whether it is there or not. Nobody else works on it until it is dropped.
    ///
    /// # Errors
    ///
    /// When another process works on it, and when the warehouse cannot be reached.
    pub async fn open(
        settings: &PostgresSettings,
        live: &TableSettings,
    ) -> Result<Self, PostgresError> {
        let mut session = state::open(settings).await?;
        let name = shadow_name(&live.target)?;
        let place = format!("{} {}", settings.pipeline, live.target);
        let mut attempts_left = TAKE_ATTEMPTS;
        while !take(&mut session, &place).await? {
            attempts_left = attempts_left.saturating_sub(1);
            if attempts_left == 0 {
                return Err(PostgresError::Occupied {
                    message: format!("another process is at work on the shadow of {}", live.target),
                    fix: "wait until it has ended".to_owned(),
                });
            }
            tokio::time::sleep(TAKE_PAUSE).await;
        }
        let run = run_of(&settings.pipeline, &live.target);
        Ok(Self { settings: settings.clone(), run, live: live.clone(), name, session })
    }

    /// Whether an earlier process began it, with the same beginning: `from` is any text that is the same
    /// for the same beginning.
    ///
    /// # Errors
    ///
    /// When it was begun elsewhere, when something else has its name, or when the live table has changed
    /// since.
    pub async fn is_begun(&mut self, from: &str) -> Result<bool, PostgresError> {
        let Some(found) = self.found().await? else { return Ok(false) };
        if found.comment != self.comment(from) {
            let begun = found.comment.rsplit(BEGUN).next().unwrap_or_default();
            return Err(PostgresError::Occupied {
                message: format!("{} was begun with --from {begun}", self.name),
                fix: format!(
                    "go on with --from {begun}, or remove it with `cdc-replayer discard --table {}`",
                    self.live.source
                ),
            });
        }
        self.require_same_columns().await?;
        Ok(true)
    }

    /// Makes sure that it is there, however it was begun.
    ///
    /// # Errors
    ///
    /// When it is not, or something else has its name.
    pub async fn require_begun(&mut self) -> Result<(), PostgresError> {
        if self.found().await?.is_some() {
            return Ok(());
        }
        Err(PostgresError::Occupied {
            message: format!("{} has no shadow: there is no {}", self.live.target, self.name),
            fix: format!("make one with `cdc-replayer rebuild --table {}`", self.live.source),
        })
    }

    /// Creates it, to be read from these positions on.
    ///
    /// # Errors
    ///
    /// When the live table cannot be rebuilt from these positions, and whatever the server answers.
    pub async fn begin(
        &mut self,
        from: &str,
        starts: &[(Partition, NextOffset)],
    ) -> Result<(), PostgresError> {
        self.require_beginning(starts)?;
        self.require_all_partitions(starts).await?;
        let table = self.require_table(&self.live.target.clone()).await?;
        self.require_key(&table)?;
        let create = self.create(&table, from, starts).await?;
        let doing = format!("creating {}", self.name);
        self.session.execute(&doing, &create).await
    }

    /// Its name.
    pub fn name(&self) -> &TargetName {
        &self.name
    }

    /// A sink that writes into it, under the run's own name.
    pub fn sink(&self) -> PostgresSink {
        let settings = PostgresSettings { pipeline: self.run.clone(), ..self.settings.clone() };
        let table = TableSettings { target: self.name.clone(), ..self.live.clone() };
        PostgresSink::new(settings, vec![table])
    }

    /// How far it is.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn reach(&mut self) -> Result<Vec<Reach>, PostgresError> {
        reach(&mut self.session, &self.run, &self.settings.pipeline).await
    }

    /// Lets the planner know its rows.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn analyze(&mut self) -> Result<(), PostgresError> {
        let doing = format!("reading statistics of {}", self.name);
        self.session.execute(&doing, &format!("ANALYZE {}", self.name.0)).await
    }

    /// Halts the writers of the live table until what is returned is dropped. Readers go on.
    ///
    /// # Errors
    ///
    /// When the locks are not granted in time, when the pipeline follows partitions that the shadow does
    /// not know, or when the live table has changed.
    pub async fn halt(&mut self) -> Result<Halted, PostgresError> {
        self.require_same_columns().await?;
        let live = self.require_table(&self.live.target.clone()).await?;
        Halted::begin(self, live).await
    }

    /// Drops it, with all that its run kept.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn discard(mut self) -> Result<(), PostgresError> {
        let statement = format!("BEGIN; DROP TABLE {}; {}; COMMIT", self.name.0, forget(&self.run));
        let doing = format!("dropping {}", self.name);
        self.session.execute(&doing, &statement).await
    }
}

/// What stands in the comment of a shadow before how it was begun.
const BEGUN: &str = ", begun with --from ";

impl Shadow {
    /// What the comment of a shadow says, by which it is known again.
    fn comment(&self, from: &str) -> String {
        format!("{}{BEGUN}{from}", self.prefix())
    }

    fn prefix(&self) -> String {
        let (target, pipeline) = (&self.live.target, &self.settings.pipeline);
        format!("Shadow of {target} for the pipeline {pipeline}, by cdc-replayer")
    }

    /// What stands under its name, which must be a shadow if it is anything.
    async fn found(&mut self) -> Result<Option<Found>, PostgresError> {
        let Some(found) = catalog::find(&mut self.session, &self.name.0).await? else {
            return Ok(None);
        };
        if found.comment.starts_with(&self.prefix()) {
            return Ok(Some(found));
        }
        Err(PostgresError::Occupied {
            message: format!(
                "{} is there and is no shadow of {} for this pipeline: its comment does not say so",
                self.name, self.live.target
            ),
            fix: format!("rename {}", self.name),
        })
    }

    /// A table that has to be there.
    async fn require_table(&mut self, name: &TargetName) -> Result<TargetTable, PostgresError> {
        let found = crate::catalog::load(self.session.driver(), &name.0)
            .await
            .map_err(|error| from_driver("reading the catalog", error))?;
        found.ok_or_else(|| PostgresError::Occupied {
            message: format!("the warehouse has no table {name}"),
            fix: "run `cdc-pipeline check`: it says what a run lacks".to_owned(),
        })
    }

    async fn require_same_columns(&mut self) -> Result<(), PostgresError> {
        let live = self.require_table(&self.live.target.clone()).await?;
        let own = self.require_table(&self.name.clone()).await?;
        let differs = |one: &TargetTable, other: &TargetTable| -> Vec<String> {
            let same = |name: &str, kind: &str| {
                other.column(name).is_some_and(|column| column.type_name == kind)
            };
            let columns = one.columns.iter();
            let others = columns.filter(|column| !same(&column.name, &column.type_name));
            others.map(|column| column.name.clone()).collect()
        };
        let mut changed = differs(&live, &own);
        changed.extend(differs(&own, &live));
        changed.sort();
        changed.dedup();
        if changed.is_empty() {
            return Ok(());
        }
        Err(PostgresError::Occupied {
            message: format!(
                "the columns of {} have changed since {} was begun: {}",
                self.live.target,
                self.name,
                changed.join(", ")
            ),
            fix: "remove it with `cdc-replayer discard`, and rebuild again".to_owned(),
        })
    }
}

async fn take(session: &mut Session, place: &str) -> Result<bool, PostgresError> {
    sqlx::query_scalar(TAKE)
        .bind(place)
        .fetch_one(session.driver())
        .await
        .map_err(|error| from_driver("taking a shadow", error))
}

/// The statements with which everything about a run is forgotten.
fn forget(run: &PipelineName) -> String {
    FORGET.map(|statement| format!("{statement}{}", literal(run.as_str()))).join("; ")
}

/// Topic, generation, partition, and how far the run and the pipeline are.
type ReachRow = (String, i32, i32, Option<i64>, Option<i64>);

/// How far a run and its pipeline are.
async fn reach(
    session: &mut Session,
    run: &PipelineName,
    pipeline: &PipelineName,
) -> Result<Vec<Reach>, PostgresError> {
    let rows: Vec<ReachRow> = sqlx::query_as(REACHED)
        .bind(run.as_str())
        .bind(pipeline.as_str())
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver("reading how far a shadow is", error))?;
    let position = |raw: Option<i64>| {
        raw.and_then(|raw| NextOffset::try_new(raw).ok()).unwrap_or(NextOffset::ZERO)
    };
    let reach = |(topic, generation, number, reached, applied): &ReachRow| {
        let partition = Partition::new(topic, u32::try_from(*generation).ok()?, *number).ok()?;
        Some(Reach { partition, reached: position(*reached), applied: position(*applied) })
    };
    Ok(rows.iter().filter_map(reach).collect())
}

/// The name of a table's shadow: beside it, and cut where the server would cut it, with a digest then.
fn shadow_name(live: &TargetName) -> Result<TargetName, PostgresError> {
    let name = live.0.name.as_str();
    let mut wanted = format!("{name}{SUFFIX}");
    if wanted.len() > NAME_BYTES_MAX {
        let digest = format!("_{:08x}{SUFFIX}", digest(name) >> 32);
        let room = NAME_BYTES_MAX.saturating_sub(digest.len());
        let kept =
            name.char_indices().take_while(|(at, c)| at.saturating_add(c.len_utf8()) <= room);
        wanted = kept.map(|(_, c)| c).chain(digest.chars()).collect();
    }
    let name = Identifier::parse(&wanted).map_err(|error| PostgresError::Occupied {
        message: format!("a shadow of {live} would be called {wanted}: {error}"),
        fix: "give the table a shorter name".to_owned(),
    })?;
    Ok(TargetName(QualifiedName { schema: live.0.schema.clone(), name }))
}

/// The name of a table's run.
fn run_of(pipeline: &PipelineName, live: &TargetName) -> PipelineName {
    run_name(pipeline, "rebuild", &live.to_string(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shadow_stands_beside_its_table_under_a_name_that_the_server_keeps() {
        let name = |live: &str| shadow_name(&TargetName::parse(live).unwrap()).unwrap().to_string();
        assert_eq!(name("sales.orders"), "sales.orders_shadow");
        let long = name(&format!("s.{}", "ü".repeat(31)));
        assert!(long.len() <= 65 && long.ends_with("_shadow"), "{long}");
        assert_ne!(long, name(&format!("s.{}", "ü".repeat(30))));
    }

    #[test]
    fn runs_of_other_tables_have_other_names() {
        let orders = PipelineName::parse("orders").unwrap();
        let of = |live: &str| run_of(&orders, &TargetName::parse(live).unwrap());
        assert_eq!(of("a"), of("public.a"));
        assert_ne!(of("a"), of("b"));
        assert!(of("a").as_str().starts_with("orders rebuild "));
    }
}
