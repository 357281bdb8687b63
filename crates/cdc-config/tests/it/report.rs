//! The report as people see it: everything at once, one problem for one mistake.

use crate::pipeline::{GOOD, read};

#[test]
fn reports_a_dozen_different_mistakes_at_once() {
    let text = r#"
[pipeline]
name = 42
lanes = 0

[source.kafka]
broker = "localhost:9092"
topics = "dbserver1.public.orders"
fetch_bytes = 8388608
retry_for = "5 minutes"

[sink.postgres]
url = "postgres://app:hunter2@db/warehouse"

[[table]]
source = "orders"
mode = "histroy"
columns = { amount = "decimal", created_at = "timestamp(micros)" }

[[table]]
source = "public.items"
soft-delete = true
"#;
    let problems = read(text).unwrap_err();
    insta::assert_snapshot!(problems);
    assert_eq!(problems.len(), 12);
}

#[test]
fn points_at_the_section_that_lacks_a_key() {
    let text =
        GOOD.replace("mode = \"mirror\"\n", "").replace("brokers = \"localhost:9092\"\n", "");
    insta::assert_snapshot!(read(&text).unwrap_err());
}

#[test]
fn names_what_a_missing_section_needs() {
    insta::assert_snapshot!(read("").unwrap_err());
}

#[test]
fn says_where_a_misplaced_key_belongs() {
    let text = GOOD
        .replace("brokers = \"localhost:9092\"\n", "")
        .replace("lanes = 4", "brokers = \"localhost:9092\"");
    insta::assert_snapshot!(read(&text).unwrap_err());
}

#[test]
fn tells_a_single_table_from_an_array_of_tables() {
    let text = "[table]\nsource = \"a.b\"\n[pipeline]\nname=\"x\"\n[source]\nkafka = 1\n[sink]\n";
    insta::assert_snapshot!(read(text).unwrap_err());
}

#[test]
fn reports_syntax_errors_together_with_other_mistakes() {
    let text = GOOD
        .replace("name = \"orders\"", "name = orders")
        .replace("retry_for = \"5m\"", "retry_for = \"5\"\nretry_for = \"6m\"")
        .replace("\"dbserver1.public.items\"]", "\"dbserver1.public.items\"")
        .replace("lanes = 4", "lanse = 4");
    insta::assert_snapshot!(read(&text).unwrap_err());
}

#[test]
fn keeps_what_follows_an_unclosed_header_out_of_the_report() {
    insta::assert_snapshot!(read(&GOOD.replace("[source.kafka]", "[source.kafka")).unwrap_err());
}

#[test]
fn shows_a_long_line_around_the_mistake() {
    let long = "é".repeat(300);
    let text = GOOD.replace(
        "columns = {",
        &format!("columns = {{ first = \"({long})\", wrong = 1, last = \"({long})\","),
    );
    insta::assert_snapshot!(read(&text).unwrap_err());
}
