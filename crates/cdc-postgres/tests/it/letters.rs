//! Dead letters are found by their cause, taken out with their bytes, and put aside with a reason.

use std::error::Error;
use std::time::Duration;

use cdc_core::Partition;
use cdc_postgres::{
    LetterFilter, LetterState, Mode, WhichLetter, discard_letters, export_letters, list_letters,
    show_letter,
};

use crate::support::{Cell, Op, Warehouse, order, table};

/// A history with three letters: two orders that cost too much, at the offsets 101 and 103, and one
/// without a status, at 102.
async fn with_letters() -> Warehouse {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    warehouse.sql(
        "ALTER TABLE orders_fact ADD CONSTRAINT cheap CHECK (amount < 500),
                                 ALTER status SET NOT NULL",
    );
    let mut lane = warehouse.lane(tables).await;
    let mut nameless = order(3, 100, "");
    nameless[4] = Cell::Null;
    let ops = [
        Op::Insert(order(1, 100, "good")),
        Op::Insert(order(2, 50_000, "bad")),
        Op::Insert(nameless),
        Op::Insert(order(4, 60_000, "bad")),
    ];
    assert_eq!(lane.write(&ops).await.len(), 3);
    warehouse
}

fn of(reason: &str) -> LetterFilter {
    LetterFilter { reason: Some(reason.to_owned()), ..LetterFilter::default() }
}

async fn counted(warehouse: &Warehouse, filter: LetterFilter) -> u64 {
    let groups = list_letters(&warehouse.settings(), &filter).await.unwrap();
    groups.iter().map(|group| group.letters).sum()
}

#[tokio::test]
async fn letters_are_grouped_by_what_is_the_matter_with_them() {
    let warehouse = with_letters().await;
    let filter = LetterFilter::default();
    let groups = list_letters(&warehouse.settings(), &filter).await.unwrap();
    let said: Vec<_> = groups
        .iter()
        .map(|group| (&*group.reason, group.column.as_deref(), group.letters, &*group.stage))
        .collect();
    let column = |name| Some(name);
    assert_eq!(
        said,
        [("check", column("amount"), 2, "apply"), ("not_null", column("status"), 1, "apply")]
    );
    assert!(groups[0].message.contains("the constraint cheap"), "{}", groups[0].message);
    assert_eq!(groups[0].source.as_deref(), Some("public.orders"));
    assert_eq!(groups[0].target.as_deref(), Some("public.orders_fact"));
    assert_eq!(groups[0].sqlstate.as_deref(), Some("23514"));
}

#[tokio::test]
async fn every_filter_leaves_out_what_it_does_not_name() {
    let warehouse = with_letters().await;
    let all = LetterFilter::default;
    let some = |text: &str| Some(text.to_owned());
    let cases = [
        (all(), 3),
        (LetterFilter { table: some("public.orders"), ..all() }, 3),
        (LetterFilter { table: some("public.orders_fact"), ..all() }, 3),
        (LetterFilter { table: some("public.customers"), ..all() }, 0),
        (LetterFilter { column: some("status"), ..all() }, 1),
        (LetterFilter { topic: some("shop.public.orders"), partition: Some(3), ..all() }, 3),
        (LetterFilter { topic: some("shop"), ..all() }, 0),
        (LetterFilter { partition: Some(4), ..all() }, 0),
        (LetterFilter { from: Some(102), until: Some(103), ..all() }, 1),
        (LetterFilter { within: Some(Duration::from_mins(10)), ..all() }, 3),
        (LetterFilter { within: Some(Duration::ZERO), ..all() }, 0),
        (LetterFilter { state: Some(LetterState::Open), ..of("check") }, 2),
        (LetterFilter { state: Some(LetterState::Discarded), ..all() }, 0),
    ];
    for (filter, expected) in cases {
        assert_eq!(counted(&warehouse, filter.clone()).await, expected, "{filter:?}");
    }
    // Letters of another pipeline are none of this one's business.
    warehouse.sql("UPDATE cdc.dead_letter SET pipeline = 'other'");
    assert_eq!(counted(&warehouse, all()).await, 0);
}

#[tokio::test]
async fn a_letter_shows_everything_but_values_and_is_exported_with_its_bytes() {
    let warehouse = with_letters().await;
    let settings = warehouse.settings();
    let partition = Partition::new("shop.public.orders", 0, 3).unwrap();
    let at = |offset| WhichLetter::At(partition.clone(), offset);
    let letter = show_letter(&settings, &at(102)).await.unwrap().expect("a letter");
    assert_eq!((letter.offset, &*letter.reason, &*letter.state), (102, "not_null", "open"));
    assert_eq!((letter.key_bytes, letter.value_bytes), (Some(5), Some(11)));
    assert_eq!(letter.headers, ["trace", "empty"]);
    assert_eq!(letter.timestamp_ms, Some(1_700_000_000_000));
    let same = show_letter(&settings, &WhichLetter::Id(letter.id)).await.unwrap();
    assert_eq!(same, Some(letter));
    assert_eq!(show_letter(&settings, &at(100)).await.unwrap(), None, "it was written");

    let mut records = Vec::new();
    let everything = LetterFilter::default();
    let exported = export_letters(&settings, &everything, |letter| {
        records.push((
            letter.offset,
            letter.timestamp_ms,
            letter.key.clone(),
            letter.value.clone(),
        ));
        Ok::<_, Box<dyn Error>>(())
    });
    assert_eq!(exported.await.unwrap(), 3);
    let key = |index| Some(format!("key {}", index + 1).into_bytes());
    let value = |index| Some(format!("raw value {index}").into_bytes());
    let expected =
        [1, 2, 3].map(|index| (100 + index, 1_700_000_000_000, key(index), value(index)));
    assert_eq!(records, expected);
}

#[tokio::test]
async fn more_letters_than_fit_on_a_page_are_exported_once_each_and_in_order() {
    let warehouse = Warehouse::initialised(&[]).await;
    warehouse.sql(
        "INSERT INTO cdc.dead_letter (pipeline, topic, generation, partition, \"offset\", stage,
                                      reason, message, raw_value)
         SELECT 'orders', 'shop.' || n % 2, 0, n % 3, n, 'decode', 'test', 'test',
                convert_to(repeat('x', CASE WHEN n % 50 = 0 THEN 1500000 ELSE 10 END), 'UTF8')
           FROM generate_series(1, 2500) AS n",
    );
    let mut places = Vec::new();
    let settings = warehouse.settings();
    let everything = LetterFilter::default();
    let exported = export_letters(&settings, &everything, |letter| {
        places.push((letter.partition.clone(), letter.offset));
        Ok::<_, Box<dyn Error>>(())
    });
    assert_eq!(exported.await.unwrap(), 2_500);
    assert!(places.is_sorted(), "in the order of their logs");
    places.dedup();
    assert_eq!(places.len(), 2_500);
}

#[tokio::test]
async fn discarded_letters_keep_their_bytes_and_say_who_and_why() {
    let warehouse = with_letters().await;
    let settings = warehouse.settings();
    let letters = "SELECT string_agg(format('%s:%s:%s', \"offset\", state, resolution), ','
                                     ORDER BY \"offset\") FROM cdc.dead_letter";
    let books = "SELECT sum(dead_lettered) FROM cdc.ledger";
    let before = warehouse.sql(letters);
    assert_eq!(discard_letters(&settings, &of("check"), None).await.unwrap(), 2, "a dry run");
    assert_eq!(warehouse.sql(letters), before);
    assert_eq!(discard_letters(&settings, &of("check"), Some("test rows")).await.unwrap(), 2);
    assert_eq!(warehouse.sql(letters), "101:discarded:test rows,102:open:,103:discarded:test rows");
    let kept = "SELECT count(*) FROM cdc.dead_letter WHERE raw_value IS NOT NULL
                   AND coalesce(resolved_by = session_user, false) = (state = 'discarded')";
    assert_eq!(warehouse.sql(kept), "3");
    assert_eq!(warehouse.sql(books), "3", "they were kept as dead letters, and still are");
    assert_eq!(discard_letters(&settings, &of("check"), Some("again")).await.unwrap(), 0);
    let open = LetterFilter { state: Some(LetterState::Open), ..LetterFilter::default() };
    assert_eq!(counted(&warehouse, open).await, 1);
}

#[tokio::test]
async fn a_letter_of_a_pipeline_that_starts_over_is_open_again_unless_it_was_discarded() {
    let warehouse = with_letters().await;
    discard_letters(&warehouse.settings(), &of("not_null"), Some("known")).await.unwrap();
    warehouse.sql("UPDATE cdc.dead_letter SET state = 'retried' WHERE reason = 'check'");
    warehouse.sql("DELETE FROM cdc.checkpoint; DELETE FROM cdc.ledger; DELETE FROM orders_fact");
    let mut lane = warehouse.lane(vec![table(0, "orders_fact", Mode::History)]).await;
    let mut nameless = order(3, 100, "");
    nameless[4] = Cell::Null;
    let ops = [
        Op::Insert(order(1, 100, "good")),
        Op::Insert(order(2, 50_000, "bad")),
        Op::Insert(nameless),
        Op::Insert(order(4, 400, "good now")),
    ];
    assert_eq!(lane.write(&ops).await.len(), 2);
    let letters = "SELECT string_agg(format('%s:%s', \"offset\", state), ',' ORDER BY \"offset\")
                     FROM cdc.dead_letter";
    assert_eq!(warehouse.sql(letters), "101:open,102:discarded,103:retried");
}
