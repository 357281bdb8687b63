//! The short list of what is allowed all the same, each entry with its reason.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::error::TidyError;

/// Where the list lies, from the workspace's root.
pub(crate) const PATH: &str = "crates/tidy/exceptions.toml";

/// Long files that may stay so.
#[derive(Debug, Default)]
pub(crate) struct Exceptions {
    /// The line of each entry, by the path that it excuses.
    long_files: BTreeMap<String, usize>,
}

impl Exceptions {
    /// Reads the list.
    ///
    /// # Errors
    /// If it is not TOML, has another section than `[long-files]`, or an entry has no reason.
    pub(crate) fn parse(text: &str) -> Result<Self, TidyError> {
        let failed = |start: usize, reason: &str| TidyError::Exceptions {
            path: PATH,
            line: line_at(text, start),
            reason: reason.to_owned(),
        };
        let root = DeTable::parse(text)
            .map_err(|error| failed(error.span().map_or(0, |span| span.start), error.message()))?;
        let mut long_files = BTreeMap::new();
        for (section, entries) in root.get_ref() {
            let DeValue::Table(entries) = entries.get_ref() else {
                return Err(failed(section.span().start, "expected the section `[long-files]`"));
            };
            if section.get_ref() != "long-files" {
                return Err(failed(section.span().start, "the only section is `[long-files]`"));
            }
            for (path, reason) in entries {
                if reason.get_ref().as_str().is_none_or(|reason| reason.trim().is_empty()) {
                    return Err(failed(path.span().start, "the entry needs a reason"));
                }
                long_files.insert(path.get_ref().to_string(), line_at(text, path.span().start));
            }
        }
        Ok(Self { long_files })
    }

    /// Whether the file may be long.
    pub(crate) fn excuses(&self, path: &str) -> bool {
        self.long_files.contains_key(path)
    }

    /// The excused paths and the lines of their entries.
    pub(crate) fn long_files(&self) -> impl Iterator<Item = (&str, usize)> {
        self.long_files.iter().map(|(path, line)| (path.as_str(), *line))
    }
}

fn line_at(text: &str, byte: usize) -> usize {
    let before = text.as_bytes().get(..byte).unwrap_or(text.as_bytes());
    before.split(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_line_of_each_entry() {
        let list = Exceptions::parse("# why\n[long-files]\n\"a.rs\" = \"one table\"\n").unwrap();
        assert!(list.excuses("a.rs"));
        assert_eq!(list.long_files().collect::<Vec<_>>(), [("a.rs", 3)]);
    }

    #[test]
    fn refuses_entries_without_a_reason_and_sections_it_does_not_know() {
        for (text, expected) in [
            ("[long-files]\n\"a.rs\" = \"\"\n", "crates/tidy/exceptions.toml:2: the entry needs"),
            ("\n[other]\n\"a.rs\" = \"x\"\n", "crates/tidy/exceptions.toml:2: the only section"),
            ("long-files = 1\n", "crates/tidy/exceptions.toml:1: expected the section"),
            ("[long-files\n", "crates/tidy/exceptions.toml:1: "),
        ] {
            let error = Exceptions::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
