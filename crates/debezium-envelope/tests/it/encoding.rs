//! The encoder against the fixtures, and against the decoder on generated rows.

use std::sync::Arc;

use debezium_envelope::{
    Column, Date, Decimal, Declarations, EncodeError, Envelope, EnvelopeEncoder, Limits, Lsn,
    Message, MessageDecoder, Op, RowBuffer, RowShape, SchemaBlock, SemanticType, Sequence,
    SnapshotMarker, SourceInfo, Time, TimeUnit, Timestamp, TransactionBlock, Value,
};
use proptest::prelude::*;

use crate::fixtures::{BARE_KEY, SCHEMA_KEY, decoder, value};

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

/// A value that owns what it shows.
#[derive(Debug, Clone)]
enum Owned {
    Plain(Value<'static>),
    Text(String),
    Bytes(Vec<u8>),
    Wide(Vec<u8>, i32),
}

impl Owned {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Plain(value) => *value,
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Wide(bytes, scale) => Value::Decimal(Decimal::from_connect_bytes(bytes, *scale)),
        }
    }
}

fn plain<S>(values: S) -> BoxedStrategy<Owned>
where
    S: Strategy<Value = Value<'static>> + 'static,
{
    values.prop_map(Owned::Plain).boxed()
}

fn typed() -> impl Strategy<Value = (SemanticType, Owned)> {
    let of = |semantic: SemanticType, values: BoxedStrategy<Owned>| {
        let can_lack =
            matches!(semantic, SemanticType::Text | SemanticType::Bytes | SemanticType::Json);
        let unavailable = if can_lack { Value::Unavailable } else { Value::Null };
        let empty = Just(Owned::Plain(Value::Null));
        let absent = Just(Owned::Plain(unavailable));
        let values = prop_oneof![8 => values, 1 => empty, 1 => absent];
        (Just(semantic), values).boxed()
    };
    let text = || any::<String>().prop_map(Owned::Text).boxed();
    let wide = |scale: BoxedStrategy<i32>| {
        (proptest::collection::vec(any::<u8>(), 1..40), scale)
            .prop_map(|(bytes, scale)| Owned::Wide(bytes, scale))
            .boxed()
    };
    let decimal = |scale| SemanticType::Decimal { precision: Some(90), scale };
    let micros = -210_866_803_200_000_000..9_000_000_000_000_000_000_i64;
    prop_oneof![
        of(SemanticType::Boolean, plain(any::<bool>().prop_map(Value::Bool))),
        of(SemanticType::Int16, plain(any::<i16>().prop_map(Value::Int16))),
        of(SemanticType::Int32, plain(any::<i32>().prop_map(Value::Int32))),
        of(SemanticType::Int64, plain(any::<i64>().prop_map(Value::Int64))),
        of(SemanticType::Float32, plain(any::<f32>().prop_map(Value::Float32))),
        of(SemanticType::Float64, plain(any::<f64>().prop_map(Value::Float64))),
        of(SemanticType::Text, text()),
        of(SemanticType::Json, text()),
        of(SemanticType::Bytes, any::<Vec<u8>>().prop_map(Owned::Bytes).boxed()),
        (0..30_i32).prop_flat_map(move |scale| of(decimal(scale), wide(Just(scale).boxed()))),
        of(SemanticType::VariableDecimal, wide((-10..60_i32).boxed())),
        of(
            SemanticType::Date,
            plain((-2_400_000..3_000_000).prop_map(|days| Value::Date(Date::Days(days))))
        ),
        of(SemanticType::Date, plain(Just(Value::Date(Date::NegInfinity)))),
        of(
            SemanticType::Time(TimeUnit::Micros),
            plain(
                (0..=86_400_000_000_i64).prop_map(|us| Value::Time(Time::from_nanos(us * 1_000)))
            ),
        ),
        of(
            SemanticType::Timestamp(TimeUnit::Micros),
            plain(micros.clone().prop_map(|us| Value::Timestamp(Timestamp::Micros(us)))),
        ),
        of(
            SemanticType::Timestamp(TimeUnit::Millis),
            plain(any::<i32>().prop_map(|ms| Value::Timestamp(Timestamp::Millis(ms.into())))),
        ),
        of(
            SemanticType::Timestamp(TimeUnit::Nanos),
            plain(Just(Value::Timestamp(Timestamp::Infinity)))
        ),
        of(
            SemanticType::ZonedTimestamp,
            plain(micros.prop_map(|us| Value::Instant(Timestamp::Micros(us)))),
        ),
        of(SemanticType::ZonedTimestamp, plain(Just(Value::Instant(Timestamp::Infinity)))),
        of(SemanticType::Uuid, plain(any::<[u8; 16]>().prop_map(Value::Uuid))),
    ]
}

/// Equality under which NaN is NaN and zero keeps its sign.
fn same(one: Value<'_>, two: Value<'_>) -> bool {
    match (one, two) {
        (Value::Float32(one), Value::Float32(two)) => {
            one.to_bits() == two.to_bits() || (one.is_nan() && two.is_nan())
        }
        (Value::Float64(one), Value::Float64(two)) => {
            one.to_bits() == two.to_bits() || (one.is_nan() && two.is_nan())
        }
        _ => one == two,
    }
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
        let column = |(name, (semantic, _)): &(String, (SemanticType, Owned))| {
            Column::new(name.as_str(), semantic.clone())
        };
        let shape = Arc::new(RowShape::new(columns.iter().map(column).collect()));
        let mut buffer = RowBuffer::new();
        let mut declarations = Declarations::none();
        for (name, (semantic, value)) in &columns {
            buffer.push(value.value());
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
            },
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
                for (found, (_, (_, expected))) in image.values().zip(&columns) {
                    prop_assert!(same(found, expected.value()), "{:?} {:?}", found, expected);
                }
            }
            prop_assert!(same(decoded.key.unwrap().get(0), row.get(0)));
        }
    }
}
