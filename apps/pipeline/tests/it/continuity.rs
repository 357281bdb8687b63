//! Topics that are not what they were: what a run refuses, and how an operator decides to go on.

use cdc_workload::{Oracle, Transaction, Workload, WorkloadOptions};
use serde_json::Value;

use crate::rig::topic::{Letter, envelopes, letters, tool};
use crate::rig::{
    Deployment, Ended, HistoryCounts, Mode, Topic, Warehouse, assert_books_balance,
    assert_no_dead_letters,
};

/// A person has to decide.
const DATA: i32 = 3;

/// Changes in two parts, as one connector sends them one after the other.
struct Changes {
    transactions: Vec<Transaction>,
    before: Vec<Letter>,
    after: Vec<Letter>,
}

impl Changes {
    fn of(seed: u64) -> Self {
        let options = WorkloadOptions { seed, ..WorkloadOptions::default() };
        let transactions: Vec<_> = Workload::new(options).take(400).collect();
        let mut writer = envelopes();
        let (first, second) = transactions.split_at(150);
        let (before, after) = (letters(&mut writer, first), letters(&mut writer, second));
        Self { transactions, before, after }
    }

    fn oracle(&self) -> Oracle {
        Oracle::of(&self.transactions)
    }
}

fn deployment(name: &str, mode: Mode, topic: &Topic) -> Deployment<'static> {
    Deployment::new(name, mode, topic, Warehouse::shared(name)).initialised()
}

/// Everything that the warehouse says of its progress and its rows.
fn standing(deployment: &Deployment<'_>) -> String {
    let target = deployment.mode.target();
    deployment.warehouse.ask(&format!(
        "select (select sum(next_offset) from cdc.checkpoint), (select count(*) from {target})"
    ))
}

/// A run that must halt without having changed anything.
#[track_caller]
fn halts(deployment: &Deployment<'_>, words: &[&str]) -> Ended {
    let before = standing(deployment);
    let ended = deployment.execute(&["run", "--until-caught-up"]).expect_code(DATA);
    assert_eq!(standing(deployment), before, "nothing is passed over");
    ended.expect_words(words)
}

/// An operator's decision about the topic.
fn accept(deployment: &Deployment<'_>, what: &str, code: i32) -> Ended {
    let command = format!("accept-{what}");
    let topic = deployment.topic.clone();
    let reason = "a long night, and nobody's fault";
    let arguments = [&*command, "--topic", &topic, "--reason", reason];
    deployment.execute(&arguments).expect_code(code)
}

#[track_caller]
fn assert_current(deployment: &Deployment<'_>, oracle: &Oracle) {
    let current = match deployment.mode {
        Mode::History => "orders_latest",
        Mode::Mirror => "orders_current",
    };
    let cents = oracle.amount_cents();
    let expected = format!("{}|{}.{:02}", oracle.rows().len(), cents / 100, cents % 100);
    let totals = format!("select count(*), sum(amount) from {current}");
    assert_eq!(deployment.warehouse.ask(&totals), expected, "{current}");
}

#[test]
fn f33_what_retention_removed_unread_halts_until_the_gap_is_accepted() {
    let changes = Changes::of(33);
    let topic = Topic::shared("gap.public.orders", 1);
    topic.publish(&changes.before);
    let deployment = deployment("gap", Mode::History, &topic);
    deployment.run_until_caught_up();
    accept(&deployment, "gap", 0);
    assert_eq!(deployment.warehouse.ask("select count(*) from cdc.decision"), "0", "no gap yet");

    topic.publish(&changes.after);
    let applied = changes.before.len();
    let kept = applied + 40;
    topic.delete_before(u64::try_from(kept).expect("a few"));
    let place = format!("cannot resume gap.public.orders/0/0 at {applied}");
    let begins = format!("the log now begins at {kept}, so 40 offsets are gone");
    let command = "accept-gap --config";
    halts(&deployment, &[&place, &begins, command, "--topic gap.public.orders"]);

    let said = accept(&deployment, "gap", 0).stdout;
    let range = format!("gap.public.orders/0/0: 40 offsets are passed over, [{applied}, {kept})");
    assert!(said.contains(&range), "{said}");
    deployment.run_until_caught_up();
    let read = changes.before.len() + changes.after.len() - 40;
    assert_books_balance(&deployment, u64::try_from(read).expect("a few"));
    let books = deployment.execute(&["ledger"]).expect_code(0).stdout;
    for words in ["40 offsets were gone and passed over", "gap accepted by", "nobody's fault"] {
        assert!(books.contains(words), "{books}");
    }
    let books = deployment.execute(&["ledger", "--json"]).expect_code(0).stdout;
    let books: Value = serde_json::from_str(&books).expect("JSON");
    assert_eq!(books["partitions"][0]["passed_over"], 40);
    assert_eq!(books["decisions"][0]["state"][0]["first_offset"], applied);
}

#[test]
fn f30_a_topic_created_again_that_repeats_the_old_one_is_followed_without_doubling_a_change() {
    let changes = Changes::of(30);
    let topic = Topic::shared("repeats.public.orders", 1);
    topic.publish(&changes.before);
    let deployment = deployment("repeats", Mode::History, &topic);
    deployment.run_until_caught_up();
    accept(&deployment, "incarnation", DATA).expect_words(&["still holds what was applied of it"]);

    let topic = topic.created_again(1);
    topic.publish(&changes.before);
    topic.publish(&changes.after);
    halts(
        &deployment,
        &[
            "cannot resume repeats.public.orders/0/0",
            "stands another record than the one that was read there",
            "accept-incarnation --config",
        ],
    );
    let said = accept(&deployment, "incarnation", 0).stdout;
    assert!(said.contains("followed from its beginning, in generation 1"), "{said}");
    deployment.run_until_caught_up();
    let oracle = changes.oracle();
    assert_current(&deployment, &oracle);
    let rows = deployment.warehouse.count("select count(*) from orders_fact");
    assert_eq!(rows, HistoryCounts::of(oracle.counts()).rows(), "each change once");
    assert_no_dead_letters(&deployment);
    let books = deployment.execute(&["ledger"]).expect_code(0).stdout;
    assert!(books.contains("sent_again") && books.contains("incarnation accepted by"), "{books}");
    // The next start goes on in the same generation.
    deployment.run_until_caught_up();
    assert_eq!(deployment.warehouse.count("select count(*) from orders_fact"), rows);
}

#[test]
fn f29_a_topic_created_again_that_is_shorter_is_followed_with_newer_rows() {
    let changes = Changes::of(29);
    let topic = Topic::shared("shorter.public.orders", 1);
    topic.publish(&changes.before);
    let deployment = deployment("shorter", Mode::Mirror, &topic);
    deployment.run_until_caught_up();

    let topic = topic.created_again(1);
    topic.publish(&changes.after[..50]);
    halts(&deployment, &["the log already ends at 50", "accept-incarnation --config"]);
    accept(&deployment, "incarnation", 0);
    deployment.run_until_caught_up();
    let newer = "select count(*) > 0 from orders_current where cdc_generation = 1";
    assert_eq!(deployment.warehouse.ask(newer), "t");
    assert_no_dead_letters(&deployment);
    deployment.execute(&["ledger"]).expect_code(0);
}

#[test]
fn f31_partitions_added_during_a_pause_are_followed_in_the_order_of_changes() {
    let changes = Changes::of(31);
    let topic = Topic::shared("wider.public.orders", 2);
    topic.publish(&changes.before);
    let deployment = Deployment::new("wider", Mode::Mirror, &topic, Warehouse::shared("wider"))
        .without_truncates()
        .initialised();
    deployment.run_until_caught_up();
    accept(&deployment, "partitions", DATA).expect_words(&["no more of them than before"]);

    let topic = topic.widened(5);
    let refused = deployment.execute(&["run", "--until-caught-up"]).expect_code(2);
    refused.expect_words(&["has 5 partitions", "accept-partitions --config"]);
    let said = accept(&deployment, "partitions", 0).stdout;
    assert!(said.contains("over 5 partitions, in generation 1"), "{said}");
    topic.publish(&changes.after);
    deployment.run_until_caught_up();
    assert_current(&deployment, &changes.oracle());
    assert_no_dead_letters(&deployment);
    let read = changes.before.len() + changes.after.len();
    assert_books_balance(&deployment, u64::try_from(read).expect("a few"));
}

#[test]
fn f27_f28_a_group_whose_offsets_moved_or_expired_changes_nothing() {
    let changes = Changes::of(27);
    let topic = Topic::shared("groups.public.orders", 1);
    topic.publish(&changes.before);
    let deployment = deployment("groups", Mode::History, &topic);
    deployment.run_until_caught_up();
    topic.publish(&changes.after);
    let group = ["--bootstrap-server", topic.brokers(), "--group", &deployment.name];
    let command = |arguments: &[&str]| {
        tool("kafka.admin.ConsumerGroupCommand", &[&group, arguments].concat());
    };
    command(&["--reset-offsets", "--to-latest", "--topic", topic.name(), "--execute"]);
    let ended = deployment.execute(&["run", "--until-caught-up"]).expect_code(0);
    ended.expect_words(&["WARN", "the group's offset stands beyond", "is not followed"]);
    assert_current(&deployment, &changes.oracle());
    command(&["--delete"]);
    deployment.run_until_caught_up();
    let rows = deployment.warehouse.count("select count(*) from orders_fact");
    assert_eq!(rows, HistoryCounts::of(changes.oracle().counts()).rows(), "each change once");
}
