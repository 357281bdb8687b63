//! The half of a lane that encodes.

use std::sync::Arc;

use cdc_core::{
    Body, Change, ChangeEvent, Column, Origin, RecordRef, RowBuffer, RowShape, SemanticType, Sink,
    Staged, Stager, TableId, Value, Writer,
};

use super::SinkUnderTest;
use super::lane::{Lane, Trial, Wanted, failed, partition, records};
use crate::conformance::{Finding, ensure};

/// The suite's shape, equal to any other of its kind but not the same allocation.
fn shape() -> Arc<RowShape> {
    let columns =
        vec![Column::new("key", SemanticType::Int64), Column::new("text", SemanticType::Text)];
    Arc::new(RowShape::new(columns))
}

/// Stages one insert of the given shape.
fn stage_one<S: Sink>(lane: &mut Lane<S>, body: &mut S::Body, shape: &Arc<RowShape>) -> Staged {
    let records = records(&partition(0), 0, &["c 1 one"]);
    let record = records.get(0).expect("there is one record");
    let mut buffer = RowBuffer::new();
    buffer.push(Value::Int64(1));
    buffer.push(Value::Text("one"));
    let event = ChangeEvent {
        table: TableId::new(0),
        change: Change::Insert { after: buffer.row(shape, "") },
        origin: Origin::default(),
        emission: None,
        snapshot: None,
        ordinal: 0,
        record,
    };
    lane.stager.stage(body, RecordRef { batch: 0, record: 0 }, &event)
}

pub(super) async fn a_plan_is_needed_once_per_shape<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let mut lane = trial.owner(&[partition(0)]).await?;
    let mut body = <U::Sink as Sink>::Body::default();
    let empty = body.bytes();
    let table = TableId::new(0);
    for _ in 0..2 {
        let staged = stage_one(&mut lane, &mut body, &shape());
        ensure(matches!(staged, Staged::NeedsPlan), || {
            format!("an unknown shape needs a plan, but the answer was {staged:?}")
        })?;
        ensure(body.bytes() == empty, || "asking for a plan changed the body".to_owned())?;
    }
    for round in 1..=2 {
        let plan = lane.writer.plan(table, &shape()).await;
        let plan = plan.map_err(|error| failed("plan", &error))?;
        lane.stager.adopt(table, shape(), plan);
        for _ in 0..3 {
            let staged = stage_one(&mut lane, &mut body, &shape());
            ensure(matches!(staged, Staged::Row), || {
                format!("expected a row after adopting {round} equal plans, found {staged:?}")
            })?;
        }
    }
    let mut other = trial.lane().await?;
    let staged = stage_one(&mut other, &mut body, &shape());
    ensure(matches!(staged, Staged::NeedsPlan), || {
        format!("another lane's stager has no plan yet, but the answer was {staged:?}")
    })
}

pub(super) async fn a_cleared_body_gives_the_same_rows_again<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    let other = lane.stage(&[records(&log, 0, &["c 9 dropped", "c 8 never applied"])]).await?;
    let (_, mut body) = other.into_records();
    body.clear();
    let values = ["c 1 one", "u 1", "d 1", "c 2 two"];
    let first = lane.stage_into(body, &[records(&log, 0, &values)], &[]).await?;
    let size = first.body().bytes();
    let (logs, mut body) = first.into_records();
    body.clear();
    let again = lane.stage_into(body, &logs, &[]).await?;
    ensure(again.body().bytes() == size, || {
        format!("the same changes took {size} bytes, then {}", again.body().bytes())
    })?;
    lane.apply(&again).await?;
    let wanted = Wanted::default().with(&again);
    trial.holds("after staging twice and applying once", &wanted).await?;
    let (_, mut body) = again.finish();
    body.clear();
    let more = lane.stage_into(body, &[records(&log, 4, &["c 3 three"])], &[]).await?;
    lane.apply(&more).await?;
    trial.holds("after using the body again", &wanted.with(&more)).await
}

pub(super) async fn a_body_knows_its_size<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    let large = format!("c 1 {}", "x".repeat(10_000));
    let few = lane.stage(&[records(&log, 0, &["c 1 one"])]).await?;
    let values = vec![large.as_str(); 50];
    let many = lane.stage(&[records(&log, 0, &values)]).await?;
    ensure(few.body().bytes() > 0, || "a body with a row takes no memory".to_owned())?;
    ensure(many.body().bytes() >= 500_000, || {
        format!("50 texts of 10,000 bytes are said to take {} bytes", many.body().bytes())
    })
}
