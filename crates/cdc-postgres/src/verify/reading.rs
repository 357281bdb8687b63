//! Reading one side: sessions in which equal rows have equal texts, digests of buckets, hashes of rows.

use std::collections::BTreeMap;

use futures_util::TryStreamExt as _;
use hashbrown::HashMap;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::catalog::TargetTable;
use crate::error::{PostgresError, from_driver};
use crate::ident::QualifiedName;
use crate::session::Session;

use super::candidate::{Key, RowState};
use super::source;
use super::sql::{Hashing, Side, SideStatements};

/// Rows in a bucket on average: so many are looked at for one key that differs.
const BUCKET_ROWS: i64 = 64;
/// The most buckets: their digests are held in memory, from both sides.
const BUCKETS_MAX: i64 = 65_536;
/// Rows whose hashes are held in memory at once, from each side.
const GROUP_ROWS: u64 = 250_000;
/// Keys that are asked for in one statement.
const WANTED_KEYS: usize = 20_000;

/// Pins what decides on the text of a value, and everything that would end a long reading.
pub(super) async fn pin(session: &mut Session) -> Result<(), PostgresError> {
    session
        .execute(
            "pinning the session's settings",
            "SET default_transaction_read_only = on; SET datestyle = 'ISO, YMD';
             SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1;
             SET row_security = off; SET statement_timeout = 0;
             SET idle_in_transaction_session_timeout = 0; SET work_mem = '64MB';
             RESET enable_hashjoin; RESET enable_mergejoin;
             SELECT set_config(name, '5s', false) FROM pg_settings
              WHERE name = 'client_connection_check_interval'",
        )
        .await
}

/// How both sides hash alike.
pub(super) async fn hashing(
    source: &mut Session,
    warehouse: &mut Session,
) -> Result<Hashing, PostgresError> {
    const PROBE: &str = "SELECT hashtextextended('cdc' COLLATE \"C\", 1) AS hash,
                                current_setting('server_encoding') AS encoding";
    let ours = sqlx::query(PROBE).fetch_one(source.driver()).await;
    let ours = ours.and_then(|row| probed(&row));
    let ours = ours.map_err(|error| source::from_driver("trying a hash", error))?;
    let theirs = sqlx::query(PROBE).fetch_one(warehouse.driver()).await;
    let theirs = theirs.and_then(|row| probed(&row));
    let theirs = theirs.map_err(|error| from_driver("trying a hash", error))?;
    if ours.0 != theirs.0 {
        return Err(PostgresError::Occupied {
            message:
                "the servers of source and warehouse hash the same text differently, as machines \
                      of different byte order do"
                    .to_owned(),
            fix: "compare with a replica of the source on a machine like the warehouse's"
                .to_owned(),
        });
    }
    Ok(if ours.1 == theirs.1 { Hashing::Plain } else { Hashing::Recoded })
}

fn probed(row: &PgRow) -> Result<(i64, String), sqlx::Error> {
    Ok((row.try_get("hash")?, row.try_get("encoding")?))
}

/// Takes the snapshot under which the source is read, and says where in its log that is.
pub(super) async fn begin(session: &mut Session) -> Result<String, PostgresError> {
    let doing = "taking a snapshot";
    session
        .run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(|error| source::from_driver(doing, error))?;
    sqlx::query_scalar(
        "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                     ELSE pg_current_wal_lsn() END::text",
    )
    .fetch_one(session.driver())
    .await
    .map_err(|error| source::from_driver(doing, error))
}

/// Gives the snapshot back: while it lasts, the source cannot clean up what has been deleted since.
pub(super) async fn end(session: &mut Session) -> Result<(), PostgresError> {
    session.run("COMMIT").await.map_err(|error| source::from_driver("ending a snapshot", error))
}

/// How many buckets suit the table: a power of two. The server's estimate of its rows is enough,
/// because any number is right.
pub(super) async fn buckets(
    session: &mut Session,
    table: &QualifiedName,
) -> Result<i64, PostgresError> {
    let rows: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::int8
           FROM pg_catalog.pg_partition_tree($1::regclass) AS part
           JOIN pg_catalog.pg_class AS c ON c.oid = part.relid AND c.relkind <> 'p'",
    )
    .bind(table.to_string())
    .fetch_one(session.driver())
    .await
    .map_err(|error| source::from_driver("estimating the rows", error))?;
    let wanted = rows.checked_div(BUCKET_ROWS).unwrap_or(0).clamp(BUCKET_ROWS, BUCKETS_MAX);
    Ok(u64::try_from(wanted)
        .ok()
        .and_then(u64::checked_next_power_of_two)
        .and_then(|buckets| i64::try_from(buckets).ok())
        .unwrap_or(BUCKETS_MAX))
}

/// Rows and digest of every bucket that has rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Digests(BTreeMap<i64, (u64, String)>);

/// A bucket that differs, with its rows on the side that has more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    number: i64,
    rows: u64,
}

impl Digests {
    /// All rows.
    pub(super) fn rows(&self) -> u64 {
        self.0.values().map(|(rows, _)| rows).sum()
    }

    /// The buckets that differ, in order.
    pub(super) fn differing(&self, other: &Self) -> Vec<Bucket> {
        let mut all: BTreeMap<i64, u64> = BTreeMap::new();
        for (number, (rows, _)) in self.0.iter().chain(&other.0) {
            if self.0.get(number) != other.0.get(number) {
                let held = all.entry(*number).or_default();
                *held = (*held).max(*rows);
            }
        }
        all.into_iter().map(|(number, rows)| Bucket { number, rows }).collect()
    }
}

/// Buckets in groups whose rows fit into memory.
pub(super) fn groups(buckets: &[Bucket]) -> Vec<Vec<i64>> {
    let mut groups: Vec<Vec<i64>> = Vec::new();
    let mut held = u64::MAX;
    for bucket in buckets {
        if held.saturating_add(bucket.rows) > GROUP_ROWS {
            groups.push(Vec::new());
            held = 0;
        }
        held = held.saturating_add(bucket.rows);
        if let Some(group) = groups.last_mut() {
            group.push(bucket.number);
        }
    }
    groups
}

/// An error of one side.
fn failed<'d>(
    statements: &'d SideStatements,
    doing: &'d str,
) -> impl Fn(sqlx::Error) -> PostgresError + 'd {
    move |error| {
        let doing = format!("{doing} of {}", statements.table);
        match statements.side {
            Side::Source => source::from_driver(&doing, error),
            Side::Warehouse => from_driver(doing, error),
        }
    }
}

/// Reads all rows of one side into digests.
pub(super) async fn digest(
    session: &mut Session,
    statements: &SideStatements,
    buckets: i64,
) -> Result<Digests, PostgresError> {
    let failed = failed(statements, "reading the rows");
    let read = sqlx::query(&statements.digest).bind(buckets.saturating_sub(1));
    let mut rows = read.fetch(session.driver());
    let mut digests = Digests::default();
    while let Some(row) = rows.try_next().await.map_err(&failed)? {
        let (bucket, held) = bucket(&row).map_err(&failed)?;
        digests.0.insert(bucket, held);
    }
    Ok(digests)
}

fn bucket(row: &PgRow) -> Result<(i64, (u64, String)), sqlx::Error> {
    Ok((row.try_get("bucket")?, (count(row)?, row.try_get("digest")?)))
}

fn count(row: &PgRow) -> Result<u64, sqlx::Error> {
    let rows: i64 = row.try_get("rows")?;
    u64::try_from(rows).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Rows and digest of a whole table.
pub(super) async fn whole(
    session: &mut Session,
    statements: &SideStatements,
) -> Result<(u64, String), PostgresError> {
    let failed = failed(statements, "reading the rows");
    let row = sqlx::query(&statements.whole).fetch_one(session.driver()).await.map_err(&failed)?;
    let read = || Ok((count(&row)?, row.try_get("digest")?));
    read().map_err(&failed)
}

/// The hashes of rows by their key. Several rows of one key are one, whose hash is the sum.
pub(super) type Hashes = HashMap<Key, i64, foldhash::fast::RandomState>;

/// The hashes of all rows in some buckets.
pub(super) async fn rows(
    session: &mut Session,
    statements: &SideStatements,
    buckets: i64,
    group: &[i64],
) -> Result<Hashes, PostgresError> {
    let failed = failed(statements, "reading the hashes");
    let read = sqlx::query(&statements.rows).bind(buckets.saturating_sub(1)).bind(group);
    let mut rows = read.fetch(session.driver());
    let mut hashes = Hashes::default();
    while let Some(row) = rows.try_next().await.map_err(&failed)? {
        let read = || Ok::<(Key, i64), sqlx::Error>((row.try_get("key")?, row.try_get("hash")?));
        let (key, hash) = read().map_err(&failed)?;
        let held = hashes.entry(key).or_default();
        *held = held.wrapping_add(hash);
    }
    Ok(hashes)
}

/// What the rows with these keys are now; keys without a row are not in the answer.
pub(super) async fn wanted<'k>(
    session: &mut Session,
    statements: &SideStatements,
    keys: impl Iterator<Item = &'k Key>,
) -> Result<HashMap<Key, RowState>, PostgresError> {
    let failed = failed(statements, "reading rows again");
    let keys: Vec<&Key> = keys.collect();
    let mut states: HashMap<Key, RowState> = HashMap::with_capacity(keys.len());
    for chunk in keys.chunks(WANTED_KEYS) {
        let width = chunk.first().map_or(0, |key| key.len());
        let mut query = sqlx::query(&statements.wanted);
        for place in 0..width {
            let parts = chunk.iter().filter_map(|key| key.get(place).cloned());
            query = query.bind(parts.collect::<Vec<String>>());
        }
        let mut rows = query.fetch(session.driver());
        while let Some(row) = rows.try_next().await.map_err(&failed)? {
            let (key, state) = state(&row).map_err(&failed)?;
            match states.get_mut(&key) {
                Some(held) => held.add(&state),
                None => drop(states.insert(key, state)),
            }
        }
    }
    Ok(states)
}

fn state(row: &PgRow) -> Result<(Key, RowState), sqlx::Error> {
    let state = RowState { hash: row.try_get("hash")?, columns: row.try_get("columns")? };
    Ok((row.try_get("key")?, state))
}

/// Whether a history has rows that replaced or removed earlier ones.
pub(super) async fn has_changed(
    session: &mut Session,
    target: &TargetTable,
) -> Result<bool, PostgresError> {
    let sql =
        format!("SELECT EXISTS (SELECT FROM {} WHERE operation_type IN ('u', 'd'))", target.name);
    sqlx::query_scalar(&sql).fetch_one(session.driver()).await.map_err(|error| {
        from_driver(format!("looking for changes in {}", target.name.plain()), error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(buckets: &[(i64, u64, &str)]) -> Digests {
        let each = buckets.iter();
        Digests(each.map(|(number, rows, sum)| (*number, (*rows, (*sum).to_owned()))).collect())
    }

    #[test]
    fn buckets_differ_by_rows_by_sum_and_by_being_on_one_side_only() {
        let ours = digests(&[(0, 2, "5"), (1, 3, "6"), (2, 1, "7"), (3, 4, "8")]);
        let theirs = digests(&[(0, 2, "5"), (1, 3, "9"), (2, 2, "7"), (4, 1, "1")]);
        let expected = [(1, 3), (2, 2), (3, 4), (4, 1)];
        let expected = expected.map(|(number, rows)| Bucket { number, rows });
        assert_eq!(ours.differing(&theirs), expected);
        assert_eq!(theirs.differing(&ours), expected);
        assert_eq!(ours.differing(&ours), []);
    }

    #[test]
    fn groups_hold_what_memory_allows_and_every_bucket_once() {
        let bucket = |number, rows| Bucket { number, rows };
        let buckets = [
            bucket(1, 200_000),
            bucket(2, 50_000),
            bucket(3, 1),
            bucket(4, 900_000),
            bucket(5, 10),
        ];
        assert_eq!(groups(&buckets), [vec![1, 2], vec![3], vec![4], vec![5]]);
        assert!(groups(&[]).is_empty());
    }
}
