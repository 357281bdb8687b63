//! What a fold leaves of each sequence of changes, and what it counts.

use std::sync::Arc;

use cdc_core::{Offset, Origin, Partition, Record, RowBuffer, RowShape, TableId};

use super::*;
use crate::plan::tests::{mirror_plan, shape};

/// A fold with its plan, fed with rows of four columns.
struct Folding {
    plan: Arc<MirrorPlan>,
    fold: Fold,
    shape: Arc<RowShape>,
    partition: Partition,
    next: i64,
}

#[derive(Clone, Copy)]
enum Kind {
    Insert,
    Update,
    Move(i32),
    Delete,
}

/// What happens to one key, with its note.
type Changes = &'static [(Kind, Option<&'static str>)];

impl Folding {
    fn new(deletes: Deletes) -> Self {
        let plan = mirror_plan(deletes);
        let mut fold = Fold::default();
        fold.begin(&plan);
        let partition = Partition::new("t", 0, 0).unwrap();
        Self { plan, fold, shape: Arc::new(shape()), partition, next: 0 }
    }

    /// Stages a change of the row `id`; a note of `None` is unavailable.
    fn stage(&mut self, kind: Kind, id: i32, note: Option<&str>) -> Result<(), Box<Rejection>> {
        let (mut row, mut old) = (RowBuffer::new(), RowBuffer::new());
        let fill = |buffer: &mut RowBuffer, id: i32| {
            let note = note.map_or(Value::Unavailable, Value::Text);
            for value in [Value::Int32(id), Value::Text("eu"), Value::Int64(self.next), note] {
                buffer.push(value);
            }
        };
        fill(&mut row, id);
        let after = row.row(&self.shape, "");
        let change = match kind {
            Kind::Insert => Change::Insert { after },
            Kind::Update => Change::Update { before: None, after },
            Kind::Move(from) => {
                fill(&mut old, from);
                Change::Update { before: Some(old.row(&self.shape, "")), after }
            }
            Kind::Delete => Change::Delete { before: after },
        };
        let offset = Offset::try_new(self.next).unwrap();
        self.next += 1;
        let record = u32::try_from(offset.get()).unwrap();
        let event = ChangeEvent {
            table: TableId::new(0),
            change,
            origin: Origin::default(),
            emission: None,
            snapshot: None,
            ordinal: 0,
            record: Record {
                partition: &self.partition,
                offset,
                timestamp_ms: None,
                key: None,
                value: None,
                headers: cdc_core::Headers::default(),
            },
        };
        self.fold.stage(&self.plan, RecordRef { batch: 0, record }, &event)
    }

    fn left(&self) -> (usize, usize, usize) {
        let fold = &self.fold;
        (fold.deletes().count(), fold.rows(Rows::All).count(), fold.partials().count())
    }
}

#[test]
fn what_is_left_follows_the_table_of_rules() {
    use Kind::{Delete, Insert, Update};
    let cases: &[(Deletes, Changes, (usize, usize, usize))] = &[
        (Deletes::Hard, &[(Insert, Some("a")), (Update, Some("b"))], (0, 1, 0)),
        (Deletes::Hard, &[(Insert, Some("a")), (Update, None)], (0, 1, 0)),
        (Deletes::Hard, &[(Update, None)], (0, 0, 1)),
        (Deletes::Hard, &[(Update, None), (Update, None)], (0, 0, 1)),
        (Deletes::Hard, &[(Update, None), (Update, Some("b"))], (0, 1, 0)),
        (Deletes::Hard, &[(Insert, Some("a")), (Delete, Some(""))], (1, 0, 0)),
        (Deletes::Hard, &[(Delete, Some("")), (Insert, Some("a"))], (1, 1, 0)),
        (Deletes::Soft, &[(Insert, Some("a")), (Delete, Some(""))], (0, 1, 0)),
        (Deletes::Soft, &[(Update, None), (Delete, Some(""))], (0, 0, 1)),
        (Deletes::Soft, &[(Delete, Some("")), (Insert, Some("a"))], (0, 1, 0)),
    ];
    for (deletes, changes, left) in cases {
        let mut folding = Folding::new(*deletes);
        for (kind, note) in *changes {
            folding.stage(*kind, 1, *note).unwrap();
        }
        assert_eq!(folding.left(), *left);
        assert_eq!(folding.fold.folded().of(0), u64::try_from(changes.len() - 1).unwrap());
    }
}

#[test]
fn a_refused_change_leaves_the_fold_as_it_was() {
    let mut folding = Folding::new(Deletes::Hard);
    folding.stage(Kind::Insert, 1, Some("a")).unwrap();
    folding.stage(Kind::Delete, 2, Some("")).unwrap();
    let before = (folding.left(), folding.fold.bytes(), folding.fold.changes().of(0));
    for (kind, id) in [(Kind::Insert, 3), (Kind::Insert, 1), (Kind::Update, 2), (Kind::Move(1), 3)]
    {
        let rejection = folding.stage(kind, id, None).unwrap_err();
        assert_eq!(rejection.reason, "unavailable_value");
    }
    let rejection = folding.stage(Kind::Update, 1, Some("nul \0 character")).unwrap_err();
    assert_eq!(rejection.column.as_deref(), Some("note"));
    assert_eq!((folding.left(), folding.fold.bytes(), folding.fold.changes().of(0)), before);
}

#[test]
fn no_change_is_counted_as_replaced_twice() {
    let mut folding = Folding::new(Deletes::Hard);
    for _ in 0..10 {
        folding.stage(Kind::Move(1), 2, Some("there")).unwrap();
        folding.stage(Kind::Move(2), 1, Some("back")).unwrap();
    }
    assert_eq!(folding.fold.changes().of(0), 20);
    assert!(folding.fold.folded().of(0) < 20, "{}", folding.fold.folded().of(0));
    assert_eq!(folding.left(), (2, 1, 0));
}

#[test]
fn a_row_that_the_batch_inserts_is_new_until_something_has_to_be_deleted_before_it() {
    let mut folding = Folding::new(Deletes::Hard);
    let new = |folding: &Folding| folding.fold.rows(Rows::New).count();
    for id in 0..10 {
        folding.stage(Kind::Insert, id, Some("a")).unwrap();
    }
    assert_eq!(new(&folding), 10);
    folding.stage(Kind::Update, 5, Some("b")).unwrap();
    assert_eq!(new(&folding), 10);
    folding.stage(Kind::Delete, 5, Some("b")).unwrap();
    folding.stage(Kind::Insert, 5, Some("c")).unwrap();
    assert_eq!((new(&folding), folding.fold.rows(Rows::Known).count()), (9, 1));
    folding.stage(Kind::Update, 99, Some("a")).unwrap();
    assert_eq!((new(&folding), folding.fold.rows(Rows::Known).count()), (9, 2));
    assert_eq!(folding.fold.rows(Rows::All).count(), 11);
    folding.fold.clear();
    assert!(folding.fold.is_empty());
}
