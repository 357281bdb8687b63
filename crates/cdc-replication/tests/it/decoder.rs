//! The decoder passes the suite that every decoder must pass, and makes of rows what they say.

use cdc_core::{
    Change, Decoded, Decoder, Operation, Origin, Partition, Row, SnapshotPlace, SourceTable,
    TableId,
};
use cdc_replication::ReplicationDecoder;
use cdc_testkit::conformance::decoder::{self, CASES, DecoderUnderTest, MARKER, Message};

use crate::frames::{COMMITTED_MS, Cell, ORDERS, batch_of, frame, placed, row, text};

fn tables() -> Vec<(SourceTable, TableId)> {
    let names = ["public.items", "public.orders", "audit.orders"];
    let table = |(index, name)| (SourceTable::parse(name).unwrap(), TableId::new(index));
    (0..).zip(names).map(table).collect()
}

fn fresh() -> ReplicationDecoder {
    ReplicationDecoder::new(tables()).unwrap()
}

/// Order 7, whole.
const ROW: [Cell<'_>; 4] =
    [Cell::Text(b"7"), Cell::Text(b"0/1"), Cell::Text("größe".as_bytes()), Cell::Text(b"t")];

/// What identifies order 6, as the server sends it of an old row.
const KEY: [Cell<'_>; 4] = [Cell::Text(b"6"), Cell::Null, Cell::Null, Cell::Null];

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

struct Frames;

impl DecoderUnderTest for Frames {
    type Decoder = ReplicationDecoder;

    fn decoder(&self) -> ReplicationDecoder {
        fresh()
    }

    fn partition(&self) -> Partition {
        Partition::new("orders_slot", 0, 0).unwrap()
    }

    fn changes(&self) -> Vec<(Message, Operation)> {
        let (whole, key) = (row(&ROW), row(&KEY));
        let samples = [
            (frame(ORDERS, b'I', &whole), Operation::Insert),
            (placed(ORDERS, b'R', b'w', &whole), Operation::Snapshot),
            (frame(ORDERS, b'U', &joined(&[b"N", &whole])), Operation::Update),
            (frame(ORDERS, b'U', &joined(&[b"K", &key, &whole])), Operation::Update),
            (frame(ORDERS, b'U', &joined(&[b"O", &whole, &whole])), Operation::Update),
            (frame(ORDERS, b'D', &joined(&[b"K", &key])), Operation::Delete),
            (frame(ORDERS, b'D', &joined(&[b"O", &whole])), Operation::Delete),
            (frame(ORDERS, b'T', b""), Operation::Truncate),
        ];
        samples
            .map(|(value, operation)| (Message::new("{\"id\":\"7\"}", value), operation))
            .to_vec()
    }

    fn skipped(&self) -> Vec<Message> {
        let heartbeat = b"cdc.heartbeat\0".as_slice();
        let values = [
            frame("", b'M', heartbeat),
            frame("", b'M', b"app\0x"),
            frame(ORDERS, b'M', heartbeat),
        ];
        let tombstone = Message::new("key", "").with_value(None);
        values.into_iter().map(|value| Message::new("", value)).chain([tombstone]).collect()
    }

    fn malformed(&self) -> Vec<Message> {
        let marked = |at: usize, cell| {
            let mut cells = ROW;
            cells[at] = cell;
            row(&cells)
        };
        let in_note = marked(2, text(MARKER));
        let in_relation = |from: &str, to: &str| {
            frame(&ORDERS.replace(from, &to.replace('?', MARKER)), b'I', &in_note)
        };
        let not_utf8 = [b"\xff".as_slice(), MARKER.as_bytes()].concat();
        let values = [
            MARKER.as_bytes().to_vec(),
            frame(MARKER, b'I', &row(&ROW)),
            frame(&format!("{{\"{MARKER}\":1}}"), b'I', &row(&ROW)),
            frame("", b'I', &in_note),
            frame(ORDERS, b'X', &in_note),
            frame(ORDERS, b'I', MARKER.as_bytes()),
            frame(ORDERS, b'T', MARKER.as_bytes()),
            frame(ORDERS, b'U', &in_note),
            frame(ORDERS, b'D', &joined(&[b"N", &in_note])),
            frame(ORDERS, b'I', &joined(&[&in_note, b"n"])),
            placed(ORDERS, b'R', b'x', &in_note),
            frame(ORDERS, b'I', &row(&[text("7"), text(MARKER)])),
            frame(ORDERS, b'I', &marked(0, text(MARKER))),
            frame(ORDERS, b'I', &marked(3, text(MARKER))),
            frame(ORDERS, b'I', &marked(2, Cell::Binary(MARKER.as_bytes()))),
            frame(ORDERS, b'I', &marked(2, Cell::Text(&not_utf8))),
            in_relation("\"orders\"", "\"others\""),
            in_relation("\"int32\"", "\"?\""),
            in_relation("\"default\"", "\"?\""),
            in_relation("\"key\":true", "\"key\":\"?\""),
            in_relation("\"key\":true", "\"key\":true,\"?\":1"),
            in_relation("\"shop\"", "\"\\u0000\""),
        ];
        values.map(|value| Message::new("key", value)).to_vec()
    }
}

#[tokio::test]
async fn the_decoder_passes_every_case() {
    for case in CASES {
        println!("decoder: {case}");
        decoder::run(&Frames, case).await.unwrap();
    }
}

fn shown(row: Row<'_>) -> String {
    let columns = row.shape().columns().iter().zip(row.values());
    let columns: Vec<_> =
        columns.map(|(column, value)| format!("{}={value:?}", column.name)).collect();
    columns.join(" ")
}

/// What became of a record, in a form that can be compared.
fn outcome(decoder: &mut ReplicationDecoder, value: &[u8]) -> String {
    let batch = batch_of(&[value]);
    match decoder.decode(batch.get(0).unwrap()) {
        Ok(Decoded::Change(event)) => {
            let table = event.table.index();
            match event.change {
                Change::Insert { after } => format!("{table} insert {}", shown(after)),
                Change::Snapshot { row } => format!("{table} snapshot {}", shown(row)),
                Change::Update { before: None, after } => {
                    format!("{table} update {}", shown(after))
                }
                Change::Update { before: Some(before), after } => {
                    format!("{table} update {} to {}", shown(before), shown(after))
                }
                Change::Delete { before } => format!("{table} delete {}", shown(before)),
                Change::Truncate => format!("{table} truncate"),
            }
        }
        Ok(Decoded::Skip(reason)) => format!("skip {}", reason.name()),
        Err(rejection) => {
            let column = rejection.column.unwrap_or_default();
            format!("reject {} {column}: {}", rejection.reason, rejection.message)
        }
    }
}

const SHOWN: &str = "id=Int32(7) note=Text(\"größe\") paid=Bool(true)";

#[test]
fn a_row_has_the_columns_that_have_a_meaning() {
    let value = frame(ORDERS, b'I', &row(&ROW));
    assert_eq!(outcome(&mut fresh(), &value), format!("1 insert {SHOWN}"));
    let value = frame(&ORDERS.replace("public", "audit"), b'I', &row(&ROW));
    assert_eq!(outcome(&mut fresh(), &value), format!("2 insert {SHOWN}"));
}

#[test]
fn of_a_key_alone_all_else_is_unavailable_and_of_a_whole_row_null_is_null() {
    let nulls = row(&KEY);
    let delete =
        |kind: &[u8]| outcome(&mut fresh(), &frame(ORDERS, b'D', &joined(&[kind, &nulls])));
    assert_eq!(delete(b"K"), "1 delete id=Int32(6) note=Unavailable paid=Unavailable");
    assert_eq!(delete(b"O"), "1 delete id=Int32(6) note=Null paid=Null");
}

#[test]
fn what_was_not_changed_is_unavailable_unless_the_old_row_has_it() {
    let new = row(&[text("7"), Cell::Null, Cell::Unchanged, Cell::Null]);
    let update = |old: &[&[u8]]| {
        let body = joined(&[&joined(old), &new]);
        outcome(&mut fresh(), &frame(ORDERS, b'U', &body))
    };
    assert_eq!(update(&[b"N"]), "1 update id=Int32(7) note=Unavailable paid=Null");
    assert_eq!(
        update(&[b"O", &row(&ROW)]),
        format!("1 update {SHOWN} to id=Int32(7) note=Text(\"größe\") paid=Null")
    );
    assert_eq!(
        update(&[b"K", &row(&KEY)]),
        "1 update id=Int32(6) note=Unavailable paid=Unavailable \
         to id=Int32(7) note=Unavailable paid=Null"
    );
}

#[test]
fn an_event_says_where_and_when_it_was_made() {
    let mut decoder = fresh();
    let streamed = batch_of(&[&frame(ORDERS, b'I', &row(&ROW))]);
    let Ok(Decoded::Change(event)) = decoder.decode(streamed.get(0).unwrap()) else {
        panic!("a change")
    };
    let origin = Origin {
        lsn: Some(0x16_0000_0001),
        tx_id: Some(742),
        committed_at_ms: Some(COMMITTED_MS),
        captured_at_ms: Some(COMMITTED_MS + 7),
    };
    assert_eq!((event.origin, event.emission, event.snapshot), (origin, None, None));
    let places = [
        (b'f', Some(SnapshotPlace::First)),
        (b'w', Some(SnapshotPlace::Within)),
        (b'l', Some(SnapshotPlace::Last)),
        (b'-', None),
    ];
    for (letter, place) in places {
        let read = batch_of(&[&placed(ORDERS, b'R', letter, &row(&ROW))]);
        let Ok(Decoded::Change(event)) = decoder.decode(read.get(0).unwrap()) else {
            panic!("a change")
        };
        assert_eq!((event.origin, event.snapshot.map(|row| row.place)), (origin, place));
        if let Some(row) = event.snapshot {
            let names = (row.connector, row.database, row.lsn, row.tx_id);
            assert_eq!(names, ("orders_slot", "shop", 0x16_0000_0001, 742));
        }
    }
}

#[test]
fn rejections_say_what_is_wrong_without_values() {
    let reject = |relation: &str, cells: &[Cell<'_>]| {
        outcome(&mut fresh(), &frame(relation, b'I', &row(cells)))
    };
    let mut binary = ROW;
    binary[2] = Cell::Binary(b"x");
    let mut wrong = ROW;
    wrong[0] = text("x");
    assert_eq!(
        reject(ORDERS, &ROW[..3]),
        "reject column_count : read a row of 3 columns, expected 4 as in its table"
    );
    assert_eq!(
        reject(ORDERS, &binary),
        "reject binary_value note: read a value of note in binary form, expected its text form"
    );
    assert!(
        reject(ORDERS, &wrong).starts_with("reject text_invalid id: read a value of id integer")
    );
    assert_eq!(
        reject(&ORDERS.replace("\"orders\"", "\"others\""), &ROW),
        "reject unknown_table : read a change of the table \"public.others\", which is not configured"
    );
    assert_eq!(
        outcome(&mut fresh(), b"\nI"),
        "reject malformed_frame : read a record that is no change: expected a change behind the \
         description of its table: read a message that ends within the place of a commit at byte 2"
    );
}

#[test]
fn tables_may_take_turns_and_change_more_often_than_is_remembered() {
    let mut decoder = fresh();
    let items = ORDERS.replace("\"orders\"", "\"items\"");
    for round in 0..200 {
        let renamed = ORDERS.replace("\"note\"", &format!("\"note{round}\""));
        let new = outcome(&mut decoder, &frame(&renamed, b'I', &row(&ROW)));
        assert_eq!(new, format!("1 insert {}", SHOWN.replace("note", &format!("note{round}"))));
        let known = [(ORDERS, 1), (&items, 0)];
        for (relation, table) in known {
            let seen = outcome(&mut decoder, &frame(relation, b'I', &row(&ROW)));
            assert_eq!(seen, format!("{table} insert {SHOWN}"));
        }
    }
}

#[test]
fn a_table_that_is_mapped_twice_is_refused() {
    let twice =
        tables().into_iter().chain([(SourceTable::new("public", "items"), TableId::new(9))]);
    let error = ReplicationDecoder::new(twice).unwrap_err();
    assert_eq!(error.to_string(), "mapped the source table public.items twice");
}

#[test]
fn a_hundred_changes_of_two_tables_allocate_nothing() {
    let items = ORDERS.replace("\"orders\"", "\"items\"");
    let (whole, key) = (row(&ROW), row(&KEY));
    let values = [
        frame(ORDERS, b'I', &whole),
        frame(&items, b'U', &joined(&[b"O", &whole, &whole])),
        frame(ORDERS, b'U', &joined(&[b"K", &key, &whole])),
        frame(ORDERS, b'D', &joined(&[b"K", &key])),
    ];
    let values: Vec<_> = values.iter().map(Vec::as_slice).cycle().take(100).collect();
    let batch = batch_of(&values);
    let mut decoder = fresh();
    let mut run = || {
        for record in batch.iter() {
            assert!(matches!(decoder.decode(record), Ok(Decoded::Change(_))));
        }
    };
    run();
    assert_eq!(allocation_counter::measure(run).count_total, 0);
}
