//! Each invariant seen to be broken, by name, on a small campaign made by hand.

use std::collections::BTreeMap;

use super::account::{Entry, Letter, Log, Operation, Row, Tables};
use super::chain::link;
use super::*;

fn log(topic: &str) -> Log {
    Log { topic: topic.to_owned(), partition: 0 }
}

fn place(topic: &str, offset: i64) -> Place {
    Place { log: log(topic), offset }
}

fn state(key: i64, version: i64, previous: &str, amount: &str) -> State {
    let (previous, amount) = (previous.to_owned(), Some(amount.to_owned()));
    let note = Some(String::new());
    let mut state = State { key, version, previous, hash: String::new(), amount, note };
    state.hash = link(&state);
    state
}

fn logged(change: &Change) -> Logged {
    let State { key, version, hash, .. } = change.state.clone();
    Logged::Change { operation: change.operation, key, version, hash }
}

fn entry(topic: &str, first: i64, until: i64, written: i64, dead_lettered: i64) -> Entry {
    Entry {
        log: log(topic),
        first,
        until,
        read: until - first,
        written,
        folded: 0,
        skipped: until - first - written - dead_lettered,
        skipped_as_sent_again: 0,
        skipped_by_reason: until - first - written - dead_lettered,
        dead_lettered,
    }
}

/// Key 1 was created, changed twice and stays; key 2 was created and deleted. One record is no change.
fn account() -> Account {
    let first = state(1, 1, "", "1.00");
    let second = state(1, 2, &first.hash, "2.00");
    let third = state(1, 3, &second.hash, "3.00");
    let other = state(2, 1, "", "9.00");
    let change = |operation, state: &State| Change { operation, state: state.clone() };
    let journal = vec![
        change(Operation::Created, &first),
        change(Operation::Created, &other),
        change(Operation::Updated, &second),
        change(Operation::Deleted, &other),
        change(Operation::Updated, &third),
    ];
    let mut records = BTreeMap::new();
    for topic in ["h", "m"] {
        for (offset, change) in (0..).zip(&journal) {
            records.insert(place(topic, offset), logged(change));
        }
    }
    records.insert(place("h", 5), Logged::Unreadable { hex: "00ff".to_owned() });
    let history = (0..).zip(&journal);
    let history = history
        .map(|(offset, change)| Row {
            change: change.clone(),
            place: place("h", offset),
            ordinal: 0,
        })
        .collect();
    let tables = Tables {
        history,
        mirror: vec![third.clone()],
        mirror_lines: Vec::new(),
        ledger: vec![entry("h", 0, 2, 2, 0), entry("h", 2, 6, 3, 1), entry("m", 0, 5, 5, 0)],
        checkpoints: BTreeMap::from([(log("h"), 6), (log("m"), 5)]),
        letters: vec![Letter { place: place("h", 5), hex: "00ff".to_owned() }],
    };
    Account {
        journal,
        source: BTreeMap::from([(1, third)]),
        log: records,
        ends: BTreeMap::from([(log("h"), 6), (log("m"), 5)]),
        tables,
    }
}

fn broken(damage: impl FnOnce(&mut Account)) -> Vec<Invariant> {
    let mut account = account();
    damage(&mut account);
    let mut broken: Vec<_> =
        account.violations().into_iter().map(|violation| violation.invariant).collect();
    broken.sort();
    broken.dedup();
    broken
}

use Invariant::{
    CheckpointIsHead, DeadLetters, EqualsSource, LedgerSums, LedgerWithoutHoles, NoDuplicate,
    NoLoss, NothingInvented, Order,
};

#[test]
fn a_sound_campaign_has_no_violation() {
    assert_eq!(account().violations(), []);
}

#[test]
fn a_lost_doubled_or_reordered_change_is_named() {
    let lost = broken(|account| drop(account.tables.history.remove(2)));
    assert_eq!(lost, [NoLoss, Order, LedgerSums, EqualsSource]);
    let of_the_end = broken(|account| drop(account.tables.history.remove(4)));
    assert_eq!(
        of_the_end,
        [NoLoss, LedgerSums, EqualsSource],
        "the end of a chain has no next link"
    );
    let doubled = broken(|account| {
        let mut again = account.tables.history[2].clone();
        again.place.offset = 7;
        account.tables.history.push(again);
    });
    assert_eq!(doubled, [NoDuplicate, NothingInvented, Order, LedgerSums]);
    let at_its_place = broken(|account| {
        let again = account.tables.history[4].clone();
        account.tables.history.push(again);
    });
    assert_eq!(at_its_place, [NoDuplicate, Order, LedgerSums]);
    let swapped = broken(|account| {
        account.tables.history[2].place.offset = 4;
        account.tables.history[4].place.offset = 2;
    });
    assert_eq!(swapped, [NothingInvented, Order, EqualsSource]);
}

#[test]
fn a_changed_value_is_named_even_where_source_and_log_are_not_asked() {
    let changed = broken(|account| {
        account.tables.history[2].change.state.amount = Some("2.01".to_owned());
    });
    assert_eq!(changed, [NothingInvented, Order, EqualsSource]);
}

#[test]
fn a_change_that_was_rolled_back_is_invented() {
    let invented = broken(|account| drop(account.journal.remove(4)));
    assert_eq!(invented, [NothingInvented]);
}

#[test]
fn a_mirror_that_differs_lacks_a_row_or_keeps_one_is_named() {
    let damages: [fn(&mut Account); 3] = [
        |account| account.tables.mirror[0].amount = None,
        |account| account.tables.mirror.clear(),
        |account| account.tables.mirror.push(state(2, 1, "", "9.00")),
    ];
    for damage in damages {
        assert_eq!(broken(damage), [EqualsSource]);
    }
}

#[test]
fn books_that_do_not_balance_are_named() {
    let hole = broken(|account| account.tables.ledger[1].first = 3);
    assert_eq!(hole, [LedgerWithoutHoles, LedgerSums]);
    let overlap = broken(|account| account.tables.ledger[1].first = 1);
    assert_eq!(overlap, [LedgerWithoutHoles, LedgerSums]);
    let sum = broken(|account| account.tables.ledger[0].read = 3);
    assert_eq!(sum, [LedgerSums]);
    let behind = broken(|account| {
        account.tables.checkpoints.insert(log("m"), 4);
    });
    assert_eq!(behind, [CheckpointIsHead]);
    let unread = broken(|account| {
        account.ends.insert(log("m"), 6);
    });
    assert_eq!(unread, [CheckpointIsHead]);
}

#[test]
fn dead_letters_that_are_missing_needless_or_altered_are_named() {
    let missing = broken(|account| account.tables.letters.clear());
    assert_eq!(missing, [LedgerSums, DeadLetters]);
    let altered = broken(|account| account.tables.letters[0].hex = "00fe".to_owned());
    assert_eq!(altered, [DeadLetters]);
    let needless = broken(|account| account.tables.letters[0].place.offset = 4);
    assert_eq!(needless, [DeadLetters]);
}
