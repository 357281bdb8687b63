//! The capture format: records of a log as lines of JSON, for fixtures, replays and bug reports.
//!
//! The first line is the header, `{"capture":"cdc","version":1}`. Each further line is one record, in
//! the order of the log:
//!
//! ```json
//! {"topic":"dbserver1.public.orders","partition":0,"offset":7,"timestamp":1704067200012,"key":"{\"order_id\":3}","value":null}
//! ```
//!
//! `timestamp` is in milliseconds since 1970-01-01 UTC, −1 where the log has none. Key and value are
//! text, or `{"base64":"…"}` for bytes that are not UTF-8, or null. Their bytes come back exactly. A
//! record with headers has them at its end, in order, with values like those above:
//! `"headers":[["name","value"]]`. A line cut short by a crash or a full disk is an error, not the end.

mod reader;
mod writer;

pub use reader::CaptureReader;
pub use writer::CaptureWriter;

/// The version that is written, and the newest that can be read.
const VERSION: u32 = 1;

/// A header of a record: its name, and its value if there is one. Names may repeat.
pub type CaptureHeader = (String, Option<Vec<u8>>);

/// One record of a log, with borrowed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureRecord<'r> {
    /// The topic.
    pub topic: &'r str,
    /// The partition, from 0.
    pub partition: i32,
    /// The record's offset in its partition, from 0. Offsets may skip.
    pub offset: i64,
    /// The log's time of the record, milliseconds since 1970-01-01 UTC; −1 for none.
    pub timestamp_millis: i64,
    /// The key, if there is one.
    pub key: Option<&'r [u8]>,
    /// The value; nothing in a tombstone.
    pub value: Option<&'r [u8]>,
    /// The headers, in order.
    pub headers: &'r [CaptureHeader],
}
