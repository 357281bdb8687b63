//! `verify` on the whole way: real source, connector, log, pipelines, while traffic goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cdc_stack::connector::SchemaBlock;
use cdc_workload::{Oracle, Workload, WorkloadOptions};
use serde_json::{Value, json};

use crate::rig::{Deployment, Mode, Source, Topic, Warehouse, until};

const SECTION: &str = "[source.postgres]\nurl = { env = \"SOURCE_URL\" }\n";

/// Rows that nobody changes while they are compared.
const QUIET_ROWS: u32 = 3_000;

fn compare(deployment: &Deployment<'_>, code: i32) -> Value {
    let arguments = ["verify", "--json", "--stable-for", "3", "--patience", "60"];
    let ended = deployment.execute(&arguments).expect_code(code);
    let report: Value = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}\n{}", ended.stdout, ended.stderr));
    report["tables"][0].clone()
}

/// Loads until told to stop.
fn load_on(source: &Source, is_over: &AtomicBool) {
    let options = WorkloadOptions {
        seed: 3,
        keys: 2_000,
        changes_per_transaction: 20,
        ..WorkloadOptions::default()
    };
    let mut oracle = Oracle::default();
    for transaction in Workload::new(options) {
        source.load(&mut oracle, [transaction]);
        if is_over.load(Ordering::Relaxed) {
            return;
        }
    }
}

#[test]
fn a_warehouse_under_traffic_is_equal_until_one_cell_of_it_is_changed() {
    let source = Source::fresh("verified");
    let options =
        WorkloadOptions { seed: 1, first_order_id: 1_000_000, ..WorkloadOptions::default() };
    source.load(&mut Oracle::default(), Workload::new(options).copy(QUIET_ROWS));
    let topic = source.capture(SchemaBlock::Off, 1);
    topic.wait_for(u64::from(QUIET_ROWS));
    let deployments = Mode::BOTH.map(|mode| {
        let name = format!("verified_{}", mode.word());
        let mut deployment = Deployment::new(&name, mode, &topic, Warehouse::shared(&name));
        deployment.kafka.push_str(SECTION);
        deployment.environment.push(("SOURCE_URL", source.url()));
        deployment.initialised()
    });
    let mut running = deployments.each_ref().map(Deployment::start);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| load_on(&source, &is_over));
        for (deployment, running) in deployments.iter().zip(&mut running) {
            until("traffic in the warehouse", || {
                running.assert_running();
                deployment.applied() > u64::from(QUIET_ROWS) + 100
            });
            let report = compare(deployment, 0);
            assert_eq!(report["verdict"], "equal", "{report:#}");
            assert!(report["source_rows"].as_u64() > Some(u64::from(QUIET_ROWS)), "{report:#}");
            assert_eq!(report["compared"].as_array().map(Vec::len), Some(7), "{report:#}");

            let target = deployment.mode.target();
            deployment
                .warehouse
                .ask(&format!("update {target} set status = 'spoiled' where order_id = 1000007"));
            let report = compare(deployment, 3);
            assert_eq!(report["verdict"], "different", "{report:#}");
            let expected = json!([
                { "key": { "order_id": "1000007" }, "kind": "differing", "columns": ["status"] }
            ]);
            assert_eq!(report["listed"], expected, "{report:#}");
        }
        is_over.store(true, Ordering::Relaxed);
        load.join().expect("traffic");
    });
    // A broker that is away is asked once, and what that means is said.
    let [mut history, _] = deployments;
    history.brokers = "127.0.0.1:9".to_owned();
    let ended = history.execute(&["verify", "--stable-for", "5"]).expect_code(3);
    assert!(ended.stdout.contains("order_id = 1000007: status\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("note: the log could not be asked"), "{}", ended.stdout);
    assert_eq!(ended.stderr.matches("waiting for Kafka").count(), 1, "{}", ended.stderr);
    for running in running {
        running.terminate().expect_code(0);
    }
}

#[test]
fn verify_says_what_it_lacks_and_whose_task_that_is() {
    let topic = Topic::shared("unverified.public.orders", 1);
    let mut deployment =
        Deployment::new("unverified", Mode::Mirror, &topic, Warehouse::shared("unverified"))
            .initialised();
    let ended = deployment.execute(&["verify"]).expect_code(2);
    ended.expect_words(&["nothing says where the source database is", "[source.postgres]"]);
    let named = ["verify", "--source-url-env", "NOWHERE"];
    deployment.execute(&named).expect_code(2).expect_words(&["no text variable NOWHERE"]);
    deployment.environment.push(("NOWHERE", "postgres://me:hunter2@127.0.0.1:1/shop".to_owned()));
    deployment.postgres.push_str("connect_patience = \"0s\"\n");
    let ended = deployment.execute(&named).expect_code(4);
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    ended.expect_words(&["connecting to the source database", "127.0.0.1:1/shop"]);
    let other = ["verify", "--source-url-env", "NOWHERE", "--table", "public.order"];
    deployment.execute(&other).expect_code(2).expect_words(&["write --table public.orders"]);
}
