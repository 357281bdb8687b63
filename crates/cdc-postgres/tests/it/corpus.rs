//! The bad-input corpus as far as the server decides: each case by its id, in the middle of a batch of
//! good rows, which must all be written whatever becomes of it.

use std::fmt::Write as _;
use std::sync::Arc;

use cdc_core::{
    ByteBudget, Classify as _, Column, DeadLetter, ErrorClass, NextOffset, Offset, Partition,
    Poison, RecordBatchBuilder, RecordParts, Rejection, RowShape, SemanticType, TopicName,
};
use cdc_postgres::{Mode, Severity, check};

use crate::mirror::HARD;
use crate::support::{Cell, Cells, Lane, Op, Warehouse, table, text};

/// What becomes of a bad value.
enum Outcome {
    /// Its record is kept as a dead letter for this reason, which names the column unless the server
    /// alone knows it.
    Parked(&'static str),
    /// It is written, and a query shows this of it.
    Written(&'static str, &'static str),
}

use Outcome::{Parked, Written};

struct Case {
    id: &'static str,
    /// The source's type and the target column's.
    types: (&'static str, &'static str),
    good: Cell,
    bad: Cell,
    outcome: Outcome,
}

fn case(
    id: &'static str,
    types: (&'static str, &'static str),
    good: Cell,
    bad: Cell,
    outcome: Outcome,
) -> Case {
    Case { id, types, good, bad, outcome }
}

fn nested(depth: usize) -> Cell {
    Cell::Text(format!("{}{}", "[".repeat(depth), "]".repeat(depth)))
}

fn cases() -> Vec<Case> {
    const JSONB: (&str, &str) = ("json", "jsonb");
    const VARCHAR: (&str, &str) = ("text", "varchar(10)");
    const DAY_NANOS: i64 = 86_400_000_000_000;
    vec![
        case(
            "B12",
            ("json", "json"),
            text("[]"),
            nested(6_000),
            Written("length(v::text)", "12000"),
        ),
        case("B13", JSONB, text("{}"), nested(20_000), Parked("nested_too_deeply")),
        // jsonb itself keeps the last of repeated names, as the table of pairs says.
        case("B15", JSONB, text("{}"), text(r#"{"a":1,"a":2}"#), Written("v::text", r#"{"a": 2}"#)),
        case("B18", JSONB, text("1"), text("1e400"), Written("length(v::text)", "401")),
        // Exact, though eight bytes become 131 kB.
        case("B19", JSONB, text("1"), text("1e131071"), Written("length(v::text)", "131072")),
        case("B20", JSONB, text("1"), text("1e131072"), Parked("out_of_range")),
        case("B30", ("text", "text"), text("a"), text("a\0b"), Parked("nul_character")),
        case(
            "B31",
            JSONB,
            text("{}"),
            text(r#"{"a":"\u0000"}"#),
            Parked("untranslatable_character"),
        ),
        case(
            "B32",
            ("json", "json"),
            text("{}"),
            text(r#"{"a":"\u0000"}"#),
            Written("v::text", r#"{"a":"\u0000"}"#),
        ),
        case("B37", JSONB, text("{}"), text(r#"{"a":"\ud800"}"#), Parked("invalid_text")),
        case("B40", VARCHAR, text("1234567890"), text("12345678901"), Parked("too_long")),
        case("B41", VARCHAR, text("123456789 "), text("123456789    "), Parked("too_long")),
        case(
            "B53",
            ("decimal", "numeric(10,2)"),
            Cell::Cents(9_999_999_999),
            Cell::Cents(12_345_678_901),
            Parked("out_of_range"),
        ),
        case(
            "B69",
            ("text", "tsrange"),
            text("[\"2016-12-31 23:59:59\",)"),
            text("[\"2016-12-31 23:59:60\",)"),
            Parked("invalid_form"),
        ),
        case(
            "B6B",
            ("timestamp(nanos)", "timestamp"),
            Cell::Nanos(DAY_NANOS + 1_000),
            Cell::Nanos(DAY_NANOS + 1_500),
            Parked("not_exact"),
        ),
    ]
}

/// A history with one column of this type, and a lane that writes it.
async fn history(warehouse: &Warehouse, case: &Case) -> Lane {
    let (source, target) = case.types;
    let name = case.id.to_lowercase();
    warehouse.sql(&format!(
        "CREATE TABLE {name} (id int, v {target}, cdc_generation int, cdc_partition int,
                              cdc_offset bigint, cdc_ordinal int);
         DELETE FROM cdc.checkpoint; DELETE FROM cdc.pipeline_table; DELETE FROM cdc.dead_letter"
    ));
    let mut lane = warehouse.lane(vec![table(0, &name, Mode::History)]).await;
    lane.shape = shape(source);
    lane
}

fn shape(source: &str) -> Arc<RowShape> {
    Arc::new(RowShape::new(vec![
        Column::new("id", SemanticType::Int32),
        Column::new("v", SemanticType::parse(source).unwrap()),
    ]))
}

/// Where the bad row stands among good ones.
const BAD: i32 = 500;
const ROWS: i32 = 1_000;

fn batch(row: impl Fn(i32) -> Cells) -> Vec<Op> {
    (0..ROWS).map(|id| Op::Insert(row(id))).collect()
}

/// The record and the reason of the only dead letter.
fn parked(letters: &[DeadLetter]) -> (u32, &str) {
    let [letter] = letters else { panic!("one dead letter, not {letters:?}") };
    (letter.at.record, &letter.rejection.reason)
}

#[tokio::test]
async fn each_bad_value_has_its_outcome_and_its_neighbours_are_written() {
    let warehouse = Warehouse::initialised(&[]).await;
    let mut failures = String::new();
    for case in cases() {
        let mut lane = history(&warehouse, &case).await;
        let value = |id| if id == BAD { case.bad.clone() } else { case.good.clone() };
        let letters = lane.write(&batch(|id| vec![Cell::Int(id), value(id)])).await;
        let name = case.id.to_lowercase();
        let good = warehouse.sql(&format!("SELECT count(*) FROM {name} WHERE id <> {BAD}"));
        let kept = warehouse.sql("SELECT string_agg(reason, ',') FROM cdc.dead_letter");
        let (expected, found) = match case.outcome {
            Parked(reason) => {
                let found = match letters.as_slice() {
                    [letter] => {
                        let column = letter.rejection.column.as_deref().unwrap_or_default();
                        format!("{} {} {column} {kept}", letter.at.record, letter.rejection.reason)
                    }
                    _ => format!("{} dead letters", letters.len()),
                };
                (format!("{BAD} {reason} v {reason}"), found)
            }
            Written(sql, shown) => {
                let sql = format!("SELECT {sql} FROM {name} WHERE id = {BAD}");
                (shown.to_owned(), format!("{}{kept}", warehouse.sql(&sql)))
            }
        };
        if expected != found || good != (ROWS - 1).to_string() {
            writeln!(failures, "{}: {expected:?}, not {found:?}, beside {good}", case.id).unwrap();
        }
    }
    assert_eq!(failures, "");
}

/// A mirror with a key of this type.
async fn mirror(key: &str) -> (Warehouse, Lane) {
    let warehouse = Warehouse::initialised(&[]).await;
    warehouse.sql(&format!(
        "CREATE EXTENSION citext;
         CREATE TABLE keyed (v {key} PRIMARY KEY, id int, cdc_generation int, cdc_offset bigint)"
    ));
    let mut lane = warehouse.lane(vec![table(0, "keyed", HARD)]).await;
    lane.shape = Arc::new(RowShape::new(vec![
        Column::new("v", SemanticType::Text),
        Column::new("id", SemanticType::Int32),
    ]));
    (warehouse, lane)
}

/// Writes a batch, halving it as an engine does where the server does not say which row it refuses.
/// Gives the rows that are left over alone.
async fn write_halving(lane: &mut Lane, ops: &[Op]) -> Vec<(Op, Rejection)> {
    let mut waiting = vec![ops];
    let mut refused = Vec::new();
    while let Some(ops) = waiting.pop() {
        let Err(error) = lane.try_write(ops).await else { continue };
        let ErrorClass::Poison(Poison::Unknown(rejection)) = error.class() else {
            panic!("{error}")
        };
        match ops {
            [alone] => refused.push((alone.clone(), *rejection)),
            several => {
                let (first, second) = several.split_at(several.len() / 2);
                waiting.extend([second, first]);
            }
        }
    }
    refused
}

#[tokio::test]
async fn b33_a_key_with_a_nul_is_parked() {
    let (warehouse, mut lane) = mirror("text").await;
    let named = |id: i32| if id == BAD { "a\0b".to_owned() } else { format!("key {id}") };
    let letters = lane.write(&batch(|id| vec![Cell::Text(named(id)), Cell::Int(id)])).await;
    assert_eq!(parked(&letters), (500, "nul_character"));
    assert_eq!(warehouse.sql("SELECT count(*) FROM keyed"), "999");
}

#[tokio::test]
async fn b47_a_key_that_no_index_holds_is_refused_alone() {
    // Characters that do not compress below the size of an index row.
    let mut state = 1_u64;
    let long: String = (0..6_400)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        })
        .collect();
    let (warehouse, mut lane) = mirror("text").await;
    let named = |id: i32| if id == BAD { long.clone() } else { format!("key {id}") };
    let ops = batch(|id| vec![Cell::Text(named(id)), Cell::Int(id)]);
    let refused = write_halving(&mut lane, &ops).await;
    let [(Op::Insert(row), rejection)] = refused.as_slice() else { panic!("{refused:?}") };
    assert_eq!(row.get(1), Some(&Cell::Int(BAD)));
    assert_eq!(rejection.reason, "index_row_too_large");
    assert_eq!(warehouse.sql("SELECT count(*) FROM keyed"), "999");
}

/// Keys that differ for the source and not for the target: a check names the column, and within a batch
/// neither row is written over the other without a word.
#[tokio::test]
async fn b48_keys_that_the_collation_alone_makes_equal_are_named_before_a_run() {
    let (warehouse, mut lane) = mirror("citext").await;
    let tables = [table(0, "keyed", HARD)];
    let findings = check(&warehouse.settings(), &tables, &[]).await.findings;
    let named = findings.iter().find(|finding| finding.id == "key_by_collation");
    assert!(named.is_some_and(|finding| finding.severity == Severity::Warning), "{findings:?}");
    let key = |id: i32| if id == BAD { "KEY 7".to_owned() } else { format!("key {id}") };
    let ops = batch(|id| vec![Cell::Text(key(id)), Cell::Int(id)]);
    let error = lane.try_write(&ops).await.unwrap_err();
    let ErrorClass::Poison(Poison::Unknown(rejection)) = error.class() else { panic!("{error}") };
    assert_eq!(rejection.reason, "key_twice_in_batch");
    assert_eq!(warehouse.sql("SELECT count(*) FROM keyed"), "0");
}

/// B34: a name with a NUL is refused, and a header with one does not keep a dead letter from being
/// written.
#[tokio::test]
async fn a_nul_in_a_topic_is_refused_and_in_a_header_it_is_kept_out_of_the_way() {
    assert!(TopicName::parse("shop\0.public.orders").is_err());
    assert!(Partition::new("shop\0.public.orders", 0, 0).is_err());
    let warehouse = Warehouse::initialised(&[]).await;
    let nul =
        case("B34", ("text", "varchar(10)"), text("a"), text("a\0b"), Parked("nul_character"));
    let mut lane = history(&warehouse, &nul).await;
    let ops: Vec<_> = [&nul.good, &nul.bad, &nul.good]
        .map(|value| Op::Insert(vec![Cell::Int(1), value.clone()]))
        .to_vec();
    let next = NextOffset::try_new(lane.next).unwrap();
    let mut builder = RecordBatchBuilder::new(lane.partition.clone(), 1, next);
    for index in 0..3 {
        builder.push(&RecordParts {
            offset: Offset::try_new(lane.next + index).unwrap(),
            timestamp_ms: None,
            key: Some(b"k\0"),
            value: Some(b"v\0"),
            headers: &[("na\0me", Some(b"\0")), ("plain", Some(b"x"))],
        });
    }
    let records = Arc::new(builder.finish(ByteBudget::new(1 << 20).charge(0)));
    let staged = lane.stage(&ops, &records, &[]).await;
    lane.apply(staged).await.unwrap();
    assert_eq!(warehouse.sql("SELECT count(*) FROM b34"), "2");
    let kept =
        warehouse.sql("SELECT reason, raw_headers::text LIKE '%plain%' FROM cdc.dead_letter");
    assert_eq!(kept, "nul_character|t");
}

/// B6D: what a role's settings would make of dates, in rows of either form.
#[tokio::test]
async fn odd_settings_of_the_database_change_no_value() {
    let warehouse = Warehouse::initialised(&[]).await;
    let database = &warehouse.database;
    for setting in [
        "datestyle = 'SQL, DMY'",
        "intervalstyle = sql_standard",
        "timezone = 'Asia/Kathmandu'",
        "bytea_output = escape",
        "extra_float_digits = -5",
        "lc_monetary = 'C'",
    ] {
        warehouse.sql(&format!("ALTER DATABASE {database} SET {setting}"));
    }
    let at = Cell::Micros(1_706_918_400_000_001);
    for (name, more) in [("binary_rows", "text"), ("text_rows", "tsquery")] {
        warehouse.sql(&format!(
            "CREATE TABLE {name} (id int, at timestamp, raw bytea, more {more}, cdc_generation int,
                                  cdc_partition int, cdc_offset bigint, cdc_ordinal int);
             DELETE FROM cdc.checkpoint; DELETE FROM cdc.pipeline_table"
        ));
        let mut lane = warehouse.lane(vec![table(0, name, Mode::History)]).await;
        let of = |name: &str, source: &str| Column::new(name, SemanticType::parse(source).unwrap());
        let source = if more == "text" { "text" } else { "bytes" };
        lane.shape = Arc::new(RowShape::new(vec![
            of("id", "int32"),
            of("at", "timestamp(micros)"),
            of("raw", "bytes"),
            of("more", source),
        ]));
        let more = if more == "text" { text("'x'") } else { Cell::Bytes(b"'x'".to_vec()) };
        let row = vec![Cell::Int(1), at.clone(), Cell::Bytes(vec![0, 92, 255]), more];
        assert_eq!(lane.write(&[Op::Insert(row)]).await, []);
        let shown = warehouse.sql(&format!(
            "SET datestyle = 'ISO, YMD'; SET bytea_output = hex; SELECT at, raw, more FROM {name}"
        ));
        let row = shown.lines().last().unwrap();
        assert_eq!(row, "2024-02-03 00:00:00.000001|\\x005cff|'x'", "{name}");
    }
}
