//! What decides how a table's messages look, besides its rows.

use std::collections::BTreeMap;
use std::fmt;

use crate::message::SchemaBlock;

/// The version of Debezium whose messages are written: which members an envelope has, in which order,
/// and how some types are described.
///
/// They are the versions whose own messages the encoder is compared with. Types that came after a
/// version are written as the one that brought them, for want of another form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Release {
    /// 2.4: times in milliseconds alone, the transaction last.
    #[default]
    V2_4,
    /// 3.4: times in microseconds and nanoseconds too, the transaction behind the source.
    V3_4,
    /// 3.7: the same with the replication origin in the source, and PostgreSQL's own shapes.
    V3_7,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2_4 => "2.4",
            Self::V3_4 => "3.4",
            Self::V3_7 => "3.7",
        })
    }
}

/// How an [`EnvelopeEncoder`](super::EnvelopeEncoder) writes, for what neither a row nor its shape
/// tells. A [`SchemaBlock`] alone stands for the options that it makes with
/// [`new`](Self::new).
///
/// ```
/// use debezium_envelope::{EncoderOptions, Release, SchemaBlock};
///
/// // A table with a column of type timestamptz(3), as Debezium 3.7 writes it.
/// let options = EncoderOptions::new(SchemaBlock::Present)
///     .release(Release::V3_7)
///     .fraction_digits("created_at", 3);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderOptions {
    pub(super) schema_block: SchemaBlock,
    pub(super) release: Release,
    pub(super) time_names: TimeNames,
    pub(super) old_rows: OldRows,
    pub(super) columns: BTreeMap<String, ColumnOptions>,
}

/// Whose names milliseconds and days go by in a schema block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeNames {
    Debezium,
    Connect,
}

/// What old rows hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OldRows {
    Complete,
    KeyAndStandIns,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnOptions {
    /// How many digits of a second the source's type has.
    pub(super) digits: u8,
    /// Whether elements of an array cannot be NULL.
    pub(super) required_elements: bool,
    pub(super) document: Document,
}

/// What a column that is described as a JSON document is in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Document {
    Json,
    Hstore,
}

impl Default for ColumnOptions {
    fn default() -> Self {
        Self { digits: DIGITS_MAX, required_elements: false, document: Document::Json }
    }
}

/// PostgreSQL's resolution, that of a type without a precision of its own.
pub(super) const DIGITS_MAX: u8 = 6;

impl EncoderOptions {
    /// The messages of Debezium 2.4 for a table with full replica identity.
    pub fn new(schema_block: SchemaBlock) -> Self {
        Self {
            schema_block,
            release: Release::default(),
            time_names: TimeNames::Debezium,
            old_rows: OldRows::Complete,
            columns: BTreeMap::new(),
        }
    }

    /// Writes as this version does.
    #[must_use]
    pub fn release(self, release: Release) -> Self {
        Self { release, ..self }
    }

    /// Describes days and milliseconds by Connect's own names, as `time.precision.mode=connect` does.
    #[must_use]
    pub fn connect_times(self) -> Self {
        Self { time_names: TimeNames::Connect, ..self }
    }

    /// Says that the source logs no more than the key of an old row (REPLICA IDENTITY DEFAULT), so
    /// that what other columns of `before` hold are the connector's stand-ins. Stand-ins of two types
    /// differ from a value of the same meaning: the epoch of a `timestamptz` has no fraction, and an
    /// unavailable UUID is empty text.
    #[must_use]
    pub fn old_rows_of_keys(self) -> Self {
        Self { old_rows: OldRows::KeyAndStandIns, ..self }
    }

    /// Says how many digits of a second a column's type has in the source: 3 for `timestamptz(3)`. Six
    /// are assumed, and more than six are taken for six. It shows in `timestamptz`, whose text has
    /// always so many, and in structured times.
    #[must_use]
    pub fn fraction_digits(self, column: &str, digits: u8) -> Self {
        self.with(column, |options| options.digits = digits.min(DIGITS_MAX))
    }

    /// Says that elements of an array column cannot be NULL. So are described, whatever is true, the
    /// arrays of a type that the connector does not know; those of enums need no telling.
    #[must_use]
    pub fn required_elements(self, column: &str) -> Self {
        self.with(column, |options| options.required_elements = true)
    }

    /// Says that a column of JSON documents is an `hstore` in the source
    /// (`hstore.handling.mode=json`), which shows in an unavailable value.
    #[must_use]
    pub fn hstore(self, column: &str) -> Self {
        self.with(column, |options| options.document = Document::Hstore)
    }

    fn with(mut self, column: &str, set: impl FnOnce(&mut ColumnOptions)) -> Self {
        set(self.columns.entry(column.to_owned()).or_default());
        self
    }

    pub(super) fn column(&self, name: &str) -> ColumnOptions {
        self.columns.get(name).copied().unwrap_or_default()
    }
}

impl From<SchemaBlock> for EncoderOptions {
    fn from(schema_block: SchemaBlock) -> Self {
        Self::new(schema_block)
    }
}
