//! A connector that does not keep up, or that is not there.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cdc_postgres::Verdict;
use cdc_stack::postgres::PostgresBinaries;

use super::{MIRROR, Sides, fill};

/// A process that reads a replication slot, as a connector does.
struct Reader(Child);

impl Reader {
    fn start(sides: &Sides, slot: &str) -> Self {
        sides.source(&format!(
            "SELECT pg_create_logical_replication_slot('{slot}', 'test_decoding')"
        ));
        let program = PostgresBinaries::find().unwrap().program("pg_recvlogical");
        let url = sides.source_server().url(&sides.source);
        let child = Command::new(program)
            .args(["--dbname", &url, "--slot", slot, "--start", "--no-loop", "--file", "/dev/null"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        wait_for_readers(sides, "1");
        Self(child)
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }
}

/// Waits until so many sessions read slots of the source.
fn wait_for_readers(sides: &Sides, count: &str) {
    let began = Instant::now();
    let active = "SELECT count(*) FROM pg_replication_slots
                   WHERE active AND database = current_database()";
    while sides.source(active) != count {
        assert!(began.elapsed() < Duration::from_secs(30), "the slot has not {count} readers");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Creating a slot waits for every transaction that is open on the server, also for those of frozen
/// sessions of other tests: the source is apart from them.
#[tokio::test]
async fn nothing_is_said_to_differ_while_the_connector_has_not_been_sent_it() {
    let mut sides = Sides::orders(MIRROR).await.apart();
    fill(&sides, 10);
    sides.options.patience = Duration::from_secs(3);
    let reader = Reader::start(&sides, "verify_frozen");
    reader.signal("-STOP");
    // More than the buffers between the two take.
    sides.source(
        "CREATE TABLE filler (text text);
         INSERT INTO filler SELECT repeat('x', 1500) FROM generate_series(1, 10000);
         UPDATE orders SET customer_id = 4711 WHERE order_id = 5",
    );
    let report = sides.verify().await;
    let Verdict::Unproven(reason) = &report.verdict else { panic!("{report:?}") };
    assert!(reason.contains("bytes of the source's log were not sent"), "{reason}");
    assert_eq!((report.differences(), report.moving), (0, 1));

    reader.signal("-CONT");
    sides.options.patience = Duration::from_secs(30);
    let report = sides.verify().await;
    assert_eq!(report.verdict, Verdict::Differs, "it has been sent and has not arrived");
    assert!(!report.notes.iter().any(|note| note.contains("no connector")), "{:?}", report.notes);

    drop(reader);
    wait_for_readers(&sides, "0");
    let notes = sides.verify().await.notes;
    assert!(notes.iter().any(|note| note.contains("no connector")), "{notes:?}");
    sides.source("SELECT pg_drop_replication_slot('verify_frozen')");
}
