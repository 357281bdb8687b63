//! Numbers of any size, and columns that hold only some of them.

use bigdecimal::num_bigint::BigInt;
use cdc_core::{Decimal, Value};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Database, property};
use crate::copy::CopyBuffer;
use crate::pair::{CellEncoder, NumericBound};

/// A decimal in parts: sign, digits, scale.
#[derive(Debug, Clone)]
struct Parts {
    negative: bool,
    digits: Vec<u8>,
    scale: i32,
}

impl Parts {
    /// As PostgreSQL shows it, built by moving digits and nothing else.
    fn plain(&self) -> String {
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let digits = digits.trim_start_matches('0');
        let scale = usize::try_from(self.scale).unwrap_or(0);
        let zeros = "0".repeat(usize::try_from(-self.scale).unwrap_or(0));
        let sign = if self.negative && !digits.is_empty() { "-" } else { "" };
        let digits = if digits.is_empty() { "0".into() } else { format!("{digits}{zeros}") };
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        let point = if scale > 0 { "." } else { "" };
        format!("{sign}{whole}{point}{fraction}")
    }

    fn unscaled(&self) -> Vec<u8> {
        let digits: String = self.digits.iter().map(|digit| char::from(b'0' + digit)).collect();
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{digits}").parse::<BigInt>().unwrap().to_signed_bytes_be()
    }
}

fn parts(digits: usize, scales: std::ops::Range<i32>) -> impl Strategy<Value = Parts> {
    // Runs of zeros are where groups are left out, so zero is as likely as all others together.
    let digit = prop_oneof![1 => Just(0_u8), 1 => 0..10_u8];
    (any::<bool>(), vec(digit, 1..digits), scales).prop_map(|(negative, digits, scale)| Parts {
        negative,
        digits,
        scale,
    })
}

#[test]
fn numerics_of_any_size_keep_every_digit() {
    let mut database = Database::with("numeric", "CREATE TABLE t (i int, v numeric)");
    let strategy = vec(
        prop_oneof![
            60 => parts(20, 0..10),
            20 => parts(90, -45..90),
            1 => parts(2_000, -100_000..16_384),
        ],
        250,
    );
    property(12, &strategy, |numbers| {
        let bytes: Vec<Vec<u8>> = numbers.iter().map(Parts::unscaled).collect();
        let texts: Vec<String> = numbers.iter().map(Parts::plain).collect();
        let decimals: Vec<Value<'_>> = bytes
            .iter()
            .zip(&numbers)
            .map(|(bytes, parts)| Value::Decimal(Decimal::from_connect_bytes(bytes, parts.scale)))
            .collect();
        let as_text: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text)).collect();
        let expected: Vec<_> = texts.iter().cloned().map(Some).collect();
        for values in [decimals, as_text] {
            let shown = database.round_trip(CellEncoder::Numeric(None), &values).unwrap();
            prop_assert_eq!(&shown, &expected);
        }
        Ok(())
    });
}

#[test]
fn numerics_at_the_servers_limits_are_exact() {
    let mut database = Database::with("limits", "CREATE TABLE t (i int, v numeric)");
    let nines = "9".repeat(38);
    let longest = format!("{}.{}", "9".repeat(131_072), "1".repeat(16_383));
    let top = format!("1{}", "0".repeat(131_071));
    let tiny = format!("-0.{}1", "0".repeat(16_382));
    let texts = [
        "0",
        "0.00",
        "-0.01",
        "1.50",
        "10000",
        "99999999",
        "0.0001",
        "0.00010",
        "1000000000000",
        &nines,
        &longest,
        &top,
        &tiny,
        "NaN",
        "Infinity",
        "-Infinity",
        "170141183460469231731687303715884105727",
        "-170141183460469231731687303715884105728",
        "340282366920938463463374607431768211455",
        "340282366920938463463374607431768211456",
    ];
    let values: Vec<Value<'_>> = texts.iter().map(|text| Value::Text(text)).collect();
    let shown = database.round_trip(CellEncoder::Numeric(None), &values).unwrap();
    for (shown, text) in shown.iter().zip(texts) {
        assert!(shown.as_deref() == Some(text), "{}", text.get(..50).unwrap_or(text));
    }
    let i128s = [i128::MAX, i128::MIN, 0, -1, 10_i128.pow(38)];
    for scale in [0, 1, 2, 3, 4, 38, 39, 16_383] {
        let decimals = i128s.map(|unscaled| Decimal::Small { unscaled, scale });
        let shown =
            database.round_trip(CellEncoder::Numeric(None), &decimals.map(Value::Decimal)).unwrap();
        let expected = decimals.map(|decimal| Some(decimal.to_string()));
        assert_eq!(shown, expected, "scale {scale}");
    }
}

#[test]
fn a_bounded_numeric_is_refused_exactly_when_the_server_would_change_it() {
    let mut database = Database::with(
        "bounded",
        "CREATE TABLE a (i int, v numeric(12,4)); CREATE TABLE b (i int, v numeric(3,-2));
         CREATE TABLE c (i int, v numeric(2,4)); CREATE TABLE d (i int, v numeric(50,30));
         CREATE FUNCTION fits(number text, kind text, OUT fits bool) LANGUAGE plpgsql AS $$
         BEGIN
           EXECUTE format('SELECT %L::%s = %L::numeric', number, kind, number) INTO fits;
         EXCEPTION WHEN numeric_value_out_of_range THEN fits := false;
         END $$",
    );
    let bounds = [("a", 12, 4), ("b", 3, -2), ("c", 2, 4), ("d", 50, 30)];
    let strategy = vec(prop_oneof![parts(14, -3..8), parts(60, -5..50)], 120);
    property(6, &strategy, |numbers| {
        for (table, precision, scale) in bounds {
            let encoder = CellEncoder::Numeric(Some(NumericBound { precision, scale }));
            let kind = format!("numeric({precision},{scale})");
            let literals: Vec<String> =
                numbers.iter().map(|parts| format!("'{}'", parts.plain())).collect();
            let fits = database.texts(&format!(
                "SELECT fits(n, '{kind}')::text FROM unnest(ARRAY[{}]) WITH ORDINALITY u(n, i)
                  ORDER BY i",
                literals.join(",")
            ));
            let mut buffer = CopyBuffer::new();
            let mut copied = Vec::new();
            for (parts, fits) in numbers.iter().zip(fits) {
                let unscaled = parts.unscaled();
                let decimal = Decimal::from_connect_bytes(&unscaled, parts.scale);
                buffer.begin_row(2);
                buffer.put_i32(i32::try_from(copied.len()).unwrap());
                let result = buffer.put(encoder, Value::Decimal(decimal));
                let expected = fits.as_deref() == Some("true");
                prop_assert_eq!(result.is_ok(), expected, "{} {}", kind, parts.plain());
                if result.is_ok() {
                    copied.push(format!("'{}'::{kind}::text", parts.plain()));
                } else {
                    buffer.abort_row();
                }
            }
            database.run("TRUNCATE a, b, c, d");
            prop_assert_eq!(database.copy(table, &buffer).unwrap(), copied.len() as u64);
            let shown = database.texts(&format!("SELECT v::text FROM {table} ORDER BY i"));
            if !copied.is_empty() {
                let list = copied.join(",");
                let expected = database
                    .texts(&format!("SELECT * FROM unnest(ARRAY[{list}]) WITH ORDINALITY u(n, i)"));
                prop_assert_eq!(shown, expected);
            }
        }
        Ok(())
    });
}
