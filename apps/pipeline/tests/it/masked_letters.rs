//! Letters of a table whose rules mask a column: nothing of its values is in the warehouse, and a retry
//! takes the record from Kafka as long as Kafka has it.

use std::fs;

use cdc_workload::{Workload, WorkloadOptions};
use serde_json::{Value, json};

use crate::dead_letters::{STATES, retry};
use crate::rig::topic::{Letter, envelopes, letters};
use crate::rig::{Deployment, Mode, Topic, Warehouse, hex};

const CANARY: &str = "canary-7c1e";

/// A customer that the target takes no orders of.
const REFUSED: i64 = 13;

const RULES: &str = r#"
[[table.rule]]
kind = "hash"
column = "product_name"
key = { env = "HASH_KEY" }
"#;

/// All messages stand at the place of one in the source, and as many as a test wants are refused.
const LETTERS: &str = "sent_again = \"apply\"\nrejected_percent_max = 100\n";

/// A message about an order of something that nobody may know.
fn message(order: i64, customer: i64) -> Letter {
    let mut workload = Workload::new(WorkloadOptions::default());
    let template = letters(&mut envelopes(), &workload.next()).pop().expect("a record");
    let value = template.value.as_deref().expect("a value");
    let mut message: Value = serde_json::from_slice(value).expect("JSON");
    message["op"] = json!("c");
    message["before"] = Value::Null;
    message["after"]["order_id"] = json!(order);
    message["after"]["customer_id"] = json!(customer);
    message["after"]["product_name"] = json!(format!("{CANARY} {order}"));
    let key = format!("{{\"order_id\":{order}}}").into_bytes();
    Letter { key, value: Some(message.to_string().into_bytes()) }
}

/// The same, cut off in the middle of its row.
fn torn(order: i64) -> Letter {
    let Letter { key, value } = message(order, 7);
    let mut value = value.expect("a value");
    let at = value.windows(CANARY.len()).position(|part| part == CANARY.as_bytes());
    value.truncate(at.expect("the canary") + CANARY.len());
    Letter { key, value: Some(value) }
}

fn strict(deployment: &Deployment<'_>) {
    deployment.warehouse.ask(&format!(
        "alter table orders_fact add constraint known check (customer_id <> {REFUSED}) not valid"
    ));
}

fn relax(deployment: &Deployment<'_>) {
    deployment.warehouse.ask("alter table orders_fact drop constraint known");
}

/// The tables in which the canary stands, as text or as hexadecimal digits.
fn tables_with_canary(warehouse: &Warehouse<'_>) -> String {
    let tables = "select format('%I.%I', schemaname, tablename) from pg_tables \
                  where schemaname in ('cdc', 'public') order by 1";
    let digits = hex(CANARY.as_bytes());
    let holds = |table: &&str| {
        let rows = format!(
            "select count(*) from {table} as r \
             where strpos(r::text, '{CANARY}') > 0 or strpos(r::text, '{digits}') > 0"
        );
        warehouse.count(&rows) > 0
    };
    let tables = warehouse.ask(tables);
    tables.lines().filter(holds).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_masked_letter_is_retried_from_kafka_and_stays_open_when_its_record_is_gone() {
    let topic = Topic::shared("masked.public.orders", 1);
    let warehouse = Warehouse::shared("masked");
    let mut deployment = Deployment::new("masked", Mode::History, &topic, warehouse);
    deployment.pipeline = LETTERS.to_owned();
    deployment.table.push_str(RULES);
    deployment.environment.push(("HASH_KEY", "correct horse".to_owned()));
    let deployment = deployment.initialised();
    let warehouse = &deployment.warehouse;
    strict(&deployment);
    topic.publish(&[message(1, REFUSED), message(2, 7), message(3, REFUSED), torn(4)]);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 3);
    assert_eq!(tables_with_canary(warehouse), "");
    let kept = "select string_agg(concat_ws(' ', \"offset\", masked, withheld, \
                    value_bytes > 0, octet_length(digest), raw_key is not null, \
                    convert_from(raw_value, 'UTF8')::json #>> '{after,product_name}'), ', ' \
                    order by \"offset\") from cdc.dead_letter";
    assert_eq!(warehouse.ask(kept), "0 t t 32 t ***, 2 t t 32 t ***, 3 t not_json t 32 t");

    let place = format!("{}/0/0", topic.name());
    let show = |more: &[&str]| {
        let arguments = [&["dead-letters", "show", &place], more].concat();
        deployment.execute(&arguments).expect_code(0).stdout
    };
    assert!(show(&[]).contains("a retry reads the record from Kafka"), "{}", show(&[]));
    assert!(show(&["--raw"]).contains("\"product_name\":\"***\""), "{}", show(&["--raw"]));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("letters.jsonl");
    let path = file.to_str().expect("a path");
    let exported = deployment.execute(&["dead-letters", "export", "--output", path]).expect_code(0);
    exported.expect_words(&["3 letters of them masked"]);
    assert!(!fs::read_to_string(&file).expect("a capture").contains(CANARY));

    relax(&deployment);
    let report = retry(&deployment, &["--cause", "check", "--dry-run"], 0);
    assert_eq!((&report["written"], &report["lost"]), (&json!(2), &json!(0)), "{report}");
    let report = retry(&deployment, &[], 3);
    assert_eq!((&report["written"], &report["failed"]), (&json!(2), &json!(1)), "{report}");
    assert_eq!(report["failures"][0]["stage"], "decode", "{report}");
    let rows = |orders: &str| {
        warehouse.ask(&format!(
            "select string_agg(concat_ws(' ', order_id, customer_id, length(product_name), \
                 product_name ~ '^[0-9a-f]*$', cdc_offset), ', ' order by order_id) \
             from orders_fact where order_id in ({orders})"
        ))
    };
    assert_eq!(rows("1,2,3,4"), "1 13 64 t 0, 2 7 64 t 1, 3 13 64 t 2");
    assert_eq!(warehouse.ask(STATES), "0 retried, 2 retried, 3 open");

    strict(&deployment);
    topic.publish(&[message(5, REFUSED), message(6, 7)]);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 1);
    relax(&deployment);
    topic.delete_before(5);
    let report = retry(&deployment, &[], 3);
    assert_eq!((&report["written"], &report["lost"]), (&json!(0), &json!(2)), "{report}");
    assert_eq!(report["lost_letters"][0]["reason"], "removed", "{report}");
    assert_eq!(report["lost_letters"][0]["first"][1]["offset"], 4, "{report}");
    let said = deployment.execute(&["dead-letters", "retry"]).expect_code(3);
    assert!(said.stdout.contains("the log, which begins at 5 now"), "{}", said.stdout);
    assert!(said.stdout.contains("at offset 4"), "{}", said.stdout);
    assert_eq!(warehouse.ask(STATES), "0 retried, 2 retried, 3 open, 4 open");
    let causes = "select string_agg(reason || ' ' || attempts, ', ' order by \"offset\") \
                  from cdc.dead_letter where state = 'open'";
    assert!(warehouse.ask(causes).ends_with(", check 2"), "{}", warehouse.ask(causes));

    // Another log under the name of the one in which the records stood.
    let topic = topic.created_again(1);
    topic.publish(&(0..6).map(|order| message(order, 7)).collect::<Vec<_>>());
    let report = retry(&deployment, &["--cause", "check"], 3);
    assert_eq!(report["lost_letters"][0]["reason"], "differs", "{report}");
    assert_eq!(rows("5"), "");
    assert_eq!(tables_with_canary(warehouse), "");
}

/// A mirror whose key is masked.
const BY_NAME: &str = "\
    create table public.orders_by_name ( \
        product_name text primary key, order_id int, customer_id int, amount numeric(10,2), \
        status text, created_at timestamp, updated_at timestamp, \
        cdc_generation int not null, cdc_offset bigint not null, \
        constraint known check (customer_id <> 13))";

/// A message whose key is what nobody may know.
fn message_by_name(order: i64, customer: i64) -> Letter {
    let key = json!({ "product_name": format!("{CANARY} {order}") });
    Letter { key: key.to_string().into_bytes(), ..message(order, customer) }
}

#[test]
fn a_letter_whose_key_is_masked_is_retried_from_kafka_under_the_key_that_its_row_has() {
    let topic = Topic::shared("maskedkey.public.orders", 1);
    let warehouse = Warehouse::shared("maskedkey");
    warehouse.ask(BY_NAME);
    let mut deployment = Deployment::new("maskedkey", Mode::Mirror, &topic, warehouse);
    deployment.target = "public.orders_by_name".to_owned();
    deployment.pipeline = LETTERS.to_owned();
    deployment.table.push_str(RULES);
    deployment.environment.push(("HASH_KEY", "correct horse".to_owned()));
    let deployment = deployment.initialised();
    let warehouse = &deployment.warehouse;
    topic.publish(&[message_by_name(1, REFUSED), message_by_name(2, 7)]);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 1);
    let rows = "select string_agg(concat_ws(' ', order_id, customer_id, length(product_name), \
                    product_name ~ '^[0-9a-f]*$', cdc_offset), ', ' order by order_id) \
                from orders_by_name";
    assert_eq!(warehouse.ask(rows), "2 7 64 t 1");
    // A later change of the row finds its letter, although neither says which row it is.
    topic.publish(&[message_by_name(1, 8)]);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 1);
    let kept = "select string_agg(concat_ws(' ', \"offset\", reason, masked, key_hidden, \
                    blocked_by is not null), ', ' order by \"offset\") from cdc.dead_letter";
    assert_eq!(warehouse.ask(kept), "0 check t t f, 2 behind_dead_letter t t t");
    assert_eq!(tables_with_canary(warehouse), "");

    warehouse.ask("alter table orders_by_name drop constraint known");
    let report = retry(&deployment, &[], 0);
    assert_eq!((&report["written"], &report["lost"]), (&json!(2), &json!(0)), "{report}");
    assert_eq!(warehouse.ask(rows), "1 8 64 t 2, 2 7 64 t 1");
    assert_eq!(warehouse.ask(STATES), "0 retried, 2 retried");
    // What is streamed has the same key: a hash of something else would be another row.
    topic.publish(&[message_by_name(1, 9)]);
    deployment.run_until_caught_up();
    assert_eq!(warehouse.ask(rows), "1 9 64 t 3, 2 7 64 t 1");
    assert_eq!(tables_with_canary(warehouse), "");
}
