//! A topic that is compacted is not taken for the whole story without a word.

use cdc_kafka::Publisher;

use crate::rig::{Rig, broker, letters};

/// Creates the topic of a rig with this policy, before the rig would create it.
fn with_policy(name: &str, policy: &str) {
    let publisher = Publisher::connect(&broker().bootstrap()).unwrap();
    let settings = [("cleanup.policy", policy)];
    publisher.create_topic_with(&format!("{name}.public.orders"), 1, &settings).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_from_a_compacted_topic_is_refused_before_it_begins_unless_somebody_wants_it() {
    let shadows = "select count(*) from pg_class where relname like 'orders%\\_shadow'";
    for (name, policy, instead) in [
        ("compacted-history", "compact,delete", "cdc-replayer repair"),
        ("compacted-mirror", "compact", "new snapshot"),
    ] {
        with_policy(name, policy);
        let rig =
            if policy == "compact" { Rig::mirror(name, 1).await } else { Rig::new(name, 1).await };
        rig.publish(&letters(500));
        rig.run_pipeline().await;
        for arguments in [&[][..], &["--dry-run"]] {
            let (code, text) = rig.command("rebuild", arguments).failure();
            assert_eq!(code, 3, "{text}");
            for word in [&*rig.topic, policy, instead, "--compacted", "cleanup.policy=delete"] {
                assert!(text.contains(word), "{word} is missing in {text}");
            }
        }
        assert_eq!(rig.count(shadows), 0);
        rig.command("rebuild", &["--compacted"]).report();
        let (code, diff) = rig.command("diff", &[]).judged();
        assert_eq!(code, 0, "nothing was compacted so far: {diff}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_from_a_compacted_topic_says_before_it_begins_what_may_stay_missing() {
    with_policy("compacted-repair", "compact");
    let rig = Rig::new("compacted-repair", 1).await;
    rig.publish(&letters(300));
    rig.run_pipeline().await;
    rig.ask("delete from orders_fact where order_id % 2 = 0");
    let printed = rig.printed("repair", &["--dry-run"]);
    let note = format!("note: the cleanup.policy of {} is compact: rows", rig.topic);
    assert!(printed.contains(&note) && printed.contains("--from-file"), "{printed}");
    let report = rig.repair(&[]).report();
    assert_eq!(report["compacted_topics"], serde_json::json!([rig.topic]), "{report}");
    assert!(report["restored"].as_u64().unwrap() > 10, "{report}");
}
