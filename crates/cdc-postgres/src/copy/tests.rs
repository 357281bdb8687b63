//! Bytes of each encoder against PostgreSQL's documented formats, and what is refused.

mod extensions;

use cdc_core::{Date, Decimal, Time, Timestamp, Value};

use super::*;
use crate::pair::CellEncoder;
use crate::pair::NumericBound;

/// The bytes of one field behind its length word, which is checked.
fn field(encoder: CellEncoder, value: Value<'_>) -> Vec<u8> {
    let mut buffer = CopyBuffer::new();
    buffer.begin_row(1);
    buffer.put(encoder, value).unwrap();
    let (length, bytes) = buffer.bytes()[HEADER.len() + 2..].split_at(4);
    assert_eq!(u32::from_be_bytes(length.try_into().unwrap()) as usize, bytes.len());
    bytes.to_vec()
}

/// The reason of a refusal, which must leave no trace in the buffer and no value in its text.
fn refused(encoder: CellEncoder, value: Value<'_>) -> &'static str {
    let mut buffer = CopyBuffer::new();
    buffer.begin_row(1);
    let before = buffer.bytes().to_vec();
    let error = buffer.put(encoder, value).expect_err("must be refused");
    assert_eq!(buffer.bytes(), before, "{error}");
    assert!(error.message.starts_with("expected "), "{error}");
    buffer.put_null();
    error.reason
}

fn bound(precision: u16, scale: i16) -> CellEncoder {
    CellEncoder::Numeric(Some(NumericBound { precision, scale }))
}

fn decimal(unscaled: i128, scale: i32) -> Value<'static> {
    Value::Decimal(Decimal::Small { unscaled, scale })
}

const NUMERIC: CellEncoder = CellEncoder::Numeric(None);
const TEXT: CellEncoder = CellEncoder::Text { chars_max: None };
const TIMESTAMP: CellEncoder = CellEncoder::Timestamp { step: 1 };
const TIME: CellEncoder = CellEncoder::Time { step: 1 };

/// A numeric cell from its words.
fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[test]
fn a_buffer_is_the_header_and_its_rows() {
    let mut buffer = CopyBuffer::new();
    assert_eq!(buffer.bytes(), HEADER);
    buffer.begin_row(2);
    buffer.put_i32(7);
    buffer.put_null();
    let mut expected = HEADER.to_vec();
    expected.extend([0, 2, 0, 0, 0, 4, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(buffer.bytes(), expected);
    assert_eq!(buffer.len(), expected.len());
    assert_eq!((HEADER.len(), TRAILER), (19, [0xff, 0xff].as_slice()));
}

#[test]
fn an_aborted_row_leaves_the_rows_before_it() {
    let mut buffer = CopyBuffer::new();
    buffer.begin_row(1);
    buffer.put_i64(1);
    let kept = buffer.bytes().to_vec();
    buffer.begin_row(2);
    buffer.put_i64(2);
    buffer.abort_row();
    assert_eq!(buffer.bytes(), kept);
    buffer.begin_row(1);
    buffer.put_null();
    assert_eq!(buffer.bytes(), [&*kept, &[0, 1, 0xff, 0xff, 0xff, 0xff]].concat());
}

#[test]
fn a_cleared_buffer_is_like_a_new_one_and_keeps_its_memory() {
    let mut buffer = CopyBuffer::default();
    buffer.begin_row(1);
    buffer.put_text(&"x".repeat(1000)).unwrap();
    let capacity = buffer.bytes.capacity();
    buffer.clear();
    assert_eq!(buffer.bytes(), HEADER);
    assert_eq!(buffer.bytes.capacity(), capacity);
}

#[test]
fn scalars_are_big_endian() {
    assert_eq!(field(CellEncoder::Bool, Value::Bool(true)), [1]);
    assert_eq!(field(CellEncoder::Bool, Value::Bool(false)), [0]);
    assert_eq!(field(CellEncoder::Int2, Value::Int16(-2)), [0xff, 0xfe]);
    assert_eq!(field(CellEncoder::Int4, Value::Int32(258)), [0, 0, 1, 2]);
    assert_eq!(field(CellEncoder::Int8, Value::Int16(-1)), [0xff; 8]);
    assert_eq!(field(CellEncoder::Float4, Value::Float32(1.5)), 1.5_f32.to_be_bytes());
    assert_eq!(field(CellEncoder::Float8, Value::Float64(-0.0)), (-0.0_f64).to_be_bytes());
    assert_eq!(field(CellEncoder::Float8, Value::Float32(0.1)), f64::from(0.1_f32).to_be_bytes());
    assert_eq!(field(CellEncoder::Bytea, Value::Bytes(&[0, 255])), [0, 255]);
    assert!(field(CellEncoder::Bytea, Value::Bytes(&[])).is_empty());
}

#[test]
fn integers_fit_their_column_or_are_refused() {
    let int = Value::Int64;
    assert_eq!(field(CellEncoder::Int2, int(-32_768)), [0x80, 0]);
    assert_eq!(field(CellEncoder::Int4, int(2_147_483_647)), [0x7f, 0xff, 0xff, 0xff]);
    assert_eq!(refused(CellEncoder::Int2, int(32_768)), "out_of_range");
    assert_eq!(refused(CellEncoder::Int4, int(2_147_483_648)), "out_of_range");
    assert_eq!(refused(CellEncoder::Int4, int(-2_147_483_649)), "out_of_range");
}

#[test]
fn an_integer_becomes_a_double_only_when_that_is_exact() {
    let exact = 1_i64 << 53;
    for whole in [0, 1, -1, 4_294_967_296, 123_456_789_012_345, exact, -exact, exact - 1] {
        let bytes: [u8; 8] = field(CellEncoder::Float8, Value::Int64(whole)).try_into().unwrap();
        assert_eq!(format!("{}", f64::from_be_bytes(bytes)), whole.to_string());
    }
    assert_eq!(refused(CellEncoder::Float8, Value::Int64(exact + 1)), "not_exact");
    assert_eq!(refused(CellEncoder::Float8, Value::Int64(i64::MIN)), "not_exact");
    assert_eq!(field(CellEncoder::Float8, Value::Text("NaN")), f64::NAN.to_be_bytes());
    let negative = f64::NEG_INFINITY.to_be_bytes();
    assert_eq!(field(CellEncoder::Float8, Value::Text("-Infinity")), negative);
    assert_eq!(refused(CellEncoder::Float8, Value::Text("1.5")), "wrong_type");
}

#[test]
fn text_is_counted_in_characters_and_has_no_nul() {
    let three = CellEncoder::Text { chars_max: Some(3) };
    assert_eq!(field(TEXT, Value::Text("")), b"");
    assert_eq!(field(three, Value::Text("日本語")), "日本語".as_bytes());
    assert_eq!(refused(three, Value::Text("日本語x")), "too_long");
    assert_eq!(refused(three, Value::Text("abc ")), "too_long");
    assert_eq!(refused(TEXT, Value::Text("a\0b")), "nul_character");
    assert_eq!(field(CellEncoder::Jsonb, Value::Text("{}")), b"\x01{}");
    assert_eq!(refused(CellEncoder::Jsonb, Value::Text("\0")), "nul_character");
}

#[test]
fn uuids_are_read_from_and_written_as_text() {
    let text = "00112233-4455-6677-8899-aabbccddeeff";
    let bytes: [u8; 16] = std::array::from_fn(|index| u8::try_from(index * 17).unwrap());
    assert_eq!(field(CellEncoder::Uuid, Value::Uuid(bytes)), bytes);
    assert_eq!(field(CellEncoder::Uuid, Value::Text(text)), bytes);
    assert_eq!(field(CellEncoder::Uuid, Value::Text(&text.to_uppercase())), bytes);
    assert_eq!(field(TEXT, Value::Uuid(bytes)), text.as_bytes());
    for bad in [
        "",
        "00112233445566778899aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeeffa",
        "00112233-4455-6677-8899-aabbccddeefg",
        "0011223--4455-6677-8899-aabbccddeeff",
        "+0112233-4455-6677-8899-aabbccddeeff",
        "{0112233-4455-6677-8899-aabbccddee}",
    ] {
        assert_eq!(refused(CellEncoder::Uuid, Value::Text(bad)), "invalid_uuid", "{bad}");
    }
}

#[test]
fn numeric_digits_are_aligned_at_the_point() {
    // Number of digits, weight, sign, shown scale, digits.
    let cases: [(Value<'_>, &[u16]); 16] = [
        (decimal(0, 0), &[0, 0, 0, 0]),
        (decimal(0, 2), &[0, 0, 0, 2]),
        (decimal(1, 0), &[1, 0, 0, 0, 1]),
        (decimal(-1, 0), &[1, 0, 0x4000, 0, 1]),
        (decimal(123_450, 2), &[2, 0, 0, 2, 1234, 5000]),
        (decimal(10_000, 0), &[1, 1, 0, 0, 1]),
        (decimal(10_001, 0), &[2, 1, 0, 0, 1, 1]),
        (decimal(100, 2), &[1, 0, 0, 2, 1]),
        (decimal(5, 2), &[1, 0xffff, 0, 2, 500]),
        (decimal(5, 4), &[1, 0xffff, 0, 4, 5]),
        (decimal(5, 5), &[1, 0xfffe, 0, 5, 5000]),
        (decimal(5, -3), &[1, 0, 0, 0, 5000]),
        (decimal(5, -4), &[1, 1, 0, 0, 5]),
        (decimal(12_345, -2), &[2, 1, 0, 0, 123, 4500]),
        (Value::Int32(-70_000), &[1, 1, 0x4000, 0, 7]),
        (decimal(100_000_000, 4), &[1, 1, 0, 4, 1]),
    ];
    for (value, expected) in cases {
        assert_eq!(field(NUMERIC, value), words(expected), "{value:?}");
    }
    assert_eq!(field(NUMERIC, Value::Decimal(Decimal::NaN)), words(&[0, 0, 0xc000, 0]));
    assert_eq!(field(NUMERIC, Value::Decimal(Decimal::Infinity)), words(&[0, 0, 0xd000, 0]));
    assert_eq!(field(NUMERIC, Value::Decimal(Decimal::NegInfinity)), words(&[0, 0, 0xf000, 0]));
}

#[test]
fn both_ways_to_numeric_give_the_same_bytes() {
    // The same number as 128 bits, as text that fits them, and as text that does not.
    for unscaled in [1_i128, -9, 10, 12_345, -100_000, 99_999_999, i128::MAX, i128::MIN + 1] {
        for scale in -9..=45 {
            let number = Decimal::Small { unscaled, scale };
            let direct = field(NUMERIC, Value::Decimal(number));
            let short = format!("{unscaled}e{}", -scale);
            assert_eq!(field(NUMERIC, Value::Text(&short)), direct, "{short}");
            // More zeros than 128 bits hold change the shown scale and nothing else.
            let long = format!("{unscaled}{}e{}", "0".repeat(40), -scale - 40);
            let long_field = field(NUMERIC, Value::Text(&long));
            assert_eq!(long_field[..6], direct[..6], "{long}");
            assert_eq!(long_field[8..], direct[8..], "{long}");
        }
    }
}

#[test]
fn a_bounded_numeric_takes_what_needs_no_rounding() {
    let price = bound(10, 2);
    assert_eq!(field(price, decimal(150, 2)), words(&[2, 0, 0, 2, 1, 5000]));
    field(price, decimal(9_999_999_999, 2));
    field(price, decimal(15_000, 4));
    field(price, decimal(99_999_999, 0));
    field(price, Value::Decimal(Decimal::NaN));
    assert_eq!(refused(price, decimal(10_000_000_000, 2)), "out_of_range");
    assert_eq!(refused(price, decimal(100_000_000, 0)), "out_of_range");
    assert_eq!(refused(price, decimal(1_005, 3)), "not_exact");
    assert_eq!(refused(price, decimal(1, 41)), "not_exact");
    assert_eq!(refused(price, decimal(1, i32::MAX)), "not_exact");
    assert_eq!(refused(price, decimal(1, i32::MIN)), "out_of_range");
    assert_eq!(refused(price, Value::Decimal(Decimal::Infinity)), "out_of_range");
    field(price, decimal(0, i32::MAX));
    field(price, decimal(0, i32::MIN));

    let hundreds = bound(3, -2);
    field(hundreds, decimal(99_900, 0));
    field(hundreds, decimal(999, -2));
    assert_eq!(refused(hundreds, decimal(99_950, 0)), "not_exact");
    assert_eq!(refused(hundreds, decimal(100_000, 0)), "out_of_range");
    let small = bound(2, 4);
    field(small, decimal(99, 4));
    assert_eq!(refused(small, decimal(100, 4)), "out_of_range");
}

#[test]
fn decimals_of_any_size_are_answered_without_work_beyond_the_servers_limits() {
    let huge = vec![0x7f; 1 << 20];
    let wide = |unscaled, scale| Value::Decimal(Decimal::Wide { unscaled, scale });
    assert_eq!(refused(NUMERIC, wide(&huge, 2)), "out_of_range");
    assert_eq!(refused(NUMERIC, wide(&huge[..20], i32::MIN)), "out_of_range");
    assert_eq!(refused(NUMERIC, wide(&huge[..20], i32::MAX)), "not_exact");
    assert_eq!(refused(NUMERIC, decimal(1, -131_072)), "out_of_range");
    assert_eq!(refused(NUMERIC, decimal(1, 16_384)), "not_exact");
    assert_eq!(field(NUMERIC, decimal(10, 16_384)), words(&[1, 0xf000, 0, 16_383, 10]));
    let text = "9".repeat(300_000);
    assert_eq!(refused(NUMERIC, Value::Text(&text)), "out_of_range");
    assert_eq!(refused(NUMERIC, Value::Text("1e2147483647")), "out_of_range");
    assert_eq!(refused(NUMERIC, Value::Text("1e-2147483648")), "not_exact");
}

#[test]
fn only_plain_numbers_are_decimal_text() {
    for (text, expected) in [
        ("1.50", &[2_u16, 0, 0, 2, 1, 5000][..]),
        ("+7", &[1, 0, 0, 0, 7]),
        ("-0.00", &[0, 0, 0, 2]),
        (".5", &[1, 0xffff, 0, 1, 5000]),
        ("5.", &[1, 0, 0, 0, 5]),
        ("1E+4", &[1, 1, 0, 0, 1]),
        ("00012", &[1, 0, 0, 0, 12]),
        ("NAN", &[0, 0, 0xc000, 0]),
        ("POSITIVE_INFINITY", &[0, 0, 0xd000, 0]),
        ("-Infinity", &[0, 0, 0xf000, 0]),
    ] {
        assert_eq!(field(NUMERIC, Value::Text(text)), words(expected), "{text}");
    }
    for bad in [
        "",
        " ",
        ".",
        "-",
        "+-1",
        "1,5",
        "1.2.3",
        "0x1",
        "1e",
        "1e5.5",
        "$1",
        " 1",
        "1 ",
        "1_000",
        "nan",
        "inf",
        "١",
        "1e99999999999",
    ] {
        assert_eq!(refused(NUMERIC, Value::Text(bad)), "invalid_number", "{bad:?}");
    }
}

#[test]
fn dates_count_from_2000_and_stay_in_range() {
    let days = |days| Value::Date(Date::Days(days));
    let date = |value| i32::from_be_bytes(field(CellEncoder::Date, value).try_into().unwrap());
    assert_eq!(date(days(10_957)), 0);
    assert_eq!(date(days(0)), -10_957);
    assert_eq!(date(days(-2_440_588)), -2_451_545);
    assert_eq!(date(days(2_145_042_905)), 2_145_031_948);
    assert_eq!(date(Value::Date(Date::Infinity)), i32::MAX);
    assert_eq!(date(Value::Date(Date::NegInfinity)), i32::MIN);
    for beyond in [-2_440_589, 2_145_042_906, i32::MAX, i32::MIN] {
        assert_eq!(refused(CellEncoder::Date, days(beyond)), "out_of_range");
    }
}

#[test]
fn a_time_of_day_includes_24_00() {
    let nanos = |nanos| Value::Time(Time::from_nanos(nanos));
    let day = 86_400_000_000_000;
    assert_eq!(field(TIME, nanos(day)), 86_400_000_000_i64.to_be_bytes());
    assert_eq!(field(TIME, nanos(1_000)), 1_i64.to_be_bytes());
    assert_eq!(refused(TIME, nanos(day + 1_000)), "out_of_range");
    assert_eq!(refused(TIME, nanos(-1_000)), "out_of_range");
    assert_eq!(refused(TIME, nanos(1)), "not_exact");
    let seconds = CellEncoder::Time { step: 1_000_000 };
    field(seconds, nanos(3_000_000_000));
    assert_eq!(refused(seconds, nanos(3_500_000_000)), "not_exact");
}

#[test]
fn timestamps_count_microseconds_from_2000_and_are_never_rounded() {
    let epoch = 946_684_800_000_000_i64;
    let timestamp =
        |value| i64::from_be_bytes(field(TIMESTAMP, Value::Timestamp(value)).try_into().unwrap());
    assert_eq!(timestamp(Timestamp::Micros(epoch)), 0);
    assert_eq!(timestamp(Timestamp::Millis(epoch / 1_000 + 1)), 1_000);
    assert_eq!(timestamp(Timestamp::Nanos(1_000)), 1 - epoch);
    assert_eq!(timestamp(Timestamp::Infinity), i64::MAX);
    assert_eq!(timestamp(Timestamp::NegInfinity), i64::MIN);
    let min = -210_866_803_200_000_000;
    assert_eq!(timestamp(Timestamp::Micros(min)), -211_813_488_000_000_000);
    // PostgreSQL's last years are beyond 64 bits of microseconds since 1970.
    assert_eq!(timestamp(Timestamp::Micros(i64::MAX)), i64::MAX - epoch);
    let last = 9_223_371_331_199_999_999;
    assert_eq!(timestamp(Timestamp::MicrosSince2000(last)), last);

    let refused = |value| refused(TIMESTAMP, Value::Timestamp(value));
    assert_eq!(refused(Timestamp::Micros(min - 1)), "out_of_range");
    assert_eq!(refused(Timestamp::Micros(i64::MIN)), "out_of_range");
    assert_eq!(refused(Timestamp::Millis(i64::MAX)), "out_of_range");
    assert_eq!(refused(Timestamp::MicrosSince2000(last + 1)), "out_of_range");
    assert_eq!(refused(Timestamp::MicrosSince2000(i64::MAX)), "out_of_range");
    assert_eq!(refused(Timestamp::Nanos(1)), "not_exact");
}

#[test]
fn a_coarse_timestamp_column_takes_whole_steps_only() {
    let millis = CellEncoder::Timestamp { step: 1_000 };
    field(millis, Value::Timestamp(Timestamp::Micros(-1_000)));
    let rounded = refused(millis, Value::Timestamp(Timestamp::Micros(-1_001)));
    assert_eq!(rounded, "not_exact");
    field(millis, Value::Timestamp(Timestamp::Infinity));
}

#[test]
fn a_wall_clock_reading_is_not_an_instant() {
    let reading = Value::Timestamp(Timestamp::Micros(0));
    let instant = Value::Instant(Timestamp::Micros(0));
    let zoned = CellEncoder::Timestamptz { step: 1 };
    assert_eq!(field(zoned, instant), field(TIMESTAMP, reading));
    assert_eq!(refused(zoned, reading), "wrong_type");
    assert_eq!(refused(TIMESTAMP, instant), "wrong_type");
}

#[test]
fn each_encoder_takes_null_and_refuses_other_kinds() {
    let encoders = [
        CellEncoder::Bool,
        CellEncoder::Int2,
        CellEncoder::Int4,
        CellEncoder::Int8,
        CellEncoder::Float4,
        CellEncoder::Float8,
        NUMERIC,
        bound(10, 2),
        TEXT,
        CellEncoder::Jsonb,
        CellEncoder::Uuid,
        CellEncoder::Bytea,
        CellEncoder::Date,
        TIME,
        TIMESTAMP,
        CellEncoder::Timestamptz { step: 1 },
    ];
    for encoder in encoders {
        let mut buffer = CopyBuffer::new();
        buffer.begin_row(1);
        buffer.put(encoder, Value::Null).unwrap();
        assert!(buffer.bytes().ends_with(&[0xff; 4]), "{encoder:?}");
        assert_eq!(refused(encoder, Value::Unavailable), "unavailable", "{encoder:?}");
        let other = if encoder == CellEncoder::Bool { Value::Int16(1) } else { Value::Bool(true) };
        assert_eq!(refused(encoder, other), "wrong_type", "{encoder:?}");
    }
    assert_eq!(refused(TEXT, Value::Int64(5)), "wrong_type");
    assert_eq!(refused(CellEncoder::Int8, Value::Float64(5.0)), "wrong_type");
    assert_eq!(refused(CellEncoder::Int8, Value::Text("5")), "wrong_type");
    assert_eq!(refused(NUMERIC, Value::Float64(0.5)), "wrong_type");
    assert_eq!(refused(CellEncoder::Float4, Value::Float64(0.5)), "wrong_type");
}

#[test]
fn messages_do_not_repeat_the_value() {
    let mut buffer = CopyBuffer::new();
    buffer.begin_row(1);
    let secret = Value::Text("s3cret-value");
    for encoder in [CellEncoder::Int8, NUMERIC, CellEncoder::Uuid, CellEncoder::Float8] {
        let error = buffer.put(encoder, secret).unwrap_err();
        assert!(!format!("{error:?}{error}").contains("s3cret"), "{error:?}");
    }
    buffer.abort_row();
}

#[test]
fn system_columns_have_their_own_helpers() {
    let mut buffer = CopyBuffer::new();
    buffer.begin_row(6);
    buffer.put_i32(1);
    buffer.put_i64(2);
    buffer.put_text("é").unwrap();
    buffer.put_timestamp_micros(946_684_800_000_001).unwrap();
    buffer.put_text_array(["a", ""]).unwrap();
    buffer.put_text_array([]).unwrap();
    let mut expected = vec![0, 6, 0, 0, 0, 4, 0, 0, 0, 1];
    expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2]);
    expected.extend([0, 0, 0, 2, 0xc3, 0xa9]);
    expected.extend([0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
    let array: [u32; 6] = [29, 1, 0, 25, 2, 1];
    expected.extend(array.iter().flat_map(|word| word.to_be_bytes()));
    expected.extend([0, 0, 0, 1, b'a', 0, 0, 0, 0]);
    let empty: [u32; 4] = [12, 0, 0, 25];
    expected.extend(empty.iter().flat_map(|word| word.to_be_bytes()));
    assert_eq!(buffer.bytes()[HEADER.len()..], expected);

    buffer.begin_row(1);
    let before = buffer.len();
    assert_eq!(buffer.put_text("\0").unwrap_err().reason, "nul_character");
    assert_eq!(buffer.put_text_array(["a", "\0"]).unwrap_err().reason, "nul_character");
    assert_eq!(buffer.put_timestamp_micros(i64::MIN).unwrap_err().reason, "out_of_range");
    assert_eq!(buffer.len(), before);
    buffer.abort_row();
}
