//! Connect's schema block: its text, its compiled form, and the memory of what was compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::declarations::Declarations;
use crate::error::{DecodeError, Side};
use crate::flattened::Flattened;
use crate::json::Reader;
use crate::limits::Limits;
use crate::plan::{RowPlan, RowRead, RowTarget};
use crate::row::{Column, RowBuffer, RowShape, ScratchFull};
use crate::semantic::{self, Scratch};

/// How many schema blocks a decoder remembers. One is the rule; a few more serve topics whose
/// partitions pass a schema change at different times, or that carry several tables.
const BLOCKS_MAX: usize = 16;

/// A schema as the JSON converter writes it. Members that decoding has no use for are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct ConnectSchema {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    parameters: Option<BTreeMap<String, String>>,
    #[serde(default)]
    fields: Option<Vec<ConnectSchema>>,
    /// The elements of an array.
    #[serde(default)]
    pub(crate) items: Option<Box<ConnectSchema>>,
    /// The keys of a map.
    #[serde(default)]
    pub(crate) keys: Option<Box<ConnectSchema>>,
    /// The values of a map.
    #[serde(default)]
    pub(crate) values: Option<Box<ConnectSchema>>,
    #[serde(default)]
    field: Option<String>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    default: Option<serde_json::Value>,
}

impl ConnectSchema {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.as_ref()?.get(name).map(String::as_str)
    }

    fn member(&self, name: &str) -> Option<&ConnectSchema> {
        self.fields.as_ref()?.iter().find(|field| field.field.as_deref() == Some(name))
    }
}

/// What a schema block says about the rows of its messages.
#[derive(Debug)]
pub(crate) struct CompiledSchema {
    /// Whether it is one of Debezium's own, of messages that are not about a row.
    pub(crate) is_control: bool,
    /// The struct itself: a key, or a flattened row.
    pub(crate) row: Option<Arc<RowPlan>>,
    pub(crate) before: Option<Arc<RowPlan>>,
    pub(crate) after: Option<Arc<RowPlan>>,
}

impl CompiledSchema {
    fn compile(
        text: &str,
        side: Side,
        types: &Types,
        last: Option<&Self>,
    ) -> Result<Self, DecodeError> {
        let invalid =
            |problem: String| DecodeError::InvalidSchema { side, problem: problem.into() };
        let schema: ConnectSchema = serde_json::from_str(text).map_err(|error| {
            invalid(format!(
                "not a Connect schema at line {}, column {}",
                error.line(),
                error.column()
            ))
        })?;
        let known: Vec<&Arc<RowPlan>> = last
            .into_iter()
            .flat_map(|last| [&last.row, &last.before, &last.after])
            .flatten()
            .collect();
        let plan = |schema: &ConnectSchema, others: &[&Arc<RowPlan>]| {
            compile_struct(schema, types, others).map_err(invalid)
        };
        let is_envelope = schema.member("source").is_some() && schema.member("op").is_some();
        if !is_envelope {
            let row = (schema.kind == "struct").then(|| plan(&schema, &known)).transpose()?;
            return Ok(Self { is_control: is_control(&schema), row, before: None, after: None });
        }
        let is_struct = |schema: &&ConnectSchema| schema.kind == "struct";
        let after = schema.member("after").filter(is_struct);
        let after = after.map(|after| plan(after, &known)).transpose()?;
        let with_after: Vec<_> = after.iter().chain(known).collect();
        let before = schema.member("before").filter(is_struct);
        let before = before.map(|before| plan(before, &with_after)).transpose()?;
        Ok(Self { is_control: false, row: None, before, after })
    }
}

/// Names of the schemas of heartbeats, transaction markers and the like.
fn is_control(schema: &ConnectSchema) -> bool {
    schema.name.as_deref().is_some_and(|name| name.starts_with("io.debezium.connector."))
}

/// What is known of columns besides the schema.
#[derive(Debug)]
struct Types {
    declarations: Declarations,
    /// Which members of rows are no columns; they come behind the columns.
    flattened: Option<Arc<Flattened>>,
}

/// The plan of a struct schema; an equal plan or shape among `others` is shared.
fn compile_struct(
    schema: &ConnectSchema,
    types: &Types,
    others: &[&Arc<RowPlan>],
) -> Result<Arc<RowPlan>, String> {
    let mut fields: Vec<_> = schema.fields.iter().flatten().collect();
    if let Some(flattened) = &types.flattened {
        fields.sort_by_key(|field| {
            field.field.as_deref().is_some_and(|name| flattened.meaning(name).is_some())
        });
    }
    let mut columns = Vec::with_capacity(fields.len());
    let mut optional = Vec::with_capacity(fields.len());
    for field in &fields {
        let name = field.field.as_deref().ok_or("a struct member has no field name")?;
        let kind = semantic::from_connect(field)
            .map_err(|problem| format!("the column {name}: {problem}"))?;
        let row = schema.name.as_deref().unwrap_or_default();
        let kind = match types.declarations.of_schema(row, name) {
            Some(declared) => kind.refined_by(declared),
            None => kind,
        };
        columns.push(Column::new(name, kind));
        optional.push(field.optional);
    }
    let mut names: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err("a struct has two members of one name".to_owned());
    }
    let defaults = defaults(&fields, &columns);
    let required = optional.iter().map(|optional| !optional).collect();
    let mut shape = RowShape::new(columns).with_presence(required);
    if let Some(defaults) = defaults {
        shape = shape.with_defaults(defaults);
    }
    let is_same = |known: &RowShape| *known == shape && known.has_details_of(&shape);
    let same = others.iter().find(|plan| is_same(plan.shape()));
    let shape = same.map_or_else(|| Arc::new(shape), |plan| Arc::clone(plan.shape()));
    Ok(Arc::new(RowPlan::described(shape, optional)))
}

/// Most bytes that the defaults of one struct take: they are kept as long as the schema is, and a
/// table's own are some dozens.
const DEFAULTS_BYTES_MAX: usize = 1 << 20;

/// The columns' defaults, read as values of these columns. One that cannot be read or kept is left out:
/// only the recognition of defaults among values is lost with it.
fn defaults(fields: &[&ConnectSchema], columns: &[Column]) -> Option<RowBuffer> {
    fields.iter().find(|field| field.default.is_some())?;
    let limits = Limits { scratch_bytes_max: DEFAULTS_BYTES_MAX, ..Limits::default() };
    let mut scratch = Scratch::default();
    let mut defaults = RowBuffer::new();
    defaults.bound_scratch(DEFAULTS_BYTES_MAX);
    let mut buffer = RowBuffer::new();
    for (field, column) in fields.iter().zip(columns) {
        let shape = Arc::new(RowShape::new(vec![column.clone()]));
        let plan = RowPlan::described(Arc::clone(&shape), vec![true]);
        let row = field
            .default
            .as_ref()
            .map(|default| serde_json::json!({ (&*column.name): default }).to_string());
        let mut target = RowTarget {
            buffer: &mut buffer,
            scratch: &mut scratch,
            limits: &limits,
            side: Side::Value,
        };
        let read = row.as_deref().map(|row| plan.read(&mut Reader::new(row, &limits), &mut target));
        let kept = match (read, &row) {
            (Some(Ok(RowRead::Done)), Some(row)) => defaults.append(buffer.row(&shape, row).get(0)),
            _ => Err(ScratchFull),
        };
        if kept.is_err() {
            defaults.push_null();
        }
    }
    Some(defaults)
}

/// The schema blocks seen lately, the last one first in line.
#[derive(Debug)]
pub(crate) struct SchemaCache {
    side: Side,
    types: Types,
    blocks: Vec<(Box<str>, Arc<CompiledSchema>)>,
    current: usize,
}

impl SchemaCache {
    /// An empty cache. The declarations tell what schemas leave open.
    pub(crate) fn new(side: Side, declarations: Declarations) -> Self {
        let types = Types { declarations, flattened: None };
        Self { side, types, blocks: Vec::new(), current: 0 }
    }

    /// Forgets all blocks, and from now on takes rows for flattened ones.
    pub(crate) fn expect_flattened(&mut self, flattened: &Arc<Flattened>) {
        self.types.flattened = Some(Arc::clone(flattened));
        self.blocks.clear();
    }

    /// When `text` starts with the last block, its length and meaning. The block is a complete JSON
    /// value, so what follows it cannot belong to it.
    pub(crate) fn predicted(&self, text: &[u8]) -> Option<(usize, Arc<CompiledSchema>)> {
        let (block, compiled) = self.blocks.get(self.current)?;
        text.starts_with(block.as_bytes()).then(|| (block.len(), Arc::clone(compiled)))
    }

    /// The meaning of a whole block, compiled now when it is new.
    pub(crate) fn get(&mut self, block: &str) -> Result<Arc<CompiledSchema>, DecodeError> {
        if let Some(found) = self.blocks.iter().position(|(known, _)| **known == *block) {
            self.current = found;
        } else {
            let last = self.blocks.get(self.current).map(|(_, compiled)| &**compiled);
            let compiled = Arc::new(CompiledSchema::compile(block, self.side, &self.types, last)?);
            if self.blocks.len() >= BLOCKS_MAX {
                self.blocks.remove(0);
            }
            self.current = self.blocks.len();
            self.blocks.push((block.into(), compiled));
        }
        let current = self.blocks.get(self.current);
        let (_, compiled) = current.expect("the index was taken from this list just now");
        Ok(Arc::clone(compiled))
    }
}
