//! The same record, the same answer.

use std::sync::Arc;

use cdc_core::{Decoded, Decoder};

use super::DecoderUnderTest;
use super::sample::{Seen, decode, record_of};
use crate::conformance::{Finding, ensure};

pub(super) async fn changes_have_their_operation<U: DecoderUnderTest>(u: &U) -> Finding {
    let mut decoder = u.decoder();
    ensure(!u.changes().is_empty(), || "there are no samples of changes".to_owned())?;
    for (index, (message, operation)) in u.changes().into_iter().enumerate() {
        let seen = decode(u, &mut decoder, &message)?;
        ensure(matches!(&seen, Seen::Change(found, _) if *found == operation), || {
            format!("sample {index}: expected {operation:?}, found {seen:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn a_record_given_again_is_the_same_change<U: DecoderUnderTest>(u: &U) -> Finding {
    let mut decoder = u.decoder();
    for (message, _) in u.changes() {
        let first = decode(u, &mut decoder, &message)?;
        for _ in 0..2 {
            let again = decode(u, &mut decoder, &message)?;
            ensure(again == first, || format!("first {first:?}, then {again:?}"))?;
        }
    }
    Ok(())
}

pub(super) async fn answers_do_not_depend_on_what_came_before<U: DecoderUnderTest>(
    u: &U,
) -> Finding {
    let mut messages: Vec<_> = u.changes().into_iter().map(|(message, _)| message).collect();
    messages.extend(u.skipped());
    messages.extend(u.malformed());
    let mut fresh = Vec::new();
    for message in &messages {
        fresh.push(decode(u, &mut u.decoder(), message)?);
    }
    let mut decoder = u.decoder();
    for (message, first) in messages.iter().zip(&fresh).rev() {
        let seen = decode(u, &mut decoder, message)?;
        ensure(seen == *first, || {
            format!("a fresh decoder gave {first:?}, one that had seen others {seen:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn an_event_carries_its_record<U: DecoderUnderTest>(u: &U) -> Finding {
    let mut decoder = u.decoder();
    for (offset, (message, _)) in (0..).zip(u.changes()) {
        let batch = record_of(u.partition(), &message, offset);
        let record = batch.get(0).expect("there is one record");
        let Ok(Decoded::Change(event)) = decoder.decode(record) else {
            return Err(format!("sample {offset} is not a change"));
        };
        let found = event.record;
        let same = found.offset == record.offset
            && found.partition == record.partition
            && found.timestamp_ms == record.timestamp_ms
            && found.key == record.key
            && found.value == record.value;
        ensure(same, || format!("the event of record {offset} carries {}", found.offset))?;
    }
    Ok(())
}

pub(super) async fn rows_that_look_alike_have_equal_shapes<U: DecoderUnderTest>(u: &U) -> Finding {
    let mut decoder = u.decoder();
    for (message, operation) in u.changes() {
        let batch = record_of(u.partition(), &message, 1);
        let record = batch.get(0).expect("there is one record");
        let mut shapes = Vec::new();
        for _ in 0..2 {
            if let Ok(Decoded::Change(event)) = decoder.decode(record) {
                shapes.push(event.change.shape().map(Arc::clone));
            }
        }
        ensure(shapes.len() == 2 && shapes.first() == shapes.last(), || {
            format!("two rows of one {operation:?} have shapes {shapes:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn messages_without_effect_are_skipped<U: DecoderUnderTest>(u: &U) -> Finding {
    let mut decoder = u.decoder();
    for message in u.skipped() {
        let first = decode(u, &mut decoder, &message)?;
        ensure(matches!(first, Seen::Skipped(_)), || format!("expected a skip, found {first:?}"))?;
        let again = decode(u, &mut decoder, &message)?;
        ensure(again == first, || format!("first {first:?}, then {again:?}"))?;
    }
    Ok(())
}
