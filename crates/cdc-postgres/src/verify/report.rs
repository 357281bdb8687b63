//! What a comparison came to: counts, keys and names of columns, never values beside those of keys.

use std::fmt;
use std::time::Duration;

use cdc_core::SourceTable;

use crate::settings::{Deletes, Mode, TableSettings, TargetName, Truncates};

use super::VerifyTable;
use super::columns::Pairs;

/// What became of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableReport {
    /// The table in the source.
    pub source: SourceTable,
    /// The table in the warehouse.
    pub target: TargetName,
    /// What it comes to.
    pub verdict: Verdict,
    /// Rows in the source's snapshot.
    pub source_rows: u64,
    /// Rows in the first reading of the warehouse.
    pub warehouse_rows: u64,
    /// Where the snapshot is in the source's log.
    pub source_lsn: Option<String>,
    /// The columns that were compared, by their names in the source.
    pub compared: Vec<String>,
    /// Columns that were not, each with the reason.
    pub left_out: Vec<String>,
    /// What one has to know to judge the differences.
    pub notes: Vec<String>,
    /// Keys that differed at first and were read again.
    pub read_again: usize,
    /// Keys that only the source has.
    pub only_in_source: u64,
    /// Keys that only the warehouse has.
    pub only_in_warehouse: u64,
    /// Keys that both have, with other values.
    pub differing: u64,
    /// Whether all differing keys were counted: of very many only the first are.
    pub complete: bool,
    /// Keys that changed all the time: neither equal nor different.
    pub moving: usize,
    /// The first differing keys.
    pub listed: Vec<KeyDifference>,
    /// How long it took.
    pub elapsed: Duration,
}

/// What a table comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every compared row is equal, or was still changing on both sides.
    Equal,
    /// There are lasting differences.
    Differs,
    /// Nothing lasting was found, but not everything could be judged; the text says why.
    Unproven(String),
    /// It was not compared; the text says why.
    NotComparable(String),
}

/// A key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDifference {
    /// Names and values of the key's columns.
    pub key: Vec<(String, String)>,
    /// What is different.
    pub difference: Difference,
}

/// What is different about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The warehouse does not have it.
    OnlyInSource,
    /// The source does not have it.
    OnlyInWarehouse,
    /// These columns have other values.
    Columns(Vec<String>),
}

impl fmt::Display for KeyDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.key.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{name} = {value}")?;
        }
        match &self.difference {
            Difference::OnlyInSource => f.write_str(": only in the source"),
            Difference::OnlyInWarehouse => f.write_str(": only in the warehouse"),
            Difference::Columns(columns) => write!(f, ": {}", columns.join(", ")),
        }
    }
}

impl TableReport {
    pub(super) fn new(settings: &TableSettings) -> Self {
        Self {
            source: settings.source.clone(),
            target: settings.target.clone(),
            verdict: Verdict::Equal,
            source_rows: 0,
            warehouse_rows: 0,
            source_lsn: None,
            compared: Vec::new(),
            left_out: Vec::new(),
            notes: Vec::new(),
            read_again: 0,
            only_in_source: 0,
            only_in_warehouse: 0,
            differing: 0,
            complete: true,
            moving: 0,
            listed: Vec::new(),
            elapsed: Duration::ZERO,
        }
    }

    /// Whether nothing lasting was found and everything could be judged.
    pub fn is_equal(&self) -> bool {
        self.verdict == Verdict::Equal
    }

    /// Keys that differ for good.
    pub fn differences(&self) -> u64 {
        [self.only_in_source, self.only_in_warehouse, self.differing].iter().sum()
    }

    /// Says what is compared and what keeps rows apart on purpose.
    pub(super) fn describe(&mut self, pairs: &Pairs, table: &VerifyTable) {
        self.compared = pairs.compared().iter().map(|pair| pair.source.clone()).collect();
        self.left_out.clone_from(&pairs.left_out);
        if !table.filters.is_empty() {
            let names: Vec<&str> = table.filters.iter().map(|filter| &*filter.name).collect();
            self.notes.push(format!(
                "only rows that pass {} are compared; one that passed before and has changed since stays \
                 in the warehouse",
                names.join(", ")
            ));
        }
        if !table.partial_filters.is_empty() {
            self.notes.push(format!(
                "{} keeps changes of some kinds out of the warehouse: what it leaves behind is compared",
                table.partial_filters.join(", ")
            ));
        }
        let ignored = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Ignore };
        let ignored_softly = Mode::Mirror { deletes: Deletes::Soft, truncates: Truncates::Ignore };
        if [ignored, ignored_softly].contains(&table.settings.mode) {
            self.notes.push(
                "the mirror keeps its rows when the source is truncated: they are differences"
                    .to_owned(),
            );
        }
        if pairs.key().is_empty() {
            self.notes.push(
                "the source table has no primary key: whether rows differ is found, not which"
                    .to_owned(),
            );
        }
    }
}
