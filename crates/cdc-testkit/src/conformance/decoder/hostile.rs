//! Bytes that nobody meant to send.

use std::time::Instant;

use cdc_core::Stage;

use super::sample::{Message, Seen, decode};
use super::{DecoderUnderTest, MARKER};
use crate::conformance::{Finding, ensure};

/// Decodes every sample and notes the answers.
fn answers<U: DecoderUnderTest>(u: &U, decoder: &mut U::Decoder) -> Result<Vec<Seen>, String> {
    u.changes().iter().map(|(message, _)| decode(u, decoder, message)).collect()
}

/// The decoder still gives the answers it gave before.
fn undisturbed<U: DecoderUnderTest>(
    u: &U,
    decoder: &mut U::Decoder,
    before: &[Seen],
    after: &str,
) -> Finding {
    let now = answers(u, decoder)?;
    ensure(now == before, || format!("after {after} the samples decode otherwise"))
}

pub(super) async fn malformed_messages_are_rejected<U: DecoderUnderTest>(u: &U) -> Finding {
    let mut decoder = u.decoder();
    ensure(!u.malformed().is_empty(), || "there are no malformed samples".to_owned())?;
    for (index, message) in u.malformed().iter().enumerate() {
        let Seen::Rejected(rejection) = decode(u, &mut decoder, message)? else {
            return Err(format!("malformed sample {index} was not rejected"));
        };
        let told = rejection.stage == Stage::Decode
            && !rejection.reason.is_empty()
            && !rejection.message.is_empty();
        ensure(told, || format!("malformed sample {index} was rejected as {rejection:?}"))?;
    }
    Ok(())
}

pub(super) async fn a_rejection_repeats_no_value<U: DecoderUnderTest>(u: &U) -> Finding {
    let mut decoder = u.decoder();
    for (index, message) in u.malformed().iter().enumerate() {
        let value = String::from_utf8_lossy(message.value.as_deref().unwrap_or_default());
        ensure(value.contains(MARKER), || format!("malformed sample {index} has no marker"))?;
        let seen = format!("{:?}", decode(u, &mut decoder, message)?);
        ensure(!seen.contains(MARKER), || {
            format!("the rejection of malformed sample {index} repeats its value")
        })?;
    }
    Ok(())
}

pub(super) async fn a_malformed_message_does_not_disturb_the_next<U: DecoderUnderTest>(
    u: &U,
) -> Finding {
    let mut decoder = u.decoder();
    let before = answers(u, &mut decoder)?;
    for (index, message) in u.malformed().iter().enumerate() {
        decode(u, &mut decoder, message)?;
        undisturbed(u, &mut decoder, &before, &format!("malformed sample {index}"))?;
    }
    Ok(())
}

pub(super) async fn missing_parts_are_no_panic<U: DecoderUnderTest>(u: &U) -> Finding {
    let mut decoder = u.decoder();
    let before = answers(u, &mut decoder)?;
    let parts = [None, Some(Vec::new())];
    for key in &parts {
        for value in &parts {
            let message = Message { key: key.clone(), value: value.clone() };
            let seen = decode(u, &mut decoder, &message)?;
            ensure(!matches!(seen, Seen::Change(..)), || {
                format!("made a change out of nothing: {seen:?}")
            })?;
        }
        for (message, _) in u.changes() {
            decode(u, &mut decoder, &Message { key: key.clone(), ..message })?;
        }
    }
    undisturbed(u, &mut decoder, &before, "messages with missing parts")
}

pub(super) async fn cut_values_are_no_panic<U: DecoderUnderTest>(u: &U) -> Finding {
    let mut decoder = u.decoder();
    let before = answers(u, &mut decoder)?;
    for (message, _) in u.changes() {
        let value = message.value.clone().unwrap_or_default();
        for length in 0..value.len() {
            let head = value.get(..length).map(<[u8]>::to_vec);
            let tail = value.get(length..).map(<[u8]>::to_vec);
            decode(u, &mut decoder, &message.with_value(head))?;
            decode(u, &mut decoder, &message.with_value(tail))?;
        }
        undisturbed(u, &mut decoder, &before, "cut values")?;
    }
    Ok(())
}

pub(super) async fn changed_bytes_are_no_panic<U: DecoderUnderTest>(u: &U) -> Finding {
    let mut decoder = u.decoder();
    let before = answers(u, &mut decoder)?;
    for (message, _) in u.changes() {
        let value = message.value.clone().unwrap_or_default();
        for index in 0..value.len() {
            for byte in [0, b'"', b'\\', b'9', b'-', b'{', b']', 0xC3, 0xFF] {
                let mut changed = value.clone();
                if let Some(place) = changed.get_mut(index) {
                    *place = byte;
                }
                decode(u, &mut decoder, &message.with_value(Some(changed)))?;
            }
        }
        undisturbed(u, &mut decoder, &before, "changed bytes")?;
    }
    Ok(())
}

pub(super) async fn noise_is_rejected_in_time<U: DecoderUnderTest>(u: &U) -> Finding {
    const LENGTH: usize = 1 << 20;
    let mut decoder = u.decoder();
    let before = answers(u, &mut decoder)?;
    let noises = ["[", "{\"a\":", " ", "\"", "9", "\u{FFFD}", "-", "\\u", "{\"payload\":{"];
    for noise in noises {
        let value = noise.repeat(LENGTH / noise.len()).into_bytes();
        let started = Instant::now();
        let seen =
            decode(u, &mut decoder, &Message { key: Some(value.clone()), value: Some(value) })?;
        ensure(!matches!(seen, Seen::Change(..)), || format!("{noise:?} repeated is a change"))?;
        let took = started.elapsed();
        ensure(took < u.patience(), || format!("{noise:?} repeated took {took:?}"))?;
    }
    undisturbed(u, &mut decoder, &before, "noise")
}
