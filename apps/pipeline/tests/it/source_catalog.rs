//! `check` with a look at the source's own catalog.

use cdc_workload::{Workload, WorkloadOptions};

use crate::rig::topic::{envelopes, letters};
use crate::rig::{Deployment, Mode, Source, Topic, Warehouse};

/// A deployment that would run, whose configuration names the source's database.
fn deployed(name: &str) -> (Source, Deployment<'static>) {
    let source = Source::fresh(name);
    let topic = Topic::shared(&format!("{name}.public.orders"), 1);
    let orders: Vec<_> = Workload::new(WorkloadOptions::default()).take(10).collect();
    topic.publish(&letters(&mut envelopes(), &orders));
    let mut deployment = Deployment::new(name, Mode::History, &topic, Warehouse::shared(name));
    deployment.kafka.push_str("[source.postgres]\nurl = { env = \"SOURCE_URL\" }\n");
    deployment.environment.push(("SOURCE_URL", source.url()));
    (source, deployment.initialised())
}

#[test]
fn declarations_and_identity_are_compared_with_the_source() {
    let (source, mut deployment) = deployed("catalog");
    let sound = deployment.execute(&["check"]).expect_code(0);
    assert!(sound.stdout.contains("before_differs"), "{}", sound.stdout);
    deployment.table.push_str("\nbefore = \"full\"");
    let sound = deployment.execute(&["check"]).expect_code(0);
    assert!(!sound.stdout.contains("warning"), "{}", sound.stdout);

    source.run("alter table orders replica identity default");
    deployment.table = deployment.table.replace("decimal(10,2)", "decimal(*,2)");
    deployment.table = deployment.table.replace(", updated_at = \"timestamp(micros)\"", "");
    let ended = deployment.execute(&["check", "--json"]).expect_code(2);
    let found: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let found = found["findings"].as_array().expect("an array").iter();
    let found: Vec<_> = found.map(|finding| (finding["id"].as_str(), &finding["fix"])).collect();
    let fix_of = |id: &str| {
        let mut named = found.iter().filter(|(found, _)| *found == Some(id));
        named.next().and_then(|(_, fix)| fix.as_str()).unwrap_or_else(|| panic!("{id}: {found:?}"))
    };
    assert!(fix_of("declaration_missing").ends_with("\nupdated_at = \"timestamp(micros)\""));
    assert!(fix_of("before_differs").contains("before = \"key\""));
    let identity = fix_of("replica_identity_partial");
    assert!(identity.contains("ALTER TABLE \"public\".\"orders\" REPLICA IDENTITY FULL;"));
    // A wider declaration reads the same values.
    assert!(found.iter().all(|(id, _)| *id != Some("declaration_differs")), "{found:?}");
}

#[test]
fn a_run_does_without_the_source() {
    let (_source, mut deployment) = deployed("sourceless");
    deployment.environment.clear();
    let nowhere = "postgres://someone:hunter2@127.0.0.1:1/shop".to_owned();
    deployment.environment.push(("SOURCE_URL", nowhere));
    let ended = deployment.execute(&["check", "--wait", "1"]).expect_code(4);
    assert!(ended.stdout.contains("source_unreachable"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("hunter2"), "{}", ended.stdout);
    deployment.run_until_caught_up();
}

#[test]
fn a_misspelt_option_of_the_connector_is_a_mistake_of_the_file() {
    let (_source, mut deployment) = deployed("misspelt_mode");
    deployment.kafka.push_str("connector = { decimal_handling_mode = \"strnig\" }\n");
    let ended = deployment.execute(&["check"]).expect_code(2);
    ended.expect_words(&["source.postgres.connector.decimal_handling_mode", "one of precise"]);
}
