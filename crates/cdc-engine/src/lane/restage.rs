//! What to stage again when the sink refused a batch.

use std::sync::Arc;

use cdc_core::{Body, DeadLetter, Poison, RecordRef, Rejection};

use super::{Excluded, Restage, Staged};

/// After this many refused records in one batch the rest is halved instead: a batch full of bad
/// records would otherwise be sent once per record.
const EXCLUSIONS_MAX: usize = 8;

/// Leaves a refused record out, or cuts the batch in two where it is unknown which one it is.
///
/// `None` when neither makes progress: the batch is refused although every record that could be at
/// fault is left out already.
pub(crate) fn exclude<B: Body>(
    staged: Staged<B>,
    excluded: &Excluded,
    poison: Poison,
) -> Option<(Vec<Restage>, B)> {
    let mut excluded = excluded.clone();
    let known = excluded.len();
    let total: usize = staged.selection.iter().map(ExactSizeIterator::len).sum();
    let letter = match poison {
        Poison::Record(letter) => Some(*letter),
        Poison::Unknown(rejection) => only_record(&staged, total, &rejection),
    };
    if let Some(DeadLetter { at, rejection }) = letter
        && let Some(record) = staged.batch.record(at)
    {
        excluded.insert(&record, rejection);
    }
    let found = excluded.len() > known;
    if !found && total < 2 {
        return None;
    }
    let (records, body) = staged.batch.into_records();
    let (selection, marks) = (staged.selection, staged.marks_before);
    let whole = Restage { records, selection, excluded, marks };
    let repeat_whole = found && (whole.excluded.len() <= EXCLUSIONS_MAX || total < 2);
    let parts = if repeat_whole { vec![whole] } else { halves(whole, total) };
    Some((parts, body))
}

/// All of a batch, to be staged again as it was.
pub(crate) fn again<B: Body>(staged: Staged<B>, excluded: &Excluded) -> (Restage, B) {
    let (records, body) = staged.batch.into_records();
    let (selection, marks) = (staged.selection, staged.marks_before);
    (Restage { records, selection, excluded: excluded.clone(), marks }, body)
}

/// A batch of one record leaves no doubt which one is at fault.
fn only_record<B: Body>(
    staged: &Staged<B>,
    total: usize,
    rejection: &Rejection,
) -> Option<DeadLetter> {
    if total != 1 {
        return None;
    }
    let (batch, range) = staged.selection.iter().enumerate().find(|(_, range)| range.len() == 1)?;
    let at =
        RecordRef { batch: u32::try_from(batch).ok()?, record: u32::try_from(range.start).ok()? };
    Some(DeadLetter { at, rejection: Box::new(rejection.clone()) })
}

/// Cuts the records in two at the middle. Both halves keep the exclusions; each has to be staged
/// and applied as a batch of its own, first half first. The marks of the second half are those that the
/// first ends with.
fn halves(whole: Restage, total: usize) -> Vec<Restage> {
    let half = |excluded, marks| {
        let (records, selection) = (Vec::new(), Vec::new());
        Restage { records, selection, excluded, marks }
    };
    let mut left = half(whole.excluded.clone(), whole.marks.clone());
    let mut right = half(whole.excluded, whole.marks);
    let mut room = total / 2;
    for (records, range) in whole.records.into_iter().zip(whole.selection) {
        let to_left = if range.is_empty() { room > 0 } else { range.len() <= room };
        let cut = if to_left { range.end } else { range.start.saturating_add(room) };
        room = room.saturating_sub(range.len());
        if to_left || cut > range.start {
            left.records.push(Arc::clone(&records));
            left.selection.push(range.start..cut);
        }
        if !to_left {
            right.records.push(records);
            right.selection.push(cut..range.end);
        }
    }
    vec![left, right]
}
