//! Rejected and refused records: kept with their batch, without harm to their neighbours.

use cdc_core::{DeadLetter, ErrorClass, Poison, RecordRef, Rejection, Stage};

use super::lane::{SinkLane, Trial, Wanted, partition, records};
use super::{SinkUnderTest, lane};
use crate::conformance::{Finding, ensure};

/// The refused record is not the first and not the last of its record batch, and not in the first.
const REFUSED_AT: RecordRef = RecordRef { batch: 1, record: 2 };

pub(super) async fn dead_letters_come_with_their_batch<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    let values = ["c 1 one", "not a change", "c 2 two", "", "x 3 three"];
    let batch = lane.stage(&[records(&log, 0, &values)]).await?;
    ensure(batch.dead_letters().len() == 2, || {
        format!("expected 2 rejected records, found {:?}", batch.dead_letters())
    })?;
    trial.holds("before applying", &Wanted::default()).await?;
    lane.apply(&batch).await?;
    let wanted = Wanted::default().with(&batch);
    trial.holds("after rows with dead letters", &wanted).await?;
    let only = lane.stage(&[records(&log, 5, &["what", "else"])]).await?;
    lane.apply(&only).await?;
    trial.holds("after a batch of dead letters alone", &wanted.with(&only)).await
}

pub(super) async fn dead_letters_of_a_refused_batch_are_not_kept<U: SinkUnderTest>(
    u: &U,
) -> Finding {
    let trial = Trial::open(u).await;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    let first = lane.stage(&[records(&log, 0, &["c 1 one"])]).await?;
    lane.apply(&first).await?;
    let wanted = Wanted::default().with(&first);
    let values = ["not a change", "c 2 two"];
    let gap = lane.stage(&[records(&log, 2, &values)]).await?;
    lane.fenced("it leaves a gap", &gap).await?;
    trial.holds("after a gap with a dead letter", &wanted).await?;
    lane.acquire(std::slice::from_ref(&log)).await?;
    for text in u.refused_texts() {
        let refused = format!("c 3 {text}");
        let values = ["not a change", refused.as_str(), "nor this"];
        let batch = lane.stage(&[records(&log, 1, &values)]).await?;
        lane.refused("a row of it is refused", &batch).await?;
        trial.holds("after a refused row beside dead letters", &wanted).await?;
    }
    Ok(())
}

/// Two record batches with one refused row at [`REFUSED_AT`].
async fn with_a_refused_row<U: SinkUnderTest>(
    lane: &mut SinkLane<U>,
    text: &str,
    excluded: &[DeadLetter],
) -> Result<lane::Batch<U::Sink>, String> {
    let log = partition(0);
    let refused = format!("c 6 {text}");
    let logs = [
        records(&log, 0, &["c 1 one", "c 2 two", "broken"]),
        records(&log, 3, &["c 4 four", "", refused.as_str(), "c 7 seven", "c 8 eight"]),
    ];
    lane.stage_into(<U::Sink as cdc_core::Sink>::Body::default(), &logs, excluded).await
}

pub(super) async fn a_refused_batch_leaves_nothing<U: SinkUnderTest>(u: &U) -> Finding {
    for text in u.refused_texts() {
        let trial = Trial::open(u).await;
        let mut lane = trial.owner(&[partition(0)]).await?;
        let batch = with_a_refused_row::<U>(&mut lane, &text, &[]).await?;
        lane.refused("a row of it is refused", &batch).await?;
        trial.holds("after a refused row", &Wanted::default()).await?;
        // Nothing has changed, so the answer is the same.
        lane.refused("a row of it is refused again", &batch).await?;
        trial.holds("after a row refused twice", &Wanted::default()).await?;
    }
    Ok(())
}

pub(super) async fn a_refusal_names_the_right_record_or_none<U: SinkUnderTest>(u: &U) -> Finding {
    for text in u.refused_texts() {
        let trial = Trial::open(u).await;
        let mut lane = trial.owner(&[partition(0)]).await?;
        let batch = with_a_refused_row::<U>(&mut lane, &text, &[]).await?;
        let rejection = match lane.refused("a row of it is refused", &batch).await? {
            ErrorClass::Poison(Poison::Record(letter)) => {
                ensure(letter.at == REFUSED_AT, || {
                    format!("record {:?} was blamed instead of {REFUSED_AT:?}", letter.at)
                })?;
                letter.rejection
            }
            ErrorClass::Poison(Poison::Unknown(rejection)) => rejection,
            class @ (ErrorClass::Transient
            | ErrorClass::Indeterminate
            | ErrorClass::Outdated
            | ErrorClass::Restage
            | ErrorClass::Fatal(_)) => {
                return Err(format!("a refused row is poison, not {class:?}"));
            }
        };
        ensure(rejection.stage == Stage::Apply, || {
            format!("expected the stage apply, found {:?}", rejection.stage)
        })?;
        ensure(!rejection.reason.is_empty(), || "the rejection has no reason code".to_owned())?;
        ensure(!rejection.message.contains(&text), || {
            "the rejection repeats the refused value".to_owned()
        })?;
    }
    Ok(())
}

pub(super) async fn neighbours_of_a_refused_record_are_applied<U: SinkUnderTest>(u: &U) -> Finding {
    for text in u.refused_texts() {
        let trial = Trial::open(u).await;
        let mut lane = trial.owner(&[partition(0)]).await?;
        let batch = with_a_refused_row::<U>(&mut lane, &text, &[]).await?;
        let rejection = match lane.refused("a row of it is refused", &batch).await? {
            ErrorClass::Poison(Poison::Record(letter)) => letter.rejection,
            ErrorClass::Transient
            | ErrorClass::Indeterminate
            | ErrorClass::Outdated
            | ErrorClass::Restage
            | ErrorClass::Poison(Poison::Unknown(_))
            | ErrorClass::Fatal(_) => {
                Box::new(Rejection::new(Stage::Apply, "refused", "found by halving"))
            }
        };
        let letter = DeadLetter { at: REFUSED_AT, rejection };
        let rest = with_a_refused_row::<U>(&mut lane, &text, &[letter]).await?;
        lane.apply(&rest).await?;
        trial
            .holds("after the batch without the refused row", &Wanted::default().with(&rest))
            .await?;
    }
    Ok(())
}
