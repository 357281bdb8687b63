//! The statements of one comparison: pure text, alike for both sides but for what stands behind FROM.

use crate::catalog::TargetTable;
use crate::ident::Identifier;
use crate::settings::{Deletes, Mode};
use crate::sql::{DELETED, literal};

use super::columns::{Pair, Pairs};

/// How the text of a row becomes a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hashing {
    /// The servers keep text alike.
    Plain,
    /// They keep it in different encodings: it is turned into UTF-8 first.
    Recoded,
}

/// Keys and rows are hashed with different seeds, so that a row of nothing but its key is no special
/// case.
const KEY_SEED: u8 = 0;
const ROW_SEED: u8 = 1;

impl Hashing {
    /// The hash of an expression of type text. The collation would decide otherwise what is equal.
    fn of(self, text: &str, seed: u8) -> String {
        match self {
            Self::Plain => {
                format!("pg_catalog.hashtextextended({text} COLLATE \"C\", {seed})")
            }
            Self::Recoded => format!(
                "pg_catalog.hashtextextended(pg_catalog.encode(pg_catalog.convert_to({text}, 'UTF8'), \
                 'hex') COLLATE \"C\", {seed})"
            ),
        }
    }
}

/// The statements for both sides.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) source: SideStatements,
    pub(super) warehouse: SideStatements,
}

/// The statements for one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SideStatements {
    /// Which side, for messages.
    pub(super) side: Side,
    /// The table for messages.
    pub(super) table: String,
    /// Rows and digest of each bucket; `$1` is the number of buckets, a power of two, less one.
    pub(super) digest: String,
    /// Key and hash of each row in the buckets `$2`.
    pub(super) rows: String,
    /// Key, hash and the hash of each column of the rows with these keys; one array of texts for each
    /// column of the key.
    pub(super) wanted: String,
    /// Rows and digest of the whole table.
    pub(super) whole: String,
}

/// A database of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Warehouse,
}

impl Statements {
    /// Writes them.
    pub(super) fn new(
        source: &TargetTable,
        target: &TargetTable,
        mode: Mode,
        pairs: &Pairs,
        hashing: Hashing,
    ) -> Self {
        let ours = Names::new(pairs, |pair| (&pair.source, &pair.source_type));
        let theirs = Names::new(pairs, |pair| (&pair.target, &pair.target_type));
        let name = &source.name;
        let rows = match &pairs.condition {
            None => format!("{name} AS t"),
            Some(condition) => format!("(SELECT * FROM {name} WHERE {condition}) AS t"),
        };
        let from = Relation {
            wanted: format!("{} JOIN {rows} ON {}", ours.unnest(), ours.lookup("t")),
            all: rows,
        };
        let source_side = SideStatements {
            side: Side::Source,
            table: source.name.plain(),
            ..statements(&from, &ours, hashing)
        };
        let from = match mode {
            Mode::History => history(target, &theirs),
            Mode::Mirror { deletes, .. } => mirror(target, &theirs, deletes),
        };
        let warehouse = SideStatements {
            side: Side::Warehouse,
            table: target.name.plain(),
            ..statements(&from, &theirs, hashing)
        };
        Self { source: source_side, warehouse }
    }
}

/// What stands behind FROM; the rows are called `t`.
struct Relation {
    /// All rows.
    all: String,
    /// Those with the wanted keys.
    wanted: String,
}

/// The columns of one side.
struct Names<'p> {
    key: Vec<Column<'p>>,
    compared: Vec<Column<'p>>,
}

struct Column<'p> {
    quoted: String,
    kind: &'p str,
    pair: &'p Pair,
}

impl Column<'_> {
    fn written(&self, row: &str) -> String {
        self.pair.rendering.sql(&format!("{row}.{}", self.quoted))
    }
}

impl<'p> Names<'p> {
    fn new(pairs: &'p Pairs, side: fn(&Pair) -> (&String, &String)) -> Self {
        let column = |pair: &'p Pair| {
            let (name, kind) = side(pair);
            Column { quoted: quoted(name), kind, pair }
        };
        Self {
            key: pairs.key().iter().map(column).collect(),
            compared: pairs.compared().iter().map(column).collect(),
        }
    }

    /// The wanted keys, from one array for each column.
    fn unnest(&self) -> String {
        let places = 1..=self.key.len();
        let arrays: Vec<String> = places.clone().map(|place| format!("${place}::text[]")).collect();
        let names: Vec<String> = places.map(|place| format!("k{place}")).collect();
        format!("unnest({}) AS wanted ({})", arrays.join(", "), names.join(", "))
    }

    /// The condition under which a row has a wanted key: by the column itself where an index may help.
    fn lookup(&self, row: &str) -> String {
        let conditions = self.key.iter().zip(1..).map(|(column, place): (_, u32)| {
            if column.pair.castable {
                format!("{row}.{} = wanted.k{place}::{}", column.quoted, column.kind)
            } else {
                format!("pg_catalog.concat({}) = wanted.k{place}", column.written(row))
            }
        });
        conditions.collect::<Vec<_>>().join(" AND ")
    }

    fn written(columns: &[Column<'_>]) -> Vec<String> {
        columns.iter().map(|column| column.written("t")).collect()
    }
}

fn statements(from: &Relation, names: &Names<'_>, hashing: Hashing) -> SideStatements {
    let (key, row) = (Names::written(&names.key), Names::written(&names.compared));
    let text = |columns: &[String]| format!("ROW({})::text", columns.join(", "));
    let bucket = format!("{} & $1", hashing.of(&text(&key), KEY_SEED));
    let hash = hashing.of(&text(&row), ROW_SEED);
    let parts: Vec<String> = key.iter().map(|part| format!("pg_catalog.concat({part})")).collect();
    let parts = format!("ARRAY[{}]::text[]", parts.join(", "));
    let columns: Vec<String> = row
        .iter()
        .map(|column| hashing.of(&text(std::slice::from_ref(column)), ROW_SEED))
        .collect();
    let (all, wanted) = (&from.all, &from.wanted);
    SideStatements {
        side: Side::Source,
        table: String::new(),
        digest: format!(
            "SELECT bucket, count(*) AS rows, sum(hash)::text AS digest\n  \
               FROM (SELECT {bucket} AS bucket, {hash} AS hash\n          FROM {all}) AS hashed\n \
              GROUP BY bucket"
        ),
        rows: format!(
            "SELECT key, hash\n  FROM (SELECT {bucket} AS bucket, {parts} AS key, {hash} AS hash\n          \
             FROM {all}) AS hashed\n WHERE bucket = ANY ($2::int8[])"
        ),
        wanted: format!(
            "SELECT {parts} AS key, {hash} AS hash,\n       ARRAY[{}]::int8[] AS columns\n  FROM {wanted}",
            columns.join(", ")
        ),
        whole: format!(
            "SELECT count(*) AS rows, coalesce(sum(hash), 0)::text AS digest\n  \
               FROM (SELECT {hash} AS hash FROM {all}) AS hashed"
        ),
    }
}

/// The rows of a mirror.
fn mirror(target: &TargetTable, names: &Names<'_>, deletes: Deletes) -> Relation {
    let name = &target.name;
    let rows = match deletes {
        Deletes::Hard => format!("{name} AS t"),
        Deletes::Soft => {
            format!("(SELECT * FROM {name} WHERE {DELETED} IS NOT TRUE) AS t")
        }
    };
    Relation {
        wanted: format!("{} JOIN {rows} ON {}", names.unnest(), names.lookup("t")),
        all: rows,
    }
}

/// The order of the versions of a key.
const POSITION: [&str; 3] = ["cdc_generation", "cdc_offset", "cdc_ordinal"];

/// The newest rows of a history, as `orders_latest` shows them. Without a key there is no newest row,
/// but every row that no truncate has removed.
fn history(target: &TargetTable, names: &Names<'_>) -> Relation {
    let name = &target.name;
    let key: Vec<String> =
        names.key.iter().map(|column| format!("fact.{}", column.quoted)).collect();
    let mut taken: Vec<String> =
        names.compared.iter().map(|column| format!("fact.{}", column.quoted)).collect();
    let own = ["operation_type", "cdc_partition", "source_lsn", "unavailable"];
    let own = POSITION.iter().chain(&own).filter(|own| target.column(own).is_some());
    taken.extend(own.map(|own| format!("fact.{own}")));
    let order = POSITION.map(|part| format!("fact.{part} DESC")).join(", ");
    let taken = taken.join(", ");
    let (distinct, order) = if key.is_empty() {
        (String::new(), String::new())
    } else {
        let key = key.join(", ");
        (format!("DISTINCT ON ({key}) "), format!(" ORDER BY {key}, {order}"))
    };
    let shown: Vec<String> =
        names.compared.iter().map(|column| shown(target, names, column)).collect();
    let fold = |from: &str| {
        format!(
            "(SELECT {}\n          FROM (SELECT {distinct}{taken}\n                  FROM {from}{order}) \
             AS newest\n         WHERE newest.operation_type IS DISTINCT FROM 'd'\n           AND {}\n           \
             AND {}) AS t",
            shown.join(", "),
            not_swept(target),
            not_truncated(target),
        )
    };
    let wanted = format!("{} JOIN {name} AS fact ON {}", names.unnest(), names.lookup("fact"));
    Relation { all: fold(&format!("{name} AS fact")), wanted: fold(&wanted) }
}

/// A column of the newest row; a value that was not sent, because it had not changed, is that of the
/// newest row which has it.
fn shown(target: &TargetTable, names: &Names<'_>, column: &Column<'_>) -> String {
    let quoted = &column.quoted;
    let is_key = names.key.iter().any(|key| key.quoted == *quoted);
    if is_key || names.key.is_empty() || target.column("unavailable").is_none() {
        return format!("newest.{quoted}");
    }
    let name = literal(&column.pair.target);
    let same: Vec<String> =
        names.key.iter().map(|key| format!("earlier.{0} = newest.{0}", key.quoted)).collect();
    let position = |row: &str| POSITION.map(|part| format!("{row}.{part}")).join(", ");
    let descending = POSITION.map(|part| format!("earlier.{part} DESC")).join(", ");
    format!(
        "CASE WHEN {name} = ANY (newest.unavailable) THEN (SELECT earlier.{quoted} FROM {} AS earlier \
         WHERE {} AND ({}) < ({}) AND ({name} = ANY (earlier.unavailable)) IS NOT TRUE \
         ORDER BY {descending} LIMIT 1) ELSE newest.{quoted} END AS {quoted}",
        target.name,
        same.join(" AND "),
        position("earlier"),
        position("newest"),
    )
}

/// Whether no truncate came after the newest row: by the log within its partition, by the source's
/// position between partitions, because a truncate excludes every other writer of its table.
fn not_truncated(target: &TargetTable) -> String {
    let elsewhere = if target.column("source_lsn").is_some() {
        "event.source_lsn > newest.source_lsn"
    } else {
        "false"
    };
    format!(
        "NOT EXISTS (SELECT FROM cdc.table_event AS event WHERE event.target_table = {} \
         AND event.kind = 'truncate' AND CASE WHEN (event.generation, event.partition) = \
         (newest.cdc_generation, newest.cdc_partition) THEN (event.\"offset\", event.ordinal) > \
         (newest.cdc_offset, newest.cdc_ordinal) ELSE {elsewhere} END)",
        literal(&target.name.plain()),
    )
}

/// Whether the newest row stands behind the begin of the newest complete snapshot of its partition, where
/// its end says that everything before it is gone, and is not of a time before one that had no other
/// partition. What ends are there is asked once, not for each row.
fn not_swept(target: &TargetTable) -> String {
    let ends = format!(
        "FROM cdc.table_event AS event WHERE event.target_table = {} AND event.kind = \
         'snapshot_end' AND event.note IS NULL",
        literal(&target.name.plain()),
    );
    format!(
        "(newest.cdc_offset < ((SELECT jsonb_object_agg(concat(event.generation, '/', \
         event.partition), event.begins_at ORDER BY event.begins_at) {ends}) ->> \
         concat(newest.cdc_generation, '/', newest.cdc_partition))::int8) IS NOT TRUE AND \
         (newest.cdc_generation < (SELECT max(event.generation) {ends} AND event.alone IS NOT \
         FALSE)) IS NOT TRUE"
    )
}

fn quoted(name: &str) -> String {
    // A name of the catalog is one that the server keeps.
    Identifier::parse(name).map_or_else(|_| String::new(), |name| name.quoted())
}

#[cfg(test)]
mod tests;
