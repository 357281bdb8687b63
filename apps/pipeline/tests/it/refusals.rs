//! What a run refuses before it starts, each with its place, what was expected, and what to do.

use std::time::{Duration, Instant};

use cdc_workload::{Workload, WorkloadOptions};

use crate::rig::topic::{envelopes, letters};
use crate::rig::{Deployment, Ended, Mode, Topic, Warehouse, program};

/// Fix the file or the command line.
const CONFIGURATION: i32 = 2;
/// Tables, columns and values do not fit together.
const DATA: i32 = 3;
/// Something around the program is missing.
const ENVIRONMENT: i32 = 4;

/// A deployment that would run, over a topic with some orders.
fn ready(name: &str, mode: Mode) -> Deployment<'static> {
    let topic = Topic::shared(&format!("{name}.public.orders"), 1);
    let orders: Vec<_> = Workload::new(WorkloadOptions::default()).take(10).collect();
    topic.publish(&letters(&mut envelopes(), &orders));
    Deployment::new(name, mode, &topic, Warehouse::shared(name)).initialised()
}

/// Runs what must be refused. Nothing may have been read.
fn refused(deployment: &Deployment<'_>, code: i32) -> Ended {
    let ended = deployment.execute(&["run"]).expect_code(code);
    assert_eq!(deployment.applied(), 0, "refused before the start");
    ended
}

#[test]
fn an_unknown_target_table() {
    let mut deployment = ready("no_table", Mode::History);
    deployment.target = "public.orders_facts".to_owned();
    refused(&deployment, DATA).expect_words(&[
        "public.orders_facts",
        "did you mean public.orders_fact?",
        "has no table",
        "correct `target` of the [[table]] of public.orders",
        "order_id, customer_id, product_name, status",
        "then prints the statement that creates the table",
    ]);
    let others = "{ order_id = \"int32\", customer_id = \"int32\", product_name = \"text\", \
                  status = \"text\", ";
    deployment.table = deployment.table.replace("{ ", others);
    let statement = "CREATE TABLE \"public\".\"orders_facts\" (\"order_id\" integer, ";
    refused(&deployment, DATA).expect_words(&[statement, "\"amount\" numeric(10,2)"]);
}

#[test]
fn a_column_that_the_target_lacks() {
    let deployment = ready("no_column", Mode::Mirror);
    deployment.warehouse.ask("alter table orders_current drop column amount");
    refused(&deployment, DATA).expect_words(&[
        "public.orders_current has no column amount for the source's decimal(10,2)",
        "ADD COLUMN \"amount\" numeric(10,2)",
    ]);
}

#[test]
fn a_pair_of_types_that_cannot_be_exact() {
    let deployment = ready("inexact", Mode::History);
    let narrower = "drop view sales_dashboard, orders_latest, orders_changes; \
                    alter table orders_fact alter amount type numeric(10,1)";
    deployment.warehouse.ask(narrower);
    refused(&deployment, DATA).expect_words(&[
        "amount",
        "decimal(10,2) cannot be written exactly to numeric(10,1)",
        "change the target column's type to numeric(10,2)",
    ]);
}

#[test]
fn a_decimal_without_schema_and_without_declared_scale() {
    let mut deployment = ready("undeclared", Mode::History);
    deployment.table =
        r#"columns = { created_at = "timestamp(micros)", updated_at = "timestamp(micros)" }"#
            .to_owned();
    refused(&deployment, DATA).expect_words(&[
        "amount",
        "undeclared values cannot be written exactly to numeric(10,2)",
        "columns = { amount = \"decimal(10,2)\" }",
    ]);
}

#[test]
fn missing_rights() {
    let mut deployment = ready("rightless", Mode::History);
    deployment.warehouse.ask("create role rightless login");
    deployment.url = deployment.warehouse.url_for("rightless");
    refused(&deployment, ENVIRONMENT).expect_words(&["rightless", "GRANT", "orders_fact", "cdc"]);
}

#[test]
fn a_mirror_with_another_unique_index() {
    let deployment = ready("second_key", Mode::Mirror);
    deployment.warehouse.ask("create unique index one_product on orders_current (product_name)");
    refused(&deployment, DATA).expect_words(&[
        "public.orders_current",
        "one_product",
        "drop one_product",
    ]);
}

#[test]
fn a_mirror_that_follows_truncates_over_several_partitions() {
    let topic = Topic::shared("wide_mirror.public.orders", 3);
    let warehouse = Warehouse::shared("wide_mirror");
    let deployment = Deployment::new("wide_mirror", Mode::Mirror, &topic, warehouse).initialised();
    refused(&deployment, CONFIGURATION).expect_words(&[
        "truncates_across_partitions",
        "public.orders is mirrored from wide_mirror.public.orders, which has 3 partitions",
        "write `truncates = \"ignore\"` into the [[table]] of public.orders",
    ]);
    deployment.execute(&["check"]).expect_code(CONFIGURATION);
    let deployment = deployment.without_truncates();
    deployment.execute(&["check"]).expect_code(0);
}

/// The progress is that of the name: a mirror that joins it would stay empty without a word.
#[test]
fn a_table_that_is_new_to_a_pipeline_with_progress() {
    let mut deployment = ready("newcomer", Mode::History);
    deployment.run_until_caught_up();
    let applied = deployment.applied();
    let mirror = "create table orders_copy (order_id integer primary key, customer_id integer, \
                  product_name varchar(255), amount numeric(10,2), status varchar(50), \
                  created_at timestamp, updated_at timestamp, cdc_generation integer, \
                  cdc_offset bigint)";
    deployment.warehouse.ask(mirror);
    deployment.mode = Mode::Mirror;
    deployment.target = "public.orders_copy".to_owned();
    let commands: [&[&str]; 3] = [&["init"], &["check"], &["run", "--until-caught-up"]];
    for command in commands {
        let ended = deployment.execute(command).expect_code(CONFIGURATION);
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(said.contains("public.orders_copy (from public.orders) is new"), "{said}");
        assert!(said.contains("DELETE FROM cdc.checkpoint WHERE pipeline = 'newcomer'"), "{said}");
    }
    assert_eq!(deployment.applied(), applied);
    deployment.warehouse.ask("delete from cdc.checkpoint");
    deployment.run_until_caught_up();
    assert_ne!(deployment.warehouse.count("select count(*) from orders_copy"), 0);
}

#[test]
fn every_mistake_of_the_configuration_at_once() {
    let mut deployment = ready("misspelt", Mode::History);
    deployment.kafka = "retry_four = \"1s\"\n".to_owned();
    deployment.table.push_str("\ntarjet = \"x\"\nbefore = \"ful\"");
    refused(&deployment, CONFIGURATION).expect_words(&[
        "pipeline.toml:",
        "retry_four",
        "retry_for",
        "tarjet",
        "target",
        "one of \"auto\", \"full\", \"key\"",
        "did you mean \"full\"?",
    ]);
}

#[test]
fn a_topic_that_does_not_exist() {
    let mut deployment = ready("no_topic", Mode::History);
    deployment.topic = "no_topic.public.order".to_owned();
    refused(&deployment, CONFIGURATION).expect_words(&[
        "cannot find the topic `no_topic.public.order`",
        "did you mean `no_topic.public.orders`?",
        "correct `source.kafka.topics`",
        "Debezium creates the topic of a table with the first change",
    ]);
}

#[test]
fn a_broker_that_stays_away_for_the_stated_time() {
    let mut deployment = ready("no_broker", Mode::History);
    deployment.brokers = "127.0.0.1:1".to_owned();
    deployment.kafka = "retry_for = \"2s\"\n".to_owned();
    let began = Instant::now();
    refused(&deployment, ENVIRONMENT).expect_words(&[
        "cannot reach a Kafka broker at 127.0.0.1:1 within 2 s",
        "check `source.kafka.brokers`",
        "waiting for Kafka at 127.0.0.1:1 (up to 2 s)",
    ]);
    assert!(began.elapsed() >= Duration::from_secs(2), "it tried for {:?}", began.elapsed());
}

#[test]
fn a_warehouse_that_stays_away_for_the_stated_time() {
    let mut deployment = ready("no_server", Mode::History);
    deployment.url = "postgres://someone:hunter2@127.0.0.1:1/analytics".to_owned();
    deployment.postgres = "connect_patience = \"2s\"\n".to_owned();
    let began = Instant::now();
    let ended = refused(&deployment, ENVIRONMENT).expect_words(&[
        "warehouse",
        "for 2 s",
        "no session with 127.0.0.1:1/analytics, which `sink.postgres.url` names",
        "correct `sink.postgres.url`",
        "waiting for the warehouse at 127.0.0.1:1/analytics (up to 2 s)",
        "1 finding stands in the way",
    ]);
    assert!(began.elapsed() >= Duration::from_secs(2), "it tried for {:?}", began.elapsed());
    for secret in ["hunter2", "someone"] {
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
    }
}

#[test]
fn a_database_that_does_not_exist() {
    let mut deployment = ready("no_database", Mode::History);
    deployment.url.push_str("_elsewhere");
    refused(&deployment, ENVIRONMENT).expect_words(&["does not exist", "create the database"]);
}

#[test]
fn a_warehouse_without_state_tables() {
    let topic = Topic::shared("no_state.public.orders", 1);
    let deployment =
        Deployment::new("no_state", Mode::History, &topic, Warehouse::shared("no_state"));
    let ended = deployment.execute(&["run"]).expect_code(CONFIGURATION);
    ended.expect_words(&["cdc-pipeline init --config ", "pipeline.toml`"]);
}

#[test]
fn a_configuration_file_that_does_not_exist() {
    let output = program().args(["run", "--config", "elsewhere.toml"]).output();
    let output = output.expect("the program starts");
    assert_eq!(output.status.code(), Some(CONFIGURATION));
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("cannot read the configuration file elsewhere.toml"), "{words}");
    assert!(words.contains("name an existing file with --config"), "{words}");
}

#[test]
fn check_finds_the_same_and_says_when_all_is_well() {
    let mut deployment = ready("checked", Mode::History);
    let ended = deployment.execute(&["check"]).expect_code(0);
    assert!(ended.stdout.contains("ready"), "{}", ended.stdout);
    deployment.target = "public.orders_facts".to_owned();
    let ended = deployment.execute(&["check", "--json"]).expect_code(DATA);
    let found: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(found["findings"].as_array().map(Vec::len), Some(1), "{found}");
    let fix = found["findings"][0]["fix"].as_str().expect("a fix");
    assert!(fix.contains("correct `target`"), "{fix}");
}

#[test]
fn check_waits_no_longer_than_it_is_told_to() {
    let mut deployment = ready("impatient", Mode::History);
    deployment.brokers = "127.0.0.1:1".to_owned();
    deployment.url = "postgres://127.0.0.1:1/analytics".to_owned();
    let began = Instant::now();
    let ended = deployment.execute(&["check", "--wait", "1"]).expect_code(ENVIRONMENT);
    assert!(began.elapsed() < Duration::from_secs(20), "it waited for {:?}", began.elapsed());
    for words in
        ["cannot reach a Kafka broker at 127.0.0.1:1 within 1 s", "correct `sink.postgres.url`"]
    {
        assert!(ended.stdout.contains(words), "{words} is missing in:\n{}", ended.stdout);
    }
}

#[test]
fn a_misspelt_declared_column() {
    let mut deployment = ready("declared", Mode::History);
    deployment.table = deployment.table.replace("amount =", "amuont =");
    refused(&deployment, DATA).expect_words(&["declares amuont", "did you mean amount?"]);
}

#[test]
fn values_that_no_column_can_hold() {
    let topic = Topic::shared("unwritable.public.orders", 1);
    let orders: Vec<_> = Workload::new(WorkloadOptions::default()).take(12).collect();
    let mut last = letters(&mut envelopes(), &orders);
    last.retain(|letter| letter.value.is_some());
    for letter in &mut last {
        let value = letter.value.as_deref().expect("a value");
        let mut message: serde_json::Value = serde_json::from_slice(value).expect("JSON");
        for image in ["before", "after"] {
            if message[image].is_object() {
                message[image]["customer_id"] = "verysecret".into();
            }
        }
        letter.value = Some(message.to_string().into_bytes());
    }
    let count = last.len();
    topic.publish(&last);
    let name = "unwritable";
    let deployment =
        Deployment::new(name, Mode::History, &topic, Warehouse::shared(name)).initialised();
    let offset = format!("offset {}", count - 1);
    let ended = refused(&deployment, DATA).expect_words(&[
        "public.orders into public.orders_fact",
        "customer_id",
        "unwritable.public.orders",
        &format!("{count} of the {count} newest changes"),
        &offset,
    ]);
    assert!(!ended.stderr.contains("verysecret"), "no value is shown: {}", ended.stderr);
}
