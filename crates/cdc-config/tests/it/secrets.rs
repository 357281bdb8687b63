//! No mistake that a person can make with a password shows it.

use std::fmt::Write;

use cdc_config::{Document, Problems};

use crate::pipeline::{GOOD, environment, read};

const REFERENCE: &str = r#"url = { env = "WAREHOUSE_URL" }"#;

fn assert_hidden(problems: &Problems, what: &str) {
    let shown = format!("{problems} {problems:?}");
    assert!(!shown.contains("hunter2"), "{what}: {shown}");
    // Half a password is a leak too: quotation marks in it split it into two tokens.
    assert!(!shown.contains("hunt") && !shown.contains("er2"), "{what}: {shown}");
}

#[test]
fn no_mistake_around_a_secret_shows_it() {
    for line in [
        r#"url = "postgres://app:hunter2@db/w""#,
        r"url = 'postgres://app:hunter2@db/w'",
        r#"url = "hunter2""#,
        r"url = postgres://app:hunter2@db/w",
        r#"url = "postgres://app:hunter2@db/w"#,
        r#"url = postgres://app:hunter2@db/w""#,
        r#"url = "postgres://app:hunt"er2@db/w""#,
        r"url = hunt=er2",
        r#"url = "hunt"="er2""#,
        r"url = hunt er2",
        r"url hunter2",
        r"url: hunter2",
        r#"url = "a" hunter2"#,
        r#"url = "\hunter2""#,
        r#"url = """
hunter2
""""#,
        r#"url = """
x = hunter2
er2 = 1"#,
        r#"url = ["hunter2"]"#,
        r#"url = ["a"
"hunter2"]"#,
        r"url = [hunter2",
        r#"url = { env = "postgres://app:hunter2@db/w" }"#,
        r#"url = { env = "hunter2!" }"#,
        r#"url = { file = "postgres://app:hunter2@db/w" }"#,
        r#"url = { evn = "hunter2" }"#,
        r#"url = { password = "hunter2" }"#,
        r#"url = { env = "WAREHOUSE_URL", or = "hunter2" }"#,
        r#"url = { env = { file = "hunter2" } }"#,
        r#"url = { env "hunter2" }"#,
        r#"url = { env = "EMPTY" } # was hunter2"#,
        r#"url = { env = "A", file = "hunter2!" }"#,
        r#"ulr = "hunter2""#,
        r#"password = "hunter2""#,
        r#"pin = { a = ["hunter2"] }"#,
        "url = { env = \"WAREHOUSE_URL\" }\nurl = \"hunter2\"",
        "url = { env = \"WAREHOUSE_URL\" }\nurl.x = \"hunter2\"",
        "= \"hunter2\"",
        "\"url\" \"hunter2\"",
    ] {
        let problems = read(&GOOD.replace(REFERENCE, line)).unwrap_err();
        assert_hidden(&problems, line);
    }
}

#[test]
fn a_password_in_a_public_value_is_covered_too() {
    let text = GOOD
        .replace("\"localhost:9092\"", "[\"http://app:hunter2@db\"]")
        .replace("\"history\"", "\"http://app:hunter2@db\"");
    let problems = read(&text).unwrap_err();
    assert_eq!(problems.len(), 2, "{problems}");
    assert_hidden(&problems, "public");
}

#[test]
fn nothing_that_holds_a_secret_shows_it_in_debug_output() {
    let document = Document::parse("f", "url = \"hunter2\"").with_environment(environment());
    let section = document.root();
    let secret = section.required_secret("url");
    let settings = read(GOOD).unwrap();
    assert_eq!(settings.url.expose(), "postgres://app:hunter2@db/warehouse");
    let shown = format!("{document:?} {section:?} {secret:?} {:?} {settings:?}", environment());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn tells_what_is_wrong_with_a_reference() {
    let mut report = String::new();
    for line in [
        r#"url = "postgres://app:hunter2@db/w""#,
        r#"url = { env = "WAREHOUSE_ULR" }"#,
        r#"url = { env = "EMPTY" }"#,
        r#"url = { env = "not a name" }"#,
        r#"url = { file = "missing.txt" }"#,
        r#"url = { file = "empty.txt" }"#,
        r#"url = { evn = "WAREHOUSE_URL" }"#,
        r#"url = { env = "WAREHOUSE_URL", file = "password.txt" }"#,
        r"url = {}",
        r"url = 5432",
    ] {
        let problems = read(&GOOD.replace(REFERENCE, line)).unwrap_err();
        writeln!(report, "{problems}").unwrap();
    }
    insta::assert_snapshot!(report);
}

#[test]
fn reads_a_secret_from_a_file_without_its_line_break() {
    let text = GOOD.replace(REFERENCE, r#"url = { file = "password.txt" }"#);
    assert_eq!(read(&text).unwrap().url.expose(), "hunter2");
}
