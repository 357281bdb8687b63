//! The reader held against `serde_json`, token by token and on arbitrary text.

use proptest::prelude::*;

use super::{JsonError, Reader};
use crate::limits::Limits;

fn skip(text: &str) -> Result<(), JsonError> {
    let mut reader = Reader::new(text, &Limits::default());
    reader.skip_value()?;
    reader.end()
}

fn unescape(text: &str) -> Result<String, JsonError> {
    let mut reader = Reader::new(text, &Limits::default());
    let token = reader.string()?;
    reader.end()?;
    Ok(reader.characters(&token).into_owned())
}

#[test]
fn accepts_and_refuses_what_the_grammar_does() {
    for good in [
        "null",
        " true ",
        "-0.5e+10",
        "0",
        "[]",
        "{}",
        "[1,[2,{\"a\":[]}],\"x\"]",
        "{\"a\":1,\"b\":{}}",
        "\"\\u00e9\\uD83C\\uDF89\"",
        "1E400",
    ] {
        assert_eq!(skip(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "nul",
        "01",
        "1.",
        ".5",
        "-",
        "1e",
        "+1",
        "[1,]",
        "{\"a\"}",
        "{\"a\":1,}",
        "{,}",
        "[1 2]",
        "\"\\x\"",
        "\"\u{1}\"",
        "\"open",
        "\"\\uD83C\"",
        "\"\\uDF89\"",
        "\"\\uD83C\\u0041\"",
        "NaN",
        "{1:2}",
        "[}",
        "{]",
        "null null",
        "\"\\u12\"",
    ] {
        assert!(skip(bad).is_err(), "{bad}");
    }
}

#[test]
fn joins_surrogate_pairs_and_keeps_raw_characters() {
    assert_eq!(unescape(r#""日\uD83C\uDF89\n\"ü""#).as_deref(), Ok("日🎉\n\"ü"));
}

#[test]
fn refuses_a_million_brackets_at_the_depth_limit() {
    for bracket in ["[", "{\"a\":"] {
        let text = bracket.repeat(1_000_000);
        assert!(matches!(skip(&text), Err(JsonError::TooDeep { .. })));
    }
}

#[test]
fn counts_values_against_the_token_limit() {
    let limits = Limits { tokens_max: 10, ..Limits::default() };
    let mut reader = Reader::new("[1,2,3,4,5,6,7,8,9,10,11]", &limits);
    assert_eq!(reader.skip_value(), Err(JsonError::TooManyTokens));
}

proptest! {
    #[test]
    fn agrees_with_serde_json_on_arbitrary_fragments(
        text in r#"([\[\]{}:,"0-9eE+.\-\\u/ntf ]|null|true|"a":|\\uD83C|\\uDF89|é){0,24}"#,
    ) {
        let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok()
            && serde_json::from_str::<serde_json::Value>(&text)
                .map_or_else(|error| error.to_string().contains("out of range"), |_| true);
        prop_assert_eq!(skip(&text).is_ok(), theirs);
    }

    #[test]
    fn reads_every_string_that_serde_json_writes(text in any::<String>()) {
        let written = serde_json::to_string(&text).unwrap();
        prop_assert_eq!(unescape(&written).unwrap(), text);
    }
}
