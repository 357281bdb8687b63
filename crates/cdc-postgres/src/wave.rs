//! Snapshots that a connector takes, as waves of rows: where each begins and ends, and what follows from
//! its end.
//!
//! A snapshot shows what exists and sends no deletes. Whatever a table's target still has of the time before
//! a complete snapshot, and was neither shown by it nor changed behind it, the source no longer has. That is
//! so only if the snapshot has shown all of the table to this target, and if the target has its rows from
//! nowhere else. Whoever cannot be sure leaves the rows: a note at the wave's event says why.
//!
//! | note | why nothing follows |
//! |---|---|
//! | `ignored` | the configuration says so |
//! | `nothing_before` | a mirror had no row of the time before |
//! | `begin_unseen` | the first row was not marked: it was read before this table joined, or is lost |
//! | `rows_left_out` | a rule has skipped rows of it, or they are dead letters |
//! | `dead_letters` | records between its rows could not be read |
//! | `gap` | a part of it was lost and passed over |
//! | `several_partitions` | a mirror does not keep the partition of each row, and the topic has several |
//! | `several_topics` | the table has rows of other topics, whose offsets are in no order with these |
//! | `several_connectors` | others, or other databases, have sent into the partition |
//!
//! Everything is decided in the transaction that applies the last row, from what the warehouse holds: a
//! wave goes over many batches, and over restarts. Where a topic has several partitions, the last row
//! stands in one of them: how the wave ends in the others is in [`elsewhere`].

use cdc_core::{ChangeEvent, Offset, Partition, SnapshotFate, SnapshotPlace, SnapshotRow, TableId};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};

use crate::checkpoint::generation;
use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::{Deletes, Mode, PipelineName, SnapshotSweep, TableSettings};
use crate::tables::Tables;
use crate::{parked, sql};

mod doubts;
mod elsewhere;

use doubts::{SEVERAL, doubts};
pub(crate) use elsewhere::{OpenWaves, Streamed, follow, note_streamed, open_in};

const DOING: &str = "following a snapshot";

/// What names a wave, in the order of the first parameters.
const SAME: &str = r"
       held.pipeline = $1 AND held.topic = $2 AND held.generation = $3 AND held.partition = $4
   AND held.target_table = $5 AND held.connector = $6 AND held.source_lsn = $7::pg_lsn
   AND held.source_tx_id = $8";

const INSERT: &str = r#"
INSERT INTO cdc.table_event
       (pipeline, topic, generation, partition, target_table, connector, source_lsn, source_tx_id,
        source_table, "offset", ordinal, captured_at, source_database, kind, begins_at, note, opens)
SELECT $1, $2, $3, $4, $5, $6, $7::pg_lsn, $8, $9, $10, 0,
       timestamptz 'epoch' + $11 * interval '1 millisecond', $12,"#;

/// Leaves out a slot, which sends in a topic of its own name: each table's snapshot is whole in one of its
/// partitions, and is read before anything of its generation is streamed.
const SPREAD: &str = "$6::text <> $2::text AND ";

/// The place of a wave as the conditions below see it.
const HERE: &str = "(SELECT $1::text AS pipeline, $2::text AS topic, $3::int4 AS generation, \
                    $4::int4 AS partition) AS begun";

/// Milliseconds since 1970 that PostgreSQL can show; others are lineage of no use.
const SHOWN_MS: std::ops::RangeInclusive<i64> = -200_000_000_000_000..=9_000_000_000_000_000;

/// The part of a wave that a batch holds.
#[derive(Debug, Clone)]
pub(crate) struct WavePart {
    table: TableId,
    partition: Partition,
    connector: String,
    database: String,
    lsn: u64,
    tx_id: i64,
    first: Edge,
    /// What the first row says of its place.
    place: SnapshotPlace,
    last: Option<Edge>,
    /// Whether a row of it was not shown to the target.
    lacks: bool,
}

/// A row at an edge of a wave.
#[derive(Debug, Clone, Copy)]
struct Edge {
    offset: Offset,
    captured_at_ms: Option<i64>,
}

impl Edge {
    fn of(event: &ChangeEvent<'_>) -> Self {
        let captured_at_ms = event.origin.captured_at_ms.filter(|at| SHOWN_MS.contains(at));
        Self { offset: event.record.offset, captured_at_ms }
    }
}

impl WavePart {
    fn new(row: &SnapshotRow<'_>, event: &ChangeEvent<'_>) -> Self {
        Self {
            table: event.table,
            partition: event.record.partition.clone(),
            connector: row.connector.to_owned(),
            database: row.database.to_owned(),
            lsn: row.lsn,
            tx_id: row.tx_id,
            first: Edge::of(event),
            place: row.place,
            last: None,
            lacks: false,
        }
    }

    fn holds(&self, row: &SnapshotRow<'_>, event: &ChangeEvent<'_>) -> bool {
        (self.table, self.lsn, self.tx_id) == (event.table, row.lsn, row.tx_id)
            && self.connector == row.connector
            && self.database == row.database
            && self.partition == *event.record.partition
    }
}

/// Takes up a row that a snapshot read.
pub(crate) fn note(parts: &mut Vec<WavePart>, event: &ChangeEvent<'_>, fate: SnapshotFate) {
    let Some(row) = &event.snapshot else { return };
    // Rows of a wave follow each other, so it is the last part most often.
    let found = parts.iter().rposition(|part| part.holds(row, event));
    let place = found.unwrap_or_else(|| {
        parts.push(WavePart::new(row, event));
        parts.len().saturating_sub(1)
    });
    let Some(part) = parts.get_mut(place) else { return };
    if row.place == SnapshotPlace::Last {
        part.last = Some(Edge::of(event));
    }
    part.lacks |= fate == SnapshotFate::LeftOut;
}

/// What a wave says at its end: nothing before this place is in the source unless it stands behind it.
#[derive(Debug)]
pub(crate) struct Sweep {
    table: TableId,
    partition: Partition,
    begins_at: i64,
    ends_at: i64,
    /// Whether the topic has no other partition, so that all rows before it are of this one.
    alone: bool,
}

impl Sweep {
    /// Nothing where there is a note, which is said once.
    fn unless(self, table: &TableSettings, note: Option<(&str, bool)>) -> Option<Self> {
        match note {
            None => return Some(self),
            Some(("ignored" | "nothing_before", _) | (_, false)) => {}
            Some((note, true)) => {
                let (topic, partition) =
                    (self.partition.topic().as_str(), self.partition.number().get());
                tracing::warn!(
                    table = %table.target, topic, partition, note,
                    "a new snapshot is complete, and rows that it does not show are kept: it is not \
                     certain that they are gone from the source. `cdc-pipeline verify` shows them, and \
                     `cdc-replayer rebuild --table` with `--from` where the snapshot begins builds the \
                     table without them"
                );
            }
        }
        None
    }
}

/// Stores where the waves of a batch begin and end; the caller owns the transaction and has brought the
/// batch's rows and dead letters. Gives what is to be [swept](sweep) from mirrors.
pub(crate) async fn insert(
    session: &mut Session,
    (pipeline, tables): (&PipelineName, &Tables),
    parts: &[WavePart],
) -> Result<Vec<Sweep>, PostgresError> {
    let mut sweeps = Vec::new();
    for part in parts {
        let Some(table) = tables.get(part.table) else { continue };
        let wave = Wave { pipeline, table, part };
        wave.begin(session).await?;
        if part.lacks {
            wave.doubt(session, "rows_left_out").await?;
        }
        if let Some(last) = part.last {
            sweeps.extend(wave.end(session, last).await?);
        }
    }
    Ok(sweeps)
}

/// Removes from a mirror what a wave did not show and nothing behind its begin has touched; the caller
/// owns the transaction and has applied the batch's rows.
pub(crate) async fn sweep(
    session: &mut Session,
    (pipeline, tables): (&PipelineName, &Tables),
    sweep: &Sweep,
) -> Result<(), PostgresError> {
    let table = tables.require(sweep.table)?;
    let Mode::Mirror { deletes, .. } = table.mode else { return Ok(()) };
    let place = (&sweep.partition, sweep.begins_at, sweep.alone);
    parked::note_sweep(session, (pipeline, table), place).await?;
    let target = table.target.0.to_string();
    let doing = format!("removing from {} what a snapshot did not show", table.target);
    let statement = swept(&target, deletes, sweep.alone);
    let query = sqlx::query(&statement)
        .persistent(false)
        .bind(generation(&sweep.partition))
        .bind(sweep.begins_at)
        .bind(sweep.ends_at)
        .bind(sweep.partition.number().get());
    let done =
        query.execute(session.driver()).await.map_err(|error| from_driver(&*doing, error))?;
    let (rows, partition) = (done.rows_affected(), sweep.partition.number().get());
    let topic = sweep.partition.topic().as_str();
    if rows > 0 {
        tracing::info!(
            table = %table.target, topic, partition, rows,
            "removed rows that a new snapshot no longer showed"
        );
    }
    Ok(())
}

/// Rows without a position stood there before the pipeline: of these nobody knows whether a snapshot
/// should have shown them. Of rows of an earlier generation nobody knows in which of several partitions
/// their keys are now.
fn swept(target: &str, deletes: Deletes, alone: bool) -> String {
    let before = if alone {
        "(t.cdc_generation, t.cdc_offset) < ($1, $2)"
    } else {
        "t.cdc_generation = $1 AND t.cdc_partition = $4 AND t.cdc_offset < $2"
    };
    // Each statement knows all parameters.
    let place = "$3::int8 IS NOT NULL AND $4::int4 IS NOT NULL";
    match deletes {
        Deletes::Hard => format!("DELETE FROM {target} AS t WHERE {before} AND {place}"),
        Deletes::Soft => format!(
            "UPDATE {target} AS t SET cdc_deleted = true, cdc_generation = $1, cdc_offset = $3 \
             WHERE NOT t.cdc_deleted AND {before} AND {place}"
        ),
    }
}

#[derive(Debug, Clone, Copy)]
struct Wave<'w> {
    pipeline: &'w PipelineName,
    table: &'w TableSettings,
    part: &'w WavePart,
}

impl Wave<'_> {
    /// Writes down where it begins, unless an earlier batch has.
    async fn begin(self, session: &mut Session) -> Result<(), PostgresError> {
        let Self { table, part, .. } = self;
        let note = match (table.snapshot_sweep, part.place) {
            (SnapshotSweep::Ignore, _) => Some("ignored"),
            (SnapshotSweep::Apply, SnapshotPlace::Within) => Some("begin_unseen"),
            (SnapshotSweep::Apply, SnapshotPlace::First | SnapshotPlace::Last) => None,
        };
        let statement = format!(
            "{INSERT} 'snapshot_begin', NULL, \
             CASE WHEN $13 = 'begin_unseen' AND {SPREAD} {SEVERAL} THEN NULL ELSE $13 END, $14 \
             FROM {HERE} WHERE NOT EXISTS (SELECT FROM cdc.table_event AS held \
             WHERE {SAME} AND held.kind = 'snapshot_begin') ON CONFLICT DO NOTHING"
        );
        let opens = part.place == SnapshotPlace::First;
        let begun = self.bound(&statement, part.first).bind(note).bind(opens);
        let begun = begun.execute(session.driver()).await.map_err(failed)?.rows_affected() > 0;
        if begun && note != Some("ignored") && !self.has_earlier(session).await? {
            self.doubt(session, "nothing_before").await?;
        }
        Ok(())
    }

    /// Whether a mirror has rows of the time before. A wave into an empty one is not worth a look at its
    /// end, when the mirror is large. Histories are not looked at: nothing is removed from them.
    async fn has_earlier(self, session: &mut Session) -> Result<bool, PostgresError> {
        match self.table.mode {
            Mode::History => return Ok(true),
            Mode::Mirror { .. } => {}
        }
        let statement = format!(
            "SELECT EXISTS (SELECT FROM {} AS t WHERE (t.cdc_generation, t.cdc_offset) < ($1, $2))",
            self.table.target.0
        );
        sqlx::query_scalar(&statement)
            .persistent(false)
            .bind(generation(&self.part.partition))
            .bind(self.part.first.offset.get())
            .fetch_one(session.driver())
            .await
            .map_err(failed)
    }

    /// Writes down that nothing follows from it.
    async fn doubt(self, session: &mut Session, note: &str) -> Result<(), PostgresError> {
        let statement = format!(
            "UPDATE cdc.table_event AS held SET note = $9 WHERE {SAME} \
             AND held.kind = 'snapshot_begin' AND held.note IS NULL"
        );
        let doubted = self.named(&statement).bind(note);
        doubted.execute(session.driver()).await.map_err(failed)?;
        Ok(())
    }

    /// Writes down where it ends, unless that is known, and gives what follows. Where there are other
    /// partitions this only says that the whole of it has been sent.
    async fn end(self, session: &mut Session, last: Edge) -> Result<Option<Sweep>, PostgresError> {
        let Self { table, part, .. } = self;
        if elsewhere::close(session, self, last).await? {
            return Ok(None);
        }
        let doubts = doubts("$10", "true");
        let statement = format!(
            "{INSERT} 'snapshot_end', begun.\"offset\", coalesce(begun.note, {doubts}), NULL \
             FROM (SELECT held.* FROM cdc.table_event AS held WHERE {SAME} \
             AND held.kind = 'snapshot_begin' ORDER BY held.\"offset\" LIMIT 1) AS begun \
             WHERE NOT EXISTS (SELECT FROM cdc.table_event AS held WHERE {SAME} \
             AND held.kind = 'snapshot_end') ON CONFLICT DO NOTHING RETURNING begins_at, note"
        );
        let ended = self.bound(&statement, last);
        let ended = ended.fetch_optional(session.driver()).await.map_err(failed)?;
        let (ended, is_new) = match ended {
            Some(ended) => (ended, true),
            None => match self.earlier_end(session).await? {
                Some(ended) => (ended, false),
                None => return Ok(None),
            },
        };
        let begins_at: i64 = ended.try_get("begins_at").map_err(failed)?;
        let note: Option<String> = ended.try_get("note").map_err(failed)?;
        let ends_at = last.offset.get();
        let sweep = Sweep {
            table: part.table,
            partition: part.partition.clone(),
            begins_at,
            ends_at,
            alone: true,
        };
        Ok(sweep.unless(table, note.as_deref().map(|note| (note, is_new))))
    }

    /// The end that was written down before: a pipeline that starts over reads the wave once more, and
    /// what follows from it follows again.
    async fn earlier_end(self, session: &mut Session) -> Result<Option<PgRow>, PostgresError> {
        let statement = format!(
            "SELECT held.begins_at, held.note FROM cdc.table_event AS held WHERE {SAME} \
             AND held.kind = 'snapshot_end' ORDER BY held.\"offset\" LIMIT 1"
        );
        self.named(&statement).fetch_optional(session.driver()).await.map_err(failed)
    }

    /// The statement with what names the wave.
    fn named<'q>(&'q self, statement: &'q str) -> Query<'q, Postgres, PgArguments> {
        let Self { pipeline, table, part } = self;
        sqlx::query(statement)
            .bind(pipeline.as_str())
            .bind(part.partition.topic().as_str())
            .bind(generation(&part.partition))
            .bind(part.partition.number().get())
            .bind(table.target.to_string())
            .bind(&part.connector)
            .bind(sql::lsn(part.lsn))
            .bind(part.tx_id)
    }

    /// The same with one of its edges.
    fn bound<'q>(&'q self, statement: &'q str, edge: Edge) -> Query<'q, Postgres, PgArguments> {
        self.named(statement)
            .bind(self.table.source.to_string())
            .bind(edge.offset.get())
            .bind(edge.captured_at_ms)
            .bind(&self.part.database)
    }
}

fn failed(error: sqlx::Error) -> PostgresError {
    from_driver(DOING, error)
}
