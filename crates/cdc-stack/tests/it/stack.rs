//! A change made in the source arrives in Kafka, also after broker and worker were killed.

use std::time::Duration;

use cdc_stack::connector::{ConnectorConfig, SchemaBlock};
use cdc_stack::kafka::{Broker, BrokerOptions};
use cdc_stack::postgres::Durability;
use cdc_stack::{Stack, StackError, StackOptions, Warehouse};

use crate::answers::{HTTP, KAFKA, Question};
use crate::processes::{processes_of, wait_until};

const LIMIT: Duration = Duration::from_mins(1);

/// The first `count` values of a topic, one a line.
fn values(broker: &Broker, topic: &str, count: usize) -> Vec<String> {
    let (bootstrap, count) = (broker.bootstrap(), count.to_string());
    let arguments = ["--bootstrap-server", &bootstrap, "--topic", topic, "--from-beginning"];
    let limits = ["--max-messages", &count, "--timeout-ms", "60000"];
    let output = broker.tool("kafka.tools.ConsoleConsumer", &[&arguments[..], &limits].concat());
    output.unwrap().lines().map(str::to_owned).collect()
}

/// Starting Java is the cost of these tests, so one stack serves them all, in one order.
#[test]
fn changes_arrive_in_kafka_and_go_on_after_crashes() {
    let stack = Stack::start(&StackOptions {
        warehouse: Warehouse::WithSource,
        durability: Durability::Relaxed,
        ..StackOptions::default()
    })
    .unwrap();
    databases_have_the_seeds_names(&stack);

    let bare = stack.orders_connector();
    stack.register(&bare).unwrap();
    let insert = "insert into orders (customer_id, product_name, amount, status) values ";
    let insert = |row: &str| stack.source().psql("orders_db", &format!("{insert} {row}")).unwrap();
    insert("(1, 'Widget A', 10.50, 'pending')");
    let seen = values(stack.broker(), &bare.topic("public.orders"), 1);
    let value: serde_json::Value = serde_json::from_str(&seen[0]).unwrap();
    assert_eq!(value["after"]["product_name"], "Widget A", "{value}");
    assert_eq!(value["op"], "c", "the table was empty when the snapshot was taken: {value}");

    with_schema_block_messages_describe_themselves(&stack);
    a_failed_task_is_an_error_with_its_trace(&stack);

    frozen_servers_answer_when_thawed(&stack);

    stack.connect().kill();
    stack.broker().kill();
    insert("(2, 'Gadget X', 20.25, 'shipped')");
    stack.broker().restart().unwrap();
    stack.connect().restart().unwrap();
    stack.connect().wait_running(&bare.name, LIMIT).unwrap();
    wait_until("the second order's arrival", || {
        // The first may come twice: a killed worker has not saved how far it was.
        let seen = values(stack.broker(), &bare.topic("public.orders"), 2);
        seen.iter().any(|value| value.contains("Gadget X")) || {
            let seen = values(stack.broker(), &bare.topic("public.orders"), 3);
            seen.iter().any(|value| value.contains("Gadget X"))
        }
    });

    let folders = [stack.broker().log(), stack.connect().log()];
    let folders = folders.map(|log| log.parent().unwrap().to_owned());
    stack.broker().freeze().unwrap();
    stack.connect().freeze().unwrap();
    drop(stack);
    for folder in folders {
        assert!(processes_of(&folder).is_empty(), "left behind: {:?}", processes_of(&folder));
        assert!(!folder.exists());
    }
}

fn databases_have_the_seeds_names(stack: &Stack) {
    let identity = "select relreplident from pg_class where relname = 'orders'";
    assert_eq!(stack.source().psql("orders_db", identity).unwrap(), "f");
    let owner = "select pg_get_userbyid(datdba) from pg_database where datname = 'analytics'";
    assert_eq!(stack.warehouse().psql("analytics", owner).unwrap(), "warehouse");
    assert!(stack.warehouse_url().starts_with("postgres://warehouse@127.0.0.1:"));
}

fn with_schema_block_messages_describe_themselves(stack: &Stack) {
    let source = stack.source();
    let tables = ["public.orders"];
    let described = ConnectorConfig {
        schemas: SchemaBlock::On,
        ..ConnectorConfig::isolated("described", source.port(), "orders_db", &tables)
    };
    stack.register(&described).unwrap();
    let seen = values(stack.broker(), &described.topic("public.orders"), 1);
    let value: serde_json::Value = serde_json::from_str(&seen[0]).unwrap();
    assert!(value["schema"].is_object() && value["payload"]["op"] == "r", "{value}");
    stack.connect().delete_connector(&described.name).unwrap();
}

fn frozen_servers_answer_when_thawed(stack: &Stack) {
    let kafka = || Question::ask(stack.broker().port(), KAFKA);
    let connect = || {
        let url = stack.connect().url();
        Question::ask(url.rsplit_once(':').unwrap().1.parse().unwrap(), HTTP)
    };
    kafka().is_answered();
    connect().is_answered();
    // One at a time: a worker whose broker is silent for long answers late itself.
    stack.connect().freeze().unwrap();
    let mut question = connect();
    question.stays_open();
    kafka().is_answered();
    stack.connect().thaw();
    question.is_answered();

    stack.broker().freeze().unwrap();
    let mut question = kafka();
    question.stays_open();
    stack.broker().thaw();
    question.is_answered();
}

fn a_failed_task_is_an_error_with_its_trace(stack: &Stack) {
    let mut broken = ConnectorConfig::isolated("broken", stack.source().port(), "orders_db", &[]);
    broken.tables.push("public.orders".to_owned());
    // A slot of this name exists for another plugin, which only the task finds out.
    let slot = "select pg_create_logical_replication_slot('broken', 'test_decoding')";
    match stack.source().psql("orders_db", slot) {
        Ok(_) => {}
        Err(error) => panic!("cannot prepare the fault: {error}"),
    }
    let error = stack.register(&broken).unwrap_err();
    assert!(matches!(error, StackError::ConnectorFailed { .. }), "{error}");
    assert!(error.to_string().contains("broken"), "{error}");
    stack.connect().delete_connector(&broken.name).unwrap();
}

#[test]
fn a_broker_that_cannot_start_shows_the_end_of_its_log() {
    let settings = vec![("log.retention.ms".to_owned(), "soon".to_owned())];
    let error = Broker::start(&BrokerOptions { settings, ..BrokerOptions::default() }).unwrap_err();
    assert!(matches!(error, StackError::Start { .. }), "{error}");
    assert!(error.to_string().contains("log.retention.ms"), "{error}");
}
