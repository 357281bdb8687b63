//! What Debezium writes for a column of an old row that PostgreSQL did not log and that cannot be
//! NULL.

use cdc_core::{Date, Decimal, Interval, SemanticType, Timestamp, Value};

/// Whether the value may stand for one that was not sent: NULL, the unavailable value, or the zero of
/// the column's type.
pub(crate) fn is_filler(semantic: &SemanticType, value: Value<'_>) -> bool {
    match value {
        Value::Null | Value::Unavailable => true,
        Value::Bool(value) => !value,
        Value::Int16(value) => value == 0,
        Value::Int32(value) => value == 0,
        Value::Int64(value) => value == 0,
        // By bits: the negative zero is nobody's filler.
        Value::Float32(value) => value.to_bits() == 0,
        Value::Float64(value) => value.to_bits() == 0,
        Value::Decimal(decimal) => matches!(decimal, Decimal::Small { unscaled: 0, .. }),
        Value::Text(text) => text.is_empty() || is_text_of_zero(semantic, text),
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Bits(bits) => bits.iter().all(|bit| !bit),
        Value::Date(date) => date == Date::Days(0),
        Value::Time(time) => time.nanos() == 0,
        Value::ZonedTime(zoned) => zoned.time.nanos() == 0 && zoned.offset_seconds == 0,
        Value::Timestamp(at) | Value::Instant(at) => {
            matches!(at, Timestamp::Millis(0) | Timestamp::Micros(0) | Timestamp::Nanos(0))
        }
        Value::Interval(span) => span == Interval { months: 0, days: 0, micros: 0 },
        Value::Uuid(bytes) => bytes == [0; 16],
        Value::Array(array) => array.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::SparseVector(vector) => vector.iter().next().is_none(),
        Value::Point(point) => point.x.to_bits() == 0 && point.y.to_bits() == 0,
        // An empty collection: byte order and kind, then a count of 0.
        Value::Geometry(geometry) => geometry.wkb().iter().skip(5).all(|byte| *byte == 0),
    }
}

/// Zeros of types that travel as text and whose column does not tell its type, or tells less than it
/// is: a decimal as text is a mere string, an `hstore` as text is a document.
fn is_text_of_zero(semantic: &SemanticType, text: &str) -> bool {
    let is_zeros = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte == b'0');
    let is_decimal = || text == "0" || text.strip_prefix("0.").is_some_and(is_zeros);
    if *semantic == SemanticType::SelfEvident {
        return UNTYPED.contains(&text) || is_decimal();
    }
    (*semantic == SemanticType::Json && text == "{}")
        || (*semantic == SemanticType::Text && is_decimal())
}

/// Zeros that a message without schema block and without declarations writes as text.
const UNTYPED: &[&str] = &[
    "{}",
    "1970-01-01Z",
    "00:00:00Z",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00.000000Z",
    "P0Y0M0DT0H0M0S",
    "00000000-0000-0000-0000-000000000000",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_of_decimals_as_text_have_a_digit_before_the_point_and_zeros_after_it() {
        for (text, expected) in [
            ("0", true),
            ("0.0", true),
            ("0.0000", true),
            ("", true),
            ("0.", false),
            ("00", false),
            ("0.01", false),
            ("-0", false),
            ("1", false),
            (".0", false),
            ("pending", false),
        ] {
            assert_eq!(is_filler(&SemanticType::Text, Value::Text(text)), expected, "{text}");
        }
    }

    #[test]
    fn text_is_a_zero_only_where_the_column_may_be_of_its_type() {
        let epoch = Value::Text("1970-01-01T00:00:00Z");
        assert!(is_filler(&SemanticType::SelfEvident, epoch));
        assert!(!is_filler(&SemanticType::Text, epoch));
        assert!(is_filler(&SemanticType::Json, Value::Text("{}")));
        assert!(!is_filler(&SemanticType::Text, Value::Text("{}")));
        assert!(!is_filler(&SemanticType::Json, Value::Text("0")));
    }

    #[test]
    fn real_values_that_look_like_zeros_are_none() {
        for (semantic, value) in [
            (SemanticType::Float64, Value::Float64(-0.0)),
            (SemanticType::Date, Value::Date(Date::Infinity)),
            (SemanticType::ZonedTimestamp, Value::Instant(Timestamp::NegInfinity)),
            (SemanticType::VariableDecimal, Value::Decimal(Decimal::NaN)),
            (SemanticType::Boolean, Value::Bool(true)),
            (SemanticType::Bytes, Value::Bytes(&[0])),
        ] {
            assert!(!is_filler(&semantic, value), "{value:?}");
        }
    }
}
