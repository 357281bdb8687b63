//! Records without the values of some columns, by what frames look like.

use std::collections::BTreeMap;

use cdc_core::{REDACTED, Redact, RedactError, Redaction, Redactions};

use crate::frame::{self, Frame, FrameChange, RelationDescription};
use crate::pgoutput::{Tuple, TupleColumn};

/// Takes values of columns out of the records of a replication source; see [`Redact`].
///
/// A value that is taken out is replaced by the text [`REDACTED`], so that the record is a frame still. Of
/// values that the source did not send nothing has to be taken out, unless NULL has to be as well.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReplicationRedactor;

impl Redact for ReplicationRedactor {
    fn value(&self, value: &[u8], columns: &Redactions) -> Result<Vec<u8>, RedactError> {
        let Frame { relation, head, change } =
            frame::parse(value).map_err(|_| RedactError::UnknownShape)?;
        if let FrameChange::Message { content, .. } = change {
            // Whoever wrote a message knows what stands in it, and nobody else does.
            return if content.is_empty() {
                Ok(value.to_vec())
            } else {
                Err(RedactError::UnknownShape)
            };
        }
        let description =
            RelationDescription::from_bytes(relation).map_err(|_| RedactError::NotJson)?;
        let redacted = |row| redacted(&description, row, columns);
        let mut rows = (Vec::new(), Vec::new());
        let change = match change {
            FrameChange::Insert { new } => {
                rows.0 = redacted(new)?;
                FrameChange::Insert { new: &rows.0 }
            }
            FrameChange::Snapshot { row } => {
                rows.0 = redacted(row)?;
                FrameChange::Snapshot { row: &rows.0 }
            }
            FrameChange::Update { old, new } => {
                rows.0 = redacted(new)?;
                let old = match old {
                    None => None,
                    Some((kind, old)) => {
                        rows.1 = redacted(old)?;
                        Some((kind, rows.1.as_slice()))
                    }
                };
                FrameChange::Update { old, new: &rows.0 }
            }
            FrameChange::Delete { old: (kind, old) } => {
                rows.0 = redacted(old)?;
                FrameChange::Delete { old: (kind, &rows.0) }
            }
            FrameChange::Truncate | FrameChange::Message { .. } => change,
        };
        let mut out = Vec::with_capacity(value.len());
        frame::write(&mut out, relation, &head, &change);
        Ok(out)
    }

    fn is_free(&self, key: &[u8], columns: &Redactions) -> bool {
        let Ok(key) = serde_json::from_slice::<BTreeMap<String, Option<String>>>(key) else {
            return false;
        };
        !key.iter().any(|(name, value)| is_meant(columns, name, value.is_none()))
    }
}

fn is_meant(columns: &Redactions, name: &str, is_null: bool) -> bool {
    match columns.get(name) {
        None => false,
        Some(Redaction::Always) => true,
        Some(Redaction::UnlessNull) => !is_null,
    }
}

/// The row with the values of these columns replaced. In a row that is not one of the described table
/// nobody knows which values those are.
fn redacted(
    relation: &RelationDescription,
    row: &[u8],
    columns: &Redactions,
) -> Result<Vec<u8>, RedactError> {
    let row = Tuple::parse(row).map_err(|_| RedactError::UnknownShape)?;
    if row.len() != relation.columns.len() {
        return Err(RedactError::UnknownShape);
    }
    let kept = relation.columns.iter().zip(row.columns()).map(|(column, value)| {
        let is_null = matches!(value, TupleColumn::Null | TupleColumn::Unchanged);
        let is_meant = is_meant(columns, &column.name, is_null);
        if is_meant { TupleColumn::Text(REDACTED.as_bytes()) } else { value }
    });
    let mut out = Vec::with_capacity(row.raw().len());
    Tuple::write(&mut out, kept);
    Ok(out)
}

#[cfg(test)]
mod tests;
