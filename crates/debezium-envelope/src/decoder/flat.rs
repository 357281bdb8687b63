//! Telling the columns of a flattened row from its metadata.
//!
//! Metadata members are read as cells like any other, behind the columns; the row that is handed out
//! shows the columns alone.

use std::sync::Arc;

use super::change::{SlotState, refuse_wrapped_in};
use super::slot::RowSlot;
use crate::error::DecodeError;
use crate::flattened::{Flattened, FlattenedRow, FlattenedState, Metadata};
use crate::lsn::Lsn;
use crate::message::{Op, SchemaBlock};
use crate::row::{Row, RowBuffer, RowShape, Slot, Value};

/// What a decoder that expects flattened rows knows.
#[derive(Debug)]
pub(super) struct FlatRows {
    pub(super) transform: Arc<Flattened>,
    /// The shape that the rest was made for, metadata included.
    whole: Arc<RowShape>,
    columns: Arc<RowShape>,
    slots: Vec<Slot>,
    metadata: Vec<(usize, Metadata)>,
    /// Projections may add cells; this one adds none.
    nothing: RowBuffer,
}

/// The metadata of one row.
#[derive(Debug, Default)]
struct Found<'d> {
    deleted: Option<bool>,
    op: Option<Op>,
    texts: [Option<&'d str>; 3],
    numbers: [Option<i64>; 4],
}

impl FlatRows {
    pub(super) fn new(transform: Flattened) -> Self {
        let none = Arc::new(RowShape::new(Vec::new()));
        Self {
            transform: Arc::new(transform),
            whole: Arc::clone(&none),
            columns: none,
            slots: Vec::new(),
            metadata: Vec::new(),
            nothing: RowBuffer::new(),
        }
    }

    /// Divides the members of this shape into columns and metadata.
    pub(super) fn divide(&mut self, whole: &Arc<RowShape>) {
        if Arc::ptr_eq(&self.whole, whole) {
            return;
        }
        let (mut columns, mut slots, mut metadata) = (Vec::new(), Vec::new(), Vec::new());
        for (index, column) in whole.columns().iter().enumerate() {
            if let Some(meaning) = self.transform.meaning(&column.name) {
                metadata.push((index, meaning));
            } else {
                columns.push(column.clone());
                slots.push(Slot::Source(index));
            }
        }
        let columns = RowShape::new(columns);
        if *self.columns != columns {
            self.columns = Arc::new(columns);
        }
        (self.slots, self.metadata) = (slots, metadata);
        self.whole = Arc::clone(whole);
    }

    /// The row in the slot, whose shape was divided before.
    pub(super) fn view<'d>(
        &'d self,
        slot: &'d RowSlot,
        record: &'d str,
        key: Option<Row<'d>>,
        schema_block: SchemaBlock,
    ) -> Result<FlattenedRow<'d>, DecodeError> {
        let whole = slot.view(record);
        refuse_wrapped_in(whole)?;
        let found = self.found(whole)?;
        let state = match (found.deleted, found.op) {
            (Some(false), Some(Op::Delete))
            | (Some(true), Some(Op::Create | Op::Read | Op::Update)) => {
                let expected = "the same as the operation says";
                return Err(DecodeError::InvalidField { path: "__deleted", expected });
            }
            (_, Some(Op::Truncate)) => return Err(DecodeError::UnknownOperation {}),
            (Some(true), _) | (None, Some(Op::Delete)) => FlattenedState::Deleted,
            (Some(false) | None, _) => FlattenedState::Present,
        };
        let ([db, schema, table], [lsn, tx_id, source_ts_ms, ts_ms]) = (found.texts, found.numbers);
        Ok(FlattenedRow {
            state,
            row: whole.project(&self.columns, &self.slots, &self.nothing),
            key,
            op: found.op,
            db,
            schema,
            table,
            lsn: lsn.map(Lsn::from_signed),
            tx_id,
            source_ts_ms,
            ts_ms,
            schema_block,
        })
    }

    fn found<'d>(&self, whole: Row<'d>) -> Result<Found<'d>, DecodeError> {
        let mut found = Found::default();
        let [db, schema, table] = &mut found.texts;
        let [lsn, tx_id, source_ts_ms, ts_ms] = &mut found.numbers;
        for (index, meaning) in &self.metadata {
            let value = whole.get(*index);
            match meaning {
                Metadata::Deleted => found.deleted = truth(value)?,
                Metadata::Op => found.op = operation(value)?,
                Metadata::Db => *db = text(value, "add.fields db")?,
                Metadata::Schema => *schema = text(value, "add.fields schema")?,
                Metadata::Table => *table = text(value, "add.fields table")?,
                Metadata::Lsn => *lsn = number(value, "add.fields lsn")?,
                Metadata::TxId => *tx_id = number(value, "add.fields txId")?,
                Metadata::CommittedMs => *source_ts_ms = number(value, "add.fields source.ts_ms")?,
                Metadata::CapturedMs => *ts_ms = number(value, "add.fields ts_ms")?,
                Metadata::Other => {}
            }
        }
        Ok(found)
    }
}

fn truth(value: Value<'_>) -> Result<Option<bool>, DecodeError> {
    let is = |text: &str, truth| value == Value::Text(text) || value == Value::Bool(truth);
    if value == Value::Null {
        Ok(None)
    } else if is("true", true) {
        Ok(Some(true))
    } else if is("false", false) {
        Ok(Some(false))
    } else {
        Err(DecodeError::InvalidField { path: "__deleted", expected: "\"true\" or \"false\"" })
    }
}

fn operation(value: Value<'_>) -> Result<Option<Op>, DecodeError> {
    let Some(code) = text(value, "add.fields op")? else { return Ok(None) };
    Op::parse(code).map(Some).ok_or(DecodeError::UnknownOperation {})
}

fn text<'d>(value: Value<'d>, path: &'static str) -> Result<Option<&'d str>, DecodeError> {
    if let Value::Text(text) = value {
        Ok(Some(text))
    } else if value == Value::Null {
        Ok(None)
    } else {
        Err(DecodeError::InvalidField { path, expected: "a string or null" })
    }
}

fn number(value: Value<'_>, path: &'static str) -> Result<Option<i64>, DecodeError> {
    if let Value::Int64(number) = value {
        Ok(Some(number))
    } else if value == Value::Null {
        Ok(None)
    } else {
        Err(DecodeError::InvalidField { path, expected: "a 64-bit integer or null" })
    }
}

impl super::MessageDecoder {
    /// Makes the declared table of flattened rows the current one.
    pub(super) fn select_flattened_table(&mut self) {
        let Some(flat) = &self.flattened else { return };
        match flat.transform.table() {
            Some(table) => self.tables.select_named(table),
            None => self.tables.select_unknown(&self.declarations),
        }
    }

    /// The message of a flattened row that stands in the slot of rows after a change.
    pub(super) fn flattened_row<'d>(
        &'d mut self,
        record: &'d str,
        key: Option<&'d str>,
        schema_block: SchemaBlock,
    ) -> Result<FlattenedRow<'d>, DecodeError> {
        let key_state = key.map_or(Ok(SlotState::Empty), |text| self.read_key(text))?;
        let shape = Arc::clone(&self.after.shape);
        if let Some(flat) = &mut self.flattened {
            flat.divide(&shape);
        }
        let flat = self.flattened.as_ref();
        let flat = flat.expect("only a decoder that expects flattened rows reads them");
        let key = key_state.row(&self.key, key.unwrap_or_default());
        flat.view(&self.after, record, key, schema_block)
    }
}
