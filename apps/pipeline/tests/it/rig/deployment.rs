//! A configured pipeline: its file, its warehouse, its processes.

use std::fs;
use std::iter;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use cdc_stack::connector::SchemaBlock;
use serde_json::Value;
use tempfile::TempDir;

use super::program::{Ended, Running, program};
use super::{Source, Topic, Warehouse, until_some};

/// What the numbers and texts of `orders` mean, for messages without a schema block.
const DECLARATIONS: &str = r#"columns = { amount = "decimal(10,2)", created_at = "timestamp(micros)", updated_at = "timestamp(micros)" }"#;

/// What the target holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    History,
    Mirror,
}

impl Mode {
    /// Both, for tests that hold for both.
    pub(crate) const BOTH: [Self; 2] = [Self::History, Self::Mirror];

    /// The word of the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Mirror => "mirror",
        }
    }

    /// The table that `init` creates for it.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::History => "public.orders_fact",
            Self::Mirror => "public.orders_current",
        }
    }
}

/// A pipeline from a topic to a warehouse. Everything may be changed before the first use.
#[derive(Debug)]
pub(crate) struct Deployment<'c> {
    pub(crate) warehouse: Warehouse<'c>,
    /// The pipeline's name and its group's.
    pub(crate) name: String,
    /// The address that the program gets.
    pub(crate) url: String,
    /// Further lines of `[source.postgres]` of a pipeline that reads its source without Kafka.
    pub(crate) native: Option<String>,
    pub(crate) brokers: String,
    pub(crate) topic: String,
    /// Topics of further tables.
    pub(crate) other_topics: Vec<String>,
    /// The table in the source.
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) mode: Mode,
    /// Further lines of `[pipeline]`.
    pub(crate) pipeline: String,
    /// Further lines of `[source.kafka]`.
    pub(crate) kafka: String,
    /// Further lines of `[sink.postgres]`.
    pub(crate) postgres: String,
    /// The table's declarations and rules, and further tables.
    pub(crate) table: String,
    /// Variables of the program's environment, beside that of the warehouse.
    pub(crate) environment: Vec<(&'static str, String)>,
    folder: TempDir,
    starts: AtomicU32,
}

impl<'c> Deployment<'c> {
    /// A pipeline for messages without schema block into an empty warehouse.
    pub(crate) fn new(name: &str, mode: Mode, topic: &Topic, warehouse: Warehouse<'c>) -> Self {
        Self {
            brokers: topic.brokers().to_owned(),
            topic: topic.name().to_owned(),
            table: DECLARATIONS.to_owned(),
            ..Self::into(name, mode, warehouse)
        }
    }

    /// A pipeline that reads the source's own log into an empty warehouse. Its slot has its name.
    pub(crate) fn native(
        name: &str,
        mode: Mode,
        source: &Source,
        warehouse: Warehouse<'c>,
    ) -> Self {
        Self {
            native: Some(String::new()),
            topic: name.to_owned(),
            environment: vec![("SOURCE_URL", source.url())],
            ..Self::into(name, mode, warehouse)
        }
    }

    /// A pipeline into a warehouse, from nowhere yet.
    fn into(name: &str, mode: Mode, warehouse: Warehouse<'c>) -> Self {
        Self {
            name: name.to_owned(),
            url: warehouse.url(),
            warehouse,
            native: None,
            brokers: String::new(),
            topic: String::new(),
            other_topics: Vec::new(),
            source: "public.orders".to_owned(),
            target: mode.target().to_owned(),
            mode,
            pipeline: String::new(),
            kafka: String::new(),
            postgres: String::new(),
            table: String::new(),
            environment: Vec::new(),
            folder: tempfile::tempdir().expect("a folder"),
            starts: AtomicU32::new(0),
        }
    }

    /// Takes the declarations away where messages describe themselves.
    pub(crate) fn for_schemas(mut self, schemas: SchemaBlock) -> Self {
        if schemas == SchemaBlock::On {
            self.table.clear();
        }
        self
    }

    /// Leaves truncates out of a mirror, which takes them from a topic of one partition only.
    pub(crate) fn without_truncates(mut self) -> Self {
        if self.mode == Mode::Mirror {
            self.table.insert_str(0, "truncates = \"ignore\"\n");
        }
        self
    }

    /// Lets a restart return to its place in the group at once. Otherwise a group waits for a killed
    /// member until its session has ended.
    pub(crate) fn with_instance_id(mut self) -> Self {
        self.kafka.push_str("instance_id = \"only\"\n");
        self
    }

    /// The configuration file's text.
    pub(crate) fn configuration(&self) -> String {
        let Self { name, pipeline, source, target, postgres, table, .. } = self;
        let mode = self.mode.word();
        let origin = self.origin();
        format!(
            r#"[pipeline]
name = "{name}"
{pipeline}
{origin}
[sink.postgres]
url = {{ env = "WAREHOUSE_URL" }}
{postgres}
[[table]]
source = "{source}"
target = "{target}"
mode = "{mode}"
{table}
"#
        )
    }

    /// The section that says where records come from.
    fn origin(&self) -> String {
        let Self { name, brokers, kafka, .. } = self;
        if let Some(native) = &self.native {
            return format!("[source.postgres]\nurl = {{ env = \"SOURCE_URL\" }}\n{native}");
        }
        let topics: Vec<&String> = iter::once(&self.topic).chain(&self.other_topics).collect();
        format!(
            "[source.kafka]\nbrokers = \"{brokers}\"\ntopics = {topics:?}\ngroup = \"{name}\"\n{kafka}"
        )
    }

    /// Runs `init`.
    pub(crate) fn init(&self) -> Ended {
        self.execute(&["init"])
    }

    /// `init`, which must succeed; then the deployment itself.
    pub(crate) fn initialised(self) -> Self {
        self.init().expect_code(0);
        self
    }

    /// Starts `run`.
    pub(crate) fn start(&self) -> Running {
        self.spawn(&["run"])
    }

    /// Runs to the end of the topic and gives the final JSON object.
    #[track_caller]
    pub(crate) fn run_until_caught_up(&self) -> Value {
        let ended = self.execute(&["run", "--until-caught-up", "--json"]).expect_code(0);
        let last = ended.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|_| panic!("no JSON: {}", ended.stdout))
    }

    /// Runs a command of the program to its end; the configuration file is added.
    pub(crate) fn execute(&self, arguments: &[&str]) -> Ended {
        self.spawn(arguments).wait()
    }

    /// Starts a command of the program; the configuration file is added.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        let mut command = program();
        command.args(arguments).arg("--config").arg(self.file());
        command.env("WAREHOUSE_URL", &self.url);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        Running::start(command, self.folder.path(), &format!("{}-{start}", self.name))
    }

    fn file(&self) -> PathBuf {
        let path = self.folder.path().join("pipeline.toml");
        // A process that was started just now may be reading it.
        let new = self.folder.path().join("pipeline.toml.new");
        fs::write(&new, self.configuration()).expect("a configuration file");
        fs::rename(&new, &path).expect("a configuration file in its place");
        path
    }

    /// How many offsets of the topic have been applied, by the checkpoint.
    pub(crate) fn applied(&self) -> u64 {
        let sql = "select coalesce(sum(next_offset), 0) from cdc.checkpoint";
        self.warehouse.count(sql)
    }

    /// Waits until exactly this many offsets have been applied.
    pub(crate) fn wait_applied(&self, running: &mut Running, records: u64) {
        let what = format!("{} having applied {records} records", self.name);
        let applied = until_some(&what, || {
            running.assert_running();
            Some(self.applied()).filter(|applied| *applied >= records)
        });
        assert_eq!(applied, records, "{}", self.name);
    }
}
