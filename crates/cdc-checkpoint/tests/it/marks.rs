//! Schedules of connectors that crash, start again and send again, most of them as real ones were seen
//! to do it.

use cdc_checkpoint::{
    ChangeIdentity, Found, Keyed, SentChange, Sighting, SourceMarks, SourcePosition,
};
use proptest::prelude::*;

const CONNECTOR: &str = "dbserver1";
const DATABASE: &str = "orders_db";

/// Row `lsn` of transaction `tx_id`, which was committed in millisecond `tx_id`.
fn row(tx_id: i64, last_commit: Option<u64>, lsn: u64) -> SentChange {
    let at = SourcePosition { lsn, tx_id, committed_at_ms: tx_id, last_commit };
    SentChange { at, identity: ChangeIdentity::new(lsn), keyed: Keyed::Yes }
}

fn alike(change: SentChange, identity: u64, keyed: Keyed) -> SentChange {
    SentChange { identity: ChangeIdentity::new(identity), keyed, ..change }
}

/// Sights a change, and sees it when it is to be seen.
fn sight(marks: &mut SourceMarks, connector: &str, change: &SentChange) -> Sighting {
    let sighting = marks.sight(connector, DATABASE, change);
    if matches!(sighting, Sighting::New | Sighting::Ambiguous) {
        marks.see(connector, DATABASE, change);
    }
    sighting
}

/// A log that is read by somebody whose state goes through its stored form at every step.
#[derive(Default)]
struct Reader {
    marks: SourceMarks,
}

impl Reader {
    fn sight(&mut self, change: &SentChange) -> Sighting {
        let sighting = sight(&mut self.marks, CONNECTOR, change);
        let stored = SourceMarks::from_stored(&self.marks.to_stored()).unwrap();
        assert_eq!(stored, self.marks);
        self.marks = stored;
        sighting
    }

    #[track_caller]
    fn expect(&mut self, changes: &[SentChange], expected: Sighting) {
        for change in changes {
            assert_eq!(self.sight(change), expected, "{change:?}");
        }
    }

    /// Answers what an unclear change asks.
    #[track_caller]
    fn resolve(&mut self, change: &SentChange, found: Found) {
        assert_eq!(self.sight(change), Sighting::Unclear, "{change:?}");
        self.marks.resolve(CONNECTOR, DATABASE, change, found);
    }
}

#[test]
fn a_connector_that_goes_on_sends_new_changes_only() {
    let mut reader = Reader::default();
    let first = [row(1, None, 100), row(1, None, 110)];
    let second = [row(2, Some(120), 120), row(2, Some(120), 130)];
    reader.expect(&first, Sighting::New);
    reader.expect(&second, Sighting::New);
    reader.expect(&[row(3, Some(140), 150)], Sighting::New);
}

#[test]
fn rows_of_transactions_that_overlap_go_back_and_are_new() {
    let mut reader = Reader::default();
    // The second transaction wrote its first row before the first one did, and committed after it.
    reader.expect(&[row(1, Some(50), 110)], Sighting::New);
    reader.expect(&[row(2, Some(120), 100), row(2, Some(120), 115)], Sighting::New);
    reader.expect(&[row(3, Some(130), 90)], Sighting::New);
}

#[test]
fn a_suffix_that_is_sent_again_is_known_up_to_its_end() {
    let mut reader = Reader::default();
    let sent = [
        row(1, Some(50), 60),
        row(2, Some(70), 80),
        row(2, Some(70), 85),
        row(3, Some(90), 75),
        row(3, Some(90), 95),
    ];
    reader.expect(&sent, Sighting::New);
    // The first transaction after the start does not know its last commit.
    let again = [row(2, None, 80), row(2, None, 85)];
    reader.resolve(&again[0], Found::Present);
    reader.expect(&again, Sighting::Again);
    reader.expect(&sent[3..], Sighting::Again);
    reader.expect(&[row(3, Some(90), 99), row(4, Some(100), 88)], Sighting::New);
}

#[test]
fn a_connector_killed_inside_the_first_transaction_after_its_snapshot_sends_that_one_again() {
    let mut reader = Reader::default();
    reader.expect(&[row(7, None, 23_005_160), row(7, None, 23_005_170)], Sighting::New);
    // The same change, once without and once with its last commit.
    let again = [row(7, Some(23_005_032), 23_005_160), row(7, Some(23_005_032), 23_005_170)];
    reader.expect(&again, Sighting::Again);
    reader.expect(&[row(7, Some(23_005_032), 23_005_180)], Sighting::New);
    reader.expect(&[row(8, Some(23_005_200), 23_005_210)], Sighting::New);
}

#[test]
fn a_large_transaction_goes_on_where_it_was_when_its_connector_starts_within() {
    let mut reader = Reader::default();
    let all: Vec<_> = (0..100).map(|step| row(5, Some(900), 1_000 + step)).collect();
    reader.expect(&all[..60], Sighting::New);
    let again: Vec<_> = (0..100).map(|step| row(5, None, 1_000 + step)).collect();
    reader.expect(&again[..60], Sighting::Again);
    reader.expect(&again[60..], Sighting::New);
}

#[test]
fn a_connector_made_anew_on_the_same_topic_goes_on_with_new_changes() {
    let mut reader = Reader::default();
    reader.expect(&[row(1, Some(50), 60), row(2, Some(70), 80)], Sighting::New);
    reader.expect(&[row(9, None, 500), row(9, None, 510)], Sighting::New);
}

#[test]
fn an_opening_transaction_that_nobody_has_is_new_and_leaves_the_mark_where_it_was() {
    let mut reader = Reader::default();
    let last = row(3, Some(90), 95);
    reader.expect(&[last], Sighting::New);
    // It wrote its rows before the mark's transaction committed, and was never sent.
    let opening = [row(2, None, 80), row(2, None, 85)];
    reader.resolve(&opening[0], Found::Absent);
    reader.expect(&opening, Sighting::New);
    reader.expect(&opening, Sighting::Again);
    reader.expect(&[last], Sighting::Again);
    reader.expect(&[row(2, None, 86)], Sighting::New);
    reader.expect(&[row(4, Some(120), 130)], Sighting::New);
}

#[test]
fn rows_of_one_copy_share_a_position_and_are_told_apart() {
    let mut reader = Reader::default();
    let copied = |identity| alike(row(1, Some(50), 60), identity, Keyed::Yes);
    reader.expect(&[copied(1), copied(2)], Sighting::New);
    reader.expect(&[copied(1), copied(2)], Sighting::Again);
    reader.expect(&[copied(3)], Sighting::New);
    reader.expect(&[row(1, Some(50), 70)], Sighting::New);
    reader.expect(&[copied(3), copied(4)], Sighting::Again);
}

#[test]
fn equal_rows_without_key_are_kept_and_counted() {
    let mut reader = Reader::default();
    let copied = |identity| alike(row(1, Some(50), 60), identity, Keyed::No);
    reader.expect(&[copied(1)], Sighting::New);
    reader.expect(&[copied(1)], Sighting::Ambiguous);
    reader.expect(&[copied(2)], Sighting::New);
    reader.expect(&[row(1, Some(50), 70)], Sighting::New);
    reader.expect(&[copied(1)], Sighting::Again);
}

#[test]
fn f82_a_restored_source_is_noticed() {
    let mut reader = Reader::default();
    reader.expect(&[row(10, Some(900), 1_000)], Sighting::New);
    // Later by the clock, earlier in the log.
    let later = SourcePosition { committed_at_ms: 70_000, ..row(11, Some(700), 800).at };
    reader.expect(&[SentChange { at: later, ..row(11, Some(700), 800) }], Sighting::Restored);
    // A clock that was a little ahead.
    reader.expect(&[row(12, Some(700), 800)], Sighting::Again);
    // What was committed earlier is the old source sending again.
    reader.expect(&[row(9, Some(700), 800)], Sighting::Again);
}

#[test]
fn f82_a_restored_source_is_noticed_behind_the_first_transaction_after_a_start() {
    let late = |change: SentChange| {
        let at = SourcePosition { committed_at_ms: 70_000 + change.at.tx_id, ..change.at };
        SentChange { at, ..change }
    };
    for mark in [row(10, Some(900), 1_000), row(10, None, 1_000)] {
        let mut reader = Reader::default();
        reader.expect(&[mark], Sighting::New);
        // It may be one that was under way when the mark's was committed, and is not lost if it is.
        reader.expect(&[late(row(7, None, 500)), late(row(7, None, 510))], Sighting::New);
        reader.expect(&[late(row(8, Some(520), 530))], Sighting::Restored);
        // That one was: the next begins behind its commit.
        reader.expect(&[late(row(9, Some(1_100), 530))], Sighting::New);
    }
}

#[test]
fn f82_a_restored_source_is_noticed_by_whoever_takes_everything_once_more() {
    let sent = [row(1, Some(50), 60), row(2, Some(70), 80), row(2, Some(70), 85)];
    let late = |change: SentChange| {
        let at = SourcePosition { committed_at_ms: 70_000 + change.at.tx_id, ..change.at };
        SentChange { at, ..change }
    };
    for is_restored in [true, false] {
        let mut reader = Reader::default();
        reader.expect(&sent, Sighting::New);
        let again = [row(1, None, 60), sent[1]];
        assert_eq!(reader.sight(&again[0]), Sighting::Unclear);
        reader.marks.replay(CONNECTOR, DATABASE);
        // Two times, as a connector that is killed in between does it.
        reader.expect(&again, Sighting::New);
        reader.expect(&again, Sighting::New);
        if is_restored {
            reader.expect(&[late(row(3, Some(65), 70))], Sighting::Restored);
        } else {
            reader.expect(&[sent[2], row(3, Some(90), 95)], Sighting::New);
            reader.expect(&[sent[2], row(3, Some(90), 95)], Sighting::Again);
        }
    }
}

#[test]
fn connectors_and_databases_have_marks_of_their_own() {
    let mut marks = SourceMarks::default();
    let far = row(10, Some(900), 1_000);
    let near = row(2, Some(10), 20);
    assert_eq!(sight(&mut marks, "one", &far), Sighting::New);
    assert_eq!(sight(&mut marks, "two", &near), Sighting::New);
    assert_eq!(marks.sight("one", "other", &near), Sighting::New);
    assert_eq!(sight(&mut marks, "one", &near), Sighting::Again);
    assert_eq!(marks.iter().count(), 2);
    marks.replay("one", DATABASE);
    assert_eq!(sight(&mut marks, "one", &near), Sighting::New);
    assert_eq!(sight(&mut marks, "two", &near), Sighting::Again);
}

#[test]
fn what_version_one_wrote_stays_readable() {
    let stored = r#"{"version":1,"marks":[{"connector":"dbserver1","database":"orders_db",
        "lsn":95,"tx_id":3,"committed_at_ms":1732000000000,"last_commit":90,
        "identities":["00000000000000ff"],"opening":{"partial":{"lsn":80,"tx_id":2,
        "committed_at_ms":1731999999999,"last_commit":null,"identities":[]}}}]}"#;
    let marks = SourceMarks::from_stored(stored).unwrap();
    assert_eq!(SourceMarks::from_stored(&marks.to_stored()).unwrap(), marks);
    let (connector, database, mark) = marks.iter().next().unwrap();
    assert_eq!((connector, database, mark.position().lsn), ("dbserver1", "orders_db", 95));
}

#[test]
fn only_a_replay_is_stored_in_a_form_that_earlier_programs_refuse() {
    let mut marks = SourceMarks::default();
    assert_eq!(sight(&mut marks, CONNECTOR, &row(3, Some(90), 95)), Sighting::New);
    assert!(marks.to_stored().starts_with(r#"{"version":1,"#), "{}", marks.to_stored());
    assert!(!marks.to_stored().contains("replays"), "{}", marks.to_stored());
    marks.replay(CONNECTOR, DATABASE);
    let stored = marks.to_stored();
    assert!(stored.starts_with(r#"{"version":2,"#), "{stored}");
    assert_eq!(SourceMarks::from_stored(&stored).unwrap(), marks);
}

#[test]
fn what_no_version_wrote_is_refused() {
    for stored in [
        "",
        "[]",
        r#"{"version":0,"marks":[]}"#,
        r#"{"version":3,"marks":[]}"#,
        r#"{"version":1}"#,
        r#"{"version":1,"marks":[{"connector":"a","database":"b","lsn":1,"tx_id":1,
            "committed_at_ms":1,"last_commit":null,"identities":["no hash"]}]}"#,
    ] {
        assert!(SourceMarks::from_stored(stored).is_err(), "{stored}");
    }
}

/// A transaction: where its rows stand, in the order of commits.
#[derive(Debug, Clone)]
struct Transaction {
    tx_id: i64,
    rows: Vec<u64>,
    commit: u64,
}

/// Transactions that interleave: each position of the log is a row of one of some open transactions,
/// or commits it.
fn log() -> impl Strategy<Value = Vec<Transaction>> {
    prop::collection::vec((0_usize..4, any::<bool>()), 1..60).prop_map(|steps| {
        let mut open: Vec<Option<Transaction>> = vec![None; 4];
        let mut committed = Vec::new();
        let (mut lsn, mut tx_id) = (100, 0);
        for (slot, commits) in steps {
            lsn += 10;
            let transaction = open[slot].get_or_insert_with(|| {
                tx_id += 1;
                Transaction { tx_id, rows: Vec::new(), commit: 0 }
            });
            if commits && !transaction.rows.is_empty() {
                transaction.commit = lsn;
                committed.extend(open[slot].take());
            } else {
                transaction.rows.push(lsn);
            }
        }
        committed
    })
}

/// What a run of the connector sends that starts with the transaction `first`.
/// A position is committed so many milliseconds after the one before it.
fn sent(log: &[Transaction], first: usize, pace: i64) -> Vec<SentChange> {
    let mut changes = Vec::new();
    for (place, transaction) in log.iter().enumerate().skip(first) {
        let before = place.checked_sub(1).map(|before| log[before].commit);
        let last_commit = before.filter(|_| place > first);
        for lsn in &transaction.rows {
            let time = i64::try_from(transaction.commit).unwrap() * pace;
            let change = row(transaction.tx_id, last_commit, *lsn);
            let at = SourcePosition { committed_at_ms: time, ..change.at };
            changes.push(SentChange { at, ..change });
        }
    }
    changes
}

proptest! {
    /// However often a connector crashes and from wherever it starts again, as long as its offsets
    /// never go back, each row is new once.
    #[test]
    fn each_row_is_new_once_whatever_is_sent_again(
        log in log(),
        crashes in prop::collection::vec((0_usize..60, 0_usize..120), 0..6),
        pace in prop::sample::select(vec![1, 1_000, 10_000]),
    ) {
        prop_assume!(!log.is_empty());
        let mut marks = SourceMarks::default();
        let mut taken = Vec::new();
        let (mut first, mut reached) = (0, 0);
        let runs = crashes.into_iter().chain([(0, usize::MAX)]);
        for (start, length) in runs {
            first = (first + start % (reached - first + 1)).min(reached);
            for change in sent(&log, first, pace).iter().take(length) {
                let at = change.at;
                let mut sighting = sight(&mut marks, CONNECTOR, change);
                if sighting == Sighting::Unclear {
                    let is_taken = taken.iter().any(|(tx_id, _)| *tx_id == at.tx_id);
                    let found = if is_taken { Found::Present } else { Found::Absent };
                    marks.resolve(CONNECTOR, DATABASE, change, found);
                    sighting = sight(&mut marks, CONNECTOR, change);
                }
                if sighting == Sighting::New {
                    taken.push((at.tx_id, at.lsn));
                } else {
                    prop_assert_eq!(sighting, Sighting::Again, "{:?}", change);
                }
                let place = log.iter().position(|of| of.tx_id == at.tx_id).unwrap();
                reached = reached.max(place);
            }
        }
        let rows = |of: &Transaction| of.rows.iter().map(|lsn| (of.tx_id, *lsn)).collect::<Vec<_>>();
        let expected: Vec<_> = log.iter().flat_map(rows).collect();
        prop_assert_eq!(taken, expected, "each once, in the order of commits");
    }
}
