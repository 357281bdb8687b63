//! SQL into a real PostgreSQL.

use cdc_stack::postgres::Cluster;
use serde_json::Value;

use crate::program::{program, refusal, summary, text};

const TOTALS: &str = "select count(*), coalesce(sum(amount) * 100, 0)::bigint from orders";

fn database() -> (String, String) {
    let cluster = Cluster::shared();
    let database = cluster.fresh_database("seed").expect("a database");
    let url = cluster.url(&database);
    (database, url)
}

fn ask(database: &str, sql: &str) -> String {
    Cluster::shared().psql(database, sql).expect("an answer")
}

fn totals(summary: &Value) -> String {
    format!("{}|{}", summary["rows"], summary["amount_cents"].as_str().expect("text"))
}

#[test]
fn the_database_ends_with_what_the_summary_says() {
    let (database, url) = database();
    let mut arguments = vec!["sql", "--url", &url, "--create-table", "--rate", "0"];
    arguments.extend(["--count", "400", "--preload", "300", "--per-transaction", "10"]);
    let summary = summary(&arguments);
    assert_eq!(summary["changes"], 700);
    assert_eq!(ask(&database, TOTALS), totals(&summary));
    let identity = "select relreplident from pg_class where relname = 'orders'";
    assert_eq!(ask(&database, identity), "f", "deletes carry the whole row");
    let is_now = "set timezone = 'UTC'; select bool_and(
        created_at > localtimestamp - interval '10 minutes' and created_at <= localtimestamp
    ) from orders";
    assert_eq!(ask(&database, is_now), "t", "live traffic has the times of now");
    let own = "insert into orders (customer_id) values (1) returning order_id";
    assert_eq!(ask(&database, own), "701", "the application's own keys are free");
}

#[test]
fn a_second_hostile_run_goes_on_beside_the_rows_of_the_first() {
    let (database, url) = database();
    let run = |seed: &str| {
        let mut arguments = vec!["sql", "--url", &url, "--create-table", "--rate", "0"];
        arguments.extend(["--count", "300", "--hostile", "--seed", seed]);
        summary(&arguments)
    };
    let first = run("1");
    assert_eq!(ask(&database, TOTALS), totals(&first));
    let second = run("2");
    let rows = |summary: &Value| summary["rows"].as_u64().expect("a number");
    let count = ask(&database, "select count(*) from orders");
    assert_eq!(count, (rows(&first) + rows(&second)).to_string());
}

#[test]
fn a_missing_table_is_named_with_the_way_out() {
    let (_, url) = database();
    let (code, message) = refusal(&["sql", "--url", &url]);
    assert_eq!(code, Some(4));
    assert!(message.contains("no table public.orders"), "{message}");
    assert!(message.contains("--create-table"), "{message}");
}

#[test]
fn the_words_of_the_database_explain_a_refusal() {
    let (database, url) = database();
    ask(&database, cdc_workload::sql::CREATE_TABLE);
    ask(&database, "alter table orders add constraint dear check (amount > 490)");
    let (code, message) = refusal(&["sql", "--url", &url, "--rate", "0", "--quiet"]);
    assert_eq!(code, Some(4));
    assert!(message.contains("the database refused the traffic"), "{message}");
    assert!(message.contains("dear"), "{message}");
}

#[test]
fn an_unreachable_database_is_a_fault_of_the_environment_and_its_password_stays_hidden() {
    let url = "postgres://someone:hunter2@127.0.0.1:1/orders_db";
    let (code, message) = refusal(&["sql", "--url", url]);
    assert_eq!(code, Some(4));
    assert!(message.contains("cannot use the database"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn without_psql_the_line_that_installs_it_is_shown() {
    let output = program()
        .args(["sql", "--url", "postgres://localhost/orders_db"])
        .env("PATH", "/nonexistent")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(4));
    let message = text(&output.stderr);
    assert!(message.contains("apt-get install postgresql-client"), "{message}");
}
