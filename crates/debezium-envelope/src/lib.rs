//! Exact decoder and encoder of Debezium change messages in JSON.
//!
//! What it guarantees:
//!
//! - A value is what the source meant, or decoding is an error that names the column. No decimal
//!   passes through a float, no timestamp is shifted or rounded, and an unchanged TOAST column is
//!   [`Value::Unavailable`], never NULL.
//! - Any bytes give a message or a [`DecodeError`], without a panic, within [`Limits`].
//! - Types come from the schema block of the message or from [`Declarations`]; they are not guessed.
//! - Decoding a row allocates nothing once the decoder has seen a few rows of its table.
//! - [`EnvelopeEncoder`] writes what a [`Release`] of Debezium writes, byte for byte, as the tests hold
//!   against every captured row event; the decoder gives back what was encoded.
//!
//! ```
//! use debezium_envelope::{Declarations, Limits, Message, MessageDecoder, SemanticType};
//!
//! let value = include_bytes!("../fixtures/orders_update.bare.json");
//! let mut declarations = Declarations::none();
//! declarations
//!     .declare("public.orders", "amount", SemanticType::parse("decimal(10,2)")?)
//!     .declare("public.orders", "created_at", SemanticType::parse("timestamp(micros)")?)
//!     .declare("public.orders", "updated_at", SemanticType::parse("timestamp(micros)")?);
//! let mut decoder = MessageDecoder::new(declarations, Limits::default());
//! if let Message::Change(change) = decoder.decode(None, Some(value))? {
//!     println!("{} on {}.{}", change.op, change.source.schema, change.source.table);
//!     for row in [change.before, change.after].into_iter().flatten() {
//!         for (column, value) in row.shape().columns().iter().zip(row.values()) {
//!             println!("  {} {} = {value:?}", column.name, column.semantic);
//!         }
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Vocabulary
//!
//! A *message* is what one Kafka record turns out to be: mostly an [`Envelope`] around a row change,
//! sometimes a [`Tombstone`] or a message about no row. A [`Row`] is a view of decoded cells; its
//! [`RowShape`] names the columns and says by [`SemanticType`] what each one means. A *schema block*
//! is the `schema` member that Connect's JSON converter adds unless it is told not to. Without one,
//! [`SemanticType::of_catalog`] derives a column's type from the source's catalog and the connector's
//! options.
//!
//! # Limits
//!
//! - JSON only; no Avro, Protobuf or `CloudEvents`. A flattened row is [`Message::Other`] to a decoder that
//!   was not told of it ([`MessageDecoder::expecting_flattened`]).
//! - What the connector itself has lost cannot be restored, only named: the offset of a `timetz`, the
//!   length and leading zeros of a `bit varying`, months and days in `interval.handling.mode=numeric`,
//!   NaN in `decimal.handling.mode=precise` (it arrives as NULL), digits in the mode `double` and in
//!   `time.precision.mode=connect`, `24:00:00` in the mode `isostring`, the infinities and far years
//!   in the mode `nanoseconds` before 3.6 ([`DecodeError::WrappedTimestamp`]), a `sparsevec` of more than
//!   32,767 dimensions and before 3.7 one without elements (both arrive as NULL). Exact are the modes
//!   `string` for decimals and intervals and `adaptive` or `microseconds` for times.
//! - Bytes in the modes `hex` and `base64-url-safe` and decimals in the mode `string` are mere strings
//!   in a schema block; [`Declarations`] refine them.
//! - A column under a name that no version of Debezium's PostgreSQL connector writes is
//!   [`SemanticType::Unsupported`] with NULL cells unless it is declared, and the rest of the row is
//!   decoded. Whoever writes such rows somewhere has to refuse these columns by their type. So are arrays
//!   of `pgvector`'s `vector` and `halfvec`, whose elements are arrays themselves.
//! - A moment after 294247-01-10 04:00:54 has no count of microseconds since 1970, so that columns which
//!   the connector counts in them hold what is left of it, and it is refused. As text, in parts or in
//!   milliseconds every moment up to PostgreSQL's last one is exact
//!   ([`Timestamp::MicrosSince2000`]). The greatest count is an infinity since Debezium 3.7; before,
//!   the connector cut later moments to it. A flattened row or a key does not say which of both it
//!   is, and is taken for the infinity.
//! - A key with another value than the row after the change, in a column that both have, is
//!   [`DecodeError::KeyMismatch`]. A connector that masks or transforms key columns in the value alone
//!   is read by leaving the key out.
//! - The placeholder for unavailable values is Debezium's default one, in every operation. A source
//!   that stores this very text loses it.
//! - A NULL in a column with a default arrives from the converter as that default unless
//!   `replace.null.with.default` is off; nothing in the message tells both apart.
//! - Before the first row event of a topic without schema blocks, a lonely tombstone's key is typed
//!   by the only declared table, or by the declarations for every table (`*`).
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects, clippy::as_conversions))]

#[doc = include_str!("../docs/types.md")]
pub mod types {}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod calendar;
mod decimal;
mod declarations;
mod decoder;
mod encode;
mod error;
mod flattened;
mod foreign;
mod json;
mod limits;
mod lsn;
mod message;
mod plan;
mod redact;
mod row;
mod schema;
mod semantic;
mod source;

pub use decimal::{Decimal, DecimalError};
pub use declarations::Declarations;
pub use decoder::MessageDecoder;
pub use encode::{
    ControlEncoder, ControlRecord, EncodeError, EncoderOptions, EnvelopeEncoder, Release,
};
pub use error::{DecodeError, Side};
pub use flattened::{Flattened, FlattenedRow, FlattenedState};
pub use foreign::ForeignFormat;
pub use json::JsonKind;
pub use limits::Limits;
pub use lsn::{Lsn, ParseLsnError, Sequence};
pub use message::{
    CollectionCount, Document, Envelope, Heartbeat, LogicalMessage, Message, Op, Other,
    SchemaBlock, SchemaChange, SnapshotMarker, SourceInfo, Tombstone, TransactionBlock,
    TransactionBoundary, TransactionMarker,
};
pub use redact::{REDACTED, RedactError, Redaction, Redactions, key_is_free_of, redact_value};
pub use row::{
    Array, BinaryMode, Bits, BytesText, CatalogKind, CatalogType, Column, ConnectorModes, Date,
    DecimalMode, Geometry, HstoreMode, Interval, IntervalForm, IntervalMode, ListMark, Map,
    NativeShape, ParseModeError, ParseSemanticTypeError, Point, Row, RowBuffer, RowShape,
    SemanticType, Slot, SparseVector, StructuredType, Time, TimeMode, TimeUnit, Timestamp, Value,
    ZonedTime,
};
