//! Texts of a real server, compared with another form in which it gives the same values: binary forms,
//! counts of microseconds, JSON.

use std::sync::Arc;

use cdc_core::{Column, Date, Interval, RowBuffer, RowShape, SemanticType, Timestamp, Value};
use cdc_stack::postgres::Cluster;
use serde_json::json;

use super::put;

/// As sessions of the source are pinned.
const PINNED: &str = "SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET timezone = 'UTC';
    SET extra_float_digits = 3; SET bytea_output = 'hex';";

/// A database, and the types that are compared in it.
struct Server {
    database: String,
}

impl Server {
    fn new() -> Self {
        Self { database: Cluster::shared().fresh_database("texts").unwrap() }
    }

    /// Compares what the text of each `v` that the query gives is read as, in the words of `shown`, with
    /// the server's `other` form of it.
    fn agrees(&self, declared: &str, query: &str, other: &str, shown: fn(Value<'_>) -> String) {
        let sql = format!(
            "{PINNED} SELECT json_build_array(v::text, ({other})::text) FROM ({query}) AS t (v)"
        );
        let answer = Cluster::shared().psql(&self.database, &sql).unwrap();
        let semantic = SemanticType::parse(declared).unwrap();
        let shape = Arc::new(RowShape::new(vec![Column::new("v", semantic.clone())]));
        let mut buffer = RowBuffer::new();
        assert!(!answer.is_empty(), "{query}");
        for line in answer.lines() {
            let (text, expected): (String, String) = serde_json::from_str(line).unwrap();
            buffer.clear();
            let result = put(&mut buffer, 0, &semantic, &text);
            assert_eq!(result, Ok(()), "{declared} {text}");
            let found = shown(buffer.row(&shape, "").get(0));
            assert_eq!(found, expected, "{declared} {text}");
        }
    }
}

/// A query of these values of a type.
fn each(sql_type: &str, texts: &[&str]) -> String {
    let quoted = |text: &&str| format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    let texts: Vec<String> = texts.iter().map(quoted).collect();
    format!("SELECT unnest(ARRAY[{}])::{sql_type}", texts.join(", "))
}

/// A query of drawn values of a type, always the same ones.
fn drawn(sql_type: &str, value: &str) -> String {
    format!("SELECT ({value})::{sql_type} FROM setseed(0.5), generate_series(1, 3000) AS n")
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// The server's own count: microseconds since 2000, with the ends of 64 bits for the infinities.
fn count(value: Value<'_>) -> String {
    const TO_2000: i128 = 946_684_800_000_000;
    let (Value::Timestamp(moment) | Value::Instant(moment)) = value else { panic!("{value:?}") };
    let count = match moment {
        Timestamp::Millis(millis) => i128::from(millis) * 1_000 - TO_2000,
        Timestamp::Micros(micros) => i128::from(micros) - TO_2000,
        Timestamp::Nanos(_) => panic!("no unit of PostgreSQL"),
        Timestamp::MicrosSince2000(micros) => micros.into(),
        Timestamp::Infinity => i64::MAX.into(),
        Timestamp::NegInfinity => i64::MIN.into(),
    };
    hex(&i64::try_from(count).unwrap().to_be_bytes())
}

const MOMENTS: [&str; 16] = [
    "4713-01-02 00:00:00 BC",
    "4713-01-02 00:00:00.000001 BC",
    "0001-12-31 23:59:59.999999 BC",
    "0001-01-01 00:00:00",
    "1582-10-14 12:00:00.5",
    "1900-02-28 23:59:59.999999",
    "1969-12-31 23:59:59.999999",
    "1970-01-01 00:00:00",
    "2000-02-29 12:34:56.1",
    "9999-12-31 23:59:59.999999",
    "10000-01-01 00:00:00",
    "294247-01-10 04:00:54.775808",
    "294276-12-31 23:59:59.999999",
    "294276-12-31 23:59:59.999",
    "infinity",
    "-infinity",
];

#[test]
fn moments_are_the_counts_of_the_server() {
    let server = Server::new();
    let any = "'4000-01-01 BC'::timestamp + random() * interval '200000 years'";
    for (sql_type, declared) in [
        ("timestamp", "timestamp(micros)"),
        ("timestamptz", "timestamptz"),
        ("timestamp", "timestamp(iso)"),
    ] {
        let own = format!("encode({sql_type}_send(v), 'hex')");
        server.agrees(declared, &each(sql_type, &MOMENTS), &own, count);
        server.agrees(declared, &drawn(sql_type, any), &own, count);
    }
    let own = "encode(timestamp_send(v), 'hex')";
    server.agrees("timestamp(millis)", &drawn("timestamp(3)", any), own, count);
}

#[test]
fn days_and_times_are_the_counts_of_the_server() {
    let server = Server::new();
    let days = |value: Value<'_>| match value {
        Value::Date(Date::Days(days)) => days.to_string(),
        other => panic!("{other:?}"),
    };
    let ends = ["4713-01-01 BC", "0001-12-31 BC", "0001-01-01", "1900-02-28", "5874897-12-31"];
    server.agrees("date", &each("date", &ends), "v - date '1970-01-01'", days);
    let any = "date '4713-01-01 BC' + (random() * 2147483493)::bigint::int";
    server.agrees("date", &drawn("date", any), "v - date '1970-01-01'", days);
    let time = |value: Value<'_>| match value {
        Value::Time(time) => time.micros().unwrap().to_string(),
        other => panic!("{other:?}"),
    };
    let count = "trim_scale(extract(epoch from v)::numeric * 1000000)";
    server.agrees(
        "time(micros)",
        &each("time", &["00:00", "23:59:59.999999", "24:00"]),
        count,
        time,
    );
    server.agrees(
        "time(millis)",
        &drawn("time(3)", "time '0:00' + random() * interval '1 day'"),
        count,
        time,
    );
    let zoned = |value: Value<'_>| match value {
        Value::ZonedTime(zoned) => {
            format!("{} {}", zoned.time.micros().unwrap(), zoned.offset_seconds)
        }
        other => panic!("{other:?}"),
    };
    let offsets =
        ["00:00+15:59:59", "24:00-08", "12:34:56.123456+05:30", "23:59:59.999999-15:59:59"];
    let parts = "trim_scale(extract(epoch from v::time)::numeric * 1000000) || ' ' || extract(timezone from v)";
    server.agrees("timetz", &each("timetz", &offsets), parts, zoned);
}

#[test]
fn spans_have_the_parts_of_the_server() {
    let server = Server::new();
    let parts = |value: Value<'_>| match value {
        Value::Interval(Interval { months, days, micros }) => format!("{months} {days} {micros}"),
        other => panic!("{other:?}"),
    };
    let other = "extract(year from v) * 12 + extract(month from v) || ' ' || extract(day from v) || ' ' || \
                 trim_scale((extract(hour from v) * 3600 + extract(minute from v) * 60) * 1000000 \
                 + extract(microseconds from v))";
    let odd = [
        "0",
        "1 year 2 mons -3 days 04:05:06.789",
        "-1 mons +1 days -00:00:00.5",
        "178956970 years 7 mons -2147483648 days",
        "-178956970 years -8 mons",
        "2562047788:00:54.775807",
        "-00:00:00.000001",
        "-2562047788:00:54.775807",
    ];
    server.agrees("interval", &each("interval", &odd), other, parts);
    let any = "make_interval(months => (random() * 4000 - 2000)::int, days => (random() * 4000 - 2000)::int, \
               secs => (random() * 2e9 - 1e9)::numeric(20, 6)::float8)";
    server.agrees("interval(iso)", &drawn("interval", any), other, parts);
}

#[test]
fn numbers_have_the_bits_and_the_digits_of_the_server() {
    let server = Server::new();
    let bits = |value: Value<'_>| match value {
        Value::Float32(number) => hex(&number.to_be_bytes()),
        Value::Float64(number) => hex(&number.to_be_bytes()),
        other => panic!("{other:?}"),
    };
    let odd =
        ["0", "-0", "NaN", "Infinity", "-Infinity", "1e-37", "-0.1", "16777217", "3.4028235e38"];
    server.agrees("float32", &each("float4", &odd), "encode(float4send(v), 'hex')", bits);
    server.agrees("float64", &each("float8", &odd), "encode(float8send(v), 'hex')", bits);
    let ends = ["5e-324", "1.7976931348623157e308", "9007199254740993", "2.2250738585072014e-308"];
    server.agrees("float64", &each("float8", &ends), "encode(float8send(v), 'hex')", bits);
    let any = "(random() - 0.5) * 10.0 ^ (random() * 600 - 300)";
    server.agrees("float64", &drawn("float8", any), "encode(float8send(v), 'hex')", bits);
    let any = "(random() - 0.5) * 10.0 ^ (random() * 70 - 35)";
    server.agrees("float32", &drawn("float4", any), "encode(float4send(v), 'hex')", bits);
    let digits = |value: Value<'_>| match value {
        Value::Decimal(decimal) => decimal.to_string(),
        other => panic!("{other:?}"),
    };
    let odd = [
        "0",
        "-0.00",
        "1.10",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e-20",
        "1e130000",
        "-9e-16000",
        "99999999999999999.9",
    ];
    server.agrees("decimal", &each("numeric", &odd), "v", digits);
    let any = "((random() - 0.5)::text || n)::numeric * 10::numeric ^ (n % 60 - 30)";
    server.agrees("decimal", &drawn("numeric", any), "v", digits);
    server.agrees(
        "decimal(20,4)",
        &drawn("numeric(20, 4)", "(random() - 0.5) * 1e12"),
        "v",
        digits,
    );
    // The text of money is neither of its forms as a number.
    let amounts = ["0", "-0.01", "1234567.89", "92233720368547758.07", "-92233720368547758.08"];
    server.agrees("decimal(*,2)", &each("money", &amounts), "v::numeric", digits);
    server.agrees(
        "decimal(*,2)",
        &drawn("money", "((random() - 0.5) * 1e9)::numeric(20, 2)"),
        "v::numeric",
        digits,
    );
    let whole = |value: Value<'_>| match value {
        Value::Int64(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let ends = ["-9223372036854775808", "9223372036854775807", "0"];
    server.agrees("int64", &each("int8", &ends), "v::numeric", whole);
    server.agrees("int64", &each("oid", &["4294967295"]), "v::int8", whole);
}

#[test]
fn bytes_and_bits_are_those_of_the_server() {
    let server = Server::new();
    let bytes = |value: Value<'_>| match value {
        Value::Bytes(bytes) => hex(bytes),
        Value::Uuid(uuid) => hex(&uuid),
        other => panic!("{other:?}"),
    };
    server.agrees(
        "bytes",
        &drawn("bytea", "decode(md5(n::text), 'hex')"),
        "encode(v, 'hex')",
        bytes,
    );
    server.agrees("bytes", &each("bytea", &["", "\\x00", "\\\\x41"]), "encode(v, 'hex')", bytes);
    server.agrees("uuid", &drawn("uuid", "md5(n::text)"), "encode(uuid_send(v), 'hex')", bytes);
    server.agrees(
        "bytes",
        &each("pg_lsn", &["16/B374D848"]),
        "encode(convert_to(v::text, 'UTF8'), 'hex')",
        bytes,
    );
    let bits = |value: Value<'_>| match value {
        Value::Bits(bits) => {
            let mut bytes = vec![0_u8; bits.iter().count().div_ceil(8)];
            for (place, bit) in bits.iter().enumerate() {
                bytes[place / 8] |= u8::from(bit) << (7 - place % 8);
            }
            format!("{:08x}{}", bits.iter().count(), hex(&bytes))
        }
        other => panic!("{other:?}"),
    };
    let any = "right(n::bit(31)::text, n % 32) || repeat('01', n % 40)";
    server.agrees("varbits", &drawn("varbit", any), "encode(varbit_send(v), 'hex')", bits);
    server.agrees("bits(12)", &drawn("bit(12)", "n::bit(12)"), "encode(bit_send(v), 'hex')", bits);
}

fn members(value: Value<'_>) -> serde_json::Value {
    match value {
        Value::Array(array) => array.iter().map(members).collect(),
        Value::Text(text) => json!(text),
        Value::Int32(number) => json!(number),
        Value::Null => json!(null),
        Value::Bool(value) => json!(value),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lists_have_the_members_that_the_server_shows_in_json() {
    let server = Server::new();
    Cluster::shared().psql(&server.database, "CREATE EXTENSION hstore").unwrap();
    let shown = |value: Value<'_>| members(value).to_string();
    let odd = [
        "{}",
        r#"{"",NULL,"NULL",null,"{}","\\","\""," a","a b","🎉","a,b","a
b","[1:2]={x}"}"#,
        r#"{{a,"b c"},{NULL,"\\\""}}"#,
        "[5:6]={a,b}",
        "[-1:0][2:3]={{1,2},{3,4}}",
    ];
    // The server puts a line end between the rows of an array.
    let json = "replace(array_to_json(v)::text, E'\\n', '')";
    server.agrees("array(text)", &each("text[]", &odd), json, shown);
    let grids = ["{1,NULL,-3}", "{{{1,2}},{{3,NULL}}}", "{}", "{{{{{{1}}}}}}"];
    server.agrees("array(int32)", &each("int4[]", &grids), json, shown);
    server.agrees("array(boolean)", &each("bool[]", &["{t,f,NULL}"]), json, shown);
    // Any character but U+0000 and the surrogates.
    let any = "ARRAY[chr(1 + n), 'a' || chr(1 + n), NULL, chr(57344 + n), repeat(chr(128512 + n % 64), n % 3)]";
    server.agrees("array(text)", &drawn("text[]", any), json, shown);
    let object = |value: Value<'_>| match value {
        Value::Text(text) => serde_json::from_str::<serde_json::Value>(text).unwrap().to_string(),
        other => panic!("{other:?}"),
    };
    let pairs = ["", "a=>1, b=>NULL", r#""q\"k"=>"b\\v", "null"=>"NULL", ""=>"", "=>"=>", ""#];
    let sorted = "SELECT '{' || coalesce(string_agg(to_json(key) || ':' || coalesce(to_json(value)::text, 'null'), ','
        ORDER BY key COLLATE \"C\"), '') || '}' FROM each(v)";
    server.agrees("json", &each("hstore", &pairs), sorted, object);
    let any =
        "hstore(ARRAY[chr(1 + n), chr(34), 'k' || n], ARRAY[chr(1 + n), NULL, '=>' || chr(92)])";
    server.agrees("json", &drawn("hstore", any), sorted, object);
}
