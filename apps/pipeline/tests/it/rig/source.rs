//! A source database of a test's own, and its capture.

use cdc_stack::connect::Connect;
use cdc_stack::connector::{ConnectorConfig, SchemaBlock};
use cdc_stack::postgres::Cluster;
use cdc_workload::{Oracle, Transaction, sql};

use super::{LIMIT, Topic, stack};

const ORDERS: &str = include_str!("../../../../../docker/source/orders.sql");

const ORDERS_TABLE: &str = "public.orders";

/// Longest text handed to one `psql`.
const TEXT_BYTES_MAX: usize = 8 << 20;

/// A source database with the empty table `orders`.
#[derive(Debug)]
pub(crate) struct Source {
    cluster: &'static Cluster,
    name: String,
    database: String,
}

impl Source {
    /// A database; the name is also that of the connector and the topic's prefix.
    pub(crate) fn fresh(name: &str) -> Self {
        Self::on(stack().source(), name)
    }

    /// The same on a server of the test's own, which it may restore.
    pub(crate) fn on(cluster: &'static Cluster, name: &str) -> Self {
        let database = cluster.fresh_database(name).expect("a source database");
        let source = Self { cluster, name: name.to_owned(), database };
        source.run(ORDERS);
        source
    }

    /// Creates the topic, so that the number of its partitions is known, and starts the capture.
    pub(crate) fn capture(&self, schemas: SchemaBlock, partitions: i32) -> Topic {
        let [topic] = self.capture_tables(schemas, partitions, ["public.orders"]);
        topic
    }

    /// The same for these tables, with a topic for each.
    pub(crate) fn capture_tables<const N: usize>(
        &self,
        schemas: SchemaBlock,
        partitions: i32,
        tables: [&str; N],
    ) -> [Topic; N] {
        let connector = self.connector(schemas, &tables);
        let topics = tables.map(|table| Topic::shared(&connector.topic(table), partitions));
        stack().register(&connector).expect("a running connector");
        topics
    }

    /// Starts the capture of `orders` on a worker of the test's own, which it may kill.
    pub(crate) fn capture_on(&self, worker: &Connect) -> Topic {
        self.capture_on_with(worker, "initial", &[])
    }

    /// The same with a snapshot of this mode, and with further settings.
    pub(crate) fn capture_on_with(
        &self,
        worker: &Connect,
        snapshot: &str,
        extra: &[(&str, &str)],
    ) -> Topic {
        let topic = Topic::shared(&format!("{}.{ORDERS_TABLE}", self.name), 1);
        self.put_on(worker, snapshot, extra);
        topic
    }

    /// Creates the connector on a worker whose topic is there, or gives it these settings.
    pub(crate) fn put_on(&self, worker: &Connect, snapshot: &str, extra: &[(&str, &str)]) {
        let extra = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let connector = ConnectorConfig {
            snapshot_mode: snapshot.to_owned(),
            extra: extra.collect(),
            ..self.connector(SchemaBlock::Off, &[ORDERS_TABLE])
        };
        worker.put_connector(&self.name, &connector.to_json()).expect("a connector");
        self.wait_captured(worker);
    }

    /// Waits until the capture runs.
    pub(crate) fn wait_captured(&self, worker: &Connect) {
        worker.wait_running(&self.name, LIMIT).expect("a running connector");
    }

    fn connector(&self, schemas: SchemaBlock, tables: &[&str]) -> ConnectorConfig {
        let port = self.cluster.port();
        ConnectorConfig {
            schemas,
            ..ConnectorConfig::isolated(&self.name, port, &self.database, tables)
        }
    }

    /// Lets transactions happen, here and in the oracle.
    pub(crate) fn load(
        &self,
        oracle: &mut Oracle,
        transactions: impl IntoIterator<Item = Transaction>,
    ) {
        let mut text = String::new();
        for transaction in transactions {
            oracle.apply(&transaction);
            sql::write_transaction(&transaction, &mut text);
            if text.len() > TEXT_BYTES_MAX {
                self.run(&text);
                text.clear();
            }
        }
        self.run(&text);
    }

    /// The address of the database for the superuser.
    pub(crate) fn url(&self) -> String {
        self.cluster.url(&self.database)
    }

    /// Runs SQL and gives the rows as text.
    pub(crate) fn run(&self, sql: &str) -> String {
        let answer = self.cluster.psql(&self.database, sql);
        answer.unwrap_or_else(|error| panic!("the source refused: {error}"))
    }

    /// The same for SQL that the source may refuse, and while it may be away.
    pub(crate) fn try_run(&self, sql: &str) -> Result<String, String> {
        self.cluster.psql(&self.database, sql).map_err(|error| error.to_string())
    }
}
