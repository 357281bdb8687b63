//! A table that is built once more is what the log says, and takes the live one's place without anybody
//! noticing but by its rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cdc_engine::Outcome;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::rig::{Letter, Rig, letters};

const LIVE_ROWS: &str = "select count(*) || ' ' || coalesce(md5(string_agg(c::text, ',' order by order_id)), '') \
                         from orders_current c";

/// A mirror of a topic.
async fn mirrored(name: &str, partitions: i32, changes: usize) -> Rig {
    let rig = Rig::mirror(name, partitions).await;
    rig.publish(&letters(changes));
    rig.run_pipeline().await;
    rig
}

/// What a swap did: rows removed, changed, added.
fn done(report: &Value) -> Value {
    json!([report["removed"], report["changed"], report["added"]])
}

/// All that runs keep about themselves, and their shadows.
fn traces(rig: &Rig) -> String {
    rig.ask(
        "select (select count(*) from cdc.checkpoint where pipeline like '% rebuild %')
             || ' ' || (select count(*) from cdc.ledger where pipeline like '% rebuild %')
             || ' ' || (select count(*) from cdc.pipeline_table where pipeline like '% rebuild %')
             || ' ' || (select count(*) from cdc.dead_letter where pipeline like '% rebuild %')
             || ' ' || (select count(*) from pg_class where relname like 'orders%\\_shadow')",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_mirror_equals_its_shadow_and_a_swap_changes_nothing() {
    let rig = mirrored("mirror-healthy", 3, 3_000).await;
    let before = (rig.ask(LIVE_ROWS), rig.digests_of_state());
    let counted = rig.command("rebuild", &["--dry-run"]).report();
    assert!(counted["offsets"].as_u64().unwrap() >= 3_000, "{counted}");
    assert_eq!(traces(&rig), "0 0 0 0 0", "a dry run creates nothing");

    let report = rig.command("rebuild", &[]).report();
    assert_eq!((&report["outcome"], &report["behind"]), (&"done".into(), &0.into()), "{report}");
    let (code, diff) = rig.command("diff", &[]).judged();
    assert_eq!((code, &diff["equal"]), (0, &true.into()), "{diff}");
    assert_eq!(diff["live_rows"], diff["shadow_rows"], "{diff}");
    let swapped = rig.command("swap", &[]).report();
    assert_eq!(done(&swapped), json!([0, 0, 0]), "{swapped}");
    assert_eq!((rig.ask(LIVE_ROWS), rig.digests_of_state()), before);
    assert_eq!(traces(&rig), "0 0 0 0 0", "a swap leaves nothing of the run");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_lost_changed_or_invented_are_as_the_log_has_them_after_a_swap() {
    let rig = mirrored("mirror-damaged", 2, 3_000).await;
    let before = rig.ask(LIVE_ROWS);
    rig.ask(
        "create view open_orders as select order_id, amount from orders_current;
         create index kept on orders_current (status);
         grant select on orders_current to public",
    );
    let view = rig.ask("select md5(string_agg(v::text, ',' order by order_id)) from open_orders v");
    let count = |sql: &str| {
        rig.count(&format!("with done as ({sql} returning 1) select count(*) from done"))
    };
    let lost = count("delete from orders_current where order_id % 7 = 3");
    let changed = count("update orders_current set amount = amount + 1 where order_id % 7 = 4");
    let invented = count(
        "insert into orders_current select order_id + 1000000, customer_id, product_name, amount, status,
         created_at, updated_at, cdc_generation, cdc_offset from orders_current where order_id % 7 = 5",
    );
    assert!(lost > 10 && changed > 10 && invented > 10, "{lost} {changed} {invented}");

    rig.command("rebuild", &["--table", "public.orders"]).report();
    let (code, diff) = rig.command("diff", &["--limit", "3"]).judged();
    assert_eq!(code, 3, "{diff}");
    let found = json!([diff["only_live"], diff["differing"], diff["only_shadow"]]);
    assert_eq!(found, json!([invented, changed, lost]), "{diff}");
    assert_eq!(diff["columns"], json!({ "amount": changed }), "{diff}");
    let first = rig.ask("select min(order_id) from orders_current where order_id > 1000000");
    assert_eq!(
        diff["keys"][0],
        json!({ "kind": "only live", "key": format!("order_id = {first}") })
    );
    assert_eq!(diff["keys"].as_array().unwrap().len(), 9, "{diff}");
    let printed = rig.printed("diff", &["--limit", "1"]);
    for words in [
        "DIFFERENT: public.orders_current (".to_owned(),
        format!("rows only live: {invented}, only in the shadow: {lost}, different: {changed}"),
        format!("columns that differ: amount in {changed} rows"),
        format!("only live: order_id = {first}"),
        "error: public.orders_current_shadow and public.orders_current differ in".to_owned(),
    ] {
        assert!(printed.contains(&words), "{words} is missing in {printed}");
    }
    let (code, refused) = rig.command("swap", &[]).failure();
    assert_eq!(code, 2, "{refused}");
    assert!(refused.contains(&format!("add --remove {invented}")), "{refused}");
    assert_eq!(rig.count("select count(*) from orders_current where order_id > 1000000"), invented);
    let swapped = rig.command("swap", &["--remove", &invented.to_string()]).report();
    assert_eq!(done(&swapped), json!([invented, changed, lost]), "{swapped}");
    assert_eq!(rig.ask(LIVE_ROWS), before);

    let shown =
        rig.ask("select md5(string_agg(v::text, ',' order by order_id)) from open_orders v");
    assert_eq!(shown, view, "a view over the table shows the rows");
    assert_eq!(rig.ask("select has_table_privilege('public', 'orders_current', 'select')"), "t");
    assert_eq!(rig.count("select count(*) from pg_indexes where indexname = 'kept'"), 1);
    rig.publish(&letters(100));
    rig.run_pipeline().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_rebuilt_with_what_the_warehouse_gave_to_rows_that_are_right() {
    let rig = Rig::new("history-damaged", 2).await;
    rig.publish(&letters(3_000));
    rig.run_pipeline().await;
    let own = "select md5(string_agg(id || ' ' || processed_at, ',' order by id)) from orders_fact \
               where order_id % 7 not in (3, 4)";
    let before = (rig.digests(), rig.ask(own));
    let count = |sql: &str| {
        rig.count(&format!("with done as ({sql} returning 1) select count(*) from done"))
    };
    let lost = count("delete from orders_fact where order_id % 7 = 3");
    let changed = count("update orders_fact set status = 'wrong' where order_id % 7 = 4");
    let columns = "order_id, customer_id, product_name, amount, status, created_at, updated_at, cdc_timestamp, \
                   operation_type, cdc_generation, cdc_partition, cdc_offset, cdc_ordinal, source_lsn, source_tx_id";
    let doubled = count(&format!(
        "insert into orders_fact ({columns}) select {columns} from orders_fact where order_id % 7 = 5"
    ));
    let invented = count(&format!(
        "insert into orders_fact ({columns}) select {} from orders_fact where order_id % 7 = 6",
        columns.replace("cdc_offset", "cdc_offset + 1000000")
    ));
    rig.command("rebuild", &[]).report();
    let (code, diff) = rig.command("diff", &[]).judged();
    assert_eq!(code, 3, "{diff}");
    let found = json!([diff["only_live"], diff["doubled"], diff["differing"], diff["only_shadow"]]);
    assert_eq!(found, json!([invented, doubled, changed, lost]), "{diff}");
    assert_eq!(diff["left_out"], json!(["id", "processed_at"]), "{diff}");
    let swapped = rig.command("swap", &["--remove", &invented.to_string()]).report();
    assert_eq!(done(&swapped), json!([invented + doubled, changed, lost]), "{swapped}");
    assert_eq!((rig.digests(), rig.ask(own)), before);
    let ids = "select count(*) - count(distinct id) from orders_fact";
    assert_eq!(rig.count(ids), 0, "rows that came back have numbers of their own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_was_killed_goes_on_where_it_stood() {
    let rig = mirrored("mirror-killed", 1, 6_000).await;
    let before = rig.ask(LIVE_ROWS);
    let records = rig.count("select sum(next_offset) from cdc.checkpoint");
    rig.ask("delete from orders_current where order_id % 3 = 0");
    let killed = rig.command("rebuild", &["--rate", "1500"]);
    rig.until("select count(*) from cdc.checkpoint where pipeline like '% rebuild %' and next_offset > 1000");
    killed.kill_9();
    let (code, text) = rig.command("rebuild", &["--from", "0"]).failure();
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("begun with --from beginning"), "{text}");
    let report = rig.command("rebuild", &[]).report();
    assert_eq!(report["resumed"], true, "{report}");
    assert!(report["read"].as_u64().unwrap() + 1_000 <= records, "{report}");
    rig.command("swap", &[]).report();
    assert_eq!(rig.ask(LIVE_ROWS), before);
}

/// What every change of `letters` leaves, by a pipeline without any replay beside it.
async fn expected(name: &str, letters: &[Letter]) -> String {
    let other = Rig::mirror(name, 2).await;
    other.publish(letters);
    other.run_pipeline().await;
    other.ask(
        "select count(*) || ' ' || md5(string_agg((to_jsonb(c) - 'cdc_offset')::text, ',' \
               order by order_id)) from orders_current c",
    )
}

/// Publishes slowly until it is told that a swap is done, and then what is left at once.
fn traffic(rig: &Arc<Rig>, letters: &[Letter]) -> (Arc<AtomicBool>, JoinHandle<()>) {
    let swapped = Arc::<AtomicBool>::default();
    let (rig, letters, told) = (Arc::clone(rig), letters.to_vec(), Arc::clone(&swapped));
    let published = tokio::task::spawn_blocking(move || {
        let mut left = &*letters;
        while let Some((some, rest)) = left.split_at_checked(25) {
            if told.load(Ordering::Relaxed) {
                break;
            }
            rig.publish(some);
            left = rest;
            std::thread::sleep(Duration::from_millis(40));
        }
        rig.publish(left);
    });
    (swapped, published)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_beside_a_running_pipeline_loses_nothing_and_doubles_nothing() {
    let all = letters(20_000);
    let expected = expected("swap-expected", &all).await;
    let rig = Arc::new(Rig::mirror("swap-beside", 2).await);
    let (first, second) = all.split_at(8_000);
    rig.publish(first);
    let (stop, pipeline) = rig.start_pipeline();
    rig.until(
        "select coalesce((sum(next_offset) > 7000)::int, 0) from cdc.checkpoint where pipeline = 'swap-beside'",
    );
    rig.ask("delete from orders_current where order_id % 5 = 0");
    let (swapped_now, published) = traffic(&rig, second);
    rig.command("rebuild", &[]).report();
    let (code, diff) = rig.command("diff", &[]).judged();
    assert!(!published.is_finished(), "the traffic has to outlast the replay");
    // Some of the deleted rows have been written again by later changes, all others are missing.
    assert_eq!((code, &diff["only_live"], &diff["differing"]), (3, &0.into(), &0.into()), "{diff}");
    assert!(diff["only_shadow"].as_u64().unwrap() > 0, "{diff}");
    let swapped = rig.command("swap", &[]).report();
    assert!(!published.is_finished(), "the traffic has to outlast the replay");
    assert_eq!((&swapped["removed"], &swapped["changed"]), (&0.into(), &0.into()), "{swapped}");
    swapped_now.store(true, Ordering::Relaxed);
    published.await.unwrap();
    let end = all.len();
    rig.until(&format!(
        "select coalesce((sum(next_offset) = {end})::int, 0) from cdc.checkpoint where pipeline = 'swap-beside'"
    ));
    stop.ask();
    assert_eq!(pipeline.await.unwrap(), Outcome::Stopped);
    let rows = "select count(*) || ' ' || md5(string_agg((to_jsonb(c) - 'cdc_offset')::text, ',' \
                order by order_id)) from orders_current c";
    assert_eq!(rig.ask(rows), expected);
    assert_eq!(rig.ask("select * from cdc.check_ledger('swap-beside')"), "", "the books balance");
    assert_eq!(rig.count("select count(*) from cdc.dead_letter"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_swapped_beside_a_running_pipeline_with_each_change_once() {
    let rig = Arc::new(Rig::new("history-beside", 2).await);
    let all = letters(16_000);
    let (first, second) = all.split_at(6_000);
    rig.publish(first);
    let (stop, pipeline) = rig.start_pipeline();
    rig.until("select coalesce((sum(next_offset) > 5000)::int, 0) from cdc.checkpoint where pipeline = 'history-beside'");
    rig.ask("delete from orders_fact where order_id % 5 = 0");
    let (swapped_now, published) = traffic(&rig, second);
    rig.command("rebuild", &[]).report();
    let swapped = rig.command("swap", &[]).report();
    assert!(!published.is_finished(), "the traffic has to outlast the replay");
    assert!(swapped["added"].as_u64().unwrap() > 100, "{swapped}");
    swapped_now.store(true, Ordering::Relaxed);
    published.await.unwrap();
    let end = all.len();
    rig.until(&format!("select coalesce((sum(next_offset) = {end})::int, 0) from cdc.checkpoint where pipeline = 'history-beside'"));
    stop.ask();
    pipeline.await.unwrap();
    let rows = rig.count("select count(*) from orders_fact");
    let places = "select count(distinct (cdc_partition, cdc_offset, cdc_ordinal)) from orders_fact";
    assert_eq!(rig.count(places), rows, "no row stands twice");
    let written = "select sum(written) from cdc.ledger where pipeline = 'history-beside'";
    assert_eq!(rig.count(written), rows, "no row is missing");
    rig.command("rebuild", &[]).report();
    let (code, diff) = rig.command("diff", &[]).judged();
    assert_eq!(code, 0, "{diff}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_that_does_not_get_its_locks_changes_nothing_and_can_be_tried_again() {
    let rig = Arc::new(mirrored("swap-locked", 1, 1_000).await);
    let before = rig.ask(LIVE_ROWS);
    rig.command("rebuild", &[]).report();
    rig.ask("delete from orders_current where order_id % 2 = 0");
    let damaged = rig.ask(LIVE_ROWS);
    let holding = Arc::clone(&rig);
    let held = tokio::task::spawn_blocking(move || {
        holding.ask(
            "begin; lock table orders_current in row exclusive mode; select pg_sleep(12); commit",
        )
    });
    rig.until("select count(*) from pg_locks where mode = 'RowExclusiveLock' and relation = 'orders_current'::regclass");
    let (code, text) = rig.command("swap", &[]).failure();
    assert_eq!(code, 4, "{text}");
    for word in
        ["halting the writers of public.orders_current", "lock_timeout", "Nothing was changed"]
    {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
    assert_eq!(rig.ask(LIVE_ROWS), damaged);
    held.await.unwrap();
    rig.command("swap", &[]).report();
    assert_eq!(rig.ask(LIVE_ROWS), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_that_was_killed_in_the_middle_has_changed_nothing() {
    let rig = Arc::new(mirrored("swap-killed", 1, 1_000).await);
    let before = rig.ask(LIVE_ROWS);
    rig.command("rebuild", &[]).report();
    rig.ask("delete from orders_current where order_id % 2 = 0");
    rig.ask("update orders_current set status = 'wrong'");
    let damaged = (rig.ask(LIVE_ROWS), rig.digests_of_state());
    // It has removed rows when it comes to one that somebody holds.
    let holding = Arc::clone(&rig);
    let held = tokio::task::spawn_blocking(move || {
        holding.ask(
            "begin; select count(*) from (select 1 from orders_current for update) as held; \
             select pg_sleep(6); commit",
        )
    });
    rig.until("select count(*) from pg_locks where mode = 'RowShareLock' and relation = 'orders_current'::regclass");
    let swapping = rig.command("swap", &[]);
    rig.until("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'UPDATE%'");
    swapping.kill_9();
    held.await.unwrap();
    rig.until(
        "select (count(*) = 0)::int from pg_locks where relation = 'orders_current'::regclass",
    );
    assert_eq!((rig.ask(LIVE_ROWS), rig.digests_of_state()), damaged);
    rig.run_pipeline().await;
    rig.command("swap", &[]).report();
    assert_eq!(rig.ask(LIVE_ROWS), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_a_rebuild_refuses_become_letters_of_the_pipeline_at_the_swap() {
    let rig = mirrored("swap-letters", 1, 2_000).await;
    let (stop, pipeline) = rig.start_pipeline();
    rig.until(
        "select count(*) from cdc.checkpoint where pipeline = 'swap-letters' and owner is not null",
    );
    let refused = rig.count("select min(order_id) from orders_current");
    rig.ask(&format!(
        "alter table orders_current add constraint one check (order_id <> {refused}) not valid"
    ));
    let epoch = rig.count("select epoch from cdc.checkpoint where pipeline = 'swap-letters'");
    let report = rig.command("rebuild", &[]).report();
    let rejected = report["rejected"].as_u64().unwrap();
    assert!(rejected > 0, "{report}");
    let own = "select count(*) from cdc.dead_letter where pipeline = 'swap-letters'";
    assert_eq!(rig.count(own), 0, "before the swap they are the run's");
    let swapped = rig.command("swap", &["--remove", "1"]).report();
    assert_eq!((&swapped["dead_letters"], &swapped["removed"]), (&rejected.into(), &1.into()));
    assert_eq!(rig.count(own), rejected);
    let named =
        "select count(*) from cdc.dead_letter where target_table <> 'public.orders_current'";
    assert_eq!(rig.count(named), 0);
    assert_eq!(traces(&rig), "0 0 0 0 0");
    // Whoever writes has to learn of the keys, and goes on.
    assert!(rig.count("select epoch from cdc.checkpoint") > epoch);
    let applied = rig.count("select next_offset from cdc.checkpoint");
    rig.publish(&[(b"{}".to_vec(), None)]);
    rig.until(&format!("select (next_offset > {applied})::int from cdc.checkpoint"));
    stop.ask();
    assert_eq!(pipeline.await.unwrap(), Outcome::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_cannot_be_rebuilt_from_a_log_that_has_lost_its_beginning() {
    let rig = mirrored("rebuild-gone", 1, 500).await;
    rig.delete_records_before(100);
    let (code, text) = rig.command("rebuild", &[]).failure();
    assert_eq!(code, 3, "{text}");
    let place = format!("{}/0/0", rig.topic);
    for word in [&*place, " at 0", "begins at 100", "new snapshot", "--from"] {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
    assert_eq!(traces(&rig), "0 0 0 0 0");
    // Who says so knows that everything was sent since.
    rig.command("rebuild", &["--from", "100"]).report();
    let dropped = rig.command("discard", &[]).report();
    assert_eq!(dropped["dropped"], "public.orders_current_shadow");
    assert_eq!(traces(&rig), "0 0 0 0 0");
    let (code, text) = rig.command("swap", &[]).failure();
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("has no shadow") && text.contains("cdc-replayer rebuild"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_not_rebuilt_from_its_middle() {
    let rig = Rig::new("history-middle", 1).await;
    rig.publish(&letters(300));
    rig.run_pipeline().await;
    let (code, text) = rig.command("rebuild", &["--from", "100"]).failure();
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("from offset 0 alone") && text.contains("cdc-replayer repair"), "{text}");
    rig.ask("create table orders_fact_shadow (mine int)");
    let (code, text) = rig.command("rebuild", &[]).failure();
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("orders_fact_shadow is there and is no shadow"), "{text}");
}
