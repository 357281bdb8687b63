//! A source database that is restored to an earlier point: its log goes back, and its connector does not
//! say so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use cdc_stack::connect::{Connect, ConnectOptions};
use cdc_stack::postgres::{Cluster, ClusterOptions, Durability, StopMode};
use cdc_workload::{Oracle, Workload, WorkloadOptions};

use crate::rig::{Deployment, Mode, Source, Warehouse, assert_no_dead_letters, stack, until};

/// Until then a change that stands before what was seen is one that a connector sends again: clocks do
/// not agree better.
const CLOCK_TOLERANCE: Duration = Duration::from_mins(1);

/// No other order has such a number.
const FIRST_ORDER: u64 = 900_000;

const ORDERS: u64 = 6;

/// A worker with a memory of its own under this name.
fn worker(name: &str) -> Connect {
    let own = |what: &str| format!("{name}-{what}");
    let settings = vec![
        ("group.id".to_owned(), name.to_owned()),
        ("config.storage.topic".to_owned(), own("configs")),
        ("offset.storage.topic".to_owned(), own("offsets")),
        ("status.storage.topic".to_owned(), own("statuses")),
    ];
    let options = ConnectOptions { heap_mib: 512, settings, ..ConnectOptions::default() };
    Connect::start(stack().broker(), &options).expect("a worker")
}

/// Copies a folder with everything in it, owners included.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(status.success(), "{status}");
}

/// A server of which a copy was taken while it stood still.
#[derive(Debug)]
pub(crate) struct Restorable(&'static Cluster);

impl Restorable {
    pub(crate) fn start() -> Self {
        let options =
            ClusterOptions { durability: Durability::Relaxed, ..ClusterOptions::default() };
        // It is stopped with the process, as the shared ones are.
        Self(Box::leak(Box::new(Cluster::start(options).expect("a server"))))
    }

    /// The server itself.
    pub(crate) fn server(&self) -> &'static Cluster {
        self.0
    }

    fn data(&self) -> PathBuf {
        self.0.folder().join("data")
    }

    fn backup(&self) -> PathBuf {
        self.0.folder().join("backup")
    }

    pub(crate) fn back_up(&self) {
        self.0.stop();
        copy(&self.data(), &self.backup());
        self.0.restart(StopMode::Fast).expect("a server that comes back");
    }

    pub(crate) fn restore(&self) {
        self.0.stop();
        fs::remove_dir_all(self.data()).expect("a folder that goes");
        copy(&self.backup(), &self.data());
        self.0.restart(StopMode::Fast).expect("a server that comes back");
    }
}

/// Orders that only the restored source has, each put and removed in transactions of their own, but for
/// the last.
fn change(source: &Source) {
    for id in 0..ORDERS {
        let (order, earlier) = (FIRST_ORDER + id, FIRST_ORDER + id - 1);
        source.run(&format!(
            "insert into orders (order_id, customer_id, product_name, amount, status) \
             values ({order}, 1, 'Other', 1.00, 'pending'); \
             delete from orders where order_id = {earlier}"
        ));
    }
}

/// How many records of these orders there are: each delete has its tombstone.
const RECORDS: u64 = ORDERS + (ORDERS - 1) * 2;

#[test]
fn f82_a_restored_source_halts_history_and_mirror_until_it_is_accepted() {
    let server = Restorable::start();
    let source = Source::on(server.0, "put_back");
    let connect = worker("restored");
    let topic = source.capture_on(&connect);
    let deployments = Mode::BOTH.map(|mode| {
        let name = format!("put_back_{}", mode.word());
        Deployment::new(&name, mode, &topic, Warehouse::shared(&name)).initialised()
    });
    let mut workload = Workload::new(WorkloadOptions { seed: 82, ..WorkloadOptions::default() });
    let mut oracle = Oracle::default();
    source.load(&mut oracle, workload.by_ref().take(50));
    topic.wait_for(oracle.counts().records());
    connect.stop();
    server.back_up();
    connect.restart().expect("a worker that comes back");
    source.wait_captured(&connect);
    // Enough of its log, so that what starting servers write into theirs does not make up for it.
    source.load(&mut oracle, workload.by_ref().take(2_000));
    let known = oracle.counts().records();
    let position = "select pg_current_wal_lsn() - '0/0'";
    let number = |text: String| text.parse::<u64>().expect("a number");
    let reached = number(source.run(position));
    until("the topic holds all changes", || topic.records() >= known);
    let known = topic.records();
    let committed = Instant::now();
    for deployment in &deployments {
        deployment.run_until_caught_up();
    }
    connect.kill();
    server.restore();

    // The memory of the connector is of the other time. One that kept it would wait until the source has
    // written as much as it had, and send nothing of it.
    let connect = worker("restored-again");
    source.put_on(&connect, "never", &[]);
    thread::sleep((CLOCK_TOLERANCE + Duration::from_secs(2)).saturating_sub(committed.elapsed()));
    change(&source);
    assert!(number(source.run(position)) < reached, "the log went on: the test shows nothing");
    until("the topic holds the changes", || topic.records() >= known + RECORDS);
    let sent = topic.records();
    for deployment in &deployments {
        let run = || deployment.execute(&["run", "--until-caught-up"]).expect_code(3);
        run().expect_words(&["goes back", "find out whether the source was restored"]);
        run().expect_words(&["accept-source", "--reason"]);
        assert!(deployment.applied() < sent - RECORDS / 2, "it has gone on");
        let accept = ["accept-source", "--reason", "the disk of the source is gone"];
        deployment.execute(&accept).expect_code(0);
        deployment.run_until_caught_up();
        assert_eq!(deployment.applied(), sent);
        assert_no_dead_letters(deployment);
    }
    let [history, mirror] = &deployments;
    let kinds = format!(
        "select operation_type, count(*) from orders_fact where order_id >= {FIRST_ORDER} \
         group by 1 order by 1"
    );
    assert_eq!(history.warehouse.ask(&kinds), format!("c|{ORDERS}\nd|{}", ORDERS - 1));
    let rows = format!("select order_id from orders_current where order_id >= {FIRST_ORDER}");
    assert_eq!(mirror.warehouse.ask(&rows), (FIRST_ORDER + ORDERS - 1).to_string());
    // What the source has forgotten stays, and it is no secret.
    let held = |orders: &str| format!("select count(*) from {orders}");
    let left = usize::try_from(number(source.run(&held("orders")))).expect("a few");
    assert!(left < oracle.rows().len(), "the source has forgotten nothing");
    // The connector may also send orders again that were gone, and are there again.
    let rows = u64::try_from(oracle.rows().len()).expect("a few") + 1;
    let kept = mirror.warehouse.count(&held("orders_current"));
    assert!(kept >= rows, "{kept} of {rows} rows");
    assert_eq!(history.warehouse.count(&held("orders_latest")), kept);
}
