//! Captures come back as they were recorded, and what is no capture is refused.

use cdc_workload::WorkloadError;
use cdc_workload::capture::{CaptureReader, CaptureRecord, CaptureWriter};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

const HEADER: &str = "{\"capture\":\"cdc\",\"version\":1}\n";
const LINE: &str =
    "{\"topic\":\"t\",\"partition\":0,\"offset\":7,\"timestamp\":5,\"key\":null,\"value\":\"v\"}\n";

fn record<'r>(key: Option<&'r [u8]>, value: Option<&'r [u8]>) -> CaptureRecord<'r> {
    let topic = "dbserver1.public.\"orders\"";
    CaptureRecord {
        topic,
        partition: 3,
        offset: 41,
        timestamp_millis: -1,
        key,
        value,
        headers: &[],
    }
}

fn written(records: &[CaptureRecord<'_>]) -> Vec<u8> {
    let mut writer = CaptureWriter::try_new(Vec::new()).expect("memory");
    for record in records {
        writer.write(record).expect("memory");
    }
    writer.finish().expect("memory")
}

#[test]
fn a_capture_is_lines_that_a_person_can_read() {
    let records = [
        record(Some(b"{\"order_id\":8}"), Some("text \u{1}🎉\n".as_bytes())),
        record(Some(b"\xff\x00"), None),
        record(None, Some(b"")),
    ];
    let text = String::from_utf8(written(&records)).expect("text");
    insta::assert_snapshot!(text);
}

#[test]
fn headers_come_back_in_their_order_with_names_that_repeat() {
    let headers = [
        ("trace".to_owned(), Some(b"1".to_vec())),
        ("trace".to_owned(), None),
        ("\u{1}".to_owned(), Some(b"\xff".to_vec())),
    ];
    let with = CaptureRecord { headers: &headers, ..record(None, Some(b"v")) };
    let bytes = written(&[with, record(None, None)]);
    let text = String::from_utf8(bytes.clone()).expect("text");
    let written = r#","headers":[["trace","1"],["trace",null],["\u0001",{"base64":"/w=="}]]}"#;
    assert!(text.contains(written), "{text}");
    let mut reader = CaptureReader::try_new(&*bytes).expect("a header");
    assert_eq!(reader.read().expect("a record"), Some(with));
    assert_eq!(reader.read().expect("a record"), Some(record(None, None)));
}

#[test]
fn an_empty_capture_has_no_records() {
    let bytes = written(&[]);
    let mut reader = CaptureReader::try_new(&*bytes).expect("a header");
    assert_eq!(reader.read().expect("the end"), None);
    assert_eq!(reader.read().expect("still the end"), None);
}

proptest! {
    #[test]
    fn every_record_comes_back_exactly(
        sides in prop::collection::vec(any::<(Option<Vec<u8>>, Option<String>)>(), 0..8)
    ) {
        let records: Vec<_> = sides
            .iter()
            .map(|(key, value)| record(key.as_deref(), value.as_ref().map(String::as_bytes)))
            .collect();
        let bytes = written(&records);
        let mut reader = CaptureReader::try_new(&*bytes).expect("a header");
        for expected in &records {
            let found = reader.read().expect("a record");
            prop_assert_eq!(found.as_ref(), Some(expected));
        }
        prop_assert_eq!(reader.read().expect("the end"), None);
    }
}

#[test]
fn what_is_no_capture_is_refused_at_its_header() {
    for text in ["", "\n", "{}\n", LINE, "{\"capture\":\"else\",\"version\":1}\n", "\u{0}\n"] {
        let error = CaptureReader::try_new(text.as_bytes()).expect_err("no capture");
        assert!(matches!(error, WorkloadError::CaptureHeader), "{text:?}: {error}");
    }
    let later = "{\"capture\":\"cdc\",\"version\":2,\"more\":true}\n";
    let error = CaptureReader::try_new(later.as_bytes()).expect_err("a later version");
    assert!(matches!(error, WorkloadError::CaptureVersion { found: 2, known: 1 }), "{error}");
}

#[test]
fn a_broken_line_is_named_and_the_next_one_is_read() {
    let broken = [
        ("not JSON\n", "expected an object"),
        ("\n", "expected an object"),
        (
            "{\"topic\":\"t\",\"partition\":0,\"offset\":7,\"timestamp\":5,\"key\":null}\n",
            "expected",
        ),
        (&*LINE.replace("\"v\"", "7"), "base64"),
        (&*LINE.replace("\"v\"", "{\"base64\":\"?\"}"), "base64"),
        (&*LINE.replace("\"v\"", "{\"base64\":\"AA==\",\"more\":\"\"}"), "base64"),
        (&*LINE.replace("\"v\"", "{}"), "base64"),
        (&*LINE.replace("\"v\"", "\"\\ud800\""), "base64"),
        (&*LINE.replace("\"t\"", "null"), "topic"),
        (&*LINE.replace(":7", ":-7"), "start at 0"),
        (&*LINE.replace(":0", ":2147483648"), "expected an object"),
        (&*LINE.replace('{', "{\"unknown\":1,"), "expected an object"),
    ];
    for (line, reason) in broken {
        let text = format!("{HEADER}{line}{LINE}");
        let mut reader = CaptureReader::try_new(text.as_bytes()).expect("a header");
        let error = reader.read().expect_err(line).to_string();
        assert!(error.starts_with("line 2 of the capture is not a record: "), "{error}");
        assert!(error.contains(reason), "{line}: {error}");
        let next = reader.read().expect("the next line").expect("a record");
        assert_eq!((next.offset, next.value), (7, Some(&b"v"[..])));
    }
}

#[test]
fn a_capture_that_was_cut_short_is_an_error() {
    for length in 1..LINE.len() {
        let text = format!("{HEADER}{}", LINE.split_at(length).0);
        let mut reader = CaptureReader::try_new(text.as_bytes()).expect("a header");
        reader.read().expect_err("half a line is no record");
    }
}
