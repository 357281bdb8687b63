//! Everything that the demonstration runs on.

use std::path::Path;

use cdc_kafka::Publisher;
use cdc_stack::postgres::Durability;
use cdc_stack::{Ports, Stack, StackOptions, Warehouse};

use crate::config::Settings;
use crate::failure::Failure;
use crate::init;

/// The topic that the orders connector writes.
const TOPIC: &str = "dbserver1.public.orders";

/// The running stack, and how a pipeline is configured on it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) stack: Stack,
}

impl Stage {
    /// Starts source, warehouse, broker and Connect.
    pub(crate) fn start() -> Result<Self, Failure> {
        let options = StackOptions {
            folder: None,
            ports: Ports::Free,
            warehouse: Warehouse::OwnCluster,
            durability: Durability::Full,
        };
        let stack = Stack::start(&options).map_err(Failure::stack("start the local stack"))?;
        Ok(Self { stack })
    }

    /// Creates the tables that the pipeline writes.
    pub(crate) async fn prepare_warehouse(&self) -> Result<(), Failure> {
        init::create(&self.settings()?).await
    }

    /// Creates the topic and registers the connector.
    pub(crate) fn start_capture(&self) -> Result<(), Failure> {
        let cannot = |error| Failure::end("create the topic", error);
        let publisher = Publisher::connect(&self.stack.broker().bootstrap()).map_err(cannot)?;
        publisher.create_topic(TOPIC, 1).map_err(cannot)?;
        let connector = self.stack.orders_connector();
        self.stack.register(&connector).map_err(Failure::stack("register the connector"))
    }

    /// The pipeline's configuration, through the same reader as a user's file.
    pub(crate) fn settings(&self) -> Result<Settings, Failure> {
        Ok(Settings::parse("demo", &self.configuration(), Path::new("."))?)
    }

    fn configuration(&self) -> String {
        format!(
            r#"[pipeline]
name = "demo"

[source.kafka]
brokers = "{brokers}"
topics  = ["{TOPIC}"]
group   = "demo"

[sink.postgres]
url = "{url}"

[[table]]
source  = "public.orders"
target  = "public.orders_fact"
mode    = "history"
columns = {{ amount = "decimal(10,2)", created_at = "timestamp(micros)", updated_at = "timestamp(micros)" }}
"#,
            brokers = self.stack.broker().bootstrap(),
            url = self.stack.warehouse_url(),
        )
    }

    /// How to look around while everything runs.
    pub(crate) fn describe(&self) -> String {
        format!(
            "source:    psql {}\nwarehouse: psql {}\n           try: SELECT * FROM sales_dashboard;\n\
             kafka:     {}\nconnect:   {}\npipeline.toml as used:\n\n{}",
            self.stack.source_url(),
            self.stack.warehouse_url(),
            self.stack.broker().bootstrap(),
            self.stack.connect().url(),
            self.configuration()
        )
    }
}
