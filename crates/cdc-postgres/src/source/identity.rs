//! What a table's replica identity takes away from a history or a mirror.
//!
//! Without full identity PostgreSQL logs the key of an old row alone. Deletes then bring nothing but
//! the key, and a long value that an update left alone is in no message.

use std::collections::BTreeSet;

use cdc_core::Halt;

use super::catalog::{Identity, SourceCatalog, SourceColumn};
use super::{FollowedTable, OldRows};
use crate::check::{Finding, error, warning};
use crate::ident::QualifiedName;
use crate::settings::Mode;

/// What follows from the identity for what the target is to hold.
pub(super) fn findings(table: &FollowedTable, found: &SourceCatalog) -> Vec<Finding> {
    match &found.identity {
        Identity::Full => whole_rows(table),
        Identity::Nothing => vec![no_identity(table)],
        Identity::Columns(key) => {
            let mut findings: Vec<_> = key_alone(table, found, key).into_iter().collect();
            findings.extend(before(table, found, key));
            findings.extend(another_key(table, found, key));
            findings
        }
    }
}

fn whole_rows(table: &FollowedTable) -> Vec<Finding> {
    let source = &table.source;
    let loss = match (table.mode, table.old_rows) {
        (Mode::Mirror { .. }, _) | (Mode::History, OldRows::Full) => return Vec::new(),
        (Mode::History, OldRows::Auto) => {
            "`before = \"auto\"` takes a deleted row that holds nothing but zeros and defaults for \
             a mere key"
        }
        (Mode::History, OldRows::Key) => "`before = \"key\"` keeps of a deleted row the key alone",
    };
    let message = format!("{source} has REPLICA IDENTITY FULL, but {loss}");
    let fix = format!("into the [[table]] of {source} write\nbefore = \"full\"");
    vec![warning("before_differs", message, fix)]
}

fn no_identity(table: &FollowedTable) -> Finding {
    let source = &table.source;
    warning(
        "replica_identity_missing",
        format!(
            "{source} has no replica identity, neither a key nor whole rows: once it is published, \
             PostgreSQL refuses UPDATE and DELETE of its rows"
        ),
        format!("give it a primary key, or run in the source\n{}", full(table)),
    )
}

/// What is lost because the key alone is logged.
fn key_alone(table: &FollowedTable, found: &SourceCatalog, key: &[String]) -> Option<Finding> {
    let source = &table.source;
    let is_kept = |column: &&SourceColumn| {
        column.is_long && !key.contains(&column.name) && !table.is_dropped(&column.name)
    };
    let long: Vec<&str> =
        found.columns.iter().filter(is_kept).map(|column| &*column.name).collect();
    let long_names = long.join(", ");
    let loss = match (table.mode, long.is_empty()) {
        (Mode::Mirror { .. }, true) => return None,
        (Mode::Mirror { .. }, false) => format!(
            "an update that changes a key and leaves a long value of {long_names} alone becomes a \
             dead letter, because the value is in no message"
        ),
        // Known to whoever has written it down.
        (Mode::History, true) if table.old_rows != OldRows::Auto => return None,
        (Mode::History, true) => "of a deleted row the key alone is known".to_owned(),
        (Mode::History, false) => format!(
            "of a deleted row the key alone is known, and NULL is written for a long value of \
             {long_names} that an update left alone (listed in `unavailable`)"
        ),
    };
    let fix = match table.mode {
        Mode::Mirror { .. } => format!("run in the source\n{}", full(table)),
        Mode::History => format!(
            "run in the source\n{}\nand then write into the [[table]] of {source}\nbefore = \"full\"",
            full(table)
        ),
    };
    let key = key.join(", ");
    let message = format!("{source} has the replica identity ({key}) and not FULL: {loss}");
    Some(warning("replica_identity_partial", message, fix))
}

/// Whether `before` says what the identity makes of old rows.
fn before(table: &FollowedTable, found: &SourceCatalog, key: &[String]) -> Option<Finding> {
    let source = &table.source;
    let write = format!("into the [[table]] of {source} write\nbefore = \"key\"");
    match (table.mode, table.old_rows) {
        (Mode::Mirror { .. }, _) | (Mode::History, OldRows::Key) => None,
        (Mode::History, OldRows::Full) => Some(error(
            "before_differs",
            Halt::Configuration,
            format!(
                "`before = \"full\"` takes deleted rows of {source} as they come, but the source logs \
                 their key alone: zeros and NULLs would be stored that nobody ever wrote"
            ),
            format!("{write}\nor run in the source\n{}", full(table)),
        )),
        (Mode::History, OldRows::Auto) => {
            let has_default =
                |column: &&SourceColumn| column.has_default && !key.contains(&column.name);
            let named: Vec<&str> =
                found.columns.iter().filter(has_default).map(|column| &*column.name).collect();
            if table.is_described() || named.is_empty() {
                return None;
            }
            Some(warning(
                "before_differs",
                format!(
                    "unless messages have a schema block, `before = \"auto\"` may take the defaults \
                     of {} in a deleted row of {source} for values",
                    named.join(", ")
                ),
                write,
            ))
        }
    }
}

/// An identity over other columns than the key of the records.
fn another_key(table: &FollowedTable, found: &SourceCatalog, key: &[String]) -> Option<Finding> {
    let chosen: BTreeSet<&String> = key.iter().collect();
    let primary: BTreeSet<&String> = found.primary_key.iter().collect();
    if primary.is_empty() || primary.is_subset(&chosen) {
        return None;
    }
    let source = &table.source;
    let primary: Vec<&str> = found.primary_key.iter().map(String::as_str).collect();
    Some(warning(
        "replica_identity_of_another_key",
        format!(
            "{source} has the replica identity ({}), while records are keyed by its primary key \
             ({}): a delete does not say which row it was",
            key.join(", "),
            primary.join(", ")
        ),
        format!("run in the source\nALTER TABLE {} REPLICA IDENTITY DEFAULT;", name(table)),
    ))
}

fn full(table: &FollowedTable) -> String {
    format!("ALTER TABLE {} REPLICA IDENTITY FULL;", name(table))
}

/// The table as SQL. It was found under this name, so the name is one.
fn name(table: &FollowedTable) -> String {
    let plain = table.source.to_string();
    QualifiedName::parse(&plain).map_or(plain, |name| name.to_string())
}
