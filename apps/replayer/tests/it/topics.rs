//! A table is rebuilt from the topics that can hold its changes, and from no others.

use crate::rig::{Rig, letters};

const LIVE_ROWS: &str = "select count(*) || ' ' || coalesce(md5(string_agg(c::text, ',' order by order_id)), '') \
                         from orders_current c";

/// A damaged mirror, beside whose topic the pipeline follows another one that has lost its beginning; and
/// its rows before.
async fn damaged(name: &str, other: &str, table: Option<&str>) -> (Rig, String) {
    let rig = Rig::mirror(name, 2).await;
    rig.follow(other, 10, table);
    rig.publish(&letters(1_000));
    rig.run_pipeline().await;
    let before = rig.ask(LIVE_ROWS);
    rig.delete_records_of(other, 5);
    rig.ask("delete from orders_current where order_id % 2 = 0");
    (rig, before)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_rebuilt_from_its_own_topic_whatever_became_of_the_others() {
    let (rig, before) = damaged("own-topic", "own-topic.public.items", Some("items")).await;
    rig.command("rebuild", &["--table", "public.orders"]).report();
    rig.command("swap", &["--table", "public.orders"]).report();
    assert_eq!(rig.ask(LIVE_ROWS), before);
    let (code, text) = rig.command("rebuild", &["--table", "public.items"]).failure();
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("own-topic.public.items/0/0"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_named_is_read_alone_where_names_do_not_tell() {
    let (rig, before) = damaged("named-topic", "named-topic.everything", None).await;
    let own = rig.topic.clone();
    let (code, text) = rig.command("rebuild", &[]).failure();
    assert_eq!(code, 3, "any topic may hold the changes: {text}");
    let (code, text) = rig.command("rebuild", &["--topic", "elsewhere"]).failure();
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("elsewhere is no topic") && text.contains(&own), "{text}");
    let counted = rig.command("rebuild", &["--topic", &own, "--dry-run"]).report();
    let ranges = counted["ranges"].as_array().unwrap();
    assert_eq!(ranges.len(), 2, "{counted}");
    assert!(ranges.iter().all(|range| range["topic"] == *own), "{counted}");

    rig.command("rebuild", &["--topic", &own]).report();
    let (code, text) = rig.command("rebuild", &[]).failure();
    assert_eq!(code, 2, "{text}");
    assert!(text.contains(&format!("go on with --from beginning --topic {own}")), "{text}");
    let resumed = rig.command("rebuild", &["--topic", &own]).report();
    assert_eq!((&resumed["resumed"], &resumed["read"]), (&true.into(), &0.into()), "{resumed}");
    rig.command("swap", &[]).report();
    assert_eq!(rig.ask(LIVE_ROWS), before);
}
