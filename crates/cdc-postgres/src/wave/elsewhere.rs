//! Where a wave ends in a topic of several partitions.
//!
//! Its first row stands in one of them and its last in one; in the others a wave has no marks. It has ended
//! there when three things are known, in whatever order and by whichever process they were applied:
//!
//! 1. A first row was marked, in any partition. So the tables that are followed have missed nothing of it,
//!    and what could not be read or is lost behind the table's event before is asked for in each partition.
//! 2. Its last row was applied, in any partition: the connector has sent all of it.
//! 3. In this partition a streamed change of the same connector and database came behind the wave's first
//!    row, and stands in the source's log where the snapshot was taken, or later. The connector sends it
//!    when the snapshot is complete, and what it sends into one partition keeps its order.
//!
//! So a row of the partition that stands before the begin and was not touched was not in the source when
//! the snapshot was taken. Had the connector died between 2 and 3, it would have taken another snapshot
//! before it streamed, because a snapshot counts as complete only when the broker has acknowledged all of
//! it, and what exists would stand behind the begin all the same.
//!
//! That the log was read to where it ended when the last row was seen would not do: the broker may have
//! acknowledged the last row and still lack rows of other partitions that were sent before it.
//!
//! A partition without such a change waits, and keeps its rows; so does one into which the snapshot has
//! brought no row, as nothing says where it begins there.

use std::collections::BTreeMap;
use std::time::Duration;

use cdc_core::{ChangeEvent, Offset, Partition, TableId};
use sqlx::Row as _;
use tokio::time::Instant;

use super::{DOING, Edge, SAME, SEVERAL, Sweep, Wave, WavePart, doubts, failed, insert};
use crate::checkpoint::{Parameters, generation};
use crate::error::PostgresError;
use crate::session::Session;
use crate::settings::{Mode, PipelineName, TableSettings};
use crate::sql;
use crate::tables::Tables;

/// How often it is asked whether the last row of a snapshot was applied by somebody else.
const LOOK: Duration = Duration::from_secs(1);

/// Waves that have begun in some partitions and not ended there, the newest of each table.
const OPEN: &str = r#"
SELECT begun.topic, begun.generation, begun.partition, begun.target_table,
       begun.passed_at IS NOT NULL AS passed
  FROM cdc.table_event AS begun
  JOIN unnest($2::text[], $3::int4[], $4::int4[]) AS own (topic, generation, partition)
    ON (begun.topic, begun.generation, begun.partition)
     = (own.topic, own.generation, own.partition)
 WHERE begun.pipeline = $1 AND begun.kind = 'snapshot_begin'
   AND NOT EXISTS (SELECT FROM cdc.table_event AS later
                    WHERE (later.pipeline, later.topic, later.generation, later.partition,
                           later.target_table)
                        = (begun.pipeline, begun.topic, begun.generation, begun.partition,
                           begun.target_table)
                      AND (later.kind = 'snapshot_begin' AND later."offset" > begun."offset"
                        OR later.kind = 'snapshot_end' AND later."offset" >= begun."offset"))"#;

/// Of several waves the newest counts, which has shown what exists since all others began.
const PASS: &str = r#"
UPDATE cdc.table_event AS held
   SET passed_at = $9
 WHERE held.pipeline = $1 AND held.topic = $2 AND held.generation = $3 AND held.partition = $4
   AND held.target_table = $5 AND held.connector = $6 AND held.source_database = $7
   AND held.source_lsn <= $8::pg_lsn AND held."offset" < $9
   AND held.kind = 'snapshot_begin' AND held.passed_at IS NULL
   AND NOT EXISTS (SELECT FROM cdc.table_event AS later
                    WHERE (later.pipeline, later.topic, later.generation, later.partition,
                           later.target_table)
                        = (held.pipeline, held.topic, held.generation, held.partition,
                           held.target_table)
                      AND later.kind = 'snapshot_begin'
                      AND later."offset" > held."offset" AND later."offset" < $9)"#;

/// The farthest streamed change of a batch, for a table, a partition and a connector.
#[derive(Debug, Clone)]
pub(crate) struct Streamed {
    table: TableId,
    partition: Partition,
    connector: String,
    database: String,
    lsn: u64,
    offset: Offset,
}

/// Takes up a change, which may be the first behind a snapshot.
pub(crate) fn note_streamed(streamed: &mut Vec<Streamed>, event: &ChangeEvent<'_>) {
    let Some(sent) = &event.emission else { return };
    let (lsn, offset) = (sent.change.at.lsn, event.record.offset);
    let same = |held: &&mut Streamed| {
        held.table == event.table
            && held.partition == *event.record.partition
            && held.connector == sent.connector
            && held.database == sent.database
    };
    match streamed.iter_mut().rev().find(same) {
        Some(held) if held.lsn > lsn => {}
        Some(held) => (held.lsn, held.offset) = (lsn, offset),
        None => streamed.push(Streamed {
            table: event.table,
            partition: event.record.partition.clone(),
            connector: sent.connector.to_owned(),
            database: sent.database.to_owned(),
            lsn,
            offset,
        }),
    }
}

/// What a lane knows of waves that have not ended. The tables of the warehouse know it; this only spares
/// asking them with every batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpenWaves {
    /// Whether the partition has a change behind the wave.
    waves: BTreeMap<(TableId, Partition), bool>,
    looked_at: Option<Instant>,
}

impl OpenWaves {
    /// Adds what is open in partitions that were taken over.
    pub(crate) fn extend(&mut self, more: Self) {
        self.waves.extend(more.waves);
        self.looked_at = None;
    }

    /// Forgets partitions that were given up.
    pub(crate) fn leave(&mut self, partitions: &[Partition]) {
        self.waves.retain(|(_, partition), _| !partitions.contains(partition));
    }

    fn is_to_look(&self) -> bool {
        !self.waves.is_empty() && self.looked_at.is_none_or(|at| at.elapsed() >= LOOK)
    }
}

/// The open waves of partitions.
pub(crate) async fn open_in(
    session: &mut Session,
    (pipeline, tables): (&PipelineName, &Tables),
    partitions: &[Partition],
) -> Result<OpenWaves, PostgresError> {
    let parameters = Parameters::of(partitions);
    let rows = sqlx::query(OPEN)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .fetch_all(session.driver())
        .await
        .map_err(failed)?;
    let mut open = OpenWaves { looked_at: Some(Instant::now()), ..OpenWaves::default() };
    for row in &rows {
        let target: String = row.try_get("target_table").map_err(failed)?;
        let passed = row.try_get("passed").map_err(failed)?;
        let Some(partition) = own(partitions, row)? else { continue };
        for table in tables.all().iter().filter(|table| table.target.to_string() == target) {
            open.waves.insert((table.id, partition.clone()), passed);
        }
    }
    Ok(open)
}

/// Which of these partitions a row is about.
fn own<'p>(
    partitions: impl IntoIterator<Item = &'p Partition>,
    row: &sqlx::postgres::PgRow,
) -> Result<Option<&'p Partition>, PostgresError> {
    let topic: &str = row.try_get("topic").map_err(failed)?;
    let place: (i32, i32) =
        (row.try_get("generation").map_err(failed)?, row.try_get("partition").map_err(failed)?);
    let is_it = |held: &&Partition| {
        held.topic().as_str() == topic && (generation(held), held.number().get()) == place
    };
    Ok(partitions.into_iter().find(is_it))
}

/// Follows the waves of a batch, as [`insert`] does, and those of which the batch or somebody else has
/// brought what they waited for. What is open moves with it, and may know too little afterwards only
/// until it is looked at again.
pub(crate) async fn follow(
    session: &mut Session,
    whose: (&PipelineName, &Tables),
    (parts, streamed): (&[WavePart], &[Streamed]),
    open: &mut OpenWaves,
) -> Result<Vec<Sweep>, PostgresError> {
    let has_last = parts.iter().any(|part| part.last.is_some());
    let mut looks = has_last || open.is_to_look();
    if looks && !open.waves.is_empty() {
        let partitions: Vec<Partition> =
            open.waves.keys().map(|(_, partition)| partition.clone()).collect();
        *open = open_in(session, whose, &partitions).await?;
    }
    let mut sweeps = insert(session, whose, parts).await?;
    for part in parts {
        open.waves.insert((part.table, part.partition.clone()), false);
    }
    for change in streamed {
        let place = (change.table, change.partition.clone());
        if let Some(passed) = open.waves.get_mut(&place).filter(|passed| !**passed) {
            *passed = pass(session, whose, change).await?;
            looks |= *passed;
        }
    }
    if looks {
        for table in whose.1.all() {
            let own = open.waves.keys().filter(|(id, _)| *id == table.id);
            let partitions: Vec<Partition> = own.map(|(_, partition)| partition.clone()).collect();
            if !partitions.is_empty() {
                sweeps.extend(end(session, (whose.0, table), &partitions).await?);
            }
        }
    }
    Ok(sweeps)
}

/// Writes down that a change stands behind waves.
async fn pass(
    session: &mut Session,
    (pipeline, tables): (&PipelineName, &Tables),
    change: &Streamed,
) -> Result<bool, PostgresError> {
    let table = tables.require(change.table)?;
    let done = sqlx::query(PASS)
        .bind(pipeline.as_str())
        .bind(change.partition.topic().as_str())
        .bind(generation(&change.partition))
        .bind(change.partition.number().get())
        .bind(table.target.to_string())
        .bind(&change.connector)
        .bind(&change.database)
        .bind(sql::lsn(change.lsn))
        .bind(change.offset.get())
        .execute(session.driver())
        .await
        .map_err(failed)?;
    Ok(done.rows_affected() > 0)
}

/// Writes down that the last row of a wave was applied, if its topic has several partitions, and whether
/// it has.
pub(super) async fn close(
    session: &mut Session,
    wave: Wave<'_>,
    last: Edge,
) -> Result<bool, PostgresError> {
    let statement = format!(
        "UPDATE cdc.table_event AS held SET closes = true, passed_at = coalesce(held.passed_at, $9) \
         FROM {HERE} WHERE {SPREAD} {SEVERAL} AND {SAME} AND held.kind = 'snapshot_begin'",
        HERE = super::HERE,
        SPREAD = super::SPREAD,
    );
    let closed = wave.named(&statement).bind(last.offset.get());
    Ok(closed.execute(session.driver()).await.map_err(failed)?.rows_affected() > 0)
}

/// Ends waves in partitions of a topic that has several, where all is known that they wait for, and gives
/// what follows.
async fn end(
    session: &mut Session,
    (pipeline, table): (&PipelineName, &TableSettings),
    partitions: &[Partition],
) -> Result<Vec<Sweep>, PostgresError> {
    let placed = match table.mode {
        Mode::History => "true".to_owned(),
        Mode::Mirror { .. } => format!(
            "EXISTS (SELECT FROM pg_catalog.pg_attribute AS own WHERE own.attrelid = \
             to_regclass({}) AND own.attname = 'cdc_partition' AND own.atttypid = 'int4'::regtype \
             AND NOT own.attisdropped)",
            sql::literal(&table.target.0.to_string())
        ),
    };
    let statement = statement(&doubts("begun.passed_at", &placed));
    let parameters = Parameters::of(partitions);
    let rows = sqlx::query(&statement)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .bind(table.target.to_string())
        .fetch_all(session.driver())
        .await
        .map_err(|error| crate::error::from_driver(DOING, error))?;
    let mut sweeps = Vec::new();
    for row in &rows {
        let Some(partition) = own(partitions, row)? else { continue };
        let sweep = Sweep {
            table: table.id,
            partition: partition.clone(),
            begins_at: row.try_get("begins_at").map_err(failed)?,
            ends_at: row.try_get("offset").map_err(failed)?,
            alone: false,
        };
        let note: Option<String> = row.try_get("note").map_err(failed)?;
        sweeps.extend(sweep.unless(table, note.as_deref().map(|note| (note, true))));
    }
    Ok(sweeps)
}

fn statement(doubts: &str) -> String {
    const OF_THE_WAVE: &str = "(part.pipeline, part.topic, part.generation, part.target_table, \
        part.connector, part.source_lsn, part.source_tx_id) = (begun.pipeline, begun.topic, \
        begun.generation, begun.target_table, begun.connector, begun.source_lsn, begun.source_tx_id)";
    format!(
        r#"
INSERT INTO cdc.table_event
       (pipeline, topic, generation, partition, target_table, connector, source_lsn, source_tx_id,
        source_table, "offset", ordinal, captured_at, source_database, kind, begins_at, note, alone)
SELECT begun.pipeline, begun.topic, begun.generation, begun.partition, begun.target_table,
       begun.connector, begun.source_lsn, begun.source_tx_id, begun.source_table, begun.passed_at, 0,
       begun.captured_at, begun.source_database, 'snapshot_end', begun."offset",
       coalesce(begun.note, {doubts}), false
  FROM cdc.table_event AS begun
  JOIN unnest($2::text[], $3::int4[], $4::int4[]) AS own (topic, generation, partition)
    ON (begun.topic, begun.generation, begun.partition)
     = (own.topic, own.generation, own.partition)
 WHERE begun.pipeline = $1 AND begun.target_table = $5 AND begun.kind = 'snapshot_begin'
   AND begun.passed_at IS NOT NULL AND {SEVERAL}
   AND EXISTS (SELECT FROM cdc.table_event AS part
                WHERE {OF_THE_WAVE} AND part.kind = 'snapshot_begin' AND part.opens)
   AND EXISTS (SELECT FROM cdc.table_event AS part
                WHERE {OF_THE_WAVE} AND part.kind = 'snapshot_begin' AND part.closes)
   AND NOT EXISTS (SELECT FROM cdc.table_event AS part
                    WHERE {OF_THE_WAVE} AND part.kind = 'snapshot_end'
                      AND part.partition = begun.partition)
    ON CONFLICT DO NOTHING
RETURNING topic, generation, partition, begins_at, note, "offset""#
    )
}
