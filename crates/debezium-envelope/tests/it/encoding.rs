//! The encoder against the fixtures, and against the decoder on generated rows.

use std::sync::Arc;

use debezium_envelope::{
    Bits, Column, Date, Decimal, Declarations, EncodeError, EncoderOptions, Envelope,
    EnvelopeEncoder, Interval, Limits, Lsn, Message, MessageDecoder, Op, Point, Release, RowBuffer,
    RowShape, SchemaBlock, SemanticType, Sequence, SnapshotMarker, SourceInfo, Time, Timestamp,
    TransactionBlock, Value, ZonedTime,
};
use proptest::prelude::*;

use crate::fixtures::{BARE_KEY, SCHEMA_KEY, decoder, value};
use crate::owned::{Typed, declarable, same, typed};

const TOPIC: &str = "dbserver1.public.orders";

#[test]
fn messages_of_the_orders_table_are_byte_equal_to_the_fixtures() {
    for (form, block) in [("bare", SchemaBlock::Absent), ("schema", SchemaBlock::Present)] {
        for event in ["insert", "update", "delete", "snapshot", "truncate"] {
            let mut decoder = decoder();
            let text = value(&format!("{event} {form}"));
            let key = if form == "bare" { BARE_KEY } else { SCHEMA_KEY }.trim_end();
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
        (
            "timestamp(micros)",
            Value::Timestamp(Timestamp::MicrosSince2000(9_223_371_331_199_999_999)),
        ),
        (
            "timestamp(nanos)",
            Value::Timestamp(Timestamp::MicrosSince2000(9_223_371_331_199_999_999)),
        ),
        (
            "timestamp(millis)",
            Value::Timestamp(Timestamp::MicrosSince2000(9_223_371_331_199_999_999)),
        ),
        ("timestamp(micros)", Value::Timestamp(Timestamp::Micros(-9_223_372_036_853_775_810))),
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

#[test]
fn what_a_release_has_no_member_for_is_refused() {
    let mut decoder = decoder();
    let message = decoder.decode(None, Some(value("insert bare").as_bytes())).unwrap();
    let Message::Change(change) = message else { panic!("{message:?}") };
    let shape = change.after.unwrap().shape();
    let source = change.source;
    let with = |source| Envelope { source, ..change };
    let cases = [
        ("ts_us", Envelope { ts_us: Some(1), ..change }, Release::V3_4),
        ("ts_ns", Envelope { ts_ns: Some(1), ..change }, Release::V3_4),
        ("source.ts_us", with(SourceInfo { ts_us: Some(1), ..source }), Release::V3_4),
        ("source.ts_ns", with(SourceInfo { ts_ns: Some(1), ..source }), Release::V3_4),
        ("source.origin", with(SourceInfo { origin: "node_b", ..source }), Release::V3_7),
        (
            "source.origin_lsn",
            with(SourceInfo { origin_lsn: Some(Lsn(1)), ..source }),
            Release::V3_7,
        ),
    ];
    for (path, change, since) in cases {
        for release in [Release::V2_4, Release::V3_4, Release::V3_7] {
            let options = EncoderOptions::new(SchemaBlock::Absent).release(release);
            let encoder = EnvelopeEncoder::new(TOPIC, shape, &["order_id"], options).unwrap();
            let mut out = b"before".to_vec();
            let result = encoder.value(&change, &mut out);
            if release >= since {
                assert_eq!(result, Ok(()), "{path} {release}");
            } else {
                assert_eq!(result, Err(EncodeError::UnknownMember { member: path, release }));
                assert_eq!(out, b"before");
            }
        }
    }
}

#[test]
fn the_shape_tells_presence_and_defaults() {
    let columns = ["id", "name", "qty", "at"].map(|name| {
        let semantic = match name {
            "name" => SemanticType::Text,
            "at" => SemanticType::ZonedTimestamp,
            _ => SemanticType::Int32,
        };
        Column::new(name, semantic)
    });
    let mut defaults = RowBuffer::new();
    defaults.push(Value::Null);
    defaults.push(Value::Text("-"));
    defaults.push(Value::Int32(3));
    defaults.push(Value::Instant(Timestamp::Micros(0)));
    let shape = RowShape::new(columns.to_vec());
    let shape = shape.with_defaults(defaults).with_required(|column| &*column.name == "name");
    let shape = Arc::new(shape);
    let options = EncoderOptions::new(SchemaBlock::Present).fraction_digits("at", 3);
    let encoder = EnvelopeEncoder::new("t", &shape, &["id"], options).unwrap();
    let mut decoder = decoder();
    let message = decoder.decode(None, Some(value("truncate bare").as_bytes())).unwrap();
    let Message::Change(change) = message else { panic!("{message:?}") };
    let mut out = Vec::new();
    encoder.value(&change, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    for field in [
        r#"{"type":"int32","optional":false,"field":"id"}"#,
        r#"{"type":"string","optional":false,"default":"-","field":"name"}"#,
        r#"{"type":"int32","optional":true,"default":3,"field":"qty"}"#,
        r#""version":1,"default":"1970-01-01T00:00:00.000Z","field":"at"}"#,
    ] {
        assert!(out.contains(field), "{field} in {out}");
    }
    let unknown = EncoderOptions::new(SchemaBlock::Present).hstore("other");
    let unknown = EnvelopeEncoder::new("t", &shape, &["id"], unknown);
    assert!(matches!(unknown, Err(EncodeError::UnknownColumn { .. })));
}

#[test]
fn a_tombstone_is_written_from_its_key_alone() {
    let columns = ["a", "b", "c"].map(|name| Column::new(name, SemanticType::Int32)).to_vec();
    let key = Arc::new(RowShape::new(vec![columns[2].clone(), columns[0].clone()]));
    let table = Arc::new(RowShape::new(columns));
    let encoder = EnvelopeEncoder::new("t", &table, &["c", "a"], SchemaBlock::Absent).unwrap();
    let mut cells = RowBuffer::new();
    for number in [1, 2, 3] {
        cells.push(Value::Int32(number));
    }
    let mut out = Vec::new();
    encoder.key(cells.row(&table, ""), &mut out).unwrap();
    assert_eq!(out, br#"{"c":3,"a":1}"#);
    let mut cells = RowBuffer::new();
    for number in [3, 1] {
        cells.push(Value::Int32(number));
    }
    out.clear();
    encoder.key(cells.row(&key, ""), &mut out).unwrap();
    assert_eq!(out, br#"{"c":3,"a":1}"#);
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
        (present, read) in any::<(bool, bool)>(),
        release in prop_oneof![Just(Release::V2_4), Just(Release::V3_4), Just(Release::V3_7)],
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
        // PostgreSQL's own shapes came with 3.7.
        let has_native = columns.iter().any(|(_, (_, value))| value.has_native_shape());
        let release = if has_native { Release::V3_7 } else { release };
        let finer = (release > Release::V2_4).then_some(ts_ms);
        let is_newest = release == Release::V3_7;
        // What a number stands for depends on the version that wrote it.
        let version = match release {
            Release::V2_4 => "2.4.2.Final",
            Release::V3_4 => "3.4.0.Final",
            Release::V3_7 => "3.7.0.Final",
            other => panic!("no version of {other:?}"),
        };
        let envelope = Envelope {
            op: if read { Op::Read } else { Op::Update },
            before: Some(row),
            after: Some(row),
            key: None,
            source: SourceInfo {
                version, connector: "postgresql", name: "p", db: "d", schema, table,
                snapshot: SnapshotMarker::Incremental, ts_ms: Some(ts_ms), tx_id, lsn,
                sequence: sequence.map(|last| Sequence { last_commit: last.map(Lsn), lsn }),
                ts_us: finer, ts_ns: finer, xmin: tx_id,
                origin: if is_newest { schema } else { "" },
                origin_lsn: lsn.filter(|_| is_newest),
            },
            source_json: "",
            ts_ms: Some(ts_ms),
            ts_us: finer,
            ts_ns: finer,
            transaction: Some(TransactionBlock { id: table, total_order: 1, data_collection_order: ts_ms }),
            schema_block: block,
        };
        let first = columns.first().map(|(name, _)| name.as_str()).unwrap_or_default();
        let options = EncoderOptions::new(block).release(release);
        let encoder = EnvelopeEncoder::new("p.s.t", &shape, &[first], options).unwrap();
        let (mut key, mut value) = (Vec::new(), Vec::new());
        encoder.key(row, &mut key).unwrap();
        encoder.value(&envelope, &mut value).unwrap();
        let mut decoder = MessageDecoder::new(declarations, Limits::default());
        for _ in 0..2 {
            let message = decoder.decode(Some(&key), Some(&value)).unwrap();
            let Message::Change(decoded) = message else { panic!("{message:?}") };
            prop_assert_eq!(decoded.source, envelope.source);
            prop_assert_eq!((decoded.ts_us, decoded.ts_ns), (finer, finer));
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
    for (semantic, expected, schema, json) in captured() {
        let semantic = SemanticType::parse(semantic).unwrap();
        let shape = Arc::new(RowShape::new(vec![
            Column::new("k", SemanticType::Int32),
            Column::new("v", semantic.clone()),
        ]));
        let encoder = EnvelopeEncoder::new("t", &shape, &["k"], SchemaBlock::Present).unwrap();
        let mut buffer = RowBuffer::new();
        buffer.push(Value::Int32(1));
        buffer.push(expected);
        let mut decoder = decoder();
        let text = value("insert schema");
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

/// The labels `a\`, `b\\c` and `d` as PostgreSQL's connector joins them in each release, which escapes
/// nothing.
#[test]
fn labels_keep_their_backslashes_and_a_comma_stands_between_two() {
    let allowed = r#""parameters":{"allowed":"a\\,b\\\\c,d"}"#;
    let column = format!(
        r#"{{"type":"string","optional":false,"name":"io.debezium.data.Enum","version":1,{allowed},"field":"v"}}"#
    );
    let key = format!(
        r#"{{"schema":{{"type":"struct","fields":[{column}],"optional":false}},"payload":{{"v":"d"}}}}"#
    );
    let mut decoder = decoder();
    let message = decoder.decode(Some(key.as_bytes()), None).unwrap();
    let Message::Tombstone(tombstone) = message else { panic!("{message:?}") };
    let shape = Arc::clone(tombstone.key.unwrap().shape());
    let semantic = &shape.columns()[0].semantic;
    let labels = |labels: &[&str]| SemanticType::Enum {
        allowed: labels.iter().map(|label| (*label).to_owned()).collect(),
    };
    assert_eq!(*semantic, labels(&["a\\", "b\\\\c", "d"]));

    // A label `a\,b\\c` cannot be told from the first two.
    for written in [semantic.clone(), labels(&["a\\,b\\\\c", "d"])] {
        let shape = Arc::new(RowShape::new(vec![Column::new("v", written)]));
        let encoder = EnvelopeEncoder::new("t", &shape, &["v"], SchemaBlock::Present).unwrap();
        let mut buffer = RowBuffer::new();
        buffer.push(Value::Text("d"));
        let mut out = Vec::new();
        encoder.key(buffer.row(&shape, ""), &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains(&column));
    }
}
