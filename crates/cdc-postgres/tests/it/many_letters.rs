//! A retry of very many letters costs each of them the same, however many there are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cdc_postgres::{LetterFilter, RetryMode};

use crate::chains::{HUGE, mirror, relax, run, update};
use crate::support::Warehouse;

/// Letters of a page at most.
const PAGE: usize = 1_000;
/// So many keys have letters: most pages come back to each of them.
const KEYS: i32 = 50;

/// How many rows and entries of indexes of the letters the server has read so far.
fn read(warehouse: &Warehouse) -> u64 {
    // A session reports what it has read at its end.
    let began = Instant::now();
    let others = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while warehouse.sql(others) != "0" {
        assert!(began.elapsed() < Duration::from_secs(30), "sessions stay open");
        std::thread::sleep(Duration::from_millis(20));
    }
    let read = "SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relid = t.oid)
                     + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relid = t.oid)
                  FROM (SELECT 'cdc.dead_letter'::regclass::oid) AS t";
    warehouse.sql(read).parse().unwrap()
}

/// What a dry run reads of the letters, when there are so many.
async fn read_for(letters: usize) -> u64 {
    let (warehouse, mut lane) = mirror().await;
    let ids: Vec<i32> = (10..10 + KEYS).cycle().take(letters).collect();
    for ids in ids.chunks(PAGE) {
        let ops: Vec<_> = ids.iter().map(|id| update(*id, HUGE, "dear")).collect();
        assert_eq!(lane.write(&ops).await.len(), ops.len());
    }
    relax(&warehouse);
    warehouse.sql("ALTER TABLE orders_current ALTER amount TYPE numeric(20, 2)");
    warehouse.sql("ANALYZE cdc.dead_letter");
    let written = Arc::clone(&lane.written);
    drop(lane);
    let before = read(&warehouse);
    let report = run(&warehouse, &written, LetterFilter::default(), RetryMode::DryRun).await;
    let all = u64::try_from(letters).unwrap();
    assert_eq!((report.selected, report.written, report.failed()), (all, all, 0), "{report:?}");
    read(&warehouse) - before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_over_four_times_as_many_letters_reads_four_times_as_much() {
    let (few, many) = (read_for(5_000).await, read_for(20_000).await);
    assert!(many < few * 5, "{few} for 5,000 letters, {many} for 20,000");
}
