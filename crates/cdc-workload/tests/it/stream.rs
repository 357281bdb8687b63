//! What a seed promises, and what every stream keeps to.

use std::collections::{BTreeMap, BTreeSet};

use cdc_workload::{
    Cents, Hostility, Load, Mix, Operation, Oracle, Order, Tally, Transaction, Workload,
    WorkloadOptions, sql,
};
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

fn options(seed: u64, hostility: Hostility) -> WorkloadOptions {
    WorkloadOptions { seed, hostility, changes_per_transaction: 3, ..WorkloadOptions::default() }
}

fn text(transactions: &[Transaction]) -> String {
    let mut text = String::new();
    for transaction in transactions {
        sql::write_transaction(transaction, &mut text);
    }
    text
}

/// FNV-1a, so that the pinned number depends on nothing but the text.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn seed_42_starts_as_it_always_did() {
    let first: Vec<_> = Workload::new(options(42, Hostility::Realistic)).take(4).collect();
    insta::assert_snapshot!(text(&first));
}

#[test]
fn hostile_seed_42_starts_as_it_always_did() {
    let first: Vec<_> = Workload::new(options(42, Hostility::Hostile)).take(10).collect();
    insta::assert_snapshot!(text(&first));
}

#[test]
fn a_long_stream_is_the_one_its_seed_has_always_named() {
    let realistic: Vec<_> = Workload::new(options(7, Hostility::Realistic)).take(5_000).collect();
    let hostile: Vec<_> = Workload::new(options(7, Hostility::Hostile)).take(5_000).collect();
    insta::assert_snapshot!(format!(
        "realistic {:016x}\nhostile {:016x}",
        fingerprint(&text(&realistic)),
        fingerprint(&text(&hostile))
    ));
}

#[test]
fn equal_options_give_equal_streams_and_another_seed_another_one() {
    let take =
        |seed| Workload::new(options(seed, Hostility::Hostile)).take(500).collect::<Vec<_>>();
    assert_eq!(take(1), take(1));
    assert_ne!(take(1), take(2));
}

#[test]
fn realistic_values_are_those_of_the_shop() {
    let mut products = BTreeSet::new();
    let mut statuses = BTreeSet::new();
    let mut next_key = 1;
    for transaction in Workload::new(options(3, Hostility::Realistic)).take(2_000) {
        for operation in transaction.operations {
            match operation {
                Operation::Insert(order) => {
                    assert_eq!(order.order_id, next_key);
                    next_key += 1;
                    assert!((1..=1000).contains(&order.customer_id));
                    let amount = order.amount.expect("an amount");
                    assert!((Cents(1_000)..=Cents(50_000)).contains(&amount));
                    assert_eq!(order.created_at_micros, Some(transaction.commit_micros));
                    products.extend(order.product_name);
                    statuses.extend(order.status);
                }
                Operation::Update { before, after } => {
                    let updated_at_micros = Some(transaction.commit_micros);
                    let status = after.status.clone();
                    assert_eq!(after, Order { status, updated_at_micros, ..before });
                }
                Operation::Delete(_) => {}
            }
        }
    }
    assert_eq!(Vec::from_iter(products), ["Gadget X", "Gadget Y", "Widget A", "Widget B"]);
    assert_eq!(Vec::from_iter(statuses), ["delivered", "pending", "shipped"]);
}

#[test]
fn operations_come_in_the_proportion_of_the_mix() {
    let options = WorkloadOptions { keys: u32::MAX, ..options(5, Hostility::Realistic) };
    let counts = Oracle::of(&Workload::new(options).take(20_000).collect::<Vec<_>>()).counts();
    assert_eq!(counts.operations(), 60_000);
    assert!(counts.inserts.abs_diff(40_000) < 1_000, "{counts:?}");
    assert!(counts.updates.abs_diff(10_000) < 500, "{counts:?}");
    assert!(counts.deletes.abs_diff(10_000) < 500, "{counts:?}");
}

#[test]
fn the_live_rows_never_exceed_their_limit() {
    let options = WorkloadOptions { keys: 5, ..options(9, Hostility::Hostile) };
    let mut workload = Workload::new(options);
    let mut most = 0;
    for _ in 0..2_000 {
        workload.transaction(1).expect("endless");
        most = most.max(workload.live().len());
    }
    assert_eq!(most, 5);
}

#[test]
fn a_mix_of_inserts_only_inserts_for_ever_and_remembers_nothing() {
    let mix = Mix::try_new(1, 0, 0).expect("a mix");
    let options = WorkloadOptions { keys: 2, mix, ..options(9, Hostility::Realistic) };
    let mut workload = Workload::new(options);
    let transactions: Vec<_> = workload.by_ref().take(100).collect();
    assert_eq!(Oracle::of(&transactions).rows().len(), 300);
    assert!(workload.live().is_empty());
}

#[test]
fn a_copy_loads_rows_which_the_mix_then_changes() {
    let mix = Mix::try_new(0, 1, 0).expect("a mix");
    let mut workload = Workload::new(WorkloadOptions { mix, ..WorkloadOptions::default() });
    let loaded = workload.copy(50).expect("rows");
    assert_eq!((loaded.load, loaded.operations.len()), (Load::Copy, 50));
    assert_eq!(workload.copy(0), None);
    let changes: Vec<_> = workload.by_ref().take(100).collect();
    let oracle = Oracle::of([&loaded].into_iter().chain(&changes));
    assert_eq!((oracle.rows().len(), oracle.counts().updates), (50, 100));
    assert_eq!(workload.next_order_id(), 51);
}

#[test]
fn the_stream_ends_when_the_keys_are_used_up() {
    let mix = Mix::try_new(1, 0, 0).expect("a mix");
    let first_order_id = i32::MAX - 4;
    let options = WorkloadOptions { mix, first_order_id, ..options(1, Hostility::Realistic) };
    let sizes: Vec<_> = Workload::new(options).map(|one| one.operations.len()).collect();
    assert_eq!(sizes, [3, 1]);
}

#[test]
fn hostile_traffic_contains_what_it_promises() {
    let transactions: Vec<_> = Workload::new(options(11, Hostility::Hostile)).take(3_000).collect();
    let mut inserted = BTreeSet::new();
    let (mut returned, mut unchanged) = (0, 0);
    let mut rows = Vec::new();
    for operation in transactions.iter().flat_map(|transaction| &transaction.operations) {
        match operation {
            Operation::Insert(order) => {
                returned += u32::from(!inserted.insert(order.order_id));
                rows.push(order);
            }
            Operation::Update { before, after } => {
                inserted.insert(after.order_id);
                unchanged += u32::from(before == after);
                rows.push(after);
            }
            Operation::Delete(_) => {}
        }
    }
    assert!(Oracle::of(&transactions).counts().key_changes > 50);
    assert!(returned > 50 && unchanged > 50, "{returned} {unchanged}");
    assert!([i32::MIN, -1, 0, i32::MAX].iter().all(|key| inserted.contains(key)));
    for amount in [None, Some(Cents::MAX), Some(Cents(-Cents::MAX.0)), Some(Cents(0))] {
        assert!(rows.iter().any(|row| row.amount == amount), "{amount:?}");
    }
    let products: BTreeSet<_> = rows.iter().map(|row| row.product_name.as_deref()).collect();
    for product in [None, Some(""), Some("🎉"), Some("\\N"), Some(&*"🎉".repeat(255))] {
        assert!(products.contains(&product), "{product:?}");
    }
    assert!(rows.iter().all(|row| row.created_at_micros.is_some()));
}

#[test]
fn the_clock_follows_the_real_one_and_never_goes_back() {
    let mut workload = Workload::new(options(1, Hostility::Realistic));
    let commit = |workload: &mut Workload| workload.next().expect("endless").commit_micros;
    let first = commit(&mut workload);
    workload.advance_clock(first + 1_000_000_000);
    assert_eq!(commit(&mut workload), first + 1_000_000_000);
    workload.advance_clock(0);
    assert!(commit(&mut workload) >= first + 1_000_000_000);
}

fn any_options() -> impl Strategy<Value = WorkloadOptions> {
    let mix = (0..5_u32, 0..5_u32, 0..5_u32)
        .prop_filter_map("no operation", |(a, b, c)| Mix::try_new(a, b, c).ok());
    (any::<u64>(), 1..40_u32, mix, 1..6_u32, any::<bool>()).prop_map(
        |(seed, keys, mix, changes_per_transaction, is_hostile)| WorkloadOptions {
            seed,
            keys,
            mix,
            changes_per_transaction,
            hostility: if is_hostile { Hostility::Hostile } else { Hostility::Realistic },
            ..WorkloadOptions::default()
        },
    )
}

proptest! {
    /// Replays the operations under the rules of a table, and compares with the oracle.
    #[test]
    fn every_operation_meets_the_row_it_names(options in any_options()) {
        let transactions: Vec<_> = Workload::new(options).take(120).collect();
        let mut table: BTreeMap<i32, Order> = BTreeMap::new();
        let mut last = (0, i64::MIN);
        for transaction in &transactions {
            prop_assert!(transaction.id == last.0 + 1 && transaction.commit_micros >= last.1);
            last = (transaction.id, transaction.commit_micros);
            for operation in &transaction.operations {
                let (gone, come) = match operation {
                    Operation::Insert(order) => (None, Some(order)),
                    Operation::Update { before, after } => (Some(before), Some(after)),
                    Operation::Delete(order) => (Some(order), None),
                };
                if let Some(gone) = gone {
                    let removed = table.remove(&gone.order_id);
                    prop_assert_eq!(removed.as_ref(), Some(gone));
                }
                if let Some(come) = come {
                    prop_assert_eq!(table.insert(come.order_id, come.clone()), None);
                }
            }
        }
        let oracle = Oracle::of(&transactions);
        prop_assert_eq!(oracle.rows(), &table);
        let cents: i128 = table.values().map(|row| i128::from(row.amount.unwrap_or_default().0)).sum();
        prop_assert_eq!(oracle.amount_cents(), cents);
        let mut tally = Tally::default();
        for transaction in &transactions {
            tally.apply(transaction);
        }
        let rows = u64::try_from(table.len()).expect("a count");
        prop_assert_eq!(tally, Tally { counts: oracle.counts(), rows, amount_cents: cents });
    }
}
