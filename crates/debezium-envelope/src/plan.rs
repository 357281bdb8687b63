//! Reading a row object into cells along a plan of what its members will be.
//!
//! A plan knows each column's member name as it stands in the text, separators included. As long as
//! the message keeps to the plan, a member costs one comparison of bytes. Messages with white space,
//! another order or other escapes are read member by member from the point where they deviate.

use std::sync::Arc;

use crate::error::{DecodeError, Side};
use crate::json::{Reader, StringToken};
use crate::limits::Limits;
use crate::row::{RowBuffer, RowShape, SemanticType};
use crate::semantic::{self, CellInput, Role, Scratch};

/// The columns of a row and how they stand in the message.
#[derive(Debug)]
pub(crate) struct RowPlan {
    shape: Arc<RowShape>,
    /// `,"name":` for each column.
    keys: Vec<Box<[u8]>>,
    /// For each column whether it may be absent; `None` when no schema described the row.
    optional: Option<Vec<bool>>,
}

/// Whether the row had the planned members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowRead {
    /// Every cell is filled.
    Done,
    /// No schema described the row and its members are not the planned ones; the buffer's content
    /// means nothing.
    OtherMembers,
}

/// Where a row is read to, and under which rules.
pub(crate) struct RowTarget<'c> {
    pub(crate) buffer: &'c mut RowBuffer,
    pub(crate) scratch: &'c mut Scratch,
    pub(crate) limits: &'c Limits,
    pub(crate) side: Side,
}

impl RowTarget<'_> {
    fn json(&self, error: crate::json::JsonError) -> DecodeError {
        DecodeError::json(self.side, self.limits, error)
    }
}

impl RowPlan {
    /// The plan of rows that a schema block describes.
    pub(crate) fn described(shape: Arc<RowShape>, optional: Vec<bool>) -> Self {
        Self { keys: keys(&shape), shape, optional: Some(optional) }
    }

    /// The plan of rows whose members were seen in a message without schema block.
    pub(crate) fn observed(shape: Arc<RowShape>) -> Self {
        Self { keys: keys(&shape), shape, optional: None }
    }

    pub(crate) fn shape(&self) -> &Arc<RowShape> {
        &self.shape
    }

    /// Reads the object at the cursor. After an error or [`RowRead::OtherMembers`] the cursor stands
    /// somewhere inside it.
    pub(crate) fn read(
        &self,
        reader: &mut Reader<'_>,
        target: &mut RowTarget<'_>,
    ) -> Result<RowRead, DecodeError> {
        target.buffer.clear();
        target.buffer.bound_scratch(target.limits.scratch_bytes_max);
        target.buffer.resize(self.keys.len());
        reader.open_object().map_err(|error| target.json(error))?;
        for (index, (key, column)) in self.keys.iter().zip(self.shape.columns()).enumerate() {
            if !reader.eat_member(index == 0, key) {
                return self.read_rest(reader, target, index);
            }
            read_cell(reader, target, index, (&column.name, &column.semantic))?;
        }
        if reader.eat(b"}") {
            Ok(RowRead::Done)
        } else {
            self.read_rest(reader, target, self.keys.len())
        }
    }

    /// Reads the members behind the first `read` columns, which were as planned.
    fn read_rest(
        &self,
        reader: &mut Reader<'_>,
        target: &mut RowTarget<'_>,
        read: usize,
    ) -> Result<RowRead, DecodeError> {
        let mut seen: Vec<bool> = (0..self.keys.len()).map(|index| index < read).collect();
        let mut first = read == 0;
        let mut next = read;
        while let Some(token) = reader.member(first).map_err(|error| target.json(error))? {
            first = false;
            let Some(index) = self.column_named(reader, &token, next) else {
                if self.optional.is_none() {
                    return Ok(RowRead::OtherMembers);
                }
                let column = reader.characters(&token).into();
                return Err(DecodeError::UndescribedColumn { column });
            };
            let column = self.shape.columns().get(index).expect("column_named returns an index");
            if seen.get_mut(index).is_none_or(|seen| std::mem::replace(seen, true)) {
                return Err(DecodeError::DuplicateField { path: (&*column.name).into() });
            }
            read_cell(reader, target, index, (&column.name, &column.semantic))?;
            next = index.saturating_add(1);
        }
        self.check_absent(&seen)
    }

    /// The column of this name, tried first at `guess`.
    fn column_named(
        &self,
        reader: &Reader<'_>,
        token: &StringToken,
        guess: usize,
    ) -> Option<usize> {
        let name = reader.characters(token);
        let guessed = self.shape.columns().get(guess).is_some_and(|column| *column.name == *name);
        if guessed { Some(guess) } else { self.shape.index_of(&name) }
    }

    fn check_absent(&self, seen: &[bool]) -> Result<RowRead, DecodeError> {
        for (index, (column, seen)) in self.shape.columns().iter().zip(seen).enumerate() {
            if *seen {
                continue;
            }
            let Some(optional) = &self.optional else { return Ok(RowRead::OtherMembers) };
            if !optional.get(index).copied().unwrap_or_default() {
                return Err(DecodeError::MissingField { path: (&*column.name).into() });
            }
        }
        Ok(RowRead::Done)
    }
}

fn keys(shape: &RowShape) -> Vec<Box<[u8]>> {
    let key = |name: &str| {
        // A string always has a JSON form; an impossible failure only costs the prediction.
        let name = serde_json::to_string(name).unwrap_or_default();
        format!(",{name}:").into_bytes().into_boxed_slice()
    };
    shape.columns().iter().map(|column| key(&column.name)).collect()
}

#[inline]
fn read_cell(
    reader: &mut Reader<'_>,
    target: &mut RowTarget<'_>,
    index: usize,
    (name, semantic): (&str, &SemanticType),
) -> Result<(), DecodeError> {
    let cell = CellInput {
        reader,
        buffer: &mut *target.buffer,
        scratch: &mut *target.scratch,
        limits: target.limits,
        index,
        role: Role::Column,
    };
    semantic::decode(semantic, cell)
        .map_err(|error| error.at_column(name, target.side, target.limits))
}

/// The member names of the object at the cursor, in message order; the cursor ends behind it.
pub(crate) fn member_names(
    reader: &mut Reader<'_>,
    side: Side,
    limits: &Limits,
) -> Result<Vec<Arc<str>>, DecodeError> {
    let json = |error| DecodeError::json(side, limits, error);
    let mut names: Vec<Arc<str>> = Vec::new();
    reader.open_object().map_err(json)?;
    while let Some(token) = reader.member(names.is_empty()).map_err(json)? {
        names.push(reader.characters(&token).into());
        reader.skip_value().map_err(json)?;
    }
    let mut sorted: Vec<&str> = names.iter().map(|name| &**name).collect();
    sorted.sort_unstable();
    for (name, next) in sorted.iter().zip(sorted.iter().skip(1)) {
        if name == next {
            return Err(DecodeError::DuplicateField { path: (*name).into() });
        }
    }
    Ok(names)
}
