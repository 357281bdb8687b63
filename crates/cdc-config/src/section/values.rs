//! Readers of single public values.

use std::fmt::Display;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::{Need, Refusal, Section};
use crate::near_miss::closest;
use crate::quantity::{QuantityError, parse_bytes, parse_duration};

const STRING: &str = "a string";
const FILLED_STRING: &str = "a string that is not empty";
const BOOLEAN: &str = "true or false";

impl Section<'_> {
    /// A string, or `default`.
    pub fn string(&self, key: &str, default: &str) -> String {
        self.optional_string(key).unwrap_or_else(|| default.to_owned())
    }

    /// A string, if the key is there.
    pub fn optional_string(&self, key: &str) -> Option<String> {
        self.read(key, Need::Optional, STRING, |value| string(value).map(str::to_owned))
    }

    /// A string that is not empty.
    pub fn required_string(&self, key: &str) -> Option<String> {
        self.read(key, Need::Required, FILLED_STRING, |value| match string(value)? {
            "" => Err(Refusal::new(FILLED_STRING)),
            text => Ok(text.to_owned()),
        })
    }

    /// `true` or `false`, or `default`.
    pub fn boolean(&self, key: &str, default: bool) -> bool {
        self.optional_boolean(key).unwrap_or(default)
    }

    /// `true` or `false`, if the key is there.
    pub fn optional_boolean(&self, key: &str) -> Option<bool> {
        self.read(key, Need::Optional, BOOLEAN, |value| {
            value.as_bool().ok_or_else(|| {
                let quoted = matches!(value.as_str(), Some("true" | "false"));
                let refusal = Refusal::new(BOOLEAN);
                if quoted { refusal.hint("remove the quotation marks") } else { refusal }
            })
        })
    }

    /// A whole number within `allowed`, or `default`.
    pub fn integer<T>(&self, key: &str, allowed: RangeInclusive<T>, default: T) -> T
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        self.optional_integer(key, allowed).unwrap_or(default)
    }

    /// A whole number within `allowed`, if the key is there.
    pub fn optional_integer<T>(&self, key: &str, allowed: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        self.integer_with(key, Need::Optional, &allowed)
    }

    /// A whole number within `allowed`.
    pub fn required_integer<T>(&self, key: &str, allowed: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        self.integer_with(key, Need::Required, &allowed)
    }

    /// A whole number from 1, or `default`.
    pub fn positive(&self, key: &str, default: NonZeroU32) -> NonZeroU32 {
        self.optional_positive(key).unwrap_or(default)
    }

    /// A whole number from 1, if the key is there.
    pub fn optional_positive(&self, key: &str) -> Option<NonZeroU32> {
        self.integer_with(key, Need::Optional, &(1..=u32::MAX)).and_then(NonZeroU32::new)
    }

    fn integer_with<T>(&self, key: &str, need: Need, allowed: &RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let expected = format!("a whole number from {} to {}", allowed.start(), allowed.end());
        self.read(key, need, &expected, |value| {
            let number = value
                .as_integer()
                .and_then(|digits| i64::from_str_radix(digits.as_str(), digits.radix()).ok())
                .and_then(|number| T::try_from(number).ok());
            number.filter(|number| allowed.contains(number)).ok_or_else(|| {
                let quoted = value.as_str().is_some_and(|text| text.parse::<i64>().is_ok());
                let refusal = Refusal::new(expected.clone());
                if quoted { refusal.hint("remove the quotation marks") } else { refusal }
            })
        })
    }

    /// A duration with its unit (`"500ms"`, `"10s"`, `"5m"`), or `default`.
    pub fn duration(&self, key: &str, default: Duration) -> Duration {
        self.optional_duration(key).unwrap_or(default)
    }

    /// A duration with its unit, if the key is there.
    pub fn optional_duration(&self, key: &str) -> Option<Duration> {
        let expected = QuantityError::NotADuration {}.to_string();
        self.read(key, Need::Optional, &expected, |value| quantity(value, "s", parse_duration))
    }

    /// A size in bytes with its unit (`"40 MiB"`, `"1MB"`), or `default`.
    pub fn bytes(&self, key: &str, default: u64) -> u64 {
        self.optional_bytes(key).unwrap_or(default)
    }

    /// A size in bytes with its unit, if the key is there.
    pub fn optional_bytes(&self, key: &str) -> Option<u64> {
        let expected = QuantityError::NotASize {}.to_string();
        self.read(key, Need::Optional, &expected, |value| quantity(value, "B", parse_bytes))
    }

    /// The value behind one of `words`, or `default`.
    pub fn one_of<T: Clone>(&self, key: &str, words: &[(&str, T)], default: T) -> T {
        self.optional_one_of(key, words).unwrap_or(default)
    }

    /// The value behind one of `words`, if the key is there.
    pub fn optional_one_of<T: Clone>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        self.one_of_with(key, Need::Optional, words)
    }

    /// The value behind one of `words`.
    pub fn required_one_of<T: Clone>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        self.one_of_with(key, Need::Required, words)
    }

    fn one_of_with<T: Clone>(&self, key: &str, need: Need, words: &[(&str, T)]) -> Option<T> {
        let names: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        let expected = format!("one of {}", names.join(", "));
        self.read(key, need, &expected, |value| {
            let refusal = Refusal::new(expected.clone());
            let Some(text) = value.as_str() else { return Err(refusal) };
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, meaning)| meaning.clone()).ok_or_else(|| {
                let near_miss = closest(text, words.iter().map(|(word, _)| *word));
                Refusal { near_miss: near_miss.map(str::to_owned), ..refusal }
            })
        })
    }

    /// A string that `parse` understands, or `default`.
    ///
    /// The error's text completes "expected" (`a table name such as "public.orders"`).
    pub fn parsed<T, E: Display>(
        &self,
        key: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> T {
        self.optional_parsed(key, parse).unwrap_or(default)
    }

    /// A string that `parse` understands, if the key is there; see [`Section::parsed`].
    pub fn optional_parsed<T, E: Display>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.read(key, Need::Optional, STRING, |value| parsed(value, parse))
    }

    /// A string that `parse` understands; see [`Section::parsed`].
    pub fn required_parsed<T, E: Display>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.read(key, Need::Required, STRING, |value| parsed(value, parse))
    }
}

pub(super) fn string<'v>(value: &'v DeValue<'_>) -> Result<&'v str, Refusal> {
    value.as_str().ok_or_else(|| {
        let refusal = Refusal::new(STRING);
        let is_reference = value
            .as_table()
            .is_some_and(|table| table.contains_key("env") || table.contains_key("file"));
        if is_reference {
            refusal.hint("write the value itself: only secrets are references")
        } else {
            refusal
        }
    })
}

pub(super) fn parsed<T, E: Display>(
    value: &DeValue<'_>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<T, Refusal> {
    parse(string(value)?).map_err(|error| Refusal::new(error.to_string()))
}

fn quantity<T>(
    value: &DeValue<'_>,
    usual_unit: &str,
    parse: fn(&str) -> Result<T, QuantityError>,
) -> Result<T, Refusal> {
    let text = match value {
        DeValue::String(text) => text.to_string(),
        // A bare number is refused like any text without a unit, with the unit as a hint.
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => String::new(),
    };
    parse(&text).map_err(|error| {
        let refusal = Refusal::new(error.to_string());
        let with_unit = format!("{text}{usual_unit}");
        let only_unit_missing = parse(&with_unit).is_ok();
        if only_unit_missing {
            refusal.hint(format!("add the unit, for example \"{with_unit}\""))
        } else {
            refusal
        }
    })
}
