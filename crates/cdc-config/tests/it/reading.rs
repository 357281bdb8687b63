//! What correct files mean, and what each reader takes and refuses.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use cdc_config::{Document, ProblemKind, ProcessEnvironment, Section};

use crate::pipeline::{GOOD, Mode, read, read_in};

#[test]
fn reads_a_correct_file() {
    let settings = read(GOOD).unwrap();
    assert_eq!(settings.name, "orders");
    assert_eq!(settings.brokers, "localhost:9092");
    assert_eq!(settings.topics, ["dbserver1.public.orders", "dbserver1.public.items"]);
    assert_eq!(settings.fetch_bytes, 8 * 1024 * 1024);
    assert_eq!(settings.retry_for, Duration::from_mins(5));
    assert_eq!(settings.url.expose(), "postgres://app:hunter2@db/warehouse");
    assert_eq!(settings.lanes.get(), 4);
    assert_eq!(settings.port, 9464, "the default");
    let [orders, items] = settings.tables.as_slice() else { panic!("two tables") };
    assert_eq!(orders.source, ("public".to_owned(), "orders".to_owned()));
    assert_eq!((orders.mode, items.mode), (Mode::History, Mode::Mirror));
    assert_eq!(orders.columns.get("amount").map(String::as_str), Some("decimal(10,2)"));
    assert_eq!((orders.soft_delete, items.soft_delete), (false, true));
}

#[test]
fn reads_the_same_from_inline_tables_and_dotted_keys() {
    let text = r#"
        pipeline.name = "orders"
        source.kafka = { brokers = "b", topics = ["t"] }
        sink = { postgres.url = "postgres://localhost/db" }
        table = [{ source = "a.b", mode = "mirror" }]
    "#;
    let settings = read(text).unwrap();
    assert_eq!(settings.url.expose(), "postgres://localhost/db");
    assert_eq!(settings.tables.len(), 1);
}

/// The text forms of the problems that `reader` has with `text`, without their source lines.
fn problems(text: &str, reader: impl FnOnce(&Section<'_>)) -> Vec<String> {
    let document = Document::parse("f", text);
    reader(&document.root());
    let Err(problems) = document.into_result(Some(())) else { return Vec::new() };
    let headline = |problem: &_| {
        let text = format!("{problem}");
        text.lines().next().unwrap_or_default().to_owned()
    };
    problems.iter().map(|problem: &cdc_config::Problem| headline(problem)).collect()
}

#[test]
fn names_what_each_reader_expects() {
    let text = r#"
        string = 1
        empty = ""
        flag = "true"
        integer = "7"
        range = 70000
        huge = 99999999999999999999
        zero = 0
        duration = 10
        size = "40 mib"
        word = "histroy"
        lone = "a"
        none = []
        mixed = ["a", 1]
        map = { a = 1 }
        reference = { env = "A" }
        time = 1979-05-27
    "#;
    let found = problems(text, |root| {
        root.optional_string("string");
        root.required_string("empty");
        root.boolean("flag", false);
        root.integer("integer", 1..=9, 1_u8);
        root.integer("range", 1..=u16::MAX, 1);
        root.integer("huge", 1..=u16::MAX, 1);
        root.optional_positive("zero");
        root.optional_duration("duration");
        root.optional_bytes("size");
        root.one_of("word", &[("history", 1), ("mirror", 2)], 1);
        root.strings("lone");
        root.required_strings("none");
        root.strings("mixed");
        root.string_map("map");
        root.string("reference", "");
        root.boolean("time", false);
    });
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn gives_defaults_and_nothing_for_missing_keys_without_a_problem() {
    let found = problems("", |root| {
        assert_eq!(root.string("a", "d"), "d");
        assert!(root.boolean("b", true));
        assert_eq!(root.integer("c", 1..=9, 5), 5);
        assert_eq!(root.duration("d", Duration::from_millis(5)), Duration::from_millis(5));
        assert_eq!(root.bytes("e", 7), 7);
        assert_eq!(root.one_of("f", &[("x", 1)], 2), 2);
        assert_eq!(root.parsed("g", 3, str::parse::<i32>), 3);
        assert!(root.strings("h").is_empty() && root.entries("i").is_empty());
        assert!(root.optional_secret("j").is_none() && root.optional_section("k").is_none());
        assert!(root.sections("l").is_empty() && !root.contains("m"));
    });
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn reports_keys_nobody_asked_for_even_in_sections_nobody_opened() {
    let found = problems("[a]\nx = 1\n[b.c]\ny = 2\nz = 3", |root| {
        root.section("b").section("c").contains("y");
    });
    assert_eq!(
        found,
        ["f:1:2  a  unknown key; allowed: b", "f:5:1  b.c.z  unknown key; allowed: y",]
    );
}

#[test]
fn lists_keys_in_file_order_without_asking_for_them() {
    let found = problems("[s]\nb = 1\n\"a.x\" = 2\n", |root| {
        assert_eq!(root.section("s").keys(), ["b", "a.x"]);
        root.section("s").contains("b");
    });
    assert_eq!(found, ["f:3:1  s.\"a.x\"  unknown key; allowed: b"]);
}

#[test]
fn never_takes_a_reader_without_settings_for_a_success() {
    let document = Document::parse("f", "");
    let problems = document.into_result(None::<()>).unwrap_err();
    assert_eq!(
        problems.iter().map(cdc_config::Problem::kind).collect::<Vec<_>>(),
        [ProblemKind::Unsuitable]
    );
}

#[test]
fn finds_secret_files_beside_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = std::fs::File::create(folder.path().join("url")).unwrap();
    file.write_all(b"postgres://db\r\n").unwrap();
    let configuration = folder.path().join("pipeline.toml");
    let with = |reference: &str| GOOD.replace(r#"{ env = "WAREHOUSE_URL" }"#, reference);
    let settings =
        read_in(&with(r#"{ file = "url" }"#), ProcessEnvironment::beside(&configuration)).unwrap();
    assert_eq!(settings.url.expose(), "postgres://db");

    let beside_nothing = ProcessEnvironment::beside(Path::new("pipeline.toml"));
    for reference in [r#"{ file = "/no/such/file" }"#, r#"{ env = "CDC_CONFIG_NO_SUCH_NAME" }"#] {
        let problems = read_in(&with(reference), beside_nothing.clone()).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems}");
    }
}
