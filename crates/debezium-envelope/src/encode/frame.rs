//! The part of an envelope around its rows, member by member in the order of its version.

use super::EncodeError;
use super::json::{put_integer, put_optional, put_string};
use super::options::Release;
use crate::lsn::Lsn;
use crate::message::{Envelope, SourceInfo, TransactionBlock};

/// The envelope behind its rows, from the comma before `source` to the closing brace.
pub(super) fn put_rest(
    change: &Envelope<'_>,
    release: Release,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    check_source(&change.source, release)?;
    let times = [("ts_us", change.ts_us.is_some()), ("ts_ns", change.ts_ns.is_some())];
    refuse(&times, release, Release::V3_4)?;
    out.extend_from_slice(b",\"source\":");
    put_source(&change.source, release, out);
    if release > Release::V2_4 {
        put_transaction(change.transaction.as_ref(), out);
    }
    out.extend_from_slice(b",\"op\":\"");
    out.extend_from_slice(change.op.code().encode_utf8(&mut [0; 4]).as_bytes());
    out.extend_from_slice(b"\",\"ts_ms\":");
    put_optional(out, change.ts_ms);
    if release > Release::V2_4 {
        put_member(out, b",\"ts_us\":", change.ts_us);
        put_member(out, b",\"ts_ns\":", change.ts_ns);
    } else {
        put_transaction(change.transaction.as_ref(), out);
    }
    out.push(b'}');
    Ok(())
}

/// Refuses a source block with something that the version has no member for.
pub(super) fn check_source(source: &SourceInfo<'_>, release: Release) -> Result<(), EncodeError> {
    let times =
        [("source.ts_us", source.ts_us.is_some()), ("source.ts_ns", source.ts_ns.is_some())];
    refuse(&times, release, Release::V3_4)?;
    let origin = [
        ("source.origin", !source.origin.is_empty()),
        ("source.origin_lsn", source.origin_lsn.is_some()),
    ];
    refuse(&origin, release, Release::V3_7)
}

/// A member that the version does not have would be lost without anybody noticing.
fn refuse(
    members: &[(&'static str, bool)],
    release: Release,
    since: Release,
) -> Result<(), EncodeError> {
    match members.iter().find(|(_, is_present)| *is_present && release < since) {
        Some((member, _)) => Err(EncodeError::UnknownMember { member, release }),
        None => Ok(()),
    }
}

fn put_member(out: &mut Vec<u8>, name: &[u8], value: Option<i64>) {
    out.extend_from_slice(name);
    put_optional(out, value);
}

pub(super) fn put_source(source: &SourceInfo<'_>, release: Release, out: &mut Vec<u8>) {
    let text = |out: &mut Vec<u8>, name: &[u8], value: &str| {
        out.extend_from_slice(name);
        put_string(out, value);
    };
    text(out, b"{\"version\":", source.version);
    text(out, b",\"connector\":", source.connector);
    text(out, b",\"name\":", source.name);
    put_member(out, b",\"ts_ms\":", source.ts_ms);
    text(out, b",\"snapshot\":", source.snapshot.as_str());
    text(out, b",\"db\":", source.db);
    put_sequence(source, out);
    if release > Release::V2_4 {
        put_member(out, b",\"ts_us\":", source.ts_us);
        put_member(out, b",\"ts_ns\":", source.ts_ns);
    }
    text(out, b",\"schema\":", source.schema);
    text(out, b",\"table\":", source.table);
    put_member(out, b",\"txId\":", source.tx_id);
    put_member(out, b",\"lsn\":", source.lsn.map(Lsn::to_signed));
    put_member(out, b",\"xmin\":", source.xmin);
    if release > Release::V3_4 {
        if source.origin.is_empty() {
            out.extend_from_slice(b",\"origin\":null");
        } else {
            text(out, b",\"origin\":", source.origin);
        }
        put_member(out, b",\"origin_lsn\":", source.origin_lsn.map(Lsn::to_signed));
    }
    out.push(b'}');
}

/// A JSON array inside a JSON string.
fn put_sequence(source: &SourceInfo<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"sequence\":");
    let Some(sequence) = source.sequence else {
        out.extend_from_slice(b"null");
        return;
    };
    let mut separator: &[u8] = b"\"[";
    for half in [sequence.last_commit, sequence.lsn] {
        out.extend_from_slice(separator);
        match half {
            None => out.extend_from_slice(b"null"),
            Some(lsn) => {
                out.extend_from_slice(b"\\\"");
                put_integer(out, lsn.to_signed());
                out.extend_from_slice(b"\\\"");
            }
        }
        separator = b",";
    }
    out.extend_from_slice(b"]\"");
}

pub(super) fn put_transaction(block: Option<&TransactionBlock<'_>>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"transaction\":");
    let Some(block) = block else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(b"{\"id\":");
    put_string(out, block.id);
    out.extend_from_slice(b",\"total_order\":");
    put_integer(out, block.total_order);
    out.extend_from_slice(b",\"data_collection_order\":");
    put_integer(out, block.data_collection_order);
    out.push(b'}');
}
