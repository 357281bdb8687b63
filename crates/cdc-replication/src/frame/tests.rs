//! Frames read back as they were written, and nothing else is taken for one.

use cdc_core::{SemanticType, SnapshotPlace, TimeUnit};
use proptest::prelude::*;

use super::*;
use crate::pgoutput::{ReplicaIdentity, TupleColumn};

pub(crate) fn described(
    name: &str,
    semantic: Option<SemanticType>,
    is_key: bool,
) -> DescribedColumn {
    DescribedColumn { name: name.to_owned(), semantic, sql_type: "any".to_owned(), is_key }
}

fn orders() -> RelationDescription {
    RelationDescription {
        schema: "public".to_owned(),
        table: "orders \"\n".to_owned(),
        database: "shop".to_owned(),
        slot: "orders".to_owned(),
        identity: ReplicaIdentity::Default,
        columns: vec![
            described("id", Some(SemanticType::Int32), true),
            described("regiön", Some(SemanticType::Text), true),
            described("odd", None, false),
            described("at", Some(SemanticType::Timestamp(TimeUnit::Micros)), false),
        ],
    }
}

fn row(columns: &[TupleColumn<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    Tuple::write(&mut out, columns.iter().copied());
    out
}

fn key_of(columns: &[TupleColumn<'_>]) -> String {
    let mut out = Vec::new();
    write_key(&mut out, &orders(), &row(columns));
    String::from_utf8(out).unwrap()
}

#[test]
fn a_description_is_one_line_of_json_and_reads_back() {
    let bytes = orders().to_bytes();
    let expected = concat!(
        r#"{"schema":"public","table":"orders \"\n","database":"shop","slot":"orders","#,
        r#""identity":"default","columns":[{"name":"id","type":"int32","key":true,"sql_type":"any"},"#,
        r#"{"name":"regiön","type":"text","key":true,"sql_type":"any"},"#,
        r#"{"name":"odd","type":null,"key":false,"sql_type":"any"},"#,
        r#"{"name":"at","type":"timestamp(micros)","key":false,"sql_type":"any"}]}"#,
        "\n"
    );
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
    assert_eq!(RelationDescription::from_bytes(&bytes), Ok(orders()));
}

#[test]
fn a_type_without_text_form_is_left_out() {
    let unknown = SemanticType::Unsupported { name: "x".to_owned() };
    let mut relation = orders();
    relation.columns = vec![described("a", Some(unknown), false)];
    let read = RelationDescription::from_bytes(&relation.to_bytes()).unwrap();
    assert_eq!(read.columns, [described("a", None, false)]);
}

#[test]
fn descriptions_with_anything_else_in_them_are_refused_by_position() {
    let text = String::from_utf8(orders().to_bytes()).unwrap();
    let read = |text: &str| RelationDescription::from_bytes(text.as_bytes()).unwrap_err();
    assert_eq!(read("{\"secret\":1}\n"), RelationError::Json { position: 8 });
    assert_eq!(read(&text.replace("int32", "int33")), RelationError::Type { column: 1 });
    assert_eq!(read(&text.replace("shop", "\\u0000")), RelationError::Name);
    for length in 0..text.len().saturating_sub(1) {
        let cut = RelationDescription::from_bytes(&text.as_bytes()[..length]);
        assert!(cut.is_err(), "{length}");
    }
}

#[test]
fn a_key_is_the_texts_of_its_columns_by_their_names() {
    let region = TupleColumn::Text("no\"rd".as_bytes());
    let rest = [TupleColumn::Null, TupleColumn::Text(b"x")];
    let whole = [[TupleColumn::Text(b"17"), region], rest].concat();
    assert_eq!(key_of(&whole), r#"{"id":"17","regiön":"no\"rd"}"#);
    let partial = [[TupleColumn::Binary(&[1, 255]), TupleColumn::Null], rest].concat();
    assert_eq!(key_of(&partial), r#"{"id":"\\x01ff","regiön":null}"#);
    assert!(serde_json::from_str::<serde_json::Value>(&key_of(&partial)).is_ok());
    let mut keyless = orders();
    keyless.columns.iter_mut().for_each(|column| column.is_key = false);
    let mut out = Vec::new();
    write_key(&mut out, &keyless, &row(&whole));
    assert_eq!(out, b"");
}

#[test]
fn an_update_changes_the_key_when_a_key_column_is_known_to_differ() {
    let of = |id: TupleColumn<'static>, region, other: TupleColumn<'static>| {
        row(&[id, region, other, TupleColumn::Null])
    };
    let (one, two) = (TupleColumn::Text(b"1"), TupleColumn::Text(b"2"));
    let old = of(one, TupleColumn::Null, TupleColumn::Null);
    let changes = |new: &[u8]| changes_key(&orders(), &old, new);
    assert!(changes(&of(two, one, one)));
    assert!(!changes(&of(one, two, two)));
    assert!(!changes(&of(TupleColumn::Unchanged, two, two)));
}

fn any_row() -> impl Strategy<Value = Vec<u8>> {
    let column = (0..4_u8, prop::collection::vec(any::<u8>(), 0..20));
    prop::collection::vec(column, 0..6).prop_map(|columns| {
        let columns: Vec<_> = columns
            .iter()
            .map(|(kind, value)| match kind {
                0 => TupleColumn::Null,
                1 => TupleColumn::Unchanged,
                2 => TupleColumn::Text(value),
                _ => TupleColumn::Binary(value),
            })
            .collect();
        row(&columns)
    })
}

fn any_head() -> impl Strategy<Value = ChangeHead> {
    let places =
        [None, Some(SnapshotPlace::First), Some(SnapshotPlace::Within), Some(SnapshotPlace::Last)];
    let numbers = any::<(u64, u64, u32, i64, i64)>();
    (numbers, prop::sample::select(places.to_vec())).prop_map(|(numbers, place)| ChangeHead {
        commit_lsn: Lsn::new(numbers.0),
        row_lsn: Lsn::new(numbers.1),
        xid: numbers.2,
        committed_at_us: numbers.3,
        captured_at_ms: numbers.4,
        place,
    })
}

/// Rows, and which change to make of them.
type Parts = (usize, bool, bool, Vec<u8>, Vec<u8>);

fn any_change() -> impl Strategy<Value = Parts> {
    (0..6_usize, any::<bool>(), any::<bool>(), any_row(), any_row())
}

fn change_of((kind, has_old, is_full, one, other): &Parts) -> FrameChange<'_> {
    let old = (if *is_full { OldKind::Full } else { OldKind::Key }, one.as_slice());
    match kind {
        0 => FrameChange::Insert { new: one },
        1 => FrameChange::Snapshot { row: one },
        2 => FrameChange::Update { old: has_old.then_some(old), new: other },
        3 => FrameChange::Delete { old },
        4 => FrameChange::Truncate,
        _ => FrameChange::Message { prefix: "cdc.heartbeat", content: other },
    }
}

proptest! {
    #[test]
    fn a_frame_reads_back_as_it_was_written(head in any_head(), parts in any_change()) {
        let (relation, change) = (orders().to_bytes(), change_of(&parts));
        let mut bytes = Vec::new();
        write(&mut bytes, &relation, &head, &change);
        let frame = Frame { relation: &relation, head, change };
        prop_assert_eq!(parse(&bytes), Ok(frame));
        prop_assert_eq!(parse_behind(&bytes, relation.len()), Ok(frame));
    }

    #[test]
    fn cut_and_lengthened_frames_are_errors_by_position(head in any_head(), parts in any_change()) {
        let change = change_of(&parts);
        let mut bytes = Vec::new();
        write(&mut bytes, NO_RELATION, &head, &change);
        let is_message = matches!(change, FrameChange::Message { .. });
        // The content of a message ends where the frame does.
        let least = if is_message { 39 + "cdc.heartbeat\0".len() } else { bytes.len() };
        for length in 0..least {
            match parse(&bytes[..length]) {
                Err(FrameError::NoRelation) => prop_assert_eq!(length, 0),
                Err(FrameError::Change { source }) => {
                    prop_assert!(length > 0 && source.position() <= length);
                }
                Ok(frame) => prop_assert!(false, "{:?} from {} bytes", frame, length),
            }
        }
        let end = bytes.len();
        bytes.push(b'n');
        let trailing = FrameError::Change { source: PgOutputError::Trailing { position: end } };
        prop_assert!(is_message || parse(&bytes) == Err(trailing));
    }

    #[test]
    fn any_bytes_are_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..80), kind: u8) {
        for bytes in [bytes.clone(), [b"\n", [kind].as_slice(), &bytes].concat()] {
            if let Err(FrameError::Change { source }) = parse(&bytes) {
                prop_assert!(source.position() <= bytes.len());
            }
            prop_assert!(RelationDescription::from_bytes(&bytes).is_err());
            write_key(&mut Vec::new(), &orders(), &bytes);
            changes_key(&orders(), &bytes, &bytes);
        }
    }
}
