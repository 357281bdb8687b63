//! What describes a stream of traffic: two equal descriptions give equal streams.

use std::fmt;
use std::str::FromStr;

use crate::WorkloadError;
use crate::random::Random;

/// 2024-01-01 00:00:00, the start of a stream that nobody gave another one.
const START_MICROS: i64 = 1_704_067_200_000_000;

/// A description of traffic on `orders`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadOptions {
    /// Names the stream: the same seed and options give the same operations for ever.
    pub seed: u64,
    /// Most rows that the mix lets live at one time. At the limit an insert becomes an update or a
    /// delete, by their weights; a mix of inserts only knows no limit. Default 10,000.
    pub keys: u32,
    /// How often each operation is chosen. Default 4:1:1.
    pub mix: Mix,
    /// Operations in each transaction, at least one. Default 1.
    pub changes_per_transaction: u32,
    /// Whether the values are those of a shop or those of a bad day. Default realistic.
    pub hostility: Hostility,
    /// The first key that an insert takes, at least 1; further ones count up. Default 1.
    pub first_order_id: i32,
    /// Time of the first transaction, microseconds since 1970-01-01. Default 2024-01-01.
    pub start_micros: i64,
    /// Mean time between two transactions in microseconds; each step is from 0 to twice as long.
    /// Default one second.
    pub tick_micros: u32,
}

impl Default for WorkloadOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            keys: 10_000,
            mix: Mix::default(),
            changes_per_transaction: 1,
            hostility: Hostility::Realistic,
            first_order_id: 1,
            start_micros: START_MICROS,
            tick_micros: 1_000_000,
        }
    }
}

/// What the values of a stream look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Hostility {
    /// Four products, three states, amounts from 10.00 to 500.00.
    #[default]
    Realistic,
    /// The same, mixed with everything that the table allows and software gets wrong: NULL, boundary
    /// and negative numbers, empty, longest, non-ASCII and quoting-sensitive text, times far from now,
    /// keys at the ends of their range, changed keys, keys that come back after their deletion, updates
    /// that change nothing.
    ///
    /// Two things are left out because Debezium itself loses them, so no oracle could hold: a NULL
    /// time (its column has a default, which the JSON converter writes instead) and a text that
    /// equals Debezium's placeholder for an unavailable value.
    Hostile,
}

/// Weights of the three operations, for example 4:1:1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    insert: u32,
    update: u32,
    delete: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Insert,
    Update,
    Delete,
}

impl Mix {
    /// Weights relative to their sum.
    ///
    /// # Errors
    ///
    /// [`WorkloadError::MixEmpty`] when all three are zero.
    pub fn try_new(insert: u32, update: u32, delete: u32) -> Result<Self, WorkloadError> {
        if insert == 0 && update == 0 && delete == 0 {
            return Err(WorkloadError::MixEmpty);
        }
        Ok(Self { insert, update, delete })
    }

    /// Whether rows are ever touched again.
    pub(crate) fn returns_to_rows(self) -> bool {
        self.update > 0 || self.delete > 0
    }

    pub(crate) fn draw(self, random: &mut Random) -> Choice {
        let (insert, update) = (u64::from(self.insert), u64::from(self.update));
        let drawn = random.below(insert + update + u64::from(self.delete));
        if drawn < insert {
            Choice::Insert
        } else if drawn < insert + update {
            Choice::Update
        } else {
            Choice::Delete
        }
    }

    /// A choice among the operations on a row that exists.
    pub(crate) fn draw_without_insert(self, random: &mut Random) -> Choice {
        Self { insert: 0, ..self }.draw(random)
    }
}

impl Default for Mix {
    fn default() -> Self {
        Self { insert: 4, update: 1, delete: 1 }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.insert, self.update, self.delete)
    }
}

impl FromStr for Mix {
    type Err = WorkloadError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut weights = text.split(':').map(|weight| weight.trim().parse::<u32>().ok());
        match (weights.next(), weights.next(), weights.next(), weights.next()) {
            (Some(Some(insert)), Some(Some(update)), Some(Some(delete)), None) => {
                Self::try_new(insert, update, delete)
            }
            _ => Err(WorkloadError::MixText { found: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mix;

    #[test]
    fn a_mix_reads_what_it_shows() {
        let mix: Mix = " 70 :20:10".parse().expect("three numbers");
        assert_eq!(mix.to_string(), "70:20:10");
        assert_eq!(Mix::default().to_string(), "4:1:1");
    }

    #[test]
    fn a_mix_refuses_anything_but_three_weights_of_which_one_counts() {
        for text in ["", "1", "4:1", "4:1:1:1", "4:-1:1", "a:b:c", "4:1:4294967296"] {
            let error = text.parse::<Mix>().expect_err("not a mix").to_string();
            assert!(error.contains("insert:update:delete"), "{error}");
        }
        let error = "0:0:0".parse::<Mix>().expect_err("empty").to_string();
        assert_eq!(error, "the mix 0:0:0 has no operation to choose");
    }
}
