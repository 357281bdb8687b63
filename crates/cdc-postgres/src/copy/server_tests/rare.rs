//! Types beside the common ones: what the server shows for a copied cell is the value's text.

use cdc_core::{Bits, Decimal, Interval, Time, Value, ZonedTime};

use super::Database;

fn span(months: i32, days: i32, micros: i64) -> Value<'static> {
    Value::Interval(Interval { months, days, micros })
}

fn zoned(micros: i64, offset_seconds: i32) -> Value<'static> {
    Value::ZonedTime(ZonedTime { time: Time::from_nanos(micros * 1_000), offset_seconds })
}

fn decimal(unscaled: i128, scale: i32) -> Value<'static> {
    Value::Decimal(Decimal::Small { unscaled, scale })
}

fn bits(bytes: &[u8], length: Option<u32>) -> Value<'_> {
    Value::Bits(Bits::new(bytes, length).unwrap())
}

fn text(text: &str) -> Value<'_> {
    Value::Text(text)
}

#[test]
fn spans_and_zoned_times_keep_every_part() {
    let mut database = Database::with(
        "spans",
        "CREATE TABLE t (i int, a interval, b interval(3), c timetz, d timetz(0))",
    );
    database.shows(&[
        (
            "a",
            "interval(iso)",
            &[
                (span(0, 0, 0), "00:00:00"),
                (span(14, -3, 14_706_789_000), "1 year 2 mons -3 days +04:05:06.789"),
                (span(-1, 0, -1), "-1 mons -00:00:00.000001"),
                (span(0, 0, i64::MAX), "2562047788:00:54.775807"),
                (span(0, 0, i64::MIN), "-2562047788:00:54.775808"),
                (span(i32::MAX, i32::MIN, 0), "178956970 years 7 mons -2147483648 days"),
                (span(i32::MIN, i32::MAX, 0), "-178956970 years -8 mons +2147483647 days"),
            ],
        ),
        ("b", "interval", &[(span(0, 0, 1_000), "00:00:00.001")]),
        (
            "c",
            "timetz",
            &[
                (zoned(0, 0), "00:00:00+00"),
                (zoned(86_400_000_000, 0), "24:00:00+00"),
                (zoned(42_690_123_789, 19_800), "11:51:30.123789+05:30"),
                (zoned(1, -57_599), "00:00:00.000001-15:59:59"),
                (zoned(1, 57_599), "00:00:00.000001+15:59:59"),
            ],
        ),
        ("d", "timetz(structured)", &[(zoned(3_600_000_000, -28_800), "01:00:00-08")]),
    ]);
    database.refuses(&[
        ("a", "interval", span(i32::MAX, i32::MAX, i64::MAX), "out_of_range"),
        ("a", "interval", span(i32::MIN, i32::MIN, i64::MIN), "out_of_range"),
        ("a", "interval", Value::Int64(1), "wrong_type"),
        ("b", "interval", span(0, 0, 1_001), "not_exact"),
        ("c", "timetz", zoned(0, 57_600), "out_of_range"),
        ("c", "timetz", zoned(86_400_000_001, 0), "out_of_range"),
        ("c", "timetz", zoned(-1, 0), "out_of_range"),
        ("c", "timetz", zoned(0, i32::MIN), "out_of_range"),
        ("d", "timetz", zoned(1, 0), "not_exact"),
    ]);
}

#[test]
fn bit_strings_keep_their_bits_and_their_length() {
    let mut database = Database::with(
        "bits",
        "CREATE TABLE t (i int, a bit(12), b bit varying, c bit varying(4), d bit(1), e bit(16))",
    );
    database.shows(&[
        (
            "a",
            "bits(12)",
            &[
                (bits(&[0xaa, 0x0a], Some(12)), "101010101010"),
                (bits(&[], Some(12)), "000000000000"),
                (bits(&[0x01], Some(12)), "000000000001"),
                (bits(&[0x00, 0x08], Some(12)), "100000000000"),
            ],
        ),
        (
            "b",
            "varbits",
            &[
                (bits(&[], None), ""),
                (bits(&[0x01, 0x02, 0x03], None), "110000001000000001"),
                (bits(&[0, 0, 0, 0, 0, 0, 0, 0x80], None), &format!("1{}", "0".repeat(63))),
            ],
        ),
        ("c", "bits(3)", &[(bits(&[0x03], Some(3)), "011")]),
        ("d", "boolean", &[(Value::Bool(true), "1"), (Value::Bool(false), "0")]),
        ("e", "bits(16)", &[(bits(&[0xff, 0x01], Some(16)), "0000000111111111")]),
    ]);
    database.refuses(&[
        ("a", "bits(12)", bits(&[1], Some(11)), "too_long"),
        ("a", "bits(12)", bits(&[1], None), "too_long"),
        ("c", "varbits", bits(&[0x10], None), "too_long"),
        ("b", "varbits", Value::Bytes(&[1]), "wrong_type"),
    ]);
}

#[test]
fn addresses_are_read_as_the_server_writes_them() {
    let mut database = Database::with(
        "addresses",
        "CREATE TABLE t (i int, a inet, b cidr, c macaddr, d macaddr8, e pg_lsn)",
    );
    database.shows(&[
        (
            "a",
            "text",
            &[
                (text("192.0.2.1"), "192.0.2.1/32"),
                (text("192.0.2.1/24"), "192.0.2.1/24"),
                (text("0.0.0.0/0"), "0.0.0.0/0"),
                (text("2001:db8::1"), "2001:db8::1/128"),
                (text("::ffff:1.2.3.4/120"), "::ffff:1.2.3.4/120"),
                (text("::/0"), "::/0"),
            ],
        ),
        (
            "b",
            "text",
            &[
                (text("192.0.2.0/24"), "192.0.2.0/24"),
                (text("0.0.0.0/0"), "0.0.0.0/0"),
                (text("2001:db8::/32"), "2001:db8::/32"),
                (text("10.0.0.1/32"), "10.0.0.1/32"),
                (text("::/0"), "::/0"),
            ],
        ),
        ("c", "text", &[(text("08:00:2b:01:02:ff"), "08:00:2b:01:02:ff")]),
        ("d", "text", &[(text("08:00:2b:01:02:03:04:ff"), "08:00:2b:01:02:03:04:ff")]),
        (
            "e",
            "text",
            &[
                (text("16/B374D848"), "16/B374D848"),
                (text("FFFFFFFF/FFFFFFFF"), "FFFFFFFF/FFFFFFFF"),
            ],
        ),
    ]);
    for (column, wrong) in [
        ("a", "192.0.2.1/33"),
        ("a", "192.0.2"),
        ("a", "192.0.2.1/+8"),
        ("a", "fe80::1%eth0"),
        ("a", ""),
        ("b", "192.0.2.1/24"),
        ("b", "2001:db8::1/32"),
        ("c", "08:00:2b:01:02"),
        ("c", "08:00:2b:01:02:3"),
        ("c", "08:00:2b:01:02:03:04:05"),
        ("d", "08:00:2b:01:02:03"),
        ("e", "16B374D848"),
        ("e", "1FFFFFFFF/0"),
        ("e", "+1/0"),
    ] {
        database.refuses(&[(column, "text", text(wrong), "invalid_form")]);
    }
}

#[test]
fn the_servers_own_small_types_are_exact() {
    let mut database = Database::with(
        "small",
        "CREATE TABLE t (i int, a oid, b \"char\", c name, d money, e money)",
    );
    let long = "n".repeat(63);
    database.shows(&[
        ("a", "int64", &[(Value::Int64(0), "0"), (Value::Int64(4_294_967_295), "4294967295")]),
        ("b", "text", &[(text("x"), "x"), (text(""), "")]),
        ("c", "text", &[(text(&long), &long), (text("é"), "é")]),
        (
            "d",
            "decimal(*,2)",
            &[
                (decimal(123_411, 2), "$1,234.11"),
                (decimal(i64::MAX.into(), 2), "$92,233,720,368,547,758.07"),
                (decimal(i64::MIN.into(), 2), "-$92,233,720,368,547,758.08"),
                (decimal(5, -1), "$50.00"),
                (decimal(0, 40), "$0.00"),
            ],
        ),
        ("e", "decimal", &[(decimal(-1_500, 4), "-$0.15")]),
    ]);
    database.refuses(&[
        ("a", "int64", Value::Int64(-1), "out_of_range"),
        ("a", "int64", Value::Int64(4_294_967_296), "out_of_range"),
        ("b", "text", text("xy"), "too_long"),
        ("b", "text", text("é"), "too_long"),
        ("c", "text", text(&"n".repeat(64)), "too_long"),
        ("d", "decimal(*,2)", decimal(1, 3), "not_exact"),
        ("d", "decimal(*,2)", decimal(1, 200), "not_exact"),
        ("d", "decimal(*,2)", decimal(i128::MAX, 2), "out_of_range"),
        ("d", "decimal(*,2)", decimal(1, -40), "out_of_range"),
        ("e", "decimal", Value::Decimal(Decimal::NaN), "out_of_range"),
    ]);
}

#[test]
fn documents_keep_their_characters() {
    let mut database = Database::with(
        "documents",
        "CREATE EXTENSION ltree; CREATE TABLE t (i int, a xml, b ltree, c tsvector)",
    );
    database.shows(&[
        (
            "a",
            "xml",
            &[
                (text("<a b=\"ü\">&lt;</a>"), "<a b=\"ü\">&lt;</a>"),
                (text("text and <b/>"), "text and <b/>"),
                (
                    text("<?xml version=\"1.0\" encoding=\"UTF-8\"?><ü/>"),
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ü/>",
                ),
            ],
        ),
        ("b", "ltree", &[(text("Top.Science.Astronomy"), "Top.Science.Astronomy"), (text(""), "")]),
        (
            "c",
            "tsvector",
            &[
                (text(""), ""),
                (text("'cat':2B 'it''s':3,5A 'rat'"), "'cat':2B 'it''s':3,5A 'rat'"),
                (text("'a b' 'back\\\\slash':1C,16383 'ü'"), "'a b' 'back\\\\slash':1C,16383 'ü'"),
            ],
        ),
    ]);
    database.refuses(&[
        ("a", "xml", text("<?xml version='1.0' encoding='latin1'?><a/>"), "invalid_form"),
        ("c", "tsvector", text("'a':0"), "invalid_form"),
        ("c", "tsvector", text("'a':16384"), "invalid_form"),
        ("c", "tsvector", text("'a':1D"), "invalid_form"),
        ("c", "tsvector", text("'a'  'b'"), "invalid_form"),
        ("c", "tsvector", text("'a"), "invalid_form"),
        ("c", "tsvector", text("a"), "invalid_form"),
        ("c", "tsvector", text(&format!("'{}'", "x".repeat(2_047))), "out_of_range"),
    ]);
}
