//! Row images: the bytes of one COPY row, as a fold keeps them.
//!
//! An image is the number of fields, the key's fields, the other fields, the partition where the target
//! keeps it, then the position (and the flag of a soft-deleted row). The tail has a fixed length, so it can be changed in place.

use std::ops::Range;

use cdc_core::{ChangeEvent, Rejection, Row, Stage, Value};

use super::{Span, push};
use crate::copy::{CopyBuffer, HEADER};
use crate::plan::{Cell, MirrorPlan};
use crate::settings::Deletes;

/// A row begins with the number of its fields, two bytes; then comes the key.
pub(super) const KEY_START: usize = 2;
/// Each field begins with its length, four bytes.
const LENGTH: usize = 4;
/// The flag of a soft-deleted row at the end of an image.
const FLAG: usize = LENGTH + 1;
/// The position before it: an integer and a bigint.
const POSITION: usize = LENGTH + 4 + LENGTH + 8;

/// Encodes one row at a time.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    buffer: CopyBuffer,
    unavailable: Vec<u8>,
}

/// An encoded row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoded<'e> {
    /// Its image.
    pub(super) image: &'e [u8],
    /// How many bytes the key takes.
    pub(super) key_bytes: usize,
    /// One bit per value column, set where the source sent nothing; `None` when all are there.
    pub(super) unavailable: Option<&'e [u8]>,
}

impl<'e> Encoded<'e> {
    pub(super) fn key(&self) -> &'e [u8] {
        let end = KEY_START.saturating_add(self.key_bytes);
        self.image.get(KEY_START..end).unwrap_or_default()
    }
}

impl Encoder {
    /// A whole row.
    pub(super) fn row(
        &mut self,
        plan: &MirrorPlan,
        event: &ChangeEvent<'_>,
        row: Row<'_>,
    ) -> Result<Encoded<'_>, Box<Rejection>> {
        let position = position(plan, event)?;
        let key_bytes = self.begin(plan, plan.fields, row)?;
        let mut any = false;
        self.unavailable.clear();
        for (bit, cell) in plan.values.iter().enumerate() {
            let value = row.get(cell.source);
            if matches!(value, Value::Unavailable) {
                any = true;
                self.unavailable.resize(plan.values.len().div_ceil(8), 0);
                set_bit(&mut self.unavailable, bit);
                self.buffer.put_null();
            } else {
                self.put(plan, cell, value)?;
            }
        }
        if plan.placed {
            self.buffer.put_i32(event.record.partition.number().get());
        }
        self.end(position);
        if plan.deletes == Deletes::Soft {
            let alive = self.buffer.put(crate::pair::CellEncoder::Bool, Value::Bool(false));
            alive.expect("a boolean column takes a boolean");
        }
        let image = self.buffer.bytes().get(HEADER.len()..).unwrap_or_default();
        Ok(Encoded { image, key_bytes, unavailable: any.then_some(&*self.unavailable) })
    }

    /// A key to delete, with the position of the delete.
    pub(super) fn key(
        &mut self,
        plan: &MirrorPlan,
        event: &ChangeEvent<'_>,
        row: Row<'_>,
    ) -> Result<Encoded<'_>, Box<Rejection>> {
        let position = position(plan, event)?;
        let key_bytes = self.begin(plan, plan.delete_fields, row)?;
        self.end(position);
        let image = self.buffer.bytes().get(HEADER.len()..).unwrap_or_default();
        Ok(Encoded { image, key_bytes, unavailable: None })
    }

    fn begin(
        &mut self,
        plan: &MirrorPlan,
        fields: i16,
        row: Row<'_>,
    ) -> Result<usize, Box<Rejection>> {
        self.buffer.clear();
        self.buffer.begin_row(fields);
        for cell in &plan.keys {
            let value = row.get(cell.source);
            if matches!(value, Value::Null | Value::Unavailable) {
                self.buffer.clear();
                return Err(keyless(plan, cell));
            }
            self.put(plan, cell, value)?;
        }
        Ok(self.buffer.len().saturating_sub(HEADER.len().saturating_add(KEY_START)))
    }

    fn put(
        &mut self,
        plan: &MirrorPlan,
        cell: &Cell,
        value: Value<'_>,
    ) -> Result<(), Box<Rejection>> {
        self.buffer.put(cell.encoder, value).map_err(|error| {
            self.buffer.clear();
            crate::stager::refused(plan.table, &cell.name, &error)
        })
    }

    fn end(&mut self, (generation, offset): (i32, i64)) {
        self.buffer.put_i32(generation);
        self.buffer.put_i64(offset);
    }
}

/// Where the change stands, as the mirror's guard stores it.
fn position(plan: &MirrorPlan, event: &ChangeEvent<'_>) -> Result<(i32, i64), Box<Rejection>> {
    let generation = crate::stager::generation(plan.table, event)?;
    Ok((generation, event.record.offset.get()))
}

/// The row that stood there before.
#[derive(Debug, Clone)]
pub(super) struct Earlier {
    /// Its image in the arena.
    pub(super) image: Range<usize>,
    /// The map of what it lacks, in the arena.
    pub(super) unavailable: Option<Range<usize>>,
}

/// Appends the later row with those values of the earlier one that it lacks by its map, and the map
/// of the values that both lack. Two partial rows make a partial row even if they lack nothing
/// together: written one by one, neither would have inserted.
pub(super) fn merge(
    arena: &mut Vec<u8>,
    plan: &MirrorPlan,
    (later, map): (Encoded<'_>, &[u8]),
    earlier: Earlier,
) -> (Span, Option<Span>) {
    let start = arena.len();
    let mut old =
        Fields { next: earlier.image.start.saturating_add(KEY_START), end: earlier.image.end };
    let mut new = Fields { next: KEY_START, end: later.image.len() };
    arena.extend_from_slice(later.image.get(..KEY_START).unwrap_or_default());
    let keys = plan.keys.len();
    let mut column = 0_usize;
    while let Some(field) = new.step(later.image) {
        let held = old.step(arena);
        let lacks = column
            .checked_sub(keys)
            .is_some_and(|bit| bit < plan.values.len() && bit_is_set(map, bit));
        match held {
            Some(held) if lacks => arena.extend_from_within(held),
            Some(_) | None => arena.extend_from_slice(later.image.get(field).unwrap_or_default()),
        }
        column = column.saturating_add(1);
    }
    let image = Span { start, end: arena.len() };
    let both = earlier.unavailable.map(|earlier| {
        let held = arena.get(earlier).unwrap_or_default();
        map.iter().zip(held).map(|(later, earlier)| later & earlier).collect::<Vec<u8>>()
    });
    (image, both.map(|map| push(arena, &map)))
}

/// Walks over the fields of an image.
struct Fields {
    next: usize,
    end: usize,
}

impl Fields {
    /// The next field with its length.
    fn step(&mut self, bytes: &[u8]) -> Option<Range<usize>> {
        if self.next >= self.end {
            return None;
        }
        let (length, _) = bytes.get(self.next..self.end)?.split_first_chunk::<LENGTH>()?;
        // A NULL has the length −1 and no bytes.
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let field = self.next..self.next.saturating_add(LENGTH).saturating_add(length);
        self.next = field.end;
        Some(field)
    }
}

/// Turns the image of a live row into one of a soft-deleted row, at the position of the delete,
/// which ends the image of the deleted key.
pub(super) fn flag_deleted(arena: &mut [u8], row: Range<usize>, delete: &[u8]) {
    let at = row.end.saturating_sub(FLAG).saturating_sub(POSITION);
    let position = delete.get(delete.len().saturating_sub(POSITION)..).unwrap_or_default();
    if let Some(held) = arena.get_mut(at..at.saturating_add(POSITION)) {
        held.copy_from_slice(position);
    }
    if let Some(flag) = arena.get_mut(row.end.saturating_sub(1)) {
        *flag = 1;
    }
}

fn set_bit(map: &mut [u8], bit: usize) {
    if let Some(byte) = map.get_mut(bit / 8) {
        *byte |= 1 << (bit % 8);
    }
}

fn bit_is_set(map: &[u8], bit: usize) -> bool {
    map.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
}

fn keyless(plan: &MirrorPlan, cell: &Cell) -> Box<Rejection> {
    let message = format!("the key column {} of {} has no value", cell.name, plan.target);
    Box::new(
        Rejection::new(Stage::Encode, "null_key", message)
            .in_table(plan.table)
            .at_column(&*cell.name)
            .with_hint(
                "set REPLICA IDENTITY FULL, or USING INDEX over these columns, on the source",
            ),
    )
}

/// A row that would be new in the mirror lacks values.
pub(super) fn lacking(plan: &MirrorPlan, map: &[u8]) -> Box<Rejection> {
    let lacks = plan.values.iter().enumerate().find(|(bit, _)| bit_is_set(map, *bit));
    let column = lacks.map_or("?", |(_, cell)| &*cell.name);
    unavailable(plan, Stage::Encode, Some(column))
}

/// The rejection of a row that is new in the mirror and lacks a value.
pub(crate) fn unavailable(plan: &MirrorPlan, stage: Stage, column: Option<&str>) -> Box<Rejection> {
    let message = format!(
        "a row that {} does not have arrived without a value that the source left unchanged",
        plan.target
    );
    let mut rejection = Rejection::new(stage, "unavailable_value", message)
        .in_table(plan.table)
        .with_hint("set REPLICA IDENTITY FULL on the source table, then let it send the row again");
    rejection.column = column.map(str::to_owned);
    Box::new(rejection)
}
