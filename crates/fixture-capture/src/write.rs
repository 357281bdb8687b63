//! Writes what was captured, each schema block once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use cdc_testkit::captures::{
    ABOUT, About, CATALOG, EXPECTED, MESSAGES, Message, RowEvent, SCHEMAS,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::read::Record;

/// The distinct schema blocks so far, each with its line.
#[derive(Debug, Default)]
struct Schemas {
    lines: BTreeMap<String, usize>,
}

impl Schemas {
    /// Takes the schema block out of a text, if there is one.
    fn split(&mut self, text: Option<String>) -> (Option<usize>, Option<String>) {
        let Some(text) = text else { return (None, None) };
        let parts: Option<BTreeMap<&str, &RawValue>> = serde_json::from_str(&text).ok();
        let part = |name| Some(parts.as_ref()?.get(name)?.get());
        let (Some(schema), Some(payload)) = (part("schema"), part("payload")) else {
            return (None, Some(text));
        };
        // Only what can be put together again to the same bytes.
        if text != format!(r#"{{"schema":{schema},"payload":{payload}}}"#) {
            return (None, Some(text));
        }
        let next = self.lines.len();
        let line = *self.lines.entry(schema.to_owned()).or_insert(next);
        (Some(line), Some(payload.to_owned()))
    }

    fn into_lines(self) -> Vec<String> {
        let mut lines: Vec<(usize, String)> =
            self.lines.into_iter().map(|(schema, line)| (line, schema)).collect();
        lines.sort();
        lines.into_iter().map(|(_, schema)| schema).collect()
    }
}

/// Writes the folder of one mode, in place of what was there.
///
/// # Errors
///
/// When a file cannot be written.
pub fn capture(root: &Path, about: &About, records: Vec<Record>) -> Result<()> {
    let folder = root.join(format!("{}-{}", about.release, about.mode));
    fresh(&folder)?;
    let mut schemas = Schemas::default();
    let messages: Vec<Message> = records
        .into_iter()
        .map(|record| {
            let (key_schema, key) = schemas.split(record.key);
            let (value_schema, value) = schemas.split(record.value);
            Message {
                topic: record.topic,
                partition: record.partition,
                offset: record.offset,
                key_schema,
                key,
                value_schema,
                value,
                headers: record.headers,
                event: record.event,
            }
        })
        .collect();
    write(&folder.join(MESSAGES), &json_lines(&messages)?)?;
    write(&folder.join(SCHEMAS), &joined(schemas.into_lines()))?;
    write(&folder.join(ABOUT), &(serde_json::to_string_pretty(about)? + "\n"))
}

/// Writes the source's account and what it says of its columns, in place of what was there.
///
/// # Errors
///
/// When a file cannot be written.
pub fn account(root: &Path, name: &str, events: &[RowEvent], catalog: Option<&str>) -> Result<()> {
    let folder = root.join(name);
    fresh(&folder)?;
    if let Some(catalog) = catalog {
        write(&folder.join(CATALOG), catalog)?;
    }
    write(&folder.join(EXPECTED), &json_lines(events)?)
}

fn fresh(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}

fn json_lines<T: Serialize>(items: &[T]) -> Result<String> {
    let lines: Result<Vec<String>, _> = items.iter().map(serde_json::to_string).collect();
    Ok(joined(lines?))
}

fn joined(lines: Vec<String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
