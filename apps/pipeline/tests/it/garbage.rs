//! Records that are no changes, and rows that no target takes, among good ones.

use cdc_workload::{Mix, Oracle, Transaction, Workload, WorkloadOptions};
use serde_json::{Value, json};

use crate::rig::topic::{Letter, envelopes, letters};
use crate::rig::{Deployment, Mode, Topic, Warehouse, hex};

/// Good records between two bad ones: bad ones are the exception.
const NEIGHBOURS: usize = 5;

/// A bad record and what must be said of it.
#[derive(Debug)]
struct Bad {
    value: Vec<u8>,
    stage: &'static str,
    reason: &'static str,
    column: &'static str,
}

impl Bad {
    fn new(value: impl Into<Vec<u8>>, reason: &'static str) -> Self {
        Self { value: value.into(), stage: "decode", reason, column: "" }
    }

    fn in_column(
        value: &Value,
        stage: &'static str,
        reason: &'static str,
        column: &'static str,
    ) -> Self {
        Self { value: value.to_string().into_bytes(), stage, reason, column }
    }
}

/// Rows which nobody touches again, so that every one of them must be found.
fn good_rows(count: usize) -> Vec<Transaction> {
    let mix = Mix::try_new(1, 0, 0).expect("a mix of inserts");
    Workload::new(WorkloadOptions { mix, ..WorkloadOptions::default() }).take(count).collect()
}

/// A good message to spoil, as JSON and as its writer wrote it.
fn template() -> (Value, Letter) {
    let mut workload =
        Workload::new(WorkloadOptions { first_order_id: 900_000, ..WorkloadOptions::default() });
    let letter = letters(&mut envelopes(), &workload.next()).pop().expect("a record");
    let value = letter.value.as_deref().expect("a value");
    (serde_json::from_slice(value).expect("JSON"), letter)
}

fn with(message: &Value, pointer: &str, value: Value) -> Value {
    let mut message = message.clone();
    *message.pointer_mut(pointer).expect("a member of the message") = value;
    message
}

fn not_messages(whole: &[u8]) -> Vec<Bad> {
    let truncated = (1..whole.len()).map(|end| Bad::new(&whole[..end], "malformed_json"));
    let mut bad: Vec<Bad> = truncated.collect();
    bad.extend([
        Bad::new("", "empty_value"),
        Bad::new("[1, 2, 3]", "not_an_object"),
        Bad::new("\"text\"", "not_an_object"),
        Bad::new("17", "not_an_object"),
        Bad::new("{\"greeting\": \"hello\"}", "not_an_envelope"),
        Bad::new(b"{\"op\": \"\xff\xfe\"}", "invalid_utf8"),
        Bad::new("[".repeat(100_000), "too_deep"),
    ]);
    bad
}

fn not_changes(good: &Value) -> Vec<Bad> {
    let bad = |pointer, value, reason| Bad::new(with(good, pointer, value).to_string(), reason);
    vec![
        bad("/op", json!("x"), "unknown_operation"),
        bad("/op", json!(5), "invalid_field"),
        bad("/after", Value::Null, "missing_after"),
        bad("/after", json!("a row"), "invalid_field"),
        bad("/source/table", json!("customers"), "unknown_table"),
    ]
}

/// Rows that no target holds. Each has a key of its own, because later changes of a mirror's row wait behind
/// its first letter.
fn not_rows(good: &Value) -> Vec<Bad> {
    let mut key = 810_000;
    let mut bad = |stage, column, value, reason| {
        key += 1;
        let pointer = format!("/after/{column}");
        let message = with(&with(good, "/after/order_id", json!(key)), &pointer, value);
        Bad::in_column(&message, stage, reason, column)
    };
    vec![
        bad("decode", "amount", json!(true), "wrong_type"),
        bad("decode", "amount", json!("not base64!"), "decimal_invalid"),
        bad("decode", "created_at", json!("yesterday"), "wrong_type"),
        bad("encode", "customer_id", json!("many"), "wrong_type"),
        bad("encode", "order_id", json!(2_147_483_648_i64), "out_of_range"),
        // The bytes of 10^10 cents, one more than fit.
        bad("encode", "amount", json!("AlQL5AA="), "out_of_range"),
        bad("encode", "product_name", json!("x".repeat(256)), "too_long"),
        bad("encode", "product_name", json!("a\u{0}b"), "nul_character"),
    ]
}

/// Rows that only the server refuses: by NOT NULL and by CHECK. Each has a key of its own, because a
/// mirror shows the server only the last state of a key in a batch.
fn not_welcome(good: &Value) -> Vec<Bad> {
    let mut key = 800_000;
    let mut refused = |pointer, value, reason, column| {
        key += 1;
        let message = with(&with(good, "/after/order_id", json!(key)), pointer, value);
        Bad::in_column(&message, "apply", reason, column)
    };
    let mut one_of_each = |_| {
        [
            refused("/after/status", Value::Null, "not_null", "status"),
            refused("/after/customer_id", json!(-5), "check", "customer_id"),
        ]
    };
    // More than are cut out of one batch one by one.
    (0..8).flat_map(&mut one_of_each).collect()
}

/// The key that belongs to a message: that of its row, where it has one.
fn key_of(value: &[u8], otherwise: &[u8]) -> Vec<u8> {
    let message: Value = serde_json::from_slice(value).unwrap_or_default();
    let order_id = message.pointer("/after/order_id").and_then(Value::as_i64);
    order_id.map_or(otherwise.to_vec(), |id| format!("{{\"order_id\":{id}}}").into_bytes())
}

/// Good records with bad ones among them. Gives what is expected of the dead letters, by offset.
fn mixed(good: Vec<Letter>, bad: Vec<Bad>, key: &[u8]) -> (Vec<Letter>, Vec<String>) {
    let mut records = Vec::new();
    let mut expected = Vec::new();
    let mut bad = bad.into_iter();
    for (index, neighbour) in good.into_iter().enumerate() {
        if index % NEIGHBOURS == 0
            && let Some(Bad { value, stage, reason, column }) = bad.next()
        {
            let key = &*key_of(&value, key);
            expected.push(format!(
                "0|{}|{stage}|{reason}|{column}|{}|{}",
                records.len(),
                hex(key),
                hex(&value)
            ));
            records.push(Letter { key: key.to_vec(), value: Some(value) });
        }
        records.push(neighbour);
    }
    assert_eq!(bad.next().map(|bad| bad.reason), None, "every bad record has its place");
    (records, expected)
}

fn assert_letters(deployment: &Deployment<'_>, expected: &[String]) {
    let sql = "select partition, \"offset\", stage, reason, coalesce(column_name, ''), \
               encode(raw_key, 'hex'), encode(raw_value, 'hex') \
               from cdc.dead_letter order by \"offset\"";
    let found = deployment.warehouse.ask(sql);
    let found: Vec<&str> = found.lines().collect();
    let differing = found.iter().zip(expected).filter(|(found, expected)| *found != expected);
    let differing: Vec<_> =
        differing.map(|(found, expected)| (shorten(found), shorten(expected))).take(10).collect();
    assert!(differing.is_empty(), "{}, as (found, expected): {differing:#?}", deployment.name);
    assert_eq!(found.len(), expected.len(), "{}", deployment.name);
    let elsewhere = format!(
        "select count(*) from cdc.dead_letter where (pipeline, topic, state, source_table, \
         target_table) is distinct from ('{}', '{}', 'open', 'public.orders', '{}') \
         and reason <> 'unknown_table'",
        deployment.name, deployment.topic, deployment.target
    );
    assert_eq!(deployment.warehouse.count(&elsewhere), 0, "names of {}", deployment.name);
    let unhelpful = "select distinct reason from cdc.dead_letter \
                     where hint is null or message = '' order by 1";
    assert_eq!(deployment.warehouse.ask(unhelpful), "", "reasons without a hint");
    let codes = "select distinct reason, sqlstate from cdc.dead_letter where sqlstate is not null \
                 order by 1";
    assert_eq!(deployment.warehouse.ask(codes), "check|23514\nnot_null|23502");
}

/// The first words of a line: hexadecimal values are too long to be read.
fn shorten(line: &str) -> String {
    line.chars().take(120).collect()
}

fn becomes_dead_letters(mode: Mode) {
    let name = format!("garbage_{}", mode.word());
    let topic = Topic::shared(&format!("{name}.public.orders"), 1);
    let warehouse = Warehouse::shared(&name);
    let mut deployment = Deployment::new(&name, mode, &topic, warehouse);
    // The spoilt copies all stand at the place of one message in the source.
    deployment.pipeline = "sent_again = \"apply\"\n".to_owned();
    let deployment = deployment.initialised();
    let strict = format!(
        "alter table {table} alter status set not null; \
         alter table {table} add constraint real_customer check (customer_id > 0)",
        table = deployment.target
    );
    deployment.warehouse.ask(&strict);

    let (message, letter) = template();
    let whole = letter.value.clone().expect("a value");
    let mut bad = not_messages(&whole);
    bad.extend(not_changes(&message));
    bad.extend(not_rows(&message));
    bad.extend(not_welcome(&message));
    let good = good_rows(bad.len() * NEIGHBOURS);
    let oracle = Oracle::of(&good);
    let (mut records, expected) = mixed(letters(&mut envelopes(), &good), bad, &letter.key);
    // A whole message at last: what is spoilt leaves nothing behind that refuses it. It is of another row,
    // because a mirror holds later changes of a refused one back.
    let whole = with(&message, "/after/order_id", json!(900_001)).to_string().into_bytes();
    records.push(Letter { key: key_of(&whole, &letter.key), value: Some(whole) });
    topic.publish(&records);

    let summary = deployment.run_until_caught_up();
    assert_letters(&deployment, &expected);
    assert_eq!(summary["dead_lettered"], expected.len(), "{summary}");
    assert_eq!(summary["records"], records.len(), "{summary}");
    let rows =
        format!("select count(*), sum(amount) from {} where order_id < 800000", deployment.target);
    let cents = oracle.amount_cents();
    let expected = format!("{}|{}.{:02}", oracle.rows().len(), cents / 100, cents % 100);
    assert_eq!(deployment.warehouse.ask(&rows), expected, "neighbours are written");
    let whole = format!("select count(*) from {} where order_id >= 800000", deployment.target);
    assert_eq!(deployment.warehouse.count(&whole), 1);
    let again = deployment.run_until_caught_up();
    assert_eq!(again["records"], 0, "nothing is read twice: {again}");
}

#[test]
fn f105_f106_garbage_becomes_dead_letters_beside_the_rows_of_a_history() {
    becomes_dead_letters(Mode::History);
}

#[test]
fn f105_f106_garbage_becomes_dead_letters_beside_the_rows_of_a_mirror() {
    becomes_dead_letters(Mode::Mirror);
}

#[test]
fn a_refused_change_leaves_the_earlier_state_of_its_key_in_a_mirror() {
    let topic = Topic::shared("kept.public.orders", 1);
    let deployment =
        Deployment::new("kept", Mode::Mirror, &topic, Warehouse::shared("kept")).initialised();
    deployment.warehouse.ask("alter table orders_current alter status set not null");
    let mut records = letters(&mut envelopes(), &good_rows(20));
    let first = records.first().expect("a record").clone();
    let created: Value =
        serde_json::from_slice(first.value.as_deref().expect("a value")).expect("JSON");
    let row = created["after"].clone();
    let changed = |status: Value, customer: i64| {
        let mut update = with(&created, "/op", json!("u"));
        update["before"] = row.clone();
        update["after"]["status"] = status;
        update["after"]["customer_id"] = json!(customer);
        Letter { key: first.key.clone(), value: Some(update.to_string().into_bytes()) }
    };
    records.push(changed(json!("paid"), 77));
    records.push(changed(Value::Null, 78));
    topic.publish(&records);
    let summary = deployment.run_until_caught_up();
    assert_eq!(summary["dead_lettered"], 1, "{summary}");
    let row = "select status, customer_id from orders_current where order_id = 1";
    assert_eq!(deployment.warehouse.ask(row), "paid|77");
    assert_eq!(deployment.warehouse.ask("select count(*) from orders_current"), "20");
}
