//! Literals against values, type by type.

use cdc_core::{Decimal, Time, TimeUnit, Timestamp};

use super::*;

const LABELS: [&str; 2] = ["active", "closed"];

fn labels() -> SemanticType {
    SemanticType::Enum { allowed: LABELS.map(str::to_owned).to_vec() }
}

#[test]
fn a_value_is_equal_to_its_own_literal_and_to_no_other() {
    let uuid = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
    let number = SemanticType::Decimal { precision: Some(10), scale: 2 };
    for (semantic, same, other, value) in [
        (SemanticType::Boolean, "true", "false", Value::Bool(true)),
        (SemanticType::Int16, "-7", "7", Value::Int16(-7)),
        (SemanticType::Int32, "7", "8", Value::Int32(7)),
        (SemanticType::Int64, "9223372036854775807", "1", Value::Int64(i64::MAX)),
        (SemanticType::Float32, "0.1", "0.2", Value::Float32(0.1)),
        (SemanticType::Float64, "0.1", "0.2", Value::Float64(0.1)),
        (SemanticType::Float64, "NaN", "1", Value::Float64(f64::NAN)),
        (number, "1.1", "1.11", Value::Decimal(Decimal::Small { unscaled: 110, scale: 2 })),
        (SemanticType::Text, "paid", "Paid", Value::Text("paid")),
        (labels(), "active", "closed", Value::Text("active")),
        (SemanticType::Bytes, "\\x00FF", "\\x00", Value::Bytes(&[0, 255])),
        (SemanticType::Date, "2024-01-31", "2024-02-01", Value::Date(Date::Days(19_753))),
        (
            SemanticType::Time(TimeUnit::Micros),
            "00:00:01",
            "00:00",
            Value::Time(Time::from_nanos(1_000_000_000)),
        ),
        (
            SemanticType::Timestamp(TimeUnit::Millis),
            "1970-01-01 00:00:00.5",
            "1970-01-01",
            Value::Timestamp(Timestamp::Millis(500)),
        ),
        (
            SemanticType::ZonedTimestamp,
            "1970-01-01T01:00:00+01",
            "1970-01-01T01:00:00Z",
            Value::Instant(Timestamp::Micros(0)),
        ),
        (
            SemanticType::Uuid,
            "00112233-4455-6677-8899-AABBCCDDEEFF",
            "00112233-4455-6677-8899-aabbccddee00",
            Value::Uuid(uuid),
        ),
        (SemanticType::SelfEvident, "7", "8", Value::Int64(7)),
        (SemanticType::SelfEvident, "7", "8", Value::Text("7")),
        (SemanticType::SelfEvident, "true", "false", Value::Bool(true)),
    ] {
        assert!(Literal::parse(same, &semantic).unwrap().is(value), "{semantic} {same}");
        assert!(!Literal::parse(other, &semantic).unwrap().is(value), "{semantic} {other}");
        assert!(!Literal::parse(same, &semantic).unwrap().is(Value::Null), "{semantic} null");
    }
}

#[test]
fn bounds_order_values_of_every_ordered_type() {
    for (semantic, bound, below, above) in [
        (SemanticType::Int16, "0", Value::Int16(-1), Value::Int16(1)),
        (SemanticType::Int64, "100000", Value::Int64(99_999), Value::Int64(100_001)),
        (SemanticType::Float32, "1.5", Value::Float32(1.0), Value::Float32(f32::NAN)),
        (SemanticType::Float64, "1.5", Value::Float64(f64::NEG_INFINITY), Value::Float64(1.6)),
        (
            SemanticType::VariableDecimal,
            "10.5",
            Value::Decimal(Decimal::Small { unscaled: 10_499, scale: 3 }),
            Value::Decimal(Decimal::Small { unscaled: 11, scale: 0 }),
        ),
        (SemanticType::Date, "1970-01-02", Value::Date(Date::Days(0)), Value::Date(Date::Infinity)),
        (
            SemanticType::Time(TimeUnit::Nanos),
            "12:00",
            Value::Time(Time::from_nanos(0)),
            Value::Time(Time::from_nanos(86_400_000_000_000)),
        ),
        (
            SemanticType::Timestamp(TimeUnit::Micros),
            "2024-01-01",
            Value::Timestamp(Timestamp::NegInfinity),
            Value::Timestamp(Timestamp::Nanos(i64::MAX)),
        ),
        (
            SemanticType::ZonedTimestamp,
            "2024-01-01T00:00:00Z",
            Value::Instant(Timestamp::Millis(0)),
            Value::Instant(Timestamp::Micros(i64::MAX)),
        ),
    ] {
        let literal = Literal::parse_bound(bound, &semantic).unwrap();
        assert_eq!(literal.order(below), Some(Ordering::Less), "{semantic}");
        assert_eq!(literal.order(above), Some(Ordering::Greater), "{semantic}");
        assert_eq!(literal.order(Value::Text("x")), None, "{semantic}");
    }
}

#[test]
fn refuses_a_literal_that_is_not_of_the_columns_type() {
    for (semantic, text) in [
        (SemanticType::Boolean, "yes"),
        (SemanticType::Int32, "1.0"),
        (SemanticType::Int64, "9223372036854775808"),
        (SemanticType::Float64, "much"),
        (SemanticType::VariableDecimal, "1e3"),
        (SemanticType::Bytes, "00ff"),
        (SemanticType::Bytes, "\\x0"),
        (SemanticType::Date, "31.01.2024"),
        (SemanticType::Timestamp(TimeUnit::Micros), "2024-01-31T10:00:00Z"),
        (SemanticType::ZonedTimestamp, "2024-01-31T10:00:00"),
        (SemanticType::Uuid, "00112233445566778899aabbccddeeff"),
    ] {
        let fault = Literal::parse(text, &semantic).unwrap_err();
        assert!(matches!(fault, LiteralFault::Malformed { .. }), "{semantic} {text}");
    }
    let fault = Literal::parse("actve", &labels()).unwrap_err();
    assert_eq!(fault, LiteralFault::UnknownLabel { near_miss: Some("active".into()) });
}

#[test]
fn types_without_one_order_take_no_bounds() {
    for semantic in [
        SemanticType::Boolean,
        SemanticType::Text,
        SemanticType::Bytes,
        SemanticType::Uuid,
        SemanticType::Json,
        labels(),
        SemanticType::SelfEvident,
        SemanticType::Unsupported { name: "point".into() },
    ] {
        let fault = Literal::parse_bound("1", &semantic).unwrap_err();
        assert!(matches!(fault, LiteralFault::UnsuitableType { .. }), "{semantic}");
    }
}
