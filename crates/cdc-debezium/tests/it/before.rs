//! The rows before deletes, as connectors wrote them, beside the source's own account: which of them
//! are keys with invented values around them.

use cdc_core::{Change, Decoded, Decoder, RecordBatch, Row, SourceTable, TableId, Value};
use cdc_debezium::{BeforeImages, DebeziumDecoder, TableDeclarations, TableMap};
use cdc_testkit::captures::{self, Capture, Message};
use debezium_envelope::Limits;

use crate::support::batch_of;

const KEYED: &[(&str, &[&str])] = &[
    ("public.required", &["a", "b"]),
    ("public.all_types", &["id"]),
    ("public.big_values", &["id"]),
    ("public.evolving", &["id"]),
];

/// Columns whose JSON needs a declaration, in captures without schema block.
const DECLARED: &[(&str, &str, &str)] = &[
    ("public.required", "b", "decimal(10,2)"),
    ("public.required", "c_numeric", "decimal"),
    ("public.required", "c_numeric_12_4", "decimal(12,4)"),
    ("public.required", "c_point", "point"),
    ("public.required", "c_uuid", "uuid"),
    ("public.required", "c_text_array", "array(text)"),
    ("public.required", "c_int4_array", "array(int32)"),
];

fn decoder(images: BeforeImages) -> DebeziumDecoder {
    let names = KEYED.iter().map(|(table, _)| SourceTable::parse(table).unwrap());
    let tables = TableMap::new(names.clone().zip((0..).map(TableId::new))).unwrap();
    let declared = names.map(|table| {
        let mut columns = TableDeclarations::new(table.clone());
        columns.take_before(images);
        for (_, column, semantic) in DECLARED.iter().filter(|(of, ..)| *of == table.to_string()) {
            columns.declare(column, semantic).unwrap();
        }
        columns
    });
    DebeziumDecoder::new(tables, declared, Limits::default())
}

/// The deletes of tables with a key, and the deletes that stand for a change of a key.
fn deletes(capture: &Capture) -> impl Iterator<Item = (&'static str, &Message)> {
    let of = |message: &Message| {
        let (table, _) = KEYED
            .iter()
            .find(|(table, _)| capture.about.topics.get(*table) == Some(&message.topic))?;
        message.value.as_ref()?.contains(r#""op":"d""#).then_some(*table)
    };
    capture.messages.iter().filter_map(move |message| Some((of(message)?, message)))
}

fn batch(capture: &Capture, message: &Message) -> RecordBatch {
    let (key, value) = (capture.key(message), capture.value(message));
    let bytes = |text: &Option<String>| text.clone().map(String::into_bytes);
    batch_of(&message.topic, &[(bytes(&key).as_deref(), bytes(&value).as_deref())])
}

/// What is seen of the row before; `None` for a record that is refused, as times of the remotest years
/// are in some modes.
fn with_before<T>(
    decoder: &mut DebeziumDecoder,
    batch: &RecordBatch,
    see: impl FnOnce(Row<'_>) -> T,
) -> Option<T> {
    match decoder.decode(batch.get(0).unwrap()) {
        Ok(Decoded::Change(event)) => {
            let Change::Delete { before } = event.change else { panic!("a delete") };
            Some(see(before))
        }
        Ok(Decoded::Skip(reason)) => panic!("{reason:?}"),
        Err(_) => None,
    }
}

/// Whether every column but the key's is unavailable; a key's column never is.
fn is_key_image(row: Row<'_>, key: &[&str]) -> bool {
    let mut others = true;
    for (column, value) in row.shape().columns().iter().zip(row.values()) {
        let lacks = value == Value::Unavailable;
        if key.contains(&&*column.name) {
            assert!(!lacks && !value.is_null(), "{} is of the key", column.name);
        } else {
            others &= lacks;
        }
    }
    others
}

fn key_of(table: &str) -> &'static [&'static str] {
    KEYED.iter().find(|(keyed, _)| *keyed == table).unwrap().1
}

#[test]
fn deletes_that_real_connectors_wrote_are_told_apart_by_their_values() {
    let (mut keys, mut whole) = (0, 0);
    for (release, mode) in captures::names() {
        let capture = Capture::open(&release, &mode);
        if mode.starts_with("flattened") {
            continue;
        }
        let mut decoder = decoder(BeforeImages::Auto);
        for (table, message) in deletes(&capture) {
            let event = capture.event(message).unwrap();
            // Other tables need many declarations, and one has defaults, which nothing tells.
            if !capture.about.schema_block && table != "public.required" {
                continue;
            }
            let batch = batch(&capture, message);
            let is_key = |row: Row<'_>| is_key_image(row, key_of(table));
            let Some(is_key) = with_before(&mut decoder, &batch, is_key) else {
                assert_eq!(
                    (table, &*event.identity),
                    ("public.all_types", "f"),
                    "{release}-{mode}"
                );
                continue;
            };
            let texts = event.before.as_ref().unwrap();
            // Without any other value than zeros a whole row cannot be told from a key.
            let label = texts.get("label").cloned().flatten().unwrap_or_default();
            if event.identity == "d" {
                assert!(is_key, "{release}-{mode} {table} {:?}", message.key);
                keys += 1;
            } else if !label.is_empty() {
                assert!(!is_key, "{release}-{mode} {table} {:?}", message.key);
                whole += 1;
            }
        }
    }
    assert!(keys > 60 && whole > 40, "{keys} keys, {whole} whole rows");
}

#[test]
fn a_table_is_taken_as_it_was_declared_whatever_its_rows_hold() {
    let capture = Capture::open("2.4.2", "default-schema");
    let (mut full, mut key) = (decoder(BeforeImages::Full), decoder(BeforeImages::Key));
    for (table, message) in deletes(&capture) {
        let batch = batch(&capture, message);
        let is_key = |row: Row<'_>| is_key_image(row, key_of(table));
        if with_before(&mut full, &batch, is_key).is_none() {
            // It holds what the connector destroyed and the decoder refuses.
            assert_eq!(table, "public.all_types");
            continue;
        }
        assert_eq!(with_before(&mut full, &batch, is_key), Some(false));
        assert_eq!(with_before(&mut key, &batch, is_key), Some(true));
        assert_eq!(with_before(&mut key.clone(), &batch, is_key), Some(true));
    }
}

#[test]
fn the_key_of_a_key_image_has_its_values() {
    let capture = Capture::open("3.4.0", "default");
    let (_, message) = deletes(&capture).find(|(table, _)| *table == "public.required").unwrap();
    let batch = batch(&capture, message);
    with_before(&mut decoder(BeforeImages::Auto), &batch, |row| {
        assert_eq!(row.get_by_name("a"), Some(Value::Text("second")));
        let Some(Value::Decimal(b)) = row.get_by_name("b") else { panic!("a decimal") };
        assert_eq!(b.to_string(), "1.50");
    })
    .unwrap();
}

#[test]
fn a_row_without_a_key_beside_it_is_taken_as_it_comes() {
    let capture = Capture::open("2.4.2", "default-schema");
    let (_, message) = deletes(&capture).find(|(table, _)| *table == "public.required").unwrap();
    let value = capture.value(message).unwrap();
    for images in [BeforeImages::Auto, BeforeImages::Full, BeforeImages::Key] {
        for key in [None, Some(br#""text""#.as_slice()), Some(br#"{"other":1}"#.as_slice())] {
            let batch = batch_of(&message.topic, &[(key, Some(value.as_bytes()))]);
            with_before(&mut decoder(images), &batch, |row| {
                assert_eq!(row.get_by_name("c_int8"), Some(Value::Int64(0)), "{images:?}");
            })
            .unwrap();
        }
    }
}

#[test]
fn key_images_allocate_nothing_once_warm() {
    let capture = Capture::open("2.4.2", "default-schema");
    let mut decoder = decoder(BeforeImages::Auto);
    let (_, message) = deletes(&capture).find(|(table, _)| *table == "public.required").unwrap();
    let batch = batch(&capture, message);
    let mut decode = || assert!(decoder.decode(batch.get(0).unwrap()).is_ok());
    decode();
    assert_eq!(allocation_counter::measure(decode).count_total, 0);
}
