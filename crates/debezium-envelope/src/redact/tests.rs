//! Messages of every shape lose the values of named columns, and nothing else.

use super::*;

/// A value that must be nowhere in what is left.
const CANARY: &str = "canary-7c1e";

fn columns() -> Redactions {
    Redactions::from([
        ("email".to_owned(), Redaction::UnlessNull),
        ("na\u{ef}ve \"name\"".to_owned(), Redaction::Always),
        ("card".to_owned(), Redaction::Always),
    ])
}

fn redacted(value: &str) -> Result<String, RedactError> {
    let redacted = redact_value(value.as_bytes(), &columns(), &Limits::default())?;
    Ok(String::from_utf8(redacted.into_owned()).unwrap())
}

const SOURCE: &str = r#"{"version":"3.4","connector":"postgresql","name":"shop","lsn":7}"#;

/// Values with the canary in masked columns alone, and what is to be left of them.
fn readable() -> Vec<(String, String)> {
    let after =
        r#"{ "id" : 7,"email":"canary-7c1e","card" : {"x":["canary-7c1e"]}, "status":"é\n"}"#;
    let left = r#"{ "id" : 7,"email":"***","card" : "***", "status":"é\n"}"#;
    let before = r#"{"id":7,"email":null,"card":null,"status":null}"#;
    let before_left = r#"{"id":7,"email":null,"card":"***","status":null}"#;
    let envelope = |before: &str, after: &str| {
        format!(
            "{{\"before\":{before},\"after\":{after} , \"source\":{SOURCE},\"transaction\":null,\
             \"op\":\"u\",\"ts_ms\":1,\"ts_us\":1,\"ts_ns\":1}}"
        )
    };
    let mut pairs = vec![
        (envelope("null", after), envelope("null", left)),
        (envelope(before, after), envelope(before_left, left)),
        (envelope(after, "null"), envelope(left, "null")),
        (after.to_owned(), left.to_owned()),
        // The name of a column has escapes, and stands there twice.
        (
            r#"{"after":{"\u0065mail":"canary-7c1e","email":"canary-7c1e","na\u00efve \"name\"":"canary-7c1e"}}"#
                .to_owned(),
            r#"{"after":{"\u0065mail":"***","email":"***","na\u00efve \"name\"":"***"}}"#.to_owned(),
        ),
        // A row twice.
        (
            r#"{"after":{"card":"canary-7c1e"},"after":{"card":1},"\u0061fter":{"card":"canary-7c1e"}}"#
                .to_owned(),
            r#"{"after":{"card":"***"},"after":{"card":"***"},"\u0061fter":{"card":"***"}}"#.to_owned(),
        ),
        // No known form: wherever the name stands.
        (
            r#"{"id":1,"rows":[{"x":{"card":"canary-7c1e"}},[{"email":"canary-7c1e"}]],"card":[1]}"#
                .to_owned(),
            r#"{"id":1,"rows":[{"x":{"card":"***"}},[{"email":"***"}]],"card":"***"}"#.to_owned(),
        ),
        // A statement that the source quotes.
        (
            r#"{"op":"c","source":{"query":"INSERT 'canary-7c1e'"},"after":{"id":1}}"#.to_owned(),
            r#"{"op":"c","source":{"query":"***"},"after":{"id":1}}"#.to_owned(),
        ),
    ];
    let schema = r#"{"type":"struct","fields":[{"field":"email","type":"string"}]}"#;
    let wrapped: Vec<_> = pairs
        .iter()
        .flat_map(|(value, left)| {
            let wrap = |text: &str| format!("{{\"schema\":{schema} ,\"payload\":{text}}}\n");
            let bare = |text: &str| format!("{{\"payload\":{text},\"payload\":{text}}}");
            [(wrap(value), wrap(left)), (bare(value), bare(left))]
        })
        .collect();
    pairs.extend(wrapped);
    pairs
}

#[test]
fn values_of_the_columns_are_replaced_and_every_other_byte_stays() {
    for (value, left) in readable() {
        assert_eq!(redacted(&value).as_ref(), Ok(&left), "{value}");
        assert!(value.contains(CANARY) && !left.contains(CANARY));
    }
}

#[test]
fn a_text_without_such_a_column_is_given_as_it_is() {
    for value in [
        r#"{"schema":null,"payload":{"op":"t","source":{}}}"#,
        r#"{"after":{"id":1,"Email":"another column","email":null}}"#,
        r#"{"after":{"id":{"email":"inside a value of another column"}}}"#,
        r#"{"schema":{},"payload":null}"#,
        "{}",
    ] {
        let redacted = redact_value(value.as_bytes(), &columns(), &Limits::default());
        assert!(matches!(redacted, Ok(Cow::Borrowed(same)) if same == value.as_bytes()), "{value}");
    }
}

#[test]
fn where_a_row_could_hide_nothing_is_left() {
    for value in [
        r#""canary-7c1e""#,
        r#"["canary-7c1e"]"#,
        r#"{"schema":"canary-7c1e","payload":{}}"#,
        r#"{"schema":null,"payload":"canary-7c1e"}"#,
        r#"{"schema":null,"payload":["canary-7c1e"]}"#,
        r#"{"op":"c","source":{},"after":"{\"email\":\"canary-7c1e\"}"}"#,
        r#"{"op":"c","source":{},"before":["canary-7c1e"],"after":{}}"#,
        r#"{"op":"canary-7c1e","source":{},"after":{}}"#,
        r#"{"op":"c","source":"canary-7c1e","after":{}}"#,
        r#"{"op":"c","source":{},"after":{},"row":"canary-7c1e"}"#,
        r#"{"op":"c","source":{},"after":{},"ts_ms":"canary-7c1e"}"#,
        r#"{"op":"m","source":{},"message":{"content":"canary-7c1e"}}"#,
    ] {
        assert_eq!(redacted(value), Err(RedactError::UnknownShape), "{value}");
    }
}

#[test]
fn of_a_text_that_was_cut_anywhere_nothing_is_left() {
    for (value, left) in readable() {
        let whole = value.trim_end().len();
        for end in 0..value.len() {
            let cut = &value.as_bytes()[..end];
            match redact_value(cut, &columns(), &Limits::default()) {
                Ok(rest) => assert!(end >= whole && left.as_bytes().starts_with(&rest), "{end}"),
                Err(error) => assert_eq!(error, RedactError::NotJson, "{end} of {value}"),
            }
        }
    }
}

#[test]
fn bytes_that_are_no_text_and_text_behind_the_end_leave_nothing() {
    for value in [
        b"\xff\xfe{\x00".as_slice(),
        b"",
        b"canary-7c1e",
        b"{\"after\":{\"card\":\"\xffcanary-7c1e\"}}",
        b"\xef\xbb\xbf{}",
        br#"{"after":{}} "canary-7c1e""#,
        br#"{"after":{"card":canary-7c1e}}"#,
        br#"{"after":{"card":"canary-7c1e",}}"#,
    ] {
        let redacted = redact_value(value, &columns(), &Limits::default());
        assert_eq!(redacted, Err(RedactError::NotJson), "{value:?}");
    }
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let deep = format!("{{\"x\":{deep}}}");
    assert_eq!(redacted(&deep), Err(RedactError::NotJson));
}

#[test]
fn a_key_is_free_of_columns_only_when_that_is_certain() {
    let is_free = |key: &str| key_is_free_of(key.as_bytes(), &columns(), &Limits::default());
    for free in [
        r#"{"id":1}"#,
        r#"{"schema":{"type":"struct"},"payload":{"id":1}}"#,
        r#"{"schema":null,"payload":null}"#,
        "{}",
    ] {
        assert!(is_free(free), "{free}");
    }
    for held in [
        r#"{"email":"canary-7c1e"}"#,
        r#"{"schema":{},"payload":{"id":1,"em\u0061il":"canary-7c1e"}}"#,
        r#""canary-7c1e""#,
        "7",
        "canary-7c1e",
        r#"{"id":"canary-7c1e""#,
        "",
    ] {
        assert!(!is_free(held), "{held}");
    }
}
