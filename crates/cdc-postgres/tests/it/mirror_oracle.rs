//! Writing a fold equals writing its changes one by one.
//!
//! The same random changes go into two mirrors: into one as a few batches, into the other each as
//! a batch of its own. Both must hold the same rows afterwards.

use std::cell::RefCell;

use cdc_core::Writer as _;
use cdc_postgres::{Mode, PipelineName};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Builder;

use crate::mirror::{HARD, SOFT};
use crate::support::{Cell, Cells, Lane, Op, Warehouse, table, text};

/// Few keys, so that changes meet.
fn key() -> impl Strategy<Value = i32> {
    0..5_i32
}

/// Columns that may be unavailable, NULL or new each time.
fn row(lacks: bool) -> impl Strategy<Value = Cells> {
    let cell = move |made: fn(i32) -> Cell| {
        (0..1_000_i32, 0..10_u8).prop_map(move |(number, dice)| match dice {
            0..3 if lacks => Cell::Unavailable,
            3 => Cell::Null,
            _ => made(number),
        })
    };
    let words = cell(|number| text(&"word ".repeat(usize::try_from(number % 7).unwrap())));
    let cents = cell(|number| Cell::Cents(i128::from(number)));
    let status = cell(|number| text(&number.to_string()));
    (key(), 0..1_000_i32, words, cents, status).prop_map(|(id, customer, words, cents, status)| {
        vec![Cell::Int(id), Cell::Int(customer), words, cents, status, Cell::Null, Cell::Null]
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => row(false).prop_map(Op::Insert),
        1 => row(false).prop_map(Op::Snapshot),
        1 => row(true).prop_map(Op::Insert),
        4 => row(false).prop_map(|row| Op::Update(None, row)),
        5 => row(true).prop_map(|row| Op::Update(None, row)),
        2 => (row(false), row(true)).prop_map(|(before, after)| Op::Update(Some(before), after)),
        4 => row(false).prop_map(Op::Delete),
        1 => Just(Op::Truncate),
    ]
}

/// One mirror, written by a pipeline of its own.
async fn mirror(warehouse: &Warehouse, target: &str, mode: Mode, extra: &str) -> Lane {
    warehouse.sql(&format!(
        "CREATE TABLE {target} (order_id integer PRIMARY KEY, customer_id integer NOT NULL,
             product_name varchar(255), amount numeric(10,2), status varchar(50),
             created_at timestamp, updated_at timestamp, untouched text DEFAULT 'default',
             cdc_generation integer NOT NULL, cdc_offset bigint NOT NULL{extra})"
    ));
    let mut settings = warehouse.settings();
    settings.pipeline = PipelineName::parse(target).unwrap();
    Lane::open(settings, vec![table(0, target, mode)]).await
}

fn agree(mode: Mode, extra: &str) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (warehouse, mut folded, mut single) = runtime.block_on(async {
        let warehouse = Warehouse::initialised(&[]).await;
        // A change that a later one of its batch replaces is not refused: one by one more would wait.
        warehouse.sql("ALTER TABLE cdc.dead_letter ALTER holds SET DEFAULT false");
        let folded = mirror(&warehouse, "folded", mode, extra).await;
        let single = mirror(&warehouse, "single", mode, extra).await;
        (warehouse, folded, single)
    });
    let (folded, single) = (RefCell::new(&mut folded), RefCell::new(&mut single));
    let batches = prop::collection::vec(prop::collection::vec(op(), 1..20), 1..4);
    let mut runner = TestRunner::new(Config { cases: 48, ..Config::default() });
    let result = runner.run(&batches, |batches| {
        warehouse.sql("TRUNCATE folded, single");
        let (mut folded, mut single) = (folded.borrow_mut(), single.borrow_mut());
        // After a failed case the two may stand apart.
        let start = folded.next.max(single.next);
        (folded.next, single.next) = (start, start);
        for batch in &batches {
            runtime.block_on(async {
                folded.write(batch).await;
                for op in batch {
                    single.write(std::slice::from_ref(op)).await;
                }
            });
            // What only the target has must be as it would be one by one.
            warehouse.sql("UPDATE folded SET untouched = ''; UPDATE single SET untouched = ''");
        }
        let rows = |table: &str| warehouse.sql(&format!("SELECT * FROM {table} ORDER BY order_id"));
        prop_assert_eq!(rows("folded"), rows("single"));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// As [`agree`], with each batch prepared by one writer before the other has applied the one in
/// front of it. All rows are whole, so nothing is refused.
fn agree_overlapped(mode: Mode, extra: &str) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (warehouse, mut folded, mut single, second) = runtime.block_on(async {
        let warehouse = Warehouse::initialised(&[]).await;
        let mut folded = mirror(&warehouse, "folded", mode, extra).await;
        let single = mirror(&warehouse, "single", mode, extra).await;
        let second = folded.writer.second().await.unwrap().expect("a second writer");
        (warehouse, folded, single, second)
    });
    let lanes = RefCell::new((&mut folded, &mut single, second));
    let whole = prop_oneof![
        4 => row(false).prop_map(Op::Insert),
        4 => row(false).prop_map(|row| Op::Update(None, row)),
        2 => (row(false), row(false)).prop_map(|(before, after)| Op::Update(Some(before), after)),
        4 => row(false).prop_map(Op::Delete),
        1 => Just(Op::Truncate),
    ];
    let batches = prop::collection::vec(prop::collection::vec(whole, 1..12), 2..5);
    let mut runner = TestRunner::new(Config { cases: 48, ..Config::default() });
    let result = runner.run(&batches, |batches| {
        warehouse.sql("TRUNCATE folded, single");
        let (folded, single, standby) = &mut *lanes.borrow_mut();
        let start = folded.next.max(single.next);
        (folded.next, single.next) = (start, start);
        runtime.block_on(async {
            let mut front = None;
            for batch in &batches {
                let batch = folded.staged(batch).await;
                standby.prepare(&batch).await.unwrap();
                if let Some(front) = front.replace(batch) {
                    folded.writer.apply(&front).await.unwrap();
                }
                std::mem::swap(&mut folded.writer, standby);
            }
            folded.writer.apply(&front.expect("at least one batch")).await.unwrap();
            for op in batches.iter().flatten() {
                single.write(std::slice::from_ref(op)).await;
            }
        });
        let rows = |table: &str| warehouse.sql(&format!("SELECT * FROM {table} ORDER BY order_id"));
        prop_assert_eq!(rows("folded"), rows("single"));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn overlapping_batches_equal_their_changes_one_by_one() {
    agree_overlapped(HARD, "");
}

#[test]
fn overlapping_batches_with_soft_deletes_equal_their_changes_one_by_one() {
    agree_overlapped(SOFT, ", cdc_deleted boolean NOT NULL DEFAULT false");
}

#[test]
fn a_fold_equals_its_changes_one_by_one() {
    agree(HARD, "");
}

#[test]
fn a_fold_with_soft_deletes_equals_its_changes_one_by_one() {
    agree(SOFT, ", cdc_deleted boolean NOT NULL DEFAULT false");
}
