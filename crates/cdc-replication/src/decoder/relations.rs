//! The descriptions of tables that records begin with, understood once.

use std::sync::Arc;

use cdc_core::{Column, Rejection, RowShape, SourceTable, TableId};

use super::rejection;
use crate::frame::{FrameError, RelationDescription};

/// So many are remembered. Records of tables take turns, and the stream of a publication with more tables
/// than this changes seldom more of them at a time; the oldest is forgotten first and understood again when
/// it comes back.
const COMPILED_MAX: usize = 64;

/// A description, ready for the rows of its table.
#[derive(Debug)]
pub(super) struct Compiled {
    /// The bytes that it was read from, with the end of the line.
    bytes: Box<[u8]>,
    pub(super) description: RelationDescription,
    /// The configured table, if there is one.
    pub(super) table: Option<TableId>,
    /// The columns that have a meaning.
    pub(super) shape: Arc<RowShape>,
}

/// The descriptions that were met last.
#[derive(Debug, Default)]
pub(super) struct Relations {
    compiled: Vec<Compiled>,
    /// Where the last record's stands.
    current: usize,
    /// Which is forgotten next.
    oldest: usize,
}

impl Relations {
    /// What the bytes at the beginning of a value describe. A description ends with its line, so none is the
    /// beginning of another.
    pub(super) fn find(
        &mut self,
        value: &[u8],
        tables: &[(SourceTable, TableId)],
    ) -> Result<&Compiled, Box<Rejection>> {
        let is_it = |compiled: &Compiled| value.starts_with(&compiled.bytes);
        if !self.compiled.get(self.current).is_some_and(is_it) {
            self.current = match self.compiled.iter().position(is_it) {
                Some(known) => known,
                None => self.insert(Compiled::new(value, tables)?),
            };
        }
        Ok(self.compiled.get(self.current).expect("it was found or inserted just now"))
    }

    fn insert(&mut self, compiled: Compiled) -> usize {
        if self.compiled.len() < COMPILED_MAX {
            self.compiled.push(compiled);
            return self.compiled.len().saturating_sub(1);
        }
        let place = self.oldest;
        self.oldest = place.wrapping_add(1) % COMPILED_MAX;
        if let Some(oldest) = self.compiled.get_mut(place) {
            *oldest = compiled;
        }
        place
    }
}

impl Compiled {
    fn new(value: &[u8], tables: &[(SourceTable, TableId)]) -> Result<Self, Box<Rejection>> {
        let no_relation = || rejection::malformed_frame(&FrameError::NoRelation, None);
        let end = value.iter().position(|byte| *byte == b'\n').ok_or_else(no_relation)?;
        let bytes = value.get(..=end).ok_or_else(no_relation)?;
        let description = RelationDescription::from_bytes(bytes)
            .map_err(|e| rejection::malformed_relation(&e))?;
        let name = (description.schema.as_str(), description.table.as_str());
        let place =
            tables.binary_search_by(|(table, _)| (table.schema(), table.name()).cmp(&name)).ok();
        let table = place.and_then(|place| tables.get(place)).map(|(_, table)| *table);
        let columns = description
            .columns
            .iter()
            .filter_map(|column| Some(Column::new(column.name.as_str(), column.semantic.clone()?)));
        let shape = Arc::new(RowShape::new(columns.collect()));
        Ok(Self { bytes: bytes.into(), table, shape, description })
    }

    /// How many bytes of a value the description takes.
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }
}
