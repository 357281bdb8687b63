//! Values of every type that own what they show, so that rows of them can be generated.

use debezium_envelope::{
    Bits, BytesText, Date, Decimal, Geometry, Interval, IntervalForm, NativeShape, Point,
    RowBuffer, SemanticType, StructuredType, Time, TimeUnit, Timestamp, Value, ZonedTime,
};
use proptest::prelude::*;

/// A type and a value of it.
pub(crate) type Typed = (SemanticType, Owned);

#[derive(Debug, Clone)]
pub(crate) enum Owned {
    Plain(Value<'static>),
    Text(String),
    Bytes(Vec<u8>),
    Bits(Vec<u8>, Option<u32>),
    Wide(Vec<u8>, i32),
    Array(Vec<Owned>),
    Map(Vec<(Owned, Owned)>),
    Sparse(u32, Vec<(i32, f64)>),
    Geometry(Vec<u8>, Option<i32>, Option<NativeShape>),
}

impl Owned {
    pub(crate) fn push_to(&self, buffer: &mut RowBuffer) {
        let value = match self {
            Self::Plain(value) => *value,
            Self::Text(text) => Value::Text(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
            Self::Bits(bytes, length) => Value::Bits(Bits::new(bytes, *length).unwrap()),
            Self::Wide(bytes, scale) => Value::Decimal(Decimal::from_connect_bytes(bytes, *scale)),
            Self::Geometry(wkb, srid, native) => {
                Value::Geometry(Geometry::new(wkb, *srid).with_native(*native))
            }
            Self::Array(elements) => {
                let list = buffer.open_list();
                for element in elements {
                    element.push_to(buffer);
                }
                return buffer.close_array(list);
            }
            Self::Map(pairs) => {
                let list = buffer.open_list();
                for (key, value) in pairs {
                    key.push_to(buffer);
                    value.push_to(buffer);
                }
                return buffer.close_map(list);
            }
            Self::Sparse(dimensions, pairs) => {
                let list = buffer.open_list();
                for (index, element) in pairs {
                    buffer.push(Value::Int32(*index));
                    buffer.push(Value::Float64(*element));
                }
                return buffer.close_sparse_vector(list, *dimensions);
            }
        };
        buffer.push(value);
    }

    /// Whether there is a shape of one of PostgreSQL's own types in it.
    pub(crate) fn has_native_shape(&self) -> bool {
        match self {
            Self::Geometry(_, _, native) => native.is_some(),
            Self::Array(elements) => elements.iter().any(Self::has_native_shape),
            Self::Map(pairs) => pairs.iter().any(|(_, value)| value.has_native_shape()),
            Self::Plain(_)
            | Self::Text(_)
            | Self::Bytes(_)
            | Self::Bits(..)
            | Self::Wide(..)
            | Self::Sparse(..) => false,
        }
    }
}

/// Equality under which NaN is NaN and zero keeps its sign.
pub(crate) fn same(one: Value<'_>, two: Value<'_>) -> bool {
    match (one, two) {
        (Value::Float32(one), Value::Float32(two)) => {
            one.to_bits() == two.to_bits() || (one.is_nan() && two.is_nan())
        }
        (Value::Float64(one), Value::Float64(two)) => {
            one.to_bits() == two.to_bits() || (one.is_nan() && two.is_nan())
        }
        (Value::Array(one), Value::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two.iter()).all(|(one, two)| same(one, two))
        }
        (Value::Map(one), Value::Map(two)) => {
            let pairs = |((key, value), (other_key, other_value))| {
                same(key, other_key) && same(value, other_value)
            };
            one.len() == two.len() && one.iter().zip(two.iter()).all(pairs)
        }
        _ => one == two,
    }
}

fn plain<S>(values: S) -> BoxedStrategy<Owned>
where
    S: Strategy<Value = Value<'static>> + 'static,
{
    values.prop_map(Owned::Plain).boxed()
}

fn text() -> BoxedStrategy<Owned> {
    any::<String>().prop_map(Owned::Text).boxed()
}

fn bytes() -> BoxedStrategy<Owned> {
    any::<Vec<u8>>().prop_map(Owned::Bytes).boxed()
}

fn wide(scale: BoxedStrategy<i32>) -> BoxedStrategy<Owned> {
    (proptest::collection::vec(any::<u8>(), 1..40), scale)
        .prop_map(|(bytes, scale)| Owned::Wide(bytes, scale))
        .boxed()
}

fn micros() -> impl Strategy<Value = i64> {
    -210_866_803_200_000_000..9_000_000_000_000_000_000_i64
}

fn number() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("equality is that of numbers", |number| !number.is_nan())
}

fn time() -> impl Strategy<Value = Time> {
    (0..=86_400_000_000_i64).prop_map(|micros| Time::from_nanos(micros * 1_000))
}

/// A time of whole units of so many nanoseconds.
fn time_of(nanos: i64) -> BoxedStrategy<Owned> {
    let count = 0..=86_400_000_000_000 / nanos;
    plain(count.prop_map(move |count| Value::Time(Time::from_nanos(count * nanos))))
}

/// Nanoseconds as PostgreSQL has them, in whole microseconds, and those that cannot have wrapped.
fn nanos() -> impl Strategy<Value = Timestamp> {
    let counted = (-9_223_372_036_854_775..=9_223_372_036_854_775_i64)
        .prop_map(|micros| Timestamp::Nanos(micros * 1_000))
        .prop_filter("it may have wrapped", |timestamp| !timestamp.is_wrapped());
    prop_oneof![
        8 => counted,
        1 => Just(Timestamp::Infinity),
        1 => Just(Timestamp::NegInfinity),
    ]
}

fn zoned_time() -> impl Strategy<Value = Value<'static>> {
    let offset = -18 * 3_600..=18 * 3_600_i32;
    (time(), prop_oneof![Just(0), offset])
        .prop_map(|(time, offset_seconds)| Value::ZonedTime(ZonedTime { time, offset_seconds }))
}

fn date() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        8 => (-2_400_000..3_000_000).prop_map(|days| Value::Date(Date::Days(days))),
        1 => Just(Value::Date(Date::Infinity)),
        1 => Just(Value::Date(Date::NegInfinity)),
    ]
}

/// A moment as text says it; in microseconds since 2000 where no other unit holds it.
fn moment() -> impl Strategy<Value = Timestamp> {
    let late = (9_222_425_352_054_775_808..=9_223_371_331_199_999_999_i64)
        .prop_filter("milliseconds hold it", |micros| micros % 1_000 != 0);
    prop_oneof![8 => timestamp(), 1 => late.prop_map(Timestamp::MicrosSince2000)]
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => micros().prop_map(Timestamp::Micros),
        1 => Just(Timestamp::Infinity),
        1 => Just(Timestamp::NegInfinity),
    ]
}

fn interval() -> impl Strategy<Value = Value<'static>> {
    (any::<i32>(), any::<i32>(), any::<i64>())
        .prop_map(|(months, days, micros)| Value::Interval(Interval { months, days, micros }))
}

fn span(micros: impl Strategy<Value = i64> + 'static) -> BoxedStrategy<Owned> {
    plain(micros.prop_map(|micros| Value::Interval(Interval { months: 0, days: 0, micros })))
}

/// Types that were there from the first, and values of them.
fn common() -> BoxedStrategy<Typed> {
    let of =
        |semantic: SemanticType, values: BoxedStrategy<Owned>| (Just(semantic), values).boxed();
    let decimal = |scale| SemanticType::Decimal { precision: Some(90), scale };
    prop_oneof![
        of(SemanticType::Boolean, plain(any::<bool>().prop_map(Value::Bool))),
        of(SemanticType::Int16, plain(any::<i16>().prop_map(Value::Int16))),
        of(SemanticType::Int32, plain(any::<i32>().prop_map(Value::Int32))),
        of(SemanticType::Int64, plain(any::<i64>().prop_map(Value::Int64))),
        of(SemanticType::Float32, plain(any::<f32>().prop_map(Value::Float32))),
        of(SemanticType::Float64, plain(any::<f64>().prop_map(Value::Float64))),
        of(SemanticType::Text, text()),
        of(SemanticType::Json, text()),
        of(SemanticType::Bytes, bytes()),
        (-9..30_i32).prop_flat_map(move |scale| of(decimal(scale), wide(Just(scale).boxed()))),
        of(SemanticType::VariableDecimal, wide((-10..60_i32).boxed())),
        of(SemanticType::Date, plain(date())),
        of(SemanticType::Time(TimeUnit::Micros), plain(time().prop_map(Value::Time))),
        of(SemanticType::Time(TimeUnit::Millis), time_of(1_000_000)),
        of(SemanticType::Time(TimeUnit::Nanos), time_of(1)),
        of(
            SemanticType::Timestamp(TimeUnit::Micros),
            plain(timestamp().prop_map(Value::Timestamp))
        ),
        of(
            SemanticType::Timestamp(TimeUnit::Millis),
            plain(any::<i32>().prop_map(|ms| Value::Timestamp(Timestamp::Millis(ms.into())))),
        ),
        of(SemanticType::Timestamp(TimeUnit::Nanos), plain(nanos().prop_map(Value::Timestamp))),
        of(SemanticType::ZonedTimestamp, plain(moment().prop_map(Value::Instant))),
        of(SemanticType::Uuid, plain(any::<[u8; 16]>().prop_map(Value::Uuid))),
    ]
    .boxed()
}

/// The rarer types that can stand in an array.
fn rare() -> BoxedStrategy<Typed> {
    let of =
        |semantic: SemanticType, values: BoxedStrategy<Owned>| (Just(semantic), values).boxed();
    // A comma inside a label looks like one between two.
    let labels = || proptest::collection::vec("[^,]+", 0..4);
    let structured = SemanticType::Structured;
    let bits = |length| {
        (proptest::collection::vec(any::<u8>(), 0..=4), Just(length))
            .prop_map(|(bytes, length)| Owned::Bits(bytes, length))
            .boxed()
    };
    let fixed_interval = IntervalForm::Micros;
    prop_oneof![
        of(SemanticType::EncodedBytes(BytesText::Hex), bytes()),
        of(SemanticType::EncodedBytes(BytesText::Base64Url), bytes()),
        of(SemanticType::Bits { length: 32 }, bits(Some(32))),
        of(SemanticType::VarBits { length: Some(40) }, bits(None)),
        of(SemanticType::VarBits { length: None }, bits(None)),
        of(SemanticType::IsoDate, plain(date())),
        of(SemanticType::IsoTime, plain(time().prop_map(Value::Time))),
        of(SemanticType::ZonedTime, plain(zoned_time())),
        of(SemanticType::IsoTimestamp, plain(moment().prop_map(Value::Timestamp))),
        of(SemanticType::Interval(fixed_interval), span(any::<i64>())),
        of(SemanticType::Interval(IntervalForm::Nanos), span(any::<i32>().prop_map(i64::from))),
        of(SemanticType::Interval(IntervalForm::Iso), plain(interval())),
        of(structured(StructuredType::Date), plain(date())),
        of(structured(StructuredType::Time), plain(time().prop_map(Value::Time))),
        of(structured(StructuredType::Timestamp), plain(moment().prop_map(Value::Timestamp))),
        of(structured(StructuredType::ZonedTime), plain(zoned_time())),
        of(structured(StructuredType::ZonedTimestamp), plain(moment().prop_map(Value::Instant))),
        of(structured(StructuredType::Interval), plain(interval())),
        of(SemanticType::Year, plain(any::<i32>().prop_map(Value::Int32))),
        of(SemanticType::Xml, text()),
        of(SemanticType::Ltree, text()),
        of(SemanticType::Tsvector, text()),
        (labels(), text()).prop_map(|(allowed, value)| (SemanticType::Enum { allowed }, value)),
        (labels(), text()).prop_map(|(allowed, value)| (SemanticType::EnumSet { allowed }, value)),
        of(SemanticType::Geometry, geometry()),
        of(SemanticType::Geography, shape()),
        of(SemanticType::Point, plain(point())),
        (any::<[f64; 3]>())
            .prop_map(|[x, y, r]| (SemanticType::Circle, Owned::Text(format!("<({x},{y}),{r}>")))),
        (any::<[f64; 3]>())
            .prop_map(|[a, b, c]| (SemanticType::Line, Owned::Text(format!("{{{a},{b},{c}}}")))),
        of(SemanticType::SparseVector, sparse_vector()),
    ]
    .boxed()
}

fn point() -> impl Strategy<Value = Value<'static>> {
    (number(), number(), any::<Option<i32>>())
        .prop_map(|(x, y, srid)| Value::Point(Point { x, y, srid }))
}

fn geometry() -> BoxedStrategy<Owned> {
    let native = prop_oneof![
        Just(None),
        Just(Some(NativeShape::Box)),
        Just(Some(NativeShape::Segment)),
        Just(Some(NativeShape::OpenPath)),
        Just(Some(NativeShape::ClosedPath)),
        Just(Some(NativeShape::Polygon)),
    ];
    (shape(), native)
        .prop_map(|(mut shape, native)| {
            if let Owned::Geometry(_, _, place) = &mut shape {
                *place = native;
            }
            shape
        })
        .boxed()
}

fn shape() -> BoxedStrategy<Owned> {
    (0..=1_u8, proptest::collection::vec(any::<u8>(), 4..30), any::<Option<i32>>())
        .prop_map(|(order, mut wkb, srid)| {
            wkb.insert(0, order);
            Owned::Geometry(wkb, srid, None)
        })
        .boxed()
}

fn sparse_vector() -> BoxedStrategy<Owned> {
    (1..=32_767_i32)
        .prop_flat_map(|dimensions| {
            (Just(dimensions), proptest::collection::vec((1..=dimensions, number()), 0..5))
        })
        .prop_map(|(dimensions, pairs)| Owned::Sparse(dimensions.unsigned_abs(), pairs))
        .boxed()
}

/// Values of one type, which `values` gives one at a time.
fn several(element: BoxedStrategy<Typed>) -> impl Strategy<Value = (SemanticType, Vec<Owned>)> {
    // Elements of a generated type come from the same seed, so that repeating one is enough.
    (element, 0..5_usize, 0..5_usize).prop_map(|((semantic, value), length, null)| {
        let element = |place| {
            if place == null { Owned::Plain(Value::Null) } else { value.clone() }
        };
        (semantic, (0..length).map(element).collect())
    })
}

fn nested(element: &BoxedStrategy<Typed>) -> BoxedStrategy<Typed> {
    let array = |element| SemanticType::Array { element: Box::new(element) };
    let flat = several(element.clone())
        .prop_map(move |(semantic, values)| (array(semantic), Owned::Array(values)));
    let matrix = (several(element.clone()), 1..4_usize).prop_map(move |((semantic, row), rows)| {
        let value = if row.is_empty() { Vec::new() } else { vec![Owned::Array(row); rows] };
        (array(semantic), Owned::Array(value))
    });
    let keys = proptest::collection::vec(any::<String>(), 5);
    let by_text = (several(element.clone()), keys).prop_map(|((semantic, values), keys)| {
        let pairs = keys.into_iter().map(Owned::Text).zip(values).collect();
        let (key, value) = (Box::new(SemanticType::Text), Box::new(semantic));
        (SemanticType::Map { key, value }, Owned::Map(pairs))
    });
    let by_number = several(element.clone()).prop_map(|(semantic, values)| {
        let numbers = (0..).map(|number| Owned::Plain(Value::Int32(number)));
        let (key, value) = (Box::new(SemanticType::Int32), Box::new(semantic));
        (SemanticType::Map { key, value }, Owned::Map(numbers.zip(values).collect()))
    });
    let floats =
        |values: Vec<Value<'static>>| Owned::Array(values.into_iter().map(Owned::Plain).collect());
    let vector = proptest::collection::vec(any::<f64>().prop_map(Value::Float64), 0..5)
        .prop_map(move |values| (SemanticType::Vector, floats(values)));
    let half = proptest::collection::vec(any::<f32>().prop_map(Value::Float32), 0..5)
        .prop_map(move |values| (SemanticType::HalfVector, floats(values)));
    prop_oneof![flat, matrix, by_text, by_number, vector, half].boxed()
}

/// Whether the source can leave values of this type out, so that they are unavailable.
fn can_lack(semantic: &SemanticType) -> bool {
    if let SemanticType::Array { element } = semantic {
        let has_numbers =
            matches!(**element, SemanticType::Int32 | SemanticType::Int64 | SemanticType::Date);
        let is_map = matches!(**element, SemanticType::Map { .. });
        return has_numbers || (can_lack(element) && !is_map);
    }
    *semantic == SemanticType::text_map()
        || matches!(
            semantic,
            SemanticType::Text
                | SemanticType::Bytes
                | SemanticType::EncodedBytes(_)
                | SemanticType::Json
                | SemanticType::Xml
                | SemanticType::Enum { .. }
                | SemanticType::VariableDecimal
                | SemanticType::ZonedTimestamp
                | SemanticType::Uuid
        )
}

/// A type and a value of it, NULL, or where the source can leave the value out, unavailable.
pub(crate) fn typed() -> impl Strategy<Value = Typed> {
    let scalar = prop_oneof![common(), rare()].boxed();
    let any = prop_oneof![4 => scalar.clone(), 2 => nested(&scalar)];
    (any, 0..10_u8).prop_map(|((semantic, value), chance)| match chance {
        0 => (semantic, Owned::Plain(Value::Null)),
        1 if can_lack(&semantic) => (semantic, Owned::Plain(Value::Unavailable)),
        _ => (semantic, value),
    })
}

/// Types alone, nested as deep as declarations can be.
pub(crate) fn declarable() -> impl Strategy<Value = SemanticType> {
    let leaf = prop_oneof![common(), rare()].prop_map(|(mut semantic, _)| {
        // The labels are not part of the text form.
        if let SemanticType::Enum { allowed } | SemanticType::EnumSet { allowed } = &mut semantic {
            allowed.clear();
        }
        semantic
    });
    leaf.prop_recursive(5, 12, 2, |inner| {
        let pair = (inner.clone(), inner.clone()).prop_map(|(key, value)| SemanticType::Map {
            key: Box::new(key),
            value: Box::new(value),
        });
        let array = inner.prop_map(|element| {
            let is_list = matches!(&element, SemanticType::Array { .. })
                || matches!(&element, SemanticType::Map { key, .. } if **key != SemanticType::Text);
            if is_list { element } else { SemanticType::Array { element: Box::new(element) } }
        });
        prop_oneof![pair, array]
    })
}
