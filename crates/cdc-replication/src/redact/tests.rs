//! What is left of records without some values.

use cdc_core::SemanticType;

use super::*;
use crate::Lsn;
use crate::frame::{ChangeHead, DescribedColumn, NO_RELATION, write_key};
use crate::pgoutput::{OldKind, ReplicaIdentity};

const TEXT: TupleColumn<'_> = TupleColumn::Text(b"secret");
const REDACTED_TEXT: TupleColumn<'_> = TupleColumn::Text(REDACTED.as_bytes());
const ID: TupleColumn<'_> = TupleColumn::Text(b"17");

fn people() -> RelationDescription {
    let column = |name: &str, semantic, is_key| DescribedColumn {
        name: name.to_owned(),
        semantic,
        sql_type: "any".to_owned(),
        is_key,
    };
    RelationDescription {
        schema: "public".to_owned(),
        table: "people".to_owned(),
        database: "shop".to_owned(),
        slot: "people".to_owned(),
        identity: ReplicaIdentity::Full,
        columns: vec![
            column("id", Some(SemanticType::Int32), true),
            column("email", Some(SemanticType::Text), true),
            column("note", None, false),
        ],
    }
}

fn columns() -> Redactions {
    [("email".to_owned(), Redaction::UnlessNull), ("note".to_owned(), Redaction::Always)].into()
}

fn row(columns: [TupleColumn<'_>; 3]) -> Vec<u8> {
    let mut out = Vec::new();
    Tuple::write(&mut out, columns);
    out
}

fn frame_of(relation: &[u8], change: &FrameChange<'_>) -> Vec<u8> {
    let head = ChangeHead {
        commit_lsn: Lsn::new(1),
        row_lsn: Lsn::new(2),
        xid: 3,
        committed_at_us: 4,
        captured_at_ms: 5,
        place: None,
    };
    let mut out = Vec::new();
    frame::write(&mut out, relation, &head, change);
    out
}

#[test]
fn named_columns_are_taken_out_of_every_row_of_every_change() {
    let relation = people().to_bytes();
    let (whole, left) = (row([ID, TEXT, TEXT]), row([ID, REDACTED_TEXT, REDACTED_TEXT]));
    let nothing = row([ID, TupleColumn::Null, TupleColumn::Unchanged]);
    let nothing_left = row([ID, TupleColumn::Null, REDACTED_TEXT]);
    let pairs = [
        (FrameChange::Insert { new: &whole }, FrameChange::Insert { new: &left }),
        (FrameChange::Snapshot { row: &whole }, FrameChange::Snapshot { row: &left }),
        (
            FrameChange::Update { old: Some((OldKind::Full, &whole)), new: &nothing },
            FrameChange::Update { old: Some((OldKind::Full, &left)), new: &nothing_left },
        ),
        (
            FrameChange::Update { old: None, new: &whole },
            FrameChange::Update { old: None, new: &left },
        ),
        (
            FrameChange::Delete { old: (OldKind::Key, &whole) },
            FrameChange::Delete { old: (OldKind::Key, &left) },
        ),
        (FrameChange::Truncate, FrameChange::Truncate),
    ];
    for (change, expected) in pairs {
        let value = ReplicationRedactor.value(&frame_of(&relation, &change), &columns());
        assert_eq!(value, Ok(frame_of(&relation, &expected)), "{change:?}");
    }
}

#[test]
fn a_record_without_such_columns_stays_as_it_is() {
    let whole = row([ID, TEXT, TEXT]);
    let value = frame_of(&people().to_bytes(), &FrameChange::Insert { new: &whole });
    let others = [("other".to_owned(), Redaction::Always)].into();
    assert_eq!(ReplicationRedactor.value(&value, &others), Ok(value.clone()));
}

#[test]
fn nothing_is_given_where_it_is_not_certain_what_stands_where() {
    let relation = people().to_bytes();
    let redact = |value: &[u8]| ReplicationRedactor.value(value, &columns()).unwrap_err();
    let short = row([ID, TEXT, TEXT]);
    let narrow = frame_of(&relation[..relation.len() - 1], &FrameChange::Insert { new: &short });
    assert_eq!(redact(&narrow), RedactError::UnknownShape);
    let whole = frame_of(&relation, &FrameChange::Insert { new: &short });
    for length in 0..whole.len() {
        redact(&whole[..length]);
    }
    let mut two = people();
    two.columns.pop();
    let unlike = frame_of(&two.to_bytes(), &FrameChange::Insert { new: &short });
    assert_eq!(redact(&unlike), RedactError::UnknownShape);
    let foreign = frame_of(b"{\"email\":\"secret\"}\n", &FrameChange::Truncate);
    assert_eq!(redact(&foreign), RedactError::NotJson);
    let message = FrameChange::Message { prefix: "app", content: b"secret" };
    assert_eq!(redact(&frame_of(NO_RELATION, &message)), RedactError::UnknownShape);
    let heartbeat = FrameChange::Message { prefix: "cdc.heartbeat", content: b"" };
    let heartbeat = frame_of(NO_RELATION, &heartbeat);
    assert_eq!(ReplicationRedactor.value(&heartbeat, &columns()), Ok(heartbeat.clone()));
}

#[test]
fn a_key_is_free_when_none_of_the_columns_is_in_it() {
    let mut key = Vec::new();
    write_key(&mut key, &people(), &row([ID, TEXT, TEXT]));
    let is_free = |key: &[u8], column: &str, redaction| {
        ReplicationRedactor.is_free(key, &[(column.to_owned(), redaction)].into())
    };
    assert!(is_free(&key, "note", Redaction::Always));
    assert!(!is_free(&key, "email", Redaction::UnlessNull));
    let mut null = Vec::new();
    write_key(&mut null, &people(), &row([ID, TupleColumn::Null, TEXT]));
    assert!(is_free(&null, "email", Redaction::UnlessNull));
    assert!(!is_free(&null, "email", Redaction::Always));
    for unknown in [b"".as_slice(), b"[\"17\"]", b"{\"id\":{\"email\":1}}", b"17"] {
        assert!(!is_free(unknown, "note", Redaction::Always));
    }
}
