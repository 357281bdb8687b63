//! The reader of a pipeline file that the other tests use.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use cdc_config::{Document, Environment, FixedEnvironment, Problems, Secret, Section};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    History,
    Mirror,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) source: (String, String),
    pub(crate) mode: Mode,
    pub(crate) columns: BTreeMap<String, String>,
    pub(crate) soft_delete: bool,
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) brokers: String,
    pub(crate) topics: Vec<String>,
    pub(crate) fetch_bytes: u64,
    pub(crate) retry_for: Duration,
    pub(crate) url: Secret,
    pub(crate) lanes: NonZeroU32,
    pub(crate) port: u16,
    pub(crate) tables: Vec<Table>,
}

pub(crate) const GOOD: &str = r#"
[pipeline]
name = "orders"
lanes = 4

[source.kafka]
brokers = "localhost:9092"
topics = ["dbserver1.public.orders", "dbserver1.public.items"]
fetch_bytes = "8 MiB"
retry_for = "5m"

[sink.postgres]
url = { env = "WAREHOUSE_URL" }

[[table]]
source = "public.orders"
mode = "history"
columns = { amount = "decimal(10,2)", created_at = "timestamp(micros)" }

[[table]]
source = "public.items"
mode = "mirror"
soft_delete = true
"#;

pub(crate) fn environment() -> FixedEnvironment {
    FixedEnvironment::new()
        .with_variable("WAREHOUSE_URL", "postgres://app:hunter2@db/warehouse")
        .with_variable("EMPTY", "")
        .with_file("password.txt", "hunter2\n")
        .with_file("empty.txt", "\n")
}

pub(crate) fn read(text: &str) -> Result<Settings, Problems> {
    read_in(text, environment())
}

pub(crate) fn read_in(
    text: &str,
    environment: impl Environment + 'static,
) -> Result<Settings, Problems> {
    let document = Document::parse("pipeline.toml", text).with_environment(environment);
    let settings = settings(&document.root());
    document.into_result(settings)
}

fn settings(root: &Section<'_>) -> Option<Settings> {
    let pipeline = root.section("pipeline");
    let name = pipeline.required_string("name");
    let lanes = pipeline.positive("lanes", NonZeroU32::MIN);
    let port = pipeline.integer("port", 1024..=65_535, 9_464_u16);
    let kafka = root.section("source").section("kafka");
    let brokers = kafka.required_string("brokers");
    let topics = kafka.required_strings("topics");
    let fetch_bytes = kafka.bytes("fetch_bytes", 1 << 20);
    let retry_for = kafka.duration("retry_for", Duration::from_mins(1));
    let url = root.section("sink").section("postgres").required_secret_or_plain_url("url");
    let tables: Vec<_> = root.required_sections("table").iter().map(table).collect();
    Some(Settings {
        name: name?,
        brokers: brokers?,
        topics,
        fetch_bytes,
        retry_for,
        url: url?,
        lanes,
        port,
        tables: tables.into_iter().collect::<Option<_>>()?,
    })
}

fn table(section: &Section<'_>) -> Option<Table> {
    let source = section.required_parsed("source", |text| {
        let name = text.split_once('.').filter(|(schema, name)| ![*schema, *name].contains(&""));
        name.map(|(schema, name)| (schema.to_owned(), name.to_owned()))
            .ok_or("a table name such as \"public.orders\"")
    });
    let modes = [("history", Mode::History), ("mirror", Mode::Mirror)];
    let mode = section.required_one_of("mode", &modes);
    let columns = section.entries("columns");
    for entry in columns.iter().filter(|entry| !entry.value().contains('(')) {
        section.entry_problem(entry, "a type such as \"decimal(10,2)\"", None);
    }
    let columns =
        columns.iter().map(|entry| (entry.key().to_owned(), entry.value().to_owned())).collect();
    let soft_delete = section.boolean("soft_delete", false);
    if soft_delete && mode == Some(Mode::History) {
        section.problem("soft_delete", "mode \"mirror\" beside it", Some("remove the key"));
    }
    Some(Table { source: source?, mode: mode?, columns, soft_delete })
}
