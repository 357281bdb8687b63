//! The orders message as somebody would write it down for serde: the yardstick of the decode bench.
//!
//! It knows one table in one mode of the connector, so it is what the general decoder gives up by
//! being general. It is as fast as serde allows: everything that can be borrowed is, numbers go from
//! the text to their type in one step, and the schema block is skipped. It keeps and checks whatever
//! a pipeline needs of such a message, and leaves out the rest: `source.sequence` stays JSON text,
//! and version, connector and server name are not read at all.

mod copy;

pub use self::copy::COPY_HEADER;

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use debezium_envelope::{Decimal, Envelope, Lsn, Row, Timestamp, Value};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, Visitor};
use serde_json::value::RawValue;

/// What Debezium sends in place of text that the source left out.
const UNAVAILABLE: &str = "__debezium_unavailable_value";
/// Decimal places of `amount`, which messages without schema block do not tell.
const AMOUNT_SCALE: i32 = 2;

/// A message with its schema block, which an application that knows the table need not read.
#[derive(Debug, Deserialize)]
struct Described<'r> {
    #[serde(rename = "schema")]
    _schema: IgnoredAny,
    #[serde(borrow)]
    payload: OrderChange<'r>,
}

/// A change of an order.
#[derive(Debug, Deserialize)]
pub struct OrderChange<'r> {
    /// The row before the change.
    #[serde(borrow)]
    pub before: Option<OrderRow<'r>>,
    /// The row after the change.
    #[serde(borrow)]
    pub after: Option<OrderRow<'r>>,
    /// Where the change comes from.
    #[serde(borrow)]
    pub source: OrderSource<'r>,
    /// What happened.
    pub op: Operation,
    /// When the connector made the message, in milliseconds since 1970.
    pub ts_ms: Option<i64>,
}

/// The operation code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Operation {
    #[serde(rename = "c")]
    Create,
    #[serde(rename = "r")]
    Read,
    #[serde(rename = "u")]
    Update,
    #[serde(rename = "d")]
    Delete,
}

/// The columns of an order.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the table")]
pub struct OrderRow<'r> {
    pub order_id: i32,
    pub customer_id: Option<i32>,
    #[serde(borrow)]
    pub product_name: Option<Text<'r>>,
    pub amount: Option<Amount>,
    #[serde(borrow)]
    pub status: Option<Text<'r>>,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
}

/// The members of `source` that a pipeline needs.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are those of the message")]
pub struct OrderSource<'r> {
    #[serde(borrow)]
    pub db: Cow<'r, str>,
    #[serde(borrow)]
    pub schema: Cow<'r, str>,
    #[serde(borrow)]
    pub table: Cow<'r, str>,
    #[serde(borrow)]
    pub snapshot: Cow<'r, str>,
    pub ts_ms: Option<i64>,
    #[serde(rename = "txId")]
    pub tx_id: Option<i64>,
    pub lsn: Option<i64>,
    #[serde(borrow)]
    pub sequence: Option<&'r RawValue>,
}

/// Text, or the sign that the source left it out. An own type also because serde's derived
/// `Option<Cow<str>>` copies.
#[derive(Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Text<'r> {
    Unavailable,
    Is(Cow<'r, str>),
}

/// The unscaled value of a `numeric(10,2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub i128);

/// A `timestamp` in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl<'r> OrderChange<'r> {
    /// Reads a message without schema block.
    ///
    /// # Errors
    ///
    /// For anything but a change of an order with the row that its operation needs.
    pub fn bare(record: &'r [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<Self>(record)?.checked()
    }

    /// Reads a message with schema block.
    ///
    /// # Errors
    ///
    /// As [`bare`](Self::bare).
    pub fn described(record: &'r [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice::<Described<'r>>(record)?.payload.checked()
    }

    fn checked(self) -> Result<Self, serde_json::Error> {
        let row = match self.op {
            Operation::Create | Operation::Read | Operation::Update => &self.after,
            Operation::Delete => &self.before,
        };
        if row.is_none() {
            return Err(de::Error::custom("the row of the operation is missing"));
        }
        Ok(self)
    }

    /// Whether the decoder read the same: operation, both rows with every column, and source.
    pub fn agrees_with(&self, change: &Envelope<'_>) -> bool {
        let (own, other) = (&self.source, &change.source);
        let code = match self.op {
            Operation::Create => 'c',
            Operation::Read => 'r',
            Operation::Update => 'u',
            Operation::Delete => 'd',
        };
        code == change.op.code()
            && agree(self.before.as_ref(), change.before)
            && agree(self.after.as_ref(), change.after)
            && self.ts_ms == change.ts_ms
            && own.db == other.db
            && own.schema == other.schema
            && own.table == other.table
            && own.snapshot == other.snapshot.as_str()
            && own.ts_ms == other.ts_ms
            && own.tx_id == other.tx_id
            && own.lsn == other.lsn.map(Lsn::to_signed)
            && own.sequence.is_some() == other.sequence.is_some()
    }
}

fn agree(own: Option<&OrderRow<'_>>, other: Option<Row<'_>>) -> bool {
    match (own, other) {
        (Some(own), Some(other)) => other.values().eq(own.values()),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

impl OrderRow<'_> {
    /// The columns in the table's order, as the decoder gives them.
    fn values(&self) -> [Value<'_>; 7] {
        let time = |at: Option<Moment>| at.map_or(Value::Null, |at| Value::Timestamp(at.0));
        let amount =
            |Amount(unscaled)| Value::Decimal(Decimal::Small { unscaled, scale: AMOUNT_SCALE });
        [
            Value::Int32(self.order_id),
            self.customer_id.map_or(Value::Null, Value::Int32),
            text_value(self.product_name.as_ref()),
            self.amount.map_or(Value::Null, amount),
            text_value(self.status.as_ref()),
            time(self.created_at),
            time(self.updated_at),
        ]
    }
}

fn text_value<'v>(text: Option<&'v Text<'_>>) -> Value<'v> {
    match text {
        None => Value::Null,
        Some(Text::Unavailable) => Value::Unavailable,
        Some(Text::Is(text)) => Value::Text(text),
    }
}

impl<'de: 'r, 'r> Deserialize<'de> for Text<'r> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_str(TextVisitor)
            .map(|text| if text == UNAVAILABLE { Self::Unavailable } else { Self::Is(text) })
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal in base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        // Sixteen bytes, and what rounding up to whole groups of base64 asks for.
        let mut bytes = [0; 18];
        let length = STANDARD.decode_slice(text, &mut bytes).map_err(E::custom)?;
        let bytes = bytes.get(..length).unwrap_or_default();
        let sign = if bytes.first().is_some_and(|byte| *byte >= 0x80) { 0xff } else { 0 };
        let mut wide = [sign; 16];
        let start = wide.len().checked_sub(length);
        let Some(place) = start.and_then(|start| wide.get_mut(start..)) else {
            return Err(E::custom("more digits than the column has"));
        };
        place.copy_from_slice(bytes);
        Ok(Amount(i128::from_be_bytes(wide)))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(|micros| {
            Self(match micros {
                9_223_372_036_825_200_000 => Timestamp::Infinity,
                -9_223_372_036_832_400_000 => Timestamp::NegInfinity,
                micros => Timestamp::Micros(micros),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use cdc_workload::SchemaBlock;
    use debezium_envelope::Message;

    use super::*;
    use crate::inputs;

    #[test]
    fn the_structs_and_the_decoder_read_the_same() {
        for block in [SchemaBlock::Without, SchemaBlock::With] {
            let mut decoder = inputs::decoder();
            let mut operations = Vec::new();
            for message in inputs::messages(block, 500) {
                let Some(record) = message.value.as_deref() else { continue };
                let own = match block {
                    SchemaBlock::Without => OrderChange::bare(record),
                    SchemaBlock::With => OrderChange::described(record),
                };
                let own = own.unwrap();
                let Message::Change(change) = decoder.decode(None, Some(record)).unwrap() else {
                    panic!("a row event")
                };
                assert!(own.agrees_with(&change), "{own:?} {change:?}");
                if !operations.contains(&own.op) {
                    operations.push(own.op);
                }
            }
            assert!(operations.len() >= 3, "inserts, updates and deletes: {operations:?}");
        }
    }

    #[test]
    fn a_difference_in_a_column_or_in_the_source_is_seen() {
        let mut decoder = inputs::decoder();
        let record = inputs::updates(SchemaBlock::Without, 1).remove(0);
        let text = String::from_utf8(record.clone()).unwrap();
        let Message::Change(change) = decoder.decode(None, Some(&record)).unwrap() else {
            panic!("a row event")
        };
        for (member, other) in [("\"updated_at\":", "1"), ("\"lsn\":", "2"), ("\"txId\":", "3")] {
            let damaged = text.replace(member, &format!("{member}{other}"));
            let own = OrderChange::bare(damaged.as_bytes()).unwrap();
            assert!(!own.agrees_with(&change), "{member}");
        }
    }

    #[test]
    fn a_change_without_its_row_is_refused() {
        let record = inputs::updates(SchemaBlock::Without, 1).remove(0);
        let text = String::from_utf8(record).unwrap();
        let after = text.find("\"after\":").unwrap();
        let source = text.find(",\"source\":").unwrap();
        let without = {
            let (start, end) = (text.get(..after).unwrap(), text.get(source..).unwrap());
            format!("{start}\"after\":null{end}")
        };
        assert!(OrderChange::bare(without.as_bytes()).is_err());
    }
}
