//! What a snapshot of the database saw: which transactions had been committed for it.
//!
//! The text form is that of `pg_snapshot`: `xmin:xmax:xip,xip,…` with transaction numbers of 64 bits.
//! Streamed transactions are named by the low 32 bits of their number, and a snapshot is compared only
//! with transactions that are near it, so the missing bits follow from it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The transactions that a snapshot saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// All before it had ended.
    xmin: u64,
    /// All from it on had not begun.
    xmax: u64,
    /// Those between that were running, in rising order.
    running: Vec<u64>,
}

impl Snapshot {
    /// Reads the server's text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let xmin = parts.next()?.parse().ok()?;
        let xmax = parts.next()?.parse().ok()?;
        let list = parts.next()?;
        let numbers = list.split(',').filter(|number| !number.is_empty());
        let mut running: Vec<u64> = numbers.map(str::parse).collect::<Result<_, _>>().ok()?;
        running.sort_unstable();
        let is_whole = parts.next().is_none() && xmin <= xmax;
        is_whole.then_some(Self { xmin, xmax, running })
    }

    /// The server's text.
    pub(crate) fn to_text(&self) -> String {
        let running: Vec<_> = self.running.iter().map(u64::to_string).collect();
        format!("{}:{}:{}", self.xmin, self.xmax, running.join(","))
    }

    /// Whether it saw what the committed transaction with these low bits did.
    pub(crate) fn saw(&self, xid: u32) -> bool {
        let number = self.widened(xid);
        number < self.xmin || (number < self.xmax && self.running.binary_search(&number).is_err())
    }

    /// The transaction number with these low bits that is nearest to the snapshot.
    fn widened(&self, xid: u32) -> u64 {
        let low = self.xmax & 0xffff_ffff;
        let epoch = self.xmax.wrapping_sub(low);
        let same = epoch.wrapping_add(u64::from(xid));
        let round = 1_u64 << 32;
        let half = 1_u64 << 31;
        if same > self.xmax.saturating_add(half) {
            same.saturating_sub(round)
        } else if same.saturating_add(half) < self.xmax {
            same.saturating_add(round)
        } else {
            same
        }
    }
}

impl Serialize for Snapshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for Snapshot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let expected = || serde::de::Error::custom("expected a snapshot as xmin:xmax:list");
        Self::parse(&text).ok_or_else(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_text_is_read_and_written() {
        for text in ["10:20:12,15", "10:10:", "4294967300:4294967310:4294967305"] {
            assert_eq!(Snapshot::parse(text).unwrap().to_text(), text);
        }
        for bad in ["", "1", "1:2", "2:1:", "1:2:x", "1:2:3:4"] {
            assert_eq!(Snapshot::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_ran_or_had_not_begun_was_not_seen() {
        let snapshot = Snapshot::parse("10:20:12,15").unwrap();
        let seen: Vec<u32> = (8..22).filter(|xid| snapshot.saw(*xid)).collect();
        assert_eq!(seen, [8, 9, 10, 11, 13, 14, 16, 17, 18, 19]);
    }

    #[test]
    fn numbers_that_have_gone_round_are_compared_with_their_high_bits() {
        // The counter of 32 bits has just begun anew.
        let snapshot = Snapshot::parse("4294967296:4294967306:4294967300").unwrap();
        assert!(snapshot.saw(u32::MAX), "before the round");
        assert!(snapshot.saw(3) && !snapshot.saw(4) && snapshot.saw(9) && !snapshot.saw(10));
        let before = Snapshot::parse("4294967290:4294967294:").unwrap();
        assert!(before.saw(4_294_967_293) && !before.saw(5), "behind the round");
    }
}
