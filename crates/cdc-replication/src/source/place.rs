//! Where a record stands in the source's own terms: what the sink keeps for us and gives back.
//!
//! Log offsets are counted by this source itself, so they lead nowhere by themselves. Beside each record
//! travels its *place*. The form of it is stored in warehouses: a new form is one more prefix, and every
//! form ever written stays readable.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::lsn::Lsn;
use crate::slot::SystemIdentity;
use crate::snapshot::visibility::Snapshot;

/// The server whose log it is. Two servers may have equal positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Incarnation {
    pub(crate) system_id: u64,
    pub(crate) timeline: u32,
}

impl Incarnation {
    pub(crate) fn of(identity: &SystemIdentity) -> Self {
        Self { system_id: identity.system_id, timeline: identity.timeline }
    }
}

/// The place of a streamed change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamPlace {
    pub(crate) of: Incarnation,
    /// Where the commit record of its transaction begins; for a message outside transactions, its last
    /// byte, where no record begins.
    pub(crate) commit: Lsn,
    /// Which change of the transaction it is, counted from zero over everything that is published.
    pub(crate) ordinal: u64,
}

const STREAM: &str = "s1/";
const TABLE: &str = "t1/";

impl StreamPlace {
    /// Writes the text form over what the buffer holds.
    pub(crate) fn write(&self, text: &mut String) {
        text.clear();
        let Self { of, commit, ordinal } = self;
        let (system, timeline) = (of.system_id, of.timeline);
        let written = write!(text, "{STREAM}{system}/{timeline}/{:x}/{ordinal}", commit.get());
        debug_assert!(written.is_ok(), "a buffer takes all text");
    }

    /// Reads the text form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_prefix(STREAM)?.split('/');
        let of = Incarnation {
            system_id: parts.next()?.parse().ok()?,
            timeline: parts.next()?.parse().ok()?,
        };
        let commit = Lsn::new(u64::from_str_radix(parts.next()?, 16).ok()?);
        let ordinal = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Self { of, commit, ordinal })
    }
}

/// How far the snapshot of a table has come, and by which snapshots of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TablePlace {
    pub(crate) system: u64,
    pub(crate) timeline: u32,
    /// From where the slot streams: what was committed behind it comes by the stream.
    pub(crate) slot: u64,
    /// By which snapshot rows were read, the newest last. Without any it was the one that the slot was made
    /// with, which the stream follows without overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<TablePart>,
    /// The key of the last row, as texts; none before the first row, and for tables without key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<Vec<String>>,
    /// Whether all rows were delivered.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) done: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A part of a table, read by a snapshot that is newer than the slot: what that snapshot saw comes by the
/// stream as well and has to be left out there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TablePart {
    /// The part begins behind this key; at the beginning of the table without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Vec<String>>,
    /// What the snapshot saw.
    pub(crate) saw: Snapshot,
    /// Everything that it saw was committed before this position.
    pub(crate) until: u64,
}

impl TablePlace {
    pub(crate) fn of(&self) -> Incarnation {
        Incarnation { system_id: self.system, timeline: self.timeline }
    }

    /// The text form.
    pub(crate) fn to_text(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{TABLE}{json}")
    }

    /// Reads the text form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text.strip_prefix(TABLE)?).ok()
    }

    /// What the rows of the wave agree in: a table that was begun anew has a newer one.
    pub(crate) fn wave(&self) -> Lsn {
        let begins = self.parts.first().filter(|part| part.after.is_none());
        Lsn::new(begins.map_or(self.slot, |part| part.until))
    }

    /// The part by which a row with this key was read, where one of them was; `compare` orders keys.
    pub(crate) fn part_of(&self, is_behind: impl Fn(&[String]) -> bool) -> Option<&TablePart> {
        let begins_before = |part: &&TablePart| part.after.as_deref().is_none_or(&is_behind);
        self.parts.iter().rev().find(begins_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_were_stored_stay_readable() {
        let place = StreamPlace {
            of: Incarnation { system_id: 7_423_000_000_000_000_001, timeline: 3 },
            commit: Lsn::new(0x16_B374_D848),
            ordinal: 17,
        };
        let mut text = String::from("old");
        place.write(&mut text);
        assert_eq!(text, "s1/7423000000000000001/3/16b374d848/17");
        assert_eq!(StreamPlace::parse(&text), Some(place));
        for bad in ["", "s1/", "s1/1/1/0/0/0", "s1/1/1/xyz/0", "t1/1/1/0/0"] {
            assert_eq!(StreamPlace::parse(bad), None, "{bad}");
        }
        let stored = "t1/{\"system\":1,\"timeline\":1,\"slot\":99,\"parts\":[{\"after\":[\"17\"],\
                      \"saw\":\"10:20:12,15\",\"until\":120}],\"key\":[\"20\"]}";
        let table = TablePlace::parse(stored).unwrap();
        assert_eq!(table.to_text(), stored);
        assert!(!table.done && table.key == Some(vec!["20".to_owned()]));
        assert_eq!(TablePlace::parse("t1/{}"), None);
    }

    #[test]
    fn a_row_belongs_to_the_newest_part_that_begins_before_it() {
        let part = |after: Option<&str>, until| TablePart {
            after: after.map(|key| vec![key.to_owned()]),
            saw: Snapshot::parse("1:1:").unwrap(),
            until,
        };
        let place = TablePlace {
            system: 1,
            timeline: 1,
            slot: 1,
            parts: vec![part(Some("10"), 1), part(Some("20"), 2)],
            key: None,
            done: false,
        };
        let found = |key: i64| {
            let behind = |after: &[String]| key > after[0].parse::<i64>().unwrap();
            place.part_of(behind).map(|part| part.until)
        };
        assert_eq!([5, 10, 11, 20, 21].map(found), [None, None, Some(1), Some(1), Some(2)]);
    }
}
