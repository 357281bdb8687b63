//! The encoder against the fixtures, and against the decoder on generated rows.

use std::sync::Arc;

use debezium_envelope::{
    Bits, Column, Date, Decimal, Declarations, EncodeError, Envelope, EnvelopeEncoder, Interval,
    Limits, Lsn, Message, MessageDecoder, Op, Point, RowBuffer, RowShape, SchemaBlock,
    SemanticType, Sequence, SnapshotMarker, SourceInfo, Time, Timestamp, TransactionBlock, Value,
    ZonedTime,
};
use proptest::prelude::*;

use crate::fixtures::{BARE_KEY, SCHEMA_KEY, decoder, value};
use crate::owned::{Typed, declarable, same, typed};

const TOPIC: &str = "dbserver1.public.orders";

/// A fixture with the schema that the encoder knows of: no defaults, only keys required.
fn fixture(name: &str) -> String {
    let customer = r#"{"type":"int32","optional":false,"field":"customer_id"}"#;
    let text = value(name).replace("\"default\":0,", "");
    text.replace(customer, &customer.replace("false", "true"))
}

#[test]
fn messages_of_the_orders_table_are_byte_equal_to_the_fixtures() {
    for (form, block) in [("bare", SchemaBlock::Absent), ("schema", SchemaBlock::Present)] {
        for event in ["insert", "update", "delete", "snapshot", "truncate"] {
            let mut decoder = decoder();
            let text = fixture(&format!("{event} {form}"));
            let key = if form == "bare" { BARE_KEY } else { SCHEMA_KEY }.trim_end();
            let key = key.replace("\"default\":0,", "");
            let mut orders = crate::fixtures::decoder();
            let insert = orders.decode(None, Some(value("insert schema").as_bytes())).unwrap();
            let Message::Change(insert) = insert else { panic!("{insert:?}") };
            let row = insert.after.unwrap();
            let encoder = EnvelopeEncoder::new(TOPIC, row.shape(), &["order_id"], block).unwrap();
            let mut written = Vec::new();
            encoder.key(row, &mut written).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), key);

            let message = decoder.decode(None, Some(text.as_bytes())).unwrap();
            let Message::Change(envelope) = message else { panic!("{message:?}") };
            let mut written = Vec::new();
            encoder.value(&envelope, &mut written).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), text, "{event} {form}");
        }
    }
}

#[test]
fn what_has_no_exact_form_is_refused_and_leaves_nothing_behind() {
    let cases = [
        ("int32", Value::Int64(7)),
        ("decimal(10,2)", Value::Decimal(Decimal::Small { unscaled: 1, scale: 3 })),
        ("decimal(10,2)", Value::Decimal(Decimal::NaN)),
        ("decimal(10,2)", Value::Unavailable),
        ("timestamp(millis)", Value::Timestamp(Timestamp::Micros(1))),
        ("timestamp(micros)", Value::Timestamp(Timestamp::Micros(9_223_372_036_825_200_000))),
        ("time(millis)", Value::Time(Time::from_nanos(1))),
        ("date", Value::Date(Date::Days(-2_147_472_692))),
        ("text", Value::Bytes(b"x")),
    ];
    for (semantic, value) in cases {
        let semantic = SemanticType::parse(semantic).unwrap();
        let shape = Arc::new(RowShape::new(vec![Column::new("v", semantic.clone())]));
        let encoder = EnvelopeEncoder::new("t", &shape, &["v"], SchemaBlock::Present).unwrap();
        let mut buffer = RowBuffer::new();
        buffer.push(value);
        let mut out = b"before".to_vec();
        let error = encoder.key(buffer.row(&shape, ""), &mut out).unwrap_err();
        assert!(matches!(error, EncodeError::Unrepresentable { .. }), "{semantic}: {error}");
        assert_eq!(out, b"before");
    }
}

#[test]
fn an_encoder_is_for_one_shape_and_known_types() {
    let shape = |semantic| Arc::new(RowShape::new(vec![Column::new("v", semantic)]));
    let unknown =
        EnvelopeEncoder::new("t", &shape(SemanticType::Text), &["k"], SchemaBlock::Absent);
    assert!(matches!(unknown, Err(EncodeError::UnknownKeyColumn { .. })));
    let undeclared = shape(SemanticType::SelfEvident);
    let refused = EnvelopeEncoder::new("t", &undeclared, &[], SchemaBlock::Present);
    assert!(matches!(refused, Err(EncodeError::UnsupportedType { .. })));
    let encoder = EnvelopeEncoder::new("t", &undeclared, &["v"], SchemaBlock::Absent).unwrap();
    let mut buffer = RowBuffer::new();
    buffer.push(Value::Int64(7));
    let mut out = Vec::new();
    let other = shape(SemanticType::Int64);
    let refused = encoder.key(buffer.row(&other, ""), &mut out);
    assert!(matches!(refused, Err(EncodeError::OtherShape { .. })));
    encoder.key(buffer.row(&undeclared, ""), &mut out).unwrap();
    assert_eq!(out, br#"{"v":7}"#);
}

fn source() -> impl Strategy<Value = (i64, Option<i64>, Option<u64>, Option<Option<u64>>)> {
    (any::<i64>(), any::<Option<i64>>(), any::<Option<u64>>(), any::<Option<Option<u64>>>())
}

proptest! {
    #[test]
    fn decoding_gives_back_what_was_encoded(
        columns in proptest::collection::vec((any::<String>(), typed()), 1..8),
        (ts_ms, tx_id, lsn, sequence) in source(),
        names in [any::<String>(), any::<String>()],
        present in any::<bool>(),
    ) {
        let mut columns = columns;
        columns.sort_by(|one, two| one.0.cmp(&two.0));
        columns.dedup_by(|one, two| one.0 == two.0);
        let block = if present { SchemaBlock::Present } else { SchemaBlock::Absent };
        let column = |(name, (semantic, _)): &(String, Typed)| {
            Column::new(name.as_str(), semantic.clone())
        };
        let shape = Arc::new(RowShape::new(columns.iter().map(column).collect()));
        let mut buffer = RowBuffer::new();
        let mut declarations = Declarations::none();
        for (name, (semantic, value)) in &columns {
            value.push_to(&mut buffer);
            declarations.declare("*", name, semantic.clone());
        }
        let row = buffer.row(&shape, "");
        let [schema, table] = &names;
        let lsn = lsn.map(Lsn);
        let envelope = Envelope {
            op: Op::Update,
            before: Some(row),
            after: Some(row),
            key: None,
            source: SourceInfo {
                version: "2.4.2.Final", connector: "postgresql", name: "p", db: "d", schema, table,
                snapshot: SnapshotMarker::Incremental, ts_ms: Some(ts_ms), tx_id, lsn,
                sequence: sequence.map(|last| Sequence { last_commit: last.map(Lsn), lsn }),
                ..SourceInfo::default()
            },
            source_json: "",
            ts_ms: Some(ts_ms),
            transaction: Some(TransactionBlock { id: table, total_order: 1, data_collection_order: ts_ms }),
            schema_block: block,
        };
        let first = columns.first().map(|(name, _)| name.as_str()).unwrap_or_default();
        let encoder = EnvelopeEncoder::new("p.s.t", &shape, &[first], block).unwrap();
        let (mut key, mut value) = (Vec::new(), Vec::new());
        encoder.key(row, &mut key).unwrap();
        encoder.value(&envelope, &mut value).unwrap();
        let mut decoder = MessageDecoder::new(declarations, Limits::default());
        for _ in 0..2 {
            let message = decoder.decode(Some(&key), Some(&value)).unwrap();
            let Message::Change(decoded) = message else { panic!("{message:?}") };
            prop_assert_eq!(decoded.source, envelope.source);
            prop_assert_eq!(decoded.transaction, envelope.transaction);
            prop_assert_eq!(decoded.schema_block, block);
            for image in [decoded.before.unwrap(), decoded.after.unwrap()] {
                prop_assert_eq!(image.shape(), &shape);
                for (found, expected) in image.values().zip(row.values()) {
                    prop_assert!(same(found, expected), "{:?} {:?}", found, expected);
                }
            }
            prop_assert!(same(decoded.key.unwrap().get(0), row.get(0)));
        }
    }
}

proptest! {
    #[test]
    fn a_type_is_what_its_text_declares(semantic in declarable()) {
        prop_assert_eq!(SemanticType::parse(&semantic.to_string()), Ok(semantic));
    }
}

/// A type, a value of it, and the texts of its schema and of the value, as messages of the connector
/// have been seen to have them.
type Captured = (&'static str, Value<'static>, &'static str, &'static str);

const CAPTURED_INTERVAL: Interval = Interval { months: 14, days: 3, micros: 14_706_789_000 };
const CAPTURED_UUID: [u8; 16] = 0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11_u128.to_be_bytes();

fn captured() -> [Captured; 10] {
    [
        (
            "bits(12)",
            Value::Bits(Bits::new(&[0xaa, 0x0a], Some(12)).unwrap()),
            r#"{"type":"bytes","optional":true,"name":"io.debezium.data.Bits","version":1,"parameters":{"length":"12"},"field":"v"}"#,
            "\"qgo=\"",
        ),
        (
            "point",
            Value::Point(Point { x: 1.5, y: -2.5, srid: None }),
            r#"{"type":"struct","fields":[{"type":"double","optional":false,"field":"x"},{"type":"double","optional":false,"field":"y"},{"type":"bytes","optional":true,"field":"wkb"},{"type":"int32","optional":true,"field":"srid"}],"optional":true,"name":"io.debezium.data.geometry.Point","version":1,"doc":"Geometry (POINT)","field":"v"}"#,
            r#"{"x":1.5,"y":-2.5,"wkb":"AQEAAAAAAAAAAAD4PwAAAAAAAATA","srid":null}"#,
        ),
        (
            "interval(iso)",
            Value::Interval(CAPTURED_INTERVAL),
            r#"{"type":"string","optional":true,"name":"io.debezium.time.Interval","version":1,"field":"v"}"#,
            "\"P1Y2M3DT4H5M6.789S\"",
        ),
        (
            "interval(iso)",
            Value::Interval(Interval { months: 0, days: -1, micros: -1 }),
            r#"{"type":"string","optional":true,"name":"io.debezium.time.Interval","version":1,"field":"v"}"#,
            "\"P0Y0M-1DT0H0M-0.000001S\"",
        ),
        (
            "date(iso)",
            Value::Date(Date::Infinity),
            r#"{"type":"string","optional":true,"name":"io.debezium.time.IsoDate","version":1,"field":"v"}"#,
            "\"-5877611-06-21Z\"",
        ),
        (
            "timestamp(iso)",
            Value::Timestamp(Timestamp::NegInfinity),
            r#"{"type":"string","optional":true,"name":"io.debezium.time.IsoTimestamp","version":1,"field":"v"}"#,
            "\"-290308-12-21T19:59:27.6Z\"",
        ),
        (
            "timetz",
            Value::ZonedTime(ZonedTime {
                time: Time::from_nanos(25_496_123_456_000),
                offset_seconds: 0,
            }),
            r#"{"type":"string","optional":true,"name":"io.debezium.time.ZonedTime","version":1,"field":"v"}"#,
            "\"07:04:56.123456Z\"",
        ),
        (
            "uuid",
            Value::Uuid(CAPTURED_UUID),
            r#"{"type":"string","optional":true,"name":"io.debezium.data.Uuid","version":1,"field":"v"}"#,
            "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
        ),
        (
            "array(uuid)",
            Value::Unavailable,
            r#"{"type":"array","items":{"type":"string","optional":true,"name":"io.debezium.data.Uuid","version":1},"optional":true,"field":"v"}"#,
            r#"["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]"#,
        ),
        (
            "map",
            Value::Unavailable,
            r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"string","optional":true},"optional":true,"field":"v"}"#,
            r#"{"__debezium_unavailable_value":"__debezium_unavailable_value"}"#,
        ),
    ]
}

#[test]
fn captured_columns_are_written_byte_for_byte() {
    for (semantic, value, schema, json) in captured() {
        let semantic = SemanticType::parse(semantic).unwrap();
        let shape = Arc::new(RowShape::new(vec![
            Column::new("k", SemanticType::Int32),
            Column::new("v", semantic.clone()),
        ]));
        let encoder = EnvelopeEncoder::new("t", &shape, &["k"], SchemaBlock::Present).unwrap();
        let mut buffer = RowBuffer::new();
        buffer.push(Value::Int32(1));
        buffer.push(value);
        let mut decoder = decoder();
        let text = fixture("insert schema");
        let message = decoder.decode(None, Some(text.as_bytes())).unwrap();
        let Message::Change(envelope) = message else { panic!("{message:?}") };
        let envelope = Envelope { after: Some(buffer.row(&shape, "")), ..envelope };
        let mut out = Vec::new();
        encoder.value(&envelope, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains(schema), "{semantic}: {out}");
        assert!(out.contains(&format!("\"after\":{{\"k\":1,\"v\":{json}}}")), "{semantic}: {out}");
    }
}
