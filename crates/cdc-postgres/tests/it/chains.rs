//! Later changes of a key wait behind its dead letter, and are applied in their order after it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cdc_core::{
    ByteBudget, Classify as _, DeadLetter, ErrorClass, Halt, Poison, RecordBatch, Sink as _,
    Source as _, SourceEvent, Writer as _,
};
use cdc_postgres::{
    LetterFilter, PostgresBody, Retry, RetryMode, RetryReport, TableSettings, discard_letters,
};

use crate::mirror::HARD;
use crate::support::{Lane, Op, Warehouse, Written, order, orders_shape, stage_all, table};

/// What the server refuses by a constraint, if it is the last state of its key in a batch.
const DEAR: i128 = 50_000;
/// What does not fit the column.
pub(crate) const HUGE: i128 = 1_000_000_000_000;

const ROWS: &str =
    "SELECT string_agg(concat_ws(' ', order_id, amount, status, cdc_offset), ', ' ORDER BY order_id)
       FROM orders_current";

/// Each letter with its reason, its state and the offset of the letter that it is blocked by.
const CHAIN: &str =
    "SELECT string_agg(concat_ws(' ', l.\"offset\", l.reason, l.state, 'by ' || h.\"offset\"), ', '
                       ORDER BY l.\"offset\")
       FROM cdc.dead_letter AS l LEFT JOIN cdc.dead_letter AS h ON h.id = l.blocked_by";

fn tables() -> Vec<TableSettings> {
    vec![table(0, "orders_current", HARD)]
}

/// A mirror that takes no dear orders yet, with the orders 1 and 2 at the offsets 100 and 101.
pub(crate) async fn mirror() -> (Warehouse, Lane) {
    let warehouse = Warehouse::initialised(&tables()).await;
    warehouse.sql("ALTER TABLE orders_current ADD CONSTRAINT cheap CHECK (amount < 500)");
    let mut lane = warehouse.lane(tables()).await;
    let ops = [Op::Insert(order(1, 100, "there")), Op::Insert(order(2, 200, "there"))];
    assert_eq!(lane.write(&ops).await, []);
    (warehouse, lane)
}

pub(crate) fn relax(warehouse: &Warehouse) {
    warehouse.sql("ALTER TABLE orders_current DROP CONSTRAINT cheap");
}

pub(crate) fn update(id: i32, cents: i128, status: &str) -> Op {
    Op::Update(None, order(id, cents, status))
}

fn only(ids: &[i64]) -> LetterFilter {
    LetterFilter { ids: ids.to_vec(), ..LetterFilter::default() }
}

fn of(reason: &str) -> LetterFilter {
    LetterFilter { reason: Some(reason.to_owned()), ..LetterFilter::default() }
}

fn id_of(warehouse: &Warehouse, offset: i64) -> i64 {
    let sql = format!("SELECT id FROM cdc.dead_letter WHERE \"offset\" = {offset}");
    warehouse.sql(&sql).parse().unwrap()
}

/// Retries letters as an engine does. What they say is known by their offsets.
async fn retry(warehouse: &Warehouse, written: &Written, filter: LetterFilter) -> RetryReport {
    run(warehouse, written, filter, RetryMode::Commit).await
}

pub(crate) async fn run(
    warehouse: &Warehouse,
    written: &Written,
    filter: LetterFilter,
    mode: RetryMode,
) -> RetryReport {
    let budget = ByteBudget::new(1 << 20);
    let opened = Retry::open(warehouse.settings(), tables(), filter, mode, budget).await;
    let Retry { mut source, sink, retried } = opened.unwrap();
    let mut halves = sink.open_lane().await.unwrap();
    loop {
        match source.poll().await.unwrap() {
            SourceEvent::Assigned(assignment) => {
                let partitions = assignment.partitions().to_vec();
                let points = halves.1.acquire(&partitions).await.unwrap();
                source.resume(assignment, points).await.unwrap();
            }
            SourceEvent::Records(records) => {
                let records = Arc::new(records);
                let receipt = apply_again(&mut halves, written, &records).await;
                source.acknowledge(&receipt).await.unwrap();
            }
            SourceEvent::End => return retried.report(),
            other @ (SourceEvent::Revoked(_)
            | SourceEvent::CaughtUp(_)
            | SourceEvent::LogEnd(..)) => panic!("{other:?}"),
        }
    }
}

async fn apply_again(
    (stager, writer): &mut (cdc_postgres::RetryStager, cdc_postgres::RetryWriter),
    written: &Written,
    records: &Arc<RecordBatch>,
) -> cdc_core::Receipt {
    let ops: Vec<Op> = {
        let written = written.lock().unwrap();
        records.iter().map(|record| written[&record.offset.get()].clone()).collect()
    };
    let ops: Vec<&Op> = ops.iter().collect();
    let shape = orders_shape();
    let mut poisoned: Vec<DeadLetter> = Vec::new();
    let mut attempts = 0;
    loop {
        attempts += 1;
        assert!(attempts < 200, "it is staged again and again");
        let halves = (&mut *stager, &mut *writer);
        let table = tables()[0].id;
        let body = PostgresBody::default();
        let batch = stage_all(halves, (table, &shape), body, &ops, (records, &poisoned)).await;
        let Err(error) = writer.apply(&batch).await else { return batch.finish().0 };
        match error.class() {
            ErrorClass::Poison(Poison::Record(letter)) => poisoned.push(*letter),
            ErrorClass::Restage => {}
            ErrorClass::Transient => tokio::time::sleep(Duration::from_millis(20)).await,
            class @ (ErrorClass::Indeterminate
            | ErrorClass::Outdated
            | ErrorClass::Poison(_)
            | ErrorClass::Fatal(_)) => panic!("{class:?}: {error}"),
        }
    }
}

#[tokio::test]
async fn f111_later_changes_of_a_parked_key_wait_in_order_and_other_keys_go_on() {
    let (warehouse, mut lane) = mirror().await;
    assert_eq!(lane.write(&[update(1, DEAR, "dear")]).await.len(), 1);
    let ops = [update(1, 300, "cheap"), update(2, 300, "goes on")];
    let letters = lane.write(&ops).await;
    assert_eq!(letters.len(), 1);
    assert!(letters[0].rejection.is_behind(), "{letters:?}");
    assert_eq!(lane.write(&[Op::Delete(order(1, 300, "cheap"))]).await.len(), 1);
    assert_eq!(lane.write(&[Op::Insert(order(1, 400, "again"))]).await.len(), 1);
    assert_eq!(warehouse.sql(ROWS), "1 1.00 there 100, 2 3.00 goes on 104");
    let waiting = "102 check open, 103 behind_dead_letter open by 102, \
                   105 behind_dead_letter open by 102, 106 behind_dead_letter open by 102";
    assert_eq!(warehouse.sql(CHAIN), waiting);

    relax(&warehouse);
    let dry = run(&warehouse, &lane.written, of("check"), RetryMode::DryRun).await;
    assert_eq!((dry.selected, dry.written), (4, 4), "{dry:?}");
    assert_eq!(warehouse.sql(CHAIN), waiting);
    let report = retry(&warehouse, &lane.written, of("check")).await;
    assert_eq!((report.selected, report.written, report.failed()), (4, 4, 0), "{report:?}");
    assert_eq!(warehouse.sql(ROWS), "1 4.00 again 106, 2 3.00 goes on 104");
    assert_eq!(warehouse.sql("SELECT DISTINCT state FROM cdc.dead_letter"), "retried");
    // The lane finds out that nothing is to be waited for any more.
    assert_eq!(lane.write(&[update(1, 450, "applied")]).await, []);
    assert_eq!(warehouse.sql(ROWS), "1 4.50 applied 107, 2 3.00 goes on 104");
}

#[tokio::test]
async fn f111_a_batch_that_makes_a_letter_holds_what_it_has_of_the_same_key() {
    let (warehouse, mut lane) = mirror().await;
    let ops = [
        Op::Insert(order(3, HUGE, "dear")),
        update(3, 300, "cheap"),
        Op::Insert(order(4, 400, "goes on")),
        Op::Delete(order(3, 300, "cheap")),
        Op::Insert(order(3, HUGE, "dear again")),
        update(4, 450, "goes on"),
        update(3, 350, "last"),
    ];
    assert_eq!(lane.write(&ops).await.len(), 5);
    assert_eq!(warehouse.sql(ROWS), "1 1.00 there 100, 2 2.00 there 101, 4 4.50 goes on 107");
    assert_eq!(
        warehouse.sql(CHAIN),
        "102 out_of_range open, 103 behind_dead_letter open by 102, 105 behind_dead_letter open by 102, \
         106 behind_dead_letter open by 102, 108 behind_dead_letter open by 102"
    );
    warehouse.sql("ALTER TABLE orders_current ALTER amount TYPE numeric(20,2)");
    let report = retry(&warehouse, &lane.written, LetterFilter::default()).await;
    assert_eq!((report.selected, report.written, report.failed()), (5, 5, 0), "{report:?}");
    assert_eq!(
        warehouse.sql(ROWS),
        "1 1.00 there 100, 2 2.00 there 101, 3 3.50 last 108, 4 4.50 goes on 107"
    );
}

#[tokio::test]
async fn f111_a_row_that_was_staged_before_its_letter_was_known_is_staged_again() {
    let (warehouse, mut lane) = mirror().await;
    lane.next += 1;
    let later = lane.staged(&[update(1, 300, "cheap")]).await;
    lane.next -= 2;
    assert_eq!(lane.write(&[update(1, DEAR, "dear")]).await.len(), 1);
    let error = lane.apply(later).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Restage, "{error}");
    assert_eq!(lane.write(&[update(1, 300, "cheap")]).await.len(), 1);
    assert_eq!(warehouse.sql(CHAIN), "102 check open, 103 behind_dead_letter open by 102");
    assert_eq!(warehouse.sql(ROWS), "1 1.00 there 100, 2 2.00 there 101");
}

#[tokio::test]
async fn f111_a_lane_that_starts_again_knows_what_is_to_be_waited_for() {
    let (warehouse, mut lane) = mirror().await;
    assert_eq!(lane.write(&[update(1, DEAR, "dear")]).await.len(), 1);
    let mut lane = warehouse.lane(tables()).await;
    let ops = [update(1, 300, "cheap"), update(2, 300, "goes on")];
    assert_eq!(lane.write(&ops).await.len(), 1);
    assert_eq!(warehouse.sql(CHAIN), "102 check open, 103 behind_dead_letter open by 102");
    assert_eq!(warehouse.sql(ROWS), "1 1.00 there 100, 2 3.00 goes on 104");
}

#[tokio::test]
async fn f111_a_retry_that_fails_again_leaves_the_chain_and_a_discarded_head_releases_it() {
    let (warehouse, mut lane) = mirror().await;
    let ops = [update(1, HUGE, "dear"), update(1, 300, "cheap"), update(1, HUGE, "dear again")];
    assert_eq!(lane.write(&ops).await.len(), 3);
    assert_eq!(lane.write(&[update(1, 350, "last")]).await.len(), 1);
    let chain = "102 out_of_range open, 103 behind_dead_letter open by 102, \
                 104 behind_dead_letter open by 102, 105 behind_dead_letter open by 102";
    let report = retry(&warehouse, &lane.written, of("out_of_range")).await;
    assert_eq!((report.selected, report.written, report.failed()), (4, 0, 4), "{report:?}");
    assert_eq!(warehouse.sql(CHAIN), chain);
    // Nobody gets past the first one.
    let later = only(&[id_of(&warehouse, 103)]);
    let report = retry(&warehouse, &lane.written, later).await;
    assert_eq!((report.selected, report.failed()), (1, 1), "{report:?}");
    assert_eq!(report.failures[0].reason, "behind_dead_letter");
    assert_eq!(warehouse.sql(CHAIN), chain);
    assert_eq!(warehouse.sql(ROWS), "1 1.00 there 100, 2 2.00 there 101");

    let settings = warehouse.settings();
    let head = only(&[id_of(&warehouse, 102)]);
    assert_eq!(discard_letters(&settings, &head, Some("wrong")).await.unwrap(), 1);
    let moved_up = "102 out_of_range discarded, 103 behind_dead_letter open, \
                    104 behind_dead_letter open by 103, 105 behind_dead_letter open by 103";
    assert_eq!(warehouse.sql(CHAIN), moved_up);
    assert_eq!(lane.write(&[update(1, 360, "still waits")]).await.len(), 1);
    // The third is refused as such now, and what is behind it stays.
    let report = retry(&warehouse, &lane.written, LetterFilter::default()).await;
    assert_eq!((report.selected, report.written, report.failed()), (4, 1, 3), "{report:?}");
    assert_eq!(
        warehouse.sql(CHAIN),
        "102 out_of_range discarded, 103 behind_dead_letter retried, 104 out_of_range open, \
         105 behind_dead_letter open by 104, 106 behind_dead_letter open by 104"
    );
    assert_eq!(warehouse.sql(ROWS), "1 3.00 cheap 103, 2 2.00 there 101");
    let head = only(&[id_of(&warehouse, 104)]);
    assert_eq!(discard_letters(&settings, &head, Some("wrong")).await.unwrap(), 1);
    let report = retry(&warehouse, &lane.written, LetterFilter::default()).await;
    assert_eq!((report.written, report.failed()), (2, 0), "{report:?}");
    assert_eq!(lane.write(&[update(1, 370, "applied")]).await, []);
    assert_eq!(warehouse.sql(ROWS), "1 3.70 applied 107, 2 2.00 there 101");
}

#[tokio::test]
async fn f111_a_letter_that_was_discarded_holds_nothing_when_it_is_read_again() {
    let (warehouse, mut lane) = mirror().await;
    assert_eq!(lane.write(&[update(1, DEAR, "dear")]).await.len(), 1);
    let everything = LetterFilter::default();
    discard_letters(&warehouse.settings(), &everything, Some("known")).await.unwrap();
    warehouse.sql("UPDATE cdc.checkpoint SET next_offset = 102; DELETE FROM cdc.ledger");
    let mut lane = warehouse.lane(tables()).await;
    let letters = lane.write(&[update(1, HUGE, "huge"), update(1, 300, "cheap")]).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(warehouse.sql(CHAIN), "102 check discarded", "a decision is left alone");
    assert_eq!(warehouse.sql(ROWS), "1 3.00 cheap 103, 2 2.00 there 101");
}

#[tokio::test]
async fn f111_a_truncate_comes_in_its_turn_and_makes_letters_before_it_moot() {
    let (warehouse, mut lane) = mirror().await;
    lane.write(&[update(1, DEAR, "dear")]).await;
    lane.write(&[update(1, 300, "cheap")]).await;
    assert_eq!(lane.write(&[Op::Truncate]).await, []);
    assert_eq!(lane.write(&[Op::Insert(order(1, 400, "after"))]).await.len(), 1);
    relax(&warehouse);
    let report = retry(&warehouse, &lane.written, LetterFilter::default()).await;
    assert_eq!((report.selected, report.failed()), (3, 0), "{report:?}");
    assert_eq!(warehouse.sql(ROWS), "1 4.00 after 105");
}

/// As many letters as that behind the one at the offset 102, made up.
fn made_up(warehouse: &Warehouse, letters: usize, per_head: usize) {
    warehouse.sql(&format!(
        "INSERT INTO cdc.dead_letter (pipeline, topic, generation, partition, \"offset\", target_table, stage,
                                      reason, message, raw_key, deleted_in, blocked_by)
         SELECT pipeline, topic, generation, partition, 1000000 + n, target_table, 'apply',
                'behind_dead_letter', 'test', raw_key, '{{}}', id - n / {per_head}
           FROM cdc.dead_letter, generate_series(0, {letters} - 1) AS n"
    ));
}

#[tokio::test]
async fn f111_too_many_changes_of_a_key_halt_by_name() {
    let (warehouse, mut lane) = mirror().await;
    assert_eq!(lane.write(&[update(1, DEAR, "dear")]).await.len(), 1);
    made_up(&warehouse, 9_999, 1_000_000);
    assert_eq!(lane.write(&[update(1, 300, "the last one")]).await.len(), 1);
    let before = warehouse.sql("SELECT count(*) FROM cdc.dead_letter");
    let error = lane.try_write(&[update(1, 301, "too many")]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Data), "{error}");
    let letter = id_of(&warehouse, 102);
    assert_eq!(
        error.to_string(),
        format!(
            "more than 10000 changes of public.orders_current wait behind dead letter {letter}"
        )
    );
    let hint = error.hint().unwrap();
    for way in [format!("retry --id {letter}"), format!("discard --id {letter} --reason")] {
        assert!(hint.contains(&way), "{hint}");
    }
    assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.dead_letter"), before);
    // With the way out taken it goes on where it stood.
    warehouse.sql("UPDATE cdc.dead_letter SET state = 'discarded'");
    assert_eq!(lane.write(&[update(1, 301, "goes on")]).await, []);
}

#[tokio::test]
async fn f111_too_many_changes_of_a_table_halt_by_name() {
    let (warehouse, mut lane) = mirror().await;
    assert_eq!(lane.write(&[update(1, DEAR, "dear")]).await.len(), 1);
    made_up(&warehouse, 100_000, 5_000);
    let error = lane.try_write(&[update(1, 301, "too many")]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Data), "{error}");
    assert_eq!(
        error.to_string(),
        "more than 100000 changes of public.orders_current wait behind dead letters"
    );
    assert!(error.hint().unwrap().contains("retry --table public.orders_current"));
}

/// Rounds of a lane that goes on writing a key while its letter is retried.
const ROUNDS: u64 = 30;

#[tokio::test(flavor = "multi_thread")]
async fn f111_a_retry_beside_a_lane_that_goes_on_with_the_key_leaves_the_last_row_and_no_letter() {
    let (warehouse, mut lane) = mirror().await;
    let warehouse = Arc::new(warehouse);
    // The lane's own staging table still has the constraint: it goes on refusing what a retry takes.
    relax(&warehouse);
    let mut shapes = BTreeSet::new();
    for round in 0..ROUNDS {
        let pause = Duration::from_millis(round * 7 % 40);
        assert_eq!(lane.write(&[update(1, DEAR, "dear")]).await.len(), 1);
        let retried = tokio::spawn({
            let (warehouse, written) = (Arc::clone(&warehouse), Arc::clone(&lane.written));
            async move {
                if round % 2 == 0 {
                    tokio::time::sleep(pause).await;
                }
                retry(&warehouse, &written, of("check")).await
            }
        });
        if round % 2 == 1 {
            tokio::time::sleep(pause).await;
        }
        let mut waited = 0;
        let mut writes = 0;
        while writes < 10 || !retried.is_finished() {
            let cents = i128::from(writes % 400);
            let op = match (writes + round) % 3 {
                0 => update(1, cents, "updated"),
                1 => Op::Delete(order(1, cents, "gone")),
                _ => Op::Insert(order(1, cents, "inserted")),
            };
            waited += lane.write(&[op]).await.len();
            writes += 1;
        }
        let report = retried.await.unwrap();
        assert_eq!(lane.write(&[update(1, 444, "last")]).await, [], "round {round}: {report:?}");
        let open = "SELECT count(*) FROM cdc.dead_letter WHERE state = 'open'";
        assert_eq!(warehouse.sql(open), "0", "round {round}: {report:?}");
        assert_eq!(report.failed(), 0, "round {round}: {report:?}");
        let expected = format!("1 4.44 last {}, 2 2.00 there 101", lane.next - 1);
        assert_eq!(warehouse.sql(ROWS), expected, "round {round}: {report:?}");
        shapes.insert((waited > 0, waited < usize::try_from(writes).unwrap()));
    }
    assert!(shapes.contains(&(true, true)), "some waited and some did not: {shapes:?}");
}
