//! What is written as the server writes it is read back, and nothing else is taken for a message.

use proptest::prelude::*;

use super::writer::{column, relation, write};
use super::*;
use crate::Lsn;

/// Columns of a row, owned.
type Columns = Vec<(u8, Vec<u8>)>;

fn raw(columns: &Columns) -> Vec<u8> {
    let mut out = Vec::new();
    let columns = columns.iter().map(|(kind, value)| match kind % 4 {
        0 => TupleColumn::Null,
        1 => TupleColumn::Unchanged,
        2 => TupleColumn::Text(value),
        _ => TupleColumn::Binary(value),
    });
    Tuple::write(&mut out, columns);
    out
}

fn any_columns() -> impl Strategy<Value = Columns> {
    let value = prop::collection::vec(any::<u8>(), 0..20);
    prop::collection::vec((any::<u8>(), value), 0..8)
}

fn any_name() -> impl Strategy<Value = String> {
    "[a-zä\"\\\\ ]{0,12}"
}

/// The parts that messages are made of.
#[derive(Debug, Clone)]
struct Parts {
    kind: usize,
    numbers: (u32, u32),
    lsns: (u64, u64),
    times: (i64, i64),
    names: (String, String),
    flags: (bool, bool),
    rows: (Vec<u8>, Vec<u8>),
    relation: Vec<u8>,
    truncate: Vec<u8>,
}

fn any_parts() -> impl Strategy<Value = Parts> {
    let columns =
        prop::collection::vec((any::<bool>(), any_name(), any::<u32>(), any::<i32>()), 0..5);
    let relation_of = |(oid, schema, name, identity, columns): (u32, _, _, usize, Vec<_>)| {
        let mut bytes = u16::try_from(columns.len()).unwrap().to_be_bytes().to_vec();
        for (is_key, name, type_oid, modifier) in columns {
            let name: String = name;
            bytes.extend(column(is_key, &name, type_oid, modifier));
        }
        let (schema, name): (String, String) = (schema, name);
        relation(oid, (&schema, &name), b"dnfi"[identity], &bytes)
    };
    let relation =
        (any::<u32>(), any_name(), any_name(), 0..4_usize, columns).prop_map(relation_of);
    let truncate =
        (prop::collection::vec(any::<u32>(), 0..4), 0..4_u8).prop_map(|(oids, flags)| {
            let mut bytes = vec![b'T'];
            bytes.extend(u32::try_from(oids.len()).unwrap().to_be_bytes());
            bytes.push(flags);
            bytes.extend(oids.iter().flat_map(|oid| oid.to_be_bytes()));
            bytes
        });
    let rows = (any_columns().prop_map(|row| raw(&row)), any_columns().prop_map(|row| raw(&row)));
    (
        (0..KINDS, any::<(u32, u32)>(), any::<(u64, u64)>(), any::<(i64, i64)>()),
        ((any_name(), any_name()), any::<(bool, bool)>(), rows, relation, truncate),
    )
        .prop_map(
            |((kind, numbers, lsns, times), (names, flags, rows, relation, truncate))| Parts {
                kind,
                numbers,
                lsns,
                times,
                names,
                flags,
                rows,
                relation,
                truncate,
            },
        )
}

/// How many messages [`message_of`] knows.
const KINDS: usize = 19;

/// Reads a message that stands outside of any stream, and says that it stands within one.
fn within(bytes: &[u8], in_stream: Option<u32>) -> Message<'_> {
    let mut message = Parser::new(ProtocolVersion::V1).parse(bytes).unwrap();
    if let Message::Relation(Relation { xid, .. }) | Message::Truncate(Truncate { xid, .. }) =
        &mut message
    {
        *xid = in_stream;
    }
    message
}

fn message_of(parts: &Parts, in_stream: Option<u32>) -> Message<'_> {
    let (xid, number) = parts.numbers;
    let lsns = (Lsn::new(parts.lsns.0), Lsn::new(parts.lsns.1));
    let (one, other) = (Tuple::parse(&parts.rows.0).unwrap(), Tuple::parse(&parts.rows.1).unwrap());
    let (name, gid) = (parts.names.0.as_str(), parts.names.1.as_str());
    let (time, flag) = (parts.times.0, parts.flags.0);
    let commit = Commit { commit_lsn: lsns.0, end_lsn: lsns.1, committed_at_us: time };
    let prepare = Prepare { prepare_lsn: lsns.0, end_lsn: lsns.1, prepared_at_us: time, xid, gid };
    let kind = if flag { OldKind::Key } else { OldKind::Full };
    let old = Old { kind, tuple: one };
    match parts.kind {
        0 => within(&parts.relation, in_stream),
        1 => within(&parts.truncate, in_stream),
        2 => Message::Type(TypeName { xid: in_stream, oid: number, schema: gid, name }),
        3 => Message::Insert(Insert { xid: in_stream, relation: number, new: one }),
        4 => {
            let old = parts.flags.1.then_some(old);
            Message::Update(Update { xid: in_stream, relation: number, old, new: other })
        }
        5 => Message::Delete(Delete { xid: in_stream, relation: number, old }),
        6 => Message::Logical(LogicalMessage {
            xid: in_stream,
            is_transactional: flag,
            lsn: lsns.0,
            prefix: name,
            content: other.raw(),
        }),
        7 => Message::Origin(Origin { commit_lsn: lsns.0, name }),
        8 => Message::StreamStop,
        9 => Message::Begin(Begin { final_lsn: lsns.0, committed_at_us: time, xid }),
        10 => Message::Commit(commit),
        11 => Message::StreamStart(StreamStart { xid, is_first: flag }),
        12 => Message::StreamCommit(StreamCommit { xid, commit }),
        13 => {
            let aborted = StreamAborted { lsn: lsns.0, aborted_at_us: time };
            let aborted = flag.then_some(aborted);
            Message::StreamAbort(StreamAbort { xid, subxid: number, aborted })
        }
        14 => {
            let Prepare { prepare_lsn, end_lsn, prepared_at_us, xid, gid } = prepare;
            Message::BeginPrepare(BeginPrepare { prepare_lsn, end_lsn, prepared_at_us, xid, gid })
        }
        15 => Message::Prepare(prepare),
        16 => Message::CommitPrepared(CommitPrepared { commit, xid, gid }),
        17 => Message::RollbackPrepared(RollbackPrepared {
            prepare_end_lsn: lsns.0,
            rollback_end_lsn: lsns.1,
            prepared_at_us: time,
            rolled_back_at_us: parts.times.1,
            xid,
            gid,
        }),
        _ => Message::StreamPrepare(prepare),
    }
}

/// Those up to the end of a part may stand within a stream.
fn may_be_streamed(parts: &Parts) -> bool {
    parts.kind <= 8
}

/// A parser of the newest version, within a stream or not.
fn parser(in_stream: bool) -> Parser {
    let mut parser = Parser::new(ProtocolVersion::V4);
    if in_stream {
        parser.parse(b"S\0\0\0\x07\x01").unwrap();
    }
    parser
}

fn is_in_stream(parts: &Parts) -> bool {
    parts.kind == 8 || (may_be_streamed(parts) && parts.flags.1)
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(parts in any_parts()) {
        let in_stream = is_in_stream(&parts);
        let message = message_of(&parts, in_stream.then_some(parts.numbers.0));
        let bytes = write(&message);
        prop_assert_eq!(parser(in_stream).parse(&bytes), Ok(message));
    }

    #[test]
    fn cut_and_lengthened_messages_are_errors_with_their_position(parts in any_parts()) {
        let in_stream = is_in_stream(&parts);
        let message = message_of(&parts, in_stream.then_some(parts.numbers.0));
        let bytes = write(&message);
        // A rollback may say where it was or not: cut there, it is whole.
        let whole_when_cut = matches!(message, Message::StreamAbort(_)).then_some(9);
        for length in (0..bytes.len()).filter(|length| Some(*length) != whole_when_cut) {
            let error = parser(in_stream).parse(&bytes[..length]).unwrap_err();
            let is_cut = matches!(error, PgOutputError::CutShort { .. });
            prop_assert!(is_cut && error.position() <= length, "{:?} at {}", error, length);
        }
        let longer = [bytes.as_slice(), b"?"].concat();
        let error = parser(in_stream).parse(&longer).unwrap_err();
        let cut_there = Some(bytes.len()) == whole_when_cut;
        let trailing = PgOutputError::Trailing { position: bytes.len() };
        prop_assert!(error == trailing || cut_there, "{:?}", error);
    }

    #[test]
    fn any_bytes_are_an_answer(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        kind in prop::sample::select(b"BCORYIUDTMSEcAbPKrp".as_slice()),
        version in 1..5_u32,
        in_stream: bool,
    ) {
        let mut parser = Parser::new(ProtocolVersion::of_number(version).unwrap());
        if in_stream && version > 1 {
            parser.parse(b"S\0\0\0\x07\x01").unwrap();
        }
        for bytes in [bytes.clone(), [&[kind], bytes.as_slice()].concat()] {
            if let Err(error) = parser.parse(&bytes) {
                prop_assert!(error.position() <= bytes.len());
            }
            if let Err(error) = Tuple::parse(&bytes) {
                prop_assert!(error.position() <= bytes.len());
            }
        }
    }

    #[test]
    fn changed_bytes_are_an_answer(parts in any_parts(), at: prop::sample::Index, byte: u8) {
        let in_stream = is_in_stream(&parts);
        let message = message_of(&parts, in_stream.then_some(parts.numbers.0));
        let mut bytes = write(&message);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        match parser(in_stream).parse(&bytes) {
            Ok(message) => prop_assert_eq!(write(&message), bytes),
            Err(error) => prop_assert!(error.position() <= bytes.len()),
        }
    }
}

#[test]
fn messages_of_later_versions_are_refused() {
    for (kind, since) in [(b'S', 2), (b'c', 2), (b'A', 2), (b'b', 3), (b'p', 3), (b'r', 3)] {
        for version in 1..since {
            let mut parser = Parser::new(ProtocolVersion::of_number(version).unwrap());
            let error = parser.parse(&[kind]).unwrap_err();
            assert!(matches!(error, PgOutputError::OutOfPlace { position: 0, .. }), "{error}");
        }
    }
    let mut three = Parser::new(ProtocolVersion::V3);
    let abort = [b"A".as_slice(), &[0; 24]].concat();
    assert_eq!(three.parse(&abort), Err(PgOutputError::Trailing { position: 9 }));
}

#[test]
fn a_streamed_part_begins_and_ends_once() {
    let mut parser = Parser::new(ProtocolVersion::V2);
    assert!(parser.parse(b"E").is_err());
    parser.parse(b"S\0\0\0\x07\x01").unwrap();
    assert!(parser.parse(b"S\0\0\0\x07\x00").is_err());
    let begin = [b"B".as_slice(), &[0; 20]].concat();
    assert!(parser.parse(&begin).is_err());
    let Message::Insert(insert) = parser.parse(b"I\0\0\0\x09\0\0\0\x05N\0\0").unwrap() else {
        panic!("an insert")
    };
    assert_eq!((insert.xid, insert.relation), (Some(9), 5));
    parser.parse(b"E").unwrap();
    assert!(parser.parse(&begin).is_ok());
    let Message::Insert(insert) = parser.parse(b"I\0\0\0\x05N\0\0").unwrap() else {
        panic!("an insert")
    };
    assert_eq!((insert.xid, insert.relation), (None, 5));
}

#[test]
fn a_refused_begin_of_a_part_leaves_the_parser_outside() {
    let mut parser = Parser::new(ProtocolVersion::V2);
    assert!(parser.parse(b"S\0\0\0\x07\x02").is_err());
    assert!(parser.parse(b"E").is_err());
}

#[test]
fn errors_say_where_and_what_was_expected() {
    let mut parser = Parser::new(ProtocolVersion::V1);
    let mut message = |bytes: &[u8]| parser.parse(bytes).unwrap_err().to_string();
    let cases: [(&[u8], &str); 8] = [
        (b"", "read a message that ends within the kind of a message at byte 0"),
        (b"?", "expected a kind of message that the protocol has at byte 0"),
        (b"I\0\0\0\x05K", "expected a new row, N at byte 5"),
        (
            b"I\0\0\0\x05N\xff\xff",
            "expected the number of columns at byte 6, read a number below zero",
        ),
        (b"I\0\0\0\x05N\0\x01x", "expected a column of the kind n, u, t or b at byte 8"),
        (
            b"I\0\0\0\x05N\0\x01t\xff\xff\xff\xff",
            "expected the length of a value at byte 9, read a number below zero",
        ),
        (b"I\0\0\0\x05N\0\x01t\0\0\0\x09a", "read a message that ends within a value at byte 13"),
        (b"Y\0\0\0\x05a\xff\0b\0", "expected the schema of a type in UTF-8 at byte 5"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(message(bytes), expected);
    }
}

#[test]
fn values_do_not_stand_in_the_debug_form() {
    let bytes = b"I\0\0\0\x05N\0\x01t\0\0\0\x06secret";
    let message =
        Parser::new(ProtocolVersion::V1).parse(bytes).map(|message| format!("{message:?}"));
    let text = message.unwrap();
    assert!(text.contains("Text(6 bytes)") && !text.contains("secret"), "{text}");
}

#[test]
fn the_cache_keeps_the_newest_form_of_a_relation_and_refuses_beyond_its_bound() {
    let bytes = |oid, name, columns: &[u8]| relation(oid, ("public", name), b'd', columns);
    let one = [b"\0\x01".as_slice(), &column(true, "id", 23, -1)].concat();
    let two = [b"\0\x02".as_slice(), &column(true, "id", 23, -1), &column(false, "x", 25, -1)];
    let mut cache = RelationCache::new(1);
    let mut insert = |bytes: &[u8]| {
        let message = Parser::new(ProtocolVersion::V1).parse(bytes).unwrap();
        let Message::Relation(relation) = message else { panic!("a relation") };
        cache.insert(&relation)
    };
    assert_eq!(insert(&bytes(5, "orders", &one)), Ok(()));
    assert_eq!(insert(&bytes(5, "orders", &two.concat())), Ok(()));
    let refused = insert(&bytes(6, "items", &one));
    assert_eq!(refused, Err(PgOutputError::TooManyRelations { relations_max: 1 }));
    assert_eq!((cache.len(), cache.get(6)), (1, None));
    let names: Vec<_> = cache.get(5).unwrap().columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["id", "x"]);
    cache.clear();
    assert!(cache.is_empty());
}
