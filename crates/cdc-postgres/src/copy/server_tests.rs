//! A real server as the oracle: what it shows for a copied cell is exactly the value's text, and a
//! value is refused exactly when the server itself would have to change it.

mod compound;
mod numeric;
mod pairs;
mod rare;
mod temporal;

use bigdecimal::num_bigint::BigInt;
use cdc_core::{Date, Decimal, SemanticType, Time, TimeUnit, Timestamp, Value};
use cdc_stack::postgres::Cluster;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sqlx::{Connection as _, PgConnection};
use tokio::runtime::Runtime;

use super::*;
use crate::catalog;
use crate::ident::QualifiedName;
use crate::pair::{CellEncoder, pair};

/// A database of its own with one session.
struct Database {
    runtime: Runtime,
    connection: PgConnection,
}

impl Database {
    fn with(prefix: &str, sql: &'static str) -> Self {
        let cluster = Cluster::shared();
        let name = cluster.fresh_database(prefix).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(async {
            let mut connection = PgConnection::connect(&cluster.url(&name)).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection
        });
        Self { runtime, connection }
    }

    fn run(&mut self, sql: &'static str) {
        self.runtime.block_on(sqlx::raw_sql(sql).execute(&mut self.connection)).unwrap();
    }

    /// Copies in two chunks that cut a row somewhere.
    fn copy(&mut self, table: &str, buffer: &CopyBuffer) -> Result<u64, sqlx::Error> {
        let statement = format!("COPY {table} FROM STDIN (FORMAT binary)");
        self.runtime.block_on(async {
            let mut copy = self.connection.copy_in_raw(&statement).await?;
            let (head, tail) = buffer.bytes().split_at(buffer.len() / 2);
            copy.send(head).await?;
            copy.send(tail).await?;
            copy.send(TRAILER).await?;
            copy.finish().await
        })
    }

    fn copy_text(&mut self, table: &str, lines: &[u8]) -> Result<u64, sqlx::Error> {
        let statement = format!("COPY {table} FROM STDIN (FORMAT text)");
        self.runtime.block_on(async {
            let mut copy = self.connection.copy_in_raw(&statement).await?;
            copy.send(lines).await?;
            copy.finish().await
        })
    }

    fn texts(&mut self, sql: &str) -> Vec<Option<String>> {
        let query = sqlx::query_scalar(sql);
        self.runtime.block_on(query.fetch_all(&mut self.connection)).unwrap()
    }

    fn text(&mut self, sql: &str) -> String {
        self.texts(sql).pop().flatten().unwrap()
    }

    /// Copies the values into `t(i, v)`, which is emptied first, and reads them as text.
    fn round_trip(
        &mut self,
        encoder: CellEncoder,
        values: &[Value<'_>],
    ) -> Result<Vec<Option<String>>, ValueError> {
        let mut buffer = CopyBuffer::new();
        for (index, value) in values.iter().enumerate() {
            buffer.begin_row(2);
            buffer.put_i32(i32::try_from(index).unwrap());
            buffer.put(encoder, *value)?;
        }
        self.run("TRUNCATE t");
        assert_eq!(self.copy("t", &buffer).unwrap(), values.len() as u64);
        Ok(self.texts("SELECT v::text FROM t ORDER BY i"))
    }
}

/// A column of `t`, what its source means, and values with what the server shows for them.
type Column<'c> = (&'c str, &'c str, &'c [(Value<'c>, &'c str)]);

impl Database {
    fn table(&mut self) -> catalog::TargetTable {
        let name = QualifiedName::parse("t").unwrap();
        let load = catalog::load(&mut self.connection, &name);
        self.runtime.block_on(load).unwrap().unwrap()
    }

    /// Copies the values into the columns of `t`, which are in this order, behind a first column `i`.
    fn shows(&mut self, columns: &[Column<'_>]) {
        let table = self.table();
        let rows = columns.iter().map(|(_, _, values)| values.len()).max().unwrap();
        let mut buffer = CopyBuffer::new();
        for row in 0..rows {
            buffer.begin_row(i16::try_from(columns.len() + 1).unwrap());
            buffer.put_i32(i32::try_from(row).unwrap());
            for (name, semantic, values) in columns {
                let encoder =
                    pair(&SemanticType::parse(semantic).unwrap(), table.column(name).unwrap());
                let value = values.get(row).map_or(Value::Null, |(value, _)| *value);
                let put = buffer.put(encoder.unwrap(), value);
                put.unwrap_or_else(|error| panic!("{name} {value:?}: {error}"));
            }
        }
        assert_eq!(self.copy("t", &buffer).unwrap(), rows as u64);
        for (name, _, values) in columns {
            let shown = self.texts(&format!("SELECT {name}::text FROM t ORDER BY i"));
            let expected: Vec<_> = (0..rows)
                .map(|row| values.get(row).map(|(_, shown)| (*shown).to_owned()))
                .collect();
            assert_eq!(shown, expected, "{name}");
        }
    }

    /// Asserts the reason for which a column of `t` does not take a value.
    fn refuses(&mut self, cases: &[(&str, &str, Value<'_>, &str)]) {
        let table = self.table();
        for (name, semantic, value, reason) in cases {
            let encoder =
                pair(&SemanticType::parse(semantic).unwrap(), table.column(name).unwrap());
            let mut buffer = CopyBuffer::new();
            buffer.begin_row(1);
            let before = buffer.len();
            let error = buffer.put(encoder.unwrap(), *value).expect_err("must be refused");
            assert_eq!(error.reason, *reason, "{name} {value:?}: {error}");
            assert_eq!(buffer.len(), before);
        }
    }
}

fn property<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl FnMut(S::Value) -> Result<(), TestCaseError>,
) {
    let test = std::cell::RefCell::new(test);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(strategy, |value| (test.borrow_mut())(value));
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn text_comes_back_byte_for_byte_or_is_refused_by_length() {
    let mut database = Database::with(
        "text",
        "CREATE TABLE t (i int, v text); CREATE TABLE short (i int, v varchar(10))",
    );
    let text = vec(any::<char>().prop_filter("U+0000", |c| *c != '\0'), 0..14)
        .prop_map(|chars| chars.into_iter().collect::<String>());
    property(6, &vec(text, 250), |texts| {
        let values: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text)).collect();
        let shown = database.round_trip(CellEncoder::Text { chars_max: None }, &values).unwrap();
        let expected: Vec<_> = texts.iter().cloned().map(Some).collect();
        prop_assert_eq!(shown, expected);

        let (mut buffer, mut rows) = (CopyBuffer::new(), 0);
        for text in &texts {
            buffer.begin_row(2);
            buffer.put_i32(0);
            let result = buffer.put(CellEncoder::Text { chars_max: Some(10) }, Value::Text(text));
            prop_assert_eq!(result.is_ok(), text.chars().count() <= 10);
            if result.is_ok() {
                rows += 1;
            } else {
                buffer.abort_row();
            }
        }
        // What our count accepts, the server's count accepts.
        prop_assert_eq!(database.copy("short", &buffer).unwrap(), rows);
        Ok(())
    });
}

#[test]
fn a_row_of_every_type_goes_from_the_catalog_into_the_table() {
    let mut database = Database::with(
        "every",
        "CREATE TYPE mood AS ENUM ('sad', 'happy');
         CREATE DOMAIN price AS numeric(10,2) CHECK (value >= 0);
         CREATE TABLE t (a bool, b int2, c int4, d int8, e float4, f float8, g price, h text,
           i varchar(5), j char(4), k mood, l json, m jsonb, n uuid, o bytea, p date, q time,
           r timestamp, s timestamptz, u numeric, v text[])",
    );
    let wide = BigInt::from(-7).pow(61).to_signed_bytes_be();
    let uuid = Value::Uuid([0xab; 16]);
    let zoned = Value::Instant(Timestamp::Millis(-1));
    let cells = [
        (SemanticType::Boolean, Value::Bool(true)),
        (SemanticType::Int16, Value::Int16(-5)),
        (SemanticType::Int32, Value::Int32(i32::MIN)),
        (SemanticType::Int64, Value::Int64(i64::MAX)),
        (SemanticType::Float32, Value::Float32(0.1)),
        (SemanticType::Float64, Value::Float64(-1e300)),
        (
            SemanticType::Decimal { precision: Some(10), scale: 2 },
            Value::Decimal(Decimal::Small { unscaled: 150, scale: 2 }),
        ),
        (SemanticType::Text, Value::Text("\\. \t\n,\"ü")),
        (SemanticType::Enum { allowed: vec![] }, Value::Text("happy")),
        (SemanticType::Text, Value::Text("ab")),
        (SemanticType::Enum { allowed: vec![] }, Value::Text("happy")),
        (SemanticType::Json, Value::Text("{\"a\":  1}")),
        (SemanticType::Json, Value::Text("{\"b\":2, \"a\":1e2}")),
        (SemanticType::Uuid, uuid),
        (SemanticType::Bytes, Value::Bytes(&[0, 255])),
        (SemanticType::Date, Value::Date(Date::Days(-1))),
        (SemanticType::Time(TimeUnit::Nanos), Value::Time(Time::from_nanos(86_400_000_000_000))),
        (SemanticType::Timestamp(TimeUnit::Millis), Value::Timestamp(Timestamp::Millis(1))),
        (SemanticType::ZonedTimestamp, zoned),
        (SemanticType::VariableDecimal, Value::Decimal(Decimal::from_connect_bytes(&wide, 30))),
    ];
    let name = QualifiedName::parse("t").unwrap();
    let load = catalog::load(&mut database.connection, &name);
    let table = database.runtime.block_on(load).unwrap().unwrap();
    let mut buffer = CopyBuffer::new();
    for nulls in [false, true] {
        buffer.begin_row(21);
        for ((semantic, value), target) in cells.iter().zip(&table.columns) {
            let encoder = pair(semantic, target).unwrap();
            buffer.put(encoder, if nulls { Value::Null } else { *value }).unwrap();
        }
        buffer.put_text_array(["amount", "a \"b\""]).unwrap();
    }
    assert_eq!(database.copy(&name.to_string(), &buffer).unwrap(), 2);
    let shown = database.text(
        "SELECT concat_ws('|', a, b, c, d, e, f, g, i, '[' || j::text || ']', k, l, m, n, o, p, q,
                          r, s, u, v[2]) FROM t WHERE a",
    );
    let expected = "t|-5|-2147483648|9223372036854775807|0.1|-1e+300|1.50|happy|[ab]|happy|\
                    {\"a\":  1}|{\"a\": 100, \"b\": 2}|abababab-abab-abab-abab-abababababab|\\x00ff|\
                    1969-12-31|24:00:00|1970-01-01 00:00:00.001|1969-12-31 23:59:59.999+00|\
                    -3556153025177363557255.317383565515512407041673852007|a \"b\"";
    assert_eq!(shown, expected);
    assert_eq!(database.text("SELECT h FROM t WHERE a"), "\\. \t\n,\"ü");
    assert_eq!(
        database.text(
            "SELECT num_nulls(a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,u)::text
                                FROM t WHERE a IS NULL"
        ),
        "20"
    );
}
