//! Which record tells of which event: per table, both are in the same order.

use anyhow::{Context as _, Result, bail, ensure};
use cdc_testkit::captures::{RowEvent, Texts};
use serde_json::Value;

use crate::modes::{Mode, key_of};
use crate::read::Record;

/// What a record is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message with this operation.
    Row(&'static str),
    /// A null value.
    Tombstone,
}

/// A record that has to come: of which event, and what it is.
pub type Due = (usize, Kind);

/// The records of a table that have to come in a mode, in their order.
pub fn due(events: &[RowEvent], table: &str, mode: &Mode) -> Vec<Due> {
    let own = events.iter().enumerate().filter(|(_, event)| event.table == table);
    own.flat_map(|(line, event)| kinds(event, mode).iter().map(move |kind| (line, *kind))).collect()
}

fn kinds(event: &RowEvent, mode: &Mode) -> &'static [Kind] {
    match event.op.as_str() {
        "r" => &[Kind::Row("r")],
        "c" => &[Kind::Row("c")],
        "u" if key(event.table.as_str(), event.before.as_ref())
            != key(event.table.as_str(), event.after.as_ref()) =>
        {
            &[Kind::Row("d"), Kind::Tombstone, Kind::Row("c")]
        }
        "u" => &[Kind::Row("u")],
        "d" => &[Kind::Row("d"), Kind::Tombstone],
        // A truncate has no row that could be flattened.
        _ if mode.is_flattened() => &[],
        _ => &[Kind::Row("t")],
    }
}

fn key<'t>(table: &str, image: Option<&'t Texts>) -> Vec<Option<&'t str>> {
    let cell = |name: &&str| image.and_then(|texts| texts.get(*name)?.as_deref());
    key_of(table).iter().map(cell).collect()
}

/// Gives each record of a table its event.
///
/// # Errors
///
/// When another record came than the event lets expect, or more or less of them.
pub fn pair(records: &mut [Record], due: &[Due]) -> Result<()> {
    let count = records.len();
    for (record, (line, kind)) in records.iter_mut().zip(due) {
        let seen = operation(record)?;
        let fits = match kind {
            Kind::Row(op) => seen.as_deref() == Some(op),
            Kind::Tombstone => seen.is_none(),
        };
        ensure!(
            fits,
            "{} at {}: {seen:?} came where event {line} wants {kind:?}",
            record.topic,
            record.offset
        );
        record.event = Some(*line);
    }
    if count != due.len() {
        bail!("{count} records came instead of {}", due.len());
    }
    Ok(())
}

/// The operation that a message names, in the envelope or as an added field; none in a tombstone.
fn operation(record: &Record) -> Result<Option<String>> {
    let Some(value) = &record.value else { return Ok(None) };
    let value: Value = serde_json::from_str(value).context("a value is not JSON")?;
    let body = value.get("payload").unwrap_or(&value);
    let op = body.get("op").or_else(|| body.get("__op")).and_then(Value::as_str);
    Ok(Some(op.unwrap_or_default().to_owned()))
}
