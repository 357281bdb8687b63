//! A row with a column of every type that PostgreSQL's connector sends, so that the price of the rare
//! ones is measured too.

use std::sync::Arc;

use anyhow::Context as _;
use debezium_envelope::{
    Bits, Column, Date, Decimal, Declarations, Envelope, EnvelopeEncoder, Geometry, Interval,
    Limits, Lsn, MessageDecoder, Op, Point, Row, RowBuffer, RowShape, SchemaBlock, SemanticType,
    SnapshotMarker, SourceInfo, Time, Timestamp, Value, ZonedTime,
};

/// Noon and a half, on a day of 2024.
const MOMENT: Timestamp = Timestamp::Micros(1_714_998_600_000_001);
const UUID: [u8; 16] = 0xa0ee_bc99_9c0b_4ef8_bb6d_6bb9_bd38_0a11_u128.to_be_bytes();
/// `POINT(174.9479 -36.7208)` with the reference system 4326 inside.
const EWKB: &[u8] =
    b"\x01\x01\0\0\x20\xe6\x10\0\0\x1c\x7c\x61\x32\x55\xde\x65\x40\x78\x7a\xa5\x2c\x43\x5c\x42\xc0";
/// An integer of 24 bytes, wider than the inline form of a decimal.
const WIDE: &[u8] = &[0x17; 24];

/// A row of all types, and what it takes to write and read it.
#[derive(Debug)]
pub struct EveryType {
    shape: Arc<RowShape>,
    cells: RowBuffer,
}

impl EveryType {
    /// The row; its values are always the same.
    ///
    /// # Errors
    ///
    /// None but for a mistake in the list of its columns.
    pub fn new() -> anyhow::Result<Self> {
        Self::with(Extensions::All)
    }

    /// The row without the types of extensions that do not come with PostgreSQL and that no other type
    /// can stand for.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn on_a_plain_server() -> anyhow::Result<Self> {
        Self::with(Extensions::Contributed)
    }

    fn with(extensions: Extensions) -> anyhow::Result<Self> {
        let mut columns = Columns { list: Vec::new(), cells: RowBuffer::new(), extensions };
        columns.scalars()?;
        columns.temporal()?;
        columns.lists()?;
        columns.shapes()?;
        Ok(Self { shape: Arc::new(RowShape::new(columns.list)), cells: columns.cells })
    }

    /// Its columns.
    pub fn shape(&self) -> &Arc<RowShape> {
        &self.shape
    }

    /// The row.
    pub fn row(&self) -> Row<'_> {
        self.cells.row(&self.shape, "")
    }

    /// The value of an insert of the row.
    ///
    /// # Errors
    ///
    /// When the encoder refuses a column.
    pub fn insert(&self, schema_block: SchemaBlock) -> anyhow::Result<Vec<u8>> {
        let source = SourceInfo {
            version: "2.4.2.Final",
            connector: "postgresql",
            name: "dbserver1",
            db: "orders_db",
            schema: "public",
            table: "every_type",
            snapshot: SnapshotMarker::False,
            ts_ms: Some(1_714_998_600_123),
            tx_id: Some(3_784),
            lsn: Some(Lsn::from_signed(374_679_712)),
            ..SourceInfo::default()
        };
        let change = Envelope {
            op: Op::Create,
            before: None,
            after: Some(self.row()),
            key: None,
            source,
            source_json: "",
            ts_ms: Some(1_714_998_600_611),
            ts_us: None,
            ts_ns: None,
            transaction: None,
            schema_block,
        };
        let topic = "dbserver1.public.every_type";
        let encoder = EnvelopeEncoder::new(topic, &self.shape, &[], schema_block)
            .context("prepared to write the row of every type")?;
        let mut out = Vec::new();
        encoder.value(&change, &mut out).context("wrote the row of every type")?;
        Ok(out)
    }

    /// A decoder that knows all columns, also those that a schema block calls mere strings.
    pub fn decoder(&self) -> MessageDecoder {
        let mut declarations = Declarations::none();
        for column in self.shape.columns() {
            declarations.declare("public.every_type", &column.name, column.semantic.clone());
        }
        MessageDecoder::new(declarations, Limits::default())
    }
}

/// Which extensions' types are among the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extensions {
    All,
    Contributed,
}

/// Columns and cells in the making. A column is named after its place.
struct Columns {
    list: Vec<Column>,
    cells: RowBuffer,
    extensions: Extensions,
}

impl Columns {
    fn name(&mut self, semantic: &str) -> anyhow::Result<()> {
        let parsed = SemanticType::parse(semantic).with_context(|| semantic.to_owned())?;
        let name = format!("c{}", self.list.len());
        self.list.push(Column::new(name, parsed));
        Ok(())
    }

    fn add(&mut self, semantic: &str, value: Value<'_>) -> anyhow::Result<()> {
        self.cells.push(value);
        self.name(semantic)
    }

    fn array(&mut self, semantic: &str, values: &[Value<'_>]) -> anyhow::Result<()> {
        let list = self.cells.open_list();
        for value in values {
            self.cells.push(*value);
        }
        self.cells.close_array(list);
        self.name(semantic)
    }

    fn scalars(&mut self) -> anyhow::Result<()> {
        let decimal = |unscaled, scale| Value::Decimal(Decimal::Small { unscaled, scale });
        let bits = |bytes, length| Bits::new(bytes, length).map(Value::Bits);
        self.add("boolean", Value::Bool(true))?;
        self.add("int16", Value::Int16(-300))?;
        self.add("int32", Value::Int32(1_234_567))?;
        self.add("int64", Value::Int64(-1_234_567_890_123))?;
        self.add("float32", Value::Float32(1.5))?;
        self.add("float64", Value::Float64(-0.123_456_789_012))?;
        self.add("text", Value::Text("Widget A, \"large\" – 10 €"))?;
        self.add("bytes", Value::Bytes(b"\xde\xad\xbe\xef\0\xff"))?;
        self.add("bytes(hex)", Value::Bytes(b"\xde\xad\xbe\xef\0\xff"))?;
        self.add("bytes(base64url)", Value::Bytes(b"\xde\xad\xbe\xef\0\xff"))?;
        self.add("bits(12)", bits(b"\xaa\x0a", Some(12)).context("twelve bits")?)?;
        self.add("varbits(16)", bits(b"\x15", None).context("five bits")?)?;
        self.add("decimal(10,2)", decimal(123_450, 2))?;
        self.add("decimal(60,20)", Value::Decimal(Decimal::from_connect_bytes(WIDE, 20)))?;
        self.add("decimal", decimal(100_855, 4))?;
        self.add("uuid", Value::Uuid(UUID))?;
        self.add("json", Value::Text("{\"a\": [1, 2, {\"b\": null}]}"))?;
        self.add("xml", Value::Text("<a><b/></a>"))?;
        self.add("ltree", Value::Text("Top.Science.Astronomy"))?;
        self.add("tsvector", Value::Text("'cat':3 'fat':2"))?;
        self.add("enum", Value::Text("shipped"))
    }

    fn temporal(&mut self) -> anyhow::Result<()> {
        let time = Time::from_nanos(45_000_123_456_000);
        let zoned = ZonedTime { time, offset_seconds: 0 };
        let whole = Interval { months: 0, days: 0, micros: 37_091_106_789_000 };
        let parts = Interval { months: 14, days: 3, micros: 14_706_789_000 };
        self.add("date", Value::Date(Date::Days(19_849)))?;
        self.add("date(iso)", Value::Date(Date::Days(19_849)))?;
        self.add("time(micros)", Value::Time(time))?;
        self.add("time(iso)", Value::Time(time))?;
        self.add("timetz", Value::ZonedTime(zoned))?;
        self.add("timestamp(millis)", Value::Timestamp(Timestamp::Millis(1_714_998_600_001)))?;
        self.add("timestamp(micros)", Value::Timestamp(MOMENT))?;
        self.add("timestamp(iso)", Value::Timestamp(MOMENT))?;
        self.add("timestamptz", Value::Instant(MOMENT))?;
        self.add("interval", Value::Interval(whole))?;
        self.add("interval(iso)", Value::Interval(parts))?;
        self.add("timestamp(structured)", Value::Timestamp(MOMENT))?;
        self.add("interval(structured)", Value::Interval(parts))?;
        self.add("year", Value::Int32(2_024))
    }

    fn lists(&mut self) -> anyhow::Result<()> {
        let decimal = |unscaled| Value::Decimal(Decimal::Small { unscaled, scale: 2 });
        let (int, float) = (Value::Int32, Value::Float64);
        self.array("array(int32)", &[int(1), Value::Null, int(3)])?;
        self.array("array(text)", &[Value::Text("a"), Value::Text("b,c"), Value::Null])?;
        self.array("array(decimal(10,2))", &[decimal(110), decimal(-220)])?;
        self.array("array(uuid)", &[Value::Uuid(UUID); 2])?;
        self.array("array(timestamp(micros))", &[Value::Timestamp(MOMENT); 2])?;
        let outer = self.cells.open_list();
        for row in [[1, 2], [3, 4]] {
            let inner = self.cells.open_list();
            for number in row {
                self.cells.push(Value::Int64(number));
            }
            self.cells.close_array(inner);
        }
        self.cells.close_array(outer);
        self.name("array(int64)")?;
        let map = self.cells.open_list();
        for text in [Value::Text("a"), Value::Text("1"), Value::Text("b"), Value::Null] {
            self.cells.push(text);
        }
        self.cells.close_map(map);
        self.name("map")?;
        self.array("vector", &[float(1.0), float(-2.5), float(0.1)])?;
        self.array("halfvec", &[Value::Float32(1.0), Value::Float32(-2.5)])?;
        if self.extensions == Extensions::Contributed {
            return Ok(());
        }
        let vector = self.cells.open_list();
        for cell in [int(1), float(201.0), int(9), float(209.0)] {
            self.cells.push(cell);
        }
        self.cells.close_sparse_vector(vector, 3_000);
        self.name("sparsevec")
    }

    fn shapes(&mut self) -> anyhow::Result<()> {
        self.add("point", Value::Point(Point { x: 1.5, y: -2.5, srid: None }))?;
        if self.extensions == Extensions::All {
            self.add("geometry", Value::Geometry(Geometry::new(EWKB, Some(4_326))))?;
            self.add("geography", Value::Geometry(Geometry::new(EWKB, Some(4_326))))?;
        }
        self.add("circle", Value::Text("<(10,4),10>"))?;
        self.add("line", Value::Text("{-1,0,0.5}"))
    }
}

#[cfg(test)]
mod tests {
    use debezium_envelope::Message;

    use super::*;

    #[test]
    fn the_row_comes_back_as_it_was() {
        let every_type = EveryType::new().unwrap();
        for block in [SchemaBlock::Absent, SchemaBlock::Present] {
            let record = every_type.insert(block).unwrap();
            let mut decoder = every_type.decoder();
            let Message::Change(change) = decoder.decode(None, Some(&record)).unwrap() else {
                panic!("a row event")
            };
            let (row, after) = (every_type.row(), change.after.unwrap());
            assert_eq!(after.len(), row.len());
            for ((column, own), read) in
                row.shape().columns().iter().zip(row.values()).zip(after.values())
            {
                assert_eq!(own, read, "{} with {block:?}", column.semantic);
            }
        }
    }
}
