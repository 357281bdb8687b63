//! Days and times against a calendar that counts years one by one.

use cdc_core::{Date, Time, Timestamp, Value};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Database, property};
use crate::copy::CopyBuffer;
use crate::pair::CellEncoder;

/// A day as PostgreSQL shows it, by counting years of their real lengths from 1970.
fn day_text(days: i64) -> (String, &'static str) {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    // Whole cycles of 400 years keep the counting short; they all have the same length.
    let cycle = days.div_euclid(146_097);
    let mut rest = days.rem_euclid(146_097);
    let mut year = 1970 + 400 * cycle;
    while rest >= if is_leap(year) { 366 } else { 365 } {
        rest -= if is_leap(year) { 366 } else { 365 };
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    // There is no year zero.
    let (shown, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    (format!("{shown:04}-{month:02}-{:02}", rest + 1), era)
}

fn timestamp_text(micros: i64) -> String {
    let (day, era) = day_text(micros.div_euclid(86_400_000_000));
    format!("{day} {}{era}", time_text(micros.rem_euclid(86_400_000_000)))
}

fn time_text(micros: i64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{clock}{}", fraction.trim_end_matches('0'))
}

#[test]
fn dates_show_the_day_they_mean() {
    let mut database = Database::with("date", "CREATE TABLE t (i int, v date)");
    let day = prop_oneof![
        4 => -1_000_000..1_000_000_i32,
        1 => -2_440_588..=2_145_042_905_i32,
        1 => prop::sample::select(vec![
            -2_440_588, -719_163, -719_162, -141_428, -141_427, -1, 0, 11_016, 2_145_042_905,
        ]),
    ];
    property(8, &vec(day, 250), |days| {
        let values: Vec<Value<'_>> =
            days.iter().map(|days| Value::Date(Date::Days(*days))).collect();
        let shown = database.round_trip(CellEncoder::Date, &values).unwrap();
        let expected = days.iter().map(|days| {
            let (day, era) = day_text((*days).into());
            Some(format!("{day}{era}"))
        });
        prop_assert_eq!(shown, expected.collect::<Vec<_>>());
        Ok(())
    });
    let infinities = [Value::Date(Date::Infinity), Value::Date(Date::NegInfinity)];
    let shown = database.round_trip(CellEncoder::Date, &infinities).unwrap();
    assert_eq!(shown, [Some("infinity".into()), Some("-infinity".into())]);
}

#[test]
fn timestamps_show_the_reading_they_mean_in_every_unit() {
    let mut database = Database::with("timestamp", "CREATE TABLE t (i int, v timestamp)");
    let encoder = CellEncoder::Timestamp { step: 1 };
    let micros = prop_oneof![
        3 => -70_000_000_000_000_000..260_000_000_000_000_000_i64,
        1 => -210_866_803_200_000_000..=i64::MAX,
        1 => prop::sample::select(vec![
            -210_866_803_200_000_000, -62_135_596_800_000_001, -1, 0, 1, i64::MAX,
        ]),
    ];
    property(8, &vec(micros, 250), |all| {
        let expected: Vec<_> = all.iter().map(|micros| Some(timestamp_text(*micros))).collect();
        let micros: Vec<Value<'_>> =
            all.iter().map(|micros| Value::Timestamp(Timestamp::Micros(*micros))).collect();
        prop_assert_eq!(&database.round_trip(encoder, &micros).unwrap(), &expected);

        let millis = |micros: i64| Timestamp::Millis(micros.div_euclid(1_000));
        let values: Vec<Value<'_>> =
            all.iter().map(|micros| Value::Timestamp(millis(*micros))).collect();
        let expected: Vec<_> = all
            .iter()
            .map(|micros| Some(timestamp_text(micros.div_euclid(1_000) * 1_000)))
            .collect();
        prop_assert_eq!(&database.round_trip(encoder, &values).unwrap(), &expected);

        let nanos: Vec<i64> = all.iter().filter_map(|micros| micros.checked_mul(1_000)).collect();
        let values: Vec<Value<'_>> =
            nanos.iter().map(|nanos| Value::Timestamp(Timestamp::Nanos(*nanos))).collect();
        let expected: Vec<_> =
            nanos.iter().map(|nanos| Some(timestamp_text(nanos / 1_000))).collect();
        prop_assert_eq!(&database.round_trip(encoder, &values).unwrap(), &expected);
        Ok(())
    });
    let infinities = [Timestamp::Infinity, Timestamp::NegInfinity].map(Value::Timestamp);
    let shown = database.round_trip(encoder, &infinities).unwrap();
    assert_eq!(shown, [Some("infinity".into()), Some("-infinity".into())]);
}

/// The last years have no number of 64 bits that counts microseconds from 1970.
#[test]
fn milliseconds_reach_both_ends_of_the_range() {
    let mut database = Database::with("ends", "CREATE TABLE t (i int, v timestamptz)");
    let instant = |millis| Value::Instant(Timestamp::Millis(millis));
    let (first, last) = (-210_866_803_200_000, 9_224_318_015_999_999);
    let encoder = CellEncoder::Timestamptz { step: 1 };
    let values = [first, 9_223_372_036_854_776, 9_224_286_307_200_000, last].map(instant);
    let shown = database.round_trip(encoder, &values).unwrap();
    let expected = [
        "4714-11-24 00:00:00+00 BC",
        "294247-01-10 04:00:54.776+00",
        "294275-12-31 00:00:00+00",
        "294276-12-31 23:59:59.999+00",
    ];
    assert_eq!(shown, expected.map(|text| Some(text.to_owned())));
    let mut buffer = CopyBuffer::new();
    buffer.begin_row(1);
    for beyond in [first - 1, last + 1, i64::MAX, i64::MIN] {
        assert!(buffer.put(encoder, instant(beyond)).is_err(), "{beyond}");
    }
}

/// Behind the last count of microseconds since 1970 as well, where the decoder counts from 2000.
#[test]
fn microseconds_reach_the_last_one_of_the_range() {
    let mut readings = Database::with("late", "CREATE TABLE t (i int, v timestamp)");
    let mut instants = Database::with("late", "CREATE TABLE t (i int, v timestamptz)");
    let last = 9_223_371_331_199_999_999_i64;
    let micros = prop_oneof![3 => 9_222_425_352_054_775_808..=last, 1 => Just(last)];
    property(8, &vec(micros, 100), |all| {
        let counted = all.iter().copied().map(Timestamp::MicrosSince2000);
        let text = |micros: &i64| {
            let (day, era) = day_text(micros.div_euclid(86_400_000_000) + 10_957);
            format!("{day} {}{era}", time_text(micros.rem_euclid(86_400_000_000)))
        };
        let values: Vec<_> = counted.clone().map(Value::Timestamp).collect();
        let shown = readings.round_trip(CellEncoder::Timestamp { step: 1 }, &values).unwrap();
        prop_assert_eq!(shown, all.iter().map(|it| Some(text(it))).collect::<Vec<_>>());

        let values: Vec<_> = counted.map(Value::Instant).collect();
        let shown = instants.round_trip(CellEncoder::Timestamptz { step: 1 }, &values).unwrap();
        prop_assert_eq!(shown, all.iter().map(|it| Some(text(it) + "+00")).collect::<Vec<_>>());
        Ok(())
    });
    let value = [Value::Timestamp(Timestamp::MicrosSince2000(last))];
    let shown = readings.round_trip(CellEncoder::Timestamp { step: 1 }, &value).unwrap();
    assert_eq!(shown, [Some("294276-12-31 23:59:59.999999".to_owned())]);
}

#[test]
fn coarse_time_columns_keep_what_they_accept() {
    let mut database = Database::with(
        "coarse",
        "CREATE TABLE t0 (i int, v timestamptz(0)); CREATE TABLE t1 (i int, v timestamptz(1));
         CREATE TABLE t3 (i int, v timestamptz(3)); CREATE TABLE t5 (i int, v timestamptz(5))",
    );
    let steps = [("t0", 1_000_000_u32), ("t1", 100_000), ("t3", 1_000), ("t5", 10)];
    for (table, step) in steps {
        let mut buffer = CopyBuffer::new();
        let mut expected = Vec::new();
        for (row, micros) in
            [0, 10, 1_000, -1_000, 100_000, 1_000_000, -10, 123_456_780, 5].into_iter().enumerate()
        {
            buffer.begin_row(2);
            buffer.put_i32(i32::try_from(row).unwrap());
            let instant = Value::Instant(Timestamp::Micros(micros));
            let result = buffer.put(CellEncoder::Timestamptz { step }, instant);
            assert_eq!(result.is_ok(), micros % i64::from(step) == 0, "{table} {micros}");
            if result.is_ok() {
                expected.push(Some(format!("{}+00", timestamp_text(micros))));
            } else {
                buffer.abort_row();
            }
        }
        database.copy(table, &buffer).unwrap();
        let shown = database.texts(&format!("SELECT v::text FROM {table} ORDER BY i"));
        assert_eq!(shown, expected, "{table}");
    }
}

#[test]
fn times_of_day_show_what_they_mean() {
    let mut database = Database::with("time", "CREATE TABLE t (i int, v time)");
    let micros = prop_oneof![0..=86_400_000_000_i64, Just(86_400_000_000), Just(0)];
    property(4, &vec(micros, 250), |all| {
        let values: Vec<Value<'_>> =
            all.iter().map(|micros| Value::Time(Time::from_nanos(micros * 1_000))).collect();
        let shown = database.round_trip(CellEncoder::Time { step: 1 }, &values).unwrap();
        let expected: Vec<_> = all.iter().map(|micros| Some(time_text(*micros))).collect();
        prop_assert_eq!(shown, expected);
        Ok(())
    });
}
