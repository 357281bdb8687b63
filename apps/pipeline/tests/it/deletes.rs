//! Deletes of a table without full replica identity: the connector logs the key and invents the rest.

use cdc_testkit::captures::Capture;

use crate::rig::topic::Letter;
use crate::rig::{Deployment, Mode, Topic, Warehouse, assert_no_dead_letters};

const TARGET: &str = "create table required_history (
    a text, b numeric(10,2), c_bool boolean, c_int2 smallint, c_int8 bigint, c_double double precision,
    c_numeric numeric, c_numeric_12_4 numeric(12,4), c_text text, c_bytea bytea, c_date date,
    c_time time, c_timestamp timestamp, c_timestamptz timestamptz, c_jsonb jsonb, c_uuid uuid,
    operation_type text, cdc_generation integer, cdc_partition integer, cdc_offset bigint,
    cdc_ordinal integer, unavailable text[])";

const TABLE: &str = r#"
[[table]]
source = "public.required"
target = "public.required_history"
mode = "history"

[[table.rule]]
kind = "drop"
columns = [
    "c_money", "c_char", "c_bit12", "c_time3", "c_timetz", "c_timestamp3", "c_interval", "c_xml", "c_inet",
    "c_point", "c_int4range", "c_enum", "c_ltree", "c_hstore", "c_text_array", "c_int4_array",
]
"#;

/// A deployment whose second table gets what a real connector wrote about it.
fn deployment(name: &str, before: &str) -> Deployment<'static> {
    let orders = Topic::shared(&format!("{name}.public.orders"), 1);
    let required = Topic::shared(&format!("{name}.public.required"), 1);
    let capture = Capture::open("2.4.2", "default-schema");
    let written = capture.about.topics.get("public.required").expect("a captured table");
    let letters: Vec<Letter> = capture
        .messages
        .iter()
        .filter(|message| message.topic == *written)
        .filter_map(|message| {
            let key = capture.key(message)?.into_bytes();
            Some(Letter { key, value: capture.value(message).map(String::into_bytes) })
        })
        .collect();
    required.publish(&letters);
    let mut deployment = Deployment::new(name, Mode::History, &orders, Warehouse::shared(name));
    deployment.warehouse.ask(TARGET);
    deployment.other_topics.push(required.name().to_owned());
    let mode = "mode = \"history\"\n";
    deployment.table.push_str(&TABLE.replace(mode, &format!("{mode}{before}")));
    deployment.initialised()
}

const DELETES: &str = "select a, b, num_nonnulls(c_bool, c_int2, c_int8, c_double, c_numeric, \
    c_numeric_12_4, c_text, c_bytea, c_date, c_time, c_timestamp, c_timestamptz, c_jsonb, c_uuid), \
    cardinality(unavailable), 'c_jsonb' = any(unavailable), 'a' = any(unavailable) \
    from required_history where operation_type = 'd' order by b";

#[test]
fn a_history_of_deletes_holds_their_key_and_names_what_is_unknown() {
    let deployment = deployment("key_image", "");
    deployment.run_until_caught_up();
    assert_no_dead_letters(&deployment);
    // One is a change of the key from 1.50 to 2.50.
    let deletes = deployment.warehouse.ask(DELETES);
    assert_eq!(deletes, "second|1.50|0|14|t|f\nsecond|2.50|0|14|t|f");
    let rows =
        "select count(*), count(unavailable) from required_history where operation_type <> 'd'";
    assert_eq!(deployment.warehouse.ask(rows), "3|0");
}

#[test]
fn rows_before_deletes_are_taken_as_they_come_where_they_are_said_to_be_whole() {
    let deployment = deployment("full_image", "before = \"full\"\n");
    let summary = deployment.run_until_caught_up();
    // What stands for a document is none.
    assert_eq!(summary["dead_lettered"], 2, "{summary}");
    assert_eq!(deployment.warehouse.ask(DELETES), "");
}
