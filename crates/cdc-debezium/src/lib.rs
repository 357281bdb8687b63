//! Turns Debezium records into placed change events.
//!
//! # What it guarantees
//!
//! - A record becomes exactly one thing: a change of a configured table, a skip with its reason, or
//!   a rejection with a stable code. Nothing is dropped in silence: a record of a table that nobody
//!   configured and an object that is no Debezium message are rejections.
//! - A rejected record leaves no trace: the records around it decode as if it had not been there.
//! - Decoding a row allocates nothing once a few rows of its topic have been seen.
//! - What Debezium invents for the columns of an old row that the source did not log is not taken for
//!   data, as far as the record tells; see [`BeforeImages`].
//! - Rejections name tables, columns and types, never values.
//!
//! # Example
//!
//! ```
//! use cdc_core::{
//!     ByteBudget, Decoded, Decoder, NextOffset, Offset, Operation, Partition, RecordBatchBuilder,
//!     RecordParts, SourceTable, TableId,
//! };
//! use cdc_debezium::{DebeziumDecoder, TableDeclarations, TableMap};
//! use debezium_envelope::Limits;
//!
//! let orders = SourceTable::parse("public.orders")?;
//! let mut declared = TableDeclarations::new(orders.clone());
//! declared.declare("amount", "decimal(10,2)")?;
//! let tables = TableMap::new([(orders, TableId::new(0))])?;
//! let mut decoder = DebeziumDecoder::new(tables, [declared], Limits::default());
//!
//! let value = br#"{"before":null,"after":{"order_id":7,"amount":"BNI="},"source":{"version":"2.4.2.Final",
//!     "connector":"postgresql","name":"dbserver1","ts_ms":1,"db":"shop","schema":"public",
//!     "table":"orders","txId":9,"lsn":42},"op":"c","ts_ms":2}"#;
//! let mut batch =
//!     RecordBatchBuilder::new(Partition::new("dbserver1.public.orders", 0, 0)?, 1, NextOffset::ZERO);
//! batch.push(&RecordParts {
//!     offset: Offset::try_new(0)?,
//!     timestamp_ms: None,
//!     key: Some(br#"{"order_id":7}"#),
//!     value: Some(value),
//!     headers: &[],
//! });
//! let batch = batch.finish(ByteBudget::new(1 << 20).charge(0));
//!
//! let record = batch.get(0).expect("one record was pushed");
//! let Ok(Decoded::Change(event)) = decoder.decode(record) else { panic!("a change") };
//! assert_eq!(event.change.operation(), Operation::Insert);
//! assert_eq!((event.table, event.origin.lsn), (TableId::new(0), Some(42)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Vocabulary
//!
//! - **Table map**: which configured table the name in a message's `source` block stands for.
//! - **Declaration**: what a column means when the message does not say it. Messages with a schema
//!   block need none.
//! - **Key image**: the row before a delete when the source logged its key alone, as PostgreSQL does
//!   unless the table has full replica identity.
//!
//! # Limits
//!
//! - Tombstones are always skipped, also a lonely one, which is all that compaction has left of a
//!   delete: the row it speaks of may then stay in the target. Read a topic from its beginning, or
//!   before compaction removes deletes, when that matters.
//! - A delete that carries no row before it is taken with its key as that row, so its shape holds
//!   the key columns alone.
//! - Without schema block and with column defaults, or with a replica identity over other columns than
//!   the record's key, a key image cannot be told from a whole row: [`BeforeImages::Key`] says it.
//! - An update that changes a key arrives as a delete and an insert, as Debezium sends it.
//! - Flattened messages are rejected, because they do not say what happened to the row.

mod before;
mod declarations;
mod decoder;
mod error;
mod filler;
mod identity;
mod redact;
mod rejection;
mod tables;

pub use before::BeforeImages;
pub use declarations::TableDeclarations;
pub use decoder::DebeziumDecoder;
pub use error::AdapterError;
pub use redact::DebeziumRedactor;
pub use tables::TableMap;
