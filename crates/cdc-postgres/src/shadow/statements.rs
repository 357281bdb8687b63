//! The statements that create a shadow, compare it with the live table, and exchange their rows: pure text.
//!
//! Rows are compared by their bytes, with `record_image_ne`: that works for every type, also without an
//! equality of its own, and what such an equality lets pass, as `1.0` and `1.00`, differs. How a value is
//! stored, compressed or elsewhere, makes no difference.

use cdc_core::Partition;

use crate::catalog::TargetTable;
use crate::checkpoint::generation;
use crate::ident::{Identifier, QualifiedName};
use crate::settings::Mode;
use crate::sql::{OFFSET, literal};

/// The place of a row of a history in the log.
const PLACE: [&str; 4] = ["cdc_generation", "cdc_partition", "cdc_offset", "cdc_ordinal"];

/// A column, with its name as it is and quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) plain: String,
    quoted: String,
}

impl Name {
    fn new(name: &str) -> Self {
        // A name of the catalog is one that the server keeps.
        let quoted = Identifier::parse(name).map_or_else(|_| String::new(), |name| name.quoted());
        Self { plain: name.to_owned(), quoted }
    }
}

/// Creates a shadow like a table: its columns, checks and constant defaults, and the key by which the two
/// are compared. Its other indexes would only hold up filling it.
pub(super) fn create(
    shadow: &QualifiedName,
    live: &TargetTable,
    mode: Mode,
    server_filled: &[String],
) -> Vec<String> {
    let copy = format!(
        "CREATE TABLE {shadow} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED \
         INCLUDING STORAGE)",
        live.name
    );
    let is_key = |column: &str| match mode {
        Mode::Mirror { .. } => live.primary_key.iter().any(|key| key == column),
        Mode::History => PLACE.contains(&column),
    };
    let mut statements = vec![copy];
    for column in server_filled {
        let quoted = Name::new(column).quoted;
        let alter = format!("ALTER TABLE {shadow} ALTER COLUMN {quoted} DROP");
        statements.push(format!("{alter} DEFAULT"));
        if !is_key(column) {
            statements.push(format!("{alter} NOT NULL"));
        }
    }
    match mode {
        Mode::Mirror { .. } => {
            let keys: Vec<String> =
                live.primary_key.iter().map(|key| Name::new(key).quoted).collect();
            statements.push(format!("ALTER TABLE {shadow} ADD PRIMARY KEY ({})", keys.join(", ")));
        }
        // By the transaction it is found out whether a connector sends one again.
        Mode::History if live.column("source_tx_id").is_some() => {
            statements.push(format!("CREATE INDEX ON {shadow} USING brin (source_tx_id)"));
        }
        Mode::History => {}
    }
    statements
}

/// Both tables, and what of them is compared.
#[derive(Debug)]
pub(super) struct Sides {
    live: String,
    shadow: String,
    keys: Vec<Name>,
    /// The other columns that are compared.
    pub(super) compared: Vec<Name>,
    /// Columns that are not compared.
    pub(super) left_out: Vec<String>,
    /// Which rows of the live table the shadow would have, if they were right.
    judged: String,
    mode: Mode,
}

impl Sides {
    /// `left_out` are columns that the server alone fills.
    pub(super) fn new(
        live: &TargetTable,
        shadow: &QualifiedName,
        mode: Mode,
        left_out: Vec<String>,
        partitions: &[Partition],
    ) -> Self {
        let keys: Vec<Name> = match mode {
            Mode::Mirror { .. } => live.primary_key.iter().map(|key| Name::new(key)).collect(),
            Mode::History => PLACE.map(Name::new).to_vec(),
        };
        let judged = match mode {
            // What was there before the pipeline has no position, and the log says nothing about it.
            Mode::Mirror { .. } => format!("live.{OFFSET} IS NOT NULL"),
            Mode::History => {
                let places: Vec<String> = partitions
                    .iter()
                    .map(|it| format!("({}, {})", generation(it), it.number().get()))
                    .collect();
                format!("(live.cdc_generation, live.cdc_partition) IN ({})", places.join(", "))
            }
        };
        let compared = live
            .columns
            .iter()
            .filter(|column| !keys.iter().any(|key| key.plain == column.name))
            .filter(|column| !column.generated && !left_out.contains(&column.name))
            .map(|column| Name::new(&column.name))
            .collect();
        let (live, shadow) = (live.name.to_string(), shadow.to_string());
        Self { live, shadow, keys, compared, left_out, judged, mode }
    }

    fn same_key(&self, one: &str, other: &str) -> String {
        let same = self.keys.iter().map(|key| format!("{one}.{0} = {other}.{0}", key.quoted));
        same.collect::<Vec<_>>().join(" AND ")
    }

    /// Whether columns of both rows differ.
    fn differ(columns: &[Name]) -> String {
        let row = |side: &str| {
            let cells: Vec<String> =
                columns.iter().map(|column| format!("{side}.{}", column.quoted)).collect();
            format!("ROW({})", cells.join(", "))
        };
        format!("pg_catalog.record_image_ne({}, {})", row("live"), row("shadow"))
    }

    /// The key of a row as a person reads it.
    fn key(&self, side: &str) -> String {
        let parts = self.keys.iter().map(|key| {
            format!("{} || {side}.{}::text", literal(&format!("{} = ", key.plain)), key.quoted)
        });
        parts.collect::<Vec<_>>().join(" || ', ' || ")
    }

    fn order(&self, side: &str) -> String {
        let keys: Vec<String> =
            self.keys.iter().map(|key| format!("{side}.{}", key.quoted)).collect();
        keys.join(", ")
    }

    fn only_live(&self) -> String {
        format!(
            "{} AND NOT EXISTS (SELECT FROM {} AS shadow WHERE {})",
            self.judged,
            self.shadow,
            self.same_key("shadow", "live")
        )
    }

    /// Rows that have the same place as an earlier one; a mirror's key admits none.
    fn doubled(&self) -> Option<String> {
        match self.mode {
            Mode::Mirror { .. } => None,
            Mode::History => Some(format!(
                "{} AND EXISTS (SELECT FROM {} AS twin WHERE {} AND (twin.tableoid, twin.ctid) < \
                 (live.tableoid, live.ctid))",
                self.judged,
                self.live,
                self.same_key("twin", "live")
            )),
        }
    }

    fn only_shadow(&self) -> String {
        format!(
            "NOT EXISTS (SELECT FROM {} AS live WHERE {})",
            self.live,
            self.same_key("live", "shadow")
        )
    }

    fn pairs(&self) -> String {
        format!(
            "{} AS live JOIN {} AS shadow ON {} WHERE {}",
            self.live,
            self.shadow,
            self.same_key("live", "shadow"),
            Self::differ(&self.compared)
        )
    }

    /// How many rows each side has.
    pub(super) fn rows(&self) -> String {
        format!(
            "SELECT (SELECT count(*) FROM {}), (SELECT count(*) FROM {})",
            self.live, self.shadow
        )
    }

    /// How many rows there are of each kind: only in the live table, doubled there, only in the shadow.
    pub(super) fn counts(&self) -> String {
        let doubled = self.doubled().map_or_else(
            || "0::int8".to_owned(),
            |doubled| format!("(SELECT count(*) FROM {} AS live WHERE {doubled})", self.live),
        );
        format!(
            "SELECT (SELECT count(*) FROM {} AS live WHERE {}), {doubled}, \
             (SELECT count(*) FROM {} AS shadow WHERE {})",
            self.live,
            self.only_live(),
            self.shadow,
            self.only_shadow()
        )
    }

    /// How many rows differ, and in which of the compared columns.
    pub(super) fn differing(&self) -> String {
        let counts = self.compared.iter().map(|column| {
            format!("count(*) FILTER (WHERE {})", Self::differ(std::slice::from_ref(column)))
        });
        let counts: Vec<String> = counts.collect();
        format!("SELECT count(*), ARRAY[{}]::int8[] FROM {}", counts.join(", "), self.pairs())
    }

    /// The first keys of each kind, with how many as `$1`: only in the live table, only in the shadow,
    /// different.
    pub(super) fn first_keys(&self) -> [String; 3] {
        let (live, shadow) = (&self.live, &self.shadow);
        [
            ("live", format!("{live} AS live WHERE {}", self.only_live())),
            ("shadow", format!("{shadow} AS shadow WHERE {}", self.only_shadow())),
            ("live", self.pairs()),
        ]
        .map(|(side, rows)| {
            format!("SELECT {} FROM {rows} ORDER BY {} LIMIT $1", self.key(side), self.order(side))
        })
    }

    /// Removes the rows that the shadow does not have.
    pub(super) fn remove_only_live(&self) -> String {
        self.remove(&self.only_live())
    }

    /// Removes all but one of each doubled row, where there can be any.
    pub(super) fn remove_doubled(&self) -> Option<String> {
        self.doubled().map(|doubled| self.remove(&doubled))
    }

    fn remove(&self, which: &str) -> String {
        format!("DELETE FROM {} AS live WHERE {which}", self.live)
    }

    /// Changes the rows that differ.
    pub(super) fn change(&self) -> String {
        let sets: Vec<String> =
            self.compared.iter().map(|column| format!("{0} = shadow.{0}", column.quoted)).collect();
        format!(
            "UPDATE {} AS live SET {} FROM {} AS shadow WHERE {} AND {}",
            self.live,
            sets.join(", "),
            self.shadow,
            self.same_key("live", "shadow"),
            Self::differ(&self.compared)
        )
    }

    /// Adds the rows that are missing.
    pub(super) fn add(&self) -> String {
        let columns: Vec<&str> =
            self.keys.iter().chain(&self.compared).map(|column| &*column.quoted).collect();
        let columns = columns.join(", ");
        format!(
            "INSERT INTO {} ({columns}) SELECT {columns} FROM {} AS shadow WHERE {} ORDER BY {}",
            self.live,
            self.shadow,
            self.only_shadow(),
            self.order("shadow")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{TableKind, TargetColumn};
    use crate::settings::{Deletes, Truncates};

    const MIRROR: Mode = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Apply };

    fn column(name: &str, generated: bool) -> TargetColumn {
        TargetColumn {
            name: name.to_owned(),
            type_oid: 25,
            type_mod: -1,
            type_name: "text".to_owned(),
            nullable: true,
            has_default: generated,
            generated,
            labels: None,
            element: None,
            extension: None,
            server_version: 150_000,
        }
    }

    fn table(columns: &[&str], primary_key: &[&str]) -> TargetTable {
        let mut columns: Vec<TargetColumn> =
            columns.iter().map(|name| column(name, false)).collect();
        columns.push(column("made", true));
        TargetTable {
            name: QualifiedName::parse("sales.orders").unwrap(),
            columns,
            primary_key: primary_key.iter().map(|key| (*key).to_owned()).collect(),
            primary_key_deferrable: false,
            unique_indexes: Vec::new(),
            index_columns: std::collections::BTreeMap::new(),
            foreign_keys: Vec::new(),
            checks: crate::catalog::ColumnChecks::new(),
            kind: TableKind::Ordinary,
            row_triggers: Vec::new(),
        }
    }

    fn text(live: &TargetTable, mode: Mode, filled: &[&str]) -> String {
        let shadow = QualifiedName::parse("sales.orders_shadow").unwrap();
        let filled: Vec<String> = filled.iter().map(|column| (*column).to_owned()).collect();
        let mut all = create(&shadow, live, mode, &filled);
        let partition = Partition::new("t", 0, 3).unwrap();
        let sides = Sides::new(live, &shadow, mode, filled, &[partition]);
        all.extend([sides.counts(), sides.differing()]);
        all.extend(sides.first_keys());
        all.push(sides.remove_only_live());
        all.extend(sides.remove_doubled());
        all.extend([sides.change(), sides.add()]);
        all.join(";\n\n")
    }

    #[test]
    fn statements_of_a_mirror_read_as_expected() {
        let live = table(&["region", "id", "it's", "seen", "cdc_offset"], &["region", "id"]);
        insta::assert_snapshot!(text(&live, MIRROR, &["id", "seen"]));
    }

    #[test]
    fn statements_of_a_history_read_as_expected() {
        let columns = ["id", "status", "source_tx_id"];
        let live = table(&[&columns[..], &PLACE].concat(), &["id"]);
        insta::assert_snapshot!(text(&live, Mode::History, &["id"]));
    }
}
