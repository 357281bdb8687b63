//! Readers of lists of strings and of tables whose keys the user chooses.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::ops::Range;

use super::values::{parsed, string};
use super::{Need, Refusal, Section, path};

const STRINGS: &str = "a list of strings";
const FILLED_STRINGS: &str = "a list of at least one string";

/// One entry of a table whose keys the user chooses, such as a column and its type.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    key: String,
    value: String,
    field: String,
    span: Range<usize>,
}

impl Entry {
    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Entry").field("field", &self.field).finish_non_exhaustive()
    }
}

impl Section<'_> {
    /// A list of strings; empty if the key is missing.
    pub fn strings(&self, key: &str) -> Vec<String> {
        self.parsed_list(key, |text| Ok::<_, String>(text.to_owned()))
    }

    /// A list of at least one string, none of them empty. Empty only after a problem.
    pub fn required_strings(&self, key: &str) -> Vec<String> {
        self.required_parsed_list(key, |text| match text {
            "" => Err("a string that is not empty"),
            text => Ok(text.to_owned()),
        })
    }

    /// A list of strings that `parse` understands; empty if the key is missing. Each string that it
    /// refuses is a problem of its own, and the error's text completes "expected".
    pub fn parsed_list<T, E: Display>(
        &self,
        key: &str,
        parse: impl FnMut(&str) -> Result<T, E>,
    ) -> Vec<T> {
        self.list_with(key, Need::Optional, parse)
    }

    /// As [`Section::parsed_list`], with at least one string.
    pub fn required_parsed_list<T, E: Display>(
        &self,
        key: &str,
        parse: impl FnMut(&str) -> Result<T, E>,
    ) -> Vec<T> {
        self.list_with(key, Need::Required, parse)
    }

    fn list_with<T, E: Display>(
        &self,
        key: &str,
        need: Need,
        mut parse: impl FnMut(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let expected = match need {
            Need::Optional => STRINGS,
            Need::Required => FILLED_STRINGS,
        };
        let items = self.read(key, need, expected, |value| match value.as_array() {
            Some(items) if items.is_empty() && need == Need::Required => {
                Err(Refusal::new(FILLED_STRINGS))
            }
            Some(items) => Ok(items.iter()),
            None if value.is_str() => {
                Err(Refusal::new(expected).hint("put it in brackets: [\"…\"]"))
            }
            None => Err(Refusal::new(expected)),
        });
        let place = path::join(&self.path, key);
        let mut list = Vec::new();
        for (index, item) in items.into_iter().flatten().enumerate() {
            match parsed(item.get_ref(), &mut parse) {
                Ok(parsed) => list.push(parsed),
                Err(refusal) => self.refuse(key, &path::item(&place, index), item, refusal),
            }
        }
        list
    }

    /// The entries of a table of strings in the order of the file; empty if the key is missing.
    ///
    /// The values are public: reports may show them. For a table that may hold secrets, open it with
    /// [`Section::optional_section`] and read its [`Section::keys`] one by one.
    pub fn entries(&self, key: &str) -> Vec<Entry> {
        let expected = "a table of strings";
        let Some(table) = self.read(key, Need::Optional, expected, |value| {
            value.as_table().ok_or_else(|| Refusal::new(expected))
        }) else {
            return Vec::new();
        };
        let place = path::join(&self.path, key);
        let mut entries = Vec::with_capacity(table.len());
        for (name, value) in table {
            self.make_public(value);
            self.ledger().make_public(&name.span());
            let field = path::join(&place, name.get_ref());
            match string(value.get_ref()) {
                Ok(text) => entries.push(Entry {
                    key: name.get_ref().to_string(),
                    value: text.to_owned(),
                    field,
                    span: value.span(),
                }),
                Err(refusal) => self.refuse(name.get_ref(), &field, value, refusal),
            }
        }
        entries.sort_by_key(|entry| entry.span.start);
        entries
    }

    /// As [`Section::entries`], by key.
    pub fn string_map(&self, key: &str) -> BTreeMap<String, String> {
        self.entries(key).into_iter().map(|entry| (entry.key, entry.value)).collect()
    }

    /// Records a problem with one entry; otherwise as [`Section::problem`].
    pub fn entry_problem(&self, entry: &Entry, expected: impl Into<String>, hint: Option<&str>) {
        let refusal = Refusal { hint: hint.map(str::to_owned), ..Refusal::new(expected) };
        let value = toml::de::DeValue::String(entry.value.as_str().into());
        let value = toml::Spanned::new(entry.span.clone(), value);
        self.refuse(&entry.key, &entry.field, &value, refusal);
    }
}
