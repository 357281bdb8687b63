//! A source database of a test's own, and its capture.

use cdc_stack::connector::{ConnectorConfig, SchemaBlock};
use cdc_workload::{Oracle, Transaction, sql};

use super::{Topic, stack};

const ORDERS: &str = include_str!("../../../../../docker/source/orders.sql");

/// Longest text handed to one `psql`.
const TEXT_BYTES_MAX: usize = 8 << 20;

/// A source database with the empty table `orders`.
#[derive(Debug)]
pub(crate) struct Source {
    name: String,
    database: String,
}

impl Source {
    /// A database; the name is also that of the connector and the topic's prefix.
    pub(crate) fn fresh(name: &str) -> Self {
        let database = stack().source().fresh_database(name).expect("a source database");
        let source = Self { name: name.to_owned(), database };
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
        let port = stack().source().port();
        let connector = ConnectorConfig {
            schemas,
            ..ConnectorConfig::isolated(&self.name, port, &self.database, &tables)
        };
        let topics = tables.map(|table| Topic::shared(&connector.topic(table), partitions));
        stack().register(&connector).expect("a running connector");
        topics
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

    /// Its address for the superuser.
    pub(crate) fn url(&self) -> String {
        stack().source().url(&self.database)
    }

    /// Runs SQL and gives the rows as text.
    pub(crate) fn run(&self, sql: &str) -> String {
        let answer = stack().source().psql(&self.database, sql);
        answer.unwrap_or_else(|error| panic!("the source refused: {error}"))
    }
}
