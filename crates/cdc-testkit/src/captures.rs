//! Real Debezium messages with the source's own account of them: the files under
//! `fixtures/debezium`, whose README describes the format.
//!
//! The programs that write these files use the same types, so that they cannot differ.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What a connector of one release with one set of options wrote, in a folder of its own.
pub const MESSAGES: &str = "messages.jsonl";
/// The distinct schema blocks of a folder's messages, one a line.
pub const SCHEMAS: &str = "schemas.jsonl";
/// About a folder: versions, options, counts.
pub const ABOUT: &str = "mode.json";
/// The source's account of its row events, one a line; one file for all modes that follow one history.
pub const EXPECTED: &str = "expected.jsonl";
/// The columns of the source's tables as its catalog has them, one a line, beside the account: where a
/// test's own server lacks the extensions that bring their types.
pub const CATALOG: &str = "catalog.jsonl";

/// Where a capture comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The release's short name, the first part of the folder's name: "2.4.2".
    pub release: String,
    /// The mode, the rest of the folder's name: "decimal-string".
    pub mode: String,
    /// The folder with the source's account, where it is not the release's: of a history with types of
    /// extensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Debezium's full version: "2.4.2.Final".
    pub debezium: String,
    /// The version of the Connect worker.
    pub kafka: String,
    /// The version of the source's server.
    pub postgres: String,
    /// Whether keys and values carry their schema.
    pub schema_block: bool,
    /// The captured tables, as `public.all_types`.
    pub tables: Vec<String>,
    /// The topic of each captured table, by table.
    pub topics: BTreeMap<String, String>,
    /// How many messages each topic has.
    pub messages: BTreeMap<String, usize>,
    /// The connector's configuration, without address and account of the source.
    pub options: BTreeMap<String, String>,
}

/// A row as the source writes it: each column's text, `None` for NULL.
pub type Texts = BTreeMap<String, Option<String>>;

/// What the source says about one change of one row, or one truncate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowEvent {
    /// The table, as `public.all_types`.
    pub table: String,
    /// `r` for a row that the snapshot finds, `c`, `u`, `d`, or `t` for a truncate.
    pub op: String,
    /// The table's replica identity at that time: `d` for the key, `f` for the full row.
    pub identity: String,
    /// The number of the source's transaction; equal for all events of one.
    pub transaction: String,
    /// The whole row before it, whatever the replica identity.
    pub before: Option<Texts>,
    /// The whole row after it.
    pub after: Option<Texts>,
}

/// A Kafka record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The line of the key's schema block, from 0; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_schema: Option<usize>,
    /// The key's JSON text, without its schema block; `None` for a null key.
    pub key: Option<String>,
    /// The line of the value's schema block, from 0; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_schema: Option<usize>,
    /// The value's JSON text, without its schema block; `None` for a tombstone.
    pub value: Option<String>,
    /// Names and values of its headers, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, Option<String>)>,
    /// The line of the [`RowEvent`] that it tells of, from 0; `None` for what is not about a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<usize>,
}

/// The messages of one release in one mode, and what they tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// Where it comes from.
    pub about: About,
    /// The schema blocks, as JSON texts.
    pub schemas: Vec<String>,
    /// The messages, by topic and offset.
    pub messages: Vec<Message>,
    /// All row events of the history, those of tables that this mode leaves out too.
    pub events: Vec<RowEvent>,
}

impl Capture {
    /// Reads the capture of a release in a mode, such as `("2.4.2", "default")`.
    ///
    /// # Panics
    ///
    /// When a file is missing or cannot be read as what it is.
    pub fn open(release: &str, mode: &str) -> Self {
        let folder = folder().join(format!("{release}-{mode}"));
        let about: About = parse(&folder.join(ABOUT), &text(&folder.join(ABOUT)));
        let account = self::folder().join(about.account.as_deref().unwrap_or(release));
        Self {
            schemas: text(&folder.join(SCHEMAS)).lines().map(str::to_owned).collect(),
            messages: lines(&folder.join(MESSAGES)),
            events: lines(&account.join(EXPECTED)),
            about,
        }
    }

    /// The key as it lies in the log.
    pub fn key(&self, message: &Message) -> Option<String> {
        self.whole(message.key_schema, message.key.as_deref())
    }

    /// The value as it lies in the log.
    pub fn value(&self, message: &Message) -> Option<String> {
        self.whole(message.value_schema, message.value.as_deref())
    }

    /// The lines of the source's catalog, if it was kept beside the account.
    pub fn catalog(&self) -> Option<String> {
        let account = self.about.account.as_deref()?;
        Some(text(&folder().join(account).join(CATALOG)))
    }

    /// What the source says about the change that a message tells of.
    pub fn event(&self, message: &Message) -> Option<&RowEvent> {
        self.events.get(message.event?)
    }

    fn whole(&self, schema: Option<usize>, payload: Option<&str>) -> Option<String> {
        let payload = payload?;
        let Some(line) = schema else { return Some(payload.to_owned()) };
        let schema = self.schemas.get(line).expect("a message names a schema block of its capture");
        Some(format!(r#"{{"schema":{schema},"payload":{payload}}}"#))
    }
}

/// The folder of all captures in the repository.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/debezium")
}

/// Release and mode of each capture, in order.
///
/// # Panics
///
/// When the folder cannot be read.
pub fn names() -> Vec<(String, String)> {
    let folder = folder();
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| broken(&folder, &error));
    let mut names: Vec<(String, String)> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let (release, mode) = name.split_once('-')?;
            Some((release.to_owned(), mode.to_owned()))
        })
        .collect();
    names.sort();
    names
}

fn lines<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    text(path).lines().map(|line| parse(path, line)).collect()
}

fn parse<T: DeserializeOwned>(path: &Path, json: &str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| broken(path, &error))
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| broken(path, &error))
}

#[expect(clippy::panic, reason = "documented: a test needs a message that names the file")]
fn broken(path: &Path, error: &dyn Display) -> ! {
    panic!(
        "cannot read the capture {}: {error}; make it with `just capture-fixtures`",
        path.display()
    )
}
