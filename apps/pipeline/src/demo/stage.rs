//! Everything that the demonstration runs on.

use std::path::Path;

use cdc_kafka::Publisher;
use cdc_stack::postgres::{Durability, PostgresBinaries};
use cdc_stack::{Databases, Ports, Stack, StackOptions, Warehouse};

use crate::config::Settings;
use crate::failure::Failure;
use crate::init;

/// The topic that the orders connector writes.
const TOPIC: &str = "dbserver1.public.orders";

/// How changes come from the source to the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The pipeline reads the source's own log.
    Direct,
    /// Debezium writes them into Kafka.
    OverKafka,
}

/// The running servers, and how a pipeline is configured on them.
#[derive(Debug)]
pub(crate) enum Stage {
    Direct(Box<Databases>),
    OverKafka(Box<Stack>),
}

impl Stage {
    /// Starts source and warehouse, and what lies on the way.
    pub(crate) fn start(way: Way, folder: Option<&Path>) -> Result<Self, Failure> {
        let binaries = folder.map(PostgresBinaries::in_folder).transpose();
        let options = StackOptions {
            folder: None,
            ports: Ports::Free,
            warehouse: Warehouse::OwnCluster,
            durability: Durability::Full,
            binaries: binaries.map_err(Failure::stack("find PostgreSQL"))?,
        };
        let cannot = Failure::stack("start the servers");
        match way {
            Way::Direct => Databases::start(&options).map(|both| Self::Direct(Box::new(both))),
            Way::OverKafka => Stack::start(&options).map(|stack| Self::OverKafka(Box::new(stack))),
        }
        .map_err(cannot)
    }

    /// Source and warehouse.
    pub(crate) fn databases(&self) -> &Databases {
        match self {
            Self::Direct(databases) => databases,
            Self::OverKafka(stack) => stack.databases(),
        }
    }

    /// Creates the tables that the pipeline writes.
    pub(crate) async fn prepare_warehouse(&self) -> Result<(), Failure> {
        init::create(&self.settings()?).await
    }

    /// Creates the topic and registers the connector, where there are any.
    pub(crate) fn start_capture(&self) -> Result<(), Failure> {
        let Self::OverKafka(stack) = self else { return Ok(()) };
        let cannot = |error| Failure::end("create the topic", error);
        let publisher = Publisher::connect(&stack.broker().bootstrap()).map_err(cannot)?;
        publisher.create_topic(TOPIC, 1).map_err(cannot)?;
        let connector = stack.orders_connector();
        stack.register(&connector).map_err(Failure::stack("register the connector"))
    }

    /// The pipeline's configuration, through the same reader as a user's file.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Ok(Settings::parse("demo", &self.configuration(), Path::new("."))?)
    }

    fn configuration(&self) -> String {
        let (source, columns) = match self {
            Self::Direct(databases) => (
                format!("[source.postgres]\nurl = \"{}\"\n", databases.source_url()),
                String::new(),
            ),
            Self::OverKafka(stack) => (
                format!(
                    "[source.kafka]\nbrokers = \"{}\"\ntopics  = [\"{TOPIC}\"]\ngroup   = \"demo\"\n",
                    stack.broker().bootstrap()
                ),
                "columns = { amount = \"decimal(10,2)\", created_at = \"timestamp(micros)\", \
                 updated_at = \"timestamp(micros)\" }\n"
                    .to_owned(),
            ),
        };
        format!(
            r#"[pipeline]
name = "demo"

{source}
[sink.postgres]
url = "{url}"

[[table]]
source  = "public.orders"
target  = "public.orders_fact"
mode    = "history"
{columns}"#,
            url = self.databases().warehouse_url(),
        )
    }

    /// How to look around while everything runs.
    pub(crate) fn describe(&self) -> String {
        let between = match self {
            Self::Direct(_) => String::new(),
            Self::OverKafka(stack) => format!(
                "kafka:     {}\nconnect:   {}\n",
                stack.broker().bootstrap(),
                stack.connect().url()
            ),
        };
        format!(
            "source:    psql {}\nwarehouse: psql {}\n           try: SELECT * FROM sales_dashboard;\n\
             {between}pipeline.toml as used:\n\n{}",
            self.databases().source_url(),
            self.databases().warehouse_url(),
            self.configuration()
        )
    }
}
