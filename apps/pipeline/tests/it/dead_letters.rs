//! `dead-letters`: what was refused is found, taken out, put aside, and applied again without being
//! applied twice, beside a running pipeline as well.

use cdc_workload::capture::CaptureReader;
use cdc_workload::{Workload, WorkloadOptions};
use serde_json::{Value, json};

use crate::rig::topic::{Letter, envelopes, letters};
use crate::rig::{Deployment, Mode, Topic, Warehouse, until};

/// Messages about orders, as a connector would send them.
struct Messages {
    template: Value,
    written: Vec<Letter>,
}

impl Messages {
    fn new() -> Self {
        let mut workload = Workload::new(WorkloadOptions::default());
        let letter = letters(&mut envelopes(), &workload.next()).pop().expect("a record");
        let value = letter.value.as_deref().expect("a value");
        Self { template: serde_json::from_slice(value).expect("JSON"), written: Vec::new() }
    }

    fn push(&mut self, order: i64, op: &str, before: Value, after: Value) {
        let mut message = self.template.clone();
        message["op"] = json!(op);
        message["before"] = before;
        message["after"] = after;
        let key = format!("{{\"order_id\":{order}}}").into_bytes();
        self.written.push(Letter { key, value: Some(message.to_string().into_bytes()) });
    }

    /// A row of an order; no target of these tests takes one without a status at first.
    fn row(&self, order: i64, status: Option<&str>, customer: i64) -> Value {
        let mut row = self.template["after"].clone();
        row["order_id"] = json!(order);
        row["status"] = json!(status);
        row["customer_id"] = json!(customer);
        row
    }

    fn insert(&mut self, order: i64, status: Option<&str>, customer: i64) {
        let row = self.row(order, status, customer);
        self.push(order, "c", Value::Null, row);
    }

    fn update(&mut self, order: i64, status: Option<&str>, customer: i64) {
        let row = self.row(order, status, customer);
        self.push(order, "u", Value::Null, row);
    }

    fn delete(&mut self, order: i64) {
        let row = self.row(order, Some("gone"), 0);
        self.push(order, "d", row, Value::Null);
    }

    fn publish(&mut self, topic: &Topic) -> u64 {
        topic.publish(&std::mem::take(&mut self.written));
        topic.records()
    }
}

/// A pipeline whose target takes no order without a status yet.
fn strict(name: &str, mode: Mode, topic: &Topic) -> Deployment<'static> {
    let mut deployment = Deployment::new(name, mode, topic, Warehouse::shared(name));
    deployment.pipeline = LETTERS.to_owned();
    let deployment = deployment.initialised();
    let table = &deployment.target;
    deployment.warehouse.ask(&format!("alter table {table} alter status set not null"));
    deployment
}

/// A pipeline with a rule that takes no order without a status; [`unruled`] takes it away.
fn ruled(name: &str, mode: Mode, topic: &Topic) -> Deployment<'static> {
    let mut deployment = Deployment::new(name, mode, topic, Warehouse::shared(name));
    deployment.pipeline = LETTERS.to_owned();
    deployment.table.push_str(RULE);
    deployment.without_truncates().initialised()
}

/// All messages stand at the place of one in the source, and as many as a test wants are refused.
const LETTERS: &str = "sent_again = \"apply\"\nrejected_percent_max = 100\n";

const RULE: &str = "\n[[table.rule]]\nkind = \"required\"\ncolumns = [\"status\"]\n";

fn unruled(mut deployment: Deployment<'_>) -> Deployment<'_> {
    deployment.table = deployment.table.replace(RULE, "");
    deployment
}

fn relax(deployment: &Deployment<'_>) {
    let table = &deployment.target;
    deployment.warehouse.ask(&format!("alter table {table} alter status drop not null"));
}

/// Retries letters, which must end so, and gives the report.
#[track_caller]
pub(crate) fn retry(deployment: &Deployment<'_>, more: &[&str], code: i32) -> Value {
    let arguments = [&["dead-letters", "retry", "--json"], more].concat();
    let ended = deployment.execute(&arguments).expect_code(code);
    let last = ended.stdout.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|_| panic!("no JSON: {}", ended.stdout))
}

/// What has become of each letter.
pub(crate) const STATES: &str = "select string_agg(format('%s %s', \"offset\", state), ', ' order by \"offset\") \
                      from cdc.dead_letter";

#[test]
fn a_retry_writes_into_a_history_what_it_takes_now_and_nothing_twice() {
    let topic = Topic::shared("letters.public.orders", 1);
    let deployment = strict("letters", Mode::History, &topic);
    let warehouse = &deployment.warehouse;
    let mut messages = Messages::new();
    for order in 0..20 {
        messages.insert(order, (order % 4 != 0).then_some("paid"), 7);
    }
    messages.written.push(Letter { key: b"no key".to_vec(), value: Some(b"no message".to_vec()) });
    messages.publish(&topic);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 6);

    let listed = deployment.execute(&["dead-letters", "list"]).expect_code(0).stdout;
    let first = "5 open: not_null (23502) in status, apply, public.orders to public.orders_fact";
    assert!(listed.starts_with(first), "{listed}");
    assert_eq!(listed.lines().last(), Some("6 letters in 2 causes"), "{listed}");

    // Nothing has changed: all of them fail again, and the rows beside them are not touched.
    let report = retry(&deployment, &[], 3);
    assert_eq!((&report["selected"], &report["failed"]), (&json!(6), &json!(6)), "{report}");
    assert_eq!(warehouse.ask("select min(attempts), max(attempts) from cdc.dead_letter"), "1|1");
    assert_eq!(warehouse.count("select count(*) from orders_fact"), 15);

    relax(&deployment);
    let report = retry(&deployment, &["--cause", "not_null", "--dry-run"], 0);
    assert_eq!((&report["written"], &report["dry_run"]), (&json!(5), &json!(true)), "{report}");
    assert_eq!(warehouse.count("select count(*) from orders_fact"), 15, "rolled back");
    assert_eq!(warehouse.count("select count(*) from cdc.dead_letter where state = 'open'"), 6);

    let report = retry(&deployment, &[], 3);
    assert_eq!((&report["written"], &report["failed"]), (&json!(5), &json!(1)), "{report}");
    assert_eq!(report["failures"][0]["stage"], "decode", "{report}");
    let rows = "select count(*), count(distinct cdc_offset), count(*) filter (where status is null) \
                from orders_fact";
    assert_eq!(warehouse.ask(rows), "20|20|5");
    assert_eq!(
        warehouse.ask(STATES),
        "0 retried, 4 retried, 8 retried, 12 retried, 16 retried, 20 open"
    );
    // The books say what was read and kept, which has not changed.
    deployment.execute(&["ledger"]).expect_code(0);

    // Letters that are open although the history has their rows, as after a pipeline started over.
    warehouse.ask("update cdc.dead_letter set state = 'open'");
    let report = retry(&deployment, &["--cause", "not_null"], 0);
    assert_eq!(
        (&report["written"], &report["already_present"]),
        (&json!(0), &json!(5)),
        "{report}"
    );
    assert_eq!(warehouse.ask(rows), "20|20|5");
}

#[test]
fn f113_retries_at_once_and_beside_a_pipeline_write_each_row_of_a_history_once() {
    let topic = Topic::shared("at_once.public.orders", 2);
    let deployment = ruled("at_once", Mode::History, &topic);
    let mut messages = Messages::new();
    for order in 0..6_000 {
        messages.insert(order, (order % 2 == 0).then_some("paid"), 7);
    }
    let mut records = messages.publish(&topic);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 3_000);
    let deployment = unruled(deployment);
    let warehouse = &deployment.warehouse;
    let mut running = deployment.start();
    let retries: Vec<_> =
        (0..3).map(|_| deployment.spawn(&["dead-letters", "retry", "--json"])).collect();
    for order in 6_000..9_000 {
        messages.insert(order, None, 7);
    }
    records = records.max(messages.publish(&topic));
    let mut written = 0;
    for retry in retries {
        let ended = retry.wait().expect_code(0);
        let report: Value = serde_json::from_str(ended.stdout.trim()).expect("JSON");
        let count = |name: &str| report[name].as_u64().expect("a number");
        written += count("written");
        assert_eq!(count("selected"), count("written") + count("resolved"), "{report}");
    }
    assert_eq!(written, 3_000);
    deployment.wait_applied(&mut running, records);
    running.terminate().expect_code(0);
    let rows = "select count(*), count(distinct (cdc_partition, cdc_offset)), \
                count(distinct order_id) from orders_fact";
    assert_eq!(warehouse.ask(rows), "9000|9000|9000");
    let states = "select state, count(*) from cdc.dead_letter group by 1";
    assert_eq!(warehouse.ask(states), "retried|3000");
}

#[test]
fn f112_a_retry_leaves_a_mirror_as_if_every_change_had_come_in_its_turn() {
    let topic = Topic::shared("mirrored.public.orders", 1);
    let deployment = strict("mirrored", Mode::Mirror, &topic);
    let warehouse = &deployment.warehouse;
    let mut messages = Messages::new();
    // In three runs, because of a batch a mirror shows the server the last state of each key alone.
    messages.insert(1, None, 10);
    messages.insert(2, Some("new"), 20);
    messages.insert(3, None, 30);
    messages.insert(4, None, 40);
    messages.insert(5, Some("old"), 50);
    messages.insert(6, None, 60);
    messages.insert(7, None, 70);
    messages.publish(&topic);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 5);
    messages.update(2, None, 21);
    messages.update(4, None, 41);
    messages.update(5, None, 51);
    messages.delete(6);
    messages.update(7, None, 71);
    messages.publish(&topic);
    // Changes of the orders 4 and 6 wait, which would be fine by themselves.
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 5);
    messages.update(2, Some("newer"), 22);
    messages.delete(3);
    messages.insert(6, Some("again"), 61);
    messages.delete(7);
    messages.publish(&topic);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 4);
    let rows = "select order_id, coalesce(status, '-'), customer_id from orders_current order by 1";
    assert_eq!(warehouse.ask(rows), "2|new|20\n5|old|50", "as before the first letter of each");
    relax(&deployment);
    for mode in [&["--dry-run"][..], &[]] {
        let report = retry(&deployment, mode, 0);
        let counts = ["selected", "written", "superseded"].map(|name| report[name].as_u64());
        assert_eq!(counts, [Some(14), Some(14), Some(0)], "{report}");
    }
    assert_eq!(warehouse.ask(rows), "1|-|10\n2|newer|22\n4|-|41\n5|-|51\n6|again|61");
    let states = "select state, count(*) from cdc.dead_letter group by 1";
    assert_eq!(warehouse.ask(states), "retried|14");
    let again = retry(&deployment, &[], 0);
    assert_eq!(again["selected"], 0, "{again}");
}

#[test]
fn a_row_that_is_deleted_while_its_letter_is_retried_is_gone() {
    let topic = Topic::shared("crossing.public.orders", 1);
    let deployment = ruled("crossing", Mode::Mirror, &topic);
    let mut messages = Messages::new();
    for order in 0..4_000 {
        messages.insert(order, None, 7);
    }
    messages.publish(&topic);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 4_000);
    let deployment = unruled(deployment);
    let warehouse = &deployment.warehouse;
    let mut running = deployment.start();
    until("a pipeline that owns its partition", || {
        warehouse.count("select count(*) from cdc.checkpoint where owner is not null") == 1
    });
    for order in (0..4_000).filter(|order| order % 2 == 0) {
        messages.delete(order);
    }
    // From the last page to the first, so that both meet in the middle.
    messages.written.reverse();
    let retried = deployment.spawn(&["dead-letters", "retry", "--json"]);
    let records = messages.publish(&topic);
    deployment.wait_applied(&mut running, records);
    let report: Value =
        serde_json::from_str(retried.wait().expect_code(0).stdout.trim()).expect("JSON");
    running.terminate().expect_code(0);
    println!("{report}");
    let rows = "select count(*), count(*) filter (where order_id % 2 = 0) from orders_current";
    assert_eq!(warehouse.ask(rows), "2000|0", "{report}");
    assert_eq!(warehouse.count("select count(*) from cdc.dead_letter where state = 'open'"), 0);
}

#[test]
fn a_retry_whose_session_is_ended_can_be_run_again() {
    let topic = Topic::shared("ended.public.orders", 1);
    let deployment = strict("ended", Mode::History, &topic);
    let warehouse = &deployment.warehouse;
    let mut messages = Messages::new();
    (0..10).for_each(|order| messages.insert(order, None, 7));
    messages.publish(&topic);
    deployment.run_until_caught_up();
    relax(&deployment);
    let held = warehouse.hold("orders_fact");
    let retried = deployment.spawn(&["dead-letters", "retry"]);
    held.wait_until_wanted();
    let end = "select count(pg_terminate_backend(pid)) from pg_locks \
               where relation = 'orders_fact'::regclass and not granted";
    assert_eq!(warehouse.count(end), 1);
    retried.wait().expect_code(4).expect_words(&["the retry was interrupted", "run it again"]);
    drop(held);
    assert_eq!(warehouse.count("select count(*) from orders_fact"), 0);
    assert_eq!(retry(&deployment, &[], 0)["written"], 10);
    assert_eq!(warehouse.count("select count(*) from orders_fact"), 10);
}

#[test]
fn a_retry_waits_for_whoever_deletes_a_row_and_does_not_bring_it_back() {
    let topic = Topic::shared("waiting.public.orders", 1);
    let deployment = strict("waiting", Mode::Mirror, &topic);
    let warehouse = &deployment.warehouse;
    let mut messages = Messages::new();
    (0..30).for_each(|order| messages.insert(order, None, 7));
    messages.publish(&topic);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 30);
    relax(&deployment);
    // As a pipeline does: the delete is noted before it is done, and both are there at once.
    let deleting = warehouse.begin(
        "update cdc.dead_letter set deleted_in = '{public.orders_current}' \
          where \"offset\" < 20; \
         update cdc.dead_letter set state = 'discarded' where \"offset\" = 29; \
         insert into orders_current (order_id, customer_id, status, cdc_generation, cdc_offset) \
         values (28, 70, 'newer', 0, 1000)",
    );
    let retried = deployment.spawn(&["dead-letters", "retry", "--json"]);
    until("a retry that waits", || {
        let waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
                     and datname = current_database()";
        warehouse.count(waits) == 1
    });
    deleting.commit();
    let report: Value =
        serde_json::from_str(retried.wait().expect_code(0).stdout.trim()).expect("JSON");
    let counts =
        ["selected", "written", "superseded", "resolved"].map(|name| report[name].as_u64());
    assert_eq!(counts, [Some(30), Some(8), Some(21), Some(1)], "{report}");
    let rows = "select string_agg(order_id::text, ',' order by order_id), \
                max(status) filter (where order_id = 28) from orders_current";
    assert_eq!(warehouse.ask(rows), "20,21,22,23,24,25,26,27,28|newer");
}

#[test]
fn a_newer_row_that_may_lack_a_value_of_a_letter_keeps_the_letter_open() {
    let topic = Topic::shared("overlaid.public.orders", 1);
    let deployment = strict("overlaid", Mode::Mirror, &topic);
    let warehouse = &deployment.warehouse;
    let mut messages = Messages::new();
    messages.insert(1, Some("new"), 10);
    messages.publish(&topic);
    deployment.run_until_caught_up();
    messages.update(1, None, 11);
    messages.publish(&topic);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 1);
    // As if it had been kept before later changes waited.
    warehouse.ask("update cdc.dead_letter set holds = false");
    let mut row = messages.row(1, Some("newer"), 12);
    row["product_name"] = json!("__debezium_unavailable_value");
    messages.push(1, "u", Value::Null, row);
    messages.publish(&topic);
    deployment.run_until_caught_up();
    relax(&deployment);
    let report = retry(&deployment, &[], 3);
    assert_eq!(report["failures"][0]["reason"], "partly_superseded", "{report}");
    assert_eq!(warehouse.ask("select status, customer_id from orders_current"), "newer|12");
    assert_eq!(warehouse.ask(STATES), "1 open");
}

#[test]
fn f111_later_changes_of_a_parked_key_wait_and_are_retried_in_their_order() {
    let topic = Topic::shared("chained.public.orders", 1);
    let deployment = ruled("chained", Mode::Mirror, &topic);
    let mut messages = Messages::new();
    messages.insert(1, Some("there"), 10);
    messages.insert(2, Some("there"), 20);
    messages.update(1, None, 11);
    messages.update(1, Some("waits"), 12);
    messages.update(2, Some("goes on"), 21);
    messages.publish(&topic);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 2, "in the same batch");
    // A process that knows of the letter from the warehouse alone.
    messages.delete(1);
    messages.insert(1, Some("last"), 13);
    messages.update(2, Some("goes on"), 22);
    messages.publish(&topic);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 2);
    let rows = "select order_id, status, customer_id from orders_current order by 1";
    assert_eq!(deployment.warehouse.ask(rows), "1|there|10\n2|goes on|22");
    let listed = deployment.execute(&["dead-letters", "list"]).expect_code(0).stdout;
    assert!(listed.contains("3 open: behind_dead_letter, apply, public.orders to"), "{listed}");
    assert!(listed.contains("3 later changes of their keys wait behind them"), "{listed}");
    let head = deployment.warehouse.ask("select id from cdc.dead_letter where blocked_by is null");
    let last = deployment.warehouse.ask("select max(id) from cdc.dead_letter");
    let shown = deployment.execute(&["dead-letters", "show", &last]).expect_code(0).stdout;
    assert!(shown.contains(&format!("by letter {head}: retry or discard")), "{shown}");
    let shown = deployment.execute(&["dead-letters", "show", &head]).expect_code(0).stdout;
    assert!(shown.contains("3 letters of later changes of its key"), "{shown}");
    let report = retry(&deployment, &["--id", &head], 3);
    assert_eq!((&report["written"], &report["failed"]), (&json!(0), &json!(4)), "{report}");

    let deployment = unruled(deployment);
    let mut running = deployment.start();
    messages.update(1, Some("waits or not"), 14);
    messages.publish(&topic);
    deployment.wait_applied(&mut running, topic.records());
    let report = retry(&deployment, &["--id", &head], 0);
    assert_eq!((&report["written"], &report["failed"]), (&json!(5), &json!(0)), "{report}");
    assert_eq!(deployment.warehouse.ask(rows), "1|waits or not|14\n2|goes on|22");
    // The running pipeline goes on with the key.
    messages.update(1, Some("applied"), 15);
    messages.publish(&topic);
    deployment.wait_applied(&mut running, topic.records());
    running.terminate().expect_code(0);
    assert_eq!(deployment.warehouse.ask(rows), "1|applied|15\n2|goes on|22");
    let open = "select count(*) from cdc.dead_letter where state = 'open'";
    assert_eq!(deployment.warehouse.count(open), 0);
    deployment.execute(&["ledger"]).expect_code(0);
}

#[test]
fn letters_of_a_pipeline_that_starts_over_are_left_to_it() {
    let topic = Topic::shared("over.public.orders", 1);
    let deployment = strict("over", Mode::History, &topic);
    let warehouse = &deployment.warehouse;
    let mut messages = Messages::new();
    (0..4).for_each(|order| messages.insert(order, None, 7));
    messages.publish(&topic);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 4);
    relax(&deployment);
    warehouse.ask("update cdc.checkpoint set next_offset = 2");
    let report = retry(&deployment, &[], 0);
    assert_eq!((&report["written"], &report["unread"]), (&json!(2), &json!(2)), "{report}");
    warehouse.ask("delete from cdc.checkpoint; delete from cdc.ledger");
    let report = retry(&deployment, &[], 0);
    assert_eq!((&report["selected"], &report["unread"]), (&json!(0), &json!(2)), "{report}");
    assert_eq!(warehouse.ask(STATES), "0 retried, 1 retried, 2 open, 3 open");
}

#[test]
fn one_letter_is_shown_exported_and_discarded() {
    let topic = Topic::shared("looked_at.public.orders", 1);
    let deployment = strict("looked_at", Mode::History, &topic);
    let mut messages = Messages::new();
    messages.insert(1, None, 4_711);
    messages.written.push(Letter { key: b"\xff".to_vec(), value: Some(b"no message".to_vec()) });
    let sent = messages.written.clone();
    messages.publish(&topic);
    assert_eq!(deployment.run_until_caught_up()["dead_lettered"], 2);

    let place = format!("{}/0/0", topic.name());
    let shown = deployment.execute(&["dead-letters", "show", &place]).expect_code(0).stdout;
    assert!(shown.contains("not_null (23502)") && !shown.contains("4711"), "{shown}");
    let printed = deployment.execute(&["dead-letters", "show", &place, "--json"]).expect_code(0);
    let letter: Value = serde_json::from_str(&printed.stdout).expect("JSON");
    assert_eq!((&letter["offset"], &letter["attempts"]), (&json!(0), &json!(0)), "{letter}");
    let raw = deployment.execute(&["dead-letters", "show", &place, "--raw"]).expect_code(0).stdout;
    assert_eq!(Some(raw.into_bytes()), sent[0].value);
    deployment
        .execute(&["dead-letters", "show", "999999"])
        .expect_code(2)
        .expect_words(&["no such letter"]);

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("letters.jsonl");
    let path = file.to_str().expect("a path");
    deployment.execute(&["dead-letters", "export", "--output", path]).expect_code(0);
    let mut reader = CaptureReader::open(&file).expect("a capture");
    for (offset, sent) in (0..).zip(&sent) {
        let record = reader.read().expect("a record").expect("one more");
        assert_eq!((record.topic, record.offset), (topic.name(), offset));
        assert_eq!((record.key, record.value), (Some(&*sent.key), sent.value.as_deref()));
    }
    assert_eq!(reader.read().expect("an end"), None);

    let all = ["dead-letters", "discard", "--reason", "made by hand"];
    deployment.execute(&all).expect_code(2).expect_words(&["nothing says which letters"]);
    deployment.execute(&[&all[..], &["--all", "--dry-run"]].concat()).expect_code(0);
    assert_eq!(deployment.warehouse.ask(STATES), "0 open, 1 open");
    deployment.execute(&[&all[..], &["--from", "1"]].concat()).expect_code(0);
    assert_eq!(deployment.warehouse.ask(STATES), "0 open, 1 discarded");
    let why =
        "select resolution, resolved_by = session_user from cdc.dead_letter where \"offset\" = 1";
    assert_eq!(deployment.warehouse.ask(why), "made by hand|t");
}
